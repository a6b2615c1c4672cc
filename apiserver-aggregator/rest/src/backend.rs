//! The objects of one resource: reading them from the cache, writing them to the store, converting between versions.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use karmada_machinery::{
    GroupVersion, GroupVersionKind, Reason, ResourceInfo, StatusError, meta, resource::Conversion, schema,
};
use karmada_storage::{
    KeyValue, Operation, StoreError, Write,
    cache::{At, CacheError, Entry, Projection, ResourceCache, ResourceSpec},
    keys,
};
use serde_json::{Value, json};

use crate::{
    encode::{self, Stored},
    registry::Snapshot,
    server::ApiServer,
};

/// The objects of one resource in the version of a request.
pub(crate) struct Backend {
    server: ApiServer,
    pub(crate) info: Arc<ResourceInfo>,
    pub(crate) cache: Arc<ResourceCache>,
    prefix: String,
    storage_gvk: GroupVersionKind,
    /// The resource in the version in which it is stored, where that is another one and served.
    stored_as: Option<Arc<ResourceInfo>>,
    /// Whether objects are served in the form in which they are stored.
    pub(crate) same_version: bool,
}

/// An object as it was read, with its place in the store.
pub(crate) struct Current {
    /// The object in the request's version, with its resource version.
    pub(crate) value: Value,
    /// The revision that a compare-and-swap expects.
    pub(crate) revision: u64,
    /// Its bytes as cached: in the storage version, with resource version.
    pub(crate) entry: Arc<Entry>,
}

/// Reads a selectable field of an object.
type ReadField = fn(&Value, &str) -> String;

/// The cache's specification of a resource: which fields its selectors may ask for, over all its versions.
pub(crate) fn spec(snapshot: &Snapshot, info: &ResourceInfo) -> ResourceSpec {
    let mut fields: Vec<(String, ReadField)> = Vec::new();
    for other in snapshot.ordered.iter().filter(|o| o.storage.prefix == info.storage.prefix) {
        for field in &other.selectable_fields {
            if !fields.iter().any(|(name, _)| *name == field.name) {
                fields.push((field.name.clone(), field.get));
            }
        }
    }
    // Objects of a custom resource get the defaults that its definition has gained since they were stored.
    let stored = snapshot.is_custom(&info.group_resource()).then(|| stored_version(snapshot, info)).flatten();
    ResourceSpec {
        prefix: format!("{}/", info.storage.prefix),
        project: Arc::new(move |object| {
            let mut projection = Projection::of(object, &[]);
            if let Some(stored) = &stored {
                let mut body = object.clone();
                schema::apply_defaults(&stored.schema, &mut body);
                if body != *object {
                    projection.body = Some(body);
                }
            }
            projection.fields = fields.iter().map(|(name, get)| (name.clone(), get(object, name))).collect();
            projection
        }),
    }
}

/// The resource in the version in which it is stored, if that is served.
fn stored_version(snapshot: &Snapshot, info: &ResourceInfo) -> Option<Arc<ResourceInfo>> {
    let stored = |o: &&Arc<ResourceInfo>| {
        o.storage.prefix == info.storage.prefix && o.gvr.version == info.storage.version.version
    };
    snapshot.ordered.iter().find(stored).cloned()
}

/// Drops the cache of a custom resource whose definition has changed since: its defaults and selectable fields are in the
/// cached objects. Watchers list again.
fn renew_cache(server: &ApiServer, snapshot: &Snapshot, info: &ResourceInfo, prefix: &str) {
    let Some(stored) = stored_version(snapshot, info) else { return };
    if server.0.cached_as.read().get(prefix).is_some_and(|known| Arc::ptr_eq(known, &stored)) {
        return;
    }
    // Held while the cache is stopped, so that nobody takes the old one for the new.
    let mut cached_as = server.0.cached_as.write();
    if cached_as.insert(prefix.to_owned(), Arc::clone(&stored)).is_some_and(|known| !Arc::ptr_eq(&known, &stored)) {
        server.0.cache.stop(prefix);
    }
}

impl Backend {
    pub(crate) async fn open(
        server: &ApiServer,
        snapshot: &Snapshot,
        info: &Arc<ResourceInfo>,
    ) -> Result<Self, StatusError> {
        let prefix = format!("{}/", info.storage.prefix);
        if snapshot.is_custom(&info.group_resource()) {
            renew_cache(server, snapshot, info, &prefix);
        }
        let cache = match server.0.cache.started(&prefix) {
            Some(cache) => cache,
            None => server.0.cache.resource(&spec(snapshot, info)).await.map_err(|e| cache_error(&e))?,
        };
        let storage = &info.storage;
        let storage_gvk = GroupVersionKind::new(&storage.version.group, &storage.version.version, &storage.kind);
        let same_version = storage_gvk == info.gvk();
        let stored_as = if same_version {
            None
        } else {
            let stored = |o: &&Arc<ResourceInfo>| o.storage.prefix == storage.prefix && o.gvk() == storage_gvk;
            snapshot.ordered.iter().find(stored).cloned()
        };
        Ok(Self { server: server.clone(), info: Arc::clone(info), cache, prefix, storage_gvk, stored_as, same_version })
    }

    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        keys::object_key(&self.prefix, Some(namespace), name)
    }

    /// What every stored object that needs no conversion begins with.
    pub(crate) fn served_prefix(&self) -> String {
        encode::type_prefix(&self.info.gvk())
    }

    /// One object as the cache has it at `at`.
    pub(crate) async fn read(&self, at: At, key: &str) -> Result<(Option<Arc<Entry>>, u64), StatusError> {
        self.cache.get_at(at, key).await.map_err(|e| cache_error(&e))
    }

    /// An object's JSON in the request's version: its shared bytes where it is stored so.
    pub(crate) async fn bytes(&self, entry: &Entry, served_prefix: &str) -> Result<Bytes, StatusError> {
        if entry.bytes().starts_with(served_prefix.as_bytes()) {
            return Ok(entry.bytes().clone());
        }
        let value = self.value(entry).await?;
        Ok(serde_json::to_vec(&value).unwrap_or_default().into())
    }

    /// An object in the request's version.
    pub(crate) async fn value(&self, entry: &Entry) -> Result<Value, StatusError> {
        let value = entry
            .decode()
            .map_err(|e| StatusError::internal(format!("stored object {} cannot be decoded: {e}", entry.key())))?;
        self.served(value).await
    }

    /// Converts a stored object to the request's version.
    pub(crate) async fn served(&self, mut value: Value) -> Result<Value, StatusError> {
        let wanted = self.info.gvk();
        if is_of(&value, &wanted) {
            return Ok(value);
        }
        value = self.convert(value, &wanted).await?;
        if self.info.strategy.custom_resource() {
            // A custom resource says what its stored version says as far as this version knows it; defaults are the
            // stored version's.
            let _ = crate::shape::decode(&mut value, &self.info);
        } else {
            crate::shape::after_conversion(&mut value, &self.info);
        }
        Ok(value)
    }

    /// Converts an object of the request's version to the stored version.
    pub(crate) async fn storable(&self, value: Value) -> Result<Value, StatusError> {
        if is_of(&value, &self.storage_gvk) {
            return Ok(value);
        }
        let wanted = self.storage_gvk.clone();
        let mut value = self.convert(value, &wanted).await?;
        if let Some(stored) = self.stored_as.as_ref().filter(|s| s.strategy.custom_resource()) {
            crate::shape::after_conversion(&mut value, stored);
        }
        Ok(value)
    }

    /// An object as it comes back once it is stored: a custom resource keeps only what its stored version has.
    pub(crate) async fn settle(&self, value: Value) -> Result<Value, StatusError> {
        if self.same_version || !self.info.strategy.custom_resource() {
            return Ok(value);
        }
        let stored = self.storable(value).await?;
        self.served(stored).await
    }

    async fn convert(&self, mut value: Value, to: &GroupVersionKind) -> Result<Value, StatusError> {
        let version = GroupVersion::new(&to.group, &to.version);
        match &self.info.conversion {
            Conversion::Rename => {}
            Conversion::Function(convert) => value = convert(value, &version)?,
            Conversion::Webhook(webhook) => {
                let Some(converter) = &self.server.0.converter else {
                    return Err(StatusError::internal("conversion webhooks are not available in this server"));
                };
                let identity = value.get("metadata").cloned().unwrap_or_default();
                let mut converted = converter.convert(webhook, vec![value], &version).await?;
                value = converted
                    .pop()
                    .ok_or_else(|| StatusError::internal("the conversion webhook returned no object"))?;
                check_converted(&value, &identity)?;
            }
        }
        if let Some(map) = value.as_object_mut() {
            map.insert("apiVersion".into(), to.api_version().into());
            map.insert("kind".into(), to.kind.clone().into());
        }
        Ok(value)
    }

    /// The current object for a write: from the cache, or from the store itself where `fresh` or the cache has none.
    pub(crate) async fn current(&self, key: &str, fresh: bool) -> Result<Option<Current>, StatusError> {
        let entry = match self.cache.get(key).filter(|_| !fresh) {
            Some(entry) => entry,
            None => {
                let got = self.server.0.cache.store().get(key).await.map_err(|e| store_error(&e))?;
                let Some(kv) = got.kv else { return Ok(None) };
                self.entry_of(&kv)?
            }
        };
        Ok(Some(self.current_of(entry).await?))
    }

    fn entry_of(&self, kv: &KeyValue) -> Result<Arc<Entry>, StatusError> {
        self.cache
            .entry_of(kv)
            .ok_or_else(|| StatusError::internal(format!("stored object {} cannot be decoded", kv.key)))
    }

    async fn current_of(&self, entry: Arc<Entry>) -> Result<Current, StatusError> {
        Ok(Current { value: self.value(&entry).await?, revision: entry.revision(), entry })
    }

    /// Encodes an object of the request's version as it is stored.
    pub(crate) async fn encode(&self, value: &Value) -> Result<Stored, StatusError> {
        if self.same_version {
            return Ok(Stored::encode(value, &self.storage_gvk));
        }
        let storable = self.storable(value.clone()).await?;
        Ok(Stored::encode(&storable, &self.storage_gvk))
    }

    /// Commits one write.
    pub(crate) async fn commit(&self, key: &str, operation: Operation) -> Result<u64, StoreError> {
        let deletion = matches!(operation, Operation::Delete { .. });
        let ttl = self.info.storage.ttl_seconds.filter(|_| !deletion).map(Duration::from_secs);
        self.server.0.cache.store().commit(Write { key: key.to_owned(), operation, ttl }).await
    }
}

/// Whether an object says that it is of this kind.
fn is_of(value: &Value, gvk: &GroupVersionKind) -> bool {
    let api_version = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let same_version = match api_version.split_once('/') {
        None => gvk.group.is_empty() && gvk.version == api_version,
        Some((group, version)) => gvk.group == group && gvk.version == version,
    };
    same_version && value.get("kind").and_then(Value::as_str) == Some(&gvk.kind)
}

/// A webhook must not change what an object is.
fn check_converted(value: &Value, identity: &Value) -> Result<(), StatusError> {
    let before = json!({"metadata": identity});
    if meta::name(value) != meta::name(&before)
        || meta::namespace(value) != meta::namespace(&before)
        || meta::uid(value) != meta::uid(&before)
    {
        return Err(StatusError::internal("the conversion webhook changed the name, namespace or uid of an object"));
    }
    Ok(())
}

/// How a client is told that a revision is not there yet.
fn too_large(requested: u64, current: u64) -> StatusError {
    StatusError::new(
        504,
        Reason::Timeout,
        format!("Timeout: Too large resource version: {requested}, current: {current}"),
    )
    .with_details(json!({
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }))
}

/// An error of the cache as a client sees it.
pub(crate) fn cache_error(error: &CacheError) -> StatusError {
    match error {
        CacheError::Expired { requested, oldest } => {
            StatusError::expired(format!("too old resource version: {requested} ({oldest})"))
        }
        CacheError::TooLarge { requested, current } => too_large(*requested, *current),
        CacheError::Stopped { .. } => StatusError::too_many_requests("storage is (re)initializing", 1),
        CacheError::Store(error) => store_error(error),
        other => StatusError::internal(other),
    }
}

/// An error of the store as a client sees it. Conflicts are handled by the writers and do not come here.
pub(crate) fn store_error(error: &StoreError) -> StatusError {
    match error {
        StoreError::Compacted { .. } => StatusError::expired("The resourceVersion for the provided list is too old."),
        StoreError::FutureRevision { requested, current } => too_large(*requested, *current),
        StoreError::Quota { .. } => StatusError::new(507, Reason::InternalError, error.to_string()),
        StoreError::TooLarge { .. } => StatusError::too_large(format!("Request entity too large: {error}")),
        StoreError::Closed => StatusError::unavailable("the server is shutting down"),
        other => {
            tracing::error!(error = %other, category = other.category(), "the store failed");
            StatusError::internal(other)
        }
    }
}
