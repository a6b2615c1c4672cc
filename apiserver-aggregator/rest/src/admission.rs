//! Admission: plugins that may change or refuse a write before it is stored.

use async_trait::async_trait;
use karmada_machinery::{GroupVersionKind, GroupVersionResource, StatusError};
use serde_json::Value;

use crate::access::UserInfo;

/// The kind of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object (PUT, PATCH, apply).
    Update,
    /// A deletion.
    Delete,
    /// A connection (proxy, exec).
    Connect,
}

impl Operation {
    /// As webhooks and policies write it: CREATE, UPDATE, DELETE, CONNECT.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// What an admission plugin may know of a write.
#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    /// A fresh id of this review.
    pub uid: String,
    /// The write.
    pub operation: Operation,
    /// Kind of the object in the request's version.
    pub kind: GroupVersionKind,
    /// Resource of the request.
    pub resource: GroupVersionResource,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name; empty while `generateName` is not yet resolved.
    pub name: String,
    /// Who asks.
    pub user: UserInfo,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// CreateOptions, UpdateOptions, PatchOptions or DeleteOptions of the request.
    pub options: Value,
    /// The object as stored, for updates and deletions.
    pub old_object: Option<Value>,
}

/// Collects texts for `Warning` headers.
#[derive(Debug, Default)]
pub struct Warnings(pub Vec<String>);

/// A step of admission. Mutating steps of all plugins run before the validating ones, in registration order.
#[async_trait]
pub trait AdmissionPlugin: Send + Sync {
    /// Whether the plugin wants to see this write at all. Must be cheap.
    fn handles(&self, operation: Operation, resource: &GroupVersionResource, subresource: &str) -> bool;

    /// May change the object (`None` for deletions and connections without a body).
    async fn mutate(
        &self,
        _request: &AdmissionRequest,
        _object: Option<&mut Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        Ok(())
    }

    /// May refuse the write.
    async fn validate(
        &self,
        _request: &AdmissionRequest,
        _object: Option<&Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        Ok(())
    }
}
