//! The recent events of one resource.

use std::{collections::VecDeque, sync::Arc};

use super::{dispatch::CacheOptions, event::CacheEvent};
use crate::Revision;

/// Events have consecutive positions, which watchers remember. The first gets this one, so that older events can be put
/// in front of it.
const FIRST_POSITION: u64 = 1 << 48;

/// Events in revision order, with all events after `oldest`.
pub(super) struct Ring {
    events: VecDeque<Arc<CacheEvent>>,
    first: u64,
    oldest: Revision,
    bytes: usize,
}

impl Ring {
    pub(super) fn new(oldest: Revision) -> Self {
        Self { events: VecDeque::new(), first: FIRST_POSITION, oldest, bytes: 0 }
    }

    pub(super) fn push(&mut self, event: Arc<CacheEvent>) {
        self.bytes += event.weight();
        self.events.push_back(event);
    }

    /// Puts events in front that follow `oldest` without a gap and end where the ring began.
    pub(super) fn prepend(&mut self, events: Vec<Arc<CacheEvent>>, oldest: Revision) {
        for event in events.into_iter().rev() {
            self.bytes += event.weight();
            self.events.push_front(event);
            self.first -= 1;
        }
        self.oldest = oldest;
    }

    /// Drops events that are too many, or old and not needed; tells `evicted` each one with its position.
    pub(super) fn trim(&mut self, options: &CacheOptions, second: u32, mut evicted: impl FnMut(u64, &CacheEvent)) {
        while let Some(front) = self.events.front() {
            let full = self.events.len() > options.max_events || self.bytes > options.max_event_bytes;
            let stale = self.events.len() > options.min_events
                && u64::from(second.saturating_sub(front.second)) > options.keep_events.as_secs();
            if !(full || stale) {
                break;
            }
            if let Some(event) = self.events.pop_front() {
                evicted(self.first, &event);
                self.bytes -= event.weight();
                self.oldest = event.revision();
                self.first += 1;
            }
        }
        // A burst must not pin the memory of the largest ring for ever.
        if self.events.capacity() > 1_024 && self.events.len() * 4 < self.events.capacity() {
            self.events.shrink_to(self.events.len() * 2);
        }
    }

    /// The position of the first event after `revision`.
    pub(super) fn position_after(&self, revision: Revision) -> u64 {
        self.first + self.events.partition_point(|event| event.revision() <= revision) as u64
    }

    pub(super) fn after_position(&self, position: u64) -> impl Iterator<Item = &Arc<CacheEvent>> {
        let skip = usize::try_from(position.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.events.len());
        self.events.range(skip..)
    }

    /// The events after `revision`, latest first.
    pub(super) fn newest_until(&self, revision: Revision) -> impl Iterator<Item = &Arc<CacheEvent>> {
        self.events.iter().rev().take_while(move |event| event.revision() > revision)
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    pub(super) fn oldest(&self) -> Revision {
        self.oldest
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
