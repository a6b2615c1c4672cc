//! Pods and pod templates.

use serde_json::{Value, json};

use super::{Object, default, default_value, for_each, is_unset, text, with, with_made};

/// A pod: its spec, and what templates do not get: requests from limits, service links, host ports.
pub(super) fn pod(object: &mut Value) {
    let Value::Object(pod) = object else { return };
    with_made(pod, "spec", |spec| {
        let host_network = spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or_default();
        for key in ["containers", "initContainers"] {
            for_each(spec, key, |container| {
                with(container, "resources", requests_from_limits);
                if host_network {
                    for_each(container, "ports", |port| {
                        if let Some(number) = port.get("containerPort").cloned() {
                            default_value(port, "hostPort", number);
                        }
                    });
                }
            });
        }
        with(spec, "resources", requests_from_limits);
        default(spec, "enableServiceLinks", true);
        pod_spec(spec);
    });
}

/// A container that limits a resource and does not request it requests its limit.
fn requests_from_limits(resources: &mut Object) {
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    with_made(resources, "requests", |requests| {
        for (name, limit) in limits {
            default(requests, &name, limit);
        }
    });
}

/// The template in a workload's spec.
pub(super) fn template(template: &mut Object) {
    with_made(template, "spec", pod_spec);
}

/// A pod's spec.
pub(super) fn pod_spec(spec: &mut Object) {
    default_value(spec, "dnsPolicy", "ClusterFirst");
    default_value(spec, "restartPolicy", "Always");
    default(spec, "securityContext", Object::new());
    default(spec, "terminationGracePeriodSeconds", 30);
    default_value(spec, "schedulerName", "default-scheduler");
    // The old name of the field is kept in step with the new one, which wins.
    let account = match (text(spec, "serviceAccountName"), text(spec, "serviceAccount")) {
        ("", old) => old.to_owned(),
        (new, _) => new.to_owned(),
    };
    if !account.is_empty() {
        spec.insert("serviceAccountName".to_owned(), account.clone().into());
        spec.insert("serviceAccount".to_owned(), account.into());
    }
    for key in ["containers", "initContainers", "ephemeralContainers"] {
        for_each(spec, key, container);
    }
    for_each(spec, "volumes", volume);
}

/// `Always` for images without a tag or with `latest`, else `IfNotPresent`.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let tag = name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    match tag {
        Some("latest") => "Always",
        Some(_) => "IfNotPresent",
        None if digest => "IfNotPresent",
        None => "Always",
    }
}

fn container(container: &mut Object) {
    let policy = pull_policy(text(container, "image"));
    default_value(container, "imagePullPolicy", policy);
    default_value(container, "terminationMessagePath", "/dev/termination-log");
    default_value(container, "terminationMessagePolicy", "File");
    for_each(container, "ports", |port| default_value(port, "protocol", "TCP"));
    for_each(container, "env", |env| {
        with(env, "valueFrom", |source| with(source, "fieldRef", field_ref));
    });
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        with(container, key, |probe| {
            default_value(probe, "timeoutSeconds", 1);
            default_value(probe, "periodSeconds", 10);
            default_value(probe, "successThreshold", 1);
            default_value(probe, "failureThreshold", 3);
            with(probe, "httpGet", http_get);
            with(probe, "grpc", |grpc| default(grpc, "service", ""));
        });
    }
    with(container, "lifecycle", |lifecycle| {
        for key in ["postStart", "preStop"] {
            with(lifecycle, key, |handler| with(handler, "httpGet", http_get));
        }
    });
}

fn http_get(action: &mut Object) {
    default_value(action, "path", "/");
    default_value(action, "scheme", "HTTP");
}

fn field_ref(reference: &mut Object) {
    default_value(reference, "apiVersion", "v1");
}

fn downward_items(source: &mut Object) {
    for_each(source, "items", |item| with(item, "fieldRef", field_ref));
}

fn volume(volume: &mut Object) {
    if volume.iter().all(|(key, value)| key == "name" || value.is_null()) {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for key in ["secret", "configMap", "downwardAPI", "projected"] {
        with(volume, key, |source| default(source, "defaultMode", 420));
    }
    with(volume, "downwardAPI", downward_items);
    with(volume, "projected", |projected| {
        for_each(projected, "sources", |source| {
            with(source, "serviceAccountToken", |token| default(token, "expirationSeconds", 3600));
            with(source, "downwardAPI", downward_items);
        });
    });
    with(volume, "ephemeral", |ephemeral| {
        with(ephemeral, "volumeClaimTemplate", |claim| {
            with(claim, "spec", |spec| default(spec, "volumeMode", "Filesystem"));
        });
    });
    with(volume, "image", |image| {
        let policy = pull_policy(text(image, "reference"));
        default_value(image, "pullPolicy", policy);
    });
    volume_source(volume);
}

/// Sources that volumes of pods and persistent volumes share.
pub(super) fn volume_source(source: &mut Object) {
    with(source, "hostPath", |path| default(path, "type", ""));
    with(source, "iscsi", |iscsi| default_value(iscsi, "iscsiInterface", "default"));
    with(source, "rbd", |rbd| {
        default_value(rbd, "pool", "rbd");
        default_value(rbd, "user", "admin");
        default_value(rbd, "keyring", "/etc/ceph/keyring");
    });
    with(source, "azureDisk", |disk| {
        default(disk, "cachingMode", "ReadWrite");
        default(disk, "kind", "Shared");
        default(disk, "fsType", "ext4");
        default(disk, "readOnly", false);
    });
    with(source, "scaleIO", |io| {
        default_value(io, "storageMode", "ThinProvisioned");
        default_value(io, "fsType", "xfs");
    });
}

/// What new pods tolerate for five minutes unless they say otherwise: nodes that are not ready or cannot be reached.
pub(in crate::kinds) fn default_tolerations(spec: &mut Object) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
        let Value::Array(list) = tolerations else { return };
        let tolerated = list.iter().any(|t| {
            (is_unset(t.get("key")) || t["key"] == key) && (is_unset(t.get("effect")) || t["effect"] == "NoExecute")
        });
        if !tolerated {
            list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}
