//! FederatedResourceQuota and ClusterTaintPolicy.

use super::placement::ClusterAffinity;
use crate::meta::ResourceList;
use crate::record::{kind, record};

kind! {
    /// Limits what the workloads of a namespace may use over all clusters.
    pub struct FederatedResourceQuota: "policy.karmada.io" "v1alpha1" "federatedresourcequotas" Namespaced {
        /// The limits.
        req spec: FederatedResourceQuotaSpec,
        /// What is used of them.
        opt status: FederatedResourceQuotaStatus,
    }
}

record! {
    /// Limits over all clusters, and fixed shares of them.
    pub struct FederatedResourceQuotaSpec {
        /// The limit of each resource over all clusters.
        req overall: ResourceList,
        /// Shares of single clusters, enforced there as ResourceQuota.
        opt static_assignments: Vec<StaticClusterAssignment>,
    }
}

record! {
    /// The share of one cluster.
    pub struct StaticClusterAssignment {
        /// Name of the cluster.
        req cluster_name: String,
        /// The limits in this cluster.
        req hard: ResourceList,
    }
}

record! {
    /// What is used of a federated quota.
    pub struct FederatedResourceQuotaStatus {
        /// The limits that are in force.
        opt overall: ResourceList,
        /// The use over all clusters.
        opt overall_used: ResourceList,
        /// Limits and use by cluster.
        opt aggregated_status: Vec<ClusterQuotaStatus>,
    }
}

record! {
    /// Limits and use in one cluster.
    pub struct ClusterQuotaStatus {
        /// Name of the cluster.
        req cluster_name: String,
        /// The limits in force there.
        opt hard: ResourceList,
        /// The use there.
        opt used: ResourceList,
    }
}

kind! {
    /// Puts taints on clusters, or takes them off, as their conditions change.
    pub struct ClusterTaintPolicy: "policy.karmada.io" "v1alpha1" "clustertaintpolicies" Cluster {
        /// The taints, and when they are put on or taken off.
        req spec: ClusterTaintPolicySpec,
    }
}

record! {
    /// The taints, and when they are put on or taken off.
    pub struct ClusterTaintPolicySpec {
        /// The clusters that the policy is about; absent means every cluster.
        opt target_clusters: Option<ClusterAffinity>,
        /// The taints are put on when all of these match; an empty list never matches.
        opt add_on_conditions: Vec<MatchCondition>,
        /// The taints are taken off when all of these match; an empty list never matches.
        opt remove_on_conditions: Vec<MatchCondition>,
        /// The taints.
        req taints: Vec<PolicyTaint> = |s| s.min_items(1),
    }
}

record! {
    /// A match on one condition of a cluster.
    pub struct MatchCondition {
        /// Type of the condition.
        req condition_type: String,
        /// In or NotIn.
        req operator: String,
        /// Statuses to compare with.
        req status_values: Vec<String>,
    }
}

record! {
    /// A taint that a policy manages.
    pub struct PolicyTaint {
        /// Key of the taint.
        req key: String,
        /// What the taint does to workloads that don't tolerate it.
        req effect: String,
        /// Value of the taint.
        opt value: String,
    }
}
