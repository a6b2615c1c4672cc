//! Replicas that are left to autoscalers in the members.

use karmada_api::labels;
use karmada_api::policy::ReplicaSchedulingType;
use karmada_api::work::v1alpha2::ResourceBinding;
use serde_json::Value;

use crate::object;

/// What an autoscaler scales.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScaleTarget {
    /// API version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace: the autoscaler's own.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// The target of a HorizontalPodAutoscaler that is propagated; nothing if it isn't: then it scales nothing in a member.
pub fn propagated_target(autoscaler: &Value) -> Option<ScaleTarget> {
    let claimed = [labels::PROPAGATION_POLICY_PERMANENT_ID, labels::CLUSTER_PROPAGATION_POLICY_PERMANENT_ID]
        .iter()
        .any(|key| object::label(autoscaler, key).is_some_and(|id| !id.is_empty()));
    if !claimed || object::is_deleting(autoscaler) {
        return None;
    }
    let text = |field: &str| {
        let value = autoscaler.get("spec")?.get("scaleTargetRef")?.get(field)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    Some(ScaleTarget {
        api_version: text("apiVersion")?,
        kind: text("kind")?,
        namespace: object::namespace(autoscaler).to_owned(),
        name: text("name")?,
    })
}

/// The merge patch that marks a target, or takes its mark away; nothing if it is right already.
pub fn mark_patch(target: &Value, marked: bool) -> Option<Value> {
    let is_marked = object::label(target, labels::RETAIN_REPLICAS) == Some(labels::TRUE);
    let value = if marked { Value::from(labels::TRUE) } else { Value::Null };
    (is_marked != marked).then(|| serde_json::json!({"metadata": {"labels": {labels::RETAIN_REPLICAS: value}}}))
}

/// The number of replicas that a Deployment's template gets from its members; nothing if the number is right, or if it
/// is not theirs to say: only a marked Deployment follows, only one that is divided among clusters, and only when every
/// cluster reports on the template as it is now.
pub fn replicas_from_members(template: &Value, binding: &ResourceBinding) -> Option<i64> {
    let spec = &binding.spec;
    let scheduling = spec.placement.as_ref()?.replica_scheduling.as_ref()?;
    let divided = scheduling.replica_scheduling_type == Some(ReplicaSchedulingType::Divided);
    let marked = object::label(template, labels::RETAIN_REPLICAS) == Some(labels::TRUE);
    let kind = (spec.resource.api_version.as_str(), spec.resource.kind.as_str());
    if !divided || !marked || kind != ("apps/v1", "Deployment") || object::is_deleting(template) {
        return None;
    }
    let wanted = template.pointer("/spec/replicas").and_then(Value::as_i64)?;
    let generation = template.pointer("/metadata/generation").and_then(Value::as_i64)?;
    let status = &binding.status;
    let settled = i64::from(spec.replicas) == wanted
        && status.scheduler_observed_generation == binding.metadata.generation.unwrap_or(0)
        && !spec.clusters.is_empty()
        && status.aggregated_status.len() == spec.clusters.len();
    if !settled {
        return None;
    }
    let mut sum: i64 = 0;
    for target in &spec.clusters {
        let item = status.aggregated_status.iter().find(|item| item.cluster_name == target.name)?;
        let reported = item.status.as_ref()?;
        let number = |field: &str| reported.get(field).and_then(Value::as_i64);
        if number("resourceTemplateGeneration")? != generation || number("generation")? != number("observedGeneration")?
        {
            return None;
        }
        sum = sum.saturating_add(number("replicas").unwrap_or(0));
    }
    (sum != wanted).then_some(sum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_propagated_autoscaler_marks_its_target() {
        let mut autoscaler = json!({
            "metadata": {"name": "h", "namespace": "ns"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
        });
        assert_eq!(propagated_target(&autoscaler), None);
        autoscaler["metadata"]["labels"] = json!({labels::PROPAGATION_POLICY_PERMANENT_ID: "id"});
        let target = propagated_target(&autoscaler).unwrap();
        assert_eq!(
            (target.kind.as_str(), target.namespace.as_str(), target.name.as_str()),
            ("Deployment", "ns", "web")
        );
        autoscaler["spec"] = json!({});
        assert_eq!(propagated_target(&autoscaler), None);
    }

    #[test]
    fn a_mark_is_written_once() {
        let plain = json!({"metadata": {}});
        let marked = json!({"metadata": {"labels": {labels::RETAIN_REPLICAS: "true"}}});
        assert_eq!(mark_patch(&plain, false), None);
        assert_eq!(mark_patch(&plain, true), Some(json!({"metadata": {"labels": {labels::RETAIN_REPLICAS: "true"}}})));
        assert_eq!(mark_patch(&marked, true), None);
        assert_eq!(mark_patch(&marked, false), Some(json!({"metadata": {"labels": {labels::RETAIN_REPLICAS: null}}})));
    }

    #[test]
    fn members_say_how_many_there_are() {
        let template = json!({
            "metadata": {"generation": 2, "labels": {labels::RETAIN_REPLICAS: "true"}}, "spec": {"replicas": 2},
        });
        let item = |name: &str, replicas: i64, generation: i64| {
            json!({"clusterName": name, "applied": true, "status": {
                "replicas": replicas, "resourceTemplateGeneration": generation, "generation": 1, "observedGeneration": 1}})
        };
        let mut binding = json!({
            "metadata": {"generation": 2},
            "spec": {
                "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "ns"},
                "replicas": 2, "clusters": [{"name": "m1", "replicas": 1}, {"name": "m2", "replicas": 1}],
                "placement": {"replicaScheduling": {"replicaSchedulingType": "Divided"}},
            },
            "status": {"schedulerObservedGeneration": 2, "aggregatedStatus": [item("m1", 3, 2), item("m2", 1, 2)]},
        });
        let ask = |binding: &Value| replicas_from_members(&template, &serde_json::from_value(binding.clone()).unwrap());
        assert_eq!(ask(&binding), Some(4));
        binding["status"]["aggregatedStatus"] = json!([item("m1", 1, 2), item("m2", 1, 2)]);
        assert_eq!(ask(&binding), None);
        // A cluster that has not seen the template's change does not say what its replicas are.
        binding["status"]["aggregatedStatus"] = json!([item("m1", 3, 1), item("m2", 1, 2)]);
        assert_eq!(ask(&binding), None);
        binding["status"]["aggregatedStatus"] = json!([item("m1", 3, 2)]);
        assert_eq!(ask(&binding), None);
    }
}
