//! DaemonSets: one Pod on every node that admits it.

use std::collections::BTreeMap;
use std::sync::Arc;

use karmada_runtime::{Error, ObjectKey, Outcome};
use serde_json::{Value, json};

use crate::controllers::{Context, is_finished, is_ready};
use crate::{nodes, values};

const REVISION_LABEL: &str = "controller-revision-hash";

/// Creates missing Pods, deletes surplus and outdated ones, and reports.
pub(crate) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(set) = ctx.caches.daemon_sets.get(key) else { return Ok(Outcome::Done) };
    if values::is_deleting(&set) {
        return Ok(Outcome::Done);
    }
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let revision = values::template_hash(&template);
    let mut pods: BTreeMap<String, Arc<Value>> = BTreeMap::new();
    for pod in ctx.pods_of(&set) {
        // A daemon's Pod is pinned to its node from birth.
        let node = values::text(&pod, "/spec/nodeName").to_owned();
        if is_finished(&pod) || pods.contains_key(&node) {
            ctx.delete_pod(&pod).await?;
        } else {
            pods.insert(node, pod);
        }
    }
    let probe = json!({"spec": template.get("spec").cloned().unwrap_or_default()});
    let all = ctx.caches.nodes.list();
    let wanted: Vec<String> =
        all.iter().filter(|(_, node)| nodes::admits(&probe, node)).map(|(k, _)| k.name.to_string()).collect();
    for node in &wanted {
        match pods.get(node) {
            None => {
                let name = format!("{}-{}", key.name, values::random_suffix());
                ctx.create_pod(&set, "apps/v1", "DaemonSet", name, &template, |pod| {
                    pod["metadata"]["labels"] =
                        values::with_label(pod.pointer("/metadata/labels"), REVISION_LABEL, &revision);
                    pod["spec"]["nodeName"] = node.clone().into();
                })
                .await?;
            }
            Some(pod) if values::label(pod, REVISION_LABEL) != Some(revision.as_str()) => {
                if values::text(&set, "/spec/updateStrategy/type") != "OnDelete" {
                    ctx.delete_pod(pod).await?;
                }
            }
            Some(_) => {}
        }
    }
    for (node, pod) in &pods {
        if !wanted.contains(node) {
            ctx.delete_pod(pod).await?;
        }
    }
    let pods = ctx.pods_of(&set);
    let ready = pods.iter().filter(|p| is_ready(p)).count();
    let updated = pods.iter().filter(|p| values::label(p, REVISION_LABEL) == Some(revision.as_str())).count();
    let status = json!({
        "observedGeneration": values::int(&set, "/metadata/generation"),
        "desiredNumberScheduled": wanted.len(),
        "currentNumberScheduled": pods.len(),
        "numberMisscheduled": 0,
        "numberReady": ready,
        "numberAvailable": ready,
        "numberUnavailable": wanted.len().saturating_sub(ready),
        "updatedNumberScheduled": updated,
    });
    ctx.write_status(&ctx.caches.daemon_sets, &set, status).await?;
    Ok(Outcome::Done)
}
