//! What the scheduler reads of Karmada's objects.
//!
//! These are projections: only the fields that scheduling looks at, so that a hundred thousand bindings stay small and
//! a field that is newer than this program is no obstacle. Nothing here is ever written back; what the scheduler
//! writes is named in [`crate::Decision`].

mod binding;
mod cluster;
mod placement;

pub use binding::{
    AffinityGroups, AggregatedStatus, Binding, BindingSpec, BindingStatus, Component, ComponentReplicas, Condition,
    EvictionTask, Meta, Requirements, SchedulePriority, Scope, Suspension, TargetCluster, TemplateReference,
};
pub use cluster::{
    ApiEnablement, ApiResource, Cluster, ClusterSpec, ClusterStatus, Modeling, ResourceModel, ResourceRange,
    ResourceSummary, Taint,
};
pub use placement::{
    ClusterAffinity, ClusterAffinityTerm, FieldSelector, LabelSelector, OverflowAffinity, Placement, ReplicaScheduling,
    Requirement, SpreadConstraint, StaticWeight, Toleration, WeightPreference, WorkloadAffinity, WorkloadAffinityTerm,
};

use serde::{Deserialize, Deserializer};

/// Reads an explicit `null` as the default, as Go does.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
