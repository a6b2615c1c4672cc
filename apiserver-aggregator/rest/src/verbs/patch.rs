//! `patch`: JSON patch, merge patch, strategic merge patch and server-side apply.

use axum::{extract::Request, response::Response};
use bytes::Bytes;
use karmada_machinery::{
    Reason, ResourceInfo, StatusError,
    patch::{PatchType, go, json_patch, merge_patch, strategic_merge_patch, undecodable_result},
};
use serde_json::{Value, json};

use super::{
    update::{self, Plan},
    write,
};
use crate::{
    call::{Call, read_body},
    decode, input, managed,
    negotiate::{self, Offer},
    query::{FieldValidation, WriteOptions},
    render,
    server::ApiServer,
    shape,
};

/// 415 as the router gives it for patch types that the resource does not take.
fn unsupported() -> StatusError {
    StatusError::new(415, Reason::UnsupportedMediaType, "415: Unsupported Media Type").with_details(json!({}))
}

/// The patch type of a request, if the resource takes it.
pub(crate) fn patch_type(call: &Call, info: &ResourceInfo) -> Result<PatchType, StatusError> {
    let kind = PatchType::from_media_type(&call.media_type()).ok_or_else(unsupported)?;
    if kind == PatchType::StrategicMerge && info.strategy.custom_resource() {
        return Err(unsupported());
    }
    Ok(kind)
}

pub(crate) async fn patch(server: &ApiServer, call: &Call, request: Request) -> Result<Response, StatusError> {
    patch_part(server, call, request, "").await
}

/// Patches the object, or its part that a subresource names.
pub(crate) async fn patch_part(
    server: &ApiServer,
    call: &Call,
    request: Request,
    subresource: &str,
) -> Result<Response, StatusError> {
    let info = call.resource()?.clone();
    let kind = patch_type(call, &info)?;
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    let body = read_body(request).await?;
    let options = WriteOptions::parse(&call.query, "PatchOptions", kind == PatchType::Apply)?;
    let plan = Plan {
        subresource,
        kind: info.gvk(),
        create: kind == PatchType::Apply && subresource.is_empty(),
        managed: kind == PatchType::Apply,
        uid_is_precondition: false,
    };
    let written = if kind == PatchType::Apply {
        let configuration = configuration(call, &info, &body, &options)?;
        update::change_object(server, call, &options, &plan, &mut |current| {
            let mut object = managed::apply(call, &info, &options, subresource, current, &configuration)?;
            let unknown = shape::decode(&mut object, &info)
                .map_err(|why| undecodable_result(&String::from_utf8_lossy(&body), why))?;
            complain(call, &unknown, &options, &String::from_utf8_lossy(&body))?;
            shape::default_object(&mut object, &info);
            write::ensure_name(&mut object, &call.info.name, true)?;
            write::ensure_namespace(&mut object, call.namespace())?;
            Ok(object)
        })
        .await?
    } else {
        let patch = decode_patch(kind, &body)?;
        let not_found = || StatusError::not_found(&info.group_resource(), &call.info.name);
        update::change_object(server, call, &options, &plan, &mut |current| {
            let current = current.ok_or_else(not_found)?;
            patched(call, &info, kind, &patch, &body, current, &options)
        })
        .await?
    };
    render::written(call, &accepted, if written.created { 201 } else { 200 }, written)
}

/// The configuration of an apply.
fn configuration(call: &Call, info: &ResourceInfo, body: &Bytes, options: &WriteOptions) -> Result<Value, StatusError> {
    let decoded = decode::yaml(body).map_err(|why| {
        StatusError::bad_request(format!("error decoding YAML: error converting YAML to JSON: {why}"))
    })?;
    match options.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => decoded.duplicates.iter().for_each(|text| call.warnings.add(text.clone())),
        FieldValidation::Strict if decoded.duplicates.is_empty() => {}
        FieldValidation::Strict => {
            return Err(StatusError::bad_request(format!(
                "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {}",
                decoded.duplicates.join("\n  ")
            )));
        }
    }
    if !decoded.value.is_object() {
        let found = shape::json_type(&decoded.value);
        return Err(StatusError::bad_request(format!(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )));
    }
    let value = decoded.value;
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version != info.gvk().api_version() || kind != info.kind {
        // As Go prints a GroupVersionKind whose version may be missing.
        let shown = match api_version.split_once('/') {
            Some(_) => api_version.to_owned(),
            None => format!("/{api_version}"),
        };
        return Err(StatusError::bad_request(format!("invalid object type: {shown}, Kind={kind}")));
    }
    Ok(value)
}

fn decode_patch(kind: PatchType, body: &[u8]) -> Result<Value, StatusError> {
    let decoded = decode::json(body).map_err(|why| StatusError::bad_request(format!("error decoding patch: {why}")))?;
    if kind != PatchType::Json && !decoded.value.is_object() {
        let found = shape::json_type(&decoded.value);
        return Err(StatusError::bad_request(format!(
            "error decoding patch: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )));
    }
    Ok(decoded.value)
}

/// The patched object, decoded anew: types, unknown fields, defaults.
pub(crate) fn patched(
    call: &Call,
    info: &ResourceInfo,
    kind: PatchType,
    patch: &Value,
    body: &[u8],
    current: &Value,
    options: &WriteOptions,
) -> Result<Value, StatusError> {
    let mut object = match kind {
        PatchType::Json => json_patch(current.clone(), patch)?,
        PatchType::StrategicMerge => strategic_merge_patch(current.clone(), patch, &info.schema)?,
        PatchType::Merge | PatchType::Apply => merge_patch(current.clone(), patch),
    };
    if !object.is_object() {
        let found = shape::json_type(&object);
        return Err(undecodable_result(
            &String::from_utf8_lossy(body),
            format!("json: cannot unmarshal {found} into Go value of type {}", info.kind),
        ));
    }
    if kind == PatchType::StrategicMerge {
        // Such a patch works on the typed object, which knows its kind whatever the patch says.
        if let Some(map) = object.as_object_mut() {
            map.insert("apiVersion".into(), info.gvk().api_version().into());
            map.insert("kind".into(), info.kind.clone().into());
        }
    } else {
        input::check_kind(&mut object, info, body)?;
    }
    // Errors show the patch as Go prints a map, or the whole result as JSON.
    let shown = |object: &Value| match kind {
        PatchType::StrategicMerge => go::plain(patch),
        _ => object.to_string(),
    };
    let unknown = match shape::decode(&mut object, info) {
        Ok(unknown) => unknown,
        Err(why) => return Err(undecodable_result(&shown(&object), strategic_words(kind, why))),
    };
    if !unknown.is_empty() {
        complain(call, &unknown, options, &shown(&object))?;
    }
    shape::default_object(&mut object, info);
    write::ensure_name(&mut object, &call.info.name, true)?;
    write::ensure_namespace(&mut object, call.namespace())?;
    Ok(object)
}

/// Warns of unknown fields of a patched object, or refuses them.
fn complain(call: &Call, unknown: &[String], options: &WriteOptions, shown: &str) -> Result<(), StatusError> {
    let texts = unknown.iter().map(|path| format!("unknown field \"{path}\""));
    match options.field_validation {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            texts.for_each(|text| call.warnings.add(text));
            Ok(())
        }
        FieldValidation::Strict if unknown.is_empty() => Ok(()),
        FieldValidation::Strict => {
            let all: Vec<String> = texts.collect();
            Err(undecodable_result(shown, format!("strict decoding error: {}", all.join(", "))))
        }
    }
}

/// Go decodes the result of a strategic merge patch with other words.
fn strategic_words(kind: PatchType, why: String) -> String {
    if kind == PatchType::StrategicMerge && why.contains("cannot unmarshal object") && why.contains("of type []") {
        return "cannot restore slice from map".to_owned();
    }
    why
}
