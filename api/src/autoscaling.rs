//! `autoscaling.karmada.io/v1alpha1`: scaling over clusters, by metrics and by the clock.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerStatus, MetricSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::record::{kind, record};

/// The API group.
pub const GROUP: &str = "autoscaling.karmada.io";

kind! {
    /// Scales a workload over all its clusters by metrics.
    pub struct FederatedHPA: "autoscaling.karmada.io" "v1alpha1" "federatedhpas" Namespaced {
        /// The workload, its bounds and its metrics.
        req spec: FederatedHPASpec,
        /// State of the scaling.
        opt status: HorizontalPodAutoscalerStatus,
    }
}

record! {
    /// The workload, its bounds and its metrics.
    pub struct FederatedHPASpec {
        /// The workload.
        req scale_target_ref: CrossVersionObjectReference,
        /// The fewest replicas over all clusters; 1 if absent.
        opt min_replicas: Option<i32>,
        /// The most replicas over all clusters.
        req max_replicas: i32,
        /// The metrics; the one that asks for most replicas decides.
        opt metrics: Vec<MetricSpec>,
        /// How fast the number of replicas may change.
        opt behavior: Option<HorizontalPodAutoscalerBehavior>,
    }
}

kind! {
    /// Scales a workload, or the bounds of a FederatedHPA, by the clock.
    pub struct CronFederatedHPA: "autoscaling.karmada.io" "v1alpha1" "cronfederatedhpas" Namespaced {
        /// What is scaled, and when.
        req spec: CronFederatedHPASpec,
        /// What has been done.
        opt status: CronFederatedHPAStatus,
    }
}

record! {
    /// What is scaled, and when.
    pub struct CronFederatedHPASpec {
        /// The workload or FederatedHPA.
        req scale_target_ref: CrossVersionObjectReference,
        /// The times, each with its number of replicas.
        req rules: Vec<CronFederatedHPARule>,
    }
}

record! {
    /// A recurring time and what happens then.
    pub struct CronFederatedHPARule {
        /// Name of the rule, unique within the object.
        req name: String = |s| s.min_length(1).max_length(32),
        /// The time, as a cron expression.
        req schedule: String,
        /// Replicas to set on a workload.
        opt target_replicas: Option<i32>,
        /// Lower bound to set on a FederatedHPA.
        opt target_min_replicas: Option<i32>,
        /// Upper bound to set on a FederatedHPA.
        opt target_max_replicas: Option<i32>,
        /// Whether the rule rests.
        opt suspend: Option<bool> = |s| s.default_value(false),
        /// Time zone of the schedule; the controller's own if absent.
        opt time_zone: Option<String>,
        /// How many successful executions are remembered.
        opt successful_history_limit: Option<i32> = |s| s.default_value(3).min(1).max(32),
        /// How many failed executions are remembered.
        opt failed_history_limit: Option<i32> = |s| s.default_value(3).min(0).max(32),
    }
}

record! {
    /// What has been done.
    pub struct CronFederatedHPAStatus {
        /// History by rule.
        opt execution_histories: Vec<ExecutionHistory>,
    }
}

record! {
    /// History of one rule.
    pub struct ExecutionHistory {
        /// Name of the rule.
        req rule_name: String,
        /// When the rule is next due.
        opt next_execution_time: Option<Time>,
        /// Executions that succeeded, newest first.
        opt successful_executions: Vec<SuccessfulExecution>,
        /// Executions that failed, newest first.
        opt failed_executions: Vec<FailedExecution>,
    }
}

record! {
    /// An execution that succeeded.
    pub struct SuccessfulExecution {
        /// When it was due.
        req schedule_time: Option<Time>,
        /// When it happened.
        req execution_time: Option<Time>,
        /// Replicas that were set.
        opt applied_replicas: Option<i32>,
        /// Upper bound that was set.
        opt applied_max_replicas: Option<i32>,
        /// Lower bound that was set.
        opt applied_min_replicas: Option<i32>,
    }
}

record! {
    /// An execution that failed.
    pub struct FailedExecution {
        /// When it was due.
        req schedule_time: Option<Time>,
        /// When it happened.
        req execution_time: Option<Time>,
        /// Why it failed.
        req message: String,
    }
}
