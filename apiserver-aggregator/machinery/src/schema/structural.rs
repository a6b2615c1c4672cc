//! Pruning and defaulting of custom resources.

use serde_json::Value;

use super::typed::{join, push};
use super::{Node, Type};

/// Drops fields that the schema does not declare; appends their paths.
pub(super) fn prune(node: Node<'_>, value: &mut Value, path: &mut String, unknown: &mut Vec<String>) {
    let length = path.len();
    match value {
        Value::Object(map) => {
            let keep = node.preserves_unknown();
            let mut dropped = Vec::new();
            for (key, item) in map.iter_mut() {
                // The metadata of a resource is decoded as what it is in every kind, not pruned.
                if node.is_resource() && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                match node.own_field(key).or_else(|| node.additional()) {
                    Some(child) => {
                        push(path, key);
                        prune(child, item, path, unknown);
                        path.truncate(length);
                    }
                    None if keep => {}
                    None => dropped.push(key.clone()),
                }
            }
            for key in dropped {
                map.remove(&key);
                unknown.push(join(path, &key));
            }
        }
        Value::Array(items) => {
            // Where no items are described, nothing can be pruned.
            if let Some(child) = node.items() {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    prune(child, item, path, unknown);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}

/// Embedded resources below the root: their metadata is decoded like the root's.
pub(super) fn embedded<F>(node: Node<'_>, value: &mut Value, path: &mut String, act: &mut F) -> Result<(), String>
where
    F: FnMut(&mut Value, &str) -> Result<(), String>,
{
    let length = path.len();
    match value {
        Value::Object(map) => {
            if node.is_resource()
                && let Some(metadata) = map.get_mut("metadata")
            {
                act(metadata, &join(path, "metadata"))?;
            }
            for (key, item) in map.iter_mut() {
                if let Some(child) = node.own_field(key).or_else(|| node.additional())
                    && !(node.is_resource() && key == "metadata")
                {
                    push(path, key);
                    embedded(child, item, path, act)?;
                    path.truncate(length);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items() {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    embedded(child, item, path, act)?;
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Fills defaults where a field is absent, or null and not nullable; nulls that are not allowed and have no default are
/// dropped.
pub(super) fn apply_defaults(node: Node<'_>, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, child) in node.own_fields() {
                let Some(default) = child.default_value() else { continue };
                match map.get(name) {
                    None => {
                        map.insert(name.to_owned(), default.clone());
                    }
                    Some(Value::Null) if !child.nullable() => {
                        map.insert(name.to_owned(), default.clone());
                    }
                    Some(_) => {}
                }
            }
            let mut dropped = Vec::new();
            for (key, item) in map.iter_mut() {
                if node.is_resource() && key == "metadata" {
                    continue;
                }
                let declared = node.own_field(key);
                let Some(child) = declared.or_else(|| node.additional()) else { continue };
                if item.is_null() && !child.nullable() {
                    match child.default_value() {
                        Some(default) => *item = default.clone(),
                        None if declared.is_some() && !accepts_null(child) => {
                            dropped.push(key.clone());
                            continue;
                        }
                        None => {}
                    }
                }
                apply_defaults(child, item);
            }
            for key in dropped {
                map.remove(&key);
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items() {
                for item in items {
                    if item.is_null()
                        && !child.nullable()
                        && let Some(default) = child.default_value()
                    {
                        *item = default.clone();
                    }
                    apply_defaults(child, item);
                }
            }
        }
        _ => {}
    }
}

/// Nodes without any type take null as they take everything.
fn accepts_null(node: Node<'_>) -> bool {
    node.kind() == Type::Any && node.preserves_unknown() && !node.int_or_string()
}

/// Whole numbers become integers, as Go decodes them: `1.0` is stored as `1`.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64()) {
                // 2^53: beyond it a float does not say which integer it means.
                if float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 {
                    *value = Value::from(float as i64);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        _ => {}
    }
}
