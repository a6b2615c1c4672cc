//! WorkloadRebalancers: asking the scheduler once to place workloads anew.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use karmada_api::apps::{
    ObjectReference, ObservedWorkload, REBALANCE_BINDING_NOT_FOUND, REBALANCE_FAILED, REBALANCE_SUCCESSFUL,
    WorkloadRebalancer, WorkloadRebalancerStatus,
};
use karmada_api::work::v1alpha2::ResourceBindingSpec;

/// What became of one workload in this pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Its binding has been triggered.
    Triggered,
    /// It has no binding.
    NotFound,
    /// The write failed; it has to be tried again.
    TryAgain,
}

/// Whether the rebalancer has anything left to do for its generation.
pub fn is_finished(rebalancer: &WorkloadRebalancer) -> bool {
    let status = &rebalancer.status;
    status.finish_time.is_some() && status.observed_generation == rebalancer.metadata.generation.unwrap_or(0)
}

fn sort_key(workload: &ObjectReference) -> (&str, &str, &str, &str) {
    (&workload.api_version, &workload.kind, &workload.namespace, &workload.name)
}

/// The workloads that the status lists: those of the specification in order of their names, each with what is known
/// of it, and those that were taken out of the specification after they had been placed anew, for that stands.
pub fn observed(rebalancer: &WorkloadRebalancer) -> Vec<ObservedWorkload> {
    let known = &rebalancer.status.observed_workloads;
    let mut list: Vec<ObservedWorkload> = rebalancer
        .spec
        .workloads
        .iter()
        .map(|workload| {
            known
                .iter()
                .find(|known| known.workload == *workload)
                .cloned()
                .unwrap_or_else(|| ObservedWorkload { workload: workload.clone(), ..ObservedWorkload::default() })
        })
        .collect();
    list.extend(
        known
            .iter()
            .filter(|known| {
                known.result == REBALANCE_SUCCESSFUL && !rebalancer.spec.workloads.contains(&known.workload)
            })
            .cloned(),
    );
    list.sort_by(|left, right| sort_key(&left.workload).cmp(&sort_key(&right.workload)));
    list.dedup_by(|left, right| left.workload == right.workload);
    list
}

/// Whether a binding has to be triggered; it has been if that was at the same time or later.
pub fn triggers(spec: &ResourceBindingSpec, created: Timestamp) -> bool {
    spec.reschedule_triggered_at.as_ref().is_none_or(|last| last.0 < created)
}

/// The status after a pass; nothing if it says so already. `attempt` is asked for every workload that is not placed
/// anew yet.
pub fn plan_status(
    rebalancer: &WorkloadRebalancer,
    attempt: impl Fn(&ObjectReference) -> Attempt,
    now: Timestamp,
) -> Option<WorkloadRebalancerStatus> {
    let mut workloads = observed(rebalancer);
    let mut finished = true;
    for workload in workloads.iter_mut().filter(|workload| workload.result != REBALANCE_SUCCESSFUL) {
        let (result, reason) = match attempt(&workload.workload) {
            Attempt::Triggered => (REBALANCE_SUCCESSFUL, ""),
            Attempt::NotFound => (REBALANCE_FAILED, REBALANCE_BINDING_NOT_FOUND),
            Attempt::TryAgain => {
                finished = false;
                continue;
            }
        };
        result.clone_into(&mut workload.result);
        reason.clone_into(&mut workload.reason);
    }
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let status = WorkloadRebalancerStatus {
        observed_workloads: workloads,
        observed_generation: rebalancer.metadata.generation.unwrap_or(0),
        finish_time: finished.then_some(Time(now)),
    };
    let same = status.observed_workloads == rebalancer.status.observed_workloads
        && status.observed_generation == rebalancer.status.observed_generation
        && status.finish_time.is_some() == rebalancer.status.finish_time.is_some();
    (!same).then_some(status)
}

/// How long a finished rebalancer stays; nothing if it stays for ever.
pub fn remaining(rebalancer: &WorkloadRebalancer, now: Timestamp) -> Option<Duration> {
    let finished = rebalancer.status.finish_time.as_ref()?.0;
    let ttl = i64::from(rebalancer.spec.ttl_seconds_after_finished?);
    let left = finished.as_millisecond().saturating_add(ttl * 1000).saturating_sub(now.as_millisecond());
    Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rebalancer() -> WorkloadRebalancer {
        serde_json::from_value(json!({
            "metadata": {"name": "r", "generation": 1},
            "spec": {"ttlSecondsAfterFinished": 10, "workloads": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "ns"},
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none", "namespace": "ns"},
            ]},
        }))
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn attempt(workload: &ObjectReference) -> Attempt {
        if workload.name == "none" { Attempt::NotFound } else { Attempt::Triggered }
    }

    #[test]
    fn results_are_recorded_once() {
        let mut rebalancer = rebalancer();
        let status = plan_status(&rebalancer, attempt, at(0)).unwrap();
        let results: Vec<_> = status.observed_workloads.iter().map(|w| (&*w.workload.name, &*w.result)).collect();
        assert_eq!(results, [("none", "Failed"), ("web", "Successful")]);
        rebalancer.status = status;
        assert!(is_finished(&rebalancer));
        assert_eq!(plan_status(&rebalancer, attempt, at(5)), None);
        assert_eq!(remaining(&rebalancer, at(4)), Some(Duration::from_secs(6)));
        assert_eq!(remaining(&rebalancer, at(40)), Some(Duration::ZERO));
    }

    #[test]
    fn a_new_specification_keeps_what_was_done() {
        let mut rebalancer = rebalancer();
        rebalancer.status = plan_status(&rebalancer, attempt, at(0)).unwrap();
        rebalancer.metadata.generation = Some(2);
        rebalancer.spec.workloads[0].name = "other".to_owned();
        rebalancer.spec.workloads.remove(1);
        assert!(!is_finished(&rebalancer));
        let status = plan_status(&rebalancer, |_| Attempt::TryAgain, at(1)).unwrap();
        let names: Vec<_> = status.observed_workloads.iter().map(|w| &*w.workload.name).collect();
        assert_eq!(names, ["other", "web"]);
        assert_eq!(status.finish_time, None);
    }

    #[test]
    fn a_binding_is_triggered_once() {
        let mut spec = ResourceBindingSpec::default();
        assert!(triggers(&spec, at(0)));
        spec.reschedule_triggered_at = Some(Time(at(0)));
        assert!(!triggers(&spec, at(0)) && triggers(&spec, at(1)));
    }
}
