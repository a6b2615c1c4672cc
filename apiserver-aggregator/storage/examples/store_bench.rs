//! Measures durable creates of 1 KB on the embedded store: `store_bench [folder] [writers] [seconds]`.
#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use karmada_storage::{
    EmbeddedOptions, EmbeddedStore, Store,
    cache::{CacheOptions, Projection, ResourceSpec, WatchCache},
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let writers: Vec<usize> = match arguments.next() {
        Some(writers) => vec![writers.parse()?],
        None => vec![1, 16, 64, 256],
    };
    let seconds = arguments.next().map_or(Ok(3), |seconds| seconds.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for writers in writers {
        for cached in [false, true] {
            let folder = tempfile::tempdir_in(&parent)?;
            runtime.block_on(measure(folder.path(), writers, Duration::from_secs(seconds), cached))?;
        }
    }
    Ok(())
}

async fn measure(folder: &std::path::Path, writers: usize, time: Duration, cached: bool) -> anyhow::Result<()> {
    let store = Arc::new(EmbeddedStore::open(folder, EmbeddedOptions::default())?);
    let caches = WatchCache::new(Arc::clone(&store) as Arc<dyn Store>, CacheOptions::default());
    if cached {
        let project = Arc::new(|object: &serde_json::Value| Projection::of(object, &[]));
        caches.resource(&ResourceSpec { prefix: "/registry/configmaps/".to_owned(), project }).await?;
    }
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (store, next) = (Arc::clone(&store), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < time {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let name = format!("bench-{:016x}", index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                    let data = "x".repeat(1_000);
                    let value =
                        format!(r#"{{"data":{{"k":"{data}"}},"kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#);
                    let begun = Instant::now();
                    store.create(&format!("/registry/configmaps/default/{name}"), value.into()).await?;
                    times.push(begun.elapsed());
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let quantile = |q: f64| times.get((times.len() as f64 * q) as usize).copied().unwrap_or_default();
    let stats = store.stats();
    println!(
        "{writers:>4} writers{}: {:>7.0} creates/s, P50 {:?}, P99 {:?}, {:.1} writes per batch, commit {:.2} ms",
        if cached { " with watch cache" } else { "" },
        times.len() as f64 / elapsed,
        quantile(0.5),
        quantile(0.99),
        stats.writes as f64 / stats.batches.max(1) as f64,
        stats.commit_micros as f64 / stats.batches.max(1) as f64 / 1_000.0,
    );
    store.close().await;
    Ok(())
}
