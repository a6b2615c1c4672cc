//! `apps.karmada.io/v1alpha1`: asking the scheduler to place workloads anew.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::record::{kind, record};

/// The API group.
pub const GROUP: &str = "apps.karmada.io";

/// Result: the workload has been placed anew.
pub const REBALANCE_SUCCESSFUL: &str = "Successful";
/// Result: it has not.
pub const REBALANCE_FAILED: &str = "Failed";
/// Reason of a failure: the workload has no binding.
pub const REBALANCE_BINDING_NOT_FOUND: &str = "ReferencedBindingNotFound";

kind! {
    /// Asks once for workloads to be placed anew, as if they had no clusters yet.
    pub struct WorkloadRebalancer: "apps.karmada.io" "v1alpha1" "workloadrebalancers" Cluster {
        /// The workloads.
        req spec: WorkloadRebalancerSpec,
        /// What became of them.
        opt status: WorkloadRebalancerStatus,
    }
}

record! {
    /// The workloads to place anew.
    pub struct WorkloadRebalancerSpec {
        /// The workloads.
        req workloads: Vec<ObjectReference> = |s| s.min_items(1),
        /// How long this object stays when all is done; absent means for ever.
        opt ttl_seconds_after_finished: Option<i32>,
    }
}

record! {
    /// Refers to a workload.
    pub struct ObjectReference {
        /// Group and version.
        req api_version: String,
        /// Kind.
        req kind: String,
        /// Name.
        req name: String,
        /// Namespace; empty for a cluster-scoped resource.
        opt namespace: String,
    }
}

record! {
    /// What became of the workloads.
    pub struct WorkloadRebalancerStatus {
        /// Result by workload.
        opt observed_workloads: Vec<ObservedWorkload>,
        /// The generation that the status is about.
        opt observed_generation: i64,
        /// When all was done.
        opt finish_time: Option<Time>,
    }
}

record! {
    /// Result for one workload.
    pub struct ObservedWorkload {
        /// The workload.
        req workload: ObjectReference,
        /// Successful or Failed.
        opt result: String,
        /// Why it failed.
        opt reason: String,
    }
}
