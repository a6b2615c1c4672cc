//! Application failover: a workload that stays unhealthy in a cluster leaves it, if its policy says so.
//!
//! It acts on bindings whose failover behaviour names an application, whose kind has a health interpreter, and (for
//! namespaced ones) that take their dependencies along. Time counts from when this process first saw the bad health.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use jiff::Timestamp;
use karmada_api::events;
use karmada_api::features::Feature;
use karmada_api::gvk::Gvk;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_interpreter::Operation;
use karmada_propagation::eviction::evict;
use karmada_propagation::failover::{application_eviction, fails_over, plan_application};
use karmada_runtime::error::chain;
use karmada_runtime::events::EventType;
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, Queue, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bindings::{report, write_spec};
use crate::context::Context;
use crate::error::Error;
use crate::kinds::Binding;

/// Since when workloads have been unhealthy, by binding and cluster.
type Unhealthy = DashMap<ObjectKey, BTreeMap<String, Timestamp>>;

/// Connects the caches and runs both controllers until `shutdown`. Called before the caches start.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    start_kind::<ResourceBinding>(ctx, "resource-binding-application-failover-controller", tasks, shutdown);
    start_kind::<ClusterResourceBinding>(
        ctx,
        "cluster-resource-binding-application-failover-controller",
        tasks,
        shutdown,
    );
}

fn start_kind<B: Binding>(
    ctx: &Arc<Context>,
    name: &'static str,
    tasks: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    let queue: Queue<ObjectKey> = Queue::new(name, ctx.options.backoff);
    let unhealthy: Arc<Unhealthy> = Arc::default();
    let (adding, memory) = (queue.clone(), Arc::clone(&unhealthy));
    B::informer(ctx).add_handler(move |change| match change.new {
        Some(binding) if fails_over(binding.as_ref()) => adding.add(change.key.clone()),
        _ => drop(memory.remove(change.key)),
    });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name, concurrency: ctx.options.concurrent_bindings };
        controller::run(spec, queue, stop, move |key| {
            let (ctx, unhealthy) = (Arc::clone(&ctx), Arc::clone(&unhealthy));
            async move { reconcile::<B>(&ctx, name, &unhealthy, &key).await }
        })
        .await;
    });
}

async fn reconcile<B: Binding>(
    ctx: &Context,
    producer: &'static str,
    unhealthy: &Unhealthy,
    key: &ObjectKey,
) -> Result<Outcome, Error> {
    let Some(binding) = B::informer(ctx).get(key) else { return Ok(Outcome::Done) };
    let template = &binding.spec().resource;
    let kind = Gvk::of(&template.api_version, &template.kind);
    let watched = binding.meta().deletion_timestamp.is_none()
        && fails_over(binding.as_ref())
        && ctx.interpreter.hook_enabled(&kind, Operation::InterpretHealth);
    if !watched {
        unhealthy.remove(key);
        return Ok(Outcome::Done);
    }
    let plan = {
        let mut since = unhealthy.entry(key.clone()).or_default();
        plan_application(binding.as_ref(), &mut since, Timestamp::now())
    };
    if !plan.evict.is_empty() {
        let gates = &ctx.options.gates;
        let (graceful, stateful) =
            (gates.enabled(Feature::GracefulEviction), gates.enabled(Feature::StatefulFailoverInjection));
        let mut spec = binding.spec().clone();
        let mut problem = None;
        for cluster in &plan.evict {
            match application_eviction(binding.as_ref(), cluster, producer, graceful, stateful) {
                Ok(eviction) => drop(evict(&mut spec, cluster, eviction)),
                Err(reason) => problem = Some(Error::Eviction { cluster: cluster.clone(), reason }),
            }
        }
        let written = write_spec(ctx, binding.as_ref(), &spec).await;
        let result = written.and_then(|_| problem.map_or(Ok(()), Err));
        if let Err(error) = result {
            if !matches!(&error, Error::Request(request) if request.is_conflict()) {
                let message = format!("Evict from cluster {} failed: {}", plan.evict.join(","), chain(&error));
                let reason = events::EVICT_WORKLOAD_FROM_CLUSTER_FAILED;
                report(ctx, binding.as_ref(), EventType::Warning, reason, &message);
            }
            return Err(error);
        }
    }
    Ok(plan.look_again.map_or(Outcome::Done, Outcome::RequeueAfter))
}
