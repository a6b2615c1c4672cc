use serde_json::json;

use crate::{Server, WIDGETS, widget};

#[tokio::test]
async fn status_and_specification_are_written_apart() {
    let server = Server::new();
    server.post(WIDGETS, widget("w", json!({"size": 1}))).await;
    let path = format!("{WIDGETS}/w/status");
    let written = server
        .merge(&path, json!({"spec": {"size": 9}, "status": {"phase": "Up"}, "metadata": {"labels": {"a": "b"}}}))
        .await
        .body;
    assert_eq!((&written["spec"]["size"], &written["status"]["phase"]), (&json!(1), &json!("Up")));
    assert!(written["metadata"].get("labels").is_none());
    assert_eq!(written["metadata"]["generation"], 1);
}

#[tokio::test]
async fn scale_reads_and_writes_replicas() {
    let server = Server::new();
    server.post(WIDGETS, widget("w", json!({"replicas": 2}))).await;
    let path = format!("{WIDGETS}/w/scale");
    let scale = server.get(&path).await.body;
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(2)));
    let scaled = server.merge(&path, json!({"spec": {"replicas": 5}})).await.body;
    assert_eq!(scaled["spec"]["replicas"], 5);
    let widget = server.get(&format!("{WIDGETS}/w")).await.body;
    assert_eq!((&widget["spec"]["replicas"], &widget["metadata"]["generation"]), (&json!(5), &json!(2)));
    assert_eq!(server.merge(&path, json!({"spec": {"replicas": -1}})).await.code, 422);
}

#[tokio::test]
async fn pods_are_bound_once() {
    let server = Server::new();
    let pods = "/api/v1/namespaces/ns/pods";
    server.post(pods, json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})).await;
    let binding = |node: &str| json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}});
    assert_eq!(server.post(&format!("{pods}/p/binding"), binding("n1")).await.code, 201);
    assert_eq!(server.get(&format!("{pods}/p")).await.body["spec"]["nodeName"], "n1");
    let again = server.post(&format!("{pods}/p/binding"), binding("n2")).await;
    assert!(again.message().contains("pod p is already assigned to node \"n1\""));
    let evicted = server.post(&format!("{pods}/p/eviction"), json!({"metadata": {"name": "p"}})).await;
    assert_eq!(evicted.code, 201);
    let log = server.get(&format!("{pods}/none/log")).await;
    assert_eq!(log.message(), "pods \"none\" not found");
}
