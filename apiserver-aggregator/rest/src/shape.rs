//! What a kind's schema does to an object on its way in.

use karmada_machinery::{ResourceInfo, schema};
use serde_json::Value;

/// The JSON type of a value as Go's decoder names it.
pub(crate) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Checks types and drops unknown fields, whose paths are returned. The error is the text of Go's decoder.
pub(crate) fn decode(value: &mut Value, info: &ResourceInfo) -> Result<Vec<String>, String> {
    schema::decode(&info.schema, value)
}

/// Fills defaults, the schema's and then the strategy's, and brings the object into the form in which Go writes it: this is
/// what field management compares.
pub(crate) fn default_object(value: &mut Value, info: &ResourceInfo) {
    schema::apply_defaults(&info.schema, value);
    info.strategy.default_object(value);
    schema::normalize(&info.schema, value);
}

/// Brings an object into the form in which it is stored and answered.
pub(crate) fn normalize(value: &mut Value, info: &ResourceInfo) {
    schema::normalize(&info.schema, value);
}

/// What an object that was converted from another version needs before it is served. An object that was stored is well
/// typed; should it not be, it is served as it is rather than hidden.
pub(crate) fn after_conversion(value: &mut Value, info: &ResourceInfo) {
    let _ = schema::decode(&info.schema, value);
    default_object(value, info);
}
