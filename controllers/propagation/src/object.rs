//! Small helpers over objects that travel as JSON values.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A text field of an object's metadata; empty if absent.
pub fn metadata_text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// The object's name.
pub fn name(object: &Value) -> &str {
    metadata_text(object, "name")
}

/// The object's namespace; empty for cluster-scoped objects.
pub fn namespace(object: &Value) -> &str {
    metadata_text(object, "namespace")
}

/// The object's uid.
pub fn uid(object: &Value) -> &str {
    metadata_text(object, "uid")
}

/// The object's kind.
pub fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// The object's API version.
pub fn api_version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

/// Whether the object's deletion has begun.
pub fn is_deleting(object: &Value) -> bool {
    !metadata_text(object, "deletionTimestamp").is_empty()
}

/// The map of labels or annotations.
fn strings<'a>(object: &'a Value, field: &str) -> Option<&'a Map<String, Value>> {
    object.get("metadata")?.get(field)?.as_object()
}

/// A label's value.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    strings(object, "labels")?.get(key)?.as_str()
}

/// An annotation's value.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    strings(object, "annotations")?.get(key)?.as_str()
}

/// All labels; values that are not strings are left out.
pub fn labels(object: &Value) -> BTreeMap<String, String> {
    strings(object, "labels")
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The object's metadata, made if it is missing or no object.
pub fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    map_mut(root_mut(object), "metadata")
}

/// The object's map of labels or annotations, made if it is missing or no object.
pub fn strings_mut<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    map_mut(metadata_mut(object), field)
}

fn root_mut(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    object.as_object_mut().expect("it was made an object above")
}

fn map_mut<'a>(map: &'a mut Map<String, Value>, field: &str) -> &'a mut Map<String, Value> {
    let entry = map.entry(field.to_owned()).or_insert(Value::Null);
    root_mut(entry)
}

/// Sets a label.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    strings_mut(object, "labels").insert(key.to_owned(), Value::from(value));
}

/// Sets an annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    strings_mut(object, "annotations").insert(key.to_owned(), Value::from(value));
}

/// How messages name an object: `namespace/name`, or `/name` without a namespace.
pub fn message_key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// How messages name an object whose namespace is left out when empty: `namespace/name` or `name`.
pub fn short_key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}
