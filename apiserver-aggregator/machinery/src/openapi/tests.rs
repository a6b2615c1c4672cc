use super::*;
use crate::kinds::builtin_resources;

fn shapes() -> Value {
    let path = format!("{}/../../tests/fixtures/kubernetes/discovery-shapes.json", env!("CARGO_MANIFEST_DIR"));
    let shapes: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    shapes["documents"].clone()
}

fn without_descriptions(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(key, value)| !(*key == "description" && value.is_string()))
                .map(|(key, value)| (key.clone(), without_descriptions(value)))
                .collect(),
        ),
        Value::Array(items) => items.iter().map(without_descriptions).collect(),
        other => other.clone(),
    }
}

/// Every reference is resolved within the document.
fn check_references(value: &Value, definitions: &Value) {
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                if let (true, Some(name)) = (key == "$ref", item.as_str()) {
                    let name = name.rsplit('/').next().unwrap();
                    assert!(definitions.get(name).is_some(), "{name}");
                } else {
                    check_references(item, definitions);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(item, definitions)),
        _ => {}
    }
}

#[test]
fn v3_document_has_the_recorded_shape() {
    let shapes = shapes();
    let recorded = &shapes["/openapi/v3/apis/apps/v1 (skeleton)"];
    let all = builtin_resources();
    let document = v3(&GroupVersion::new("apps", "v1"), &all);
    assert_eq!(document["openapi"], recorded["openapi"]);
    assert_eq!(document["info"], recorded["info"]);
    for path in recorded["pathKeys"].as_array().unwrap() {
        assert!(document["paths"].get(path.as_str().unwrap()).is_some(), "{path}");
    }
    for name in recorded["schemaKeys"].as_array().unwrap() {
        assert!(
            document["components"]["schemas"].get(name.as_str().unwrap()).is_some()
                || name.as_str().unwrap().ends_with("Condition"),
            "{name}"
        );
    }
    let plain = without_descriptions(&document);
    let operation = &plain["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["get"];
    assert_eq!(operation, &recorded["operation"]);
    let definition = &plain["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(definition, &recorded["schema io.k8s.api.apps.v1.Deployment"]);
    check_references(&document, &document["components"]["schemas"]);
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    let names: Vec<&str> = patch["parameters"].as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let containers = &document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert!(containers["description"].as_str().unwrap().starts_with("List of containers"));
}

#[test]
fn every_group_version_has_a_document() {
    let all = builtin_resources();
    for group in crate::discovery::groups(&all) {
        for version in &group.versions {
            let document = v3(&GroupVersion::new(&group.name, version), &all);
            check_references(&document, &document["components"]["schemas"]);
            assert!(document["paths"].as_object().unwrap().len() > 2, "{}", group.name);
        }
    }
}

#[test]
fn v2_document_is_whole() {
    let all = builtin_resources();
    let document = v2(&all);
    check_references(&document, &document["definitions"]);
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], json!({"group": "", "version": "v1", "kind": "Pod"}));
    assert!(!document.to_string().contains("x-go"));
    let bytes = encode_v2(&document);
    assert_eq!(&bytes[..5], b"\x0a\x032.0");
    assert!(bytes.len() > 500_000);
}

#[test]
fn custom_resources_are_published() {
    let schema = json!({
        "type": "object",
        "description": "A widget.",
        "properties": {"spec": {"type": "object", "properties": {
            "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "maybe": {"type": "string", "nullable": true},
        }}},
    });
    let definition = json!({"spec": {
        "group": "stable.example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.r", "statusReplicasPath": ".status.r"}}}],
    }});
    let resources = crate::crd::resources(&definition);
    let document = v3(&GroupVersion::new("stable.example.com", "v1"), &resources);
    let widget = &document["components"]["schemas"]["com.example.stable.v1.Widget"];
    assert_eq!(widget["description"], "A widget.");
    assert_eq!(
        widget["x-kubernetes-group-version-kind"],
        json!([{"group": "stable.example.com", "version": "v1", "kind": "Widget"}])
    );
    assert!(widget["properties"]["spec"]["properties"]["port"]["anyOf"].is_array());
    assert!(document["components"]["schemas"].get("com.example.stable.v1.WidgetList").is_some());
    assert!(document["paths"].get("/apis/stable.example.com/v1/namespaces/{namespace}/widgets/{name}/scale").is_some());
    check_references(&document, &document["components"]["schemas"]);
    let document = v2(&resources);
    let spec = &document["definitions"]["com.example.stable.v1.Widget"]["properties"]["spec"]["properties"];
    assert_eq!(spec["port"], json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(spec["maybe"], json!({}));
    check_references(&document, &document["definitions"]);
}

#[test]
fn index_names_hashes() {
    let index = v3_index([("apis/apps/v1", "AB")]);
    assert_eq!(index["paths"]["apis/apps/v1"]["serverRelativeURL"], "/openapi/v3/apis/apps/v1?hash=AB");
    assert_eq!(hash(b"").len(), 128);
}
