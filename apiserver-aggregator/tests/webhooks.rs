//! Dynamic admission against a webhook server of our own.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use axum::{Json, Router, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use karmada_apiserver_aggregator::{
    Server, ServerConfig,
    authn::x509::ClientCertificates,
    pki::{Pki, ServerNames},
    serve::{self, Limits, tls},
};
use karmada_storage::MemoryStore;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

async fn send(client: &kube::Client, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    let response = client.send(request.body(body.to_string().into_bytes().into()).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn mutate(Json(review): Json<Value>) -> Json<Value> {
    let patch = json!([{"op": "add", "path": "/data", "value": {"by": review["request"]["userInfo"]["username"]}}]);
    Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
        "uid": review["request"]["uid"], "allowed": true, "warnings": ["changed"],
        "patchType": "JSONPatch", "patch": STANDARD.encode(patch.to_string()),
    }}))
}

async fn validate(Json(review): Json<Value>) -> Json<Value> {
    let good = review["request"]["object"]["metadata"]["name"] != "bad";
    Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
        "uid": review["request"]["uid"], "allowed": good, "status": {"message": "bad name"},
    }}))
}

async fn webhook_server() -> (SocketAddr, String, CancellationToken) {
    let names = ServerNames::with_defaults(["hook.default.svc"]);
    let pki = Pki::ephemeral(names, SystemTime::now()).unwrap();
    let certificate = Arc::new(tls::ServingCertificate::new(&pki.server).unwrap());
    let config = tls::server_config(certificate, Vec::new()).unwrap();
    let router = Router::new().route("/mutate", post(mutate)).route("/validate", post(validate));
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let certificates = Arc::new(ClientCertificates::new(&[], &[]).unwrap());
    tokio::spawn(serve::serve(listener, config, certificates, router, Limits::default(), stop.clone()));
    (address, pki.ca.certificate_pem().to_owned(), stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_change_refuse_and_fail_by_their_policy() {
    let (address, ca, stop) = webhook_server().await;
    let server = Server::start(ServerConfig::control_plane(Arc::new(MemoryStore::default()))).await.unwrap();
    let client = server.client();
    // One is reached through a Service, the other by its URL.
    let service = json!({
        "metadata": {"name": "hook", "namespace": "default"},
        "spec": {"type": "ExternalName", "externalName": "127.0.0.1"},
    });
    assert_eq!(send(&client, "POST", "/api/v1/namespaces/default/services", &service).await.0, 201);
    let rules =
        json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]);
    let hook = |name: &str, client: Value, policy: &str| {
        json!({
            "name": name, "clientConfig": client, "rules": rules, "failurePolicy": policy, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "objectSelector": {"matchLabels": {"hooked": "yes"}},
        })
    };
    let by_service = json!({"service": {"name": "hook", "namespace": "default", "path": "/mutate", "port": address.port()}, "caBundle": STANDARD.encode(&ca)});
    let by_url =
        json!({"url": format!("https://127.0.0.1:{}/validate", address.port()), "caBundle": STANDARD.encode(&ca)});
    let base = "/apis/admissionregistration.k8s.io/v1";
    let mutating = json!({"metadata": {"name": "m"}, "webhooks": [hook("mutate.example.com", by_service, "Fail")]});
    let (code, made) = send(&client, "POST", &format!("{base}/mutatingwebhookconfigurations"), &mutating).await;
    assert_eq!(code, 201, "{made}");
    let validating =
        json!({"metadata": {"name": "v"}, "webhooks": [hook("validate.example.com", by_url.clone(), "Fail")]});
    let (code, made) = send(&client, "POST", &format!("{base}/validatingwebhookconfigurations"), &validating).await;
    assert_eq!(code, 201, "{made}");

    let maps = "/api/v1/namespaces/default/configmaps";
    let map = |name: &str| json!({"metadata": {"name": name, "labels": {"hooked": "yes"}}});
    let (code, made) = send(&client, "POST", maps, &map("good")).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["data"]["by"], "system:apiserver");
    let (code, refused) = send(&client, "POST", maps, &map("bad")).await;
    assert_eq!(code, 403, "{refused}");
    assert_eq!(refused["message"], "admission webhook \"validate.example.com\" denied the request: bad name");
    let (code, plain) = send(&client, "POST", maps, &json!({"metadata": {"name": "plain"}})).await;
    assert_eq!((code, plain.get("data")), (201, None));

    stop.cancel();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let (code, failed) = send(&client, "POST", maps, &map("later")).await;
    assert_eq!(code, 500, "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("failed calling webhook \"mutate.example.com\""));
    // Configurations themselves are out of every webhook's reach.
    for kind in ["mutatingwebhookconfigurations/m", "validatingwebhookconfigurations/v"] {
        assert_eq!(send(&client, "DELETE", &format!("{base}/{kind}"), &json!({})).await.0, 200);
    }
    let ignored = json!({"metadata": {"name": "v"}, "webhooks": [hook("ignored.example.com", by_url, "Ignore")]});
    let (code, _) = send(&client, "POST", &format!("{base}/validatingwebhookconfigurations"), &ignored).await;
    assert_eq!(code, 201);
    assert_eq!(send(&client, "POST", maps, &map("later")).await.0, 201);
    server.shutdown().await;
}
