//! Defaults of built-in kinds that are not zero values.
//!
//! Each function fills what is absent in an object and changes nothing else, so that it can run on every request and on
//! objects read from the store.

mod apps;
mod cluster;
mod core;
mod extension;
mod pod;

pub(super) use pod::default_tolerations;
use serde_json::{Map, Value};

use crate::gvk::GroupVersionKind;

type Object = Map<String, Value>;

/// The defaulting function of a kind. Idempotent.
pub(super) fn of(gvk: &GroupVersionKind) -> fn(&mut Value) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => pod::pod,
        ("", "PodTemplate") => |o| each(o, |o| with(o, "template", pod::template)),
        ("", "Service") => |o| each(o, core::service),
        ("", "Secret") => |o| each(o, core::secret),
        ("", "Endpoints") => |o| each(o, core::endpoints),
        ("", "PersistentVolume") => |o| each(o, core::persistent_volume),
        ("", "PersistentVolumeClaim") => |o| each(o, core::persistent_volume_claim),
        ("", "LimitRange") => |o| each(o, core::limit_range),
        ("", "Namespace") => core::namespace,
        ("", "Node") => |o| each(o, core::node),
        ("", "ReplicationController") => apps::replication_controller,
        ("apps", "Deployment") => |o| each(o, apps::deployment),
        ("apps", "ReplicaSet") => |o| each(o, apps::replica_set),
        ("apps", "StatefulSet") => |o| each(o, apps::stateful_set),
        ("apps", "DaemonSet") => |o| each(o, apps::daemon_set),
        ("batch", "Job") => apps::job,
        ("batch", "CronJob") => |o| each(o, apps::cron_job),
        ("autoscaling", "HorizontalPodAutoscaler") if gvk.version == "v1" => |o| each(o, apps::autoscaler_v1),
        ("autoscaling", "HorizontalPodAutoscaler") => |o| each(o, apps::autoscaler_v2),
        ("networking.k8s.io", "NetworkPolicy") => |o| each(o, cluster::network_policy),
        ("networking.k8s.io", "IngressClass") => |o| each(o, cluster::ingress_class),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => |o| each(o, cluster::role_binding),
        ("storage.k8s.io", "StorageClass") => |o| each(o, cluster::storage_class),
        ("storage.k8s.io", "CSIDriver") => |o| each(o, cluster::csi_driver),
        ("scheduling.k8s.io", "PriorityClass") => |o| each(o, cluster::priority_class),
        ("discovery.k8s.io", "EndpointSlice") => |o| each(o, cluster::endpoint_slice),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => |o| each(o, cluster::flow_schema),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => |o| each(o, cluster::priority_level),
        ("resource.k8s.io", "ResourceClaim") => |o| each(o, |o| with(o, "spec", cluster::device_claim)),
        ("resource.k8s.io", "ResourceClaimTemplate") => {
            |o| each(o, |o| with(o, "spec", |spec| with(spec, "spec", cluster::device_claim)))
        }
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => |o| each(o, extension::validating),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => |o| each(o, extension::mutating),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy") => {
            |o| each(o, extension::policy)
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") => {
            |o| each(o, extension::policy_binding)
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => |o| each(o, extension::definition),
        ("apiregistration.k8s.io", "APIService") => |o| each(o, extension::api_service),
        _ => |_| {},
    }
}

/// Calls with the object's map.
fn each(object: &mut Value, act: fn(&mut Object)) {
    if let Value::Object(map) = object {
        act(map);
    }
}

/// Sets a field that is absent or null.
fn default(map: &mut Object, key: &str, value: impl Into<Value>) {
    match map.get_mut(key) {
        Some(Value::Null) | None => {
            map.insert(key.to_owned(), value.into());
        }
        Some(_) => {}
    }
}

/// Sets a field that is absent, null, an empty string or 0: a Go value, where these are one and the same.
fn default_value(map: &mut Object, key: &str, value: impl Into<Value>) {
    if is_unset(map.get(key)) {
        map.insert(key.to_owned(), value.into());
    }
}

fn is_unset(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(_) => false,
    }
}

/// Calls with the object at a key, if there is one.
fn with(map: &mut Object, key: &str, act: impl FnOnce(&mut Object)) {
    if let Some(Value::Object(inner)) = map.get_mut(key) {
        act(inner);
    }
}

/// Calls with the object at a key, which is made if it is absent.
fn with_made(map: &mut Object, key: &str, act: impl FnOnce(&mut Object)) {
    default(map, key, Object::new());
    with(map, key, act);
}

/// Calls with every object of the list at a key.
fn for_each(map: &mut Object, key: &str, mut act: impl FnMut(&mut Object)) {
    if let Some(Value::Array(items)) = map.get_mut(key) {
        for item in items {
            if let Value::Object(item) = item {
                act(item);
            }
        }
    }
}

fn text<'a>(map: &'a Object, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}
