//! Takes out of a template what belongs to the control plane's copy of it and must not reach a member: identity,
//! bookkeeping, ownership, status, and what the control plane's own controllers and allocators filled in.

use serde_json::{Map, Value};

use crate::object;

/// Metadata that describes one stored copy of an object.
const METADATA: [&str; 9] = [
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "ownerReferences",
];

/// Labels by which a Job finds its pods, made from the Job's uid, which differs in every member.
const JOB_LABELS: [&str; 4] =
    ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];

/// Prunes a template in place.
pub fn prune(template: &mut Value) {
    let api_version = object::api_version(template).to_owned();
    let kind = object::kind(template).to_owned();
    let name = object::name(template).to_owned();
    if let Some(root) = template.as_object_mut() {
        root.remove("status");
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in METADATA {
            metadata.remove(field);
        }
        metadata.remove("finalizers");
    }
    match (api_version.as_str(), kind.as_str()) {
        ("apps/v1", "Deployment") => {
            drop_annotations(
                template,
                &["deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"],
            );
        }
        ("batch/v1", "Job") => job(template),
        ("v1", "Secret") => service_account_token(template),
        ("v1", "ServiceAccount") => {
            let own = format!("{name}-token-");
            if let Some(secrets) = template.get_mut("secrets").and_then(Value::as_array_mut) {
                secrets.retain(|secret| {
                    !secret.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with(&own))
                });
            }
        }
        ("v1", "Service") => {
            if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut)
                && spec.get("clusterIP").is_none_or(|address| address != "None")
            {
                spec.remove("clusterIP");
                spec.remove("clusterIPs");
            }
        }
        ("v1", "PersistentVolumeClaim") => {
            drop_annotations(
                template,
                &["volume.kubernetes.io/selected-node", "volume.alpha.kubernetes.io/selected-node"],
            );
        }
        _ => {}
    }
}

fn drop_annotations(template: &mut Value, keys: &[&str]) {
    if let Some(annotations) = template.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        for key in keys {
            annotations.remove(*key);
        }
    }
}

fn job(template: &mut Value) {
    let manual = template.pointer("/spec/manualSelector").and_then(Value::as_bool).unwrap_or(false);
    if !manual {
        for path in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
            if let Some(labels) = template.pointer_mut(path).and_then(Value::as_object_mut) {
                for label in JOB_LABELS {
                    labels.remove(label);
                }
            }
        }
    }
    // The template must outlive the members' Jobs; they go when it goes.
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("ttlSecondsAfterFinished");
    }
}

/// A token of the control plane is of no use in a member, which fills in its own.
fn service_account_token(template: &mut Value) {
    if template.get("type").and_then(Value::as_str) != Some("kubernetes.io/service-account-token") {
        return;
    }
    drop_annotations(template, &["kubernetes.io/service-account.uid"]);
    if let Some(root) = template.as_object_mut().filter(|root: &&mut Map<_, _>| root.contains_key("data")) {
        root.insert("data".to_owned(), Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_out_what_is_the_control_planes() {
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "w", "uid": "u", "generation": 4, "finalizers": ["a/b"], "labels": {"a": "b"},
                         "annotations": {"deployment.kubernetes.io/revision": "2", "x": "y"}},
            "spec": {"replicas": 2}, "status": {"replicas": 2},
        });
        prune(&mut deployment);
        assert_eq!(
            deployment,
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                   "metadata": {"name": "w", "labels": {"a": "b"}, "annotations": {"x": "y"}}, "spec": {"replicas": 2}})
        );
    }

    #[test]
    fn keeps_a_headless_service_headless() {
        let service = |address: &str| {
            let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                                     "spec": {"clusterIP": address, "clusterIPs": [address], "ports": []}});
            prune(&mut service);
            service["spec"].clone()
        };
        assert_eq!(service("None"), json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": []}));
        assert_eq!(service("10.0.0.1"), json!({"ports": []}));
    }
}
