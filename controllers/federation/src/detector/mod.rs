//! The resource detector: matches templates with policies and keeps a binding for each template that follows one.
//!
//! It acts when a template changes in more than status and bookkeeping, when a policy appears, changes or goes, and when a
//! binding is deleted while its template stays. It leaves `spec.clusters` to the scheduler and Works to the binding
//! controller. A template that no policy selects waits; the next policy that selects it finds it through an index, not by a
//! scan.

mod policy;
mod template;

use std::sync::Arc;

use karmada_api::policy::{ClusterPropagationPolicy, PropagationPolicy};
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_propagation::policy::{TemplateRef, change};
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{Change, ControllerSpec, Informer, InformerSpec, Resource, controller};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::kinds::{Binding, Policy};
use crate::templates::TemplateKey;

/// Connects the caches with the queues. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    let shared = Arc::downgrade(ctx);
    ctx.templates.listen(move |key, change| {
        if let Some(ctx) = shared.upgrade() {
            on_template(&ctx, key, change);
            if !change.initial {
                crate::dependencies::on_template(&ctx, key);
            }
        }
    });
    wire_policy::<PropagationPolicy>(ctx);
    wire_policy::<ClusterPropagationPolicy>(ctx);
    wire_binding::<ResourceBinding>(ctx);
    wire_binding::<ClusterResourceBinding>(ctx);
}

/// A binding that somebody deleted comes back, unless its template has gone with it.
fn wire_binding<B: Binding>(ctx: &Arc<Context>) {
    let shared = Arc::downgrade(ctx);
    B::informer(ctx).add_handler(move |change| {
        let (Some(ctx), Some(old), None) = (shared.upgrade(), change.old, change.new) else { return };
        let resource = &old.spec().resource;
        let key = TemplateKey {
            api_version: Arc::from(resource.api_version.as_str()),
            kind: Arc::from(resource.kind.as_str()),
            key: karmada_runtime::ObjectKey::new(&resource.namespace, &resource.name),
        };
        enqueue(&ctx, &key, Cause::User, PRIORITY_LIVE);
    });
}

fn on_template(ctx: &Context, key: &TemplateKey, change: &Change<'_, Value>) {
    let cause = match (change.old, change.new) {
        (Some(old), Some(new)) if !change::is_relevant(old, new) => return,
        (Some(old), Some(new)) if change::is_by_karmada(old, new) => Cause::Karmada,
        _ if change.initial => Cause::Start,
        _ => Cause::User,
    };
    let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
    enqueue(ctx, key, cause, priority);
}

/// Why a template is looked at. Of several causes that come together the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Karmada changed it, or its policy.
    Karmada,
    /// The detector has just started and knows nothing of a change.
    Start,
    /// A user made or changed it.
    User,
}

/// Queues a template. A change by a user that is still pending is not forgotten because Karmada made one since.
pub(crate) fn enqueue(ctx: &Context, key: &TemplateKey, cause: Cause, priority: i32) {
    remember(ctx, key, cause);
    ctx.queues.templates.add_with_priority(key.clone(), priority);
}

/// Notes why a template is to be looked at.
fn remember(ctx: &Context, key: &TemplateKey, cause: Cause) {
    ctx.causes.lock().entry(key.clone()).and_modify(|known| *known = cause.max(*known)).or_insert(cause);
}

pub(crate) fn key_of(template: &TemplateRef) -> TemplateKey {
    TemplateKey {
        api_version: Arc::from(template.api_version.as_str()),
        kind: Arc::from(template.kind.as_str()),
        key: karmada_runtime::ObjectKey::new(&template.namespace, &template.name),
    }
}

fn wire_policy<P: Policy>(ctx: &Arc<Context>) {
    let shared = Arc::downgrade(ctx);
    P::informer(ctx).add_handler(move |change| {
        let Some(ctx) = shared.upgrade() else { return };
        {
            let mut index = P::index(&ctx).write();
            match change.new {
                Some(policy) => drop(index.insert(Arc::clone(policy))),
                None => drop(index.remove(&change.key.namespace, &change.key.name)),
            }
        }
        let lowered = change.old.zip(change.new).is_some_and(|(old, new)| old.priority() > new.priority());
        if lowered {
            policy::queue_preemptors::<P>(&ctx, &change.key.namespace);
        }
        let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
        P::queue(&ctx).add_with_priority(change.key.clone(), priority);
    });
}

/// Runs the detector until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    watch_kinds(ctx, tasks, shutdown);
    let (shared, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(shared.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "resource-detector", concurrency: shared.options.concurrent_templates };
        let queue = shared.queues.templates.clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&shared);
            async move { template::reconcile(&ctx, &key).await }
        })
        .await;
    });
    start_policies::<PropagationPolicy>(ctx, "propagation-policy-detector", tasks, shutdown);
    start_policies::<ClusterPropagationPolicy>(ctx, "cluster-propagation-policy-detector", tasks, shutdown);
}

fn start_policies<P: Policy>(
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
        let spec = ControllerSpec { name, concurrency: ctx.options.concurrent_policies };
        let queue = P::queue(&ctx).clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { policy::reconcile::<P>(&ctx, &key).await }
        })
        .await;
    });
}

/// New kinds are looked for as soon as a CRD or APIService changes, not only every 30 seconds.
fn watch_kinds(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let resource = |group: &str, kind: &str, plural: &str| Resource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: false,
    };
    let kinds = [
        resource("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
        resource("apiregistration.k8s.io", "APIService", "apiservices"),
    ];
    for kind in kinds {
        // Only that something changed matters, so nothing of the objects is kept but whether they are established.
        let informer: Arc<Informer<bool>> =
            Informer::new(ctx.control.client().clone(), InformerSpec::all(kind), |text| {
                Ok(text.contains("\"Established\"") || text.contains("\"Available\""))
            });
        let templates = Arc::clone(&ctx.templates);
        informer.add_handler(move |change| {
            if !change.initial {
                templates.rediscover();
            }
        });
        let stop = shutdown.clone();
        tasks.spawn(async move { informer.run(stop).await });
    }
}
