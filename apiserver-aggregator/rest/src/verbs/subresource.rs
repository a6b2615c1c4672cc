//! Subresources that need nothing but the object: status, scale, finalize, approval, binding, eviction and the parts of a
//! pod that have their own path.

use axum::{extract::Request, response::Response};
use karmada_machinery::{
    FieldError, GroupResource, GroupVersionKind, Reason, ResourceInfo, StatusError,
    apply::{FieldManager, FieldSet, scale_to_parent, scale_to_scale},
    field, meta,
    patch::{PatchType, json_patch, merge_patch},
    resource::{ScalePaths, SubresourceInfo},
    schema,
    selector::LabelSelector,
};
use karmada_storage::cache::At;
use serde_json::{Map, Value, json};

use super::{
    delete, get, patch,
    update::{self, Plan},
    write::{self, Written},
};
use crate::{
    call::{Call, read_body},
    decode, encode, input, managed,
    negotiate::{self, Offer},
    query::{DeleteOptions, WriteOptions},
    render,
    server::ApiServer,
};

pub(crate) async fn serve(
    server: &ApiServer,
    call: &Call,
    subresource: &SubresourceInfo,
    request: Request,
) -> Result<Response, StatusError> {
    if let Some(paths) = &subresource.scale {
        return scale(server, call, paths, request).await;
    }
    match (subresource.name.as_str(), call.info.verb) {
        ("status" | "approval" | "ephemeralcontainers" | "resize" | "finalize", "get") => get::get(server, call).await,
        ("status" | "approval" | "ephemeralcontainers" | "resize" | "finalize", "update") => {
            put(server, call, &subresource.name, request).await
        }
        ("status" | "approval" | "ephemeralcontainers" | "resize", "patch") => {
            patch::patch_part(server, call, request, &subresource.name).await
        }
        ("binding", "create") => bind(server, call, request).await,
        ("eviction", "create") => evict(server, call, request).await,
        ("log" | "exec" | "attach" | "portforward" | "proxy", _) => no_kubelet(server, call).await,
        (other, _) => {
            let resource = call.resource()?.group_resource();
            Err(StatusError::unavailable(format!("{resource}/{other} is not available in this server")))
        }
    }
}

async fn put(server: &ApiServer, call: &Call, subresource: &str, request: Request) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    let options = WriteOptions::parse(&call.query, "UpdateOptions", false)?;
    let object = update::read_object(call, request, &options).await?;
    let plan =
        Plan { subresource, kind: call.resource()?.gvk(), create: false, managed: false, uid_is_precondition: true };
    let written = update::replace(server, call, object, &options, &plan).await?;
    render::written(call, &accepted, 200, written)
}

/// Keeps of a changed object only what its subresource may change.
pub(crate) fn restrict(object: &mut Value, old: &Value, subresource: &str) {
    let mut kept = old.clone();
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    match subresource {
        "finalize" => copy(&mut kept, object, &["spec", "finalizers"]),
        "approval" => copy(&mut kept, object, &["status", "conditions"]),
        "ephemeralcontainers" => copy(&mut kept, object, &["spec", "ephemeralContainers"]),
        "resize" => {
            for list in ["containers", "initContainers"] {
                copy_resources(&mut kept, object, list);
            }
        }
        _ => return,
    }
    // Preconditions and field management work on the metadata that was sent.
    for field in ["resourceVersion", "managedFields"] {
        match metadata.get(field) {
            _ if subresource == "finalize" && field == "managedFields" => {}
            Some(value) => meta::set(&mut kept, field, value.clone()),
            None => {
                meta::remove(&mut kept, field);
            }
        }
    }
    *object = kept;
}

fn copy(to: &mut Value, from: &Value, path: &[&str; 2]) {
    let value = from.get(path[0]).and_then(|v| v.get(path[1])).cloned();
    let Some(map) = to.as_object_mut() else { return };
    let parent = map.entry(path[0]).or_insert_with(|| json!({}));
    if !parent.is_object() {
        *parent = json!({});
    }
    let Some(parent) = parent.as_object_mut() else { return };
    match value {
        Some(value) => {
            parent.insert(path[1].to_owned(), value);
        }
        None => {
            parent.remove(path[1]);
        }
    }
}

fn copy_resources(to: &mut Value, from: &Value, list: &str) {
    let wanted: Map<String, Value> = from
        .pointer(&format!("/spec/{list}"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|c| Some((c.get("name")?.as_str()?.to_owned(), c.get("resources")?.clone())))
        .collect();
    let containers = to.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let (Some(resources), Some(map)) = (wanted.get(&name), container.as_object_mut()) {
            map.insert("resources".into(), resources.clone());
        }
    }
}

fn scale_kind() -> GroupVersionKind {
    GroupVersionKind::new("autoscaling", "v1", "Scale")
}

/// Reads a CRD's simple path (`.spec.replicas`).
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|s| !s.is_empty()).try_fold(object, |value, key| value.get(key))
}

fn set_at(object: &mut Value, path: &str, new: Value) {
    let keys: Vec<&str> = path.split('.').filter(|s| !s.is_empty()).collect();
    let Some((last, parents)) = keys.split_last() else { return };
    let mut target = object;
    for key in parents {
        let Some(map) = target.as_object_mut() else { return };
        target = map.entry(*key).or_insert_with(|| json!({}));
        if !target.is_object() {
            *target = json!({});
        }
    }
    if let Some(map) = target.as_object_mut() {
        map.insert((*last).to_owned(), new);
    }
}

/// The Scale of an object.
fn scale_of(object: &Value, paths: &ScalePaths) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.get("metadata").and_then(|m| m.get(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let number = |path: &str| at(object, path).and_then(Value::as_i64).unwrap_or_default();
    let mut spec = Map::new();
    if number(&paths.spec_replicas) != 0 {
        spec.insert("replicas".into(), number(&paths.spec_replicas).into());
    }
    let mut status = Map::new();
    status.insert("replicas".into(), number(&paths.status_replicas).into());
    let selector = paths.label_selector.as_deref().and_then(|path| at(object, path));
    let selector = match selector {
        Some(Value::String(text)) => text.clone(),
        // Replication controllers select by a plain map, the others by a LabelSelector.
        Some(Value::Object(map)) if map.values().all(Value::is_string) && !map.is_empty() => {
            map.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect::<Vec<_>>().join(",")
        }
        Some(object) => LabelSelector::from_object(object).map(|s| s.to_string()).unwrap_or_default(),
        None => String::new(),
    };
    if !selector.is_empty() {
        status.insert("selector".into(), selector.into());
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

fn managed_fields(object: &Value) -> Option<&Value> {
    object.get("metadata").and_then(|m| m.get("managedFields"))
}

/// A Scale with the managers of its object's replicas.
fn with_managers(mut scale: Value, object: &Value, paths: &ScalePaths) -> Value {
    let managers = scale_to_scale(managed_fields(object), &paths.spec_replicas);
    if managers.as_array().is_some_and(|m| !m.is_empty()) {
        meta::set(&mut scale, "managedFields", managers);
    }
    scale
}

/// Decodes a Scale and fills in its kind.
fn decode_scale(call: &Call, value: Value, media_body: &[u8]) -> Result<Value, StatusError> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let version = api_version.rsplit('/').next().unwrap_or_default().to_owned();
    if !kind.is_empty() && kind != "Scale" {
        return Err(StatusError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a Scale: converting ({version}.{kind}) to (autoscaling.Scale): unknown conversion"
        )));
    }
    if !value.is_object() {
        return Err(input::unrecognized("Scale", "the body is no object", media_body));
    }
    match value.pointer("/spec/replicas") {
        None | Some(Value::Null) => {}
        Some(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {}
        Some(other) => {
            let found = match other {
                Value::Number(number) => format!("number {number}"),
                other => crate::shape::json_type(other).to_owned(),
            };
            return Err(StatusError::bad_request(format!(
                "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {found} into Go struct field ScaleSpec.spec.replicas of type int32"
            )));
        }
    }
    let mut value = value;
    write::ensure_name(&mut value, &call.info.name, false)?;
    write::ensure_namespace(&mut value, call.namespace())?;
    Ok(value)
}

/// The number that a Scale asks for, once its preconditions hold.
fn wanted_replicas(
    info: &ResourceInfo,
    paths: &ScalePaths,
    name: &str,
    scale: &Value,
    current: &Value,
) -> Result<i64, StatusError> {
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or_default();
    if let Some(version) = meta::resource_version(scale) {
        if Some(version) != meta::resource_version(current) {
            return Err(StatusError::modified(&info.group_resource(), name));
        }
    }
    if let (Some(wanted), Some(uid)) = (meta::uid(scale), meta::uid(current)) {
        if wanted != uid {
            let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}");
            return Err(StatusError::conflict(&info.group_resource(), name, &why));
        }
    }
    if replicas < 0 && info.strategy.custom_resource() {
        let error = FieldError::invalid(&paths.spec_replicas, replicas, "should be a non-negative integer");
        return Err(StatusError::invalid(&info.gvr.group, &info.kind, name, &[error]));
    }
    if replicas < 0 {
        let error = FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
        return Err(StatusError::invalid("autoscaling", "Scale", name, &[error]));
    }
    Ok(replicas)
}

async fn scale(server: &ApiServer, call: &Call, paths: &ScalePaths, request: Request) -> Result<Response, StatusError> {
    let info = call.resource()?.clone();
    let name = call.info.name.as_str();
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    if call.info.verb == "get" {
        let backend = write::backend(server, call).await?;
        let (entry, _) = backend.read(At::Latest, &backend.key(call.namespace(), name)).await?;
        let Some(entry) = entry else {
            return Err(StatusError::not_found(&info.group_resource(), name));
        };
        let object = backend.value(&entry).await?;
        if info.strategy.custom_resource() && at(&object, &paths.spec_replicas).is_none() {
            let why = format!("the spec replicas field {:?} does not exist", paths.spec_replicas);
            return Err(StatusError::internal(why));
        }
        return render::value(call, &accepted, 200, scale_of(&object, paths));
    }
    let media_type = call.media_type();
    let not_found = || StatusError::not_found(&info.group_resource(), name);
    let patch_kind = (call.info.verb == "patch").then(|| patch::patch_type(call, &info)).transpose()?;
    let body = read_body(request).await?;
    let kind = if patch_kind.is_some() { "PatchOptions" } else { "UpdateOptions" };
    let options = WriteOptions::parse(&call.query, kind, patch_kind == Some(PatchType::Apply))?;
    let sent = match patch_kind {
        Some(PatchType::Apply) => decode::yaml(&body).map_err(StatusError::bad_request)?.value,
        Some(_) => {
            decode::json(&body).map_err(|why| StatusError::bad_request(format!("error decoding patch: {why}")))?.value
        }
        None => decode::object(&media_type, &body)?.value,
    };
    let plan =
        Plan { subresource: "scale", kind: scale_kind(), create: false, managed: true, uid_is_precondition: false };
    let manager = managed::manager(call, &options);
    let schema = schema::builtin(&scale_kind()).unwrap_or_default();
    let fields = FieldManager::with(scale_kind(), &schema, "scale", FieldSet::default());
    let written = update::change_object(server, call, &options, &plan, &mut |current| {
        let current = current.ok_or_else(not_found)?;
        let live = with_managers(scale_of(current, paths), current, paths);
        let scale = match patch_kind {
            None => sent.clone(),
            Some(PatchType::Json) => json_patch(live.clone(), &sent)?,
            Some(PatchType::Apply) => {
                fields.apply(Some(&live), &sent, &manager, options.force.unwrap_or(false), call.now)?
            }
            Some(_) => merge_patch(live.clone(), &sent),
        };
        let mut scale = decode_scale(call, scale, &body)?;
        let replicas = wanted_replicas(&info, paths, name, &scale, current)?;
        if patch_kind != Some(PatchType::Apply) {
            scale = fields.update(&live, scale, &manager, call.now);
        }
        let mut object = current.clone();
        set_at(&mut object, &paths.spec_replicas, replicas.into());
        let managed = scale_to_parent(
            managed_fields(current),
            managed_fields(&scale),
            &paths.spec_replicas,
            &info.gvk().api_version(),
        );
        meta::set(&mut object, "managedFields", managed);
        Ok(object)
    })
    .await?;
    let scale = scale_of(&written.value, paths);
    let written = Written { value: scale, bytes: None, created: false };
    render::written(call, &accepted, 200, written)
}

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
        if let (Some(wanted), Some(uid)) = (meta::uid(&binding), meta::uid(current)) {
            if wanted != uid {
                return Err(refused(format!(
                    "Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
                )));
            }
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
async fn evict(server: &ApiServer, call: &Call, request: Request) -> Result<Response, StatusError> {
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

/// Logs, exec and proxies need a kubelet behind the pod's node; a control plane has none.
async fn no_kubelet(server: &ApiServer, call: &Call) -> Result<Response, StatusError> {
    let info = call.resource()?;
    let name = call.info.name.as_str();
    let backend = write::backend(server, call).await?;
    let Some(current) = backend.current(&backend.key(call.namespace(), name), false).await? else {
        return Err(StatusError::not_found(&info.group_resource(), name));
    };
    if info.gvr.resource == "pods" {
        let node = current.value.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
        if node.is_empty() {
            return Err(StatusError::bad_request(format!("pod {name} does not have a host assigned")));
        }
    }
    Err(StatusError::unavailable(format!(
        "{} {name:?} cannot be reached: this server has no kubelets",
        info.gvr.resource
    )))
}
