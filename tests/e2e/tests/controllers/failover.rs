//! Workloads leave clusters that drive them out or fail them, and never by the control plane's own mistake.

use std::time::Duration;

use anyhow::ensure;
use karmada_e2e::{absent, deployment, kinds, on, policy, present};
use karmada_test_harness::{Builder, Harness, Plane, at};
use serde_json::{Value, json};

fn plane() -> Builder {
    Harness::builder()
        .push("m1")
        .push("m2")
        .feature_gates("Failover=true")
        .manager_flag("enable-no-execute-taint-eviction", "true")
        .manager_flag("resource-eviction-rate", "100")
        .manager_flag("graceful-eviction-timeout", "2s")
}

/// In one of the clusters, the first that fits.
fn one_of(clusters: &[&str]) -> Value {
    let mut placement = on(clusters);
    placement["spreadConstraints"] = json!([{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]);
    placement
}

async fn taint(plane: &Plane, cluster: &str) {
    let patch = json!({"spec": {"taints": [{"key": "maintenance", "effect": "NoExecute"}]}});
    plane.control().patch(kinds::CLUSTER, cluster, patch).await;
}

async fn home(plane: &Plane, name: &str) -> String {
    plane
        .eventually(&format!("{name} is healthy in one cluster"), async || {
            let binding = plane.control().find(kinds::BINDING, name).await?;
            let items = at(&binding, "/status/aggregatedStatus").as_array().cloned().unwrap_or_default();
            ensure!(items.len() == 1 && items[0]["health"] == "Healthy", "it is {items:?}");
            Ok(items[0]["clusterName"].as_str().unwrap_or_default().to_owned())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_moves_out_of_a_tainted_cluster_when_it_is_healthy_elsewhere() {
    let plane = plane().start().await;
    let web = deployment("web", 2);
    plane.control().create(&policy(&web, one_of(&["m1", "m2"]))).await;
    plane.control().create(&web).await;
    let old = home(&plane, "default/web-deployment").await;
    let new = if old == "m1" { "m2" } else { "m1" };
    taint(&plane, &old).await;
    present(&plane, kinds::DEPLOYMENT, "default/web", &[new]).await;
    absent(&plane, kinds::DEPLOYMENT, "default/web", &[&old]).await;
    let copy = plane.member(new).get(kinds::DEPLOYMENT, "default/web").await;
    assert_eq!(at(&copy, "/status/readyReplicas"), 2, "the old copy went before the new one was ready");
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_healthy_copy_stays_when_nothing_else_fits() {
    let plane = plane().start().await;
    let web = deployment("web", 2);
    plane.control().create(&policy(&web, on(&["m1"]))).await;
    plane.control().create(&web).await;
    home(&plane, "default/web-deployment").await;
    taint(&plane, "m1").await;
    plane
        .eventually("the workload is being evicted", async || {
            let binding = plane.control().find(kinds::BINDING, "default/web-deployment").await?;
            ensure!(at(&binding, "/spec/gracefulEvictionTasks/0/fromCluster") == "m1", "no task");
            Ok(())
        })
        .await;
    plane
        .always("the copy runs on", Duration::from_secs(5), async || {
            let copy = plane.member("m1").find(kinds::DEPLOYMENT, "default/web").await?;
            ensure!(at(&copy, "/status/readyReplicas") == 2, "it is {}", at(&copy, "/status"));
            Ok(())
        })
        .await;
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_member_loses_nothing_and_its_return_deletes_nothing() {
    let plane = plane()
        .manager_flag("cluster-status-update-frequency", "1s")
        .manager_flag("cluster-failure-threshold", "1s")
        .manager_flag("cluster-success-threshold", "1s")
        .start()
        .await;
    let web = deployment("web", 2);
    plane.control().create(&policy(&web, on(&["m1"]))).await;
    plane.control().create(&web).await;
    home(&plane, "default/web-deployment").await;
    plane.at("m1").link().cut();
    plane
        .eventually("the cut is noticed", async || {
            let cluster = plane.control().find(kinds::CLUSTER, "m1").await?;
            ensure!(at(&cluster, "/spec/taints/0/effect") == "NoSchedule", "taints: {}", at(&cluster, "/spec/taints"));
            Ok(())
        })
        .await;
    // A restart in the middle must not change its mind either.
    plane.stop_manager().await;
    plane.start_manager();
    tokio::time::sleep(Duration::from_secs(3)).await;
    plane.at("m1").link().mend();
    plane
        .eventually("the member is ready again", async || {
            let cluster = plane.control().find(kinds::CLUSTER, "m1").await?;
            ensure!(at(&cluster, "/spec/taints").as_array().is_none_or(Vec::is_empty), "still tainted");
            Ok(())
        })
        .await;
    plane
        .always("the copy runs on", Duration::from_secs(3), async || {
            let copy = plane.member("m1").find(kinds::DEPLOYMENT, "default/web").await?;
            ensure!(at(&copy, "/status/readyReplicas") == 2, "it is {}", at(&copy, "/status"));
            let binding = plane.control().find(kinds::BINDING, "default/web-deployment").await?;
            ensure!(at(&binding, "/spec/gracefulEvictionTasks").is_null(), "it was evicted");
            Ok(())
        })
        .await;
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_does_not_get_healthy_moves_on() {
    let plane = plane().start().await;
    let mut web = deployment("web", 1);
    // An image that no node can pull: unhealthy wherever it is.
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("fake/broken:1");
    let mut policy = policy(&web, one_of(&["m1", "m2"]));
    policy["spec"]["propagateDeps"] = json!(true);
    policy["spec"]["failover"] =
        json!({"application": {"decisionConditions": {"tolerationSeconds": 1}, "purgeMode": "Never"}});
    plane.control().create(&policy).await;
    plane.control().create(&web).await;
    let binding = plane
        .eventually("it has left both clusters", async || {
            let binding = plane.control().find(kinds::BINDING, "default/web-deployment").await?;
            let tasks = at(&binding, "/spec/gracefulEvictionTasks").as_array().map_or(0, Vec::len);
            ensure!(tasks == 2, "{tasks} evictions");
            Ok(binding)
        })
        .await;
    assert_eq!(at(&binding, "/spec/gracefulEvictionTasks/0/suppressDeletion"), true);
    // The user said that nothing is purged.
    present(&plane, kinds::DEPLOYMENT, "default/web", &["m1", "m2"]).await;
    plane.shutdown().await;
}
