//! The JSON form of the types.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use karmada_api::meta::go_json;
use karmada_api::policy::{Placement, PropagationPolicy};
use karmada_api::schema::Schema;
use karmada_api::work::ResourceBinding;
use kube_core::Resource;
use serde_json::{Value, json};

/// What Go wrote comes back byte for byte.
#[test]
fn placement_is_written_as_go_writes_it() {
    for text in [
        r#"{}"#,
        r#"{"clusterAffinity":{}}"#,
        r#"{"clusterAffinities":[{"affinityName":"a","clusterNames":["m01"]},{"affinityName":"main","labelSelector":{"matchLabels":{"tier":"gold"}},"overflowAffinities":[{"affinityName":"o1","labelSelector":{"matchLabels":{"tier":"silver"}}}]}],"replicaScheduling":{"replicaSchedulingType":"Divided","replicaDivisionPreference":"Aggregated"}}"#,
        r#"{"clusterAffinity":{"labelSelector":{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["gold"]},{"key":"tier","operator":"Exists"}]},"fieldSelector":{"matchExpressions":[{"key":"zone","operator":"In","values":["z"]}]},"clusterNames":["m"],"exclude":["x"]},"clusterTolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoExecute","tolerationSeconds":0}],"spreadConstraints":[{"spreadByField":"cluster","maxGroups":3,"minGroups":1}],"replicaScheduling":{"replicaSchedulingType":"Divided","replicaDivisionPreference":"Weighted","weightPreference":{"staticWeightList":[{"targetCluster":{"clusterNames":["m01"]},"weight":1}],"dynamicWeight":"AvailableReplicas"}},"workloadAffinity":{"affinity":{"groupByLabelKey":"app"},"antiAffinity":{"groupByLabelKey":"b"}}}"#,
        r#"{"clusterAffinity":{"clusterNames":["\u003ca\u0026b\u003e"]}}"#,
    ] {
        let placement: Placement = serde_json::from_str(text).unwrap();
        assert_eq!(go_json(&placement).unwrap(), text);
    }
}

#[test]
fn kinds_carry_their_identity() {
    assert_eq!(
        ResourceBinding::url_path(&(), Some("ns")),
        "/apis/work.karmada.io/v1alpha2/namespaces/ns/resourcebindings"
    );
    let policy: PropagationPolicy = serde_json::from_value(json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "p"},
        "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "Pod"}]}
    }))
    .unwrap();
    let back: Value = serde_json::to_value(&policy).unwrap();
    assert_eq!(
        back,
        json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "p"},
            "spec": {"placement": {}, "resourceSelectors": [{"apiVersion": "v1", "kind": "Pod"}]}
        })
    );
}

/// Other writers leave nulls behind, and data of older releases has older spellings: both are readable.
#[test]
fn nulls_and_old_spellings_are_read() {
    let binding: ResourceBinding = serde_json::from_value(json!({
        "metadata": {"creationTimestamp": null},
        "spec": {
            "resource": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": null},
            "replicas": null, "clusters": null, "placement": null,
            "gracefulEvictionTasks": [{"fromCluster": "m", "purgeMode": "Immediately"}],
        },
        "status": null,
    }))
    .unwrap();
    assert_eq!(binding.spec.clusters, []);
    assert_eq!(serde_json::to_value(binding.spec.graceful_eviction_tasks[0].purge_mode).unwrap(), json!("Directly"));
}

/// Fields that the types don't know don't stop them from being read.
#[test]
fn unknown_fields_are_passed_over() {
    let policy: PropagationPolicy = serde_json::from_value(json!({
        "spec": {"new": 1, "resourceSelectors": [{"kind": "Pod", "newer": {}}],
            "placement": {"clusterAffinities": [{"affinityName": "a", "clusterNames": ["m"], "newest": []}]}},
    }))
    .unwrap();
    assert_eq!(policy.spec.placement.cluster_affinities[0].affinity.cluster_names, ["m"]);
}

proptest::proptest! {
    /// A canonical quantity reads back as the same amount and is canonical already.
    #[test]
    fn canonical_quantities_are_stable(
        whole in "[0-9]{1,20}",
        fraction in proptest::option::of("[0-9]{1,12}"),
        suffix in proptest::sample::select(vec!["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "e3", "E-2"]),
        negative: bool,
    ) {
        use karmada_api::quantity::Amount;
        let fraction = fraction.map(|f| format!(".{f}")).unwrap_or_default();
        let text = format!("{}{whole}{fraction}{suffix}", if negative { "-" } else { "" });
        let amount = Amount::parse(&text).unwrap();
        let canonical = amount.to_string();
        let again = Amount::parse(&canonical).unwrap();
        proptest::prop_assert_eq!(amount, again, "{} {}", text, canonical);
        proptest::prop_assert_eq!(again.to_string(), canonical);
    }

    /// No text makes the parser panic.
    #[test]
    fn any_text_is_a_quantity_or_not(text in "\\PC{0,40}") {
        let _ = karmada_api::quantity::Amount::parse(&text);
    }
}

/// Every placement that upstream's scheduler recorded in an annotation comes back byte for byte.
#[test]
fn recorded_placements_come_back() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/karmada/scheduling.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let steps = file["cases"].as_array().unwrap().iter().filter_map(|case| case["steps"].as_array()).flatten();
    let (mut placements, mut bindings) = (0, 0);
    for step in steps {
        if let Some(text) = step["expect"]["appliedPlacement"].as_str() {
            let placement: Placement = serde_json::from_str(text).unwrap();
            assert_eq!(go_json(&placement).unwrap(), text);
            placements += 1;
        }
        if step["binding"]["kind"] == "ResourceBinding" {
            let binding: ResourceBinding = serde_json::from_value(step["binding"].clone()).unwrap();
            let back = serde_json::to_value(&binding).unwrap();
            // Merge patches leave zeros behind that no writer of ours or Go's would.
            let mut expected = step["binding"].clone();
            ResourceBinding::go_form(&mut expected);
            assert_eq!(back["spec"], expected["spec"]);
            bindings += 1;
        }
    }
    assert!(placements > 100 && bindings > 100, "{placements} placements, {bindings} bindings");
}
