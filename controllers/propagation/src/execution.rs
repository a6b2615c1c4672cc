//! What a Work's manifest does to a member's object: create, update, leave alone, delete.
//!
//! Nothing in a member is changed or deleted that does not carry Karmada's mark, unless the manifest says that
//! conflicts are to be overwritten. An update keeps what is the member's own: identity, finalizers, owners, labels and
//! annotations that Karmada did not set, and what the Retain interpretation of the kind says.

use karmada_api::annotations::{
    CONFLICT_RESOLUTION, CONFLICT_RESOLUTION_OVERWRITE, MANAGED_ANNOTATIONS, MANAGED_LABELS,
};
use karmada_api::labels::{MANAGED, TRUE};
use karmada_interpreter::{InterpretError, Interpreter, Operation, kind_of};
use serde_json::{Map, Value};

use crate::condition::Wanted;
use crate::object;

/// Condition type: whether the manifest is in the member.
pub const APPLIED: &str = "Applied";
/// Condition type: whether the Work is sent at all.
pub const DISPATCHING: &str = "Dispatching";

/// What to do to bring a member's object to what a manifest says.
#[derive(Clone, Debug, PartialEq)]
pub enum ApplyPlan {
    /// Create this object.
    Create(Value),
    /// Replace the member's object by this one, which carries the resource version that was observed.
    Update(Value),
    /// The member's object is as it should be.
    Unchanged,
}

/// Why a manifest cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Somebody else's object is in the way.
    #[error(
        "resource(kind={kind}, {key}) already exists in the cluster {cluster} and the work.karmada.io/conflict-resolution strategy value is empty, Karmada will not manage this resource"
    )]
    Conflict {
        /// The object's kind.
        kind: String,
        /// The object's namespace and name.
        key: String,
        /// The member.
        cluster: String,
    },
    /// The interpreter could not tell what to keep.
    #[error("failed to retain fields for resource(kind={kind}, {key}) in cluster {cluster}: {source}")]
    Retain {
        /// The object's kind.
        kind: String,
        /// The object's namespace and name.
        key: String,
        /// The member.
        cluster: String,
        /// Why.
        source: Box<InterpretError>,
    },
}

/// Plans what to do with a manifest, given the member's object (nothing if it isn't there).
///
/// # Errors
/// Somebody else's object is in the way, or the interpreter fails.
pub fn plan_apply(
    manifest: &Value,
    observed: Option<&Value>,
    cluster: &str,
    interpreter: &Interpreter,
) -> Result<ApplyPlan, ApplyError> {
    let Some(observed) = observed else {
        return Ok(ApplyPlan::Create(manifest.clone()));
    };
    let kind = || object::kind(manifest).to_owned();
    let key = || object::message_key(object::namespace(manifest), object::name(manifest));
    if !may_update(manifest, observed) {
        return Err(ApplyError::Conflict { kind: kind(), key: key(), cluster: cluster.to_owned() });
    }
    let mut desired = manifest.clone();
    retain_metadata(&mut desired, observed);
    if interpreter.hook_enabled(&kind_of(manifest), Operation::Retain) {
        desired = interpreter.retain(&desired, observed).map_err(|source| ApplyError::Retain {
            kind: kind(),
            key: key(),
            cluster: cluster.to_owned(),
            source: Box::new(source),
        })?;
    }
    Ok(if is_applied(&desired, observed) { ApplyPlan::Unchanged } else { ApplyPlan::Update(desired) })
}

/// Whether Karmada may change the member's object.
fn may_update(manifest: &Value, observed: &Value) -> bool {
    is_managed(observed) || object::annotation(manifest, CONFLICT_RESOLUTION) == Some(CONFLICT_RESOLUTION_OVERWRITE)
}

/// Whether a member's object carries Karmada's mark.
pub fn is_managed(observed: &Value) -> bool {
    object::label(observed, MANAGED) == Some(TRUE)
}

/// Keeps of the observed object's metadata what is the member's own.
fn retain_metadata(desired: &mut Value, observed: &Value) {
    for field in ["resourceVersion", "finalizers", "ownerReferences"] {
        let kept = observed.get("metadata").and_then(|metadata| metadata.get(field)).cloned();
        let metadata = object::metadata_mut(desired);
        match kept {
            Some(value) => metadata.insert(field.to_owned(), value),
            None => metadata.remove(field),
        };
    }
    for (field, bookkeeping) in [("labels", MANAGED_LABELS), ("annotations", MANAGED_ANNOTATIONS)] {
        // What we set the last time and no longer set is to go; what somebody else set stays.
        let ours: Vec<&str> = object::annotation(observed, bookkeeping).unwrap_or_default().split(',').collect();
        let theirs = observed.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_object);
        let kept: Vec<(&String, &Value)> =
            theirs.into_iter().flatten().filter(|(key, _)| !ours.contains(&key.as_str())).collect();
        if kept.is_empty() {
            continue;
        }
        let map = object::strings_mut(desired, field);
        for (key, value) in kept {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// Metadata that only the member's API server writes.
const SERVER_METADATA: [&str; 8] = [
    "uid",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Whether the observed object already is what is desired, so that replacing it would change nothing.
///
/// Everything desired must be there with the same value. Fields that are only in the observed object may be the
/// member's defaults, or something that is no longer desired; only where the member's own machinery is known to fill
/// them in are they taken for the former. In doubt the answer is no: the API server then finds that nothing changes.
pub fn is_applied(desired: &Value, observed: &Value) -> bool {
    let (Some(desired), Some(observed)) = (desired.as_object(), observed.as_object()) else {
        return desired == observed;
    };
    let kind = desired.get("kind").and_then(Value::as_str).unwrap_or_default();
    let fields = |map: &Map<String, Value>, of: fn(&str) -> bool| -> Vec<String> {
        map.keys().filter(|key| of(key)).cloned().collect()
    };
    let relevant = |key: &str| !matches!(key, "status" | "metadata");
    let metadata_matches = {
        let part = |map: &Map<String, Value>| map.get("metadata").cloned().unwrap_or_default();
        let (desired, observed) = (part(desired), part(observed));
        let keys = |value: &Value| -> Vec<String> {
            value
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .filter(|key| !SERVER_METADATA.contains(&key.as_str()))
                .cloned()
                .collect()
        };
        keys(&desired)
            .iter()
            .chain(&keys(&observed))
            .all(|key| same(desired.get(key), observed.get(key), kind, &format!("/metadata/{key}")))
    };
    metadata_matches
        && fields(desired, relevant)
            .iter()
            .chain(&fields(observed, relevant))
            .all(|key| same(desired.get(key), observed.get(key), kind, &format!("/{key}")))
}

/// Whether nothing, null and empty containers are what both are, or both are the same.
fn same(desired: Option<&Value>, observed: Option<&Value>, kind: &str, path: &str) -> bool {
    let empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    match (desired, observed) {
        (desired, observed) if empty(desired) && empty(observed) => true,
        (desired, Some(_)) if empty(desired) => is_filled_in(kind, path),
        (Some(Value::Object(desired)), Some(Value::Object(observed))) => desired
            .keys()
            .chain(observed.keys().filter(|key| !desired.contains_key(*key)))
            .all(|key| same(desired.get(key), observed.get(key), kind, &format!("{path}/{key}"))),
        (Some(Value::Array(desired)), Some(Value::Array(observed))) => {
            desired.len() == observed.len()
                && desired
                    .iter()
                    .zip(observed)
                    .all(|(desired, observed)| same(Some(desired), Some(observed), kind, &format!("{path}/*")))
        }
        (desired, observed) => desired == observed,
    }
}

/// Fields that the member's machinery fills in where the template leaves them out.
fn is_filled_in(kind: &str, path: &str) -> bool {
    match kind {
        "Service" => matches!(
            path,
            "/spec/clusterIP"
                | "/spec/clusterIPs"
                | "/spec/ipFamilies"
                | "/spec/ipFamilyPolicy"
                | "/spec/healthCheckNodePort"
                | "/spec/ports/*/nodePort"
        ),
        "Namespace" => path.starts_with("/spec"),
        "ServiceAccount" => path == "/secrets",
        "PersistentVolumeClaim" => matches!(path, "/spec/volumeName" | "/spec/storageClassName"),
        "Job" => path.starts_with("/spec/selector") || path.starts_with("/spec/template/metadata/labels"),
        _ => false,
    }
}

/// What to do with a member's object when its Work goes.
#[derive(Clone, Debug, PartialEq)]
pub enum DeletePlan {
    /// There is nothing to do: the object is gone, or isn't ours.
    Done,
    /// Delete it, in the background.
    Delete,
    /// It stays in the member: replace it by this one, without Karmada's labels and annotations.
    Release(Value),
}

/// Plans what to do with a member's object when its Work goes.
pub fn plan_delete(observed: Option<&Value>, preserve: bool) -> DeletePlan {
    match observed.filter(|observed| is_managed(observed)) {
        None => DeletePlan::Done,
        Some(observed) if preserve => DeletePlan::Release(released(observed)),
        Some(_) => DeletePlan::Delete,
    }
}

/// The object without the labels and annotations that Karmada set for its own use.
fn released(observed: &Value) -> Value {
    let mut object = observed.clone();
    for field in ["labels", "annotations"] {
        object::strings_mut(&mut object, field).retain(|key, _| {
            let domain = key.split('/').next().unwrap_or_default();
            !(domain == "karmada.io" || domain.ends_with(".karmada.io"))
        });
        if object::strings_mut(&mut object, field).is_empty() {
            object::metadata_mut(&mut object).remove(field);
        }
    }
    object
}

/// The Dispatching condition.
pub fn dispatching(suspended: bool) -> Wanted {
    if suspended {
        Wanted::new(DISPATCHING, false, "SuspendDispatching", "Work dispatching is in a suspended state.")
    } else {
        Wanted::new(DISPATCHING, true, "Dispatching", "Work is being dispatched to member clusters.")
    }
}

/// The Applied condition after all manifests were applied.
pub fn applied() -> Wanted {
    Wanted::new(APPLIED, true, "AppliedSuccessful", "Manifest has been successfully applied")
}

/// The Applied condition when some manifests failed: how many of how many were applied, and why the others weren't.
pub fn not_applied(applied: usize, manifests: usize, errors: &str) -> Wanted {
    Wanted::new(
        APPLIED,
        false,
        "AppliedFailed",
        format!("Failed to apply all manifests ({applied}/{manifests}): {errors}"),
    )
}

/// Texts of events about a Work's way into its member.
pub mod message {
    use crate::object::message_key;

    /// On the template: applied.
    pub fn applied(namespace: &str, name: &str, cluster: &str) -> String {
        format!("Successfully applied resource({}) to cluster {cluster}", message_key(namespace, name))
    }

    /// On the template: not applied.
    pub fn not_applied(namespace: &str, name: &str, cluster: &str, error: &str) -> String {
        let key = message_key(namespace, name);
        format!("Failed to create or update resource({key}) in member cluster({cluster}): {error}")
    }

    /// On the Work: synchronized.
    pub fn synced(work_namespace: &str, work_name: &str, cluster: &str) -> String {
        format!("Sync work({work_namespace}/{work_name}) to cluster({cluster}) successful.")
    }

    /// On the Work: not synchronized.
    pub fn not_synced(work_namespace: &str, work_name: &str, cluster: &str, error: &str) -> String {
        format!("Failed to sync work({work_namespace}/{work_name}) to cluster({cluster}), err: {error}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}, "metadata": {
            "name": "cfg", "namespace": "ns", "labels": {"karmada.io/managed": "true", "app": "a"},
            "annotations": {"resourcetemplate.karmada.io/managed-labels": "app,karmada.io/managed"}}})
    }

    fn in_member() -> Value {
        let mut observed = manifest();
        let metadata = observed["metadata"].as_object_mut().unwrap();
        metadata.insert("uid".to_owned(), json!("u"));
        metadata.insert("resourceVersion".to_owned(), json!("7"));
        metadata.insert("finalizers".to_owned(), json!(["x/y"]));
        observed
    }

    #[test]
    fn leaves_alone_what_is_applied() {
        let native = Interpreter::native();
        let mut observed = in_member();
        assert_eq!(plan_apply(&manifest(), Some(&observed), "m1", &native).unwrap(), ApplyPlan::Unchanged);
        observed["data"]["k"] = json!("drifted");
        let ApplyPlan::Update(update) = plan_apply(&manifest(), Some(&observed), "m1", &native).unwrap() else {
            panic!("drift is corrected")
        };
        assert_eq!(update["data"]["k"], "v");
        assert_eq!(update["metadata"]["resourceVersion"], "7");
        assert_eq!(update["metadata"]["finalizers"], json!(["x/y"]));
    }

    #[test]
    fn corrects_fields_that_are_no_longer_wanted() {
        let mut observed = in_member();
        observed["data"]["old"] = json!("x");
        assert!(matches!(
            plan_apply(&manifest(), Some(&observed), "m1", &Interpreter::native()).unwrap(),
            ApplyPlan::Update(_)
        ));
    }

    #[test]
    fn keeps_foreign_labels_and_drops_its_own_former_ones() {
        let mut observed = in_member();
        observed["metadata"]["labels"]["theirs"] = json!("1");
        observed["metadata"]["labels"]["former"] = json!("1");
        observed["metadata"]["annotations"]["resourcetemplate.karmada.io/managed-labels"] =
            json!("app,former,karmada.io/managed");
        let ApplyPlan::Update(update) = plan_apply(&manifest(), Some(&observed), "m1", &Interpreter::native()).unwrap()
        else {
            panic!("labels differ")
        };
        assert_eq!(update["metadata"]["labels"], json!({"app": "a", "karmada.io/managed": "true", "theirs": "1"}));
    }

    #[test]
    fn does_not_touch_what_is_not_managed() {
        let mut observed = in_member();
        observed["metadata"]["labels"].as_object_mut().unwrap().remove("karmada.io/managed");
        let error = plan_apply(&manifest(), Some(&observed), "m1", &Interpreter::native()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "resource(kind=ConfigMap, ns/cfg) already exists in the cluster m1 and the work.karmada.io/conflict-resolution strategy value is empty, Karmada will not manage this resource"
        );
        assert_eq!(plan_delete(Some(&observed), false), DeletePlan::Done);
        assert_eq!(plan_delete(None, false), DeletePlan::Done);
        assert_eq!(plan_delete(Some(&in_member()), false), DeletePlan::Delete);
    }

    #[test]
    fn releases_what_is_preserved() {
        let mut observed = in_member();
        observed["metadata"]["labels"]["app"] = json!("a");
        let DeletePlan::Release(object) = plan_delete(Some(&observed), true) else { panic!("it is released") };
        assert_eq!(object["metadata"]["labels"], json!({"app": "a"}));
        assert!(object["metadata"].get("annotations").is_none());
    }
}
