//! Validation of built-in kinds: which functions judge which kind.

use serde_json::Value;

use crate::field::FieldErrors;
use crate::gvk::GroupVersionKind;
use crate::resource::RequestContext;

type Validate = fn(&Value) -> FieldErrors;
type ValidateUpdate = fn(&Value, &Value, &RequestContext<'_>) -> FieldErrors;

/// The validation of a new object and of a change.
pub(super) fn of(_gvk: &GroupVersionKind) -> (Validate, ValidateUpdate) {
    (|_| Vec::new(), |_, _, _| Vec::new())
}
