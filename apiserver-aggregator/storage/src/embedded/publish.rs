//! Showing committed writes to the sinks, then acknowledging them.

use std::sync::{Arc, atomic::Ordering, mpsc::Receiver};

use super::{Request, Shared};
use crate::{Event, Revision, StoreError};

/// A committed batch.
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) revision: Revision,
    /// Answers that wait until the events have been shown.
    pub(super) answers: Vec<(Request, Result<Revision, StoreError>)>,
}

pub(super) struct Publisher {
    shared: Arc<Shared>,
}

impl Publisher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn run(&self, batches: &Receiver<Batch>) {
        while let Ok(Batch { events, revision, answers }) = batches.recv() {
            {
                let mut sinks = self.shared.sinks.lock();
                if !events.is_empty() {
                    sinks.retain(|sink| match sink.upgrade() {
                        Some(sink) => {
                            sink.publish(&events, revision);
                            true
                        }
                        None => false,
                    });
                }
                self.shared.published.fetch_max(revision, Ordering::AcqRel);
            }
            for (request, result) in answers {
                // A caller that has gone away does not want to know.
                let _ = request.reply.send(result);
            }
            self.shared.changed.notify_waiters();
        }
    }
}
