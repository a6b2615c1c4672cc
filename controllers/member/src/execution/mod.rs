//! execution-controller: what a Work says is in its member.
//!
//! It acts when a Work's spec changes, when the Work is to go, when an object in the member is changed or deleted by
//! somebody else, and when a member becomes ready. It touches no object without Karmada's mark (unless the Work says to
//! overwrite), and it leaves the Work's manifestStatuses to the work-status controller. While a member is not ready its
//! Works are parked: the transition to ready brings them back.

mod reconcile;

use std::sync::Arc;

use karmada_api::cluster::Cluster;
use karmada_api::work::v1alpha1::Work;
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{Change, ControllerSpec, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Connects the caches with the queue. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    let queue = ctx.execution.clone();
    ctx.works.add_handler(move |change| {
        if needs_work(change) {
            let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
            queue.add_with_priority(change.key.clone(), priority);
        }
    });
    let shared = Arc::downgrade(ctx);
    ctx.fleet.clusters().add_handler(move |change| {
        let Some(ctx) = shared.upgrade() else { return };
        if let Some(cluster) = change.new
            && became_usable(change.old.map(AsRef::as_ref), cluster)
        {
            let namespace = karmada_api::names::execution_space(&change.key.name);
            for (key, _) in ctx.works.list_namespace(&namespace) {
                ctx.execution.add_with_priority(key, PRIORITY_INITIAL);
            }
        }
        if change.new.is_none() {
            ctx.own_writes.retain(|(cluster, _), _| *cluster != *change.key.name);
            let (fleet, name) = (Arc::clone(&ctx.fleet), change.key.name.to_string());
            tokio::spawn(async move { fleet.forget(&name).await });
        }
    });
}

/// The Work's spec, bookkeeping or deletion changed; a change of status alone is our own doing.
fn needs_work(change: &Change<'_, Work>) -> bool {
    match (change.old, change.new) {
        (Some(old), Some(new)) => {
            old.metadata.generation != new.metadata.generation
                || old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
                || old.metadata.labels != new.metadata.labels
                || old.metadata.annotations != new.metadata.annotations
        }
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn became_usable(old: Option<&Cluster>, new: &Cluster) -> bool {
    let ready = |c: &Cluster| c.is_ready();
    let leaving =
        new.metadata.deletion_timestamp.is_some() && old.is_none_or(|o| o.metadata.deletion_timestamp.is_none());
    leaving || (ready(new) && !old.is_some_and(ready)) || old.is_some_and(|o| o.spec != new.spec)
}

/// Runs the controller until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.fleet.clusters().wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(ctx.works.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "execution-controller", concurrency: ctx.options.concurrent_works };
        let queue = ctx.execution.clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { reconcile::reconcile(&ctx, &key).await }
        })
        .await;
    });
}
