//! `delete`: removes an object, or marks it until nothing holds it any more.

use axum::{extract::Request, response::Response};
use jiff::{SignedDuration, Timestamp};
use karmada_machinery::{GroupResource, ResourceInfo, StatusError, meta};
use karmada_storage::{Operation, StoreError};
use serde_json::{Value, json};

use super::{review::Review, update, write};
use crate::{
    admission,
    backend::{self, Backend, Current},
    call::{Call, read_body},
    decode, encode,
    metadata::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER},
    negotiate::{self, Accepted, Offer},
    query::{DeleteOptions, Propagation},
    render,
    server::ApiServer,
};

/// How often a deletion is tried again after somebody else's write.
const TRIES: usize = 64;

/// What became of an object.
pub(crate) struct Deleted {
    /// The object: its last state, or with a deletion timestamp if it stays for now.
    pub(crate) value: Value,
    /// Whether it is gone.
    pub(crate) gone: bool,
}

pub(crate) async fn delete(server: &ApiServer, call: &Call, request: Request) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    let options = read_options(call, request).await?;
    let backend = write::backend(server, call).await?;
    if backend.info.strategy.orphans_dependents_by_default()
        && backend.info.gvr.resource == "jobs"
        && options.propagation.is_none()
        && options.orphan_dependents.is_none()
    {
        call.warnings.add(
            "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning",
        );
    }
    let deleted = delete_object(server, call, &backend, &call.info.name, &options).await?;
    answer(call, &accepted, &backend, &options, deleted)
}

fn answer(
    call: &Call,
    accepted: &Accepted,
    backend: &Backend,
    options: &DeleteOptions,
    deleted: Deleted,
) -> Result<Response, StatusError> {
    let info = &backend.info;
    if deleted.gone && !returns_object(info) {
        return Ok(encode::value_response(200, &success(info, &deleted.value), call.wire()));
    }
    // Only the old way of asking for a cascade is told that the deletion has yet to happen.
    let code = if !deleted.gone && options.orphan_dependents == Some(false) { 202 } else { 200 };
    render::value(call, accepted, code, deleted.value)
}

/// Kinds whose deletion answers with the object.
fn returns_object(info: &ResourceInfo) -> bool {
    info.strategy.returns_deleted_object()
        || (info.gvr.group.is_empty()
            && matches!(
                info.gvr.resource.as_str(),
                "pods"
                    | "services"
                    | "serviceaccounts"
                    | "persistentvolumes"
                    | "persistentvolumeclaims"
                    | "podtemplates"
                    | "resourcequotas"
            ))
}

/// The Status of a successful deletion.
fn success(info: &ResourceInfo, object: &Value) -> Value {
    let mut details = json!({
        "name": meta::name(object).unwrap_or_default(),
        "kind": info.gvr.resource,
        "uid": meta::uid(object).unwrap_or_default(),
    });
    if !info.gvr.group.is_empty() {
        details["group"] = info.gvr.group.clone().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Reads DeleteOptions from the body, or from the query where there is no body.
pub(crate) async fn read_options(call: &Call, request: Request) -> Result<DeleteOptions, StatusError> {
    let media_type = call.media_type();
    let body = read_body(request).await?;
    if body.is_empty() {
        return DeleteOptions::from_query(&call.query);
    }
    let decoded = match media_type.as_str() {
        "" | "application/json" => decode::json(&body)
            .map_err(|e| StatusError::bad_request(format!("couldn't get version/kind; json parse error: {e}"))),
        "application/yaml" => decode::yaml(&body).map_err(StatusError::bad_request),
        decode::PROTOBUF => decode::object(decode::PROTOBUF, &body),
        _ => Err(decode::unsupported_media_type()),
    }?;
    let Value::Object(map) = decoded.value else {
        return Err(StatusError::bad_request("couldn't get version/kind; json parse error: the options are no object"));
    };
    let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if !kind.is_empty() && kind != "DeleteOptions" {
        return Err(StatusError::bad_request(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\""
        )));
    }
    for (field, fits) in [
        ("gracePeriodSeconds", map.get("gracePeriodSeconds").is_none_or(|v| v.is_i64() || v.is_null())),
        ("orphanDependents", map.get("orphanDependents").is_none_or(|v| v.is_boolean() || v.is_null())),
        ("propagationPolicy", map.get("propagationPolicy").is_none_or(|v| v.is_string() || v.is_null())),
    ] {
        if !fits {
            let found = crate::shape::json_type(map.get(field).unwrap_or(&Value::Null));
            let wanted = match field {
                "gracePeriodSeconds" => "int64",
                "orphanDependents" => "bool",
                _ => "v1.DeletionPropagation",
            };
            return Err(StatusError::bad_request(format!(
                "DeleteOptions in version \"v1\" cannot be handled as a DeleteOptions: json: cannot unmarshal {found} into Go struct field DeleteOptions.{field} of type {wanted}"
            )));
        }
    }
    DeleteOptions::from_value(map)
}

/// Deletes one object, or starts its deletion.
pub(crate) async fn delete_object(
    server: &ApiServer,
    call: &Call,
    backend: &Backend,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deleted, StatusError> {
    let namespace = call.namespace().to_owned();
    delete_in(server, call, backend, &namespace, name, options).await
}

pub(crate) async fn delete_in(
    server: &ApiServer,
    call: &Call,
    backend: &Backend,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deleted, StatusError> {
    let info = &backend.info;
    let key = backend.key(namespace, name);
    let operation = admission::Operation::Delete;
    let mut review = Review::new(server, call, operation, info.gvk(), name, options.dry_run, || options.raw.clone());
    let mut reviewed = false;
    let mut fresh = false;
    for _ in 0..TRIES {
        let Some(current) = backend.current(&key, fresh).await? else {
            return Err(StatusError::not_found(&info.group_resource(), name));
        };
        check_preconditions(info, name, &current.value, options)?;
        if !reviewed {
            reviewed = true;
            review.set_old(&current.value);
            review.mutate(None).await?;
            review.validate(None).await?;
        }
        match step(call, backend, &key, current, options).await? {
            Some(deleted) => return Ok(deleted),
            None => fresh = true,
        }
    }
    Err(StatusError::modified(&info.group_resource(), name))
}

fn check_preconditions(
    info: &ResourceInfo,
    name: &str,
    object: &Value,
    options: &DeleteOptions,
) -> Result<(), StatusError> {
    // kube-apiserver names the kind here where it names the resource elsewhere.
    let named = GroupResource::new(&info.gvr.group, &info.kind);
    if let Some(wanted) = &options.uid {
        let uid = meta::uid(object).unwrap_or_default();
        if wanted != uid {
            let why = format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            );
            return Err(StatusError::conflict(&named, name, &why));
        }
    }
    if let Some(wanted) = &options.resource_version {
        let version = meta::resource_version(object).unwrap_or_default();
        if wanted != version {
            let why = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
            );
            return Err(StatusError::conflict(&named, name, &why));
        }
    }
    Ok(())
}

/// Finalizers of the garbage collector as the options and the kind want them; `None` if they are so already.
fn collector_finalizers(info: &ResourceInfo, object: &Value, options: &DeleteOptions) -> Option<Vec<String>> {
    let has = |name: &str| meta::finalizers(object).any(|f| f == name);
    let (orphan, foreground) = match (options.orphan_dependents, options.propagation) {
        (Some(orphan), _) => (orphan, false),
        (None, Some(Propagation::Orphan)) => (true, false),
        (None, Some(Propagation::Foreground)) => (false, true),
        (None, Some(Propagation::Background)) => (false, false),
        (None, None) if has(ORPHAN_FINALIZER) => (true, false),
        (None, None) if has(FOREGROUND_FINALIZER) => (false, true),
        (None, None) => (info.strategy.orphans_dependents_by_default(), false),
    };
    if has(ORPHAN_FINALIZER) == orphan && has(FOREGROUND_FINALIZER) == foreground {
        return None;
    }
    let mut finalizers: Vec<String> = meta::finalizers(object)
        .filter(|f| *f != ORPHAN_FINALIZER && *f != FOREGROUND_FINALIZER)
        .map(str::to_owned)
        .collect();
    if orphan {
        finalizers.push(ORPHAN_FINALIZER.to_owned());
    }
    if foreground {
        finalizers.push(FOREGROUND_FINALIZER.to_owned());
    }
    Some(finalizers)
}

fn grace_of(object: &Value) -> Option<i64> {
    object.get("metadata")?.get("deletionGracePeriodSeconds")?.as_i64()
}

/// How graceful a deletion is.
enum Grace {
    /// The kind has no graceful deletion, or it is over.
    None,
    /// Nothing is to be done: a deletion that is at least as quick has begun.
    Pending,
    /// The object gets (or has got) this grace period.
    Set(i64),
}

/// Decides on the grace period and marks the object with it.
fn grace(call: &Call, info: &ResourceInfo, object: &mut Value, options: &DeleteOptions) -> Grace {
    let Some(wanted) = info.strategy.graceful_deletion_seconds(object, options.grace_period_seconds) else {
        return Grace::None;
    };
    if let Some(deleted) = meta::deletion_timestamp(object) {
        let Some(current) = grace_of(object) else { return Grace::None };
        let Some(requested) = options.grace_period_seconds.map(|_| wanted) else { return Grace::Pending };
        if requested >= current {
            return Grace::Pending;
        }
        let moved = deleted
            .parse::<Timestamp>()
            .ok()
            .and_then(|t| t.checked_add(SignedDuration::from_secs(requested - current)).ok())
            .unwrap_or(call.now);
        meta::set(object, "deletionTimestamp", write::seconds(moved));
        meta::set(object, "deletionGracePeriodSeconds", requested);
        return Grace::Set(requested);
    }
    let at = call.now.checked_add(SignedDuration::from_secs(wanted.max(0))).unwrap_or(call.now);
    meta::set(object, "deletionTimestamp", write::seconds(at));
    meta::set(object, "deletionGracePeriodSeconds", wanted);
    bump_generation(object);
    Grace::Set(wanted)
}

fn bump_generation(object: &mut Value) {
    let generation = meta::generation(object);
    if generation > 0 {
        meta::set(object, "generation", generation + 1);
    }
}

/// Namespaces are only marked; their content goes first, and `finalize` ends it.
fn is_namespace(info: &ResourceInfo) -> bool {
    info.gvr.group.is_empty() && info.gvr.resource == "namespaces"
}

/// Custom resource definitions are only marked; their instances go first.
fn is_definition(info: &ResourceInfo) -> bool {
    info.gvr.group == "apiextensions.k8s.io" && info.gvr.resource == "customresourcedefinitions"
}

/// Held by a definition until its instances are gone.
const DEFINITION_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// One try: `None` when somebody else was quicker.
async fn step(
    call: &Call,
    backend: &Backend,
    key: &str,
    current: Current,
    options: &DeleteOptions,
) -> Result<Option<Deleted>, StatusError> {
    let info = &backend.info;
    let mut object = current.value.clone();
    if is_namespace(info) {
        return delete_namespace(call, backend, key, current, options).await;
    }
    if is_definition(info) {
        return delete_definition(call, backend, key, current, options).await;
    }
    let grace = grace(call, info, &mut object, options);
    if let Grace::Pending = grace {
        return Ok(Some(Deleted { value: current.value, gone: false }));
    }
    let finalizers = collector_finalizers(info, &object, options);
    let changed = finalizers.is_some();
    if let Some(finalizers) = finalizers {
        if finalizers.is_empty() {
            meta::remove(&mut object, "finalizers");
        } else {
            meta::set(&mut object, "finalizers", finalizers);
        }
    }
    let held = meta::finalizers(&object).next().is_some();
    match grace {
        Grace::None if !held && !changed => {
            return remove(call, backend, key, current.revision, current.value, options.dry_run).await;
        }
        Grace::None if held => {
            if meta::deletion_timestamp(&object).is_none() {
                meta::set(&mut object, "deletionTimestamp", write::seconds(call.now));
                bump_generation(&mut object);
            }
            if grace_of(&object) != Some(0) {
                meta::set(&mut object, "deletionGracePeriodSeconds", 0);
            }
        }
        _ => {}
    }
    let stays = held || matches!(grace, Grace::Set(seconds) if seconds > 0);
    if options.dry_run {
        return Ok(Some(Deleted { value: object, gone: !stays }));
    }
    let (revision, object) = if object == current.value {
        (current.revision, object)
    } else {
        match store(backend, key, &current, object).await? {
            Some(stored) => stored,
            None => return Ok(None),
        }
    };
    if stays {
        return Ok(Some(Deleted { value: object, gone: false }));
    }
    // Gracefully deleted without grace: watchers see the object marked before it goes.
    remove(call, backend, key, revision, object, false).await
}

/// Writes a marked object; `None` when somebody else was quicker.
async fn store(
    backend: &Backend,
    key: &str,
    current: &Current,
    mut object: Value,
) -> Result<Option<(u64, Value)>, StatusError> {
    let stored = backend.encode(&object).await?;
    let operation = Operation::Update { value: stored.bytes, expected: current.revision };
    match backend.commit(key, operation).await {
        Ok(revision) => {
            meta::set(&mut object, "resourceVersion", revision.to_string());
            Ok(Some((revision, object)))
        }
        Err(StoreError::Conflict { .. }) => Ok(None),
        Err(error) => Err(backend::store_error(&error)),
    }
}

/// Removes an object; `None` when somebody else was quicker.
async fn remove(
    call: &Call,
    backend: &Backend,
    key: &str,
    revision: u64,
    mut object: Value,
    dry_run: bool,
) -> Result<Option<Deleted>, StatusError> {
    let hook = write::begin_hook(call, &backend.info, None, Some(&object), dry_run).await?;
    if dry_run {
        write::finish(hook, false);
        return Ok(Some(Deleted { value: object, gone: true }));
    }
    match backend.commit(key, Operation::Delete { expected: revision }).await {
        Ok(revision) => {
            write::finish(hook, true);
            meta::set(&mut object, "resourceVersion", revision.to_string());
            Ok(Some(Deleted { value: object, gone: true }))
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

/// Marks a namespace as terminating, or removes it once nothing holds it.
async fn delete_namespace(
    call: &Call,
    backend: &Backend,
    key: &str,
    current: Current,
    options: &DeleteOptions,
) -> Result<Option<Deleted>, StatusError> {
    let mut object = current.value.clone();
    let spec_held = object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty());
    if meta::deletion_timestamp(&object).is_some() {
        if spec_held || meta::finalizers(&object).next().is_some() {
            return Ok(Some(Deleted { value: object, gone: false }));
        }
        return remove(call, backend, key, current.revision, object, options.dry_run).await;
    }
    meta::set(&mut object, "deletionTimestamp", write::seconds(call.now));
    if object.get("status").is_none_or(|s| !s.is_object()) {
        object["status"] = json!({});
    }
    object["status"]["phase"] = "Terminating".into();
    if let Some(finalizers) = collector_finalizers(&backend.info, &object, options) {
        if finalizers.is_empty() {
            meta::remove(&mut object, "finalizers");
        } else {
            meta::set(&mut object, "finalizers", finalizers);
        }
    }
    if options.dry_run {
        return Ok(Some(Deleted { value: object, gone: false }));
    }
    if update::deletable(&object) {
        return remove(call, backend, key, current.revision, object, false).await;
    }
    let stored = store(backend, key, &current, object).await?;
    Ok(stored.map(|(_, value)| Deleted { value, gone: false }))
}

/// Marks a definition as terminating, with a finalizer that is taken away once its instances are gone.
async fn delete_definition(
    call: &Call,
    backend: &Backend,
    key: &str,
    current: Current,
    options: &DeleteOptions,
) -> Result<Option<Deleted>, StatusError> {
    let mut object = current.value.clone();
    if meta::deletion_timestamp(&object).is_some() {
        if meta::finalizers(&object).next().is_some() {
            return Ok(Some(Deleted { value: object, gone: false }));
        }
        return remove(call, backend, key, current.revision, object, options.dry_run).await;
    }
    let now = write::seconds(call.now);
    meta::set(&mut object, "deletionTimestamp", now.clone());
    let mut finalizers: Vec<String> = match collector_finalizers(&backend.info, &object, options) {
        Some(finalizers) => finalizers,
        None => meta::finalizers(&object).map(str::to_owned).collect(),
    };
    if !finalizers.iter().any(|f| f == DEFINITION_FINALIZER) {
        finalizers.push(DEFINITION_FINALIZER.to_owned());
    }
    meta::set(&mut object, "finalizers", finalizers);
    let condition = json!({
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    });
    if object.get("status").is_none_or(|s| !s.is_object()) {
        object["status"] = json!({});
    }
    match object["status"]["conditions"].as_array_mut() {
        Some(conditions) => {
            conditions.retain(|c| c["type"] != "Terminating");
            conditions.push(condition);
        }
        None => object["status"]["conditions"] = json!([condition]),
    }
    if options.dry_run {
        return Ok(Some(Deleted { value: object, gone: false }));
    }
    let stored = store(backend, key, &current, object).await?;
    Ok(stored.map(|(_, value)| Deleted { value, gone: false }))
}
