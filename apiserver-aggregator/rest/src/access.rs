//! Who asks, and whether they may: the seams between REST semantics and the process that knows identities and rules.

use std::collections::BTreeMap;

use async_trait::async_trait;
use karmada_machinery::StatusError;

/// An authenticated requester. Handlers find it in the request's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// The name, such as `system:admin` or `system:serviceaccount:ns:name`.
    pub name: String,
    /// An id that outlives renames; mostly empty.
    pub uid: String,
    /// Groups, such as `system:masters`.
    pub groups: Vec<String>,
    /// Further facts, such as the pod of a service account.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The user of requests without credentials.
pub const ANONYMOUS: &str = "system:anonymous";

impl UserInfo {
    /// A member of `system:masters`: whoever runs in the server's own process.
    pub fn loopback() -> Self {
        Self {
            name: "system:apiserver".to_owned(),
            uid: String::new(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
            extra: BTreeMap::new(),
        }
    }

    /// The user of requests without credentials.
    pub fn anonymous() -> Self {
        Self {
            name: ANONYMOUS.to_owned(),
            uid: String::new(),
            groups: vec!["system:unauthenticated".to_owned()],
            extra: BTreeMap::new(),
        }
    }

    /// Whether the user is in the group.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// What a request wants to do, as authorization and admission see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Who asks.
    pub user: UserInfo,
    /// Kubernetes' verb: get, list, watch, create, update, patch, delete, deletecollection, or the lower-case HTTP method
    /// for non-resource paths.
    pub verb: String,
    /// API group; empty for the core group and for non-resource paths.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource; empty for non-resource paths.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Object name, or empty (lists, creations).
    pub name: String,
    /// The path of the request.
    pub path: String,
    /// Whether it names a resource.
    pub resource_request: bool,
}

/// What an authorizer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed; the reason goes into audit.
    Allow(String),
    /// Denied, whatever others say.
    Deny(String),
    /// Somebody else must decide; denied if nobody allows.
    NoOpinion(String),
}

/// Decides whether a request may go on.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Decides on one request. An error means that it could not be decided and is answered as such.
    async fn authorize(&self, attributes: &Attributes) -> Result<Decision, StatusError>;
}

/// Allows everything: for servers in a test process that only the process itself reaches.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

#[async_trait]
impl Authorizer for AllowAll {
    async fn authorize(&self, _attributes: &Attributes) -> Result<Decision, StatusError> {
        Ok(Decision::Allow(String::new()))
    }
}
