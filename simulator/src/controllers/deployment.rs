//! Deployments: one ReplicaSet a template, rolled over within maxSurge and maxUnavailable.

use std::sync::Arc;

use karmada_runtime::patcher::{DeleteOptions, PatchKind};
use karmada_runtime::{Error, ObjectKey, Outcome};
use serde_json::{Value, json};

use crate::controllers::{BY_OWNER, Context};
use crate::{resources, values};

const HASH_LABEL: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Brings a Deployment's ReplicaSets and status in line with its spec.
pub(crate) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(deployment) = ctx.caches.deployments.get(key) else { return Ok(Outcome::Done) };
    if values::is_deleting(&deployment) {
        return Ok(Outcome::Done);
    }
    let template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    let hash = values::template_hash(&template);
    let sets = replica_sets(ctx, &deployment);
    let wanted = values::int_or(&deployment, "/spec/replicas", 1);
    let current = sets.iter().find(|s| values::label(s, HASH_LABEL) == Some(hash.as_str()));
    let paused = deployment.pointer("/spec/paused").and_then(Value::as_bool) == Some(true);
    match current {
        Some(current) => {
            let revision = ensure_revision(ctx, &deployment, current, &sets).await?;
            roll(ctx, &deployment, current, &sets, wanted, paused).await?;
            annotate(ctx, &deployment, revision).await?;
        }
        None if paused => {}
        None => {
            let revision = sets.iter().map(|s| revision_of(s)).max().unwrap_or_default() + 1;
            let first = if sets.is_empty() { wanted } else { 0 };
            create(ctx, &deployment, &template, &hash, revision, first).await?;
            annotate(ctx, &deployment, revision).await?;
            if first == 0 {
                // The new, empty set is rolled out by the reconcile that its own event causes.
                return Ok(Outcome::Done);
            }
        }
    }
    clean_up(ctx, &deployment, &sets, &hash).await?;
    report(ctx, &deployment, &hash, wanted).await?;
    Ok(Outcome::Done)
}

fn replica_sets(ctx: &Context, deployment: &Value) -> Vec<Arc<Value>> {
    let uid = values::text(deployment, "/metadata/uid");
    let mut sets: Vec<Arc<Value>> = ctx
        .caches
        .replica_sets
        .by_index(BY_OWNER, uid)
        .into_iter()
        .map(|(_, set)| set)
        .filter(|set| !values::is_deleting(set))
        .collect();
    sets.sort_by_key(|set| revision_of(set));
    sets
}

fn revision_of(object: &Value) -> i64 {
    values::annotation(object, REVISION).and_then(|r| r.parse().ok()).unwrap_or_default()
}

async fn create(
    ctx: &Context,
    deployment: &Value,
    template: &Value,
    hash: &str,
    revision: i64,
    replicas: i64,
) -> Result<(), Error> {
    let key = values::key(deployment);
    let mut template = template.clone();
    template["metadata"]["labels"] = values::with_label(template.pointer("/metadata/labels"), HASH_LABEL, hash);
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_else(|| json!({}));
    selector["matchLabels"] = values::with_label(selector.get("matchLabels"), HASH_LABEL, hash);
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", key.name),
            "namespace": &*key.namespace,
            "labels": template.pointer("/metadata/labels"),
            "annotations": {
                REVISION: revision.to_string(),
                "deployment.kubernetes.io/desired-replicas": values::int_or(deployment, "/spec/replicas", 1).to_string(),
            },
            "ownerReferences": values::owned_by(deployment, "apps/v1", "Deployment"),
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    });
    match ctx.patcher.create(&resources::replica_sets(), &key.namespace, &set).await {
        Ok(stored) => {
            ctx.caches.replica_sets.observe(&stored);
            Ok(())
        }
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(error),
    }
}

/// A ReplicaSet that is taken up again (a rollback) gets the newest revision.
async fn ensure_revision(
    ctx: &Context,
    deployment: &Value,
    current: &Value,
    sets: &[Arc<Value>],
) -> Result<i64, Error> {
    let newest = sets.iter().map(|s| revision_of(s)).max().unwrap_or_default();
    let own = revision_of(current);
    if own == newest {
        return Ok(own);
    }
    let key = values::key(current);
    let patch = json!({"metadata": {"annotations": {REVISION: (newest + 1).to_string()}}});
    let stored =
        ctx.patcher.patch(&resources::replica_sets(), &key.namespace, &key.name, "", PatchKind::Merge, &patch).await?;
    ctx.caches.replica_sets.observe(&stored);
    tracing::trace!(deployment = %values::key(deployment), "rolled back");
    Ok(newest + 1)
}

async fn annotate(ctx: &Context, deployment: &Value, revision: i64) -> Result<(), Error> {
    if revision_of(deployment) == revision {
        return Ok(());
    }
    let key = values::key(deployment);
    let patch = json!({"metadata": {"annotations": {REVISION: revision.to_string()}}});
    match ctx.patcher.patch(&resources::deployments(), &key.namespace, &key.name, "", PatchKind::Merge, &patch).await {
        Ok(stored) => {
            ctx.caches.deployments.observe(&stored);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn scale(ctx: &Context, set: &Value, replicas: i64) -> Result<(), Error> {
    if values::int_or(set, "/spec/replicas", 1) == replicas {
        return Ok(());
    }
    let key = values::key(set);
    let patch = json!({"spec": {"replicas": replicas}});
    let stored =
        ctx.patcher.patch(&resources::replica_sets(), &key.namespace, &key.name, "", PatchKind::Merge, &patch).await?;
    ctx.caches.replica_sets.observe(&stored);
    Ok(())
}

/// One step of the rollout: the new set up within the surge, old ones down within the unavailable.
async fn roll(
    ctx: &Context,
    deployment: &Value,
    current: &Value,
    sets: &[Arc<Value>],
    wanted: i64,
    paused: bool,
) -> Result<(), Error> {
    let own_uid = values::text(current, "/metadata/uid");
    let old: Vec<&Arc<Value>> = sets
        .iter()
        .filter(|s| values::text(s, "/metadata/uid") != own_uid && values::int_or(s, "/spec/replicas", 0) > 0)
        .collect();
    if old.is_empty() {
        return scale(ctx, current, wanted).await;
    }
    if paused {
        return Ok(());
    }
    if values::text(deployment, "/spec/strategy/type") == "Recreate" {
        for set in &old {
            scale(ctx, set, 0).await?;
        }
        let gone = old.iter().all(|s| ctx.pods_of(s).is_empty());
        return if gone { scale(ctx, current, wanted).await } else { Ok(()) };
    }
    let rolling = "/spec/strategy/rollingUpdate";
    let mut surge = values::scaled(deployment.pointer(&format!("{rolling}/maxSurge")), wanted, true, 1);
    let unavailable = values::scaled(deployment.pointer(&format!("{rolling}/maxUnavailable")), wanted, false, 0);
    if surge == 0 && unavailable == 0 {
        surge = 1;
    }
    let spec = |s: &Value| values::int_or(s, "/spec/replicas", 0);
    let available = |s: &Value| values::int(s, "/status/availableReplicas");
    let old_total: i64 = old.iter().map(|s| spec(s)).sum();
    let room = (wanted + surge - old_total - spec(current)).max(0);
    let new_replicas = (spec(current) + room).min(wanted);
    scale(ctx, current, new_replicas).await?;

    let total_available: i64 = old.iter().map(|s| available(s)).sum::<i64>() + available(current).min(new_replicas);
    let mut may_go = (total_available - (wanted - unavailable)).max(0);
    for set in old {
        // Pods that are not available can always go.
        let idle = (spec(set) - available(set)).max(0);
        let down = (idle + may_go).min(spec(set));
        may_go -= (down - idle).max(0);
        scale(ctx, set, spec(set) - down).await?;
    }
    Ok(())
}

async fn clean_up(ctx: &Context, deployment: &Value, sets: &[Arc<Value>], hash: &str) -> Result<(), Error> {
    let keep = usize::try_from(values::int_or(deployment, "/spec/revisionHistoryLimit", 10)).unwrap_or(0);
    let empty: Vec<&Arc<Value>> = sets
        .iter()
        .filter(|s| {
            values::label(s, HASH_LABEL) != Some(hash)
                && values::int_or(s, "/spec/replicas", 0) == 0
                && values::int(s, "/status/replicas") == 0
        })
        .collect();
    let surplus = empty.len().saturating_sub(keep);
    for set in empty.into_iter().take(surplus) {
        let key = values::key(set);
        ctx.patcher.delete(&resources::replica_sets(), &key.namespace, &key.name, &DeleteOptions::background()).await?;
    }
    Ok(())
}

async fn report(ctx: &Context, deployment: &Value, hash: &str, wanted: i64) -> Result<(), Error> {
    let sets = replica_sets(ctx, deployment);
    let sum = |field: &str| sets.iter().map(|s| values::int(s, field)).sum::<i64>();
    let (replicas, ready, available) =
        (sum("/status/replicas"), sum("/status/readyReplicas"), sum("/status/availableReplicas"));
    let updated = sets
        .iter()
        .find(|s| values::label(s, HASH_LABEL) == Some(hash))
        .map(|s| values::int(s, "/status/replicas"))
        .unwrap_or_default();
    let minimum =
        wanted - values::scaled(deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable"), wanted, false, 0);
    let enough = available >= minimum;
    let complete = updated == wanted && replicas == wanted && available == wanted;
    let name = values::text(deployment, "/metadata/name");
    let (available_reason, available_message) = if enough {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let (progress_reason, progress_message) = if complete {
        ("NewReplicaSetAvailable", format!("ReplicaSet \"{name}-{hash}\" has successfully progressed."))
    } else {
        ("ReplicaSetUpdated", format!("ReplicaSet \"{name}-{hash}\" is progressing."))
    };
    let status = json!({
        "observedGeneration": values::int(deployment, "/metadata/generation"),
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": (wanted.max(replicas) - available).max(0),
        "conditions": with_update_times(deployment, values::conditions(deployment, &[
            ("Available", enough, available_reason, available_message),
            ("Progressing", true, progress_reason, &progress_message),
        ])),
    });
    ctx.write_status(&ctx.caches.deployments, deployment, status).await
}

/// A Deployment's conditions also say when they were last touched: kept where nothing else changed.
fn with_update_times(deployment: &Value, mut conditions: Value) -> Value {
    let now = values::now();
    for condition in conditions.as_array_mut().into_iter().flatten() {
        let kept = values::array(deployment, "/status/conditions").iter().find(|before| {
            ["type", "status", "reason", "message"].iter().all(|field| before.get(field) == condition.get(field))
        });
        condition["lastUpdateTime"] = kept.map_or(now.as_str(), |c| values::text(c, "/lastUpdateTime")).into();
    }
    conditions
}
