//! What of a member's object is kept when the desired object replaces it: what the member's own controllers filled in.

use serde_json::{Map, Value};

use super::{Kind, typed};
use crate::unstructured::{nested, nested_i64, nested_map, nested_str, nested_string_map, set_nested};

/// The label by which a template leaves its number of replicas to an autoscaler in the member.
const RETAIN_REPLICAS: &str = "resourcetemplate.karmada.io/retain-replicas";

/// The desired object with what must be kept of the observed one.
pub(super) fn retain(kind: Kind, desired: &Value, observed: &Value) -> Result<Value, String> {
    let mut result = desired.clone();
    match kind {
        Kind::Deployment => replicas(&mut result, observed)?,
        Kind::Pod => return pod(desired, observed),
        Kind::Service => service(&mut result, observed)?,
        Kind::ServiceAccount => {
            merge_references(&mut result, observed, "secrets")?;
            merge_references(&mut result, observed, "imagePullSecrets")?;
        }
        Kind::PersistentVolumeClaim => {
            let volume = nested_str(observed, &["spec", "volumeName"])
                .map_err(|error| format!("error retrieving volumeName from pvc: {error}"))?;
            if let Some(volume) = volume.filter(|name| !name.is_empty()) {
                set_nested(&mut result, &["spec", "volumeName"], Value::from(volume))?;
            }
        }
        Kind::PersistentVolume => {
            let claim = nested_map(observed, &["spec", "claimRef"])
                .map_err(|error| format!("error retrieving claimRef from pv: {error}"))?;
            if let Some(claim) = claim {
                set_nested(&mut result, &["spec", "claimRef"], Value::Object(claim.clone()))?;
            }
        }
        Kind::Job => {
            for path in [&["spec", "selector", "matchLabels"][..], &["spec", "template", "metadata", "labels"][..]] {
                if let Some(labels) = nested_string_map(observed, path)? {
                    set_nested(&mut result, path, Value::Object(labels.clone()))?;
                }
            }
        }
        Kind::Secret => {
            let is_token = nested_str(desired, &["type"])? == Some("kubernetes.io/service-account-token");
            if is_token {
                let data = nested_string_map(observed, &["data"])
                    .map_err(|error| format!("failed to get .data from desired.Object: {error}"))?;
                if let Some(data) = data {
                    set_nested(&mut result, &["data"], Value::Object(data.clone()))?;
                }
            }
        }
        _ => {}
    }
    Ok(result)
}

fn replicas(desired: &mut Value, observed: &Value) -> Result<(), String> {
    let labels = nested_string_map(desired, &["metadata", "labels"])
        .map_err(|error| format!("failed to get metadata.label from desired.Object: {error}"))?;
    let retained = labels.and_then(|labels| labels.get(RETAIN_REPLICAS)).is_some_and(|value| value == "true");
    if retained {
        let path = ["spec", "replicas"];
        let replicas = nested_i64(observed, &path)
            .map_err(|error| format!("failed to get spec.replicas from observed.Object: {error}"))?;
        if let Some(replicas) = replicas {
            set_nested(desired, &path, Value::from(replicas))?;
        }
    }
    Ok(())
}

/// A pod's node, service account and volumes are given to it by the member's scheduler and admission.
fn pod(desired: &Value, observed: &Value) -> Result<Value, String> {
    let name = Kind::Pod.name();
    let mut result = typed::canonical(name, desired)
        .map_err(|error| format!("failed to convert desiredPod from unstructured object: {error}"))?;
    let observed = typed::canonical(name, observed)
        .map_err(|error| format!("failed to convert clusterPod from unstructured object: {error}"))?;
    let Some(spec) = result.get_mut("spec").and_then(Value::as_object_mut) else {
        return Ok(result);
    };
    let given = observed.get("spec");
    for field in ["nodeName", "serviceAccountName", "volumes"] {
        take(spec, field, given.and_then(|spec| spec.get(field)));
    }
    for list in ["initContainers", "containers"] {
        let theirs = given.and_then(|spec| spec.get(list)).and_then(Value::as_array);
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let twin = theirs.into_iter().flatten().find(|theirs| theirs.get("name") == container.get("name"));
            if let (Some(twin), Some(container)) = (twin, container.as_object_mut()) {
                take(container, "volumeMounts", twin.get("volumeMounts"));
            }
        }
    }
    Ok(result)
}

fn take(into: &mut Map<String, Value>, field: &str, value: Option<&Value>) {
    match value {
        Some(value) => into.insert(field.to_owned(), value.clone()),
        None => into.remove(field),
    };
}

fn service(desired: &mut Value, observed: &Value) -> Result<(), String> {
    let path = ["spec", "healthCheckNodePort"];
    let port = nested_i64(observed, &path)
        .map_err(|error| format!("error retrieving healthCheckNodePort from cluster service: {error}"))?;
    if let Some(port) = port.filter(|port| *port > 0) {
        set_nested(desired, &path, Value::from(port))?;
    }
    let path = ["spec", "clusterIP"];
    let address = nested_str(observed, &path)
        .map_err(|error| format!("error retrieving clusterIP from cluster service: {error}"))?;
    if let Some(address) = address.filter(|address| !address.is_empty()) {
        set_nested(desired, &path, Value::from(address))?;
    }
    Ok(())
}

/// The member adds token secrets to a service account; its entries are appended to the desired ones, by name.
fn merge_references(desired: &mut Value, observed: &Value, field: &str) -> Result<(), String> {
    let mut merged: Vec<Value> = Vec::new();
    for source in [&*desired, observed] {
        let entries = nested(source, &[field])?.and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            if !merged.iter().any(|known| known.get("name") == entry.get("name")) {
                merged.push(entry.clone());
            }
        }
    }
    let value = if merged.is_empty() { Value::Null } else { Value::Array(merged) };
    set_nested(desired, &[field], value)
}
