//! Whether a policy may take a template over from the policy that it follows.

use karmada_api::policy::{PolicyKind, PreemptionBehavior};

/// What is known of the policy that a template follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incumbent {
    /// Whether it is a PropagationPolicy (otherwise a ClusterPropagationPolicy).
    pub namespaced: bool,
    /// Its explicit priority.
    pub priority: i32,
}

/// Whether the policy declares that it preempts others.
pub fn is_preemptive<P: PolicyKind>(policy: &P) -> bool {
    policy.spec().preemption == Some(PreemptionBehavior::Always)
}

/// Whether a policy of this kind and priority takes the template over.
///
/// A PropagationPolicy preempts a PropagationPolicy of strictly lower explicit priority and any
/// ClusterPropagationPolicy; a ClusterPropagationPolicy preempts only a ClusterPropagationPolicy of strictly lower
/// explicit priority. Whether it declares preemption and selects the template is asked before.
pub fn may_preempt<P: PolicyKind>(priority: i32, incumbent: Incumbent) -> bool {
    match (P::NAMESPACED, incumbent.namespaced) {
        (true, false) => true,
        (false, true) => false,
        _ => priority > incumbent.priority,
    }
}

/// The event's text on the template when a policy has taken it over.
pub fn message(preempting: &str, incumbent: &str) -> String {
    format!("{preempting} preempted {incumbent} successfully")
}

/// How preemption messages name a policy.
pub fn described<P: PolicyKind>(policy: &P) -> String {
    let metadata = policy.metadata();
    let name = metadata.name.as_deref().unwrap_or_default();
    match metadata.namespace.as_deref().filter(|_| P::NAMESPACED) {
        Some(namespace) => format!("policy({namespace}/{name})"),
        None => format!("policy({name})"),
    }
}
