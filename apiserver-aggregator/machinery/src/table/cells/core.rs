//! The core group's plain kinds.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{NONE, UNKNOWN, age, age_at, at, flag, int, list, map, name, shown, size, text, text_or};
use crate::meta;

pub(super) fn name_and_age(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), age(object, now)]
}

pub(super) fn component_status(object: &Value, _now: Timestamp) -> Vec<Value> {
    let (mut status, mut message, mut error) = ("Unknown", "", "");
    if let Some(healthy) = list(object, "conditions").iter().find(|c| text(c, "type") == "Healthy") {
        status = match text(healthy, "status") {
            "True" => "Healthy",
            "False" => "Unhealthy",
            _ => "Unknown",
        };
        (message, error) = (text(healthy, "message"), text(healthy, "error"));
    }
    vec![name(object), status.into(), message.into(), error.into()]
}

pub(super) fn config_map(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), (size(object, "data") + size(object, "binaryData")).into(), age(object, now)]
}

pub(super) fn secret(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "type").into(), size(object, "data").into(), age(object, now)]
}

pub(super) fn namespace(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "status.phase").into(), age(object, now)]
}

pub(super) fn lease(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "spec.holderIdentity").into(), age(object, now)]
}

pub(super) fn runtime_class(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "handler").into(), age(object, now)]
}

/// Events of both groups: the newer one names the same things differently.
pub(super) fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let either = |a: &'static str, b: &'static str| at(object, a).or_else(|| at(object, b));
    let since = |value: Option<&Value>| super::age_of(value, now);
    let event_time = at(object, "eventTime");
    let first = since(either("firstTimestamp", "deprecatedFirstTimestamp").or(event_time));
    let mut last = either("lastTimestamp", "deprecatedLastTimestamp").map_or_else(|| first.clone(), |t| since(Some(t)));
    let mut count = either("count", "deprecatedCount").and_then(Value::as_i64).unwrap_or_default();
    if let Some(series) = at(object, "series") {
        last = since(at(series, "lastObservedTime"));
        count = int(series, "count");
    } else if count == 0 {
        count = 1;
    }
    let about = either("involvedObject", "regarding").unwrap_or(&Value::Null);
    let kind = text(about, "kind").to_lowercase();
    let target = match text(about, "name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let source = either("source", "deprecatedSource").unwrap_or(&Value::Null);
    let component =
        text_or(source, "component", text_or(object, "reportingComponent", text(object, "reportingController")));
    let instance = text_or(source, "host", text(object, "reportingInstance"));
    let source = if instance.is_empty() { component.to_owned() } else { format!("{component}, {instance}") };
    let message = text_or(object, "message", text(object, "note")).trim();
    vec![
        last.into(),
        text(object, "type").into(),
        text(object, "reason").into(),
        target.into(),
        text(about, "fieldPath").into(),
        source.into(),
        message.into(),
        first.into(),
        count.into(),
        name(object),
    ]
}

pub(super) fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = list(object, "status.conditions").iter().find(|c| text(c, "type") == "Ready");
    let mut status = match ready.map(|c| text(c, "status")) {
        None => "Unknown".to_owned(),
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
    };
    if flag(object, "spec.unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: BTreeSet<&str> = BTreeSet::new();
    for (key, value) in meta::labels(object).into_iter().flatten() {
        if let Some(role) = key.strip_prefix("node-role.kubernetes.io/").filter(|r| !r.is_empty()) {
            roles.insert(role);
        } else if key == "kubernetes.io/role" {
            roles.extend(value.as_str().filter(|r| !r.is_empty()));
        }
    }
    let roles: Vec<&str> = roles.into_iter().collect();
    let roles = if roles.is_empty() { NONE.to_owned() } else { roles.join(",") };
    let address = |kind: &str| {
        let found = list(object, "status.addresses").iter().find(|a| text(a, "type") == kind);
        found.map_or(NONE, |a| text(a, "address")).to_owned()
    };
    vec![
        name(object),
        status.into(),
        roles.into(),
        age(object, now),
        text(object, "status.nodeInfo.kubeletVersion").into(),
        address("InternalIP").into(),
        address("ExternalIP").into(),
        text_or(object, "status.nodeInfo.osImage", UNKNOWN).into(),
        text_or(object, "status.nodeInfo.kernelVersion", UNKNOWN).into(),
        text_or(object, "status.nodeInfo.containerRuntimeVersion", UNKNOWN).into(),
    ]
}

pub(super) fn resource_quota(object: &Value, now: Timestamp) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let used = map(object, "status.used");
    for (resource, hard) in map(object, "status.hard").into_iter().flatten() {
        let used = shown(used.and_then(|u| u.get(resource))).unwrap_or_else(|| "0".to_owned());
        let hard = shown(Some(hard)).unwrap_or_default();
        let column = if resource.starts_with("limits.") { &mut limits } else { &mut requests };
        column.push(format!("{resource}: {used}/{hard}"));
    }
    let age = age_at(object, "metadata.creationTimestamp", now);
    vec![name(object), requests.join(", ").into(), limits.join(", ").into(), age.into()]
}
