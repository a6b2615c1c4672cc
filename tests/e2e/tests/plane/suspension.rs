//! Suspended dispatching holds changes back.

use std::time::Duration;

use anyhow::ensure;
use karmada_e2e::{config_map, kinds::*, on, policy, present};
use karmada_test_harness::{Harness, Plane, text};
use serde_json::json;

async fn value_in(plane: &Plane, member: &str, expected: &str) {
    plane
        .eventually(&format!("{member} has {expected}"), async || {
            let copy = plane.member(member).find(CONFIG_MAP, "default/settings").await?;
            ensure!(text(&copy, "/data/key") == expected, "it has {}", text(&copy, "/data/key"));
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_dispatching_holds_changes_back() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let object = config_map("settings");
    plane.control().create(&policy(&object, on(&["m1", "m2"]))).await;
    plane.control().create(&object).await;
    present(&plane, CONFIG_MAP, "default/settings", &["m1", "m2"]).await;

    let one = json!({"spec": {"suspension": {"dispatchingOnClusters": {"clusterNames": ["m1"]}}}});
    plane.control().patch(POLICY, "default/settings", one).await;
    plane
        .eventually("the Work of m1 is suspended", async || {
            let works = plane.control().try_list(WORK, "karmada-es-m1", "").await?;
            ensure!(works.iter().any(|w| w["spec"]["suspendDispatching"] == true));
            Ok(())
        })
        .await;
    plane.control().patch(CONFIG_MAP, "default/settings", json!({"data": {"key": "new"}})).await;
    value_in(&plane, "m2", "new").await;
    plane
        .always("m1 is not changed", Duration::from_millis(400), async || {
            let copy = plane.member("m1").find(CONFIG_MAP, "default/settings").await?;
            ensure!(text(&copy, "/data/key") == "value");
            Ok(())
        })
        .await;
    plane.control().patch(POLICY, "default/settings", json!({"spec": {"suspension": null}})).await;
    value_in(&plane, "m1", "new").await;

    let all = json!({"spec": {"suspension": {"dispatching": true}}});
    plane.control().patch(POLICY, "default/settings", all).await;
    plane
        .eventually("the binding is suspended", async || {
            let binding = plane.control().find(BINDING, "default/settings-configmap").await?;
            ensure!(binding["spec"]["suspension"]["dispatching"] == true, "{}", binding["spec"]);
            Ok(())
        })
        .await;
    plane.settle(Duration::from_millis(300)).await;
    plane.control().patch(CONFIG_MAP, "default/settings", json!({"data": {"key": "newer"}})).await;
    plane.settle(Duration::from_millis(300)).await;
    value_in(&plane, "m1", "new").await;
    value_in(&plane, "m2", "new").await;
    plane.control().patch(POLICY, "default/settings", json!({"spec": {"suspension": {"dispatching": false}}})).await;
    value_in(&plane, "m1", "newer").await;
    value_in(&plane, "m2", "newer").await;
}
