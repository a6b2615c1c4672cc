//! Sets of fields: what `fieldsV1` holds, and the algebra that ownership is reckoned with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    path::PathElement,
    shape::{Atom, Type, atom},
};
use crate::schema::ListType;

/// Whether the schema says that values of the type are replaced whole.
fn is_declared_atomic(ty: Type<'_>) -> bool {
    matches!(ty, Type::Declared(_))
        && match atom(ty, None) {
            Atom::List(list) => list.kind == ListType::Atomic,
            Atom::Map(map) => map.atomic,
            Atom::Scalar(_) => false,
        }
}

/// A set of paths. A path may be a member without what lies below it, and the other way round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    pub(super) members: BTreeSet<PathElement>,
    /// Never holds an empty set.
    pub(super) children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    /// A set of these paths of plain fields.
    pub fn of_fields<'p>(paths: impl IntoIterator<Item = &'p [&'p str]>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<PathElement> = path.iter().copied().map(PathElement::field).collect();
            set.insert(&path);
        }
        set
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Adds a path. The empty path stands for the whole object, which nobody owns.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((last, container)) = path.split_last() else {
            return;
        };
        let mut set = self;
        for step in container {
            set = set.children.entry(step.clone()).or_default();
        }
        set.members.insert(last.clone());
    }

    /// Whether the path is a member.
    pub fn has(&self, path: &[PathElement]) -> bool {
        let Some((last, container)) = path.split_last() else {
            return false;
        };
        let mut set = self;
        for step in container {
            match set.children.get(step) {
                Some(child) => set = child,
                None => return false,
            }
        }
        set.members.contains(last)
    }

    pub(super) fn put_child(&mut self, step: PathElement, child: Self) {
        if !child.is_empty() {
            self.children.insert(step, child);
        }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        result.extend(other);
        result
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (step, child) in &other.children {
            self.children.entry(step.clone()).or_default().extend(child);
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut result =
            Self { members: self.members.intersection(&other.members).cloned().collect(), children: BTreeMap::new() };
        for (step, child) in &self.children {
            if let Some(theirs) = other.children.get(step) {
                result.put_child(step.clone(), child.intersection(theirs));
            }
        }
        result
    }

    /// What is in this set and not in the other; a path is not in the other because its container is.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut result =
            Self { members: self.members.difference(&other.members).cloned().collect(), children: BTreeMap::new() };
        for (step, child) in &self.children {
            let child = match other.children.get(step) {
                Some(theirs) => child.difference(theirs),
                None => child.clone(),
            };
            result.put_child(step.clone(), child);
        }
        result
    }

    /// What is in this set and neither in the other nor below one of its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut result =
            Self { members: self.members.difference(&other.members).cloned().collect(), children: BTreeMap::new() };
        for (step, child) in self.children.iter().filter(|(step, _)| !other.members.contains(step)) {
            let child = match other.children.get(step) {
                Some(theirs) => child.recursive_difference(theirs),
                None => child.clone(),
            };
            result.put_child(step.clone(), child);
        }
        result
    }

    /// The set with every declared field on the way to a member as a member itself: a struct goes when all that was owned
    /// in it goes.
    #[must_use]
    pub(super) fn with_named_fields(&self, ty: Option<Type<'_>>) -> Self {
        let atom = ty.map(|ty| atom(ty, None));
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (step, child) in &self.children {
            let mut child_type = None;
            match (&atom, step) {
                (Some(Atom::Map(map)), PathElement::Field(name)) => {
                    if map.declares(name) {
                        members.insert(step.clone());
                    }
                    child_type = map.value(name);
                }
                (Some(Atom::List(list)), PathElement::Key(_)) => child_type = Some(list.items),
                _ => {}
            }
            children.insert(step.clone(), child.with_named_fields(child_type));
        }
        Self { members, children }
    }

    /// The set as it is under a schema in which values may have become atomic since it was written: whoever managed
    /// something in such a value manages the whole. Values that became granular are taken to have been so always.
    #[must_use]
    pub(super) fn under_schema(&self, ty: Type<'_>) -> Self {
        let atom = atom(ty, None);
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (step, child) in &self.children {
            let child_type = match (&atom, step) {
                (Atom::Map(map), PathElement::Field(name)) => map.value(name),
                (Atom::List(list), PathElement::Key(_)) => Some(list.items),
                _ => None,
            };
            match child_type {
                Some(ty) if is_declared_atomic(ty) => {
                    members.insert(step.clone());
                }
                Some(ty) => {
                    children.insert(step.clone(), child.under_schema(ty));
                }
                None => {
                    children.insert(step.clone(), child.clone());
                }
            }
        }
        Self { members, children }
    }

    /// All members, as paths, in order.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, paths: &mut Vec<Vec<PathElement>>) {
        for member in &self.members {
            let mut path = prefix.clone();
            path.push(member.clone());
            paths.push(path);
        }
        for (step, child) in &self.children {
            prefix.push(step.clone());
            child.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// As `fieldsV1`.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        for member in &self.members {
            map.insert(member.to_key(), Value::Object(Map::new()));
        }
        for (step, child) in &self.children {
            let mut value = child.to_value();
            if self.members.contains(step)
                && let Value::Object(inner) = &mut value
            {
                inner.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(step.to_key(), value);
        }
        Value::Object(map)
    }

    /// Parses `fieldsV1`. Steps of unknown kinds are dropped with all below them.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        Ok(Self::parse(value)?.1)
    }

    /// Also tells whether the container of these fields is a member: `.`, or nothing below it.
    fn parse(value: &Value) -> Result<(bool, Self), String> {
        let map = match value {
            Value::Null => return Ok((true, Self::default())),
            Value::Object(map) => map,
            _ => return Err("fieldsV1 holds something that is no object".to_owned()),
        };
        let mut set = Self::default();
        for (key, below) in map {
            if key == "." {
                continue;
            }
            if let Some(step) = PathElement::from_key(key)? {
                let (member, child) = Self::parse(below)?;
                set.put_child(step.clone(), child);
                if member {
                    set.members.insert(step);
                }
            }
        }
        Ok((map.is_empty() || map.contains_key("."), set))
    }
}
