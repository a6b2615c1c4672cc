//! ReplicaSets: as many Pods as wanted.

use std::sync::Arc;

use karmada_runtime::{Error, ObjectKey, Outcome};
use serde_json::{Value, json};

use crate::controllers::{Context, is_finished, is_ready};
use crate::values;

/// Creates or deletes Pods until their number is right, and reports.
pub(crate) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(set) = ctx.caches.replica_sets.get(key) else { return Ok(Outcome::Done) };
    if values::is_deleting(&set) {
        return Ok(Outcome::Done);
    }
    let wanted = usize::try_from(values::int_or(&set, "/spec/replicas", 1)).unwrap_or(0);
    let mut pods: Vec<Arc<Value>> = ctx.pods_of(&set).into_iter().filter(|p| !is_finished(p)).collect();
    if pods.len() < wanted {
        let template = set.pointer("/spec/template").cloned().unwrap_or_default();
        for _ in pods.len()..wanted {
            let name = format!("{}-{}", key.name, values::random_suffix());
            ctx.create_pod(&set, "apps/v1", "ReplicaSet", name, &template, |_| {}).await?;
        }
    } else if pods.len() > wanted {
        // Those that serve least go first, as ActivePods orders them: unscheduled, pending, unready, then the youngest.
        pods.sort_by_key(|p| {
            (
                !values::text(p, "/spec/nodeName").is_empty(),
                values::text(p, "/status/phase") == "Running",
                is_ready(p),
                std::cmp::Reverse(values::text(p, "/metadata/creationTimestamp").to_owned()),
            )
        });
        for pod in &pods[..pods.len() - wanted] {
            ctx.delete_pod(pod).await?;
        }
    }
    let pods: Vec<Arc<Value>> = ctx.pods_of(&set).into_iter().filter(|p| !is_finished(p)).collect();
    let ready = pods.iter().filter(|p| is_ready(p)).count();
    let status = json!({
        "observedGeneration": values::int(&set, "/metadata/generation"),
        "replicas": pods.len(),
        "fullyLabeledReplicas": pods.len(),
        "readyReplicas": ready,
        "availableReplicas": ready,
    });
    ctx.write_status(&ctx.caches.replica_sets, &set, status).await?;
    Ok(Outcome::Done)
}
