//! Admission of one write: the plugins in order, mutating ones first.

use std::sync::Arc;

use karmada_machinery::{GroupVersionKind, StatusError};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    admission::{AdmissionPlugin, AdmissionRequest, Operation, Warnings},
    call::{Call, WarningSink},
    server::ApiServer,
};

/// The admission of one write. Holds only the plugins that want to see it; with none, it costs nothing.
pub(crate) struct Review {
    plugins: Vec<Arc<dyn AdmissionPlugin>>,
    warnings: WarningSink,
    request: Option<AdmissionRequest>,
}

impl Review {
    /// Prepares the admission of a write. `name` may be empty; `kind` is the kind of the body.
    pub(crate) fn new(
        server: &ApiServer,
        call: &Call,
        operation: Operation,
        kind: GroupVersionKind,
        name: &str,
        dry_run: bool,
        options: impl FnOnce() -> Value,
    ) -> Self {
        let Some(served) = &call.served else {
            return Self { plugins: Vec::new(), warnings: call.warnings.clone(), request: None };
        };
        let resource = &served.info.gvr;
        let plugins: Vec<_> = server
            .0
            .admission
            .iter()
            .filter(|p| p.handles(operation, resource, &call.info.subresource))
            .cloned()
            .collect();
        let request = (!plugins.is_empty()).then(|| AdmissionRequest {
            uid: Uuid::new_v4().to_string(),
            operation,
            kind,
            resource: resource.clone(),
            subresource: call.info.subresource.clone(),
            // Admission sees the namespace of a namespace in its own path too, as kube-apiserver does.
            namespace: call.info.namespace.clone(),
            name: name.to_owned(),
            user: call.user.clone(),
            dry_run,
            options: options(),
            old_object: None,
        });
        Self { plugins, warnings: call.warnings.clone(), request }
    }

    /// Sets the object before the write, where the plugins will look at it.
    pub(crate) fn set_old(&mut self, old: &Value) {
        if let Some(request) = &mut self.request {
            request.old_object = Some(old.clone());
        }
    }

    /// Changes what kind of write it is: an update that turns out to create.
    pub(crate) fn set_operation(&mut self, operation: Operation) {
        if let Some(request) = &mut self.request {
            request.operation = operation;
            if operation == Operation::Create {
                request.old_object = None;
            }
        }
    }

    /// The mutating steps.
    pub(crate) async fn mutate(&self, mut object: Option<&mut Value>) -> Result<(), StatusError> {
        let Some(request) = &self.request else { return Ok(()) };
        let mut warnings = Warnings::default();
        for plugin in &self.plugins {
            let result = plugin.mutate(request, object.as_deref_mut(), &mut warnings).await;
            self.pass_on(&mut warnings);
            result?;
        }
        Ok(())
    }

    /// The validating steps.
    pub(crate) async fn validate(&self, object: Option<&Value>) -> Result<(), StatusError> {
        let Some(request) = &self.request else { return Ok(()) };
        let mut warnings = Warnings::default();
        for plugin in &self.plugins {
            let result = plugin.validate(request, object, &mut warnings).await;
            self.pass_on(&mut warnings);
            result?;
        }
        Ok(())
    }

    fn pass_on(&self, warnings: &mut Warnings) {
        for text in warnings.0.drain(..) {
            self.warnings.add(text);
        }
    }
}
