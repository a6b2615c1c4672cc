//! Jobs: Pods until enough of them have succeeded or too many have failed.

use karmada_runtime::{Error, ObjectKey, Outcome};
use serde_json::{Value, json};

use crate::controllers::{Context, is_ready};
use crate::values;

/// Starts Pods, counts the finished ones, and reports.
pub(crate) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(job) = ctx.caches.jobs.get(key) else { return Ok(Outcome::Done) };
    if values::is_deleting(&job) || is_over(&job) {
        return Ok(Outcome::Done);
    }
    let pods = ctx.pods_of(&job);
    let phase = |wanted: &str| pods.iter().filter(|p| values::text(p, "/status/phase") == wanted).count();
    let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
    let active = pods.len() - succeeded - failed;
    let ready = pods.iter().filter(|p| is_ready(p)).count();
    let parallelism = usize::try_from(values::int_or(&job, "/spec/parallelism", 1)).unwrap_or(0);
    let completions =
        job.pointer("/spec/completions").and_then(Value::as_u64).map(|c| usize::try_from(c).unwrap_or(usize::MAX));
    let limit = usize::try_from(values::int_or(&job, "/spec/backoffLimit", 6)).unwrap_or(0);
    let suspended = job.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true);
    let enough = match completions {
        Some(completions) => succeeded >= completions,
        // A work queue is done once one Pod has succeeded and none is left.
        None => succeeded > 0 && active == 0,
    };
    let too_many_failures = failed > limit;
    let now = values::now();
    let started = match values::text(&job, "/status/startTime") {
        "" => now.as_str(),
        started => started,
    };
    let mut status = json!({
        "startTime": started,
        "active": active,
        "succeeded": succeeded,
        "failed": failed,
        "ready": ready,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    });
    if enough {
        status["completionTime"] = now.clone().into();
        status["conditions"] = values::conditions(
            &job,
            &[
                ("SuccessCriteriaMet", true, "CompletionsReached", "Reached expected number of succeeded pods"),
                ("Complete", true, "CompletionsReached", "Reached expected number of succeeded pods"),
            ],
        );
    } else if too_many_failures {
        status["conditions"] = values::conditions(
            &job,
            &[
                ("FailureTarget", true, "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
                ("Failed", true, "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
            ],
        );
    } else if suspended {
        for pod in pods.iter().filter(|p| !crate::controllers::is_finished(p)) {
            ctx.delete_pod(pod).await?;
        }
        status["active"] = 0.into();
        status["conditions"] = values::conditions(&job, &[("Suspended", true, "JobSuspended", "Job suspended")]);
    } else {
        let missing = completions.map_or(parallelism, |c| c.saturating_sub(succeeded).min(parallelism));
        let wanted = if completions.is_none() && succeeded > 0 { active } else { missing };
        let template = job.pointer("/spec/template").cloned().unwrap_or_default();
        for _ in active..wanted {
            let name = format!("{}-{}", key.name, values::random_suffix());
            ctx.create_pod(&job, "batch/v1", "Job", name, &template, |_| {}).await?;
        }
        status["active"] = wanted.max(active).into();
    }
    ctx.write_status(&ctx.caches.jobs, &job, status).await?;
    Ok(Outcome::Done)
}

fn is_over(job: &Value) -> bool {
    values::condition(job, "Complete") == "True" || values::condition(job, "Failed") == "True"
}
