use serde_json::json;

use crate::{MAPS, Server, WIDGETS, map, widget};

#[tokio::test]
async fn every_patch_type_works() {
    let server = Server::new();
    server.post(MAPS, map("x")).await;
    let path = format!("{MAPS}/x");
    assert_eq!(server.merge(&path, json!({"data": {"b": "2"}})).await.body["data"], json!({"a": "1", "b": "2"}));
    let json_patch = [("content-type", "application/json-patch+json")];
    let patched = server.send("PATCH", &path, &json_patch, r#"[{"op":"remove","path":"/data/a"}]"#).await;
    assert_eq!(patched.body["data"], json!({"b": "2"}));
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let patched = server.send("PATCH", &path, &strategic, r#"{"data":{"c":"3"}}"#).await;
    assert_eq!(patched.body["data"], json!({"b": "2", "c": "3"}));
    for media_type in ["application/json", "text/plain", "application/apply-patch+cbor"] {
        let refused = server.send("PATCH", &path, &[("content-type", media_type)], "{}").await;
        assert_eq!((refused.code, refused.message()), (415, "415: Unsupported Media Type"));
    }
    server.post(WIDGETS, widget("w", json!({}))).await;
    assert_eq!(server.send("PATCH", &format!("{WIDGETS}/w"), &strategic, "{}").await.code, 415);
}

#[tokio::test]
async fn apply_creates_owns_and_conflicts() {
    let server = Server::new();
    let path = format!("{MAPS}/x");
    let created = server.apply(&format!("{path}?fieldManager=one"), map("x")).await;
    assert_eq!(created.code, 201, "{}", created.message());
    assert_eq!(created.body["metadata"]["managedFields"][0]["operation"], "Apply");
    let mut other = map("x");
    other["data"]["a"] = "2".into();
    let conflict = server.apply(&format!("{path}?fieldManager=two"), other.clone()).await;
    assert_eq!(conflict.code, 409);
    assert_eq!(conflict.body["details"]["causes"][0]["field"], ".data.a");
    let forced = server.apply(&format!("{path}?fieldManager=two&force=true"), other).await;
    assert_eq!(forced.body["data"]["a"], "2");
    let nobody = server.apply(&path, map("x")).await;
    assert!(nobody.message().contains("fieldManager: Required value: is required for apply patch"));
    // Applying the same again changes nothing.
    let version = &forced.body["metadata"]["resourceVersion"];
    let mut same = map("x");
    same["data"]["a"] = "2".into();
    assert_eq!(
        &server.apply(&format!("{path}?fieldManager=two"), same).await.body["metadata"]["resourceVersion"],
        version
    );
}
