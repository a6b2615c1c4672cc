//! Summing up replicated workloads: Deployment, ReplicaSet, StatefulSet, DaemonSet.
//!
//! Counters are added. The template's observed generation advances only when every member has seen the template's
//! generation and has observed its own object, so that tools which wait for it don't see a stale sum as settled.

use serde_json::{Map, Value};

use super::aggregate::{decoded, number};
use super::typed;
use crate::answer::StatusItem;

/// How a kind's status is summed up.
pub(super) struct Sums {
    type_name: &'static str,
    wrapper: &'static str,
    fields: &'static [&'static str],
    /// StatefulSets compare the template generation that a member has seen with the member's own generation, where the
    /// others compare it with the template's.
    compares_with_member: bool,
}

pub(super) const DEPLOYMENT: Sums = Sums {
    type_name: "DeploymentStatus",
    wrapper: "WrappedDeploymentStatus.DeploymentStatus",
    fields: &["replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"],
    compares_with_member: false,
};

pub(super) const REPLICA_SET: Sums = Sums {
    type_name: "ReplicaSetStatus",
    wrapper: "WrappedReplicaSetStatus.ReplicaSetStatus",
    fields: &["replicas", "readyReplicas", "availableReplicas"],
    compares_with_member: false,
};

pub(super) const STATEFUL_SET: Sums = Sums {
    type_name: "StatefulSetStatus",
    wrapper: "WrappedStatefulSetStatus.StatefulSetStatus",
    fields: &["availableReplicas", "currentReplicas", "readyReplicas", "replicas", "updatedReplicas"],
    compares_with_member: true,
};

pub(super) const DAEMON_SET: Sums = Sums {
    type_name: "DaemonSetStatus",
    wrapper: "WrappedDaemonSetStatus.DaemonSetStatus",
    fields: &[
        "currentNumberScheduled",
        "desiredNumberScheduled",
        "numberAvailable",
        "numberMisscheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberUnavailable",
    ],
    compares_with_member: false,
};

/// The template's status with the members' counters in place of its own; its other fields stay.
pub(super) fn sum(sums: &Sums, template: &Value, old: &Value, items: &[StatusItem]) -> Result<Value, String> {
    let generation = template.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let mut totals = vec![0_i64; sums.fields.len()];
    let mut up_to_date = 0;
    for item in decoded(items, sums.type_name, sums.wrapper) {
        let (_, reported) = item?;
        for (total, field) in totals.iter_mut().zip(sums.fields) {
            *total += number(&reported, field);
        }
        if is_up_to_date(sums, &reported, generation) {
            up_to_date += 1;
        }
    }
    let mut status: Map<String, Value> = old.as_object().cloned().unwrap_or_default();
    status.retain(|field, _| typed::has_field(sums.type_name, field));
    for (field, total) in sums.fields.iter().zip(totals) {
        status.insert((*field).to_owned(), Value::from(total));
    }
    if up_to_date == items.len() {
        status.insert("observedGeneration".to_owned(), Value::from(generation));
    }
    Ok(Value::Object(status))
}

fn is_up_to_date(sums: &Sums, reported: &Map<String, Value>, generation: i64) -> bool {
    let own = number(reported, "generation");
    let template = if sums.compares_with_member { own } else { generation };
    number(reported, "observedGeneration") >= own && number(reported, "resourceTemplateGeneration") >= template
}
