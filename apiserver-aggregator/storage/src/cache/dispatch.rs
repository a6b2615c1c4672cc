//! One subscription to the store, demultiplexed to the caches of the resources.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use tokio::sync::{Notify, OnceCell};

use super::{
    CacheError,
    resource::{ResourceCache, ResourceSpec, ResourceStats},
};
use crate::{Event, Revision, Store, WatchSink};

/// Limits of the caches.
#[derive(Clone, Copy, Debug)]
pub struct CacheOptions {
    /// A resource keeps at least so many recent events.
    pub min_events: usize,
    /// A resource keeps at most so many recent events.
    pub max_events: usize,
    /// A resource's recent events take at most about so many bytes.
    pub max_event_bytes: usize,
    /// Between the two bounds, events are kept for so long.
    pub keep_events: Duration,
    /// How long a read waits for a revision that the cache has not reached.
    pub wait: Duration,
    /// Objects per read when a cache is loaded.
    pub load_page: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            min_events: 128,
            // 64 writers at 4,000/s fill this in 16 s: time enough for a watcher that was held up.
            max_events: 65_536,
            max_event_bytes: 48 << 20,
            // kube-apiserver's: a client that reconnects after a minute continues.
            keep_events: Duration::from_secs(75),
            // kube-apiserver's limit for "too large resource version".
            wait: Duration::from_secs(3),
            load_page: 1_000,
        }
    }
}

impl CacheOptions {
    /// For one of a thousand simulated members in a process.
    #[must_use]
    pub fn small() -> Self {
        Self {
            min_events: 16,
            max_events: 2_048,
            max_event_bytes: 2 << 20,
            keep_events: Duration::from_secs(30),
            ..Self::default()
        }
    }
}

/// Figures of all caches.
#[derive(Clone, Debug, Default)]
pub struct CacheStats {
    /// Each resource that has a cache.
    pub resources: Vec<ResourceStats>,
    /// The revision up to which all caches have seen every write.
    pub revision: Revision,
}

/// What the caches of one store share.
pub(super) struct Shared {
    pub(super) options: CacheOptions,
    started: Instant,
    published: AtomicU64,
    advanced: Notify,
    caches: RwLock<HashMap<Box<str>, Arc<ResourceCache>>>,
}

impl Shared {
    pub(super) fn revision(&self) -> Revision {
        self.published.load(Ordering::Acquire)
    }

    /// Seconds since the start.
    pub(super) fn second(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Waits until every write up to `revision` has been seen; returns whether it was in time.
    pub(super) async fn wait_until(&self, revision: Revision, limit: Duration) -> bool {
        if self.revision() >= revision {
            return true;
        }
        let wait = async {
            loop {
                let mut advanced = std::pin::pin!(self.advanced.notified());
                advanced.as_mut().enable();
                if self.revision() >= revision {
                    return;
                }
                advanced.await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// The cache whose prefix `key` has: a few lookups, as keys have few segments.
    fn cache_of<'a>(caches: &'a HashMap<Box<str>, Arc<ResourceCache>>, key: &str) -> Option<&'a Arc<ResourceCache>> {
        key.match_indices('/').find_map(|(slash, _)| caches.get(&key[..=slash]))
    }

    fn trim(&self) {
        let second = self.second();
        let caches: Vec<_> = self.caches.read().values().cloned().collect();
        for cache in caches {
            cache.trim(second);
        }
    }
}

impl WatchSink for Shared {
    fn publish(&self, events: &[Event], revision: Revision) {
        let caches = self.caches.read();
        let mut rest = events;
        while let Some(first) = rest.first() {
            let Some(cache) = Self::cache_of(&caches, &first.key) else {
                rest = &rest[1..];
                continue;
            };
            let run = rest.iter().take_while(|event| event.key.starts_with(cache.prefix())).count();
            let (run, tail) = rest.split_at(run);
            cache.apply(run);
            rest = tail;
        }
        drop(caches);
        self.published.fetch_max(revision, Ordering::AcqRel);
        self.advanced.notify_waiters();
    }

    fn reset(&self, revision: Revision) {
        let caches = std::mem::take(&mut *self.caches.write());
        for cache in caches.values() {
            cache.stop();
        }
        self.published.fetch_max(revision, Ordering::AcqRel);
        self.advanced.notify_waiters();
    }
}

/// The watch caches of one store.
pub struct WatchCache {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    attached: OnceCell<()>,
}

impl WatchCache {
    /// Caches over `store`; nothing is read before it is asked for.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, options: CacheOptions) -> Self {
        Self {
            store,
            shared: Arc::new(Shared {
                options,
                started: Instant::now(),
                published: AtomicU64::new(0),
                advanced: Notify::new(),
                caches: RwLock::new(HashMap::new()),
            }),
            attached: OnceCell::new(),
        }
    }

    /// The store underneath.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The cache of a resource, loaded from the store when it is first asked for. `spec` counts only then.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn resource(&self, spec: &ResourceSpec) -> Result<Arc<ResourceCache>, CacheError> {
        if let Some(cache) = self.started(&spec.prefix) {
            return Ok(cache);
        }
        self.attached.get_or_try_init(|| self.attach()).await?;
        let cache = {
            let mut caches = self.shared.caches.write();
            let cache = caches.entry(spec.prefix.as_str().into()).or_insert_with(|| {
                Arc::new(ResourceCache::new(spec, Arc::clone(&self.store), Arc::clone(&self.shared)))
            });
            Arc::clone(cache)
        };
        // Loading goes on when the caller goes away: a half loaded cache would collect events for ever.
        let loading = Arc::clone(&cache);
        let shared = Arc::clone(&self.shared);
        let loaded = tokio::spawn(async move {
            let result = loading.load().await;
            if result.is_err() {
                let mut caches = shared.caches.write();
                if caches.get(loading.prefix()).is_some_and(|current| Arc::ptr_eq(current, &loading)) {
                    caches.remove(loading.prefix());
                }
            }
            result
        })
        .await;
        match loaded {
            Ok(result) => result.map(|()| cache),
            Err(_) => Err(CacheError::Stopped { prefix: spec.prefix.as_str().into() }),
        }
    }

    /// The cache of a resource, if it has been loaded.
    #[must_use]
    pub fn started(&self, prefix: &str) -> Option<Arc<ResourceCache>> {
        self.shared.caches.read().get(prefix).filter(|cache| cache.is_loaded()).cloned()
    }

    /// Stops the cache of a resource that is no longer served; its watchers end.
    pub fn stop(&self, prefix: &str) {
        let cache = self.shared.caches.write().remove(prefix);
        if let Some(cache) = cache {
            cache.stop();
        }
    }

    /// The revision up to which all caches have seen every write.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.shared.revision()
    }

    /// Drops recent events that are no longer needed. Done every minute by itself once a cache is in use.
    pub fn trim(&self) {
        self.shared.trim();
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let mut resources: Vec<_> = self.shared.caches.read().values().map(|cache| cache.stats()).collect();
        resources.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        CacheStats { resources, revision: self.revision() }
    }

    async fn attach(&self) -> Result<(), CacheError> {
        let sink: Weak<Shared> = Arc::downgrade(&self.shared);
        let revision = self.store.attach(sink.clone()).await?;
        self.shared.published.fetch_max(revision, Ordering::AcqRel);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(60)).await;
                match sink.upgrade() {
                    Some(shared) => shared.trim(),
                    None => return,
                }
            }
        });
        Ok(())
    }
}

impl Drop for WatchCache {
    fn drop(&mut self) {
        // Caches hold the shared part and the shared part holds the caches: whoever still has a watcher keeps only his.
        self.shared.reset(0);
    }
}
