//! What a schema says about merging: scalars, lists that are atomic, sets or maps, and maps that are atomic or granular.

use serde_json::Value;

use super::path::{Literal, PathElement};
use crate::{
    patch::go,
    schema::{Flavor, ListType, MapType, Node, Type as JsonType},
};

/// The type of a place in an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type<'a> {
    /// As the schema declares it.
    Declared(Node<'a>),
    /// Undeclared but allowed: judged by the value; lists are atomic.
    Deduced,
}

/// What kinds of scalars are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Numeric,
    String,
    Boolean,
    Any,
}

/// How a list is merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    pub(super) kind: ListType,
    pub(super) items: Type<'a>,
    node: Option<Node<'a>>,
}

/// How an object is merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Map<'a> {
    pub(super) atomic: bool,
    node: Option<Node<'a>>,
    /// The type of undeclared fields, if they are allowed.
    element: Option<Type<'a>>,
}

/// One way to look at a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Atom<'a> {
    Scalar(Scalar),
    List(List<'a>),
    Map(Map<'a>),
}

impl Atom<'_> {
    /// Whether two atoms of the same type are the same way to look at a value.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

const DEDUCED_MAP: Map<'static> = Map { atomic: false, node: None, element: Some(Type::Deduced) };
const DEDUCED_LIST: List<'static> = List { kind: ListType::Atomic, items: Type::Deduced, node: None };

/// How a value of this type is looked at. Null and absent take whatever form there is, maps first.
pub(super) fn atom<'a>(ty: Type<'a>, value: Option<&Value>) -> Atom<'a> {
    let deduce = || match value {
        Some(Value::Array(_)) => Atom::List(DEDUCED_LIST),
        None | Some(Value::Null | Value::Object(_)) => Atom::Map(DEDUCED_MAP),
        Some(_) => Atom::Scalar(Scalar::Any),
    };
    let node = match ty {
        Type::Deduced => return deduce(),
        Type::Declared(node) => node,
    };
    if node.int_or_string() || node.quantity() {
        return Atom::Scalar(Scalar::Any);
    }
    let bare = !node.has_fields() && node.additional().is_none();
    if bare && node.flavor() == Flavor::Typed && matches!(node.kind(), JsonType::Any | JsonType::Object) {
        // Raw extensions and free JSON of Go types are merged as wholes.
        return match deduce() {
            Atom::Map(_) => Atom::Map(Map { atomic: true, ..DEDUCED_MAP }),
            other => other,
        };
    }
    match node.kind() {
        JsonType::String => match node.format() {
            None | Some("" | "byte") => Atom::Scalar(Scalar::String),
            Some(_) => Atom::Scalar(Scalar::Any),
        },
        JsonType::Integer | JsonType::Number => Atom::Scalar(Scalar::Numeric),
        JsonType::Boolean => Atom::Scalar(Scalar::Boolean),
        JsonType::Array => {
            let items = node.items().map_or(Type::Deduced, Type::Declared);
            Atom::List(List { kind: node.list_type(), items, node: Some(node) })
        }
        JsonType::Any if bare => deduce(),
        JsonType::Any | JsonType::Object => {
            let element = match node.additional() {
                Some(additional) => Some(Type::Declared(additional)),
                None if node.preserves_unknown() || !node.has_fields() => Some(Type::Deduced),
                None => None,
            };
            Atom::Map(Map { atomic: node.map_type() == MapType::Atomic, node: Some(node), element })
        }
    }
}

impl<'a> Map<'a> {
    /// Whether the schema declares a field of this name.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.node.is_some_and(|n| n.field(name).is_some())
    }

    /// The type of a field or a map's value; `None` if there must be none of this name.
    pub(super) fn value(&self, name: &str) -> Option<Type<'a>> {
        self.node.and_then(|n| n.field(name)).map(Type::Declared).or(self.element)
    }
}

impl List<'_> {
    /// The step that leads to an item, or why there is none.
    pub(super) fn step(&self, item: &Value) -> Result<PathElement, String> {
        let Some(node) = self.node.filter(|_| self.kind == ListType::Map) else {
            return match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                scalar => Ok(PathElement::Value(Literal(scalar.clone()))),
            };
        };
        match item {
            Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
            Value::Object(_) => {}
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        }
        let items = node.items();
        let mut keys = Vec::new();
        for key in node.list_map_keys() {
            let default = || {
                let items = items?;
                items.field(key).and_then(Node::default_value).cloned().or_else(|| key_default(items, key))
            };
            match item.get(key).cloned().or_else(default) {
                Some(value) => keys.push((key.to_owned(), Literal(value))),
                None => {
                    return Err(format!(
                        "associative list with keys has an element that omits key field {key:?} (and doesn't have \
                         default value)"
                    ));
                }
            }
        }
        keys.sort();
        Ok(PathElement::Key(keys))
    }
}

/// Defaults of list keys of built-in kinds, which their schemas do not carry.
fn key_default(items: Node<'_>, key: &str) -> Option<Value> {
    match (items.definition()?, key) {
        ("io.k8s.api.core.v1.ContainerPort" | "io.k8s.api.core.v1.ServicePort", "protocol") => Some("TCP".into()),
        ("io.k8s.api.core.v1.LocalObjectReference", "name") => Some("".into()),
        _ => None,
    }
}

impl Scalar {
    /// Why the value is not such a scalar; null always is.
    pub(super) fn error(self, value: &Value) -> Option<String> {
        let fits = match self {
            _ if value.is_null() => true,
            Self::Numeric => value.is_number(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Any => !value.is_array() && !value.is_object(),
        };
        let shown = || format!("&{{{}}}", go::plain(value));
        (!fits).then(|| match self {
            Self::Numeric => "expected numeric (int or float), got *value.valueUnstructured".to_owned(),
            Self::String => format!("expected string, got &value.valueUnstructured{{Value:{}}}", go::syntax(value)),
            Self::Boolean => format!("expected boolean, got {}", shown()),
            Self::Any => format!("expected any scalar, got {}", shown()),
        })
    }
}
