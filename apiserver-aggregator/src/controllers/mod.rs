//! Controllers of the server's process: what an upstream control plane borrows from kube-controller-manager.
//!
//! They write through the server's own router, as the system user of each, and learn of changes from one feed of the
//! store (see [`feed`]). Which of them run is the server's configuration.

pub mod aggregation;
pub mod bootstrap;
pub mod certificates;
pub mod feed;
pub mod garbage;
pub mod namespace;
pub mod service_accounts;
pub mod ttl;

use std::{sync::Arc, time::Duration};

use karmada_machinery::ResourceInfo;
use karmada_rest::{access::UserInfo, registry::Registry};
use karmada_runtime::{Patcher, Resource, queue::Backoff};
use karmada_storage::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::feed::{Feed, Observer};
use crate::authn::service_account::ServiceAccountTokens;

/// Which controllers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enabled {
    /// Deletes the content of namespaces that are being deleted.
    pub namespace: bool,
    /// Deletes what nobody owns any more.
    pub garbage: bool,
    /// Makes the `default` service account in every namespace.
    pub default_service_account: bool,
    /// Fills Secrets with service account tokens.
    pub service_account_token: bool,
    /// Publishes the authority's certificate in every namespace.
    pub root_ca: bool,
    /// Deletes finished Jobs after their time.
    pub ttl_after_finished: bool,
    /// Fills aggregated cluster roles.
    pub cluster_role_aggregation: bool,
    /// Signs approved certificate signing requests.
    pub csr_signing: bool,
}

impl Enabled {
    /// As Karmada's control plane runs kube-controller-manager.
    pub fn control_plane() -> Self {
        Self {
            namespace: true,
            garbage: true,
            default_service_account: false,
            service_account_token: true,
            root_ca: false,
            ttl_after_finished: true,
            cluster_role_aggregation: true,
            csr_signing: true,
        }
    }

    /// As in an ordinary cluster.
    pub fn member() -> Self {
        Self { default_service_account: true, root_ca: true, ..Self::control_plane() }
    }
}

/// What the controllers share.
#[derive(Clone)]
pub struct Kit {
    /// Makes clients of the server.
    pub clients: Arc<dyn Fn(UserInfo, &'static str) -> kube::Client + Send + Sync>,
    /// The server's store.
    pub store: Arc<dyn Store>,
    /// What the server serves.
    pub registry: Arc<Registry>,
    /// Makes service account tokens.
    pub tokens: Arc<ServiceAccountTokens>,
    /// The authority's certificate in PEM.
    pub ca: Arc<str>,
    /// Signs with the authority.
    pub sign: certificates::Sign,
    /// How many keys a controller works on at once.
    pub concurrency: usize,
    /// Ends everything.
    pub stop: CancellationToken,
    /// Waits for everything.
    pub tasks: TaskTracker,
}

impl Kit {
    /// A patcher that is the controller's service account with the powers of an administrator. The process could do
    /// anything anyway; the name is for audit and managed fields.
    pub(crate) fn patcher(&self, controller: &'static str) -> Patcher {
        let mut user = UserInfo::loopback();
        user.name = format!("system:serviceaccount:kube-system:{controller}");
        Patcher::new((self.clients)(user, controller), controller)
    }

    /// The served resource of a kind.
    pub(crate) fn resource(&self, api_version: &str, kind: &str) -> Option<Resource> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.registry.snapshot().kind(group, version, kind).map(|info| resource_of(info))
    }
}

/// A resource's name for the patcher.
pub(crate) fn resource_of(info: &ResourceInfo) -> Resource {
    Resource {
        group: info.gvr.group.clone(),
        version: info.gvr.version.clone(),
        kind: info.kind.clone(),
        plural: info.gvr.resource.clone(),
        namespaced: info.namespaced,
    }
}

/// A built-in resource of the core group.
pub(crate) fn core(kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced,
    }
}

/// Backoff of controllers that only talk to their own process: failures are lost races and pass quickly.
pub(crate) fn backoff() -> Backoff {
    Backoff { base: Duration::from_millis(5), max: Duration::from_secs(30) }
}

/// Starts the feed and the enabled controllers; they end with the kit's token.
pub fn start(kit: &Kit, enabled: Enabled) {
    let mut observers: Vec<Arc<dyn Observer>> = Vec::new();
    if enabled.namespace {
        observers.push(namespace::start(kit));
    }
    if enabled.garbage {
        observers.push(garbage::start(kit));
    }
    if enabled.default_service_account || enabled.root_ca {
        observers.push(service_accounts::start_per_namespace(kit, enabled.default_service_account, enabled.root_ca));
    }
    if enabled.service_account_token {
        observers.push(service_accounts::start_tokens(kit));
    }
    if enabled.ttl_after_finished {
        observers.push(ttl::start(kit));
    }
    if enabled.cluster_role_aggregation {
        observers.push(aggregation::start(kit));
    }
    if enabled.csr_signing {
        observers.push(certificates::start(kit));
    }
    if !observers.is_empty() {
        let feed = Feed::new(kit.store.clone(), observers);
        kit.tasks.spawn(feed.run(kit.stop.clone()));
    }
}
