//! The order of merged lists: items of the patch in the patch's order, items only the server has among them where they
//! stood, as far as both orders allow.

use serde_json::Value;

use super::{
    go,
    strategic::{DIRECTIVE, no_merge_key, unclassified},
};
use crate::status::StatusError;

/// Whether two items are the same item.
fn same(a: &Value, b: &Value, merge_key: Option<&str>) -> bool {
    match merge_key {
        Some(key) => matches!((a.get(key), b.get(key)), (Some(a), Some(b)) if a == b),
        None => a == b,
    }
}

fn position(list: &[Value], item: &Value, merge_key: Option<&str>) -> Option<usize> {
    list.iter().position(|other| same(other, item, merge_key))
}

/// Refuses a patch whose list is in another order than its `$setElementOrder`.
pub(super) fn check(patch: &[Value], wanted: &[Value], merge_key: Option<&str>) -> Result<(), StatusError> {
    if patch.is_empty() {
        return Ok(());
    }
    let mut kept = Vec::with_capacity(patch.len());
    for item in patch {
        let deleted = merge_key.is_some() && item.get(DIRECTIVE).is_some_and(|d| d == "delete");
        if !deleted {
            kept.push(item);
        }
    }
    if let Some(key) = merge_key {
        for item in kept.iter().copied().chain(wanted) {
            if item.get(key).is_none() && item.get(DIRECTIVE).is_none() {
                return Err(no_merge_key(item, key));
            }
        }
    }
    let mut expected = kept.iter().copied().filter(|i| merge_key.is_none() || i.get(DIRECTIVE).is_none()).peekable();
    for item in wanted {
        if expected.peek().is_some_and(|next| same(next, item, merge_key)) {
            expected.next();
        }
    }
    if expected.peek().is_some() {
        return Err(unclassified(format!(
            "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
            go::plain_list(patch),
            go::plain_list(wanted)
        )));
    }
    Ok(())
}

/// Splits into items that the list names and those it does not.
pub(super) fn partition(
    merged: Vec<Value>,
    list: &[Value],
    merge_key: Option<&str>,
) -> Result<(Vec<Value>, Vec<Value>), StatusError> {
    if let Some(key) = merge_key
        && let Some(item) = merged.iter().chain(list).find(|item| item.get(key).is_none())
    {
        return Err(no_merge_key(item, key));
    }
    Ok(merged.into_iter().partition(|item| position(list, item, merge_key).is_some()))
}

/// Sorts by a list's order; items it does not name keep their place after those it does.
fn sort_like(mut items: Vec<Value>, list: &[Value], merge_key: Option<&str>) -> Vec<Value> {
    items.sort_by_cached_key(|item| position(list, item, merge_key).unwrap_or(usize::MAX));
    items
}

/// Interleaves both groups: each in its own order, an item only the server has before a patched one if it stood before it
/// on the server.
pub(super) fn merge(
    from_patch: Vec<Value>,
    server_only: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: Option<&str>,
) -> Vec<Value> {
    let mut left = sort_like(server_only, server_order, merge_key).into_iter().peekable();
    let mut right = sort_like(from_patch, patch_order, merge_key).into_iter().peekable();
    let mut merged = Vec::new();
    while let (Some(ours), Some(theirs)) = (left.peek(), right.peek()) {
        let before = match (position(server_order, ours, merge_key), position(server_order, theirs, merge_key)) {
            (Some(a), Some(b)) => a < b,
            _ => false,
        };
        merged.extend(if before { left.next() } else { right.next() });
    }
    merged.extend(left);
    merged.extend(right);
    merged
}
