//! Metrics shared by all components of a process, in one registry, with controller-runtime's names.

use std::sync::LazyLock;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// The registry of this process. Components register their own metrics here.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// Registers a counter by labels; a second registration of the same name returns a fresh, unregistered one.
pub fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let metric = IntCounterVec::new(Opts::new(name, help), labels).expect("metric names are constants");
    let _already_registered = REGISTRY.register(Box::new(metric.clone()));
    metric
}

/// Registers a gauge by labels.
pub fn gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let metric = IntGaugeVec::new(Opts::new(name, help), labels).expect("metric names are constants");
    let _already_registered = REGISTRY.register(Box::new(metric.clone()));
    metric
}

/// Registers a histogram by labels; buckets in seconds.
pub fn histogram(name: &str, help: &str, labels: &[&str], buckets: Vec<f64>) -> HistogramVec {
    let metric =
        HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels).expect("metric names are constants");
    let _already_registered = REGISTRY.register(Box::new(metric.clone()));
    metric
}

/// `count` bucket bounds from `start`, each `factor` times the one before.
pub fn exponential(start: f64, factor: f64, count: usize) -> Vec<f64> {
    prometheus::exponential_buckets(start, factor, count).expect("bucket parameters are constants")
}

/// The metrics in Prometheus' text format.
pub fn render() -> String {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&REGISTRY.gather(), &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("# {error}\n"),
    }
}

static DEPTH: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("workqueue_depth", "Current depth of workqueue", &["name", "controller"]));
static ADDS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("workqueue_adds_total", "Total number of adds handled by workqueue", &["name", "controller"])
});
static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("workqueue_retries_total", "Total number of retries handled by workqueue", &["name", "controller"])
});
static QUEUE_DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "workqueue_queue_duration_seconds",
        "How long in seconds an item stays in workqueue before being requested",
        &["name", "controller"],
        exponential(1e-8, 10.0, 12),
    )
});
static WORK_DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "workqueue_work_duration_seconds",
        "How long in seconds processing an item from workqueue takes.",
        &["name", "controller"],
        exponential(1e-8, 10.0, 12),
    )
});
static RECONCILE_TOTAL: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "controller_runtime_reconcile_total",
        "Total number of reconciliations per controller",
        &["controller", "result"],
    )
});
static RECONCILE_ERRORS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "controller_runtime_reconcile_errors_total",
        "Total number of reconciliation errors per controller",
        &["controller", "category"],
    )
});
static ACTIVE_WORKERS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("controller_runtime_active_workers", "Number of currently used workers per controller", &["controller"])
});

/// The metrics of one queue.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    pub(crate) depth: IntGauge,
    pub(crate) adds: IntCounter,
    pub(crate) retries: IntCounter,
    pub(crate) queue_duration: prometheus::Histogram,
}

impl QueueMetrics {
    pub(crate) fn new(name: &str) -> Self {
        let labels = [name, name];
        Self {
            depth: DEPTH.with_label_values(&labels),
            adds: ADDS.with_label_values(&labels),
            retries: RETRIES.with_label_values(&labels),
            queue_duration: QUEUE_DURATION.with_label_values(&labels),
        }
    }
}

/// The metrics of one controller's workers.
#[derive(Clone, Debug)]
pub struct ControllerMetrics {
    name: &'static str,
    pub(crate) work_duration: prometheus::Histogram,
    pub(crate) active: IntGauge,
}

impl ControllerMetrics {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            work_duration: WORK_DURATION.with_label_values(&[name, name]),
            active: ACTIVE_WORKERS.with_label_values(&[name]),
        }
    }

    /// Counts a finished reconcile; `result` is one of success, error, requeue, requeue_after.
    pub(crate) fn finished(&self, result: &'static str) {
        RECONCILE_TOTAL.with_label_values(&[self.name, result]).inc();
    }

    /// Counts an error by its category.
    pub(crate) fn failed(&self, category: &'static str) {
        RECONCILE_ERRORS.with_label_values(&[self.name, category]).inc();
    }
}
