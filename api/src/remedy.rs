//! `remedy.karmada.io/v1alpha1`: what to do when a cluster's conditions turn bad.

use crate::record::{kind, record};

/// The API group.
pub const GROUP: &str = "remedy.karmada.io";

/// Action: traffic is kept away from the cluster.
pub const ACTION_TRAFFIC_CONTROL: &str = "TrafficControl";

kind! {
    /// Actions for clusters whose conditions match.
    pub struct Remedy: "remedy.karmada.io" "v1alpha1" "remedies" Cluster {
        /// The clusters, the conditions and the actions.
        req spec: RemedySpec,
    }
}

record! {
    /// The clusters, the conditions and the actions.
    pub struct RemedySpec {
        /// The clusters; absent means every cluster.
        opt cluster_affinity: Option<ClusterAffinity>,
        /// Conditions, one of which must match; none given always matches.
        opt decision_matches: Vec<DecisionMatch>,
        /// The actions.
        opt actions: Vec<String>,
    }
}

record! {
    /// Clusters by name.
    pub struct ClusterAffinity {
        /// Names of the clusters.
        opt cluster_names: Vec<String>,
    }
}

record! {
    /// A match on the state of a cluster.
    pub struct DecisionMatch {
        /// Match on a condition of the cluster.
        opt cluster_condition_match: Option<ClusterConditionRequirement>,
    }
}

record! {
    /// A match on a condition of a cluster.
    pub struct ClusterConditionRequirement {
        /// Type of the condition.
        req condition_type: String,
        /// Equal or NotEqual.
        req operator: String = |s| s.values(&["Equal", "NotEqual"]),
        /// Status to compare with.
        req condition_status: String,
    }
}
