//! Taints of clusters.

use crate::labels::keys;

keys! {
    /// Put on a cluster by hand to keep new workloads away.
    UNSCHEDULABLE = "cluster.karmada.io/unschedulable";
    /// The cluster isn't ready.
    NOT_READY = "cluster.karmada.io/not-ready";
    /// The cluster can't be reached.
    UNREACHABLE = "cluster.karmada.io/unreachable";
}

/// Workloads are not placed on the cluster anew.
pub const EFFECT_NO_SCHEDULE: &str = "NoSchedule";
/// Workloads are placed on the cluster only if need be.
pub const EFFECT_PREFER_NO_SCHEDULE: &str = "PreferNoSchedule";
/// Workloads are removed from the cluster as well.
pub const EFFECT_NO_EXECUTE: &str = "NoExecute";
