//! Whether an applied object fits its schema well enough to be merged.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    apply::{
        path::PathElement,
        shape::{Atom, Type, atom},
    },
    patch::go,
    schema::ListType,
};

/// All that is wrong, each with its path: `.data.a: expected string, got …`.
pub(in crate::apply) fn validate(ty: Type<'_>, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    walk(ty, value, &mut String::new(), &mut errors);
    errors
}

fn walk(ty: Type<'_>, value: &Value, path: &mut String, errors: &mut Vec<String>) {
    let mut report = |path: &str, text: String| {
        errors.push(if path.is_empty() { text } else { format!("{path}: {text}") });
    };
    match atom(ty, Some(value)) {
        Atom::Scalar(scalar) => {
            if let Some(error) = scalar.error(value) {
                report(path, error);
            }
        }
        Atom::List(list) => {
            let items = match value {
                Value::Null => return,
                Value::Array(items) => items,
                other => return report(path, format!("expected list, got &{{{}}}", go::plain(other))),
            };
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let step = if list.kind == ListType::Atomic {
                    PathElement::Index(i64::try_from(index).unwrap_or(i64::MAX))
                } else {
                    match list.step(item) {
                        Ok(step) => step,
                        Err(error) => {
                            errors.push(format!("{path}: element {index}: {error}"));
                            continue;
                        }
                    }
                };
                if list.kind != ListType::Atomic && !seen.insert(step.clone()) {
                    errors.push(format!("{path}: duplicate entries for key {step}"));
                }
                descend(list.items, item, &step, path, errors);
            }
        }
        Atom::Map(map) => {
            let fields = match value {
                Value::Null => return,
                Value::Object(fields) => fields,
                other => return report(path, format!("expected map, got &{{{}}}", go::plain(other))),
            };
            for (name, item) in fields {
                let step = PathElement::field(name);
                match map.value(name) {
                    Some(ty) => descend(ty, item, &step, path, errors),
                    None => {
                        errors.push(format!("{path}{step}: field not declared in schema"));
                        return;
                    }
                }
            }
        }
    }
}

fn descend(ty: Type<'_>, item: &Value, step: &PathElement, path: &mut String, errors: &mut Vec<String>) {
    let length = path.len();
    path.push_str(&step.to_string());
    walk(ty, item, path, errors);
    path.truncate(length);
}
