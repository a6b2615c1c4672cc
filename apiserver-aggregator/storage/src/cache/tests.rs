//! The cache over a store in memory.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{At, CacheError, CacheOptions, Delivery, Filter, ListOptions, Projection, ResourceCache, ResourceSpec};
use super::{Scope, Watch, WatchCache, WatchEventKind, WatchStart};
use crate::{EventKind, MemoryOptions, MemoryStore, Revision, Store};

const PREFIX: &str = "/registry/configmaps/";

fn spec() -> ResourceSpec {
    ResourceSpec { prefix: PREFIX.to_owned(), project: Arc::new(|object| Projection::of(object, &["spec.node"])) }
}

fn body(name: &str, app: &str) -> bytes::Bytes {
    format!(
        r#"{{"kind":"ConfigMap","metadata":{{"labels":{{"app":"{app}"}},"name":"{name}"}},"spec":{{"node":"{app}"}}}}"#
    )
    .into()
}

fn app_is(app: &'static str) -> Filter {
    Arc::new(move |entry| entry.labels().get("app") == Some(app))
}

struct Fixture {
    store: Arc<MemoryStore>,
    caches: WatchCache,
}

impl Fixture {
    fn new(options: CacheOptions) -> Self {
        let store = Arc::new(MemoryStore::default());
        let caches = WatchCache::new(Arc::clone(&store) as Arc<dyn Store>, options);
        Self { store, caches }
    }

    async fn cache(&self) -> Arc<ResourceCache> {
        self.caches.resource(&spec()).await.unwrap()
    }

    async fn put(&self, path: &str, app: &str) -> Revision {
        let key = format!("{PREFIX}{path}");
        let name = path.rsplit('/').next().unwrap();
        match self.store.get(&key).await.unwrap().kv {
            Some(kv) => self.store.update(&key, body(name, app), kv.mod_revision).await.unwrap(),
            None => self.store.create(&key, body(name, app)).await.unwrap(),
        }
    }

    async fn delete(&self, path: &str) -> Revision {
        let key = format!("{PREFIX}{path}");
        let kv = self.store.get(&key).await.unwrap().kv.unwrap();
        self.store.delete(&key, kv.mod_revision).await.unwrap()
    }
}

async fn paths(cache: &ResourceCache, at: At, options: ListOptions<'_>) -> (Vec<String>, Revision) {
    let page = cache.list(at, options).await.unwrap();
    (page.entries.iter().map(|entry| entry.path().to_owned()).collect(), page.revision)
}

async fn watch(cache: &Arc<ResourceCache>, start: WatchStart, scope: Scope, filter: Option<Filter>) -> Watch {
    cache.watch(start, &scope, filter).await.unwrap()
}

fn told(deliveries: &[Delivery]) -> Vec<(WatchEventKind, String, Revision)> {
    deliveries
        .iter()
        .map(|delivery| {
            assert_eq!(delivery.object().revision(), delivery.revision());
            let frame: serde_json::Value = serde_json::from_slice(&delivery.frame()).unwrap();
            assert_eq!(frame["type"], delivery.kind().as_str());
            assert_eq!(frame["object"]["metadata"]["resourceVersion"], delivery.revision().to_string());
            (delivery.kind(), delivery.object().path().to_owned(), delivery.revision())
        })
        .collect()
}

#[tokio::test]
async fn entries_carry_what_selectors_need() {
    let fixture = Fixture::new(CacheOptions::default());
    let revision = fixture.put("default/x", "web").await;
    let cache = fixture.cache().await;
    let entry = cache.get("/registry/configmaps/default/x").unwrap();
    assert_eq!((entry.namespace(), entry.name(), entry.revision()), (Some("default"), "x", revision));
    assert_eq!(entry.labels().get("app"), Some("web"));
    assert_eq!(entry.field("spec.node"), Some("web"));
    assert_eq!(entry.field("metadata.namespace"), Some("default"));
    assert_eq!(entry.field("nonsense"), None);
    assert_eq!(entry.decode().unwrap()["metadata"]["resourceVersion"], revision.to_string());
}

#[tokio::test]
async fn lists_are_pages_of_one_revision() {
    let fixture = Fixture::new(CacheOptions::default());
    let cache = fixture.cache().await;
    for path in ["a/1", "a/2", "b/1", "b/2", "c/1"] {
        fixture.put(path, "web").await;
    }
    let first = cache.list(At::Latest, ListOptions { limit: 2, ..Default::default() }).await.unwrap();
    assert_eq!((first.revision, first.more, first.remaining), (5, true, Some(3)));
    // The world moves on between the pages.
    fixture.delete("b/1").await;
    fixture.put("a/3", "web").await;
    fixture.put("b/2", "db").await;
    fixture.put("b/1", "new").await;
    let after = first.entries.last().unwrap().key().to_string();
    let options = ListOptions { after: Some(&after), ..Default::default() };
    let page = cache.list(At::Exact(first.revision), options.clone()).await.unwrap();
    let shown: Vec<_> = page.entries.iter().map(|entry| (entry.path(), entry.revision())).collect();
    assert_eq!(shown, [("b/1", 3), ("b/2", 4), ("c/1", 5)]);
    // The store's history gives the same answer as the ring.
    let other = WatchCache::new(Arc::clone(&fixture.store) as Arc<dyn Store>, CacheOptions::default());
    let other = other.resource(&spec()).await.unwrap();
    let page = other.list(At::Exact(first.revision), options).await.unwrap();
    let again: Vec<_> = page.entries.iter().map(|entry| (entry.path(), entry.revision())).collect();
    assert_eq!(again, [("b/1", 3), ("b/2", 4), ("c/1", 5)]);

    let namespace = ListOptions { namespace: Some("b"), ..Default::default() };
    assert_eq!(paths(&cache, At::Latest, namespace).await, (vec!["b/1".into(), "b/2".into()], 9));
    let filter = app_is("web");
    let filtered = ListOptions { filter: Some(&*filter), limit: 3, ..Default::default() };
    let page = cache.list(At::Latest, filtered).await.unwrap();
    assert_eq!((page.entries.len(), page.more, page.remaining), (3, true, None));
}

#[tokio::test]
async fn revisions_too_new_and_too_old_are_told_apart() {
    let fixture = Fixture::new(CacheOptions { wait: Duration::from_millis(20), ..Default::default() });
    let cache = fixture.cache().await;
    for _ in 0..3 {
        fixture.put("a/1", "web").await;
    }
    let late = cache.list(At::NotOlderThan(9), ListOptions::default()).await;
    assert!(matches!(late, Err(CacheError::TooLarge { requested: 9, current: 3 })));
    fixture.store.compact(3).await.unwrap();
    let other = WatchCache::new(Arc::clone(&fixture.store) as Arc<dyn Store>, CacheOptions::default());
    let other = other.resource(&spec()).await.unwrap();
    let early = other.list(At::Exact(1), ListOptions::default()).await;
    assert!(matches!(early, Err(CacheError::Expired { requested: 1, oldest: 3 })));
    let early = other.watch(WatchStart::After(1), &Scope::All, None).await;
    assert!(matches!(early, Err(CacheError::Expired { requested: 1, oldest: 3 })));
}

#[tokio::test]
async fn watchers_see_objects_enter_and_leave_their_selection() {
    let fixture = Fixture::new(CacheOptions::default());
    let cache = fixture.cache().await;
    fixture.put("a/1", "web").await;
    let Watch { initial, revision, mut watcher } =
        watch(&cache, WatchStart::Initial, Scope::All, Some(app_is("web"))).await;
    assert_eq!((initial.len(), revision), (1, 1));
    fixture.put("a/1", "web").await;
    fixture.put("a/1", "db").await;
    fixture.put("a/1", "db").await;
    fixture.put("a/1", "web").await;
    fixture.put("b/2", "db").await;
    fixture.delete("b/2").await;
    fixture.delete("a/1").await;
    use WatchEventKind::{Added, Deleted, Modified};
    let expect = [(Modified, 2), (Deleted, 3), (Added, 5), (Deleted, 8)];
    let expect: Vec<_> = expect.into_iter().map(|(kind, revision)| (kind, "a/1".to_owned(), revision)).collect();
    let deliveries = watcher.next().await.unwrap();
    assert_eq!(told(&deliveries), expect);
    // What has left the selection is shown as it was last selected.
    assert_eq!(deliveries[1].object().labels().get("app"), Some("web"));
    assert_eq!(deliveries[3].event().kind(), EventKind::Delete);
    assert_eq!(watcher.progress(), 8);
}

#[tokio::test]
async fn scoped_watchers_survive_a_ring_full_of_other_events() {
    let options = CacheOptions { min_events: 2, max_events: 4, ..Default::default() };
    let fixture = Fixture::new(options);
    let cache = fixture.cache().await;
    fixture.put("a/1", "web").await;
    let mut all = watch(&cache, WatchStart::After(1), Scope::All, None).await.watcher;
    let mut a = watch(&cache, WatchStart::After(1), Scope::Namespace("a".into()), None).await.watcher;
    let one = Scope::Object { namespace: Some("a".into()), name: "1".into() };
    let mut one = watch(&cache, WatchStart::After(1), one, None).await.watcher;
    for _ in 0..10 {
        fixture.put("b/1", "web").await;
    }
    assert!(matches!(all.try_next(), Err(CacheError::Expired { requested: 1, .. })));
    assert!(a.try_next().unwrap().is_empty());
    assert_eq!(a.progress(), 11);
    let revision = fixture.put("a/1", "db").await;
    for watcher in [&mut a, &mut one] {
        assert_eq!(told(&watcher.next().await.unwrap()), [(WatchEventKind::Modified, "a/1".into(), revision)]);
    }
    for _ in 0..4 {
        fixture.put("a/2", "web").await;
    }
    fixture.put("b/1", "web").await;
    assert!(matches!(a.try_next(), Err(CacheError::Expired { .. })));
    assert!(one.try_next().unwrap().is_empty());
    assert_eq!(cache.stats().watchers, 3);
    drop((all, a, one));
    assert_eq!(cache.stats().watchers, 0);
}

#[tokio::test]
async fn a_watch_from_before_the_cache_reads_the_stores_history() {
    let fixture = Fixture::new(CacheOptions::default());
    fixture.put("a/1", "web").await;
    fixture.put("a/1", "db").await;
    fixture.put("a/2", "web").await;
    fixture.delete("a/2").await;
    fixture.put("a/3", "web").await;
    let cache = fixture.cache().await;
    assert_eq!(cache.oldest(), 5);
    let mut watcher = watch(&cache, WatchStart::After(1), Scope::All, Some(app_is("web"))).await.watcher;
    fixture.put("a/4", "web").await;
    use WatchEventKind::{Added, Deleted};
    let expect = [(Deleted, "a/1", 2), (Added, "a/2", 3), (Deleted, "a/2", 4), (Added, "a/3", 5), (Added, "a/4", 6)];
    let expect: Vec<_> = expect.into_iter().map(|(kind, path, revision)| (kind, path.to_owned(), revision)).collect();
    assert_eq!(told(&watcher.next().await.unwrap()), expect);
    assert_eq!(cache.oldest(), 1);
}

#[tokio::test]
async fn events_are_encoded_once_for_all_watchers() {
    let fixture = Fixture::new(CacheOptions::default());
    let cache = fixture.cache().await;
    let mut first = watch(&cache, WatchStart::After(0), Scope::All, None).await.watcher;
    let mut second = watch(&cache, WatchStart::After(0), Scope::All, None).await.watcher;
    fixture.put("a/1", "web").await;
    let (first, second) = (first.next().await.unwrap(), second.next().await.unwrap());
    assert_eq!(first[0].frame().as_ptr(), second[0].frame().as_ptr());
}

#[tokio::test]
async fn values_that_are_no_objects_hide_nothing_else() {
    let fixture = Fixture::new(CacheOptions::default());
    fixture.store.create("/registry/configmaps/a/bad", "nonsense".into()).await.unwrap();
    fixture.put("a/good", "web").await;
    let cache = fixture.cache().await;
    assert_eq!(paths(&cache, At::Latest, ListOptions::default()).await.0, ["a/good"]);
    fixture.store.update("/registry/configmaps/a/good", "[]".into(), 2).await.unwrap();
    assert!(cache.is_empty());
    assert_eq!(cache.stats().undecodable, 2);
}

#[tokio::test]
async fn a_projection_that_fails_hides_its_object_only() {
    let fixture = Fixture::new(CacheOptions::default());
    let project: super::Project = Arc::new(|object| {
        assert!(object["metadata"]["name"] != "bad", "this panic is part of the test");
        Projection::default()
    });
    let cache = fixture.caches.resource(&ResourceSpec { prefix: PREFIX.to_owned(), project }).await.unwrap();
    fixture.put("a/bad", "web").await;
    fixture.put("a/good", "web").await;
    assert_eq!(paths(&cache, At::Latest, ListOptions::default()).await, (vec!["a/good".into()], 2));
}

#[tokio::test]
async fn a_stopped_cache_ends_its_watchers_and_can_be_loaded_again() {
    let fixture = Fixture::new(CacheOptions::default());
    let cache = fixture.cache().await;
    let mut watcher = watch(&cache, WatchStart::Initial, Scope::All, None).await.watcher;
    let waiting = tokio::spawn(async move { watcher.next().await.map(|_| ()) });
    tokio::task::yield_now().await;
    fixture.caches.stop(PREFIX);
    assert!(matches!(waiting.await.unwrap(), Err(CacheError::Stopped { .. })));
    fixture.put("a/1", "web").await;
    assert_eq!(fixture.cache().await.len(), 1);
}

/// Writers, deleters, late loading, watchers that come and go: each watcher's state equals the list in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_watchers_have_no_gap_and_no_duplicate() {
    let store = Arc::new(MemoryStore::new(MemoryOptions { history_events: 100_000, ..Default::default() }));
    let caches = Arc::new(WatchCache::new(Arc::clone(&store) as Arc<dyn Store>, CacheOptions::default()));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..400usize {
                    let key = format!("{PREFIX}n{}/o{}", writer % 2, round % 7);
                    let current = store.get(&key).await.unwrap().kv;
                    let app = if round % 3 == 0 { "web" } else { "db" };
                    let _lost_races_are_fine = match current {
                        None => store.create(&key, body("o", app)).await,
                        Some(kv) if round % 5 == 0 => store.delete(&key, kv.mod_revision).await,
                        Some(kv) => store.update(&key, body("o", app), kv.mod_revision).await,
                    };
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let watchers: Vec<_> = (0..16)
        .map(|index| {
            let caches = Arc::clone(&caches);
            tokio::spawn(async move {
                let cache = caches.resource(&spec()).await.unwrap();
                let filter = (index % 2 == 0).then(|| app_is("web"));
                let scope = if index % 3 == 0 { Scope::Namespace("n1".into()) } else { Scope::All };
                let Watch { initial, revision, mut watcher } =
                    cache.watch(WatchStart::Initial, &scope, filter.clone()).await.unwrap();
                let mut state: BTreeMap<String, Revision> =
                    initial.iter().map(|entry| (entry.path().to_owned(), entry.revision())).collect();
                let mut last = revision;
                let mut reconnects = 0;
                while let Ok(deliveries) = tokio::time::timeout(Duration::from_millis(400), watcher.next()).await {
                    for delivery in deliveries.unwrap() {
                        assert!(delivery.revision() > last, "revisions grow");
                        last = delivery.revision();
                        let path = delivery.object().path().to_owned();
                        let known = state.contains_key(&path);
                        match delivery.kind() {
                            WatchEventKind::Added => assert!(!known, "added what was known"),
                            WatchEventKind::Modified | WatchEventKind::Deleted => {
                                assert!(known, "changed the unknown")
                            }
                        }
                        if delivery.kind() == WatchEventKind::Deleted {
                            state.remove(&path);
                        } else {
                            state.insert(path, last);
                        }
                    }
                    reconnects += 1;
                    if reconnects % 20 == 0 {
                        watcher = cache.watch(WatchStart::After(last), &scope, filter.clone()).await.unwrap().watcher;
                    }
                }
                (scope, filter, state)
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for watcher in watchers {
        let (scope, filter, state) = watcher.await.unwrap();
        let cache = caches.resource(&spec()).await.unwrap();
        let namespace = match &scope {
            Scope::Namespace(namespace) => Some(namespace.as_str()),
            _ => None,
        };
        let options = ListOptions { namespace, filter: filter.as_deref(), ..Default::default() };
        let list = cache.list(At::Latest, options).await.unwrap();
        let list: BTreeMap<_, _> =
            list.entries.iter().map(|entry| (entry.path().to_owned(), entry.revision())).collect();
        assert_eq!(state, list);
    }
}
