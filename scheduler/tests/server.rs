//! The scheduler against the real API server, in process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{sync::Arc, time::Duration};

use karmada_apiserver_aggregator::{Server, ServerConfig};
use karmada_runtime::{Patcher, Resource, patcher::PatchKind};
use karmada_scheduler::{Config, run};
use karmada_storage::MemoryStore;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn resource(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    let text = str::to_owned;
    Resource { group: text(group), version: text(version), kind: text(kind), plural: text(plural), namespaced }
}

fn bindings() -> Resource {
    resource("work.karmada.io", "v1alpha2", "ResourceBinding", "resourcebindings", true)
}

fn clusters() -> Resource {
    resource("cluster.karmada.io", "v1alpha1", "Cluster", "clusters", false)
}

async fn add_cluster(patcher: &Patcher, name: &str, cpu: i64) {
    let cluster = json!({
        "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name},
        "spec": {"syncMode": "Pull"},
    });
    patcher.create(&clusters(), "", &cluster).await.unwrap();
    let status = json!({"status": {
        "apiEnablements": [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment", "name": "deployments"}]}],
        "resourceSummary": {"allocatable": {"cpu": cpu.to_string(), "memory": "100Gi", "pods": "1000"}},
    }});
    patcher.patch(&clusters(), "", name, "status", PatchKind::Merge, &status).await.unwrap();
}

fn binding(name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "work.karmada.io/v1alpha2", "kind": "ResourceBinding",
        "metadata": {"name": name, "namespace": "default", "labels": {"propagationpolicy.karmada.io/permanent-id": "x"}},
        "spec": {
            "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "namespace": "default", "uid": name},
            "replicas": replicas,
            "replicaRequirements": {"resourceRequest": {"cpu": "1"}},
            "placement": {"replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
                "weightPreference": {"dynamicWeight": "AvailableReplicas"}}},
        },
    })
}

async fn settled(patcher: &Patcher, name: &str) -> Value {
    for _ in 0..500 {
        let object = patcher.get(&bindings(), "default", name).await.unwrap().unwrap();
        if object["status"]["schedulerObservedGeneration"] == object["metadata"]["generation"] {
            return object;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} was not scheduled within 5 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bindings_are_scheduled() {
    let server = Server::start(ServerConfig::control_plane(Arc::new(MemoryStore::default()))).await.unwrap();
    let patcher = Patcher::new(server.client(), "test");
    for (name, cpu) in [("m1", 30), ("m2", 20), ("m3", 10)] {
        add_cluster(&patcher, name, cpu).await;
    }
    let shutdown = CancellationToken::new();
    let scheduler = tokio::spawn(run(server.client(), Config::default(), shutdown.clone()));
    patcher.create(&bindings(), "default", &binding("b", 6)).await.unwrap();
    let object = settled(&patcher, "b").await;
    assert_eq!(
        object["spec"]["clusters"],
        json!([{"name": "m1", "replicas": 3}, {"name": "m2", "replicas": 2}, {"name": "m3", "replicas": 1}])
    );
    assert_eq!(object["status"]["conditions"][0]["reason"], "Success");
    assert_eq!(object["metadata"]["generation"], 2);

    let scale = json!({"spec": {"replicas": 60}});
    patcher.patch(&bindings(), "default", "b", "", PatchKind::Merge, &scale).await.unwrap();
    let object = settled(&patcher, "b").await;
    let sum: i64 =
        object["spec"]["clusters"].as_array().unwrap().iter().map(|it| it["replicas"].as_i64().unwrap()).sum();
    assert_eq!(sum, 60);

    // The events tell it, on the binding and on the template.
    let events = resource("", "v1", "Event", "events", true);
    let mut told = Vec::new();
    for _ in 0..500 {
        told = patcher.list(&events, "default", "").await.unwrap();
        if told.len() >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kinds: Vec<&str> = told.iter().filter_map(|event| event["involvedObject"]["kind"].as_str()).collect();
    assert!(kinds.contains(&"ResourceBinding") && kinds.contains(&"Deployment"), "{kinds:?}");
    assert!(told.iter().all(|event| event["reason"] == "ScheduleBindingSucceed"));

    shutdown.cancel();
    scheduler.await.unwrap().unwrap();
    server.shutdown().await;
}
