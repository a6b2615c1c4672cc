//! The arena of schema nodes and the view of one node.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

use super::{Flavor, GoField, ListType, MapType, PatchStrategy, Type, builtin};

/// The index of a node in its arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

/// Facts about a node that are true or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u32);

impl Flags {
    pub(crate) const NULLABLE: Self = Self(1);
    pub(crate) const INT_OR_STRING: Self = Self(1 << 1);
    pub(crate) const PRESERVE: Self = Self(1 << 2);
    /// The root of a resource, or `x-kubernetes-embedded-resource`.
    pub(crate) const RESOURCE: Self = Self(1 << 3);
    pub(crate) const EXCLUSIVE_MIN: Self = Self(1 << 4);
    pub(crate) const EXCLUSIVE_MAX: Self = Self(1 << 5);
    pub(crate) const UNIQUE_ITEMS: Self = Self(1 << 6);
    pub(crate) const ATOMIC_MAP: Self = Self(1 << 7);
    /// The list type is written in the schema.
    pub(crate) const LIST_TYPE_STATED: Self = Self(1 << 8);
    pub(crate) const LIST_SET: Self = Self(1 << 9);
    pub(crate) const LIST_MAP: Self = Self(1 << 10);
    pub(crate) const PATCH_MERGE: Self = Self(1 << 11);
    pub(crate) const PATCH_REPLACE: Self = Self(1 << 12);
    pub(crate) const PATCH_RETAIN_KEYS: Self = Self(1 << 13);
    pub(crate) const QUANTITY: Self = Self(1 << 14);
    /// `additionalProperties: true`.
    pub(crate) const ADDITIONAL_ANY: Self = Self(1 << 15);
    pub(crate) const GO_POINTER: Self = Self(1 << 16);
    pub(crate) const GO_ALWAYS: Self = Self(1 << 17);
    /// The map type is written in the schema.
    pub(crate) const MAP_TYPE_STATED: Self = Self(1 << 18);

    pub(crate) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Self, on: bool) {
        if on {
            self.0 |= flag.0;
        } else {
            self.0 &= !flag.0;
        }
    }
}

/// A field of an object node.
#[derive(Debug)]
pub(crate) struct FieldData {
    pub(crate) name: Box<str>,
    pub(crate) node: NodeId,
}

/// What few nodes have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) required: Vec<Box<str>>,
    pub(crate) list_map_keys: Vec<Box<str>>,
    pub(crate) patch_merge_key: Option<Box<str>>,
    pub(crate) default: Option<Value>,
    pub(crate) enum_values: Vec<Value>,
    pub(crate) minimum: Option<Value>,
    pub(crate) maximum: Option<Value>,
    pub(crate) multiple_of: Option<Value>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) pattern: Option<Box<Pattern>>,
    pub(crate) all_of: Vec<NodeId>,
    pub(crate) any_of: Vec<NodeId>,
    pub(crate) one_of: Vec<NodeId>,
    pub(crate) not: Option<NodeId>,
    pub(crate) validations: Vec<Value>,
    pub(crate) unions: Option<Value>,
}

/// A pattern, compiled at its first use.
#[derive(Debug, Default)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// The expression; `None` if it does not compile.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self::new(&self.text)
    }
}

/// One node. Definitions are expanded into the nodes that refer to them: the fields are shared, so that this costs a copy
/// of this struct, and recursion is a node that refers to an earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeData {
    pub(crate) kind: Type,
    pub(crate) flags: Flags,
    /// Start and number of the fields, sorted by name.
    pub(crate) fields: (u32, u32),
    pub(crate) items: Option<NodeId>,
    pub(crate) additional: Option<NodeId>,
    /// Index of the definition plus one; 0 if the node was written inline.
    pub(crate) definition: u32,
    pub(crate) format: Option<Box<str>>,
    pub(crate) extra: Option<Box<Extra>>,
}

/// All nodes of one schema, or of all built-in kinds.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) flavor: Flavor,
    pub(crate) nodes: Vec<NodeData>,
    pub(crate) fields: Vec<FieldData>,
    /// Definitions by name, sorted.
    pub(crate) definitions: Vec<(Box<str>, NodeId)>,
}

impl Arena {
    pub(crate) fn node(&self, id: NodeId) -> Node<'_> {
        // Ids are made by the builder only; a foreign one would be a bug and is answered with the first node.
        let data = self.nodes.get(id.0 as usize).unwrap_or(&self.nodes[0]);
        Node { arena: self, data }
    }

    pub(crate) fn definition(&self, name: &str) -> Option<NodeId> {
        let index = self.definitions.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        self.definitions.get(index).map(|(_, id)| *id)
    }
}

/// A borrowed view of one node of a schema.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub(crate) arena: &'a Arena,
    pub(crate) data: &'a NodeData,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("type", &self.kind())
            .field("definition", &self.definition())
            .finish_non_exhaustive()
    }
}

impl<'a> Node<'a> {
    fn at(self, id: NodeId) -> Self {
        self.arena.node(id)
    }

    pub(crate) fn flag(self, flag: Flags) -> bool {
        self.data.flags.has(flag)
    }

    fn extra(self) -> Option<&'a Extra> {
        self.data.extra.as_deref()
    }

    /// The JSON type; [`Type::Any`] for int-or-string and for nodes without a type.
    pub fn kind(self) -> Type {
        self.data.kind
    }

    /// The flavour of the schema.
    pub fn flavor(self) -> Flavor {
        self.arena.flavor
    }

    /// The definition the node refers to, such as `io.k8s.api.core.v1.Container`; `None` for nodes written inline.
    pub fn definition(self) -> Option<&'a str> {
        let index = (self.data.definition as usize).checked_sub(1)?;
        self.arena.definitions.get(index).map(|(name, _)| &**name)
    }

    /// Whether the node is a resource of its own, with apiVersion, kind and metadata: the root, or an embedded resource.
    pub fn is_resource(self) -> bool {
        self.flag(Flags::RESOURCE)
    }

    /// The declared field of this name; `apiVersion`, `kind` and `metadata` of a resource are always declared.
    pub fn field(self, name: &str) -> Option<Node<'a>> {
        if self.is_resource() && matches!(name, "apiVersion" | "kind" | "metadata") {
            return builtin::resource_field(name);
        }
        self.own_field(name)
    }

    /// The field as the schema itself declares it, which for the metadata of a custom resource says less than
    /// [`Node::field`].
    pub fn own_field(self, name: &str) -> Option<Node<'a>> {
        let fields = self.own_field_slice();
        let index = fields.binary_search_by(|f| (*f.name).cmp(name)).ok()?;
        fields.get(index).map(|f| self.at(f.node))
    }

    pub(crate) fn own_field_id(self, name: &str) -> Option<NodeId> {
        let fields = self.own_field_slice();
        let index = fields.binary_search_by(|f| (*f.name).cmp(name)).ok()?;
        fields.get(index).map(|f| f.node)
    }

    fn own_field_slice(self) -> &'a [FieldData] {
        let (start, len) = self.data.fields;
        self.arena.fields.get(start as usize..(start + len) as usize).unwrap_or_default()
    }

    /// All fields that the schema itself declares, sorted by name.
    pub fn own_fields(self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.own_field_slice().iter().map(move |f| (&*f.name, self.at(f.node)))
    }

    /// Whether any field is declared: a struct rather than a map.
    pub fn has_fields(self) -> bool {
        self.data.fields.1 > 0 || self.is_resource()
    }

    /// The schema of the values of a map.
    pub fn additional(self) -> Option<Node<'a>> {
        self.data.additional.map(|id| self.at(id))
    }

    /// The field, or the map's value for any name.
    pub fn child(self, name: &str) -> Option<Node<'a>> {
        self.field(name).or_else(|| self.additional())
    }

    /// The schema of a list's items.
    pub fn items(self) -> Option<Node<'a>> {
        self.data.items.map(|id| self.at(id))
    }

    /// Whether undeclared fields are allowed and kept.
    pub fn preserves_unknown(self) -> bool {
        self.flag(Flags::PRESERVE) || self.flag(Flags::ADDITIONAL_ANY)
    }

    /// Whether `x-kubernetes-preserve-unknown-fields` is stated.
    pub fn preserve_unknown_stated(self) -> bool {
        self.flag(Flags::PRESERVE)
    }

    /// Whether null is a value.
    pub fn nullable(self) -> bool {
        self.flag(Flags::NULLABLE)
    }

    /// Whether the value is a number or a string.
    pub fn int_or_string(self) -> bool {
        self.flag(Flags::INT_OR_STRING)
    }

    /// Whether the value is a quantity.
    pub fn quantity(self) -> bool {
        self.flag(Flags::QUANTITY)
    }

    /// How a list is merged; [`ListType::Atomic`] where nothing is stated.
    pub fn list_type(self) -> ListType {
        if self.flag(Flags::LIST_MAP) {
            ListType::Map
        } else if self.flag(Flags::LIST_SET) {
            ListType::Set
        } else {
            ListType::Atomic
        }
    }

    /// Whether the list type is written in the schema.
    pub fn list_type_stated(self) -> bool {
        self.flag(Flags::LIST_TYPE_STATED)
    }

    /// The keys of a [`ListType::Map`].
    pub fn list_map_keys(self) -> impl Iterator<Item = &'a str> + Clone {
        self.extra().map(|e| e.list_map_keys.as_slice()).unwrap_or_default().iter().map(|k| &**k)
    }

    /// How an object is merged.
    pub fn map_type(self) -> MapType {
        if self.flag(Flags::ATOMIC_MAP) { MapType::Atomic } else { MapType::Granular }
    }

    /// Whether the map type is written in the schema.
    pub fn map_type_stated(self) -> bool {
        self.flag(Flags::MAP_TYPE_STATED)
    }

    /// How a strategic merge patch treats the field.
    pub fn patch_strategy(self) -> PatchStrategy {
        PatchStrategy {
            merge: self.flag(Flags::PATCH_MERGE),
            replace: self.flag(Flags::PATCH_REPLACE),
            retain_keys: self.flag(Flags::PATCH_RETAIN_KEYS),
        }
    }

    /// The key by which a strategic merge patch merges a list of objects.
    pub fn patch_merge_key(self) -> Option<&'a str> {
        self.extra()?.patch_merge_key.as_deref()
    }

    /// The default value.
    pub fn default_value(self) -> Option<&'a Value> {
        self.extra()?.default.as_ref()
    }

    /// Names of required fields, in the schema's order.
    pub fn required(self) -> impl Iterator<Item = &'a str> + Clone {
        self.extra().map(|e| e.required.as_slice()).unwrap_or_default().iter().map(|k| &**k)
    }

    /// Allowed values; empty if all are.
    pub fn enum_values(self) -> &'a [Value] {
        self.extra().map(|e| e.enum_values.as_slice()).unwrap_or_default()
    }

    /// The format, such as `int32` or `date-time`.
    pub fn format(self) -> Option<&'a str> {
        self.data.format.as_deref()
    }

    /// The pattern of strings.
    pub fn pattern(self) -> Option<&'a str> {
        self.extra()?.pattern.as_ref().map(|p| p.text.as_str())
    }

    pub(crate) fn pattern_regex(self) -> Option<&'a Regex> {
        self.extra()?.pattern.as_ref()?.regex()
    }

    pub(crate) fn bounds(self) -> Option<&'a Extra> {
        self.extra()
    }

    /// `allOf`, as alternatives that only restrict values.
    pub fn all_of(self) -> impl Iterator<Item = Node<'a>> {
        self.extra().map(|e| e.all_of.as_slice()).unwrap_or_default().iter().map(move |id| self.at(*id))
    }

    /// `anyOf`.
    pub fn any_of(self) -> impl Iterator<Item = Node<'a>> {
        self.extra().map(|e| e.any_of.as_slice()).unwrap_or_default().iter().map(move |id| self.at(*id))
    }

    /// `oneOf`.
    pub fn one_of(self) -> impl Iterator<Item = Node<'a>> {
        self.extra().map(|e| e.one_of.as_slice()).unwrap_or_default().iter().map(move |id| self.at(*id))
    }

    /// `not`.
    pub fn not_schema(self) -> Option<Node<'a>> {
        self.extra()?.not.map(|id| self.at(id))
    }

    /// `x-kubernetes-validations`, as they stand in the schema.
    pub fn validations(self) -> &'a [Value] {
        self.extra().map(|e| e.validations.as_slice()).unwrap_or_default()
    }

    /// `x-kubernetes-unions`, as it stands in the schema.
    pub fn unions(self) -> Option<&'a Value> {
        self.extra()?.unions.as_ref()
    }

    /// What Go does with this field when it is empty.
    pub fn go_field(self) -> GoField {
        if self.flag(Flags::GO_ALWAYS) {
            GoField::Always
        } else if self.flag(Flags::GO_POINTER) {
            GoField::Pointer
        } else {
            GoField::OmitEmpty
        }
    }
}
