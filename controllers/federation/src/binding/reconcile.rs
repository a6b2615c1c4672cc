//! One binding: fetch, plan, apply.

use std::time::Duration;

use futures::future::join_all;
use karmada_api::events;
use karmada_api::features::Feature;
use karmada_api::work::v1alpha1::Work;
use karmada_propagation::object;
use karmada_propagation::work::{PlanInput, WorkPlan, plan_works};
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::patcher::DeleteOptions;
use karmada_runtime::{ObjectKey, Outcome, Resource};
use serde_json::Value;

use crate::context::Context;
use crate::error::Error;
use crate::kinds::Binding;

/// How soon a binding that waits for the removal of a directly purged workload is looked at again, as upstream.
const PURGE_WAIT: Duration = Duration::from_secs(5);
/// How soon a binding that waits for a terminating Work is looked at again; its deletion event comes first, normally.
const TERMINATION_WAIT: Duration = Duration::from_secs(2);

/// Brings a binding's Works in line with it.
pub(super) async fn reconcile<B: Binding>(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(binding) = B::informer(ctx).get(key) else { return Ok(Outcome::Done) };
    if binding.meta().deletion_timestamp.is_some() {
        return end(ctx, key, binding.as_ref()).await;
    }
    if binding.permanent_id().is_none_or(str::is_empty) {
        // Admission gives every binding its id; without one its Works could not be found again.
        return Err(Error::Waiting { what: "the binding's permanent id", after: Duration::from_secs(5) });
    }
    let Some(template) = ctx.template_of(binding.as_ref()).await? else {
        // The garbage collector removes the binding of a template that is gone.
        return Ok(Outcome::Done);
    };
    let works: Vec<Work> = ctx.works_of(binding.as_ref()).iter().map(|w| Work::clone(w)).collect();
    let overrides = ctx.override_index.read().for_template(&template);
    let plan = plan_works(&PlanInput {
        binding: binding.as_ref(),
        template: &template,
        works: &works,
        interpreter: &ctx.interpreter,
        overrides: &overrides,
        cluster: &|name| ctx.fleet.cluster(name),
        new_id: &|| uuid::Uuid::new_v4().to_string(),
        stateful_failover: ctx.options.gates.enabled(Feature::StatefulFailoverInjection),
    });
    let outcome = apply(ctx, plan, &template, binding.as_ref()).await;
    report(ctx, &template, binding.as_ref(), &outcome);
    outcome.map(|(outcome, _)| outcome)
}

/// Deletes the binding's Works, then lets it go.
async fn end<B: Binding>(ctx: &Context, key: &ObjectKey, binding: &B) -> Result<Outcome, Error> {
    let finalizers = binding.meta().finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|f| f == B::FINALIZER) {
        return Ok(Outcome::Done);
    }
    let resource = Resource::of::<Work>();
    for work in ctx.works_of(binding) {
        if work.metadata.deletion_timestamp.is_none() {
            let work_key = ObjectKey::of(work.as_ref());
            ctx.control.delete(&resource, &work_key.namespace, &work_key.name, &DeleteOptions::background()).await?;
        }
    }
    let rest: Vec<String> = finalizers.into_iter().filter(|f| f != B::FINALIZER).collect();
    let version = binding.meta().resource_version.clone().unwrap_or_default();
    match ctx.control.set_finalizers(&Resource::of::<B>(), &key.namespace, &key.name, &version, &rest).await {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) => Err(error.into()),
    }
}

/// Carries the plan out. Returns what to do next and whether anything was written.
async fn apply<B: Binding>(
    ctx: &Context,
    plan: WorkPlan,
    template: &Value,
    binding: &B,
) -> Result<(Outcome, bool), Error> {
    let all = plan.create.len() + plan.update.len() + plan.failed.len();
    let WorkPlan { create, update, delete, blocked_by_directly_purged, terminating, failed, overridden } = plan;
    let mut problems: Vec<String> = failed.iter().map(|f| karmada_runtime::error::chain(&f.error)).collect();
    let resource = Resource::of::<Work>();
    let options = DeleteOptions::background();
    let deleted =
        join_all(delete.iter().map(|(namespace, name)| ctx.control.delete(&resource, namespace, name, &options))).await;
    for error in deleted.into_iter().filter_map(Result::err) {
        let text = karmada_runtime::error::chain(&error);
        ctx.recorder.event(reference_typed(binding), EventType::Warning, events::CLEANUP_WORK_FAILED, text.clone());
        ctx.recorder.event_on(template, EventType::Warning, events::CLEANUP_WORK_FAILED, text.clone());
        problems.push(text);
    }
    let wrote = !create.is_empty() || !update.is_empty() || !delete.is_empty();
    let creations = create.iter().map(|work| async move {
        match ctx.control.create_value(work).await {
            // Another pass was faster; its event brings us back.
            Err(error) if error.is_already_exists() => Ok(None),
            other => other.map(Some),
        }
    });
    let updates = update.iter().map(|work| async move { ctx.control.update_typed(work, "").await.map(Some) });
    let (created, updated) = futures::join!(join_all(creations), join_all(updates));
    for result in created.into_iter().chain(updated) {
        match result {
            Ok(Some(stored)) => ctx.works.observe(&stored),
            Ok(None) => {}
            Err(error) => problems.push(karmada_runtime::error::chain(&error)),
        }
    }
    for applied in &overridden {
        if !wrote && applied.succeeded {
            continue;
        }
        let (kind, reason) = if applied.succeeded {
            (EventType::Normal, events::APPLY_OVERRIDE_POLICY_SUCCEED)
        } else {
            (EventType::Warning, events::APPLY_OVERRIDE_POLICY_FAILED)
        };
        ctx.recorder.event_on(template, kind, reason, applied.message());
    }
    if let Some(first) = problems.first() {
        return Err(Error::Works { failed: problems.len(), all, first: first.clone() });
    }
    let next = if !blocked_by_directly_purged.is_empty() {
        Outcome::RequeueAfter(PURGE_WAIT)
    } else if !terminating.is_empty() {
        Outcome::RequeueAfter(TERMINATION_WAIT)
    } else {
        Outcome::Done
    };
    Ok((next, wrote))
}

fn report<B: Binding>(ctx: &Context, template: &Value, binding: &B, outcome: &Result<(Outcome, bool), Error>) {
    let meta = binding.meta();
    let key =
        object::short_key(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let (kind, reason, message) = match outcome {
        Ok((_, false)) => return,
        Ok((_, true)) => {
            (EventType::Normal, events::SYNC_WORK_SUCCEED, format!("Sync work of {}({key}) successful.", B::KIND))
        }
        Err(Error::Works { first, .. }) => (EventType::Warning, events::SYNC_WORK_FAILED, first.clone()),
        Err(error) => (EventType::Warning, events::SYNC_WORK_FAILED, karmada_runtime::error::chain(error)),
    };
    ctx.recorder.event(reference_typed(binding), kind, reason, message.clone());
    ctx.recorder.event_on(template, kind, reason, message);
}
