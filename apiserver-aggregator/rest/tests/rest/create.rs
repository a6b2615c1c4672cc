use serde_json::json;

use crate::{MAPS, Server, WIDGETS, map, widget};

#[tokio::test]
async fn a_new_object_has_identity_time_and_managers() {
    let server = Server::new();
    let created = server.post(MAPS, map("x")).await;
    assert_eq!(created.code, 201);
    let metadata = &created.body["metadata"];
    assert_eq!(metadata["namespace"], "ns");
    assert_eq!(metadata["uid"].as_str().unwrap().len(), 36);
    assert!(metadata["creationTimestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(metadata["managedFields"][0]["manager"], "suite");
    assert_eq!(server.get(&format!("{MAPS}/x")).await.body, created.body);
    let again = server.post(MAPS, map("x")).await;
    assert_eq!((again.code, again.message()), (409, "configmaps \"x\" already exists"));
}

#[tokio::test]
async fn names_are_generated_and_checked() {
    let server = Server::new();
    let generated = server.post(MAPS, json!({"metadata": {"generateName": "web-"}})).await;
    assert!(generated.body["metadata"]["name"].as_str().unwrap().starts_with("web-"));
    for (body, code, text) in [
        (map("Bad"), 422, "metadata.name: Invalid value: \"Bad\": a lowercase RFC 1123 subdomain"),
        (json!({}), 422, "metadata.name: Required value: name or generateName is required"),
        (json!({"metadata": {"name": "x", "resourceVersion": "5"}}), 500, "resourceVersion should not be set"),
        (
            json!({"metadata": {"name": "x", "namespace": "other"}}),
            400,
            "the namespace of the provided object does not match",
        ),
        (
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}}),
            400,
            "cannot be handled as a ConfigMap",
        ),
    ] {
        let answer = server.post(MAPS, body).await;
        assert_eq!(answer.code, code, "{}", answer.message());
        assert!(answer.message().contains(text), "{}", answer.message());
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_warned_of_or_refused() {
    let server = Server::new();
    let body = json!({"metadata": {"name": "x"}, "dota": 1});
    let strict = server.post(&format!("{MAPS}?fieldValidation=Strict&dryRun=All"), body.clone()).await;
    assert_eq!(strict.code, 400);
    assert!(strict.message().ends_with("strict decoding error: unknown field \"dota\""));
    let warn = server.post(&format!("{MAPS}?dryRun=All"), body.clone()).await;
    assert_eq!(warn.warnings(), ["299 - \"unknown field \\\"dota\\\"\""]);
    assert!(warn.body.get("dota").is_none());
    let ignore = server.post(&format!("{MAPS}?dryRun=All&fieldValidation=Ignore"), body).await;
    assert!(ignore.warnings().is_empty());
    assert_eq!(server.get(&format!("{MAPS}/x")).await.code, 404);
}

#[tokio::test]
async fn a_changed_definition_shows_in_what_is_stored() {
    let server = Server::new();
    server.post(WIDGETS, widget("w", json!({}))).await;
    let mut definition = crate::widget_definition();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["shape"] =
        json!({"type": "string", "default": "round"});
    server.define(&definition);
    let read = server.get(&format!("{WIDGETS}/w")).await.body;
    assert_eq!(read["spec"], json!({"color": "red", "shape": "round"}));
}

#[tokio::test]
async fn custom_resources_are_defaulted_pruned_and_validated() {
    let server = Server::new();
    let created = server.post(WIDGETS, widget("w", json!({"size": 2, "gone": true}))).await;
    assert_eq!(created.code, 201, "{}", created.message());
    assert_eq!(created.body["spec"], json!({"size": 2, "color": "red"}));
    assert_eq!(created.body["metadata"]["generation"], 1);
    let invalid = server.post(WIDGETS, widget("v", json!({"size": 0}))).await;
    assert_eq!(invalid.code, 422);
    assert_eq!(invalid.body["details"]["causes"][0]["field"], "spec.size");
    let untyped = server.post(WIDGETS, json!({"metadata": {"name": "u"}})).await;
    assert_eq!(untyped.code, 400);
}
