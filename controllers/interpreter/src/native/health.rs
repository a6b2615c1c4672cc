//! Whether an object in a member does what it should.

use serde_json::Value;

use super::{Kind, typed};

/// Whether an object of a kind with a notion of health is healthy.
pub(super) fn is_healthy(kind: Kind, object: &Value) -> Result<bool, String> {
    let object = typed::canonical(kind.name(), object)?;
    let number = |pointer| object.pointer(pointer).and_then(Value::as_i64);
    let status =
        |field: &str| object.get("status").and_then(|status| status.get(field)).and_then(Value::as_i64).unwrap_or(0);
    let observed = status("observedGeneration") == number("/metadata/generation").unwrap_or(0);
    // A workload that doesn't say how many replicas it wants is content with any number.
    let wanted = number("/spec/replicas");
    Ok(match kind {
        Kind::Deployment | Kind::StatefulSet => {
            let updated = status("updatedReplicas");
            observed && wanted.is_none_or(|wanted| updated >= wanted) && status("availableReplicas") >= updated
        }
        Kind::ReplicaSet => observed && wanted.is_none_or(|wanted| status("availableReplicas") >= wanted),
        Kind::DaemonSet => {
            let updated = status("updatedNumberScheduled");
            observed && updated >= status("desiredNumberScheduled") && status("numberAvailable") >= updated
        }
        Kind::Service => {
            object.pointer("/spec/type").and_then(Value::as_str) != Some("LoadBalancer") || has_address(&object)
        }
        Kind::Ingress => has_address(&object),
        Kind::PersistentVolumeClaim => phase(&object) == "Bound",
        Kind::Pod => match phase(&object) {
            "Succeeded" => true,
            "Running" => is_ready(&object),
            _ => false,
        },
        Kind::PodDisruptionBudget => status("currentHealthy") >= status("desiredHealthy"),
        _ => true,
    })
}

fn phase(object: &Value) -> &str {
    object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

/// Whether a load balancer has given the object an address.
fn has_address(object: &Value) -> bool {
    let given = |entry: &Value, field| entry.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|entry| given(entry, "ip") || given(entry, "hostname"))
}

fn is_ready(pod: &Value) -> bool {
    pod.pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
