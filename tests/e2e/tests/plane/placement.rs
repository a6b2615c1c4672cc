//! Where workloads go: affinity by label, taints, weights by what is free, aggregation.

use karmada_e2e::{absent, config_map, deployment, divided, kinds::*, on, policy, present, ready, weighted};
use karmada_test_harness::{Harness, MemberPlan, at};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_without_replicas_is_duplicated() {
    let plane = Harness::builder().push("m1").push("m2").pull("m3").start().await;
    let object = config_map("settings");
    plane.control().create(&object).await;
    plane.control().create(&policy(&object, on(&["m1", "m3"]))).await;
    present(&plane, CONFIG_MAP, "default/settings", &["m1", "m3"]).await;
    assert!(plane.member("m2").try_get(CONFIG_MAP, "default/settings").await.unwrap().is_none());
    assert_eq!(plane.member("m1").get(CONFIG_MAP, "default/settings").await["data"], json!({"key": "value"}));

    plane.control().patch(CONFIG_MAP, "default/settings", json!({"data": {"key": "new", "other": "x"}})).await;
    plane
        .eventually("the change arrives", async || {
            for member in ["m1", "m3"] {
                let data = plane.member(member).find(CONFIG_MAP, "default/settings").await?["data"].clone();
                anyhow::ensure!(data == json!({"key": "new", "other": "x"}), "{member} has {data}");
            }
            Ok(())
        })
        .await;

    // Another placement moves it.
    plane.control().patch(POLICY, "default/settings", json!({"spec": {"placement": on(&["m2", "m3"])}})).await;
    present(&plane, CONFIG_MAP, "default/settings", &["m2", "m3"]).await;
    absent(&plane, CONFIG_MAP, "default/settings", &["m1"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_of_a_cluster_moves_replicas() {
    let plane = Harness::builder()
        .member(MemberPlan::push("m1").labels(json!({"tier": "gold"})))
        .member(MemberPlan::push("m2").labels(json!({"tier": "silver"})))
        .start()
        .await;
    let gold = json!({"labelSelector": {"matchLabels": {"tier": "gold"}}});
    let (everywhere, split) = (deployment("everywhere", 2), deployment("split", 4));
    let duplicated = json!({"clusterAffinity": gold, "replicaScheduling": {"replicaSchedulingType": "Duplicated"}});
    let divided_evenly = json!({
        "clusterAffinity": gold,
        "replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"},
    });
    for (template, placement) in [(&everywhere, duplicated), (&split, divided_evenly)] {
        plane.control().create(&policy(template, placement)).await;
        plane.control().create(template).await;
    }
    divided(&plane, "default/everywhere", &[("m1", 2)]).await;
    divided(&plane, "default/split", &[("m1", 4)]).await;

    plane.control().label(CLUSTER, "m2", json!({"tier": "gold"})).await;
    divided(&plane, "default/everywhere", &[("m1", 2), ("m2", 2)]).await;
    plane.control().label(CLUSTER, "m1", json!({"tier": null})).await;
    divided(&plane, "default/everywhere", &[("m2", 2)]).await;
    ready(&plane, "default/everywhere", 2).await;
    // Divided replicas stay where they run until something asks for another division, such as a change of their number.
    divided(&plane, "default/split", &[("m1", 4)]).await;
    plane.control().patch(DEPLOYMENT, "default/split", json!({"spec": {"replicas": 5}})).await;
    divided(&plane, "default/split", &[("m2", 5)]).await;
    ready(&plane, "default/split", 5).await;
}

fn tolerating(key: &str) -> Value {
    json!({"clusterTolerations": [{"key": key, "operator": "Exists", "effect": "NoSchedule"}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taints_repel_what_does_not_tolerate_them() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let taint = json!({"spec": {"taints": [{"key": "edge", "effect": "NoSchedule"}]}});
    plane.control().patch(CLUSTER, "m2", taint).await;
    let (plain, tolerant) = (config_map("plain"), config_map("tolerant"));
    for (object, placement) in [(&plain, json!({})), (&tolerant, tolerating("edge"))] {
        plane.control().create(&policy(object, placement)).await;
        plane.control().create(object).await;
    }
    present(&plane, CONFIG_MAP, "default/tolerant", &["m1", "m2"]).await;
    present(&plane, CONFIG_MAP, "default/plain", &["m1"]).await;
    let binding = plane.control().get(BINDING, "default/plain-configmap").await;
    assert_eq!(at(&binding, "/spec/clusters"), &json!([{"name": "m1"}]));
}

fn asking(name: &str, replicas: i64) -> Value {
    let mut template = deployment(name, replicas);
    template["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    template
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_follow_what_is_free() {
    let plane = Harness::builder()
        .member(MemberPlan::push("m1").capacity("cpu", "4").capacity("memory", "32Gi"))
        .member(MemberPlan::push("m2").capacity("cpu", "2").capacity("memory", "16Gi"))
        .start()
        .await;
    let dynamic = json!({
        "clusterAffinity": {"clusterNames": ["m1", "m2"]},
        "replicaScheduling": {
            "replicaSchedulingType": "Divided",
            "replicaDivisionPreference": "Weighted",
            "weightPreference": {"dynamicWeight": "AvailableReplicas"},
        },
    });
    let template = asking("dynamic", 3);
    plane.control().create(&policy(&template, dynamic)).await;
    plane.control().create(&template).await;
    divided(&plane, "default/dynamic", &[("m1", 2), ("m2", 1)]).await;
    ready(&plane, "default/dynamic", 3).await;
    plane.control().delete(DEPLOYMENT, "default/dynamic").await;
    absent(&plane, DEPLOYMENT, "default/dynamic", &["m1", "m2"]).await;
    plane
        .eventually("the clusters report that all is free again", async || {
            for cluster in plane.control().list(CLUSTER, "").await {
                let allocated = at(&cluster, "/status/resourceSummary/allocated/cpu");
                anyhow::ensure!(allocated.is_null() || allocated == "0", "{allocated} is allocated");
            }
            Ok(())
        })
        .await;

    let aggregated = json!({
        "clusterAffinity": {"clusterNames": ["m1", "m2"]},
        "replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"},
    });
    let template = asking("aggregated", 3);
    plane.control().create(&policy(&template, aggregated)).await;
    plane.control().create(&template).await;
    divided(&plane, "default/aggregated", &[("m1", 3)]).await;
    ready(&plane, "default/aggregated", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fits_nowhere_is_said() {
    let plane = Harness::builder().push("m1").start().await;
    let template = deployment("lost", 2);
    plane.control().create(&policy(&template, on(&["m9"]))).await;
    plane.control().create(&template).await;
    plane
        .eventually("the binding says why", async || {
            let binding = plane.control().find(BINDING, "default/lost-deployment").await?;
            let conditions = at(&binding, "/status/conditions").as_array().cloned().unwrap_or_default();
            let scheduled = conditions.iter().find(|c| c["type"] == "Scheduled");
            anyhow::ensure!(
                scheduled.is_some_and(|c| c["status"] == "False" && c["reason"] == "NoClusterFit"),
                "conditions are {conditions:?}"
            );
            Ok(())
        })
        .await;
    assert!(plane.control().list(WORK, "karmada-es-m1").await.is_empty());

    // The cluster comes into being as far as the policy is concerned.
    plane.control().patch(POLICY, "default/lost", json!({"spec": {"placement": weighted(&[("m1", 1)])}})).await;
    divided(&plane, "default/lost", &[("m1", 2)]).await;
}
