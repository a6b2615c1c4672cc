//! One request on its way through the server.

use std::sync::Arc;

use axum::{extract::Request, response::Response};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use karmada_machinery::{GroupResource, ResourceInfo, StatusError};
use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    access::UserInfo,
    decode,
    encode::{self, Wire},
    info::RequestInfo,
    negotiate::{self, Format},
    query::Query,
    registry::{Served, Snapshot},
};

/// The largest request body: kube-apiserver's limit.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Warnings for one client are cut off at so many bytes altogether, as kube-apiserver does.
const WARNINGS_LIMIT: usize = 4 * 1024;

/// Texts for `Warning` headers, shared by all who work on a request.
#[derive(Clone, Debug, Default)]
pub struct WarningSink(Arc<Mutex<Vec<String>>>);

impl WarningSink {
    /// Adds a text unless it is there already.
    pub fn add(&self, text: impl Into<String>) {
        let text = text.into();
        let mut texts = self.0.lock();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }

    /// Writes the headers.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let mut size = 0;
        for text in self.0.lock().iter() {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            let escaped: String = escaped.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            size += escaped.len();
            if size > WARNINGS_LIMIT {
                return;
            }
            if let Ok(value) = format!("299 - \"{escaped}\"").parse() {
                headers.append(header::WARNING, value);
            }
        }
    }
}

/// One authenticated and authorized request.
#[derive(Clone)]
pub struct Call {
    /// What it asks for.
    pub info: RequestInfo,
    /// Its query string.
    pub query: Query,
    /// Who asks.
    pub user: UserInfo,
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: HeaderMap,
    /// What is served, as of the request's arrival.
    pub snapshot: Arc<Snapshot>,
    /// The resource that the path names, where it is one of ours.
    pub served: Option<Arc<Served>>,
    /// When the request arrived.
    pub now: Timestamp,
    /// Warnings for the client.
    pub warnings: WarningSink,
}

impl Call {
    /// The resource's description.
    ///
    /// # Errors
    /// 404 when the path names no resource of ours; handlers of resources never see that.
    pub fn resource(&self) -> Result<&Arc<ResourceInfo>, StatusError> {
        match &self.served {
            Some(served) => Ok(&served.info),
            None => {
                Err(StatusError::not_found(&GroupResource::new(&self.info.group, &self.info.resource), &self.info.name))
            }
        }
    }

    /// The namespace of the objects: empty for cluster-scoped resources, whatever the path says.
    pub fn namespace(&self) -> &str {
        match &self.served {
            Some(served) if served.info.namespaced => &self.info.namespace,
            _ => "",
        }
    }

    /// How an answer is sent when it is an error or has no other view.
    pub fn wire(&self) -> Wire {
        wire_of(&self.headers, &self.query)
    }

    /// The media type of the request's body.
    pub fn media_type(&self) -> String {
        negotiate::content_type(&self.headers)
    }

    /// Decodes a request's body into an object without looking at its kind: for handlers of special resources.
    ///
    /// # Errors
    /// 400 for malformed bodies, 413 for large ones, 415 for unknown types.
    pub async fn decode(&self, request: Request) -> Result<Value, StatusError> {
        let body = read_body(request).await?;
        Ok(decode::object(&self.media_type(), &body)?.value)
    }

    /// An answer with this object as it is.
    pub fn answer(&self, code: u16, value: &Value) -> Response {
        encode::value_response(code, value, self.wire())
    }
}

/// How an answer without a view is sent.
pub(crate) fn wire_of(headers: &HeaderMap, query: &Query) -> Wire {
    let format = negotiate::error_format(headers);
    let pretty = format == Format::Json && query.get("pretty").is_some() && query.flag("pretty");
    Wire { format, pretty, gzip: negotiate::accepts_gzip(headers) }
}

/// Reads a body of at most [`BODY_LIMIT`] bytes.
///
/// # Errors
/// 413 for larger ones, 400 when the client breaks off.
pub async fn read_body(request: Request) -> Result<Bytes, StatusError> {
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    let too_large = || StatusError::too_large(format!("Request entity too large: limit is {BODY_LIMIT}"));
    if declared.is_some_and(|length| length > BODY_LIMIT) {
        return Err(too_large());
    }
    match axum::body::to_bytes(request.into_body(), BODY_LIMIT).await {
        Ok(body) => Ok(body),
        Err(error) => {
            use std::error::Error as _;
            if error.source().is_some_and(|s| s.is::<http_body_util::LengthLimitError>()) {
                Err(too_large())
            } else {
                Err(StatusError::bad_request(format!("reading the request body: {error}")))
            }
        }
    }
}
