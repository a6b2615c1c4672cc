//! Metrics, with upstream's names and labels.

use std::{sync::LazyLock, time::Duration};

use karmada_runtime::metrics::{counter, exponential, gauge, histogram};
use karmada_scheduler_core::{
    Decision,
    decision::{Reason, ScheduleType},
    queue::Depths,
};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

/// Why a binding was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    BindingAdd,
    BindingUpdate,
    ClusterChanged,
    ScheduleAttemptFailure,
}

impl Incoming {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BindingAdd => "BindingAdd",
            Self::BindingUpdate => "BindingUpdate",
            Self::ClusterChanged => "ClusterChanged",
            Self::ScheduleAttemptFailure => "ScheduleAttemptFailure",
        }
    }
}

static ATTEMPTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "karmada_scheduler_schedule_attempts_total",
        "Number of attempts to schedule resourceBinding",
        &["result", "schedule_type"],
    )
});
static END_TO_END: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "karmada_scheduler_e2e_scheduling_duration_seconds",
        "E2e scheduling latency in seconds",
        &["result", "schedule_type"],
        exponential(0.001, 2.0, 15),
    )
});
static ALGORITHM: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "karmada_scheduler_scheduling_algorithm_duration_seconds",
        "Scheduling algorithm latency in seconds",
        &["schedule_step"],
        exponential(0.000_01, 2.0, 20),
    )
});
static EXTENSION_POINTS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "karmada_scheduler_framework_extension_point_duration_seconds",
        "Latency for running all plugins of a specific extension point.",
        &["extension_point", "result"],
        exponential(0.000_01, 2.0, 20),
    )
});
static INCOMING: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "karmada_scheduler_queue_incoming_bindings_total",
        "Number of bindings added to scheduling queues by event type.",
        &["event"],
    )
});
static PENDING: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("scheduler_pending_bindings", "Number of pending bindings, by the queue type.", &["queue"]));
static WRITES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("karmada_scheduler_commits_total", "Number of decisions by what became of writing them", &["result"])
});

/// Makes the metrics appear before anything has happened.
pub(crate) fn register() {
    for result in ["scheduled", "error"] {
        for kind in [ScheduleType::ReconcileSchedule, ScheduleType::ScaleSchedule] {
            ATTEMPTS.with_label_values(&[result, kind.as_str()]);
        }
    }
    pending(Depths::default());
}

pub(crate) fn incoming(event: Incoming) {
    INCOMING.with_label_values(&[event.as_str()]).inc();
}

pub(crate) fn pending(depths: Depths) {
    let set = |queue: &str, depth: usize| {
        PENDING.with_label_values(&[queue]).set(i64::try_from(depth).unwrap_or(i64::MAX));
    };
    set("active", depths.active);
    set("backoff", depths.backoff);
    set("unschedulable", depths.unschedulable);
}

/// Counts an attempt that has been written, or needed no write.
pub(crate) fn attempted(decision: &Decision, written: bool, took: Duration) {
    let Some(verdict) = &decision.verdict else { return };
    let result = if written && verdict.reason == Reason::Success { "scheduled" } else { "error" };
    let labels = [result, decision.schedule_type().as_str()];
    ATTEMPTS.with_label_values(&labels).inc();
    END_TO_END.with_label_values(&labels).observe(took.as_secs_f64());
    for attempt in &decision.trace.attempts {
        let timings = attempt.timings;
        for (step, took) in [
            ("Filter", timings.filter),
            ("Score", timings.score),
            ("Select", timings.select),
            ("AssignReplicas", timings.assign),
        ] {
            ALGORITHM.with_label_values(&[step]).observe(took.as_secs_f64());
        }
        for (point, took) in [("Filter", timings.filter), ("Score", timings.score)] {
            EXTENSION_POINTS.with_label_values(&[point, "Success"]).observe(took.as_secs_f64());
        }
    }
}

pub(crate) fn committed(result: &'static str) {
    WRITES.with_label_values(&[result]).inc();
}
