//! Which part of a member's status is reported to the control plane.

use serde_json::{Map, Value};

use super::{Kind, typed};
use crate::unstructured::{nested_i64, nested_map, nested_str};

/// The annotation in which a member's object carries the generation of the template it was made from.
pub(super) const TEMPLATE_GENERATION: &str = "resourcetemplate.karmada.io/generation";

/// The status to report for an object; the whole status for kinds that are not treated in particular.
pub(super) fn reflect(kind: Option<Kind>, object: &Value) -> Result<Option<Value>, String> {
    if kind == Some(Kind::Service) && nested_str(object, &["spec", "type"]) != Ok(Some("LoadBalancer")) {
        return Ok(None);
    }
    let Some(status) = nested_map(object, &["status"])? else {
        return Ok(None);
    };
    let picked = match kind {
        Some(Kind::Deployment) => workload(
            object,
            status,
            "DeploymentStatus",
            &[
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
            ],
        )?,
        Some(Kind::ReplicaSet) => workload(
            object,
            status,
            "ReplicaSetStatus",
            &["observedGeneration", "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
        )?,
        // Upstream leaves out the observed generation here, and with it what observers of the template wait for.
        Some(Kind::StatefulSet) => workload(
            object,
            status,
            "StatefulSetStatus",
            &["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
        )?,
        Some(Kind::DaemonSet) => workload(
            object,
            status,
            "DaemonSetStatus",
            &[
                "observedGeneration",
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
            ],
        )?,
        Some(Kind::Service) => pick(status, "ServiceStatus", "ServiceStatus", &["loadBalancer"])?,
        Some(Kind::Job) => pick(
            status,
            "JobStatus",
            "JobStatus",
            &["active", "succeeded", "failed", "conditions", "startTime", "completionTime"],
        )?,
        Some(Kind::PodDisruptionBudget) => pick(
            status,
            "PodDisruptionBudgetStatus",
            "PodDisruptionBudget",
            &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods", "disruptedPods"],
        )?,
        Some(Kind::HorizontalPodAutoscaler) => {
            let mut picked = pick(
                status,
                "HorizontalPodAutoscalerStatus",
                "HorizontalPodAutoscaler",
                &["currentReplicas", "desiredReplicas"],
            )?;
            picked.insert("currentMetrics".to_owned(), Value::Null);
            picked
        }
        _ => status.clone(),
    };
    Ok(Some(Value::Object(picked)))
}

/// These fields of the status in their canonical form.
fn pick(
    status: &Map<String, Value>,
    type_name: &'static str,
    called: &str,
    fields: &[&str],
) -> Result<Map<String, Value>, String> {
    let canonical = typed::canonical(type_name, &Value::Object(status.clone()))
        .map_err(|error| format!("failed to convert {called} from map[string]interface{{}}: {error}"))?;
    Ok(fields.iter().filter_map(|field| Some(((*field).to_owned(), canonical.get(field)?.clone()))).collect())
}

/// The fields of a replicated workload's status, with the generations that tell whether it is up to date: its own, and
/// that of the template it was made from.
fn workload(
    object: &Value,
    status: &Map<String, Value>,
    type_name: &'static str,
    fields: &[&str],
) -> Result<Map<String, Value>, String> {
    let mut picked = pick(status, type_name, type_name, fields)?;
    let annotation =
        nested_str(object, &["metadata", "annotations", TEMPLATE_GENERATION]).ok().flatten().unwrap_or_default();
    let template_generation = parse_generation(annotation)?;
    let generation = nested_i64(object, &["metadata", "generation"]).ok().flatten().unwrap_or(0);
    for (field, value) in [("generation", generation), ("resourceTemplateGeneration", template_generation)] {
        if value != 0 {
            picked.insert(field.to_owned(), Value::from(value));
        }
    }
    Ok(picked)
}

fn parse_generation(text: &str) -> Result<i64, String> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        let problem = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.ParseInt: parsing \"{text}\": {problem}")
    })
}
