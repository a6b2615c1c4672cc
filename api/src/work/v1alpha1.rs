//! Work, and the older form of the bindings, which is still served but no longer stored.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;

use super::ResourceHealth;
use crate::meta::ResourceList;
use crate::record::{kind, record};
use crate::schema::S;

kind! {
    /// Manifests for one cluster, in that cluster's execution namespace.
    pub struct Work: "work.karmada.io" "v1alpha1" "works" Namespaced {
        /// The manifests.
        req spec: WorkSpec,
        /// What became of them in the cluster.
        opt status: WorkStatus,
    }
}

/// One manifest: any Kubernetes object, as it is.
pub type Manifest = Value;

record! {
    /// The manifests, and how they are treated.
    pub struct WorkSpec {
        /// The manifests.
        always workload: WorkloadTemplate,
        /// Whether the manifests are held back from the cluster.
        opt suspend_dispatching: Option<bool>,
        /// Whether the objects stay in the cluster when the Work is deleted.
        opt preserve_resources_on_deletion: Option<bool>,
    }
}

record! {
    /// The manifests of a Work.
    pub struct WorkloadTemplate {
        /// Kubernetes objects for the cluster.
        opt manifests: Vec<Manifest> = |s| s.items(|_| S::raw_object().describe(&["A Kubernetes object."])),
    }
}

record! {
    /// What became of the manifests.
    pub struct WorkStatus {
        /// Whether the manifests are applied, and whether they are dispatched at all.
        opt conditions: Vec<Condition>,
        /// Status of each manifest's object.
        opt manifest_statuses: Vec<ManifestStatus>,
    }
}

record! {
    /// Status of one manifest's object in the cluster.
    pub struct ManifestStatus {
        /// Which object.
        req identifier: ResourceIdentifier,
        /// The part of its status that is reported.
        opt status: Option<Value> = |_| S::raw_object().describe(&["The part of the object's status that is reported."]),
        /// Its health.
        opt health: Option<ResourceHealth> = |s| s.values(&["Healthy", "Unhealthy", "Unknown"]),
    }
}

record! {
    /// Names one object of a Work.
    pub struct ResourceIdentifier {
        /// Index of the manifest.
        req ordinal: i64 = |s| s.no_format(),
        /// API group; empty for the core group.
        opt group: String,
        /// API version within the group.
        req version: String,
        /// Kind of the object.
        req kind: String,
        /// Plural resource name.
        req resource: String,
        /// Namespace of the object; empty if it has none.
        opt namespace: String,
        /// Name of the object.
        req name: String,
    }
}

kind! {
    /// Binds a namespaced resource to clusters; the older form.
    pub struct ResourceBinding: "work.karmada.io" "v1alpha1" "resourcebindings" Namespaced {
        /// The resource and its clusters.
        req spec: ResourceBindingSpec,
        /// What became of it in the clusters.
        opt status: ResourceBindingStatus,
    }
}

kind! {
    /// Binds a cluster-scoped resource to clusters; the older form.
    pub struct ClusterResourceBinding: "work.karmada.io" "v1alpha1" "clusterresourcebindings" Cluster {
        /// The resource and its clusters.
        req spec: ResourceBindingSpec,
        /// What became of it in the clusters.
        opt status: ResourceBindingStatus,
    }
}

record! {
    /// A resource and its clusters.
    pub struct ResourceBindingSpec {
        /// The resource template.
        req resource: ObjectReference,
        /// The clusters that it goes to.
        opt clusters: Vec<TargetCluster>,
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
        /// Resource version of the template when it was last looked at.
        opt resource_version: String,
        /// What one replica needs.
        opt resource_per_replicas: ResourceList,
        /// The desired number of replicas.
        opt replicas: i32,
    }
}

record! {
    /// A cluster that the resource goes to.
    pub struct TargetCluster {
        /// Name of the cluster.
        req name: String,
        /// Replicas in the cluster.
        opt replicas: i32,
    }
}

record! {
    /// What became of the resource in the clusters.
    pub struct ResourceBindingStatus {
        /// Conditions of the binding.
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
    }
}
