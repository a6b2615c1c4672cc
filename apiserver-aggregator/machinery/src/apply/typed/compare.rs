//! What changed between two objects.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    apply::{
        path::{Literal, PathElement},
        set::FieldSet,
        shape::{Atom, List, Type, atom},
    },
    schema::ListType,
};

/// Fields that were added, changed and removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::apply) struct Comparison {
    pub(in crate::apply) added: FieldSet,
    pub(in crate::apply) modified: FieldSet,
    pub(in crate::apply) removed: FieldSet,
}

impl Comparison {
    /// Without the fields that a write through this endpoint cannot change anyway.
    pub(in crate::apply) fn without(&self, ignored: &FieldSet) -> Self {
        Self {
            added: self.added.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            removed: self.removed.recursive_difference(ignored),
        }
    }

    /// Added or changed.
    pub(in crate::apply) fn changed(&self) -> FieldSet {
        self.added.union(&self.modified)
    }
}

/// Compares two objects of the same type.
pub(in crate::apply) fn compare(ty: Type<'_>, old: &Value, new: &Value) -> Comparison {
    let mut walker = Walker { path: Vec::new(), result: Comparison::default() };
    walker.compare(ty, Some(old), Some(new));
    walker.result
}

struct Walker {
    path: Vec<PathElement>,
    result: Comparison,
}

/// Whether numbers are compared by value, as everywhere in managed fields; other values by themselves.
fn equal(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && Literal(a.clone()) == Literal(b.clone()))
}

fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

impl Walker {
    fn compare(&mut self, ty: Type<'_>, old: Option<&Value>, new: Option<&Value>) {
        let (old_atom, new_atom) = (atom(ty, old), atom(ty, new));
        let was_leaf = match (old, new) {
            (None, None) => return,
            (_, None) => self.visit(old_atom, old, new),
            (None, _) => self.visit(new_atom, old, new),
            _ if old_atom.same_kind(&new_atom) => self.visit(new_atom, old, new),
            _ => {
                self.visit(old_atom, old, new);
                self.visit(new_atom, old, new)
            }
        };
        if !was_leaf {
            match (old, new) {
                (None, _) => self.result.added.insert(&self.path),
                (_, None) => self.result.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) -> bool {
        match (old, new) {
            (None, _) => self.result.added.insert(&self.path),
            (_, None) => self.result.removed.insert(&self.path),
            (Some(old), Some(new)) if !equal(old, new) => self.result.modified.insert(&self.path),
            _ => {}
        }
        true
    }

    /// Looks at both sides as the atom says; tells whether they were compared as a whole.
    fn visit(&mut self, atom: Atom<'_>, old: Option<&Value>, new: Option<&Value>) -> bool {
        match atom {
            Atom::Scalar(scalar) => {
                let wrong = |v: Option<&Value>| v.is_some_and(|v| scalar.error(v).is_some());
                if wrong(old) && wrong(new) { false } else { self.leaf(old, new) }
            }
            Atom::List(list) => {
                let (old_items, new_items) = (items_of(old), items_of(new));
                // Empty, null and absent are told apart as wholes.
                if list.kind == ListType::Atomic || (old_items.is_empty() && new_items.is_empty()) {
                    return self.leaf(old, new);
                }
                self.items(list, old_items, new_items);
                false
            }
            Atom::Map(map) => {
                let (old_map, new_map) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
                let no_items =
                    old_map.is_none_or(serde_json::Map::is_empty) && new_map.is_none_or(serde_json::Map::is_empty);
                if map.atomic || no_items {
                    return self.leaf(old, new);
                }
                let names: std::collections::BTreeSet<&String> =
                    old_map.into_iter().chain(new_map).flat_map(serde_json::Map::keys).collect();
                for name in names {
                    if let Some(ty) = map.value(name) {
                        self.path.push(PathElement::field(name));
                        self.compare(ty, old_map.and_then(|m| m.get(name)), new_map.and_then(|m| m.get(name)));
                        self.path.pop();
                    }
                }
                false
            }
        }
    }

    fn items(&mut self, list: List<'_>, old: &[Value], new: &[Value]) {
        let mut both: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in old {
            if let Ok(step) = list.step(item) {
                both.entry(step).or_default().0.push(item);
            }
        }
        for item in new {
            if let Ok(step) = list.step(item) {
                both.entry(step).or_default().1.push(item);
            }
        }
        for (step, (old, new)) in both {
            self.path.push(step);
            match (old.as_slice(), new.as_slice()) {
                ([], []) => {}
                ([] | [_], [] | [_]) => self.compare(list.items, old.first().copied(), new.first().copied()),
                // Items that occur twice are compared as if they were atomic.
                ([_, _, ..], [_, _, ..]) => {
                    if old != new {
                        self.result.modified.insert(&self.path);
                    }
                }
                ([_, _, ..], _) => {
                    self.compare(list.items, None, new.first().copied());
                    self.result.removed.insert(&self.path);
                }
                (_, [_, _, ..]) => {
                    self.compare(list.items, old.first().copied(), None);
                    self.result.added.insert(&self.path);
                }
            }
            self.path.pop();
        }
    }
}
