//! Measures the pure core: decisions a second by number of clusters and strategy.
//!
//! Each figure is the best of three rounds over a batch of bindings of twenty policies, none of them scheduled yet
//! ("first") or all of them scheduled and scaled up by half ("scale"). Run with `--release`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a command-line tool")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use karmada_scheduler_core::{
    BindingInput, Options, PlacementCache, Snapshot,
    model::{Binding, Cluster},
    schedule_batch,
};
use serde_json::{Value, json};

const BINDINGS: usize = 1024;
const POLICIES: usize = 20;

fn cluster(index: usize) -> Cluster {
    let value = json!({
        "metadata": {"name": format!("member-{index:05}"), "generation": 1,
            "labels": {"tier": format!("t{}", index % 4), "env": format!("e{}", index % 7)}},
        "spec": {"region": format!("r{}", index % 8), "provider": format!("p{}", index % 3), "zones": ["z"]},
        "status": {
            "apiEnablements": [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment"}]}],
            "resourceSummary": {
                "allocatable": {"cpu": format!("{}", 50 + index * 37 % 400), "memory": "800Gi", "pods": "1100"},
                "allocated": {"cpu": format!("{}m", index * 1009 % 40_000), "memory": "10Gi", "pods": "30"},
            },
        },
    });
    serde_json::from_value(value).unwrap()
}

fn bindings(placement: &Value, cache: &mut PlacementCache) -> Vec<BindingInput> {
    (0..BINDINGS)
        .map(|index| {
            let mut placement = placement.clone();
            // Policies differ a little, as they do.
            placement["clusterAffinity"] = json!({"exclude": [format!("none-{}", index % POLICIES)]});
            let value = json!({
                "metadata": {"name": format!("b{index}"), "namespace": "default", "generation": 1,
                    "labels": {"propagationpolicy.karmada.io/permanent-id": "x"}},
                "spec": {
                    "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "b", "uid": index.to_string()},
                    "replicas": 100, "replicaRequirements": {"resourceRequest": {"cpu": "250m", "memory": "512Mi"}},
                },
            });
            let binding: Binding = serde_json::from_value(value).unwrap();
            let placement = cache.compile(serde_json::from_value(placement).unwrap());
            BindingInput { binding: Arc::new(binding), placement: Some(placement), estimates: None }
        })
        .collect()
}

fn main() {
    let divided =
        |preference: &str| json!({"replicaSchedulingType": "Divided", "replicaDivisionPreference": preference});
    let mut dynamic = divided("Weighted");
    dynamic["weightPreference"] = json!({"dynamicWeight": "AvailableReplicas"});
    let by_cluster = json!([{"spreadByField": "cluster", "minGroups": 2, "maxGroups": 10}]);
    let by_region = json!([
        {"spreadByField": "region", "minGroups": 2, "maxGroups": 3},
        {"spreadByField": "cluster", "minGroups": 2, "maxGroups": 10},
    ]);
    let cases = [
        ("duplicated", json!({"replicaScheduling": {"replicaSchedulingType": "Duplicated"}})),
        ("static", json!({"replicaScheduling": divided("Weighted")})),
        ("dynamic", json!({"replicaScheduling": dynamic})),
        ("aggregated", json!({"replicaScheduling": divided("Aggregated")})),
        ("dynamic, 2..10 clusters", json!({"replicaScheduling": dynamic, "spreadConstraints": by_cluster})),
        (
            "aggregated, 2..10 clusters",
            json!({"replicaScheduling": divided("Aggregated"), "spreadConstraints": by_cluster}),
        ),
        ("dynamic, 2..3 regions", json!({"replicaScheduling": dynamic, "spreadConstraints": by_region})),
    ];
    let options = Options::default();
    let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
    println!(
        "{:30} {:>9} {:>14} {:>14}   ({} threads)",
        "",
        "clusters",
        "first/s",
        "scale/s",
        pool.current_num_threads()
    );
    for count in [100, 1000, 5000] {
        let snapshot = Snapshot::of((0..count).map(cluster));
        for (name, placement) in &cases {
            let mut cache = PlacementCache::default();
            let first = bindings(placement, &mut cache);
            let decisions = schedule_batch(&snapshot, &first, &options, &pool, Duration::ZERO);
            let scale: Vec<BindingInput> = first
                .iter()
                .zip(&decisions)
                .map(|(input, decision)| {
                    let mut binding = (*input.binding).clone();
                    binding.spec.clusters.clone_from(&decision.clusters);
                    binding.spec.replicas += 50;
                    binding.metadata.annotations.insert(
                        Binding::APPLIED_PLACEMENT.to_owned(),
                        input.placement.as_ref().unwrap().canonical.clone(),
                    );
                    BindingInput { binding: Arc::new(binding), ..input.clone() }
                })
                .collect();
            let rate = |inputs: &[BindingInput]| {
                let round = || {
                    let begun = Instant::now();
                    // As the driver does it: some hundred at a time.
                    for batch in inputs.chunks(256) {
                        let decisions = schedule_batch(&snapshot, batch, &options, &pool, Duration::ZERO);
                        assert_eq!(decisions.len(), batch.len());
                    }
                    inputs.len() as f64 / begun.elapsed().as_secs_f64()
                };
                (0..3).map(|_| round()).fold(0.0, f64::max)
            };
            println!("{name:30} {count:>9} {:>14.0} {:>14.0}", rate(&first), rate(&scale));
        }
    }
}
