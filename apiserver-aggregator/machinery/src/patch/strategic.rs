//! Strategic merge patch: a merge patch that knows from the schema which lists are merged, and by which key.
//!
//! Directives in the patch: `$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList/<list>` and
//! `$setElementOrder/<list>`. Where the schema knows nothing of a field, its lists are replaced.

use serde_json::{Map, Value};

use super::{go, strategic_order as order};
use crate::{
    schema::{Flavor, Node, Schema},
    status::{Reason, StatusError},
};

pub(super) const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";

/// Nesting beyond which a patch is refused: deeper than any kind's own structure, and far from the stack's end.
const MAX_DEPTH: usize = 512;

/// Applies a strategic merge patch. Custom resources answer 415, as their schemas say nothing of patch strategies.
pub fn strategic_merge_patch(object: Value, patch: &Value, schema: &Schema) -> Result<Value, StatusError> {
    if schema.flavor() == Flavor::Structural {
        return Err(StatusError::new(
            415,
            Reason::UnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        ));
    }
    let Value::Object(patch) = patch else {
        if patch.is_null() {
            return Ok(object);
        }
        return Err(StatusError::bad_request(format!(
            "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            go::type_name(patch)
        )));
    };
    let original = match object {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    merge_map(original, patch.clone(), Some(schema.root()), 0).map(Value::Object)
}

/// Errors about the form of a directive.
fn bad_format(of: &str) -> StatusError {
    StatusError::bad_request(format!("invalid patch format of {of}"))
}

/// Errors that Kubernetes does not classify: 500 with the bare text.
pub(super) fn unclassified(text: impl Into<String>) -> StatusError {
    StatusError::new(500, Reason::Unknown, text)
}

fn unknown_directive(directive: &Value, item: &Map<String, Value>) -> StatusError {
    let shown = go::plain(&Value::Object(item.clone()));
    unclassified(format!("unknown patch type: {} in map: {shown}", go::plain(directive)))
}

pub(super) fn no_merge_key(item: &Value, key: &str) -> StatusError {
    unclassified(format!("map: {} does not contain declared merge key: {key}", go::plain(item)))
}

fn bad_type(expected: &str, found: &Value) -> StatusError {
    let found = match found {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    unclassified(format!("expected a {expected}, but received a {found}"))
}

type Merged<T> = Result<T, StatusError>;

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    node: Option<Node<'_>>,
    depth: usize,
) -> Merged<Map<String, Value>> {
    if depth > MAX_DEPTH {
        return Err(StatusError::bad_request("error decoding patch: exceeded max depth"));
    }
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    apply_retain_keys(&mut original, &mut patch)?;
    apply_element_orders(&mut original, &mut patch, node, depth)?;
    for (key, change) in patch {
        let (key, is_deletion) = match key.strip_prefix(DELETE_FROM_LIST) {
            None => (key, false),
            Some(rest) => match rest.strip_prefix('/') {
                Some(list) => (list.to_owned(), true),
                None => return Err(bad_format("primitive list")),
            },
        };
        if change.is_null() {
            original.remove(&key);
            continue;
        }
        let field = node.and_then(|n| n.child(&key));
        let merged = match (original.remove(&key), change) {
            (Some(Value::Object(current)), Value::Object(change)) => {
                if field.is_some_and(|f| f.patch_strategy().replace) {
                    Some(Value::Object(change))
                } else {
                    Some(Value::Object(merge_map(current, change, field, depth + 1)?))
                }
            }
            (Some(Value::Array(current)), Value::Array(change)) => {
                Some(Value::Array(merge_slice_field(current, change, field, is_deletion, &key, depth)?))
            }
            (current, _) if is_deletion => current,
            (_, mut change) => {
                discard_nulls(&mut change);
                without_directives(change)
            }
        };
        if let Some(merged) = merged {
            original.insert(key, merged);
        }
    }
    Ok(original)
}

/// Clears what `$retainKeys` does not name.
fn apply_retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Merged<()> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(kept) = directive else {
        return Err(bad_format("retainKeys"));
    };
    let is_kept = |key: &str| kept.iter().any(|k| k.as_str() == Some(key));
    let contradicts = patch.iter().any(|(key, value)| {
        !value.is_null() && !key.starts_with(DELETE_FROM_LIST) && !key.starts_with(ELEMENT_ORDER) && !is_kept(key)
    });
    if contradicts {
        return Err(bad_format("retainKeys"));
    }
    original.retain(|key, _| is_kept(key));
    Ok(())
}

/// Merges the lists that have a `$setElementOrder`, and puts them in that order.
fn apply_element_orders(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    node: Option<Node<'_>>,
    depth: usize,
) -> Merged<()> {
    let directives: Vec<String> = patch.keys().filter(|k| k.starts_with(ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let Some(key) = directive.strip_prefix(ELEMENT_ORDER).and_then(|rest| rest.strip_prefix('/')) else {
            return Err(bad_format("setElementOrder list"));
        };
        let wanted = match patch.remove(&directive) {
            Some(Value::Array(wanted)) => wanted,
            other => return Err(bad_type("[]interface {}", &other.unwrap_or_default())),
        };
        let list_of = |value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(bad_type("[]interface {}", &other)),
        };
        let current = list_of(original.get(key).cloned())?;
        let change = list_of(patch.get(key).cloned())?;
        let field = node.and_then(|n| n.child(key));
        let merge_key = field.and_then(Node::patch_merge_key);
        order::check(change.as_deref().unwrap_or_default(), &wanted, merge_key)?;
        let merged = match (&current, change) {
            (None, None) => continue,
            (Some(current), None) => current.clone(),
            (None, Some(change)) => match without_directives(Value::Array(change)) {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            },
            (Some(current), Some(change)) => merge_slice_field(current.clone(), change, field, false, key, depth)?,
        };
        let (from_patch, server_only) = order::partition(merged, &wanted, merge_key)?;
        let live = current.unwrap_or_default();
        let ordered = order::merge(from_patch, server_only, &wanted, &live, merge_key);
        original.insert(key.to_owned(), Value::Array(ordered));
        patch.remove(key);
    }
    Ok(())
}

fn merge_slice_field(
    original: Vec<Value>,
    patch: Vec<Value>,
    field: Option<Node<'_>>,
    is_deletion: bool,
    name: &str,
    depth: usize,
) -> Merged<Vec<Value>> {
    // Lists of deletions are handled alike, whatever the strategy.
    if !is_deletion && !field.is_some_and(|f| f.patch_strategy().merge) {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let of_maps = element_kind(original.iter().chain(&patch))?;
    let merge_key = field.and_then(Node::patch_merge_key);
    let (merged, patch, original) = if of_maps {
        let Some(merge_key) = merge_key else {
            return Err(unclassified(format!("cannot merge lists without merge key for {name}")));
        };
        let (original, patch) = apply_item_directives(original, patch, merge_key)?;
        let items = field.and_then(Node::items);
        (merge_items(original.clone(), &patch, merge_key, items, depth)?, patch, original)
    } else if is_deletion {
        return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect());
    } else {
        let mut merged: Vec<Value> = Vec::with_capacity(original.len() + patch.len());
        for item in original.iter().chain(&patch) {
            if !merged.contains(item) {
                merged.push(item.clone());
            }
        }
        (merged, patch, original)
    };
    let merge_key = merge_key.filter(|_| of_maps);
    let (from_patch, server_only) = order::partition(merged, &patch, merge_key)?;
    Ok(order::merge(from_patch, server_only, &patch, &original, merge_key))
}

/// Whether all items are maps; lists of lists and mixed lists cannot be merged.
fn element_kind<'v>(items: impl Iterator<Item = &'v Value>) -> Merged<bool> {
    let mut seen: Option<(bool, &'static str)> = None;
    for item in items {
        if item.is_array() {
            return Err(unclassified("lists of lists are not supported"));
        }
        let kind = go::type_name(item);
        match seen {
            None => seen = Some((item.is_object(), kind)),
            Some((_, previous)) if previous != kind => {
                return Err(unclassified(format!("list element types are not identical: {previous} {kind}")));
            }
            Some(_) => {}
        }
    }
    Ok(seen.is_some_and(|(of_maps, _)| of_maps))
}

/// Carries out `$patch` directives of items; gives the remaining original and patch items.
fn apply_item_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Merged<(Vec<Value>, Vec<Value>)> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let Some(value) = item.get(merge_key) else {
                    return Err(no_merge_key(&item, merge_key));
                };
                original.retain(|o| o.get(merge_key) != Some(value));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(unclassified("merging lists cannot yet be specified in the patch"));
            }
            _ => {
                let map = item.as_object().cloned().unwrap_or_default();
                return Err(unknown_directive(directive, &map));
            }
        }
    }
    if replace { Ok((plain, Vec::new())) } else { Ok((original, plain)) }
}

fn merge_items(
    mut original: Vec<Value>,
    patch: &[Value],
    merge_key: &str,
    items: Option<Node<'_>>,
    depth: usize,
) -> Merged<Vec<Value>> {
    for item in patch {
        let Value::Object(change) = item else {
            return Err(bad_type("map[string]interface {}", item));
        };
        let Some(value) = change.get(merge_key) else {
            return Err(no_merge_key(item, merge_key));
        };
        match original.iter_mut().find(|o| o.get(merge_key) == Some(value)) {
            Some(found) => {
                if let Value::Object(current) = found.take() {
                    *found = Value::Object(merge_map(current, change.clone(), items, depth + 1)?);
                }
            }
            None => original.push(item.clone()),
        }
    }
    Ok(original)
}

/// Drops nulls of maps: in something new there is nothing for them to delete.
fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// Something new without the directives in it; `None` if it says of itself that it is to be deleted.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(mut map) => {
            match map.remove(DIRECTIVE) {
                Some(Value::String(directive)) if directive == "delete" => return None,
                _ => {}
            }
            let kept = map.into_iter().filter(|(key, _)| {
                key != RETAIN_KEYS && !key.starts_with(DELETE_FROM_LIST) && !key.starts_with(ELEMENT_ORDER)
            });
            Some(Value::Object(kept.filter_map(|(k, v)| Some((k, without_directives(v)?))).collect()))
        }
        Value::Array(items) => {
            // An item that only says `$patch: replace` is no item.
            let items = items
                .into_iter()
                .filter(|i| !(i.get(DIRECTIVE).is_some() && i.as_object().is_some_and(|m| m.len() == 1)));
            Some(Value::Array(items.filter_map(without_directives).collect()))
        }
        scalar => Some(scalar),
    }
}
