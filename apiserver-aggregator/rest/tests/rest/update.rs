use serde_json::json;

use crate::{MAPS, Server, WIDGETS, map, widget};

#[tokio::test]
async fn versions_guard_updates() {
    let server = Server::new();
    let created = server.post(MAPS, map("x")).await.body;
    let path = format!("{MAPS}/x");
    let mut changed = created.clone();
    changed["data"]["a"] = "2".into();
    let updated = server.put(&path, changed.clone()).await;
    assert_eq!(updated.code, 200);
    assert_ne!(updated.body["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
    let stale = server.put(&path, changed).await;
    assert_eq!(stale.code, 409);
    assert!(stale.message().contains("the object has been modified"));
    // Without a version the last writer wins.
    assert_eq!(server.put(&path, map("x")).await.code, 200);
    let mut foreign = map("x");
    foreign["metadata"]["uid"] = "11111111-1111-1111-1111-111111111111".into();
    assert_eq!(server.put(&path, foreign).await.code, 409);
    let other = server.put(&path, map("y")).await;
    assert_eq!(other.message(), "the name of the object (y) does not match the name on the URL (x)");
    assert_eq!(server.put(&format!("{MAPS}/absent"), map("absent")).await.code, 404);
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let server = Server::new();
    let created = server.post(MAPS, map("x")).await.body;
    let again = server.put(&format!("{MAPS}/x"), map("x")).await.body;
    assert_eq!(again, created);
}

#[tokio::test]
async fn custom_resources_need_a_version_and_count_generations() {
    let server = Server::new();
    let mut created = server.post(WIDGETS, widget("w", json!({"size": 1}))).await.body;
    let path = format!("{WIDGETS}/w");
    let blind = server.put(&path, widget("w", json!({"size": 2}))).await;
    assert_eq!(blind.code, 422);
    assert!(blind.message().contains("metadata.resourceVersion: Invalid value: 0: must be specified for an update"));
    created["spec"]["size"] = 3.into();
    created["status"] = json!({"phase": "ignored"});
    let updated = server.put(&path, created).await.body;
    assert_eq!(updated["metadata"]["generation"], 2);
    assert!(updated.get("status").is_none());
    let labelled = server.merge(&path, json!({"metadata": {"labels": {"a": "b"}}})).await.body;
    assert_eq!(labelled["metadata"]["generation"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_patches_all_count() {
    let server = std::sync::Arc::new(Server::new());
    server.post(MAPS, map("x")).await;
    let writers: Vec<_> = (0..32)
        .map(|n| {
            let server = server.clone();
            tokio::spawn(async move {
                server.merge(&format!("{MAPS}/x"), json!({"data": {format!("k{n}"): "v"}})).await.code
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), 200);
    }
    let data = server.get(&format!("{MAPS}/x")).await.body["data"].as_object().unwrap().len();
    assert_eq!(data, 33);
}
