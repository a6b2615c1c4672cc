//! The main job: a Deployment is propagated to members as its policy says, and its status comes back.

use anyhow::ensure;
use karmada_e2e::{absent, divided, kinds::*, present, ready, repository_file};
use karmada_test_harness::{Harness, at, text};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_is_split_over_three_members() {
    let plane = Harness::builder().push("member1").push("member2").pull("member3").start().await;
    for file in ["deployment", "propagationpolicy", "overridepolicy"] {
        plane.control().apply_all(&repository_file(&format!("samples/nginx/{file}.yaml"))).await;
    }
    divided(&plane, "default/nginx", &[("member1", 2), ("member2", 1), ("member3", 1)]).await;
    ready(&plane, "default/nginx", 4).await;

    for (member, pods) in [("member1", 2), ("member2", 1), ("member3", 1)] {
        let found = plane.member(member).list(POD, "default").await;
        assert_eq!(found.len(), pods, "{member}");
        for pod in found {
            let conditions = at(&pod, "/status/conditions").as_array().unwrap();
            assert!(conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"), "{pod}");
        }
    }
    // The override acts in one member only.
    let image = "/spec/template/spec/containers/0/image";
    assert_eq!(text(&plane.member("member1").get(DEPLOYMENT, "default/nginx").await, image), "nginx:1.29");
    let edge = plane.member("member3").get(DEPLOYMENT, "default/nginx").await;
    assert_eq!(text(&edge, image), "registry.example.com/nginx:1.29");
    assert_eq!(text(&edge, "/metadata/labels/tier"), "edge");

    let binding = plane.control().get(BINDING, "default/nginx-deployment").await;
    let conditions = at(&binding, "/status/conditions").as_array().unwrap();
    for condition in ["Scheduled", "FullyApplied"] {
        assert!(conditions.iter().any(|c| c["type"] == condition && c["status"] == "True"), "{condition}: {binding}");
    }
    let targets = at(&binding, "/spec/clusters").clone();
    assert_eq!(
        targets,
        json!([{"name": "member1", "replicas": 2}, {"name": "member2", "replicas": 1}, {"name": "member3", "replicas": 1}])
    );
    for member in ["member1", "member2", "member3"] {
        let works = plane.control().list(WORK, &format!("karmada-es-{member}")).await;
        let names: Vec<&str> = works.iter().map(|work| text(work, "/metadata/name")).collect();
        assert!(names.iter().any(|name| name.starts_with("nginx-")), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_the_template_follow() {
    let plane = Harness::builder().push("member1").push("member2").pull("member3").start().await;
    for file in ["deployment", "propagationpolicy"] {
        plane.control().apply_all(&repository_file(&format!("samples/nginx/{file}.yaml"))).await;
    }
    ready(&plane, "default/nginx", 4).await;

    plane
        .control()
        .try_patch_at(DEPLOYMENT, "default/nginx", "scale", &json!({"spec": {"replicas": 12}}))
        .await
        .unwrap();
    divided(&plane, "default/nginx", &[("member1", 6), ("member2", 3), ("member3", 3)]).await;
    ready(&plane, "default/nginx", 12).await;

    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:1.30"}]);
    plane.control().patch(DEPLOYMENT, "default/nginx", image).await;
    plane
        .eventually("all pods have the new image", async || {
            for member in plane.members() {
                for pod in member.api().list(POD, "default").await {
                    ensure!(text(&pod, "/spec/containers/0/image") == "nginx:1.30", "not so in {}", member.name());
                }
            }
            Ok(())
        })
        .await;
    ready(&plane, "default/nginx", 12).await;

    plane.control().delete(DEPLOYMENT, "default/nginx").await;
    let members = ["member1", "member2", "member3"];
    absent(&plane, DEPLOYMENT, "default/nginx", &members).await;
    plane
        .eventually("nothing of it is left", async || {
            plane.control().gone(BINDING, "default/nginx-deployment").await?;
            let works = plane.control().list(WORK, "").await;
            let left: Vec<&str> =
                works.iter().map(|w| text(w, "/metadata/name")).filter(|n| n.starts_with("nginx")).collect();
            ensure!(left.is_empty(), "Works are left: {left:?}");
            for member in plane.members() {
                ensure!(member.api().list(POD, "default").await.is_empty(), "pods are left in {}", member.name());
            }
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workloads_outlive_their_policy() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let template = karmada_e2e::deployment("web", 2);
    plane.control().create(&karmada_e2e::policy(&template, karmada_e2e::on(&["m1", "m2"]))).await;
    plane.control().create(&template).await;
    present(&plane, DEPLOYMENT, "default/web", &["m1", "m2"]).await;
    // Without division each member has all replicas.
    divided(&plane, "default/web", &[("m1", 2), ("m2", 2)]).await;
    ready(&plane, "default/web", 4).await;

    plane.control().delete(POLICY, "default/web").await;
    plane
        .eventually("the template has no policy any more", async || {
            plane.control().gone(POLICY, "default/web").await?;
            let template = plane.control().find(DEPLOYMENT, "default/web").await?;
            let labels = at(&template, "/metadata/labels").clone();
            let claimed = labels.as_object().is_some_and(|l| l.keys().any(|key| key.contains("propagationpolicy")));
            ensure!(!claimed, "its labels are {labels}");
            Ok(())
        })
        .await;
    plane.settle(std::time::Duration::from_millis(600)).await;
    divided(&plane, "default/web", &[("m1", 2), ("m2", 2)]).await;
    assert!(plane.control().try_get(BINDING, "default/web-deployment").await.unwrap().is_some());
}
