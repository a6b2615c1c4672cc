//! Pods' own subresources: binding and eviction.

use axum::{extract::Request, response::Response};
use karmada_machinery::{
    FieldError, GroupResource, GroupVersionKind, Reason, StatusError, field, meta, selector::LabelSelector,
};
use karmada_storage::cache::At;
use serde_json::{Value, json};

use super::{
    delete,
    update::{self, Plan},
    write,
};
use crate::{
    call::Call,
    encode,
    query::{DeleteOptions, WriteOptions},
    server::ApiServer,
};

/// `Success` without details, as creations of special kinds answer.
fn success(call: &Call) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    encode::value_response(201, &status, call.wire())
}

/// Assigns a pod to a node: `pods/<name>/binding`, and `bindings` of old.
pub(crate) async fn bind(server: &ApiServer, call: &Call, request: Request) -> Result<Response, StatusError> {
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let mut binding = call.decode(request).await?;
    let mut call = call.clone();
    if call.info.subresource.is_empty() {
        call.info.name = meta::name(&binding).unwrap_or_default().to_owned();
        call.info.resource = "pods".to_owned();
        call.info.subresource = "binding".to_owned();
        call.served = call.snapshot.resource("", "v1", "pods").cloned();
    }
    let name = call.info.name.clone();
    write::ensure_name(&mut binding, &name, true)?;
    write::ensure_namespace(&mut binding, call.namespace())?;
    let target = |field: &str| binding.pointer(&format!("/target/{field}")).and_then(Value::as_str).unwrap_or_default();
    let mut errors = Vec::new();
    if !matches!(target("kind"), "" | "Node") {
        errors.push(FieldError::not_supported("target.kind", target("kind"), &["Node", "<empty>"]));
    }
    if target("name").is_empty() {
        errors.push(FieldError::required("target.name", ""));
    }
    if !errors.is_empty() {
        return Err(StatusError::new(500, Reason::Unknown, field::aggregate(&errors)));
    }
    let node = target("name").to_owned();
    let annotations = meta::annotations(&binding).cloned();
    let pods = GroupResource::new("", "pods");
    let not_found = || StatusError::not_found(&pods, &name);
    let refused = |why: String| StatusError::conflict(&GroupResource::new("", "pods/binding"), &name, &why);
    let (now, agent) = (write::seconds(call.now), call.clone());
    let plan = Plan {
        subresource: "binding",
        kind: GroupVersionKind::new("", "v1", "Binding"),
        create: false,
        managed: true,
        uid_is_precondition: false,
    };
    update::change_object(server, &agent, &options, &plan, &mut |current| {
        let current = current.ok_or_else(not_found)?;
        if let (Some(wanted), Some(uid)) = (meta::uid(&binding), meta::uid(current))
            && wanted != uid
        {
            return Err(refused(format!(
                "Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
            )));
        }
        if meta::deletion_timestamp(current).is_some() {
            return Err(refused(format!("pod {name} is being deleted, cannot be assigned to a host")));
        }
        let assigned = current.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
        if !assigned.is_empty() {
            return Err(refused(format!("pod {name} is already assigned to node {assigned:?}")));
        }
        let gates = current.pointer("/spec/schedulingGates").and_then(Value::as_array);
        if gates.is_some_and(|g| !g.is_empty()) {
            return Err(refused(format!("pod {name} has non-empty .spec.schedulingGates")));
        }
        let mut pod = current.clone();
        pod["spec"]["nodeName"] = node.clone().into();
        if let Some(annotations) = &annotations {
            let mut all = meta::annotations(&pod).cloned().unwrap_or_default();
            all.extend(annotations.clone());
            meta::set(&mut pod, "annotations", Value::Object(all));
        }
        set_condition(
            &mut pod,
            json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now}),
        );
        Ok(pod)
    })
    .await?;
    Ok(success(&call))
}

/// Puts a condition in the place of the one of its type.
fn set_condition(pod: &mut Value, condition: Value) {
    if !pod.get("status").is_some_and(Value::is_object) {
        pod["status"] = json!({});
    }
    let conditions = &mut pod["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(list) = conditions.as_array_mut() else { return };
    match list.iter_mut().find(|c| c.get("type") == condition.get("type")) {
        Some(existing) => *existing = condition,
        None => list.push(condition),
    }
}

/// Deletes a pod unless a PodDisruptionBudget forbids it.
pub(crate) async fn evict(server: &ApiServer, call: &Call, request: Request) -> Result<Response, StatusError> {
    let query = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let mut eviction = call.decode(request).await?;
    write::ensure_name(&mut eviction, &call.info.name, true)?;
    write::ensure_namespace(&mut eviction, call.namespace())?;
    let raw = eviction.get("deleteOptions").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut options = DeleteOptions::from_value(raw)?;
    options.dry_run |= query.dry_run;
    let backend = write::backend(server, call).await?;
    let key = backend.key(call.namespace(), &call.info.name);
    let Some(current) = backend.current(&key, false).await? else {
        return Err(StatusError::not_found(&GroupResource::new("", "pods"), &call.info.name));
    };
    let pod = current.value;
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    let living = meta::deletion_timestamp(&pod).is_none();
    let disrupts = !matches!(phase, "Succeeded" | "Failed" | "Pending") && living;
    if disrupts {
        check_budgets(server, call, &pod).await?;
    }
    let mut call = call.clone();
    call.info.subresource = String::new();
    let call = &call;
    if living && !options.dry_run {
        mark_disrupted(server, call, &query).await?;
    }
    delete::delete_object(server, call, &backend, &call.info.name, &options).await?;
    Ok(success(call))
}

/// Tells in the pod's status why it goes.
async fn mark_disrupted(server: &ApiServer, call: &Call, options: &WriteOptions) -> Result<(), StatusError> {
    let plan = Plan {
        subresource: "eviction",
        kind: GroupVersionKind::new("", "v1", "Pod"),
        create: false,
        managed: true,
        uid_is_precondition: false,
    };
    let now = write::seconds(call.now);
    let not_found = || StatusError::not_found(&GroupResource::new("", "pods"), &call.info.name);
    update::change_object(server, call, options, &plan, &mut |current| {
        let mut pod = current.ok_or_else(not_found)?.clone();
        let condition = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
            "lastProbeTime": null,
            "lastTransitionTime": now,
        });
        set_condition(&mut pod, condition);
        Ok(pod)
    })
    .await
    .map(|_| ())
}

/// 429 while a budget that covers the pod allows no disruption.
async fn check_budgets(server: &ApiServer, call: &Call, pod: &Value) -> Result<(), StatusError> {
    let Some(served) = call.snapshot.resource("policy", "v1", "poddisruptionbudgets") else { return Ok(()) };
    let backend = crate::backend::Backend::open(server, &call.snapshot, &served.info).await?;
    let options = karmada_storage::cache::ListOptions { namespace: Some(call.namespace()), ..Default::default() };
    let page = backend.cache.list(At::Latest, options).await.map_err(|e| crate::backend::cache_error(&e))?;
    for entry in page.entries {
        let budget = backend.value(&entry).await?;
        let selector = budget.pointer("/spec/selector").cloned().unwrap_or_else(|| json!({}));
        if !LabelSelector::from_object(&selector).is_ok_and(|s| s.matches_object(pod)) {
            continue;
        }
        let allowed = budget.pointer("/status/disruptionsAllowed").and_then(Value::as_i64).unwrap_or_default();
        if allowed <= 0 {
            let name = meta::name(&budget).unwrap_or_default();
            let healthy = |f: &str| budget.pointer(&format!("/status/{f}")).and_then(Value::as_i64).unwrap_or_default();
            let text = format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                healthy("desiredHealthy"),
                healthy("currentHealthy")
            );
            let mut error =
                StatusError::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 0);
            error.details = json!({"causes": [{"reason": "DisruptionBudget", "message": text}]}).as_object().cloned();
            return Err(error);
        }
    }
    Ok(())
}
