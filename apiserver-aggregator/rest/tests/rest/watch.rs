use serde_json::{Value, json};

use crate::{MAPS, Server, map};

fn told(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|e| {
            let name = e["object"]["metadata"]["name"].as_str().unwrap_or("-");
            format!("{} {name}", e["type"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn changes_follow_a_version() {
    let server = Server::new();
    server.post(MAPS, map("a")).await;
    server.merge(&format!("{MAPS}/a"), json!({"data": {"b": "2"}})).await;
    server.delete(&format!("{MAPS}/a"), Value::Null).await;
    let events = server.watch(&format!("{MAPS}?watch=1&resourceVersion=1&timeoutSeconds=2"), &[], 2).await;
    assert_eq!(told(&events), ["MODIFIED a", "DELETED a"]);
    assert_eq!(events[1]["object"]["metadata"]["resourceVersion"], "3");
}

#[tokio::test]
async fn initial_state_ends_with_a_bookmark() {
    let server = Server::new();
    server.post(MAPS, map("a")).await;
    let path = format!(
        "{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=2"
    );
    let events = server.watch(&path, &[], 2).await;
    assert_eq!(told(&events), ["ADDED a", "BOOKMARK -"]);
    assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(events[1]["object"]["kind"], "ConfigMap");
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let server = Server::new();
    server.post(MAPS, map("a")).await;
    for labels in [json!({"l": "x"}), json!({"l": "x", "m": "y"}), json!({"l": null})] {
        server.merge(&format!("{MAPS}/a"), json!({"metadata": {"labels": labels}})).await;
    }
    let path = format!("{MAPS}?watch=1&resourceVersion=1&labelSelector=l%3Dx&timeoutSeconds=2");
    assert_eq!(told(&server.watch(&path, &[], 3).await), ["ADDED a", "MODIFIED a", "DELETED a"]);
}

#[tokio::test]
async fn events_come_as_tables_and_metadata() {
    let server = Server::new();
    server.post(MAPS, map("a")).await;
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1");
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    assert_eq!(server.watch(&path, &table, 1).await[0]["object"]["kind"], "Table");
    let metadata = [("accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")];
    assert_eq!(server.watch(&path, &metadata, 1).await[0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn a_watch_ends_in_time_and_refuses_nonsense() {
    let server = Server::new();
    assert!(server.watch(&format!("{MAPS}?watch=true&timeoutSeconds=1"), &[], 1).await.is_empty());
    assert_eq!(server.get(&format!("{MAPS}?watch=true&resourceVersion=abc")).await.code, 500);
    assert_eq!(server.get(&format!("{MAPS}?watch=true&sendInitialEvents=true")).await.code, 422);
}
