//! Which policy a template follows, and what it makes of it.
//!
//! - [`selector`]: whether a policy selects a template, and how specifically.
//! - [`index`]: the best policy for a template without looking at all policies, and the waiting templates that a
//!   policy selects without looking at all templates.
//! - [`claim`]: the labels and annotations by which template and binding say which policy they follow.
//! - [`binding`]: the binding that follows from template, policy and the interpreter's answers.
//! - [`change`]: what an update of a template changed, and who made it.
//! - [`preemption`]: whether a policy may take a template over from another.

pub mod binding;
pub mod change;
pub mod claim;
pub mod index;
pub mod preemption;
pub mod selector;

pub use binding::{BindingError, BindingInput, BindingPlan, build_binding};
pub use claim::{Claim, ClaimedBy};
pub use index::{PolicyIndex, WaitingTemplates};
pub use selector::{Specificity, TemplateRef};
