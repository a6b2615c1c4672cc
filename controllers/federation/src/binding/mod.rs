//! binding-controller and cluster-resource-binding-controller: one Work for each cluster that a binding names.
//!
//! It acts when a binding's generation changes, when one of its Works is changed or deleted by anybody, and when an
//! override policy that may apply to its template appears, changes or goes. It leaves the choice of clusters to the
//! scheduler, the application of Works to the execution controller, and eviction tasks to graceful eviction. The Works of
//! one binding are written concurrently; one that fails holds back none of the others.

mod reconcile;

use std::sync::Arc;

use karmada_api::work::v1alpha1::Work;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_propagation::overrides::OverridePolicy;
use karmada_propagation::policy::TemplateRef;
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{Change, ControllerSpec, Informer, ObjectKey, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::kinds::Binding;

/// Connects the caches with the queues. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    wire_binding::<ResourceBinding>(ctx);
    wire_binding::<ClusterResourceBinding>(ctx);
    for informer in [&ctx.override_policies, &ctx.cluster_override_policies] {
        wire_overrides(ctx, informer);
    }
    let shared = Arc::downgrade(ctx);
    ctx.works.add_handler(move |change| {
        if let Some(ctx) = shared.upgrade() {
            on_work(&ctx, change);
        }
    });
}

fn wire_binding<B: Binding>(ctx: &Arc<Context>) {
    let queue = B::queue(ctx).clone();
    B::informer(ctx).add_handler(move |change| {
        let same_generation = change.old.zip(change.new).is_some_and(|(old, new)| {
            old.meta().generation == new.meta().generation
                && old.meta().deletion_timestamp == new.meta().deletion_timestamp
                && old.meta().labels == new.meta().labels
        });
        if !same_generation && change.new.is_some() {
            let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
            queue.add_with_priority(change.key.clone(), priority);
        }
    });
}

/// A Work that was edited or deleted is restored by its binding. Its own writes come back here once and find nothing to do.
fn on_work(ctx: &Context, change: &Change<'_, Work>) {
    if change.initial {
        return;
    }
    let touched = match (change.old, change.new) {
        (Some(old), Some(new)) => {
            old.spec != new.spec
                || old.metadata.labels != new.metadata.labels
                || old.metadata.annotations != new.metadata.annotations
        }
        (Some(_), None) => true,
        (None, _) => false,
    };
    if !touched {
        return;
    }
    let Some(work) = change.new.or(change.old) else { return };
    if let Some(key) = binding_of::<ResourceBinding>(work) {
        ctx.queues.bindings.add(key);
    }
    if let Some(key) = binding_of::<ClusterResourceBinding>(work) {
        ctx.queues.cluster_bindings.add(key);
    }
}

/// The binding that a Work says it belongs to.
pub(crate) fn binding_of<B: Binding>(work: &Work) -> Option<ObjectKey> {
    let annotations = work.metadata.annotations.as_ref()?;
    let name = annotations.get(B::NAME_ANNOTATION)?;
    let namespace = match B::NAMESPACE_ANNOTATION {
        Some(annotation) => annotations.get(annotation)?.as_str(),
        None => "",
    };
    Some(ObjectKey::new(namespace, name))
}

fn wire_overrides(ctx: &Arc<Context>, informer: &Arc<Informer<OverridePolicy>>) {
    let shared = Arc::downgrade(ctx);
    informer.add_handler(move |change| {
        let Some(ctx) = shared.upgrade() else { return };
        {
            let mut index = ctx.override_index.write();
            match change.new {
                Some(policy) => index.insert(OverridePolicy::clone(policy)),
                None => drop(index.remove(&change.key.namespace, &change.key.name)),
            }
        }
        if change.initial {
            return;
        }
        for policy in change.old.into_iter().chain(change.new) {
            queue_selected::<ResourceBinding>(&ctx, policy);
            queue_selected::<ClusterResourceBinding>(&ctx, policy);
        }
    });
}

/// Queues the bindings whose template the override policy selects.
fn queue_selected<B: Binding>(ctx: &Context, policy: &OverridePolicy) {
    if !B::NAMESPACED && !policy.namespace.is_empty() {
        return;
    }
    let bindings = if policy.namespace.is_empty() {
        B::informer(ctx).list()
    } else {
        B::informer(ctx).list_namespace(&policy.namespace)
    };
    for (key, binding) in bindings {
        let resource = &binding.spec().resource;
        let template = ctx
            .templates
            .informer(&resource.api_version, &resource.kind)
            .and_then(|i| i.get(&ObjectKey::new(&resource.namespace, &resource.name)));
        if template.is_some_and(|t| policy.specificity(&TemplateRef::of(&t)).is_some()) {
            B::queue(ctx).add(key);
        }
    }
}

/// Runs both controllers until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    start_kind::<ResourceBinding>(ctx, "binding-controller", tasks, shutdown);
    start_kind::<ClusterResourceBinding>(ctx, "cluster-resource-binding-controller", tasks, shutdown);
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
        let queue = B::queue(&ctx).clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { reconcile::reconcile::<B>(&ctx, &key).await }
        })
        .await;
    });
}
