//! Deletes finished Jobs `spec.ttlSecondsAfterFinished` after they have finished.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use karmada_runtime::{
    ControllerSpec, Error, Outcome, Queue, Resource, controller,
    patcher::{DeleteOptions, Propagation},
};
use serde_json::Value;

use super::{
    Kit, backoff,
    feed::{Change, Observer},
};

const PREFIX: &str = "/registry/jobs/";

struct JobObserver {
    queue: Queue<String>,
}

impl Observer for JobObserver {
    fn observe(&self, change: &Change) {
        let Some(key) = change.key.strip_prefix(PREFIX) else { return };
        let Some(object) = &change.object else { return };
        if object.metadata.is_deleting() {
            return;
        }
        // Most Jobs have no time limit: they never come near the queue.
        let job: Value = serde_json::from_slice(&change.json).unwrap_or_default();
        if let Some(due) = due(&job) {
            let wait = due.as_second().saturating_sub(Timestamp::now().as_second());
            self.queue.add_after(key.to_owned(), Duration::from_secs(wait.max(0).unsigned_abs()));
        }
    }
}

/// When the Job is to go, if it has finished and has a time.
fn due(job: &Value) -> Option<Timestamp> {
    let ttl = job["spec"]["ttlSecondsAfterFinished"].as_i64()?;
    let conditions = job["status"]["conditions"].as_array()?;
    let finished =
        conditions.iter().find(|c| c["status"] == "True" && (c["type"] == "Complete" || c["type"] == "Failed"))?;
    let at: Timestamp = finished["lastTransitionTime"].as_str()?.parse().ok()?;
    at.checked_add(jiff::SignedDuration::from_secs(ttl)).ok()
}

/// Starts the controller.
pub(super) fn start(kit: &Kit) -> Arc<dyn Observer> {
    let queue: Queue<String> = Queue::new("ttl-after-finished", backoff());
    let patcher = kit.patcher("ttl-after-finished-controller");
    let spec = ControllerSpec { name: "ttl-after-finished", concurrency: 1 };
    kit.tasks.spawn(controller::run(spec, queue.clone(), kit.stop.clone(), move |key: String| {
        let patcher = patcher.clone();
        async move {
            let jobs = Resource {
                group: "batch".to_owned(),
                version: "v1".to_owned(),
                kind: "Job".to_owned(),
                plural: "jobs".to_owned(),
                namespaced: true,
            };
            let Some((namespace, name)) = key.split_once('/') else { return Ok::<_, Error>(Outcome::Done) };
            let Some(job) = patcher.get(&jobs, namespace, name).await? else { return Ok(Outcome::Done) };
            let Some(due) = due(&job) else { return Ok(Outcome::Done) };
            let wait = due.as_second().saturating_sub(Timestamp::now().as_second());
            if wait > 0 {
                return Ok(Outcome::RequeueAfter(Duration::from_secs(wait.unsigned_abs())));
            }
            let options = DeleteOptions {
                propagation: Some(Propagation::Foreground),
                uid: job["metadata"]["uid"].as_str().map(str::to_owned),
                resource_version: job["metadata"]["resourceVersion"].as_str().map(str::to_owned),
                ..DeleteOptions::default()
            };
            patcher.delete(&jobs, namespace, name, &options).await?;
            Ok(Outcome::Done)
        }
    }));
    Arc::new(JobObserver { queue })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_finished_jobs_with_a_time_are_due() {
        let job = |ttl: Value, condition: &str| {
            json!({"spec": {"ttlSecondsAfterFinished": ttl}, "status": {"conditions": [
                {"type": condition, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
        };
        let at: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        assert_eq!(due(&job(json!(60), "Complete")), Some(at));
        assert_eq!(due(&job(json!(60), "Failed")), Some(at));
        assert_eq!(due(&job(json!(60), "Suspended")), None);
        assert_eq!(due(&job(Value::Null, "Complete")), None);
    }
}
