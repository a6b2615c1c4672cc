//! Taking a workload away from a cluster, gracefully or at once.
//!
//! Evicting removes the cluster from the binding's targets and leaves a task; the Work in that cluster stands while the
//! task does (unless the workload is purged directly), so that the old copy runs until the new one is healthy.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use karmada_api::policy::PurgeMode;
use karmada_api::work::ResourceHealth;
use karmada_api::work::v1alpha2::{AggregatedStatusItem, BindingKind, GracefulEvictionTask, ResourceBindingSpec};

/// Why and how a workload leaves a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Eviction {
    /// When the old copy goes.
    pub purge_mode: Option<PurgeMode>,
    /// Machine-readable reason.
    pub reason: String,
    /// Explanation for people.
    pub message: String,
    /// Who evicts.
    pub producer: String,
    /// How long the old copy may stay.
    pub grace_period_seconds: Option<i32>,
    /// Whether the old copy stays until somebody decides otherwise.
    pub suppress_deletion: Option<bool>,
    /// Labels that the workload takes along.
    pub preserved_label_state: std::collections::BTreeMap<String, String>,
    /// Where the workload ran before it failed.
    pub clusters_before_failover: Vec<String>,
}

/// Evicts a workload from a cluster; says whether anything changed. A cluster that is no target, or is being evicted
/// already, is left as it is.
pub fn evict(spec: &mut ResourceBindingSpec, cluster: &str, eviction: Eviction) -> bool {
    let Some(index) = spec.clusters.iter().position(|target| target.name == cluster) else {
        return false;
    };
    let target = spec.clusters.remove(index);
    if spec.is_evicting_from(cluster) {
        return true;
    }
    let Eviction {
        purge_mode,
        reason,
        message,
        producer,
        grace_period_seconds,
        suppress_deletion,
        preserved_label_state,
        clusters_before_failover,
    } = eviction;
    spec.graceful_eviction_tasks.push(GracefulEvictionTask {
        from_cluster: target.name,
        purge_mode,
        replicas: (target.replicas > 0).then_some(target.replicas),
        reason,
        message,
        producer,
        grace_period_seconds,
        suppress_deletion,
        preserved_label_state,
        // The controller that watches over the tasks stamps them on its first pass.
        creation_timestamp: None,
        clusters_before_failover,
    });
    true
}

/// What to do about a binding's eviction tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskPlan {
    /// The tasks that stay; nothing if none is stamped or dropped.
    pub tasks: Option<Vec<GracefulEvictionTask>>,
    /// The clusters whose task ends, for events.
    pub evicted: Vec<String>,
    /// When to look again, if a task is waiting for its time.
    pub look_again: Option<Duration>,
}

/// Plans a binding's eviction tasks: stamps new ones, and drops those that have come to their end.
///
/// A task stays while deletion is suppressed and goes when that is withdrawn. Otherwise it goes when its time is over,
/// or when the scheduler has seen the eviction and the workload is healthy in every cluster that it is scheduled to.
/// A healthy copy is not taken away while nothing else fits or nobody knows how the new copies are.
pub fn plan_tasks<B: BindingKind>(binding: &B, timeout: Duration, now: Timestamp) -> TaskPlan {
    let spec = binding.spec();
    let mut plan = TaskPlan::default();
    let mut tasks = Vec::new();
    let mut changed = false;
    for task in &spec.graceful_eviction_tasks {
        let Some(Time(created)) = task.creation_timestamp else {
            let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
            tasks.push(GracefulEvictionTask { creation_timestamp: Some(Time(now)), ..task.clone() });
            changed = true;
            plan.look_again = Some(least(plan.look_again, grace(task, timeout)));
            continue;
        };
        let age = Duration::from_secs(u64::try_from(now.as_second() - created.as_second()).unwrap_or(0));
        match remaining(task, binding, age, timeout) {
            Remaining::None => {
                plan.evicted.push(task.from_cluster.clone());
                changed = true;
            }
            Remaining::Time(left) => {
                plan.look_again = Some(least(plan.look_again, left));
                tasks.push(task.clone());
            }
            Remaining::UntilChange => tasks.push(task.clone()),
        }
    }
    plan.tasks = changed.then_some(tasks);
    plan
}

fn least(known: Option<Duration>, new: Duration) -> Duration {
    known.map_or(new, |known| known.min(new))
}

fn grace(task: &GracefulEvictionTask, timeout: Duration) -> Duration {
    task.grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(timeout, Duration::from_secs)
}

enum Remaining {
    None,
    Time(Duration),
    UntilChange,
}

fn remaining<B: BindingKind>(task: &GracefulEvictionTask, binding: &B, age: Duration, timeout: Duration) -> Remaining {
    match task.suppress_deletion {
        Some(true) => return Remaining::UntilChange,
        Some(false) => return Remaining::None,
        None => {}
    }
    if is_replaced(binding) {
        return Remaining::None;
    }
    if is_last_known_healthy(binding, &task.from_cluster) {
        return Remaining::UntilChange;
    }
    let grace = grace(task, timeout);
    if age >= grace { Remaining::None } else { Remaining::Time(grace - age) }
}

/// Whether the old copy is healthy as far as anybody knows, and nobody knows of a new one: nothing fits, or the clusters
/// that took the workload in say nothing about it, as when the link to them is lost. Taking the old copy away could leave
/// none. A new copy that is known to be unhealthy is known: then the time decides, as the user said.
fn is_last_known_healthy<B: BindingKind>(binding: &B, old: &str) -> bool {
    let is_known = |item: &AggregatedStatusItem| {
        let said = matches!(item.health, Some(ResourceHealth::Healthy | ResourceHealth::Unhealthy));
        said && binding.spec().targets(&item.cluster_name)
    };
    is_healthy_in(binding, old) && !binding.status().aggregated_status.iter().any(is_known)
}

/// Whether the workload is healthy wherever it is scheduled to, as of the eviction.
fn is_replaced<B: BindingKind>(binding: &B) -> bool {
    let (spec, status) = (binding.spec(), binding.status());
    let generation = binding.metadata().generation.unwrap_or(0);
    if status.scheduler_observed_generation != generation || spec.clusters.is_empty() {
        return false;
    }
    spec.clusters.iter().all(|target| is_healthy_in(binding, &target.name))
}

fn is_healthy_in<B: BindingKind>(binding: &B, cluster: &str) -> bool {
    let items = &binding.status().aggregated_status;
    items.iter().any(|item| item.cluster_name == cluster && item.health == Some(ResourceHealth::Healthy))
}

/// The event's text when a workload has left a cluster.
pub fn message(cluster: &str) -> String {
    format!("Evict from cluster {cluster} succeed.")
}

#[cfg(test)]
mod tests {
    use karmada_api::work::v1alpha2::{ResourceBinding, TargetCluster};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn target(name: &str) -> TargetCluster {
        TargetCluster { name: name.to_owned(), replicas: 2, ..TargetCluster::default() }
    }

    fn health(name: &str, health: ResourceHealth) -> AggregatedStatusItem {
        AggregatedStatusItem { cluster_name: name.to_owned(), health: Some(health), ..AggregatedStatusItem::default() }
    }

    /// A binding that has just been evicted from m1, its task stamped at second 0.
    fn evicted() -> ResourceBinding {
        let mut binding = ResourceBinding::default();
        binding.metadata.generation = Some(2);
        binding.status.scheduler_observed_generation = 2;
        binding.spec.clusters = vec![target("m1")];
        assert!(evict(
            &mut binding.spec,
            "m1",
            Eviction { reason: "TaintUntolerated".to_owned(), ..Eviction::default() }
        ));
        assert!(!evict(&mut binding.spec, "m1", Eviction::default()));
        assert_eq!(binding.spec.graceful_eviction_tasks[0].replicas, Some(2));
        let plan = plan_tasks(&binding, TIMEOUT, at(0));
        assert_eq!(plan.look_again, Some(TIMEOUT));
        binding.spec.graceful_eviction_tasks = plan.tasks.unwrap();
        binding
    }

    #[test]
    fn the_old_copy_waits_for_the_new_one() {
        let mut binding = evicted();
        binding.spec.clusters = vec![target("m2")];
        binding.status.aggregated_status =
            vec![health("m1", ResourceHealth::Healthy), health("m2", ResourceHealth::Unhealthy)];
        let plan = plan_tasks(&binding, TIMEOUT, at(100));
        assert_eq!((plan.tasks, plan.look_again), (None, Some(Duration::from_secs(500))));

        binding.status.aggregated_status[1] = health("m2", ResourceHealth::Healthy);
        let plan = plan_tasks(&binding, TIMEOUT, at(100));
        assert_eq!((plan.tasks, plan.evicted), (Some(vec![]), vec!["m1".to_owned()]));
    }

    #[test]
    fn time_runs_out_when_there_is_a_new_copy() {
        let mut binding = evicted();
        binding.spec.clusters = vec![target("m2")];
        assert_eq!(plan_tasks(&binding, TIMEOUT, at(600)).evicted, ["m1"]);
        binding.spec.graceful_eviction_tasks[0].suppress_deletion = Some(true);
        assert_eq!(plan_tasks(&binding, TIMEOUT, at(6000)), TaskPlan::default());
        binding.spec.graceful_eviction_tasks[0].suppress_deletion = Some(false);
        assert_eq!(plan_tasks(&binding, TIMEOUT, at(1)).evicted, ["m1"]);
    }

    #[test]
    fn the_last_healthy_copy_stays_while_nothing_fits() {
        let mut binding = evicted();
        binding.status.aggregated_status = vec![health("m1", ResourceHealth::Healthy)];
        assert_eq!(plan_tasks(&binding, TIMEOUT, at(6000)), TaskPlan::default());
        binding.status.aggregated_status = vec![health("m1", ResourceHealth::Unhealthy)];
        assert_eq!(plan_tasks(&binding, TIMEOUT, at(6000)).evicted, ["m1"]);
    }

    #[test]
    fn the_last_healthy_copy_stays_while_nobody_knows_of_a_new_one() {
        let mut binding = evicted();
        binding.spec.clusters = vec![target("m2")];
        let mut ask = |new: &[AggregatedStatusItem]| {
            binding.status.aggregated_status = vec![health("m1", ResourceHealth::Healthy)];
            binding.status.aggregated_status.extend_from_slice(new);
            plan_tasks(&binding, TIMEOUT, at(6000)).evicted
        };
        assert!(ask(&[]).is_empty());
        assert!(ask(&[health("m2", ResourceHealth::Unknown)]).is_empty());
        assert_eq!(ask(&[health("m2", ResourceHealth::Unhealthy)]), ["m1"]);
        assert_eq!(ask(&[health("m2", ResourceHealth::Healthy)]), ["m1"]);
    }
}
