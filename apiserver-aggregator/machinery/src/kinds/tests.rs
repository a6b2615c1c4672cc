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

/// What the generic path does with the body of a creation, as far as it concerns the object.
fn created(body: &Value) -> Option<Value> {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let gv = GroupVersion::parse(&text("apiVersion"))?;
    let all = builtin_resources();
    let info = all.iter().find(|i| i.gvk() == GroupVersionKind::new(&gv.group, &gv.version, text("kind")))?;
    let mut object = body.clone();
    schema::decode(&info.schema, &mut object).ok()?;
    crate::meta::set(&mut object, "uid", "<uid1>");
    info.strategy.default_object(&mut object);
    let uuid = || "<uid>".to_owned();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let ctx = crate::resource::RequestContext { now, user: "admin", subresource: None, new_uuid: &uuid };
    if info.has_status() {
        object.as_object_mut()?.remove("status");
    }
    info.strategy.prepare_for_create(&mut object, &ctx);
    info.strategy.default_object(&mut object);
    schema::normalize(&info.schema, &mut object);
    let once = object.clone();
    info.strategy.default_object(&mut object);
    schema::normalize(&info.schema, &mut object);
    assert_eq!(once, object, "defaulting is idempotent");
    Some(object)
}

/// Leaves out what the server allocates or other parts fill.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        let metadata = map.remove("metadata").unwrap_or_default();
        if let Some(labels) = metadata.get("labels") {
            map.insert("labels".to_owned(), labels.clone());
        }
    }
    if object["kind"] == "Service"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        for key in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
            spec.remove(key);
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
    }
    if object["kind"] == "CertificateSigningRequest" {
        for key in ["username", "groups", "extra", "uid"] {
            object["spec"].as_object_mut().unwrap().remove(key);
        }
    }
    times(&mut object);
    object
}

/// Times that the server chose.
fn times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                if matches!(key.as_str(), "lastTransitionTime" | "lastPhaseTransitionTime") && item.is_string() {
                    *item = "<time>".into();
                } else {
                    times(item);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(times),
        _ => {}
    }
}

#[test]
fn created_objects_equal_the_recorded_ones() {
    let mut checked = 0;
    let mut failures = Vec::new();
    for file in ["defaulting", "validation"] {
        for case in fixture(&format!("vectors/{file}.json")).as_array().unwrap() {
            let steps = case.get("steps").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![case.clone()]);
            for step in steps {
                let (body, response) = (&step["body"], &step["response"]);
                let creates = step["method"] == "POST" && step["status"] == 201 && body["kind"].is_string();
                if !creates || body["kind"] != response["kind"] || !response["metadata"]["uid"].is_string() {
                    continue;
                }
                let Some(ours) = created(body) else { continue };
                checked += 1;
                let (ours, theirs) = (comparable(&ours), comparable(response));
                if ours != theirs {
                    failures.push(format!("{}\n ours   {ours}\n theirs {theirs}", case["name"]));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {checked}\n{}", failures.len(), failures.join("\n"));
    assert!(checked > 80, "{checked}");
}

/// Replaces one random part of a value by something odd.
fn mutate(value: &mut Value, random: &mut impl FnMut(usize) -> usize) {
    let odd = || {
        vec![
            Value::Null,
            json!([]),
            json!({}),
            json!(""),
            json!("\u{0}é"),
            json!(-1),
            json!(u64::MAX),
            json!(1.5e300),
            json!(true),
            json!([null, {}, [], 1]),
            json!({"": null, "spec": {"spec": []}, "$patch": "x"}),
        ]
    };
    let children = match value {
        Value::Object(map) => map.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if children == 0 || random(6) == 0 {
        let mut choices = odd();
        *value = choices.swap_remove(random(choices.len()));
        return;
    }
    let index = random(children);
    match value {
        Value::Object(map) => {
            if let Some(child) = map.values_mut().nth(index) {
                mutate(child, random);
            }
        }
        Value::Array(items) => mutate(&mut items[index], random),
        _ => {}
    }
}

#[test]
fn odd_objects_do_no_harm() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n.max(1)
    };
    let all = builtin_resources();
    let uuid = || "u".to_owned();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let ctx = crate::resource::RequestContext { now, user: "", subresource: None, new_uuid: &uuid };
    let mut bodies = Vec::new();
    for file in ["defaulting", "crd", "validation"] {
        for case in fixture(&format!("vectors/{file}.json")).as_array().unwrap() {
            let steps = case.get("steps").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![case.clone()]);
            bodies.extend(steps.into_iter().map(|s| s["body"].clone()).filter(Value::is_object));
        }
    }
    let mut decoded = 0;
    for body in &bodies {
        let kind = body["kind"].as_str().unwrap_or_default().to_owned();
        let Some(info) = all.iter().find(|i| i.kind == kind) else { continue };
        for _ in 0..40 {
            let mut object = body.clone();
            for _ in 0..=random(3) {
                mutate(&mut object, &mut random);
            }
            let old = object.clone();
            if schema::decode(&info.schema, &mut object).is_err() {
                continue;
            }
            decoded += 1;
            info.strategy.default_object(&mut object);
            info.strategy.prepare_for_create(&mut object, &ctx);
            info.strategy.prepare_for_update(&mut object, &old, &ctx);
            schema::normalize(&info.schema, &mut object);
            let once = object.clone();
            schema::normalize(&info.schema, &mut object);
            assert_eq!(once, object, "{kind}");
            info.strategy.validate(&object);
            info.strategy.validate_update(&object, &old, &ctx);
            info.strategy.warnings(&object, Some(&old));
            if let Conversion::Function(convert) = &info.conversion {
                for version in ["v1", "v2"] {
                    let _ = convert(object.clone(), &GroupVersion::new(&info.gvr.group, version));
                }
            }
            if kind == "CustomResourceDefinition" {
                let resources = crate::crd::resources(&object);
                if random(25) == 0 {
                    crate::openapi::v2(&resources);
                }
                for resource in resources {
                    let mut custom = old.clone();
                    let _ = schema::decode(&resource.schema, &mut custom);
                    schema::apply_defaults(&resource.schema, &mut custom);
                    resource.strategy.validate(&custom);
                    resource.table.cells(&custom, now);
                }
                crate::crd::accept_names(&object, [&old]).apply(&mut object, "t");
            }
        }
    }
    assert!(decoded > 2_000, "{decoded}");
}
