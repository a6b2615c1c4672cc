//! Summing up Jobs: done when all members are done, failed when one has failed.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::aggregate::{decoded, number, text};
use crate::answer::StatusItem;

/// The template's status, or nothing when the template is already finished, which is final.
pub(super) fn aggregate(old: &Value, items: &[StatusItem], now: Timestamp) -> Result<Option<Value>, String> {
    if let Some(old) = old.as_object()
        && (has_condition(old, "Complete") || has_condition(old, "Failed"))
    {
        return Ok(None);
    }
    let mut sums = [("active", 0_i64), ("succeeded", 0), ("failed", 0)];
    let mut failed_in = Vec::new();
    let (mut complete, mut met_criteria) = (0, 0);
    let mut starts: Vec<String> = Vec::new();
    let mut completions: Vec<String> = Vec::new();
    for item in decoded(items, "JobStatus", "JobStatus") {
        let (cluster, reported) = item?;
        for (field, sum) in &mut sums {
            *sum += number(&reported, field);
        }
        if has_condition(&reported, "Failed") {
            failed_in.push(cluster);
        } else if has_condition(&reported, "Complete") {
            complete += 1;
        }
        if has_condition(&reported, "SuccessCriteriaMet") {
            met_criteria += 1;
        }
        for (times, field) in [(&mut starts, "startTime"), (&mut completions, "completionTime")] {
            let time = text(&reported, field);
            if !time.is_empty() {
                times.push(time.to_owned());
            }
        }
    }

    let mut conditions = Vec::new();
    if !failed_in.is_empty() {
        let clusters = failed_in.join(",");
        let message = format!("Job executed failed in member clusters {clusters}");
        conditions.push(condition("Failed", "JobFailed", &message, now));
    }
    if !items.is_empty() && complete == items.len() {
        conditions.push(condition("Complete", "Completed", "Job completed", now));
    }
    if !items.is_empty() && met_criteria == items.len() {
        conditions.push(condition(
            "SuccessCriteriaMet",
            "CompletionsReached",
            "All member clusters have met success criteria",
            now,
        ));
    }

    let mut status = Map::new();
    for (field, sum) in sums {
        status.insert(field.to_owned(), Value::from(sum));
    }
    status.insert("conditions".to_owned(), Value::Array(conditions));
    // Canonical times compare as text. They count only when every member has one.
    if starts.len() == items.len()
        && let Some(first) = starts.into_iter().min()
    {
        status.insert("startTime".to_owned(), Value::from(first));
    }
    if completions.len() == items.len()
        && let Some(last) = completions.into_iter().max()
    {
        status.insert("completionTime".to_owned(), Value::from(last));
    }
    Ok(Some(Value::Object(status)))
}

fn has_condition(status: &Map<String, Value>, kind: &str) -> bool {
    status
        .get("conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn condition(kind: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": now,
        "lastTransitionTime": now,
    })
}
