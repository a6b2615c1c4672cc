//! `networking.karmada.io/v1alpha1`: services and ingresses over clusters.

use k8s_openapi::api::core::v1::LoadBalancerStatus;
use k8s_openapi::api::networking::v1::{IngressLoadBalancerStatus, IngressSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::record::{kind, record};

/// The API group.
pub const GROUP: &str = "networking.karmada.io";

/// A Service is reachable from other clusters.
pub const EXPOSURE_CROSS_CLUSTER: &str = "CrossCluster";
/// A Service is reachable from outside through a load balancer.
pub const EXPOSURE_LOAD_BALANCER: &str = "LoadBalancer";
/// Condition: the Service has been sent to its clusters.
pub const CONDITION_SERVICE_APPLIED: &str = "ServiceApplied";
/// Condition: the EndpointSlices have been sent to the consuming clusters.
pub const CONDITION_ENDPOINT_SLICE_DISPATCHED: &str = "EndpointSliceDispatched";

kind! {
    /// Makes the Service of the same name reachable over clusters.
    pub struct MultiClusterService: "networking.karmada.io" "v1alpha1" "multiclusterservices" Namespaced {
        /// How the Service is exposed, from where and to where.
        req spec: MultiClusterServiceSpec,
        /// State of the exposure.
        opt status: MultiClusterServiceStatus,
    }
}

record! {
    /// How a Service is exposed, from where and to where.
    pub struct MultiClusterServiceSpec {
        /// Ways of exposure: CrossCluster or LoadBalancer.
        req types: Vec<String>,
        /// Ports that are exposed; none given means all.
        opt ports: Vec<ExposurePort>,
        /// Clusters that run the Service; none given means all.
        opt provider_clusters: Vec<ClusterSelector>,
        /// Clusters that use the Service; none given means all.
        opt consumer_clusters: Vec<ClusterSelector>,
        /// Deprecated and not looked at.
        always range: ExposureRange,
        /// Deprecated in favour of `providerClusters` and not looked at.
        opt service_provision_clusters: Vec<String>,
        /// Deprecated in favour of `consumerClusters` and not looked at.
        opt service_consumption_clusters: Vec<String>,
    }
}

record! {
    /// A port that is exposed.
    pub struct ExposurePort {
        /// Name of the port in the Service.
        opt name: String,
        /// Number of the port.
        req port: i32,
    }
}

record! {
    /// A cluster.
    pub struct ClusterSelector {
        /// Name of the cluster.
        req name: String,
    }
}

record! {
    /// Clusters by name.
    pub struct ExposureRange {
        /// Names of the clusters.
        opt cluster_names: Vec<String>,
    }
}

record! {
    /// State of an exposed Service.
    pub struct MultiClusterServiceStatus {
        /// Addresses of the load balancer.
        opt load_balancer: LoadBalancerStatus,
        /// Whether Service and EndpointSlices have been sent.
        opt conditions: Vec<Condition> = |s| s.map_list("type"),
    }
}

kind! {
    /// An Ingress over clusters.
    pub struct MultiClusterIngress: "networking.karmada.io" "v1alpha1" "multiclusteringresses" Namespaced {
        /// The rules, as an Ingress has them.
        opt spec: IngressSpec,
        /// State of the ingress.
        opt status: MultiClusterIngressStatus,
    }
}

record! {
    /// State of an ingress over clusters.
    pub struct MultiClusterIngressStatus {
        /// Addresses of the load balancer.
        opt load_balancer: IngressLoadBalancerStatus,
        /// Clusters that get no traffic.
        opt traffic_block_clusters: Vec<String>,
        /// Where the Services behind the rules run.
        opt service_locations: Vec<ServiceLocation>,
    }
}

record! {
    /// Where a Service runs.
    pub struct ServiceLocation {
        /// Name of the Service.
        req name: String,
        /// Names of the clusters.
        opt clusters: Vec<String>,
    }
}
