//! The scale subresource: an object's replicas as an `autoscaling/v1` Scale.

use axum::{extract::Request, response::Response};
use karmada_machinery::{
    FieldError, GroupVersionKind, ResourceInfo, StatusError,
    apply::{FieldManager, FieldSet, scale_to_parent, scale_to_scale},
    meta,
    patch::{PatchType, json_patch, merge_patch},
    resource::ScalePaths,
    schema,
    selector::LabelSelector,
};
use karmada_storage::cache::At;
use serde_json::{Map, Value, json};

use super::{
    patch,
    update::{self, Plan},
    write::{self, Written},
};
use crate::{
    call::{Call, read_body},
    decode, input, managed,
    negotiate::{self, Offer},
    query::WriteOptions,
    render,
    server::ApiServer,
};

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
    if let Some(version) = meta::resource_version(scale)
        && Some(version) != meta::resource_version(current)
    {
        return Err(StatusError::modified(&info.group_resource(), name));
    }
    if let (Some(wanted), Some(uid)) = (meta::uid(scale), meta::uid(current))
        && wanted != uid
    {
        let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}");
        return Err(StatusError::conflict(&info.group_resource(), name, &why));
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

pub(crate) async fn scale(
    server: &ApiServer,
    call: &Call,
    paths: &ScalePaths,
    request: Request,
) -> Result<Response, StatusError> {
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
