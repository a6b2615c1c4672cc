//! What a structural schema may say.

use serde_json::Value;

use super::{list, text};
use crate::field::{FieldError, FieldErrors};
use crate::schema::{self, Schema};

/// Deeper schemas are not followed; decoding refuses them long before.
const MAX_DEPTH: usize = 100;

/// Checks the root of a version's schema.
pub(super) fn schema(schema: &Value, path: &str, errors: &mut FieldErrors) {
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        errors.push(FieldError::invalid(
            format!("{path}.x-kubernetes-preserve-unknown-fields"),
            false,
            "must be true or undefined",
        ));
    }
    let before = errors.len();
    constructs(schema, path, 0, errors);
    if errors.len() > before {
        return;
    }
    structure(schema, path, Level::Root, 0, errors);
    root(schema, path, errors);
    if errors.len() > before {
        return;
    }
    defaults(schema, path, 0, errors);
}

fn child<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get(key).filter(|v| v.is_object())
}

fn truth(schema: &Value, key: &str) -> bool {
    schema[key] == true
}

/// Calls with every schema below this one and its path.
fn children(schema: &Value, path: &str, mut act: impl FnMut(&Value, String)) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, property) in properties {
            act(property, format!("{path}.properties[{name}]"));
        }
    }
    if let Some(additional) = child(schema, "additionalProperties") {
        act(additional, format!("{path}.additionalProperties"));
    }
    if let Some(items) = child(schema, "items") {
        act(items, format!("{path}.items"));
    }
}

/// Keywords and values that are never allowed.
fn constructs(schema: &Value, path: &str, depth: usize, errors: &mut FieldErrors) {
    if depth > MAX_DEPTH {
        return;
    }
    if truth(schema, "uniqueItems") {
        errors.push(FieldError::forbidden(
            format!("{path}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ));
    }
    let has = |key: &str| schema.get(key).is_some_and(|v| !v.is_null());
    if has("additionalProperties")
        && list_or_map_filled(schema, "properties")
        && schema["additionalProperties"] != false
    {
        errors.push(FieldError::forbidden(
            format!("{path}.additionalProperties"),
            "additionalProperties and properties are mutual exclusive",
        ));
    }
    for key in ["id", "additionalItems", "definitions", "dependencies", "patternProperties"] {
        if has(key) && schema[key] != "" {
            errors.push(FieldError::forbidden(format!("{path}.{key}"), format!("{key} is not supported")));
        }
    }
    if has("$ref") {
        errors.push(FieldError::forbidden(format!("{path}.$ref"), "$ref is not supported"));
    }
    if schema.get("items").is_some_and(Value::is_array) {
        errors.push(FieldError::forbidden(format!("{path}.items"), "items must be a schema object and not an array"));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && let Err(error) = regex::Regex::new(pattern)
    {
        errors.push(FieldError::invalid(
            format!("{path}.pattern"),
            pattern,
            format!("must be a valid regular expression, but isn't: {}", regex_error(pattern, &error)),
        ));
    }
    list_types(schema, path, errors);
    match text(schema, "type") {
        "" | "array" | "boolean" | "integer" | "number" | "object" | "string" => {}
        "null" => errors.push(FieldError::forbidden(
            format!("{path}.type"),
            "type cannot be set to null, use nullable as an alternative",
        )),
        other => errors.push(FieldError::not_supported(
            format!("{path}.type"),
            other,
            &["array", "boolean", "integer", "number", "object", "string"],
        )),
    }
    expressions(schema, path, errors);
    children(schema, path, |child, path| constructs(child, &path, depth + 1, errors));
    for key in ["allOf", "anyOf", "oneOf"] {
        for (index, alternative) in list(schema, key).iter().enumerate() {
            constructs(alternative, &format!("{path}.{key}[{index}]"), depth + 1, errors);
        }
    }
    if let Some(not) = child(schema, "not") {
        constructs(not, &format!("{path}.not"), depth + 1, errors);
    }
}

fn list_or_map_filled(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_object).is_some_and(|m| !m.is_empty())
}

/// The words of Go's regular expression parser for the commonest faults.
fn regex_error(pattern: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    let known = [
        ("unclosed group", "missing closing )"),
        ("unopened group", "unexpected )"),
        ("unclosed character class", "missing closing ]"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
    ];
    match known.iter().find(|(ours, _)| text.contains(ours)) {
        Some((_, go)) => format!("error parsing regexp: {go}: `{pattern}`"),
        None => {
            format!("error parsing regexp: {}", text.lines().last().unwrap_or_default().trim_start_matches("error: "))
        }
    }
}

/// List types, map types and map keys.
fn list_types(schema: &Value, path: &str, errors: &mut FieldErrors) {
    let kind = text(schema, "type");
    let keys = list(schema, "x-kubernetes-list-map-keys");
    let keys_path = format!("{path}.x-kubernetes-list-map-keys");
    let type_path = format!("{path}.x-kubernetes-list-type");
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        None => {
            if !keys.is_empty() {
                errors.push(FieldError::required(type_path, "must be map if x-kubernetes-list-map-keys is non-empty"));
            }
        }
        Some(list_type) => {
            if kind != "array" {
                if kind.is_empty() {
                    errors.push(FieldError::required(
                        format!("{path}.type"),
                        "must be array if x-kubernetes-list-type is specified",
                    ));
                } else {
                    errors.push(FieldError::invalid(
                        format!("{path}.type"),
                        kind,
                        "must be array if x-kubernetes-list-type is specified",
                    ));
                }
            }
            match list_type {
                "atomic" | "set" => {
                    if !keys.is_empty() {
                        errors.push(FieldError::invalid(
                            type_path,
                            list_type,
                            "must be map if x-kubernetes-list-map-keys is non-empty",
                        ));
                    }
                    if list_type == "set" {
                        set_items(&schema["items"], path, errors);
                    }
                }
                "map" => map_items(schema, keys, path, &keys_path, errors),
                other => errors.push(FieldError::not_supported(type_path, other, &["atomic", "set", "map"])),
            }
        }
    }
    if let Some(map_type) = schema.get("x-kubernetes-map-type").and_then(Value::as_str) {
        if kind != "object" {
            errors.push(FieldError::invalid(
                format!("{path}.type"),
                kind,
                "must be object if x-kubernetes-map-type is specified",
            ));
        }
        if !matches!(map_type, "atomic" | "granular") {
            errors.push(FieldError::not_supported(
                format!("{path}.x-kubernetes-map-type"),
                map_type,
                &["atomic", "granular"],
            ));
        }
    }
}

/// Items of a set must be compared whole.
fn set_items(items: &Value, path: &str, errors: &mut FieldErrors) {
    let item_path = format!("{path}.items");
    if truth(items, "nullable") {
        errors.push(FieldError::forbidden(
            format!("{item_path}.nullable"),
            "cannot be nullable when x-kubernetes-list-type is set",
        ));
    }
    match text(items, "type") {
        "object" if text(items, "x-kubernetes-map-type") != "atomic" => {
            errors.push(FieldError::invalid(
                format!("{item_path}.x-kubernetes-map-type"),
                items.get("x-kubernetes-map-type").cloned().unwrap_or_default(),
                "must be atomic as item of a list with x-kubernetes-list-type=set",
            ));
        }
        "array" if !matches!(text(items, "x-kubernetes-list-type"), "" | "atomic") => {
            errors.push(FieldError::invalid(
                format!("{item_path}.x-kubernetes-list-type"),
                items["x-kubernetes-list-type"].clone(),
                "must be atomic as item of a list with x-kubernetes-list-type=set",
            ));
        }
        _ => {}
    }
}

/// Items of a list map are objects whose keys are scalars that are always there.
fn map_items(schema: &Value, keys: &[Value], path: &str, keys_path: &str, errors: &mut FieldErrors) {
    let items = &schema["items"];
    if keys.is_empty() {
        errors.push(FieldError::required(keys_path, "must not be empty if x-kubernetes-list-type is map"));
        return;
    }
    if !items.is_object() {
        errors
            .push(FieldError::required(format!("{path}.items"), "must have a schema if x-kubernetes-list-type is map"));
        return;
    }
    if text(items, "type") != "object" {
        errors.push(FieldError::invalid(
            format!("{path}.items.type"),
            text(items, "type"),
            "must be object if parent array's x-kubernetes-list-type is map",
        ));
        return;
    }
    let required = list(items, "required");
    let mut seen = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let name = key.as_str().unwrap_or_default();
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(format!("{keys_path}[{index}]"), name));
        }
        seen.push(name);
        let property = &items["properties"][name];
        if !property.is_object() {
            errors.push(FieldError::invalid(keys_path, keys.to_vec(), "entries must all be names of item properties"));
            continue;
        }
        if matches!(text(property, "type"), "array" | "object") {
            errors.push(FieldError::invalid(
                format!("{path}.items.properties[{name}].type"),
                text(property, "type"),
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            ));
        }
        if property.get("default").is_none() && !required.contains(key) {
            errors.push(FieldError::required(
                format!("{path}.items.properties[{name}].default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            ));
        }
    }
}

/// What can be said about validation rules without compiling them.
fn expressions(schema: &Value, path: &str, errors: &mut FieldErrors) {
    for (index, rule) in list(schema, "x-kubernetes-validations").iter().enumerate() {
        let at = |key: &str| format!("{path}.x-kubernetes-validations[{index}].{key}");
        if text(rule, "rule").trim().is_empty() {
            errors.push(FieldError::required(at("rule"), "rule is not specified"));
        }
        if rule.get("message").is_some_and(|m| m.as_str().is_some_and(|m| !m.is_empty() && m.trim().is_empty())) {
            errors.push(FieldError::invalid(
                at("message"),
                text(rule, "message"),
                "message must be non-empty if specified",
            ));
        }
        if let Some(reason) = rule.get("reason").and_then(Value::as_str) {
            let allowed = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
            if !allowed.contains(&reason) {
                errors.push(FieldError::not_supported(at("reason"), reason, &allowed));
            }
        }
        let field_path = text(rule, "fieldPath");
        if !field_path.is_empty() && !valid_field_path(schema, field_path) {
            errors.push(FieldError::invalid(at("fieldPath"), field_path, "must be a valid path"));
        }
    }
}

fn valid_field_path(schema: &Value, path: &str) -> bool {
    let Some(path) = path.strip_prefix('.') else { return false };
    let mut at = schema;
    for key in path.split('.') {
        let key = key.split('[').next().unwrap_or_default();
        let next = &at["properties"][key];
        at = if next.is_object() { next } else { &at["additionalProperties"] };
        if !at.is_object() {
            return false;
        }
    }
    true
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Field,
    Item,
}

/// Every node says its type; alternatives only restrict.
fn structure(schema: &Value, path: &str, level: Level, depth: usize, errors: &mut FieldErrors) {
    if depth > MAX_DEPTH {
        return;
    }
    let kind = text(schema, "type");
    if kind == "array" && !schema["items"].is_object() {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    children(schema, path, |child, path| {
        let level = if path.ends_with(".items") || path.ends_with(".additionalProperties") {
            Level::Item
        } else {
            Level::Field
        };
        structure(child, &path, level, depth + 1, errors);
    });
    let embedded = truth(schema, "x-kubernetes-embedded-resource");
    let preserve = truth(schema, "x-kubernetes-preserve-unknown-fields");
    if embedded && !preserve && !list_or_map_filled(schema, "properties") {
        errors.push(FieldError::required(
            format!("{path}.properties"),
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ));
    }
    let type_path = format!("{path}.type");
    if kind.is_empty() && !truth(schema, "x-kubernetes-int-or-string") && !(preserve && level != Level::Root) {
        let what = match level {
            Level::Root => "must not be empty at the root",
            Level::Field => "must not be empty for specified object fields",
            Level::Item => "must not be empty for specified array items",
        };
        errors.push(FieldError::required(type_path.clone(), what));
    }
    if embedded && kind != "object" && !kind.is_empty() {
        errors.push(FieldError::invalid(type_path, kind, "must be object if x-kubernetes-embedded-resource is true"));
    }
    if level != Level::Root && !embedded {
        return;
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let metadata = properties.get("metadata");
        let restricted = metadata.is_some_and(|m| {
            m["properties"].as_object().is_some_and(|p| p.keys().any(|k| k != "name" && k != "generateName"))
        });
        if restricted {
            errors.push(FieldError::forbidden(
                format!("{path}.properties[metadata]"),
                "must not specify anything other than name and generateName, but metadata is implicitly specified",
            ));
        }
        for (name, wanted) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            if let Some(given) = properties.get(name).map(|p| text(p, "type"))
                && given != wanted
            {
                errors.push(FieldError::invalid(
                    format!("{path}.properties[{name}].type"),
                    given,
                    format!("must be {wanted}"),
                ));
            }
        }
    }
}

fn root(schema: &Value, path: &str, errors: &mut FieldErrors) {
    let kind = text(schema, "type");
    if !kind.is_empty() && kind != "object" {
        errors.push(FieldError::invalid(format!("{path}.type"), kind, "must be object at the root"));
    }
    if truth(schema, "nullable") {
        errors.push(FieldError::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
}

/// Defaults hold for their own schema.
fn defaults(schema: &Value, path: &str, depth: usize, errors: &mut FieldErrors) {
    if depth > MAX_DEPTH {
        return;
    }
    if let Some(default) = schema.get("default").filter(|d| !d.is_null()) {
        let field = format!("{path}.default");
        let parsed = Schema::from_fragment(schema);
        let mut pruned = default.clone();
        schema::prune_fragment(&parsed, &mut pruned);
        if pruned != *default {
            errors.push(FieldError::invalid(field, default.clone(), "must not have unknown fields"));
        } else {
            for mut error in schema::validate_at(&parsed, default, None, "") {
                error.field = if error.field.is_empty() {
                    field.clone()
                } else if error.field.starts_with('[') {
                    format!("{field}{}", error.field)
                } else {
                    format!("{field}.{}", error.field)
                };
                errors.push(error);
            }
        }
    }
    children(schema, path, |child, path| defaults(child, &path, depth + 1, errors));
}

/// Formats that are not known: accepted with a warning.
pub(crate) fn unknown_formats(schema: &Value, found: &mut Vec<String>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let format = text(schema, "format");
    if !format.is_empty() && !schema::formats::known(format) {
        let warning = format!("unrecognized format {format:?}");
        if !found.contains(&warning) {
            found.push(warning);
        }
    }
    children(schema, "", |child, _| unknown_formats(child, found, depth + 1));
}

/// Fields of Go's internal schema struct in its order, with the field of the document and the zero value.
const GO_FIELDS: &[(&str, &str, &str)] = &[
    ("ID", "id", "\"\""),
    ("Schema", "$schema", "\"\""),
    ("Ref", "$ref", "null"),
    ("Description", "description", "\"\""),
    ("Type", "type", "\"\""),
    ("Nullable", "nullable", "false"),
    ("Format", "format", "\"\""),
    ("Title", "title", "\"\""),
    ("Default", "default", "null"),
    ("Maximum", "maximum", "null"),
    ("ExclusiveMaximum", "exclusiveMaximum", "false"),
    ("Minimum", "minimum", "null"),
    ("ExclusiveMinimum", "exclusiveMinimum", "false"),
    ("MaxLength", "maxLength", "null"),
    ("MinLength", "minLength", "null"),
    ("Pattern", "pattern", "\"\""),
    ("MaxItems", "maxItems", "null"),
    ("MinItems", "minItems", "null"),
    ("UniqueItems", "uniqueItems", "false"),
    ("MultipleOf", "multipleOf", "null"),
    ("Enum", "enum", "null"),
    ("MaxProperties", "maxProperties", "null"),
    ("MinProperties", "minProperties", "null"),
    ("Required", "required", "null"),
    ("Items", "items", "null"),
    ("AllOf", "allOf", "null"),
    ("OneOf", "oneOf", "null"),
    ("AnyOf", "anyOf", "null"),
    ("Not", "not", "null"),
    ("Properties", "properties", "null"),
    ("AdditionalProperties", "additionalProperties", "null"),
    ("PatternProperties", "patternProperties", "null"),
    ("Dependencies", "dependencies", "null"),
    ("AdditionalItems", "additionalItems", "null"),
    ("Definitions", "definitions", "null"),
    ("ExternalDocs", "externalDocs", "null"),
    ("Example", "example", "null"),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", "null"),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", "false"),
    ("XIntOrString", "x-kubernetes-int-or-string", "false"),
    ("XListMapKeys", "x-kubernetes-list-map-keys", "null"),
    ("XListType", "x-kubernetes-list-type", "null"),
    ("XMapType", "x-kubernetes-map-type", "null"),
    ("XValidations", "x-kubernetes-validations", "null"),
];

/// A version's `schema` as Go prints its internal struct.
pub(super) fn shown_schema(schema: &Value) -> String {
    if schema.is_null() {
        return "null".to_owned();
    }
    format!("{{\"OpenAPIV3Schema\":{}}}", shown_props(&schema["openAPIV3Schema"], 0))
}

fn shown_props(schema: &Value, depth: usize) -> String {
    if !schema.is_object() || depth > MAX_DEPTH {
        return "null".to_owned();
    }
    let fields: Vec<String> = GO_FIELDS
        .iter()
        .map(|(name, key, zero)| {
            let value = schema.get(*key);
            let shown = match (*key, value) {
                (_, None | Some(Value::Null)) => (*zero).to_owned(),
                ("items", Some(v)) => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", shown_props(v, depth + 1)),
                ("additionalProperties", Some(v)) => {
                    let allows = v.as_bool().unwrap_or(true);
                    format!("{{\"Allows\":{allows},\"Schema\":{}}}", shown_props(v, depth + 1))
                }
                ("not", Some(v)) => shown_props(v, depth + 1),
                ("allOf" | "oneOf" | "anyOf", Some(Value::Array(items))) => {
                    let items: Vec<String> = items.iter().map(|v| shown_props(v, depth + 1)).collect();
                    format!("[{}]", items.join(","))
                }
                ("properties", Some(Value::Object(map))) => {
                    let fields: Vec<String> = map
                        .iter()
                        .map(|(key, v)| format!("{}:{}", Value::from(key.as_str()), shown_props(v, depth + 1)))
                        .collect();
                    format!("{{{}}}", fields.join(","))
                }
                (_, Some(v)) => v.to_string(),
            };
            format!("\"{name}\":{shown}")
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}
