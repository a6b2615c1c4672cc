//! Where pods may run: affinity, tolerations and spreading.

use serde_json::Value;

use super::common::*;
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;
use crate::selector::{self, label_value_errors};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn affinity(e: &mut FieldErrors, affinity: &Value, path: &str) {
    if let Some(node) = given(affinity, "nodeAffinity") {
        let path = at(path, "nodeAffinity");
        if let Some(required) = given(node, "requiredDuringSchedulingIgnoredDuringExecution") {
            node_selector(e, required, &at(&path, "requiredDuringSchedulingIgnoredDuringExecution"));
        }
        for (item, term) in each(node, "preferredDuringSchedulingIgnoredDuringExecution", &path) {
            weight(e, term, &item);
            node_term(e, term.get("preference").unwrap_or(&Value::Null), &at(&item, "preference"));
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = given(affinity, kind) else { continue };
        let path = at(path, kind);
        for (item, term) in each(terms, "requiredDuringSchedulingIgnoredDuringExecution", &path) {
            pod_term(e, term, &item);
        }
        for (item, term) in each(terms, "preferredDuringSchedulingIgnoredDuringExecution", &path) {
            weight(e, term, &item);
            pod_term(e, term.get("podAffinityTerm").unwrap_or(&Value::Null), &at(&item, "podAffinityTerm"));
        }
    }
}

fn weight(e: &mut FieldErrors, term: &Value, path: &str) {
    let weight = int(term, "weight").unwrap_or_default();
    if !(1..=100).contains(&weight) {
        e.push(FieldError::invalid(at(path, "weight"), weight, "must be in the range 1-100"));
    }
}

pub(super) fn node_selector(e: &mut FieldErrors, selector: &Value, path: &str) {
    if list(selector, "nodeSelectorTerms").is_empty() {
        let wrong = "must have at least one node selector term";
        e.push(FieldError::required(at(path, "nodeSelectorTerms"), wrong));
    }
    for (item, term) in each(selector, "nodeSelectorTerms", path) {
        node_term(e, term, &item);
    }
}

fn node_term(e: &mut FieldErrors, term: &Value, path: &str) {
    for (item, expression) in each(term, "matchExpressions", path) {
        let values = list(expression, "values");
        match text(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                let wrong = "must be specified when `operator` is 'In' or 'NotIn'";
                e.push(FieldError::required(at(&item, "values"), wrong));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let wrong = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                e.push(FieldError::forbidden(at(&item, "values"), wrong));
            }
            "Gt" | "Lt" if values.len() != 1 => {
                let wrong = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                e.push(FieldError::required(at(&item, "values"), wrong));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => {
                e.push(FieldError::invalid(at(&item, "operator"), other, "not a valid selector operator"));
            }
        }
        qualified(e, text(expression, "key"), &at(&item, "key"));
        for (place, value) in each(expression, "values", &item) {
            let value = value.as_str().unwrap_or_default();
            for wrong in label_value_errors(value) {
                e.push(FieldError::invalid(place.as_str(), value, wrong));
            }
        }
    }
    for (item, expression) in each(term, "matchFields", path) {
        let values = list(expression, "values");
        match text(expression, "operator") {
            "In" | "NotIn" if values.len() != 1 => {
                let wrong = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                e.push(FieldError::required(at(&item, "values"), wrong));
            }
            "In" | "NotIn" => {}
            other => {
                e.push(FieldError::invalid(at(&item, "operator"), other, "not a valid selector operator"));
            }
        }
        let key = text(expression, "key");
        if key == "metadata.name" {
            for (place, value) in each(expression, "values", &item) {
                object_name(e, value.as_str().unwrap_or_default(), place);
            }
        } else {
            e.push(FieldError::invalid(at(&item, "key"), key, "not a valid field selector key"));
        }
    }
}

fn pod_term(e: &mut FieldErrors, term: &Value, path: &str) {
    for key in ["labelSelector", "namespaceSelector"] {
        if let Some(selector) = given(term, key) {
            e.extend(selector::validate_object(selector, &at(path, key)));
        }
    }
    for (item, namespace) in each(term, "namespaces", path) {
        let namespace = namespace.as_str().unwrap_or_default();
        // Kubernetes names the list here, without the index of the item.
        let list_path = item.rsplit_once('[').map_or(item.as_str(), |(path, _)| path);
        check(e, list_path, namespace, names::dns_label(namespace));
    }
    for key in ["matchLabelKeys", "mismatchLabelKeys"] {
        for (item, name) in each(term, key, path) {
            qualified(e, name.as_str().unwrap_or_default(), &item);
        }
    }
    topology_key(e, term, path);
}

fn topology_key(e: &mut FieldErrors, term: &Value, path: &str) {
    let key = text(term, "topologyKey");
    if key.is_empty() {
        e.push(FieldError::required(at(path, "topologyKey"), "can not be empty"));
    }
    qualified(e, key, &at(path, "topologyKey"));
}

pub(super) fn tolerations(e: &mut FieldErrors, spec: &Value, path: &str) {
    for (item, toleration) in each(spec, "tolerations", path) {
        let key = text(toleration, "key");
        let (operator, value) = (text(toleration, "operator"), text(toleration, "value"));
        if !key.is_empty() {
            qualified(e, key, &at(&item, "key"));
        }
        if key.is_empty() && operator != "Exists" {
            let wrong = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            e.push(FieldError::invalid(at(&item, "operator"), operator, wrong));
        }
        if given(toleration, "tolerationSeconds").is_some() && text(toleration, "effect") != "NoExecute" {
            let wrong = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            e.push(FieldError::invalid(at(&item, "effect"), text(toleration, "effect"), wrong));
        }
        match operator {
            "" | "Equal" => {
                let wrong = label_value_errors(value);
                if !wrong.is_empty() {
                    e.push(FieldError::invalid(at(&item, "operator"), value, wrong.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let wrong = "value must be empty when `operator` is 'Exists'";
                    e.push(FieldError::invalid(at(&item, "operator"), value, wrong));
                }
            }
            other => e.push(FieldError::not_supported(at(&item, "operator"), other, &["Equal", "Exists"])),
        }
        let effect = text(toleration, "effect");
        if !effect.is_empty() {
            one_of(e, toleration, "effect", &item, EFFECTS, true);
        }
    }
}

/// The taints of a node.
pub(super) fn taints(e: &mut FieldErrors, spec: &Value, path: &str) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (item, taint) in each(spec, "taints", path) {
        let (key, effect) = (text(taint, "key"), text(taint, "effect"));
        qualified(e, key, &at(&item, "key"));
        let value = text(taint, "value");
        let wrong = label_value_errors(value);
        if !wrong.is_empty() {
            e.push(FieldError::invalid(at(&item, "value"), value, wrong.join(";")));
        }
        if effect.is_empty() {
            e.push(FieldError::required(at(&item, "effect"), ""));
        } else {
            one_of(e, taint, "effect", &item, EFFECTS, false);
        }
        if seen.contains(&(key, effect)) {
            let mut error = FieldError::duplicate(item, taint.clone());
            "taints must be unique by key and effect pair".clone_into(&mut error.detail);
            e.push(error);
        }
        seen.push((key, effect));
    }
}

pub(super) fn topology_spread(e: &mut FieldErrors, spec: &Value, path: &str) {
    let constraints = list(spec, "topologySpreadConstraints");
    for (index, (item, constraint)) in each(spec, "topologySpreadConstraints", path).enumerate() {
        let skew = int(constraint, "maxSkew").unwrap_or_default();
        if skew <= 0 {
            e.push(FieldError::invalid(at(&item, "maxSkew"), skew, "must be greater than zero"));
        }
        topology_key(e, constraint, &item);
        one_of(e, constraint, "whenUnsatisfiable", &item, &["DoNotSchedule", "ScheduleAnyway"], false);
        let when = text(constraint, "whenUnsatisfiable");
        let pair = |c: &Value| (text(c, "topologyKey").to_owned(), text(c, "whenUnsatisfiable").to_owned());
        if constraints[..index].iter().any(|c| pair(c) == pair(constraint)) {
            let shown = format!("{{{}, {when}}}", text(constraint, "topologyKey"));
            e.push(FieldError::duplicate(format!("{item}.{{topologyKey, whenUnsatisfiable}}"), shown));
        }
        if let Some(domains) = int(constraint, "minDomains") {
            if domains <= 0 {
                e.push(FieldError::invalid(at(&item, "minDomains"), domains, "must be greater than zero"));
            }
            if when == "ScheduleAnyway" {
                let wrong = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway";
                e.push(FieldError::invalid(at(&item, "minDomains"), domains, wrong));
            }
        }
        for key in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            one_of(e, constraint, key, &item, &["Honor", "Ignore"], true);
        }
        for (place, name) in each(constraint, "matchLabelKeys", &item) {
            qualified(e, name.as_str().unwrap_or_default(), &place);
        }
        if let Some(selector) = given(constraint, "labelSelector") {
            e.extend(selector::validate_object(selector, &at(&item, "labelSelector")));
        }
    }
}
