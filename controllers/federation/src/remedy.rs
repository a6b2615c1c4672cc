//! Remedy: the actions that remedies ask for stand in the status of the clusters whose conditions match.
//!
//! It acts when a cluster's conditions change and when a remedy changes or goes.

use std::sync::Arc;

use karmada_api::cluster::Cluster;
use karmada_api::remedy::Remedy;
use karmada_propagation::cluster::remedy::actions;
use karmada_runtime::patcher::PatchKind;
use karmada_runtime::{ControllerSpec, Informer, ObjectKey, Outcome, Queue, Resource, controller};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;

/// Connects the caches and runs the controller until `shutdown`. Called before the caches start.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let queue: Queue<ObjectKey> = Queue::new("remedy-controller", ctx.options.backoff);
    let remedies: Arc<Informer<Remedy>> = Informer::typed(ctx.control.client().clone());
    let adding = queue.clone();
    ctx.clusters.add_handler(move |change| {
        let Some(new) = change.new else { return };
        let relevant = change.old.is_none_or(|old| {
            old.status.conditions != new.status.conditions || old.status.remedy_actions != new.status.remedy_actions
        });
        if relevant {
            adding.add(change.key.clone());
        }
    });
    let (adding, clusters) = (queue.clone(), Arc::clone(&ctx.clusters));
    remedies.add_handler(move |_| {
        for (key, _) in clusters.list() {
            adding.add(key);
        }
    });
    let (running, stop) = (Arc::clone(&remedies), shutdown.clone());
    tasks.spawn(async move { running.run(stop).await });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.clusters.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(remedies.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "remedy-controller", concurrency: ctx.options.concurrent_clusters };
        controller::run(spec, queue, stop, move |key| {
            let (ctx, remedies) = (Arc::clone(&ctx), Arc::clone(&remedies));
            async move { reconcile(&ctx, &remedies, &key).await }
        })
        .await;
    });
}

async fn reconcile(ctx: &Context, remedies: &Informer<Remedy>, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(cluster) = ctx.clusters.get(key) else { return Ok(Outcome::Done) };
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(Outcome::Done);
    }
    let remedies: Vec<Remedy> = remedies
        .list()
        .iter()
        .filter(|(_, remedy)| remedy.metadata.deletion_timestamp.is_none())
        .map(|(_, remedy)| Remedy::clone(remedy))
        .collect();
    let Some(wanted) = actions(&cluster, &remedies) else { return Ok(Outcome::Done) };
    let wanted = if wanted.is_empty() { serde_json::Value::Null } else { json!(wanted) };
    let patch = json!({
        "metadata": {"resourceVersion": cluster.metadata.resource_version},
        "status": {"remedyActions": wanted},
    });
    match ctx.control.patch(&Resource::of::<Cluster>(), "", &key.name, "status", PatchKind::Merge, &patch).await {
        Ok(stored) => ctx.clusters.observe(&stored),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Done)
}
