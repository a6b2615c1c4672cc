//! Members' own autoscalers decide on replicas: targets are marked, and their templates follow.

use anyhow::ensure;
use karmada_e2e::{deployment, divided, kinds, policy, weighted};
use karmada_test_harness::{Harness, at};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_deployment_follows_its_members() {
    let plane = Harness::builder()
        .push("m1")
        .push("m2")
        .manager_flag("controllers", "*,hpaScaleTargetMarker,deploymentReplicasSyncer")
        .start()
        .await;
    let web = deployment("web", 2);
    let mut policy = policy(&web, weighted(&[("m1", 1), ("m2", 1)]));
    policy["spec"]["resourceSelectors"].as_array_mut().unwrap().push(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "web",
    }));
    plane.control().create(&policy).await;
    plane.control().create(&web).await;
    plane
        .control()
        .create(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"minReplicas": 1, "maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
        }))
        .await;
    divided(&plane, "default/web", &[("m1", 1), ("m2", 1)]).await;
    plane
        .eventually("the target is marked", async || {
            let template = plane.control().find(kinds::DEPLOYMENT, "default/web").await?;
            let mark = at(&template, "/metadata/labels/resourcetemplate.karmada.io~1retain-replicas");
            ensure!(mark == "true", "labels: {}", at(&template, "/metadata/labels"));
            Ok(())
        })
        .await;
    plane
        .eventually("the members' copies are marked too", async || {
            let copy = plane.member("m1").find(kinds::DEPLOYMENT, "default/web").await?;
            let mark = at(&copy, "/metadata/labels/resourcetemplate.karmada.io~1retain-replicas");
            ensure!(mark == "true", "labels: {}", at(&copy, "/metadata/labels"));
            Ok(())
        })
        .await;
    plane.member("m1").patch(kinds::DEPLOYMENT, "default/web", json!({"spec": {"replicas": 3}})).await;
    plane
        .eventually("the template has what the members have", async || {
            let template = plane.control().find(kinds::DEPLOYMENT, "default/web").await?;
            ensure!(at(&template, "/spec/replicas") == 4, "it has {}", at(&template, "/spec/replicas"));
            Ok(())
        })
        .await;
    divided(&plane, "default/web", &[("m1", 3), ("m2", 1)]).await;
    plane.shutdown().await;
}
