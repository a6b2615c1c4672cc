//! Deployments and their like.

use jiff::Timestamp;
use serde_json::Value;

use super::{NONE, age, containers, int, labels, map, name, selector, text};
use crate::{meta, selector::LabelSelector};

const TEMPLATE_CONTAINERS: &str = "spec.template.spec.containers";

pub(super) fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, TEMPLATE_CONTAINERS);
    // Unlike elsewhere, an empty selector is shown as nothing.
    let selected = object.get("spec").and_then(|s| s.get("selector")).unwrap_or(&Value::Null);
    let selected = LabelSelector::from_object(selected).map(|s| s.to_string()).unwrap_or_default();
    vec![
        name(object),
        format!("{}/{}", int(object, "status.readyReplicas"), int(object, "spec.replicas")).into(),
        int(object, "status.updatedReplicas").into(),
        int(object, "status.availableReplicas").into(),
        age(object, now),
        names.into(),
        images.into(),
        selected.into(),
    ]
}

pub(super) fn replica_set(object: &Value, now: Timestamp) -> Vec<Value> {
    replicas(object, now, selector(object, "spec.selector"))
}

pub(super) fn replication_controller(object: &Value, now: Timestamp) -> Vec<Value> {
    replicas(object, now, labels(map(object, "spec.selector")))
}

fn replicas(object: &Value, now: Timestamp, selected: String) -> Vec<Value> {
    let (names, images) = containers(object, TEMPLATE_CONTAINERS);
    vec![
        name(object),
        int(object, "spec.replicas").into(),
        int(object, "status.replicas").into(),
        int(object, "status.readyReplicas").into(),
        age(object, now),
        names.into(),
        images.into(),
        selected.into(),
    ]
}

pub(super) fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, TEMPLATE_CONTAINERS);
    let ready = format!("{}/{}", int(object, "status.readyReplicas"), int(object, "spec.replicas"));
    vec![name(object), ready.into(), age(object, now), names.into(), images.into()]
}

pub(super) fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, TEMPLATE_CONTAINERS);
    vec![
        name(object),
        int(object, "status.desiredNumberScheduled").into(),
        int(object, "status.currentNumberScheduled").into(),
        int(object, "status.numberReady").into(),
        int(object, "status.updatedNumberScheduled").into(),
        int(object, "status.numberAvailable").into(),
        labels(map(object, "spec.template.spec.nodeSelector")).into(),
        age(object, now),
        names.into(),
        images.into(),
        selector(object, "spec.selector").into(),
    ]
}

pub(super) fn pod_template(object: &Value, _now: Timestamp) -> Vec<Value> {
    let (names, images) = containers(object, "template.spec.containers");
    vec![name(object), names.into(), images.into(), labels(map(object, "template.metadata.labels")).into()]
}

pub(super) fn controller_revision(object: &Value, now: Timestamp) -> Vec<Value> {
    let owner = meta::owner_references(object).find(|o| o.get("controller") == Some(&Value::Bool(true)));
    let owner = owner.map_or_else(
        || NONE.to_owned(),
        |owner| {
            let kind = text(owner, "kind").to_lowercase();
            match text(owner, "apiVersion").split_once('/') {
                Some((group, _)) => format!("{kind}.{group}/{}", text(owner, "name")),
                None => format!("{kind}/{}", text(owner, "name")),
            }
        },
    );
    vec![name(object), owner.into(), int(object, "revision").into(), age(object, now)]
}
