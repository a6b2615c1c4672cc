//! Removing fields from an object.

use serde_json::{Map, Value};

use crate::{
    apply::{
        path::PathElement,
        set::FieldSet,
        shape::{Atom, Type, atom},
    },
    schema::ListType,
};

/// The object without the fields; `None` if nothing is left of it. Atomic values are kept unless they are named whole.
pub(in crate::apply) fn remove(ty: Type<'_>, value: &Value, fields: &FieldSet) -> Option<Value> {
    match atom(ty, Some(value)) {
        Atom::Scalar(_) => Some(value.clone()),
        Atom::List(list) if list.kind == ListType::Atomic => None,
        Atom::Map(map) if map.atomic => None,
        Atom::List(list) => {
            let mut kept = Vec::new();
            for item in value.as_array().into_iter().flatten() {
                let Ok(step) = list.step(item) else {
                    kept.push(item.clone());
                    continue;
                };
                if !fields.members.contains(&step) {
                    kept.extend(keep(list.items, item, fields.children.get(&step)));
                }
            }
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Atom::Map(map) => {
            let mut kept = Map::new();
            for (name, item) in value.as_object().into_iter().flatten() {
                let step = PathElement::field(name);
                if fields.members.contains(&step) {
                    continue;
                }
                let item = match map.value(name) {
                    Some(ty) => keep(ty, item, fields.children.get(&step)),
                    None => Some(item.clone()),
                };
                if let Some(item) = item {
                    kept.insert(name.clone(), item);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
    }
}

fn keep(ty: Type<'_>, item: &Value, fields: Option<&FieldSet>) -> Option<Value> {
    match fields {
        Some(fields) => remove(ty, item, fields),
        None => Some(item.clone()),
    }
}
