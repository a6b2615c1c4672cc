//! What the member-facing controllers share.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use karmada_api::cluster::Cluster;
use karmada_api::features::FeatureGates;
use karmada_api::work::v1alpha1::Work;
use karmada_api::{annotations, names};
use karmada_fleet::{Fleet, Member, ObjectChange};
use karmada_interpreter::Interpreter;
use karmada_propagation::policy::change;
use karmada_runtime::events::Recorder;
use karmada_runtime::queue::Backoff;
use karmada_runtime::{Informer, ObjectKey, Patcher, Queue, Resource};
use serde_json::Value;

use crate::error::Error;

/// Whose members the controllers act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every push member: the controller manager.
    Push,
    /// This one pull member: its agent.
    Own(String),
}

impl Scope {
    /// Whether the controllers act on this cluster.
    pub fn covers(&self, cluster: &Cluster) -> bool {
        match self {
            Self::Push => cluster.is_push(),
            Self::Own(name) => cluster.metadata.name.as_deref() == Some(name),
        }
    }
}

/// What flags say; the defaults are Karmada's.
#[derive(Clone, Debug)]
pub struct Options {
    /// Feature gates.
    pub gates: FeatureGates,
    /// `--concurrent-work-syncs`.
    pub concurrent_works: usize,
    /// `--concurrent-cluster-syncs`.
    pub concurrent_clusters: usize,
    /// `--cluster-status-update-frequency`.
    pub status_period: Duration,
    /// `--cluster-success-threshold`.
    pub success_threshold: Duration,
    /// `--cluster-failure-threshold`.
    pub failure_threshold: Duration,
    /// `--cluster-cache-sync-timeout`.
    pub cache_sync_timeout: Duration,
    /// `--enable-cluster-resource-modeling`.
    pub resource_modeling: bool,
    /// `--cluster-lease-duration`; only the agent renews a lease.
    pub lease_duration: Duration,
    /// `--cluster-lease-renew-interval-fraction`.
    pub lease_renew_fraction: f64,
    /// How failing keys back off.
    pub backoff: Backoff,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            gates: FeatureGates::default(),
            concurrent_works: 5,
            concurrent_clusters: 5,
            status_period: Duration::from_secs(10),
            success_threshold: Duration::from_secs(30),
            failure_threshold: Duration::from_secs(30),
            cache_sync_timeout: Duration::from_secs(120),
            resource_modeling: true,
            lease_duration: Duration::from_secs(40),
            lease_renew_fraction: 0.25,
            backoff: Backoff::default(),
        }
    }
}

/// Shared state of the member-facing controllers of one process.
pub struct Context {
    /// Reads and writes of the control plane.
    pub control: Patcher,
    /// Events.
    pub recorder: Recorder,
    /// The resource interpreter.
    pub interpreter: Interpreter,
    /// The members.
    pub fleet: Arc<Fleet>,
    /// The Works in view: all of them, or the agent's own.
    pub works: Arc<Informer<Work>>,
    /// Whose members the controllers act on.
    pub scope: Scope,
    /// What flags say.
    pub options: Options,
    pub(crate) execution: Queue<ObjectKey>,
    pub(crate) status: Queue<ObjectKey>,
    pub(crate) clusters: Queue<ObjectKey>,
    /// The resourceVersion of our own last write of each Work's object, so that its echo is not taken for drift.
    pub(crate) own_writes: DashMap<(String, ObjectKey), String>,
    pub(crate) health: DashMap<String, crate::cluster_status::Health>,
}

impl Context {
    /// Connects caches with queues. Nothing runs until the controllers are started.
    pub fn new(
        control: Patcher,
        recorder: Recorder,
        interpreter: Interpreter,
        fleet: Arc<Fleet>,
        works: Arc<Informer<Work>>,
        scope: Scope,
        options: Options,
    ) -> Arc<Self> {
        let backoff = options.backoff;
        let ctx = Arc::new(Self {
            control,
            recorder,
            interpreter,
            fleet,
            works,
            scope,
            execution: Queue::new("execution-controller", backoff),
            status: Queue::new("work-status-controller", backoff),
            clusters: Queue::new("cluster-status-controller", backoff),
            own_writes: DashMap::new(),
            health: DashMap::new(),
            options,
        });
        let shared = Arc::downgrade(&ctx);
        ctx.fleet.listen(move |change| {
            if let Some(ctx) = shared.upgrade() {
                on_member_object(&ctx, change);
            }
        });
        ctx
    }

    /// The cluster of a Work, if the controllers act on it.
    pub(crate) fn cluster_of(&self, work: &ObjectKey) -> Option<(String, Option<Arc<Cluster>>)> {
        let name = names::cluster_of_execution_space(&work.namespace)?;
        match self.fleet.cluster(name) {
            Some(cluster) => self.scope.covers(&cluster).then(|| (name.to_owned(), Some(cluster))),
            None => match &self.scope {
                Scope::Own(own) if own != name => None,
                _ => Some((name.to_owned(), None)),
            },
        }
    }

    /// The member's cache of a resource, with its first list.
    pub(crate) async fn synced_informer(
        &self,
        member: &Member,
        resource: &Resource,
    ) -> Result<Arc<Informer<Value>>, Error> {
        // A cache that is being filled is waited for a little, so that the first Work of a kind is applied at once; a
        // member that is slow must not hold a worker for long.
        const PATIENCE: Duration = Duration::from_secs(2);
        let informer = member.informer(resource);
        let synced = tokio::time::timeout(PATIENCE, informer.wait_synced()).await;
        synced
            .map(|()| Arc::clone(&informer))
            .map_err(|_| Error::CacheSync { cluster: member.name().to_owned(), resource: resource.plural.clone() })
    }
}

/// The Work that an object in a member says it comes from.
pub(crate) fn work_of(object: &Value) -> Option<ObjectKey> {
    let annotation = |key: &str| object.get("metadata")?.get("annotations")?.get(key)?.as_str();
    Some(ObjectKey::new(annotation(annotations::WORK_NAMESPACE)?, annotation(annotations::WORK_NAME)?))
}

/// Statuses that change in quick succession (a rollout's steps) are reported together.
const STATUS_GATHER: Duration = Duration::from_millis(100);

fn on_member_object(ctx: &Context, change: &ObjectChange<'_>) {
    let Some(object) = change.change.new.or(change.change.old) else { return };
    let Some(work) = work_of(object) else { return };
    // An object copied from another member by hand carries that member's Work; it is none of ours.
    if names::cluster_of_execution_space(&work.namespace) != Some(change.cluster) {
        return;
    }
    ctx.status.add_after(work.clone(), STATUS_GATHER);
    let drifted = match (change.change.old, change.change.new) {
        (Some(old), Some(new)) => change::is_relevant(old, new) && !is_own_write(ctx, change.cluster, &work, new),
        (Some(_), None) => true,
        (None, Some(_)) | (None, None) => false,
    };
    if drifted {
        ctx.execution.add(work);
    }
}

fn is_own_write(ctx: &Context, cluster: &str, work: &ObjectKey, object: &Value) -> bool {
    let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    ctx.own_writes.get(&(cluster.to_owned(), work.clone())).is_some_and(|own| own.as_str() == version)
}
