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
pub fn message<P: PolicyKind, Q: PolicyKind>(preempting: &P, incumbent: &Q) -> String {
    let preempting = described(preempting);
    let mut chars = preempting.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{} preempted {} successfully", chars.as_str(), described(incumbent))
}

/// How messages name a policy.
fn described<P: PolicyKind>(policy: &P) -> String {
    let key = super::policy_key(policy);
    if P::NAMESPACED { format!("propagation policy({key})") } else { format!("cluster propagation policy({key})") }
}

#[cfg(test)]
mod tests {
    use karmada_api::policy::{ClusterPropagationPolicy, PropagationPolicy};

    use super::*;

    #[test]
    fn who_may_preempt_whom() {
        let policy = |priority| Incumbent { namespaced: true, priority };
        let cluster_policy = |priority| Incumbent { namespaced: false, priority };
        assert!(may_preempt::<PropagationPolicy>(1, policy(0)));
        assert!(!may_preempt::<PropagationPolicy>(1, policy(1)));
        assert!(may_preempt::<PropagationPolicy>(0, cluster_policy(9)));
        assert!(!may_preempt::<ClusterPropagationPolicy>(9, policy(0)));
        assert!(may_preempt::<ClusterPropagationPolicy>(2, cluster_policy(1)));
    }

    #[test]
    fn messages_are_upstreams() {
        let mut policy = PropagationPolicy::default();
        policy.metadata.namespace = Some("v39".to_owned());
        policy.metadata.name = Some("pol".to_owned());
        let mut other = ClusterPropagationPolicy::default();
        other.metadata.name = Some("cpol-p1".to_owned());
        assert_eq!(
            message(&policy, &other),
            "Propagation policy(v39/pol) preempted cluster propagation policy(cpol-p1) successfully"
        );
    }
}
