//! `update`: PUT of an object, and the read-change-write loop that patches and subresources share.

use axum::{extract::Request, response::Response};
use karmada_machinery::{FieldError, GroupVersionKind, Reason, ResourceInfo, StatusError, apply::keep_times, meta};
use karmada_storage::{Operation, StoreError};
use serde_json::Value;

use super::{
    create,
    review::Review,
    subresource,
    write::{self, Written},
};
use crate::{
    admission,
    backend::{self, Backend, Current},
    call::{Call, read_body},
    input, managed, metadata,
    negotiate::{self, Offer},
    query::{WriteOptions, parse_uint},
    render,
    server::ApiServer,
    shape,
};

/// How often a write that does not insist on a resource version is tried again after somebody else's. Each try means that
/// another writer has succeeded, so that the loop is not a standstill; the bound is for a client's patience.
const TRIES: usize = 64;

/// What makes the new object out of the current one.
pub(crate) type Change<'a> = &'a mut (dyn FnMut(Option<&Value>) -> Result<Value, StatusError> + Send);

/// How an update is to be done.
pub(crate) struct Plan<'a> {
    /// The subresource that is written, or empty.
    pub(crate) subresource: &'a str,
    /// The kind of the request's body, as admission sees it.
    pub(crate) kind: GroupVersionKind,
    /// Whether an absent object is created.
    pub(crate) create: bool,
    /// Whether the change has done the field management itself (apply).
    pub(crate) managed: bool,
    /// Whether the object's uid is a precondition (PUT); otherwise a foreign uid is an invalid change (PATCH).
    pub(crate) uid_is_precondition: bool,
}

pub(crate) async fn update(server: &ApiServer, call: &Call, request: Request) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    let options = WriteOptions::parse(&call.query, "UpdateOptions", false)?;
    let object = read_object(call, request, &options).await?;
    let info = call.resource()?;
    let plan = Plan {
        subresource: "",
        kind: info.gvk(),
        create: info.strategy.allow_create_on_update(),
        managed: false,
        uid_is_precondition: true,
    };
    let written = replace(server, call, object, &options, &plan).await?;
    render::written(call, &accepted, if written.created { 201 } else { 200 }, written)
}

/// Decodes the body of a PUT and checks its name and namespace against the path.
pub(crate) async fn read_object(call: &Call, request: Request, options: &WriteOptions) -> Result<Value, StatusError> {
    let info = call.resource()?;
    let media_type = call.media_type();
    let body = read_body(request).await?;
    let mut object = input::object(&media_type, &body, info, options.field_validation, &call.warnings)?;
    write::ensure_name(&mut object, &call.info.name, false)?;
    write::ensure_namespace(&mut object, call.namespace())?;
    Ok(object)
}

/// Replaces the object by the given one.
pub(crate) async fn replace(
    server: &ApiServer,
    call: &Call,
    object: Value,
    options: &WriteOptions,
    plan: &Plan<'_>,
) -> Result<Written, StatusError> {
    change_object(server, call, options, plan, &mut |_| Ok(object.clone())).await
}

/// Reads the current object, changes it, and writes it if nobody else has in between; tries again if somebody has.
pub(crate) async fn change_object(
    server: &ApiServer,
    call: &Call,
    options: &WriteOptions,
    plan: &Plan<'_>,
    change: Change<'_>,
) -> Result<Written, StatusError> {
    let backend = write::backend(server, call).await?;
    let info = &backend.info;
    let name = call.info.name.as_str();
    let key = backend.key(call.namespace(), name);
    let mut fresh = false;
    for _ in 0..TRIES {
        let Some(current) = backend.current(&key, fresh).await? else {
            if !plan.create {
                return Err(StatusError::not_found(&info.group_resource(), name));
            }
            let mut object = change(None)?;
            // An apply creates whatever version it names; it had none to compare with.
            meta::remove(&mut object, "resourceVersion");
            if !plan.managed {
                managed::update(call, info, options, plan.subresource, None, &mut object);
            }
            match create::admit_and_create(server, call, &backend, object, options).await {
                Err(error) if error.reason == Reason::AlreadyExists.as_str() => {
                    fresh = true;
                    continue;
                }
                other => return other,
            }
        };
        let mut object = change(Some(&current.value))?;
        check_preconditions(info, &key, &object, &current.value, plan)?;
        if !plan.managed {
            managed::update(call, info, options, plan.subresource, Some(&current.value), &mut object);
        }
        match try_write(server, call, &backend, options, plan, &key, current, object).await? {
            Some(written) => return Ok(written),
            None => fresh = true,
        }
    }
    Err(StatusError::modified(&info.group_resource(), name))
}

/// The uid that a PUT names must be the object's; the resource version too.
fn check_preconditions(
    info: &ResourceInfo,
    key: &str,
    object: &Value,
    old: &Value,
    plan: &Plan<'_>,
) -> Result<(), StatusError> {
    let name = meta::name(old).unwrap_or_default();
    if plan.uid_is_precondition
        && let (Some(wanted), Some(uid)) = (meta::uid(object), meta::uid(old))
        && wanted != uid
    {
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        );
        return Err(StatusError::conflict(&info.group_resource(), name, &why));
    }
    match meta::resource_version(object) {
        None if info.strategy.allow_unconditional_update() => Ok(()),
        None => {
            let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
            // Named by its resource, not by its kind: the check sits below where kinds are known.
            Err(StatusError::invalid(&info.gvr.group, &info.gvr.resource, name, &[error]))
        }
        Some(text) => {
            let version = parse_uint(text).map_err(|why| StatusError::new(500, Reason::Unknown, why))?;
            if version != 0 && Some(version.to_string().as_str()) != meta::resource_version(old) {
                return Err(StatusError::modified(&info.group_resource(), name));
            }
            Ok(())
        }
    }
}

/// One try: `None` when somebody else was quicker.
#[expect(clippy::too_many_arguments, reason = "one step of the loop above, cut out for its length")]
async fn try_write(
    server: &ApiServer,
    call: &Call,
    backend: &Backend,
    options: &WriteOptions,
    plan: &Plan<'_>,
    key: &str,
    current: Current,
    mut object: Value,
) -> Result<Option<Written>, StatusError> {
    let info = &backend.info;
    let old = &current.value;
    let name = call.info.name.as_str();
    let subresource = Some(plan.subresource).filter(|s| !s.is_empty());
    let kind = plan.kind.clone();
    let mut review =
        Review::new(server, call, admission::Operation::Update, kind, name, options.dry_run, || options.to_value());
    review.set_old(old);
    review.mutate(Some(&mut object)).await?;

    let ctx = write::context(call, subresource);
    if let Some(generation) = old.get("metadata").and_then(|m| m.get("generation")) {
        meta::set(&mut object, "generation", generation.clone());
    } else {
        meta::remove(&mut object, "generation");
    }
    metadata::carry_over(&mut object, old);
    prepare_parts(info, &mut object, old, plan.subresource);
    info.strategy.prepare_for_update(&mut object, old, &ctx);
    if info.tracks_generation && moves_generation(info, plan.subresource, &object, old) {
        meta::set(&mut object, "generation", meta::generation(old) + 1);
    }
    shape::normalize(&mut object, info);

    let errors = write::validate_changed(&object, old, info, &ctx);
    if !errors.is_empty() {
        return Err(write::invalid(info, name, &errors));
    }
    for text in info.strategy.warnings(&object, Some(old)).into_iter().chain(metadata::warnings(&object, Some(old))) {
        call.warnings.add(text);
    }
    review.validate(Some(&object)).await?;

    // May carry allocated values over, without which the object would look changed.
    let hook = write::begin_hook(call, info, Some(&mut object), Some(old), options.dry_run).await?;
    let old_version = meta::resource_version(old).unwrap_or_default().to_owned();
    if options.dry_run {
        write::finish(hook, false);
        meta::set(&mut object, "resourceVersion", old_version);
        return Ok(Some(Written { value: object, bytes: None, created: false }));
    }
    if deletable(&object) {
        write::finish(hook, false);
        return finish_deletion(call, backend, key, current, object).await;
    }
    meta::set(&mut object, "resourceVersion", old_version.clone());
    keep_times(&mut object, old);
    object = backend.settle(object).await?;
    if object == *old {
        // Nothing has changed: nothing is written, and the version stays.
        write::finish(hook, false);
        let bytes = backend.same_version.then(|| current.entry.bytes().clone());
        return Ok(Some(Written { value: object, bytes, created: false }));
    }
    let stored = backend.encode(&object).await?;
    let operation = Operation::Update { value: stored.bytes.clone(), expected: current.revision };
    match backend.commit(key, operation).await {
        Ok(revision) => {
            write::finish(hook, true);
            meta::set(&mut object, "resourceVersion", revision.to_string());
            let bytes = backend.same_version.then(|| stored.at_revision(revision));
            Ok(Some(Written { value: object, bytes, created: false }))
        }
        Err(StoreError::Conflict { .. }) => {
            write::finish(hook, false);
            Ok(None)
        }
        Err(error) => {
            write::finish(hook, false);
            Err(backend::store_error(&error))
        }
    }
}

/// Whether a change is one of the specification. Annotations of a deployment count as such: they reach its replica sets.
fn moves_generation(info: &ResourceInfo, subresource: &str, object: &Value, old: &Value) -> bool {
    match subresource {
        "" | "scale" | "ephemeralcontainers" | "resize" => {}
        _ => return false,
    }
    let annotated = info.gvr.group == "apps"
        && info.gvr.resource == "deployments"
        && meta::annotations(object).filter(|a| !a.is_empty()) != meta::annotations(old).filter(|a| !a.is_empty());
    annotated || !write::same_specification(object, old)
}

/// Keeps what the written part of the object may not touch.
fn prepare_parts(info: &ResourceInfo, object: &mut Value, old: &Value, subresource: &str) {
    match subresource {
        "" if info.has_status() => write::restore_status(object, old),
        // Written by ourselves.
        "" | "scale" | "binding" | "eviction" => {}
        "status" => {
            write::restore_specification(object, old);
            if info.gvr.group == "apps" && info.gvr.resource == "deployments" {
                match old.get("metadata").and_then(|m| m.get("labels")) {
                    Some(labels) => meta::set(object, "labels", labels.clone()),
                    None => {
                        meta::remove(object, "labels");
                    }
                }
            }
            if info.strategy.custom_resource() {
                // Metadata of a custom resource is written through the main resource only.
                let managed = object.get("metadata").and_then(|m| m.get("managedFields")).cloned();
                if let (Some(map), Some(metadata)) = (object.as_object_mut(), old.get("metadata")) {
                    map.insert("metadata".into(), metadata.clone());
                }
                match managed {
                    Some(managed) => meta::set(object, "managedFields", managed),
                    None => {
                        meta::remove(object, "managedFields");
                    }
                }
            }
        }
        other => subresource::restrict(object, old, other),
    }
}

/// Whether an object that is being deleted has nothing left that holds it.
pub(crate) fn deletable(object: &Value) -> bool {
    let grace = object.get("metadata").and_then(|m| m.get("deletionGracePeriodSeconds")).and_then(Value::as_i64);
    meta::deletion_timestamp(object).is_some()
        && grace.unwrap_or(0) == 0
        && meta::finalizers(object).next().is_none()
        && !held_namespace(object)
}

/// Namespaces have finalizers of their own, which only their `finalize` subresource takes away.
fn held_namespace(object: &Value) -> bool {
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    text("kind") == Some("Namespace")
        && text("apiVersion") == Some("v1")
        && object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty())
}

/// The update has taken away the last thing that held a deleted object: it goes now.
async fn finish_deletion(
    call: &Call,
    backend: &Backend,
    key: &str,
    current: Current,
    mut object: Value,
) -> Result<Option<Written>, StatusError> {
    let hook = write::begin_hook(call, &backend.info, None, Some(&current.value), false).await?;
    match backend.commit(key, Operation::Delete { expected: current.revision }).await {
        Ok(_) => {
            write::finish(hook, true);
            let version = meta::resource_version(&current.value).unwrap_or_default().to_owned();
            meta::set(&mut object, "resourceVersion", version);
            Ok(Some(Written { value: object, bytes: None, created: false }))
        }
        Err(StoreError::Conflict { .. }) => {
            write::finish(hook, false);
            Ok(None)
        }
        Err(error) => {
            write::finish(hook, false);
            Err(backend::store_error(&error))
        }
    }
}
