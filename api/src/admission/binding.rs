//! Validation of bindings.

use serde_json::Value;

use super::{Context, Denial, FieldError};
use crate::annotations;
use crate::features::Feature;
use crate::work::ResourceBinding;

/// The webhook reads v1alpha2 only: a binding that is written through another version is refused.
pub(super) fn decodable(version: &str, kind: &str) -> Result<(), Denial> {
    if version == "v1alpha2" {
        return Ok(());
    }
    let message = format!("unable to decode work.karmada.io/{version}, Kind={kind} into *v1alpha2.{kind}");
    Err(Denial::errored(400, message))
}

pub(super) fn validate(binding: &ResourceBinding, context: &Context<'_>) -> Result<(), Denial> {
    let mut errors = vec![];
    let dependencies = binding.metadata.annotations.as_ref().and_then(|a| a.get(annotations::DEPENDENCIES));
    if let Some(text) = dependencies {
        let list = serde_json::from_str::<Vec<Value>>(text);
        if list.is_err() && text != "null" {
            let field = format!("metadata.annotations.{}", annotations::DEPENDENCIES);
            errors.push(FieldError::invalid(&field, text, "annotation value must be a valid JSON"));
        }
    }
    if context.enabled(Feature::MultiplePodTemplatesScheduling) {
        let mut seen = vec![];
        for (i, component) in binding.spec.components.iter().enumerate() {
            let field = format!("spec.components[{i}].name");
            let name = component.name.as_str();
            if name.is_empty() {
                errors.push(FieldError::invalid(&field, name, "component names must be non-empty"));
            } else if seen.contains(&name) {
                errors.push(FieldError::invalid(&field, name, "component names must be unique"));
            }
            seen.push(name);
        }
    }
    Denial::because_of(&errors)
}
