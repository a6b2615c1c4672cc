//! What comes back from members.

use anyhow::ensure;
use karmada_e2e::{deployment, divided, kinds::*, on, policy, ready, weighted};
use karmada_test_harness::{Harness, at, text};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_completes_when_it_has_completed_everywhere() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "once", "namespace": "default"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}}},
    });
    plane.control().create(&policy(&job, on(&["m1", "m2"]))).await;
    plane.control().create(&job).await;
    plane
        .eventually("the job is complete", async || {
            let template = plane.control().find("batch/v1/Job", "default/once").await?;
            let status = at(&template, "/status");
            ensure!(at(status, "/succeeded") == 2, "status is {status}");
            let complete = at(status, "/conditions")
                .as_array()
                .is_some_and(|all| all.iter().any(|c| c["type"] == "Complete" && c["status"] == "True"));
            ensure!(complete, "status is {status}");
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_that_does_not_start_is_unhealthy_where_it_does_not() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let template = deployment("web", 2);
    plane
        .control()
        .create(&json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "OverridePolicy",
            "metadata": {"name": "broken", "namespace": "default"},
            "spec": {
                "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}],
                "overrideRules": [{
                    "targetCluster": {"clusterNames": ["m2"]},
                    "overriders": {"imageOverrider": [{"component": "Registry", "operator": "add", "value": "fake"}]},
                }],
            },
        }))
        .await;
    plane.control().create(&policy(&template, weighted(&[("m1", 1), ("m2", 1)]))).await;
    plane.control().create(&template).await;
    divided(&plane, "default/web", &[("m1", 1), ("m2", 1)]).await;
    plane
        .eventually("the binding tells them apart", async || {
            let binding = plane.control().find(BINDING, "default/web-deployment").await?;
            let items = at(&binding, "/status/aggregatedStatus").as_array().cloned().unwrap_or_default();
            let health: Vec<(&str, &str)> =
                items.iter().map(|item| (text(item, "/clusterName"), text(item, "/health"))).collect();
            ensure!(health == [("m1", "Healthy"), ("m2", "Unhealthy")], "it says {health:?}");
            let template = plane.control().find(DEPLOYMENT, "default/web").await?;
            ensure!(at(&template, "/status/readyReplicas") == 1, "status is {}", at(&template, "/status"));
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_written_by_hand_is_set_right() {
    let plane = Harness::builder().push("m1").start().await;
    let template = deployment("web", 1);
    plane.control().create(&policy(&template, on(&["m1"]))).await;
    plane.control().create(&template).await;
    ready(&plane, "default/web", 1).await;
    let nonsense = json!({"status": {"readyReplicas": 0, "availableReplicas": 0, "unavailableReplicas": 1}});
    plane.member("m1").try_patch_at(DEPLOYMENT, "default/web", "status", &nonsense).await.unwrap();
    ready(&plane, "default/web", 1).await;
}
