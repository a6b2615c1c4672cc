//! Networking, access, storage, scheduling and flow control.

use serde_json::{Value, json};

use super::{Object, default, default_value, for_each, is_unset, text, with, with_made};

pub(super) fn network_policy(object: &mut Object) {
    with(object, "spec", |spec| {
        for key in ["ingress", "egress"] {
            for_each(spec, key, |rule| for_each(rule, "ports", |port| default(port, "protocol", "TCP")));
        }
        let filled = |key: &str| spec.get(key).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
        if !filled("policyTypes") {
            let types = if filled("egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
            spec.insert("policyTypes".to_owned(), types);
        }
    });
}

pub(super) fn ingress_class(object: &mut Object) {
    with(object, "spec", |spec| with(spec, "parameters", |parameters| default(parameters, "scope", "Cluster")));
}

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn role_binding(object: &mut Object) {
    with_made(object, "roleRef", |role| default_value(role, "apiGroup", RBAC));
    for_each(object, "subjects", |subject| {
        if matches!(text(subject, "kind"), "User" | "Group") {
            default_value(subject, "apiGroup", RBAC);
        }
    });
}

pub(super) fn storage_class(object: &mut Object) {
    default(object, "reclaimPolicy", "Delete");
    default(object, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default(spec, "attachRequired", true);
        default(spec, "podInfoOnMount", false);
        default(spec, "storageCapacity", false);
        default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        default(spec, "requiresRepublish", false);
        default(spec, "seLinuxMount", false);
        if spec.get("volumeLifecycleModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            spec.insert("volumeLifecycleModes".to_owned(), json!(["Persistent"]));
        }
    });
}

pub(super) fn priority_class(object: &mut Object) {
    default(object, "preemptionPolicy", "PreemptLowerPriority");
}

pub(super) fn endpoint_slice(object: &mut Object) {
    for_each(object, "ports", |port| {
        default(port, "name", "");
        default(port, "protocol", "TCP");
    });
}

pub(super) fn flow_schema(object: &mut Object) {
    with_made(object, "spec", |spec| default_value(spec, "matchingPrecedence", 1000));
}

pub(super) fn priority_level(object: &mut Object) {
    with(object, "spec", |spec| {
        with(spec, "exempt", |exempt| {
            default(exempt, "nominalConcurrencyShares", 0);
            default(exempt, "lendablePercent", 0);
        });
        with(spec, "limited", |limited| {
            default(limited, "nominalConcurrencyShares", 30);
            default(limited, "lendablePercent", 0);
            with(limited, "limitResponse", |response| {
                with(response, "queuing", |queuing| {
                    default_value(queuing, "queues", 64);
                    default_value(queuing, "handSize", 8);
                    default_value(queuing, "queueLengthLimit", 50);
                });
            });
        });
    });
}

pub(super) fn device_claim(spec: &mut Object) {
    fn tolerations(request: &mut Object) {
        for_each(request, "tolerations", |toleration| default_value(toleration, "operator", "Equal"));
    }
    fn request(request: &mut Object) {
        default_value(request, "allocationMode", "ExactCount");
        if text(request, "allocationMode") == "ExactCount" && is_unset(request.get("count")) {
            request.insert("count".to_owned(), 1.into());
        }
        tolerations(request);
    }
    with(spec, "devices", |devices| {
        for_each(devices, "requests", |entry| {
            with(entry, "exactly", request);
            for_each(entry, "firstAvailable", request);
        });
    });
}
