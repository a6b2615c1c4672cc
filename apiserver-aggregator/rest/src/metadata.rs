//! The rules of `metadata` that hold for every kind: names, labels, annotations, finalizers, owners, and what an update
//! may not change.

use karmada_machinery::{FieldError, FieldErrors, kinds::names, meta};
use serde_json::{Map, Value};

/// All annotations of an object together.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;
/// A label value, and the name part of a label key.
const NAME_PART_MAX: usize = 63;

const NAME_PART_TEXT: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const KEY_TEXT: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE_TEXT: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// The finalizers of the garbage collector.
pub(crate) const ORPHAN_FINALIZER: &str = "orphan";
/// Keeps an owner until its blocking dependents are gone.
pub(crate) const FOREGROUND_FINALIZER: &str = "foregroundDeletion";

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(a), Some(z)) if a.is_ascii_alphanumeric() && z.is_ascii_alphanumeric())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Everything wrong with a qualified name (`example.com/name`), as Kubernetes says it.
pub(crate) fn qualified_name(key: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((_, rest)) if rest.contains('/') => return vec![KEY_TEXT.to_owned()],
        Some((prefix, name)) => {
            if prefix.is_empty() {
                texts.push("prefix part must be non-empty".to_owned());
            } else if let Some(text) = names::dns_subdomain(prefix) {
                texts.push(format!("prefix part {text}"));
            }
            name
        }
    };
    if name.is_empty() {
        texts.push("name part must be non-empty".to_owned());
    } else if name.len() > NAME_PART_MAX {
        texts.push(format!("name part must be no more than {NAME_PART_MAX} bytes"));
    }
    if !is_name_part(name) {
        texts.push(NAME_PART_TEXT.to_owned());
    }
    texts
}

/// Everything wrong with labels at `path`.
pub(crate) fn labels(labels: &Map<String, Value>, path: &str, errors: &mut FieldErrors) {
    for (key, value) in labels {
        for text in qualified_name(key) {
            errors.push(FieldError::invalid(path, key.as_str(), text));
        }
        let value = value.as_str().unwrap_or_default();
        if value.len() > NAME_PART_MAX {
            errors.push(FieldError::invalid(path, value, format!("must be no more than {NAME_PART_MAX} bytes")));
        }
        if !value.is_empty() && !is_name_part(value) {
            errors.push(FieldError::invalid(path, value, LABEL_VALUE_TEXT));
        }
    }
}

/// Everything wrong with annotations at `path`.
pub(crate) fn annotations(annotations: &Map<String, Value>, path: &str, errors: &mut FieldErrors) {
    let mut size = 0;
    for (key, value) in annotations {
        // Keys are compared without case here, for annotations that predate the rule.
        for text in qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(path, key.as_str(), text));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        errors.push(FieldError::too_long(path, ANNOTATIONS_LIMIT));
    }
}

fn finalizers(object: &Value, path: &str, errors: &mut FieldErrors) {
    let mut has = (false, false);
    for name in meta::finalizers(object) {
        for text in qualified_name(name) {
            errors.push(FieldError::invalid(path, name, text));
        }
        has.0 |= name == ORPHAN_FINALIZER;
        has.1 |= name == FOREGROUND_FINALIZER;
    }
    if has == (true, true) {
        let all: Vec<&str> = meta::finalizers(object).collect();
        let text = format!("finalizer {ORPHAN_FINALIZER} and {FOREGROUND_FINALIZER} cannot be both set");
        errors.push(FieldError::invalid(path, all, text));
    }
}

fn owner_references(object: &Value, path: &str, errors: &mut FieldErrors) {
    let mut controllers: Vec<String> = Vec::new();
    for (index, owner) in meta::owner_references(object).enumerate() {
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        let at = |field: &str| format!("{path}[{index}].{field}");
        let version = text("apiVersion").rsplit('/').next().unwrap_or_default();
        if version.is_empty() {
            errors.push(FieldError::invalid(at("apiVersion"), version, "version must not be empty"));
        }
        for (field, words) in
            [("kind", "kind must not be empty"), ("name", "name must not be empty"), ("uid", "uid must not be empty")]
        {
            if text(field).is_empty() {
                errors.push(FieldError::invalid(at(field), "", words));
            }
        }
        if text("kind") == "Event" && matches!(text("apiVersion"), "v1" | "events.k8s.io/v1") {
            errors.push(FieldError::invalid(
                format!("{path}[{index}]"),
                owner.clone(),
                format!("{}, Kind=Event is disallowed from being an owner", text("apiVersion")),
            ));
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            controllers.push(text("name").to_owned());
        }
    }
    if controllers.len() > 1 {
        let list = meta::owner_references(object).cloned().collect::<Vec<Value>>();
        errors.push(FieldError::invalid(
            path,
            list,
            format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                controllers[0], controllers[1]
            ),
        ));
    }
}

/// Everything wrong with the metadata of a new object, or of a changed one in itself.
pub(crate) fn validate(
    object: &Value,
    namespaced: bool,
    validate_name: &dyn Fn(&str) -> Option<String>,
) -> FieldErrors {
    let mut errors = Vec::new();
    if let Some(prefix) = meta::generate_name(object) {
        // A generated name gets a suffix, so that a trailing dash or dot is fine here.
        let masked = match prefix.strip_suffix('-') {
            Some(_) => format!("{}a", &prefix[..prefix.len() - 1]),
            None => prefix.to_owned(),
        };
        if let Some(text) = validate_name(&masked) {
            errors.push(FieldError::invalid("metadata.generateName", prefix, text));
        }
    }
    match meta::name(object) {
        None => errors.push(FieldError::required("metadata.name", "name or generateName is required")),
        Some(name) => {
            if let Some(text) = validate_name(name) {
                errors.push(FieldError::invalid("metadata.name", name, text));
            }
        }
    }
    match (namespaced, meta::namespace(object)) {
        (true, None) => errors.push(FieldError::required("metadata.namespace", "")),
        (true, Some(namespace)) => {
            if let Some(text) = names::dns_label(namespace) {
                errors.push(FieldError::invalid("metadata.namespace", namespace, text));
            }
        }
        (false, Some(_)) => {
            errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
        }
        (false, None) => {}
    }
    if meta::generation(object) < 0 {
        let generation = meta::generation(object);
        errors.push(FieldError::invalid("metadata.generation", generation, "must be greater than or equal to 0"));
    }
    if let Some(map) = meta::labels(object) {
        labels(map, "metadata.labels", &mut errors);
    }
    if let Some(map) = meta::annotations(object) {
        annotations(map, "metadata.annotations", &mut errors);
    }
    owner_references(object, "metadata.ownerReferences", &mut errors);
    finalizers(object, "metadata.finalizers", &mut errors);
    errors
}

/// Fills what an update may leave out, and keeps what it may not change silently.
pub(crate) fn carry_over(object: &mut Value, old: &Value) {
    if meta::uid(object).is_none()
        && let Some(uid) = meta::uid(old)
    {
        meta::set(object, "uid", uid);
    }
    if let Some(created) = old.get("metadata").and_then(|m| m.get("creationTimestamp")) {
        meta::set(object, "creationTimestamp", created.clone())
    }
    if let Some(deleted) = meta::deletion_timestamp(old) {
        meta::set(object, "deletionTimestamp", deleted);
    }
    let grace = |o: &Value| o.get("metadata").and_then(|m| m.get("deletionGracePeriodSeconds")).cloned();
    if let (Some(seconds), None | Some(Value::Null)) = (grace(old), grace(object)) {
        meta::set(object, "deletionGracePeriodSeconds", seconds);
    }
    // selfLink is a thing of the past; a client may still send one.
    meta::remove(object, "selfLink");
}

/// Everything wrong with the change of the metadata. [`carry_over`] must have run.
pub(crate) fn validate_update(object: &Value, old: &Value) -> FieldErrors {
    let mut errors = Vec::new();
    if meta::deletion_timestamp(old).is_some() {
        let before: Vec<&str> = meta::finalizers(old).collect();
        let mut new: Vec<&str> = meta::finalizers(object).filter(|f| !before.contains(f)).collect();
        new.sort_unstable();
        if !new.is_empty() {
            errors.push(FieldError::forbidden(
                "metadata.finalizers",
                format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    new.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ")
                ),
            ));
        }
    }
    if meta::generation(object) < meta::generation(old) {
        errors.push(FieldError::invalid("metadata.generation", meta::generation(object), "must not be decremented"));
    }
    let field = |o: &Value, name: &str| o.get("metadata").and_then(|m| m.get(name)).cloned().unwrap_or_default();
    for name in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, was) = (field(object, name), field(old, name));
        let empty = |v: &Value| v.is_null() || v.as_str() == Some("");
        if new != was && !(empty(&new) && empty(&was)) {
            errors.push(FieldError::invalid(format!("metadata.{name}"), new, "field is immutable"));
        }
    }
    errors
}

/// Warnings about metadata: finalizers without a domain.
pub(crate) fn warnings(object: &Value, old: Option<&Value>) -> Vec<String> {
    let known = [ORPHAN_FINALIZER, FOREGROUND_FINALIZER, "kubernetes"];
    let before: Vec<&str> = old.map(|o| meta::finalizers(o).collect()).unwrap_or_default();
    meta::finalizers(object)
        .filter(|f| !f.contains('/') && !known.contains(f) && !before.contains(f))
        .map(|f| {
            format!(
                "metadata.finalizers: {f:?}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_errors_are_kubernetes_texts() {
        let check = |key: &str, value: &str| {
            let mut errors = Vec::new();
            labels(json!({key: value}).as_object().unwrap(), "metadata.labels", &mut errors);
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(check("a", "b").is_empty());
        assert!(check("example.com/a", "").is_empty());
        assert_eq!(check("/b", "y"), ["metadata.labels: Invalid value: \"/b\": prefix part must be non-empty"]);
        assert_eq!(check("a/", "y").len(), 2);
        assert_eq!(check("", "y").len(), 2);
        assert!(check("a/b/c", "x")[0].contains("a valid label key must consist"));
        assert_eq!(
            check("a", &"a".repeat(64)),
            [format!("metadata.labels: Invalid value: \"{}\": must be no more than 63 bytes", "a".repeat(64))]
        );
    }

    #[test]
    fn an_update_keeps_what_it_must() {
        let old = json!({"metadata": {"name": "x", "uid": "u", "creationTimestamp": "t", "finalizers": ["a/b"],
            "deletionTimestamp": "d", "deletionGracePeriodSeconds": 0}});
        let mut new = json!({"metadata": {"name": "x", "creationTimestamp": "other", "selfLink": "s"}});
        carry_over(&mut new, &old);
        assert!(validate_update(&new, &old).is_empty());
        assert_eq!(new["metadata"]["creationTimestamp"], "t");
        assert_eq!(new["metadata"]["deletionTimestamp"], "d");
        new["metadata"]["finalizers"] = json!(["a/b", "c/d"]);
        assert_eq!(
            validate_update(&new, &old)[0].to_string(),
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"c/d\"}"
        );
    }
}
