use serde_json::json;

use super::*;
use crate::gvk::GroupVersionKind;

fn pod() -> Arc<Schema> {
    builtin(&GroupVersionKind::new("", "v1", "Pod")).unwrap()
}

#[test]
fn builtin_kinds_know_their_lists() {
    let schema = pod();
    let containers = schema.root().field("spec").unwrap().field("containers").unwrap();
    assert_eq!(containers.kind(), Type::Array);
    assert_eq!(containers.list_type(), ListType::Map);
    assert_eq!(containers.list_map_keys().collect::<Vec<_>>(), ["name"]);
    assert_eq!(containers.patch_merge_key(), Some("name"));
    assert!(containers.patch_strategy().merge);
    let container = containers.items().unwrap();
    assert_eq!(container.definition(), Some("io.k8s.api.core.v1.Container"));
    let ports = container.field("ports").unwrap();
    assert_eq!(ports.list_map_keys().collect::<Vec<_>>(), ["containerPort", "protocol"]);
    let limits = container.field("resources").unwrap().field("limits").unwrap();
    assert!(limits.additional().unwrap().quantity());
    let meta = schema.root().field("metadata").unwrap();
    assert_eq!(meta.field("finalizers").unwrap().list_type(), ListType::Set);
    assert_eq!(meta.field("labels").unwrap().child("x").unwrap().kind(), Type::String);
}

#[test]
fn reference_properties_state_their_own() {
    let schema = builtin(&GroupVersionKind::new("apps", "v1", "Deployment")).unwrap();
    let strategy = schema.root().field("spec").unwrap().field("strategy").unwrap();
    assert!(strategy.patch_strategy().retain_keys);
    assert!(strategy.field("rollingUpdate").unwrap().field("maxSurge").unwrap().int_or_string());
}

#[test]
fn definitions_recurse() {
    let schema = builtin(&GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition")).unwrap();
    let props = schema.root().field("spec").unwrap().field("versions").unwrap().items().unwrap();
    let mut node = props.field("schema").unwrap().field("openAPIV3Schema").unwrap();
    for _ in 0..10 {
        node = node.field("properties").unwrap().additional().unwrap();
    }
    assert_eq!(node.field("type").unwrap().kind(), Type::String);
    assert!(node.field("items").unwrap().preserves_unknown());
}

#[test]
fn every_definition_resolves() {
    for name in builtin_documents().keys() {
        let schema = builtin_definition(name).unwrap();
        for (_, field) in schema.root().own_fields() {
            assert!(field.kind() != Type::Array || field.items().is_some(), "{name}");
        }
    }
}

#[test]
fn structural_schemas_have_metadata() {
    let schema = Schema::from_openapi(&json!({
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {
            "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
                "items": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
        }}},
    }));
    let spec = schema.root().field("spec").unwrap();
    assert_eq!(spec.field("list").unwrap().list_type(), ListType::Map);
    assert_eq!(spec.field("list").unwrap().items().unwrap().field("a").unwrap().default_value(), Some(&json!("x")));
    assert_eq!(spec.field("set").unwrap().list_type(), ListType::Set);
    assert!(spec.field("any").unwrap().preserves_unknown());
    let owners = schema.root().field("metadata").unwrap().field("ownerReferences").unwrap();
    assert_eq!(owners.list_map_keys().collect::<Vec<_>>(), ["uid"]);
    assert!(schema.root().field("nope").is_none());
}

fn decoded(group: &str, version: &str, kind: &str, mut object: Value) -> Result<(Value, Vec<String>), String> {
    let schema = builtin(&GroupVersionKind::new(group, version, kind)).unwrap();
    let unknown = decode(&schema, &mut object)?;
    normalize(&schema, &mut object);
    Ok((object, unknown))
}

#[test]
fn type_errors_are_gos() {
    let path = format!("{}/../../tests/fixtures/kubernetes/vectors/validation.json", env!("CARGO_MANIFEST_DIR"));
    let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut checked = 0;
    for case in cases.as_array().unwrap() {
        let steps = case.get("steps").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![case.clone()]);
        for step in steps {
            let Some(message) = step["response"]["message"].as_str() else { continue };
            let Some((_, wanted)) = message.split_once(" cannot be handled as a ") else { continue };
            let Some((_, wanted)) = wanted.split_once(": ") else { continue };
            if wanted.starts_with("strict") || wanted.contains("unknown conversion") || !step["body"].is_object() {
                continue;
            }
            let body = step["body"].clone();
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let gv = crate::gvk::GroupVersion::parse(&text("apiVersion")).unwrap();
            let kind = text("kind");
            assert_eq!(decoded(&gv.group, &gv.version, &kind, body).unwrap_err(), wanted);
            checked += 1;
        }
    }
    assert!(checked >= 10, "{checked}");
}

#[test]
fn unknown_fields_in_document_order() {
    let schema = builtin(&GroupVersionKind::new("", "v1", "ConfigMap")).unwrap();
    let body = br#"{"metadata":{"name":"x","bogus":1,"name":"y"},"dota":{"a":"b","a":"c"},"data":{"k":"1","k":"2"}}"#;
    assert_eq!(
        strict_findings(&schema, body),
        [
            r#"unknown field "metadata.bogus""#,
            r#"duplicate field "metadata.name""#,
            r#"unknown field "dota""#,
            r#"duplicate field "dota.a""#,
            r#"duplicate field "data.k""#,
        ]
    );
}

#[test]
fn typed_objects_are_written_as_go_writes_them() {
    let (object, unknown) = decoded(
        "",
        "v1",
        "Pod",
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "labels": {}, "annotations": null, "creationTimestamp": null},
            "spec": {"hostNetwork": false, "volumes": [], "x": 1, "terminationGracePeriodSeconds": 0, "containers": [
                {"name": "c", "image": "", "tty": false, "resources": {"limits": {"memory": "1024Mi", "cpu": 0.5}}},
                {"name": "d"},
            ]},
        }),
    )
    .unwrap();
    assert_eq!(unknown, ["spec.x"]);
    assert_eq!(
        object,
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                {"name": "c", "resources": {"limits": {"memory": "1Gi", "cpu": "500m"}}},
                {"name": "d", "resources": {}},
            ]},
            "status": {},
        })
    );
}

#[test]
fn custom_resources_are_pruned_and_defaulted() {
    let schema = Schema::from_openapi(&json!({
        "type": "object",
        "properties": {"spec": {"type": "object", "default": {}, "properties": {
            "a": {"type": "integer", "default": 5},
            "n": {"type": "string"},
            "u": {"type": "string", "nullable": true},
            "l": {"type": "array", "items": {"type": "object", "properties": {"y": {"type": "string", "default": "d"}}}},
            "m": {"type": "object", "additionalProperties": {"type": "object", "properties": {"z": {"type": "string"}}}},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}},
    }));
    let mut object = json!({
        "apiVersion": "x/v1", "kind": "W", "metadata": {"name": "w", "bogus": 1, "labels": {}},
        "extra": 1,
        "spec": {"b": 2, "n": null, "u": null, "l": [{"w": 1}], "m": {"k": {"v": 1}}, "any": {"free": 1.0}},
    });
    let unknown = decode(&schema, &mut object).unwrap();
    assert_eq!(unknown, ["extra", "metadata.bogus", "spec.b", "spec.l[0].w", "spec.m.k.v"]);
    apply_defaults(&schema, &mut object);
    assert_eq!(
        object,
        json!({
            "apiVersion": "x/v1", "kind": "W", "metadata": {"name": "w"},
            "spec": {"a": 5, "u": null, "l": [{"y": "d"}], "m": {"k": {}}, "any": {"free": 1}},
        })
    );
    let mut empty = json!({});
    apply_defaults(&schema, &mut empty);
    assert_eq!(empty, json!({"spec": {"a": 5}}));
    assert_eq!(
        decode(&schema, &mut json!({"metadata": {"labels": {"a": 1}}})).unwrap_err(),
        "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
    );
}
