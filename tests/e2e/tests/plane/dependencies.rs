//! `propagateDeps`: what a workload refers to follows it.

use karmada_e2e::{absent, config_map, deployment, kinds::*, on, policy, present};
use karmada_test_harness::Harness;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_maps_and_secrets_follow_their_workload() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let mut template = deployment("web", 1);
    template["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "password"}}]);
    let mut spec = policy(&template, on(&["m1"]));
    spec["spec"]["propagateDeps"] = true.into();
    plane.control().create(&config_map("settings")).await;
    plane.control().create(&spec).await;
    plane.control().create(&template).await;
    present(&plane, DEPLOYMENT, "default/web", &["m1"]).await;
    present(&plane, CONFIG_MAP, "default/settings", &["m1"]).await;
    // One that is made later follows as well.
    plane
        .control()
        .create(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password", "namespace": "default"},
            "stringData": {"password": "x"},
        }))
        .await;
    present(&plane, SECRET, "default/password", &["m1"]).await;

    // They move with the workload.
    plane.control().patch(POLICY, "default/web", json!({"spec": {"placement": on(&["m2"])}})).await;
    for (kind, name) in [(DEPLOYMENT, "default/web"), (CONFIG_MAP, "default/settings"), (SECRET, "default/password")] {
        present(&plane, kind, name, &["m2"]).await;
        absent(&plane, kind, name, &["m1"]).await;
    }
    // And go with it; the templates stay.
    plane.control().delete(DEPLOYMENT, "default/web").await;
    for (kind, name) in [(DEPLOYMENT, "default/web"), (CONFIG_MAP, "default/settings"), (SECRET, "default/password")] {
        absent(&plane, kind, name, &["m2"]).await;
    }
    plane.control().get(CONFIG_MAP, "default/settings").await;
}
