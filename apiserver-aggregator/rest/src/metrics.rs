//! Figures with kube-apiserver's names.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::call::Call;

/// Seconds; kube-apiserver's buckets, thinned.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The server's figures. All labels are closed sets: verbs, codes, and the resources that are served.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGaugeVec,
    dropped: IntCounterVec,
    watchers: IntGaugeVec,
    watch_events: IntCounterVec,
}

/// Counts something as long as it lives.
pub(crate) struct Counted(IntGauge);

impl Counted {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One request that is being counted.
pub(crate) struct Observed {
    requests: IntCounterVec,
    duration: Option<Histogram>,
    verb: &'static str,
    group: String,
    version: String,
    resource: String,
    subresource: String,
}

impl Observed {
    pub(crate) fn done(self, code: u16, elapsed: Duration) {
        self.requests
            .with_label_values(&[
                self.verb,
                self.group.as_str(),
                self.version.as_str(),
                self.resource.as_str(),
                self.subresource.as_str(),
                code.to_string().as_str(),
            ])
            .inc();
        if let Some(duration) = self.duration {
            duration.observe(elapsed.as_secs_f64());
        }
    }
}

/// Makes a collector; falls back to one that nobody reads when the arguments were bad, which a test would show.
fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    if let Err(error) = registry.register(Box::new(collector.clone())) {
        tracing::warn!(%error, "register a metric");
    }
    collector
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let resource = ["verb", "group", "version", "resource", "subresource"];
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("the names of metrics and labels are valid")
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(name, help), labels).expect("the names of metrics and labels are valid")
        };
        Self {
            requests: register(
                registry,
                counter(
                    "apiserver_request_total",
                    "Requests by verb, resource and code.",
                    &["verb", "group", "version", "resource", "subresource", "code"],
                ),
            ),
            durations: register(
                registry,
                HistogramVec::new(
                    HistogramOpts::new("apiserver_request_duration_seconds", "Time from arrival to answer.")
                        .buckets(BUCKETS.to_vec()),
                    &resource,
                )
                .expect("the names of metrics and labels are valid"),
            ),
            in_flight: register(
                registry,
                gauge("apiserver_current_inflight_requests", "Requests being worked on.", &["request_kind"]),
            ),
            dropped: register(
                registry,
                counter("apiserver_dropped_requests_total", "Requests answered 429.", &["request_kind"]),
            ),
            watchers: register(
                registry,
                gauge("apiserver_longrunning_requests", "Open watches.", &["verb", "group", "version", "resource"]),
            ),
            watch_events: register(
                registry,
                counter("apiserver_watch_events_total", "Events sent to watchers.", &["group", "version", "resource"]),
            ),
        }
    }

    pub(crate) fn observed(&self, call: &Call) -> Observed {
        let info = &call.info;
        // Only what is served becomes a label: a client cannot make new series.
        let known = call.served.is_some();
        let label = |text: &String| if known { text.clone() } else { String::new() };
        let subresource = match &call.served {
            Some(served) if served.info.subresource(&info.subresource).is_some() => info.subresource.clone(),
            _ => String::new(),
        };
        let verb = if info.verb.is_empty() { "unknown" } else { info.verb };
        let (group, version, resource) = (label(&info.group), label(&info.version), label(&info.resource));
        let duration = (!info.long_running())
            .then(|| self.durations.with_label_values(&[verb, &group, &version, &resource, &subresource]));
        Observed { requests: self.requests.clone(), duration, verb, group, version, resource, subresource }
    }

    pub(crate) fn in_flight(&self, mutating: bool) -> Counted {
        Counted::new(self.in_flight.with_label_values(&[kind(mutating)]))
    }

    pub(crate) fn dropped(&self, mutating: bool) {
        self.dropped.with_label_values(&[kind(mutating)]).inc();
    }

    /// Counts an open watch, and gives the counter of its events.
    pub(crate) fn watch(&self, group: &str, version: &str, resource: &str) -> (Counted, prometheus::IntCounter) {
        let counted = Counted::new(self.watchers.with_label_values(&["WATCH", group, version, resource]));
        (counted, self.watch_events.with_label_values(&[group, version, resource]))
    }
}

fn kind(mutating: bool) -> &'static str {
    if mutating { "mutating" } else { "readOnly" }
}
