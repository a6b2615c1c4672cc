use std::{collections::HashMap, sync::Arc};

use axum::extract::Request;
use karmada_machinery::StatusError;
use karmada_machinery::kinds;
use karmada_rest::{
    ApiServer, Registry, ServerOptions,
    access::{Attributes, Authorizer, Decision},
};
use karmada_storage::MemoryStore;
use serde_json::json;

use crate::{MAPS, Server, map};

#[tokio::test]
async fn formats_are_negotiated() {
    let server = Server::new();
    server.post(MAPS, map("x")).await;
    let path = format!("{MAPS}/x");
    for (accept, code) in [
        ("*/*", 200),
        ("application/yaml", 200),
        ("application/vnd.kubernetes.protobuf, application/json", 200),
        ("application/cbor", 406),
        ("text/html", 406),
    ] {
        assert_eq!(server.send("GET", &path, &[("accept", accept)], "").await.code, code, "{accept}");
    }
    let yaml = server.send("GET", &path, &[("accept", "application/yaml")], "").await;
    assert_eq!(yaml.headers["content-type"], "application/yaml");
    assert!(yaml.body.as_str().unwrap().contains("kind: ConfigMap"));
    let body = "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: yaml\ndata:\n  a: '1'\n  a: '2'\n";
    let posted = server.send("POST", MAPS, &[("content-type", "application/yaml")], body).await;
    assert_eq!((posted.code, &posted.body["data"]["a"]), (201, &json!("2")));
    assert_eq!(posted.warnings(), ["299 - \"line 7: key \\\"a\\\" already set in map\""]);
    for media_type in ["application/cbor", "text/plain"] {
        assert_eq!(server.send("POST", MAPS, &[("content-type", media_type)], "{}").await.code, 415, "{media_type}");
    }
}

#[tokio::test]
async fn large_answers_are_compressed_large_bodies_refused() {
    let server = Server::new();
    let mut object = map("x");
    object["data"]["big"] = "y".repeat(200 * 1024).into();
    server.post(MAPS, object).await;
    let plain = server.send("GET", &format!("{MAPS}/x"), &[], "").await;
    assert!(!plain.headers.contains_key("content-encoding"));
    let packed = server.raw("GET", &format!("{MAPS}/x"), &[("accept-encoding", "gzip")], "").await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let huge = server.post(MAPS, json!({"data": {"a": "x".repeat(3 * 1024 * 1024)}})).await;
    assert_eq!(huge.code, 413);
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let server = Server::new();
    for path in
        ["/nope", "/apis/none.io/v1/x", "/api/v1/nonsense", "/api/v1/namespaces/ns/nodes", "/api/v1/configmaps/x"]
    {
        let answer = server.get(path).await;
        assert_eq!((answer.code, answer.body.as_str()), (404, Some("404 page not found\n")), "{path}");
    }
    for (method, path) in [
        ("POST", "/api/v1/namespaces/ns/configmaps/x"),
        ("PUT", MAPS),
        ("DELETE", "/api/v1/namespaces"),
        ("OPTIONS", MAPS),
    ] {
        assert_eq!(server.send(method, path, &[], "{}").await.code, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn discovery_lists_what_is_served() {
    let server = Server::new();
    let groups = server.get("/apis").await.body;
    let groups: Vec<&str> = groups["groups"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert!(groups.contains(&"apps") && groups.contains(&"example.com"));
    let list = server.get("/apis/example.com/v1").await.body;
    assert_eq!(list["resources"][0]["name"], "widgets");
    let accept = [("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")];
    let aggregated = server.send("GET", "/apis", &accept, "").await;
    assert_eq!(aggregated.body["kind"], "APIGroupDiscoveryList");
    let etag = aggregated.headers["etag"].to_str().unwrap().to_owned();
    let again = server.send("GET", "/apis", &[accept[0], ("if-none-match", &etag)], "").await;
    assert_eq!(again.code, 304);
    assert_eq!(server.get("/version").await.body["minor"], "36");
}

/// Lets a user do only the verbs that belong to the name.
struct ByName(HashMap<&'static str, &'static str>);

#[async_trait::async_trait]
impl Authorizer for ByName {
    async fn authorize(&self, attributes: &Attributes) -> Result<Decision, StatusError> {
        let allowed = self.0.get(attributes.user.name.as_str()) == Some(&attributes.verb.as_str());
        Ok(if allowed { Decision::Allow(String::new()) } else { Decision::NoOpinion(String::new()) })
    }
}

#[tokio::test]
async fn whoever_may_not_is_told_so() {
    let registry = Arc::new(Registry::new(kinds::builtin_resources()));
    let mut options = ServerOptions::new(Arc::new(MemoryStore::default()), registry);
    options.authorizer = Arc::new(ByName(HashMap::from([("system:anonymous", "list")])));
    let server = ApiServer::new(options);
    let ask = |path: &str| Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
    assert_eq!(server.handle(ask(MAPS)).await.status(), 200);
    let refused = server.handle(ask(&format!("{MAPS}/x"))).await;
    assert_eq!(refused.status(), 403);
    let body = axum::body::to_bytes(refused.into_body(), usize::MAX).await.unwrap();
    let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        status["message"],
        "configmaps \"x\" is forbidden: User \"system:anonymous\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"ns\""
    );
}
