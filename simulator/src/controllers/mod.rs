//! The workload controllers of a cluster, one module each.
//!
//! All work alike: a key is reconciled from shared caches, writes go through one patcher, and what was written is taken
//! into the caches at once, so that no controller acts twice on the same state.

pub(crate) mod daemon_set;
pub(crate) mod deployment;
pub(crate) mod endpoints;
pub(crate) mod job;
pub(crate) mod replica_set;
pub(crate) mod stateful_set;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use karmada_runtime::controller::{self, ControllerSpec};
use karmada_runtime::patcher::{DeleteOptions, PatchKind};
use karmada_runtime::queue::Backoff;
use karmada_runtime::{Error, Informer, InformerSpec, ObjectKey, Outcome, Patcher, Queue, Resource};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::nodes::Ledger;
use crate::pods::{PodAddresses, Timing};
use crate::{pods, resources, values};

/// Shared caches of one member.
pub(crate) struct Caches {
    pub(crate) pods: Arc<Informer<Value>>,
    pub(crate) nodes: Arc<Informer<Value>>,
    pub(crate) deployments: Arc<Informer<Value>>,
    pub(crate) replica_sets: Arc<Informer<Value>>,
    pub(crate) stateful_sets: Arc<Informer<Value>>,
    pub(crate) daemon_sets: Arc<Informer<Value>>,
    pub(crate) jobs: Arc<Informer<Value>>,
    pub(crate) services: Arc<Informer<Value>>,
    pub(crate) slices: Arc<Informer<Value>>,
    pub(crate) claims: Arc<Informer<Value>>,
}

/// The index of objects by the uid of their controlling owner.
pub(crate) const BY_OWNER: &str = "owner";
/// The index of EndpointSlices by `namespace/service`.
pub(crate) const BY_SERVICE: &str = "service";

impl Caches {
    fn new(client: &kube::Client) -> Self {
        let values = |resource: Resource| Informer::values(client.clone(), InformerSpec::all(resource));
        let owned = |resource: Resource| {
            let informer = values(resource);
            informer.add_index(BY_OWNER, |_, object| vec![values::controller_uid(object).to_owned()]);
            informer
        };
        let slices = values(resources::endpoint_slices());
        slices.add_index(BY_SERVICE, |key, object| {
            values::label(object, endpoints::SERVICE_LABEL)
                .map(|service| format!("{}/{service}", key.namespace))
                .into_iter()
                .collect()
        });
        Self {
            pods: owned(resources::pods()),
            nodes: values(resources::nodes()),
            deployments: values(resources::deployments()),
            replica_sets: owned(resources::replica_sets()),
            stateful_sets: values(resources::stateful_sets()),
            daemon_sets: values(resources::daemon_sets()),
            jobs: values(resources::jobs()),
            services: values(resources::services()),
            slices,
            claims: values(resources::claims()),
        }
    }

    fn all(&self) -> [&Arc<Informer<Value>>; 10] {
        [
            &self.pods,
            &self.nodes,
            &self.deployments,
            &self.replica_sets,
            &self.stateful_sets,
            &self.daemon_sets,
            &self.jobs,
            &self.services,
            &self.slices,
            &self.claims,
        ]
    }
}

/// Queues of the controllers.
pub(crate) struct Queues {
    pub(crate) pods: Queue<ObjectKey>,
    deployments: Queue<ObjectKey>,
    replica_sets: Queue<ObjectKey>,
    stateful_sets: Queue<ObjectKey>,
    daemon_sets: Queue<ObjectKey>,
    jobs: Queue<ObjectKey>,
    services: Queue<ObjectKey>,
    claims: Queue<ObjectKey>,
}

impl Queues {
    fn new() -> Self {
        // A simulated member retries quickly: its only failures are lost races.
        let backoff = Backoff { base: Duration::from_millis(5), max: Duration::from_secs(10) };
        let queue = |name: &str| Queue::new(name, backoff);
        Self {
            pods: queue("simulator-pod"),
            deployments: queue("simulator-deployment"),
            replica_sets: queue("simulator-replicaset"),
            stateful_sets: queue("simulator-statefulset"),
            daemon_sets: queue("simulator-daemonset"),
            jobs: queue("simulator-job"),
            services: queue("simulator-endpointslice"),
            claims: queue("simulator-claim"),
        }
    }
}

/// What every controller of one member shares.
pub(crate) struct Context {
    pub(crate) patcher: Patcher,
    pub(crate) caches: Caches,
    pub(crate) queues: Queues,
    pub(crate) ledger: Ledger,
    pub(crate) addresses: PodAddresses,
    pub(crate) timing: Timing,
    /// When a Pod was first seen bound or deleting, by uid; forgotten when it is gone.
    seen: Mutex<HashMap<String, Seen>>,
}

#[derive(Default, Clone, Copy)]
struct Seen {
    bound: Option<Instant>,
    deleting: Option<Instant>,
}

impl Context {
    pub(crate) fn new(client: kube::Client, timing: Timing) -> Arc<Self> {
        Arc::new(Self {
            patcher: Patcher::new(client.clone(), "simulator"),
            caches: Caches::new(&client),
            queues: Queues::new(),
            ledger: Ledger::default(),
            addresses: PodAddresses::default(),
            timing,
            seen: Mutex::new(HashMap::new()),
        })
    }

    /// Time since the Pod was first seen bound; starts now if it never was.
    pub(crate) fn first_seen_bound(&self, uid: &str) -> Duration {
        let mut seen = self.seen.lock();
        seen.entry(uid.to_owned()).or_default().bound.get_or_insert_with(Instant::now).elapsed()
    }

    /// Time since the Pod was first seen deleting; starts now if it never was.
    pub(crate) fn first_seen_deleting(&self, uid: &str) -> Duration {
        let mut seen = self.seen.lock();
        seen.entry(uid.to_owned()).or_default().deleting.get_or_insert_with(Instant::now).elapsed()
    }

    /// Posts to a path that is no collection (subresources).
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<(), Error> {
        let bytes = serde_json::to_vec(body).map_err(|source| Error::Codec { what: path.to_owned(), source })?;
        let failed =
            |source: kube::Error| Error::Request { verb: "create", what: path.to_owned(), source: Box::new(source) };
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(bytes)
            .map_err(|e| failed(kube::Error::Service(e.into())))?;
        self.patcher.client().request_text(request).await.map(|_| ()).map_err(failed)
    }

    /// The Pods that the owner controls and that are not going away.
    pub(crate) fn pods_of(&self, owner: &Value) -> Vec<Arc<Value>> {
        let mut pods: Vec<Arc<Value>> = self
            .caches
            .pods
            .by_index(BY_OWNER, values::text(owner, "/metadata/uid"))
            .into_iter()
            .map(|(_, pod)| pod)
            .filter(|pod| !values::is_deleting(pod))
            .collect();
        pods.sort_by(|a, b| values::text(a, "/metadata/name").cmp(values::text(b, "/metadata/name")));
        pods
    }

    /// Creates a Pod from a template for an owner.
    pub(crate) async fn create_pod(
        &self,
        owner: &Value,
        api_version: &str,
        kind: &str,
        name: String,
        template: &Value,
        adjust: impl FnOnce(&mut Value),
    ) -> Result<(), Error> {
        let namespace = values::text(owner, "/metadata/namespace");
        let mut metadata = json!({
            "name": name,
            "namespace": namespace,
            "ownerReferences": values::owned_by(owner, api_version, kind),
        });
        for field in ["labels", "annotations"] {
            if let Some(map) = template.pointer(&format!("/metadata/{field}")).filter(|m| m.is_object()) {
                metadata[field] = map.clone();
            }
        }
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
        });
        adjust(&mut pod);
        match self.patcher.create(&resources::pods(), namespace, &pod).await {
            Ok(stored) => {
                self.caches.pods.observe(&stored);
                Ok(())
            }
            Err(error) if error.is_already_exists() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes a Pod; the Pod's own controller lets it go.
    pub(crate) async fn delete_pod(&self, pod: &Value) -> Result<(), Error> {
        let (namespace, name) = (values::text(pod, "/metadata/namespace"), values::text(pod, "/metadata/name"));
        let options =
            DeleteOptions { uid: Some(values::text(pod, "/metadata/uid").to_owned()), ..DeleteOptions::default() };
        match self.patcher.delete(&resources::pods(), namespace, name, &options).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes an object's status if it differs, ignoring the times of conditions.
    pub(crate) async fn write_status(
        &self,
        cache: &Informer<Value>,
        object: &Value,
        status: Value,
    ) -> Result<(), Error> {
        let unchanged = status
            .as_object()
            .into_iter()
            .flatten()
            .all(|(field, value)| same(object.get("status").and_then(|s| s.get(field)), value));
        if unchanged {
            return Ok(());
        }
        let key = values::key(object);
        let patch = json!({"metadata": {"uid": values::text(object, "/metadata/uid")}, "status": status});
        let resource = &cache.spec().resource;
        match self.patcher.patch(resource, &key.namespace, &key.name, "status", PatchKind::Merge, &patch).await {
            Ok(stored) => {
                cache.observe(&stored);
                Ok(())
            }
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether a stored field equals the wanted one; null and 0 and empty lists equal an absent field.
fn same(stored: Option<&Value>, wanted: &Value) -> bool {
    match stored {
        Some(stored) => stored == wanted,
        None => wanted.is_null() || wanted.as_i64() == Some(0) || wanted.as_array().is_some_and(Vec::is_empty),
    }
}

/// Whether a Pod counts as ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    values::condition(pod, "Ready") == "True"
}

/// Whether a Pod has ended.
pub(crate) fn is_finished(pod: &Value) -> bool {
    matches!(values::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Starts the informers and controllers of one member; they end with `shutdown`.
pub(crate) fn start(ctx: &Arc<Context>, shutdown: &CancellationToken) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    wire(ctx);
    for informer in ctx.caches.all() {
        let (informer, shutdown) = (Arc::clone(informer), shutdown.clone());
        tasks.spawn(async move { informer.run(shutdown).await });
    }
    macro_rules! controller {
        ($name:literal, $concurrency:literal, $queue:ident, $reconcile:path) => {{
            let (ctx, shutdown) = (Arc::clone(ctx), shutdown.clone());
            tasks.spawn(async move {
                for informer in ctx.caches.all() {
                    if shutdown.run_until_cancelled(informer.wait_synced()).await.is_none() {
                        return;
                    }
                }
                let queue = ctx.queues.$queue.clone();
                let spec = ControllerSpec { name: $name, concurrency: $concurrency };
                controller::run(spec, queue, shutdown, move |key: ObjectKey| {
                    let ctx = Arc::clone(&ctx);
                    async move { $reconcile(&ctx, &key).await }
                })
                .await;
            });
        }};
    }
    controller!("simulator-pod", 4, pods, pods::reconcile);
    controller!("simulator-deployment", 2, deployments, deployment::reconcile);
    controller!("simulator-replicaset", 2, replica_sets, replica_set::reconcile);
    controller!("simulator-statefulset", 1, stateful_sets, stateful_set::reconcile);
    controller!("simulator-daemonset", 1, daemon_sets, daemon_set::reconcile);
    controller!("simulator-job", 2, jobs, job::reconcile);
    controller!("simulator-endpointslice", 1, services, endpoints::reconcile);
    controller!("simulator-claim", 1, claims, reconcile_claim);
    tasks
}

/// Connects caches with queues: which change makes which object worth a look.
fn wire(ctx: &Arc<Context>) {
    fn own(informer: &Informer<Value>, queue: &Queue<ObjectKey>) {
        let queue = queue.clone();
        informer.add_handler(move |change| queue.add(change.key.clone()));
    }
    own(&ctx.caches.pods, &ctx.queues.pods);
    own(&ctx.caches.deployments, &ctx.queues.deployments);
    own(&ctx.caches.replica_sets, &ctx.queues.replica_sets);
    own(&ctx.caches.stateful_sets, &ctx.queues.stateful_sets);
    own(&ctx.caches.daemon_sets, &ctx.queues.daemon_sets);
    own(&ctx.caches.jobs, &ctx.queues.jobs);
    own(&ctx.caches.services, &ctx.queues.services);
    own(&ctx.caches.claims, &ctx.queues.claims);

    let shared = Arc::downgrade(ctx);
    ctx.caches.pods.add_handler(move |change| {
        let Some(ctx) = shared.upgrade() else { return };
        if change.new.is_none()
            && let Some(pod) = change.old
        {
            ctx.seen.lock().remove(values::text(pod, "/metadata/uid"));
        }
        let Some(pod) = change.new.or(change.old) else { return };
        if let Some(owner) = values::array(pod, "/metadata/ownerReferences").iter().find(|o| o["controller"] == true) {
            let key = ObjectKey::new(&change.key.namespace, values::text(owner, "/name"));
            match values::text(owner, "/kind") {
                "ReplicaSet" => ctx.queues.replica_sets.add(key),
                "StatefulSet" => ctx.queues.stateful_sets.add(key),
                "DaemonSet" => ctx.queues.daemon_sets.add(key),
                "Job" => ctx.queues.jobs.add(key),
                _ => {}
            }
        }
        for (key, service) in ctx.caches.services.list_namespace(&change.key.namespace) {
            let selects = |pod: Option<&Arc<Value>>| {
                pod.is_some_and(|p| {
                    values::plain_selector_matches(service.pointer("/spec/selector"), p.pointer("/metadata/labels"))
                })
            };
            if selects(change.old) || selects(change.new) {
                ctx.queues.services.add(key);
            }
        }
    });
    let queue = ctx.queues.deployments.clone();
    ctx.caches.replica_sets.add_handler(move |change| {
        if let Some(owner) = change.new.or(change.old).and_then(|o| values::controller_of(o, "Deployment").cloned()) {
            queue.add(ObjectKey::new(&change.key.namespace, values::text(&owner, "/name")));
        }
    });
    let shared = Arc::downgrade(ctx);
    ctx.caches.nodes.add_handler(move |_| {
        let Some(ctx) = shared.upgrade() else { return };
        for (key, _) in ctx.caches.daemon_sets.list() {
            ctx.queues.daemon_sets.add(key);
        }
    });
    let queue = ctx.queues.services.clone();
    ctx.caches.slices.add_handler(move |change| {
        let service =
            change.new.or(change.old).and_then(|s| values::label(s, endpoints::SERVICE_LABEL).map(str::to_owned));
        if let Some(service) = service {
            queue.add(ObjectKey::new(&change.key.namespace, &service));
        }
    });
}

/// Binds a claim at once, as a cluster with a default storage class does.
async fn reconcile_claim(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(claim) = ctx.caches.claims.get(key) else { return Ok(Outcome::Done) };
    if values::is_deleting(&claim) || values::text(&claim, "/status/phase") == "Bound" {
        return Ok(Outcome::Done);
    }
    let status = json!({
        "phase": "Bound",
        "accessModes": claim.pointer("/spec/accessModes").cloned().unwrap_or_else(|| json!([])),
        "capacity": claim.pointer("/spec/resources/requests").cloned().unwrap_or_else(|| json!({})),
    });
    ctx.write_status(&ctx.caches.claims, &claim, status).await?;
    Ok(Outcome::Done)
}
