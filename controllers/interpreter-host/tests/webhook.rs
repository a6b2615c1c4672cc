//! A webhook over a socket: what it is sent, how its answer counts, and what happens when it is late.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use axum::Json;
use axum::routing::post;
use karmada_api::config::ResourceInterpreterWebhookConfiguration;
use karmada_api::gvk::Gvk;
use karmada_interpreter::{Layer as _, Operation, Swap};
use karmada_interpreter_host::webhook::{Hooks, Webhooks};
use serde_json::{Value, json};

async fn answer(Json(question): Json<Value>) -> Json<Value> {
    let request = &question["request"];
    let mut response = json!({"uid": request["uid"], "successful": true});
    match request["operation"].as_str().unwrap() {
        "InterpretReplica" => response["replicas"] = request["object"]["spec"]["replicas"].clone(),
        "InterpretHealth" => response["healthy"] = json!(true),
        "ReviseReplica" => {
            // [{"op":"replace","path":"/spec/replicas","value":7}]
            response["patch"] = json!("W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9zcGVjL3JlcGxpY2FzIiwidmFsdWUiOjd9XQ==");
            response["patchType"] = json!("JSONPatch");
        }
        "InterpretStatus" => tokio::time::sleep(Duration::from_secs(5)).await,
        _ => response = json!({"uid": request["uid"], "successful": false, "status": {"code": 400, "message": "no"}}),
    }
    Json(
        json!({"apiVersion": "config.karmada.io/v1alpha1", "kind": "ResourceInterpreterContext", "response": response}),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_answers_for_its_kinds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/interpret", listener.local_addr().unwrap());
    let server = axum::Router::new().route("/interpret", post(answer));
    tokio::spawn(async move { axum::serve(listener, server).await.unwrap() });
    let configuration: ResourceInterpreterWebhookConfiguration = serde_json::from_value(json!({
        "metadata": {"name": "w"},
        "webhooks": [{
            "name": "w.example.io", "clientConfig": {"url": url}, "timeoutSeconds": 1,
            "interpreterContextVersions": ["v1alpha1"],
            "rules": [{"operations": ["*"], "apiGroups": ["example.io"], "apiVersions": ["v1"], "kinds": ["Workload"]}],
        }],
    }))
    .unwrap();
    let nowhere = kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let webhooks = Webhooks::new(Swap::new(Hooks::of_configurations([&configuration])), nowhere);
    let object =
        json!({"apiVersion": "example.io/v1", "kind": "Workload", "metadata": {"name": "x"}, "spec": {"replicas": 3}});
    assert!(webhooks.enabled(&Gvk::of("example.io/v1", "Workload"), Operation::Retain));
    assert!(!webhooks.enabled(&Gvk::of("example.io/v2", "Workload"), Operation::Retain));
    assert_eq!(webhooks.get_replicas(&object).unwrap().replica, 3);
    assert!(webhooks.interpret_health(&object).unwrap());
    assert_eq!(webhooks.revise_replica(&object, 7).unwrap()["spec"]["replicas"], 7);
    let refused = webhooks.get_dependencies(&object).unwrap_err().to_string();
    assert!(refused.ends_with("webhook call failed, get status code: 400, msg: no"), "{refused}");
    let started = Instant::now();
    let late = webhooks.reflect_status(&object).unwrap_err().to_string();
    assert!(late.contains("deadline exceeded") && started.elapsed() < Duration::from_secs(4), "{late}");
}
