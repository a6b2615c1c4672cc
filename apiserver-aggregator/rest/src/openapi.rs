//! OpenAPI v2 and v3: documents made from the schemas of what is served, cached per state of the registry.

use axum::response::Response;

use crate::call::Call;

/// The OpenAPI documents.
#[derive(Default)]
pub(crate) struct OpenApi {}

impl OpenApi {
    /// Answers if the path names a document.
    pub(crate) fn serve(&self, _call: &Call, _path: &str) -> Option<Response> {
        None
    }
}
