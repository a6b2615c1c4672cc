//! `search.karmada.io/v1alpha1`: which resources of member clusters are cached for search and proxying.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::policy::ClusterAffinity;
use crate::record::{kind, record};

/// The API group.
pub const GROUP: &str = "search.karmada.io";

kind! {
    /// Resources of member clusters that are cached in the control plane or sent to a search engine.
    pub struct ResourceRegistry: "search.karmada.io" "v1alpha1" "resourceregistries" Cluster {
        /// The clusters, the resources and where they are kept.
        opt spec: ResourceRegistrySpec,
        /// State of the registry.
        opt status: ResourceRegistryStatus,
    }
}

record! {
    /// The clusters, the resources and where they are kept.
    pub struct ResourceRegistrySpec {
        /// The clusters.
        req target_cluster: ClusterAffinity,
        /// The resources.
        req resource_selectors: Vec<ResourceSelector>,
        /// Where they are kept; absent means in memory.
        opt backend_store: Option<BackendStoreConfig>,
    }
}

record! {
    /// Selects resources by kind.
    pub struct ResourceSelector {
        /// Group and version.
        req api_version: String,
        /// Kind.
        req kind: String,
        /// Namespace; empty means all.
        opt namespace: String,
    }
}

record! {
    /// Where resources are kept.
    pub struct BackendStoreConfig {
        /// An OpenSearch cluster.
        opt open_search: Option<OpenSearchConfig>,
    }
}

record! {
    /// An OpenSearch cluster.
    pub struct OpenSearchConfig {
        /// URLs of the cluster.
        req addresses: Vec<String>,
        /// Secret with `userName` and `password`.
        opt secret_ref: Option<crate::cluster::LocalSecretReference>,
    }
}

record! {
    /// State of a registry.
    pub struct ResourceRegistryStatus {
        /// Conditions of the registry.
        opt conditions: Vec<Condition>,
    }
}
