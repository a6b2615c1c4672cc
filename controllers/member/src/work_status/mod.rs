//! work-status-controller: what a member says of a Work's objects is in the Work.
//!
//! It acts when an object in the member changes, and when a Work appears. It never creates or changes anything in a
//! member; an object that is gone keeps its last reported status until the execution controller has it back.

use std::sync::Arc;

use karmada_api::cluster::Cluster;
use karmada_api::events;
use karmada_api::work::ResourceHealth;
use karmada_api::work::v1alpha1::{ManifestStatus, Work};
use karmada_propagation::object;
use karmada_propagation::status::{manifest_status, message, reflect, with_manifest_status};
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::patcher::PatchKind;
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, Resource, controller};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;

/// Connects the caches with the queue. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    let queue = ctx.status.clone();
    ctx.works.add_handler(move |change| {
        let Some(work) = change.new else { return };
        // The Applied condition turning true is when the object is known to be there to be watched.
        let newly_applied = is_applied(work) && !change.old.is_some_and(|old| is_applied(old));
        if newly_applied {
            let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
            queue.add_with_priority(change.key.clone(), priority);
        }
    });
}

fn is_applied(work: &Work) -> bool {
    work.status.conditions.iter().any(|c| c.type_ == "Applied" && c.status == "True")
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
        let spec = ControllerSpec { name: "work-status-controller", concurrency: ctx.options.concurrent_works };
        let queue = ctx.status.clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { reconcile(&ctx, &key).await }
        })
        .await;
    });
}

async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some((name, cluster)) = ctx.cluster_of(key) else { return Ok(Outcome::Done) };
    let Some(work) = ctx.works.get(key) else { return Ok(Outcome::Done) };
    if work.metadata.deletion_timestamp.is_some() || !cluster.as_deref().is_some_and(Cluster::is_ready) {
        return Ok(Outcome::Done);
    }
    let member = ctx.fleet.member(&name).await?;
    let mut updated: Option<Vec<ManifestStatus>> = None;
    for (ordinal, manifest) in work.spec.workload.manifests.iter().enumerate() {
        let resource = match member.mapper.resource(object::api_version(manifest), object::kind(manifest)).await {
            Ok(resource) => resource,
            Err(karmada_runtime::Error::UnknownKind { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let informer = ctx.synced_informer(&member, &resource).await?;
        let object_key = ObjectKey::new(object::namespace(manifest), object::name(manifest));
        let Some(observed) = informer.get(&object_key) else { continue };
        let reflected = reflect(&observed, &ctx.interpreter);
        let mut view = Work::clone(&work);
        if let Some(statuses) = updated.take() {
            view.status.manifest_statuses = statuses;
        }
        let status = manifest_status(ordinal, &observed, &reflected);
        updated = with_manifest_status(&view, status)
            .or_else(|| (view.status != work.status).then(|| view.status.manifest_statuses.clone()));
        if updated.is_some() {
            report(ctx, &work, manifest, &reflected);
        }
    }
    let Some(statuses) = updated else { return Ok(Outcome::Done) };
    let patch = json!({"metadata": {"uid": work.metadata.uid}, "status": {"manifestStatuses": statuses}});
    let resource = Resource::of::<Work>();
    match ctx.control.patch(&resource, &key.namespace, &key.name, "status", PatchKind::Merge, &patch).await {
        Ok(stored) => {
            ctx.works.observe(&stored);
            Ok(Outcome::Done)
        }
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) => Err(error.into()),
    }
}

fn report(
    ctx: &Context,
    work: &Work,
    manifest: &serde_json::Value,
    reflected: &karmada_propagation::status::Reflected,
) {
    let (kind, namespace, name) = (object::kind(manifest), object::namespace(manifest), object::name(manifest));
    let about = || reference_typed(work);
    match &reflected.status_error {
        None => ctx.recorder.event(
            about(),
            EventType::Normal,
            events::REFLECT_STATUS_SUCCEED,
            message::reflected(kind, namespace, name),
        ),
        Some(error) => ctx.recorder.event(
            about(),
            EventType::Warning,
            events::REFLECT_STATUS_FAILED,
            message::not_reflected(kind, namespace, name, &error.to_string()),
        ),
    }
    match &reflected.health_error {
        None => ctx.recorder.event(
            about(),
            EventType::Normal,
            events::INTERPRET_HEALTH_SUCCEED,
            message::health(kind, namespace, name, reflected.health == ResourceHealth::Healthy),
        ),
        Some(error) => ctx.recorder.event(
            about(),
            EventType::Warning,
            events::INTERPRET_HEALTH_FAILED,
            message::unknown_health(kind, namespace, name, &error.to_string()),
        ),
    }
}
