//! `operator.karmada.io/v1alpha1`: a Karmada control plane that the operator installs. Unlike the other kinds it lives
//! in the host cluster, not in the control plane itself.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;

use crate::cluster::LocalSecretReference;
use crate::record::{kind, record, string_enum};
use crate::schema::S;

/// The API group.
pub const GROUP: &str = "operator.karmada.io";

/// Condition: the control plane is installed and works.
pub const CONDITION_READY: &str = "Ready";

kind! {
    /// A Karmada control plane.
    pub struct Karmada: "operator.karmada.io" "v1alpha1" "karmadas" Namespaced {
        /// How the control plane is made.
        opt spec: KarmadaSpec,
        /// What has become of it.
        opt status: KarmadaStatus,
    }
}

record! {
    /// How a control plane is made.
    pub struct KarmadaSpec {
        /// The cluster that the control plane runs in; absent means the operator's own.
        opt host_cluster: Option<HostCluster>,
        /// Where images are pulled from.
        opt private_registry: Option<ImageRegistry>,
        /// The parts of the control plane.
        opt components: Option<KarmadaComponents>,
        /// Features that are turned on or off in all parts.
        opt feature_gates: BTreeMap<String, bool>,
        /// Where the CRDs come from.
        opt crd_tarball: Option<CrdTarball>,
        /// Certificates of the user's own.
        opt custom_certificate: Option<CustomCertificate>,
        /// Whether the operator leaves the control plane alone.
        opt suspend: Option<bool>,
    }
}

record! {
    /// The cluster that a control plane runs in.
    pub struct HostCluster {
        /// Address of its API server.
        opt api_endpoint: String,
        /// Secret with the credentials for it.
        opt secret_ref: Option<LocalSecretReference>,
        /// Its network.
        opt networking: Option<Networking>,
    }
}

record! {
    /// Network of a host cluster.
    pub struct Networking {
        /// Domain of Services.
        opt dns_domain: Option<String> = |s| s.default_value("cluster.local"),
    }
}

record! {
    /// An image registry.
    pub struct ImageRegistry {
        /// Host, and path, of the registry.
        req registry: String,
    }
}

record! {
    /// The parts of a control plane; absent ones are made with their defaults, optional ones not at all.
    pub struct KarmadaComponents {
        /// The store.
        opt etcd: Option<Etcd>,
        /// The API server.
        opt karmada_api_server as "karmadaAPIServer": Option<KarmadaApiServer>,
        /// The API server of the aggregated APIs.
        opt karmada_aggregated_api_server as "karmadaAggregatedAPIServer": Option<KarmadaAggregatedApiServer>,
        /// Kubernetes' controllers.
        opt kube_controller_manager: Option<ControllerManager>,
        /// Karmada's controllers.
        opt karmada_controller_manager: Option<ControllerManager>,
        /// The scheduler.
        opt karmada_scheduler: Option<ComponentSettings>,
        /// The admission webhooks.
        opt karmada_webhook: Option<ComponentSettings>,
        /// The descheduler; optional.
        opt karmada_descheduler: Option<ComponentSettings>,
        /// The search; optional.
        opt karmada_search: Option<ComponentSettings>,
        /// The metrics adapter; optional.
        opt karmada_metrics_adapter: Option<ComponentSettings>,
    }
}

record! {
    /// What every part can be told.
    pub struct CommonSettings {
        /// Image without its tag.
        opt image_repository: String,
        /// Tag of the image.
        opt image_tag: String,
        /// When the image is pulled: Always, Never or IfNotPresent.
        opt image_pull_policy: String,
        /// Number of pods.
        opt replicas: Option<i32>,
        /// Labels of the pods.
        opt labels: BTreeMap<String, String>,
        /// Annotations of the pods.
        opt annotations: BTreeMap<String, String>,
        /// Resources of the container, as Kubernetes has them.
        opt resources: Option<Value> = |_| S::raw_object().describe(&["Resources of the container, as Kubernetes has them."]),
        /// Priority class of the pods.
        opt priority_class_name: String = |s| s.default_value("system-node-critical"),
        /// How many pods may be down at once.
        opt pod_disruption_budget_config: Option<PodDisruptionBudgetConfig>,
    }
}

record! {
    /// How many pods may be down at once.
    pub struct PodDisruptionBudgetConfig {
        /// The fewest that must be up, as a number or a percentage.
        opt min_available: Option<Value> = |_| int_or_string("The fewest that must be up, as a number or a percentage."),
        /// The most that may be down, as a number or a percentage.
        opt max_unavailable: Option<Value> = |_| int_or_string("The most that may be down, as a number or a percentage."),
    }
}

/// A number or a string.
fn int_or_string(doc: &str) -> S {
    let either = serde_json::json!([{"type": "integer"}, {"type": "string"}]);
    S::default().with("anyOf", either).with("x-kubernetes-int-or-string", true).describe(&[doc])
}

record! {
    /// A part without settings of its own.
    pub struct ComponentSettings {
        /// What every part can be told.
        inline common: CommonSettings,
        /// Flags that are added, without their dashes.
        opt extra_args: BTreeMap<String, String>,
        /// Features that are turned on or off.
        opt feature_gates: BTreeMap<String, bool>,
    }
}

record! {
    /// A controller manager.
    pub struct ControllerManager {
        /// What every part can be told.
        inline common: CommonSettings,
        /// Controllers that run: names, `*` for those that run by default, `-NAME` for those that don't.
        opt controllers: Vec<String>,
        /// Flags that are added, without their dashes.
        opt extra_args: BTreeMap<String, String>,
        /// Features that are turned on or off.
        opt feature_gates: BTreeMap<String, bool>,
    }
}

record! {
    /// The API server.
    pub struct KarmadaApiServer {
        /// What every part can be told.
        inline common: CommonSettings,
        /// Range of addresses for Services.
        opt service_subnet: Option<String>,
        /// Type of the Service that exposes the API server: ClusterIP, NodePort or LoadBalancer.
        opt service_type: String = |s| s.default_value("ClusterIP"),
        /// Class of the load balancer.
        opt load_balancer_class: Option<String>,
        /// Annotations of the Service.
        opt service_annotations: BTreeMap<String, String>,
        /// Flags that are added, without their dashes.
        opt extra_args: BTreeMap<String, String>,
        /// Volumes that are added, as Kubernetes has them.
        opt extra_volumes: Vec<Value> = |s| s.items(|_| S::raw_object()),
        /// Mounts that are added, as Kubernetes has them.
        opt extra_volume_mounts: Vec<Value> = |s| s.items(|_| S::raw_object()),
        /// Containers that run beside the API server, as Kubernetes has them.
        opt sidecar_containers: Vec<Value> = |s| s.items(|_| S::raw_object()),
        /// Names and addresses that are added to the certificate.
        opt cert_sans as "certSANs": Vec<String>,
        /// Features that are turned on or off.
        opt feature_gates: BTreeMap<String, bool>,
    }
}

record! {
    /// The API server of the aggregated APIs.
    pub struct KarmadaAggregatedApiServer {
        /// What every part can be told.
        inline common: CommonSettings,
        /// Flags that are added, without their dashes.
        opt extra_args: BTreeMap<String, String>,
        /// Names and addresses that are added to the certificate.
        opt cert_sans as "certSANs": Vec<String>,
        /// Features that are turned on or off.
        opt feature_gates: BTreeMap<String, bool>,
    }
}

record! {
    /// The store: made by the operator, or somebody else's.
    pub struct Etcd {
        /// The operator makes it.
        opt local: Option<LocalEtcd>,
        /// It is there already.
        opt external: Option<ExternalEtcd>,
    }
}

record! {
    /// A store that the operator makes.
    pub struct LocalEtcd {
        /// What every part can be told.
        inline common: CommonSettings,
        /// Where the data are kept.
        opt volume_data: Option<VolumeData>,
        /// Names and addresses that are added to the server certificate.
        opt server_cert_sans as "serverCertSANs": Vec<String>,
        /// Names and addresses that are added to the peer certificate.
        opt peer_cert_sans as "peerCertSANs": Vec<String>,
    }
}

record! {
    /// Where data are kept; one of these.
    pub struct VolumeData {
        /// A claim for a persistent volume, as Kubernetes has it.
        opt volume_claim: Option<Value> = |_| S::raw_object().describe(&["A claim for a persistent volume, as Kubernetes has it."]),
        /// A folder of the node.
        opt host_path: Option<Value> = |_| S::raw_object().describe(&["A folder of the node, as Kubernetes has it."]),
        /// A volume that goes with the pod.
        opt empty_dir: Option<Value> = |_| S::raw_object().describe(&["A volume that goes with the pod, as Kubernetes has it."]),
    }
}

record! {
    /// A store that is there already.
    pub struct ExternalEtcd {
        /// Its addresses.
        req endpoints: Vec<String>,
        /// Secret with authority, certificate and key.
        opt secret_ref: Option<LocalSecretReference>,
        /// Deprecated in favour of `secretRef`: the authority.
        opt ca_data: Option<ByteString>,
        /// Deprecated in favour of `secretRef`: the certificate.
        opt cert_data: Option<ByteString>,
        /// Deprecated in favour of `secretRef`: the key.
        opt key_data: Option<ByteString>,
    }
}

string_enum! {
    /// When the CRDs are downloaded.
    pub enum CrdDownloadPolicy {
        /// When they aren't there yet.
        IfNotPresent = "IfNotPresent",
        /// Every time.
        Always = "Always",
    }
}

record! {
    /// Where the CRDs come from.
    pub struct CrdTarball {
        /// Where they are downloaded from.
        opt http_source: Option<HttpSource>,
        /// When they are downloaded.
        opt crd_download_policy: Option<CrdDownloadPolicy> =
            |s| s.values(&["Always", "IfNotPresent"]).default_value("IfNotPresent"),
    }
}

record! {
    /// A download.
    pub struct HttpSource {
        /// Its URL.
        opt url: String,
        /// The proxy on the way.
        opt proxy: Option<ProxyConfig>,
    }
}

record! {
    /// A proxy.
    pub struct ProxyConfig {
        /// URL of the proxy.
        req proxy_url as "proxyURL": String,
    }
}

record! {
    /// Certificates of the user's own.
    pub struct CustomCertificate {
        /// Secret with the authority that signs the API server's certificate.
        opt api_server_ca_cert as "apiServerCACert": Option<LocalSecretReference>,
        /// For how many days certificates are valid.
        opt leaf_cert_validity_days: Option<i32> = |s| s.min(1),
    }
}

record! {
    /// What has become of a control plane.
    pub struct KarmadaStatus {
        /// The generation that the status is about.
        opt observed_generation: i64,
        /// Secret with a kubeconfig for the control plane.
        opt secret_ref: Option<LocalSecretReference>,
        /// Version of Karmada.
        opt karmada_version: String,
        /// Version of Kubernetes.
        opt kubernetes_version: String,
        /// Conditions of the control plane.
        opt conditions: Vec<Condition>,
        /// The Service of the API server.
        opt api_server_service: Option<ApiServerService>,
    }
}

record! {
    /// The Service of the API server.
    pub struct ApiServerService {
        /// Name of the Service.
        req name: String,
    }
}
