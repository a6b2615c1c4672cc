//! Dynamic admission: Mutating- and ValidatingWebhookConfigurations.
//!
//! Configurations follow the store; a request asks those hooks whose rules and selectors fit. Mutating hooks are called one
//! after the other, once more if they ask for it and a later one has changed the object; validating ones all at once.
//! Match conditions (CEL) are not evaluated yet: a hook that has them fails as if it could not be reached, so that its
//! failure policy decides.

mod call;
pub mod config;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::future::join_all;
use karmada_machinery::{GroupVersionResource, StatusError, patch};
use karmada_rest::{
    Registry,
    admission::{AdmissionPlugin, AdmissionRequest, Operation, Warnings},
};
use serde_json::Value;

use self::{
    call::{Answer, CallError, Caller},
    config::{Configurations, Hook, Kind},
};
use super::namespaces::Namespaces;
use crate::{controllers::aggregation::selects, objects::ObjectReader};

/// The group whose own objects no webhook may come between: a broken hook could never be removed.
const EXEMPT: &str = "admissionregistration.k8s.io";

/// The plugin.
pub struct Webhooks {
    configurations: Arc<Configurations>,
    namespaces: Arc<Namespaces>,
    registry: OnceLock<Arc<Registry>>,
    caller: Caller,
}

impl Webhooks {
    /// Calls what `configurations` say; Services are looked up in `objects`.
    pub fn new(
        configurations: Arc<Configurations>,
        namespaces: Arc<Namespaces>,
        objects: Arc<dyn ObjectReader>,
    ) -> Self {
        Self { configurations, namespaces, registry: OnceLock::new(), caller: Caller::new(objects) }
    }

    /// Tells what is served, which says which resources are namespaced.
    pub fn set_registry(&self, registry: Arc<Registry>) {
        // The first one stays; there is one registry a server.
        let _ = self.registry.set(registry);
    }

    fn namespaced(&self, resource: &GroupVersionResource) -> bool {
        let snapshot = self.registry.get().map(|r| r.snapshot());
        snapshot
            .as_ref()
            .and_then(|s| s.resource(&resource.group, &resource.version, &resource.resource))
            .is_some_and(|served| served.info.namespaced)
    }

    fn matching(&self, kind: Kind, request: &AdmissionRequest, object: Option<&Value>) -> Vec<Arc<Hook>> {
        let hooks = self.configurations.hooks(kind);
        let namespaced = self.namespaced(&request.resource);
        hooks.iter().filter(|hook| self.fits(hook, request, object, namespaced)).cloned().collect()
    }

    fn fits(&self, hook: &Hook, request: &AdmissionRequest, object: Option<&Value>, namespaced: bool) -> bool {
        let rules = hook.rules.iter();
        let by_rule = rules
            .into_iter()
            .any(|rule| rule.matches(request.operation, &request.resource, &request.subresource, namespaced));
        if !by_rule {
            return false;
        }
        let labels = |object: &Value| object["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        let old = request.old_object.as_ref();
        let by_object = object.iter().copied().chain(old).any(|o| selects(&hook.object_selector, &labels(o)));
        if !by_object {
            return false;
        }
        if request.resource.group.is_empty() && request.resource.resource == "namespaces" {
            return object.or(old).is_none_or(|o| selects(&hook.namespace_selector, &labels(o)));
        }
        if !namespaced {
            return true;
        }
        let state = self.namespaces.get(&request.namespace).unwrap_or_default();
        let labels = state.labels.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect();
        selects(&hook.namespace_selector, &labels)
    }

    async fn ask(
        &self,
        hook: &Hook,
        request: &AdmissionRequest,
        object: Option<&Value>,
    ) -> Result<Answer, StatusError> {
        if request.dry_run && !hook.dry_run {
            return Err(StatusError::bad_request(format!(
                "admission webhook {:?} does not support dry run",
                hook.name
            )));
        }
        match self.caller.call(hook, request, object).await {
            Ok(answer) => Ok(answer),
            Err(CallError::Denied(error)) => Err(error),
            Err(CallError::Failed(why)) if hook.ignore_failure => {
                tracing::warn!(webhook = hook.name, why, "a webhook failed and is ignored, as its policy says");
                Ok(Answer::default())
            }
            Err(CallError::Failed(why)) => {
                Err(StatusError::internal(format!("failed calling webhook {:?}: {why}", hook.name)))
            }
        }
    }
}

/// Applies a hook's patch; says whether it changed anything.
fn apply(hook: &Hook, answer: &Answer, object: &mut Value) -> Result<bool, StatusError> {
    let Some(operations) = &answer.patch else { return Ok(false) };
    let patched = patch::json_patch(object.clone(), operations).map_err(|error| {
        StatusError::internal(format!("admission webhook {:?} sent a patch that does not apply: {error}", hook.name))
    })?;
    let changed = patched != *object;
    *object = patched;
    Ok(changed)
}

#[async_trait]
impl AdmissionPlugin for Webhooks {
    fn handles(&self, _operation: Operation, resource: &GroupVersionResource, _subresource: &str) -> bool {
        resource.group != EXEMPT && !self.configurations.is_empty()
    }

    async fn mutate(
        &self,
        request: &AdmissionRequest,
        object: Option<&mut Value>,
        warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        let Some(object) = object else {
            for hook in self.matching(Kind::Mutating, request, None) {
                warnings.0.extend(self.ask(&hook, request, None).await?.warnings);
            }
            return Ok(());
        };
        let hooks = self.matching(Kind::Mutating, request, Some(object));
        // A hook is asked again if somebody after it has changed what it had seen.
        let mut last_change = None;
        for (index, hook) in hooks.iter().enumerate() {
            let answer = self.ask(hook, request, Some(object)).await?;
            if apply(hook, &answer, object)? {
                last_change = Some(index);
            }
            warnings.0.extend(answer.warnings);
        }
        if let Some(last_change) = last_change {
            for hook in hooks.iter().take(last_change).filter(|h| h.reinvoke) {
                let answer = self.ask(hook, request, Some(object)).await?;
                apply(hook, &answer, object)?;
                warnings.0.extend(answer.warnings);
            }
        }
        Ok(())
    }

    async fn validate(
        &self,
        request: &AdmissionRequest,
        object: Option<&Value>,
        warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        let hooks = self.matching(Kind::Validating, request, object);
        for answer in join_all(hooks.iter().map(|hook| self.ask(hook, request, object))).await {
            warnings.0.extend(answer?.warnings);
        }
        Ok(())
    }
}
