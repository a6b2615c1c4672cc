//! What may change in a pod that exists.

use serde_json::{Map, Value};

use super::common::*;
use super::go_pod;
use crate::field::{FieldError, FieldErrors};

const FORBIDDEN: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// The change of a pod's spec.
pub(super) fn spec(pod: &Value, old: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let (new, old) = (pod.get("spec").unwrap_or(&Value::Null), old.get("spec").unwrap_or(&Value::Null));
    for key in ["containers", "initContainers"] {
        if list(new, key).len() != list(old, key).len() {
            e.push(FieldError::forbidden(at("spec", key), "pod updates may not add or remove containers"));
            return e;
        }
    }
    if list(new, "ephemeralContainers") != list(old, "ephemeralContainers") {
        // These have a subresource of their own.
        e.push(FieldError::forbidden("spec", FORBIDDEN));
        return e;
    }
    match (int(new, "activeDeadlineSeconds"), int(old, "activeDeadlineSeconds")) {
        (Some(after), Some(before)) if after > before => {
            let wrong = "must be less than or equal to previous value";
            e.push(FieldError::invalid("spec.activeDeadlineSeconds", after, wrong));
            return e;
        }
        (None, Some(_)) => {
            let wrong = "must not update from a positive integer to nil value";
            e.push(FieldError::invalid("spec.activeDeadlineSeconds", Value::Null, wrong));
        }
        _ => {}
    }
    let gated = !list(old, "schedulingGates").is_empty();
    for (item, gate) in each(new, "schedulingGates", "spec") {
        if !list(old, "schedulingGates").contains(gate) {
            let wrong =
                "only deletion is allowed, but found new scheduling gate '".to_owned() + text(gate, "name") + "'";
            e.push(FieldError::forbidden(item.rsplit_once('[').map_or(item.as_str(), |(p, _)| p), wrong));
        }
    }
    let timeless = |toleration: &Value| {
        let mut copy = toleration.clone();
        if let Some(map) = copy.as_object_mut() {
            map.remove("tolerationSeconds");
        }
        copy
    };
    let after: Vec<Value> = list(new, "tolerations").iter().map(timeless).collect();
    if !list(old, "tolerations").iter().all(|t| after.contains(&timeless(t))) {
        let wrong = "existing toleration can not be modified except its tolerationSeconds";
        e.push(FieldError::forbidden("spec.tolerations", wrong));
    }
    if !e.is_empty() {
        return e;
    }
    // What may change is put back; nothing else may differ then.
    let mut munged = new.clone();
    let Some(map) = munged.as_object_mut() else { return e };
    for key in ["containers", "initContainers"] {
        put_back_images(map, old, key);
    }
    let mut keys = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    if int(old, "terminationGracePeriodSeconds").is_some_and(|s| s < 0)
        && int(new, "terminationGracePeriodSeconds") == Some(1)
    {
        keys.push("terminationGracePeriodSeconds");
    }
    if gated {
        keys.push("nodeSelector");
        if tightened(new, old, &mut e) {
            keys.push("affinity");
        }
    }
    for key in keys {
        match old.get(key) {
            Some(value) => map.insert(key.to_owned(), value.clone()),
            None => map.remove(key),
        };
    }
    if munged != *old {
        let difference = go_pod::difference(old, &munged);
        // Lists and maps that are empty and those that are absent are the same.
        if !difference.is_empty() {
            e.push(FieldError::forbidden("spec", format!("{FORBIDDEN}\n{difference}")));
        }
    }
    e
}

/// A gated pod may get more node selectors; whether its node affinity may be what it is now.
fn tightened(new: &Value, old: &Value, e: &mut FieldErrors) -> bool {
    for (key, value) in pairs(old, "nodeSelector") {
        if new.get("nodeSelector").and_then(|s| s.get(key)) != Some(value) {
            let shown = new.get("nodeSelector").cloned().unwrap_or(Value::Null);
            let wrong = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            e.push(FieldError::invalid("spec.nodeSelector", shown, wrong));
            break;
        }
    }
    let rest = |spec: &Value| -> Value {
        let mut affinity = spec.get("affinity").cloned().unwrap_or_default();
        if let Some(map) = affinity.as_object_mut() {
            map.remove("nodeAffinity");
        }
        affinity
    };
    let empty = |v: &Value| v.is_null() || v.as_object().is_some_and(Map::is_empty);
    let (after, before) = (rest(new), rest(old));
    after == before || (empty(&after) && empty(&before))
}

fn put_back_images(spec: &mut Map<String, Value>, old: &Value, key: &str) {
    let Some(Value::Array(containers)) = spec.get_mut(key) else { return };
    for (container, before) in containers.iter_mut().zip(list(old, key)) {
        if let (Some(container), Some(image)) = (container.as_object_mut(), before.get("image")) {
            container.insert("image".to_owned(), image.clone());
        }
    }
}

/// The change of a pod's status.
pub(super) fn status(pod: &Value, old: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let (new, before) = (pod.get("status").unwrap_or(&Value::Null), old.get("status").unwrap_or(&Value::Null));
    let nominated = text(new, "nominatedNodeName");
    if !nominated.is_empty() && nominated != text(before, "nominatedNodeName") {
        if !pod["spec"].get("nodeName").and_then(Value::as_str).unwrap_or_default().is_empty() {
            let wrong = "may not be set once the pod is assigned to a node";
            e.push(FieldError::forbidden("status.nominatedNodeName", wrong));
        }
        object_name(&mut e, nominated, "status.nominatedNodeName");
    }
    addresses(&mut e, new);
    // A container that has ended for good may not be said to have started again.
    let policy = pod["spec"].get("restartPolicy").and_then(Value::as_str).unwrap_or("Always");
    for (key, fixed) in [("containerStatuses", true), ("initContainerStatuses", false)] {
        if policy == "Always" || (!fixed && policy != "Never") {
            continue;
        }
        for was in list(before, key) {
            let Some(ended) = was["state"].get("terminated").filter(|t| !t.is_null()) else { continue };
            if policy == "OnFailure" && ended["exitCode"] != 0 {
                continue;
            }
            for (index, is) in list(new, key).iter().enumerate() {
                if is["name"] == was["name"] && is["state"].get("terminated").is_none_or(Value::is_null) {
                    e.push(FieldError::forbidden(
                        format!("status.{key}[{index}].state"),
                        "may not be transitioned to non-terminated state",
                    ));
                }
            }
        }
    }
    e
}

/// Addresses are good, of at most one per family, and the first is the pod's only one in the old field.
fn addresses(e: &mut FieldErrors, status: &Value) {
    for key in ["podIPs", "hostIPs"] {
        let ips = list(status, key);
        for (item, address) in each(status, key, "status") {
            ip(e, text(address, "ip"), item);
        }
        let path = at("status", key);
        let shown = Value::from(ips.iter().map(|i| text(i, "ip")).collect::<Vec<_>>());
        if ips.len() > 2 {
            let wrong = "may specify no more than one IP for each IP family";
            e.push(FieldError::invalid(path.as_str(), shown.clone(), wrong));
        }
    }
}
