use serde_json::{Value, json};

use crate::{MAPS, Server, map, names};

#[tokio::test]
async fn a_deletion_answers_and_removes() {
    let server = Server::new();
    let uid = server.post(MAPS, map("x")).await.body["metadata"]["uid"].clone();
    let path = format!("{MAPS}/x");
    let foreign = server.delete(&path, json!({"preconditions": {"uid": "other"}})).await;
    assert_eq!(foreign.code, 409);
    assert_eq!(server.delete(&format!("{path}?dryRun=All"), Value::Null).await.code, 200);
    let deleted = server.delete(&path, json!({"preconditions": {"uid": uid}})).await;
    assert_eq!(deleted.body["status"], "Success");
    assert_eq!(deleted.body["details"]["kind"], "configmaps");
    assert_eq!(server.delete(&path, Value::Null).await.code, 404);
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let server = Server::new();
    let mut object = map("x");
    object["metadata"]["finalizers"] = json!(["example.com/f"]);
    server.post(MAPS, object).await;
    let path = format!("{MAPS}/x");
    let marked = server.delete(&path, Value::Null).await;
    assert!(marked.body["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked.body["metadata"]["deletionGracePeriodSeconds"], 0);
    let added = server.merge(&path, json!({"metadata": {"finalizers": ["example.com/f", "example.com/g"]}})).await;
    assert!(added.message().contains("no new finalizers can be added"));
    assert_eq!(server.post(MAPS, map("x")).await.message(), "object is being deleted: configmaps \"x\" already exists");
    let freed = server.merge(&path, json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(freed.code, 200);
    assert_eq!(server.get(&path).await.code, 404);
}

#[tokio::test]
async fn propagation_policies_become_finalizers() {
    let server = Server::new();
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        server.post(MAPS, map("x")).await;
        let held = server.delete(&format!("{MAPS}/x?propagationPolicy={policy}"), Value::Null).await;
        assert_eq!(held.body["metadata"]["finalizers"], json!([finalizer]), "{policy}");
        server.merge(&format!("{MAPS}/x"), json!({"metadata": {"finalizers": null}})).await;
    }
    let bad = server.delete(MAPS, json!({"propagationPolicy": "Foo"})).await;
    assert_eq!(bad.code, 422);
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let server = Server::new();
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut object = map(name);
        object["metadata"]["labels"] = json!({"l": label});
        server.post(MAPS, object).await;
    }
    let gone = server.delete(&format!("{MAPS}?labelSelector=l%3Dx"), Value::Null).await;
    assert_eq!(names(&gone.body), ["a", "c"]);
    assert_eq!(names(&server.get(MAPS).await.body), ["b"]);
}

#[tokio::test]
async fn pods_get_their_grace_period() {
    let server = Server::new();
    let pods = "/api/v1/namespaces/ns/pods";
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(server.post(pods, pod).await.code, 201);
    let marked = server.delete(&format!("{pods}/p"), Value::Null).await.body;
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(server.get(&format!("{pods}/p")).await.code, 200);
    server.delete(&format!("{pods}/p?gracePeriodSeconds=0"), Value::Null).await;
    assert_eq!(server.get(&format!("{pods}/p")).await.code, 404);
}

#[tokio::test]
async fn namespaces_wait_for_their_finalizer() {
    let server = Server::new();
    server.post("/api/v1/namespaces", json!({"metadata": {"name": "gone"}})).await;
    let marked = server.delete("/api/v1/namespaces/gone", Value::Null).await.body;
    assert_eq!(marked["status"]["phase"], "Terminating");
    let body = json!({"metadata": {"name": "gone"}, "spec": {"finalizers": []}});
    assert_eq!(server.put("/api/v1/namespaces/gone/finalize", body).await.code, 200);
    assert_eq!(server.get("/api/v1/namespaces/gone").await.code, 404);
}
