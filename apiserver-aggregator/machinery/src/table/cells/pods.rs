//! Pods: readiness, one word for the state of all containers, restarts.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{NONE, age, at, flag, int, list, name, text, text_or};
use crate::{meta, table::age_of};

/// Restarts and the last of them.
#[derive(Default)]
struct Restarts<'v> {
    count: i64,
    last: Option<&'v Value>,
}

impl<'v> Restarts<'v> {
    fn add(&mut self, container: &'v Value) {
        self.count += int(container, "restartCount");
        let Some(finished) = at(container, "lastState.terminated.finishedAt") else {
            return;
        };
        let time = |v: &Value| v.as_str().and_then(|t| t.parse::<Timestamp>().ok());
        if self.last.is_none_or(|last| time(last) < time(finished)) {
            self.last = Some(finished);
        }
    }
}

/// The word for a container that has ended.
fn ended(terminated: &Value) -> String {
    match (text(terminated, "reason"), int(terminated, "signal")) {
        ("", 0) => format!("ExitCode:{}", int(terminated, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// The condition of the row of a pod that has ended.
pub(in crate::table) fn completed(object: &Value) -> Option<Value> {
    let (reason, message) = match text(object, "status.phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": reason, "message": message}))
}

pub(super) fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let condition_is = |kind: &str, status: &str| {
        list(object, "status.conditions").iter().any(|c| text(c, "type") == kind && text(c, "status") == status)
    };
    let phase = text(object, "status.phase");
    let mut reason = text_or(object, "status.reason", phase).to_owned();
    let gated = |c: &Value| text(c, "type") == "PodScheduled" && text(c, "reason") == "SchedulingGated";
    if list(object, "status.conditions").iter().any(gated) {
        reason = "SchedulingGated".to_owned();
    }

    // Sidecars are init containers that restart always; they count as containers.
    let init_containers = list(object, "spec.initContainers");
    let is_sidecar = |status: &Value| {
        let spec = init_containers.iter().find(|c| text(c, "name") == text(status, "name"));
        spec.is_some_and(|c| text(c, "restartPolicy") == "Always")
    };
    let sidecars = init_containers.iter().filter(|c| text(c, "restartPolicy") == "Always").count();
    let total = list(object, "spec.containers").len() + sidecars;
    let mut ready = 0;
    let (mut restarts, mut sidecar_restarts) = (Restarts::default(), Restarts::default());

    let mut initializing = false;
    for (index, status) in list(object, "status.initContainerStatuses").iter().enumerate() {
        restarts.add(status);
        let sidecar = is_sidecar(status);
        if sidecar {
            sidecar_restarts.add(status);
        }
        let terminated = at(status, "state.terminated");
        if terminated.is_some_and(|t| int(t, "exitCode") == 0) {
            continue;
        }
        if sidecar && flag(status, "started") {
            ready += usize::from(flag(status, "ready"));
            continue;
        }
        let waiting = text(status, "state.waiting.reason");
        reason = if let Some(terminated) = terminated {
            format!("Init:{}", ended(terminated))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{}", init_containers.len())
        };
        initializing = true;
        break;
    }

    if !initializing || condition_is("Initialized", "True") {
        restarts = sidecar_restarts;
        let mut running = false;
        for status in list(object, "status.containerStatuses").iter().rev() {
            restarts.add(status);
            let waiting = text(status, "state.waiting.reason");
            if !waiting.is_empty() {
                reason = waiting.to_owned();
            } else if let Some(terminated) = at(status, "state.terminated") {
                reason = ended(terminated);
            } else if flag(status, "ready") && at(status, "state.running").is_some() {
                running = true;
                ready += 1;
            }
        }
        // Some containers have ended well while others run on.
        if reason == "Completed" && running {
            reason = if condition_is("Ready", "True") { "Running" } else { "NotReady" }.to_owned();
        }
    }

    if meta::deletion_timestamp(object).is_some() {
        if text(object, "status.reason") == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            reason = "Terminating".to_owned();
        }
    }

    let restarts = match restarts.last {
        Some(last) if restarts.count != 0 => format!("{} ({} ago)", restarts.count, age_of(Some(last), now)),
        _ => restarts.count.to_string(),
    };
    let gates = list(object, "spec.readinessGates");
    let gates = if gates.is_empty() {
        NONE.to_owned()
    } else {
        let passed = gates.iter().filter(|g| condition_is(text(g, "conditionType"), "True")).count();
        format!("{passed}/{}", gates.len())
    };
    let ip = list(object, "status.podIPs").first().map(|ip| text(ip, "ip")).filter(|ip| !ip.is_empty());
    vec![
        name(object),
        format!("{ready}/{total}").into(),
        reason.into(),
        restarts.into(),
        age(object, now),
        ip.unwrap_or(NONE).into(),
        text_or(object, "spec.nodeName", NONE).into(),
        text_or(object, "status.nominatedNodeName", NONE).into(),
        gates.into(),
    ]
}
