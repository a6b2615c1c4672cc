//! From OpenAPI documents to nodes.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::node::{Arena, Extra, FieldData, Flags, NodeData, NodeId, Pattern};
use super::{Flavor, Type};

/// How deep a schema may nest; deeper parts allow everything. The limit keeps hostile input from exhausting the stack.
const MAX_DEPTH: usize = 128;

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const ANYTHING: &[&str] = &[
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
];
const FREE_OBJECTS: &[&str] =
    &["io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "io.k8s.apimachinery.pkg.runtime.RawExtension"];

/// Makes the nodes of one arena.
#[derive(Debug)]
pub(crate) struct Builder {
    arena: Arena,
    /// Definitions already placed.
    by_name: HashMap<String, NodeId>,
}

impl Builder {
    pub(crate) fn new(flavor: Flavor) -> Self {
        // Node 0 allows everything: what ids that cannot be followed fall back to.
        let any = NodeData {
            flags: {
                let mut flags = Flags::default();
                flags.set(Flags::PRESERVE, true);
                flags
            },
            ..NodeData::default()
        };
        Self { arena: Arena { flavor, nodes: vec![any], ..Arena::default() }, by_name: HashMap::new() }
    }

    pub(crate) fn finish(mut self) -> Arena {
        self.arena.nodes.shrink_to_fit();
        self.arena.fields.shrink_to_fit();
        self.arena
    }

    /// The root of a custom resource.
    pub(crate) fn structural_root(&mut self, schema: &Value) -> NodeId {
        let id = self.schema_node(schema, 0);
        let data = &mut self.arena.nodes[id.0 as usize];
        data.flags.set(Flags::RESOURCE, true);
        data.kind = Type::Object;
        id
    }

    /// A part of a custom resource's schema.
    pub(crate) fn fragment(&mut self, schema: &Value) -> NodeId {
        self.schema_node(schema, 0)
    }

    /// All definitions of typed kinds.
    pub(crate) fn definitions(&mut self, definitions: &Map<String, Value>) {
        // The nodes of all definitions come first, so that references can point at them before they are filled.
        let names: Vec<&String> = definitions.keys().collect();
        for (index, name) in names.iter().enumerate() {
            let id = self.push(NodeData::default());
            self.by_name.insert((*name).clone(), id);
            self.arena.definitions.push(((*name).as_str().into(), id));
            self.arena.nodes[id.0 as usize].definition = u32::try_from(index + 1).unwrap_or_default();
        }
        // References copy the definition's node, so a definition's own fields must be placed before anybody copies them:
        // first the ranges of the fields of all definitions are reserved, then the fields are filled.
        for (name, schema) in definitions {
            if let Some(&id) = self.by_name.get(name) {
                let reserved = self.reserve(schema);
                let definition = self.arena.nodes[id.0 as usize].definition;
                let mut data = self.shape(schema, Some(name));
                data.fields = reserved;
                data.definition = definition;
                self.arena.nodes[id.0 as usize] = data;
            }
        }
        for (name, schema) in definitions {
            if let Some(&id) = self.by_name.get(name) {
                let (start, _) = self.arena.nodes[id.0 as usize].fields;
                self.fill(schema, start, 0);
                self.inner(id, schema, 0);
            }
        }
    }

    fn push(&mut self, data: NodeData) -> NodeId {
        let id = NodeId(u32::try_from(self.arena.nodes.len()).unwrap_or(0));
        self.arena.nodes.push(data);
        id
    }

    /// Reserves the fields of an object; returns start and number.
    fn reserve(&mut self, schema: &Value) -> (u32, u32) {
        let start = u32::try_from(self.arena.fields.len()).unwrap_or(0);
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return (start, 0) };
        // serde_json's map is sorted, and so are the fields.
        for name in properties.keys() {
            self.arena.fields.push(FieldData { name: name.as_str().into(), node: NodeId(0) });
        }
        (start, u32::try_from(properties.len()).unwrap_or(0))
    }

    fn fill(&mut self, schema: &Value, start: u32, depth: usize) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (offset, (name, property)) in properties.iter().enumerate() {
            let node = self.schema_node(property, depth + 1);
            if self.arena.flavor == Flavor::Typed {
                self.go_field(node, property, required.contains(&name.as_str()));
            }
            self.arena.fields[start as usize + offset].node = node;
        }
    }

    /// Sets how Go encodes a field when it is empty.
    fn go_field(&mut self, node: NodeId, property: &Value, required: bool) {
        let data = &mut self.arena.nodes[node.0 as usize];
        let (pointer, always) = match property.get("x-go").and_then(Value::as_str) {
            Some("pointer") => (true, false),
            Some("always") => (false, true),
            Some("omitempty") => (false, false),
            // A struct is a pointer unless it is said to be a value; a required field is always written.
            _ if required => (false, true),
            _ => (data.kind == Type::Object && data.fields.1 > 0, false),
        };
        data.flags.set(Flags::GO_POINTER, pointer);
        data.flags.set(Flags::GO_ALWAYS, always);
    }

    fn schema_node(&mut self, schema: &Value, depth: usize) -> NodeId {
        if depth > MAX_DEPTH {
            return NodeId(0);
        }
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let Some(&target) = self.by_name.get(name) else { return NodeId(0) };
            let mut data = self.arena.nodes[target.0 as usize].clone();
            // What the property states besides the reference goes over the definition's.
            overlay(&mut data, schema);
            let id = self.push(data);
            return id;
        }
        let fields = self.reserve(schema);
        let mut data = self.shape(schema, None);
        data.fields = fields;
        let id = self.push(data);
        self.fill(schema, fields.0, depth);
        self.inner(id, schema, depth);
        id
    }

    /// Places items, map values and alternatives.
    fn inner(&mut self, id: NodeId, schema: &Value, depth: usize) {
        let items = schema.get("items").filter(|v| v.is_object()).map(|v| self.schema_node(v, depth + 1));
        let additional =
            schema.get("additionalProperties").filter(|v| v.is_object()).map(|v| self.schema_node(v, depth + 1));
        let mut list = |key: &str| -> Vec<NodeId> {
            let values = schema.get(key).and_then(Value::as_array);
            values.into_iter().flatten().map(|v| self.schema_node(v, depth + 1)).collect()
        };
        let (all_of, any_of, one_of) = (list("allOf"), list("anyOf"), list("oneOf"));
        let not = schema.get("not").filter(|v| v.is_object()).map(|v| self.schema_node(v, depth + 1));
        let data = &mut self.arena.nodes[id.0 as usize];
        data.items = items;
        data.additional = additional;
        if !(all_of.is_empty() && any_of.is_empty() && one_of.is_empty() && not.is_none()) {
            let extra = data.extra.get_or_insert_default();
            extra.all_of = all_of;
            extra.any_of = any_of;
            extra.one_of = one_of;
            extra.not = not;
        }
    }

    /// Everything about a node but its children.
    fn shape(&self, schema: &Value, definition: Option<&str>) -> NodeData {
        let mut data = NodeData { kind: type_of(schema), ..NodeData::default() };
        let truth = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or_default();
        data.flags.set(Flags::NULLABLE, truth("nullable"));
        data.flags.set(Flags::PRESERVE, truth("x-kubernetes-preserve-unknown-fields"));
        data.flags.set(Flags::RESOURCE, truth("x-kubernetes-embedded-resource"));
        data.flags.set(Flags::EXCLUSIVE_MIN, truth("exclusiveMinimum"));
        data.flags.set(Flags::EXCLUSIVE_MAX, truth("exclusiveMaximum"));
        data.flags.set(Flags::UNIQUE_ITEMS, truth("uniqueItems"));
        data.flags.set(Flags::ADDITIONAL_ANY, truth("additionalProperties"));
        if truth("x-kubernetes-int-or-string") {
            data.flags.set(Flags::INT_OR_STRING, true);
            data.kind = Type::Any;
        }
        data.format = schema.get("format").and_then(Value::as_str).map(Into::into);
        if let Some(name) = definition {
            data.flags.set(Flags::QUANTITY, name == QUANTITY);
            if ANYTHING.contains(&name) {
                data.kind = Type::Any;
                data.flags.set(Flags::PRESERVE, true);
            }
            if FREE_OBJECTS.contains(&name) {
                data.flags.set(Flags::PRESERVE, true);
            }
        }
        if self.arena.flavor == Flavor::Typed && data.kind == Type::Any && !data.flags.has(Flags::INT_OR_STRING) {
            data.flags.set(Flags::PRESERVE, true);
        }
        overlay(&mut data, schema);
        let extra = extra_of(schema);
        if let Some(extra) = extra {
            let merged = data.extra.get_or_insert_default();
            let (keys, merge_key) = (std::mem::take(&mut merged.list_map_keys), merged.patch_merge_key.take());
            let default = merged.default.take();
            **merged = extra;
            merged.list_map_keys = keys;
            merged.patch_merge_key = merge_key;
            merged.default = default;
        }
        data
    }
}

/// What a property may state beside a reference: merge rules and a default.
fn overlay(data: &mut NodeData, schema: &Value) {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    if let Some(list_type) = text("x-kubernetes-list-type") {
        data.flags.set(Flags::LIST_TYPE_STATED, true);
        data.flags.set(Flags::LIST_SET, list_type == "set");
        data.flags.set(Flags::LIST_MAP, list_type == "map");
    }
    if let Some(map_type) = text("x-kubernetes-map-type") {
        data.flags.set(Flags::MAP_TYPE_STATED, true);
        data.flags.set(Flags::ATOMIC_MAP, map_type == "atomic");
    }
    if let Some(strategy) = text("x-kubernetes-patch-strategy") {
        for word in strategy.split(',') {
            match word {
                "merge" => data.flags.set(Flags::PATCH_MERGE, true),
                "replace" => data.flags.set(Flags::PATCH_REPLACE, true),
                "retainKeys" => data.flags.set(Flags::PATCH_RETAIN_KEYS, true),
                _ => {}
            }
        }
    }
    let keys = strings(schema, "x-kubernetes-list-map-keys");
    if !keys.is_empty() {
        data.extra.get_or_insert_default().list_map_keys = keys;
    }
    if let Some(key) = text("x-kubernetes-patch-merge-key") {
        data.extra.get_or_insert_default().patch_merge_key = Some(key.into());
    }
    if let Some(default) = schema.get("default") {
        data.extra.get_or_insert_default().default = Some(default.clone());
    }
}

fn strings(schema: &Value, key: &str) -> Vec<Box<str>> {
    let values = schema.get(key).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

fn type_of(schema: &Value) -> Type {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => Type::Object,
        Some("array") => Type::Array,
        Some("string") => Type::String,
        Some("integer") => Type::Integer,
        Some("number") => Type::Number,
        Some("boolean") => Type::Boolean,
        _ => Type::Any,
    }
}

/// Bounds, enumerations and rules; `None` if there are none.
fn extra_of(schema: &Value) -> Option<Extra> {
    const KEYS: &[&str] = &[
        "required",
        "enum",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "pattern",
        "x-kubernetes-validations",
        "x-kubernetes-unions",
    ];
    let object = schema.as_object()?;
    if !KEYS.iter().any(|key| object.contains_key(*key)) {
        return None;
    }
    let number = |key: &str| object.get(key).filter(|v| v.is_number()).cloned();
    let count = |key: &str| object.get(key).and_then(Value::as_u64);
    let list = |key: &str| object.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    Some(Extra {
        required: strings(schema, "required"),
        enum_values: list("enum"),
        minimum: number("minimum"),
        maximum: number("maximum"),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        pattern: object
            .get("pattern")
            .and_then(Value::as_str)
            .filter(|p| !p.is_empty())
            .map(|p| Box::new(Pattern::new(p))),
        validations: list("x-kubernetes-validations"),
        unions: object.get("x-kubernetes-unions").cloned(),
        ..Extra::default()
    })
}
