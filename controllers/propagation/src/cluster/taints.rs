//! Taints of clusters: from their Ready condition, and from policies.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use karmada_api::cluster::{Cluster, Taint};
use karmada_api::policy::{ClusterTaintPolicy, ClusterTaintPolicySpec};
use karmada_api::taints::EFFECT_NO_SCHEDULE;

use crate::affinity;

/// Taint key: the cluster says that it isn't ready.
pub const NOT_READY: &str = "cluster.karmada.io/not-ready";
/// Taint key: nobody knows how the cluster is.
pub const UNREACHABLE: &str = "cluster.karmada.io/unreachable";

fn stamped(key: &str, value: &str, effect: &str, now: Timestamp) -> Taint {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned(), time_added: Some(Time(now)) }
}

/// The taints that follow from the Ready condition; nothing if they are right already. A cluster that is not ready gets
/// no new workloads; what runs there stays.
pub fn from_ready(cluster: &Cluster, now: Timestamp) -> Option<Vec<Taint>> {
    let wanted = match cluster.ready_status() {
        Some("True") => None,
        Some("Unknown") => Some(UNREACHABLE),
        _ => Some(NOT_READY),
    };
    let ours =
        |taint: &Taint| taint.effect == EFFECT_NO_SCHEDULE && matches!(taint.key.as_str(), NOT_READY | UNREACHABLE);
    let mut taints: Vec<Taint> = cluster
        .spec
        .taints
        .iter()
        .filter(|taint| !ours(taint) || wanted == Some(taint.key.as_str()))
        .cloned()
        .collect();
    if let Some(key) = wanted
        && !taints.iter().any(ours)
    {
        taints.push(stamped(key, "", EFFECT_NO_SCHEDULE, now));
    }
    (taints != cluster.spec.taints).then_some(taints)
}

/// The taints that follow from the policies, which are taken in the order of their creation: what they add, then what
/// they remove; nothing if they are right already. A policy that goes away leaves its taints.
pub fn from_policies(cluster: &Cluster, policies: &[ClusterTaintPolicy], now: Timestamp) -> Option<Vec<Taint>> {
    let mut ordered: Vec<&ClusterTaintPolicy> = policies
        .iter()
        .filter(|policy| policy.spec.target_clusters.as_ref().is_none_or(|target| affinity::matches(target, cluster)))
        .collect();
    ordered.sort_by_key(|policy| {
        (policy.metadata.creation_timestamp.as_ref().map(|time| time.0), policy.metadata.name.clone())
    });
    let mut taints = cluster.spec.taints.clone();
    for ClusterTaintPolicy { spec, .. } in ordered {
        apply(spec, &cluster.status.conditions, &mut taints, now);
    }
    (taints != cluster.spec.taints).then_some(taints)
}

fn apply(spec: &ClusterTaintPolicySpec, conditions: &[Condition], taints: &mut Vec<Taint>, now: Timestamp) {
    let all_hold = |list: &[karmada_api::policy::MatchCondition]| {
        !list.is_empty()
            && list.iter().all(|wanted| {
                conditions.iter().any(|condition| {
                    let listed = wanted.status_values.contains(&condition.status);
                    condition.type_ == wanted.condition_type
                        && match wanted.operator.as_str() {
                            "In" => listed,
                            "NotIn" => !listed,
                            _ => false,
                        }
                })
            })
    };
    let at = |taints: &[Taint], key: &str, effect: &str| {
        taints.iter().position(|taint| taint.key == key && taint.effect == effect)
    };
    if all_hold(&spec.add_on_conditions) {
        for taint in &spec.taints {
            match at(taints, &taint.key, &taint.effect) {
                Some(index) if taints[index].value == taint.value => {}
                Some(index) => taints[index] = stamped(&taint.key, &taint.value, &taint.effect, now),
                None => taints.push(stamped(&taint.key, &taint.value, &taint.effect, now)),
            }
        }
    }
    if all_hold(&spec.remove_on_conditions) {
        for taint in &spec.taints {
            if let Some(index) = at(taints, &taint.key, &taint.effect) {
                taints.remove(index);
            }
        }
    }
}

/// The event's text when a cluster's taints were written.
pub fn message(cluster: &str, taints: &[Taint], succeeded: bool) -> String {
    let list: Vec<String> = taints
        .iter()
        .map(|taint| {
            let value = if taint.value.is_empty() { String::new() } else { format!(",Value:{}", taint.value) };
            format!("{{Key:{}{value},Effect:{}}}", taint.key, taint.effect)
        })
        .collect();
    let now = if list.is_empty() {
        "cluster now does not have taints".to_owned()
    } else {
        format!("cluster now has taints([{}])", list.join(","))
    };
    let outcome = if succeeded { "succeed" } else { "failed" };
    format!("Update Cluster({cluster}) with taints({now}) {outcome}")
}
