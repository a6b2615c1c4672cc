//! JSON merge patch: objects are merged, null removes, everything else is replaced.

use serde_json::{Map, Value};

/// Applies a merge patch. Nulls inside newly added values are dropped, also within lists, as Kubernetes does.
pub fn merge_patch(object: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return without_nulls(patch);
    };
    let mut merged = match object {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    for (key, change) in changes {
        match change {
            Value::Null => {
                merged.remove(key);
            }
            change => {
                let next = match merged.remove(key) {
                    None | Some(Value::Null) => without_nulls(change),
                    Some(current) if current.is_object() => merge_patch(current, change),
                    Some(_) => without_nulls(change),
                };
                merged.insert(key.clone(), next);
            }
        }
    }
    Value::Object(merged)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k.clone(), without_nulls(v)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}
