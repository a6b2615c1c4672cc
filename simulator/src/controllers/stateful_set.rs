//! StatefulSets: numbered Pods, made and replaced in order, with their claims.

use std::collections::BTreeMap;
use std::sync::Arc;

use karmada_runtime::{Error, ObjectKey, Outcome};
use serde_json::{Value, json};

use crate::controllers::{Context, is_finished, is_ready};
use crate::{resources, values};

const REVISION_LABEL: &str = "controller-revision-hash";

/// Takes one step towards the wanted Pods, and reports.
pub(crate) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(set) = ctx.caches.stateful_sets.get(key) else { return Ok(Outcome::Done) };
    if values::is_deleting(&set) {
        return Ok(Outcome::Done);
    }
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let revision = format!("{}-{}", key.name, values::template_hash(&template));
    step(ctx, key, &set, &template, &revision).await?;
    report(ctx, &set, &revision).await?;
    Ok(Outcome::Done)
}

fn by_ordinal(ctx: &Context, set: &Value, name: &str) -> BTreeMap<i64, Arc<Value>> {
    let ordinal =
        |pod: &Value| values::text(pod, "/metadata/name").strip_prefix(name)?.strip_prefix('-')?.parse::<i64>().ok();
    ctx.pods_of(set).into_iter().filter_map(|pod| ordinal(&pod).map(|o| (o, pod))).collect()
}

async fn step(ctx: &Context, key: &ObjectKey, set: &Value, template: &Value, revision: &str) -> Result<(), Error> {
    let wanted = values::int_or(set, "/spec/replicas", 1);
    let start = values::int(set, "/spec/ordinals/start");
    let parallel = values::text(set, "/spec/podManagementPolicy") == "Parallel";
    let pods = by_ordinal(ctx, set, &key.name);
    for ordinal in start..start + wanted {
        match pods.get(&ordinal) {
            None => {
                create(ctx, key, set, template, revision, ordinal).await?;
                if !parallel {
                    return Ok(());
                }
            }
            Some(pod) if is_finished(pod) => {
                ctx.delete_pod(pod).await?;
                return Ok(());
            }
            Some(pod) if !is_ready(pod) && !parallel => return Ok(()),
            Some(_) => {}
        }
    }
    // Scale down from the highest ordinal, one at a time unless Parallel.
    for (_, pod) in pods.range(start + wanted..).rev() {
        ctx.delete_pod(pod).await?;
        if !parallel {
            return Ok(());
        }
    }
    if values::text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return Ok(());
    }
    // Rolling update from the highest ordinal down to the partition, each one ready before the next goes.
    let partition = values::int(set, "/spec/updateStrategy/rollingUpdate/partition");
    for (ordinal, pod) in pods.range(..start + wanted).rev() {
        if *ordinal < partition {
            break;
        }
        if values::label(pod, REVISION_LABEL) != Some(revision) {
            return ctx.delete_pod(pod).await;
        }
        if !is_ready(pod) {
            return Ok(());
        }
    }
    Ok(())
}

async fn create(
    ctx: &Context,
    key: &ObjectKey,
    set: &Value,
    template: &Value,
    revision: &str,
    ordinal: i64,
) -> Result<(), Error> {
    let name = format!("{}-{ordinal}", key.name);
    let mut claims = Vec::new();
    for claim in values::array(set, "/spec/volumeClaimTemplates") {
        let volume = values::text(claim, "/metadata/name");
        let claim_name = format!("{volume}-{name}");
        claims.push((volume.to_owned(), claim_name.clone()));
        let object = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": claim_name,
                "namespace": &*key.namespace,
                "labels": set.pointer("/spec/selector/matchLabels"),
            },
            "spec": claim.get("spec"),
        });
        match ctx.patcher.create(&resources::claims(), &key.namespace, &object).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error),
        }
    }
    let service = values::text(set, "/spec/serviceName").to_owned();
    ctx.create_pod(set, "apps/v1", "StatefulSet", name.clone(), template, |pod| {
        let labels = values::with_label(pod.pointer("/metadata/labels"), REVISION_LABEL, revision);
        let labels = values::with_label(Some(&labels), "statefulset.kubernetes.io/pod-name", &name);
        pod["metadata"]["labels"] =
            values::with_label(Some(&labels), "apps.kubernetes.io/pod-index", &ordinal.to_string());
        pod["spec"]["hostname"] = name.clone().into();
        if !service.is_empty() {
            pod["spec"]["subdomain"] = service.into();
        }
        let mut volumes: Vec<Value> = values::array(pod, "/spec/volumes").to_vec();
        volumes.retain(|v| !claims.iter().any(|(volume, _)| values::text(v, "/name") == volume));
        for (volume, claim) in claims {
            volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}}));
        }
        if !volumes.is_empty() {
            pod["spec"]["volumes"] = volumes.into();
        }
    })
    .await
}

async fn report(ctx: &Context, set: &Value, revision: &str) -> Result<(), Error> {
    let pods = ctx.pods_of(set);
    let ready = pods.iter().filter(|p| is_ready(p)).count();
    let updated = pods.iter().filter(|p| values::label(p, REVISION_LABEL) == Some(revision)).count();
    let before = values::text(set, "/status/currentRevision");
    let complete = updated == pods.len() && ready == pods.len();
    let current_revision = if complete || before.is_empty() { revision } else { before };
    let current = pods.iter().filter(|p| values::label(p, REVISION_LABEL) == Some(current_revision)).count();
    let status = json!({
        "observedGeneration": values::int(set, "/metadata/generation"),
        "replicas": pods.len(),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": current,
        "updatedReplicas": updated,
        "currentRevision": current_revision,
        "updateRevision": revision,
        "collisionCount": 0,
    });
    ctx.write_status(&ctx.caches.stateful_sets, set, status).await
}
