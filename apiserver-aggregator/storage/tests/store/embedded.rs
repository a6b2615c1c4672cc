//! What the embedded store promises beyond the contract: restarts, one process per folder, clear errors.

use std::{sync::Arc, time::Duration};

use karmada_storage::{
    EmbeddedOptions, EmbeddedStore, ErrorClass, RangeOptions, Store, StoreError,
    cache::{At, CacheOptions, ListOptions, Projection, ResourceSpec, Scope, WatchCache, WatchStart},
};

use crate::contract::{Model, Steps};

fn options() -> EmbeddedOptions {
    EmbeddedOptions { auto_compact: false, ..Default::default() }
}

#[tokio::test]
async fn the_past_survives_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut steps = Steps(11);
    let mut model = Model::new();
    let mut oldest = 0;
    for round in 0..5 {
        let store = EmbeddedStore::open(folder.path(), options()).unwrap();
        assert_eq!(store.stats().revision, round * 60);
        assert_eq!(store.stats().keys, model.states.last().unwrap().len() as u64);
        model.check_reads(&store, oldest, &mut steps).await;
        model.check_watch(&store, "/r/", oldest).await;
        for _ in 0..60 {
            model.step(&store, &mut steps).await;
        }
        if round % 2 == 0 {
            oldest = round * 60 + 40;
            store.compact(oldest).await.unwrap();
        }
    }
}

#[tokio::test]
async fn no_revision_is_used_twice_when_the_last_write_was_a_compacted_deletion() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = EmbeddedStore::open(folder.path(), options()).unwrap();
        store.create("/r/a", "1".into()).await.unwrap();
        store.delete("/r/a", 1).await.unwrap();
        store.compact(2).await.unwrap();
        while store.stats().stored_bytes > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let store = EmbeddedStore::open(folder.path(), options()).unwrap();
    assert_eq!((store.stats().revision, store.stats().oldest_revision), (2, 2));
    assert_eq!(store.create("/r/a", "1".into()).await.unwrap(), 3);
}

#[tokio::test]
async fn history_is_compacted_by_its_limits() {
    for limited in [
        EmbeddedOptions { history_revisions: 50, ..Default::default() },
        EmbeddedOptions { history_bytes: 100_000, ..Default::default() },
        EmbeddedOptions { history_age: Duration::from_secs(1), ..Default::default() },
        EmbeddedOptions { quota_bytes: 300_000, ..Default::default() },
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), limited).unwrap();
        let value = bytes::Bytes::from(vec![b'x'; 1_000]);
        let mut revision = store.create("/r/a", value.clone()).await.unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while store.stats().oldest_revision == 0 {
            match store.update("/r/a", value.clone(), revision).await {
                Ok(next) => revision = next,
                Err(error) => {
                    assert_eq!(error.class(), ErrorClass::Quota);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            assert!(std::time::Instant::now() < until, "nothing is compacted: {:?}", store.stats());
        }
        // What was forgotten makes room.
        loop {
            let stats = store.stats();
            if stats.stored_bytes <= (stats.revision - stats.oldest_revision + 1) * 1_100 {
                break;
            }
            assert!(std::time::Instant::now() < until, "nothing is freed: {:?}", store.stats());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        store.update("/r/a", value.clone(), revision).await.unwrap();
    }
}

#[test]
fn a_folder_belongs_to_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let first = EmbeddedStore::open(folder.path(), options()).unwrap();
    let error = EmbeddedStore::open(folder.path(), options()).err().unwrap();
    assert!(matches!(&error, StoreError::Locked { owner: Some(pid), .. } if *pid == std::process::id()));
    assert!(error.to_string().contains("in use by another process (pid"), "{error}");
    drop(first);
    EmbeddedStore::open(folder.path(), options()).unwrap();
}

#[test]
fn folders_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = EmbeddedStore::open(file.join("data"), options()).err().unwrap();
    assert!(matches!(error, StoreError::Open { .. }) && error.class() == ErrorClass::Fatal);
    assert!(error.to_string().starts_with("open the data folder "), "{error}");
    let data = folder.path().join("data");
    std::fs::create_dir_all(data.join("store.redb")).unwrap();
    assert!(matches!(EmbeddedStore::open(&data, options()).err().unwrap(), StoreError::Open { .. }));
}

async fn filled(folder: &std::path::Path, objects: usize) {
    let store = EmbeddedStore::open(folder, options()).unwrap();
    let value = bytes::Bytes::from(vec![b'x'; 1_000]);
    let creates = (0..objects).map(|index| {
        let (store, value) = (&store, value.clone());
        async move { store.create(&format!("/r/{index:04}"), value).await.unwrap() }
    });
    futures::future::join_all(creates).await;
}

#[tokio::test]
async fn damage_is_found_when_the_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 200).await;
    let file = folder.path().join("store.redb");
    let intact = std::fs::read(&file).unwrap();
    let (mut refused, mut opened) = (0, 0);
    for step in 0..60 {
        let mut damaged = intact.clone();
        let at = step * (damaged.len() / 60);
        let end = (at + 64).min(damaged.len());
        damaged[at..end].iter_mut().for_each(|byte| *byte = !*byte);
        std::fs::write(&file, &damaged).unwrap();
        match EmbeddedStore::open(folder.path(), options()) {
            Err(error) => {
                assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Format { .. }), "{error:?}");
                refused += 1;
            }
            // The damage has hit a free page: nothing may be missing.
            Ok(store) => {
                let all = store.range("/r/", RangeOptions::default()).await.unwrap();
                assert_eq!(all.kvs.len(), 200, "damaged at {at} of {}", damaged.len());
                assert!(all.kvs.iter().all(|kv| kv.value.iter().all(|byte| *byte == b'x')), "damaged at {at}");
                opened += 1;
            }
        }
    }
    assert!(refused > 5, "{refused} refused, {opened} opened");
    for damaged in [&b"not a database at all"[..], &intact[..intact.len() / 2], &intact[..100]] {
        std::fs::write(&file, damaged).unwrap();
        let error = EmbeddedStore::open(folder.path(), options()).err().unwrap();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    }
    std::fs::write(&file, &intact).unwrap();
    EmbeddedStore::open(folder.path(), options()).unwrap();
}

#[tokio::test]
async fn another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1).await;
    {
        let database = redb::Database::open(folder.path().join("store.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        let meta = redb::TableDefinition::<&str, u64>::new("meta");
        transaction.open_table(meta).unwrap().insert("format", 99).unwrap();
        transaction.commit().unwrap();
    }
    let error = EmbeddedStore::open(folder.path(), options()).err().unwrap();
    assert!(matches!(error, StoreError::Format { found: 99, supported: 1, .. }));
}

fn spec() -> ResourceSpec {
    ResourceSpec { prefix: "/registry/configmaps/".to_owned(), project: Arc::new(|object| Projection::of(object, &[])) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_and_lists_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let key = |index: usize| format!("/registry/configmaps/default/o{index}");
    let body = |index: usize| bytes::Bytes::from(format!(r#"{{"metadata":{{"name":"o{index}"}}}}"#));
    let first = {
        let store = Arc::new(EmbeddedStore::open(folder.path(), options()).unwrap());
        let caches = WatchCache::new(Arc::clone(&store) as Arc<dyn Store>, CacheOptions::default());
        let cache = caches.resource(&spec()).await.unwrap();
        for index in 0..10 {
            store.create(&key(index), body(index)).await.unwrap();
            // Whoever has written reads what he has written, without waiting.
            assert!(cache.get(&key(index)).is_some());
        }
        let page = cache.list(At::Latest, ListOptions { limit: 4, ..Default::default() }).await.unwrap();
        assert_eq!((page.revision, page.remaining), (10, Some(6)));
        for index in 10..15 {
            store.create(&key(index), body(index)).await.unwrap();
        }
        store.delete(&key(5), 6).await.unwrap();
        store.close().await;
        page
    };
    let store = Arc::new(EmbeddedStore::open(folder.path(), options()).unwrap());
    let caches = WatchCache::new(Arc::clone(&store) as Arc<dyn Store>, CacheOptions::default());
    let cache = caches.resource(&spec()).await.unwrap();
    // The second page, which the client asks for with the token of the first.
    let after = first.entries.last().unwrap().key().to_string();
    let options = ListOptions { after: Some(&after), ..Default::default() };
    let second = cache.list(At::Exact(first.revision), options).await.unwrap();
    let names: Vec<_> = second.entries.iter().map(|entry| entry.name().to_owned()).collect();
    assert_eq!(names, ["o4", "o5", "o6", "o7", "o8", "o9"]);
    // And the watch that follows it.
    let mut watcher = cache.watch(WatchStart::After(first.revision), &Scope::All, None).await.unwrap().watcher;
    store.create(&key(20), body(20)).await.unwrap();
    let told = watcher.next().await.unwrap();
    let told: Vec<_> =
        told.iter().map(|event| (event.kind().as_str(), event.object().name(), event.revision())).collect();
    assert_eq!(told.len(), 7);
    assert_eq!((told[0], told[5], told[6]), (("ADDED", "o10", 11), ("DELETED", "o5", 16), ("ADDED", "o20", 17)));
}

/// A file system of a few MiB, where the test may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_loses_nothing_and_recovers() {
    // Without the right to mount there is no small disk; the unit test of opening again covers the rest.
    let Some(disk) = SmallDisk::mount() else { return };
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20]).unwrap();
    let data = disk.0.path().join("data");
    let value = bytes::Bytes::from(vec![b'x'; 20_000]);
    let mut acknowledged = Vec::new();
    let store = EmbeddedStore::open(&data, options()).unwrap();
    let mut index = 0;
    let error = loop {
        index += 1;
        match store.create(&format!("/r/{index:04}"), value.clone()).await {
            Ok(revision) => acknowledged.push((index, revision)),
            Err(error) => break error,
        }
        assert!(index < 1_000, "the disk is never full");
    };
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error:?}");
    std::fs::remove_file(&ballast).unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = store.create("/r/after", value.clone()).await {
        assert!(std::time::Instant::now() < until, "{error:?}: {:?}", std::error::Error::source(&error));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..2 {
        for (index, revision) in &acknowledged {
            let kv = store.get(&format!("/r/{index:04}")).await.unwrap().kv.unwrap();
            assert_eq!((kv.mod_revision, kv.value.len()), (*revision, 20_000));
        }
    }
    store.close().await;
    let store = EmbeddedStore::open(&data, options()).unwrap();
    assert!(store.stats().keys > acknowledged.len() as u64);
}

#[tokio::test]
async fn a_file_that_is_mostly_free_is_shrunk_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let size = || std::fs::metadata(folder.path().join("store.redb")).unwrap().len();
    {
        let store = EmbeddedStore::open(folder.path(), options()).unwrap();
        let value = bytes::Bytes::from(vec![b'x'; 1 << 20]);
        let mut revision = store.create("/r/a", value.clone()).await.unwrap();
        for _ in 0..48 {
            revision = store.update("/r/a", value.clone(), revision).await.unwrap();
        }
        store.compact(revision).await.unwrap();
        while store.stats().stored_bytes > 2 << 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let before = size();
    let store = EmbeddedStore::open(folder.path(), options()).unwrap();
    assert!(before > 32 << 20 && size() < before / 2, "{before} -> {}", size());
    assert_eq!(store.get("/r/a").await.unwrap().kv.unwrap().value.len(), 1 << 20);
}
