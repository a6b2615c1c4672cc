//! Conversions between the versions of built-in kinds that differ in more than their name.

use serde_json::{Map, Value, json};

use crate::gvk::GroupVersion;
use crate::status::StatusError;

/// Moves a field to another name, unless it is absent.
fn rename(object: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = object.remove(from) {
        object.insert(to.to_owned(), value);
    }
}

const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Converts events between the core group and events.k8s.io, which name seven fields differently.
pub(super) fn event(mut object: Value, wanted: &GroupVersion) -> Result<Value, StatusError> {
    let from_core = object.get("apiVersion").and_then(Value::as_str) == Some("v1");
    let to_core = wanted.group.is_empty();
    if let Some(map) = object.as_object_mut() {
        if from_core != to_core {
            for (core, other) in EVENT_FIELDS {
                if to_core { rename(map, other, core) } else { rename(map, core, other) }
            }
        }
        map.insert("apiVersion".to_owned(), wanted.to_string().into());
    }
    Ok(object)
}

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Converts horizontal pod autoscalers between v1, which has only a CPU target, and v2; what v1 cannot say travels in
/// annotations, as kube-apiserver has it.
pub(super) fn horizontal_pod_autoscaler(mut object: Value, wanted: &GroupVersion) -> Result<Value, StatusError> {
    let from = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (from.as_str(), wanted.version.as_str()) {
        ("autoscaling/v2", "v1") => hpa_to_v1(&mut object),
        ("autoscaling/v1", "v2") => hpa_to_v2(&mut object),
        _ => {}
    }
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".to_owned(), wanted.to_string().into());
    }
    Ok(object)
}

fn is_cpu_utilization(metric: &Value) -> bool {
    metric["type"] == "Resource"
        && metric["resource"]["name"] == "cpu"
        && metric["resource"]["target"]["averageUtilization"].is_i64()
}

fn hpa_to_v1(object: &mut Value) {
    let mut annotations: Vec<(&str, Value)> = Vec::new();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        let mut others = Vec::new();
        if let Some(Value::Array(metrics)) = spec.remove("metrics") {
            for metric in metrics {
                if is_cpu_utilization(&metric) && !spec.contains_key("targetCPUUtilizationPercentage") {
                    let target = metric["resource"]["target"]["averageUtilization"].clone();
                    spec.insert("targetCPUUtilizationPercentage".to_owned(), target);
                } else {
                    others.push(metric_to_v1(&metric));
                }
            }
        }
        if !others.is_empty() {
            annotations.push((METRICS, Value::Array(others)));
        }
        if let Some(behavior) = spec.remove("behavior") {
            annotations.push((BEHAVIOR, capitalize(&behavior)));
        }
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        let mut others = Vec::new();
        if let Some(Value::Array(metrics)) = status.remove("currentMetrics") {
            for metric in metrics {
                if metric["type"] == "Resource" && metric["resource"]["name"] == "cpu" {
                    let current = &metric["resource"]["current"]["averageUtilization"];
                    if current.is_i64() {
                        status.insert("currentCPUUtilizationPercentage".to_owned(), current.clone());
                    }
                }
                others.push(current_metric_to_v1(&metric));
            }
        }
        if !others.is_empty() {
            annotations.push((CURRENT_METRICS, Value::Array(others)));
        }
        match status.remove("conditions") {
            Some(Value::Array(conditions)) if !conditions.is_empty() => {
                annotations.push((CONDITIONS, Value::Array(conditions)));
            }
            _ => {}
        }
        status.entry("currentReplicas").or_insert_with(|| 0.into());
        status.entry("desiredReplicas").or_insert_with(|| 0.into());
    }
    for (key, value) in annotations {
        set_annotation(object, key, &value);
    }
}

fn hpa_to_v2(object: &mut Value) {
    let metrics = take_annotation(object, METRICS);
    let current = take_annotation(object, CURRENT_METRICS);
    let conditions = take_annotation(object, CONDITIONS);
    let behavior = take_annotation(object, BEHAVIOR);
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        let mut all: Vec<Value> = array(metrics).iter().map(metric_to_v2).collect();
        if let Some(target) = spec.remove("targetCPUUtilizationPercentage") {
            all.push(json!({
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
            }));
        }
        if !all.is_empty() {
            spec.insert("metrics".to_owned(), Value::Array(all));
        }
        if let Some(behavior) = behavior {
            spec.insert("behavior".to_owned(), uncapitalize(&behavior));
        }
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("currentCPUUtilizationPercentage");
        let all: Vec<Value> = array(current).iter().map(current_metric_to_v2).collect();
        status.insert("currentMetrics".to_owned(), if all.is_empty() { Value::Null } else { Value::Array(all) });
        if let Some(conditions) = conditions {
            status.insert("conditions".to_owned(), conditions);
        }
        if status.get("currentReplicas").and_then(Value::as_i64) == Some(0) {
            status.remove("currentReplicas");
        }
    }
}

fn array(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn set_annotation(object: &mut Value, key: &str, value: &Value) {
    if let Some(metadata) = crate::meta::metadata_mut(object) {
        let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if let Some(map) = annotations.as_object_mut() {
            map.insert(key.to_owned(), go_order(value).into());
        }
    }
}

fn take_annotation(object: &mut Value, key: &str) -> Option<Value> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let text = annotations.remove(key)?;
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    serde_json::from_str(text.as_str()?).ok()
}

/// Encodes with `type` and `metricName` first, as Go's structs have them; the other keys keep their alphabetical order.
fn go_order(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let first = [
                "type",
                "name",
                "target",
                "metricName",
                "StabilizationWindowSeconds",
                "SelectPolicy",
                "Policies",
                "Type",
                "Value",
            ];
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|key| first.iter().position(|f| f == key).unwrap_or(first.len()));
            let fields: Vec<String> = keys
                .iter()
                .map(|key| format!("{}:{}", Value::from(key.as_str()), go_order(&map[key.as_str()])))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_order).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

/// The names of v1's flat metric fields for a metric's `target` or `current`.
struct Flat {
    value: &'static str,
    average_value: &'static str,
    average_utilization: &'static str,
}

const TARGET: Flat =
    Flat { value: "targetValue", average_value: "targetAverageValue", average_utilization: "targetAverageUtilization" };
const CURRENT: Flat = Flat {
    value: "currentValue",
    average_value: "currentAverageValue",
    average_utilization: "currentAverageUtilization",
};

fn metric_to_v1(metric: &Value) -> Value {
    flatten(metric, "target", &TARGET)
}

fn current_metric_to_v1(metric: &Value) -> Value {
    flatten(metric, "current", &CURRENT)
}

/// v2 nests `metric: {name, selector}` and `target: {type, value, ..}`; v1 has them flat.
fn flatten(metric: &Value, part: &str, names: &Flat) -> Value {
    let Some(map) = metric.as_object() else { return metric.clone() };
    let mut out = Map::new();
    for (key, source) in map {
        let Some(source) = source.as_object() else {
            out.insert(key.clone(), source.clone());
            continue;
        };
        let mut flat = Map::new();
        for (name, value) in source {
            match name.as_str() {
                "metric" => {
                    if let Some(text) = value.get("name") {
                        flat.insert("metricName".to_owned(), text.clone());
                    }
                    if let Some(selector) = value.get("selector") {
                        let name = if key == "external" { "metricSelector" } else { "selector" };
                        flat.insert(name.to_owned(), selector.clone());
                    }
                }
                "describedObject" => {
                    flat.insert("target".to_owned(), value.clone());
                }
                name if name == part => {
                    if let Some(number) = value.get("value") {
                        flat.insert(names.value.to_owned(), number.clone());
                    }
                    if let Some(number) = value.get("averageValue") {
                        let name = if key == "object" { "averageValue" } else { names.average_value };
                        flat.insert(name.to_owned(), number.clone());
                    }
                    if let Some(number) = value.get("averageUtilization") {
                        flat.insert(names.average_utilization.to_owned(), number.clone());
                    }
                }
                _ => {
                    flat.insert(name.clone(), value.clone());
                }
            }
        }
        out.insert(key.clone(), Value::Object(flat));
    }
    Value::Object(out)
}

fn metric_to_v2(metric: &Value) -> Value {
    nest(metric, "target", &TARGET)
}

fn current_metric_to_v2(metric: &Value) -> Value {
    nest(metric, "current", &CURRENT)
}

fn nest(metric: &Value, part: &str, names: &Flat) -> Value {
    let Some(map) = metric.as_object() else { return metric.clone() };
    let mut out = Map::new();
    for (key, source) in map {
        let Some(source) = source.as_object() else {
            out.insert(key.clone(), source.clone());
            continue;
        };
        let mut nested = Map::new();
        let mut identifier = Map::new();
        let mut numbers = Map::new();
        for (name, value) in source {
            match name.as_str() {
                "metricName" => {
                    identifier.insert("name".to_owned(), value.clone());
                }
                "selector" | "metricSelector" => {
                    identifier.insert("selector".to_owned(), value.clone());
                }
                "target" if key == "object" => {
                    nested.insert("describedObject".to_owned(), value.clone());
                }
                name if name == names.value => {
                    numbers.insert("value".to_owned(), value.clone());
                }
                name if name == names.average_value || (name == "averageValue" && key == "object") => {
                    numbers.insert("averageValue".to_owned(), value.clone());
                }
                name if name == names.average_utilization => {
                    numbers.insert("averageUtilization".to_owned(), value.clone());
                }
                _ => {
                    nested.insert(name.clone(), value.clone());
                }
            }
        }
        if !identifier.is_empty() {
            nested.insert("metric".to_owned(), Value::Object(identifier));
        }
        if part == "target" {
            let kind = if numbers.contains_key("averageUtilization") {
                "Utilization"
            } else if numbers.contains_key("averageValue") {
                "AverageValue"
            } else {
                "Value"
            };
            numbers.insert("type".to_owned(), kind.into());
        }
        nested.insert(part.to_owned(), Value::Object(numbers));
        out.insert(key.clone(), Value::Object(nested));
    }
    Value::Object(out)
}

/// The behavior annotation is written from Go's internal struct, whose field names are capitalised.
fn capitalize(value: &Value) -> Value {
    rename_keys(value, |first| first.to_ascii_uppercase())
}

fn uncapitalize(value: &Value) -> Value {
    rename_keys(value, |first| first.to_ascii_lowercase())
}

fn rename_keys(value: &Value, case: fn(char) -> char) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let mut chars = key.chars();
                    let name = chars.next().map(case).into_iter().chain(chars).collect();
                    (name, rename_keys(value, case))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(|item| rename_keys(item, case)).collect()),
        other => other.clone(),
    }
}
