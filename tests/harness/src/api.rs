//! A client over JSON values, for tests: kinds as `apps/v1/Deployment`, names as `default/nginx`.

use std::sync::Arc;

use http::{Method, Request};
use karmada_runtime::{Mapper, Resource};
use kube::Client;
use serde_json::{Value, json};

/// One API server as one user. Cheap to clone.
///
/// Kinds are written as `apps/v1/Deployment` or `v1/Namespace`, objects as `namespace/name` or `name`. Methods without
/// `try_` panic with the server's answer when a request fails.
#[derive(Clone)]
pub struct Api {
    client: Client,
    mapper: Arc<Mapper>,
}

/// The value at a JSON pointer; null if there is none.
pub fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    object.pointer(pointer).unwrap_or(&NULL)
}

/// The text at a JSON pointer; empty if there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).as_str().unwrap_or_default()
}

/// The documents of a YAML stream.
pub fn manifests(yaml: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|object| !object.is_null())
        .collect()
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("", name))
}

impl Api {
    /// Through this client.
    pub fn new(client: Client) -> Self {
        Self { mapper: Arc::new(Mapper::new(client.clone())), client }
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    async fn resource(&self, kind: &str) -> anyhow::Result<Resource> {
        let (api_version, kind) = kind.rsplit_once('/').unwrap();
        if let Ok(found) = self.mapper.resource(api_version, kind).await {
            return Ok(found);
        }
        // The mapper looks again only now and then; a test has just created the kind.
        self.mapper.refresh().await?;
        Ok(self.mapper.resource(api_version, kind).await?)
    }

    async fn send(&self, method: Method, path: &str, content_type: &str, body: Vec<u8>) -> Result<Value, kube::Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", "application/json")
            .header("content-type", content_type)
            .body(body)
            .unwrap();
        let text = self.client.request_text(request).await?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    /// Any GET.
    pub async fn raw(&self, path: &str) -> anyhow::Result<String> {
        Ok(self.client.request_text(Request::get(path).body(Vec::new())?).await?)
    }

    /// An object, if it is there.
    pub async fn try_get(&self, kind: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let resource = self.resource(kind).await?;
        let (namespace, name) = split(name);
        match self.send(Method::GET, &resource.object_path(namespace, name), "application/json", Vec::new()).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// An object that is expected to be there; an error that names it otherwise.
    pub async fn find(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        self.try_get(kind, name).await?.ok_or_else(|| anyhow::anyhow!("there is no {kind} {name}"))
    }

    /// An object that must be there.
    pub async fn get(&self, kind: &str, name: &str) -> Value {
        self.find(kind, name).await.unwrap_or_else(|error| panic!("get {kind} {name}: {error:#}"))
    }

    /// An error unless the object is gone.
    pub async fn gone(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        match self.try_get(kind, name).await? {
            None => Ok(()),
            Some(object) => anyhow::bail!("{kind} {name} is still there: {}", at(&object, "/metadata")),
        }
    }

    /// The objects of a kind in one namespace, or in all if it is empty. `query` may hold selectors.
    pub async fn try_list(&self, kind: &str, namespace: &str, query: &str) -> anyhow::Result<Vec<Value>> {
        let resource = self.resource(kind).await?;
        let path = format!("{}?{query}", resource.collection_path(namespace));
        let mut list = self.send(Method::GET, &path, "application/json", Vec::new()).await?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// The objects of a kind in one namespace, or in all if it is empty.
    pub async fn list(&self, kind: &str, namespace: &str) -> Vec<Value> {
        self.try_list(kind, namespace, "").await.unwrap_or_else(|error| panic!("list {kind}: {error:#}"))
    }

    async fn path_of(&self, object: &Value) -> anyhow::Result<(String, String)> {
        let kind = format!("{}/{}", text(object, "/apiVersion"), text(object, "/kind"));
        let resource = self.resource(&kind).await?;
        let namespace = match (resource.namespaced, text(object, "/metadata/namespace")) {
            (false, _) => "",
            (true, "") => "default",
            (true, namespace) => namespace,
        };
        let name = text(object, "/metadata/name");
        Ok((resource.collection_path(namespace), resource.object_path(namespace, name)))
    }

    /// Creates an object.
    pub async fn try_create(&self, object: &Value) -> anyhow::Result<Value> {
        let (collection, _) = self.path_of(object).await?;
        Ok(self.send(Method::POST, &collection, "application/json", object.to_string().into_bytes()).await?)
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value) -> Value {
        self.try_create(object).await.unwrap_or_else(|error| panic!("create {object}: {error:#}"))
    }

    /// Creates all objects of a YAML stream.
    pub async fn create_all(&self, yaml: &str) {
        for object in manifests(yaml) {
            self.create(&object).await;
        }
    }

    /// Server-side apply.
    pub async fn try_apply(&self, object: &Value, force: bool) -> anyhow::Result<Value> {
        let (_, path) = self.path_of(object).await?;
        let path = format!("{path}?fieldManager=test&force={force}");
        Ok(self.send(Method::PATCH, &path, "application/apply-patch+yaml", object.to_string().into_bytes()).await?)
    }

    /// Server-side apply of all objects of a YAML stream.
    pub async fn apply_all(&self, yaml: &str) {
        for object in manifests(yaml) {
            self.try_apply(&object, true).await.unwrap_or_else(|error| panic!("apply {object}: {error:#}"));
        }
    }

    /// Replaces an object.
    pub async fn try_update(&self, object: &Value) -> anyhow::Result<Value> {
        let (_, path) = self.path_of(object).await?;
        Ok(self.send(Method::PUT, &path, "application/json", object.to_string().into_bytes()).await?)
    }

    /// Merge patch; a list is a JSON patch. `subresource` may be empty.
    pub async fn try_patch_at(
        &self,
        kind: &str,
        name: &str,
        subresource: &str,
        patch: &Value,
    ) -> anyhow::Result<Value> {
        let resource = self.resource(kind).await?;
        let (namespace, name) = split(name);
        let mut path = resource.object_path(namespace, name);
        if !subresource.is_empty() {
            path = format!("{path}/{subresource}");
        }
        let content_type =
            if patch.is_array() { "application/json-patch+json" } else { "application/merge-patch+json" };
        Ok(self.send(Method::PATCH, &path, content_type, patch.to_string().into_bytes()).await?)
    }

    /// Merge patch; a list is a JSON patch.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) -> Value {
        self.try_patch_at(kind, name, "", &patch)
            .await
            .unwrap_or_else(|error| panic!("patch {kind} {name} with {patch}: {error:#}"))
    }

    /// Sets labels; null removes one.
    pub async fn label(&self, kind: &str, name: &str, labels: Value) -> Value {
        self.patch(kind, name, json!({"metadata": {"labels": labels}})).await
    }

    /// Deletes an object; with its dependents in the background.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.delete_with(kind, name, json!({"propagationPolicy": "Background"})).await;
    }

    /// Deletes an object with these DeleteOptions.
    pub async fn delete_with(&self, kind: &str, name: &str, options: Value) {
        let resource = self.resource(kind).await.unwrap();
        let (namespace, of) = split(name);
        let path = resource.object_path(namespace, of);
        self.send(Method::DELETE, &path, "application/json", options.to_string().into_bytes())
            .await
            .unwrap_or_else(|error| panic!("delete {kind} {name}: {error}"));
    }
}
