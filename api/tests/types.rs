//! The JSON form of the types.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use karmada_api::meta::go_json;
use karmada_api::policy::{Placement, PropagationPolicy};
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
