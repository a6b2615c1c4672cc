//! What an update of a template changed, and who made it.

use serde_json::{Map, Value};

use karmada_api::annotations::is_karmada_key;

/// Whether an update changed anything that matters to propagation: anything but status, resource version and managed
/// fields.
pub fn is_relevant(old: &Value, new: &Value) -> bool {
    without_bookkeeping(old) != without_bookkeeping(new)
}

/// Whether an update only changed labels and annotations that are Karmada's own. A policy with lazy activation waits
/// for a change by somebody else.
pub fn is_by_karmada(old: &Value, new: &Value) -> bool {
    let (old, new) = (without_bookkeeping(old), without_bookkeeping(new));
    old != new && without_karmada_keys(&old) == without_karmada_keys(&new)
}

/// Whether a claimed template stops before its binding is touched: the policy is lazy and nobody but Karmada has
/// changed the template.
pub fn waits_for_user(lazy: bool, changed_by_karmada: bool) -> bool {
    lazy && changed_by_karmada
}

fn without_bookkeeping(object: &Value) -> Value {
    let mut copy = Map::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "status" => {}
            "metadata" => {
                let kept: Map<String, Value> = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(field, _)| {
                        // The generation follows the rest; on its own it says nothing.
                        !matches!(field.as_str(), "resourceVersion" | "managedFields" | "generation")
                    })
                    .map(|(field, value)| (field.clone(), value.clone()))
                    .collect();
                copy.insert(key.clone(), Value::Object(kept));
            }
            _ => {
                copy.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(copy)
}

fn without_karmada_keys(object: &Value) -> Value {
    let mut copy = object.clone();
    if let Some(metadata) = copy.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["labels", "annotations"] {
            if let Some(map) = metadata.get_mut(field).and_then(Value::as_object_mut) {
                map.retain(|key, _| !is_karmada_key(key));
            }
            // No labels and an empty set of labels are the same.
            if metadata.get(field).and_then(Value::as_object).is_some_and(Map::is_empty) {
                metadata.remove(field);
            }
        }
    }
    copy
}
