//! Merging an applied object into the live one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use crate::{
    apply::{
        path::PathElement,
        shape::{Atom, List, Type, atom},
    },
    schema::ListType,
};

/// The live object with everything that the applied one states.
pub(in crate::apply) fn merge(ty: Type<'_>, live: &Value, applied: &Value) -> Value {
    merge_both(ty, Some(live), Some(applied)).unwrap_or(Value::Null)
}

fn merge_both(ty: Type<'_>, live: Option<&Value>, applied: Option<&Value>) -> Option<Value> {
    let as_leaf = || applied.or(live).cloned();
    // Where the two are of different kinds, the applied one wins whole.
    let seen = atom(ty, applied.or(live));
    match seen {
        Atom::Scalar(_) => as_leaf(),
        Atom::List(list) => {
            let (ours, theirs) = (live.and_then(Value::as_array), applied.and_then(Value::as_array));
            let no_items = ours.is_none_or(Vec::is_empty) && theirs.is_none_or(Vec::is_empty);
            if list.kind == ListType::Atomic || no_items {
                return as_leaf();
            }
            let slice = |items: Option<&'_ Vec<Value>>| items.cloned().unwrap_or_default();
            let merged = merge_lists(list, &slice(ours), &slice(theirs));
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
        Atom::Map(map) => {
            let (ours, theirs) = (live.and_then(Value::as_object), applied.and_then(Value::as_object));
            let no_items = ours.is_none_or(Map::is_empty) && theirs.is_none_or(Map::is_empty);
            if map.atomic || no_items {
                return as_leaf();
            }
            let names: BTreeSet<&String> = ours.into_iter().chain(theirs).flat_map(Map::keys).collect();
            let mut merged = Map::new();
            for name in names {
                let (live, applied) = (ours.and_then(|m| m.get(name)), theirs.and_then(|m| m.get(name)));
                let value = match map.value(name) {
                    Some(ty) => merge_both(ty, live, applied),
                    // Undeclared in this version; the applied object was checked, so it can only be live.
                    None => applied.or(live).cloned(),
                };
                if let Some(value) = value {
                    merged.insert(name.clone(), value);
                }
            }
            Some(Value::Object(merged))
        }
    }
}

/// Merges two lists so that the applied items stand in their own order, and live items that are not applied stay where
/// they stand among those that are.
fn merge_lists(list: List<'_>, live: &[Value], applied: &[Value]) -> Vec<Value> {
    let steps = |items: &[Value]| -> Vec<(PathElement, Value)> {
        items.iter().filter_map(|item| Some((list.step(item).ok()?, item.clone()))).collect()
    };
    let (live, applied) = (steps(live), steps(applied));
    // Live items that occur twice are not merged with what is applied; they are replaced by it.
    let mut in_live: BTreeMap<&PathElement, Option<&Value>> = BTreeMap::new();
    for (step, item) in &live {
        in_live.entry(step).and_modify(|seen| *seen = None).or_insert(Some(item));
    }
    let in_applied: BTreeSet<&PathElement> = applied.iter().map(|(step, _)| step).collect();
    let mut shared: VecDeque<&PathElement> =
        applied.iter().map(|(step, _)| step).filter(|step| in_live.contains_key(step)).collect();
    let mut next_shared = shared.pop_front();
    let mut done: BTreeSet<&PathElement> = BTreeSet::new();
    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    let (mut l, mut a) = (0, 0);
    while l < live.len() || a < applied.len() {
        if let (Some((live_step, _)), Some((applied_step, item))) = (live.get(l), applied.get(a)) {
            if live_step == applied_step {
                done.insert(applied_step);
                let ours = in_live.get(live_step).copied().flatten();
                merged.extend(merge_both(list.items, ours, Some(item)));
                l += 1;
                a += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if in_applied.contains(live_step) && next_shared.is_some_and(|next| next != live_step) {
                // Shared, but its turn comes later or has passed.
                l += 1;
                continue;
            }
        }
        if let Some((step, item)) = live.get(l) {
            if !in_applied.contains(step) {
                merged.extend(merge_both(list.items, Some(item), None));
                l += 1;
                continue;
            }
            if done.contains(step) {
                l += 1;
            }
        }
        if let Some((step, item)) = applied.get(a) {
            done.insert(step);
            let ours = in_live.get(step).copied().flatten();
            merged.extend(merge_both(list.items, ours, Some(item)));
            a += 1;
            if next_shared == Some(step) {
                next_shared = shared.pop_front();
            }
        }
    }
    merged
}
