//! NamespaceLifecycle: nothing is created in a namespace that does not exist or is being deleted, and the namespaces that
//! the system lives in are not deleted.

use std::sync::Arc;

use async_trait::async_trait;
use karmada_machinery::{GroupResource, GroupVersionResource, StatusError, meta};
use karmada_rest::admission::{AdmissionPlugin, AdmissionRequest, Operation, Warnings};
use serde_json::{Value, json};

use super::namespaces::Namespaces;
use crate::objects::ObjectReader;

/// Namespaces that may not be deleted.
const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];

/// The plugin.
pub struct NamespaceLifecycle {
    namespaces: Arc<Namespaces>,
    objects: Arc<dyn ObjectReader>,
}

impl NamespaceLifecycle {
    /// Decides by `namespaces`, and asks `objects` about one that is not there: another server on the same store may
    /// just have created it.
    pub fn new(namespaces: Arc<Namespaces>, objects: Arc<dyn ObjectReader>) -> Self {
        Self { namespaces, objects }
    }

    /// Whether the namespace is being deleted; `None` if there is none.
    async fn terminating(&self, name: &str) -> Result<Option<bool>, StatusError> {
        if let Some(state) = self.namespaces.get(name) {
            return Ok(Some(state.terminating));
        }
        let resource = GroupVersionResource::new("", "v1", "namespaces");
        let object = self.objects.get(&resource, "", name).await?;
        Ok(object.map(|object| meta::deletion_timestamp(&object).is_some()))
    }
}

#[async_trait]
impl AdmissionPlugin for NamespaceLifecycle {
    fn handles(&self, operation: Operation, resource: &GroupVersionResource, subresource: &str) -> bool {
        let of_namespaces = resource.group.is_empty() && resource.resource == "namespaces";
        match operation {
            Operation::Create | Operation::Update => {
                // Access reviews ask about namespaces that need not exist.
                let review = resource.group == "authorization.k8s.io" && subresource.is_empty();
                !of_namespaces && !review
            }
            Operation::Delete => of_namespaces,
            Operation::Connect => false,
        }
    }

    async fn validate(
        &self,
        request: &AdmissionRequest,
        _object: Option<&Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        if request.operation == Operation::Delete {
            if PROTECTED.contains(&request.name.as_str()) {
                let resource = GroupResource::new("", "namespaces");
                return Err(StatusError::forbidden(&resource, &request.name, "this namespace may not be deleted"));
            }
            return Ok(());
        }
        if request.namespace.is_empty() {
            return Ok(());
        }
        let namespace = &request.namespace;
        match self.terminating(namespace).await? {
            None => Err(StatusError::not_found(&GroupResource::new("", "namespaces"), namespace)),
            Some(true) if request.operation == Operation::Create => Err(terminating(request)),
            Some(_) => Ok(()),
        }
    }
}

fn terminating(request: &AdmissionRequest) -> StatusError {
    let namespace = &request.namespace;
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut error = StatusError::forbidden(&request.resource.group_resource(), &request.name, &why);
    error.details.get_or_insert_default().insert(
        "causes".to_owned(),
        json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]),
    );
    error
}
