//! The life of a Pod: what a scheduler and a kubelet do to it.
//!
//! A Pod without a node gets one that fits (Binding), or the condition PodScheduled=False. After
//! [`Timing::startup`] it is Running and Ready; a Pod that may end (restartPolicy other than Always) succeeds after
//! [`Timing::job`]. A deleted Pod goes after [`Timing::termination`]. Faults (see [`crate::faults`]) change that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use karmada_runtime::patcher::{DeleteOptions, PatchKind};
use karmada_runtime::{Error, ObjectKey, Outcome};
use serde_json::{Value, json};

use crate::controllers::Context;
use crate::faults::{self, Fault};
use crate::nodes::{self, UNSCHEDULABLE_RETRY};
use crate::{resources, values};

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From bound to Running and Ready.
    pub startup: Duration,
    /// From Running to Succeeded, for Pods that end.
    pub job: Duration,
    /// From deleted to gone.
    pub termination: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            startup: Duration::from_millis(200),
            job: Duration::from_millis(500),
            termination: Duration::from_millis(100),
        }
    }
}

/// Hands out addresses of one member's Pod network, 10.244.0.0/16, around and around.
#[derive(Default)]
pub(crate) struct PodAddresses(AtomicU32);

impl PodAddresses {
    fn next(&self) -> String {
        let n = self.0.fetch_add(1, Ordering::Relaxed) % 65_000 + 2;
        format!("10.244.{}.{}", n / 250, n % 250 + 2)
    }
}

/// Takes one Pod one step further.
pub(crate) async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Outcome, Error> {
    let Some(pod) = ctx.caches.pods.get(key) else {
        if ctx.ledger.release(key) {
            retry_unscheduled(ctx);
        }
        return Ok(Outcome::Done);
    };
    if values::is_deleting(&pod) {
        return terminate(ctx, key, &pod).await;
    }
    let phase = values::text(&pod, "/status/phase");
    if matches!(phase, "Succeeded" | "Failed") {
        if ctx.ledger.release(key) {
            retry_unscheduled(ctx);
        }
        return Ok(Outcome::Done);
    }
    let node = values::text(&pod, "/spec/nodeName");
    if node.is_empty() {
        return place(ctx, key, &pod).await;
    }
    ctx.ledger.take(key, node, nodes::requests(&pod));
    match phase {
        "Running" => run(ctx, key, &pod).await,
        _ => start(ctx, key, &pod).await,
    }
}

fn retry_unscheduled(ctx: &Context) {
    for (key, pod) in ctx.caches.pods.list() {
        if values::text(&pod, "/spec/nodeName").is_empty() && !values::is_deleting(&pod) {
            ctx.queues.pods.add(key);
        }
    }
}

async fn terminate(ctx: &Context, key: &ObjectKey, pod: &Value) -> Result<Outcome, Error> {
    // Measured from when we first saw the deletion: deletionTimestamp lies in the future by the grace period.
    let since = ctx.first_seen_deleting(values::text(pod, "/metadata/uid"));
    if let Some(rest) = ctx.timing.termination.checked_sub(since).filter(|d| !d.is_zero()) {
        return Ok(Outcome::RequeueAfter(rest));
    }
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        uid: Some(values::text(pod, "/metadata/uid").to_owned()),
        ..DeleteOptions::default()
    };
    match ctx.patcher.delete(&resources::pods(), &key.namespace, &key.name, &options).await {
        Ok(_) => Ok(Outcome::Done),
        // Another Pod of this name stands there already.
        Err(error) if error.is_conflict() => Ok(Outcome::Done),
        Err(error) => Err(error),
    }
}

async fn place(ctx: &Context, key: &ObjectKey, pod: &Value) -> Result<Outcome, Error> {
    let all: Vec<(ObjectKey, Arc<Value>)> = ctx.caches.nodes.list();
    let nodes: Vec<&Value> = all.iter().map(|(_, node)| node.as_ref()).collect();
    match ctx.ledger.place(key, pod, &nodes) {
        Ok(node) => {
            let binding = json!({
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": &*key.name, "namespace": &*key.namespace},
                "target": {"apiVersion": "v1", "kind": "Node", "name": node},
            });
            let path = format!("{}/{}/binding", resources::pods().collection_path(&key.namespace), key.name);
            match ctx.post(&path, &binding).await {
                Ok(()) => Ok(Outcome::Done),
                Err(error) => {
                    ctx.ledger.release(key);
                    if error.is_not_found() { Ok(Outcome::Done) } else { Err(error) }
                }
            }
        }
        Err(message) => {
            let conditions = values::conditions(pod, &[("PodScheduled", false, "Unschedulable", &message)]);
            patch_status(ctx, key, pod, json!({"phase": "Pending", "conditions": conditions})).await?;
            Ok(Outcome::RequeueAfter(UNSCHEDULABLE_RETRY))
        }
    }
}

async fn start(ctx: &Context, key: &ObjectKey, pod: &Value) -> Result<Outcome, Error> {
    let fault = faults::of(pod);
    if let Some(rest) = ctx.timing.startup.checked_sub(ctx.first_seen_bound(values::text(pod, "/metadata/uid")))
        && !rest.is_zero()
    {
        return Ok(Outcome::RequeueAfter(rest));
    }
    let now = values::now();
    let node_ip = host_ip(ctx, pod);
    let status = match fault {
        Some(Fault::ImagePull) => json!({
            "phase": "Pending",
            "hostIP": node_ip,
            "startTime": now,
            "conditions": pod_conditions(pod, false),
            "containerStatuses": container_statuses(pod, false, &json!({"waiting": {
                "reason": "ImagePullBackOff", "message": "Back-off pulling image"}}), 0),
        }),
        Some(Fault::Fail) => json!({
            "phase": "Failed",
            "hostIP": node_ip,
            "startTime": now,
            "conditions": pod_conditions(pod, false),
            "containerStatuses": container_statuses(pod, false, &json!({"terminated": {
                "exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}}), 0),
        }),
        Some(Fault::CrashLoop) => json!({
            "phase": "Running",
            "hostIP": node_ip,
            "podIP": ctx.addresses.next(),
            "startTime": now,
            "conditions": pod_conditions(pod, false),
            "containerStatuses": container_statuses(pod, false, &json!({"waiting": {
                "reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}), 5),
        }),
        Some(Fault::Unready) | None => {
            let ready = fault.is_none();
            let ip = ctx.addresses.next();
            json!({
                "phase": "Running",
                "hostIP": node_ip,
                "hostIPs": [{"ip": node_ip}],
                "podIP": ip,
                "podIPs": [{"ip": ip}],
                "qosClass": qos_class(pod),
                "startTime": now,
                "conditions": pod_conditions(pod, ready),
                "containerStatuses": container_statuses(pod, ready, &json!({"running": {"startedAt": now}}), 0),
            })
        }
    };
    patch_status(ctx, key, pod, status).await?;
    Ok(Outcome::Done)
}

async fn run(ctx: &Context, key: &ObjectKey, pod: &Value) -> Result<Outcome, Error> {
    let policy = values::text(pod, "/spec/restartPolicy");
    if faults::of(pod).is_some() || policy.is_empty() || policy == "Always" {
        return Ok(Outcome::Done);
    }
    let since = ctx.first_seen_bound(values::text(pod, "/metadata/uid"));
    if let Some(rest) = (ctx.timing.startup + ctx.timing.job).checked_sub(since).filter(|d| !d.is_zero()) {
        return Ok(Outcome::RequeueAfter(rest));
    }
    let now = values::now();
    let mut conditions = pod_conditions(pod, false);
    for condition in conditions.as_array_mut().into_iter().flatten() {
        if matches!(values::text(condition, "/type"), "Ready" | "ContainersReady") {
            condition["reason"] = "PodCompleted".into();
        }
    }
    let status = json!({
        "phase": "Succeeded",
        "conditions": conditions,
        "containerStatuses": container_statuses(pod, false, &json!({"terminated": {
            "exitCode": 0, "reason": "Completed", "startedAt": values::text(pod, "/status/startTime"), "finishedAt": now}}), 0),
    });
    patch_status(ctx, key, pod, status).await?;
    Ok(Outcome::Done)
}

async fn patch_status(ctx: &Context, key: &ObjectKey, pod: &Value, status: Value) -> Result<(), Error> {
    let unchanged = status
        .as_object()
        .into_iter()
        .flatten()
        .all(|(field, value)| pod.get("status").and_then(|s| s.get(field)) == Some(value));
    if unchanged {
        return Ok(());
    }
    let patch = json!({"metadata": {"uid": values::text(pod, "/metadata/uid")}, "status": status});
    match ctx.patcher.patch(&resources::pods(), &key.namespace, &key.name, "status", PatchKind::Merge, &patch).await {
        Ok(stored) => {
            ctx.caches.pods.observe(&stored);
            Ok(())
        }
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

fn host_ip(ctx: &Context, pod: &Value) -> String {
    let node = ctx.caches.nodes.get(&ObjectKey::cluster_scoped(values::text(pod, "/spec/nodeName")));
    node.map(|n| values::text(&n, "/status/addresses/0/address").to_owned()).unwrap_or_default()
}

fn pod_conditions(pod: &Value, ready: bool) -> Value {
    let (reason, message) = if ready { ("", "") } else { ("ContainersNotReady", "containers with unready status") };
    values::conditions(
        pod,
        &[
            ("PodScheduled", true, "", ""),
            ("PodReadyToStartContainers", true, "", ""),
            ("Initialized", true, "", ""),
            ("ContainersReady", ready, reason, message),
            ("Ready", ready, reason, message),
        ],
    )
}

fn container_statuses(pod: &Value, ready: bool, state: &Value, restarts: i64) -> Value {
    let started = state.get("running").is_some();
    values::array(pod, "/spec/containers")
        .iter()
        .map(|c| {
            json!({
                "name": values::text(c, "/name"),
                "image": values::text(c, "/image"),
                "imageID": "",
                "ready": ready,
                "started": started,
                "restartCount": restarts,
                "state": state,
                "lastState": {},
            })
        })
        .collect()
}

fn qos_class(pod: &Value) -> &'static str {
    let containers = values::array(pod, "/spec/containers");
    let has = |c: &Value, part: &str| c.pointer(part).and_then(Value::as_object).is_some_and(|m| !m.is_empty());
    let guaranteed = containers
        .iter()
        .all(|c| has(c, "/resources/limits") && c.pointer("/resources/limits") == c.pointer("/resources/requests"));
    if guaranteed {
        "Guaranteed"
    } else if containers.iter().any(|c| has(c, "/resources/limits") || has(c, "/resources/requests")) {
        "Burstable"
    } else {
        "BestEffort"
    }
}
