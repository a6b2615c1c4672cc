//! `create`: POST to a collection.

use axum::{extract::Request, response::Response};
use karmada_machinery::{ResourceInfo, StatusError, meta};
use karmada_storage::{Operation, StoreError};
use serde_json::Value;

use super::{
    review::Review,
    write::{self, Written},
};
use crate::{
    admission,
    backend::{self, Backend},
    call::{Call, read_body},
    input, managed, metadata,
    negotiate::{self, Offer},
    query::WriteOptions,
    render,
    server::ApiServer,
    shape,
};

/// How often a generated name may hit an existing one (kube-apiserver's figure).
const GENERATE_TRIES: usize = 8;

pub(crate) async fn create(server: &ApiServer, call: &Call, request: Request) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let info = call.resource()?;
    let media_type = call.media_type();
    let body = read_body(request).await?;
    let mut object = input::object(&media_type, &body, info, options.field_validation, &call.warnings)?;
    drop(body);
    write::ensure_namespace(&mut object, call.namespace())?;
    let written = create_object(server, call, object, &options).await?;
    render::written(call, &accepted, 201, written)
}

/// Creates an object that has been decoded and has its namespace: managed fields, admission, strategy, validation, store.
pub(crate) async fn create_object(
    server: &ApiServer,
    call: &Call,
    mut object: Value,
    options: &WriteOptions,
) -> Result<Written, StatusError> {
    let backend = write::backend(server, call).await?;
    // A new object is not being deleted, whatever its creator says; nobody owns these fields.
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        meta::remove(&mut object, field);
    }
    managed::update(call, &backend.info, options, "", None, &mut object);
    admit_and_create(server, call, &backend, object, options).await
}

/// The part of a creation that an apply or a PUT to an absent object shares.
pub(crate) async fn admit_and_create(
    server: &ApiServer,
    call: &Call,
    backend: &Backend,
    mut object: Value,
    options: &WriteOptions,
) -> Result<Written, StatusError> {
    let info = &backend.info;
    let name = meta::name(&object).unwrap_or_default().to_owned();
    let mut review =
        Review::new(server, call, admission::Operation::Create, info.gvk(), &name, options.dry_run, || {
            options.to_value()
        });
    review.set_operation(admission::Operation::Create);
    review.mutate(Some(&mut object)).await?;
    if meta::resource_version(&object).is_some() {
        return Err(unset_version());
    }
    let generated = meta::name(&object).is_none();
    prepare(call, info, &mut object);
    let mut tries = 0;
    loop {
        if generated
            && tries > 0
            && let Some(prefix) = meta::generate_name(&object)
        {
            let name = write::generate_name(prefix);
            meta::set(&mut object, "name", name);
        }
        let name = meta::name(&object).unwrap_or_default().to_owned();
        let errors = write::validate_new(&object, info);
        if !errors.is_empty() {
            return Err(write::invalid(info, &name, &errors));
        }
        if tries == 0 {
            for text in info.strategy.warnings(&object, None).into_iter().chain(metadata::warnings(&object, None)) {
                call.warnings.add(text);
            }
        }
        review.validate(Some(&object)).await?;
        let hook = write::begin_hook(call, info, Some(&mut object), None, options.dry_run).await?;
        let key = backend.key(meta::namespace(&object).unwrap_or_default(), &name);
        if options.dry_run {
            write::finish(hook, false);
            if let Some(current) = backend.current(&key, false).await? {
                return Err(exists(info, &name, &current.value));
            }
            return Ok(Written { value: object, bytes: None, created: true });
        }
        object = backend.settle(object).await?;
        let stored = backend.encode(&object).await?;
        match backend.commit(&key, Operation::Create { value: stored.bytes.clone() }).await {
            Ok(revision) => {
                write::finish(hook, true);
                meta::set(&mut object, "resourceVersion", revision.to_string());
                let bytes = backend.same_version.then(|| stored.at_revision(revision));
                return Ok(Written { value: object, bytes, created: true });
            }
            Err(StoreError::Conflict { current, .. }) => {
                write::finish(hook, false);
                tries += 1;
                if generated && tries < GENERATE_TRIES {
                    continue;
                }
                let current: Value = current.and_then(|kv| serde_json::from_slice(&kv.value).ok()).unwrap_or_default();
                let mut error = exists(info, &name, &current);
                if meta::generate_name(&object).is_some() {
                    error.message =
                        format!("{}, the server was not able to generate a unique name for the object", error.message);
                    error = error.retry_after(1);
                }
                return Err(error);
            }
            Err(error) => {
                write::finish(hook, false);
                return Err(backend::store_error(&error));
            }
        }
    }
}

/// 409: an object of this name exists; one that is being deleted is said to be.
fn exists(info: &ResourceInfo, name: &str, current: &Value) -> StatusError {
    let mut error = StatusError::already_exists(&info.group_resource(), name);
    if meta::deletion_timestamp(current).is_some() {
        error.message = format!("object is being deleted: {}", error.message);
    }
    error
}

/// The storage layer's refusal, which kube-apiserver does not dress up.
fn unset_version() -> StatusError {
    StatusError::new(
        500,
        karmada_machinery::Reason::Unknown,
        "resourceVersion should not be set on objects to be created",
    )
}

/// Metadata and status of a new object.
fn prepare(call: &Call, info: &ResourceInfo, object: &mut Value) {
    if meta::metadata_mut(object).is_none() {
        return;
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
        meta::remove(object, field);
    }
    // A node reports itself: it is the one kind whose creator may give a status.
    if info.has_status()
        && info.gvr.resource != "nodes"
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    if info.tracks_generation {
        meta::set(object, "generation", 1);
    }
    meta::set(object, "creationTimestamp", write::seconds(call.now));
    meta::set(object, "uid", write::new_uuid());
    // Name and uid come first: a job's selector is made of them.
    if meta::name(object).is_none()
        && let Some(name) = meta::generate_name(object).map(write::generate_name)
    {
        meta::set(object, "name", name);
    }
    info.strategy.prepare_for_create(object, &write::context(call, None));
    shape::normalize(object, info);
}
