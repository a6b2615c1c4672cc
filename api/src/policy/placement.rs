//! Placement: which clusters, how many of them, and how replicas are divided. Field order is Go's.

use crate::meta::{LabelSelector, SelectorRequirement, Toleration};
use crate::record::{record, string_enum};

record! {
    /// Which clusters may hold the resources, and how replicas are divided among them.
    pub struct Placement {
        /// One rule that selects clusters; excludes `clusterAffinities`. Absent together with them: every cluster.
        opt cluster_affinity: Option<ClusterAffinity>,
        /// Ordered groups of clusters: the scheduler takes the first one that satisfies the placement.
        opt cluster_affinities: Vec<ClusterAffinityTerm>,
        /// Cluster taints that the resources tolerate.
        opt cluster_tolerations: Vec<Toleration>,
        /// How the selected clusters are spread over topology domains.
        opt spread_constraints: Vec<SpreadConstraint>,
        /// How replicas are divided; absent means that every cluster gets all of them.
        opt replica_scheduling: Option<ReplicaSchedulingStrategy>,
        /// Keeps groups of workloads together in the same clusters, or apart.
        opt workload_affinity: Option<WorkloadAffinity>,
    }
}

record! {
    /// Selects clusters; every part that is given must match, and an excluded name never matches.
    pub struct ClusterAffinity {
        /// Condition on the labels of the cluster.
        opt label_selector: Option<LabelSelector> = |s| s.atomic_map(),
        /// Condition on the cluster's provider, region or zone.
        opt field_selector: Option<FieldSelector>,
        /// Names of the clusters that may be selected.
        opt cluster_names: Vec<String>,
        /// Names of clusters that are never selected.
        opt exclude: Vec<String>,
    }
}

record! {
    /// Condition on fields of a cluster.
    pub struct FieldSelector {
        /// Conditions with key provider, region or zone; all must hold.
        opt match_expressions: Vec<SelectorRequirement>,
    }
}

record! {
    /// A named group of clusters, with groups that take what does not fit.
    pub struct ClusterAffinityTerm {
        /// Name of the group, unique within the placement.
        req affinity_name: String = |s| s.min_length(1).max_length(32),
        /// The clusters of the group.
        inline affinity: ClusterAffinity,
        /// Further groups, in order, for replicas that the group itself cannot hold.
        opt overflow_affinities: Vec<OverflowAffinityTerm>,
    }
}

record! {
    /// A named group of clusters that takes the overflow of another group.
    pub struct OverflowAffinityTerm {
        /// Name of the group, unique within the placement.
        req affinity_name: String = |s| s.min_length(1).max_length(32),
        /// The clusters of the group.
        inline affinity: ClusterAffinity,
    }
}

string_enum! {
    /// A field of clusters by which they are grouped into topology domains.
    pub enum SpreadField {
        /// Every cluster is its own domain.
        Cluster = "cluster",
        /// Clusters of the same region.
        Region = "region",
        /// Clusters of the same zone.
        Zone = "zone",
        /// Clusters of the same provider.
        Provider = "provider",
    }
}

record! {
    /// How many topology domains the resources are spread over.
    pub struct SpreadConstraint {
        /// The field that groups clusters; excludes `spreadByLabel`.
        opt spread_by_field: Option<SpreadField>,
        /// The label that groups clusters; excludes `spreadByField`.
        opt spread_by_label: String,
        /// The most groups that may be selected.
        opt max_groups: i64 = |s| s.no_format(),
        /// The fewest groups that must be selected; 1 if not given.
        opt min_groups: i64 = |s| s.no_format(),
    }
}

string_enum! {
    /// Whether replicas are copied to every cluster or divided among them.
    pub enum ReplicaSchedulingType {
        /// Every cluster gets all replicas.
        Duplicated = "Duplicated",
        /// The replicas are divided among the clusters.
        Divided = "Divided",
    }
}

string_enum! {
    /// How replicas are divided.
    pub enum ReplicaDivisionPreference {
        /// Into as few clusters as possible, by available resources.
        Aggregated = "Aggregated",
        /// By weight.
        Weighted = "Weighted",
    }
}

string_enum! {
    /// From what a dynamic weight is taken.
    pub enum DynamicWeightFactor {
        /// The number of replicas that the cluster could still run.
        AvailableReplicas = "AvailableReplicas",
    }
}

record! {
    /// How replicas are divided among the selected clusters.
    pub struct ReplicaSchedulingStrategy {
        /// Copy all replicas to each cluster, or divide them.
        opt replica_scheduling_type: Option<ReplicaSchedulingType> = |s| s.default_value("Divided"),
        /// How to divide; Weighted without weights divides evenly.
        opt replica_division_preference: Option<ReplicaDivisionPreference>,
        /// The weights for Weighted.
        opt weight_preference: Option<ClusterPreferences>,
    }
}

record! {
    /// Weights of clusters.
    pub struct ClusterPreferences {
        /// Fixed weights by group of clusters.
        opt static_weight_list: Vec<StaticClusterWeight>,
        /// Weights that follow the state of the clusters; takes precedence over the list.
        opt dynamic_weight: Option<DynamicWeightFactor>,
    }
}

record! {
    /// The weight of a group of clusters.
    pub struct StaticClusterWeight {
        /// The clusters that get this weight.
        req target_cluster: ClusterAffinity,
        /// The weight, at least 1.
        req weight: i64 = |s| s.min(1),
    }
}

record! {
    /// Grouping of workloads by a label of theirs.
    pub struct WorkloadAffinity {
        /// Workloads of the same group go where the group already is.
        opt affinity: Option<WorkloadAffinityTerm>,
        /// Workloads of the same group never share a cluster.
        opt anti_affinity: Option<WorkloadAffinityTerm>,
    }
}

record! {
    /// The label that forms groups of workloads.
    pub struct WorkloadAffinityTerm {
        /// Key of a label on the resource template; its value names the group.
        req group_by_label_key: String,
    }
}
