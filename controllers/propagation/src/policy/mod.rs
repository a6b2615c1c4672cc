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
#[cfg(test)]
mod tests;

use karmada_api::policy::PolicyKind;

pub use binding::{BindingError, BindingInput, BindingPlan, build_binding};
pub use claim::{Claim, ClaimedBy};
pub use index::{PolicyIndex, WaitingTemplates};
pub use selector::{Specificity, TemplateRef};

/// How messages name a policy: with its namespace, if it has one.
pub fn policy_key<P: PolicyKind>(policy: &P) -> String {
    let metadata = policy.metadata();
    crate::object::short_key(
        metadata.namespace.as_deref().filter(|_| P::NAMESPACED).unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// Texts of events on templates.
pub mod message {
    use karmada_api::policy::PolicyKind;

    fn applied_policy<P: PolicyKind>(policy: &P) -> String {
        let kind = if P::NAMESPACED { "policy" } else { "cluster policy" };
        format!("Apply {kind}({})", super::policy_key(policy))
    }

    /// The policy was applied: the template is claimed and its binding is up to date.
    pub fn applied<P: PolicyKind>(policy: &P) -> String {
        format!("{} succeed", applied_policy(policy))
    }

    /// The policy could not be applied.
    pub fn not_applied<P: PolicyKind>(policy: &P, error: &str) -> String {
        format!("{} failed: {error}", applied_policy(policy))
    }

    /// The interpreter said how many replicas the template wants.
    pub const REPLICAS: &str = "Get replicas of resource template successfully.";
    /// The interpreter said of which components the template consists.
    pub const COMPONENTS: &str = "Get components of resource template successfully.";
}
