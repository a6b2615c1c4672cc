//! Why a reconcile of a member-facing controller failed, and what the queue does about it.

use std::time::Duration;

use karmada_fleet::ConnectError;
use karmada_runtime::{Class, Classify};

/// A failed reconcile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request failed.
    #[error(transparent)]
    Request(#[from] karmada_runtime::Error),
    /// The member cannot be connected.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The member is not ready; its keys come back when it is.
    #[error("cluster({cluster}) not ready")]
    NotReady {
        /// The cluster.
        cluster: String,
    },
    /// The cache of a resource of the member has not its first list yet.
    #[error("wait for the first list of {resource} in cluster {cluster}")]
    CacheSync {
        /// The cluster.
        cluster: String,
        /// The resource.
        resource: String,
    },
    /// Manifests could not be applied.
    #[error("apply the manifests of the work: {message}")]
    Apply {
        /// Why, for each.
        message: String,
        /// Whether trying again can help without a change of the Work.
        retry: bool,
    },
}

/// A member that is not ready is looked at again this often, besides when it becomes ready.
const NOT_READY_WAIT: Duration = Duration::from_secs(30);

impl Classify for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Request(error) => error.category(),
            Self::Connect(error) => error.category(),
            Self::NotReady { .. } => "cluster_not_ready",
            Self::CacheSync { .. } => "cache_sync",
            Self::Apply { .. } => "apply",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Request(error) => error.class(),
            Self::Connect(error) => error.class(),
            Self::NotReady { .. } => Class::Waiting(NOT_READY_WAIT),
            Self::CacheSync { .. } => Class::Waiting(Duration::from_secs(1)),
            // A conflict with somebody else's object lasts until a human acts; retries are slow then.
            Self::Apply { retry: false, .. } => Class::Waiting(Duration::from_secs(60)),
            Self::Apply { .. } => Class::Transient,
        }
    }
}
