//! Pull members: their agents come and go.

use anyhow::ensure;
use karmada_e2e::{deployment, kinds::*, on, policy, ready};
use karmada_rest::access::UserInfo;
use karmada_test_harness::{Api, Harness, Plane, at, text};
use serde_json::json;

async fn cluster_ready(plane: &Plane, cluster: &str, expected: &str) {
    plane
        .eventually(&format!("{cluster} has Ready={expected}"), async || {
            let cluster = plane.control().find(CLUSTER, cluster).await?;
            let conditions = at(&cluster, "/status/conditions").as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|c| c["type"] == "Ready").cloned().unwrap_or_default();
            ensure!(text(&ready, "/status") == expected, "it is {ready}");
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_agent_is_noticed_and_catches_up() {
    let plane = Harness::builder().pull("m1").start().await;
    let template = deployment("web", 1);
    plane.control().create(&policy(&template, on(&["m1"]))).await;
    plane.control().create(&template).await;
    ready(&plane, "default/web", 1).await;

    plane.stop_agent("m1").await;
    plane.control().patch(DEPLOYMENT, "default/web", json!({"spec": {"replicas": 3}})).await;
    cluster_ready(&plane, "m1", "Unknown").await;
    // The workload stays where it runs, as it was.
    let copy = plane.member("m1").get(DEPLOYMENT, "default/web").await;
    assert_eq!(at(&copy, "/spec/replicas"), 1);

    plane.start_agent("m1").await;
    cluster_ready(&plane, "m1", "True").await;
    ready(&plane, "default/web", 3).await;
    let after = plane.member("m1").get(DEPLOYMENT, "default/web").await;
    assert_eq!(at(&after, "/metadata/uid"), at(&copy, "/metadata/uid"), "it was not made anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_keeps_its_member_right_while_it_is_cut_off() {
    let plane = Harness::builder().pull("m1").start().await;
    let template = deployment("web", 1);
    plane.control().create(&policy(&template, on(&["m1"]))).await;
    plane.control().create(&template).await;
    ready(&plane, "default/web", 1).await;

    let uplink = plane.at("m1").uplink();
    uplink.cut();
    plane.member("m1").delete(DEPLOYMENT, "default/web").await;
    plane
        .eventually("the agent makes it anew by itself", async || {
            plane.member("m1").find(DEPLOYMENT, "default/web").await
        })
        .await;
    plane.control().patch(DEPLOYMENT, "default/web", json!({"spec": {"replicas": 2}})).await;
    cluster_ready(&plane, "m1", "Unknown").await;
    uplink.mend();
    cluster_ready(&plane, "m1", "True").await;
    ready(&plane, "default/web", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_may_touch_its_own_things_only() {
    let plane = Harness::builder().push("m1").pull("m2").start().await;
    let agent = Api::new(plane.server().client_as(UserInfo {
        name: "system:karmada:agent:m2".to_owned(),
        groups: vec!["system:karmada:agents".to_owned(), "system:authenticated".to_owned()],
        ..UserInfo::default()
    }));
    agent.try_list(WORK, "karmada-es-m2", "").await.unwrap();
    for namespace in ["karmada-es-m1", ""] {
        let error = agent.try_list(WORK, namespace, "").await.unwrap_err();
        assert!(format!("{error:#}").contains("cannot list resource \"works\""), "{error:#}");
    }
    let taint = json!({"spec": {"taints": []}});
    let error = agent.try_patch_at(CLUSTER, "m1", "", &taint).await.unwrap_err();
    assert!(format!("{error:#}").contains("cannot patch resource \"clusters\""), "{error:#}");
    assert!(agent.try_list(SECRET, "karmada-cluster", "").await.is_err());
}
