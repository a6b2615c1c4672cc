//! What a server is to be.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc};

use karmada_rest::{access::UserInfo, admission::AdmissionPlugin, server::Limits as RequestLimits};
use karmada_storage::Store;

use crate::{
    admission::services::ServiceRanges,
    authz::policy::Extent,
    controllers::Enabled,
    karmada::rules::{CompileLua, RuleOptions},
    serve::Limits,
};

/// Namespaces of every Kubernetes cluster.
pub const KUBERNETES_NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];
/// Namespaces of a Karmada control plane besides.
pub const KARMADA_NAMESPACES: [&str; 2] = ["karmada-system", "karmada-cluster"];

/// Where keys and certificates are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PkiLocation {
    /// Made anew at each start.
    Memory,
    /// Kept in a directory.
    Directory(PathBuf),
}

/// Everything that a server has to be told. The constructors give the two profiles; every field can be changed.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where the objects are.
    pub store: Arc<dyn Store>,
    /// Where keys and certificates are.
    pub pki: PkiLocation,
    /// Names and addresses that the serving certificate covers besides the usual ones.
    pub names: Vec<String>,
    /// Whether Karmada's own kinds are served and their rules applied, and how.
    pub karmada: Option<RuleOptions>,
    /// Judges the Lua scripts of interpreter customizations; they are accepted unseen if absent.
    pub compile_lua: Option<CompileLua>,
    /// The namespaces that are made at start.
    pub namespaces: Vec<&'static str>,
    /// Which default roles and bindings are kept; `None` allows everybody everything, for tests.
    pub rbac: Option<Extent>,
    /// Which controllers run.
    pub controllers: Enabled,
    /// Objects that each controller works on at once.
    pub concurrency: usize,
    /// Admission besides the built-in plugins; runs after them.
    pub admission: Vec<Arc<dyn AdmissionPlugin>>,
    /// Whether an APIService object is kept for every group version of this server.
    pub api_services: bool,
    /// Cluster IPs and node ports.
    pub services: ServiceRanges,
    /// The address that others reach the server at.
    pub advertise: Option<SocketAddr>,
    /// Bearer tokens with their users.
    pub static_tokens: HashMap<String, UserInfo>,
    /// Whether requests without credentials get as far as authorization.
    pub anonymous: bool,
    /// The issuer of service account tokens.
    pub issuer: String,
    /// Audiences of the API server; empty is the issuer.
    pub audiences: Vec<String>,
    /// Requests at a time.
    pub requests: RequestLimits,
    /// Bounds of connections.
    pub connections: Limits,
}

impl ServerConfig {
    /// A Karmada control plane over this store, with keys in memory.
    pub fn control_plane(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            pki: PkiLocation::Memory,
            names: Vec::new(),
            karmada: Some(RuleOptions::default()),
            compile_lua: None,
            namespaces: KUBERNETES_NAMESPACES.into_iter().chain(KARMADA_NAMESPACES).collect(),
            rbac: Some(Extent::ControlPlane),
            controllers: Enabled::control_plane(),
            concurrency: 8,
            admission: Vec::new(),
            api_services: true,
            services: ServiceRanges::default(),
            advertise: None,
            static_tokens: HashMap::new(),
            anonymous: true,
            issuer: crate::authn::service_account::DEFAULT_ISSUER.to_owned(),
            audiences: Vec::new(),
            requests: RequestLimits::default(),
            connections: Limits::default(),
        }
    }

    /// A simulated member over this store: an ordinary cluster's API server, small enough for a thousand in a process.
    pub fn member(store: Arc<dyn Store>) -> Self {
        Self {
            karmada: None,
            api_services: false,
            namespaces: KUBERNETES_NAMESPACES.to_vec(),
            rbac: Some(Extent::Member),
            controllers: Enabled::member(),
            concurrency: 2,
            connections: Limits { connections: 1_000, ..Limits::default() },
            ..Self::control_plane(store)
        }
    }
}
