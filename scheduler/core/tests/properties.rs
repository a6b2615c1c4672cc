//! What holds for every decision, whatever the clusters and the binding.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use karmada_scheduler_core::{
    BindingInput, Decision, Options, Snapshot,
    decision::Reason,
    model::{Binding, Cluster},
    schedule, schedule_batch,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn cluster((index, (cpu, pods, region, gold, tainted)): (usize, (i64, i64, u8, bool, bool))) -> Cluster {
    let taints = if tainted { json!([{"key": "t", "effect": "NoSchedule"}]) } else { json!([]) };
    let value = json!({
        "metadata": {"name": format!("c{index:03}"), "generation": 1,
            "labels": {"tier": if gold { "gold" } else { "iron" }}},
        "spec": {"region": format!("r{region}"), "taints": taints},
        "status": {
            "apiEnablements": [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment"}]}],
            "resourceSummary": {"allocatable": {"cpu": cpu.to_string(), "pods": pods.to_string()}},
        },
    });
    serde_json::from_value(value).unwrap()
}

fn clusters() -> impl Strategy<Value = Vec<Cluster>> {
    prop::collection::vec((0_i64..60, 0_i64..80, 0_u8..4, any::<bool>(), prop::bool::weighted(0.1)), 0..40)
        .prop_map(|all| all.into_iter().enumerate().map(cluster).collect())
}

fn division() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"replicaSchedulingType": "Duplicated"})),
        Just(json!({"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"})),
        Just(json!({"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"})),
        Just(json!({"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": {"dynamicWeight": "AvailableReplicas"}})),
        Just(json!({"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": {"staticWeightList": [
                {"targetCluster": {"labelSelector": {"matchLabels": {"tier": "gold"}}}, "weight": 3},
                {"targetCluster": {}, "weight": 1}]}})),
    ]
}

fn constraints() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(json!([])),
        2 => (0_i64..4, 0_i64..8).prop_map(|(min, more)| {
            json!([{"spreadByField": "cluster", "minGroups": min, "maxGroups": min + more}])
        }),
        1 => (0_i64..3, 0_i64..3, 0_i64..5, 0_i64..5).prop_map(|(min, more, least, further)| json!([
            {"spreadByField": "region", "minGroups": min, "maxGroups": min + more},
            {"spreadByField": "cluster", "minGroups": least, "maxGroups": least + further},
        ])),
    ]
}

fn binding() -> impl Strategy<Value = Binding> {
    let targets = prop::collection::btree_map(0_usize..45, 0_i32..20, 0..6);
    (division(), constraints(), 0_i32..120, targets, any::<bool>(), any::<u32>(), any::<bool>()).prop_map(
        |(division, constraints, replicas, targets, terms, uid, gold)| {
            let targets: Vec<Value> = targets
                .iter()
                .map(|(index, replicas)| json!({"name": format!("c{index:03}"), "replicas": replicas}))
                .collect();
            let mut placement = json!({"replicaScheduling": division, "spreadConstraints": constraints});
            let tier = json!({"matchLabels": {"tier": if gold { "gold" } else { "iron" }}});
            if terms {
                placement["clusterAffinities"] = json!([
                    {"affinityName": "a", "labelSelector": tier, "overflowAffinities": [{"affinityName": "o"}]},
                    {"affinityName": "b"},
                ]);
            } else if gold {
                placement["clusterAffinity"] = json!({"labelSelector": tier});
            }
            let value = json!({
                "metadata": {"name": format!("b{uid}"), "namespace": "default", "generation": 3,
                    "labels": {"propagationpolicy.karmada.io/permanent-id": "x"}},
                "spec": {
                    "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "b", "uid": uid.to_string()},
                    "replicas": replicas,
                    "replicaRequirements": {"resourceRequest": {"cpu": "1"}},
                    "clusters": targets,
                    "placement": placement,
                },
            });
            serde_json::from_value(value).unwrap()
        },
    )
}

/// The binding as it is after the decision was written.
fn after(binding: &Binding, decision: &Decision) -> Binding {
    let mut binding = binding.clone();
    binding.spec.clusters.clone_from(&decision.clusters);
    if let Some(applied) = &decision.spec.applied_placement {
        binding.metadata.annotations.insert(Binding::APPLIED_PLACEMENT.to_owned(), applied.clone());
    }
    if let Some(name) = &decision.status.affinity_name {
        binding.status.observed_affinity_name.clone_from(name);
    }
    binding.status.scheduler_observed_generation = binding.metadata.generation;
    binding
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_success_keeps_its_promises(clusters in clusters(), binding in binding()) {
        let snapshot = Snapshot::of(clusters);
        let options = Options::default();
        let decision = schedule(&snapshot, &BindingInput::new(binding.clone()), &options);
        let verdict = decision.verdict.as_ref().unwrap();
        let sum: i64 = decision.clusters.iter().map(|target| i64::from(target.replicas)).sum();
        match verdict.reason {
            Reason::Success => {
                let how = binding.spec.placement.as_ref().unwrap().replica_scheduling.clone().unwrap();
                let terms = !binding.spec.placement.as_ref().unwrap().cluster_affinities.is_empty();
                let replicas = i64::from(binding.spec.replicas);
                if how.replica_scheduling_type == "Divided" {
                    prop_assert_eq!(sum, replicas);
                } else if !terms {
                    prop_assert!(decision.clusters.iter().all(|target| i64::from(target.replicas) == replicas));
                }
                for target in &decision.clusters {
                    prop_assert!(target.replicas > 0);
                    let cluster = snapshot.cluster(&target.name);
                    prop_assert!(cluster.is_some(), "{} does not exist", target.name);
                    let kept = binding.spec.clusters.iter().any(|old| old.name == target.name);
                    prop_assert!(kept || cluster.unwrap().spec.taints.is_empty());
                }
                let mut names: Vec<_> = decision.clusters.iter().map(|target| &target.name).collect();
                names.sort_unstable();
                names.dedup();
                prop_assert_eq!(names.len(), decision.clusters.len());
            }
            Reason::NoClusterFit => prop_assert!(decision.clusters.is_empty()),
            _ => prop_assert_eq!(&decision.clusters, &binding.spec.clusters),
        }
    }

    #[test]
    fn deciding_again_changes_nothing(clusters in clusters(), binding in binding()) {
        let snapshot = Snapshot::of(clusters);
        let options = Options::default();
        let mut binding = binding;
        for _ in 0..6 {
            let decision = schedule(&snapshot, &BindingInput::new(binding.clone()), &options);
            let next = after(&binding, &decision);
            if decision.spec.clusters.is_none() {
                let again = schedule(&snapshot, &BindingInput::new(next), &options);
                prop_assert_eq!(again.spec.clusters, None);
                return Ok(());
            }
            binding = next;
        }
        prop_assert!(false, "the decision did not become stable");
    }

    #[test]
    fn threads_do_not_matter(clusters in clusters(), bindings in prop::collection::vec(binding(), 1..20)) {
        let snapshot = Snapshot::of(clusters);
        let options = Options::default();
        let inputs: Vec<BindingInput> = bindings.into_iter().map(BindingInput::new).collect();
        let alone: Vec<Decision> = inputs.iter().map(|input| schedule(&snapshot, input, &options)).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let together = schedule_batch(&snapshot, &inputs, &options, &pool, Duration::ZERO);
            prop_assert_eq!(&together, &alone);
        }
    }

    #[test]
    fn an_incremental_snapshot_equals_a_new_one(
        before in clusters(), now in clusters(), binding in binding()
    ) {
        let mut incremental = Snapshot::of(before);
        let gone: Vec<String> = incremental.names().skip(now.len()).map(str::to_owned).collect();
        for name in gone {
            incremental.remove(&name);
        }
        for cluster in now.iter().rev() {
            incremental.upsert(cluster.clone());
        }
        let options = Options { detailed_trace: true, ..Options::default() };
        let input = BindingInput::new(binding);
        prop_assert_eq!(
            schedule(&incremental, &input, &options),
            schedule(&Snapshot::of(now), &input, &options)
        );
    }
}

/// Values as careless or hostile writers put them anywhere.
fn nonsense() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!("9223372036854775807")),
        Just(json!("-5")),
        Just(json!("1e400")),
        Just(json!("x")),
        Just(json!("100m")),
        any::<i64>().prop_map(|number| json!(number.to_string())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(
        amounts in prop::collection::vec(nonsense(), 12),
        numbers in prop::collection::vec(prop_oneof![Just(i32::MAX), Just(i32::MIN), -3_i32..9], 6),
        groups in prop::collection::vec(prop_oneof![Just(i64::MAX), Just(i64::MIN), -3_i64..9], 4),
        words in prop::collection::vec("[a-zA-Z]{0,9}", 4),
        how in division(),
    ) {
        let cluster = |name: &str, at: usize| -> Cluster {
            serde_json::from_value(json!({
                "metadata": {"name": name},
                "spec": {"region": words[0], "taints": [{"key": words[1], "effect": words[2]}],
                    "resourceModels": [{"grade": 1, "ranges": [{"name": "cpu", "min": amounts[at]}]}]},
                "status": {
                    "apiEnablements": [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment"}]}],
                    "resourceSummary": {
                        "allocatable": {"cpu": amounts[at], "pods": amounts[at + 1], "memory": amounts[at + 2]},
                        "allocated": {"cpu": amounts[at + 3], "pods": amounts[at + 1]},
                        "allocatableModelings": [{"grade": 1, "count": groups[0]}, {"grade": 7, "count": 1}],
                    },
                },
            }))
            .unwrap()
        };
        let snapshot = Snapshot::of([cluster("a", 0), cluster("b", 3)]);
        let components = json!([
            {"name": "x", "replicas": numbers[0], "replicaRequirements": {"resourceRequest": {"cpu": amounts[7]}}},
            {"name": "y", "replicas": numbers[1], "replicaRequirements": {"resourceRequest": {"memory": amounts[8]}}},
        ]);
        for components in [json!([]), components] {
            let binding: Binding = serde_json::from_value(json!({
                "metadata": {"name": "b", "namespace": "default", "generation": 1,
                    "labels": {"propagationpolicy.karmada.io/permanent-id": "x"}},
                "spec": {
                    "resource": {"apiVersion": "apps/v1", "kind": "Deployment"},
                    "replicas": numbers[2], "components": components,
                    "replicaRequirements": {"resourceRequest": {"cpu": amounts[9], "memory": amounts[10]}},
                    "clusters": [{"name": "a", "replicas": numbers[3]}, {"name": "a", "replicas": numbers[4]}],
                    "placement": {
                        "clusterTolerations": [{"key": words[1], "operator": words[3]}],
                        "replicaScheduling": how,
                        "spreadConstraints": [
                            {"spreadByField": "region", "minGroups": groups[1], "maxGroups": groups[2]},
                            {"spreadByField": "cluster", "minGroups": 1, "maxGroups": groups[3].min(1)},
                        ],
                    },
                },
            }))
            .unwrap();
            let mut options = Options { detailed_trace: true, ..Options::default() };
            options.gates.multiple_pod_templates_scheduling = true;
            options.gates.scheduling_overcommit_protection = true;
            let _decision = schedule(&snapshot, &BindingInput::new(binding.clone()), &options);
            let mut single = binding;
            if let Some(placement) = &mut single.spec.placement {
                placement.spread_constraints.remove(0);
            }
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let inputs = [BindingInput::new(single.clone()), BindingInput::new(single)];
            let _decisions = schedule_batch(&snapshot, &inputs, &options, &pool, Duration::ZERO);
        }
    }
}
