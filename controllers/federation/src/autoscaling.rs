//! Replicas that autoscalers in the members decide on.
//!
//! - hpaScaleTargetMarker: a target of a propagated HorizontalPodAutoscaler is marked, so that the members keep their own
//!   numbers of replicas. The mark goes with the autoscaler.
//! - deploymentReplicasSyncer: a marked Deployment that is divided among clusters takes over the sum of what its members
//!   have, once all of them report on the template as it is.
//!
//! Both are off unless they are named.

use std::fmt;
use std::sync::Arc;

use karmada_propagation::autoscaling::{ScaleTarget, mark_patch, propagated_target, replicas_from_members};
use karmada_runtime::patcher::PatchKind;
use karmada_runtime::{ControllerSpec, Informer, InformerSpec, ObjectKey, Outcome, Queue, Resource, controller};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bindings::text;
use crate::context::Context;
use crate::error::Error;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Target(ScaleTarget);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.0.kind, self.0.namespace, self.0.name)
    }
}

/// Connects the caches and runs hpaScaleTargetMarker until `shutdown`. Called before the caches start.
pub fn start_marker(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let queue: Queue<Target> = Queue::new("hpa-scale-target-marker", ctx.options.backoff);
    let resource = Resource {
        group: "autoscaling".to_owned(),
        version: "v2".to_owned(),
        kind: "HorizontalPodAutoscaler".to_owned(),
        plural: "horizontalpodautoscalers".to_owned(),
        namespaced: true,
    };
    let autoscalers = Informer::values(ctx.control.client().clone(), InformerSpec::all(resource));
    let adding = queue.clone();
    autoscalers.add_handler(move |change| {
        let target = |object: Option<&Arc<Value>>| object.and_then(|object| propagated_target(object));
        let (old, new) = (target(change.old), target(change.new));
        if old != new {
            for target in [old, new].into_iter().flatten() {
                adding.add(Target(target));
            }
        }
    });
    let (running, stop) = (Arc::clone(&autoscalers), shutdown.clone());
    tasks.spawn(async move { running.run(stop).await });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(autoscalers.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "hpa-scale-target-marker", concurrency: 1 };
        controller::run(spec, queue, stop, move |target: Target| {
            let (ctx, autoscalers) = (Arc::clone(&ctx), Arc::clone(&autoscalers));
            async move { mark(&ctx, &autoscalers, &target.0).await }
        })
        .await;
    });
}

async fn mark(ctx: &Context, autoscalers: &Informer<Value>, target: &ScaleTarget) -> Result<Outcome, Error> {
    let marked = autoscalers
        .list_namespace(&target.namespace)
        .iter()
        .any(|(_, autoscaler)| propagated_target(autoscaler).as_ref() == Some(target));
    let resource = match ctx.mapper.resource(&target.api_version, &target.kind).await {
        Ok(resource) => resource,
        // The autoscaler names a kind that is not there: nothing to mark.
        Err(karmada_runtime::Error::UnknownKind { .. }) => return Ok(Outcome::Done),
        Err(error) => return Err(error.into()),
    };
    let Some(object) = ctx.control.get(&resource, &target.namespace, &target.name).await? else {
        return Ok(Outcome::Done);
    };
    let Some(patch) = mark_patch(&object, marked) else { return Ok(Outcome::Done) };
    match ctx.control.patch(&resource, &target.namespace, &target.name, "", PatchKind::Merge, &patch).await {
        Ok(stored) => ctx.templates.observe(&stored),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Done)
}

/// Connects the caches and runs deploymentReplicasSyncer until `shutdown`. Called before the caches start.
pub fn start_syncer(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let queue: Queue<ObjectKey> = Queue::new("deployment-replicas-syncer", ctx.options.backoff);
    let adding = queue.clone();
    ctx.bindings.add_handler(move |change| {
        let relevant = change.new.is_some_and(|new| {
            new.spec.resource.kind == "Deployment"
                && new.spec.placement.as_ref().is_some_and(|placement| placement.replica_scheduling.is_some())
                && change.old.is_none_or(|old| old.status != new.status || old.spec != new.spec)
        });
        if relevant {
            adding.add(change.key.clone());
        }
    });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "deployment-replicas-syncer", concurrency: 1 };
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { sync(&ctx, &key).await }
        })
        .await;
    });
}

async fn sync(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(binding) = ctx.bindings.get(key) else { return Ok(Outcome::Done) };
    let Some(template) = ctx.template_of(binding.as_ref()).await? else { return Ok(Outcome::Done) };
    let Some(replicas) = replicas_from_members(&template, &binding) else { return Ok(Outcome::Done) };
    let resource = ctx.mapper.resource(text(&template, "/apiVersion"), text(&template, "/kind")).await?;
    let patch = json!({
        "metadata": {"resourceVersion": text(&template, "/metadata/resourceVersion")},
        "spec": {"replicas": replicas},
    });
    let (namespace, name) = (text(&template, "/metadata/namespace"), text(&template, "/metadata/name"));
    match ctx.control.patch(&resource, namespace, name, "", PatchKind::Merge, &patch).await {
        Ok(stored) => ctx.templates.observe(&stored),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Done)
}
