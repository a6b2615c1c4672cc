//! Authorization: role-based access control over the roles and bindings that the server stores.

pub mod bootstrap;
pub mod escalation;
pub mod index;
pub mod policy;
pub mod rule;

use std::sync::Arc;

use async_trait::async_trait;
use karmada_machinery::StatusError;
use karmada_rest::access::{Attributes, Authorizer, Decision};

pub use index::RbacIndex;
pub use rule::Rule;

/// The group whose members may do everything, whatever the roles say.
pub const MASTERS: &str = "system:masters";

/// Decides by the roles and bindings of an index.
pub struct RbacAuthorizer {
    index: Arc<RbacIndex>,
}

impl RbacAuthorizer {
    /// Decides by this index.
    pub fn new(index: Arc<RbacIndex>) -> Self {
        Self { index }
    }
}

#[async_trait]
impl Authorizer for RbacAuthorizer {
    async fn authorize(&self, attributes: &Attributes) -> Result<Decision, StatusError> {
        Ok(self.decide(attributes))
    }
}

impl RbacAuthorizer {
    /// The decision; needs no I/O.
    pub fn decide(&self, attributes: &Attributes) -> Decision {
        if attributes.user.in_group(MASTERS) {
            return Decision::Allow(String::new());
        }
        match self.index.allows(attributes) {
            Some(reason) => Decision::Allow(reason),
            None => Decision::NoOpinion(String::new()),
        }
    }
}

/// The text of a refusal, after `… is forbidden: `.
pub fn denial(attributes: &Attributes) -> String {
    let user = &attributes.user.name;
    let verb = &attributes.verb;
    if !attributes.resource_request {
        return format!("User {user:?} cannot {verb} path {:?}", attributes.path);
    }
    let resource = qualified(attributes);
    let scope = if attributes.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", attributes.namespace)
    };
    format!("User {user:?} cannot {verb} resource {resource:?} in API group {:?} {scope}", attributes.group)
}

/// `pods` or `pods/log`.
fn qualified(attributes: &Attributes) -> String {
    if attributes.subresource.is_empty() {
        attributes.resource.clone()
    } else {
        format!("{}/{}", attributes.resource, attributes.subresource)
    }
}

#[cfg(test)]
mod tests;
