//! Graceful eviction: the old copy of an evicted workload stays until the new one is healthy, or its time is over.
//!
//! It acts on bindings with eviction tasks: it stamps new tasks, and drops those that have come to their end; the binding
//! controller then removes the Works that nothing holds any more. A task without end would keep the copy for ever, one that
//! ends too early would leave none: [`eviction::plan_tasks`] says when.

use std::sync::Arc;

use jiff::Timestamp;
use karmada_api::events;
use karmada_api::features::Feature;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_propagation::eviction;
use karmada_runtime::error::chain;
use karmada_runtime::events::EventType;
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, Queue, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bindings::{report, write_spec};
use crate::context::Context;
use crate::error::Error;
use crate::kinds::Binding;

/// Connects the caches and runs both controllers until `shutdown`; nothing runs with the gate GracefulEviction off. Called
/// before the caches start.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    if ctx.options.gates.enabled(Feature::GracefulEviction) {
        start_kind::<ResourceBinding>(ctx, "resource-binding-graceful-eviction-controller", tasks, shutdown);
        let name = "cluster-resource-binding-graceful-eviction-controller";
        start_kind::<ClusterResourceBinding>(ctx, name, tasks, shutdown);
    }
}

fn start_kind<B: Binding>(
    ctx: &Arc<Context>,
    name: &'static str,
    tasks: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    let queue: Queue<ObjectKey> = Queue::new(name, ctx.options.backoff);
    let adding = queue.clone();
    B::informer(ctx).add_handler(move |change| {
        if change.new.is_some_and(|binding| !binding.spec().graceful_eviction_tasks.is_empty()) {
            adding.add(change.key.clone());
        }
    });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name, concurrency: ctx.options.concurrent_bindings };
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { reconcile::<B>(&ctx, &key).await }
        })
        .await;
    });
}

async fn reconcile<B: Binding>(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(binding) = B::informer(ctx).get(key) else { return Ok(Outcome::Done) };
    if binding.meta().deletion_timestamp.is_some() {
        return Ok(Outcome::Done);
    }
    let eviction::TaskPlan { tasks, evicted, look_again } =
        eviction::plan_tasks(binding.as_ref(), ctx.options.graceful_eviction_timeout, Timestamp::now());
    if let Some(tasks) = tasks {
        let mut spec = binding.spec().clone();
        spec.graceful_eviction_tasks = tasks;
        let written = write_spec(ctx, binding.as_ref(), &spec).await;
        for cluster in &evicted {
            match &written {
                Ok(true) => {
                    let reason = events::EVICT_WORKLOAD_FROM_CLUSTER_SUCCEED;
                    report(ctx, binding.as_ref(), EventType::Normal, reason, &eviction::message(cluster));
                }
                Ok(false) => {}
                // A lost race is no failure: the next pass decides anew.
                Err(Error::Request(error)) if error.is_conflict() => {}
                Err(error) => {
                    let message = format!("Evict from cluster {cluster} failed: {}", chain(error));
                    let reason = events::EVICT_WORKLOAD_FROM_CLUSTER_FAILED;
                    report(ctx, binding.as_ref(), EventType::Warning, reason, &message);
                }
            }
        }
        written?;
    }
    Ok(look_again.map_or(Outcome::Done, Outcome::RequeueAfter))
}
