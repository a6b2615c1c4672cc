//! Server-side apply: managed fields, ownership, conflicts and their resolution.
//!
//! [`FieldManager`] follows every write of an object. A create, update or patch gives its author the fields it changed and
//! takes them from others. An apply states all that its author wants: it gets these fields, loses those it no longer
//! states (they go, unless somebody else manages them), and fails if it would change what somebody else manages, unless it
//! is forced. What a field is says the schema: scalars, atomic lists and maps, items of sets and of keyed lists.
//!
//! The caller does the rest: names, defaults, validation, admission.

mod conflict;
mod managed;
mod manager;
mod path;
mod scale;
mod set;
mod shape;
mod typed;
mod updater;

pub use managed::Operation;
pub use manager::{FieldManager, LAST_APPLIED, keep_times, manager_name, reset_fields};
pub use path::{Literal, PathElement, display_path};
pub use scale::{scale_to_parent, scale_to_scale};
pub use set::FieldSet;
pub use updater::Versions;

#[cfg(test)]
mod tests;
