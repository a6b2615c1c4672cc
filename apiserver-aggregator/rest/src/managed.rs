//! Field management at the edge of the request: which manager writes, and the bookkeeping in `metadata.managedFields`.

use karmada_machinery::{ResourceInfo, StatusError, meta};
use serde_json::Value;

use crate::{call::Call, query::WriteOptions};

/// Who writes the fields of a request: the named manager, else the User-Agent's.
pub(crate) fn manager(call: &Call, options: &WriteOptions) -> String {
    if options.field_manager.is_empty() { call.manager_of_agent() } else { options.field_manager.clone() }
}

/// Records who wrote what in a creation or update.
pub(crate) fn update(
    _call: &Call,
    _info: &ResourceInfo,
    _options: &WriteOptions,
    _subresource: &str,
    old: Option<&Value>,
    object: &mut Value,
) {
    meta::remove(object, "managedFields");
    if let Some(fields) = old.and_then(|o| o.get("metadata")).and_then(|m| m.get("managedFields")) {
        meta::set(object, "managedFields", fields.clone());
    }
}

/// Applies a configuration to the current object.
pub(crate) fn apply(
    _call: &Call,
    _info: &ResourceInfo,
    _options: &WriteOptions,
    _subresource: &str,
    _current: Option<&Value>,
    _configuration: &Value,
) -> Result<Value, StatusError> {
    Err(StatusError::internal("server-side apply is not available"))
}
