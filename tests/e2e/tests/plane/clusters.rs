//! Members that can't be reached, are slow, or leave.

use std::time::Duration;

use anyhow::ensure;
use karmada_e2e::{config_map, deployment, kinds::*, on, policy, present, ready};
use karmada_test_harness::{Harness, Plane, at};
use serde_json::json;

async fn cluster_ready(plane: &Plane, cluster: &str, expected: bool) {
    plane
        .eventually(&format!("{cluster} is ready: {expected}"), async || {
            let cluster = plane.control().find(CLUSTER, cluster).await?;
            let conditions = at(&cluster, "/status/conditions").as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
            ensure!(ready == expected, "conditions are {conditions:?}");
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_out_of_reach_keeps_its_workloads_and_catches_up() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let template = deployment("web", 1);
    plane.control().create(&policy(&template, on(&["m1", "m2"]))).await;
    plane.control().create(&template).await;
    ready(&plane, "default/web", 2).await;

    let link = plane.at("m1").link();
    link.cut();
    cluster_ready(&plane, "m1", false).await;
    // The other member is not held up.
    plane.control().patch(DEPLOYMENT, "default/web", json!({"spec": {"replicas": 2}})).await;
    plane
        .eventually("m2 has the change", async || {
            let copy = plane.member("m2").find(DEPLOYMENT, "default/web").await?;
            ensure!(at(&copy, "/spec/replicas") == 2, "it has {}", at(&copy, "/spec/replicas"));
            Ok(())
        })
        .await;
    let binding = plane.control().get(BINDING, "default/web-deployment").await;
    assert_eq!(at(&binding, "/spec/clusters").as_array().unwrap().len(), 2, "nothing is moved: {binding}");
    assert_eq!(at(&plane.member("m1").get(DEPLOYMENT, "default/web").await, "/spec/replicas"), 1);

    link.mend();
    cluster_ready(&plane, "m1", true).await;
    ready(&plane, "default/web", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_member_is_served_all_the_same() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    plane.at("m1").link().slow(Duration::from_millis(300));
    for index in 0..5 {
        let object = config_map(&format!("settings-{index}"));
        plane.control().create(&policy(&object, on(&["m1", "m2"]))).await;
        plane.control().create(&object).await;
    }
    for index in 0..5 {
        present(&plane, CONFIG_MAP, &format!("default/settings-{index}"), &["m1", "m2"]).await;
    }
    cluster_ready(&plane, "m1", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_cluster_tells_what_it_is() {
    let plane = Harness::builder().push("m1").pull("m2").start().await;
    for name in ["m1", "m2"] {
        plane
            .eventually("the status is whole", async || {
                let cluster = plane.control().find(CLUSTER, name).await?;
                ensure!(at(&cluster, "/status/kubernetesVersion").as_str().is_some_and(|v| v.starts_with("v1.")));
                ensure!(at(&cluster, "/status/nodeSummary") == &json!({"totalNum": 1, "readyNum": 1}));
                ensure!(at(&cluster, "/status/resourceSummary/allocatable/cpu") == "8");
                let groups = at(&cluster, "/status/apiEnablements").as_array().cloned().unwrap_or_default();
                ensure!(groups.iter().any(|g| g["groupVersion"] == "apps/v1"), "no apps/v1");
                let complete = at(&cluster, "/status/conditions").as_array().is_some_and(|all| {
                    all.iter().any(|c| c["type"] == "CompleteAPIEnablements" && c["status"] == "True")
                });
                ensure!(complete, "conditions are {}", at(&cluster, "/status/conditions"));
                Ok(())
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_leaves_takes_its_execution_space_along() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let object = config_map("settings");
    plane.control().create(&policy(&object, json!({}))).await;
    plane.control().create(&object).await;
    present(&plane, CONFIG_MAP, "default/settings", &["m1", "m2"]).await;
    plane.control().delete(CLUSTER, "m1").await;
    plane
        .eventually("the cluster and its space are gone", async || {
            plane.control().gone(CLUSTER, "m1").await?;
            plane.control().gone(NAMESPACE, "karmada-es-m1").await
        })
        .await;
    plane
        .eventually("the binding forgets it", async || {
            let binding = plane.control().find(BINDING, "default/settings-configmap").await?;
            ensure!(at(&binding, "/spec/clusters") == &json!([{"name": "m2"}]), "{}", at(&binding, "/spec/clusters"));
            Ok(())
        })
        .await;
    plane.member("m2").get(CONFIG_MAP, "default/settings").await;
}
