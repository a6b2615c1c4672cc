//! Measures scheduling end to end: API server and scheduler in one process, bindings created by 32 writers.
//!
//! `end_to_end [CLUSTERS] [BINDINGS] [RATE]`: without a rate everything is created as fast as it goes and the throughput
//! is printed; with a rate (bindings a second) the latencies from creation to the visible decision are. Run with
//! `--release`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a command-line tool")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use karmada_apiserver_aggregator::{Server, ServerConfig};
use karmada_runtime::{Informer, InformerSpec, Patcher, Resource, patcher::PatchKind};
use karmada_scheduler::{Config, run};
use karmada_storage::MemoryStore;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const WRITERS: usize = 32;

fn resource(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    let text = str::to_owned;
    Resource { group: text(group), version: text(version), kind: text(kind), plural: text(plural), namespaced }
}

async fn add_clusters(patcher: &Patcher, count: usize) {
    let clusters = resource("cluster.karmada.io", "v1alpha1", "Cluster", "clusters", false);
    for index in 0..count {
        let name = format!("member-{index:05}");
        let cluster = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name},
            "spec": {"syncMode": "Pull", "region": format!("r{}", index % 8)},
        });
        patcher.create(&clusters, "", &cluster).await.unwrap();
        let status = json!({"status": {
            "apiEnablements": [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment", "name": "deployments"}]}],
            "resourceSummary": {"allocatable": {"cpu": (50 + index * 37 % 400).to_string(), "memory": "800Gi", "pods": "1100"}},
        }});
        patcher.patch(&clusters, "", &name, "status", PatchKind::Merge, &status).await.unwrap();
    }
}

fn binding(name: &str) -> Value {
    json!({
        "apiVersion": "work.karmada.io/v1alpha2", "kind": "ResourceBinding",
        "metadata": {"name": name, "namespace": "default", "labels": {"propagationpolicy.karmada.io/permanent-id": "x"}},
        "spec": {
            "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "namespace": "default", "uid": name},
            "replicas": 100,
            "replicaRequirements": {"resourceRequest": {"cpu": "250m", "memory": "512Mi"}},
            "placement": {
                "spreadConstraints": [{"spreadByField": "cluster", "minGroups": 2, "maxGroups": 10}],
                "replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
                    "weightPreference": {"dynamicWeight": "AvailableReplicas"}},
            },
        },
    })
}

#[tokio::main]
async fn main() {
    let number =
        |at: usize, default: usize| std::env::args().nth(at).map_or(default, |text| text.parse().expect("a number"));
    let (clusters, count, rate) = (number(1, 1000), number(2, 10_000), number(3, 0));
    let server = Server::start(ServerConfig::control_plane(Arc::new(MemoryStore::default()))).await.unwrap();
    let patcher = Patcher::new(server.client(), "bench");
    add_clusters(&patcher, clusters).await;
    let shutdown = CancellationToken::new();
    let scheduler = tokio::spawn(run(server.client(), Config::default(), shutdown.clone()));

    let resource = resource("work.karmada.io", "v1alpha2", "ResourceBinding", "resourcebindings", true);
    let created: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let latencies: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let seen = Informer::values(server.client(), InformerSpec::all(resource.clone()));
    {
        let (created, latencies) = (Arc::clone(&created), Arc::clone(&latencies));
        seen.add_handler(move |change| {
            let Some(new) = change.new else { return };
            if new["status"]["schedulerObservedGeneration"] == new["metadata"]["generation"]
                && let Some(since) = created.lock().remove(&*change.key.name)
            {
                latencies.lock().push(since.elapsed());
            }
        });
        let shutdown = shutdown.clone();
        let seen = Arc::clone(&seen);
        tokio::spawn(async move { seen.run(shutdown).await });
    }
    seen.wait_synced().await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (patcher, resource) = (patcher.clone(), resource.clone());
        let (next, created) = (Arc::clone(&next), Arc::clone(&created));
        writers.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                if rate > 0 {
                    let due = begun + Duration::from_secs_f64(index as f64 / rate as f64);
                    tokio::time::sleep_until(due.into()).await;
                }
                let name = format!("b{index:06}");
                created.lock().insert(name.clone(), Instant::now());
                patcher.create(&resource, "default", &binding(&name)).await.unwrap();
            }
        });
    }
    while writers.join_next().await.is_some() {}
    let wrote = begun.elapsed();
    while latencies.lock().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed();
    let mut latencies = latencies.lock().clone();
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(
        "{clusters} clusters, {count} bindings: {:.0}/s (created at {:.0}/s), latency P50 {:?} P99 {:?}",
        count as f64 / took.as_secs_f64(),
        count as f64 / wrote.as_secs_f64(),
        at(0.5),
        at(0.99),
    );
    shutdown.cancel();
    scheduler.await.unwrap().unwrap();
    server.shutdown().await;
}
