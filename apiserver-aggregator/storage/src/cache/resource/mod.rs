//! The cache of one resource.

mod backfill;
mod list;

use std::{
    borrow::Borrow,
    cmp::Ordering as Order,
    collections::{BTreeSet, HashMap},
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::sync::OnceCell;

pub use self::list::{At, ListOptions, ListPage};
use super::{
    CacheError,
    dispatch::Shared,
    entry::{Entry, Projection},
    event::CacheEvent,
    expired,
    ring::Ring,
    watcher::{Filter, Read, Scope, Topic, Watch, WatchStart, Watcher, fell_behind, topics_of},
};
use crate::{Event, EventKind, KeyValue, RangeOptions, Revision, Store};

/// Takes from an object what selectors need.
pub type Project = Arc<dyn Fn(&Value) -> Projection + Send + Sync>;

/// What to cache.
#[derive(Clone)]
pub struct ResourceSpec {
    /// The prefix of the resource's keys, with a trailing slash ([`crate::keys::resource_prefix`]).
    pub prefix: String,
    /// Takes from an object what selectors need.
    pub project: Project,
}

/// Figures of one cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceStats {
    /// The resource's key prefix.
    pub prefix: String,
    /// Objects.
    pub objects: usize,
    /// About how many bytes they take.
    pub object_bytes: usize,
    /// Recent events.
    pub ring_events: usize,
    /// About how many bytes they take, where they are not objects too.
    pub ring_bytes: usize,
    /// Watchers.
    pub watchers: u64,
    /// Stored values that were no JSON objects and are not shown.
    pub undecodable: u64,
}

/// An entry in key order.
#[derive(Debug)]
struct ByKey(Arc<Entry>);

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        self.0.key()
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for ByKey {}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Order {
        self.0.key().cmp(other.0.key())
    }
}

struct State {
    /// Events that arrive while the cache is loaded; `None` afterwards.
    early: Option<Vec<Event>>,
    entries: BTreeSet<ByKey>,
    entry_bytes: usize,
    ring: Ring,
    /// The state is this revision's at least; events up to it are known.
    revision: Revision,
}

/// The cache of one resource: its objects and its recent events.
pub struct ResourceCache {
    prefix: Box<str>,
    project: Project,
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    state: RwLock<State>,
    topics: Mutex<HashMap<Box<str>, Arc<Topic>>>,
    loaded: OnceCell<()>,
    stopped: AtomicBool,
    backfill: tokio::sync::Mutex<()>,
    watchers: AtomicU64,
    undecodable: AtomicU64,
}

impl ResourceCache {
    pub(super) fn new(spec: &ResourceSpec, store: Arc<dyn Store>, shared: Arc<Shared>) -> Self {
        Self {
            prefix: spec.prefix.as_str().into(),
            project: Arc::clone(&spec.project),
            store,
            shared,
            state: RwLock::new(State {
                early: Some(Vec::new()),
                entries: BTreeSet::new(),
                entry_bytes: 0,
                ring: Ring::new(0),
                revision: 0,
            }),
            topics: Mutex::new(HashMap::new()),
            loaded: OnceCell::new(),
            stopped: AtomicBool::new(false),
            backfill: tokio::sync::Mutex::new(()),
            watchers: AtomicU64::new(0),
            undecodable: AtomicU64::new(0),
        }
    }

    /// The resource's key prefix.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.loaded.initialized()
    }

    /// The revision whose state the cache has.
    #[must_use]
    pub fn revision(&self) -> Revision {
        let state = self.state.read();
        state.revision.max(self.shared.revision())
    }

    /// The oldest revision from which a watch is served without reading the store's history.
    #[must_use]
    pub fn oldest(&self) -> Revision {
        self.state.read().ring.oldest()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.read().entries.len()
    }

    /// Whether there are no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One object by its key, as the cache has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.state.read().entries.get(key).map(|entry| Arc::clone(&entry.0))
    }

    /// One object, with the revision whose state this is; for [`At::Exact`] use a list.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn get_at(&self, at: At, key: &str) -> Result<(Option<Arc<Entry>>, Revision), CacheError> {
        self.wait_for(at).await?;
        let state = self.state.read();
        let entry = state.entries.get(key).map(|entry| Arc::clone(&entry.0));
        Ok((entry, state.revision.max(self.shared.revision())))
    }

    /// Waits until the cache has seen every write that was acknowledged before this call.
    ///
    /// # Errors
    /// What the store reports, or [`CacheError::TooLarge`] when it takes too long.
    pub async fn wait_current(&self) -> Result<(), CacheError> {
        let current = self.store.current_revision().await?;
        self.wait_until(current).await
    }

    /// Waits until the cache has reached `revision`.
    ///
    /// # Errors
    /// [`CacheError::TooLarge`] when it takes too long.
    pub async fn wait_until(&self, revision: Revision) -> Result<(), CacheError> {
        if self.shared.revision() >= revision || self.shared.wait_until(revision, self.shared.options.wait).await {
            Ok(())
        } else {
            Err(CacheError::TooLarge { requested: revision, current: self.revision() })
        }
    }

    async fn wait_for(&self, at: At) -> Result<(), CacheError> {
        match at {
            At::Latest => self.wait_current().await?,
            At::Any => {}
            At::NotOlderThan(revision) | At::Exact(revision) => self.wait_until(revision).await?,
        }
        self.check_stopped()
    }

    fn check_stopped(&self) -> Result<(), CacheError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(CacheError::Stopped { prefix: self.prefix.clone() });
        }
        Ok(())
    }

    /// Begins a watch.
    ///
    /// # Errors
    /// [`CacheError::Expired`] when the events after the revision are not there any more, [`CacheError::Stopped`], and
    /// what the store reports.
    pub async fn watch(
        self: &Arc<Self>,
        start: WatchStart,
        scope: &Scope,
        filter: Option<Filter>,
    ) -> Result<Watch, CacheError> {
        if start == WatchStart::Initial {
            self.wait_for(At::Latest).await?;
        }
        self.check_stopped()?;
        let topic_name: Box<str> = scope.topic().into();
        // The watcher joins its topic before its position is taken, so that it cannot miss an eviction; it leaves it
        // when it is dropped, also on the error paths below.
        let topic = self.join_topic(&topic_name);
        let mut watcher = Watcher::new(Arc::clone(self), topic_name, topic, filter.clone(), 0, 0);
        match start {
            WatchStart::Initial => {
                let state = self.state.read();
                let revision = state.revision.max(self.shared.revision());
                let initial = state.scoped(&self.prefix, scope, filter.as_ref());
                watcher.start_at(state.ring.end(), revision);
                drop(state);
                Ok(Watch { initial, revision, watcher })
            }
            WatchStart::After(revision) => {
                let position = self.position_after(revision).await?;
                watcher.start_at(position, revision);
                Ok(Watch { initial: Vec::new(), revision, watcher })
            }
        }
    }

    /// Reads from the store and then begins to follow.
    pub(super) async fn load(&self) -> Result<(), CacheError> {
        self.loaded.get_or_try_init(|| self.load_once()).await?;
        self.check_stopped()
    }

    async fn load_once(&self) -> Result<(), CacheError> {
        let mut entries = Vec::new();
        let mut after = None;
        let mut revision = None;
        loop {
            let range =
                RangeOptions { after: after.take(), limit: self.shared.options.load_page, revision, keys_only: false };
            let page = self.store.range(&self.prefix, range).await.map_err(expired)?;
            revision = Some(page.revision);
            after = page.kvs.last().map(|kv| kv.key.to_string());
            entries.extend(page.kvs.iter().filter_map(|kv| self.entry(kv)).map(|entry| ByKey(Arc::new(entry))));
            if !page.more {
                break;
            }
            tokio::task::yield_now().await;
        }
        let revision = revision.unwrap_or_default();
        let mut state = self.state.write();
        state.entry_bytes = entries.iter().map(|entry| entry.0.weight()).sum();
        // Sorted input makes the bulk building of the set cheap.
        state.entries = BTreeSet::from_iter(entries);
        state.ring = Ring::new(revision);
        state.revision = revision;
        let early = state.early.take().unwrap_or_default();
        let second = self.shared.second();
        for event in early {
            if event.revision > revision {
                let entry = self.new_entry(&event);
                state.apply(self, &event, entry, second);
            }
        }
        Ok(())
    }

    /// Takes the next events of this resource.
    pub(super) fn apply(&self, events: &[Event]) {
        {
            let mut state = self.state.write();
            if let Some(early) = &mut state.early {
                early.extend_from_slice(events);
                return;
            }
        }
        // Only one publisher at a time calls this, so that nothing moves between the two locks; objects are parsed
        // without one.
        let entries: Vec<_> = events.iter().map(|event| self.new_entry(event)).collect();
        let second = self.shared.second();
        {
            let mut state = self.state.write();
            for (event, entry) in events.iter().zip(entries) {
                if event.revision > state.revision {
                    state.apply(self, event, entry, second);
                }
            }
            self.trim_state(&mut state, second);
        }
        let topics = self.topics.lock();
        if topics.is_empty() {
            return;
        }
        for event in events {
            for topic in topics_of(&event.key[self.prefix.len()..]) {
                if let Some(topic) = topics.get(topic) {
                    topic.changed.notify_waiters();
                }
            }
        }
    }

    fn new_entry(&self, event: &Event) -> Option<Entry> {
        if event.kind == EventKind::Delete {
            return None;
        }
        self.make_entry(&event.key, &event.value, event.revision, event.create_revision)
    }

    fn entry(&self, kv: &KeyValue) -> Option<Entry> {
        self.make_entry(&kv.key, &kv.value, kv.mod_revision, kv.create_revision)
    }

    /// Builds the cached form of a stored value that did not come through the cache.
    ///
    /// # Errors
    /// None; a value that is no JSON object gives `None`.
    #[must_use]
    pub fn entry_of(&self, kv: &KeyValue) -> Option<Arc<Entry>> {
        self.entry(kv).map(Arc::new)
    }

    fn make_entry(&self, key: &Arc<str>, value: &[u8], revision: Revision, created: Revision) -> Option<Entry> {
        // The projection belongs to whoever serves the resource; should it fail on an object, the object is not shown,
        // and the thread that shows everybody's writes goes on.
        let made = catch_unwind(AssertUnwindSafe(|| {
            Entry::new(Arc::clone(key), self.prefix.len(), value, revision, created, &*self.project)
        }));
        let entry = made.unwrap_or_default();
        if entry.is_none() {
            // One bad value must not hide the others.
            self.undecodable.fetch_add(1, Ordering::Relaxed);
            tracing::error!(key = &**key, revision, "skip a stored value that is no JSON object");
        }
        entry
    }

    /// The events from `position` on; `None` when some of the watcher's have left the ring.
    pub(super) fn read_events(
        &self,
        position: u64,
        evicted: &AtomicU64,
        limit: usize,
        events: &mut Vec<Arc<CacheEvent>>,
        wanted: impl Fn(&CacheEvent) -> bool,
    ) -> Result<Option<Read>, CacheError> {
        self.check_stopped()?;
        // Read before the ring: everything up to this revision is in it.
        let published = self.shared.revision();
        let state = self.state.read();
        if position < state.ring.first() && fell_behind(evicted, position) {
            return Ok(None);
        }
        let mut position = position.max(state.ring.first());
        let mut revision = 0;
        // Events of other scopes are cheap to skip, but the lock is not held for a whole large ring.
        for event in state.ring.after_position(position).take(limit * 8) {
            position += 1;
            revision = event.revision();
            if wanted(event) {
                events.push(Arc::clone(event));
                if events.len() == limit {
                    break;
                }
            }
        }
        let at_end = position >= state.ring.end();
        if at_end {
            revision = revision.max(published);
        }
        Ok(Some(Read { position, revision, at_end }))
    }

    fn join_topic(&self, name: &str) -> Arc<Topic> {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        let mut topics = self.topics.lock();
        match topics.get(name) {
            Some(topic) => Arc::clone(topic),
            None => Arc::clone(topics.entry(name.into()).or_default()),
        }
    }

    pub(super) fn leave_topic(&self, name: &str, topic: &Arc<Topic>) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
        let mut topics = self.topics.lock();
        // The map's and the leaver's: nobody else can get one while the map is locked.
        if Arc::strong_count(topic) <= 2 {
            topics.remove(name);
        }
    }

    pub(super) fn trim(&self, second: u32) {
        self.trim_state(&mut self.state.write(), second);
    }

    fn trim_state(&self, state: &mut State, second: u32) {
        state.ring.trim(&self.shared.options, second, |position, event| {
            let topics = self.topics.lock();
            if topics.is_empty() {
                return;
            }
            for topic in topics_of(event.entry().path()) {
                if let Some(topic) = topics.get(topic) {
                    topic.evicted.fetch_max(position + 1, Ordering::AcqRel);
                }
            }
        });
    }

    /// Ends all watchers and frees the objects.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let entries = {
            let mut state = self.state.write();
            state.early = None;
            state.entry_bytes = 0;
            state.ring = Ring::new(Revision::MAX);
            std::mem::take(&mut state.entries)
        };
        drop(entries);
        for topic in self.topics.lock().values() {
            topic.changed.notify_waiters();
        }
    }

    pub(super) fn stats(&self) -> ResourceStats {
        let state = self.state.read();
        ResourceStats {
            prefix: self.prefix.to_string(),
            objects: state.entries.len(),
            object_bytes: state.entry_bytes,
            ring_events: state.ring.len(),
            ring_bytes: state.ring.bytes(),
            watchers: self.watchers.load(Ordering::Relaxed),
            undecodable: self.undecodable.load(Ordering::Relaxed),
        }
    }
}

impl State {
    fn apply(&mut self, cache: &ResourceCache, event: &Event, entry: Option<Entry>, second: u32) {
        self.revision = event.revision;
        let prev = self.entries.take(&*event.key).map(|prev| prev.0);
        if let Some(prev) = &prev {
            self.entry_bytes -= prev.weight();
        }
        let (kind, entry) = match (entry, &prev) {
            (Some(entry), prev) => {
                self.entry_bytes += entry.weight();
                let entry = Arc::new(entry);
                self.entries.insert(ByKey(Arc::clone(&entry)));
                (if prev.is_some() { EventKind::Update } else { EventKind::Create }, entry)
            }
            (None, Some(prev)) => (EventKind::Delete, Arc::new(prev.at_revision(event.revision))),
            (None, None) => {
                tracing::debug!(key = &*event.key, prefix = &*cache.prefix, "skip the end of an object never shown");
                return;
            }
        };
        self.ring.push(Arc::new(CacheEvent::new(kind, event.revision, second, entry, prev)));
    }

    fn scoped(&self, prefix: &str, scope: &Scope, filter: Option<&Filter>) -> Vec<Arc<Entry>> {
        let wanted = |entry: &&Arc<Entry>| filter.is_none_or(|filter| filter(entry));
        let scan = format!("{prefix}{}", scope.topic());
        if let Scope::Object { .. } = scope {
            return self.entries.get(scan.as_str()).map(|entry| &entry.0).filter(wanted).cloned().into_iter().collect();
        }
        self.entries
            .range::<str, _>((Bound::Included(scan.as_str()), Bound::Unbounded))
            .map(|entry| &entry.0)
            .take_while(|entry| entry.key().starts_with(&scan))
            .filter(wanted)
            .cloned()
            .collect()
    }
}
