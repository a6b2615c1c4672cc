//! What admission changes in objects.
//!
//! The webhooks decode an object into a Go type and write it back, so that empty optional fields disappear and required
//! ones appear with their zero value; [`Schema::go_form`] does the same.

use serde_json::{Map, Value, json};

use super::{Denial, Operation};
use crate::schema::Schema;
use crate::{autoscaling, finalizers, labels, networking, policy, prune, work};

/// Changes an object of ours as Karmada's mutating webhooks do. Schema defaults must have been filled in before; kinds
/// without a mutating webhook are left alone.
///
/// # Errors
/// Fails when a Work carries a manifest that isn't an object with a kind, and when a binding is written through a
/// version that the webhook doesn't read.
pub fn mutate(
    api_version: &str,
    kind: &str,
    operation: Operation,
    object: &mut Value,
    new_uuid: &mut dyn FnMut() -> String,
) -> Result<(), Denial> {
    let (group, version) = crate::gvk::split_api_version(api_version);
    let create = operation == Operation::Create;
    if !matches!(operation, Operation::Create | Operation::Update) {
        return Ok(());
    }
    match (group, kind) {
        (policy::GROUP, "PropagationPolicy") => {
            use policy::PolicyKind;
            policy::PropagationPolicy::go_form(object);
            own_namespace(object);
            default_policy(object);
            if create {
                let id = policy::PropagationPolicy::PERMANENT_ID_LABEL;
                prune::set_label(object, id, &new_uuid());
                add_finalizer(object, finalizers::PROPAGATION_POLICY_CONTROLLER);
            }
        }
        (policy::GROUP, "ClusterPropagationPolicy") => {
            policy::ClusterPropagationPolicy::go_form(object);
            default_policy(object);
            if create {
                prune::set_label(object, labels::CLUSTER_PROPAGATION_POLICY_PERMANENT_ID, &new_uuid());
                add_finalizer(object, finalizers::CLUSTER_PROPAGATION_POLICY_CONTROLLER);
            }
        }
        (policy::GROUP, "OverridePolicy") => {
            policy::OverridePolicy::go_form(object);
            own_namespace(object);
        }
        (work::GROUP, "ResourceBinding") if create => {
            super::binding::decodable(version, kind)?;
            work::ResourceBinding::go_form(object);
            permanent_id(object, labels::RESOURCE_BINDING_PERMANENT_ID, new_uuid);
        }
        (work::GROUP, "ClusterResourceBinding") if create => {
            super::binding::decodable(version, kind)?;
            work::ClusterResourceBinding::go_form(object);
            permanent_id(object, labels::CLUSTER_RESOURCE_BINDING_PERMANENT_ID, new_uuid);
        }
        (work::GROUP, "Work") => mutate_work(object, new_uuid)?,
        (autoscaling::GROUP, "FederatedHPA") => {
            autoscaling::FederatedHPA::go_form(object);
            default_hpa(object);
        }
        (networking::GROUP, "MultiClusterService") => {
            networking::MultiClusterService::go_form(object);
            permanent_id(object, labels::MULTI_CLUSTER_SERVICE_PERMANENT_ID, new_uuid);
        }
        _ => {}
    }
    Ok(())
}

fn spec_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("spec")?.as_object_mut()
}

/// The value at a path of keys.
fn at<'a>(map: &'a mut Map<String, Value>, path: &[&str]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(map.get_mut(*first)?, |value, key| value.get_mut(*key))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A permanent id is given once; an existing one is kept.
fn permanent_id(object: &mut Value, label: &str, new_uuid: &mut dyn FnMut() -> String) {
    let path = object.get("metadata").and_then(|m| m.get("labels")).and_then(|l| l.get(label));
    if path.and_then(Value::as_str).unwrap_or_default().is_empty() {
        prune::set_label(object, label, &new_uuid());
    }
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let list = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if list.is_null() {
        *list = json!([]);
    }
    if let Value::Array(finalizers) = list
        && !finalizers.iter().any(|f| f.as_str() == Some(finalizer))
    {
        finalizers.push(finalizer.into());
    }
}

/// Selectors of a namespaced policy without a namespace mean the policy's own.
fn own_namespace(object: &mut Value) {
    let namespace = object.get("metadata").map(|m| text(m, "namespace").to_owned()).unwrap_or_default();
    let selectors = spec_mut(object).and_then(|s| s.get_mut("resourceSelectors")).and_then(Value::as_array_mut);
    for selector in selectors.into_iter().flatten() {
        if text(selector, "namespace").is_empty()
            && let Value::Object(selector) = selector
        {
            selector.insert("namespace".to_owned(), namespace.clone().into());
        }
    }
}

fn default_policy(object: &mut Value) {
    let Some(spec) = spec_mut(object) else { return };
    let constraints = at(spec, &["placement", "spreadConstraints"]).and_then(Value::as_array_mut);
    for constraint in constraints.into_iter().flatten() {
        let unnamed = text(constraint, "spreadByField").is_empty() && text(constraint, "spreadByLabel").is_empty();
        let Value::Object(constraint) = constraint else { continue };
        if unnamed {
            constraint.insert("spreadByField".to_owned(), "cluster".into());
        }
        if constraint.get("minGroups").and_then(Value::as_i64).unwrap_or(0) == 0 {
            constraint.insert("minGroups".to_owned(), 1.into());
        }
    }
    let selectors = spec.get("resourceSelectors").and_then(Value::as_array);
    if selectors.into_iter().flatten().any(|s| text(s, "kind") == "ServiceImport") {
        spec.insert("propagateDeps".to_owned(), true.into());
    }
    if let Some(scheduling) = at(spec, &["placement", "replicaScheduling"])
        && text(scheduling, "replicaSchedulingType") == "Divided"
        && text(scheduling, "replicaDivisionPreference").is_empty()
    {
        scheduling["replicaDivisionPreference"] = "Weighted".into();
    }
    if let Some(failover) = at(spec, &["failover", "application"])
        && text(failover, "purgeMode") == "Gracefully"
        && failover.get("gracePeriodSeconds").is_none_or(Value::is_null)
    {
        failover["gracePeriodSeconds"] = 600.into();
    }
}

fn mutate_work(object: &mut Value, new_uuid: &mut dyn FnMut() -> String) -> Result<(), Denial> {
    permanent_id(object, labels::WORK_PERMANENT_ID, new_uuid);
    let id = object["metadata"]["labels"][labels::WORK_PERMANENT_ID].as_str().unwrap_or_default().to_owned();
    work::Work::go_form(object);
    let manifests = object.pointer_mut("/spec/workload/manifests").and_then(Value::as_array_mut);
    for manifest in manifests.into_iter().flatten() {
        if text(manifest, "kind").is_empty() {
            return Err(Denial::errored(500, format!("Object 'Kind' is missing in '{manifest}'")));
        }
        prune::prepare_manifest(manifest, &id);
    }
    Ok(())
}

/// Defaults of autoscaling/v2: one replica at least, 80 % of the requested CPU, and Kubernetes' pace.
fn default_hpa(object: &mut Value) {
    let Some(spec) = spec_mut(object) else { return };
    if spec.get("minReplicas").is_none_or(Value::is_null) {
        spec.insert("minReplicas".to_owned(), 1.into());
    }
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let cpu = json!([{"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}
        }}]);
        spec.insert("metrics".to_owned(), cpu);
    }
    let up = json!([
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ]);
    let down = json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]);
    let Some(Value::Object(behavior)) = spec.get_mut("behavior") else { return };
    for (direction, policies, window) in [("scaleUp", up, Some(0)), ("scaleDown", down, None)] {
        // Either direction is filled in as soon as the other one is given.
        let rules = behavior.entry(direction).or_insert(Value::Null);
        if rules.is_null() {
            *rules = json!({});
        }
        let Value::Object(rules) = rules else { continue };
        let mut fill = |key: &str, value: Value| {
            let field = rules.entry(key).or_insert(Value::Null);
            if field.is_null() {
                *field = value;
            }
        };
        fill("selectPolicy", "Max".into());
        fill("policies", policies);
        if let Some(window) = window {
            fill("stabilizationWindowSeconds", window.into());
        }
    }
}
