//! FederatedResourceQuota: a namespace's allowance over all clusters.
//!
//! - sync: each static assignment becomes a ResourceQuota of the same name in its cluster; Works of assignments that are
//!   gone, or whose quota is gone, are removed;
//! - status: what the members' ResourceQuotas say is listed in the status;
//! - enforcement (gate FederatedQuotaEnforcement): the use is summed up over the namespace's bindings. Admission refuses
//!   bindings that would take more; it reads what is written here.
//!
//! Status and enforcement share one reconcile, because both write the same status.

use std::sync::Arc;
use std::time::Duration;

use karmada_api::features::Feature;
use karmada_api::labels::{FEDERATED_RESOURCE_QUOTA_NAME, FEDERATED_RESOURCE_QUOTA_NAMESPACE};
use karmada_api::policy::FederatedResourceQuota;
use karmada_api::work::v1alpha1::Work;
use karmada_api::work::v1alpha2::ResourceBinding;
use karmada_api::{events, names};
use karmada_propagation::object::message_key;
use karmada_propagation::quota;
use karmada_runtime::error::chain;
use karmada_runtime::events::{EventType, reference_typed};
use karmada_runtime::patcher::{DeleteOptions, PatchKind, merge_diff};
use karmada_runtime::{ControllerSpec, Informer, ObjectKey, Outcome, Queue, Resource, controller};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::system_works::{self, Written};

/// Which of the three controllers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// federatedResourceQuotaSync.
    pub sync: bool,
    /// federatedResourceQuotaStatus.
    pub status: bool,
    /// federatedResourceQuotaEnforcement; it also needs its gate.
    pub enforcement: bool,
}

/// Changes of many bindings in quick succession are summed up together.
const GATHER: Duration = Duration::from_millis(50);
const TERMINATION_WAIT: Duration = Duration::from_secs(2);
/// The index of Works by the quota that they belong to.
const BY_QUOTA: &str = "federated-resource-quota";

struct Quotas {
    quotas: Arc<Informer<FederatedResourceQuota>>,
    parts: Parts,
}

fn quota_of(work: &Work) -> Option<ObjectKey> {
    let labels = work.metadata.labels.as_ref()?;
    let (namespace, name) =
        (labels.get(FEDERATED_RESOURCE_QUOTA_NAMESPACE)?, labels.get(FEDERATED_RESOURCE_QUOTA_NAME)?);
    Some(ObjectKey::new(namespace, name))
}

/// Connects the caches and runs the controllers until `shutdown`. Called before the caches start.
pub fn start(ctx: &Arc<Context>, parts: Parts, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let enforced = parts.enforcement && ctx.options.gates.enabled(Feature::FederatedQuotaEnforcement);
    let parts = Parts { enforcement: enforced, ..parts };
    if !parts.sync && !parts.status && !parts.enforcement {
        return;
    }
    let quotas = Arc::new(Quotas { quotas: Informer::typed(ctx.control.client().clone()), parts });
    ctx.works.add_index(BY_QUOTA, |_, work: &Work| quota_of(work).map(|key| key.to_string()).into_iter().collect());
    let (running, stop) = (Arc::clone(&quotas), shutdown.clone());
    tasks.spawn(async move { running.quotas.run(stop).await });
    if parts.sync {
        start_sync(ctx, &quotas, tasks, shutdown);
    }
    if parts.status || parts.enforcement {
        start_status(ctx, &quotas, tasks, shutdown);
    }
}

fn start_sync(ctx: &Arc<Context>, quotas: &Arc<Quotas>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let name = "federated-resource-quota-sync-controller";
    let queue: Queue<ObjectKey> = Queue::new(name, ctx.options.backoff);
    let adding = queue.clone();
    quotas.quotas.add_handler(move |change| {
        let relevant = change.old.zip(change.new).is_none_or(|(old, new)| {
            old.metadata.generation != new.metadata.generation
                || old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        });
        if relevant {
            adding.add(change.key.clone());
        }
    });
    // Works that stand when we start may belong to a quota that went while nobody watched; those that go are put back.
    let adding = queue.clone();
    ctx.works.add_handler(move |change| {
        if (change.initial || change.new.is_none())
            && let Some(key) = change.new.or(change.old).and_then(|work| quota_of(work))
        {
            adding.add(key);
        }
    });
    let (adding, all) = (queue.clone(), Arc::clone(quotas));
    ctx.clusters.add_handler(move |change| {
        if change.old.is_none() && !change.initial {
            for (key, _) in all.quotas.list() {
                adding.add(key);
            }
        }
    });
    let (ctx, quotas, stop) = (Arc::clone(ctx), Arc::clone(quotas), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(quotas.quotas.wait_synced()).await.is_none() {
            return;
        }
        controller::run(ControllerSpec { name, concurrency: 1 }, queue, stop, move |key| {
            let (ctx, quotas) = (Arc::clone(&ctx), Arc::clone(&quotas));
            async move { sync(&ctx, &quotas, &key).await }
        })
        .await;
    });
}

async fn sync(ctx: &Context, quotas: &Quotas, key: &ObjectKey) -> Result<Outcome, Error> {
    let standing: Vec<Work> =
        ctx.works.by_index(BY_QUOTA, &key.to_string()).into_iter().map(|(_, work)| Work::clone(&work)).collect();
    let quota = quotas.quotas.get(key).filter(|quota| quota.metadata.deletion_timestamp.is_none());
    let Some(quota) = quota else {
        remove(ctx, standing.iter()).await?;
        return Ok(Outcome::Done);
    };
    let result = write_works(ctx, &quota, &standing).await;
    let about = || reference_typed(quota.as_ref());
    match result {
        Ok((outcome, wrote)) => {
            // A quota that nobody has summed up yet is new.
            if wrote || quota.status.overall != quota.spec.overall {
                let id = message_key(&key.namespace, &key.name);
                let message = format!("Sync works for FederatedResourceQuota({id}) succeed.");
                ctx.recorder.event(about(), EventType::Normal, events::SYNC_WORK_SUCCEED, message);
            }
            Ok(outcome)
        }
        Err(error) => {
            ctx.recorder.event(about(), EventType::Warning, events::SYNC_WORK_FAILED, chain(&error));
            Err(error)
        }
    }
}

async fn write_works(
    ctx: &Context,
    quota: &FederatedResourceQuota,
    standing: &[Work],
) -> Result<(Outcome, bool), Error> {
    remove(ctx, quota::orphans(quota, standing).into_iter()).await?;
    let (mut outcome, mut wrote, mut first) = (Outcome::Done, false, None);
    for work in quota::works(quota) {
        // A cluster that is not there gets its Work when it joins.
        if ctx.clusters.get(&ObjectKey::cluster_scoped(&work.cluster)).is_none() {
            continue;
        }
        match system_works::write(ctx, work).await {
            Ok(Written::Yes) => wrote = true,
            Ok(Written::Unchanged) => {}
            Ok(Written::Terminating) => outcome = Outcome::RequeueAfter(TERMINATION_WAIT),
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok((outcome, wrote)), Err)
}

async fn remove(ctx: &Context, works: impl Iterator<Item = &Work>) -> Result<(), Error> {
    let resource = Resource::of::<Work>();
    for work in works.filter(|work| work.metadata.deletion_timestamp.is_none()) {
        let key = ObjectKey::of(work);
        if names::cluster_of_execution_space(&key.namespace).is_some() {
            let options = DeleteOptions { uid: work.metadata.uid.clone(), ..DeleteOptions::default() };
            ctx.control.delete(&resource, &key.namespace, &key.name, &options).await?;
        }
    }
    Ok(())
}

fn start_status(ctx: &Arc<Context>, quotas: &Arc<Quotas>, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let name = if quotas.parts.status {
        "federated-resource-quota-status-controller"
    } else {
        "federated-resource-quota-enforcement-controller"
    };
    let queue: Queue<ObjectKey> = Queue::new(name, ctx.options.backoff);
    let adding = queue.clone();
    quotas.quotas.add_handler(move |change| {
        if change.new.is_some() {
            adding.add(change.key.clone());
        }
    });
    if quotas.parts.status {
        let adding = queue.clone();
        ctx.works.add_handler(move |change| {
            let changed = change.old.zip(change.new).is_none_or(|(old, new)| old.status != new.status);
            if changed && let Some(key) = change.new.or(change.old).and_then(|work| quota_of(work)) {
                adding.add_after(key, GATHER);
            }
        });
    }
    if quotas.parts.enforcement {
        let (adding, all) = (queue.clone(), Arc::clone(quotas));
        ctx.bindings.add_handler(move |change| {
            let changed =
                change.old.zip(change.new).is_none_or(|(old, new)| quota::usage(&old.spec) != quota::usage(&new.spec));
            if changed && !change.initial {
                for (key, _) in all.quotas.list_namespace(&change.key.namespace) {
                    adding.add_after(key, GATHER);
                }
            }
        });
    }
    let (ctx, quotas, stop) = (Arc::clone(ctx), Arc::clone(quotas), shutdown.clone());
    tasks.spawn(async move {
        if stop.run_until_cancelled(ctx.wait_synced()).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(quotas.quotas.wait_synced()).await.is_none() {
            return;
        }
        controller::run(ControllerSpec { name, concurrency: 1 }, queue, stop, move |key| {
            let (ctx, quotas) = (Arc::clone(&ctx), Arc::clone(&quotas));
            async move { collect(&ctx, &quotas, &key).await }
        })
        .await;
    });
}

async fn collect(ctx: &Context, quotas: &Quotas, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(quota) = quotas.quotas.get(key) else { return Ok(Outcome::Done) };
    if quota.metadata.deletion_timestamp.is_some() {
        return Ok(Outcome::Done);
    }
    let next =
        if quotas.parts.enforcement { Outcome::RequeueAfter(ctx.options.quota_sync_period) } else { Outcome::Done };
    let works: Vec<Work> =
        ctx.works.by_index(BY_QUOTA, &key.to_string()).into_iter().map(|(_, work)| Work::clone(&work)).collect();
    let bindings: Vec<Arc<ResourceBinding>> = if quotas.parts.enforcement {
        ctx.bindings.list_namespace(&key.namespace).into_iter().map(|(_, binding)| binding).collect()
    } else {
        Vec::new()
    };
    let used =
        quotas.parts.enforcement.then(|| quota::overall_used(&quota.spec.overall, bindings.iter().map(AsRef::as_ref)));
    let Some(mut status) = quota::plan_status(&quota, &works, used) else { return Ok(next) };
    if !quotas.parts.status {
        status.aggregated_status.clone_from(&quota.status.aggregated_status);
    }
    let encode = |status| serde_json::to_value(status).map_err(Error::Requirements);
    let Some(change) = merge_diff(&encode(&quota.status)?, &encode(&status)?) else { return Ok(next) };
    let patch = json!({"metadata": {"resourceVersion": quota.metadata.resource_version}, "status": change});
    let resource = Resource::of::<FederatedResourceQuota>();
    let written = ctx.control.patch(&resource, &key.namespace, &key.name, "status", PatchKind::Merge, &patch).await;
    let reasons = [
        (quotas.parts.status, events::AGGREGATE_STATUS_SUCCEED, events::AGGREGATE_STATUS_FAILED),
        (quotas.parts.enforcement, events::COLLECT_OVERALL_STATUS_SUCCEED, events::COLLECT_OVERALL_STATUS_FAILED),
    ];
    let report = |succeeded: bool, message: String| {
        for (_, success, failure) in reasons.into_iter().filter(|(runs, ..)| *runs) {
            let (kind, reason) = if succeeded { (EventType::Normal, success) } else { (EventType::Warning, failure) };
            ctx.recorder.event(reference_typed(quota.as_ref()), kind, reason, message.clone());
        }
    };
    match written {
        Ok(stored) => {
            quotas.quotas.observe(&stored);
            report(true, quota::message(&quota));
            Ok(next)
        }
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(error) => {
            if !error.is_conflict() {
                report(false, chain(&error));
            }
            Err(error.into())
        }
    }
}
