//! A store in memory, for tests and for simulated members.
//!
//! It keeps the promises of [`Store`] except durability. One lock guards everything: operations are short, and a
//! process that simulates a thousand members has a thousand of these, so that nothing is allocated before it is needed
//! (no thread, no task, no channel). The history is a bounded list of events with their previous values; reads in the
//! past undo the events that came later.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    Event, EventKind, Get, KeyValue, Operation, RangeOptions, RangeResult, Revision, Store, StoreError, StoreStats,
    WatchBatch, WatchSink, WatchStream, Write,
};

/// Limits of a [`MemoryStore`].
#[derive(Clone, Copy, Debug)]
pub struct MemoryOptions {
    /// So many events are kept for watch resumption and reads in the past.
    pub history_events: usize,
    /// Bytes of values that the history may hold; the older events go first.
    pub history_bytes: usize,
    /// Bytes of keys and values that may be stored; 0 is no limit.
    pub quota_bytes: u64,
    /// Largest value.
    pub value_limit: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            // Enough for clients that reconnect after a hiccup, and for continued lists of small servers.
            history_events: 1_000,
            history_bytes: 4 << 20,
            quota_bytes: 0,
            value_limit: crate::VALUE_LIMIT,
        }
    }
}

impl MemoryOptions {
    /// For one of a thousand simulated members in a process: its history takes a few hundred KiB at most.
    #[must_use]
    pub fn small() -> Self {
        Self { history_events: 200, history_bytes: 256 << 10, ..Self::default() }
    }
}

/// A store in memory. Clones share the data.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    options: MemoryOptions,
    state: Mutex<State>,
    /// Wakes the streams of [`Store::watch`].
    changed: Notify,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<Arc<str>, Object>,
    history: VecDeque<Event>,
    history_bytes: usize,
    stored_bytes: u64,
    revision: Revision,
    /// Reads and watches are possible from this revision on.
    oldest: Revision,
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    sweeper_runs: bool,
    sinks: Vec<Weak<dyn WatchSink>>,
    writes: u64,
    failed_writes: u64,
    closed: bool,
}

struct Object {
    value: Bytes,
    create_revision: Revision,
    mod_revision: Revision,
    deadline: Option<Instant>,
}

impl Object {
    fn key_value(&self, key: &Arc<str>) -> KeyValue {
        KeyValue {
            key: Arc::clone(key),
            value: self.value.clone(),
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self { shared: Arc::new(Shared { options, state: Mutex::new(State::default()), changed: Notify::new() }) }
    }
}

impl Shared {
    fn commit(self: &Arc<Self>, write: Write) -> Result<Revision, StoreError> {
        let mut state = self.state.lock();
        let result = state.apply(&self.options, write);
        match &result {
            Ok(_) => state.writes += 1,
            Err(_) => state.failed_writes += 1,
        }
        let sweep = !state.deadlines.is_empty() && !state.sweeper_runs;
        if sweep {
            state.sweeper_runs = true;
        }
        drop(state);
        if result.is_ok() {
            self.changed.notify_waiters();
        }
        if sweep && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(sweep_expired(Arc::downgrade(self)));
        }
        result
    }
}

/// Deletes expired keys; runs while there are keys with a deadline.
async fn sweep_expired(shared: Weak<Shared>) {
    loop {
        let next = {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let now = Instant::now();
            let mut state = shared.state.lock();
            let mut deleted = false;
            while let Some((deadline, key)) = state.deadlines.first().cloned() {
                if deadline > now {
                    break;
                }
                let expected = state.objects.get(&key).map_or(0, |object| object.mod_revision);
                let write = Write { key: key.to_string(), operation: Operation::Delete { expected }, ttl: None };
                if state.apply(&shared.options, write).is_err() {
                    state.deadlines.remove(&(deadline, key));
                }
                deleted = true;
            }
            let next = state.deadlines.first().map(|(deadline, _)| *deadline);
            if next.is_none() || state.closed {
                state.sweeper_runs = false;
                drop(state);
                shared.changed.notify_waiters();
                return;
            }
            drop(state);
            if deleted {
                shared.changed.notify_waiters();
            }
            next
        };
        // Deadlines are looked at once a second at most: expiry need not be exact, and events come in bursts.
        let pause = next.map_or(Duration::from_secs(1), |next| next.saturating_duration_since(Instant::now()));
        tokio::time::sleep(pause.clamp(Duration::from_millis(50), Duration::from_secs(60))).await;
    }
}

impl State {
    fn apply(&mut self, options: &MemoryOptions, write: Write) -> Result<Revision, StoreError> {
        let Write { key, operation, ttl } = write;
        if self.closed {
            return Err(StoreError::Closed);
        }
        let current = self.objects.get_key_value(key.as_str());
        let conflict = |current: Option<(&Arc<str>, &Object)>| StoreError::Conflict {
            key: key.as_str().into(),
            current: current.map(|(key, object)| Box::new(object.key_value(key))),
        };
        match (&operation, current) {
            (Operation::Create { .. }, None) => {}
            (Operation::Update { expected, .. } | Operation::Delete { expected }, Some((_, object)))
                if object.mod_revision == *expected => {}
            (_, current) => return Err(conflict(current)),
        }
        if let Operation::Create { value } | Operation::Update { value, .. } = &operation {
            if value.len() > options.value_limit {
                return Err(StoreError::TooLarge { key: key.into(), size: value.len(), limit: options.value_limit });
            }
            if options.quota_bytes > 0 && self.stored_bytes + value.len() as u64 > options.quota_bytes {
                return Err(StoreError::Quota { used: self.stored_bytes, quota: options.quota_bytes });
            }
        }
        let prev = current.map(|(key, object)| (object.key_value(key), object.deadline));
        let revision = self.revision + 1;
        self.revision = revision;
        let shared_key: Arc<str> = prev.as_ref().map_or_else(|| key.as_str().into(), |(prev, _)| Arc::clone(&prev.key));
        if let Some((prev, deadline)) = &prev {
            self.stored_bytes -= (key.len() + prev.value.len()) as u64;
            if let Some(deadline) = deadline {
                self.deadlines.remove(&(*deadline, Arc::clone(&shared_key)));
            }
        }
        let prev = prev.map(|(prev, _)| prev);
        let create_revision = prev.as_ref().map_or(revision, |prev| prev.create_revision);
        let (kind, value) = match operation {
            // What is kept is copied: a buffer that JSON was printed into is up to twice as large as the text.
            Operation::Create { value } => (EventKind::Create, Bytes::copy_from_slice(&value)),
            Operation::Update { value, .. } => (EventKind::Update, Bytes::copy_from_slice(&value)),
            Operation::Delete { .. } => (EventKind::Delete, Bytes::new()),
        };
        if kind == EventKind::Delete {
            self.objects.remove(&shared_key);
        } else {
            let deadline = ttl.map(|ttl| Instant::now() + ttl);
            if let Some(deadline) = deadline {
                self.deadlines.insert((deadline, Arc::clone(&shared_key)));
            }
            self.stored_bytes += (key.len() + value.len()) as u64;
            self.objects.insert(
                Arc::clone(&shared_key),
                Object { value: value.clone(), create_revision, mod_revision: revision, deadline },
            );
        }
        let mut event = Event { revision, kind, key: shared_key, value, create_revision, prev: None };
        self.sinks.retain(|sink| match sink.upgrade() {
            Some(sink) => {
                sink.publish(std::slice::from_ref(&event), revision);
                true
            }
            None => false,
        });
        event.prev = prev;
        self.remember(options, event);
        Ok(revision)
    }

    fn remember(&mut self, options: &MemoryOptions, event: Event) {
        self.history_bytes += event_bytes(&event);
        self.history.push_back(event);
        while self.history.len() > options.history_events || self.history_bytes > options.history_bytes {
            let Some(event) = self.history.pop_front() else {
                break;
            };
            self.history_bytes -= event_bytes(&event);
            self.oldest = event.revision;
        }
    }

    fn check_revision(&self, requested: Revision) -> Result<(), StoreError> {
        if requested > self.revision {
            return Err(StoreError::FutureRevision { requested, current: self.revision });
        }
        if requested < self.oldest {
            return Err(StoreError::Compacted { requested, oldest: self.oldest });
        }
        Ok(())
    }

    /// The keys whose state at `revision` differs from now, with that state.
    fn undo(&self, prefix: &str, revision: Revision) -> BTreeMap<&str, Option<&KeyValue>> {
        let mut past = BTreeMap::new();
        for event in self.history.iter().rev() {
            if event.revision <= revision {
                break;
            }
            if event.key.starts_with(prefix) {
                past.insert(&*event.key, event.prev.as_ref());
            }
        }
        past
    }

    fn range(&self, prefix: &str, options: &RangeOptions) -> Result<RangeResult, StoreError> {
        let revision = options.revision.unwrap_or(self.revision);
        self.check_revision(revision)?;
        let past = if revision < self.revision { self.undo(prefix, revision) } else { BTreeMap::new() };
        let after = options.after.as_deref().filter(|after| *after >= prefix);
        let start = match after {
            Some(after) => std::ops::Bound::Excluded(after),
            None => std::ops::Bound::Included(prefix),
        };
        let live = self
            .objects
            .range::<str, _>((start, std::ops::Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, _)| !past.contains_key(&***key))
            .map(|(key, object)| object.key_value(key));
        let old =
            past.range::<str, _>((start, std::ops::Bound::Unbounded)).filter_map(|(_, key_value)| key_value.cloned());
        let mut result = RangeResult { kvs: Vec::new(), revision, more: false, remaining: 0 };
        for mut key_value in Merge::new(live, old) {
            if options.limit > 0 && result.kvs.len() == options.limit {
                result.more = true;
                result.remaining += 1;
                continue;
            }
            if options.keys_only {
                key_value.value = Bytes::new();
            }
            result.kvs.push(key_value);
        }
        Ok(result)
    }

    fn events_after(&self, prefix: &str, after: Revision, limit: usize) -> WatchBatch {
        let start = self.history.partition_point(|event| event.revision <= after);
        let mut events = Vec::new();
        for event in self.history.range(start..) {
            if event.key.starts_with(prefix) {
                events.push(event.clone());
                if events.len() == limit {
                    return WatchBatch { revision: event.revision, events };
                }
            }
        }
        WatchBatch { events, revision: self.revision }
    }
}

fn event_bytes(event: &Event) -> usize {
    event.key.len() + event.value.len() + event.prev.as_ref().map_or(0, |prev| prev.value.len())
}

/// Merges two iterators that are sorted by key and have no key in common.
struct Merge<A: Iterator, B: Iterator> {
    left: std::iter::Peekable<A>,
    right: std::iter::Peekable<B>,
}

impl<A: Iterator<Item = KeyValue>, B: Iterator<Item = KeyValue>> Merge<A, B> {
    fn new(left: A, right: B) -> Self {
        Self { left: left.peekable(), right: right.peekable() }
    }
}

impl<A: Iterator<Item = KeyValue>, B: Iterator<Item = KeyValue>> Iterator for Merge<A, B> {
    type Item = KeyValue;

    fn next(&mut self) -> Option<KeyValue> {
        match (self.left.peek(), self.right.peek()) {
            (Some(left), Some(right)) if right.key < left.key => self.right.next(),
            (Some(_), _) => self.left.next(),
            (None, _) => self.right.next(),
        }
    }
}

/// Events per batch of a watch stream.
const WATCH_BATCH: usize = 500;

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Get, StoreError> {
        let state = self.shared.state.lock();
        let kv = state.objects.get_key_value(key).map(|(key, object)| object.key_value(key));
        Ok(Get { kv, revision: state.revision })
    }

    async fn range(&self, prefix: &str, options: RangeOptions) -> Result<RangeResult, StoreError> {
        self.shared.state.lock().range(prefix, &options)
    }

    async fn commit(&self, write: Write) -> Result<Revision, StoreError> {
        self.shared.commit(write)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<WatchStream, StoreError> {
        self.shared.state.lock().check_revision(after)?;
        let prefix: Box<str> = prefix.into();
        let shared = Arc::clone(&self.shared);
        Ok(Box::pin(stream::unfold((shared, prefix, Some(after)), |(shared, prefix, position)| async move {
            let position = position?;
            let batch = loop {
                let mut changed = std::pin::pin!(shared.changed.notified());
                changed.as_mut().enable();
                {
                    let state = shared.state.lock();
                    if position < state.oldest {
                        break Err(StoreError::Compacted { requested: position, oldest: state.oldest });
                    }
                    if state.revision > position {
                        break Ok(state.events_after(&prefix, position, WATCH_BATCH));
                    }
                    if state.closed {
                        break Err(StoreError::Closed);
                    }
                }
                changed.await;
            };
            let position = batch.as_ref().ok().map(|batch| batch.revision);
            Some((batch, (shared, prefix, position)))
        })))
    }

    async fn attach(&self, sink: Weak<dyn WatchSink>) -> Result<Revision, StoreError> {
        let mut state = self.shared.state.lock();
        state.sinks.push(sink);
        Ok(state.revision)
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let mut state = self.shared.state.lock();
        state.check_revision(revision)?;
        while state.history.front().is_some_and(|event| event.revision <= revision) {
            if let Some(event) = state.history.pop_front() {
                state.history_bytes -= event_bytes(&event);
            }
        }
        state.oldest = revision;
        drop(state);
        self.shared.changed.notify_waiters();
        Ok(())
    }

    async fn current_revision(&self) -> Result<Revision, StoreError> {
        Ok(self.shared.state.lock().revision)
    }

    fn stats(&self) -> StoreStats {
        let state = self.shared.state.lock();
        StoreStats {
            keys: state.objects.len() as u64,
            stored_bytes: state.stored_bytes + state.history_bytes as u64,
            quota_bytes: self.shared.options.quota_bytes,
            revision: state.revision,
            oldest_revision: state.oldest,
            batches: state.writes,
            writes: state.writes,
            failed_writes: state.failed_writes,
            ..StoreStats::default()
        }
    }

    async fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_waiters();
    }
}
