//! The scheduler against a small stand-in for the API server, with faults.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod fake;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use fake::Fake;
use futures::future::BoxFuture;
use karmada_runtime::ObjectKey;
use karmada_scheduler::{Config, estimate::ReplicaEstimator, run};
use karmada_scheduler_core::{Estimates, model::Binding};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(fake: &Arc<Fake>, config: Config) -> Self {
        let shutdown = CancellationToken::new();
        let (client, token) = (fake.client(), shutdown.clone());
        let task = tokio::spawn(async move { run(client, config, token).await.unwrap() });
        Self { shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

fn cluster(name: &str, cpu: i64) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"tier": "gold"}},
        "spec": {"syncMode": "Push"},
        "status": {
            "apiEnablements": [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment", "name": "deployments"}]}],
            "resourceSummary": {"allocatable": {"cpu": cpu.to_string(), "pods": "1000"}},
        },
    })
}

fn binding(name: &str, replicas: i64, division: Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default",
            "labels": {"propagationpolicy.karmada.io/permanent-id": "x"}},
        "spec": {
            "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "namespace": "default", "uid": name},
            "replicas": replicas,
            "replicaRequirements": {"resourceRequest": {"cpu": "100m"}},
            "placement": {"replicaScheduling": division, "clusterAffinity": {"labelSelector": {"matchLabels": {"tier": "gold"}}}},
        },
    })
}

fn dynamic() -> Value {
    json!({"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
        "weightPreference": {"dynamicWeight": "AvailableReplicas"}})
}

fn duplicated() -> Value {
    json!({"replicaSchedulingType": "Duplicated"})
}

fn sum(binding: &Value) -> i64 {
    let clusters = binding["spec"]["clusters"].as_array().cloned().unwrap_or_default();
    clusters.iter().map(|target| target["replicas"].as_i64().unwrap_or_default()).sum()
}

fn scheduled(binding: &Value) -> bool {
    binding["status"]["schedulerObservedGeneration"] == binding["metadata"]["generation"]
        && condition(binding)["status"] == "True"
}

fn condition(binding: &Value) -> Value {
    let conditions = binding["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Scheduled").unwrap_or_default()
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 10 s: {what}");
}

/// Waits until no patch has come for a while and returns how many there have been.
async fn quiet(fake: &Fake) -> u64 {
    let mut last = fake.patches.load(Ordering::SeqCst);
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = fake.patches.load(Ordering::SeqCst);
        if now == last {
            return now;
        }
        last = now;
    }
}

fn fill(fake: &Fake, count: usize) {
    for (name, cpu) in [("m1", 30), ("m2", 20), ("m3", 10)] {
        fake.apply("clusters", cluster(name, cpu));
    }
    for index in 0..count {
        let division = if index % 2 == 0 { dynamic() } else { duplicated() };
        fake.apply("resourcebindings", binding(&format!("b{index:04}"), 6, division));
    }
}

fn all_scheduled(fake: &Fake) -> bool {
    fake.list("resourcebindings").iter().all(scheduled)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writes_each_then_silence() {
    let fake = Fake::new();
    fill(&fake, 200);
    let config = Config::default();
    let decisions = Arc::clone(&config.decisions);
    let scheduler = Running::start(&fake, config);
    eventually("everything is scheduled", || all_scheduled(&fake)).await;
    assert_eq!(quiet(&fake).await, 400, "two writes a binding");
    for object in fake.list("resourcebindings") {
        let expected =
            if object["metadata"]["name"].as_str().unwrap().ends_with(['0', '2', '4', '6', '8']) { 6 } else { 18 };
        assert_eq!(sum(&object), expected);
        assert!(object["status"]["lastScheduledTime"].is_string());
        let applied = object["metadata"]["annotations"]["policy.karmada.io/applied-placement"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(applied).unwrap(), object["spec"]["placement"]);
    }
    let kept = decisions.get(&ObjectKey::new("default", "b0000")).unwrap();
    assert_eq!(kept.clusters.len(), 3);
    eventually("events are written", || fake.events.load(Ordering::SeqCst) >= 400).await;

    // A heartbeat changes nothing, and neither does a restart.
    fake.apply("clusters", json!({"metadata": {"name": "m1"}, "status": {"beat": 1}}));
    fake.apply(
        "clusters",
        json!({"metadata": {"name": "m2"}, "status": {"resourceSummary": {"allocatable": {"cpu": "90"}}}}),
    );
    assert_eq!(quiet(&fake).await, 400);
    scheduler.stop().await;
    let scheduler = Running::start(&fake, Config::default());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(quiet(&fake).await, 400, "a restart writes nothing");

    // A cluster that no longer matches loses what is duplicated onto it; divided replicas stay.
    fake.apply("clusters", json!({"metadata": {"name": "m1", "labels": {"tier": "iron"}}}));
    let names = |object: &Value| -> Vec<String> {
        let clusters = object["spec"]["clusters"].as_array().unwrap();
        clusters.iter().map(|target| target["name"].as_str().unwrap().to_owned()).collect()
    };
    eventually("m1 is left", || {
        let object = fake.get("resourcebindings", "default", "b0001").unwrap();
        names(&object) == ["m2", "m3"] && scheduled(&object)
    })
    .await;
    assert!(quiet(&fake).await >= 600);
    assert_eq!(names(&fake.get("resourcebindings", "default", "b0000").unwrap()).len(), 3);
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_lose_nothing() {
    let fake = Fake::new();
    fake.disturb_every.store(2, Ordering::SeqCst);
    fill(&fake, 100);
    let scheduler = Running::start(&fake, Config::default());
    eventually("everything is scheduled", || all_scheduled(&fake)).await;
    quiet(&fake).await;
    for object in fake.list("resourcebindings") {
        assert!(scheduled(&object));
        assert!([6, 18].contains(&sum(&object)));
    }
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_lose_nothing() {
    let fake = Fake::new();
    fake.fail_every.store(3, Ordering::SeqCst);
    fill(&fake, 60);
    let scheduler = Running::start(&fake, Config::default());
    // An outage of half a second, in which every third write fails.
    tokio::time::sleep(Duration::from_millis(500)).await;
    fake.fail_every.store(0, Ordering::SeqCst);
    eventually("everything is scheduled", || all_scheduled(&fake)).await;
    for object in fake.list("resourcebindings") {
        assert!([6, 18].contains(&sum(&object)));
        assert!(object["status"]["lastScheduledTime"].is_string());
    }
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overtaken_decision_is_made_again() {
    let fake = Fake::new();
    // Whenever a decision is about to be written, somebody scales the workload.
    *fake.disturbance.lock() = json!({"spec": {"replicas": 9}});
    fake.disturb_every.store(1, Ordering::SeqCst);
    for (name, cpu) in [("m1", 30), ("m2", 20)] {
        fake.apply("clusters", cluster(name, cpu));
    }
    fake.apply("resourcebindings", binding("b", 4, dynamic()));
    let scheduler = Running::start(&fake, Config::default());
    eventually("it is scheduled", || all_scheduled(&fake)).await;
    let object = fake.get("resourcebindings", "default", "b").unwrap();
    assert_eq!(sum(&object), 9);
    scheduler.stop().await;
}

/// Knows that m1 is full.
#[derive(Debug)]
struct FullCluster;

impl ReplicaEstimator for FullCluster {
    fn estimate<'a>(&'a self, _: &'a Binding, clusters: &'a [String]) -> BoxFuture<'a, Estimates> {
        assert_eq!(clusters, ["m1", "m2", "m3"]);
        Box::pin(std::future::ready([("m1".to_owned(), 0), ("m2".to_owned(), -1)].into_iter().collect()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimators_are_believed() {
    let fake = Fake::new();
    fill(&fake, 1);
    let config = Config { estimator: Some(Arc::new(FullCluster)), ..Config::default() };
    let scheduler = Running::start(&fake, config);
    eventually("it is scheduled", || all_scheduled(&fake)).await;
    let object = fake.get("resourcebindings", "default", "b0000").unwrap();
    assert_eq!(object["spec"]["clusters"], json!([{"name": "m2", "replicas": 4}, {"name": "m3", "replicas": 2}]));
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_and_end() {
    let fake = Fake::new();
    fake.apply("clusters", cluster("m1", 1));
    let mut lonely = binding("lonely", 2, duplicated());
    lonely["spec"]["placement"]["clusterAffinity"] = json!({"clusterNames": ["m9"]});
    lonely["spec"]["clusters"] = json!([{"name": "m1", "replicas": 2}]);
    fake.apply("resourcebindings", lonely);
    fake.apply("resourcebindings", binding("large", 50, dynamic()));
    let mut paused = binding("paused", 1, duplicated());
    paused["spec"]["suspension"] = json!({"scheduling": true});
    fake.apply("resourcebindings", paused);
    let mut global = binding("global", 1, duplicated());
    global["metadata"].as_object_mut().unwrap().remove("namespace");
    fake.apply("clusterresourcebindings", global);
    let scheduler = Running::start(&fake, Config::default());
    let reason = |name: &str| {
        let object = fake.get("resourcebindings", "default", name).unwrap();
        condition(&object)["reason"].as_str().unwrap_or_default().to_owned()
    };
    eventually("failures are told", || reason("lonely") == "NoClusterFit" && reason("large") == "Unschedulable").await;
    eventually("cluster-scoped bindings too", || {
        fake.get("clusterresourcebindings", "", "global").is_some_and(|object| scheduled(&object))
    })
    .await;
    let lonely = fake.get("resourcebindings", "default", "lonely").unwrap();
    assert!(lonely["spec"].get("clusters").is_none());
    assert_eq!(
        condition(&lonely)["message"],
        "0/1 clusters are available: 1 cluster(s) did not match the placement cluster affinity constraint."
    );
    let writes = quiet(&fake).await;
    assert_eq!(quiet(&fake).await, writes);
    assert_eq!(reason("paused"), "");

    fake.apply(
        "resourcebindings",
        json!({"metadata": {"name": "paused", "namespace": "default"},
        "spec": {"suspension": {"scheduling": false}}}),
    );
    eventually("it resumes", || reason("paused") == "Success").await;
    fake.apply(
        "resourcebindings",
        json!({"metadata": {"name": "large", "namespace": "default"}, "spec": {"replicas": 3}}),
    );
    eventually("it fits now", || reason("large") == "Success").await;
    fake.delete("resourcebindings", "default", "large");
    scheduler.stop().await;
}
