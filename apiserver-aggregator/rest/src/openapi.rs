//! OpenAPI v2 and v3: documents made from the schemas of what is served, at their first request, and kept compressed as long
//! as what they describe is served.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderValue, StatusCode, header};
use karmada_machinery::{GroupVersion, ResourceInfo, openapi};
use parking_lot::Mutex;
use serde_json::Value;

use crate::call::Call;
use crate::encode;
use crate::negotiate;
use crate::registry::Snapshot;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The name that older clients use for the same.
const V2_PROTOBUF_AT: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// A document, compressed, with the hash of its plain form.
struct Document {
    compressed: Bytes,
    hash: String,
}

impl Document {
    fn new(plain: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::new(4));
        // Writing into memory does not fail.
        let _ = encoder.write_all(plain);
        Self { compressed: encoder.finish().unwrap_or_default().into(), hash: openapi::hash(plain) }
    }

    fn json(value: &Value) -> Self {
        Self::new(&serde_json::to_vec(value).unwrap_or_default())
    }
}

/// The v3 document of a group version with the resources that it describes.
struct Part {
    resources: Vec<Arc<ResourceInfo>>,
    document: Arc<Document>,
}

/// Documents of one state of the registry.
struct Whole<T> {
    generation: u64,
    made: T,
}

/// The OpenAPI documents.
#[derive(Default)]
pub(crate) struct OpenApi {
    /// v3 documents by path; one stays as long as its resources are the same.
    parts: Mutex<HashMap<String, Part>>,
    index: ArcSwapOption<Whole<Document>>,
    v2: ArcSwapOption<Whole<(Document, Document)>>,
}

impl OpenApi {
    /// Answers if the path names a document.
    pub(crate) fn serve(&self, call: &Call, path: &str) -> Option<Response> {
        if !matches!(call.info.verb, "get" | "head") {
            return None;
        }
        match path.strip_prefix("/openapi/")? {
            "v2" => Some(self.v2(call)),
            "v3" => Some(self.index(call)),
            other => self.part(call, other.strip_prefix("v3/")?),
        }
    }

    fn v2(&self, call: &Call) -> Response {
        let clauses = negotiate::clauses(&call.headers);
        let offer = |media: &str| match media {
            JSON | "*/*" | "application/*" => Some(JSON),
            V2_PROTOBUF | V2_PROTOBUF_AT => Some(V2_PROTOBUF),
            _ => None,
        };
        let media = if clauses.is_empty() { Some(JSON) } else { clauses.iter().find_map(|c| offer(c.media)) };
        let Some(media) = media else { return not_acceptable() };
        let snapshot = &call.snapshot;
        let whole = match self.v2.load_full().filter(|w| w.generation == snapshot.generation) {
            Some(whole) => whole,
            None => {
                let value = openapi::v2(snapshot.ordered.iter().map(|i| -> &ResourceInfo { i }));
                let made = (Document::json(&value), Document::new(&openapi::encode_v2(&value)));
                let whole = Arc::new(Whole { generation: snapshot.generation, made });
                self.v2.store(Some(Arc::clone(&whole)));
                whole
            }
        };
        let document = if media == JSON { &whole.made.0 } else { &whole.made.1 };
        send(call, document, media)
    }

    fn index(&self, call: &Call) -> Response {
        let snapshot = &call.snapshot;
        if let Some(whole) = self.index.load_full().filter(|w| w.generation == snapshot.generation) {
            return send(call, &whole.made, TEXT);
        }
        let mut documents = Vec::new();
        for group_version in group_versions(snapshot) {
            let path = openapi::v3_path(&group_version);
            let document = self.group_version(snapshot, &group_version, &path);
            documents.push((path, document));
        }
        documents.push(("version".to_owned(), self.version()));
        self.parts.lock().retain(|path, _| documents.iter().any(|(kept, _)| kept == path));
        let index = openapi::v3_index(documents.iter().map(|(path, d)| (path.as_str(), d.hash.as_str())));
        let whole = Arc::new(Whole { generation: snapshot.generation, made: Document::json(&index) });
        self.index.store(Some(Arc::clone(&whole)));
        send(call, &whole.made, TEXT)
    }

    fn part(&self, call: &Call, path: &str) -> Option<Response> {
        let document = if path == "version" {
            self.version()
        } else {
            let group_version = group_versions(&call.snapshot).into_iter().find(|gv| openapi::v3_path(gv) == path)?;
            self.group_version(&call.snapshot, &group_version, path)
        };
        let clauses = negotiate::clauses(&call.headers);
        let fits = clauses.is_empty() || clauses.iter().any(|c| matches!(c.media, JSON | "*/*" | "application/*"));
        if !fits {
            return Some(not_acceptable());
        }
        match call.query.get("hash") {
            // The index is older than the document.
            Some(hash) if !hash.is_empty() && hash != document.hash => {
                let location = format!("/openapi/v3/{path}?hash={}", document.hash);
                let mut response = encode::text_response(301, "");
                if let Ok(location) = HeaderValue::from_str(&location) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                Some(response)
            }
            Some(hash) if !hash.is_empty() => {
                let mut response = send(call, &document, JSON);
                let forever = HeaderValue::from_static("public, immutable");
                response.headers_mut().insert(header::CACHE_CONTROL, forever);
                Some(response)
            }
            _ => Some(send(call, &document, JSON)),
        }
    }

    fn version(&self) -> Arc<Document> {
        self.cached("version", Vec::new(), openapi::v3_version)
    }

    fn group_version(&self, snapshot: &Snapshot, group_version: &GroupVersion, path: &str) -> Arc<Document> {
        let resources: Vec<Arc<ResourceInfo>> = snapshot
            .ordered
            .iter()
            .filter(|i| i.gvr.group == group_version.group && i.gvr.version == group_version.version)
            .cloned()
            .collect();
        let infos = resources.clone();
        self.cached(path, resources, || openapi::v3(group_version, infos.iter().map(|i| -> &ResourceInfo { i })))
    }

    fn cached(&self, path: &str, resources: Vec<Arc<ResourceInfo>>, make: impl FnOnce() -> Value) -> Arc<Document> {
        if let Some(part) = self.parts.lock().get(path) {
            let same = part.resources.len() == resources.len()
                && part.resources.iter().zip(&resources).all(|(a, b)| Arc::ptr_eq(a, b));
            if same {
                return Arc::clone(&part.document);
            }
        }
        let document = Arc::new(Document::json(&make()));
        self.parts.lock().insert(path.to_owned(), Part { resources, document: Arc::clone(&document) });
        document
    }
}

fn group_versions(snapshot: &Snapshot) -> Vec<GroupVersion> {
    let mut found: Vec<GroupVersion> = Vec::new();
    for info in &snapshot.ordered {
        if !found.iter().any(|gv| gv.group == info.gvr.group && gv.version == info.gvr.version) {
            found.push(GroupVersion::new(&info.gvr.group, &info.gvr.version));
        }
    }
    found
}

fn not_acceptable() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
    response
}

/// Sends a document as it is kept where the client takes gzip, or 304 where the client has it.
fn send(call: &Call, document: &Document, media_type: &'static str) -> Response {
    let etag = format!("\"{}\"", document.hash);
    let known = call.headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes());
    let gzip = negotiate::accepts_gzip(&call.headers);
    let mut response = if known {
        encode::response(304, media_type, Bytes::new(), false)
    } else if gzip {
        let mut response = encode::response(200, media_type, document.compressed.clone(), false);
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        let mut plain = Vec::new();
        // What we compressed ourselves can be read again.
        let _ = GzDecoder::new(document.compressed.as_ref()).read_to_end(&mut plain);
        encode::response(200, media_type, plain.into(), false)
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding, Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
