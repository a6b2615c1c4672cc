//! Jobs and cron jobs.

use serde_json::{Map, Value};

use super::common::*;
use super::workloads::template_labels;
use super::{cron, pod};
use crate::field::{FieldError, FieldErrors};
use crate::meta;
use crate::resource::RequestContext;
use crate::selector::{self, LabelSelector};

pub(super) fn job(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    generated_selector(&mut e, object, spec);
    job_fields(&mut e, spec, "spec");
    let selector = spec.get("selector").unwrap_or(&Value::Null);
    if selector.is_null() {
        e.push(FieldError::required("spec.selector", ""));
    } else {
        e.extend(selector::validate_object(selector, "spec.selector"));
    }
    if let Ok(parsed) = LabelSelector::from_object(selector) {
        let template = spec.get("template").unwrap_or(&Value::Null);
        let labels = template.get("metadata").and_then(|m| m.get("labels")).and_then(Value::as_object);
        if !parsed.matches(&labels) {
            e.push(FieldError::invalid(
                "spec.template.metadata.labels",
                template_labels(template),
                "`selector` does not match template `labels`",
            ));
        }
    }
    e
}

/// A job that leaves its selector to the server may not bring one of its own.
fn generated_selector(e: &mut FieldErrors, object: &Value, spec: &Value) {
    if flag(spec, "manualSelector") {
        return;
    }
    let (Some(selector), Some(uid)) = (given(spec, "selector"), meta::uid(object)) else { return };
    let own = |key: &str| {
        let labels = selector.get("matchLabels").and_then(Value::as_object);
        labels.is_some_and(|l| l.len() == 1 && l.get(key).is_some_and(|v| v == uid))
            && list(selector, "matchExpressions").is_empty()
    };
    if !own("batch.kubernetes.io/controller-uid") && !own("controller-uid") {
        e.push(invalid_raw("spec.selector", &selector_text(selector), "`selector` not auto-generated"));
    }
}

fn job_fields(e: &mut FieldErrors, spec: &Value, path: &str) {
    for key in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
    ] {
        non_negative(e, spec, key, path);
    }
    let indexed = text(spec, "completionMode") == "Indexed";
    if let Some(most) = int(spec, "maxFailedIndexes") {
        non_negative(e, spec, "maxFailedIndexes", path);
        if int(spec, "completions").is_some_and(|c| most > c) {
            let wrong = "must be less than or equal to completions";
            e.push(FieldError::invalid(at(path, "maxFailedIndexes"), most, wrong));
        }
    }
    if int(spec, "backoffLimitPerIndex").is_some() && !indexed {
        let shown = spec.get("backoffLimitPerIndex").cloned().unwrap_or_default();
        let wrong = "requires indexed completion mode";
        e.push(FieldError::invalid(at(path, "backoffLimitPerIndex"), shown, wrong));
    }
    one_of(e, spec, "completionMode", path, &["NonIndexed", "Indexed"], true);
    if indexed {
        match int(spec, "completions") {
            None => {
                let wrong = "when completion mode is Indexed";
                e.push(FieldError::required(at(path, "completions"), wrong));
            }
            Some(_) if int(spec, "parallelism").is_some_and(|p| p > 100_000) => {
                let shown = spec.get("parallelism").cloned().unwrap_or_default();
                let wrong = "must be less than or equal to 100000 when completion mode is Indexed";
                e.push(FieldError::invalid(at(path, "parallelism"), shown, wrong));
            }
            Some(_) => {}
        }
    }
    if let Some(policy) = given(spec, "podFailurePolicy") {
        failure_policy(e, policy, &at(path, "podFailurePolicy"), spec);
    }
    if given(spec, "successPolicy").is_some() && !indexed {
        let wrong = "requires indexed completion mode";
        e.push(FieldError::invalid(at(path, "successPolicy"), "", wrong));
    }
    one_of(e, spec, "podReplacementPolicy", path, &["Failed", "TerminatingOrFailed"], true);
    let template = spec.get("template").unwrap_or(&Value::Null);
    pod::template(e, template, &at(path, "template"));
    let here = at(path, "template.spec.restartPolicy");
    match template.get("spec").map_or("", |s| text(s, "restartPolicy")) {
        "Always" | "" => e.push(FieldError::required(here, "valid values: \"OnFailure\", \"Never\"")),
        "Never" => {}
        "OnFailure" => {
            if given(spec, "podFailurePolicy").is_some() {
                let wrong = "only \"Never\" is supported when podFailurePolicy is specified";
                e.push(FieldError::invalid(here, "OnFailure", wrong));
            }
        }
        other => e.push(FieldError::not_supported(here, other, &["Never", "OnFailure"])),
    }
}

fn failure_policy(e: &mut FieldErrors, policy: &Value, path: &str, spec: &Value) {
    let template = &spec["template"]["spec"];
    let containers: Vec<&str> =
        ["containers", "initContainers"].iter().flat_map(|key| list(template, key)).map(|c| text(c, "name")).collect();
    for (item, rule) in each(policy, "rules", path) {
        required_one_of(e, rule, "action", &item, &["Count", "FailIndex", "FailJob", "Ignore"]);
        if text(rule, "action") == "FailIndex" && int(spec, "backoffLimitPerIndex").is_none() {
            let wrong = "requires the backoffLimitPerIndex to be set";
            e.push(FieldError::invalid(at(&item, "action"), "FailIndex", wrong));
        }
        let codes = given(rule, "onExitCodes");
        let conditions = list(rule, "onPodConditions");
        if let Some(codes) = codes {
            exit_codes(e, codes, &at(&item, "onExitCodes"), &containers);
        }
        for (place, condition) in each(rule, "onPodConditions", &item) {
            qualified(e, text(condition, "type"), &at(&place, "type"));
            required_one_of(e, condition, "status", &place, &["False", "True", "Unknown"]);
        }
        match (codes.is_some(), !conditions.is_empty()) {
            (true, true) => {
                let wrong = "specifying both OnExitCodes and OnPodConditions is not supported";
                e.push(FieldError::invalid(item, "", wrong));
            }
            (false, false) => {
                let wrong = "specifying one of OnExitCodes and OnPodConditions is required";
                e.push(FieldError::invalid(item, "", wrong));
            }
            _ => {}
        }
    }
}

fn exit_codes(e: &mut FieldErrors, codes: &Value, path: &str, containers: &[&str]) {
    required_one_of(e, codes, "operator", path, &["In", "NotIn"]);
    if let Some(name) = given(codes, "containerName").and_then(Value::as_str)
        && !containers.contains(&name)
    {
        let wrong = "must be one of the container or initContainer names in the pod template";
        e.push(FieldError::invalid(at(path, "containerName"), name, wrong));
    }
    let values = list(codes, "values");
    if values.is_empty() {
        let wrong = "at least one value is required";
        e.push(FieldError::invalid(at(path, "values"), Value::Array(Vec::new()), wrong));
    }
    let mut previous: Option<i64> = None;
    for (index, value) in values.iter().enumerate() {
        let here = format!("{path}.values[{index}]");
        let number = value.as_i64().unwrap_or_default();
        if text(codes, "operator") == "In" && number == 0 {
            e.push(FieldError::invalid(here.as_str(), 0, "must not be 0 for the In operator"));
        }
        if values[..index].contains(value) {
            e.push(FieldError::duplicate(here, number));
        } else if previous.is_some_and(|p| p > number) {
            let wrong = "must be ordered";
            e.push(FieldError::invalid(at(path, "values"), values.to_vec(), wrong));
        }
        previous = Some(number);
    }
}

/// What may change in a job.
pub(super) fn change_job(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    if ctx.subresource.is_some() {
        return Vec::new();
    }
    let mut e = Vec::new();
    let (new, before) = (&object["spec"], &old["spec"]);
    let indexed = text(new, "completionMode") == "Indexed";
    if !(indexed && int(new, "completions") == int(new, "parallelism")) {
        immutable(&mut e, new.get("completions"), before.get("completions"), "spec.completions");
    }
    if new.get("selector") != before.get("selector") {
        let shown = given(new, "selector").map_or_else(|| "null".to_owned(), selector_text);
        e.push(invalid_raw("spec.selector", &shown, IMMUTABLE));
    }
    // A suspended job that has not started may get other scheduling directives.
    let suspended = flag(before, "suspend") && given(&old["status"], "startTime").is_none();
    let template = |spec: &Value| {
        let mut template = spec["template"].clone();
        if suspended {
            for key in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                if let Some(map) = template.get_mut("spec").and_then(Value::as_object_mut) {
                    map.remove(key);
                }
            }
            if let Some(map) = template.get_mut("metadata").and_then(Value::as_object_mut) {
                map.remove("labels");
                map.remove("annotations");
            }
            if template["metadata"] == Value::Object(Map::new())
                && let Some(map) = template.as_object_mut()
            {
                map.remove("metadata");
            }
        }
        template
    };
    if template(new) != template(before) {
        e.push(FieldError::invalid("spec.template", new["template"].clone(), IMMUTABLE));
    }
    for key in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        immutable(&mut e, new.get(key), before.get(key), &at("spec", key));
    }
    e
}

pub(super) fn cron_job(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        e.push(FieldError::required("spec.schedule", ""));
    } else {
        if let Err(wrong) = cron::parse(schedule) {
            e.push(FieldError::invalid("spec.schedule", schedule, wrong));
        }
        if schedule.contains("TZ") {
            let wrong = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            e.push(FieldError::invalid("spec.schedule", schedule, wrong));
        }
    }
    non_negative(&mut e, spec, "startingDeadlineSeconds", "spec");
    if let Some(zone) = given(spec, "timeZone").and_then(Value::as_str) {
        let wrong = if zone.is_empty() {
            Some("timeZone must be nil or non-empty string".to_owned())
        } else if zone.eq_ignore_ascii_case("local") {
            let link = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
            Some(link.to_owned())
        } else {
            jiff::tz::TimeZone::get(zone).is_err().then(|| format!("unknown time zone {zone}"))
        };
        check(&mut e, "spec.timeZone", zone, wrong);
    }
    required_one_of(&mut e, spec, "concurrencyPolicy", "spec", &["Allow", "Forbid", "Replace"]);
    let template = spec.get("jobTemplate").unwrap_or(&Value::Null);
    template_metadata(&mut e, template, "spec.jobTemplate");
    let job = template.get("spec").unwrap_or(&Value::Null);
    job_fields(&mut e, job, "spec.jobTemplate.spec");
    if flag(job, "manualSelector") {
        let path = "spec.jobTemplate.spec.manualSelector";
        e.push(FieldError::not_supported(path, true, &["nil", "false"]));
    }
    non_negative(&mut e, spec, "successfulJobsHistoryLimit", "spec");
    non_negative(&mut e, spec, "failedJobsHistoryLimit", "spec");
    e
}
