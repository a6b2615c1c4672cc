use serde_json::{Value, json};

use super::*;

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/kubernetes/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn resources_equal_recorded_discovery() {
    let recorded = fixture("discovery.json");
    let all = builtin_resources();
    let mut ours = all.iter();
    for group in recorded["groups"].as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            for resource in version["resources"].as_array().unwrap() {
                let info = ours.next().unwrap();
                let mut shown = json!({
                    "name": info.gvr.resource, "singularName": info.singular, "namespaced": info.namespaced,
                    "kind": info.kind, "verbs": info.verbs,
                });
                if !info.short_names.is_empty() {
                    shown["shortNames"] = info.short_names.clone().into();
                }
                if !info.categories.is_empty() {
                    shown["categories"] = info.categories.clone().into();
                }
                let subresources: Vec<Value> = info
                    .subresources
                    .iter()
                    .map(|s| {
                        let mut sub = json!({"name": s.name, "kind": s.gvk.kind, "verbs": s.verbs});
                        if s.gvk.group_version() != info.gvk().group_version() {
                            sub["group"] = s.gvk.group.clone().into();
                            sub["version"] = s.gvk.version.clone().into();
                        }
                        sub
                    })
                    .collect();
                if !subresources.is_empty() {
                    shown["subresources"] = subresources.into();
                }
                assert_eq!(&shown, resource);
                assert_eq!(info.gvr.group, group["name"].as_str().unwrap());
                assert_eq!(info.gvr.version, version["version"].as_str().unwrap());
                assert_ne!(info.schema.root().definition(), None, "{}", info.gvk());
            }
        }
    }
    assert!(ours.next().is_none());
}

#[test]
fn storage_is_laid_out_as_upstream() {
    let all = builtin_resources();
    let prefix = |group: &str, name: &str| {
        let info = all.iter().find(|i| i.gvr.group == group && i.gvr.resource == name).unwrap();
        (info.storage.prefix.as_str(), info.storage.version.to_string())
    };
    assert_eq!(prefix("", "nodes"), ("/registry/minions", "v1".to_owned()));
    assert_eq!(prefix("", "services"), ("/registry/services/specs", "v1".to_owned()));
    assert_eq!(prefix("apps", "deployments"), ("/registry/deployments", "apps/v1".to_owned()));
    assert_eq!(prefix("networking.k8s.io", "ingresses"), ("/registry/ingress", "networking.k8s.io/v1".to_owned()));
    assert_eq!(prefix("events.k8s.io", "events"), ("/registry/events", "v1".to_owned()));
    assert_eq!(
        prefix("apiextensions.k8s.io", "customresourcedefinitions").0,
        "/registry/apiextensions.k8s.io/customresourcedefinitions"
    );
}

#[test]
fn autoscalers_survive_both_versions() {
    let v2 = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {
            "maxReplicas": 3,
            "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
            ],
            "behavior": {"scaleUp": {"stabilizationWindowSeconds": 10, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}},
        },
        "status": {"currentMetrics": null, "desiredReplicas": 0},
    });
    let v1 = convert::horizontal_pod_autoscaler(v2.clone(), &GroupVersion::new("autoscaling", "v1")).unwrap();
    assert_eq!(v1["spec"]["targetCPUUtilizationPercentage"], 60);
    assert_eq!(
        v1["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"],
        r#"[{"type":"Pods","pods":{"metricName":"q","targetAverageValue":"5"}}]"#
    );
    let back = convert::horizontal_pod_autoscaler(v1, &GroupVersion::new("autoscaling", "v2")).unwrap();
    assert_eq!(back, v2);
}

#[test]
fn events_have_two_shapes() {
    let core =
        json!({"apiVersion": "v1", "kind": "Event", "message": "m", "involvedObject": {"name": "p"}, "source": {}});
    let other = convert::event(core.clone(), &GroupVersion::new("events.k8s.io", "v1")).unwrap();
    assert_eq!(other["note"], "m");
    assert_eq!(other["regarding"]["name"], "p");
    assert_eq!(convert::event(other, &GroupVersion::new("", "v1")).unwrap(), core);
}
