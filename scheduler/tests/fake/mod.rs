//! The little of an API server that the scheduler talks to, with faults on demand.
//!
//! It keeps objects of any resource, numbers versions, bumps generations when a spec changes, and serves list, watch,
//! get and merge patch. Faults: every n-th patch of a binding finds that somebody else has just written.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Resource, namespace, name.
type Place = (String, String, String);

#[derive(Default)]
struct Store {
    version: u64,
    objects: BTreeMap<Place, Value>,
    log: Vec<(u64, String, &'static str, Value)>,
}

pub(crate) struct Fake {
    store: Mutex<Store>,
    moved: watch::Sender<u64>,
    pub(crate) patches: AtomicU64,
    pub(crate) events: AtomicU64,
    /// Every so many-th patch of a binding meets a write of somebody else; 0 for never.
    pub(crate) disturb_every: AtomicU64,
    /// Every so many-th patch fails with an internal error; 0 for never.
    pub(crate) fail_every: AtomicU64,
    /// What somebody else then does to the binding.
    pub(crate) disturbance: Mutex<Value>,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            store: Mutex::default(),
            moved: watch::Sender::new(0),
            patches: AtomicU64::new(0),
            events: AtomicU64::new(0),
            disturb_every: AtomicU64::new(0),
            fail_every: AtomicU64::new(0),
            disturbance: Mutex::new(json!({"status": {"noise": 0}})),
        })
    }

    pub(crate) fn client(self: &Arc<Self>) -> kube::Client {
        let router = Router::new().fallback(serve).with_state(Arc::clone(self));
        kube::Client::new(router, "default")
    }

    /// Creates or merges an object, as a user would.
    pub(crate) fn apply(&self, plural: &str, object: Value) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let place = (plural.to_owned(), text("namespace"), text("name"));
        let mut store = self.store.lock();
        let before = store.objects.get(&place).cloned();
        let mut after = before.clone().unwrap_or_else(|| json!({"metadata": {"uid": place.2, "generation": 0}}));
        json_patch::merge(&mut after, &object);
        self.put(&mut store, place, before, after);
    }

    pub(crate) fn delete(&self, plural: &str, namespace: &str, name: &str) {
        let mut store = self.store.lock();
        let place = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        let Some(mut object) = store.objects.remove(&place) else { return };
        store.version += 1;
        let version = store.version;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        store.log.push((version, place.0, "DELETED", object));
        self.moved.send_replace(version);
    }

    pub(crate) fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let place = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.store.lock().objects.get(&place).cloned()
    }

    pub(crate) fn list(&self, plural: &str) -> Vec<Value> {
        let store = self.store.lock();
        store.objects.iter().filter(|(place, _)| place.0 == plural).map(|(_, object)| object.clone()).collect()
    }

    fn put(&self, store: &mut Store, place: Place, before: Option<Value>, mut after: Value) -> Value {
        if let Some(before) = &before {
            let (mut a, mut b) = (before.clone(), after.clone());
            for object in [&mut a, &mut b] {
                object["metadata"]["resourceVersion"] = Value::Null;
                object["metadata"]["generation"] = Value::Null;
            }
            if a == b {
                return before.clone();
            }
        }
        store.version += 1;
        let version = store.version;
        let old = before.as_ref();
        if old.is_none_or(|old| old["spec"] != after["spec"]) {
            let generation = old.and_then(|old| old["metadata"]["generation"].as_i64()).unwrap_or_default();
            after["metadata"]["generation"] = (generation + 1).into();
        }
        after["metadata"]["resourceVersion"] = version.to_string().into();
        store.objects.insert(place.clone(), after.clone());
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        store.log.push((version, place.0, kind, after.clone()));
        self.moved.send_replace(version);
        after
    }

    fn patch(&self, place: Place, subresource: &str, mut patch: Value) -> Result<Value, Box<Response>> {
        let count = self.patches.fetch_add(1, Ordering::SeqCst) + 1;
        let every = self.fail_every.load(Ordering::SeqCst);
        if every > 0 && count.is_multiple_of(every) {
            return Err(Box::new(failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")));
        }
        let mut store = self.store.lock();
        let Some(mut before) = store.objects.get(&place).cloned() else {
            return Err(Box::new(failure(StatusCode::NOT_FOUND, "NotFound")));
        };
        let every = self.disturb_every.load(Ordering::SeqCst);
        if every > 0 && count.is_multiple_of(every) {
            let mut other = before.clone();
            let mut change = self.disturbance.lock().clone();
            if change["status"]["noise"].is_number() {
                change["status"]["noise"] = count.into();
            }
            json_patch::merge(&mut other, &change);
            before = self.put(&mut store, place.clone(), Some(before), other);
        }
        let wanted = &patch["metadata"]["resourceVersion"];
        if wanted.is_string() && *wanted != before["metadata"]["resourceVersion"] {
            return Err(Box::new(failure(StatusCode::CONFLICT, "Conflict")));
        }
        let mut after = before.clone();
        if subresource == "status" {
            json_patch::merge(&mut after["status"], &patch["status"]);
        } else {
            if let Some(patch) = patch.as_object_mut() {
                patch.remove("status");
            }
            json_patch::merge(&mut after, &patch);
        }
        Ok(self.put(&mut store, place, Some(before), after))
    }
}

fn failure(code: StatusCode, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code.as_u16()});
    (code, axum::Json(status)).into_response()
}

async fn serve(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let uri = request.uri().clone();
    let query = uri.query().unwrap_or_default().to_owned();
    let mut parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    parts.drain(..if parts[0] == "api" { 2 } else { 3 });
    let namespace = if parts.len() > 2 && parts[0] == "namespaces" { parts[1].to_owned() } else { String::new() };
    if !namespace.is_empty() {
        parts.drain(..2);
    }
    let plural = parts[0].to_owned();
    let method = request.method().clone();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    if plural == "events" {
        fake.events.fetch_add(1, Ordering::SeqCst);
        return axum::Json(serde_json::from_slice::<Value>(&body).unwrap()).into_response();
    }
    match parts.get(1) {
        Some(name) => {
            let place = (plural, namespace, (*name).to_owned());
            let found = if method == Method::PATCH {
                let patch = serde_json::from_slice(&body).unwrap();
                fake.patch(place, parts.get(2).copied().unwrap_or_default(), patch)
            } else {
                let object = fake.store.lock().objects.get(&place).cloned();
                object.ok_or_else(|| Box::new(failure(StatusCode::NOT_FOUND, "NotFound")))
            };
            found.map_or_else(|response| *response, |object| axum::Json(object).into_response())
        }
        None if query.contains("watch=") => {
            let version = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
            watch_from(fake, plural, version.and_then(|text| text.parse().ok()).unwrap_or_default())
        }
        None => {
            let items = fake.list(&plural);
            let version = fake.store.lock().version.to_string();
            axum::Json(json!({"metadata": {"resourceVersion": version}, "items": items})).into_response()
        }
    }
}

fn watch_from(fake: Arc<Fake>, plural: String, from: u64) -> Response {
    let moved = fake.moved.subscribe();
    let stream = futures::stream::unfold((fake, plural, from, moved), |(fake, plural, from, mut moved)| async move {
        loop {
            moved.borrow_and_update();
            let lines: Vec<String> = {
                let store = fake.store.lock();
                let start = store.log.partition_point(|(version, ..)| *version <= from);
                let news = store.log[start..].iter().filter(|(_, resource, ..)| *resource == plural);
                news.map(|(_, _, kind, object)| format!("{}\n", json!({"type": kind, "object": object}))).collect()
            };
            let next = fake.store.lock().log.last().map_or(from, |(version, ..)| (*version).max(from));
            if !lines.is_empty() {
                let chunk = Bytes::from(lines.concat());
                return Some((Ok::<_, std::io::Error>(chunk), (fake, plural, next, moved)));
            }
            if moved.changed().await.is_err() {
                return None;
            }
        }
    });
    Body::from_stream(stream).into_response()
}
