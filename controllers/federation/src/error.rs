//! Why a reconcile of a control-plane controller failed, and what the queue does about it.

use std::time::Duration;

use karmada_interpreter::InterpretError;
use karmada_propagation::policy::BindingError;
use karmada_runtime::{Class, Classify};

/// A failed reconcile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request failed.
    #[error(transparent)]
    Request(#[from] karmada_runtime::Error),
    /// The binding cannot be planned yet.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The interpreter refused the template.
    #[error(transparent)]
    Interpret(#[from] InterpretError),
    /// The interpreter's answer has not the documented form.
    #[error("use the interpreter's requirements")]
    Requirements(#[source] serde_json::Error),
    /// The policy names an override policy that is not there yet.
    #[error("wait for override policies of policy {policy}")]
    DependentOverrides {
        /// Namespace and name of the policy.
        policy: String,
    },
    /// The policy's priority class is not there.
    #[error("find priority class {name}")]
    PriorityClass {
        /// Its name.
        name: String,
    },
    /// Manifests of some clusters could not be rendered or written; the others were.
    #[error("{failed} of {all} works: {first}")]
    Works {
        /// How many failed.
        failed: usize,
        /// How many there are.
        all: usize,
        /// The first reason.
        first: String,
    },
    /// A workload cannot leave a cluster yet.
    #[error("evict from cluster {cluster}: {reason}")]
    Eviction {
        /// The cluster.
        cluster: String,
        /// What is missing.
        reason: String,
    },
    /// Something else must finish first.
    #[error("wait for {what}")]
    Waiting {
        /// What.
        what: &'static str,
        /// When to look again.
        after: Duration,
    },
}

impl Classify for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Request(error) => error.category(),
            Self::Binding(_) => "binding",
            Self::Interpret(_) | Self::Requirements(_) => "interpret",
            Self::DependentOverrides { .. } => "dependent_overrides",
            Self::PriorityClass { .. } => "priority_class",
            Self::Works { .. } => "works",
            Self::Eviction { .. } => "eviction",
            Self::Waiting { .. } => "waiting",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Request(error) => error.class(),
            Self::Waiting { after, .. } => Class::Waiting(*after),
            Self::Binding(_)
            | Self::Interpret(_)
            | Self::Requirements(_)
            | Self::DependentOverrides { .. }
            | Self::PriorityClass { .. }
            | Self::Eviction { .. }
            | Self::Works { .. } => Class::Transient,
        }
    }
}
