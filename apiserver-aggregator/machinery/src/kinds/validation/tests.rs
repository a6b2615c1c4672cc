use serde_json::{Value, json};

use super::of;
use crate::gvk::GroupVersionKind;

fn errors(group: &str, version: &str, mut object: Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let gvk = GroupVersionKind::new(group, version, &kind);
    crate::kinds::defaults::of(&gvk)(&mut object);
    of(&gvk).0(&object).iter().map(ToString::to_string).collect()
}

fn pod(spec: Value) -> Vec<String> {
    errors("", "v1", json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": spec}))
}

fn container(more: Value) -> Value {
    let mut container = json!({"name": "c", "image": "x"});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"containers": [container]})
}

#[test]
fn good_objects_pass() {
    let spec = json!({"containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 80, "name": "http"}],
        "env": [{"name": "A.b-c", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "nvidia.com/gpu": 1}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}], "livenessProbe": {"tcpSocket": {"port": "http"}}}],
        "volumes": [{"name": "v"}], "tolerations": [{"operator": "Exists"}]});
    assert!(pod(spec.clone()).is_empty(), "{:?}", pod(spec.clone()));
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": spec});
    for kind in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"] {
        let object = json!({"kind": kind, "metadata": {"name": "x"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
        assert_eq!(errors("apps", "v1", object), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn pods_are_judged_field_by_field() {
    assert_eq!(pod(json!({})), ["spec.containers: Required value"]);
    assert_eq!(
        pod(container(json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}]}))),
        ["spec.containers[0].volumeMounts[0].name: Not found: \"v\""]
    );
    assert_eq!(
        pod(container(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}))),
        ["spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"]
    );
    assert_eq!(
        pod(container(json!({"readinessProbe": {}}))),
        ["spec.containers[0].readinessProbe: Required value: must specify a handler type"]
    );
    let mut twice = container(json!({}));
    twice["volumes"] = json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]);
    assert_eq!(pod(twice), ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"]);
}

#[test]
fn schedules_are_parsed_as_cron_does() {
    for good in ["* * * * *", "*/5 0-3 1,15 jan-mar MON", "@daily", "@every 1h30m", "0 0 ? * 0"] {
        assert_eq!(super::cron::parse(good), Ok(()), "{good}");
    }
    assert_eq!(super::cron::parse("61 * * * *").unwrap_err(), "end of range (61) above maximum (59): 61");
    assert_eq!(super::cron::parse("* *").unwrap_err(), "expected exactly 5 fields, found 2: [* *]");
    for bad in ["a * * * *", "1-2-3 * * * *", "*/0 * * * *", "5-1 * * * *", "@never", "@every x", "TZ=UTC"] {
        assert!(super::cron::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_may_not_change_in_a_pod_is_shown() {
    let old = json!({"spec": {"containers": [{"name": "c", "image": "x"}], "restartPolicy": "Always"}});
    let mut new = old.clone();
    new["spec"]["containers"][0]["image"] = "y".into();
    assert!(super::pod_change::spec(&new, &old).is_empty());
    new["spec"]["nodeName"] = "n".into();
    let errors = super::pod_change::spec(&new, &old);
    assert!(errors[0].detail.contains("\n@@ -42,7 +42,7 @@\n"), "{}", errors[0].detail);
    assert!(errors[0].detail.contains("\n- \"NodeName\": \"\",\n+ \"NodeName\": \"n\",\n"));
}

#[test]
fn no_shape_of_input_panics() {
    let odd = [json!(null), json!(1), json!("x"), json!([]), json!([null]), json!({"a": []}), json!([[{}]])];
    for row in crate::kinds::rows::ROWS {
        let gvk = GroupVersionKind::new(row.group, row.version, row.kind);
        let (validate, change) = of(&gvk);
        for value in &odd {
            for object in [
                json!({"spec": value, "data": value, "rules": value, "webhooks": value, "subsets": value}),
                value.clone(),
            ] {
                validate(&object);
                let ctx = crate::resource::RequestContext {
                    now: jiff::Timestamp::UNIX_EPOCH,
                    user: "",
                    subresource: None,
                    new_uuid: &String::new,
                };
                if object.is_object() {
                    change(&object, &json!({"spec": {"selector": 1}}), &ctx);
                }
            }
        }
    }
}
