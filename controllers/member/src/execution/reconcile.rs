//! One Work: fetch, plan, apply, status.

use std::sync::Arc;

use jiff::Timestamp;
use karmada_api::cluster::Cluster;
use karmada_api::work::v1alpha1::Work;
use karmada_api::{events, finalizers};
use karmada_fleet::Member;
use karmada_propagation::condition::{self, Wanted};
use karmada_propagation::execution::{self, ApplyError, ApplyPlan, DeletePlan, message, plan_apply, plan_delete};
use karmada_propagation::object;
use karmada_runtime::error::chain;
use karmada_runtime::events::{EventType, reference, reference_typed};
use karmada_runtime::patcher::{DeleteOptions, PatchKind};
use karmada_runtime::{Informer, ObjectKey, Outcome, Resource};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Error;

/// Brings the member in line with one Work.
pub(super) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some((name, cluster)) = ctx.cluster_of(key) else { return Ok(Outcome::Done) };
    let Some(work) = ctx.works.get(key) else {
        ctx.own_writes.remove(&(name, key.clone()));
        return Ok(Outcome::Done);
    };
    if work.metadata.deletion_timestamp.is_some() {
        return end(ctx, key, &work, &name, cluster.as_deref()).await;
    }
    let suspended = work.spec.suspend_dispatching.unwrap_or(false);
    let dispatching = execution::dispatching(suspended);
    if condition::find(&work.status.conditions, execution::DISPATCHING).map(|c| c.status.as_str())
        != Some(dispatching.status)
    {
        ctx.recorder.event(
            reference_typed(work.as_ref()),
            EventType::Normal,
            events::WORK_DISPATCHING,
            dispatching.message.clone(),
        );
    }
    if suspended {
        write_conditions(ctx, key, &work, &[dispatching]).await?;
        return Ok(Outcome::Done);
    }
    let ready = cluster.as_ref().is_some_and(|c| c.is_ready());
    if !ready {
        write_conditions(ctx, key, &work, &[dispatching]).await?;
        return Err(Error::NotReady { cluster: name });
    }
    let member = ctx.fleet.member(&name).await?;
    let applied = apply_all(ctx, key, &work, &member).await;
    let all = work.spec.workload.manifests.len();
    let wanted = match &applied.problems[..] {
        [] => execution::applied(),
        problems => {
            let texts: Vec<&str> = problems.iter().map(|p| p.text.as_str()).collect();
            let text = if let [one] = texts[..] { one.to_owned() } else { format!("[{}]", texts.join(", ")) };
            execution::not_applied(all - problems.len(), all, &text)
        }
    };
    write_conditions(ctx, key, &work, &[dispatching, wanted]).await?;
    if applied.problems.is_empty() {
        return Ok(Outcome::Done);
    }
    let retry = applied.problems.iter().any(|p| p.retry);
    let text: Vec<String> = applied.problems.into_iter().map(|p| p.text).collect();
    Err(Error::Apply { message: text.join("; "), retry })
}

struct Problem {
    text: String,
    retry: bool,
}

#[derive(Default)]
struct Applied {
    problems: Vec<Problem>,
}

async fn apply_all(ctx: &Context, key: &ObjectKey, work: &Work, member: &Arc<Member>) -> Applied {
    let mut outcome = Applied::default();
    for manifest in &work.spec.workload.manifests {
        let result = apply_one(ctx, key, manifest, member).await;
        let (namespace, name) = (object::namespace(manifest), object::name(manifest));
        match result {
            Ok(false) => {}
            Ok(true) => {
                let text = message::applied(namespace, name, member.name());
                ctx.recorder.event(template_of(manifest), EventType::Normal, events::SYNC_SUCCEED, text);
                let text = message::synced(&key.namespace, &key.name, member.name());
                ctx.recorder.event(reference_typed(work), EventType::Normal, events::SYNC_SUCCEED, text);
            }
            Err(problem) => {
                let text = message::not_applied(namespace, name, member.name(), &problem.text);
                ctx.recorder.event(template_of(manifest), EventType::Warning, events::SYNC_FAILED, text);
                let text = message::not_synced(&key.namespace, &key.name, member.name(), &problem.text);
                ctx.recorder.event(reference_typed(work), EventType::Warning, events::SYNC_FAILED, text);
                outcome.problems.push(problem);
            }
        }
    }
    outcome
}

/// The template in the control plane that a manifest was rendered from.
fn template_of(manifest: &Value) -> k8s_openapi::api::core::v1::ObjectReference {
    let mut template = reference(manifest);
    template.uid = object::annotation(manifest, karmada_api::annotations::TEMPLATE_UID).map(str::to_owned);
    template.resource_version = None;
    template
}

/// Returns whether anything was written.
async fn apply_one(ctx: &Context, key: &ObjectKey, manifest: &Value, member: &Arc<Member>) -> Result<bool, Problem> {
    let transient = |error: Error| Problem { text: chain(&error), retry: true };
    let failed = |error: karmada_runtime::Error| Problem {
        retry: !error.is_code(422) && !error.is_code(400),
        text: error.status().map_or_else(|| chain(&error), |s| s.message.clone()),
    };
    let resource =
        member.mapper.resource(object::api_version(manifest), object::kind(manifest)).await.map_err(failed)?;
    let informer = ctx.synced_informer(member, &resource).await.map_err(transient)?;
    let object_key = ObjectKey::new(object::namespace(manifest), object::name(manifest));
    let mut observed = informer.get(&object_key);
    // Twice: the cache only knows managed objects, and may be behind; the second time it is asked of the member itself.
    for attempt in 0..2 {
        let plan = plan_apply(manifest, observed.as_deref(), member.name(), &ctx.interpreter)
            .map_err(|error| Problem { retry: matches!(error, ApplyError::Retain { .. }), text: error.to_string() })?;
        let written = match &plan {
            ApplyPlan::Unchanged => return Ok(false),
            ApplyPlan::Create(wanted) => member.patcher.create(&resource, &object_key.namespace, wanted).await,
            ApplyPlan::Update(wanted) => {
                member.patcher.update(&resource, &object_key.namespace, &object_key.name, "", wanted).await
            }
        };
        match written {
            Ok(stored) => {
                remember(ctx, member, key, &stored);
                informer.observe(&stored);
                return Ok(true);
            }
            Err(error)
                if attempt == 0 && (error.is_already_exists() || error.is_conflict() || error.is_not_found()) =>
            {
                if error.is_not_found() && matches!(plan, ApplyPlan::Create(_)) {
                    // The namespace is not there yet; its own Work brings it.
                    return Err(failed(error));
                }
                observed = read(member, &resource, &object_key).await.map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Problem { text: format!("{object_key} changed while it was being written"), retry: true })
}

async fn read(
    member: &Member,
    resource: &Resource,
    key: &ObjectKey,
) -> Result<Option<Arc<Value>>, karmada_runtime::Error> {
    Ok(member.patcher.get(resource, &key.namespace, &key.name).await?.map(Arc::new))
}

/// Notes our own write, so that its echo through the watch is not taken for drift.
fn remember(ctx: &Context, member: &Member, key: &ObjectKey, stored: &Value) {
    let version = stored.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    ctx.own_writes.insert((member.name().to_owned(), key.clone()), version.to_owned());
}

/// Removes what the Work had applied, then lets the Work go.
async fn end(
    ctx: &Context,
    key: &ObjectKey,
    work: &Work,
    name: &str,
    cluster: Option<&Cluster>,
) -> Result<Outcome, Error> {
    let held = work.metadata.finalizers.clone().unwrap_or_default();
    if !held.iter().any(|f| f == finalizers::EXECUTION_CONTROLLER) {
        return Ok(Outcome::Done);
    }
    if let Some(cluster) = cluster {
        let terminating = cluster.metadata.deletion_timestamp.is_some();
        if cluster.is_ready() {
            let member = ctx.fleet.member(name).await?;
            let preserve = work.spec.preserve_resources_on_deletion.unwrap_or(false);
            for manifest in &work.spec.workload.manifests {
                remove_one(ctx, manifest, &member, preserve).await?;
            }
        } else if !terminating {
            return Err(Error::NotReady { cluster: name.to_owned() });
        }
    }
    ctx.own_writes.remove(&(name.to_owned(), key.clone()));
    let rest: Vec<String> = held.into_iter().filter(|f| f != finalizers::EXECUTION_CONTROLLER).collect();
    let version = work.metadata.resource_version.clone().unwrap_or_default();
    match ctx.control.set_finalizers(&Resource::of::<Work>(), &key.namespace, &key.name, &version, &rest).await {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) => Err(error.into()),
    }
}

async fn remove_one(ctx: &Context, manifest: &Value, member: &Arc<Member>, preserve: bool) -> Result<(), Error> {
    let resource = match member.mapper.resource(object::api_version(manifest), object::kind(manifest)).await {
        Ok(resource) => resource,
        // The kind is gone from the member, and the object with it.
        Err(karmada_runtime::Error::UnknownKind { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let key = ObjectKey::new(object::namespace(manifest), object::name(manifest));
    let informer: Arc<Informer<Value>> = ctx.synced_informer(member, &resource).await?;
    let observed = match informer.get(&key) {
        Some(observed) => Some(observed),
        None => read(member, &resource, &key).await?,
    };
    match plan_delete(observed.as_deref(), preserve) {
        DeletePlan::Done => {}
        DeletePlan::Delete => {
            let uid = observed.as_deref().map(|o| object::uid(o).to_owned()).filter(|uid| !uid.is_empty());
            let options = DeleteOptions { uid, ..DeleteOptions::background() };
            match member.patcher.delete(&resource, &key.namespace, &key.name, &options).await {
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        DeletePlan::Release(object) => {
            match member.patcher.update(&resource, &key.namespace, &key.name, "", &object).await {
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Writes the Work's conditions if they differ.
async fn write_conditions(ctx: &Context, key: &ObjectKey, work: &Work, wanted: &[Wanted]) -> Result<(), Error> {
    let mut conditions = work.status.conditions.clone();
    let now = Timestamp::now();
    let mut changed = false;
    for one in wanted {
        changed |= condition::set(&mut conditions, one, now);
    }
    if !changed {
        return Ok(());
    }
    let patch = json!({"metadata": {"uid": work.metadata.uid}, "status": {"conditions": conditions}});
    let resource = Resource::of::<Work>();
    match ctx.control.patch(&resource, &key.namespace, &key.name, "status", PatchKind::Merge, &patch).await {
        Ok(stored) => {
            ctx.works.observe(&stored);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
