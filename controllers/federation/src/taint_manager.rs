//! The taint manager: workloads leave clusters whose NoExecute taints they do not tolerate.
//!
//! It acts on clusters with NoExecute taints, which only users and ClusterTaintPolicies put there; a cluster that is lost
//! gets no such taint by itself. While a cluster has one it is looked at every 10 seconds, which covers bindings that come
//! later. Evictions are paced. The taken workload's copy stays until graceful eviction (or the purge mode) says otherwise.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use karmada_api::annotations::APPLIED_PLACEMENT;
use karmada_api::events;
use karmada_api::features::Feature;
use karmada_api::work::v1alpha2::{ClusterResourceBinding, ResourceBinding};
use karmada_propagation::eviction::evict;
use karmada_propagation::failover::{Tolerance, applied_tolerations, drives_out, taint_eviction, tolerance};
use karmada_runtime::error::chain;
use karmada_runtime::events::EventType;
use karmada_runtime::{ControllerSpec, ObjectKey, Outcome, Queue, controller, metrics};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bindings::{report, write_spec};
use crate::context::{BY_CLUSTER, Context};
use crate::error::Error;
use crate::kinds::Binding;

static EVICTED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let labels = ["member_cluster", "resource_kind"];
    metrics::counter("eviction_kind_total", "Evictions by cluster and kind of the workload", &labels)
});
static PROCESSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter("eviction_processing_total", "Evictions that were looked at, by result", &["name", "result"])
});
static LATENCY: LazyLock<HistogramVec> = LazyLock::new(|| {
    let buckets = metrics::exponential(0.001, 2.0, 15);
    metrics::histogram("eviction_processing_latency_seconds", "Time that an eviction takes", &["name"], buckets)
});
static DEPTH: LazyLock<IntGaugeVec> =
    LazyLock::new(|| metrics::gauge("eviction_queue_depth", "Workloads that may have to leave", &["name"]));

/// The label of the manager's own queue.
const QUEUE: &str = "taint-manager-evictions";

/// How often a cluster with NoExecute taints is looked at, as upstream.
const PERIOD: Duration = Duration::from_secs(10);
/// The pause between evictions when the rate is zero, as upstream.
const SLOWEST: Duration = Duration::from_secs(1800);

/// A workload that may have to leave a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Candidate {
    cluster_scoped: bool,
    binding: ObjectKey,
    cluster: Arc<str>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.binding, self.cluster)
    }
}

/// Connects the caches and runs the manager until `shutdown`, if the flags and the gate Failover say so. Called before the
/// caches start.
pub fn start(ctx: &Arc<Context>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let options = &ctx.options;
    let wanted = options.enable_taint_manager && options.enable_no_execute_taint_eviction;
    if !wanted || !options.gates.enabled(Feature::Failover) {
        return;
    }
    let clusters: Queue<ObjectKey> = Queue::new("taint-manager", options.backoff);
    let candidates: Queue<Candidate> = Queue::new(QUEUE, options.backoff);
    let queue = clusters.clone();
    ctx.clusters.add_handler(move |change| {
        let Some(new) = change.new else { return };
        if drives_out(new) && change.old.is_none_or(|old| old.spec.taints != new.spec.taints) {
            queue.add(change.key.clone());
        }
    });
    let (shared, stop, queue) = (Arc::clone(ctx), shutdown.clone(), candidates.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(shared.wait_synced()).await.is_none() {
            return;
        }
        let spec = ControllerSpec { name: "taint-manager", concurrency: 1 };
        controller::run(spec, clusters, stop, move |key| {
            let (ctx, queue) = (Arc::clone(&shared), queue.clone());
            async move { examine(&ctx, &queue, &key) }
        })
        .await;
    });
    let (shared, stop) = (Arc::clone(ctx), shutdown.clone());
    let started = Timestamp::now();
    tasks.spawn(async move {
        if stop.run_until_cancelled(shared.wait_synced()).await.is_none() {
            return;
        }
        // One worker: the pause between evictions is its own.
        let spec = ControllerSpec { name: QUEUE, concurrency: 1 };
        let pause = pause_of(shared.options.resource_eviction_rate);
        let (stopping, waiting) = (stop.clone(), candidates.clone());
        controller::run(spec, candidates, stop, move |candidate: Candidate| {
            let (ctx, stopping, waiting) = (Arc::clone(&shared), stopping.clone(), waiting.clone());
            async move {
                DEPTH.with_label_values(&[QUEUE]).set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
                let timer = LATENCY.with_label_values(&[QUEUE]).start_timer();
                let result = if candidate.cluster_scoped {
                    leave::<ClusterResourceBinding>(&ctx, &candidate, started).await
                } else {
                    leave::<ResourceBinding>(&ctx, &candidate, started).await
                };
                timer.observe_duration();
                let label = if result.is_ok() { "success" } else { "error" };
                PROCESSED.with_label_values(&[QUEUE, label]).inc();
                let (outcome, evicted) = result?;
                if evicted {
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                Ok::<_, Error>(outcome)
            }
        })
        .await;
    });
}

fn pause_of(rate: f32) -> Duration {
    if rate > 0.0 {
        Duration::try_from_secs_f32(1.0 / rate).map_or(SLOWEST, |pause| pause.min(SLOWEST))
    } else {
        SLOWEST
    }
}

fn examine(ctx: &Context, queue: &Queue<Candidate>, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(cluster) = ctx.clusters.get(key).filter(|cluster| drives_out(cluster)) else { return Ok(Outcome::Done) };
    let name: Arc<str> = Arc::from(cluster.metadata.name.as_deref().unwrap_or_default());
    queue_bindings::<ResourceBinding>(ctx, queue, &name);
    queue_bindings::<ClusterResourceBinding>(ctx, queue, &name);
    Ok(Outcome::RequeueAfter(PERIOD))
}

fn queue_bindings<B: Binding>(ctx: &Context, queue: &Queue<Candidate>, cluster: &Arc<str>) {
    for (key, binding) in B::informer(ctx).by_index(BY_CLUSTER, cluster) {
        if binding.spec().targets(cluster) {
            queue.add(Candidate { cluster_scoped: !B::NAMESPACED, binding: key, cluster: Arc::clone(cluster) });
        }
    }
}

async fn leave<B: Binding>(ctx: &Context, candidate: &Candidate, started: Timestamp) -> Result<(Outcome, bool), Error> {
    const NOTHING: (Outcome, bool) = (Outcome::Done, false);
    let Some(binding) = B::informer(ctx).get(&candidate.binding) else { return Ok(NOTHING) };
    let Some(cluster) = ctx.clusters.get(&ObjectKey::cluster_scoped(&candidate.cluster)) else { return Ok(NOTHING) };
    if binding.meta().deletion_timestamp.is_some() || !binding.spec().targets(&candidate.cluster) {
        return Ok(NOTHING);
    }
    let placement = binding.meta().annotations.as_ref().and_then(|all| all.get(APPLIED_PLACEMENT));
    let tolerations = applied_tolerations(placement.map(String::as_str));
    match tolerance(&cluster, &tolerations, started, Timestamp::now()) {
        Tolerance::Stays => return Ok(NOTHING),
        Tolerance::Until(left) => return Ok((Outcome::RequeueAfter(left), false)),
        Tolerance::Goes => {}
    }
    let stateful = ctx.options.gates.enabled(Feature::StatefulFailoverInjection);
    let mode = ctx.options.no_execute_purge_mode;
    let mut spec = binding.spec().clone();
    let written = match taint_eviction(binding.as_ref(), &candidate.cluster, mode, stateful) {
        Ok(eviction) => {
            evict(&mut spec, &candidate.cluster, eviction);
            write_spec(ctx, binding.as_ref(), &spec).await
        }
        Err(reason) => Err(Error::Eviction { cluster: candidate.cluster.to_string(), reason }),
    };
    match written {
        Ok(written) => {
            if written {
                EVICTED.with_label_values(&[&*candidate.cluster, &binding.spec().resource.kind]).inc();
            }
            Ok((Outcome::Done, written))
        }
        Err(Error::Request(error)) if error.is_conflict() => Err(error.into()),
        Err(error) => {
            let message = format!("Evict from cluster {} failed: {}", candidate.cluster, chain(&error));
            let reason = events::EVICT_WORKLOAD_FROM_CLUSTER_FAILED;
            report(ctx, binding.as_ref(), EventType::Warning, reason, &message);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_bounded() {
        assert_eq!(pause_of(0.5), Duration::from_secs(2));
        assert_eq!(pause_of(0.0), SLOWEST);
        assert_eq!(pause_of(f32::NAN), SLOWEST);
        assert_eq!(pause_of(f32::MIN_POSITIVE), SLOWEST);
    }
}
