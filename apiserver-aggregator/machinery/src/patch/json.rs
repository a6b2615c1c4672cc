//! JSON patch as kube-apiserver applies it.
//!
//! It departs from RFC 6902 where the library that Kubernetes uses does: `replace` of an absent member of an object adds
//! it, `test` of an absent member succeeds against null, negative indices count from the end, and the whole document can
//! be replaced but not added.

use serde_json::Value;

use super::{go, rejected};
use crate::status::StatusError;

/// Operations of one patch, at most: each may cost a walk through the document.
pub const MAX_OPERATIONS: usize = 10_000;

/// Bytes that all `copy` operations of one patch may add, at most: a few of them could double a document many times. The
/// same as the largest request body.
pub const MAX_COPY_BYTES: usize = 3 * 1024 * 1024;

/// Nesting of the patched document, at most. Copies into themselves would otherwise double it with each operation, and
/// whatever walks such a document (if only to free it) would run out of stack. Decoders allow 128.
pub const MAX_DEPTH: usize = 512;

/// The reason why an operation does not apply is not told to clients.
struct DoesNotApply;

/// Applies a JSON patch. A patch of null does nothing.
pub fn json_patch(object: Value, patch: &Value) -> Result<Value, StatusError> {
    let operations = match patch {
        Value::Null => return Ok(object),
        Value::Array(operations) => operations,
        other => {
            return Err(undecodable(&format!("{} into Go value of type []handlers.jsonPatchOp", go::type_name(other))));
        }
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(StatusError::too_large(format!(
            "Request entity is too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    for operation in operations {
        let Value::Object(members) = operation else {
            let kind = go::type_name(operation);
            return Err(undecodable(&format!("{kind} into Go value of type handlers.jsonPatchOp")));
        };
        for name in ["op", "path", "from"] {
            if let Some(value) = members.get(name).filter(|v| !v.is_string() && !v.is_null()) {
                let kind = go::type_name(value);
                return Err(undecodable(&format!("{kind} into Go struct field jsonPatchOp.{name} of type string")));
            }
        }
    }
    let mut document = object;
    let mut copied = 0;
    for operation in operations {
        apply(&mut document, operation, &mut copied).map_err(|DoesNotApply| rejected())?;
    }
    Ok(document)
}

fn undecodable(what: &str) -> StatusError {
    StatusError::bad_request(format!("error decoding patch: json: cannot unmarshal {what}"))
}

fn apply(document: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), DoesNotApply> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let path = text("path").ok_or(DoesNotApply)?;
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match text("op").ok_or(DoesNotApply)? {
        "add" => add(document, path, value()),
        "remove" => remove(document, path).map(drop),
        "replace" => replace(document, path, value()),
        "move" => {
            let from = text("from").ok_or(DoesNotApply)?;
            // Reading before removing refuses absent members, which `remove` does too, and null, which nothing needs.
            let moved = remove(document, from)?;
            add(document, path, moved)
        }
        "copy" => {
            let from = text("from").ok_or(DoesNotApply)?;
            let copy = get(document, from)?.cloned().unwrap_or(Value::Null);
            // Sizes are those of the compact encoding; counting stops where the limit is reached.
            *copied += encoded_size(&copy, MAX_COPY_BYTES + 1);
            if *copied > MAX_COPY_BYTES {
                return Err(DoesNotApply);
            }
            add(document, path, copy)
        }
        "test" => {
            let wanted = value();
            if path.is_empty() {
                return if *document == wanted { Ok(()) } else { Err(DoesNotApply) };
            }
            // Null and absent are the same here.
            let found = get(document, path)?.unwrap_or(&Value::Null);
            if *found == wanted { Ok(()) } else { Err(DoesNotApply) }
        }
        _ => Err(DoesNotApply),
    }
}

/// The size of a value's compact encoding, or anything above the limit if it is larger.
fn encoded_size(value: &Value, limit: usize) -> usize {
    let mut size = 0;
    let mut stack = vec![value];
    while let Some(value) = stack.pop() {
        size += match value {
            Value::String(s) => s.len() + 2,
            Value::Array(items) => {
                stack.extend(items);
                items.len() + 2
            }
            Value::Object(map) => {
                stack.extend(map.values());
                map.keys().map(|k| k.len() + 4).sum::<usize>() + 2
            }
            Value::Number(_) => 8,
            _ => 4,
        };
        if size > limit {
            break;
        }
    }
    size
}

/// Splits a pointer into the container's steps and the last key, still escaped.
fn split(path: &str) -> Result<(impl Iterator<Item = &str>, &str), DoesNotApply> {
    let (container, key) = path.rsplit_once('/').ok_or(DoesNotApply)?;
    // What stands before the first slash is ignored.
    Ok((container.split('/').skip(1), key))
}

/// Undoes the escapes of a pointer's step.
fn decode(step: &str) -> String {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~") } else { step.to_owned() }
}

/// The place that an index names; `len` is one more than the last one allowed.
fn index(key: &str, len: usize) -> Result<usize, DoesNotApply> {
    let number: i64 = key.parse().map_err(|_| DoesNotApply)?;
    let len = i64::try_from(len).map_err(|_| DoesNotApply)?;
    let absolute = if number < 0 { number + len } else { number };
    if (0..len).contains(&absolute) { usize::try_from(absolute).map_err(|_| DoesNotApply) } else { Err(DoesNotApply) }
}

fn child<'a>(container: &'a Value, step: &str) -> Result<Option<&'a Value>, DoesNotApply> {
    match container {
        Value::Object(map) => Ok(map.get(&decode(step))),
        Value::Array(items) => Ok(items.get(index(step, items.len())?)),
        _ => Err(DoesNotApply),
    }
}

fn get<'a>(document: &'a Value, path: &str) -> Result<Option<&'a Value>, DoesNotApply> {
    let (steps, key) = split(path)?;
    let mut container = document;
    for step in steps {
        container = child(container, step)?.ok_or(DoesNotApply)?;
    }
    child(container, key)
}

fn container_mut<'a, 'p>(document: &'a mut Value, path: &'p str) -> Result<(&'a mut Value, &'p str), DoesNotApply> {
    let (steps, key) = split(path)?;
    let mut container = document;
    for step in steps {
        container = match container {
            Value::Object(map) => map.get_mut(&decode(step)).ok_or(DoesNotApply)?,
            Value::Array(items) => {
                let at = index(step, items.len())?;
                items.get_mut(at).ok_or(DoesNotApply)?
            }
            _ => return Err(DoesNotApply),
        };
    }
    if container.is_object() || container.is_array() { Ok((container, key)) } else { Err(DoesNotApply) }
}

/// Whether the value is nested more deeply than allowed. Walks no deeper than that itself.
fn is_deeper_than(value: &Value, allowed: usize) -> bool {
    let below = |item: &Value| allowed == 0 || is_deeper_than(item, allowed - 1);
    match value {
        Value::Array(items) => items.iter().any(below),
        Value::Object(map) => map.values().any(below),
        _ => false,
    }
}

/// Refuses to put the value where the document would become too deep.
fn check_depth(path: &str, value: &Value) -> Result<(), DoesNotApply> {
    let steps = path.matches('/').count();
    if steps > MAX_DEPTH || is_deeper_than(value, MAX_DEPTH - steps) { Err(DoesNotApply) } else { Ok(()) }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), DoesNotApply> {
    check_depth(path, &value)?;
    let (container, key) = container_mut(document, path)?;
    match container {
        Value::Object(map) => {
            map.insert(decode(key), value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(key, items.len() + 1)?;
            items.insert(at, value);
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str) -> Result<Value, DoesNotApply> {
    let (container, key) = container_mut(document, path)?;
    match container {
        Value::Object(map) => map.remove(&decode(key)).ok_or(DoesNotApply),
        Value::Array(items) => {
            let at = index(key, items.len())?;
            Ok(items.remove(at))
        }
        _ => Err(DoesNotApply),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), DoesNotApply> {
    check_depth(path, &value)?;
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(DoesNotApply);
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = container_mut(document, path)?;
    match container {
        Value::Object(map) => {
            map.insert(decode(key), value);
        }
        Value::Array(items) => {
            let at = index(key, items.len())?;
            *items.get_mut(at).ok_or(DoesNotApply)? = value;
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}
