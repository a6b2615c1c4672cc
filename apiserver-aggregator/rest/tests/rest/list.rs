use serde_json::json;

use crate::{MAPS, Server, WIDGETS, map, names, widget};

async fn five() -> Server {
    let server = Server::new();
    for (index, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let mut object = map(name);
        object["metadata"]["labels"] = json!({"even": (index % 2 == 0).to_string()});
        assert_eq!(server.post(MAPS, object).await.code, 201);
    }
    server
}

#[tokio::test]
async fn pages_show_one_state() {
    let server = five().await;
    let first = server.get(&format!("{MAPS}?limit=2")).await.body;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.post(MAPS, map("bb")).await;
    server.delete(&format!("{MAPS}/d"), serde_json::Value::Null).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let rest = server.get(&format!("{MAPS}?continue={token}")).await.body;
    assert_eq!(names(&rest), ["c", "d", "e"]);
    assert_eq!(rest["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(names(&server.get(MAPS).await.body), ["a", "b", "bb", "c", "e"]);
}

#[tokio::test]
async fn selectors_select() {
    let server = five().await;
    for (selector, expect) in [
        ("labelSelector=even%3Dtrue", vec!["a", "c", "e"]),
        ("labelSelector=even%20notin%20(true)", vec!["b", "d"]),
        ("labelSelector=!even", vec![]),
        ("fieldSelector=metadata.name%3Dc", vec!["c"]),
        ("fieldSelector=metadata.name!%3Dc,metadata.namespace%3Dns", vec!["a", "b", "d", "e"]),
    ] {
        assert_eq!(names(&server.get(&format!("{MAPS}?{selector}")).await.body), expect, "{selector}");
    }
    let bad = server.get(&format!("{MAPS}?fieldSelector=data.a%3Db")).await;
    assert_eq!(
        bad.message(),
        "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
}

#[tokio::test]
async fn versions_of_lists() {
    let server = five().await;
    assert_eq!(names(&server.get(&format!("{MAPS}?resourceVersion=0&limit=1")).await.body).len(), 5);
    assert_eq!(
        names(&server.get(&format!("{MAPS}?resourceVersion=2&resourceVersionMatch=Exact")).await.body),
        ["a", "b"]
    );
    assert_eq!(server.get(&format!("{MAPS}?resourceVersion=abc")).await.code, 400);
    assert_eq!(server.get(&format!("{MAPS}?resourceVersionMatch=Exact")).await.code, 422);
    let future = server.get(&format!("{MAPS}/a?resourceVersion=999999")).await;
    assert_eq!((future.code, future.headers["retry-after"].to_str().unwrap()), (504, "1"));
}

#[tokio::test]
async fn items_of_built_in_lists_have_no_type_those_of_custom_ones_do() {
    let server = five().await;
    let maps = server.get(MAPS).await.body;
    assert_eq!(maps["kind"], "ConfigMapList");
    assert!(maps["items"][0].get("kind").is_none());
    server.post(WIDGETS, widget("w", json!({}))).await;
    let widgets = server.get(WIDGETS).await.body;
    assert_eq!(widgets["items"][0]["kind"], "Widget");
    assert_eq!(widgets["metadata"]["continue"], "");
}

#[tokio::test]
async fn lists_come_as_tables_and_metadata() {
    let server = five().await;
    let table = server.send("GET", MAPS, &[("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")], "").await.body;
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"].as_array().unwrap().len(), 5);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let accept = [("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")];
    let metadata = server.send("GET", MAPS, &accept, "").await.body;
    assert_eq!(metadata["kind"], "PartialObjectMetadataList");
    assert!(metadata["items"][0].get("data").is_none());
    assert_eq!(server.send("GET", &format!("{MAPS}/a"), &accept, "").await.code, 406);
}
