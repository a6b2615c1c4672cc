//! What a definition must say outside its schemas.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{list, rules, strings, text};
use crate::field::{ErrorKind, FieldError, FieldErrors};
use crate::kinds::names;
use crate::schema::Schema;

/// Everything wrong with a definition.
pub fn validate(definition: &Value) -> FieldErrors {
    let mut errors = Vec::new();
    let spec = &definition["spec"];
    let name = crate::meta::name(definition).unwrap_or_default();
    let (group, plural) = (text(spec, "group"), text(&spec["names"], "plural"));
    if name != format!("{plural}.{group}") {
        errors.push(FieldError::invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
    }
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if let Some(problem) = names::dns_subdomain(group) {
        errors.push(FieldError::invalid("spec.group", group, problem));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid("spec.group", group, "should be a domain with at least one dot"));
    }
    match text(spec, "scope") {
        "" => errors.push(FieldError::required("spec.scope", "")),
        "Namespaced" | "Cluster" => {}
        other => errors.push(FieldError::not_supported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
    if spec["preserveUnknownFields"] == true {
        errors.push(FieldError::invalid(
            "spec.preserveUnknownFields",
            true,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ));
    }
    versions(spec, &mut errors);
    names_of(&spec["names"], &mut errors);
    conversion(&spec["conversion"], &mut errors);
    stored_versions(definition, &mut errors);
    api_approval(definition, group, &mut errors);
    errors
}

/// Groups of the Kubernetes project need a note of who approved them.
fn api_approval(definition: &Value, group: &str, errors: &mut FieldErrors) {
    let protected = group == "k8s.io"
        || group.ends_with(".k8s.io")
        || group == "kubernetes.io"
        || group.ends_with(".kubernetes.io");
    if !protected {
        return;
    }
    const KEY: &str = "api-approved.kubernetes.io";
    let value = crate::meta::annotation(definition, KEY).unwrap_or_default();
    let good = value.starts_with("unapproved") || value.starts_with("https://") || value.starts_with("http://");
    if good {
        return;
    }
    let field = format!("metadata.annotations[{KEY}]");
    let text = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
    if value.is_empty() {
        errors.push(FieldError::required(field, text));
    } else {
        errors.push(FieldError::invalid(field, value, text));
    }
}

/// The versions as Go's internal struct prints them, keys in its order. The schema is left out where all versions agree on
/// it, since it is then held in another place.
fn shown_versions(spec: &Value) -> String {
    let Some(versions) = spec.get("versions").and_then(Value::as_array) else { return "null".to_owned() };
    let same = versions.windows(2).all(|pair| pair[0]["schema"] == pair[1]["schema"]);
    let shown: Vec<String> = versions
        .iter()
        .map(|version| {
            let truth = |key: &str| version[key] == true;
            let schema = if same { &Value::Null } else { &version["schema"] };
            format!(
                r#"{{"Name":{},"Served":{},"Storage":{},"Deprecated":{},"DeprecationWarning":{},"Schema":{},"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}}"#,
                Value::from(text(version, "name")),
                truth("served"),
                truth("storage"),
                truth("deprecated"),
                version["deprecationWarning"],
                rules::shown_schema(schema),
            )
        })
        .collect();
    format!("[{}]", shown.join(","))
}

/// An error whose value is shown in Go's words.
fn invalid_versions(spec: &Value, problem: &str) -> FieldError {
    FieldError {
        kind: ErrorKind::Invalid,
        field: "spec.versions".to_owned(),
        value: None,
        detail: format!("{}: {problem}", shown_versions(spec)),
    }
}

fn versions(spec: &Value, errors: &mut FieldErrors) {
    let versions = list(spec, "versions");
    let single = {
        let all: Vec<(&Value, &Value, &Value, &Value)> = versions
            .iter()
            .map(|v| (&v["schema"], &v["subresources"], &v["additionalPrinterColumns"], &v["selectableFields"]))
            .collect();
        all.windows(2).all(|pair| pair[0] == pair[1])
    };
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        let name = text(version, "name");
        if let Some(problem) = names::dns_1035_label(name) {
            errors.push(FieldError::invalid(format!("{path}.name"), name, problem.clone()));
            if index == 0 {
                errors.push(FieldError::invalid("spec.version", name, problem));
            }
        }
        if version["deprecated"] != true && version["deprecationWarning"].is_string() {
            let field = format!("{path}.deprecationWarning");
            errors.push(FieldError::invalid(
                field,
                version["deprecationWarning"].clone(),
                "can only be set for deprecated versions",
            ));
        }
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            errors.push(FieldError::required(format!("{path}.schema.openAPIV3Schema"), ""));
        }
        // What all versions have in common is held, and told of, in one place.
        if single && index > 0 {
            continue;
        }
        let (schema_path, part) = if single {
            ("spec.validation.openAPIV3Schema".to_owned(), "spec".to_owned())
        } else {
            (format!("{path}.schema.openAPIV3Schema"), path.clone())
        };
        if schema.is_object() {
            rules::schema(schema, &schema_path, errors);
        }
        subresources(&version["subresources"], &format!("{part}.subresources"), errors);
        columns(list(version, "additionalPrinterColumns"), &format!("{part}.additionalPrinterColumns"), errors);
        selectable(version, &format!("{part}.selectableFields"), errors);
    }
    let mut seen = HashSet::new();
    if versions.iter().any(|v| !seen.insert(text(v, "name"))) {
        errors.push(invalid_versions(spec, "must contain unique version names"));
    }
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        errors.push(invalid_versions(spec, "must have exactly one version marked as storage version"));
    }
}

fn simple_path(path: &str) -> bool {
    path.starts_with('.') && !path.contains("[*]")
}

fn subresources(stated: &Value, path: &str, errors: &mut FieldErrors) {
    let scale = &stated["scale"];
    if !scale.is_object() {
        return;
    }
    for (key, prefix, required) in [
        ("specReplicasPath", ".spec.", true),
        ("statusReplicasPath", ".status.", true),
        ("labelSelectorPath", "", false),
    ] {
        let value = text(scale, key);
        let field = format!("{path}.scale.{key}");
        if value.is_empty() {
            if required {
                errors.push(FieldError::required(field, ""));
            }
        } else if !value.starts_with('.') {
            errors.push(FieldError::invalid(field, value, "must be a simple json path starting with ."));
        } else if required && !value.starts_with(prefix) {
            let section = prefix.trim_end_matches('.');
            errors.push(FieldError::invalid(field, value, format!("should be a json path under {section}")));
        } else if !required && !value.starts_with(".spec.") && !value.starts_with(".status.") {
            errors.push(FieldError::invalid(field, value, "should be a json path under either .spec or .status"));
        }
    }
}

fn columns(columns: &[Value], path: &str, errors: &mut FieldErrors) {
    for (index, column) in columns.iter().enumerate() {
        let at = |key: &str| format!("{path}[{index}].{key}");
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(at("name"), ""));
        }
        match text(column, "type") {
            "" => errors.push(FieldError::required(at("type"), "must be one of boolean,date,integer,number,string")),
            "boolean" | "date" | "integer" | "number" | "string" => {}
            other => {
                errors.push(FieldError::invalid(at("type"), other, "must be one of boolean,date,integer,number,string"))
            }
        }
        let format = text(column, "format");
        if !matches!(format, "" | "int32" | "int64" | "float" | "double" | "byte" | "date" | "date-time" | "password") {
            errors.push(FieldError::invalid(
                at("format"),
                format,
                "must be one of byte,date,date-time,double,float,int32,int64,password",
            ));
        }
        match text(column, "jsonPath") {
            "" => errors.push(FieldError::required(at("JSONPath"), "")),
            json_path if !json_path.starts_with('.') => {
                errors.push(FieldError::invalid(
                    at("JSONPath"),
                    json_path,
                    "must be a simple json path starting with .",
                ));
            }
            _ => {}
        }
    }
}

const MAX_SELECTABLE_FIELDS: usize = 8;

fn selectable(version: &Value, path: &str, errors: &mut FieldErrors) {
    let fields = list(version, "selectableFields");
    let schema = &version["schema"]["openAPIV3Schema"];
    if fields.len() > MAX_SELECTABLE_FIELDS {
        errors.push(FieldError::too_many(path, fields.len(), MAX_SELECTABLE_FIELDS));
    }
    let mut seen = HashSet::new();
    let parsed = Schema::from_openapi(schema);
    for (index, field) in fields.iter().enumerate() {
        let at = format!("{path}[{index}].jsonPath");
        let json_path = text(field, "jsonPath");
        if json_path.is_empty() {
            errors.push(FieldError::required(at, ""));
            continue;
        }
        let node = if simple_path(json_path) {
            json_path.trim_start_matches('.').split('.').try_fold(parsed.root(), |node, key| node.own_field(key))
        } else {
            None
        };
        match node {
            None => {
                errors.push(FieldError::invalid(at, json_path, "is an invalid path: does not refer to a valid field"))
            }
            Some(_) if json_path.starts_with(".metadata.") => {
                errors.push(FieldError::invalid(at, json_path, "must not point to fields in metadata"));
            }
            Some(node) if !matches!(node.kind().as_str(), "string" | "boolean" | "integer") => {
                errors.push(FieldError::invalid(
                    at,
                    json_path,
                    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
                ));
            }
            Some(_) if !seen.insert(json_path) => errors.push(FieldError::duplicate(at, json_path)),
            Some(_) => {}
        }
    }
}

fn names_of(stated: &Value, errors: &mut FieldErrors) {
    let mixed = "may have mixed case, but should otherwise match: ";
    for (key, any_case) in [("plural", false), ("singular", false), ("kind", true), ("listKind", true)] {
        let field = format!("spec.names.{key}");
        let name = text(stated, key);
        if name.is_empty() {
            // Defaulting fills these from the kind, so that a missing kind misses them too.
            errors.push(FieldError::required(field, ""));
            continue;
        }
        let problem = if any_case { names::dns_1035_label(&name.to_lowercase()) } else { names::dns_1035_label(name) };
        if let Some(problem) = problem {
            let problem = if any_case { format!("{mixed}{problem}") } else { problem };
            errors.push(FieldError::invalid(field, name, problem));
        }
    }
    for key in ["shortNames", "categories"] {
        for (index, name) in strings(stated, key).iter().enumerate() {
            if let Some(problem) = names::dns_1035_label(name) {
                errors.push(FieldError::invalid(format!("spec.names.{key}[{index}]"), name.as_str(), problem));
            }
        }
    }
    if !text(stated, "kind").is_empty() && text(stated, "kind") == text(stated, "listKind") {
        errors.push(FieldError::invalid(
            "spec.names.listKind",
            text(stated, "listKind"),
            "kind and listKind may not be the same",
        ));
    }
}

fn conversion(conversion: &Value, errors: &mut FieldErrors) {
    let webhook = &conversion["webhook"];
    match text(conversion, "strategy") {
        "" => errors.push(FieldError::required("spec.conversion.strategy", "")),
        "None" => {
            if webhook.is_object() {
                errors.push(FieldError::forbidden(
                    "spec.conversion.webhook",
                    "should not be set when strategy is not set to Webhook",
                ));
            }
        }
        "Webhook" => {
            let client = &webhook["clientConfig"];
            if !client.is_object() {
                errors.push(FieldError::required(
                    "spec.conversion.webhookClientConfig",
                    "required when strategy is set to Webhook",
                ));
            } else if client["url"].is_null() == client["service"].is_null() {
                errors.push(FieldError::required(
                    "spec.conversion.webhookClientConfig",
                    "exactly one of url or service is required",
                ));
            }
            let versions = strings(webhook, "conversionReviewVersions");
            if versions.is_empty() {
                errors.push(FieldError::required("spec.conversion.conversionReviewVersions", ""));
            } else if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
                errors.push(FieldError::invalid(
                    "spec.conversion.conversionReviewVersions",
                    json!(versions),
                    "must include at least one of v1, v1beta1",
                ));
            }
        }
        other => errors.push(FieldError::not_supported("spec.conversion.strategy", other, &["None", "Webhook"])),
    }
}

fn stored_versions(definition: &Value, errors: &mut FieldErrors) {
    let field = "status.storedVersions";
    let versions = list(&definition["spec"], "versions");
    let stored = strings(&definition["status"], "storedVersions");
    if stored.is_empty() {
        errors.push(FieldError::invalid(field, Value::Null, "must have at least one stored version"));
        return;
    }
    // Each version is looked for once, so that a second one of the same name misses it, as upstream has it.
    let mut left: Vec<&String> = stored.iter().collect();
    for version in versions {
        let name = text(version, "name");
        let position = left.iter().position(|s| *s == name);
        if version["storage"] == true && position.is_none() {
            errors.push(FieldError::invalid(field, json!(stored), format!("must have the storage version {name}")));
        }
        if let Some(position) = position {
            left.remove(position);
        }
    }
    for name in left {
        let index = stored.iter().position(|s| s == name).unwrap_or_default();
        errors.push(FieldError::invalid(format!("{field}[{index}]"), name.as_str(), "must appear in spec.versions"));
    }
}

/// Everything wrong with the change of a definition: what it promised stays.
pub fn validate_change(definition: &Value, old: &Value) -> FieldErrors {
    let mut errors = Vec::new();
    let (new_spec, old_spec) = (&definition["spec"], &old["spec"]);
    let mut immutable = |path: &str, new: &Value, old: &Value| {
        if new != old {
            errors.push(FieldError::invalid(path, new.clone(), "field is immutable"));
        }
    };
    if super::established(old) {
        immutable("spec.scope", &new_spec["scope"], &old_spec["scope"]);
        immutable("spec.names.kind", &new_spec["names"]["kind"], &old_spec["names"]["kind"]);
    }
    immutable("spec.group", &new_spec["group"], &old_spec["group"]);
    immutable("spec.names.plural", &new_spec["names"]["plural"], &old_spec["names"]["plural"]);
    errors
}
