//! Validation of override policies.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::policy::{cluster_affinity, selectors_in_namespace};
use super::{Denial, FieldError, format};
use crate::policy::{
    FieldOverrider, LabelAnnotationOverrider, OverrideKind, OverrideSpec, OverriderOperator, Overriders, SubFieldPatch,
};

/// Judges an OverridePolicy or ClusterOverridePolicy.
pub(super) fn validate<K: OverrideKind>(policy: &K) -> Result<(), Denial> {
    let mut errors = vec![];
    if K::NAMESPACED {
        let namespace = policy.metadata().namespace.as_deref().unwrap_or_default();
        errors.extend(selectors_in_namespace(&policy.spec().resource_selectors, namespace));
    }
    validate_spec(policy.spec(), &mut errors);
    Denial::because_of(&errors)
}

fn validate_spec(spec: &OverrideSpec, errors: &mut Vec<FieldError>) {
    if !spec.override_rules.is_empty() {
        if let Some(target) = &spec.target_cluster {
            errors.push(FieldError::invalid(
                "spec.targetCluster",
                target,
                "overrideRules and targetCluster can't co-exist",
            ));
        }
        // A lone deprecated field overrider is not noticed; users have such policies.
        let noticed = Overriders { field_overrider: vec![], ..spec.overriders.clone() };
        if noticed != Overriders::default() {
            errors.push(FieldError::invalid(
                "spec.overriders",
                &spec.overriders,
                "overrideRules and overriders can't co-exist",
            ));
        }
    }
    if let Some(target) = &spec.target_cluster {
        cluster_affinity(target, "spec.targetCluster", errors);
    }
    overriders(&spec.overriders, "spec.overriders", errors);
    for (i, rule) in spec.override_rules.iter().enumerate() {
        let at = format!("spec.overrideRules[{i}]");
        overriders(&rule.overriders, &format!("{at}.overriders"), errors);
        if let Some(target) = &rule.target_cluster {
            cluster_affinity(target, &format!("{at}.targetCluster"), errors);
        }
    }
}

fn overriders(overriders: &Overriders, at: &str, errors: &mut Vec<FieldError>) {
    for (i, overrider) in overriders.annotations_overrider.iter().enumerate() {
        annotations(overrider, &format!("{at}.annotationsOverrider[{i}].value"), errors);
    }
    for (i, overrider) in overriders.labels_overrider.iter().enumerate() {
        labels(&overrider.value, &format!("{at}.labelsOverrider[{i}].value"), errors);
    }
    for (i, overrider) in overriders.image_overrider.iter().enumerate() {
        let Some(predicate) = &overrider.predicate else { continue };
        pointer(&predicate.path, &format!("{at}.imageOverrider[{i}].predicate.path"), errors);
    }
    for (i, overrider) in overriders.field_overrider.iter().enumerate() {
        field_overrider(overrider, &format!("{at}.fieldOverrider[{i}]"), errors);
    }
}

fn pointer(path: &str, field: &str, errors: &mut Vec<FieldError>) {
    if let Some(message) = format::json_pointer(path) {
        errors.push(FieldError::invalid(field, path, message));
    }
}

fn labels(values: &BTreeMap<String, String>, at: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in values {
        errors.extend(format::qualified_name(key).into_iter().map(|m| FieldError::invalid(at, key, m)));
        errors.extend(format::label_value(value).into_iter().map(|m| FieldError::invalid(at, value, m)));
    }
}

fn annotations(overrider: &LabelAnnotationOverrider, at: &str, errors: &mut Vec<FieldError>) {
    for key in overrider.value.keys() {
        // Annotations may be written in capitals, their domains as well.
        let messages = format::qualified_name(&key.to_lowercase());
        errors.extend(messages.into_iter().map(|m| FieldError::invalid(at, key, m)));
    }
}

/// A field overrider as Go writes it in messages: an absent value is null.
fn shown(overrider: &FieldOverrider) -> Value {
    let patch = |p: &SubFieldPatch| json!({"subPath": p.sub_path, "operator": p.operator, "value": p.value});
    let mut out = json!({"fieldPath": overrider.field_path});
    for (name, patches) in [("json", &overrider.json), ("yaml", &overrider.yaml)] {
        if !patches.is_empty() {
            out[name] = patches.iter().map(patch).collect();
        }
    }
    out
}

fn field_overrider(overrider: &FieldOverrider, at: &str, errors: &mut Vec<FieldError>) {
    pointer(&overrider.field_path, &format!("{at}.fieldPath"), errors);
    match (overrider.json.is_empty(), overrider.yaml.is_empty()) {
        (true, true) => {
            errors.push(FieldError::required(at, "FieldOverrider must have either JSON or YAML set"));
        }
        (false, false) => errors.push(FieldError {
            value: go_order(&shown(overrider)),
            ..FieldError::invalid(at, "", "FieldOverrider has both YAML and JSON set. Only one is allowed")
        }),
        _ => {}
    }
    for (name, patches) in [("json", &overrider.json), ("yaml", &overrider.yaml)] {
        for (i, patch) in patches.iter().enumerate() {
            sub_field(patch, &format!("{at}.{name}[{i}]"), errors);
        }
    }
}

/// The text of a field overrider with its fields in Go's order; JSON maps here are sorted by key.
fn go_order(overrider: &Value) -> String {
    let patches = |name: &str| -> Option<String> {
        let list =
            overrider.get(name)?.as_array()?.iter().map(|p| {
                format!(r#"{{"subPath":{},"operator":{},"value":{}}}"#, p["subPath"], p["operator"], p["value"])
            });
        Some(format!(r#","{name}":[{}]"#, list.collect::<Vec<_>>().join(",")))
    };
    let (json, yaml) = (patches("json").unwrap_or_default(), patches("yaml").unwrap_or_default());
    format!(r#"{{"fieldPath":{}{json}{yaml}}}"#, overrider["fieldPath"])
}

fn sub_field(patch: &SubFieldPatch, at: &str, errors: &mut Vec<FieldError>) {
    pointer(&patch.sub_path, &format!("{at}.subPath"), errors);
    let field = format!("{at}.value");
    match (patch.operator, &patch.value) {
        (OverriderOperator::Add | OverriderOperator::Replace, None) => {
            errors.push(FieldError::invalid(&field, &patch.value, "value is required for add or replace operation"));
        }
        (OverriderOperator::Remove, Some(value)) => {
            errors.push(FieldError::invalid(&field, value, "value is not allowed for remove operation"));
        }
        _ => {}
    }
}
