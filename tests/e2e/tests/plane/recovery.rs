//! What somebody deletes or changes by hand comes back.

use anyhow::ensure;
use karmada_e2e::{deployment, kinds::*, on, policy, present, ready};
use karmada_test_harness::{Api, Harness, Plane, at, text};
use serde_json::json;

async fn started() -> Plane {
    let plane = Harness::builder().push("m1").pull("m2").start().await;
    let template = deployment("web", 1);
    plane.control().create(&policy(&template, on(&["m1", "m2"]))).await;
    plane.control().create(&template).await;
    present(&plane, DEPLOYMENT, "default/web", &["m1", "m2"]).await;
    ready(&plane, "default/web", 2).await;
    plane
}

async fn comes_back(plane: &Plane, api: &Api, kind: &str, name: &str) {
    let before = api.get(kind, name).await;
    api.delete(kind, name).await;
    plane
        .eventually(&format!("{kind} {name} is back"), async || {
            let after = api.find(kind, name).await?;
            ensure!(text(&after, "/metadata/uid") != text(&before, "/metadata/uid"), "it has not gone yet");
            ensure!(at(&after, "/metadata/deletionTimestamp").is_null(), "it is being deleted");
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_deleted_in_a_member_comes_back() {
    let plane = started().await;
    for member in ["m1", "m2"] {
        comes_back(&plane, plane.member(member), DEPLOYMENT, "default/web").await;
    }
    ready(&plane, "default/web", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_changed_in_a_member_is_set_right() {
    let plane = started().await;
    let image = "/spec/template/spec/containers/0/image";
    for member in ["m1", "m2"] {
        let change = json!([
            {"op": "replace", "path": image, "value": "evil:1"},
            {"op": "replace", "path": "/spec/replicas", "value": 5},
        ]);
        plane.member(member).patch(DEPLOYMENT, "default/web", change).await;
    }
    plane
        .eventually("the copies are as the template", async || {
            for member in ["m1", "m2"] {
                let copy = plane.member(member).find(DEPLOYMENT, "default/web").await?;
                ensure!(text(&copy, image) == "nginx:1.29", "{member} has {}", text(&copy, image));
                ensure!(at(&copy, "/spec/replicas") == 1, "{member} has {}", at(&copy, "/spec/replicas"));
            }
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_work_deleted_by_hand_comes_back() {
    let plane = started().await;
    for member in ["m1", "m2"] {
        let space = format!("karmada-es-{member}");
        let works = plane.control().list(WORK, &space).await;
        let work = works.iter().find(|w| text(w, "/metadata/name").starts_with("web-")).unwrap();
        let name = format!("{space}/{}", text(work, "/metadata/name"));
        comes_back(&plane, plane.control(), WORK, &name).await;
    }
    present(&plane, DEPLOYMENT, "default/web", &["m1", "m2"]).await;
    ready(&plane, "default/web", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_deleted_by_hand_comes_back() {
    let plane = started().await;
    comes_back(&plane, plane.control(), BINDING, "default/web-deployment").await;
    present(&plane, DEPLOYMENT, "default/web", &["m1", "m2"]).await;
    ready(&plane, "default/web", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_space_loses_nothing_with_the_manager_away() {
    let plane = started().await;
    // What happens while nobody looks is seen afterwards.
    plane.stop_manager().await;
    plane.stop_scheduler().await;
    plane.member("m1").delete(DEPLOYMENT, "default/web").await;
    plane.control().patch(DEPLOYMENT, "default/web", json!({"spec": {"replicas": 3}})).await;
    plane.start_scheduler();
    plane.start_manager();
    ready(&plane, "default/web", 6).await;

    // Also the end of a template.
    plane.stop_manager().await;
    plane.control().delete_with(DEPLOYMENT, "default/web", json!({"propagationPolicy": "Background"})).await;
    plane.start_manager();
    karmada_e2e::absent(&plane, DEPLOYMENT, "default/web", &["m1", "m2"]).await;
}
