//! The resource interpreter's pure part: what a template means, from value to value.
//!
//! Templates travel as JSON values; this crate answers eight questions about them (the [`Operation`]s): how many
//! replicas and what each needs, of which components they consist, how the replicas are changed, which part of a
//! member's status is worth reporting, what of the member's object is kept on an update, how the members' statuses sum
//! up, whether the object is healthy, and on which other objects it depends.
//!
//! Answers come from a stack of [`Layer`]s, asked in order; the first whose hook is enabled for the kind and the
//! operation answers. Karmada's order is: users' Lua customizations, webhooks, the built-in third-party scripts, the
//! [`native`] layer. Webhooks need I/O and therefore sit in `interpreter-host`, which asks the layers above them, then
//! the webhooks, then the layers below through the same trait.
//!
//! Nothing here does I/O, and the one native operation that needs the time gets it as an argument. Only scripts may
//! read the clock, through the `os.date` and `os.time` that users' scripts expect.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking"))]

mod answer;
mod error;
mod layer;
pub mod lua;
pub mod native;
mod operation;
pub mod thirdparty;
pub mod unstructured;

pub use answer::{Component, Dependency, Replicas, StatusItem};
pub use error::InterpretError;
pub use layer::{Interpreter, Layer, Swap};
pub use operation::{Operation, kind_of};
