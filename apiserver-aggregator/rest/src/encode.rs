//! Objects to bytes: the stored form, lists, and HTTP bodies.

use std::io::Write as _;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, StatusCode, header};
use karmada_machinery::{GroupVersionKind, StatusError};
use serde_json::{Map, Value};

use crate::negotiate::Format;

/// Bodies smaller than this are not worth compressing (kube-apiserver's threshold).
const GZIP_THRESHOLD: usize = 128 * 1024;

/// An object as it is stored: kind, apiVersion and metadata first, so that the resource version can be put in and the type
/// taken out without parsing; no resource version.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The JSON.
    pub bytes: Bytes,
    /// Where the content of `metadata` begins.
    metadata_at: usize,
    metadata_empty: bool,
}

/// `{"kind":"…","apiVersion":"…",`: how every stored object of a kind begins.
pub fn type_prefix(gvk: &GroupVersionKind) -> String {
    format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", gvk.kind, gvk.api_version())
}

fn write_json(out: &mut Vec<u8>, value: &Value) {
    // Writing a value tree into memory cannot fail: its keys are strings and its numbers finite.
    let _ = serde_json::to_writer(out, value);
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    let _ = serde_json::to_writer(&mut *out, key);
    out.push(b':');
}

impl Stored {
    /// Encodes an object of this kind.
    pub fn encode(object: &Value, gvk: &GroupVersionKind) -> Self {
        let empty = Map::new();
        let object = object.as_object().unwrap_or(&empty);
        let metadata = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(type_prefix(gvk).as_bytes());
        out.extend_from_slice(b"\"metadata\":{");
        let metadata_at = out.len();
        let mut metadata_empty = true;
        for (key, value) in metadata {
            if key == "resourceVersion" {
                continue;
            }
            if !metadata_empty {
                out.push(b',');
            }
            metadata_empty = false;
            write_key(&mut out, key);
            write_json(&mut out, value);
        }
        out.push(b'}');
        for (key, value) in object {
            if matches!(key.as_str(), "kind" | "apiVersion" | "metadata") {
                continue;
            }
            out.push(b',');
            write_key(&mut out, key);
            write_json(&mut out, value);
        }
        out.push(b'}');
        Self { bytes: out.into(), metadata_at, metadata_empty }
    }

    /// The object with a resource version: what the writer gets back.
    pub fn at_revision(&self, revision: u64) -> Bytes {
        let field = format!("\"resourceVersion\":\"{revision}\"{}", if self.metadata_empty { "" } else { "," });
        let mut out = Vec::with_capacity(self.bytes.len() + field.len());
        out.extend_from_slice(&self.bytes[..self.metadata_at]);
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(&self.bytes[self.metadata_at..]);
        out.into()
    }
}

/// The head of a list: kind, version and metadata.
#[derive(Clone, Debug, Default)]
pub struct ListHead {
    /// The list's kind.
    pub kind: String,
    /// The list's apiVersion.
    pub api_version: String,
    /// The revision whose state the list shows.
    pub revision: u64,
    /// The token for the next page, if there is one.
    pub continue_token: Option<String>,
    /// How many objects follow, if known.
    pub remaining: Option<u64>,
    /// Whether an absent token is written as the empty string, as lists of custom resources do.
    pub always_continue: bool,
}

impl ListHead {
    /// `metadata` of the list.
    pub fn metadata(&self) -> Map<String, Value> {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), self.revision.to_string().into());
        match &self.continue_token {
            Some(token) => {
                metadata.insert("continue".into(), token.clone().into());
                if let Some(remaining) = self.remaining.filter(|r| *r > 0) {
                    metadata.insert("remainingItemCount".into(), remaining.into());
                }
            }
            None if self.always_continue => {
                metadata.insert("continue".into(), "".into());
            }
            None => {}
        }
        metadata
    }

    /// Encodes the list around encoded items.
    pub fn encode(&self, items: impl Iterator<Item = Bytes>, strip: Option<&str>, capacity: usize) -> Bytes {
        let mut out = Vec::with_capacity(capacity + 256);
        out.extend_from_slice(b"{\"kind\":");
        write_json(&mut out, &Value::String(self.kind.clone()));
        out.extend_from_slice(b",\"apiVersion\":");
        write_json(&mut out, &Value::String(self.api_version.clone()));
        out.extend_from_slice(b",\"metadata\":");
        write_json(&mut out, &Value::Object(self.metadata()));
        out.extend_from_slice(b",\"items\":[");
        let mut first = true;
        for item in items {
            if !first {
                out.push(b',');
            }
            first = false;
            match strip.filter(|prefix| item.starts_with(prefix.as_bytes())) {
                // The type is left out of the items of built-in lists.
                Some(prefix) => {
                    out.push(b'{');
                    out.extend_from_slice(&item[prefix.len()..]);
                }
                None => out.extend_from_slice(&item),
            }
        }
        out.extend_from_slice(b"]}");
        out.into()
    }
}

/// Prints a value in a format.
pub fn print(value: &Value, format: Format, pretty: bool) -> Bytes {
    match format {
        Format::Json if pretty => serde_json::to_vec_pretty(value).unwrap_or_default().into(),
        Format::Json => {
            let mut out = Vec::with_capacity(512);
            write_json(&mut out, value);
            out.push(b'\n');
            out.into()
        }
        Format::Yaml => yaml(value),
    }
}

fn yaml(value: &Value) -> Bytes {
    serde_yaml_ng::to_string(value).map(Bytes::from).unwrap_or_default()
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// The encoding.
    pub format: Format,
    /// Whether JSON is indented.
    pub pretty: bool,
    /// Whether the client takes gzip.
    pub gzip: bool,
}

/// A response with this body.
pub fn response(code: u16, media_type: &'static str, body: Bytes, gzip: bool) -> Response {
    let mut compressed = None;
    if gzip && body.len() >= GZIP_THRESHOLD {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(1));
        if encoder.write_all(&body).is_ok() {
            compressed = encoder.finish().ok();
        }
    }
    let encoded = compressed.is_some();
    let body = compressed.map_or(body, Bytes::from);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    if encoded {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if gzip {
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

/// A response with a value.
pub fn value_response(code: u16, value: &Value, wire: Wire) -> Response {
    response(code, wire.format.media_type(), print(value, wire.format, wire.pretty), wire.gzip)
}

/// A response with a Status for an error.
pub fn error_response(error: &StatusError, wire: Wire) -> Response {
    let mut response = value_response(error.code, &error.to_value(), wire);
    let retry = error.details.as_ref().and_then(|d| d.get("retryAfterSeconds")).and_then(Value::as_u64);
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// `404 page not found`: the path names nothing that is served.
pub fn page_not_found() -> Response {
    text_response(404, "404 page not found\n")
}

/// A plain text response.
pub fn text_response(code: u16, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stored_form_takes_a_revision_and_loses_its_type() {
        let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
        let object = json!({"data": {"a": "1"}, "metadata": {"name": "x", "resourceVersion": "3"}, "kind": "ConfigMap", "apiVersion": "v1"});
        let stored = Stored::encode(&object, &gvk);
        assert_eq!(
            stored.bytes,
            &br#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"1"}}"#[..]
        );
        let at = stored.at_revision(7);
        assert_eq!(
            at,
            &br#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"x"},"data":{"a":"1"}}"#[..]
        );
        let head =
            ListHead { kind: "ConfigMapList".into(), api_version: "v1".into(), revision: 9, ..ListHead::default() };
        let list: Value = serde_json::from_slice(&head.encode([at].into_iter(), Some(&type_prefix(&gvk)), 0)).unwrap();
        assert_eq!(
            list,
            json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"},
                "items": [{"metadata": {"resourceVersion": "7", "name": "x"}, "data": {"a": "1"}}]})
        );
    }
}
