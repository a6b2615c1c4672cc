//! When a binding is scheduled, and which bindings a change of a cluster concerns.

use crate::{
    affinity::selects,
    compile::CompiledPlacement,
    decision::Trigger,
    model::{Binding, Cluster, Placement, Scope},
    options::Options,
    snapshot::Snapshot,
};

/// The labels that say that a policy or another owner wants the binding scheduled.
const OWNER_LABELS: [&str; 3] = [
    "propagationpolicy.karmada.io/permanent-id",
    "clusterpropagationpolicy.karmada.io/permanent-id",
    "binding.karmada.io/managed-by",
];

/// Whether a label says that somebody wants the binding scheduled.
#[must_use]
pub fn is_owner_label(key: &str) -> bool {
    OWNER_LABELS.contains(&key)
}

/// Whether the binding is for this scheduler and not on hold.
///
/// Attached bindings (dependencies of a workload) carry no owner label: their clusters come from what requires them.
#[must_use]
pub fn concerns(binding: &Binding, options: &Options) -> bool {
    let name = match binding.spec.scheduler_name.as_str() {
        "" => Options::DEFAULT_SCHEDULER,
        name => name,
    };
    name == options.scheduler_name
        && !binding.is_suspended()
        && OWNER_LABELS.iter().any(|label| binding.metadata.labels.get(*label).is_some_and(|id| !id.is_empty()))
}

/// Why the binding is or is not to be scheduled.
pub(crate) fn trigger(
    binding: &Binding,
    placement: &CompiledPlacement,
    snapshot: &Snapshot,
    options: &Options,
) -> Trigger {
    if placement_changed(binding, placement) {
        Trigger::PlacementChanged
    } else if replicas_changed(binding, placement, options) {
        Trigger::ReplicasChanged
    } else if reschedule_required(binding) {
        Trigger::Rescheduled
    } else if !binding.spec.is_workload() || placement.is_duplicated() {
        Trigger::Always
    } else if binding.spec.clusters.iter().any(|target| snapshot.is_deleting(&target.name)) {
        Trigger::ClusterDeleted
    } else {
        Trigger::UpToDate
    }
}

fn placement_changed(binding: &Binding, placement: &CompiledPlacement) -> bool {
    let Some(applied) = binding.applied_placement() else {
        return true;
    };
    if applied == placement.canonical {
        return false;
    }
    // What cannot be read is taken to be unchanged, as upstream does: somebody else wrote it.
    let Ok(applied) = serde_json::from_str::<Placement>(applied) else {
        return false;
    };
    let wanted = &placement.source;
    if applied == *wanted {
        return false;
    }
    if applied.cluster_affinity != wanted.cluster_affinity
        || applied.cluster_tolerations != wanted.cluster_tolerations
        || applied.spread_constraints != wanted.spread_constraints
        || applied.replica_scheduling != wanted.replica_scheduling
    {
        return true;
    }
    let observed = &binding.status.observed_affinity_name;
    let term = |of: &Placement| of.cluster_affinities.iter().find(|term| term.affinity_name == *observed).cloned();
    match (term(wanted), term(&applied)) {
        (Some(wanted), Some(applied)) if !observed.is_empty() => wanted != applied,
        _ => true,
    }
}

fn replicas_changed(binding: &Binding, placement: &CompiledPlacement, options: &Options) -> bool {
    let spec = &binding.spec;
    let Some(how) = &placement.source.replica_scheduling else {
        return false;
    };
    if options.gates.multiple_pod_templates_scheduling && !spec.components.is_empty() && spec.clusters.is_empty() {
        return true;
    }
    match how.replica_scheduling_type.as_str() {
        "Duplicated" => spec.clusters.iter().any(|target| target.replicas != spec.replicas),
        "Divided" => {
            spec.clusters.iter().map(|target| i64::from(target.replicas)).sum::<i64>() != i64::from(spec.replicas)
        }
        _ => false,
    }
}

/// Whether a complete new decision was asked for after the last one was made.
pub(crate) fn reschedule_required(binding: &Binding) -> bool {
    match (&binding.spec.reschedule_triggered_at, &binding.status.last_scheduled_time) {
        (Some(asked), Some(last)) => asked.0 > last.0,
        _ => false,
    }
}

/// Whether a binding is queued when this cluster changes: call it with the cluster as it was and as it is.
#[must_use]
pub fn cluster_change_concerns(binding: &Binding, placement: &Placement, cluster: &Cluster) -> bool {
    if placement.cluster_affinities.is_empty() {
        return placement.cluster_affinity.as_ref().is_none_or(|affinity| selects(affinity, cluster));
    }
    if binding.status.scheduler_observed_generation != binding.metadata.generation {
        return true;
    }
    let observed = &binding.status.observed_affinity_name;
    let terms = &placement.cluster_affinities;
    let term = terms.iter().find(|term| term.affinity_name == *observed).unwrap_or(&terms[0]);
    selects(&term.affinity, cluster)
}

/// How events and messages name the binding.
pub(crate) fn display(binding: &Binding) -> String {
    match binding.scope() {
        Scope::Namespaced => format!("ResourceBinding({})", binding.key()),
        Scope::Cluster => format!("ClusterResourceBinding({})", binding.key()),
    }
}
