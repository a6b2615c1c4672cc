//! The one way to write: typed or unstructured, with field manager, time limit and metrics.

use std::sync::LazyLock;
use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use prometheus::IntCounterVec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::mapper::{Resource, ScopeInfo, request_error};

/// How deletion treats dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The garbage collector removes them afterwards.
    Background,
    /// The object goes after them.
    Foreground,
    /// They stay.
    Orphan,
}

/// Preconditions and propagation of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// How dependents are treated; the server's default if absent.
    pub propagation: Option<Propagation>,
    /// Only an object with this uid.
    pub uid: Option<String>,
    /// Only an object at this resourceVersion.
    pub resource_version: Option<String>,
    /// How long a Pod may take to end, in seconds; the server's default if absent.
    pub grace_period_seconds: Option<i64>,
}

impl DeleteOptions {
    /// Background propagation.
    pub fn background() -> Self {
        Self { propagation: Some(Propagation::Background), ..Self::default() }
    }

    fn to_value(&self) -> Value {
        let mut body = serde_json::json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if let Some(propagation) = self.propagation {
            body["propagationPolicy"] = match propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            }
            .into();
        }
        if let Some(seconds) = self.grace_period_seconds {
            body["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(uid) = &self.uid {
            body["preconditions"]["uid"] = uid.as_str().into();
        }
        if let Some(version) = &self.resource_version {
            body["preconditions"]["resourceVersion"] = version.as_str().into();
        }
        body
    }
}

/// The kind of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
    /// Server-side apply; `force` takes over fields of other managers.
    Apply {
        /// Whether conflicts are overridden.
        force: bool,
    },
}

/// Reads and writes of one field manager through one client. Cheap to clone.
#[derive(Clone)]
pub struct Patcher {
    client: kube::Client,
    manager: &'static str,
    limit: Duration,
}

static WRITES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    crate::metrics::counter(
        "karmada_client_requests_total",
        "Requests of controllers by verb, resource and result",
        &["verb", "resource", "result"],
    )
});

/// Karmada's time limit for requests to members; also ours for the control plane.
const REQUEST_LIMIT: Duration = Duration::from_secs(32);

/// Reads that lost a race are repeated this often before the error goes to the queue.
pub const CONFLICT_TRIES: usize = 5;

impl Patcher {
    /// A patcher that writes under this field manager.
    pub fn new(client: kube::Client, manager: &'static str) -> Self {
        Self { client, manager, limit: REQUEST_LIMIT }
    }

    /// The client, for informers and streams.
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    async fn send(
        &self,
        verb: &'static str,
        resource: &Resource,
        method: http::Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<String, Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, content_type)
            .body(body)
            .map_err(|e| request_error(verb, path, kube::Error::Service(e.into())))?;
        let result = match tokio::time::timeout(self.limit, self.client.request_text(request)).await {
            Ok(result) => result.map_err(|source| request_error(verb, path, source)),
            Err(_) => Err(Error::Timeout { verb, what: path.to_owned(), limit: self.limit }),
        };
        let label = if result.is_ok() { "success" } else { "error" };
        WRITES.with_label_values(&[verb, &resource.plural, label]).inc();
        result
    }

    fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|source| Error::Codec { what: path.to_owned(), source })
    }

    fn encode<T: Serialize + ?Sized>(path: &str, object: &T) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(object).map_err(|source| Error::Codec { what: path.to_owned(), source })
    }

    /// Reads one object; `None` if there is none.
    pub async fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let path = resource.object_path(namespace, name);
        match self.send("get", resource, http::Method::GET, &path, "application/json", Vec::new()).await {
            Ok(text) => Self::parse(&path, &text).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists objects; all pages in one answer. `query` is appended as is (`labelSelector=…`).
    pub async fn list(&self, resource: &Resource, namespace: &str, query: &str) -> Result<Vec<Value>, Error> {
        let path = format!("{}?{query}", resource.collection_path(namespace));
        let text = self.send("list", resource, http::Method::GET, &path, "application/json", Vec::new()).await?;
        let mut list: Value = Self::parse(&path, &text)?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// Creates an object and returns it as stored.
    pub async fn create(&self, resource: &Resource, namespace: &str, object: &Value) -> Result<Value, Error> {
        let path = format!("{}?fieldManager={}", resource.collection_path(namespace), self.manager);
        let body = Self::encode(&path, object)?;
        let text = self.send("create", resource, http::Method::POST, &path, "application/json", body).await?;
        Self::parse(&path, &text)
    }

    /// Replaces an object; `subresource` may be empty. Conflicts unless `metadata.resourceVersion` is current or absent.
    pub async fn update(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        subresource: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let path = self.write_path(resource, namespace, name, subresource, "");
        let body = Self::encode(&path, object)?;
        let text = self.send("update", resource, http::Method::PUT, &path, "application/json", body).await?;
        Self::parse(&path, &text)
    }

    /// Patches an object; `subresource` may be empty.
    pub async fn patch(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        subresource: &str,
        kind: PatchKind,
        patch: &Value,
    ) -> Result<Value, Error> {
        let (content_type, extra) = match kind {
            PatchKind::Merge => ("application/merge-patch+json", ""),
            PatchKind::Json => ("application/json-patch+json", ""),
            PatchKind::Apply { force: false } => ("application/apply-patch+yaml", ""),
            PatchKind::Apply { force: true } => ("application/apply-patch+yaml", "&force=true"),
        };
        let path = self.write_path(resource, namespace, name, subresource, extra);
        let body = Self::encode(&path, patch)?;
        let text = self.send("patch", resource, http::Method::PATCH, &path, content_type, body).await?;
        Self::parse(&path, &text)
    }

    /// Deletes an object. Returns false if there was none.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<bool, Error> {
        let path = resource.object_path(namespace, name);
        let body = Self::encode(&path, &options.to_value())?;
        match self.send("delete", resource, http::Method::DELETE, &path, "application/json", body).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write_path(&self, resource: &Resource, namespace: &str, name: &str, subresource: &str, extra: &str) -> String {
        let slash = if subresource.is_empty() { "" } else { "/" };
        let object = resource.object_path(namespace, name);
        format!("{object}{slash}{subresource}?fieldManager={}{extra}", self.manager)
    }

    /// Reads one object of a typed kind.
    pub async fn get_typed<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, Error>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned,
        K::Scope: ScopeInfo,
    {
        let resource = Resource::of::<K>();
        match self.get(&resource, namespace, name).await? {
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|source| Error::Codec { what: resource.object_path(namespace, name), source }),
            None => Ok(None),
        }
    }

    /// Creates an object of a typed kind.
    pub async fn create_typed<K>(&self, object: &K) -> Result<K, Error>
    where
        K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned,
        K::Scope: ScopeInfo,
    {
        let resource = Resource::of::<K>();
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        let path = format!("{}?fieldManager={}", resource.collection_path(&namespace), self.manager);
        let mut value = serde_json::to_value(object).map_err(|source| Error::Codec { what: path.clone(), source })?;
        value["apiVersion"] = resource.api_version().into();
        value["kind"] = resource.kind.clone().into();
        let body = Self::encode(&path, &value)?;
        let text = self.send("create", &resource, http::Method::POST, &path, "application/json", body).await?;
        Self::parse(&path, &text)
    }

    /// Replaces an object of a typed kind, main resource or `subresource`; conflicts if its resourceVersion is not current.
    /// Only for kinds that Karmada owns: a typed replace of somebody else's kind would drop fields newer than the type.
    pub async fn update_typed<K>(&self, object: &K, subresource: &str) -> Result<Value, Error>
    where
        K: kube::Resource<DynamicType = ()> + Serialize,
        K::Scope: ScopeInfo,
    {
        let resource = Resource::of::<K>();
        let meta = object.meta();
        let namespace = meta.namespace.clone().unwrap_or_default();
        let name = meta.name.clone().unwrap_or_default();
        let value = Self::typed_value(&resource, object)?;
        self.update(&resource, &namespace, &name, subresource, &value).await
    }

    /// Creates an object of a typed kind and returns it as stored, undecoded.
    pub async fn create_value<K>(&self, object: &K) -> Result<Value, Error>
    where
        K: kube::Resource<DynamicType = ()> + Serialize,
        K::Scope: ScopeInfo,
    {
        let resource = Resource::of::<K>();
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        let value = Self::typed_value(&resource, object)?;
        self.create(&resource, &namespace, &value).await
    }

    fn typed_value<K: Serialize>(resource: &Resource, object: &K) -> Result<Value, Error> {
        let mut value =
            serde_json::to_value(object).map_err(|source| Error::Codec { what: resource.plural.clone(), source })?;
        value["apiVersion"] = resource.api_version().into();
        value["kind"] = resource.kind.clone().into();
        Ok(value)
    }

    /// Merge-patches an object of a typed kind; `subresource` may be empty.
    pub async fn merge_typed<K>(
        &self,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch: &Value,
    ) -> Result<K, Error>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned,
        K::Scope: ScopeInfo,
    {
        let resource = Resource::of::<K>();
        let value = self.patch(&resource, namespace, name, subresource, PatchKind::Merge, patch).await?;
        serde_json::from_value(value)
            .map_err(|source| Error::Codec { what: resource.object_path(namespace, name), source })
    }

    /// Adds or removes one finalizer of an object that stands at a known resourceVersion and finalizer list; a conflict if
    /// the object has changed since. Returns the object as stored.
    pub async fn set_finalizers(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        resource_version: &str,
        finalizers: &[String],
    ) -> Result<Value, Error> {
        let patch = serde_json::json!({
            "metadata": {"resourceVersion": resource_version, "finalizers": finalizers}
        });
        self.patch(resource, namespace, name, "", PatchKind::Merge, &patch).await
    }
}

/// The merge patch (RFC 7386) that makes `new` of `old`; `None` if they are equal. Lists are replaced whole.
pub fn merge_diff(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = serde_json::Map::new();
            for (key, value) in new {
                match old.get(key) {
                    Some(before) => {
                        if let Some(change) = merge_diff(before, value) {
                            patch.insert(key.clone(), change);
                        }
                    }
                    None => {
                        patch.insert(key.clone(), value.clone());
                    }
                }
            }
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => (old != new).then(|| new.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_diff_names_only_what_differs() {
        let old = json!({"a": 1, "b": {"c": 2, "d": 3}, "l": [1, 2]});
        let new = json!({"a": 1, "b": {"c": 4}, "l": [1], "n": true});
        assert_eq!(merge_diff(&old, &new), Some(json!({"b": {"c": 4, "d": null}, "l": [1], "n": true})));
        assert_eq!(merge_diff(&old, &old), None);
    }
}
