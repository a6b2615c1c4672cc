//! One policy: what it releases, what it takes over, and its end.

use karmada_api::events;
use karmada_api::features::Feature;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_propagation::object;
use karmada_propagation::policy::claim::claimed_by;
use karmada_propagation::policy::preemption::{self, Incumbent};
use karmada_propagation::policy::{Claim, ClaimedBy, TemplateRef, selector};
use karmada_runtime::events::EventType;
use karmada_runtime::patcher::PatchKind;
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{ObjectKey, Outcome, Resource};

use super::template::{release, release_template, unclaim_binding};
use super::{Cause, enqueue, key_of};
use crate::context::{BY_POLICY, Context};
use crate::error::Error;
use crate::kinds::{Binding, Policy};
use crate::templates::TemplateKey;

/// Takes in a policy as it stands now.
pub(super) async fn reconcile<P: Policy>(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(policy) = P::informer(ctx).get(key) else { return Ok(Outcome::Done) };
    if policy.metadata().deletion_timestamp.is_some() {
        return end(ctx, key, policy.as_ref()).await;
    }
    let id = policy.permanent_id().unwrap_or_default().to_owned();
    if !id.is_empty() {
        for (template_key, template) in ctx.templates.claimed_by(&id) {
            let reference = TemplateRef::of(&template);
            if selector::specificity(&policy.spec().resource_selectors, &reference).is_none() {
                release::<P>(ctx, &template_key, &template).await?;
            } else {
                enqueue(ctx, &template_key, Cause::Karmada, PRIORITY_INITIAL);
            }
        }
    }
    let waiting = ctx.waiting.lock().selected_by(policy.as_ref());
    for template in waiting {
        // Templates that wait were not propagated before, so this is no backlog: a user waits for them.
        enqueue(ctx, &key_of(&template), Cause::Karmada, PRIORITY_LIVE);
    }
    if ctx.options.gates.enabled(Feature::PropagationPolicyPreemption) && preemption::is_preemptive(policy.as_ref()) {
        preempt(ctx, policy.as_ref()).await?;
    }
    Ok(Outcome::Done)
}

/// Releases all that the policy claimed, then lets it go. Bindings and workloads stay as they are.
async fn end<P: Policy>(ctx: &Context, key: &ObjectKey, policy: &P) -> Result<Outcome, Error> {
    let finalizers = policy.metadata().finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|f| f == P::FINALIZER) {
        return Ok(Outcome::Done);
    }
    let id = policy.permanent_id().unwrap_or_default();
    release_bindings::<P, ResourceBinding>(ctx, id).await?;
    release_bindings::<P, ClusterResourceBinding>(ctx, id).await?;
    for (template_key, template) in ctx.templates.claimed_by(id) {
        release_template::<P>(ctx, &template_key, &template).await?;
    }
    let rest: Vec<String> = finalizers.into_iter().filter(|f| f != P::FINALIZER).collect();
    let version = policy.metadata().resource_version.clone().unwrap_or_default();
    match ctx.control.set_finalizers(&Resource::of::<P>(), &key.namespace, &key.name, &version, &rest).await {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) => Err(error.into()),
    }
}

async fn release_bindings<P: Policy, B: Binding>(ctx: &Context, id: &str) -> Result<(), Error> {
    for (key, binding) in B::informer(ctx).by_index(BY_POLICY, id) {
        unclaim_binding::<P, B>(ctx, &key, &binding).await?;
    }
    Ok(())
}

/// Takes over the templates that the policy selects by name and that follow a policy it may preempt.
async fn preempt<P: Policy>(ctx: &Context, policy: &P) -> Result<(), Error> {
    let namespace = policy.metadata().namespace.clone().unwrap_or_default();
    for selector in &policy.spec().resource_selectors {
        let scope = if P::NAMESPACED { &namespace } else { &selector.namespace };
        let key = TemplateKey {
            api_version: selector.api_version.as_str().into(),
            kind: selector.kind.as_str().into(),
            key: ObjectKey::new(scope, &selector.name),
        };
        let Some(template) = ctx.templates.get(&key) else { continue };
        let Some(incumbent) = claimed_by(&template) else { continue };
        let Some((standing, message)) = incumbent_of(ctx, policy, &incumbent) else { continue };
        if !preemption::may_preempt::<P>(policy.priority(), standing) || object::is_deleting(&template) {
            continue;
        }
        let Some(patch) = Claim::of(policy).patch(&template) else { continue };
        let resource = ctx.mapper.resource(&key.api_version, &key.kind).await?;
        let written =
            ctx.control.patch(&resource, &key.key.namespace, &key.key.name, "", PatchKind::Merge, &patch).await;
        match written {
            Ok(stored) => {
                ctx.templates.observe(&stored);
                ctx.recorder.event_on(&template, EventType::Normal, events::PREEMPT_POLICY_SUCCEED, message);
                enqueue(ctx, &key, Cause::User, PRIORITY_LIVE);
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                let message = karmada_runtime::error::chain(&error);
                ctx.recorder.event_on(&template, EventType::Warning, events::PREEMPT_POLICY_FAILED, message);
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// The policy that a template follows, and the event's text if `policy` takes the template over.
fn incumbent_of<P: Policy>(ctx: &Context, policy: &P, claim: &ClaimedBy) -> Option<(Incumbent, String)> {
    match claim {
        ClaimedBy::Policy { namespace, name } => {
            let present = ctx.policies.get(&ObjectKey::new(namespace, name))?;
            let standing = Incumbent { namespaced: true, priority: present.spec.priority.unwrap_or_default() };
            Some((standing, preemption::message(policy, present.as_ref())))
        }
        ClaimedBy::ClusterPolicy { name } => {
            let present = ctx.cluster_policies.get(&ObjectKey::cluster_scoped(name))?;
            let standing = Incumbent { namespaced: false, priority: present.spec.priority.unwrap_or_default() };
            Some((standing, preemption::message(policy, present.as_ref())))
        }
    }
}

/// A policy whose priority was lowered may now be preempted by others of its scope.
pub(super) fn queue_preemptors<P: Policy>(ctx: &Context, namespace: &str) {
    if !ctx.options.gates.enabled(Feature::PropagationPolicyPreemption) {
        return;
    }
    for (key, policy) in P::informer(ctx).list_namespace(namespace) {
        if preemption::is_preemptive(policy.as_ref()) {
            P::queue(ctx).add(key);
        }
    }
}
