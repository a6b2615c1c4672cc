//! Whether a member is ready.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use karmada_api::cluster::{Cluster, condition as names};

use crate::condition::{self, Wanted};

/// What a probe of the member's API server found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It answers and is well.
    Healthy,
    /// It answers but is not well.
    Unhealthy,
    /// It doesn't answer.
    Unreachable,
}

/// The Ready condition that a probe speaks for.
pub fn ready(probe: Probe) -> Wanted {
    match probe {
        Probe::Healthy => Wanted::new(names::READY, true, names::REASON_READY, names::MESSAGE_READY),
        Probe::Unhealthy => Wanted::new(
            names::READY,
            false,
            names::REASON_NOT_READY,
            "cluster is reachable but health endpoint responded without ok",
        ),
        Probe::Unreachable => Wanted::new(names::READY, false, names::REASON_NOT_REACHABLE, "cluster is not reachable"),
    }
}

/// The Ready condition when the status could not be collected.
pub fn collection_failed(error: &str) -> Wanted {
    Wanted::new(names::READY, false, names::REASON_STATUS_COLLECTION_FAILED, error)
}

/// Since when probes have been saying the same: one of these is kept for each cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streak {
    status: &'static str,
    since: Timestamp,
}

/// How long probes must agree before the Ready condition follows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Before a cluster becomes ready again.
    pub success: Duration,
    /// Before a cluster stops being ready.
    pub failure: Duration,
}

/// The Ready condition to report: what the probe says, once probes have said so for long enough; until then, what is
/// reported already. The first word about a cluster counts at once.
pub fn with_thresholds(
    observed: Wanted,
    reported: Option<&Condition>,
    streak: &mut Option<Streak>,
    thresholds: Thresholds,
    now: Timestamp,
) -> Option<Wanted> {
    let Some(known) = streak else {
        *streak = Some(Streak { status: observed.status, since: now });
        return Some(observed);
    };
    let Some(reported) = reported else { return Some(observed) };
    if known.status != observed.status {
        *known = Streak { status: observed.status, since: now };
    }
    let threshold = if observed.status == "True" { thresholds.success } else { thresholds.failure };
    let agreed = Duration::try_from(now.duration_since(known.since)).unwrap_or_default();
    (observed.status == reported.status || agreed >= threshold).then_some(observed)
}

/// What is known about the API of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiEnablements {
    /// Everything was listed.
    Complete,
    /// Some groups could not be listed.
    Partial,
    /// Nothing could be listed.
    Empty,
}

/// The CompleteAPIEnablements condition.
pub fn api_enablements(found: ApiEnablements) -> Wanted {
    let (holds, reason, message) = match found {
        ApiEnablements::Complete => (true, "Complete", "collected complete APIEnablements from the cluster"),
        ApiEnablements::Partial => (false, "Partial", "might collect partial APIEnablements from the cluster"),
        ApiEnablements::Empty => (false, "Empty", "collected empty APIEnablements from the cluster"),
    };
    Wanted::new(names::COMPLETE_API_ENABLEMENTS, holds, reason, message)
}

/// When a cluster's agent was last heard of, and how long it may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The last renewal of the agent's lease or report of its status; nothing if there was none yet.
    pub heard: Option<Timestamp>,
    /// How long an agent may be silent.
    pub grace: Duration,
    /// How long an agent may take to report for the first time.
    pub startup_grace: Duration,
}

/// The conditions of a pull cluster whose agent has been silent for too long; nothing while it is within its time, or
/// when they say so already.
pub fn silenced(cluster: &Cluster, silence: Silence, now: Timestamp) -> Option<Vec<Condition>> {
    let created = cluster.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let ready = condition::find(&cluster.status.conditions, names::READY);
    let (since, grace) = match silence.heard {
        Some(heard) => (heard, silence.grace),
        None => (created?, silence.startup_grace),
    };
    if Duration::try_from(now.duration_since(since)).unwrap_or_default() < grace {
        return None;
    }
    let (reason, message) = if ready.is_none() {
        (names::REASON_STATUS_NEVER_UPDATED, "Cluster status controller never posted cluster status.")
    } else {
        (names::REASON_STATUS_UNKNOWN, "Cluster status controller stopped posting cluster status.")
    };
    if ready.is_some_and(|ready| ready.status == "Unknown") {
        return None;
    }
    let wanted =
        Wanted { kind: names::READY, status: "Unknown", reason: reason.to_owned(), message: message.to_owned() };
    let mut conditions = cluster.status.conditions.clone();
    condition::set(&mut conditions, &wanted, now).then_some(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_flips_only_after_the_threshold() {
        let thresholds = Thresholds { success: Duration::from_secs(30), failure: Duration::from_secs(30) };
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let mut streak = None;
        let mut conditions = Vec::new();
        let mut probe = |probe, second, conditions: &mut Vec<Condition>| {
            let reported = condition::find(conditions, names::READY).cloned();
            if let Some(wanted) = with_thresholds(ready(probe), reported.as_ref(), &mut streak, thresholds, at(second))
            {
                condition::set(conditions, &wanted, at(second));
            }
            conditions[0].status.clone()
        };
        assert_eq!(probe(Probe::Healthy, 0, &mut conditions), "True");
        assert_eq!(probe(Probe::Unreachable, 10, &mut conditions), "True");
        assert_eq!(probe(Probe::Healthy, 20, &mut conditions), "True");
        assert_eq!(probe(Probe::Unreachable, 30, &mut conditions), "True");
        assert_eq!(probe(Probe::Unreachable, 59, &mut conditions), "True");
        assert_eq!(probe(Probe::Unreachable, 60, &mut conditions), "False");
    }
}
