//! Figures of a store and its caches for Prometheus.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

use crate::{Store, cache::WatchCache};

/// Exposes a store and its caches; register it once per server.
///
/// Names that kube-apiserver has are kept (`apiserver_storage_objects`, `apiserver_storage_size_bytes`,
/// `watch_cache_capacity`'s relatives); the label `resource` is the part of the key prefix after `/registry/`, which is
/// a closed set: one per served resource.
pub struct StorageCollector {
    store: Arc<dyn Store>,
    cache: Arc<WatchCache>,
    descriptions: Vec<Desc>,
}

/// Name, help, whether it only grows.
const STORE_METRICS: &[(&str, &str, bool)] = &[
    ("apiserver_storage_size_bytes", "Bytes of the store's data file.", false),
    ("karmada_store_stored_bytes", "Bytes of keys and values, with the history kept.", false),
    ("karmada_store_quota_bytes", "Bytes that may be stored; 0 is no limit.", false),
    ("karmada_store_keys", "Keys that exist now.", false),
    ("karmada_store_revision", "Revision of the last write.", false),
    ("karmada_store_oldest_revision", "Oldest revision that can be read.", false),
    ("karmada_store_queue_depth", "Writes that wait to be committed.", false),
    ("karmada_store_batches_total", "Committed batches of writes.", true),
    ("karmada_store_writes_total", "Committed writes.", true),
    ("karmada_store_failed_writes_total", "Refused or failed writes.", true),
    ("karmada_store_commit_seconds_total", "Time spent in commits.", true),
];

const CACHE_METRICS: &[(&str, &str)] = &[
    ("apiserver_storage_objects", "Objects by resource."),
    ("karmada_watch_cache_object_bytes", "Bytes of cached objects."),
    ("karmada_watch_cache_events", "Recent events kept."),
    ("karmada_watch_cache_event_bytes", "Bytes of recent events kept."),
    ("karmada_watch_cache_watchers", "Watchers."),
    ("karmada_watch_cache_undecodable_total", "Stored values that are no JSON objects."),
];

impl StorageCollector {
    /// A collector over both.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, cache: Arc<WatchCache>) -> Self {
        let describe = |name: &str, help: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, std::collections::HashMap::new()).ok()
        };
        let descriptions = STORE_METRICS
            .iter()
            .filter_map(|(name, help, _)| describe(name, help, &[]))
            .chain(CACHE_METRICS.iter().filter_map(|(name, help)| describe(name, help, &["resource"])))
            .collect();
        Self { store, cache, descriptions }
    }
}

fn family(name: &str, help: &str, counter: bool, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(if counter { MetricType::COUNTER } else { MetricType::GAUGE });
    family.set_metric(metrics);
    family
}

fn metric(resource: Option<&str>, counter: bool, value: f64) -> Metric {
    let mut metric = Metric::default();
    if let Some(resource) = resource {
        let mut label = LabelPair::default();
        label.set_name("resource".to_owned());
        label.set_value(resource.to_owned());
        metric.set_label(vec![label]);
    }
    if counter {
        let mut number = Counter::default();
        number.set_value(value);
        metric.set_counter(number);
    } else {
        let mut number = Gauge::default();
        number.set_value(value);
        metric.set_gauge(number);
    }
    metric
}

impl Collector for StorageCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stats = self.store.stats();
        let values = [
            stats.file_bytes as f64,
            stats.stored_bytes as f64,
            stats.quota_bytes as f64,
            stats.keys as f64,
            stats.revision as f64,
            stats.oldest_revision as f64,
            stats.queue_depth as f64,
            stats.batches as f64,
            stats.writes as f64,
            stats.failed_writes as f64,
            stats.commit_micros as f64 / 1e6,
        ];
        let mut families: Vec<_> = STORE_METRICS
            .iter()
            .zip(values)
            .map(|((name, help, counter), value)| family(name, help, *counter, vec![metric(None, *counter, value)]))
            .collect();
        let resources = self.cache.stats().resources;
        for (index, (name, help)) in CACHE_METRICS.iter().enumerate() {
            let counter = name.ends_with("_total");
            let metrics = resources
                .iter()
                .map(|resource| {
                    let value = [
                        resource.objects as f64,
                        resource.object_bytes as f64,
                        resource.ring_events as f64,
                        resource.ring_bytes as f64,
                        resource.watchers as f64,
                        resource.undecodable as f64,
                    ][index];
                    let label = resource.prefix.trim_start_matches(crate::keys::ROOT).trim_end_matches('/');
                    metric(Some(label), counter, value)
                })
                .collect();
            families.push(family(name, help, counter, metrics));
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        MemoryStore,
        cache::{CacheOptions, Projection, ResourceSpec},
    };

    #[tokio::test]
    async fn figures_are_exposed() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        store.create("/registry/configmaps/default/x", r#"{"metadata":{}}"#.into()).await.unwrap();
        let cache = Arc::new(WatchCache::new(Arc::clone(&store), CacheOptions::default()));
        let project = Arc::new(|object: &serde_json::Value| Projection::of(object, &[]));
        cache.resource(&ResourceSpec { prefix: "/registry/configmaps/".to_owned(), project }).await.unwrap();
        let registry = prometheus::Registry::new();
        registry.register(Box::new(StorageCollector::new(store, cache))).unwrap();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in ["apiserver_storage_objects{resource=\"configmaps\"} 1", "karmada_store_writes_total 1"] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
