//! OverridePolicies change what single members get.

use karmada_e2e::{config_map, deployment, kinds::*, on, policy, present};
use karmada_test_harness::{Harness, Plane, at};
use serde_json::{Value, json};

async fn same_in(plane: &Plane, kind: &str, name: &str, pointer: &str, expected: &[(&str, Value)]) {
    plane
        .eventually(&format!("{pointer} of {name} is {expected:?}"), async || {
            for (member, value) in expected {
                let copy = plane.member(member).find(kind, name).await?;
                anyhow::ensure!(at(&copy, pointer) == value, "{member} has {}", at(&copy, pointer));
            }
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_acts_where_it_says_and_ends_with_its_policy() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let object = config_map("settings");
    let overriding = |value: &str| {
        json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "OverridePolicy",
            "metadata": {"name": "settings", "namespace": "default"},
            "spec": {
                "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"}],
                "overrideRules": [{
                    "targetCluster": {"clusterNames": ["m2"]},
                    "overriders": {
                        "plaintext": [{"path": "/data/key", "operator": "replace", "value": value}],
                        "annotationsOverrider": [{"operator": "add", "value": {"place": "edge"}}],
                    },
                }],
            },
        })
    };
    plane.control().create(&overriding("edge")).await;
    plane.control().create(&policy(&object, on(&["m1", "m2"]))).await;
    plane.control().create(&object).await;
    same_in(&plane, CONFIG_MAP, "default/settings", "/data/key", &[("m1", json!("value")), ("m2", json!("edge"))])
        .await;
    same_in(
        &plane,
        CONFIG_MAP,
        "default/settings",
        "/metadata/annotations/place",
        &[("m1", Value::Null), ("m2", json!("edge"))],
    )
    .await;

    plane.control().try_apply(&overriding("farther"), true).await.unwrap();
    same_in(&plane, CONFIG_MAP, "default/settings", "/data/key", &[("m1", json!("value")), ("m2", json!("farther"))])
        .await;

    plane.control().delete(OVERRIDE, "default/settings").await;
    same_in(&plane, CONFIG_MAP, "default/settings", "/data/key", &[("m1", json!("value")), ("m2", json!("value"))])
        .await;
    same_in(&plane, CONFIG_MAP, "default/settings", "/metadata/annotations/place", &[("m2", Value::Null)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_command_and_args_are_overridden() {
    let plane = Harness::builder().push("m1").start().await;
    let mut template = deployment("web", 1);
    template["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["serve"]);
    plane.control().create(&json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "ClusterOverridePolicy",
        "metadata": {"name": "web"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"app": "web"}}}],
            "overrideRules": [{
                "overriders": {
                    "imageOverrider": [{"component": "Tag", "operator": "replace", "value": "1.30"}],
                    "argsOverrider": [{"containerName": "main", "operator": "add", "value": ["--verbose"]}],
                },
            }],
        },
    })).await;
    plane.control().create(&policy(&template, on(&["m1"]))).await;
    plane.control().create(&template).await;
    present(&plane, DEPLOYMENT, "default/web", &["m1"]).await;
    let container = "/spec/template/spec/containers/0";
    same_in(&plane, DEPLOYMENT, "default/web", &format!("{container}/image"), &[("m1", json!("nginx:1.30"))]).await;
    same_in(&plane, DEPLOYMENT, "default/web", &format!("{container}/args"), &[("m1", json!(["serve", "--verbose"]))])
        .await;
}
