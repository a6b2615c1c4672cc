//! WorkloadRebalancer: workloads that it lists are placed anew, once; with a time to live it goes when all is done.
//!
//! It acts when a rebalancer appears or its specification changes. The scheduler does the placing; here the binding only
//! gets the rebalancer's creation time as the time of the request, so that repeating it changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use karmada_api::apps::{ObjectReference, REBALANCE_SUCCESSFUL, WorkloadRebalancer};
use karmada_api::names;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_propagation::rebalance::{self, Attempt};
use karmada_runtime::error::chain;
use karmada_runtime::patcher::{DeleteOptions, PatchKind};
use karmada_runtime::{ControllerSpec, Informer, ObjectKey, Outcome, Queue, Resource, controller};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bindings::write_spec;
use crate::context::Context;
use crate::error::Error;
use crate::kinds::Binding;

/// Connects the caches and runs the controller until `shutdown`. Called before the caches start.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let queue: Queue<ObjectKey> = Queue::new("workload-rebalancer", ctx.options.backoff);
    let rebalancers: Arc<Informer<WorkloadRebalancer>> = Informer::typed(ctx.control.client().clone());
    let adding = queue.clone();
    rebalancers.add_handler(move |change| {
        if change.new.is_some() {
            adding.add(change.key.clone());
        }
    });
    let (running, stop) = (Arc::clone(&rebalancers), shutdown.clone());
    tasks.spawn(async move { running.run(stop).await });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(rebalancers.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "workload-rebalancer", concurrency: 1 };
        controller::run(spec, queue, stop, move |key| {
            let (ctx, rebalancers) = (Arc::clone(&ctx), Arc::clone(&rebalancers));
            async move { reconcile(&ctx, &rebalancers, &key).await }
        })
        .await;
    });
}

async fn reconcile(
    ctx: &Context,
    rebalancers: &Informer<WorkloadRebalancer>,
    key: &ObjectKey,
) -> Result<Outcome, Error> {
    let Some(mut rebalancer) = rebalancers.get(key) else { return Ok(Outcome::Done) };
    if rebalancer.metadata.deletion_timestamp.is_some() {
        return Ok(Outcome::Done);
    }
    let resource = Resource::of::<WorkloadRebalancer>();
    let mut failed = None;
    if !rebalance::is_finished(&rebalancer) {
        let mut attempts = BTreeMap::new();
        for observed in rebalance::observed(&rebalancer) {
            if observed.result == REBALANCE_SUCCESSFUL {
                continue;
            }
            let attempt = match trigger(ctx, &rebalancer, &observed.workload).await {
                Ok(attempt) => attempt,
                Err(error) => {
                    tracing::debug!(rebalancer = %key, workload = observed.workload.name, error = chain(&error), "trigger");
                    failed = Some(error);
                    Attempt::TryAgain
                }
            };
            attempts.insert(id(&observed.workload), attempt);
        }
        let attempt = |workload: &ObjectReference| attempts.get(&id(workload)).copied().unwrap_or(Attempt::TryAgain);
        if let Some(status) = rebalance::plan_status(&rebalancer, attempt, Timestamp::now()) {
            let patch =
                json!({"metadata": {"resourceVersion": rebalancer.metadata.resource_version}, "status": status});
            let written = ctx.control.patch(&resource, "", &key.name, "status", PatchKind::Merge, &patch).await;
            match written {
                Ok(stored) => rebalancers.observe(&stored),
                Err(error) if error.is_not_found() => return Ok(Outcome::Done),
                Err(error) => return Err(error.into()),
            }
            let mut written = WorkloadRebalancer::clone(&rebalancer);
            written.status = status;
            rebalancer = Arc::new(written);
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    match rebalance::remaining(&rebalancer, Timestamp::now()) {
        None => Ok(Outcome::Done),
        Some(left) if !left.is_zero() => Ok(Outcome::RequeueAfter(left)),
        Some(_) => {
            // Only this very object: one of the same name that was made since has its own time.
            let options = DeleteOptions { uid: rebalancer.metadata.uid.clone(), ..DeleteOptions::default() };
            ctx.control.delete(&resource, "", &key.name, &options).await?;
            Ok(Outcome::Done)
        }
    }
}

fn id(workload: &ObjectReference) -> (String, String, String, String) {
    let ObjectReference { api_version, kind, namespace, name } = workload.clone();
    (api_version, kind, namespace, name)
}

async fn trigger(ctx: &Context, rebalancer: &WorkloadRebalancer, workload: &ObjectReference) -> Result<Attempt, Error> {
    if workload.namespace.is_empty() {
        trigger_kind::<ClusterResourceBinding>(ctx, rebalancer, workload).await
    } else {
        trigger_kind::<ResourceBinding>(ctx, rebalancer, workload).await
    }
}

async fn trigger_kind<B: Binding>(
    ctx: &Context,
    rebalancer: &WorkloadRebalancer,
    workload: &ObjectReference,
) -> Result<Attempt, Error> {
    let name = names::binding_name(&workload.kind, &workload.name);
    let Some(binding) = B::informer(ctx).get(&ObjectKey::new(&workload.namespace, &name)) else {
        return Ok(Attempt::NotFound);
    };
    let created = rebalancer.metadata.creation_timestamp.as_ref().map_or_else(Timestamp::now, |time| time.0);
    if !rebalance::triggers(binding.spec(), created) {
        return Ok(Attempt::Triggered);
    }
    let mut spec = binding.spec().clone();
    spec.reschedule_triggered_at = Some(Time(created));
    write_spec(ctx, binding.as_ref(), &spec).await?;
    Ok(Attempt::Triggered)
}
