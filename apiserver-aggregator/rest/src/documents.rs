//! Documents about the server: discovery and version. Made once per state of the registry, and sent with an ETag.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use karmada_machinery::{
    GroupVersion, ResourceInfo, StatusError,
    discovery::{self, AggregatedVersion, Group},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    call::Call,
    encode::{self, Wire},
    negotiate::{self, Offer},
    registry::Snapshot,
};

/// The discovery documents of one state of the registry.
struct Discovery {
    generation: u64,
    groups: Vec<Group>,
    aggregated_core: Document,
    aggregated: Document,
}

/// A document in its compact form with its ETag.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) value: Arc<Value>,
    etag: HeaderValue,
}

impl Document {
    pub(crate) fn new(value: Value) -> Self {
        let bytes = serde_json::to_vec(&value).unwrap_or_default();
        Self { value: Arc::new(value), etag: etag(&bytes) }
    }
}

/// A quoted hash of a body, as kube-apiserver's ETags are.
pub(crate) fn etag(body: &[u8]) -> HeaderValue {
    let hash: String = Sha256::digest(body).iter().map(|b| format!("{b:02X}")).collect();
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// All documents.
pub(crate) struct Documents {
    version: Value,
    discovery: ArcSwapOption<Discovery>,
    openapi: crate::openapi::OpenApi,
}

const AGGREGATED_V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

impl Documents {
    pub(crate) fn new(version: Value) -> Self {
        Self { version, discovery: ArcSwapOption::empty(), openapi: crate::openapi::OpenApi::default() }
    }

    /// Answers if the path names a document.
    pub(crate) fn serve(&self, call: &Call) -> Result<Option<Response>, StatusError> {
        let path = call.info.path.trim_end_matches('/');
        let known = matches!(path, "/api" | "/apis" | "/version")
            || path.starts_with("/api/")
            || path.starts_with("/apis/")
            || path.starts_with("/openapi/");
        if !known {
            return Ok(None);
        }
        if path.starts_with("/openapi/") {
            return Ok(self.openapi.serve(call, path));
        }
        // The list of groups has never looked at the method.
        if !matches!(call.info.verb, "get" | "head") && path != "/apis" {
            return Err(crate::server::method_not_allowed());
        }
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let value = match segments.as_slice() {
            ["version"] => return self.version(call).map(Some),
            ["api"] => {
                if let Some(response) = self.aggregated(call, true)? {
                    return Ok(Some(response));
                }
                discovery::api_versions(&address(call))
            }
            ["apis"] => {
                if let Some(response) = self.aggregated(call, false)? {
                    return Ok(Some(response));
                }
                discovery::group_list(&self.discovery(&call.snapshot).groups)
            }
            ["api", version] => match resources(&call.snapshot, "", version) {
                Some(list) => list,
                None => return Ok(Some(encode::page_not_found())),
            },
            ["apis", group] => {
                let discovery = self.discovery(&call.snapshot);
                match discovery.groups.iter().find(|g| g.name == *group) {
                    Some(group) => group.document(),
                    None => return Ok(Some(encode::page_not_found())),
                }
            }
            ["apis", group, version] => match resources(&call.snapshot, group, version) {
                Some(list) => list,
                None => {
                    // An extension server that is unreachable: its documents are missing, not absent.
                    if call.snapshot.remote(group, version).is_some() {
                        return Err(StatusError::unavailable("service unavailable"));
                    }
                    return Ok(Some(encode::page_not_found()));
                }
            },
            _ => return Ok(Some(encode::page_not_found())),
        };
        let accepted = negotiate::accept(&call.headers, Offer::Document, call.query.get("pretty"))?;
        let wire =
            Wire { format: accepted.format, pretty: accepted.pretty, gzip: negotiate::accepts_gzip(&call.headers) };
        Ok(Some(encode::value_response(200, &value, wire)))
    }

    fn version(&self, call: &Call) -> Result<Response, StatusError> {
        let wire = Wire { pretty: true, gzip: false, ..Wire::default() };
        let accepted = negotiate::clauses(&call.headers);
        let fits = accepted.is_empty() || accepted.iter().any(|c| matches!(c.media, "application/json" | "*/*"));
        if !fits {
            return Err(negotiate::not_acceptable());
        }
        Ok(encode::value_response(200, &self.version, wire))
    }

    fn discovery(&self, snapshot: &Snapshot) -> Arc<Discovery> {
        if let Some(made) = self.discovery.load_full().filter(|d| d.generation == snapshot.generation) {
            return made;
        }
        let made = Arc::new(Discovery::make(snapshot));
        self.discovery.store(Some(Arc::clone(&made)));
        made
    }

    /// The aggregated document, where the client prefers it.
    fn aggregated(&self, call: &Call, core: bool) -> Result<Option<Response>, StatusError> {
        for clause in negotiate::clauses(&call.headers) {
            if clause.media == "*/*" || clause.media == "application/yaml" {
                return Ok(None);
            }
            if clause.media != "application/json" {
                continue;
            }
            let Some(kind) = clause.param("as") else { return Ok(None) };
            let group = clause.param("g").unwrap_or_default();
            if kind != "APIGroupDiscoveryList" || group != "apidiscovery.k8s.io" {
                continue;
            }
            // kube-apiserver 1.36 does not serve v2beta1 any more.
            if clause.param("v") != Some("v2") {
                continue;
            }
            let discovery = self.discovery(&call.snapshot);
            let document = if core { &discovery.aggregated_core } else { &discovery.aggregated };
            return Ok(Some(tagged(call, document, AGGREGATED_V2)));
        }
        Ok(None)
    }
}

impl Discovery {
    fn make(snapshot: &Snapshot) -> Self {
        let infos = || snapshot.ordered.iter().map(|i| &**i);
        let mut groups = discovery::groups(infos());
        for remote in &snapshot.remotes {
            match groups.iter_mut().find(|g| g.name == remote.group) {
                Some(group) if group.versions.contains(&remote.version) => {}
                Some(group) => group.versions.push(remote.version.clone()),
                None => groups.push(Group { name: remote.group.clone(), versions: vec![remote.version.clone()] }),
            }
        }
        let core = discovery::aggregated(infos(), true, AggregatedVersion::V2);
        let mut all = discovery::aggregated(infos(), false, AggregatedVersion::V2);
        for remote in &snapshot.remotes {
            add_remote(&mut all, &remote.group, &remote.version, remote.aggregated.as_ref());
        }
        Self {
            generation: snapshot.generation,
            groups,
            aggregated_core: Document::new(core),
            aggregated: Document::new(all),
        }
    }
}

/// Adds a group version of an extension server; one that cannot be reached is marked stale.
fn add_remote(list: &mut Value, group: &str, version: &str, entry: Option<&Value>) {
    let entry = entry.cloned().unwrap_or_else(|| {
        let mut entry = discovery::aggregated_version(version, Vec::new());
        entry["freshness"] = "Stale".into();
        entry
    });
    let Some(items) = list.get_mut("items").and_then(Value::as_array_mut) else { return };
    let existing = items.iter_mut().find(|i| i.pointer("/metadata/name").and_then(Value::as_str) == Some(group));
    match existing.and_then(|i| i.get_mut("versions")).and_then(Value::as_array_mut) {
        Some(versions) => versions.push(entry),
        None => items.push(discovery::aggregated_group(group, vec![entry])),
    }
}

/// The resources of a group version; `None` if there is no such version.
fn resources(snapshot: &Snapshot, group: &str, version: &str) -> Option<Value> {
    let group_version = GroupVersion::new(group, version);
    if snapshot.has_version(group, version) {
        let infos = snapshot.ordered.iter().map(|i| -> &ResourceInfo { i });
        return Some(discovery::resource_list(&group_version, infos));
    }
    let entries = snapshot.remote(group, version)?.resources.as_ref()?.as_array()?.clone();
    Some(discovery::resource_list_of(&group_version, entries))
}

/// Where the client has reached us.
fn address(call: &Call) -> String {
    call.headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

/// Sends a document with its ETag, or 304 where the client has it.
pub(crate) fn tagged(call: &Call, document: &Document, media_type: &'static str) -> Response {
    let known = call.headers.get(header::IF_NONE_MATCH) == Some(&document.etag);
    let gzip = negotiate::accepts_gzip(&call.headers);
    let mut response = if known {
        encode::response(304, media_type, Bytes::new(), false)
    } else {
        let body = serde_json::to_vec(&*document.value).unwrap_or_default();
        encode::response(200, media_type, body.into(), gzip)
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, document.etag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}
