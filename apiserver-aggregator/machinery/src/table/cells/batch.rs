//! Jobs and CronJobs.

use jiff::Timestamp;
use serde_json::Value;

use super::{NONE, UNSET, age, age_at, at, containers, has_condition, int, name, selector, size, text, text_or};
use crate::{
    meta,
    table::duration::{human_duration, whole_seconds},
};

pub(super) fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let succeeded = int(object, "status.succeeded");
    let completions = match at(object, "spec.completions").and_then(Value::as_i64) {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None => match int(object, "spec.parallelism") {
            parallelism @ 2.. => format!("{succeeded}/1 of {parallelism}"),
            _ => format!("{succeeded}/1"),
        },
    };
    let time = |path: &str| text(object, path).parse::<Timestamp>().ok();
    let duration = match (time("status.startTime"), time("status.completionTime")) {
        (None, _) => String::new(),
        (Some(start), end) => human_duration(whole_seconds(start, end.unwrap_or(now))),
    };
    let status = if has_condition(object, "Complete") {
        "Complete"
    } else if has_condition(object, "Failed") {
        "Failed"
    } else if meta::deletion_timestamp(object).is_some() {
        "Terminating"
    } else if has_condition(object, "Suspended") {
        "Suspended"
    } else if has_condition(object, "FailureTarget") {
        "FailureTarget"
    } else if has_condition(object, "SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    let (names, images) = containers(object, "spec.template.spec.containers");
    vec![
        name(object),
        status.into(),
        completions.into(),
        duration.into(),
        age(object, now),
        names.into(),
        images.into(),
        selector(object, "spec.selector").into(),
    ]
}

pub(super) fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let suspend = match at(object, "spec.suspend").and_then(Value::as_bool) {
        None => UNSET,
        Some(true) => "True",
        Some(false) => "False",
    };
    let last = match at(object, "status.lastScheduleTime") {
        None => NONE.to_owned(),
        Some(_) => age_at(object, "status.lastScheduleTime", now),
    };
    let (names, images) = containers(object, "spec.jobTemplate.spec.template.spec.containers");
    vec![
        name(object),
        text(object, "spec.schedule").into(),
        text_or(object, "spec.timeZone", NONE).into(),
        suspend.into(),
        size(object, "status.active").into(),
        last.into(),
        age(object, now),
        names.into(),
        images.into(),
        selector(object, "spec.jobTemplate.spec.selector").into(),
    ]
}
