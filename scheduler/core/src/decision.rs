//! What a decision says: what to write, what to tell, what to do with the binding next, and why.

use std::time::Duration;

use serde::Serialize;

use crate::model::TargetCluster;

/// Why a binding is or is not scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Trigger {
    /// The placement is not the one of the last decision.
    PlacementChanged,
    /// The replicas are not those of the last decision.
    ReplicasChanged,
    /// A complete new decision was asked for.
    Rescheduled,
    /// It runs no pods or is duplicated: the clusters may have changed.
    Always,
    /// One of its clusters is being deleted.
    ClusterDeleted,
    /// None of these: there is nothing to decide.
    UpToDate,
    /// It is not for this scheduler, on hold, being deleted or without a placement.
    NotConcerned,
}

/// The label of attempts in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ScheduleType {
    /// Anything but a change of replicas.
    ReconcileSchedule,
    /// A change of replicas.
    ScaleSchedule,
}

impl ScheduleType {
    /// As metrics spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReconcileSchedule => "ReconcileSchedule",
            Self::ScaleSchedule => "ScaleSchedule",
        }
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// It worked.
    Success,
    /// No cluster passed the filters. Waiting is for a change of the binding or of a cluster.
    NoClusterFit,
    /// The clusters have too little room. It is tried again after some minutes.
    Unschedulable,
    /// The API server refused the result because of a quota.
    QuotaExceeded,
    /// Anything else.
    SchedulerError,
}

impl Reason {
    /// As the condition spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::NoClusterFit => "NoClusterFit",
            Self::Unschedulable => "Unschedulable",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::SchedulerError => "SchedulerError",
        }
    }
}

/// The message of a successful attempt.
pub const SUCCESS_MESSAGE: &str = "Binding has been scheduled successfully.";

/// The outcome as the condition `Scheduled` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What became of it.
    pub reason: Reason,
    /// The explanation.
    pub message: String,
}

impl Verdict {
    /// It worked.
    #[must_use]
    pub fn success() -> Self {
        Self { reason: Reason::Success, message: SUCCESS_MESSAGE.to_owned() }
    }

    /// `True` or `False`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        if self.reason == Reason::Success { "True" } else { "False" }
    }
}

/// What to do with the binding next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum QueueAction {
    /// Wait for a change.
    Forget,
    /// Try again soon, and less often each time.
    Backoff,
    /// Try again when there may be room.
    Unschedulable,
}

/// An event on the binding and its template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Whether it is a warning.
    pub warning: bool,
    /// The message.
    pub message: String,
}

impl Event {
    /// `Normal` or `Warning`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.warning { "Warning" } else { "Normal" }
    }

    /// The reason, as events spell it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        if self.warning { "ScheduleBindingFailed" } else { "ScheduleBindingSucceed" }
    }
}

/// What to write to the binding itself; absent parts stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpecChange {
    /// The new clusters.
    pub clusters: Option<Vec<TargetCluster>>,
    /// The new applied-placement annotation.
    pub applied_placement: Option<String>,
}

impl SpecChange {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clusters.is_none() && self.applied_placement.is_none()
    }
}

/// What to write to the status; absent parts stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatusChange {
    /// The condition `Scheduled`.
    pub condition: Option<Verdict>,
    /// Whether the observed generation becomes the one that the binding has after the spec change.
    pub observe_generation: bool,
    /// The affinity term in use.
    pub affinity_name: Option<String>,
    /// Whether the time of the last decision becomes now.
    pub stamp: bool,
}

impl StatusChange {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.condition.is_none() && !self.observe_generation && self.affinity_name.is_none() && !self.stamp
    }
}

/// A decision about one binding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Why there was or was not an attempt.
    pub trigger: Trigger,
    /// What became of the attempt, if there was one.
    pub verdict: Option<Verdict>,
    /// The clusters that the binding has after the change.
    pub clusters: Vec<TargetCluster>,
    /// What to write to the binding.
    pub spec: SpecChange,
    /// What to write to the status after that.
    pub status: StatusChange,
    /// What to tell.
    pub events: Vec<Event>,
    /// What to do with the binding next.
    pub queue: QueueAction,
    /// Why it came to this.
    pub trace: Trace,
}

impl Decision {
    /// Whether there was an attempt.
    #[must_use]
    pub const fn attempted(&self) -> bool {
        self.verdict.is_some()
    }

    /// The label of the attempt in metrics.
    #[must_use]
    pub const fn schedule_type(&self) -> ScheduleType {
        match self.trigger {
            Trigger::ReplicasChanged => ScheduleType::ScaleSchedule,
            _ => ScheduleType::ReconcileSchedule,
        }
    }

    /// A decision to do nothing.
    #[must_use]
    pub(crate) fn idle(trigger: Trigger, clusters: &[TargetCluster]) -> Self {
        Self {
            trigger,
            verdict: None,
            clusters: clusters.to_vec(),
            spec: SpecChange::default(),
            status: StatusChange::default(),
            events: Vec::new(),
            queue: QueueAction::Forget,
            trace: Trace::default(),
        }
    }
}

/// How a decision came about, one part per affinity term that was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The tries, in order.
    pub attempts: Vec<AttemptTrace>,
}

/// One try.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptTrace {
    /// The affinity term, when the placement has terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity_name: Option<String>,
    /// How many clusters there are.
    pub all_clusters: usize,
    /// How many passed the filters.
    pub feasible_clusters: usize,
    /// Every cluster's way through the filters; only in detailed traces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterTrace>,
    /// The regions that were considered, with their scores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionTrace>,
    /// The clusters that were selected, in order.
    pub selected: Vec<CandidateTrace>,
    /// How replicas were assigned.
    pub steps: Vec<String>,
    /// Why the try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, if there is a clock.
    #[serde(skip)]
    pub timings: Timings,
}

/// How long the steps of a try took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Filters.
    pub filter: Duration,
    /// Scores and order.
    pub score: Duration,
    /// Selection under spread constraints.
    pub select: Duration,
    /// Assignment of replicas.
    pub assign: Duration,
}

/// A cluster's way through the filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTrace {
    /// Its name.
    pub name: String,
    /// The reason of the filter that it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<String>,
    /// What it scored and has room for, if it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateTrace>,
}

/// What a feasible cluster scored and has room for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateTrace {
    /// Its name.
    pub name: String,
    /// Its score.
    pub score: i64,
    /// Its place among overflow affinities; 0 is the primary one.
    pub tier: u32,
    /// Replicas that it has room for besides those it has.
    pub allocatable: i64,
    /// Replicas that it has.
    pub assigned: i64,
    /// Whose number `allocatable` is.
    pub source: AvailabilitySource,
}

/// Who said what a cluster has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum AvailabilitySource {
    /// Nobody was asked: the workload needs nothing.
    #[default]
    NotAsked,
    /// The cluster's resource summary.
    ResourceSummary,
    /// The cluster's free nodes by grade.
    ResourceModels,
    /// An accurate estimator.
    Estimator,
}

/// A region that was considered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionTrace {
    /// Its name.
    pub name: String,
    /// Its score.
    pub score: i64,
    /// Its feasible clusters.
    pub clusters: usize,
    /// Whether it was chosen.
    pub chosen: bool,
}
