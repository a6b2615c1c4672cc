//! Volumes, claims and storage classes.

use serde_json::Value;

use super::common::*;
use super::{scheduling, volumes};
use crate::field::{ErrorKind, FieldError, FieldErrors};
use crate::resource::RequestContext;
use crate::selector;

const MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const RECLAIM: &[&str] = &["Delete", "Recycle", "Retain"];
const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];

fn access_modes(e: &mut FieldErrors, spec: &Value, path: &str, missing: &str) {
    let modes = list(spec, "accessModes");
    let path = at(path, "accessModes");
    if modes.is_empty() {
        e.push(FieldError::required(path.as_str(), missing));
    }
    let mut single = false;
    for mode in modes {
        let mode = mode.as_str().unwrap_or_default();
        if !MODES.contains(&mode) {
            e.push(FieldError::not_supported(path.as_str(), mode, MODES));
        }
        single |= mode == "ReadWriteOncePod";
    }
    if single && modes.len() > 1 {
        e.push(FieldError::forbidden(path, "may not use ReadWriteOncePod with other access modes"));
    }
}

/// The spec of a claim or of a template of claims.
pub(super) fn claim_spec(e: &mut FieldErrors, spec: &Value, path: &str) {
    if let Some(selector) = given(spec, "selector") {
        e.extend(selector::validate_object(selector, &at(path, "selector")));
    }
    access_modes(e, spec, path, "at least 1 access mode is required");
    let storage = format!("{path}.resources[storage]");
    match spec.get("resources").and_then(|r| r.get("requests")).and_then(|r| given(r, "storage")) {
        None => e.push(FieldError::required(storage, "")),
        Some(amount) => positive_quantity(e, amount, storage),
    }
    if let Some(class) = given(spec, "storageClassName").and_then(Value::as_str).filter(|c| !c.is_empty()) {
        object_name(e, class, at(path, "storageClassName"));
    }
    one_of(e, spec, "volumeMode", path, VOLUME_MODES, true);
    for key in ["dataSource", "dataSourceRef"] {
        let Some(source) = given(spec, key) else { continue };
        let path = at(path, key);
        required(e, source, "name", &path);
        required(e, source, "kind", &path);
        if text(source, "apiGroup").is_empty()
            && !text(source, "kind").is_empty()
            && text(source, "kind") != "PersistentVolumeClaim"
        {
            let wrong = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            e.push(FieldError::invalid(path, text(source, "kind"), wrong));
        }
    }
}

pub(super) fn claim(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    claim_spec(&mut e, object.get("spec").unwrap_or(&Value::Null), "spec");
    e
}

/// A claim keeps what it asked for, except that it may ask for more room.
pub(super) fn change_claim(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    if ctx.subresource.is_some() {
        return e;
    }
    let fixed = |object: &Value, unbound: bool| {
        let mut spec = object["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.remove("resources");
            map.remove("volumeAttributesClassName");
            if unbound {
                map.remove("volumeName");
            }
        }
        spec
    };
    let unbound = text(&old["spec"], "volumeName").is_empty();
    if fixed(object, unbound) != fixed(old, unbound) {
        let wrong =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        e.push(FieldError::forbidden("spec", wrong));
    }
    let request = |object: &Value| object["spec"]["resources"]["requests"]["storage"].clone();
    if amount(&request(object)) < amount(&request(old)) {
        let wrong = "field can not be less than status.capacity";
        e.push(FieldError::forbidden("spec.resources.requests.storage", wrong));
    }
    e
}

pub(super) fn volume(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    access_modes(&mut e, spec, "spec", "");
    let capacity: Vec<(&String, &Value)> = pairs(spec, "capacity").collect();
    if capacity.is_empty() {
        e.push(FieldError::required("spec.capacity", ""));
    }
    if capacity.len() != 1 || capacity[0].0 != "storage" {
        let mut error = FieldError::not_supported("spec.capacity", Value::Null, &["storage"]);
        error.value = Some(spec.get("capacity").cloned().unwrap_or(Value::Null));
        error.kind = ErrorKind::NotSupported;
        e.push(error);
    }
    for (name, value) in capacity {
        let path = format!("spec.capacity[{name}]");
        non_negative_quantity(&mut e, value, path.as_str());
        positive_quantity(&mut e, value, path);
    }
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        one_of(&mut e, spec, "persistentVolumeReclaimPolicy", "spec", RECLAIM, true);
    }
    if let Some(required) = given(spec, "nodeAffinity").and_then(|a| given(a, "required")) {
        scheduling::node_selector(&mut e, required, "spec.nodeAffinity.required");
    }
    volumes::sources(&mut e, spec, "spec", false);
    if policy == "Recycle" && given(spec, "hostPath").is_some_and(|h| text(h, "path") == "/") {
        let wrong = "may not be 'recycle' for a hostPath mount of '/'";
        e.push(FieldError::forbidden("spec.persistentVolumeReclaimPolicy", wrong));
    }
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        object_name(&mut e, class, "spec.storageClassName");
    }
    one_of(&mut e, spec, "volumeMode", "spec", VOLUME_MODES, true);
    e
}

pub(super) fn storage_class(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let provisioner = text(object, "provisioner");
    if provisioner.is_empty() {
        e.push(FieldError::required("provisioner", ""));
    } else {
        qualified(&mut e, &provisioner.to_lowercase(), "provisioner");
    }
    for (key, _) in pairs(object, "parameters") {
        if key.is_empty() {
            let wrong = "field can not be empty.";
            e.push(FieldError::invalid("parameters", key.as_str(), wrong));
        }
    }
    one_of(&mut e, object, "reclaimPolicy", "", &["Delete", "Retain"], true);
    let modes = ["Immediate", "WaitForFirstConsumer"];
    match given(object, "volumeBindingMode") {
        None => e.push(FieldError::required("volumeBindingMode", "")),
        Some(_) => one_of(&mut e, object, "volumeBindingMode", "", &modes, true),
    }
    e
}

pub(super) fn change_storage_class(object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    if object.get("parameters") != old.get("parameters") {
        e.push(FieldError::forbidden("parameters", "updates to parameters are forbidden."));
    }
    if object.get("provisioner") != old.get("provisioner") {
        e.push(FieldError::forbidden("provisioner", "updates to provisioner are forbidden."));
    }
    if object.get("reclaimPolicy") != old.get("reclaimPolicy") {
        e.push(FieldError::forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."));
    }
    immutable(&mut e, object.get("volumeBindingMode"), old.get("volumeBindingMode"), "volumeBindingMode");
    e
}
