//! namespace-sync: every namespace of the control plane appears in every member.
//!
//! It acts when a namespace appears or changes, when a cluster joins, and when a ClusterOverridePolicy changes. It leaves
//! alone `default`, Karmada's own namespaces, those that the flags skip and those with the skip label. When a namespace goes,
//! the garbage collector removes its Works.

use std::sync::Arc;
use std::time::Duration;

use karmada_propagation::namespace;
use karmada_runtime::error::chain;
use karmada_runtime::queue::{PRIORITY_INITIAL, PRIORITY_LIVE};
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::system_works::{self, Written};

/// How soon a Work that is still being deleted is looked at again.
const TERMINATION_WAIT: Duration = Duration::from_secs(2);

/// Connects the caches with the queue. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    let queue = ctx.queues.namespaces.clone();
    ctx.namespaces.add_handler(move |change| {
        let Some(new) = change.new else { return };
        let relevant =
            change.old.is_none_or(|old| karmada_propagation::policy::change::is_relevant(old.as_ref(), new.as_ref()));
        if relevant {
            let priority = if change.initial { PRIORITY_INITIAL } else { PRIORITY_LIVE };
            queue.add_with_priority(change.key.clone(), priority);
        }
    });
    let shared = Arc::downgrade(ctx);
    ctx.clusters.add_handler(move |change| {
        if let Some(ctx) = shared.upgrade()
            && change.old.is_none()
            && !change.initial
        {
            queue_all(&ctx);
        }
    });
    let shared = Arc::downgrade(ctx);
    ctx.cluster_override_policies.add_handler(move |change| {
        if let Some(ctx) = shared.upgrade()
            && !change.initial
        {
            queue_all(&ctx);
        }
    });
}

fn queue_all(ctx: &Context) {
    for (key, _) in ctx.namespaces.list() {
        ctx.queues.namespaces.add_with_priority(key, PRIORITY_INITIAL);
    }
}

/// Runs the controller until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "namespace-sync-controller", concurrency: ctx.options.concurrent_namespaces };
        let queue = ctx.queues.namespaces.clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&ctx);
            async move { reconcile(&ctx, &key).await }
        })
        .await;
    });
}

async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(object) = ctx.namespaces.get(key) else { return Ok(Outcome::Done) };
    let skipped = ctx.templates.skipped().namespace(&key.name);
    if !namespace::follows(&object, skipped) {
        return Ok(Outcome::Done);
    }
    let overrides = ctx.override_index.read().for_template(&object);
    let mut problems: Vec<String> = Vec::new();
    let mut terminating = false;
    let clusters = ctx.clusters.list();
    for (_, cluster) in &clusters {
        if cluster.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let mut notes = Vec::new();
        match namespace::work(&object, cluster, &overrides, &mut notes) {
            Ok(work) => match system_works::write(ctx, work).await {
                Ok(Written::Terminating) => terminating = true,
                Ok(Written::Yes | Written::Unchanged) => {}
                Err(error) => problems.push(chain(&error)),
            },
            Err(error) => problems.push(error.to_string()),
        }
    }
    match problems.into_iter().next() {
        Some(first) => Err(Error::Works { failed: 1, all: clusters.len(), first }),
        None if terminating => Ok(Outcome::RequeueAfter(TERMINATION_WAIT)),
        None => Ok(Outcome::Done),
    }
}
