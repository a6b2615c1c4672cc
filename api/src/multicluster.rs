//! `multicluster.x-k8s.io/v1alpha1`: the Multi-Cluster Services API of Kubernetes' SIG Multicluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::record::{kind, record};

/// The API group.
pub const GROUP: &str = "multicluster.x-k8s.io";

kind! {
    /// Offers the Service of the same name to other clusters.
    pub struct ServiceExport: "multicluster.x-k8s.io" "v1alpha1" "serviceexports" Namespaced {
        /// State of the offer.
        opt status: ServiceExportStatus,
    }
}

record! {
    /// State of an offered Service.
    pub struct ServiceExportStatus {
        /// Conditions of the offer.
        opt conditions: Vec<Condition> = |s| s.map_list("type"),
    }
}

kind! {
    /// A Service that other clusters offer.
    pub struct ServiceImport: "multicluster.x-k8s.io" "v1alpha1" "serviceimports" Namespaced {
        /// How the Service appears here.
        opt spec: ServiceImportSpec,
        /// Where the Service comes from.
        opt status: ServiceImportStatus,
    }
}

record! {
    /// How an imported Service appears.
    pub struct ServiceImportSpec {
        /// Ports of the Service.
        req ports: Vec<ServicePort> = |s| s.atomic_list(),
        /// Virtual address of the Service.
        opt ips: Vec<String> = |s| s.max_items(1),
        /// With one virtual address (ClusterSetIP) or none (Headless).
        req r#type: String = |s| s.values(&["ClusterSetIP", "Headless"]),
        /// Whether a client keeps its endpoint: ClientIP or None.
        opt session_affinity: String,
        /// How long a client keeps its endpoint.
        opt session_affinity_config: Option<SessionAffinityConfig>,
    }
}

record! {
    /// How long a client keeps its endpoint.
    pub struct SessionAffinityConfig {
        /// For affinity by address.
        opt client_ip as "clientIP": Option<ClientIpConfig>,
    }
}

record! {
    /// Affinity by the address of the client.
    pub struct ClientIpConfig {
        /// For how many seconds.
        opt timeout_seconds: Option<i32>,
    }
}

record! {
    /// A port of an imported Service.
    pub struct ServicePort {
        /// Name of the port.
        opt name: String,
        /// TCP, UDP or SCTP.
        opt protocol: String,
        /// The application's protocol.
        opt app_protocol: Option<String>,
        /// Number of the port.
        req port: i32,
    }
}

record! {
    /// Where an imported Service comes from.
    pub struct ServiceImportStatus {
        /// The clusters that offer it.
        opt clusters: Vec<ClusterStatus> = |s| s.map_list("cluster"),
    }
}

record! {
    /// A cluster that offers a Service.
    pub struct ClusterStatus {
        /// Name of the cluster.
        req cluster: String,
    }
}
