//! unified-auth: in every member the control plane may impersonate exactly those who may use that member's proxy.
//!
//! It acts when a Cluster with an impersonator Secret appears, and when a ClusterRole or ClusterRoleBinding changes.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use karmada_api::events;
use karmada_propagation::unified_auth::{takes_part, works};
use karmada_runtime::error::chain;
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::{ControllerSpec, Informer, ObjectKey, Outcome, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::system_works::{self, Written};

/// A burst of changed roles (an installation) is taken in together.
const GATHER: Duration = Duration::from_millis(200);
const TERMINATION_WAIT: Duration = Duration::from_secs(2);

struct Roles {
    roles: Arc<Informer<ClusterRole>>,
    bindings: Arc<Informer<ClusterRoleBinding>>,
}

/// Connects the Clusters with the queue. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    let queue = ctx.queues.impersonation.clone();
    ctx.clusters.add_handler(move |change| {
        let relevant = change.new.is_some_and(|new| {
            takes_part(new)
                && change.old.is_none_or(|old| old.spec.impersonator_secret_ref != new.spec.impersonator_secret_ref)
        });
        if relevant {
            queue.add(change.key.clone());
        }
    });
}

/// Runs the controller and its caches until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let client = ctx.control.client();
    let roles = Arc::new(Roles { roles: Informer::typed(client.clone()), bindings: Informer::typed(client.clone()) });
    let shared = Arc::downgrade(ctx);
    roles.roles.add_handler(move |change| {
        if let Some(ctx) = shared.upgrade()
            && !change.initial
        {
            queue_all(&ctx);
        }
    });
    let shared = Arc::downgrade(ctx);
    roles.bindings.add_handler(move |change| {
        if let Some(ctx) = shared.upgrade()
            && !change.initial
        {
            queue_all(&ctx);
        }
    });
    let (running, stop) = (Arc::clone(&roles), shutdown.clone());
    tasks.spawn(async move { running.roles.run(stop).await });
    let (running, stop) = (Arc::clone(&roles), shutdown.clone());
    tasks.spawn(async move { running.bindings.run(stop).await });
    let (ctx, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(roles.roles.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(roles.bindings.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "unified-auth-controller", concurrency: 1 };
        let queue = ctx.queues.impersonation.clone();
        controller::run(spec, queue, stop, move |key| {
            let (ctx, roles) = (Arc::clone(&ctx), Arc::clone(&roles));
            async move { reconcile(&ctx, &roles, &key).await }
        })
        .await;
    });
}

fn queue_all(ctx: &Context) {
    for (key, cluster) in ctx.clusters.list() {
        if takes_part(&cluster) {
            ctx.queues.impersonation.add_after(key, GATHER);
        }
    }
}

async fn reconcile(ctx: &Context, roles: &Roles, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(cluster) = ctx.clusters.get(key) else { return Ok(Outcome::Done) };
    if !takes_part(&cluster) {
        return Ok(Outcome::Done);
    }
    let all: Vec<ClusterRole> = roles.roles.list().into_iter().map(|(_, r)| ClusterRole::clone(&r)).collect();
    let bindings: Vec<ClusterRoleBinding> =
        roles.bindings.list().into_iter().map(|(_, b)| ClusterRoleBinding::clone(&b)).collect();
    let mut outcome = Outcome::Done;
    let mut wrote = false;
    for work in works(&cluster, &all, &bindings) {
        match system_works::write(ctx, work).await {
            Ok(Written::Terminating) => outcome = Outcome::RequeueAfter(TERMINATION_WAIT),
            Ok(Written::Yes) => wrote = true,
            Ok(Written::Unchanged) => {}
            Err(error) => {
                let message =
                    format!("failed to sync impersonation config to cluster({}): {}", key.name, chain(&error));
                let reason = events::SYNC_IMPERSONATION_CONFIG_FAILED;
                ctx.recorder.event(about(&cluster), EventType::Warning, reason, message);
                return Err(error);
            }
        }
    }
    if wrote {
        let reason = events::SYNC_IMPERSONATION_CONFIG_SUCCEED;
        ctx.recorder.event(about(&cluster), EventType::Normal, reason, "Sync impersonation config succeed.");
    }
    Ok(outcome)
}

fn about(cluster: &karmada_api::cluster::Cluster) -> k8s_openapi::api::core::v1::ObjectReference {
    let mut about = reference_typed(cluster);
    about.namespace = Some("default".to_owned());
    about
}
