//! Namespaces, objects without a namespace, CRDs.

use karmada_e2e::{absent, kinds::*, on, present};
use karmada_test_harness::{Harness, at};
use serde_json::{Value, json};

fn cluster_policy(name: &str, selector: Value, placement: Value) -> Value {
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "ClusterPropagationPolicy",
        "metadata": {"name": name},
        "spec": {"resourceSelectors": [selector], "placement": placement},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_appear_in_all_members_and_go_again() {
    let plane = Harness::builder().push("m1").pull("m2").start().await;
    plane
        .control()
        .create(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": {"owner": "a"}},
        }))
        .await;
    present(&plane, NAMESPACE, "team", &["m1", "m2"]).await;
    assert_eq!(at(&plane.member("m1").get(NAMESPACE, "team").await, "/metadata/labels/owner"), "a");
    // Its own namespaces stay at home.
    for own in ["karmada-system", "karmada-es-m1"] {
        assert!(plane.member("m1").try_get(NAMESPACE, own).await.unwrap().is_none(), "{own}");
    }
    plane.control().delete(NAMESPACE, "team").await;
    absent(&plane, NAMESPACE, "team", &["m1", "m2"]).await;
    plane.eventually("it is gone", async || plane.control().gone(NAMESPACE, "team").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_role_follows_a_cluster_policy() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let kind = "rbac.authorization.k8s.io/v1/ClusterRole";
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let selector = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "pods-reader"});
    plane.control().create(&cluster_policy("reader", selector, on(&["m1"]))).await;
    plane
        .control()
        .create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "pods-reader"}, "rules": rules,
        }))
        .await;
    present(&plane, kind, "pods-reader", &["m1"]).await;
    assert_eq!(plane.member("m1").get(kind, "pods-reader").await["rules"], rules);
    assert!(plane.member("m2").try_get(kind, "pods-reader").await.unwrap().is_none());
    plane.control().get(CLUSTER_BINDING, "pods-reader-clusterrole").await;
    plane.control().delete(kind, "pods-reader").await;
    absent(&plane, kind, "pods-reader", &["m1"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crd_is_installed_and_its_objects_follow() {
    let plane = Harness::builder().push("m1").push("m2").start().await;
    let selector = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "name": "foos.example.io",
    });
    plane.control().create(&cluster_policy("foos", selector, on(&["m1", "m2"]))).await;
    plane.control().create(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.io"},
        "spec": {
            "group": "example.io", "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}}},
                }},
            }],
        },
    })).await;
    present(&plane, "apiextensions.k8s.io/v1/CustomResourceDefinition", "foos.example.io", &["m1", "m2"]).await;
    let foo = json!({
        "apiVersion": "example.io/v1", "kind": "Foo",
        "metadata": {"name": "one", "namespace": "default"}, "spec": {},
    });
    plane.eventually("a Foo can be made", async || plane.control().try_create(&foo).await).await;
    // A binding that fits no cluster is not looked at again when a cluster gets a new API; so the control plane must know
    // of it before.
    plane
        .eventually("the members are known to serve it", async || {
            for cluster in plane.control().list(CLUSTER, "").await {
                let groups = at(&cluster, "/status/apiEnablements").as_array().cloned().unwrap_or_default();
                anyhow::ensure!(groups.iter().any(|g| g["groupVersion"] == "example.io/v1"), "{}", groups.len());
            }
            Ok(())
        })
        .await;
    plane.control().create(&karmada_e2e::policy(&foo, on(&["m1", "m2"]))).await;
    present(&plane, "example.io/v1/Foo", "default/one", &["m1", "m2"]).await;
    assert_eq!(at(&plane.member("m2").get("example.io/v1/Foo", "default/one").await, "/spec/size"), 3);
    plane.control().delete("example.io/v1/Foo", "default/one").await;
    absent(&plane, "example.io/v1/Foo", "default/one", &["m1", "m2"]).await;
}
