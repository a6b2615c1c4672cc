//! What creations and updates have in common.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{Timestamp, Unit};
use karmada_machinery::{FieldError, FieldErrors, ResourceInfo, StatusError, meta, resource::RequestContext};
use rand::RngExt as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{backend::Backend, call::Call, metadata, registry::Finish, server::ApiServer};

/// The outcome of a write.
pub(crate) struct Written {
    /// The object in the request's version.
    pub(crate) value: Value,
    /// Its JSON with resource version, where it is stored in the request's version.
    pub(crate) bytes: Option<Bytes>,
    /// Whether it is new.
    pub(crate) created: bool,
}

/// A timestamp as Kubernetes prints it: whole seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.round(Unit::Second).map_or_else(|_| time.to_string(), |t| floor_text(time, t))
}

/// Kubernetes cuts off fractions; rounding up would date an object into the future.
fn floor_text(time: Timestamp, rounded: Timestamp) -> String {
    let floored = if rounded > time { rounded.checked_sub(jiff::SignedDuration::from_secs(1)) } else { Ok(rounded) };
    floored.unwrap_or(rounded).to_string()
}

pub(crate) fn new_uuid() -> String {
    Uuid::new_v4().to_string()
}

/// Letters of generated names: no vowels, so that no words come out; Kubernetes' alphabet.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
const GENERATED_MAX: usize = 63;

/// A name from a prefix: cut so that the whole has at most 63 bytes.
pub(crate) fn generate_name(prefix: &str) -> String {
    let mut cut = prefix.len().min(GENERATED_MAX - SUFFIX_LENGTH);
    while !prefix.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut random = rand::rng();
    let mut name = String::with_capacity(cut + SUFFIX_LENGTH);
    name.push_str(&prefix[..cut]);
    for _ in 0..SUFFIX_LENGTH {
        name.push(SUFFIX_LETTERS[random.random_range(0..SUFFIX_LETTERS.len())] as char);
    }
    name
}

/// What strategies are told of a request.
pub(crate) fn context<'a>(call: &'a Call, subresource: Option<&'a str>) -> RequestContext<'a> {
    RequestContext { now: call.now, user: &call.user.name, subresource, new_uuid: &new_uuid }
}

/// Makes the object's namespace the path's.
pub(crate) fn ensure_namespace(object: &mut Value, namespace: &str) -> Result<(), StatusError> {
    match meta::namespace(object) {
        None => {
            if !namespace.is_empty() {
                meta::set(object, "namespace", namespace);
            }
            Ok(())
        }
        Some(own) if own == namespace => Ok(()),
        Some(_) if namespace.is_empty() => {
            meta::remove(object, "namespace");
            Ok(())
        }
        Some(_) => Err(StatusError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
    }
}

/// Makes the object's name the path's, or says why it is not.
pub(crate) fn ensure_name(object: &mut Value, name: &str, may_be_missing: bool) -> Result<(), StatusError> {
    match meta::name(object) {
        None if may_be_missing => {
            meta::set(object, "name", name);
            Ok(())
        }
        None => Err(StatusError::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        ))),
        Some(own) if own == name => Ok(()),
        Some(own) => Err(StatusError::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({name})"
        ))),
    }
}

/// Everything wrong with a new object.
pub(crate) fn validate_new(object: &Value, info: &ResourceInfo) -> FieldErrors {
    let name_rule = |name: &str| info.strategy.validate_name(name);
    let mut errors = metadata::validate(object, info.namespaced, &name_rule);
    errors.extend(info.strategy.validate(object));
    errors
}

/// Everything wrong with a changed object, and with the change.
pub(crate) fn validate_changed(
    object: &Value,
    old: &Value,
    info: &ResourceInfo,
    ctx: &RequestContext<'_>,
) -> FieldErrors {
    // The name of an existing object is good, whatever the rules say today; it cannot change.
    let mut errors = metadata::validate(object, info.namespaced, &|_| None);
    let change = metadata::validate_update(object, old);
    // kube-apiserver checks the change once for all kinds and once more in the kind's own validation.
    errors.extend(change.iter().cloned());
    errors.extend(change);
    errors.extend(info.strategy.validate_update(object, old, ctx));
    errors
}

/// 422 with these errors.
pub(crate) fn invalid(info: &ResourceInfo, name: &str, errors: &[FieldError]) -> StatusError {
    StatusError::invalid(&info.gvr.group, &info.kind, name, errors)
}

/// Starts the work beside a write, if the resource has any.
pub(crate) async fn begin_hook(
    call: &Call,
    info: &ResourceInfo,
    new: Option<&mut Value>,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<Option<Finish>, StatusError> {
    match call.snapshot.hook(&info.group_resource()) {
        Some(hook) => Ok(Some(Arc::clone(hook).begin(new, old, dry_run).await?)),
        None => Ok(None),
    }
}

pub(crate) fn finish(hook: Option<Finish>, committed: bool) {
    if let Some(hook) = hook {
        hook(committed);
    }
}

/// The parts of an object that count as its specification: all but metadata, status and type.
pub(crate) fn specification(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
}

/// Whether two objects have the same specification.
pub(crate) fn same_specification(a: &Value, b: &Value) -> bool {
    specification(a).eq(specification(b))
}

/// Replaces everything but type, metadata and status by what the old object has.
pub(crate) fn restore_specification(object: &mut Value, old: &Value) {
    let Some(map) = object.as_object_mut() else { return };
    let kept: Map<String, Value> = std::mem::take(map)
        .into_iter()
        .filter(|(key, _)| matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
        .collect();
    *map = kept;
    map.extend(specification(old).map(|(key, value)| (key.clone(), value.clone())));
}

/// Replaces the status by what the old object has.
pub(crate) fn restore_status(object: &mut Value, old: &Value) {
    let Some(map) = object.as_object_mut() else { return };
    match old.get("status") {
        Some(status) => {
            map.insert("status".into(), status.clone());
        }
        None => {
            map.remove("status");
        }
    }
}

/// Opens the backend of the request's resource.
pub(crate) async fn backend(server: &ApiServer, call: &Call) -> Result<Backend, StatusError> {
    Backend::open(server, &call.snapshot, call.resource()?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_cut_to_a_label() {
        let name = generate_name(&"g".repeat(70));
        assert_eq!(name.len(), 63);
        let name = generate_name("web-");
        assert!(name.starts_with("web-") && name.len() == 9);
        assert!(name[4..].bytes().all(|b| SUFFIX_LETTERS.contains(&b)));
    }

    #[test]
    fn times_are_cut_to_seconds() {
        for (time, text) in [
            ("2026-01-02T03:04:05.999Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.2Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ] {
            assert_eq!(seconds(time.parse().unwrap()), text);
        }
    }
}
