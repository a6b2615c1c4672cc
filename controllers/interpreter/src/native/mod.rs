//! Interpretations of Kubernetes' own kinds.

mod aggregate;
mod aggregate_sets;
mod dependencies;
mod health;
mod job;
mod pod;
mod reflect;
mod replicas;
mod retain;
mod typed;

use jiff::Timestamp;
use karmada_api::gvk::Gvk;
use serde_json::Value;

use crate::answer::{Dependency, Replicas, StatusItem};
use crate::error::InterpretError;
use crate::layer::Layer;
use crate::operation::{Operation, kind_of};

pub use dependencies::pod_dependencies;
pub use pod::pod_requirements;

/// Checks that a value is a pod template.
///
/// # Errors
/// A field of another type than a pod template's.
pub fn check_pod_template(template: &Value) -> Result<(), String> {
    typed::canonical("PodTemplateSpec", template).map(drop)
}

/// The layer that knows Kubernetes' own kinds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

/// The kinds that this layer knows something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Pod,
    Service,
    ServiceAccount,
    Secret,
    PersistentVolume,
    PersistentVolumeClaim,
    Ingress,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
    ServiceImport,
}

impl Kind {
    fn of(kind: &Gvk) -> Option<Self> {
        Some(match (kind.group.as_str(), kind.version.as_str(), kind.kind.as_str()) {
            ("apps", "v1", "Deployment") => Self::Deployment,
            ("apps", "v1", "ReplicaSet") => Self::ReplicaSet,
            ("apps", "v1", "StatefulSet") => Self::StatefulSet,
            ("apps", "v1", "DaemonSet") => Self::DaemonSet,
            ("batch", "v1", "Job") => Self::Job,
            ("batch", "v1", "CronJob") => Self::CronJob,
            ("", "v1", "Pod") => Self::Pod,
            ("", "v1", "Service") => Self::Service,
            ("", "v1", "ServiceAccount") => Self::ServiceAccount,
            ("", "v1", "Secret") => Self::Secret,
            ("", "v1", "PersistentVolume") => Self::PersistentVolume,
            ("", "v1", "PersistentVolumeClaim") => Self::PersistentVolumeClaim,
            ("networking.k8s.io", "v1", "Ingress") => Self::Ingress,
            ("policy", "v1", "PodDisruptionBudget") => Self::PodDisruptionBudget,
            ("autoscaling", "v2", "HorizontalPodAutoscaler") => Self::HorizontalPodAutoscaler,
            ("multicluster.x-k8s.io", "v1alpha1", "ServiceImport") => Self::ServiceImport,
            _ => return None,
        })
    }

    /// The name of the kind, which is also its name in the table of types.
    const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::ServiceAccount => "ServiceAccount",
            Self::Secret => "Secret",
            Self::PersistentVolume => "PersistentVolume",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Ingress => "Ingress",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::ServiceImport => "ServiceImport",
        }
    }

    /// Whether the layer answers the operation for this kind. Statuses are reflected for every kind, known or not.
    const fn answers(self, operation: Operation) -> bool {
        match operation {
            Operation::InterpretComponent => false,
            Operation::InterpretStatus => true,
            Operation::InterpretReplica => {
                matches!(self, Self::Deployment | Self::ReplicaSet | Self::StatefulSet | Self::Job | Self::Pod)
            }
            Operation::ReviseReplica => {
                matches!(self, Self::Deployment | Self::ReplicaSet | Self::StatefulSet | Self::Job)
            }
            Operation::Retain => matches!(
                self,
                Self::Deployment
                    | Self::Pod
                    | Self::Service
                    | Self::ServiceAccount
                    | Self::PersistentVolumeClaim
                    | Self::PersistentVolume
                    | Self::Job
                    | Self::Secret
            ),
            Operation::AggregateStatus => !matches!(self, Self::ServiceAccount | Self::Secret | Self::ServiceImport),
            Operation::InterpretHealth => matches!(
                self,
                Self::Deployment
                    | Self::StatefulSet
                    | Self::ReplicaSet
                    | Self::DaemonSet
                    | Self::Service
                    | Self::Ingress
                    | Self::PersistentVolumeClaim
                    | Self::Pod
                    | Self::PodDisruptionBudget
            ),
            Operation::InterpretDependency => matches!(
                self,
                Self::Deployment
                    | Self::ReplicaSet
                    | Self::StatefulSet
                    | Self::DaemonSet
                    | Self::Job
                    | Self::CronJob
                    | Self::Pod
                    | Self::Ingress
                    | Self::ServiceImport
            ),
        }
    }
}

/// The kind of the object, if the layer answers the operation for it.
fn kind_for(object: &Value, operation: Operation) -> Result<Kind, InterpretError> {
    let kind = kind_of(object);
    Kind::of(&kind).filter(|known| known.answers(operation)).ok_or(InterpretError::NotFound { operation, kind })
}

impl Layer for Native {
    fn enabled(&self, kind: &Gvk, operation: Operation) -> bool {
        operation == Operation::InterpretStatus || Kind::of(kind).is_some_and(|known| known.answers(operation))
    }

    fn get_replicas(&self, object: &Value) -> Result<Replicas, InterpretError> {
        let kind = kind_for(object, Operation::InterpretReplica)?;
        replicas::get(kind, object).map_err(InterpretError::Malformed)
    }

    fn revise_replica(&self, object: &Value, replicas: i64) -> Result<Value, InterpretError> {
        let kind = kind_for(object, Operation::ReviseReplica)?;
        replicas::revise(kind, object, replicas).map_err(InterpretError::Malformed)
    }

    fn retain(&self, desired: &Value, observed: &Value) -> Result<Value, InterpretError> {
        let kind = kind_for(desired, Operation::Retain)?;
        retain::retain(kind, desired, observed).map_err(InterpretError::Malformed)
    }

    fn aggregate_status(&self, object: &Value, items: &[StatusItem], now: Timestamp) -> Result<Value, InterpretError> {
        let kind = kind_for(object, Operation::AggregateStatus)?;
        aggregate::aggregate(kind, object, items, now).map_err(InterpretError::Malformed)
    }

    fn reflect_status(&self, object: &Value) -> Result<Option<Value>, InterpretError> {
        let kind = Kind::of(&kind_of(object));
        reflect::reflect(kind, object).map_err(InterpretError::Malformed)
    }

    fn interpret_health(&self, object: &Value) -> Result<bool, InterpretError> {
        let kind = kind_for(object, Operation::InterpretHealth)?;
        health::is_healthy(kind, object).map_err(InterpretError::Malformed)
    }

    fn get_dependencies(&self, object: &Value) -> Result<Vec<Dependency>, InterpretError> {
        let kind = kind_for(object, Operation::InterpretDependency)?;
        dependencies::get(kind, object).map_err(InterpretError::Malformed)
    }
}
