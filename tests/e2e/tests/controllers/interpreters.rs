//! Users' interpreters decide about users' kinds, and a change of theirs counts at once.

use anyhow::ensure;
use karmada_e2e::{kinds, policy, weighted};
use karmada_test_harness::{Harness, at};
use serde_json::json;

const CRD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.io}
spec:
  group: example.io
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing, listKind: ThingList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

const CUSTOMIZATION: &str = "config.karmada.io/v1alpha1/ResourceInterpreterCustomization";

#[tokio::test(flavor = "multi_thread")]
async fn scripts_divide_a_custom_kind_and_follow_changes() {
    let plane = Harness::builder().push("m1").pull("m2").start().await;
    for api in [plane.control(), plane.member("m1"), plane.member("m2")] {
        api.create_all(CRD).await;
    }
    let scripts = json!({
        "replicaResource": {"luaScript": "function GetReplicas(obj) return obj.spec.size, nil end"},
        "replicaRevision": {"luaScript":
            "function ReviseReplica(obj, desired) obj.spec.size = desired return obj end"},
        "healthInterpretation": {"luaScript": "function InterpretHealth(obj) return obj.spec.size > 100 end"},
    });
    plane
        .control()
        .create(&json!({
            "apiVersion": "config.karmada.io/v1alpha1", "kind": "ResourceInterpreterCustomization",
            "metadata": {"name": "things"},
            "spec": {"target": {"apiVersion": "example.io/v1", "kind": "Thing"}, "customizations": scripts},
        }))
        .await;
    let thing = json!({
        "apiVersion": "example.io/v1", "kind": "Thing",
        "metadata": {"name": "t", "namespace": "default"}, "spec": {"size": 6},
    });
    plane.control().create(&policy(&thing, weighted(&[("m1", 1), ("m2", 2)]))).await;
    // The scheduler looks at what members serve when it is asked, not when that changes.
    plane
        .eventually("the members are known to serve the kind", async || {
            for cluster in ["m1", "m2"] {
                let found = plane.control().find(kinds::CLUSTER, cluster).await?;
                let groups = at(&found, "/status/apiEnablements").as_array().cloned().unwrap_or_default();
                ensure!(groups.iter().any(|group| group["groupVersion"] == "example.io/v1"), "{cluster} does not");
            }
            Ok(())
        })
        .await;
    plane.eventually("the kind is served", async || plane.control().try_create(&thing).await.map(drop)).await;
    for (member, size) in [("m1", 2), ("m2", 4)] {
        plane
            .eventually(&format!("{member} has its share"), async || {
                let copy = plane.member(member).find("example.io/v1/Thing", "default/t").await?;
                ensure!(at(&copy, "/spec/size") == size, "it is {}", at(&copy, "/spec"));
                Ok(())
            })
            .await;
    }
    let healths = async |expected: &str| {
        plane
            .eventually(&format!("both are {expected}"), async || {
                let binding = plane.control().find(kinds::BINDING, "default/t-thing").await?;
                let items = at(&binding, "/status/aggregatedStatus").as_array().cloned().unwrap_or_default();
                ensure!(items.len() == 2 && items.iter().all(|item| item["health"] == expected), "it is {items:?}");
                Ok(())
            })
            .await;
    };
    healths("Unhealthy").await;
    let health = "function InterpretHealth(obj) return obj.spec.size > 0 end";
    let change = json!({"spec": {"customizations": {"healthInterpretation": {"luaScript": health}}}});
    plane.control().patch(CUSTOMIZATION, "things", change).await;
    // The new script counts for the next question: a change in the member asks it.
    for member in ["m1", "m2"] {
        plane
            .eventually("the members' objects change", async || {
                let patch = json!({"metadata": {"annotations": {"touched": "yes"}}});
                plane.member(member).patch("example.io/v1/Thing", "default/t", patch).await;
                Ok(())
            })
            .await;
    }
    healths("Healthy").await;
    plane.shutdown().await;
}
