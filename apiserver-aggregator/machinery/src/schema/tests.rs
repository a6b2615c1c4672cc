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
