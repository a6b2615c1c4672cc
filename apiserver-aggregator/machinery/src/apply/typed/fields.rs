//! The fields an object has, which are those its applier owns.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::Value;

use crate::{
    apply::{
        path::PathElement,
        set::FieldSet,
        shape::{Atom, Type, atom},
    },
    schema::ListType,
};

/// All fields of an object: leaves, items of lists, keys of maps, empty or null objects, atomic values.
pub(in crate::apply) fn field_set(ty: Type<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    walk(ty, value, &mut set);
    set
}

/// Collects what lies below the value; tells whether the value itself is a field.
fn walk(ty: Type<'_>, value: &Value, below: &mut FieldSet) -> bool {
    match atom(ty, Some(value)) {
        Atom::Scalar(_) => true,
        Atom::List(list) if list.kind == ListType::Atomic => true,
        Atom::Map(map) if map.atomic => true,
        Atom::List(list) => {
            // An item that occurs twice is owned as a whole.
            let mut items: BTreeMap<PathElement, Option<&Value>> = BTreeMap::new();
            for item in value.as_array().into_iter().flatten() {
                if let Ok(step) = list.step(item) {
                    match items.entry(step) {
                        Entry::Vacant(entry) => {
                            entry.insert(Some(item));
                        }
                        Entry::Occupied(mut entry) => *entry.get_mut() = None,
                    }
                }
            }
            for (step, item) in items {
                if let Some(item) = item {
                    let mut child = FieldSet::default();
                    walk(list.items, item, &mut child);
                    below.put_child(step.clone(), child);
                }
                below.members.insert(step);
            }
            false
        }
        Atom::Map(map) => {
            for (name, item) in value.as_object().into_iter().flatten() {
                let step = PathElement::field(name);
                let mut child = FieldSet::default();
                let is_field = map.value(name).is_some_and(|ty| walk(ty, item, &mut child));
                let empty = item.is_null() || item.as_object().is_some_and(serde_json::Map::is_empty);
                below.put_child(step.clone(), child);
                if is_field || empty || !map.declares(name) {
                    below.members.insert(step);
                }
            }
            false
        }
    }
}
