//! Objects that are in a member already, and what stays when a template goes.

use anyhow::ensure;
use karmada_e2e::{absent, config_map, kinds::*, on, policy, present};
use karmada_test_harness::{Harness, at, text};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_object_is_left_alone_unless_it_may_be_overwritten() {
    let plane = Harness::builder().push("m1").start().await;
    let mut foreign = config_map("settings");
    foreign["data"]["key"] = "foreign".into();
    let foreign = plane.member("m1").create(&foreign).await;
    let object = config_map("settings");
    plane.control().create(&policy(&object, on(&["m1"]))).await;
    plane.control().create(&object).await;
    plane
        .eventually("the Work says that it could not be applied", async || {
            let works = plane.control().try_list(WORK, "karmada-es-m1", "").await?;
            let work = works.iter().find(|w| text(w, "/metadata/name").starts_with("settings-"));
            let conditions = work.map(|w| at(w, "/status/conditions").clone()).unwrap_or_default();
            let refused = conditions
                .as_array()
                .is_some_and(|all| all.iter().any(|c| c["type"] == "Applied" && c["status"] == "False"));
            ensure!(refused, "conditions are {conditions}");
            Ok(())
        })
        .await;
    let now = plane.member("m1").get(CONFIG_MAP, "default/settings").await;
    assert_eq!(at(&now, "/metadata/resourceVersion"), at(&foreign, "/metadata/resourceVersion"));

    plane.control().patch(POLICY, "default/settings", json!({"spec": {"conflictResolution": "Overwrite"}})).await;
    plane
        .eventually("it is taken over", async || {
            let copy = plane.member("m1").find(CONFIG_MAP, "default/settings").await?;
            ensure!(text(&copy, "/data/key") == "value", "it is {copy}");
            ensure!(at(&copy, "/metadata/uid") == at(&foreign, "/metadata/uid"), "it was made anew");
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_template_does_not_touch_foreign_objects() {
    let plane = Harness::builder().push("m1").start().await;
    plane.member("m1").create(&config_map("settings")).await;
    let object = config_map("settings");
    plane.control().create(&policy(&object, on(&["m1"]))).await;
    plane.control().create(&object).await;
    plane
        .eventually("there is a Work", async || {
            let works = plane.control().try_list(WORK, "karmada-es-m1", "").await?;
            ensure!(works.iter().any(|w| text(w, "/metadata/name").starts_with("settings-")));
            Ok(())
        })
        .await;
    plane.control().delete(CONFIG_MAP, "default/settings").await;
    plane
        .eventually("the Work is gone", async || {
            let works = plane.control().try_list(WORK, "karmada-es-m1", "").await?;
            ensure!(!works.iter().any(|w| text(w, "/metadata/name").starts_with("settings-")));
            Ok(())
        })
        .await;
    plane.member("m1").get(CONFIG_MAP, "default/settings").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_preserved_stays_without_its_marks() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let (kept, plain) = (config_map("kept"), config_map("plain"));
    let mut keeping = policy(&kept, on(&["m1"]));
    keeping["spec"]["preserveResourcesOnDeletion"] = true.into();
    for object in [keeping, policy(&plain, on(&["m1"])), kept, plain] {
        plane.control().create(&object).await;
    }
    present(&plane, CONFIG_MAP, "default/kept", &["m1"]).await;
    present(&plane, CONFIG_MAP, "default/plain", &["m1"]).await;
    plane.control().delete(CONFIG_MAP, "default/kept").await;
    plane.control().delete(CONFIG_MAP, "default/plain").await;
    absent(&plane, CONFIG_MAP, "default/plain", &["m1"]).await;
    plane
        .eventually("the kept one is nobody's", async || {
            plane.control().gone(BINDING, "default/kept-configmap").await?;
            let copy = plane.member("m1").find(CONFIG_MAP, "default/kept").await?;
            let marks = at(&copy, "/metadata/labels/karmada.io~1managed");
            ensure!(marks.is_null(), "its labels are {}", at(&copy, "/metadata/labels"));
            Ok(())
        })
        .await;
}
