//! Binding status: what the Works of a binding report is summed up on the binding, then on its template.
//!
//! It acts when the status of a Work changes, and when a binding is scheduled anew or refers to a newer template. The
//! conditions of a binding have two writers (the scheduler's Scheduled, ours FullyApplied), so the status is written
//! against the resourceVersion that was read; whoever is late tries again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use karmada_api::events;
use karmada_api::work::v1alpha1::Work;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_interpreter::{Operation, kind_of};
use karmada_propagation::status::{plan_binding_status, plan_template_status};
use karmada_propagation::work::expected_clusters;
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::patcher::{PatchKind, merge_diff};
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, Resource, controller};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::binding::binding_of;
use crate::context::Context;
use crate::error::Error;
use crate::kinds::Binding;

/// Statuses of one binding that come in quick succession (the clusters of a rollout) are summed up together.
const GATHER: Duration = Duration::from_millis(100);

/// Connects the caches with the queues. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    wire_binding::<ResourceBinding>(ctx);
    wire_binding::<ClusterResourceBinding>(ctx);
    let shared = Arc::downgrade(ctx);
    ctx.works.add_handler(move |change| {
        let Some(ctx) = shared.upgrade() else { return };
        let changed = match (change.old, change.new) {
            (Some(old), Some(new)) => {
                old.status != new.status || old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
            }
            _ => !change.initial,
        };
        if !changed {
            return;
        }
        let Some(work) = change.new.or(change.old) else { return };
        queue_owner::<ResourceBinding>(&ctx, work);
        queue_owner::<ClusterResourceBinding>(&ctx, work);
    });
}

fn queue_owner<B: Binding>(ctx: &Context, work: &Work) {
    if let Some(key) = binding_of::<B>(work) {
        B::status_queue(ctx).add_after(key, GATHER);
    }
}

fn wire_binding<B: Binding>(ctx: &Arc<Context>) {
    let queue = B::status_queue(ctx).clone();
    B::informer(ctx).add_handler(move |change| {
        let Some(new) = change.new else { return };
        let relevant = change.old.is_none_or(|old| {
            old.spec().resource.resource_version != new.spec().resource.resource_version
                || expected_clusters(old.spec()) != expected_clusters(new.spec())
        });
        if relevant && new.status().last_scheduled_time.is_some() {
            let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
            queue.add_with_priority(change.key.clone(), priority);
        }
    });
}

/// Runs both controllers until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    start_kind::<ResourceBinding>(ctx, "resource-binding-status-controller", tasks, shutdown);
    start_kind::<ClusterResourceBinding>(ctx, "cluster-resource-binding-status-controller", tasks, shutdown);
}

fn start_kind<B: Binding>(
    ctx: &Arc<Context>,
    name: &'static str,
    tasks: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name, concurrency: ctx.options.concurrent_bindings };
        let queue = B::status_queue(&ctx).clone();
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
    let works: Vec<Work> = ctx.works_of(binding.as_ref()).iter().map(|w| Work::clone(w)).collect();
    let mut items = binding.status().aggregated_status.clone();
    if let Some(status) = plan_binding_status(binding.as_ref(), &works, Timestamp::now()) {
        items.clone_from(&status.aggregated_status);
        let patch = json!({
            "metadata": {"resourceVersion": binding.meta().resource_version},
            "status": {"conditions": status.conditions, "aggregatedStatus": status.aggregated_status},
        });
        let resource = Resource::of::<B>();
        let written = ctx.control.patch(&resource, &key.namespace, &key.name, "status", PatchKind::Merge, &patch).await;
        match written {
            Ok(stored) => B::informer(ctx).observe(&stored),
            Err(error) if error.is_not_found() => return Ok(Outcome::Done),
            // The scheduler was faster; its write brings us back, and this covers the case that it is in the cache already.
            Err(error) if error.is_conflict() => return Ok(Outcome::RequeueAfter(GATHER)),
            Err(error) => {
                report::<B>(ctx, &binding, None, Some(&error));
                return Err(error.into());
            }
        }
    }
    let Some(template) = ctx.template_of(binding.as_ref()).await? else { return Ok(Outcome::Done) };
    if !ctx.interpreter.hook_enabled(&kind_of(&template), Operation::AggregateStatus) {
        return Ok(Outcome::Done);
    }
    let Some(status) = plan_template_status(&template, &items, &ctx.interpreter, Timestamp::now())? else {
        return Ok(Outcome::Done);
    };
    write_template(ctx, &template, status).await?;
    report::<B>(ctx, &binding, Some(&template), None);
    Ok(Outcome::Done)
}

async fn write_template(ctx: &Context, template: &Value, status: Value) -> Result<(), Error> {
    let text = |pointer: &str| template.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let resource = ctx.mapper.resource(text("/apiVersion"), text("/kind")).await?;
    let before = template.get("status").cloned().unwrap_or(Value::Null);
    let Some(change) = merge_diff(&before, &status) else { return Ok(()) };
    let patch = json!({"metadata": {"resourceVersion": text("/metadata/resourceVersion")}, "status": change});
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let has_status = ctx
        .mapper
        .catalog()
        .find(&resource.group, &resource.version, &resource.kind)
        .is_none_or(|found| found.subresources.iter().any(|s| s == "status"));
    let subresource = if has_status { "status" } else { "" };
    match ctx.control.patch(&resource, namespace, name, subresource, PatchKind::Merge, &patch).await {
        Ok(stored) => {
            ctx.templates.observe(&stored);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn report<B: Binding>(ctx: &Context, binding: &B, template: Option<&Value>, error: Option<&karmada_runtime::Error>) {
    let (kind, reason, message) = match error {
        None => (
            EventType::Normal,
            events::AGGREGATE_STATUS_SUCCEED,
            "Update Resource with AggregatedStatus successfully.".to_owned(),
        ),
        Some(error) => (EventType::Warning, events::AGGREGATE_STATUS_FAILED, karmada_runtime::error::chain(error)),
    };
    ctx.recorder.event(reference_typed(binding), kind, reason, message.clone());
    if let Some(template) = template {
        ctx.recorder.event_on(template, kind, reason, message);
    }
}
