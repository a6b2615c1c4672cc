//! Measures opening, loading, listing and watching: `cache_bench [folder] [objects] [watchers]`.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use karmada_storage::{
    EmbeddedOptions, EmbeddedStore, Store,
    cache::{At, CacheOptions, ListOptions, Projection, ResourceSpec, Scope, WatchCache, WatchStart},
};

const PREFIX: &str = "/registry/configmaps/";

/// Resident memory in MiB.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4_096.0 / f64::from(1 << 20)
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let objects: usize = arguments.next().map_or(Ok(100_000), |objects| objects.parse())?;
    let watchers: usize = arguments.next().map_or(Ok(10_000), |watchers| watchers.parse())?;
    let folder = tempfile::tempdir_in(&parent)?;
    if let Some(fill) = std::env::var_os("FILL") {
        return tokio::runtime::Runtime::new()?.block_on(fill_folder(fill.as_ref(), objects));
    }
    // Another process fills the folder, so that its memory is not counted.
    let status = std::process::Command::new(std::env::current_exe()?)
        .args([parent.as_os_str(), objects.to_string().as_ref()])
        .env("FILL", folder.path())
        .status()?;
    anyhow::ensure!(status.success(), "fill the folder");
    tokio::runtime::Runtime::new()?.block_on(measure(folder.path(), watchers))
}

async fn fill_folder(folder: &std::path::Path, objects: usize) -> anyhow::Result<()> {
    let store = Arc::new(EmbeddedStore::open(folder, EmbeddedOptions::default())?);
    let mut tasks = Vec::new();
    for writer in 0..256 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            for index in (writer..objects).step_by(256) {
                put(&*store, index).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn put(store: &dyn Store, index: usize) -> anyhow::Result<u64> {
    let data = "x".repeat(1_000);
    let namespace = index % 100;
    let value = format!(
        r#"{{"apiVersion":"v1","data":{{"k":"{data}"}},"kind":"ConfigMap","metadata":{{"creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"a{namespace}"}},"name":"c{index}","namespace":"n{namespace}","uid":"00000000-0000-0000-0000-{index:012}"}}}}"#
    );
    Ok(store.create(&format!("{PREFIX}n{namespace}/c{index}"), value.into()).await?)
}

async fn measure(folder: &std::path::Path, watchers: usize) -> anyhow::Result<()> {
    let before = resident();
    let started = Instant::now();
    let store = Arc::new(EmbeddedStore::open(folder, EmbeddedOptions::default())?);
    let stats = store.stats();
    println!("open {} keys ({:.0} MiB): {:?}", stats.keys, stats.stored_bytes as f64 / 1048576.0, started.elapsed());
    println!("resident {:.1} MiB more", resident() - before);
    let caches = WatchCache::new(Arc::clone(&store) as Arc<dyn Store>, CacheOptions::default());
    let started = Instant::now();
    let project = Arc::new(|object: &serde_json::Value| Projection::of(object, &[]));
    let cache = caches.resource(&ResourceSpec { prefix: PREFIX.to_owned(), project }).await?;
    println!("load the cache: {:?}, resident {:.1} MiB more", started.elapsed(), resident() - before);
    for _ in 0..3 {
        let started = Instant::now();
        let list = cache.list(At::Latest, ListOptions::default()).await?;
        let bytes: usize = list.entries.iter().map(|entry| entry.bytes().len()).sum();
        println!("list {} objects, {:.1} MB: {:?}", list.entries.len(), bytes as f64 / 1e6, started.elapsed());
    }
    let before = resident();
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::new(Mutex::new(Instant::now()));
    for index in 0..watchers {
        let scope = if index % 2 == 0 { Scope::Namespace(format!("n{}", index % 100)) } else { Scope::All };
        let mut watcher = cache.watch(WatchStart::After(cache.revision()), &scope, None).await?.watcher;
        let (latencies, sent) = (Arc::clone(&latencies), Arc::clone(&sent));
        tokio::spawn(async move {
            while let Ok(events) = watcher.next().await {
                let frame = events.last().map(|event| event.frame());
                let latency = sent.lock().map(|sent| sent.elapsed()).unwrap_or_default();
                if let (Ok(mut latencies), Some(_)) = (latencies.lock(), frame) {
                    latencies.push(latency);
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("{watchers} watchers: resident {:.1} MiB more", resident() - before);
    for round in 0..3 {
        if let Ok(mut sent) = sent.lock() {
            *sent = Instant::now();
        }
        put(&*store, 10_000_001 + round).await?;
        let committed = sent.lock().map(|sent| sent.elapsed()).unwrap_or_default();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut latencies = latencies.lock().map(|mut latencies| std::mem::take(&mut *latencies)).unwrap_or_default();
        latencies.sort_unstable();
        println!(
            "one write, acknowledged after {committed:?}: {} watchers told, P50 {:?}, last {:?}",
            latencies.len(),
            latencies.get(latencies.len() / 2),
            latencies.last(),
        );
    }
    store.close().await;
    Ok(())
}
