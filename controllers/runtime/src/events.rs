//! Kubernetes events about objects, written in the background.
//!
//! Like client-go's recorder, equal events of one object become one Event with a count, a burst of events about one object
//! is thinned out, and recording never delays or fails the caller: the queue is bounded, and what does not fit is counted
//! as dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use prometheus::IntCounterVec;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::chain;
use crate::mapper::Resource;
use crate::patcher::{PatchKind, Patcher};

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// Something went as it should.
    Normal,
    /// Something needs a look.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

struct Entry {
    object: ObjectReference,
    kind: EventType,
    reason: &'static str,
    message: String,
}

/// Records events; clones share the queue.
#[derive(Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Entry>,
}

static DROPPED: LazyLock<IntCounterVec> =
    LazyLock::new(|| crate::metrics::counter("karmada_events_dropped_total", "Events that were not written", &["why"]));

/// As many events as a full batch of reconciles may produce while the API server is busy.
const QUEUE: usize = 8192;
/// Writes a second, sustained and in a burst: enough for what a person reads, little against what a server can do. Upstream's
/// components share 40 requests a second with their events.
const WRITES_PER_SECOND: f64 = 100.0;
const WRITE_BURST: f64 = 200.0;
/// Distinct events remembered for counting, as client-go's cache.
const REMEMBERED: usize = 4096;
/// client-go's spam filter: a burst of 25 events an object, then one in five minutes.
const BURST: f64 = 25.0;
const REFILL_PER_SECOND: f64 = 1.0 / 300.0;

impl Recorder {
    /// Starts the writer. `component` is the event's source.
    pub fn start(client: kube::Client, component: &'static str, shutdown: CancellationToken) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer {
            patcher: Patcher::new(client, component),
            component,
            known: HashMap::new(),
            buckets: HashMap::new(),
        };
        tokio::spawn(writer.run(receiver, shutdown));
        Self { sender }
    }

    /// Records an event about an object.
    pub fn event(&self, object: ObjectReference, kind: EventType, reason: &'static str, message: impl Into<String>) {
        if self.sender.try_send(Entry { object, kind, reason, message: message.into() }).is_err() {
            DROPPED.with_label_values(&["queue_full"]).inc();
        }
    }

    /// Records an event about an unstructured object.
    pub fn event_on(&self, object: &Value, kind: EventType, reason: &'static str, message: impl Into<String>) {
        self.event(reference(object), kind, reason, message);
    }
}

/// The reference to an unstructured object.
pub fn reference(object: &Value) -> ObjectReference {
    let text = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_owned);
    let metadata = object.get("metadata");
    let meta = |field: &str| text(metadata.and_then(|m| m.get(field)));
    ObjectReference {
        api_version: text(object.get("apiVersion")),
        kind: text(object.get("kind")),
        namespace: meta("namespace"),
        name: meta("name"),
        uid: meta("uid"),
        resource_version: meta("resourceVersion"),
        field_path: None,
    }
}

/// The reference to a typed object.
pub fn reference_typed<K: kube::Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    kube::Resource::object_ref(object, &())
}

#[derive(PartialEq, Eq, Hash)]
struct Identity {
    object: (String, String, String, String),
    kind: EventType,
    reason: &'static str,
    message: String,
}

struct Known {
    namespace: String,
    name: String,
    count: i64,
    last: Instant,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

struct Writer {
    patcher: Patcher,
    component: &'static str,
    known: HashMap<Arc<Identity>, Known>,
    buckets: HashMap<(String, String, String, String), Bucket>,
}

/// Events that wait to be written: equal ones are one entry with a count, in the order of their first occurrence.
#[derive(Default)]
struct Pending {
    order: VecDeque<Arc<Identity>>,
    entries: HashMap<Arc<Identity>, (ObjectReference, i64)>,
}

impl Pending {
    fn add(&mut self, entry: Entry) {
        let Entry { object, kind, reason, message } = entry;
        let field = |f: &Option<String>| f.clone().unwrap_or_default();
        let about = (field(&object.kind), field(&object.namespace), field(&object.name), field(&object.uid));
        let identity = Arc::new(Identity { object: about, kind, reason, message });
        match self.entries.get_mut(&identity) {
            Some((_, count)) => *count += 1,
            None => {
                self.order.push_back(Arc::clone(&identity));
                self.entries.insert(identity, (object, 1));
            }
        }
    }

    fn pop(&mut self) -> Option<(Arc<Identity>, ObjectReference, i64)> {
        let identity = self.order.pop_front()?;
        let (object, count) = self.entries.remove(&identity)?;
        Some((identity, object, count))
    }
}

impl Writer {
    /// Takes in everything at once and writes it at a bounded rate, so that a burst of events never takes the API server
    /// away from the work that the events are about.
    async fn run(mut self, mut receiver: mpsc::Receiver<Entry>, shutdown: CancellationToken) {
        let mut pending = Pending::default();
        let mut tokens = WRITE_BURST;
        let mut refilled = Instant::now();
        loop {
            let now = Instant::now();
            tokens = (tokens + now.duration_since(refilled).as_secs_f64() * WRITES_PER_SECOND).min(WRITE_BURST);
            refilled = now;
            if tokens >= 1.0
                && let Some((identity, object, count)) = pending.pop()
            {
                tokens -= 1.0;
                self.write(identity, object, count).await;
            }
            while let Ok(entry) = receiver.try_recv() {
                if pending.order.len() < QUEUE {
                    pending.add(entry);
                } else {
                    DROPPED.with_label_values(&["queue_full"]).inc();
                }
            }
            if !pending.order.is_empty() && tokens >= 1.0 {
                continue;
            }
            let refill = Duration::from_secs_f64((1.0 - tokens).max(0.0) / WRITES_PER_SECOND);
            tokio::select! {
                () = shutdown.cancelled() => return,
                entry = receiver.recv() => match entry {
                    Some(entry) => pending.add(entry),
                    None => return,
                },
                () = tokio::time::sleep(refill), if !pending.order.is_empty() => {}
            }
        }
    }

    fn admit(&mut self, object: &(String, String, String, String)) -> bool {
        let now = Instant::now();
        if self.buckets.len() > REMEMBERED {
            self.buckets.retain(|_, b| now.duration_since(b.at) < Duration::from_secs(600));
            if self.buckets.len() > REMEMBERED {
                self.buckets.clear();
            }
        }
        let bucket = self.buckets.entry(object.clone()).or_insert(Bucket { tokens: BURST, at: now });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * REFILL_PER_SECOND).min(BURST);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    async fn write(&mut self, identity: Arc<Identity>, object: ObjectReference, count: i64) {
        let field = |f: &Option<String>| f.clone().unwrap_or_default();
        if !self.admit(&identity.object) {
            DROPPED.with_label_values(&["spam_filter"]).inc();
            return;
        }
        let now = Timestamp::now();
        let stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let resource = events_resource();
        if let Some(known) = self.known.get_mut(&identity) {
            known.count += count;
            known.last = Instant::now();
            let patch = json!({"count": known.count, "lastTimestamp": stamp});
            match self.patcher.patch(&resource, &known.namespace, &known.name, "", PatchKind::Merge, &patch).await {
                Ok(_) => return,
                Err(error) if error.is_not_found() => {
                    self.known.remove(&identity);
                }
                Err(error) => {
                    DROPPED.with_label_values(&["write_failed"]).inc();
                    tracing::debug!(error = chain(&error), "count an event");
                    return;
                }
            }
        }
        let namespace = object.namespace.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned());
        let name = format!("{}.{:x}", field(&object.name), now.as_nanosecond());
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": object,
            "type": identity.kind.as_str(),
            "reason": identity.reason,
            "message": identity.message,
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "reportingInstance": "",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": count,
        });
        match self.patcher.create(&resource, &namespace, &event).await {
            Ok(_) => {
                if self.known.len() >= REMEMBERED {
                    let horizon = Duration::from_secs(600);
                    self.known.retain(|_, k| k.last.elapsed() < horizon);
                    if self.known.len() >= REMEMBERED {
                        self.known.clear();
                    }
                }
                self.known.insert(identity, Known { namespace, name, count, last: Instant::now() });
            }
            Err(error) => {
                DROPPED.with_label_values(&["write_failed"]).inc();
                tracing::debug!(error = chain(&error), reason = identity.reason, "write an event");
            }
        }
    }
}

fn events_resource() -> Resource {
    Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
        namespaced: true,
    }
}
