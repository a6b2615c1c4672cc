//! Autoscalers and disruption budgets.

use serde_json::Value;

use super::common::*;
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;
use crate::selector;

pub(super) fn autoscaler(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let least = int(spec, "minReplicas");
    if let Some(number) = least.filter(|n| *n < 1) {
        e.push(FieldError::invalid("spec.minReplicas", number, "must be greater than or equal to 1"));
    }
    let most = int(spec, "maxReplicas").unwrap_or_default();
    if most == 0 {
        e.push(FieldError::required("spec.maxReplicas", "must be set and greater than 0"));
    } else if most < 0 {
        e.push(FieldError::invalid("spec.maxReplicas", most, "must be greater than 0"));
    }
    if least.is_some_and(|least| most < least) {
        let wrong = "must be greater than or equal to `minReplicas`";
        e.push(FieldError::invalid("spec.maxReplicas", most, wrong));
    }
    reference(&mut e, spec.get("scaleTargetRef").unwrap_or(&Value::Null), "spec.scaleTargetRef", true);
    for (item, metric) in each(spec, "metrics", "spec") {
        self::metric(&mut e, metric, &item);
    }
    if let Some(behavior) = given(spec, "behavior") {
        for key in ["scaleUp", "scaleDown"] {
            if let Some(rules) = given(behavior, key) {
                scaling_rules(&mut e, rules, &format!("spec.behavior.{key}"));
            }
        }
    }
    e
}

fn reference(e: &mut FieldErrors, target: &Value, path: &str, group: bool) {
    for key in ["kind", "name"] {
        if required(e, target, key, path) {
            let value = text(target, key);
            check(e, at(path, key), value, names::path_segment(value));
        }
    }
    let version = text(target, "apiVersion");
    if group && !version.contains('/') && version != "v1" {
        let wrong = if version.is_empty() || version != "v1" {
            "apiVersion must specify API group"
        } else {
            return;
        };
        e.push(FieldError::invalid(at(path, "apiVersion"), version, wrong));
    }
}

fn metric(e: &mut FieldErrors, metric: &Value, path: &str) {
    const TYPES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];
    const SOURCES: &[(&str, &str)] = &[
        ("object", "Object"),
        ("external", "External"),
        ("pods", "Pods"),
        ("resource", "Resource"),
        ("containerResource", "ContainerResource"),
    ];
    let kind = text(metric, "type");
    if kind.is_empty() {
        e.push(FieldError::required(at(path, "type"), "must specify a metric source type"));
    } else {
        one_of(e, metric, "type", path, TYPES, false);
    }
    let present: Vec<&str> = SOURCES.iter().map(|(key, _)| *key).filter(|key| given(metric, key).is_some()).collect();
    for key in &present {
        metric_source(e, metric.get(*key).unwrap_or(&Value::Null), &at(path, key), key);
    }
    let expected = SOURCES.iter().find(|(_, name)| *name == kind).map(|(key, _)| *key);
    match expected {
        Some(expected) if !present.contains(&expected) => {
            let wrong = "must populate information for the given metric source";
            e.push(FieldError::required(at(path, expected), wrong));
        }
        Some(_) => {}
        // The type is judged once more where its source is looked for.
        None => one_of(e, metric, "type", path, TYPES, false),
    }
    if present.len() > 1 {
        for key in present.iter().filter(|key| Some(**key) != expected) {
            e.push(FieldError::forbidden(at(path, key), "must populate the given metric source only"));
        }
    }
}

fn metric_source(e: &mut FieldErrors, source: &Value, path: &str, kind: &str) {
    let target = source.get("target").unwrap_or(&Value::Null);
    let target_path = at(path, "target");
    match kind {
        "resource" | "containerResource" => {
            if text(source, "name").is_empty() {
                e.push(FieldError::required(at(path, "name"), "must specify a resource name"));
            }
            if kind == "containerResource" && text(source, "container").is_empty() {
                e.push(FieldError::required(at(path, "container"), "must specify a container"));
            }
            metric_target(e, target, &target_path);
            let (utilization, value) = (int(target, "averageUtilization"), given(target, "averageValue"));
            if utilization.is_none() && value.is_none() {
                let wrong = "must set either a target raw value or a target utilization";
                e.push(FieldError::required(at(&target_path, "averageUtilization"), wrong));
            }
            if utilization.is_some() && value.is_some() {
                let wrong = "may not set both a target raw value and a target utilization";
                e.push(FieldError::forbidden(at(&target_path, "averageValue"), wrong));
            }
        }
        _ => {
            if kind == "object" {
                let described = source.get("describedObject").unwrap_or(&Value::Null);
                reference(e, described, &at(path, "describedObject"), false);
            }
            let metric = source.get("metric").unwrap_or(&Value::Null);
            let metric_path = at(path, "metric");
            if text(metric, "name").is_empty() {
                e.push(FieldError::required(at(&metric_path, "name"), "must specify a metric name"));
            } else {
                check(e, at(&metric_path, "name"), text(metric, "name"), names::path_segment(text(metric, "name")));
            }
            if let Some(selector) = given(metric, "selector") {
                e.extend(selector::validate_object(selector, &at(&metric_path, "selector")));
            }
            metric_target(e, target, &target_path);
            let (value, average) = (given(target, "value"), given(target, "averageValue"));
            if kind == "pods" {
                if average.is_none_or(|a| amount(a) <= 0) {
                    let wrong = "must specify a positive target averageValue";
                    e.push(FieldError::required(at(&target_path, "averageValue"), wrong));
                }
            } else if value.is_none() && average.is_none() {
                let wrong = "must set either a target value for metric or a per-pod target";
                e.push(FieldError::required(at(&target_path, "averageValue"), wrong));
            }
        }
    }
}

fn metric_target(e: &mut FieldErrors, target: &Value, path: &str) {
    if text(target, "type").is_empty() {
        e.push(FieldError::required(at(path, "type"), "must specify a metric target type"));
    } else if !matches!(text(target, "type"), "Utilization" | "Value" | "AverageValue") {
        let wrong = "must be either Utilization, Value, or AverageValue";
        e.push(FieldError::invalid(at(path, "type"), text(target, "type"), wrong));
    }
    for key in ["value", "averageValue"] {
        if let Some(value) = given(target, key).filter(|v| amount(v) <= 0) {
            e.push(FieldError::invalid(at(path, key), shown(value), "must be positive"));
        }
    }
    if let Some(percent) = int(target, "averageUtilization").filter(|p| *p < 1) {
        e.push(FieldError::invalid(at(path, "averageUtilization"), percent, "must be greater than 0"));
    }
}

fn scaling_rules(e: &mut FieldErrors, rules: &Value, path: &str) {
    if let Some(seconds) = int(rules, "stabilizationWindowSeconds") {
        if seconds < 0 {
            let wrong = "must be greater than or equal to zero";
            e.push(FieldError::invalid(at(path, "stabilizationWindowSeconds"), seconds, wrong));
        }
        if seconds > 3600 {
            let wrong = "must be less than or equal to 3600";
            e.push(FieldError::invalid(at(path, "stabilizationWindowSeconds"), seconds, wrong));
        }
    }
    one_of(e, rules, "selectPolicy", path, &["Disabled", "Max", "Min"], true);
    if list(rules, "policies").is_empty() {
        e.push(FieldError::required(at(path, "policies"), "must specify at least one Policy"));
    }
    for (item, policy) in each(rules, "policies", path) {
        one_of(e, policy, "type", &item, &["Percent", "Pods"], false);
        let value = int(policy, "value").unwrap_or_default();
        if value <= 0 {
            e.push(FieldError::invalid(at(&item, "value"), value, "must be greater than zero"));
        }
        let period = int(policy, "periodSeconds").unwrap_or_default();
        if period <= 0 {
            e.push(FieldError::invalid(at(&item, "periodSeconds"), period, "must be greater than zero"));
        }
        if period > 1800 {
            e.push(FieldError::invalid(at(&item, "periodSeconds"), period, "must be less than or equal to 1800"));
        }
    }
}

pub(super) fn disruption_budget(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (least, most) = (given(spec, "minAvailable"), given(spec, "maxUnavailable"));
    if let (Some(least), Some(most)) = (least, most) {
        let selector = given(spec, "selector").map_or_else(|| "null".to_owned(), selector_text);
        let policy = given(spec, "unhealthyPodEvictionPolicy").unwrap_or(&Value::Null);
        let shown = format!(
            "{{\"MinAvailable\":{least},\"Selector\":{selector},\"MaxUnavailable\":{most},\"UnhealthyPodEvictionPolicy\":{policy}}}"
        );
        e.push(invalid_raw("spec", &shown, "minAvailable and maxUnavailable cannot be both set"));
    }
    for key in ["minAvailable", "maxUnavailable"] {
        int_or_percent(&mut e, spec, key, "spec");
        at_most_100_percent(&mut e, spec, key, "spec");
    }
    if let Some(selector) = given(spec, "selector") {
        e.extend(selector::validate_object(selector, "spec.selector"));
    }
    one_of(&mut e, spec, "unhealthyPodEvictionPolicy", "spec", &["AlwaysAllow", "IfHealthyBudget"], true);
    e
}
