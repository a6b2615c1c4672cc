//! Workloads and autoscalers.

use serde_json::{Value, json};

use super::{Object, core, default, default_value, for_each, pod, text, with, with_made};

pub(super) fn deployment(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default(spec, "replicas", 1);
        with_made(spec, "strategy", |strategy| {
            default_value(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                with_made(strategy, "rollingUpdate", |rolling| {
                    default(rolling, "maxUnavailable", "25%");
                    default(rolling, "maxSurge", "25%");
                });
            }
        });
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "progressDeadlineSeconds", 600);
        with_made(spec, "template", pod::template);
    });
}

pub(super) fn replica_set(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default(spec, "replicas", 1);
        with_made(spec, "template", pod::template);
    });
}

pub(super) fn replication_controller(object: &mut Value) {
    let Value::Object(map) = object else { return };
    let mut labels = None;
    with_made(map, "spec", |spec| {
        default(spec, "replicas", 1);
        with(spec, "template", pod::template);
        labels = spec
            .get("template")
            .and_then(|t| t.get("metadata"))
            .and_then(|m| m.get("labels"))
            .filter(|l| l.as_object().is_some_and(|l| !l.is_empty()))
            .cloned();
        if let Some(labels) = &labels
            && spec.get("selector").is_none_or(|s| s.as_object().is_none_or(Object::is_empty))
        {
            spec.insert("selector".to_owned(), labels.clone());
        }
    });
    label_like_template(object, labels);
}

/// Some old kinds take the labels of their template if they have none of their own.
fn label_like_template(object: &mut Value, labels: Option<Value>) {
    let (Some(labels), Some(metadata)) = (labels, crate::meta::metadata_mut(object)) else { return };
    if metadata.get("labels").is_none_or(|l| l.as_object().is_none_or(Object::is_empty)) {
        metadata.insert("labels".to_owned(), labels);
    }
}

pub(super) fn stateful_set(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default_value(spec, "podManagementPolicy", "OrderedReady");
        with_made(spec, "updateStrategy", |strategy| {
            default_value(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                with_made(strategy, "rollingUpdate", |rolling| default(rolling, "partition", 0));
            }
        });
        with_made(spec, "persistentVolumeClaimRetentionPolicy", |policy| {
            default_value(policy, "whenDeleted", "Retain");
            default_value(policy, "whenScaled", "Retain");
        });
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
        with_made(spec, "template", pod::template);
        for_each(spec, "volumeClaimTemplates", |claim| {
            default_value(claim, "apiVersion", "v1");
            default_value(claim, "kind", "PersistentVolumeClaim");
            core::persistent_volume_claim(claim);
        });
    });
}

pub(super) fn daemon_set(object: &mut Object) {
    with_made(object, "metadata", |metadata| {
        with_made(metadata, "annotations", |annotations| {
            default(annotations, "deprecated.daemonset.template.generation", "0");
        });
    });
    with_made(object, "spec", |spec| {
        with_made(spec, "updateStrategy", |strategy| {
            default_value(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                with_made(strategy, "rollingUpdate", |rolling| {
                    default(rolling, "maxUnavailable", 1);
                    default(rolling, "maxSurge", 0);
                });
            }
        });
        default(spec, "revisionHistoryLimit", 10);
        with_made(spec, "template", pod::template);
    });
}

pub(super) fn job(object: &mut Value) {
    let Value::Object(map) = object else { return };
    let mut labels = None;
    with_made(map, "spec", |spec| {
        if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
            default(spec, "completions", 1);
        }
        default(spec, "parallelism", 1);
        let limit = if spec.contains_key("backoffLimitPerIndex") { i32::MAX } else { 6 };
        default(spec, "backoffLimit", limit);
        default(spec, "completionMode", "NonIndexed");
        default(spec, "suspend", false);
        default(spec, "manualSelector", false);
        let replacement = if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
        default(spec, "podReplacementPolicy", replacement);
        with(spec, "podFailurePolicy", |policy| {
            for_each(policy, "rules", |rule| {
                for_each(rule, "onPodConditions", |pattern| default_value(pattern, "status", "True"));
            });
        });
        with_made(spec, "template", pod::template);
        labels = spec["template"]
            .get("metadata")
            .and_then(|m| m.get("labels"))
            .filter(|l| l.as_object().is_some_and(|l| !l.is_empty()))
            .cloned();
    });
    label_like_template(object, labels);
}

pub(super) fn cron_job(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default_value(spec, "concurrencyPolicy", "Allow");
        default(spec, "suspend", false);
        default(spec, "successfulJobsHistoryLimit", 3);
        default(spec, "failedJobsHistoryLimit", 1);
        with_made(spec, "jobTemplate", |template| {
            with_made(template, "spec", |job| with_made(job, "template", pod::template));
        });
    });
}

pub(super) fn autoscaler_v1(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default(spec, "minReplicas", 1);
    });
    let other_metrics = object
        .get("metadata")
        .and_then(|m| m.get("annotations"))
        .is_some_and(|a| a.get("autoscaling.alpha.kubernetes.io/metrics").is_some());
    if !other_metrics {
        with(object, "spec", |spec| default(spec, "targetCPUUtilizationPercentage", 80));
    }
}

pub(super) fn autoscaler_v2(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default(spec, "minReplicas", 1);
        let none = spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty);
        if none {
            spec.insert(
                "metrics".to_owned(),
                json!([{
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }]),
            );
        }
        with(spec, "behavior", |behavior| {
            with(behavior, "scaleUp", |rules| {
                default(rules, "stabilizationWindowSeconds", 0);
                default(rules, "selectPolicy", "Max");
                default(
                    rules,
                    "policies",
                    json!([
                        {"type": "Pods", "value": 4, "periodSeconds": 15},
                        {"type": "Percent", "value": 100, "periodSeconds": 15},
                    ]),
                );
            });
            with(behavior, "scaleDown", |rules| {
                default(rules, "selectPolicy", "Max");
                default(rules, "policies", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
            });
        });
    });
}
