//! Volumes, claims and their classes.

use jiff::Timestamp;
use serde_json::Value;

use super::{UNSET, age, at, flag, joined, list, name, shown, size, text, text_or};
use crate::meta;

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Access modes in their short forms, always in the same order.
fn access_modes(object: &Value, path: &str) -> String {
    const MODES: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let stated = list(object, path);
    let short = MODES.iter().filter(|(long, _)| stated.iter().any(|m| m == long)).map(|(_, short)| *short);
    short.collect::<Vec<_>>().join(",")
}

fn class(object: &Value) -> &str {
    meta::annotation(object, BETA_CLASS).unwrap_or_else(|| text(object, "spec.storageClassName"))
}

fn phase(object: &Value) -> &str {
    if meta::deletion_timestamp(object).is_some() { "Terminating" } else { text(object, "status.phase") }
}

/// The storage of a resource list; nothing stated counts as none.
fn storage(object: &Value, path: &str) -> String {
    shown(at(object, path).and_then(|r| r.get("storage"))).unwrap_or_else(|| "0".to_owned())
}

pub(super) fn claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let bound = !text(object, "spec.volumeName").is_empty();
    let (capacity, modes) = if bound {
        (storage(object, "status.capacity"), access_modes(object, "status.accessModes"))
    } else {
        Default::default()
    };
    vec![
        name(object),
        phase(object).into(),
        text(object, "spec.volumeName").into(),
        capacity.into(),
        modes.into(),
        class(object).into(),
        text_or(object, "spec.volumeAttributesClassName", UNSET).into(),
        age(object, now),
        text_or(object, "spec.volumeMode", UNSET).into(),
    ]
}

pub(super) fn volume(object: &Value, now: Timestamp) -> Vec<Value> {
    let claim = at(object, "spec.claimRef")
        .map(|claim| format!("{}/{}", text(claim, "namespace"), text(claim, "name")))
        .unwrap_or_default();
    vec![
        name(object),
        storage(object, "spec.capacity").into(),
        access_modes(object, "spec.accessModes").into(),
        text(object, "spec.persistentVolumeReclaimPolicy").into(),
        phase(object).into(),
        claim.into(),
        class(object).into(),
        text_or(object, "spec.volumeAttributesClassName", UNSET).into(),
        text(object, "status.reason").into(),
        age(object, now),
        text_or(object, "spec.volumeMode", UNSET).into(),
    ]
}

/// The name of a class, marked if it is the default.
fn class_name(object: &Value, annotations: &[&str]) -> Value {
    let plain = meta::name(object).unwrap_or_default();
    let default = annotations.iter().any(|key| meta::annotation(object, key) == Some("true"));
    if default { format!("{plain} (default)").into() } else { plain.into() }
}

pub(super) fn storage_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let annotations =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    vec![
        class_name(object, &annotations),
        text(object, "provisioner").into(),
        text_or(object, "reclaimPolicy", "Delete").into(),
        text_or(object, "volumeBindingMode", "Immediate").into(),
        flag(object, "allowVolumeExpansion").into(),
        age(object, now),
    ]
}

pub(super) fn attributes_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let annotations = ["volumeattributesclass.alpha.kubernetes.io/is-default-class"];
    vec![class_name(object, &annotations), text(object, "driverName").into(), age(object, now)]
}

pub(super) fn csi_driver(object: &Value, now: Timestamp) -> Vec<Value> {
    let attach = at(object, "spec.attachRequired").and_then(Value::as_bool).unwrap_or(true);
    let audiences: Vec<&str> = list(object, "spec.tokenRequests").iter().map(|t| text(t, "audience")).collect();
    let audiences = if audiences.is_empty() { UNSET.to_owned() } else { audiences.join(",") };
    vec![
        name(object),
        attach.into(),
        flag(object, "spec.podInfoOnMount").into(),
        flag(object, "spec.storageCapacity").into(),
        audiences.into(),
        flag(object, "spec.requiresRepublish").into(),
        super::or_none(joined(object, "spec.volumeLifecycleModes", ",")).into(),
        age(object, now),
    ]
}

pub(super) fn csi_node(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), size(object, "spec.drivers").into(), age(object, now)]
}

pub(super) fn volume_attachment(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "spec.attacher").into(),
        text(object, "spec.source.persistentVolumeName").into(),
        text(object, "spec.nodeName").into(),
        flag(object, "status.attached").into(),
        age(object, now),
    ]
}
