//! Which policy a template follows.

use karmada_e2e::{absent, config_map, kinds::*, on, policy, present};
use karmada_test_harness::{Harness, text};
use serde_json::{Value, json};

fn named(mut policy: Value, name: &str, priority: i64) -> Value {
    policy["metadata"]["name"] = name.into();
    policy["spec"]["priority"] = priority.into();
    policy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_highest_priority_wins() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let object = config_map("settings");
    plane.control().create(&named(policy(&object, on(&["m1"])), "low", 1)).await;
    plane.control().create(&named(policy(&object, on(&["m2"])), "high", 2)).await;
    plane.control().create(&object).await;
    present(&plane, CONFIG_MAP, "default/settings", &["m2"]).await;
    let template = plane.control().get(CONFIG_MAP, "default/settings").await;
    assert_eq!(text(&template, "/metadata/annotations/propagationpolicy.karmada.io~1name"), "high");
    // When it goes, the next one takes over.
    plane.control().delete(POLICY, "default/high").await;
    present(&plane, CONFIG_MAP, "default/settings", &["m1"]).await;
    absent(&plane, CONFIG_MAP, "default/settings", &["m2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespaced_policy_comes_before_a_cluster_policy() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let object = config_map("settings");
    let mut wide = named(policy(&object, on(&["m1"])), "wide", 100);
    wide["kind"] = "ClusterPropagationPolicy".into();
    wide["metadata"] = json!({"name": "wide"});
    plane.control().create(&wide).await;
    plane.control().create(&policy(&object, on(&["m2"]))).await;
    plane.control().create(&object).await;
    present(&plane, CONFIG_MAP, "default/settings", &["m2"]).await;
    assert!(plane.member("m1").try_get(CONFIG_MAP, "default/settings").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_comes_later_catches_what_is_there() {
    let plane = Harness::builder().push("m1").start().await;
    let mut labelled = config_map("labelled");
    labelled["metadata"]["labels"] = json!({"spread": "yes"});
    plane.control().create(&labelled).await;
    plane.control().create(&config_map("plain")).await;
    let mut selecting = policy(&labelled, on(&["m1"]));
    selecting["spec"]["resourceSelectors"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "labelSelector": {"matchLabels": {"spread": "yes"}}}]);
    plane.control().create(&selecting).await;
    present(&plane, CONFIG_MAP, "default/labelled", &["m1"]).await;
    assert!(plane.member("m1").try_get(CONFIG_MAP, "default/plain").await.unwrap().is_none());
    // A template that gets the label later comes along.
    plane.control().label(CONFIG_MAP, "default/plain", json!({"spread": "yes"})).await;
    present(&plane, CONFIG_MAP, "default/plain", &["m1"]).await;
}
