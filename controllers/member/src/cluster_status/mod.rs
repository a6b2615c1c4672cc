//! cluster-status-controller: what a member is and has, in its Cluster object.
//!
//! Every `--cluster-status-update-frequency` each member is probed, and its version, APIs, nodes and resources are
//! collected; the Cluster's status is written only if something differs. The Ready condition flips only after probes have
//! agreed for as long as the thresholds say. Conditions of other types belong to others and are kept. In the agent it also
//! renews the cluster's lease, which is how the control plane tells a silent agent from a quiet one.

mod collect;
mod lease;

use std::sync::Arc;

use jiff::Timestamp;
use karmada_api::cluster::{Cluster, ClusterStatus};
use karmada_api::finalizers;
use karmada_propagation::cluster::health::{self, ApiEnablements, Probe, Streak, Thresholds};
use karmada_propagation::condition;
use karmada_runtime::error::chain;
use karmada_runtime::patcher::{PatchKind, merge_diff};
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, Resource, controller};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, Scope};
use crate::error::Error;

/// What is remembered of one member between two passes.
#[derive(Default)]
pub(crate) struct Health {
    streak: Option<Streak>,
    caches: Option<collect::Caches>,
}

/// Connects the caches with the queue. Called before the caches start.
pub fn wire(ctx: &Arc<Context>) {
    let shared = Arc::downgrade(ctx);
    ctx.fleet.clusters().add_handler(move |change| {
        let Some(ctx) = shared.upgrade() else { return };
        let relevant = change.old.zip(change.new).is_none_or(|(old, new)| {
            old.metadata.generation != new.metadata.generation || old.metadata.finalizers != new.metadata.finalizers
        });
        if relevant {
            ctx.clusters.add(change.key.clone());
        }
        if change.new.is_none() {
            ctx.health.remove(&*change.key.name);
        }
    });
}

/// Runs the controller until `shutdown`.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let (shared, stop) = (Arc::clone(ctx), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(shared.fleet.clusters().wait_synced()).await.is_none() {
            return;
        }
        let spec =
            ControllerSpec { name: "cluster-status-controller", concurrency: shared.options.concurrent_clusters };
        let queue = shared.clusters.clone();
        controller::run(spec, queue, stop, move |key| {
            let ctx = Arc::clone(&shared);
            async move { reconcile(&ctx, &key).await }
        })
        .await;
    });
    if let Scope::Own(cluster) = &ctx.scope {
        tasks.spawn(lease::renew(Arc::clone(ctx), cluster.clone(), shutdown.clone()));
    }
}

async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(cluster) = ctx.fleet.cluster(&key.name) else { return Ok(Outcome::Done) };
    let managed =
        cluster.metadata.finalizers.as_ref().is_some_and(|f| f.iter().any(|f| f == finalizers::CLUSTER_CONTROLLER));
    if !ctx.scope.covers(&cluster) || cluster.metadata.deletion_timestamp.is_some() || !managed {
        return Ok(Outcome::Done);
    }
    let again = Outcome::RequeueAfter(ctx.options.status_period);
    let status = match ctx.fleet.member(&key.name).await {
        Ok(member) => match collect::probe(member.client()).await {
            Probe::Healthy => collect::collect(ctx, &cluster, &member).await,
            probe => unready(ctx, &cluster, probe),
        },
        Err(error) => {
            tracing::debug!(cluster = %key, error = chain(&error), "connect the member");
            unready(ctx, &cluster, Probe::Unreachable)
        }
    };
    match write(ctx, &cluster, &status).await {
        Ok(()) => Ok(again),
        // Somebody else changed the Cluster meanwhile; the cache will have it in a moment.
        Err(error) if error.is_conflict() => Ok(Outcome::RequeueAfter(std::time::Duration::from_millis(100))),
        Err(error) => Err(error.into()),
    }
}

/// The status of a member that did not answer well: what is known of it stays, its Ready condition follows the probes.
fn unready(ctx: &Context, cluster: &Cluster, probe: Probe) -> ClusterStatus {
    let mut status = cluster.status.clone();
    set_ready(ctx, cluster, &mut status, health::ready(probe));
    status
}

fn set_ready(ctx: &Context, cluster: &Cluster, status: &mut ClusterStatus, observed: condition::Wanted) {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let thresholds = Thresholds { success: ctx.options.success_threshold, failure: ctx.options.failure_threshold };
    let now = Timestamp::now();
    let reported = condition::find(&cluster.status.conditions, karmada_api::cluster::condition::READY);
    let mut entry = ctx.health.entry(name).or_default();
    if let Some(wanted) = health::with_thresholds(observed, reported, &mut entry.streak, thresholds, now) {
        condition::set(&mut status.conditions, &wanted, now);
    }
}

fn set_enablements(status: &mut ClusterStatus, found: ApiEnablements) {
    condition::set(&mut status.conditions, &health::api_enablements(found), Timestamp::now());
}

async fn write(ctx: &Context, cluster: &Cluster, status: &ClusterStatus) -> Result<(), karmada_runtime::Error> {
    let encode = |status: &ClusterStatus| {
        serde_json::to_value(status)
            .map_err(|source| karmada_runtime::Error::Codec { what: "cluster status".to_owned(), source })
    };
    let Some(change) = merge_diff(&encode(&cluster.status)?, &encode(status)?) else { return Ok(()) };
    // The list of conditions has several writers, so the status is written against what was read.
    let patch = json!({"metadata": {"resourceVersion": cluster.metadata.resource_version}, "status": change});
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    match ctx.control.patch(&Resource::of::<Cluster>(), "", name, "status", PatchKind::Merge, &patch).await {
        Ok(stored) => {
            ctx.fleet.clusters().observe(&stored);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
