//! The server that other tests use: it starts, answers, watches and knows Karmada's kinds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use k8s_openapi::api::core::v1::ConfigMap;
use karmada_test_support::{TestServer, eventually};
use kube::{Api, api::PostParams, runtime::WatchStreamExt as _};
use serde_json::json;

#[tokio::test]
async fn a_client_works_without_a_socket() {
    let server = TestServer::control_plane().await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "x"}, "data": {"a": "1"}})).unwrap();
    let created = api.create(&PostParams::default(), &map).await.unwrap();
    assert!(created.metadata.resource_version.is_some());
    assert_eq!(
        api.list(&Default::default())
            .await
            .unwrap()
            .items
            .iter()
            .filter(|m| m.metadata.name.as_deref() == Some("x"))
            .count(),
        1
    );
}

#[tokio::test]
async fn an_informer_sees_changes() {
    let server = TestServer::member().await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let (reader, writer) = kube::runtime::reflector::store();
    let stream = kube::runtime::reflector(writer, kube::runtime::watcher(api.clone(), Default::default()));
    let task = tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream.default_backoff().touched_objects());
        while futures::StreamExt::next(&mut stream).await.is_some() {}
    });
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "seen"}})).unwrap();
    api.create(&PostParams::default(), &map).await.unwrap();
    let seen = eventually(|| async {
        reader.state().iter().any(|m| m.metadata.name.as_deref() == Some("seen")).then_some(())
    })
    .await;
    task.abort();
    assert!(seen.is_some());
}

#[tokio::test]
async fn karmadas_kinds_are_served_by_a_control_plane_only() {
    let path = "/apis/policy.karmada.io/v1alpha1/propagationpolicies";
    let plane = TestServer::control_plane().await.unwrap();
    assert_eq!(plane.get(path).await.unwrap().0, 200);
    let member = TestServer::member().await.unwrap();
    assert_eq!(member.get(path).await.unwrap().0, 404);
}
