//! Subresources that need nothing but the object: status, scale, finalize, approval, binding, eviction and the parts of a
//! pod that have their own path.

use axum::{extract::Request, response::Response};
use karmada_machinery::{StatusError, meta, resource::SubresourceInfo};
use serde_json::{Map, Value, json};

use super::{
    get, patch, pods, scale,
    update::{self, Plan},
    write,
};
use crate::{
    call::Call,
    negotiate::{self, Offer},
    query::WriteOptions,
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
        return scale::scale(server, call, paths, request).await;
    }
    match (subresource.name.as_str(), call.info.verb) {
        ("status" | "approval" | "ephemeralcontainers" | "resize" | "finalize", "get") => get::get(server, call).await,
        ("status" | "approval" | "ephemeralcontainers" | "resize" | "finalize", "update") => {
            put(server, call, &subresource.name, request).await
        }
        ("status" | "approval" | "ephemeralcontainers" | "resize", "patch") => {
            patch::patch_part(server, call, request, &subresource.name).await
        }
        ("binding", "create") => pods::bind(server, call, request).await,
        ("eviction", "create") => pods::evict(server, call, request).await,
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
        if node.is_empty() && call.info.subresource == "log" {
            // There is no log yet, and that is no error.
            let mut response = Response::new(axum::body::Body::empty());
            *response.status_mut() = http::StatusCode::NO_CONTENT;
            return Ok(response);
        }
        if node.is_empty() {
            return Err(StatusError::bad_request(format!("pod {name} does not have a host assigned")));
        }
    }
    Err(StatusError::unavailable(format!(
        "{} {name:?} cannot be reached: this server has no kubelets",
        info.gvr.resource
    )))
}
