//! Reading Kubernetes objects as values, and small pieces that several controllers share.

use jiff::Timestamp;
use karmada_runtime::ObjectKey;
use serde_json::{Map, Value, json};

pub(crate) fn key(object: &Value) -> ObjectKey {
    ObjectKey::new(text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn int(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

pub(crate) fn int_or(object: &Value, pointer: &str, default: i64) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(default)
}

pub(crate) fn array<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|t| !t.is_null())
}

/// The controlling owner reference, if it is of this kind.
pub(crate) fn controller_of<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    array(object, "/metadata/ownerReferences")
        .iter()
        .find(|o| o.get("controller").and_then(Value::as_bool) == Some(true) && text(o, "/kind") == kind)
}

/// The uid of the controlling owner, empty if there is none.
pub(crate) fn controller_uid(object: &Value) -> &str {
    array(object, "/metadata/ownerReferences")
        .iter()
        .find(|o| o.get("controller").and_then(Value::as_bool) == Some(true))
        .map(|o| text(o, "/uid"))
        .unwrap_or_default()
}

/// An owner reference that makes `owner` the controller.
pub(crate) fn owned_by(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!([{
        "apiVersion": api_version,
        "kind": kind,
        "name": text(owner, "/metadata/name"),
        "uid": text(owner, "/metadata/uid"),
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

/// Whether a Service's plain selector selects these labels; an absent or empty one selects nothing.
pub(crate) fn plain_selector_matches(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    match selector.and_then(Value::as_object) {
        Some(wanted) if !wanted.is_empty() => {
            wanted.iter().all(|(k, v)| labels.and_then(|l| l.get(k)).is_some_and(|actual| actual == v))
        }
        _ => false,
    }
}

/// A short, safe hash of a value: what `pod-template-hash` and ControllerRevision names are made of.
pub(crate) fn template_hash(template: &Value) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash: u32 = 0x811c_9dc5;
    for byte in template.to_string().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string().bytes().map(|c| char::from(ALPHABET[usize::from(c) % ALPHABET.len()])).collect()
}

/// A random suffix as generated names have.
pub(crate) fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect()
}

/// The present time as metadata carries it.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The value of a condition's status, empty if it is absent.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    array(object, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == kind)
        .map(|c| text(c, "/status"))
        .unwrap_or("")
}

/// Builds the list of conditions, keeping the transition time of those whose status did not change.
pub(crate) fn conditions(old: &Value, wanted: &[(&str, bool, &str, &str)]) -> Value {
    let stamp = now();
    let list = wanted
        .iter()
        .map(|(kind, holds, reason, message)| {
            let status = if *holds { "True" } else { "False" };
            let before = array(old, "/status/conditions").iter().find(|c| text(c, "/type") == *kind);
            let same = before.filter(|c| text(c, "/status") == status);
            let transition = same.map_or(stamp.as_str(), |c| text(c, "/lastTransitionTime")).to_owned();
            let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": transition});
            for (field, text) in [("reason", reason), ("message", message)] {
                if !text.is_empty() {
                    condition[field] = (*text).into();
                }
            }
            condition
        })
        .collect();
    Value::Array(list)
}

/// A number or percentage of `total`, rounded up or down.
pub(crate) fn scaled(value: Option<&Value>, total: i64, round_up: bool, default: i64) -> i64 {
    match value {
        Some(Value::Number(n)) => n.as_i64().unwrap_or(default),
        Some(Value::String(s)) => match s.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()) {
            Some(percent) if round_up => (total.saturating_mul(percent) + 99) / 100,
            Some(percent) => total.saturating_mul(percent) / 100,
            None => default,
        },
        _ => default,
    }
}

/// The labels of a template's metadata with one more.
pub(crate) fn with_label(labels: Option<&Value>, key: &str, value: &str) -> Value {
    let mut map: Map<String, Value> = labels.and_then(Value::as_object).cloned().unwrap_or_default();
    map.insert(key.to_owned(), value.into());
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_rolling_updates_want() {
        assert_eq!(scaled(Some(&json!("25%")), 10, true, 1), 3);
        assert_eq!(scaled(Some(&json!("25%")), 10, false, 1), 2);
        assert_eq!(scaled(Some(&json!(4)), 10, false, 1), 4);
        assert_eq!(scaled(None, 10, false, 1), 1);
    }

    #[test]
    fn a_service_without_selector_selects_nothing() {
        let labels = json!({"app": "a", "tier": "x"});
        assert!(plain_selector_matches(Some(&json!({"app": "a"})), Some(&labels)));
        assert!(!plain_selector_matches(Some(&json!({"app": "b"})), Some(&labels)));
        assert!(!plain_selector_matches(Some(&json!({})), Some(&labels)));
    }
}
