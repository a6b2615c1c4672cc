//! The promises of [`Store`], checked on each implementation.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use karmada_storage::{
    EmbeddedOptions, EmbeddedStore, ErrorClass, Event, EventKind, KeyValue, MemoryOptions, MemoryStore, Operation,
    RangeOptions, Revision, Store, StoreError, WatchSink, Write,
};

pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    _folder: Option<tempfile::TempDir>,
}

#[derive(Clone, Copy, Default)]
struct Limits {
    quota_bytes: u64,
    value_limit: Option<usize>,
}

fn backends(limits: Limits) -> Vec<Backend> {
    let mut memory = MemoryOptions { quota_bytes: limits.quota_bytes, history_events: 100_000, ..Default::default() };
    let mut embedded = EmbeddedOptions { auto_compact: false, ..Default::default() };
    if limits.quota_bytes > 0 {
        embedded.quota_bytes = limits.quota_bytes;
    }
    if let Some(limit) = limits.value_limit {
        memory.value_limit = limit;
        embedded.value_limit = limit;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), embedded).unwrap();
    vec![
        Backend { name: "memory", store: Arc::new(MemoryStore::new(memory)), _folder: None },
        Backend { name: "embedded", store: Arc::new(store), _folder: Some(folder) },
    ]
}

/// A small generator: tests need many different steps, not good randomness.
pub(crate) struct Steps(pub(crate) u64);

impl Steps {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[tokio::test]
async fn writes_are_compare_and_swap() {
    for Backend { name, store, .. } in backends(Limits::default()) {
        assert_eq!(store.current_revision().await.unwrap(), 0, "{name}");
        assert!(matches!(store.update("/r/a", "1".into(), 0).await, Err(StoreError::Conflict { current: None, .. })));
        assert!(matches!(store.delete("/r/a", 1).await, Err(StoreError::Conflict { current: None, .. })));
        assert_eq!(store.create("/r/a", "1".into()).await.unwrap(), 1);
        let error = store.create("/r/a", "2".into()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Conflict);
        let expect = KeyValue { key: "/r/a".into(), value: "1".into(), create_revision: 1, mod_revision: 1 };
        assert!(matches!(error, StoreError::Conflict { current: Some(current), .. } if *current == expect));
        assert_eq!(store.update("/r/a", "2".into(), 1).await.unwrap(), 2);
        assert!(store.update("/r/a", "3".into(), 1).await.is_err());
        assert!(store.delete("/r/a", 1).await.is_err());
        let read = store.get("/r/a").await.unwrap();
        assert_eq!((read.revision, read.kv.unwrap().create_revision), (2, 1), "{name}");
        assert_eq!(store.delete("/r/a", 2).await.unwrap(), 3);
        assert!(store.get("/r/a").await.unwrap().kv.is_none());
        assert_eq!(store.create("/r/a", "4".into()).await.unwrap(), 4);
        assert_eq!(store.get("/r/a").await.unwrap().kv.unwrap().create_revision, 4);
        let stats = store.stats();
        assert_eq!((stats.keys, stats.revision, stats.writes, stats.failed_writes), (1, 4, 4, 5), "{name}");
    }
}

#[tokio::test]
async fn too_large_and_too_much_are_refused() {
    for Backend { name, store, .. } in backends(Limits { quota_bytes: 4_000, value_limit: Some(1_500) }) {
        let value = Bytes::from(vec![b'x'; 1_500]);
        let error = store.create("/r/big", vec![b'x'; 1_501].into()).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { size: 1_501, limit: 1_500, .. }), "{name}");
        store.create("/r/1", value.clone()).await.unwrap();
        store.create("/r/2", value.clone()).await.unwrap();
        let error = store.create("/r/3", value.clone()).await.unwrap_err();
        assert_eq!((error.class(), error.category()), (ErrorClass::Quota, "quota"), "{name}");
        // Space can always be made.
        let deleted = store.delete("/r/1", 1).await.unwrap();
        store.compact(deleted).await.unwrap();
        for attempt in 0.. {
            if store.create("/r/3", value.clone()).await.is_ok() {
                break;
            }
            assert!(attempt < 100, "{name}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Every state that a store has had, and what led there.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) states: Vec<BTreeMap<String, KeyValue>>,
    pub(crate) events: Vec<Event>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { states: vec![BTreeMap::new()], events: Vec::new() }
    }

    /// Does one random write on the store and here.
    pub(crate) async fn step(&mut self, store: &dyn Store, steps: &mut Steps) {
        let mut state = self.states.last().unwrap().clone();
        let key = format!("/r/{}/{}", ["a", "ab", "b"][steps.next(3) as usize], steps.next(8));
        let value = Bytes::from(format!("{{\"n\":{}}}", steps.next(1_000_000)));
        let prev = state.get(&key).cloned();
        let (kind, revision) = match &prev {
            None => (EventKind::Create, store.create(&key, value.clone()).await.unwrap()),
            Some(prev) if steps.next(3) == 0 => {
                (EventKind::Delete, store.delete(&key, prev.mod_revision).await.unwrap())
            }
            Some(prev) => (EventKind::Update, store.update(&key, value.clone(), prev.mod_revision).await.unwrap()),
        };
        assert_eq!(revision, self.states.len() as u64);
        let create_revision = prev.as_ref().map_or(revision, |prev| prev.create_revision);
        let shared_key: Arc<str> = key.as_str().into();
        let value = if kind == EventKind::Delete { Bytes::new() } else { value };
        if kind == EventKind::Delete {
            state.remove(&key);
        } else {
            let kv = KeyValue {
                key: Arc::clone(&shared_key),
                value: value.clone(),
                create_revision,
                mod_revision: revision,
            };
            state.insert(key, kv);
        }
        self.events.push(Event { revision, kind, key: shared_key, value, create_revision, prev });
        self.states.push(state);
    }

    fn range(&self, revision: Revision, prefix: &str, after: &str) -> Vec<KeyValue> {
        let state = &self.states[revision as usize];
        state.values().filter(|kv| kv.key.starts_with(prefix) && *kv.key > *after).cloned().collect()
    }

    pub(crate) async fn check_reads(&self, store: &dyn Store, oldest: Revision, steps: &mut Steps) {
        let current = self.states.len() as u64 - 1;
        for revision in oldest..=current {
            let prefix = ["/r/", "/r/a/", "/r/ab/", "/nothing/"][steps.next(4) as usize];
            let mut after = String::new();
            let limit = steps.next(6) as usize;
            loop {
                let options = RangeOptions {
                    after: (!after.is_empty()).then(|| after.clone()),
                    limit,
                    revision: Some(revision),
                    keys_only: false,
                };
                let page = store.range(prefix, options).await.unwrap();
                let expect = self.range(revision, prefix, &after);
                let shown = if limit == 0 { expect.len() } else { limit.min(expect.len()) };
                assert_eq!(page.kvs, expect[..shown], "{prefix} at {revision} of {current} after {after}");
                assert_eq!((page.more, page.remaining), (expect.len() > shown, (expect.len() - shown) as u64));
                assert_eq!(page.revision, revision);
                if !page.more {
                    break;
                }
                after = page.kvs.last().unwrap().key.to_string();
            }
        }
    }

    pub(crate) async fn check_watch(&self, store: &dyn Store, prefix: &str, after: Revision) {
        let mut stream = store.watch(prefix, after).await.unwrap();
        let current = self.states.len() as u64 - 1;
        let mut seen = Vec::new();
        let mut reached = after;
        while reached < current {
            let batch = stream.next().await.unwrap().unwrap();
            seen.extend(batch.events);
            reached = batch.revision;
        }
        let expect: Vec<_> =
            self.events.iter().filter(|event| event.revision > after && event.key.starts_with(prefix)).collect();
        assert_eq!(seen.iter().collect::<Vec<_>>(), expect, "{prefix} after {after}");
    }
}

#[tokio::test]
async fn every_past_state_can_be_read_and_watched_until_it_is_compacted() {
    for Backend { name, store, .. } in backends(Limits::default()) {
        let mut steps = Steps(7);
        let mut model = Model::new();
        for _ in 0..300 {
            model.step(&*store, &mut steps).await;
        }
        model.check_reads(&*store, 0, &mut steps).await;
        for after in [0, 1, 17, 150, 299, 300] {
            model.check_watch(&*store, "/r/", after).await;
            model.check_watch(&*store, "/r/a/", after).await;
        }
        let keys_only = RangeOptions { keys_only: true, ..Default::default() };
        assert!(store.range("/r/", keys_only).await.unwrap().kvs.iter().all(|kv| kv.value.is_empty()));
        for compacted in [1, 100, 257, 300] {
            let mut behind = store.watch("/r/", compacted - 1).await.unwrap();
            store.compact(compacted).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            model.check_reads(&*store, compacted, &mut steps).await;
            model.check_watch(&*store, "/r/", compacted).await;
            let past = RangeOptions { revision: Some(compacted - 1), ..Default::default() };
            let error = store.range("/r/", past).await.unwrap_err();
            assert!(matches!(error, StoreError::Compacted { oldest, .. } if oldest == compacted), "{name}: {error}");
            assert!(store.watch("/r/", compacted - 1).await.is_err());
            assert!(store.compact(compacted - 1).await.is_err());
            // A stream that stands before the compacted part learns it, and ends.
            let error = behind.next().await.unwrap().unwrap_err();
            assert_eq!(error.class(), ErrorClass::Expired);
            assert!(behind.next().await.is_none());
        }
        let future = RangeOptions { revision: Some(301), ..Default::default() };
        let error = store.range("/r/", future).await.unwrap_err();
        assert!(matches!(error, StoreError::FutureRevision { requested: 301, current: 300 }));
        for _ in 0..50 {
            model.step(&*store, &mut steps).await;
        }
        model.check_reads(&*store, 300, &mut steps).await;
        model.check_watch(&*store, "/r/", 300).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_lose_no_update() {
    for Backend { name, store, .. } in backends(Limits::default()) {
        store.create("/r/counter", "0".into()).await.unwrap();
        let writers: Vec<_> = (0..16)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut revisions = Vec::new();
                    while revisions.len() < 20 {
                        let kv = store.get("/r/counter").await.unwrap().kv.unwrap();
                        let count: u64 = std::str::from_utf8(&kv.value).unwrap().parse().unwrap();
                        let next = (count + 1).to_string().into();
                        match store.update("/r/counter", next, kv.mod_revision).await {
                            Ok(revision) => revisions.push(revision),
                            Err(error) => assert_eq!(error.class(), ErrorClass::Conflict),
                        }
                    }
                    revisions
                })
            })
            .collect();
        let mut revisions = Vec::new();
        for writer in writers {
            revisions.extend(writer.await.unwrap());
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (2..=321).collect::<Vec<_>>(), "{name}");
        assert_eq!(store.get("/r/counter").await.unwrap().kv.unwrap().value, "320");
    }
}

#[derive(Default)]
struct Seen(Mutex<Vec<(Revision, EventKind)>>);

impl WatchSink for Seen {
    fn publish(&self, events: &[Event], revision: Revision) {
        let mut seen = self.0.lock().unwrap();
        seen.extend(events.iter().map(|event| (event.revision, event.kind)));
        assert!(seen.last().is_none_or(|(last, _)| *last <= revision));
    }

    fn reset(&self, _: Revision) {
        panic!("an embedded store never loses continuity");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sinks_see_a_write_before_its_writer_does() {
    for Backend { name, store, .. } in backends(Limits::default()) {
        store.create("/r/before", "0".into()).await.unwrap();
        let sink = Arc::new(Seen::default());
        let weak: Weak<Seen> = Arc::downgrade(&sink);
        assert_eq!(store.attach(weak).await.unwrap(), 1);
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (store, sink) = (Arc::clone(&store), Arc::clone(&sink));
                tokio::spawn(async move {
                    for index in 0..20 {
                        let revision = store.create(&format!("/r/{writer}/{index}"), "1".into()).await.unwrap();
                        let seen = sink.0.lock().unwrap();
                        assert!(seen.contains(&(revision, EventKind::Create)));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let seen = sink.0.lock().unwrap();
        let revisions: Vec<_> = seen.iter().map(|(revision, _)| *revision).collect();
        assert_eq!(revisions, (2..=161).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn keys_with_a_time_to_live_are_deleted_by_the_store() {
    for Backend { name, store, .. } in backends(Limits::default()) {
        let write = |key: &str, operation, ttl| Write { key: key.to_owned(), operation, ttl };
        let short = Some(Duration::from_millis(100));
        let create = || Operation::Create { value: "1".into() };
        store.commit(write("/r/short", create(), short)).await.unwrap();
        store.commit(write("/r/kept", create(), short)).await.unwrap();
        store.commit(write("/r/long", create(), Some(Duration::from_secs(3_600)))).await.unwrap();
        // Written again without one, it stays.
        store.update("/r/kept", "2".into(), 2).await.unwrap();
        let mut stream = store.watch("/r/", 4).await.unwrap();
        let batch = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.unwrap().unwrap().unwrap();
        let event = &batch.events[0];
        assert_eq!((event.kind, &*event.key, event.revision), (EventKind::Delete, "/r/short", 5), "{name}");
        assert_eq!(event.prev.as_ref().unwrap().value, "1");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let left = store.range("/r/", RangeOptions::default()).await.unwrap();
        let left: Vec<_> = left.kvs.iter().map(|kv| &*kv.key).collect();
        assert_eq!(left, ["/r/kept", "/r/long"], "{name}");
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    for Backend { name, store, .. } in backends(Limits::default()) {
        store.create("/r/a", "1".into()).await.unwrap();
        let mut stream = store.watch("/r/", 1).await.unwrap();
        store.close().await;
        store.close().await;
        assert!(matches!(store.create("/r/b", "1".into()).await, Err(StoreError::Closed)), "{name}");
        assert!(matches!(stream.next().await, Some(Err(StoreError::Closed))), "{name}");
    }
}
