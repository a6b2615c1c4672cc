//! ClusterTaintPolicy: clusters get taints, and lose them, as their conditions change.
//!
//! It acts when a cluster's conditions or labels change, and when a policy changes, with the gate Failover on. A policy that
//! goes away leaves the taints that it put.

use std::sync::Arc;

use jiff::Timestamp;
use karmada_api::features::Feature;
use karmada_api::policy::ClusterTaintPolicy;
use karmada_propagation::cluster::taints;
use karmada_runtime::{ControllerSpec, Informer, ObjectKey, Outcome, Queue, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::write_taints;
use crate::context::Context;
use crate::error::Error;

/// Connects the caches and runs the controller until `shutdown`. Called before the caches start.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    if !ctx.options.gates.enabled(Feature::Failover) {
        return;
    }
    let queue: Queue<ObjectKey> = Queue::new("cluster-taint-policy-controller", ctx.options.backoff);
    let policies: Arc<Informer<ClusterTaintPolicy>> = Informer::typed(ctx.control.client().clone());
    let adding = queue.clone();
    ctx.clusters.add_handler(move |change| {
        let Some(new) = change.new else { return };
        let relevant = change.old.is_none_or(|old| {
            old.status.conditions != new.status.conditions
                || old.metadata.labels != new.metadata.labels
                || old.spec != new.spec
        });
        if relevant {
            adding.add(change.key.clone());
        }
    });
    let (adding, clusters) = (queue.clone(), Arc::clone(&ctx.clusters));
    policies.add_handler(move |change| {
        if change.new.is_some() {
            for (key, _) in clusters.list() {
                adding.add(key);
            }
        }
    });
    let (running, stop) = (Arc::clone(&policies), shutdown.clone());
    tasks.spawn(async move { running.run(stop).await });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.clusters.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(policies.wait_synced()).await.is_none() {
            return;
        }
        let spec =
            ControllerSpec { name: "cluster-taint-policy-controller", concurrency: ctx.options.concurrent_clusters };
        controller::run(spec, queue, stop, move |key| {
            let (ctx, policies) = (Arc::clone(&ctx), Arc::clone(&policies));
            async move { reconcile(&ctx, &policies, &key).await }
        })
        .await;
    });
}

async fn reconcile(ctx: &Context, policies: &Informer<ClusterTaintPolicy>, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(cluster) = ctx.clusters.get(key) else { return Ok(Outcome::Done) };
    let policies: Vec<ClusterTaintPolicy> =
        policies.list().iter().map(|(_, policy)| ClusterTaintPolicy::clone(policy)).collect();
    if cluster.metadata.deletion_timestamp.is_none()
        && let Some(wanted) = taints::from_policies(&cluster, &policies, Timestamp::now())
    {
        write_taints(ctx, &cluster, wanted).await?;
    }
    Ok(Outcome::Done)
}
