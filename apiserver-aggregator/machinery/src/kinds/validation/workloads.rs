//! Deployments, replica sets, stateful sets, daemon sets and replication controllers.

use serde_json::{Map, Value};

use super::common::*;
use super::{pod, storage};
use crate::field::{FieldError, FieldErrors};
use crate::resource::RequestContext;
use crate::selector::{self, LabelSelector};

fn spec_of(object: &Value) -> &Value {
    object.get("spec").unwrap_or(&Value::Null)
}

/// The labels of a template, null where there are none.
pub(super) fn template_labels(template: &Value) -> Value {
    let labels = template.get("metadata").and_then(|m| m.get("labels")).filter(|l| **l != Value::Object(Map::new()));
    labels.cloned().unwrap_or(Value::Null)
}

/// Whether the selector selects what the template makes; anything selects for an empty one.
fn matches_template(e: &mut FieldErrors, selector: &LabelSelector, template: &Value, path: &str) {
    let labels = template.get("metadata").and_then(|m| m.get("labels")).and_then(Value::as_object);
    if !selector.is_everything() && !selector.matches(&labels) {
        e.push(FieldError::invalid(
            format!("{path}.metadata.labels"),
            template_labels(template),
            "`selector` does not match template `labels`",
        ));
    }
}

/// What the pods of a workload that keeps them running must say.
fn running_template(e: &mut FieldErrors, template: &Value, path: &str, kind: &str) {
    pod::template(e, template, path);
    let spec = spec_of(template);
    let policy = text(spec, "restartPolicy");
    if policy != "Always" {
        e.push(FieldError::not_supported(format!("{path}.spec.restartPolicy"), policy, &["Always"]));
    }
    if int(spec, "activeDeadlineSeconds").is_some() {
        let wrong = format!("activeDeadlineSeconds in {kind} is not Supported");
        e.push(FieldError::forbidden(format!("{path}.spec.activeDeadlineSeconds"), wrong));
    }
}

/// The selector in itself; `None` if it cannot be used.
fn selector_of(e: &mut FieldErrors, spec: &Value, kind: &str, wrong: &str, must: bool) -> Option<LabelSelector> {
    let empty = Value::Null;
    let selector = spec.get("selector").unwrap_or(&empty);
    if selector.is_null() {
        if must {
            e.push(FieldError::required("spec.selector", ""));
        }
    } else {
        e.extend(selector::validate_object(selector, "spec.selector"));
        if selector_is_empty(selector) && must {
            let wrong = format!("empty selector is invalid for {kind}");
            e.push(invalid_raw("spec.selector", &selector_text(selector), &wrong));
        }
    }
    match LabelSelector::from_object(selector) {
        Ok(selector) => Some(selector),
        Err(_) => {
            e.push(invalid_raw("spec.selector", &selector_text(selector), wrong));
            None
        }
    }
}

fn template_of(e: &mut FieldErrors, spec: &Value, selector: Option<LabelSelector>, kind: &str) {
    let Some(selector) = selector else { return };
    let template = spec.get("template").unwrap_or(&Value::Null);
    matches_template(e, &selector, template, "spec.template");
    running_template(e, template, "spec.template", kind);
}

pub(super) fn deployment(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = spec_of(object);
    non_negative(&mut e, spec, "replicas", "spec");
    let selector = selector_of(&mut e, spec, "deployment", "invalid label selector", true);
    template_of(&mut e, spec, selector, "ReplicaSet");
    let strategy = spec.get("strategy").unwrap_or(&Value::Null);
    let rolling = given(strategy, "rollingUpdate");
    match text(strategy, "type") {
        "Recreate" => {
            if rolling.is_some() {
                let wrong = "may not be specified when strategy `type` is 'Recreate'";
                e.push(FieldError::forbidden("spec.strategy.rollingUpdate", wrong));
            }
        }
        "RollingUpdate" => match rolling {
            None => {
                let wrong = "this should be defaulted and never be nil";
                e.push(FieldError::required("spec.strategy.rollingUpdate", wrong));
            }
            Some(rolling) => {
                let path = "spec.strategy.rollingUpdate";
                int_or_percent(&mut e, rolling, "maxUnavailable", path);
                int_or_percent(&mut e, rolling, "maxSurge", path);
                let is_zero = |key: &str| given(rolling, key).is_none_or(|v| v == 0 || percent(v) == Some(0));
                if is_zero("maxUnavailable") && is_zero("maxSurge") {
                    let shown = given(rolling, "maxUnavailable").cloned().unwrap_or_else(|| 0.into());
                    let wrong = "may not be 0 when `maxSurge` is 0";
                    e.push(FieldError::invalid(at(path, "maxUnavailable"), shown, wrong));
                }
                at_most_100_percent(&mut e, rolling, "maxUnavailable", path);
            }
        },
        other => e.push(FieldError::not_supported("spec.strategy.type", other, &["Recreate", "RollingUpdate"])),
    }
    non_negative(&mut e, spec, "minReadySeconds", "spec");
    non_negative(&mut e, spec, "revisionHistoryLimit", "spec");
    if let Some(seconds) = int(spec, "progressDeadlineSeconds") {
        non_negative(&mut e, spec, "progressDeadlineSeconds", "spec");
        if seconds <= int(spec, "minReadySeconds").unwrap_or_default() {
            let wrong = "must be greater than minReadySeconds";
            e.push(FieldError::invalid("spec.progressDeadlineSeconds", seconds, wrong));
        }
    }
    e
}

pub(super) fn replica_set(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = spec_of(object);
    non_negative(&mut e, spec, "replicas", "spec");
    non_negative(&mut e, spec, "minReadySeconds", "spec");
    let selector = selector_of(&mut e, spec, "deployment", "invalid label selector", true);
    template_of(&mut e, spec, selector, "ReplicaSet");
    e
}

pub(super) fn daemon_set(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = spec_of(object);
    let empty = Value::Null;
    let selector = spec.get("selector").unwrap_or(&empty);
    if !selector.is_null() {
        e.extend(selector::validate_object(selector, "spec.selector"));
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    if let Ok(parsed) = LabelSelector::from_object(selector) {
        matches_template(&mut e, &parsed, template, "spec.template");
    }
    if !selector.is_null() && selector_is_empty(selector) {
        e.push(invalid_raw("spec.selector", &selector_text(selector), "empty selector is invalid for daemonset"));
    }
    running_template(&mut e, template, "spec.template", "DaemonSet");
    non_negative(&mut e, spec, "minReadySeconds", "spec");
    let strategy = spec.get("updateStrategy").unwrap_or(&Value::Null);
    match (text(strategy, "type"), given(strategy, "rollingUpdate")) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => e.push(FieldError::required("spec.updateStrategy.rollingUpdate", "")),
        ("RollingUpdate", Some(rolling)) => {
            let path = "spec.updateStrategy.rollingUpdate";
            int_or_percent(&mut e, rolling, "maxUnavailable", path);
            int_or_percent(&mut e, rolling, "maxSurge", path);
            let is_zero = |key: &str| given(rolling, key).is_none_or(|v| v == 0 || percent(v) == Some(0));
            match (is_zero("maxUnavailable"), is_zero("maxSurge")) {
                (true, true) => {
                    let wrong = "cannot be 0 when maxSurge is 0";
                    e.push(FieldError::required(at(path, "maxUnavailable"), wrong));
                }
                (false, false) => {
                    let shown = rolling.get("maxSurge").cloned().unwrap_or_default();
                    let wrong = "may not be set when maxUnavailable is non-zero";
                    e.push(FieldError::invalid(at(path, "maxSurge"), shown, wrong));
                }
                _ => {}
            }
            at_most_100_percent(&mut e, rolling, "maxUnavailable", path);
            at_most_100_percent(&mut e, rolling, "maxSurge", path);
        }
        (other, _) => {
            let all = ["RollingUpdate", "OnDelete"];
            e.push(FieldError::not_supported("spec.updateStrategy.type", other, &all));
        }
    }
    non_negative(&mut e, spec, "revisionHistoryLimit", "spec");
    e
}

pub(super) fn stateful_set(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = spec_of(object);
    match text(spec, "podManagementPolicy") {
        "" => e.push(FieldError::required("spec.podManagementPolicy", "")),
        "OrderedReady" | "Parallel" => {}
        other => {
            let wrong = "must be 'OrderedReady' or 'Parallel'";
            e.push(FieldError::invalid("spec.podManagementPolicy", other, wrong));
        }
    }
    stateful_strategy(&mut e, spec.get("updateStrategy").unwrap_or(&Value::Null));
    if let Some(policy) = given(spec, "persistentVolumeClaimRetentionPolicy") {
        for key in ["whenDeleted", "whenScaled"] {
            let path = "spec.persistentVolumeClaimRetentionPolicy";
            one_of(&mut e, policy, key, path, &["Retain", "Delete"], false);
        }
    }
    non_negative(&mut e, spec, "replicas", "spec");
    non_negative(&mut e, spec, "minReadySeconds", "spec");
    if let Some(ordinals) = given(spec, "ordinals") {
        non_negative(&mut e, ordinals, "start", "spec.ordinals");
    }
    let selector = selector_of(&mut e, spec, "statefulset", "", true);
    non_negative(&mut e, spec, "revisionHistoryLimit", "spec");
    template_of(&mut e, spec, selector, "StatefulSet");
    for (item, claim) in each(spec, "volumeClaimTemplates", "spec") {
        storage::claim_spec(&mut e, claim.get("spec").unwrap_or(&Value::Null), &at(&item, "spec"));
    }
    e
}

fn stateful_strategy(e: &mut FieldErrors, strategy: &Value) {
    let rolling = given(strategy, "rollingUpdate");
    let go_rolling = |rolling: &Value| {
        let field = |key: &str| given(rolling, key).map_or_else(|| "null".to_owned(), Value::to_string);
        format!(
            "{{\"Partition\":{},\"MaxUnavailable\":{}}}",
            int(rolling, "partition").unwrap_or_default(),
            field("maxUnavailable")
        )
    };
    let path = "spec.updateStrategy";
    match text(strategy, "type") {
        "" => e.push(FieldError::required(path, "")),
        "OnDelete" => {
            if let Some(rolling) = rolling {
                let wrong = "only allowed for updateStrategy 'RollingUpdate'";
                e.push(invalid_raw(at(path, "rollingUpdate"), &go_rolling(rolling), wrong));
            }
        }
        "RollingUpdate" => {
            if let Some(rolling) = rolling {
                let path = at(path, "rollingUpdate");
                non_negative(e, rolling, "partition", &path);
                if let Some(most) = given(rolling, "maxUnavailable") {
                    int_or_percent(e, rolling, "maxUnavailable", &path);
                    if *most == 0 || percent(most) == Some(0) {
                        e.push(FieldError::invalid(at(&path, "maxUnavailable"), most.clone(), "cannot be 0"));
                    }
                    at_most_100_percent(e, rolling, "maxUnavailable", &path);
                }
            }
        }
        other => {
            let shown = rolling.map_or_else(|| "null".to_owned(), go_rolling);
            let shown = format!("{{\"Type\":{},\"RollingUpdate\":{shown}}}", Value::from(other));
            e.push(invalid_raw(path, &shown, "must be 'RollingUpdate' or 'OnDelete'"));
        }
    }
}

/// The selector of a workload may not change.
pub(super) fn keep_selector(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    if ctx.subresource.is_some() {
        return Vec::new();
    }
    let (new, old) = (object["spec"].get("selector"), old["spec"].get("selector"));
    if new == old {
        return Vec::new();
    }
    let shown = new.filter(|s| !s.is_null()).map_or_else(|| "null".to_owned(), selector_text);
    vec![invalid_raw("spec.selector", &shown, IMMUTABLE)]
}

/// What may change in a stateful set.
pub(super) fn change_stateful_set(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    const FREE: &[&str] = &[
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    if ctx.subresource.is_some() {
        return Vec::new();
    }
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.retain(|key, value| !FREE.contains(&key.as_str()) && !value.is_null());
            if let Some(Value::Array(claims)) = map.get_mut("volumeClaimTemplates") {
                for claim in claims.iter_mut().filter_map(Value::as_object_mut) {
                    claim.remove("status");
                }
            }
        }
        spec
    };
    if fixed(object) == fixed(old) {
        return Vec::new();
    }
    vec![FieldError::forbidden(
        "spec",
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    )]
}

pub(super) fn replication_controller(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = spec_of(object);
    non_negative(&mut e, spec, "minReadySeconds", "spec");
    if pairs(spec, "selector").next().is_none() {
        e.push(FieldError::required("spec.selector", ""));
    }
    non_negative(&mut e, spec, "replicas", "spec");
    match given(spec, "template") {
        None => e.push(FieldError::required("spec.template", "")),
        Some(template) => {
            if let Some(map) = spec.get("selector").and_then(Value::as_object) {
                matches_template(&mut e, &LabelSelector::from_map(map), template, "spec.template");
            }
            running_template(&mut e, template, "spec.template", "ReplicationController");
        }
    }
    e
}

pub(super) fn pod_template(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    pod::template(&mut e, object.get("template").unwrap_or(&Value::Null), "template");
    e
}

pub(super) fn controller_revision(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    non_negative(&mut e, object, "revision", "");
    e
}
