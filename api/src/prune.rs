//! What is taken out of a template before it travels to a member cluster, and what is noted in it for the way back.
//!
//! The same is done by the binding controllers, which render Works, and by admission of Works, which does it again for
//! Works of any origin.

use serde_json::{Map, Value};

use crate::{annotations, labels};

/// Fields of metadata that belong to the cluster that an object lives in.
const METADATA: [&str; 10] = [
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "ownerReferences",
    "finalizers",
];

/// Labels that the job controller derives from the job itself.
const JOB_LABELS: [&str; 4] =
    ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];

/// Takes out of an object what a cluster has put there: system fields, status, and values that controllers of the
/// cluster have filled in.
pub fn prune(object: &mut Value) {
    let Value::Object(map) = object else { return };
    map.remove("status");
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        for field in METADATA {
            metadata.remove(field);
        }
    }
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (text("apiVersion").as_str(), text("kind").as_str()) {
        ("apps/v1", "Deployment") => {
            remove_annotation(map, "deployment.kubernetes.io/revision");
            remove_annotation(map, "deployment.kubernetes.io/revision-history");
        }
        ("batch/v1", "Job") => prune_job(map),
        ("v1", "Service") => prune_service(map),
        ("v1", "ServiceAccount") => prune_service_account(map),
        ("v1", "Secret") => prune_secret(map),
        ("v1", "PersistentVolumeClaim") => {
            remove_annotation(map, "volume.kubernetes.io/selected-node");
            remove_annotation(map, "volume.alpha.kubernetes.io/selected-node");
        }
        _ => {}
    }
}

/// Notes in an object the keys of its labels and annotations, so that later ones can be told from those that a member
/// cluster added. The notes count themselves.
pub fn record_managed_keys(object: &mut Value) {
    let Some(metadata) = metadata_mut(object) else { return };
    let label_keys = keys(metadata.get("labels"));
    let map = child(metadata, "annotations");
    map.insert(annotations::MANAGED_ANNOTATIONS.to_owned(), Value::Null);
    map.insert(annotations::MANAGED_LABELS.to_owned(), label_keys.into());
    let annotation_keys = map.keys().cloned().collect::<Vec<_>>().join(",");
    map.insert(annotations::MANAGED_ANNOTATIONS.to_owned(), annotation_keys.into());
}

/// Sets a label of an object.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    if let Some(metadata) = metadata_mut(object) {
        child(metadata, "labels").insert(key.to_owned(), value.into());
    }
}

/// Sets an annotation of an object.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    if let Some(metadata) = metadata_mut(object) {
        child(metadata, "annotations").insert(key.to_owned(), value.into());
    }
}

/// Makes a manifest of a Work: pruned, labelled with the Work's permanent id, with its keys noted.
pub fn prepare_manifest(manifest: &mut Value, work_permanent_id: &str) {
    prune(manifest);
    set_label(manifest, labels::WORK_PERMANENT_ID, work_permanent_id);
    record_managed_keys(manifest);
}

/// The metadata of an object; none if it isn't an object.
fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    Some(child(object.as_object_mut()?, "metadata"))
}

/// The map of this key, made if there is none.
fn child<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it has just been made an object"),
    }
}

/// The sorted keys of a map, joined by commas.
fn keys(map: Option<&Value>) -> String {
    let Some(Value::Object(map)) = map else { return String::new() };
    map.keys().cloned().collect::<Vec<_>>().join(",")
}

fn remove_annotation(object: &mut Map<String, Value>, key: &str) {
    if let Some(annotations) =
        object.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Value::as_object_mut)
    {
        annotations.remove(key);
    }
}

/// Jobs get their selector and labels anew in each cluster, unless the user manages them; and a job that is deleted
/// in a member when it is done would only be created again.
fn prune_job(object: &mut Map<String, Value>) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.remove("ttlSecondsAfterFinished");
    if spec.get("manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    for (field, pointer) in [("selector", "/matchLabels"), ("template", "/metadata/labels")] {
        if let Some(Value::Object(labels)) = spec.get_mut(field).and_then(|v| v.pointer_mut(pointer)) {
            for label in JOB_LABELS {
                labels.remove(label);
            }
        }
    }
}

/// Addresses are given by each cluster; headless Services have none anywhere.
fn prune_service(object: &mut Map<String, Value>) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if spec.get("clusterIP").and_then(Value::as_str).is_none_or(|ip| ip != "None") {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
}

/// Token secrets that a cluster has made are not there in others.
fn prune_service_account(object: &mut Map<String, Value>) {
    let name = object.get("metadata").and_then(|m| m.get("name")).and_then(Value::as_str).unwrap_or_default();
    let generated = format!("{name}-token-");
    if let Some(Value::Array(secrets)) = object.get_mut("secrets") {
        secrets.retain(|s| !s.get("name").and_then(Value::as_str).is_some_and(|n| n.starts_with(&generated)));
    }
}

/// A token is worth nothing in another cluster, which fills the secret with its own.
fn prune_secret(object: &mut Map<String, Value>) {
    if object.get("type").and_then(Value::as_str) != Some("kubernetes.io/service-account-token") {
        return;
    }
    remove_annotation(object, "kubernetes.io/service-account.uid");
    if let Some(data) = object.get_mut("data") {
        *data = Value::Null;
    }
}
