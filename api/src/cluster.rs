//! `cluster.karmada.io/v1alpha1`: the member clusters. Served by Karmada's own API server, not by a CRD.

pub mod strategy;
pub mod validation;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::meta::ResourceList;
use crate::quantity::Quantity;
use crate::record::{kind, record, string_enum};

/// The API group.
pub const GROUP: &str = "cluster.karmada.io";

kind! {
    /// A member cluster.
    pub struct Cluster: "cluster.karmada.io" "v1alpha1" "clusters" Cluster {
        /// How the cluster is reached and what it is.
        opt spec: ClusterSpec,
        /// What is known of the cluster's state.
        opt status: ClusterStatus,
    }
}

string_enum! {
    /// Who applies Works in the cluster.
    pub enum ClusterSyncMode {
        /// The control plane, over the cluster's API endpoint.
        Push = "Push",
        /// An agent in the cluster.
        Pull = "Pull",
    }
}

record! {
    /// How a cluster is reached and what it is.
    pub struct ClusterSpec {
        /// Identity of the cluster: the uid of its kube-system namespace.
        opt id: String,
        /// Who applies Works in the cluster.
        req sync_mode: Option<ClusterSyncMode>,
        /// Address of the cluster's API server, as a URL, or as host and port.
        opt api_endpoint as "apiEndpoint": String,
        /// Secret with the token (`token`) and the authority (`caBundle`) for the cluster.
        opt secret_ref: Option<LocalSecretReference>,
        /// Secret with the token that may impersonate users in the cluster.
        opt impersonator_secret_ref: Option<LocalSecretReference>,
        /// Whether the certificate of the cluster is not checked.
        opt insecure_skip_tls_verification as "insecureSkipTLSVerification": bool,
        /// Proxy to the cluster: an http, https or socks5 URL.
        opt proxy_url as "proxyURL": String,
        /// Header fields that the proxy is sent.
        opt proxy_header: BTreeMap<String, String>,
        /// Cloud provider of the cluster.
        opt provider: String,
        /// Region of the cluster.
        opt region: String,
        /// Deprecated in favour of `zones`.
        opt zone: String,
        /// Zones that the cluster's nodes are in.
        opt zones: Vec<String>,
        /// Taints: workloads that don't tolerate them are not placed here.
        opt taints: Vec<Taint>,
        /// Grades of nodes by their resources, for estimates of what fits.
        opt resource_models: Vec<ResourceModel>,
    }
}

record! {
    /// Refers to a Secret.
    pub struct LocalSecretReference {
        /// Namespace of the Secret.
        req namespace: String,
        /// Name of the Secret.
        req name: String,
    }
}

record! {
    /// A taint of a cluster.
    pub struct Taint {
        /// Key of the taint.
        req key: String,
        /// Value of the taint.
        opt value: String,
        /// What happens to workloads that don't tolerate it: NoSchedule, PreferNoSchedule or NoExecute.
        req effect: String,
        /// When a NoExecute taint was added.
        opt time_added: Option<Time>,
    }
}

record! {
    /// A grade of nodes.
    pub struct ResourceModel {
        /// Number of the grade; higher means larger nodes.
        req grade: i64 = |s| s.no_format(),
        /// Ranges of resources that a node of this grade has.
        req ranges: Vec<ResourceModelRange>,
    }
}

record! {
    /// A range of one resource, from min (included) to max (not included).
    pub struct ResourceModelRange {
        /// Name of the resource.
        req name: String,
        /// The smallest amount.
        req min: Option<Quantity>,
        /// The amount that is already too large.
        req max: Option<Quantity>,
    }
}

record! {
    /// What is known of a cluster's state.
    pub struct ClusterStatus {
        /// Kubernetes version of the cluster.
        opt kubernetes_version: String,
        /// The APIs that the cluster serves.
        opt api_enablements: Vec<ApiEnablement>,
        /// Whether the cluster is ready, and other conditions.
        opt conditions: Vec<Condition> = |s| s.map_list("type"),
        /// Counts of nodes.
        opt node_summary: Option<NodeSummary>,
        /// Sums of resources.
        opt resource_summary: Option<ResourceSummary>,
        /// Actions that Remedy objects ask for.
        opt remedy_actions: Vec<String>,
    }
}

record! {
    /// An API that a cluster serves.
    pub struct ApiEnablement {
        /// Group and version.
        req group_version: String,
        /// Its resources.
        opt resources: Vec<ApiResource>,
    }
}

record! {
    /// A resource of an API.
    pub struct ApiResource {
        /// Plural resource name.
        req name: String,
        /// Kind of its objects.
        req kind: String,
    }
}

record! {
    /// Counts of nodes.
    pub struct NodeSummary {
        /// All nodes.
        opt total_num: i32,
        /// Nodes that are ready.
        opt ready_num: i32,
    }
}

record! {
    /// Sums of resources over a cluster's nodes.
    pub struct ResourceSummary {
        /// What pods can use in all.
        opt allocatable: ResourceList,
        /// What pods without a node ask for.
        opt allocating: ResourceList,
        /// What pods with a node ask for.
        opt allocated: ResourceList,
        /// Counts of nodes by grade of what is still free.
        opt allocatable_modelings: Vec<AllocatableModeling>,
    }
}

record! {
    /// Count of nodes of one grade.
    pub struct AllocatableModeling {
        /// The grade.
        req grade: i64 = |s| s.no_format(),
        /// How many nodes.
        req count: i64 = |s| s.no_format(),
    }
}

record! {
    /// What a request to `clusters/NAME/proxy` may carry.
    pub struct ClusterProxyOptions {
        /// Path of the request in the member cluster.
        opt path: String,
    }
}

/// Condition types and reasons of clusters.
pub mod condition {
    /// Whether the cluster is healthy and can take workloads.
    pub const READY: &str = "Ready";
    /// Whether `apiEnablements` is complete.
    pub const COMPLETE_API_ENABLEMENTS: &str = "CompleteAPIEnablements";
    /// The cluster is ready.
    pub const REASON_READY: &str = "ClusterReady";
    /// Message of [`REASON_READY`].
    pub const MESSAGE_READY: &str = "cluster is healthy and ready to accept workloads";
    /// The cluster answers, but isn't ready.
    pub const REASON_NOT_READY: &str = "ClusterNotReady";
    /// The cluster doesn't answer.
    pub const REASON_NOT_REACHABLE: &str = "ClusterNotReachable";
    /// The state could not be collected.
    pub const REASON_STATUS_COLLECTION_FAILED: &str = "StatusCollectionFailed";
    /// The agent has never reported.
    pub const REASON_STATUS_NEVER_UPDATED: &str = "ClusterStatusNeverUpdated";
    /// The agent has not reported for too long.
    pub const REASON_STATUS_UNKNOWN: &str = "ClusterStatusUnknown";
}

impl Cluster {
    /// The status of the Ready condition: True, False or Unknown; none before it was ever reported.
    #[must_use]
    pub fn ready_status(&self) -> Option<&str> {
        self.status.conditions.iter().find(|c| c.type_ == condition::READY).map(|c| c.status.as_str())
    }

    /// Whether the cluster is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready_status() == Some("True")
    }

    /// Whether the control plane applies Works in this cluster itself.
    #[must_use]
    pub fn is_push(&self) -> bool {
        self.spec.sync_mode == Some(ClusterSyncMode::Push)
    }

    /// Whether an agent applies Works in this cluster.
    #[must_use]
    pub fn is_pull(&self) -> bool {
        self.spec.sync_mode == Some(ClusterSyncMode::Pull)
    }

    /// Whether the cluster serves this kind, as far as is known.
    #[must_use]
    pub fn serves(&self, group_version: &str, kind: &str) -> bool {
        self.status
            .api_enablements
            .iter()
            .any(|e| e.group_version == group_version && e.resources.iter().any(|r| r.kind == kind))
    }
}
