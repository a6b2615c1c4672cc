//! Kubernetes' REST semantics against a store in memory, one module a verb. Nothing here opens a socket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod create;
mod delete;
mod list;
mod patch;
mod protocol;
mod subresources;
mod update;
mod watch;

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use futures::StreamExt as _;
use http::{HeaderMap, header};
use karmada_machinery::{crd, kinds};
use karmada_rest::{ApiServer, Registry, ServerOptions, access::UserInfo, registry::CUSTOM};
use karmada_storage::MemoryStore;
use serde_json::{Value, json};

/// An answer: code, headers and JSON body.
struct Answer {
    code: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    fn warnings(&self) -> Vec<&str> {
        self.headers.get_all(header::WARNING).iter().map(|v| v.to_str().unwrap()).collect()
    }
}

/// A server with the built-in kinds and one custom kind, Widget.
struct Server(ApiServer);

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/ns/widgets";

fn widget_definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
                },
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "size": {"type": "integer", "minimum": 1},
                        "color": {"type": "string", "default": "red"},
                        "replicas": {"type": "integer"}
                    }},
                    "status": {"type": "object", "properties": {"phase": {"type": "string"}, "replicas": {"type": "integer"}}}
                }}}
            }]
        }
    })
}

impl Server {
    fn new() -> Self {
        let registry = Arc::new(Registry::new(kinds::builtin_resources()));
        let server = Self(ApiServer::new(ServerOptions::new(Arc::new(MemoryStore::default()), registry)));
        server.define(&widget_definition());
        server
    }

    fn define(&self, definition: &Value) {
        let resources = crd::resources(definition).into_iter().map(Arc::new).collect();
        self.0.registry().replace(CUSTOM, resources);
    }

    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
        let mut request = Request::builder().method(method).uri(path).header("user-agent", "suite/1.0");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(UserInfo::loopback());
        self.0.handle(request).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let response = self.raw(method, path, headers, body).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { code: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string()).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &[("content-type", "application/json")], body.to_string()).await
    }

    async fn merge(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, &[("content-type", "application/merge-patch+json")], body.to_string()).await
    }

    async fn apply(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, &[("content-type", "application/apply-patch+yaml")], body.to_string()).await
    }

    async fn delete(&self, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send("DELETE", path, &[("content-type", "application/json")], body).await
    }

    /// The first events of a watch.
    async fn watch(&self, path: &str, headers: &[(&str, &str)], count: usize) -> Vec<Value> {
        let response = self.raw("GET", path, headers, "").await;
        assert_eq!(response.status(), 200);
        let mut stream = response.into_body().into_data_stream();
        let mut events = Vec::new();
        while events.len() < count {
            let frame = tokio::time::timeout(std::time::Duration::from_secs(10), stream.next()).await.unwrap();
            let Some(frame) = frame else { break };
            events.push(serde_json::from_slice(&frame.unwrap()).unwrap());
        }
        events
    }
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].as_str().unwrap()).collect()
}
