//! Autoscalers, disruption budgets, priorities and claims of devices.

use jiff::Timestamp;
use serde_json::Value;

use super::{NONE, UNKNOWN, UNSET, age, at, first_few, flag, int, list, name, shown, size, text, text_or};
use crate::meta;

/// How many metrics are shown.
const FEW: usize = 2;

/// One metric of an autoscaler as `current/target`.
fn metric(spec: &Value, status: Option<&Value>) -> String {
    let kind = text(spec, "type");
    let part = match kind {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let target = |field: &str| at(spec, part).and_then(|p| shown(at(p, &format!("target.{field}"))));
    let current = |field: &str| {
        let found = status.and_then(|s| at(s, part)).and_then(|p| shown(at(p, &format!("current.{field}"))));
        found.unwrap_or_else(|| UNKNOWN.to_owned())
    };
    let resource = at(spec, part).map(|p| text(p, "name")).unwrap_or_default();
    match (kind, target("averageValue")) {
        ("Pods", average) => format!("{}/{}", current("averageValue"), average.unwrap_or_else(|| "0".to_owned())),
        ("External" | "Object", Some(average)) => format!("{}/{average} (avg)", current("averageValue")),
        ("External" | "Object", None) => {
            format!("{}/{}", current("value"), target("value").unwrap_or_else(|| UNKNOWN.to_owned()))
        }
        (_, Some(average)) => format!("{resource}: {}/{average}", current("averageValue")),
        (_, None) => {
            let percent = |text: String| if text == UNKNOWN { text } else { format!("{text}%") };
            let wanted = target("averageUtilization").map_or_else(|| "<auto>".to_owned(), |t| format!("{t}%"));
            format!("{resource}: {}/{wanted}", percent(current("averageUtilization")))
        }
    }
}

pub(super) fn autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let statuses = list(object, "status.currentMetrics");
    let mut metrics: Vec<String> =
        list(object, "spec.metrics").iter().enumerate().map(|(i, spec)| metric(spec, statuses.get(i))).collect();
    // Version v1 knows the processor only.
    if let Some(target) = at(object, "spec.targetCPUUtilizationPercentage") {
        let current = shown(at(object, "status.currentCPUUtilizationPercentage"));
        let current = current.map_or_else(|| UNKNOWN.to_owned(), |c| format!("{c}%"));
        metrics.push(format!("cpu: {current}/{target}%"));
    }
    let metrics = if metrics.is_empty() { NONE.to_owned() } else { first_few(&metrics, FEW, ", ") };
    let minimum = shown(at(object, "spec.minReplicas")).unwrap_or_else(|| UNSET.to_owned());
    vec![
        name(object),
        format!("{}/{}", text(object, "spec.scaleTargetRef.kind"), text(object, "spec.scaleTargetRef.name")).into(),
        metrics.into(),
        minimum.into(),
        int(object, "spec.maxReplicas").into(),
        int(object, "status.currentReplicas").into(),
        age(object, now),
    ]
}

pub(super) fn disruption_budget(object: &Value, now: Timestamp) -> Vec<Value> {
    let limit = |path: &str| shown(at(object, path)).unwrap_or_else(|| "N/A".to_owned());
    vec![
        name(object),
        limit("spec.minAvailable").into(),
        limit("spec.maxUnavailable").into(),
        int(object, "status.disruptionsAllowed").into(),
        age(object, now),
    ]
}

pub(super) fn priority_class(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        int(object, "value").into(),
        flag(object, "globalDefault").into(),
        age(object, now),
        text_or(object, "preemptionPolicy", "PreemptLowerPriority").into(),
    ]
}

pub(super) fn resource_claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut states = Vec::new();
    let deleted = meta::deletion_timestamp(object).is_some();
    if deleted {
        states.push("deleted");
    }
    if at(object, "status.allocation").is_some() {
        states.push("allocated");
        if size(object, "status.reservedFor") > 0 {
            states.push("reserved");
        }
    } else if !deleted {
        states.push("pending");
    }
    vec![name(object), states.join(",").into(), age(object, now)]
}

pub(super) fn resource_slice(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "spec.nodeName").into(),
        text(object, "spec.driver").into(),
        text(object, "spec.pool.name").into(),
        age(object, now),
    ]
}
