//! ResourceBinding and ClusterResourceBinding: which clusters a template goes to, and what became of it there.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::NodeSelector;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use serde_json::Value;

use super::ResourceHealth;
use crate::meta::{ResourceList, Toleration};
use crate::policy::{ConflictResolution, FailoverBehavior, Placement, PurgeMode, SuspendClusters};
use crate::record::{kind, record};
use crate::schema::S;

kind! {
    /// Binds a namespaced resource to the clusters that it goes to.
    pub struct ResourceBinding: "work.karmada.io" "v1alpha2" "resourcebindings" Namespaced {
        /// The resource, how it is placed, and its clusters.
        req spec: ResourceBindingSpec,
        /// What became of it in the clusters.
        opt status: ResourceBindingStatus,
    }
}

kind! {
    /// Binds a cluster-scoped resource to the clusters that it goes to.
    pub struct ClusterResourceBinding: "work.karmada.io" "v1alpha2" "clusterresourcebindings" Cluster {
        /// The resource, how it is placed, and its clusters.
        req spec: ResourceBindingSpec,
        /// What became of it in the clusters.
        opt status: ResourceBindingStatus,
    }
}

record! {
    /// The resource, how it is placed, and its clusters.
    pub struct ResourceBindingSpec {
        /// The resource template.
        req resource: ObjectReference,
        /// Whether resources that the template refers to follow it.
        opt propagate_deps: bool,
        /// What one replica needs; for workloads with one pod template.
        opt replica_requirements: Option<ReplicaRequirements>,
        /// The desired number of replicas over all clusters.
        opt replicas: i32,
        /// The parts of a workload with several pod templates.
        opt components: Vec<Component>,
        /// The clusters that the scheduler chose.
        opt clusters: Vec<TargetCluster>,
        /// The placement of the policy that applies; absent for resources that only follow others.
        opt placement: Option<Placement>,
        /// Removals from clusters that are under way.
        opt graceful_eviction_tasks: Vec<GracefulEvictionTask>,
        /// Bindings of resources that need this one, with their clusters.
        opt required_by: Vec<BindingSnapshot>,
        /// The scheduler that places the resource.
        opt scheduler_name: String,
        /// What happens when the application or its cluster fails.
        opt failover: Option<FailoverBehavior>,
        /// What happens when a member cluster already has such an object.
        opt conflict_resolution: Option<ConflictResolution> = |s| s.default_value("Abort"),
        /// When somebody last asked to place the resource anew; the scheduler does so if it is later than
        /// the status' lastScheduledTime.
        opt reschedule_triggered_at: Option<Time>,
        /// Holds scheduling or propagation back.
        opt suspension: Option<Suspension>,
        /// Whether the resource stays in the clusters when its template is deleted.
        opt preserve_resources_on_deletion: Option<bool>,
        /// The order in which bindings are scheduled.
        opt schedule_priority: Option<SchedulePriority>,
        /// The groups of workloads that this one belongs to.
        opt workload_affinity_groups: Option<WorkloadAffinityGroups>,
    }
}

record! {
    /// Refers to a resource template.
    pub struct ObjectReference {
        /// Group and version.
        req api_version: String,
        /// Kind.
        req kind: String,
        /// Namespace; empty for a cluster-scoped resource.
        opt namespace: String,
        /// Name.
        req name: String,
        /// Uid of the template.
        opt uid: String,
        /// Resource version of the template when it was last looked at.
        opt resource_version: String,
    }
}

record! {
    /// What one replica needs.
    pub struct ReplicaRequirements {
        /// On which nodes it can run.
        opt node_claim: Option<NodeClaim>,
        /// The resources that it requests.
        opt resource_request: ResourceList,
        /// Namespace whose quota counts.
        opt namespace: String,
        /// Priority class of its pods.
        opt priority_class_name: String,
    }
}

record! {
    /// On which nodes a replica can run.
    pub struct NodeClaim {
        /// Required node affinity.
        opt hard_node_affinity: Option<NodeSelector>,
        /// Labels that the node must have.
        opt node_selector: BTreeMap<String, String>,
        /// Node taints that are tolerated.
        opt tolerations: Vec<Toleration>,
    }
}

record! {
    /// One part of a workload with several pod templates.
    pub struct Component {
        /// Name of the part, unique within the workload.
        req name: String = |s| s.max_length(32),
        /// Its number of replicas.
        req replicas: i32,
        /// What one of its replicas needs.
        opt replica_requirements: Option<ComponentReplicaRequirements>,
    }
}

record! {
    /// What one replica of a component needs.
    pub struct ComponentReplicaRequirements {
        /// On which nodes it can run.
        opt node_claim: Option<NodeClaim>,
        /// The resources that it requests.
        opt resource_request: ResourceList,
        /// Priority class of its pods.
        opt priority_class_name: String,
    }
}

record! {
    /// A cluster that the resource goes to.
    pub struct TargetCluster {
        /// Name of the cluster.
        req name: String,
        /// Replicas in the cluster.
        opt replicas: i32,
        /// Replicas of each component in the cluster.
        opt components: Vec<TargetComponent>,
    }
}

record! {
    /// Replicas of one component in a cluster.
    pub struct TargetComponent {
        /// Name of the component.
        req name: String,
        /// Replicas in the cluster.
        req replicas: i32,
    }
}

record! {
    /// A removal from a cluster that is under way.
    pub struct GracefulEvictionTask {
        /// The cluster that the resource is removed from.
        req from_cluster: String,
        /// How it is removed.
        opt purge_mode: Option<PurgeMode> = |s| s.values(&["Directly", "Gracefully", "Never"]),
        /// Replicas that the cluster had.
        opt replicas: Option<i32>,
        /// Why, in one word.
        req reason: String = |s| s.min_length(1).max_length(32).pattern("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
        /// Why, for people.
        opt message: String = |s| s.max_length(1024),
        /// Who asked for it.
        req producer: String,
        /// How long to wait for the resource to be healthy elsewhere.
        opt grace_period_seconds: Option<i32>,
        /// Whether the removal waits for the user's confirmation.
        opt suppress_deletion: Option<bool>,
        /// Labels that carry preserved state to the new cluster.
        opt preserved_label_state: BTreeMap<String, String>,
        /// When the removal began.
        opt creation_timestamp: Option<Time>,
        /// The clusters that the resource had before.
        opt clusters_before_failover: Vec<String>,
    }
}

record! {
    /// A binding whose resource needs this one.
    pub struct BindingSnapshot {
        /// Namespace of the binding.
        opt namespace: String,
        /// Name of the binding.
        req name: String,
        /// Its clusters.
        opt clusters: Vec<TargetCluster>,
    }
}

record! {
    /// Holds scheduling or propagation back.
    pub struct Suspension {
        /// Holds propagation back for every cluster.
        opt dispatching: Option<bool>,
        /// Holds propagation back for some clusters.
        opt dispatching_on_clusters: Option<SuspendClusters>,
        /// Holds scheduling back.
        opt scheduling: Option<bool>,
    }
}

record! {
    /// The order in which bindings are scheduled.
    pub struct SchedulePriority {
        /// Higher goes first.
        opt priority: i32 = |s| s.default_value(0),
    }
}

record! {
    /// The groups of workloads that a binding belongs to, each as labelKey=value.
    pub struct WorkloadAffinityGroups {
        /// The group whose workloads go together.
        opt affinity_group: String,
        /// The group whose workloads stay apart.
        opt anti_affinity_group: String,
    }
}

record! {
    /// What became of the resource.
    pub struct ResourceBindingStatus {
        /// The generation that the scheduler last dealt with.
        opt scheduler_observed_generation: i64,
        /// The cluster group of `clusterAffinities` that the scheduler is using.
        opt scheduler_observed_affinity_name as "schedulerObservingAffinityName": String,
        /// When the scheduler last placed the resource.
        opt last_scheduled_time: Option<Time>,
        /// Whether the resource is scheduled, and whether all clusters have it.
        opt conditions: Vec<Condition>,
        /// Status by cluster.
        opt aggregated_status: Vec<AggregatedStatusItem>,
    }
}

record! {
    /// Status of the resource in one cluster.
    pub struct AggregatedStatusItem {
        /// Name of the cluster.
        req cluster_name: String,
        /// The part of the resource's status that is reported.
        opt status: Option<Value> = |_| S::raw_object().describe(&["The part of the resource's status that is reported."]),
        /// Whether the resource is applied in the cluster.
        opt applied: bool,
        /// Why not, if it isn't.
        opt applied_message: String,
        /// Its health in the cluster.
        opt health: Option<ResourceHealth> = |s| s.values(&["Healthy", "Unhealthy", "Unknown"]),
    }
}

/// Condition types and reasons of bindings.
pub mod condition {
    /// Whether the scheduler has placed the resource.
    pub const SCHEDULED: &str = "Scheduled";
    /// Whether every cluster has the resource.
    pub const FULLY_APPLIED: &str = "FullyApplied";

    /// The resource is placed.
    pub const REASON_SUCCESS: &str = "Success";
    /// The scheduler failed for a reason of its own.
    pub const REASON_SCHEDULER_ERROR: &str = "SchedulerError";
    /// No cluster passes the filters.
    pub const REASON_NO_CLUSTER_FIT: &str = "NoClusterFit";
    /// The clusters that pass cannot hold all replicas.
    pub const REASON_UNSCHEDULABLE: &str = "Unschedulable";
    /// A federated quota is exhausted.
    pub const REASON_QUOTA_EXCEEDED: &str = "QuotaExceeded";
    /// Every cluster has the resource.
    pub const REASON_FULLY_APPLIED: &str = "FullyAppliedSuccess";
    /// At least one cluster doesn't have it.
    pub const REASON_NOT_FULLY_APPLIED: &str = "FullyAppliedFailed";
}

/// Who removes resources from clusters, and why.
pub mod eviction {
    /// The cluster has a NoExecute taint that is not tolerated.
    pub const REASON_TAINT_UNTOLERATED: &str = "TaintUntolerated";
    /// The application is unhealthy.
    pub const REASON_APPLICATION_FAILURE: &str = "ApplicationFailure";
    /// The taint manager.
    pub const PRODUCER_TAINT_MANAGER: &str = "TaintManager";
    /// Application failover of namespaced resources.
    pub const PRODUCER_RB_APPLICATION_FAILOVER: &str = "resource-binding-application-failover-controller";
    /// Application failover of cluster-scoped resources.
    pub const PRODUCER_CRB_APPLICATION_FAILOVER: &str = "cluster-resource-binding-application-failover-controller";
}

impl ResourceBindingSpec {
    /// Whether the resource has replicas to place.
    #[must_use]
    pub fn is_workload(&self) -> bool {
        self.replicas > 0 || self.replica_requirements.is_some() || !self.components.is_empty()
    }

    /// Whether this cluster is among the chosen ones.
    #[must_use]
    pub fn targets(&self, cluster: &str) -> bool {
        self.clusters.iter().any(|c| c.name == cluster)
    }

    /// Replicas that this cluster got; 0 if it is not chosen.
    #[must_use]
    pub fn assigned_replicas(&self, cluster: &str) -> i32 {
        self.clusters.iter().find(|c| c.name == cluster).map_or(0, |c| c.replicas)
    }

    /// Whether a removal from this cluster is under way.
    #[must_use]
    pub fn is_evicting_from(&self, cluster: &str) -> bool {
        self.graceful_eviction_tasks.iter().any(|t| t.from_cluster == cluster)
    }

    /// Whether scheduling is held back.
    #[must_use]
    pub fn scheduling_suspended(&self) -> bool {
        self.suspension.as_ref().and_then(|s| s.scheduling).unwrap_or(false)
    }

    /// Whether propagation to this cluster is held back.
    #[must_use]
    pub fn dispatching_suspended(&self, cluster: &str) -> bool {
        let Some(suspension) = &self.suspension else {
            return false;
        };
        suspension.dispatching.unwrap_or(false)
            || suspension
                .dispatching_on_clusters
                .as_ref()
                .is_some_and(|c| c.cluster_names.iter().any(|name| name == cluster))
    }
}

/// What ResourceBinding and ClusterResourceBinding have in common.
pub trait BindingKind:
    k8s_openapi::Resource
    + k8s_openapi::Metadata<Ty = ObjectMeta>
    + serde::Serialize
    + serde::de::DeserializeOwned
    + Clone
    + std::fmt::Debug
    + Default
    + PartialEq
    + Send
    + Sync
    + 'static
{
    /// Whether the binding lives in its template's namespace.
    const NAMESPACED: bool;
    /// The label with the binding's permanent id, on the binding and on its Works.
    const PERMANENT_ID_LABEL: &'static str;
    /// The annotation with the binding's name on its Works.
    const NAME_ANNOTATION: &'static str;
    /// The annotation with the binding's namespace on its Works; none for the cluster-scoped kind.
    const NAMESPACE_ANNOTATION: Option<&'static str>;
    /// The finalizer that holds the binding until its Works are gone.
    const FINALIZER: &'static str;

    /// The specification.
    fn spec(&self) -> &ResourceBindingSpec;
    /// The specification, to be changed.
    fn spec_mut(&mut self) -> &mut ResourceBindingSpec;
    /// The status.
    fn status(&self) -> &ResourceBindingStatus;
    /// The status, to be changed.
    fn status_mut(&mut self) -> &mut ResourceBindingStatus;

    /// The permanent id, once admission has given one.
    fn permanent_id(&self) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(Self::PERMANENT_ID_LABEL).map(String::as_str)
    }
}

impl BindingKind for ResourceBinding {
    const NAMESPACED: bool = true;
    const PERMANENT_ID_LABEL: &'static str = crate::labels::RESOURCE_BINDING_PERMANENT_ID;
    const NAME_ANNOTATION: &'static str = crate::annotations::RESOURCE_BINDING_NAME;
    const NAMESPACE_ANNOTATION: Option<&'static str> = Some(crate::annotations::RESOURCE_BINDING_NAMESPACE);
    const FINALIZER: &'static str = crate::finalizers::BINDING_CONTROLLER;

    fn spec(&self) -> &ResourceBindingSpec {
        &self.spec
    }

    fn spec_mut(&mut self) -> &mut ResourceBindingSpec {
        &mut self.spec
    }

    fn status(&self) -> &ResourceBindingStatus {
        &self.status
    }

    fn status_mut(&mut self) -> &mut ResourceBindingStatus {
        &mut self.status
    }
}

impl BindingKind for ClusterResourceBinding {
    const NAMESPACED: bool = false;
    const PERMANENT_ID_LABEL: &'static str = crate::labels::CLUSTER_RESOURCE_BINDING_PERMANENT_ID;
    const NAME_ANNOTATION: &'static str = crate::annotations::CLUSTER_RESOURCE_BINDING_NAME;
    const NAMESPACE_ANNOTATION: Option<&'static str> = None;
    const FINALIZER: &'static str = crate::finalizers::CLUSTER_RESOURCE_BINDING_CONTROLLER;

    fn spec(&self) -> &ResourceBindingSpec {
        &self.spec
    }

    fn spec_mut(&mut self) -> &mut ResourceBindingSpec {
        &mut self.spec
    }

    fn status(&self) -> &ResourceBindingStatus {
        &self.status
    }

    fn status_mut(&mut self) -> &mut ResourceBindingStatus {
        &mut self.status
    }
}
