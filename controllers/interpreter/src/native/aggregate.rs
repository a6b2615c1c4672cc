//! Summing up the members' statuses in the template.
//!
//! A template whose status already says so comes back exactly as it was given; otherwise it comes back in canonical
//! form with the new status.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Kind, aggregate_sets as sets, job, typed};
use crate::answer::StatusItem;

/// The template with its members' statuses summed up.
pub(super) fn aggregate(kind: Kind, object: &Value, items: &[StatusItem], now: Timestamp) -> Result<Value, String> {
    let checked = typed::canonical(kind.name(), object)?;
    let old = checked.get("status").cloned().unwrap_or_else(|| json!({}));
    let new = match kind {
        Kind::Deployment => sets::sum(&sets::DEPLOYMENT, &checked, &old, items)?,
        Kind::ReplicaSet => sets::sum(&sets::REPLICA_SET, &checked, &old, items)?,
        Kind::StatefulSet => sets::sum(&sets::STATEFUL_SET, &checked, &old, items)?,
        Kind::DaemonSet => sets::sum(&sets::DAEMON_SET, &checked, &old, items)?,
        Kind::Job => match job::aggregate(&old, items, now)? {
            Some(status) => status,
            None => return Ok(object.clone()),
        },
        Kind::CronJob => cron_job(items)?,
        Kind::Service => {
            if checked.pointer("/spec/type").and_then(Value::as_str) != Some("LoadBalancer") {
                return Ok(object.clone());
            }
            service(items)?
        }
        Kind::Ingress => ingress(items)?,
        Kind::Pod => pod(items)?,
        Kind::PersistentVolume => persistent_volume(items)?,
        Kind::PersistentVolumeClaim => persistent_volume_claim(items)?,
        Kind::PodDisruptionBudget => disruption_budget(items)?,
        Kind::HorizontalPodAutoscaler => autoscaler(items)?,
        Kind::ServiceAccount | Kind::Secret | Kind::ServiceImport => return Ok(object.clone()),
    };
    let mut result = checked;
    if let Some(map) = result.as_object_mut() {
        map.insert("status".to_owned(), new);
    }
    let result = typed::canonical(kind.name(), &result)?;
    // The status of a pod or a disruption budget is never taken for unchanged upstream, which shows in its form only.
    if !matches!(kind, Kind::Pod | Kind::PodDisruptionBudget) && result.get("status") == Some(&old) {
        return Ok(object.clone());
    }
    Ok(result)
}

/// The items that report something, decoded as a status of this type.
pub(super) fn decoded<'a>(
    items: &'a [StatusItem],
    type_name: &'static str,
    wrapper: &'a str,
) -> impl Iterator<Item = Result<(&'a str, Map<String, Value>), String>> {
    items.iter().filter_map(move |item| {
        let status = item.status.as_ref().filter(|status| !status.is_null())?;
        Some(typed::decode(type_name, wrapper, status).map(|status| (item.cluster_name.as_str(), status)))
    })
}

pub(super) fn number(status: &Map<String, Value>, field: &str) -> i64 {
    status.get(field).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn text<'a>(status: &'a Map<String, Value>, field: &str) -> &'a str {
    status.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn entries<'a>(status: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Value> {
    status.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn cron_job(items: &[StatusItem]) -> Result<Value, String> {
    let mut active = Vec::new();
    let mut status = Map::new();
    for item in decoded(items, "CronJobStatus", "CronJobStatus") {
        let (_, reported) = item?;
        active.extend(entries(&reported, "active").cloned());
        for field in ["lastScheduleTime", "lastSuccessfulTime"] {
            // Canonical times compare as text.
            let time = text(&reported, field);
            if time > text(&status, field) {
                status.insert(field.to_owned(), Value::from(time));
            }
        }
    }
    status.insert("active".to_owned(), Value::Array(active));
    Ok(Value::Object(status))
}

/// The order of addresses: those with a host name first, by that name, then by address.
fn address_order(entry: &Value) -> (bool, String, String) {
    let field = |name| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let hostname = field("hostname");
    (hostname.is_empty(), hostname, field("ip"))
}

fn addresses(status: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    status.get("loadBalancer").and_then(Value::as_object).into_iter().flat_map(|balancer| entries(balancer, "ingress"))
}

fn service(items: &[StatusItem]) -> Result<Value, String> {
    let mut union: Vec<Value> = Vec::new();
    for item in decoded(items, "ServiceStatus", "ServiceStatus") {
        let (_, reported) = item?;
        for entry in addresses(&reported) {
            if !union.contains(entry) {
                union.push(entry.clone());
            }
        }
    }
    union.sort_by_cached_key(address_order);
    Ok(json!({"loadBalancer": {"ingress": union}}))
}

/// An address that several members give is one entry, with all their ports.
fn ingress(items: &[StatusItem]) -> Result<Value, String> {
    let mut union: Vec<Value> = Vec::new();
    for item in decoded(items, "IngressStatus", "IngressStatus") {
        let (_, reported) = item?;
        for entry in addresses(&reported) {
            let mut entry = entry.clone();
            if let Some(map) = entry.as_object_mut() {
                map.retain(|field, _| matches!(field.as_str(), "ip" | "hostname" | "ports"));
            }
            let key = address_order(&entry);
            let Some(known) = union.iter_mut().find(|known| address_order(known) == key) else {
                union.push(entry);
                continue;
            };
            let ports = entry.get_mut("ports").map(Value::take).unwrap_or_default();
            if let (Value::Array(ports), Some(known)) = (ports, known.as_object_mut()) {
                let all = known.entry("ports").or_insert_with(|| json!([]));
                for port in ports {
                    if let Some(all) = all.as_array_mut().filter(|all| !all.contains(&port)) {
                        all.push(port);
                    }
                }
            }
        }
    }
    union.sort_by_cached_key(address_order);
    Ok(json!({"loadBalancer": {"ingress": union}}))
}

/// The first of these phases that any member is in; a member that reports nothing is in `absent`.
fn phase_by_priority(
    items: &[StatusItem],
    type_name: &'static str,
    absent: &'static str,
    priority: &[&'static str],
) -> Result<Value, String> {
    let mut phases: Vec<String> = Vec::new();
    if items.iter().any(|item| item.status.as_ref().is_none_or(Value::is_null)) {
        phases.push(absent.to_owned());
    }
    for item in decoded(items, type_name, type_name) {
        phases.push(text(&item?.1, "phase").to_owned());
    }
    Ok(priority
        .iter()
        .find(|phase| phases.iter().any(|seen| seen == *phase))
        .map_or(Value::Null, |phase| Value::from(*phase)))
}

fn pod(items: &[StatusItem]) -> Result<Value, String> {
    let phase = phase_by_priority(items, "PodStatus", "Pending", &["Failed", "Pending", "Running", "Succeeded"])?;
    let mut status = Map::new();
    status.insert("phase".to_owned(), phase);
    for field in ["initContainerStatuses", "containerStatuses"] {
        let mut all = Vec::new();
        for item in decoded(items, "PodStatus", "PodStatus") {
            let (_, reported) = item?;
            all.extend(
                entries(&reported, field)
                    .map(|container| json!({"ready": container.get("ready"), "state": container.get("state")})),
            );
        }
        status.insert(field.to_owned(), Value::Array(all));
    }
    Ok(Value::Object(status))
}

fn persistent_volume(items: &[StatusItem]) -> Result<Value, String> {
    let phase = phase_by_priority(
        items,
        "PersistentVolumeStatus",
        "Pending",
        &["Failed", "Pending", "Available", "Bound", "Released"],
    )?;
    Ok(json!({"phase": phase}))
}

/// Lost wins; otherwise the last phase that is not Bound; Bound only when all are.
fn persistent_volume_claim(items: &[StatusItem]) -> Result<Value, String> {
    let mut phase = "Bound".to_owned();
    for item in decoded(items, "PersistentVolumeClaimStatus", "PersistentVolumeClaimStatus") {
        let (_, reported) = item?;
        match text(&reported, "phase") {
            "Lost" => {
                phase = "Lost".to_owned();
                break;
            }
            "Bound" => {}
            other => other.clone_into(&mut phase),
        }
    }
    Ok(json!({"phase": phase}))
}

fn disruption_budget(items: &[StatusItem]) -> Result<Value, String> {
    let fields = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
    let mut sums = [0_i64; 4];
    let mut disrupted = Map::new();
    let name = "PodDisruptionBudgetStatus";
    for item in decoded(items, name, name) {
        let (cluster, reported) = item?;
        for (sum, field) in sums.iter_mut().zip(fields) {
            *sum += number(&reported, field);
        }
        for (pod, time) in reported.get("disruptedPods").and_then(Value::as_object).into_iter().flatten() {
            disrupted.insert(format!("{cluster}/{pod}"), time.clone());
        }
    }
    let mut status: Map<String, Value> =
        fields.iter().zip(sums).map(|(field, sum)| ((*field).to_owned(), Value::from(sum))).collect();
    status.insert("disruptedPods".to_owned(), Value::Object(disrupted));
    Ok(Value::Object(status))
}

fn autoscaler(items: &[StatusItem]) -> Result<Value, String> {
    let (mut current, mut desired) = (0_i64, 0_i64);
    let name = "HorizontalPodAutoscalerStatus";
    for item in decoded(items, name, name) {
        let (_, reported) = item?;
        current += number(&reported, "currentReplicas");
        desired += number(&reported, "desiredReplicas");
    }
    Ok(json!({"currentReplicas": current, "desiredReplicas": desired}))
}
