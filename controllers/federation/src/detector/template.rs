//! One template: which policy it follows, and the binding that comes of it.

use std::sync::Arc;

use karmada_api::events;
use karmada_api::features::Feature;
use karmada_api::policy::ActivationPreference;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_interpreter::{Operation, kind_of};
use karmada_propagation::object;
use karmada_propagation::policy::binding::{Workload, binding_name};
use karmada_propagation::policy::claim::{claimed_by, is_claimed_elsewhere, unclaim_patch};
use karmada_propagation::policy::{BindingInput, BindingPlan, Claim, ClaimedBy, TemplateRef, build_binding, change};
use karmada_runtime::events::EventType;
use karmada_runtime::patcher::PatchKind;
use karmada_runtime::{ObjectKey, Outcome, Resource};
use serde_json::Value;

use super::{Cause, remember};
use crate::context::Context;
use crate::error::Error;
use crate::kinds::{Binding, Policy};
use crate::templates::TemplateKey;

/// Decides which policy the template follows and applies it.
pub(super) async fn reconcile(ctx: &Context, key: &TemplateKey) -> Result<Outcome, Error> {
    let cause = ctx.causes.lock().remove(key).unwrap_or(Cause::Karmada);
    let result = follow(ctx, key, cause).await;
    if result.is_err() {
        // The retry must know that a user's change is still to be taken in.
        remember(ctx, key, cause);
    }
    result.map(|()| Outcome::Done)
}

async fn follow(ctx: &Context, key: &TemplateKey, cause: Cause) -> Result<(), Error> {
    let Some(template) = ctx.templates.get(key) else {
        let gone = TemplateRef {
            api_version: key.api_version.to_string(),
            kind: key.kind.to_string(),
            namespace: key.key.namespace.to_string(),
            name: key.key.name.to_string(),
            ..TemplateRef::default()
        };
        ctx.waiting.lock().remove(&gone);
        return Ok(());
    };
    let reference = TemplateRef::of(&template);
    if object::is_deleting(&template) || is_claimed_elsewhere(&template) {
        ctx.waiting.lock().remove(&reference);
        return Ok(());
    }
    match claimed_by(&template) {
        Some(ClaimedBy::Policy { namespace, name }) => {
            let policy = ctx.policies.get(&ObjectKey::new(&namespace, &name));
            return follow_claim(ctx, key, &template, policy, cause).await;
        }
        Some(ClaimedBy::ClusterPolicy { name }) => {
            let policy = ctx.cluster_policies.get(&ObjectKey::cluster_scoped(&name));
            return follow_claim(ctx, key, &template, policy, cause).await;
        }
        None => {}
    }
    let policy = ctx.policy_index.read().best(&reference).cloned();
    if let Some(policy) = policy {
        ctx.waiting.lock().remove(&reference);
        return apply(ctx, key, &template, policy.as_ref(), cause).await;
    }
    let policy = ctx.cluster_policy_index.read().best(&reference).cloned();
    if let Some(policy) = policy {
        ctx.waiting.lock().remove(&reference);
        return apply(ctx, key, &template, policy.as_ref(), cause).await;
    }
    ctx.waiting.lock().insert(reference.clone());
    // A policy that came between the look-up and the wait list would have missed this template.
    let late = ctx.policy_index.read().best(&reference).is_some()
        || ctx.cluster_policy_index.read().best(&reference).is_some();
    if late {
        ctx.queues.templates.add(key.clone());
    }
    Ok(())
}

/// A template that says it follows a policy goes on following it.
async fn follow_claim<P: Policy>(
    ctx: &Context,
    key: &TemplateKey,
    template: &Value,
    policy: Option<Arc<P>>,
    cause: Cause,
) -> Result<(), Error> {
    let Some(policy) = policy else {
        return release::<P>(ctx, key, template).await;
    };
    if policy.metadata().deletion_timestamp.is_some() {
        // The policy's own reconcile takes the claim away.
        return Ok(());
    }
    let reference = TemplateRef::of(template);
    if karmada_propagation::policy::selector::specificity(&policy.spec().resource_selectors, &reference).is_none() {
        // Likewise: an update of the policy that no longer selects the template releases it.
        P::queue(ctx).add(ObjectKey::of(policy.as_ref()));
        return Ok(());
    }
    apply(ctx, key, template, policy.as_ref(), cause).await
}

/// Takes a kind of policy's claim away from the template's binding, then from the template.
pub(super) async fn release<P: Policy>(ctx: &Context, key: &TemplateKey, template: &Value) -> Result<(), Error> {
    if key.key.namespace.is_empty() {
        release_binding::<P, ClusterResourceBinding>(ctx, template).await?;
    } else {
        release_binding::<P, ResourceBinding>(ctx, template).await?;
    }
    release_template::<P>(ctx, key, template).await
}

pub(super) async fn release_template<P: Policy>(
    ctx: &Context,
    key: &TemplateKey,
    template: &Value,
) -> Result<(), Error> {
    let Some(patch) = unclaim_patch::<P>(template) else { return Ok(()) };
    patch_template(ctx, key, &patch).await.map(drop)
}

async fn patch_template(ctx: &Context, key: &TemplateKey, patch: &Value) -> Result<Option<Value>, Error> {
    let resource = ctx.mapper.resource(&key.api_version, &key.kind).await?;
    let (namespace, name) = (&key.key.namespace, &key.key.name);
    match ctx.control.patch(&resource, namespace, name, "", PatchKind::Merge, patch).await {
        Ok(stored) => {
            ctx.templates.observe(&stored);
            Ok(Some(stored))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn release_binding<P: Policy, B: Binding>(ctx: &Context, template: &Value) -> Result<(), Error> {
    let key = ObjectKey::new(object::namespace(template), &binding_name(template));
    let Some(binding) = B::informer(ctx).get(&key) else { return Ok(()) };
    unclaim_binding::<P, B>(ctx, &key, &binding).await
}

/// Takes a kind of policy's claim away from a binding.
pub(super) async fn unclaim_binding<P: Policy, B: Binding>(
    ctx: &Context,
    key: &ObjectKey,
    binding: &B,
) -> Result<(), Error> {
    let metadata = serde_json::json!({"metadata": {
        "labels": binding.meta().labels, "annotations": binding.meta().annotations,
    }});
    let Some(patch) = unclaim_patch::<P>(&metadata) else { return Ok(()) };
    let resource = Resource::of::<B>();
    match ctx.control.patch(&resource, &key.namespace, &key.name, "", PatchKind::Merge, &patch).await {
        Ok(stored) => {
            B::informer(ctx).observe(&stored);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Claims the template for the policy and brings its binding in line.
async fn apply<P: Policy>(
    ctx: &Context,
    key: &TemplateKey,
    template: &Value,
    policy: &P,
    cause: Cause,
) -> Result<(), Error> {
    let policy_key = object::short_key(
        policy.metadata().namespace.as_deref().unwrap_or_default(),
        policy.metadata().name.as_deref().unwrap_or_default(),
    );
    let result = apply_inner(ctx, key, template, policy, &policy_key, cause).await;
    match &result {
        Ok(false) => {}
        Ok(true) => ctx.recorder.event_on(
            template,
            EventType::Normal,
            events::APPLY_POLICY_SUCCEED,
            format!("Apply policy({policy_key}) succeed"),
        ),
        Err(error) => ctx.recorder.event_on(
            template,
            EventType::Warning,
            events::APPLY_POLICY_FAILED,
            format!("Apply policy({policy_key}) failed: {}", karmada_runtime::error::chain(error)),
        ),
    }
    result.map(drop)
}

/// Returns whether anything was written.
async fn apply_inner<P: Policy>(
    ctx: &Context,
    key: &TemplateKey,
    template: &Value,
    policy: &P,
    policy_key: &str,
    cause: Cause,
) -> Result<bool, Error> {
    wait_for_overrides(ctx, key, policy, policy_key)?;
    let claim = Claim::of(policy);
    let claimed = match claim.patch(template) {
        Some(patch) => match patch_template(ctx, key, &patch).await? {
            Some(stored) => Some(stored),
            None => return Ok(false),
        },
        None => None,
    };
    let wrote_claim = claimed.is_some();
    let template = claimed.as_ref().unwrap_or(template);
    let lazy = policy.spec().activation_preference == Some(ActivationPreference::Lazy);
    if change::waits_for_user(lazy, cause == Cause::Karmada) {
        return Ok(wrote_claim);
    }
    let workload = workload_of(ctx, template)?;
    let schedule_priority = priority_of(ctx, policy).await?;
    let wrote_binding = if key.key.namespace.is_empty() {
        write_binding::<P, ClusterResourceBinding>(ctx, template, policy, &claim, workload, schedule_priority, cause)
            .await?
    } else {
        write_binding::<P, ResourceBinding>(ctx, template, policy, &claim, workload, schedule_priority, cause).await?
    };
    Ok(wrote_claim || wrote_binding)
}

fn wait_for_overrides<P: Policy>(ctx: &Context, key: &TemplateKey, policy: &P, policy_key: &str) -> Result<(), Error> {
    let missing = policy.spec().dependent_overrides.iter().any(|name| {
        if P::NAMESPACED || !key.key.namespace.is_empty() {
            ctx.override_policies.get(&ObjectKey::new(&key.key.namespace, name)).is_none()
        } else {
            ctx.cluster_override_policies.get(&ObjectKey::cluster_scoped(name)).is_none()
        }
    });
    if missing { Err(Error::DependentOverrides { policy: policy_key.to_owned() }) } else { Ok(()) }
}

fn workload_of(ctx: &Context, template: &Value) -> Result<Workload, Error> {
    let kind = kind_of(template);
    if ctx.options.gates.enabled(Feature::MultiplePodTemplatesScheduling)
        && ctx.interpreter.hook_enabled(&kind, Operation::InterpretComponent)
    {
        let components = ctx.interpreter.get_components(template)?;
        return Workload::from_components(components).map_err(Error::Requirements);
    }
    if !ctx.interpreter.hook_enabled(&kind, Operation::InterpretReplica) {
        return Ok(Workload::default());
    }
    let replicas = ctx.interpreter.get_replicas(template)?;
    Workload::from_replicas(replicas).map_err(Error::Requirements)
}

async fn priority_of<P: Policy>(ctx: &Context, policy: &P) -> Result<Option<i32>, Error> {
    let Some(priority) = &policy.spec().schedule_priority else { return Ok(None) };
    if !ctx.options.gates.enabled(Feature::PriorityBasedScheduling) {
        return Ok(None);
    }
    let name = &priority.priority_class_name;
    let resource = Resource {
        group: "scheduling.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "PriorityClass".to_owned(),
        plural: "priorityclasses".to_owned(),
        namespaced: false,
    };
    let class = ctx.control.get(&resource, "", name).await?;
    let value = class.and_then(|c| c.get("value").and_then(Value::as_i64)).and_then(|v| i32::try_from(v).ok());
    value.map(Some).ok_or_else(|| Error::PriorityClass { name: name.clone() })
}

async fn write_binding<P: Policy, B: Binding>(
    ctx: &Context,
    template: &Value,
    policy: &P,
    claim: &Claim,
    workload: Workload,
    schedule_priority: Option<i32>,
    cause: Cause,
) -> Result<bool, Error> {
    let name = binding_name(template);
    let namespace = object::namespace(template);
    let key = ObjectKey::new(namespace, &name);
    let existing = B::informer(ctx).get(&key);
    let plan = build_binding(&BindingInput {
        template,
        policy: policy.spec(),
        claim,
        workload,
        schedule_priority,
        existing: existing.as_deref(),
        quota_estimate: ctx.options.gates.enabled(Feature::ResourceQuotaEstimate),
        workload_affinity: ctx.options.gates.enabled(Feature::WorkloadAffinity),
        template_changed: cause == Cause::User,
    })?;
    let stored = match plan {
        BindingPlan::Unchanged => return Ok(false),
        BindingPlan::Create(binding) => ctx.control.create_value(binding.as_ref()).await?,
        BindingPlan::Update(binding) => ctx.control.update_typed(binding.as_ref(), "").await?,
    };
    B::informer(ctx).observe(&stored);
    Ok(true)
}
