//! Patches: JSON patch (RFC 6902), JSON merge patch (RFC 7386) and strategic merge patch.
//!
//! Every function takes the object as stored and the patch, and gives the patched object or the error that Kubernetes
//! answers. What follows (decoding into the kind, defaults, validation) is the caller's. Server-side apply is a world of
//! its own: [`crate::apply`].

pub mod go;
mod json;
mod merge;
mod strategic;
mod strategic_order;

pub use json::{MAX_COPY_BYTES, MAX_DEPTH, MAX_OPERATIONS, json_patch};
pub use merge::merge_patch;
pub use strategic::strategic_merge_patch;

use crate::{
    field::FieldError,
    status::{Reason, StatusError},
};

/// A patch format, as `Content-Type` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatchType {
    /// `application/json-patch+json`.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`; not for custom resources.
    StrategicMerge,
    /// `application/apply-patch+yaml`.
    Apply,
}

impl PatchType {
    /// The format of a media type, which may carry parameters such as a charset.
    pub fn from_media_type(content_type: &str) -> Option<Self> {
        Some(match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Self::Json,
            "application/merge-patch+json" => Self::Merge,
            "application/strategic-merge-patch+json" => Self::StrategicMerge,
            "application/apply-patch+yaml" => Self::Apply,
            _ => return None,
        })
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::StrategicMerge => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// 422 as Kubernetes answers it for a patch whose result cannot be decoded into the kind: the field `patch` is invalid,
/// with the patch as its value.
pub fn undecodable_result(shown_patch: &str, why: impl Into<String>) -> StatusError {
    StatusError::invalid("", "", "", &[FieldError::invalid("patch", shown_patch, why)])
}

/// 422 without causes: a JSON patch that does not apply.
fn rejected() -> StatusError {
    StatusError::new(422, Reason::Invalid, "the server rejected our request due to an error in our request")
        .with_details(serde_json::json!({}))
}

#[cfg(test)]
pub(crate) mod tests;
