//! Bounded concurrency: so many requests at once, the rest is told to come back.

use std::sync::Arc;

use karmada_machinery::StatusError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{access::UserInfo, metrics::Metrics, server::Limits};

/// Counts requests that are worked on. Long-running ones do not come here.
pub(crate) struct InFlight {
    reading: Arc<Semaphore>,
    mutating: Arc<Semaphore>,
    metrics: Metrics,
}

/// A place among the requests that are worked on; given back when dropped.
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
    _count: crate::metrics::Counted,
}

impl InFlight {
    pub(crate) fn new(limits: Limits, metrics: Metrics) -> Self {
        Self {
            reading: Arc::new(Semaphore::new(limits.reading)),
            mutating: Arc::new(Semaphore::new(limits.mutating)),
            metrics,
        }
    }

    /// Takes a place. Members of `system:masters` always get one: an administrator must be able to help a server that is
    /// overrun.
    pub(crate) fn enter(&self, mutating: bool, user: &UserInfo) -> Result<Slot, StatusError> {
        let semaphore = if mutating { &self.mutating } else { &self.reading };
        let permit = Arc::clone(semaphore).try_acquire_owned().ok();
        if permit.is_none() && !user.in_group("system:masters") {
            self.metrics.dropped(mutating);
            return Err(StatusError::too_many_requests("Too many requests, please try again later.", 1));
        }
        Ok(Slot { _permit: permit, _count: self.metrics.in_flight(mutating) })
    }
}
