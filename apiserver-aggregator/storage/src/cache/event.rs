//! What watchers are told.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::entry::Entry;
use crate::{EventKind, Revision};

/// The type of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WatchEventKind {
    /// The object is new to the watcher.
    Added,
    /// The object has changed.
    Modified,
    /// The object is gone, or no longer selected.
    Deleted,
}

impl WatchEventKind {
    /// The `type` on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }

    /// Encodes an event of this type around `object`'s JSON, with the line end that separates events of a stream.
    #[must_use]
    pub fn frame(self, object: &[u8]) -> Bytes {
        let kind = self.as_str();
        let mut frame = Vec::with_capacity(object.len() + kind.len() + 24);
        frame.extend_from_slice(br#"{"type":""#);
        frame.extend_from_slice(kind.as_bytes());
        frame.extend_from_slice(br#"","object":"#);
        frame.extend_from_slice(object);
        frame.extend_from_slice(b"}\n");
        Bytes::from(frame.into_boxed_slice())
    }
}

/// One write as the ring keeps it: the object after it and before it.
#[derive(Debug)]
pub struct CacheEvent {
    kind: EventKind,
    revision: Revision,
    /// Seconds since the cache was made; for trimming the ring by age.
    pub(super) second: u32,
    /// The object after the write; for a deletion its last state, at the deletion's revision.
    entry: Arc<Entry>,
    prev: Option<Arc<Entry>>,
    /// The last state at this event's revision, for watchers whose selection the object has left.
    left: OnceLock<Arc<Entry>>,
    added: OnceLock<Bytes>,
    modified: OnceLock<Bytes>,
    deleted: OnceLock<Bytes>,
}

impl CacheEvent {
    pub(super) fn new(
        kind: EventKind,
        revision: Revision,
        second: u32,
        entry: Arc<Entry>,
        prev: Option<Arc<Entry>>,
    ) -> Self {
        Self {
            kind,
            revision,
            second,
            entry,
            prev,
            left: OnceLock::new(),
            added: OnceLock::new(),
            modified: OnceLock::new(),
            deleted: OnceLock::new(),
        }
    }

    /// What was written.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The write's revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The object after the write; for a deletion its last state, at the deletion's revision.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The object before the write.
    #[must_use]
    pub fn prev(&self) -> Option<&Arc<Entry>> {
        self.prev.as_ref()
    }

    /// What a watcher with this selection is told: objects enter and leave selections by changes of their labels.
    pub(super) fn transition(&self, selects: &dyn Fn(&Entry) -> bool) -> Option<WatchEventKind> {
        let now = self.kind != EventKind::Delete && selects(&self.entry);
        let before = self.prev.as_deref().is_some_and(selects);
        match (before, now) {
            (false, true) => Some(WatchEventKind::Added),
            (true, true) => Some(WatchEventKind::Modified),
            (true, false) => Some(WatchEventKind::Deleted),
            (false, false) => None,
        }
    }

    fn object(&self, kind: WatchEventKind) -> &Arc<Entry> {
        match (kind, self.kind, &self.prev) {
            (WatchEventKind::Deleted, EventKind::Create | EventKind::Update, Some(prev)) => {
                self.left.get_or_init(|| Arc::new(prev.at_revision(self.revision)))
            }
            _ => &self.entry,
        }
    }

    fn frame(&self, kind: WatchEventKind) -> Bytes {
        let frame = match kind {
            WatchEventKind::Added => &self.added,
            WatchEventKind::Modified => &self.modified,
            WatchEventKind::Deleted => &self.deleted,
        };
        frame.get_or_init(|| kind.frame(self.object(kind).bytes())).clone()
    }

    pub(super) fn weight(&self) -> usize {
        // The encoded event counts too, though it is made only when somebody watches.
        self.entry.weight() + self.entry.bytes().len() + 200
    }
}

/// One event for one watcher.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(super) kind: WatchEventKind,
    pub(super) event: Arc<CacheEvent>,
}

impl Delivery {
    /// What the watcher is told.
    #[must_use]
    pub fn kind(&self) -> WatchEventKind {
        self.kind
    }

    /// The write's revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.event.revision
    }

    /// The object to tell: for [`WatchEventKind::Deleted`] its last selected state at the event's revision.
    #[must_use]
    pub fn object(&self) -> &Arc<Entry> {
        self.event.object(self.kind)
    }

    /// The write behind it.
    #[must_use]
    pub fn event(&self) -> &Arc<CacheEvent> {
        &self.event
    }

    /// The encoded event with its line end; made once and shared by all watchers.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        self.event.frame(self.kind)
    }
}
