//! Validation of built-in kinds: which functions judge which kind.

use serde_json::Value;

use crate::crd;
use crate::field::FieldErrors;
use crate::gvk::GroupVersionKind;
use crate::resource::RequestContext;

type Validate = fn(&Value) -> FieldErrors;
type ValidateUpdate = fn(&Value, &Value, &RequestContext<'_>) -> FieldErrors;

/// The validation of a new object and of a change.
pub(super) fn of(gvk: &GroupVersionKind) -> (Validate, ValidateUpdate) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => (crd::validate, update_definition),
        _ => (|_| Vec::new(), |_, _, _| Vec::new()),
    }
}

/// A changed definition; the generic path has judged it as a whole already.
fn update_definition(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    if ctx.subresource.is_some() { Vec::new() } else { crd::validate_change(object, old) }
}
