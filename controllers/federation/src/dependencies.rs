//! dependencies-distributor: what a workload needs beside it (ConfigMaps, Secrets, ServiceAccounts, claims) follows it.
//!
//! It acts on a ResourceBinding with `propagateDeps` when its clusters or its template change, and when an object that a
//! template names appears or changes. Each dependency gets a binding of its own, attached to the workload's, which goes
//! where the workload goes and away with the last workload that needs it. Rendering it is the binding controller's part.

use std::sync::Arc;

use karmada_api::features::Feature;
use karmada_api::work::v1alpha2::ResourceBinding;
use karmada_api::{events, finalizers};
use karmada_interpreter::{Dependency, Operation, kind_of};
use karmada_propagation::dependencies::{
    DetachPlan, attach, conflict_message, depended_by_label, detach, distributes, listed_message, means, orphans,
    record, recorded,
};
use karmada_propagation::object;
use karmada_propagation::policy::BindingPlan;
use karmada_propagation::policy::binding::binding_name;
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::patcher::DeleteOptions;
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, Resource, controller};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::templates::TemplateKey;

/// The index of bindings by what their templates depend on: `apiVersion/kind/namespace/name`, with `*` for the name where
/// objects are selected by labels.
const BY_DEPENDENCY: &str = "dependency";
/// The index of attached bindings by the labels that name those they are attached to.
const BY_DEPENDED: &str = "depended-by";
const DEPENDED_PREFIX: &str = "resourcebinding.karmada.io/depended-by-";

fn dependency_value(api_version: &str, kind: &str, namespace: &str, name: &str) -> String {
    let name = if name.is_empty() { "*" } else { name };
    format!("{api_version}/{kind}/{namespace}/{name}")
}

/// Connects the caches with the queue. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    ctx.bindings.add_index(BY_DEPENDENCY, |_, binding| {
        recorded(binding)
            .unwrap_or_default()
            .iter()
            .map(|d| dependency_value(&d.api_version, &d.kind, &d.namespace, &d.name))
            .collect()
    });
    ctx.bindings.add_index(BY_DEPENDED, |_, binding| {
        let labels = binding.metadata.labels.iter().flatten();
        labels.filter(|(key, _)| key.starts_with(DEPENDED_PREFIX)).map(|(key, _)| key.clone()).collect()
    });
    let queue = ctx.queues.dependencies.clone();
    ctx.bindings.add_handler(move |change| {
        let Some(new) = change.new else { return };
        let concerned = |b: &ResourceBinding| {
            b.spec.propagate_deps
                || b.metadata
                    .finalizers
                    .as_ref()
                    .is_some_and(|f| f.iter().any(|f| f == finalizers::BINDING_DEPENDENCIES_DISTRIBUTOR))
        };
        let changed = change.old.is_none_or(|old| {
            old.metadata.generation != new.metadata.generation
                || old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        });
        if changed && concerned(new) {
            let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
            queue.add_with_priority(change.key.clone(), priority);
        }
    });
}

/// Queues the bindings whose templates depend on an object that appeared or changed.
pub(crate) fn on_template(ctx: &Context, key: &TemplateKey) {
    if key.key.namespace.is_empty() {
        return;
    }
    for name in [&*key.key.name, ""] {
        let value = dependency_value(&key.api_version, &key.kind, &key.key.namespace, name);
        for (binding, _) in ctx.bindings.by_index(BY_DEPENDENCY, &value) {
            ctx.queues.dependencies.add(binding);
        }
    }
}

/// Runs the controller until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    if !ctx.options.gates.enabled(Feature::PropagateDeps) {
        return;
    }
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        let spec =
            ControllerSpec { name: "dependencies-distributor", concurrency: ctx.options.concurrent_dependencies };
        let queue = ctx.queues.dependencies.clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { reconcile(&ctx, &key).await }
        })
        .await;
    });
}

async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(binding) = ctx.bindings.get(key) else { return Ok(Outcome::Done) };
    let attached: Vec<ResourceBinding> = ctx
        .bindings
        .by_index(BY_DEPENDED, &depended_by_label(&binding))
        .into_iter()
        .map(|(_, b)| ResourceBinding::clone(&b))
        .collect();
    if binding.metadata.deletion_timestamp.is_some() || !distributes(&binding) {
        for one in &attached {
            release(ctx, key, one).await?;
        }
        if binding.metadata.deletion_timestamp.is_some() {
            return let_go(ctx, key, &binding).await;
        }
        return Ok(Outcome::Done);
    }
    let Some(template) = ctx.template_of(binding.as_ref()).await? else { return Ok(Outcome::Done) };
    if !ctx.interpreter.hook_enabled(&kind_of(&template), Operation::InterpretDependency) {
        return Ok(Outcome::Done);
    }
    let dependencies = match ctx.interpreter.get_dependencies(&template) {
        Ok(dependencies) => dependencies,
        Err(error) => {
            ctx.recorder.event_on(&template, EventType::Warning, events::GET_DEPENDENCIES_FAILED, error.to_string());
            return Err(error.into());
        }
    };
    let binding = match record(&binding, &dependencies) {
        None => binding,
        Some(changed) => {
            let stored = ctx.control.update_typed(&changed, "").await?;
            ctx.bindings.observe(&stored);
            let message = listed_message(&dependencies);
            ctx.recorder.event_on(&template, EventType::Normal, events::GET_DEPENDENCIES_SUCCEED, message);
            match ctx.bindings.get(key) {
                Some(binding) => binding,
                None => return Ok(Outcome::Done),
            }
        }
    };
    let wanted: Vec<Arc<Value>> = dependencies.iter().flat_map(|d| objects(ctx, d)).collect();
    let mut wrote = false;
    for dependency in &wanted {
        wrote |= follow(ctx, &binding, dependency).await?;
    }
    let plain: Vec<Value> = wanted.iter().map(|o| Value::clone(o)).collect();
    for orphan in orphans(&attached, &plain) {
        release(ctx, key, orphan).await?;
        wrote = true;
    }
    if wrote {
        let message = "Sync schedule results to dependencies succeed.";
        let reason = events::SYNC_SCHEDULE_RESULT_TO_DEPENDENCIES_SUCCEED;
        ctx.recorder.event(reference_typed(binding.as_ref()), EventType::Normal, reason, message);
    }
    Ok(Outcome::Done)
}

/// The objects that a dependency means, as far as they are there.
fn objects(ctx: &Context, dependency: &Dependency) -> Vec<Arc<Value>> {
    let Some(informer) = ctx.templates.informer(&dependency.api_version, &dependency.kind) else { return Vec::new() };
    if !dependency.name.is_empty() {
        let key = ObjectKey::new(&dependency.namespace, &dependency.name);
        return informer.get(&key).into_iter().filter(|o| !object::is_deleting(o)).collect();
    }
    informer
        .list_namespace(&dependency.namespace)
        .into_iter()
        .map(|(_, object)| object)
        .filter(|object| means(dependency, object) && !object::is_deleting(object))
        .collect()
}

/// The bindings that require an attached one, as they stand now.
fn parents(ctx: &Context, attached: Option<&ResourceBinding>) -> Vec<Arc<ResourceBinding>> {
    attached
        .iter()
        .flat_map(|b| &b.spec.required_by)
        .filter_map(|snapshot| ctx.bindings.get(&ObjectKey::new(&snapshot.namespace, &snapshot.name)))
        .collect()
}

/// Brings the attached binding of one dependency in line. Returns whether anything was written.
async fn follow(ctx: &Context, binding: &Arc<ResourceBinding>, dependency: &Value) -> Result<bool, Error> {
    let attached_key = ObjectKey::new(object::namespace(dependency), &binding_name(dependency));
    let existing = ctx.bindings.get(&attached_key);
    let mut all = parents(ctx, existing.as_deref());
    if !all.iter().any(|parent| parent.metadata.uid == binding.metadata.uid) {
        all.push(Arc::clone(binding));
    }
    let all: Vec<&ResourceBinding> = all.iter().map(AsRef::as_ref).collect();
    let stored = match attach(binding, dependency, existing.as_deref(), &all)? {
        BindingPlan::Unchanged => return Ok(false),
        BindingPlan::Create(attached) => ctx.control.create_value(attached.as_ref()).await?,
        BindingPlan::Update(attached) => ctx.control.update_typed(attached.as_ref(), "").await?,
    };
    ctx.bindings.observe(&stored);
    if let Some(attached) = ctx.bindings.get(&attached_key)
        && let Some(message) = conflict_message(&all)
    {
        let about = reference_typed(attached.as_ref());
        ctx.recorder.event(about, EventType::Warning, events::DEPENDENCY_POLICY_CONFLICT, message);
    }
    Ok(true)
}

/// Takes one parent away from an attached binding.
async fn release(ctx: &Context, key: &ObjectKey, attached: &ResourceBinding) -> Result<(), Error> {
    let rest = parents(ctx, Some(attached));
    let rest: Vec<&ResourceBinding> = rest.iter().map(AsRef::as_ref).filter(|p| ObjectKey::of(*p) != *key).collect();
    let attached_key = ObjectKey::of(attached);
    let result = match detach(attached, &key.namespace, &key.name, &rest) {
        DetachPlan::Unchanged => return Ok(()),
        DetachPlan::Update(binding) => ctx.control.update_typed(binding.as_ref(), "").await.map(Some),
        DetachPlan::Delete => ctx
            .control
            .delete(
                &Resource::of::<ResourceBinding>(),
                &attached_key.namespace,
                &attached_key.name,
                &DeleteOptions::background(),
            )
            .await
            .map(|_| None),
    };
    match result {
        Ok(Some(stored)) => ctx.bindings.observe(&stored),
        Ok(None) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn let_go(ctx: &Context, key: &ObjectKey, binding: &ResourceBinding) -> Result<Outcome, Error> {
    let held = binding.metadata.finalizers.clone().unwrap_or_default();
    if !held.iter().any(|f| f == finalizers::BINDING_DEPENDENCIES_DISTRIBUTOR) {
        return Ok(Outcome::Done);
    }
    let rest: Vec<String> = held.into_iter().filter(|f| f != finalizers::BINDING_DEPENDENCIES_DISTRIBUTOR).collect();
    let version = binding.metadata.resource_version.clone().unwrap_or_default();
    let resource = Resource::of::<ResourceBinding>();
    match ctx.control.set_finalizers(&resource, &key.namespace, &key.name, &version, &rest).await {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) => Err(error.into()),
    }
}
