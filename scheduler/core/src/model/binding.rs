//! A ResourceBinding or ClusterResourceBinding, as far as scheduling reads it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use super::{Placement, null_is_default};
use crate::quantity::Quantity;

/// Namespaced or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A ResourceBinding.
    Namespaced,
    /// A ClusterResourceBinding.
    Cluster,
}

/// A binding of a template to clusters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// Its identity.
    pub metadata: Meta,
    /// What is wanted and decided.
    pub spec: BindingSpec,
    /// What the scheduler said last.
    #[serde(deserialize_with = "null_is_default")]
    pub status: BindingStatus,
}

/// The part of an object's metadata that matters here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Namespace; none for a ClusterResourceBinding.
    pub namespace: Option<String>,
    /// Identity in time.
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,
    /// The version for conditional writes.
    #[serde(deserialize_with = "null_is_default")]
    pub resource_version: String,
    /// Version of the spec.
    #[serde(deserialize_with = "null_is_default")]
    pub generation: i64,
    /// Whether and when deletion began.
    pub deletion_timestamp: Option<Time>,
    /// Labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What a binding wants.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingSpec {
    /// The template.
    pub resource: TemplateReference,
    /// What one replica needs.
    pub replica_requirements: Option<Requirements>,
    /// How many replicas.
    #[serde(deserialize_with = "null_is_default")]
    pub replicas: i32,
    /// Pod templates of a workload that has several.
    #[serde(deserialize_with = "null_is_default")]
    pub components: Vec<Component>,
    /// The clusters chosen so far.
    #[serde(deserialize_with = "null_is_default")]
    pub clusters: Vec<TargetCluster>,
    /// Where and how to spread.
    pub placement: Option<Placement>,
    /// Clusters that are being left.
    #[serde(deserialize_with = "null_is_default")]
    pub graceful_eviction_tasks: Vec<EvictionTask>,
    /// Which scheduler is to act.
    #[serde(deserialize_with = "null_is_default")]
    pub scheduler_name: String,
    /// When a complete new decision was asked for.
    pub reschedule_triggered_at: Option<Time>,
    /// What is on hold.
    pub suspension: Option<Suspension>,
    /// Place in the queue.
    pub schedule_priority: Option<SchedulePriority>,
    /// Groups of workloads that stay together or apart.
    pub workload_affinity_groups: Option<AffinityGroups>,
}

/// A template's identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateReference {
    /// Group and version.
    #[serde(deserialize_with = "null_is_default")]
    pub api_version: String,
    /// Kind.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Namespace.
    #[serde(deserialize_with = "null_is_default")]
    pub namespace: String,
    /// Name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Uid, which breaks ties.
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,
}

/// What one replica needs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Requirements {
    /// Resources.
    #[serde(deserialize_with = "null_is_default")]
    pub resource_request: BTreeMap<String, Quantity>,
    /// Node selection, for accurate estimators.
    pub node_claim: Option<serde_json::Value>,
    /// The namespace whose quotas count, for accurate estimators.
    #[serde(deserialize_with = "null_is_default")]
    pub namespace: String,
    /// The priority class, for accurate estimators.
    #[serde(deserialize_with = "null_is_default")]
    pub priority_class_name: String,
}

/// One pod template of a workload.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Component {
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// How many pods.
    #[serde(deserialize_with = "null_is_default")]
    pub replicas: i32,
    /// What one pod needs.
    pub replica_requirements: Option<Requirements>,
}

/// A chosen cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetCluster {
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// The replicas it gets.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub replicas: i32,
    /// The pods of each component that it gets.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub components: Vec<ComponentReplicas>,
}

/// How many pods of a component a cluster gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentReplicas {
    /// The component.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// The pods.
    #[serde(deserialize_with = "null_is_default")]
    pub replicas: i32,
}

/// A cluster that is being left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EvictionTask {
    /// The cluster.
    #[serde(deserialize_with = "null_is_default")]
    pub from_cluster: String,
}

/// What is on hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Suspension {
    /// Scheduling.
    pub scheduling: Option<bool>,
}

/// Place in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SchedulePriority {
    /// Greater goes first.
    #[serde(deserialize_with = "null_is_default")]
    pub priority: i32,
}

/// Groups of workloads, as `<label key>=<value>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AffinityGroups {
    /// Together.
    #[serde(deserialize_with = "null_is_default")]
    pub affinity_group: String,
    /// Apart.
    #[serde(deserialize_with = "null_is_default")]
    pub anti_affinity_group: String,
}

/// What the scheduler said last.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingStatus {
    /// The generation that was decided upon.
    #[serde(deserialize_with = "null_is_default")]
    pub scheduler_observed_generation: i64,
    /// The affinity term in use.
    #[serde(rename = "schedulerObservingAffinityName", deserialize_with = "null_is_default")]
    pub observed_affinity_name: String,
    /// When a decision was last made.
    pub last_scheduled_time: Option<Time>,
    /// Conditions.
    #[serde(deserialize_with = "null_is_default")]
    pub conditions: Vec<Condition>,
    /// What the clusters report.
    #[serde(deserialize_with = "null_is_default")]
    pub aggregated_status: Vec<AggregatedStatus>,
}

/// A condition. It is read whole, since a list of conditions can only be written whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason.
    #[serde(deserialize_with = "null_is_default")]
    pub reason: String,
    /// The explanation.
    #[serde(deserialize_with = "null_is_default")]
    pub message: String,
    /// When the status last changed.
    pub last_transition_time: Option<Time>,
    /// The generation that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// A cluster's health of the workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregatedStatus {
    /// The cluster.
    #[serde(deserialize_with = "null_is_default")]
    pub cluster_name: String,
    /// `Healthy`, `Unhealthy` or `Unknown`.
    #[serde(deserialize_with = "null_is_default")]
    pub health: String,
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl Binding {
    /// The annotation that says with which placement the last decision was made.
    pub const APPLIED_PLACEMENT: &'static str = "policy.karmada.io/applied-placement";

    /// Namespaced or not.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.metadata.namespace.as_deref() {
            None | Some("") => Scope::Cluster,
            Some(_) => Scope::Namespaced,
        }
    }

    /// The kind, as events name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.scope() {
            Scope::Namespaced => "ResourceBinding",
            Scope::Cluster => "ClusterResourceBinding",
        }
    }

    /// The name with the namespace, if there is one.
    #[must_use]
    pub fn key(&self) -> String {
        match self.metadata.namespace.as_deref() {
            None | Some("") => self.metadata.name.clone(),
            Some(namespace) => format!("{namespace}/{}", self.metadata.name),
        }
    }

    /// The placement with which the last decision was made.
    #[must_use]
    pub fn applied_placement(&self) -> Option<&str> {
        self.metadata.annotations.get(Self::APPLIED_PLACEMENT).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Place in the queue.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.spec.schedule_priority.as_ref().map_or(0, |it| it.priority)
    }

    /// The condition with that name.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether scheduling is on hold.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.spec.suspension.as_ref().and_then(|it| it.scheduling).unwrap_or(false)
    }
}

impl BindingSpec {
    /// Whether the template runs pods.
    #[must_use]
    pub fn is_workload(&self) -> bool {
        self.replicas > 0 || self.replica_requirements.is_some() || !self.components.is_empty()
    }

    /// The replicas that a cluster has been given.
    #[must_use]
    pub fn replicas_on(&self, cluster: &str) -> i32 {
        self.clusters.iter().find(|target| target.name == cluster).map_or(0, |target| target.replicas)
    }
}
