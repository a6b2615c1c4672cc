//! Informers: a shared list-and-watch of one resource, kept as a map of shared objects, with indexes and handlers.
//!
//! What is kept is a projection: the `decode` function sees the object's JSON text and keeps what the users of the informer
//! need (a typed kind, a [`serde_json::Value`] without managedFields, a few fields). An object that cannot be decoded is
//! skipped and counted, so that one bad object never stops the others.
//!
//! Handlers are called in the order of changes, from one task, after the map has changed; they must be quick (compute a key,
//! add it to a queue). After a broken watch the informer goes on from the last resourceVersion, and lists again only if
//! the server says that it is too old; objects that vanished meanwhile are reported as deleted then.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use futures::{AsyncBufReadExt as _, StreamExt as _};
use http::Request;
use parking_lot::RwLock;
use prometheus::IntCounterVec;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, chain};
use crate::key::ObjectKey;
use crate::mapper::{Resource, ScopeInfo, request_error};
use crate::wire::{ErrorStatus, Event, List, meta_of, number};

/// What to list and watch.
#[derive(Clone, Debug)]
pub struct InformerSpec {
    /// The resource.
    pub resource: Resource,
    /// Only this namespace; empty for all.
    pub namespace: String,
    /// Only objects that match.
    pub label_selector: Option<String>,
    /// Only objects that match.
    pub field_selector: Option<String>,
    /// Whether the server should send metadata only.
    pub metadata_only: bool,
}

impl InformerSpec {
    /// All objects of a resource, whole.
    pub fn all(resource: Resource) -> Self {
        Self { resource, namespace: String::new(), label_selector: None, field_selector: None, metadata_only: false }
    }

    /// Only one namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Only objects with matching labels.
    #[must_use]
    pub fn labelled(mut self, selector: &str) -> Self {
        self.label_selector = Some(selector.to_owned());
        self
    }

    /// Metadata only (PartialObjectMetadata).
    #[must_use]
    pub fn metadata(mut self) -> Self {
        self.metadata_only = true;
        self
    }
}

/// A change of one object, as handlers see it.
#[derive(Debug)]
pub struct Change<'a, T> {
    /// Which object.
    pub key: &'a ObjectKey,
    /// As it was; `None` if it is new.
    pub old: Option<&'a Arc<T>>,
    /// As it is; `None` if it is gone.
    pub new: Option<&'a Arc<T>>,
    /// Whether it comes from the first list, not from a live change.
    pub initial: bool,
}

type Handler<T> = Box<dyn Fn(&Change<'_, T>) + Send + Sync>;
type IndexFn<T> = Box<dyn Fn(&ObjectKey, &T) -> Vec<String> + Send + Sync>;
type Decode<T> = Box<dyn Fn(&str) -> Result<T, serde_json::Error> + Send + Sync>;

struct Item<T> {
    object: Arc<T>,
    resource_version: Box<str>,
}

struct Index<T> {
    keys_of: IndexFn<T>,
    entries: HashMap<String, HashSet<ObjectKey>>,
}

struct Store<T> {
    /// The revision up to which the list or watch has been taken in; 0 where versions are not numbers.
    progress: u64,
    items: BTreeMap<ObjectKey, Item<T>>,
    indexes: HashMap<&'static str, Index<T>>,
}

/// A shared cache of one resource.
pub struct Informer<T> {
    client: kube::Client,
    spec: InformerSpec,
    decode: Decode<T>,
    store: RwLock<Store<T>>,
    handlers: RwLock<Vec<Handler<T>>>,
    synced: watch::Sender<bool>,
}

static SKIPPED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    crate::metrics::counter(
        "karmada_informer_undecodable_objects_total",
        "Objects that a list or watch returned and that could not be decoded",
        &["resource"],
    )
});

/// Removes what no user of an informer needs and what is large.
fn prune(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

impl Informer<Value> {
    /// An informer of whole objects, without managedFields. Servers leave `apiVersion` and `kind` out of the items of a
    /// list of a built-in kind; they are filled in, so that an object looks the same whether a list or a watch brought it.
    pub fn values(client: kube::Client, spec: InformerSpec) -> Arc<Self> {
        let (api_version, kind) = (spec.resource.api_version(), spec.resource.kind.clone());
        Self::new(client, spec, move |text| {
            let mut object: Value = serde_json::from_str(text)?;
            prune(&mut object);
            if let Some(fields) = object.as_object_mut() {
                fields.entry("apiVersion").or_insert_with(|| api_version.clone().into());
                fields.entry("kind").or_insert_with(|| kind.clone().into());
            }
            Ok(object)
        })
    }
}

impl<K> Informer<K>
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
    K::Scope: ScopeInfo,
{
    /// An informer of all objects of a typed kind, without managedFields.
    pub fn typed(client: kube::Client) -> Arc<Self> {
        Self::typed_with(client, InformerSpec::all(Resource::of::<K>()))
    }

    /// An informer of a typed kind with a narrower spec.
    pub fn typed_with(client: kube::Client, spec: InformerSpec) -> Arc<Self> {
        Self::new(client, spec, |text| {
            let mut object: K = serde_json::from_str(text)?;
            object.meta_mut().managed_fields = None;
            Ok(object)
        })
    }
}

/// How a watch ended.
enum WatchEnd {
    /// Go on from the last resourceVersion.
    Resume,
    /// The resourceVersion is too old: list again.
    Relist,
}

const PAGE_SIZE: usize = 500;
/// Servers end watches after this; a spread keeps a fleet's watches from renewing at once.
const WATCH_SECONDS: std::ops::Range<u32> = 290..360;
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

impl<T: Send + Sync + 'static> Informer<T> {
    /// An informer that keeps what `decode` makes of each object's JSON text. It does nothing until [`run`](Self::run).
    pub fn new(
        client: kube::Client,
        spec: InformerSpec,
        decode: impl Fn(&str) -> Result<T, serde_json::Error> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            client,
            spec,
            decode: Box::new(decode),
            store: RwLock::new(Store { progress: 0, items: BTreeMap::new(), indexes: HashMap::new() }),
            handlers: RwLock::new(Vec::new()),
            synced: watch::Sender::new(false),
        })
    }

    /// What is listed and watched.
    pub fn spec(&self) -> &InformerSpec {
        &self.spec
    }

    /// Adds an index: `keys_of` gives the values under which an object is found by [`by_index`](Self::by_index).
    pub fn add_index(
        &self,
        name: &'static str,
        keys_of: impl Fn(&ObjectKey, &T) -> Vec<String> + Send + Sync + 'static,
    ) {
        let mut store = self.store.write();
        let mut entries: HashMap<String, HashSet<ObjectKey>> = HashMap::new();
        for (key, item) in &store.items {
            for value in keys_of(key, &item.object) {
                entries.entry(value).or_default().insert(key.clone());
            }
        }
        store.indexes.insert(name, Index { keys_of: Box::new(keys_of), entries });
    }

    /// Adds a handler. It is first called for every object that is there already, as initial changes.
    pub fn add_handler(&self, handler: impl Fn(&Change<'_, T>) + Send + Sync + 'static) {
        // Registered under the handlers' lock, so that no change falls between the replay and the first live call.
        let mut handlers = self.handlers.write();
        let present: Vec<(ObjectKey, Arc<T>)> =
            self.store.read().items.iter().map(|(k, i)| (k.clone(), Arc::clone(&i.object))).collect();
        for (key, object) in &present {
            handler(&Change { key, old: None, new: Some(object), initial: true });
        }
        handlers.push(Box::new(handler));
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<T>> {
        self.store.read().items.get(key).map(|item| Arc::clone(&item.object))
    }

    /// The resourceVersion of one object as last seen.
    pub fn resource_version(&self, key: &ObjectKey) -> Option<String> {
        self.store.read().items.get(key).map(|item| item.resource_version.to_string())
    }

    /// All objects in key order.
    pub fn list(&self) -> Vec<(ObjectKey, Arc<T>)> {
        self.store.read().items.iter().map(|(k, i)| (k.clone(), Arc::clone(&i.object))).collect()
    }

    /// The objects of one namespace, in name order.
    pub fn list_namespace(&self, namespace: &str) -> Vec<(ObjectKey, Arc<T>)> {
        let first = ObjectKey::new(namespace, "");
        self.store
            .read()
            .items
            .range(first..)
            .take_while(|(k, _)| &*k.namespace == namespace)
            .map(|(k, i)| (k.clone(), Arc::clone(&i.object)))
            .collect()
    }

    /// The objects that the index files under `value`, in no particular order.
    pub fn by_index(&self, index: &str, value: &str) -> Vec<(ObjectKey, Arc<T>)> {
        let store = self.store.read();
        let Some(keys) = store.indexes.get(index).and_then(|i| i.entries.get(value)) else { return Vec::new() };
        keys.iter().filter_map(|k| store.items.get(k).map(|i| (k.clone(), Arc::clone(&i.object)))).collect()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.store.read().items.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the first list is complete.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits for the first list.
    pub async fn wait_synced(&self) {
        // The sender lives as long as self, so waiting cannot fail.
        let mut synced = self.synced.subscribe();
        drop(synced.wait_for(|synced| *synced).await);
    }

    /// Takes in an object that the caller has just written, as the server answered it, so that the next reconcile sees it
    /// even before the watch does. Ignored if the watch has come as far already: then it knows better, for the object may
    /// have been changed or deleted since.
    pub fn observe(&self, object: &Value) {
        let text = object.to_string();
        if let Some((key, version, object)) = self.decode_object(&text) {
            self.put(key, version, object, Source::Observed);
        }
    }

    /// Lists and watches until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.run_forever() => {}
        }
    }

    async fn run_forever(&self) {
        let mut retry = RETRY_MIN;
        loop {
            let mut version = match self.relist().await {
                Ok(version) => version,
                Err(error) => {
                    tracing::warn!(resource = self.spec.resource.plural, error = chain(&error), "list failed");
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_MAX);
                    continue;
                }
            };
            self.synced.send_replace(true);
            retry = RETRY_MIN;
            loop {
                match self.watch(&mut version).await {
                    Ok(WatchEnd::Resume) => retry = RETRY_MIN,
                    Ok(WatchEnd::Relist) => break,
                    Err(error) if error.is_code(410) => break,
                    Err(error) => {
                        tracing::debug!(resource = self.spec.resource.plural, error = chain(&error), "watch failed");
                        tokio::time::sleep(retry).await;
                        retry = (retry * 2).min(RETRY_MAX);
                    }
                }
            }
        }
    }

    fn request(&self, extra: &[(&str, &str)]) -> Result<Request<Vec<u8>>, Error> {
        let path = self.spec.resource.collection_path(&self.spec.namespace);
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(selector) = &self.spec.label_selector {
            query.append_pair("labelSelector", selector);
        }
        if let Some(selector) = &self.spec.field_selector {
            query.append_pair("fieldSelector", selector);
        }
        for (name, value) in extra {
            query.append_pair(name, value);
        }
        let watching = extra.iter().any(|(name, _)| *name == "watch");
        let accept = match (self.spec.metadata_only, watching) {
            (false, _) => "application/json",
            (true, false) => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            (true, true) => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        };
        Request::get(format!("{path}?{}", query.finish()))
            .header(http::header::ACCEPT, accept)
            .body(Vec::new())
            .map_err(|e| request_error("list", &path, kube::Error::Service(e.into())))
    }

    fn what(&self) -> String {
        format!("{}.{}", self.spec.resource.plural, self.spec.resource.group)
    }

    async fn relist(&self) -> Result<String, Error> {
        let initial = !self.is_synced();
        let mut seen: HashSet<ObjectKey> = HashSet::new();
        let mut token = String::new();
        let limit = PAGE_SIZE.to_string();
        loop {
            let mut extra = vec![("limit", limit.as_str())];
            if !token.is_empty() {
                extra.push(("continue", &token));
            }
            let text = self
                .client
                .request_text(self.request(&extra)?)
                .await
                .map_err(|source| request_error("list", &self.what(), source))?;
            let list: List<'_> =
                serde_json::from_str(&text).map_err(|source| Error::Codec { what: self.what(), source })?;
            for item in list.items.unwrap_or_default() {
                if let Some((key, version, object)) = self.decode_object(item.get()) {
                    seen.insert(key.clone());
                    self.put(key, version, object, Source::List { initial });
                }
            }
            token = list.metadata.token;
            if token.is_empty() {
                let gone: Vec<ObjectKey> =
                    self.store.read().items.keys().filter(|k| !seen.contains(*k)).cloned().collect();
                for key in gone {
                    self.remove(&key, None);
                }
                self.store.write().progress = number(&list.metadata.resource_version);
                return Ok(list.metadata.resource_version);
            }
        }
    }

    async fn watch(&self, version: &mut String) -> Result<WatchEnd, Error> {
        let seconds = rand::random_range(WATCH_SECONDS);
        let request = self.request(&[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", &seconds.to_string()),
        ])?;
        let stream =
            self.client.request_stream(request).await.map_err(|source| request_error("watch", &self.what(), source))?;
        let mut lines = Box::pin(stream).lines();
        // A connection that died without a word is noticed a little after the server should have ended the watch.
        let limit = Duration::from_secs(u64::from(seconds) + 30);
        loop {
            let line = match tokio::time::timeout(limit, lines.next()).await {
                Ok(Some(Ok(line))) => line,
                Ok(Some(Err(error))) => {
                    return Err(request_error("watch", &self.what(), kube::Error::Service(error.into())));
                }
                Ok(None) | Err(_) => return Ok(WatchEnd::Resume),
            };
            if line.is_empty() {
                continue;
            }
            let event: Event<'_> =
                serde_json::from_str(&line).map_err(|source| Error::Codec { what: self.what(), source })?;
            match event.r#type {
                "ADDED" | "MODIFIED" => {
                    if let Some((key, at, object)) = self.decode_object(event.object.get()) {
                        at.as_ref().clone_into(version);
                        self.put(key, at, object, Source::Watch);
                    }
                }
                "DELETED" => {
                    if let Some((key, at)) = meta_of(event.object.get()) {
                        at.as_ref().clone_into(version);
                        self.remove(&key, Some(number(version)));
                    }
                }
                "BOOKMARK" => {
                    if let Some((_, at)) = meta_of(event.object.get()) {
                        at.as_ref().clone_into(version);
                        let mut store = self.store.write();
                        store.progress = store.progress.max(number(version));
                    }
                }
                "ERROR" => {
                    let status: ErrorStatus = serde_json::from_str(event.object.get())
                        .map_err(|source| Error::Codec { what: self.what(), source })?;
                    if status.code == 410 {
                        return Ok(WatchEnd::Relist);
                    }
                    tracing::debug!(resource = self.spec.resource.plural, message = status.message, "watch error");
                    return Ok(WatchEnd::Relist);
                }
                other => tracing::debug!(kind = other, "unknown watch event"),
            }
        }
    }

    fn decode_object(&self, text: &str) -> Option<(ObjectKey, Box<str>, Arc<T>)> {
        let (key, version) = meta_of(text)?;
        match (self.decode)(text) {
            Ok(object) => Some((key, version, Arc::new(object))),
            Err(error) => {
                SKIPPED.with_label_values(&[&self.spec.resource.plural]).inc();
                tracing::warn!(resource = self.spec.resource.plural, %key, %error, "object cannot be decoded; skipped");
                None
            }
        }
    }

    fn put(&self, key: ObjectKey, resource_version: Box<str>, object: Arc<T>, source: Source) {
        let handlers = self.handlers.read();
        let revision = number(&resource_version);
        let old = {
            let mut store = self.store.write();
            let Store { progress, items, indexes } = &mut *store;
            match source {
                Source::Observed if revision <= *progress => return,
                Source::Watch => *progress = revision.max(*progress),
                Source::Observed | Source::List { .. } => {}
            }
            if items.get(&key).is_some_and(|item| {
                item.resource_version == resource_version
                    // A list is the truth even if its numbers are lower: the server's data may have been restored.
                    || (!matches!(source, Source::List { .. }) && number(&item.resource_version) > revision)
            }) {
                return;
            }
            let old =
                items.insert(key.clone(), Item { object: Arc::clone(&object), resource_version }).map(|i| i.object);
            for index in indexes.values_mut() {
                index.replace(&key, old.as_deref(), Some(&object));
            }
            old
        };
        let initial = matches!(source, Source::List { initial: true });
        for handler in handlers.iter() {
            handler(&Change { key: &key, old: old.as_ref(), new: Some(&object), initial });
        }
    }

    /// Removes an object; if the deletion's revision is known, only if the object is not newer (created again).
    fn remove(&self, key: &ObjectKey, revision: Option<u64>) {
        let handlers = self.handlers.read();
        let old = {
            let mut store = self.store.write();
            let Store { progress, items, indexes } = &mut *store;
            if let Some(revision) = revision {
                *progress = revision.max(*progress);
                if items.get(key).is_some_and(|item| number(&item.resource_version) > revision) {
                    return;
                }
            }
            let Some(item) = items.remove(key) else { return };
            for index in indexes.values_mut() {
                index.replace(key, Some(&item.object), None);
            }
            item.object
        };
        for handler in handlers.iter() {
            handler(&Change { key, old: Some(&old), new: None, initial: false });
        }
    }
}

/// Where a put object comes from.
#[derive(Clone, Copy)]
enum Source {
    List { initial: bool },
    Watch,
    Observed,
}

impl<T> Index<T> {
    fn replace(&mut self, key: &ObjectKey, old: Option<&T>, new: Option<&T>) {
        let before = old.map(|o| (self.keys_of)(key, o)).unwrap_or_default();
        let after = new.map(|o| (self.keys_of)(key, o)).unwrap_or_default();
        for value in &before {
            if !after.contains(value)
                && let Some(keys) = self.entries.get_mut(value)
            {
                keys.remove(key);
                if keys.is_empty() {
                    self.entries.remove(value);
                }
            }
        }
        for value in after {
            if !before.contains(&value) {
                self.entries.entry(value).or_default().insert(key.clone());
            }
        }
    }
}
