//! cluster-controller: the life and death of Cluster objects.
//!
//! A Cluster gets its execution namespace and the finalizer that guards its removal; its taints follow its Ready condition.
//! A Cluster that is being deleted keeps the finalizer until its execution namespace is gone and no binding names it. The
//! health monitor judges pull members by their lease: one that is not renewed for too long makes Ready Unknown, which stops
//! scheduling there but removes nothing (disconnected is not dead).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use karmada_api::cluster::{Cluster, Taint, condition as ready};
use karmada_api::work::v1alpha1::Work;
use karmada_api::{events, finalizers, labels, names};
use karmada_propagation::cluster::taints;
use karmada_propagation::condition::{self, Wanted};
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::patcher::{DeleteOptions, PatchKind};
use karmada_runtime::{ControllerSpec, Informer, InformerSpec, ObjectKey, Outcome, Resource, controller};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::{BY_CLUSTER, Context};
use crate::error::Error;

/// How soon a Cluster whose removal waits for something is looked at again, as upstream.
const REMOVAL_WAIT: Duration = Duration::from_secs(10);
/// Events on Clusters live in this namespace, as upstream.
const EVENT_NAMESPACE: &str = "default";

/// Connects the caches with the queue. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    let queue = ctx.queues.clusters.clone();
    ctx.clusters.add_handler(move |change| {
        let relevant = change.old.zip(change.new).is_none_or(|(old, new)| {
            old.metadata.generation != new.metadata.generation
                || old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
                || old.metadata.finalizers != new.metadata.finalizers
                || old.ready_status() != new.ready_status()
        });
        if relevant && change.new.is_some() {
            queue.add(change.key.clone());
        }
    });
    // The removal of a Cluster waits for its execution namespace; its deletion wakes it.
    let queue = ctx.queues.clusters.clone();
    ctx.namespaces.add_handler(move |change| {
        if change.new.is_none()
            && let Some(cluster) = names::cluster_of_execution_space(&change.key.name)
        {
            queue.add(ObjectKey::cluster_scoped(cluster));
        }
    });
}

/// Runs the controller and the health monitor until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let (shared, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(shared.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "cluster-controller", concurrency: shared.options.concurrent_clusters };
        let queue = shared.queues.clusters.clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&shared);
            async move { reconcile(&ctx, &key).await }
        })
        .await;
    });
    monitor(ctx, tasks, shutdown);
}

async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(cluster) = ctx.clusters.get(key) else { return Ok(Outcome::Done) };
    if cluster.metadata.deletion_timestamp.is_some() {
        return remove(ctx, &cluster).await;
    }
    let held = cluster.metadata.finalizers.clone().unwrap_or_default();
    if !held.iter().any(|f| f == finalizers::CLUSTER_CONTROLLER) {
        let mut all = held;
        all.push(finalizers::CLUSTER_CONTROLLER.to_owned());
        let version = cluster.metadata.resource_version.clone().unwrap_or_default();
        let stored = ctx.control.set_finalizers(&Resource::of::<Cluster>(), "", &key.name, &version, &all).await?;
        ctx.clusters.observe(&stored);
        // The write's own event goes on from here.
        return Ok(Outcome::Done);
    }
    ensure_execution_space(ctx, &cluster).await?;
    follow_ready(ctx, &cluster).await?;
    Ok(Outcome::Done)
}

fn namespace_resource() -> Resource {
    Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        plural: "namespaces".to_owned(),
        namespaced: false,
    }
}

fn event(ctx: &Context, cluster: &Cluster, kind: EventType, reason: &'static str, message: String) {
    let mut about = reference_typed(cluster);
    about.namespace = Some(EVENT_NAMESPACE.to_owned());
    ctx.recorder.event(about, kind, reason, message);
}

async fn ensure_execution_space(ctx: &Context, cluster: &Cluster) -> Result<(), Error> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let space = names::execution_space(name);
    if ctx.namespaces.get(&ObjectKey::cluster_scoped(&space)).is_some() {
        return Ok(());
    }
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": space, "labels": {labels::SYSTEM: labels::TRUE}},
    });
    match ctx.control.create(&namespace_resource(), "", &namespace).await {
        Ok(stored) => {
            ctx.namespaces.observe(&stored);
            let message = format!("Created execution space({space}) for cluster({name}).");
            event(ctx, cluster, EventType::Normal, events::CREATE_EXECUTION_SPACE_SUCCEED, message);
            Ok(())
        }
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => {
            let message = karmada_runtime::error::chain(&error);
            event(ctx, cluster, EventType::Warning, events::CREATE_EXECUTION_SPACE_FAILED, message);
            Err(error.into())
        }
    }
}

async fn follow_ready(ctx: &Context, cluster: &Cluster) -> Result<(), Error> {
    match taints::from_ready(cluster, Timestamp::now()) {
        Some(wanted) => write_taints(ctx, cluster, wanted).await,
        None => Ok(()),
    }
}

/// Writes a cluster's taints and reports them.
pub(crate) async fn write_taints(ctx: &Context, cluster: &Cluster, wanted: Vec<Taint>) -> Result<(), Error> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    // The list is replaced whole, so it is written against what was read.
    let patch = json!({
        "metadata": {"resourceVersion": cluster.metadata.resource_version},
        "spec": {"taints": wanted},
    });
    match ctx.control.patch(&Resource::of::<Cluster>(), "", name, "", PatchKind::Merge, &patch).await {
        Ok(stored) => {
            ctx.clusters.observe(&stored);
            let message = taints::message(name, &wanted, true);
            event(ctx, cluster, EventType::Normal, events::TAINT_CLUSTER_SUCCEED, message);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => {
            if !error.is_conflict() {
                let message = karmada_runtime::error::chain(&error);
                event(ctx, cluster, EventType::Warning, events::TAINT_CLUSTER_FAILED, message);
            }
            Err(error.into())
        }
    }
}

async fn remove(ctx: &Context, cluster: &Cluster) -> Result<Outcome, Error> {
    let held = cluster.metadata.finalizers.clone().unwrap_or_default();
    if !held.iter().any(|f| f == finalizers::CLUSTER_CONTROLLER) {
        return Ok(Outcome::Done);
    }
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let space = names::execution_space(&name);
    if let Some(namespace) = ctx.namespaces.get(&ObjectKey::cluster_scoped(&space)) {
        let deleting = namespace.pointer("/metadata/deletionTimestamp").is_some();
        if !deleting {
            ctx.control.delete(&namespace_resource(), "", &space, &DeleteOptions::default()).await?;
            let message = format!("Removed execution space({space}) for cluster({name}).");
            event(ctx, cluster, EventType::Normal, events::REMOVE_EXECUTION_SPACE_SUCCEED, message);
        }
        if cluster.is_pull() && !cluster.is_ready() {
            // The agent that would finish these Works is gone.
            release_works(ctx, &space).await?;
        }
        return Ok(Outcome::RequeueAfter(REMOVAL_WAIT));
    }
    let targeted = !ctx.bindings.by_index(BY_CLUSTER, &name).is_empty()
        || !ctx.cluster_bindings.by_index(BY_CLUSTER, &name).is_empty();
    if targeted {
        return Ok(Outcome::RequeueAfter(REMOVAL_WAIT.min(Duration::from_secs(2))));
    }
    let rest: Vec<String> = held.into_iter().filter(|f| f != finalizers::CLUSTER_CONTROLLER).collect();
    let version = cluster.metadata.resource_version.clone().unwrap_or_default();
    match ctx.control.set_finalizers(&Resource::of::<Cluster>(), "", &name, &version, &rest).await {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) => Err(error.into()),
    }
}

async fn release_works(ctx: &Context, space: &str) -> Result<(), Error> {
    for (key, work) in ctx.works.list_namespace(space) {
        let held = work.metadata.finalizers.clone().unwrap_or_default();
        let rest: Vec<String> = held.iter().filter(|f| *f != finalizers::EXECUTION_CONTROLLER).cloned().collect();
        if rest.len() == held.len() {
            continue;
        }
        let version = work.metadata.resource_version.clone().unwrap_or_default();
        match ctx.control.set_finalizers(&Resource::of::<Work>(), &key.namespace, &key.name, &version, &rest).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// When a pull member's lease or Cluster status was last seen to change, by our own clock.
struct Heard {
    renew_time: String,
    at: Instant,
    /// Whether anything was ever heard; before that the longer startup grace period holds.
    ever: bool,
}

fn monitor(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let lease = Resource {
        group: "coordination.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Lease".to_owned(),
        plural: "leases".to_owned(),
        namespaced: true,
    };
    let leases: Arc<Informer<String>> = Informer::new(
        ctx.control.client().clone(),
        InformerSpec::all(lease).in_namespace(names::CLUSTER_NAMESPACE),
        |text| {
            let lease: Value = serde_json::from_str(text)?;
            Ok(lease.pointer("/spec/renewTime").and_then(Value::as_str).unwrap_or_default().to_owned())
        },
    );
    let (running, stop) = (Arc::clone(&leases), shutdown.clone());
    tasks.spawn(async move { running.run(stop).await });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(leases.wait_synced()).await.is_none() {
            return;
        }
        let heard: Mutex<HashMap<String, Heard>> = Mutex::default();
        loop {
            for (key, cluster) in ctx.clusters.list() {
                if cluster.is_pull() && cluster.metadata.deletion_timestamp.is_none() {
                    check(&ctx, &key, &cluster, &leases, &heard).await;
                }
            }
            heard.lock().retain(|name, _| ctx.clusters.get(&ObjectKey::cluster_scoped(name)).is_some());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ctx.options.monitor_period) => {}
            }
        }
    });
}

async fn check(
    ctx: &Context,
    key: &ObjectKey,
    cluster: &Cluster,
    leases: &Informer<String>,
    heard: &Mutex<HashMap<String, Heard>>,
) {
    let renew_time = leases.get(&ObjectKey::new(names::CLUSTER_NAMESPACE, &key.name));
    let (silent, ever) = {
        let mut heard = heard.lock();
        let entry = heard.entry(key.name.to_string()).or_insert_with(|| Heard {
            renew_time: renew_time.as_ref().map(|t| t.to_string()).unwrap_or_default(),
            at: Instant::now(),
            ever: cluster.ready_status().is_some(),
        });
        if let Some(now) = &renew_time
            && **now != entry.renew_time
        {
            entry.renew_time = now.to_string();
            entry.at = Instant::now();
            entry.ever = true;
        }
        (entry.at.elapsed(), entry.ever)
    };
    let limit = if ever { ctx.options.monitor_grace_period } else { ctx.options.startup_grace_period };
    if silent <= limit || cluster.ready_status() == Some("Unknown") {
        return;
    }
    let wanted = if cluster.ready_status().is_none() {
        Wanted {
            kind: ready::READY,
            status: "Unknown",
            reason: ready::REASON_STATUS_NEVER_UPDATED.to_owned(),
            message: "Cluster status controller never posted cluster status.".to_owned(),
        }
    } else {
        Wanted {
            kind: ready::READY,
            status: "Unknown",
            reason: ready::REASON_STATUS_UNKNOWN.to_owned(),
            message: "Cluster status controller stopped posting cluster status.".to_owned(),
        }
    };
    let mut conditions = cluster.status.conditions.clone();
    condition::set(&mut conditions, &wanted, Timestamp::now());
    let patch = json!({
        "metadata": {"resourceVersion": cluster.metadata.resource_version},
        "status": {"conditions": conditions},
    });
    match ctx.control.patch(&Resource::of::<Cluster>(), "", &key.name, "status", PatchKind::Merge, &patch).await {
        Ok(stored) => ctx.clusters.observe(&stored),
        // The next period tries again.
        Err(error) => {
            tracing::debug!(cluster = %key, error = karmada_runtime::error::chain(&error), "mark a silent cluster");
        }
    }
}
