//! When a workload leaves a cluster by itself: because of the cluster's taints, or because it does not get healthy.
//!
//! Losing the link to a cluster is neither: it puts no NoExecute taint on the cluster, and makes a workload's health
//! Unknown, which is not Unhealthy.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use karmada_api::cluster::{Cluster, Taint};
use karmada_api::meta::Toleration;
use karmada_api::policy::{Placement, PurgeMode, StatePreservation};
use karmada_api::taints::EFFECT_NO_EXECUTE;
use karmada_api::work::ResourceHealth;
use karmada_api::work::v1alpha2::{BindingKind, ResourceBindingSpec};

use crate::eviction::Eviction;
use crate::json_path;

/// How long a workload may stay in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// For ever, as the taints are now.
    Stays,
    /// This much longer.
    Until(Duration),
    /// It has to go.
    Goes,
}

/// Whether a cluster drives workloads out.
pub fn drives_out(cluster: &Cluster) -> bool {
    cluster.spec.taints.iter().any(|taint| taint.effect == EFFECT_NO_EXECUTE)
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    (toleration.effect.is_empty() || toleration.effect == taint.effect)
        && (toleration.key.is_empty() || toleration.key == taint.key)
        && match toleration.operator.as_str() {
            "" | "Equal" => toleration.value == taint.value,
            "Exists" => true,
            _ => false,
        }
}

/// How long a workload with these tolerations may stay in the cluster. A taint that does not say when it was added
/// counts from `seen`.
pub fn tolerance(cluster: &Cluster, tolerations: &[Toleration], seen: Timestamp, now: Timestamp) -> Tolerance {
    let mut least: Option<Duration> = None;
    for taint in cluster.spec.taints.iter().filter(|taint| taint.effect == EFFECT_NO_EXECUTE) {
        let mut matching = tolerations.iter().filter(|toleration| tolerates(toleration, taint)).peekable();
        if matching.peek().is_none() {
            return Tolerance::Goes;
        }
        let added = taint.time_added.as_ref().map_or(seen, |time| time.0);
        for seconds in matching.filter_map(|toleration| toleration.toleration_seconds) {
            let left = added.as_second().saturating_add(seconds.max(0)).saturating_sub(now.as_second());
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return Tolerance::Goes };
            let left = Duration::from_secs(left);
            least = Some(least.map_or(left, |known| known.min(left)));
        }
    }
    least.map_or(Tolerance::Stays, Tolerance::Until)
}

/// The tolerations that a binding was scheduled with: those of the placement that the scheduler applied last.
pub fn applied_tolerations(applied_placement: Option<&str>) -> Vec<Toleration> {
    applied_placement
        .and_then(|text| serde_json::from_str::<Placement>(text).ok())
        .map(|placement| placement.cluster_tolerations)
        .unwrap_or_default()
}

/// The eviction of a workload whose cluster drives it out.
///
/// # Errors
/// A part of the state that has to be preserved is not there.
pub fn taint_eviction<B: BindingKind>(
    binding: &B,
    cluster: &str,
    default_mode: PurgeMode,
    stateful: bool,
) -> Result<Eviction, String> {
    let behavior = binding.spec().failover.as_ref().and_then(|failover| failover.cluster.as_ref());
    let purge_mode = match behavior {
        Some(behavior) => behavior.purge_mode.unwrap_or(PurgeMode::Gracefully),
        None => default_mode,
    };
    let mut eviction = Eviction {
        purge_mode: Some(purge_mode),
        reason: "TaintUntolerated".to_owned(),
        producer: "TaintManager".to_owned(),
        ..Eviction::default()
    };
    if stateful {
        preserve(&mut eviction, binding, cluster, behavior.and_then(|behavior| behavior.state_preservation.as_ref()))?;
    }
    Ok(eviction)
}

fn preserve<B: BindingKind>(
    eviction: &mut Eviction,
    binding: &B,
    cluster: &str,
    preservation: Option<&StatePreservation>,
) -> Result<(), String> {
    let Some(preservation) = preservation.filter(|preservation| !preservation.rules.is_empty()) else { return Ok(()) };
    let status = binding
        .status()
        .aggregated_status
        .iter()
        .find(|item| item.cluster_name == cluster)
        .and_then(|item| item.status.as_ref())
        .ok_or_else(|| format!("the application status in the cluster({cluster}) is not reported yet"))?;
    for rule in &preservation.rules {
        let text = json_path::text_at(status, &rule.json_path)?;
        eviction.preserved_label_state.insert(rule.alias_label_name.clone(), text);
    }
    eviction.clusters_before_failover = binding.spec().clusters.iter().map(|target| target.name.clone()).collect();
    Ok(())
}

/// Which workloads' health is watched for failover, and who does it.
fn decision_seconds(spec: &ResourceBindingSpec) -> Option<i64> {
    let application = spec.failover.as_ref()?.application.as_ref()?;
    Some(i64::from(application.decision_conditions.toleration_seconds.unwrap_or(DEFAULT_TOLERATION_SECONDS)))
}

const DEFAULT_TOLERATION_SECONDS: i32 = 300;

/// Whether a binding's application fails over. Namespaced bindings must also take their dependencies along, or the
/// application would start without them.
pub fn fails_over<B: BindingKind>(binding: &B) -> bool {
    let spec = binding.spec();
    decision_seconds(spec).is_some()
        && !binding.status().aggregated_status.is_empty()
        && (!B::NAMESPACED || spec.propagate_deps)
}

/// What to do about an application's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationPlan {
    /// The clusters that it leaves now.
    pub evict: Vec<String>,
    /// When to look again.
    pub look_again: Option<Duration>,
}

/// Plans an application's failover. `since` remembers from one call to the next since when the application has been
/// unhealthy in each cluster. Unknown health says nothing and starts the time anew when it is over.
pub fn plan_application<B: BindingKind>(
    binding: &B,
    since: &mut BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> ApplicationPlan {
    let mut plan = ApplicationPlan::default();
    let Some(seconds) = decision_seconds(binding.spec()) else {
        since.clear();
        return plan;
    };
    let unhealthy: Vec<&str> = binding
        .status()
        .aggregated_status
        .iter()
        .filter(|item| item.health == Some(ResourceHealth::Unhealthy) && binding.spec().targets(&item.cluster_name))
        .map(|item| item.cluster_name.as_str())
        .collect();
    since.retain(|cluster, _| unhealthy.contains(&cluster.as_str()));
    for cluster in unhealthy {
        let start = *since.entry(cluster.to_owned()).or_insert(now);
        let left = start.as_millisecond().saturating_add(seconds.max(0) * 1000).saturating_sub(now.as_millisecond());
        match u64::try_from(left).ok().filter(|left| *left > 0) {
            None => plan.evict.push(cluster.to_owned()),
            Some(left) => {
                let left = Duration::from_millis(left);
                plan.look_again = Some(plan.look_again.map_or(left, |known| known.min(left)));
            }
        }
    }
    plan
}

/// The eviction of an application that has been unhealthy for too long.
///
/// # Errors
/// A part of the state that has to be preserved is not there.
pub fn application_eviction<B: BindingKind>(
    binding: &B,
    cluster: &str,
    producer: &str,
    graceful: bool,
    stateful: bool,
) -> Result<Eviction, String> {
    let behavior = binding.spec().failover.as_ref().and_then(|failover| failover.application.as_ref());
    let purge_mode = behavior.and_then(|behavior| behavior.purge_mode).unwrap_or(PurgeMode::Gracefully);
    let mut eviction = Eviction {
        reason: "ApplicationFailure".to_owned(),
        producer: producer.to_owned(),
        grace_period_seconds: behavior
            .filter(|_| graceful && purge_mode == PurgeMode::Gracefully)
            .and_then(|behavior| behavior.grace_period_seconds),
        suppress_deletion: (purge_mode == PurgeMode::Never).then_some(true),
        purge_mode: Some(purge_mode),
        ..Eviction::default()
    };
    if stateful {
        preserve(&mut eviction, binding, cluster, behavior.and_then(|behavior| behavior.state_preservation.as_ref()))?;
    }
    Ok(eviction)
}

#[cfg(test)]
mod tests {
    use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
    use serde_json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn cluster(taints: Value) -> Cluster {
        serde_json::from_value(json!({"metadata": {"name": "m1"}, "spec": {"syncMode": "Push", "taints": taints}}))
            .unwrap()
    }

    fn tolerations(list: Value) -> Vec<Toleration> {
        applied_tolerations(Some(&json!({"clusterTolerations": list}).to_string()))
    }

    #[test]
    fn only_untolerated_no_execute_taints_drive_out() {
        let lost = cluster(json!([{"key": "cluster.karmada.io/unreachable", "effect": "NoSchedule"}]));
        assert!(!drives_out(&lost));
        assert_eq!(tolerance(&lost, &[], at(0), at(0)), Tolerance::Stays);

        let tainted = cluster(json!([{"key": "maint", "value": "x", "effect": "NoExecute"}]));
        assert_eq!(tolerance(&tainted, &applied_tolerations(None), at(0), at(0)), Tolerance::Goes);
        assert_eq!(tolerance(&tainted, &applied_tolerations(Some("no JSON")), at(0), at(0)), Tolerance::Goes);
        let equal = tolerations(json!([{"key": "maint", "value": "x"}]));
        assert_eq!(tolerance(&tainted, &equal, at(0), at(0)), Tolerance::Stays);
        let other = tolerations(json!([{"key": "maint", "value": "y"}]));
        assert_eq!(tolerance(&tainted, &other, at(0), at(0)), Tolerance::Goes);
    }

    #[test]
    fn toleration_ends_with_its_time() {
        let added = at(0);
        let tainted = cluster(json!([{"key": "maint", "effect": "NoExecute", "timeAdded": added.to_string()}]));
        let limited = tolerations(json!([{"operator": "Exists", "tolerationSeconds": 30}]));
        assert_eq!(tolerance(&tainted, &limited, at(0), at(10)), Tolerance::Until(Duration::from_secs(20)));
        assert_eq!(tolerance(&tainted, &limited, at(0), at(30)), Tolerance::Goes);
        let never = tolerations(json!([{"operator": "Exists", "tolerationSeconds": -1}]));
        assert_eq!(tolerance(&tainted, &never, at(0), at(0)), Tolerance::Goes);
    }

    fn binding(spec: Value, health: &[(&str, &str)]) -> ResourceBinding {
        let items: Vec<Value> = health
            .iter()
            .map(|(name, health)| json!({"clusterName": name, "health": health, "applied": true, "status": {"n": 4}}))
            .collect();
        let binding =
            json!({"metadata": {"name": "b", "namespace": "ns"}, "spec": spec, "status": {"aggregatedStatus": items}});
        serde_json::from_value(binding).unwrap()
    }

    fn failing(purge: &str) -> Value {
        json!({
            "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "ns"},
            "clusters": [{"name": "m1", "replicas": 1}], "propagateDeps": true,
            "failover": {"application": {"decisionConditions": {"tolerationSeconds": 3}, "purgeMode": purge,
                "gracePeriodSeconds": 5, "statePreservation": {"rules": [{"aliasLabelName": "n", "jsonPath": "{.n}"}]}}},
        })
    }

    #[test]
    fn an_application_leaves_after_its_time() {
        let sick = binding(failing("Gracefully"), &[("m1", "Unhealthy"), ("m2", "Unhealthy")]);
        assert!(fails_over(&sick));
        let mut since = BTreeMap::new();
        let plan = plan_application(&sick, &mut since, at(0));
        assert_eq!((plan.evict.len(), plan.look_again), (0, Some(Duration::from_secs(3))));
        let plan = plan_application(&sick, &mut since, at(3));
        assert_eq!((plan.evict, plan.look_again), (vec!["m1".to_owned()], None));

        // Health that nobody knows, as when the link is lost, says nothing.
        let lost = binding(failing("Gracefully"), &[("m1", "Unknown")]);
        assert_eq!(plan_application(&lost, &mut since, at(100)), ApplicationPlan::default());
        assert!(since.is_empty());
    }

    #[test]
    fn evictions_say_what_policies_say() {
        let sick = binding(failing("Gracefully"), &[("m1", "Unhealthy")]);
        let eviction = application_eviction(&sick, "m1", "p", true, true).unwrap();
        assert_eq!(eviction.grace_period_seconds, Some(5));
        assert_eq!(eviction.preserved_label_state["n"], "4");
        assert_eq!(eviction.clusters_before_failover, ["m1"]);
        assert!(application_eviction(&sick, "m9", "p", true, true).is_err());
        let never = binding(failing("Never"), &[("m1", "Unhealthy")]);
        let eviction = application_eviction(&never, "m1", "p", true, false).unwrap();
        assert_eq!((eviction.grace_period_seconds, eviction.suppress_deletion), (None, Some(true)));
        let eviction = taint_eviction(&never, "m1", PurgeMode::Directly, true).unwrap();
        assert_eq!(eviction.purge_mode, Some(PurgeMode::Directly));
    }

    #[test]
    fn a_namespaced_application_takes_its_dependencies_along() {
        let mut spec = failing("Gracefully");
        spec["propagateDeps"] = json!(false);
        let alone = binding(spec, &[("m1", "Unhealthy")]);
        assert!(!fails_over(&alone));
        let cluster_scoped = ClusterResourceBinding {
            spec: alone.spec.clone(),
            status: alone.status.clone(),
            ..ClusterResourceBinding::default()
        };
        assert!(fails_over(&cluster_scoped));
    }
}
