//! A plane at rest writes nothing, also after a restart of its components.

use std::time::Duration;

use karmada_e2e::kinds::CONFIG_MAP;
use karmada_e2e::{config_map, deployment, on, policy, present, ready, weighted};
use karmada_test_harness::{Harness, Plane, at};

async fn busy() -> Plane {
    let plane = Harness::builder().push("m1").push("m2").pull("m3").start().await;
    for index in 0..3 {
        let template = deployment(&format!("web-{index}"), 4);
        plane.control().create(&policy(&template, weighted(&[("m1", 2), ("m2", 1), ("m3", 1)]))).await;
        plane.control().create(&template).await;
        let object = config_map(&format!("settings-{index}"));
        plane.control().create(&policy_of_map(&object)).await;
        plane.control().create(&object).await;
    }
    for index in 0..3 {
        ready(&plane, &format!("default/web-{index}"), 4).await;
        present(&plane, CONFIG_MAP, &format!("default/settings-{index}"), &["m1", "m3"]).await;
    }
    plane.settle(Duration::from_millis(1_500)).await;
    plane
}

fn policy_of_map(object: &serde_json::Value) -> serde_json::Value {
    policy(object, on(&["m1", "m3"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plane_at_rest_writes_nothing() {
    let plane = busy().await;
    let (before, members) = revisions(&plane);
    let written = plane.writes(before, Duration::from_secs(2)).await;
    assert!(written.is_empty(), "the control plane is written to:\n{}", written.join("\n"));
    for (name, before) in members {
        let written = plane.member_writes(&name, before, Duration::from_millis(50)).await;
        assert!(written.is_empty(), "{name} is written to:\n{}", written.join("\n"));
    }
}

fn revisions(plane: &Plane) -> (u64, Vec<(String, u64)>) {
    let members = plane.members().map(|m| (m.name().to_owned(), plane.member_revision(m.name()))).collect();
    (plane.revision(), members)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_unchanged_state_writes_nothing() {
    let plane = busy().await;
    let copy = plane.member("m1").get(karmada_e2e::kinds::DEPLOYMENT, "default/web-0").await;
    plane.stop_agent("m3").await;
    plane.stop_manager().await;
    plane.stop_scheduler().await;
    let (before, members) = revisions(&plane);
    plane.start_scheduler();
    plane.start_manager();
    plane.start_agent("m3").await;
    let written = plane.writes(before, Duration::from_secs(3)).await;
    assert!(written.is_empty(), "the control plane is written to:\n{}", written.join("\n"));
    for (name, before) in members {
        let written = plane.member_writes(&name, before, Duration::from_millis(50)).await;
        assert!(written.is_empty(), "{name} is written to:\n{}", written.join("\n"));
    }
    let after = plane.member("m1").get(karmada_e2e::kinds::DEPLOYMENT, "default/web-0").await;
    assert_eq!(at(&after, "/metadata/resourceVersion"), at(&copy, "/metadata/resourceVersion"));
}
