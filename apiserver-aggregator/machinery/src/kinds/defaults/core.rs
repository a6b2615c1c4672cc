//! The core group but its pods.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Object, default, default_value, for_each, is_unset, pod, text, with, with_made};

pub(super) fn service(service: &mut Object) {
    with_made(service, "spec", |spec| {
        default_value(spec, "sessionAffinity", "None");
        default_value(spec, "type", "ClusterIP");
        if text(spec, "sessionAffinity") == "None" {
            spec.remove("sessionAffinityConfig");
        } else if text(spec, "sessionAffinity") == "ClientIP" {
            with_made(spec, "sessionAffinityConfig", |config| {
                with_made(config, "clientIP", |ip| default(ip, "timeoutSeconds", 10800));
            });
        }
        for_each(spec, "ports", |port| {
            default_value(port, "protocol", "TCP");
            if is_unset(port.get("targetPort"))
                && let Some(number) = port.get("port").cloned()
            {
                port.insert("targetPort".to_owned(), number);
            }
        });
        let kind = text(spec, "type").to_owned();
        let external_ips = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || (external_ips && kind == "ClusterIP") {
            default_value(spec, "externalTrafficPolicy", "Cluster");
        }
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
            default(spec, "internalTrafficPolicy", "Cluster");
        }
        if kind == "LoadBalancer" {
            default(spec, "allocateLoadBalancerNodePorts", true);
        }
    });
    with(service, "status", |status| {
        with(status, "loadBalancer", |balancer| {
            for_each(balancer, "ingress", |ingress| {
                if !is_unset(ingress.get("ip")) {
                    default(ingress, "ipMode", "VIP");
                }
            });
        });
    });
}

/// `stringData` is written in clear and stored in `data`.
pub(super) fn secret(secret: &mut Object) {
    default_value(secret, "type", "Opaque");
    if let Some(Value::Object(clear)) = secret.remove("stringData") {
        if clear.is_empty() {
            return;
        }
        with_made(secret, "data", |data| {
            for (key, value) in clear {
                if let Value::String(text) = value {
                    data.insert(key, STANDARD.encode(text).into());
                }
            }
        });
    }
}

pub(super) fn endpoints(endpoints: &mut Object) {
    for_each(endpoints, "subsets", |subset| {
        for_each(subset, "ports", |port| default_value(port, "protocol", "TCP"));
    });
}

pub(super) fn persistent_volume(volume: &mut Object) {
    with_made(volume, "status", |status| default_value(status, "phase", "Pending"));
    with_made(volume, "spec", |spec| {
        default_value(spec, "persistentVolumeReclaimPolicy", "Retain");
        default(spec, "volumeMode", "Filesystem");
        pod::volume_source(spec);
    });
}

pub(super) fn persistent_volume_claim(claim: &mut Object) {
    with_made(claim, "status", |status| default_value(status, "phase", "Pending"));
    with_made(claim, "spec", |spec| {
        default(spec, "volumeMode", "Filesystem");
        // The two ways to name a data source are kept in step where both can say it.
        if spec.get("dataSource").is_some() && spec.get("dataSourceRef").is_none() {
            let source = spec["dataSource"].clone();
            spec.insert("dataSourceRef".to_owned(), source);
        } else if spec.get("dataSource").is_none()
            && let Some(source) = spec.get("dataSourceRef").filter(|s| is_unset(s.get("namespace"))).cloned()
        {
            spec.insert("dataSource".to_owned(), source);
        }
    });
}

pub(super) fn limit_range(range: &mut Object) {
    with(range, "spec", |spec| {
        for_each(spec, "limits", |limit| {
            if text(limit, "type") != "Container" {
                return;
            }
            let copy = |map: &Object, key: &str| map.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
            let (max, min) = (copy(limit, "max"), copy(limit, "min"));
            let mut limits = copy(limit, "default");
            for (name, value) in max {
                default(&mut limits, &name, value);
            }
            let mut requests = copy(limit, "defaultRequest");
            for (name, value) in limits.iter().chain(min.iter()) {
                default(&mut requests, name, value.clone());
            }
            for (key, map) in [("default", limits), ("defaultRequest", requests)] {
                if !map.is_empty() {
                    limit.insert(key.to_owned(), Value::Object(map));
                }
            }
        });
    });
}

/// Every namespace is labelled with its name, so that selectors can name it.
pub(super) fn namespace(object: &mut Value) {
    let Some(name) = crate::meta::name(object).map(str::to_owned) else { return };
    if let Some(metadata) = crate::meta::metadata_mut(object) {
        with_made(metadata, "labels", |labels| {
            labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
        });
    }
}

pub(super) fn node(node: &mut Object) {
    with(node, "status", |status| {
        if let Some(capacity) = status.get("capacity").filter(|c| !c.is_null()).cloned()
            && status.get("allocatable").is_none_or(|a| *a == json!({}) || a.is_null())
        {
            status.insert("allocatable".to_owned(), capacity);
        }
    });
}
