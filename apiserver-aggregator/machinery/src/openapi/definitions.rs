//! The definitions of a document: built-in ones with their descriptions, and those of custom resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Form;
use crate::gvk::{GroupVersion, GroupVersionKind};
use crate::resource::ResourceInfo;
use crate::schema;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Definitions that stand for any JSON value.
const ANY: &[&str] = &["JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"];

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const LIST_METADATA: &str = "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// Collects what a document refers to.
pub(super) struct Definitions {
    form: Form,
    /// Built-in definitions and their descriptions, as the assets have them.
    documents: Map<String, Value>,
    descriptions: Map<String, Value>,
    wanted: BTreeSet<String>,
    /// Finished definitions that are not in the assets.
    made: BTreeMap<String, Value>,
    kinds: BTreeMap<String, GroupVersionKind>,
}

impl Definitions {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            documents: schema::builtin_documents(),
            descriptions: schema::builtin_descriptions(),
            wanted: BTreeSet::new(),
            made: BTreeMap::new(),
            kinds: BTreeMap::new(),
        }
    }

    /// The name of a kind's definition.
    pub(super) fn name_of(&self, gvk: &GroupVersionKind) -> String {
        let builtin = schema::definition_name(gvk);
        if self.documents.contains_key(&builtin) { builtin } else { custom_name(gvk) }
    }

    /// A reference to a definition, which thereby gets into the document.
    pub(super) fn reference(&mut self, name: &str) -> Value {
        self.wanted.insert(name.to_owned());
        self.form.reference(name)
    }

    /// A reference to the definition of a kind; an object of any shape if there is none, as for options of connections.
    pub(super) fn kind(&mut self, gvk: &GroupVersionKind) -> Option<Value> {
        let name = self.name_of(gvk);
        if !self.documents.contains_key(&name) && !self.made.contains_key(&name) {
            return None;
        }
        self.kinds.entry(name.clone()).or_insert_with(|| gvk.clone());
        Some(self.reference(&name))
    }

    /// A reference to one of the general definitions, such as `Status`.
    pub(super) fn meta(&mut self, name: &str) -> Value {
        self.reference(&format!("{META}.{name}"))
    }

    /// Adds a resource's kind and its list.
    pub(super) fn add_kind(&mut self, info: &ResourceInfo) {
        let gvk = info.gvk();
        let name = self.name_of(&gvk);
        if !self.documents.contains_key(&name) {
            let definition = self.custom(info.schema.document().as_ref());
            self.made.insert(name.clone(), definition);
        }
        self.kinds.insert(name.clone(), gvk.clone());
        self.wanted.insert(name.clone());
        if info.has_verb("list") {
            let list = GroupVersionKind::new(&gvk.group, &gvk.version, &info.list_kind);
            let items = self.reference(&name);
            let metadata = self.meta("ListMeta");
            let list_name = self.list_name(info);
            let definition = self.list(&gvk.kind, &items, &metadata);
            self.made.insert(list_name.clone(), definition);
            self.kinds.insert(list_name.clone(), list);
            self.wanted.insert(list_name);
        }
    }

    /// The name of the definition of a resource's list.
    pub(super) fn list_name(&self, info: &ResourceInfo) -> String {
        let name = self.name_of(&info.gvk());
        let package = name.rsplit_once('.').map_or("", |(package, _)| package);
        format!("{package}.{}", info.list_kind)
    }

    fn list(&self, kind: &str, items: &Value, metadata: &Value) -> Value {
        let items = match self.form {
            Form::V2 => items.clone(),
            Form::V3 => json!({"allOf": [items], "default": {}}),
        };
        let mut metadata = match self.form {
            Form::V2 => metadata.clone(),
            Form::V3 => json!({"allOf": [metadata], "default": {}}),
        };
        metadata["description"] = LIST_METADATA.into();
        json!({
            "description": format!("{kind}List is a list of {kind}"),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string", "description": API_VERSION},
                "kind": {"type": "string", "description": KIND},
                "items": {"type": "array", "items": items, "description": format!("List of {kind} objects")},
                "metadata": metadata,
            },
        })
    }

    /// The definition of a custom resource.
    fn custom(&mut self, stated: Option<&Value>) -> Value {
        let mut definition = match stated {
            Some(schema) => custom_schema(schema, self.form, 0),
            None => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        };
        if !definition["description"].is_string() {
            let _ = definition.as_object_mut().map(|d| d.remove("description"));
        }
        let metadata = self.meta("ObjectMeta");
        let mut metadata = match self.form {
            Form::V2 => metadata,
            Form::V3 => json!({"allOf": [metadata]}),
        };
        metadata["description"] = METADATA.into();
        if let Some(map) = definition.as_object_mut() {
            let properties = map.entry("properties").or_insert_with(|| Value::Object(Map::new()));
            properties["apiVersion"] = json!({"type": "string", "description": API_VERSION});
            properties["kind"] = json!({"type": "string", "description": KIND});
            properties["metadata"] = metadata;
        }
        definition
    }

    /// All definitions that were asked for, and what they refer to. `group_versions` are those whose objects
    /// `DeleteOptions` may delete.
    pub(super) fn finish(mut self, group_versions: &[GroupVersion]) -> Map<String, Value> {
        let mut out: Map<String, Value> = Map::new();
        let mut queue: Vec<String> = self.wanted.iter().cloned().collect();
        while let Some(name) = queue.pop() {
            if out.contains_key(&name) {
                continue;
            }
            let mut definition = match self.made.remove(&name) {
                Some(made) => made,
                None => match self.documents.get(&name) {
                    Some(document) => self.builtin(&name, document),
                    None => continue,
                },
            };
            if let Some(gvk) = self.kinds.get(&name) {
                definition["x-kubernetes-group-version-kind"] =
                    json!([{"group": gvk.group, "version": gvk.version, "kind": gvk.kind}]);
            } else if name == format!("{META}.DeleteOptions") {
                definition["x-kubernetes-group-version-kind"] = group_versions
                    .iter()
                    .map(|gv| json!({"group": gv.group, "version": gv.version, "kind": "DeleteOptions"}))
                    .collect();
            } else if name == format!("{META}.Status") {
                definition["x-kubernetes-group-version-kind"] =
                    json!([{"group": "", "version": "v1", "kind": "Status"}]);
            }
            references(&definition, &mut queue);
            out.insert(name, definition);
        }
        out
    }

    /// A built-in definition with its descriptions, in the form of the document.
    fn builtin(&self, name: &str, document: &Value) -> Value {
        let texts = self.descriptions.get(name);
        let text = |key: &str| texts.and_then(|t| t.get(key)).and_then(Value::as_str);
        let mut definition = match name {
            INT_OR_STRING if self.form == Form::V2 => json!({"type": "string", "format": "int-or-string"}),
            INT_OR_STRING => json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
            QUANTITY if self.form == Form::V2 => json!({"type": "string"}),
            QUANTITY => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            _ if name.rsplit('.').next().is_some_and(|n| ANY.contains(&n)) => json!({}),
            _ => self.shape(document),
        };
        if let Some(text) = text("") {
            definition["description"] = text.into();
        }
        if let Some(Value::Object(properties)) = definition.get_mut("properties") {
            for (key, property) in properties.iter_mut() {
                if let Some(text) = text(key) {
                    property["description"] = text.into();
                }
            }
        }
        // Metadata may be left out of any body that names its object elsewhere.
        let root = definition["properties"]["apiVersion"].is_object() && definition["properties"]["kind"].is_object();
        if let (true, Some(Value::Array(required))) = (root, definition.get_mut("required")) {
            required.retain(|r| r != "metadata");
            if required.is_empty() {
                let _ = definition.as_object_mut().map(|d| d.remove("required"));
            }
        }
        definition
    }

    /// One node of an asset's document.
    fn shape(&self, node: &Value) -> Value {
        let Some(map) = node.as_object() else { return node.clone() };
        let mut out = Map::new();
        let required: Vec<&str> =
            map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, value) in map {
            match key.as_str() {
                "x-go" => {}
                "$ref" => {
                    let reference = self.form.reference(value.as_str().unwrap_or_default());
                    match self.form {
                        Form::V2 => out.extend(reference.as_object().cloned().unwrap_or_default()),
                        Form::V3 => {
                            out.insert("allOf".to_owned(), json!([reference]));
                        }
                    }
                }
                "properties" => {
                    let properties = value.as_object().into_iter().flatten().map(|(name, property)| {
                        let mut shaped = self.shape(property);
                        if self.form == Form::V3
                            && let Some(zero) = self.zero(property, required.contains(&name.as_str()))
                        {
                            shaped["default"] = zero;
                        }
                        (name.clone(), shaped)
                    });
                    out.insert(key.clone(), Value::Object(properties.collect()));
                }
                "items" | "additionalProperties" => {
                    let mut shaped = self.shape(value);
                    if self.form == Form::V3
                        && let Some(zero) = self.zero(value, true)
                    {
                        shaped["default"] = zero;
                    }
                    out.insert(key.clone(), shaped);
                }
                _ => {
                    out.insert(key.clone(), value.clone());
                }
            }
        }
        Value::Object(out)
    }

    /// The default that a Go value without pointer has in v3 documents.
    fn zero(&self, property: &Value, always: bool) -> Option<Value> {
        let stated = property.get("x-go").and_then(Value::as_str);
        if stated == Some("pointer") || (stated != Some("always") && !always) {
            return None;
        }
        if let Some(name) = property.get("$ref").and_then(Value::as_str) {
            let target = self.documents.get(name)?;
            return target.get("properties").map(|_| json!({}));
        }
        match property.get("type").and_then(Value::as_str)? {
            "string" if property.get("format").is_none() => Some("".into()),
            "integer" | "number" => Some(0.into()),
            "boolean" => Some(false.into()),
            _ => None,
        }
    }
}

/// Group parts reversed, then version and kind: `com.example.v1.Widget`.
fn custom_name(gvk: &GroupVersionKind) -> String {
    let mut parts: Vec<&str> = gvk.group.split('.').rev().filter(|p| !p.is_empty()).collect();
    parts.push(&gvk.version);
    parts.push(&gvk.kind);
    parts.join(".")
}

/// Names of the definitions that a value refers to.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                match item.as_str().filter(|_| key == "$ref").and_then(|r| r.rsplit('/').next()) {
                    Some(name) => found.push(name.to_owned()),
                    None => references(item, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// A part of a custom resource's schema. Version 2 knows fewer words: what it cannot say is left out, so that clients do
/// not refuse what the server takes.
fn custom_schema(schema: &Value, form: Form, depth: usize) -> Value {
    const MAX_DEPTH: usize = 100;
    let Some(map) = schema.as_object() else { return schema.clone() };
    if depth > MAX_DEPTH {
        return json!({});
    }
    let truth = |key: &str| map.get(key) == Some(&Value::Bool(true));
    let preserve = truth("x-kubernetes-preserve-unknown-fields");
    let open = form == Form::V2 && (preserve || truth("nullable") || truth("x-kubernetes-int-or-string"));
    let mut out = Map::new();
    for (key, value) in map {
        match key.as_str() {
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties = properties.map(|(name, p)| (name.clone(), custom_schema(p, form, depth + 1)));
                if !(open && preserve) {
                    out.insert(key.clone(), Value::Object(properties.collect()));
                }
            }
            "items" | "additionalProperties" => {
                if !open {
                    out.insert(key.clone(), custom_schema(value, form, depth + 1));
                }
            }
            "allOf" | "anyOf" | "oneOf" | "not" | "nullable" | "default" if form == Form::V2 => {}
            "type" if open => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}
