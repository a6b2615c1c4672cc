//! The way back: from a member's object to its Work, from Works to the binding, from the binding to the template.

use std::collections::BTreeSet;

use jiff::Timestamp;
use karmada_api::gvk::Gvk;
use karmada_api::work::ResourceHealth;
use karmada_api::work::v1alpha1::{ManifestStatus, ResourceIdentifier, Work};
use karmada_api::work::v1alpha2::{
    AggregatedStatusItem, BindingKind, ObjectReference, ResourceBindingSpec, ResourceBindingStatus,
    condition as binding,
};
use karmada_interpreter::{InterpretError, Interpreter, Operation, StatusItem, kind_of};
use serde_json::Value;

use crate::condition::{self, Wanted};
use crate::work::plan::{cluster_of, expected_clusters};
use crate::{execution, object};

/// What was learnt from a member's object.
#[derive(Clone, Debug, PartialEq)]
pub struct Reflected {
    /// The status to report; nothing if there is none or it could not be read.
    pub status: Option<Value>,
    /// The health to report.
    pub health: ResourceHealth,
    /// Why the status could not be read.
    pub status_error: Option<InterpretError>,
    /// Why the health could not be told.
    pub health_error: Option<InterpretError>,
}

/// Reads a member's object. Kinds without a notion of health are healthy as soon as they are there.
pub fn reflect(observed: &Value, interpreter: &Interpreter) -> Reflected {
    let (status, status_error) = match interpreter.reflect_status(observed) {
        Ok(status) => (status, None),
        Err(error) => (None, Some(error)),
    };
    let (health, health_error) = if interpreter.hook_enabled(&kind_of(observed), Operation::InterpretHealth) {
        match interpreter.interpret_health(observed) {
            Ok(true) => (ResourceHealth::Healthy, None),
            Ok(false) => (ResourceHealth::Unhealthy, None),
            Err(error) => (ResourceHealth::Unknown, Some(error)),
        }
    } else {
        (ResourceHealth::Healthy, None)
    };
    Reflected { status, health, status_error, health_error }
}

/// Which manifest of a Work an object is; nothing if none.
pub fn manifest_index(work: &Work, kind: &Gvk, namespace: &str, name: &str) -> Option<usize> {
    work.spec.workload.manifests.iter().position(|manifest| {
        kind_of(manifest) == *kind && object::namespace(manifest) == namespace && object::name(manifest) == name
    })
}

/// The status of a Work's manifest.
pub fn manifest_status(ordinal: usize, observed: &Value, reflected: &Reflected) -> ManifestStatus {
    let Gvk { group, version, kind } = kind_of(observed);
    ManifestStatus {
        identifier: ResourceIdentifier {
            ordinal: i64::try_from(ordinal).unwrap_or(i64::MAX),
            group,
            version,
            kind,
            // Upstream leaves the resource's name empty.
            resource: String::new(),
            namespace: object::namespace(observed).to_owned(),
            name: object::name(observed).to_owned(),
        },
        status: reflected.status.clone(),
        health: Some(reflected.health),
    }
}

/// The Work's manifest statuses with this one in its place; nothing if that changes nothing.
pub fn with_manifest_status(work: &Work, status: ManifestStatus) -> Option<Vec<ManifestStatus>> {
    let mut all = work.status.manifest_statuses.clone();
    match all.iter_mut().find(|known| known.identifier == status.identifier) {
        Some(known) if *known == status => return None,
        Some(known) => *known = status,
        None => all.push(status),
    }
    // Statuses of manifests that the Work no longer has are dropped.
    all.retain(|status| {
        let identifier = &status.identifier;
        let kind =
            Gvk { group: identifier.group.clone(), version: identifier.version.clone(), kind: identifier.kind.clone() };
        manifest_index(work, &kind, &identifier.namespace, &identifier.name).is_some()
    });
    (all != work.status.manifest_statuses).then_some(all)
}

/// What the members report about a binding's template, sorted by cluster. Works that are being deleted don't count;
/// where the manifest isn't applied, nothing is known but why.
pub fn aggregated_items(works: &[Work], resource: &ObjectReference) -> Vec<AggregatedStatusItem> {
    let kind = Gvk::of(&resource.api_version, &resource.kind);
    let mut items: Vec<AggregatedStatusItem> = works
        .iter()
        .filter(|work| work.metadata.deletion_timestamp.is_none())
        .filter_map(|work| {
            let cluster_name = cluster_of(work)?.to_owned();
            manifest_index(work, &kind, &resource.namespace, &resource.name)?;
            let applied = condition::find(&work.status.conditions, execution::APPLIED);
            if applied.is_none_or(|applied| applied.status != "True") {
                return Some(AggregatedStatusItem {
                    cluster_name,
                    applied_message: applied.map(|applied| applied.message.clone()).unwrap_or_default(),
                    health: Some(ResourceHealth::Unknown),
                    ..AggregatedStatusItem::default()
                });
            }
            let reported = work.status.manifest_statuses.iter().find(|status| {
                let identifier = &status.identifier;
                identifier.group == kind.group
                    && identifier.version == kind.version
                    && identifier.kind == kind.kind
                    && identifier.namespace == resource.namespace
                    && identifier.name == resource.name
            });
            Some(AggregatedStatusItem {
                cluster_name,
                applied: true,
                applied_message: String::new(),
                status: reported.and_then(|reported| reported.status.clone()),
                health: reported.map_or(Some(ResourceHealth::Unknown), |reported| reported.health),
            })
        })
        .collect();
    items.sort_by(|left, right| left.cluster_name.cmp(&right.cluster_name));
    items
}

/// The FullyApplied condition: everything is applied in exactly the clusters where it should be, and there are some.
pub fn fully_applied(spec: &ResourceBindingSpec, items: &[AggregatedStatusItem]) -> Wanted {
    let expected = expected_clusters(spec);
    let reported: BTreeSet<&str> = items.iter().map(|item| item.cluster_name.as_str()).collect();
    let complete = !expected.is_empty()
        && reported.len() == expected.len()
        && expected.iter().all(|cluster| reported.contains(cluster.as_str()))
        && items.iter().all(|item| item.applied);
    if complete {
        Wanted::new(
            binding::FULLY_APPLIED,
            true,
            binding::REASON_FULLY_APPLIED,
            "All works have been successfully applied",
        )
    } else {
        Wanted::new(
            binding::FULLY_APPLIED,
            false,
            binding::REASON_NOT_FULLY_APPLIED,
            "Failed to apply all works, see status.aggregatedStatus for details",
        )
    }
}

/// The binding's status as its Works say; nothing if it says so already, or if no Work has said anything yet.
pub fn plan_binding_status<B: BindingKind>(
    subject: &B,
    works: &[Work],
    now: Timestamp,
) -> Option<ResourceBindingStatus> {
    let items = aggregated_items(works, &subject.spec().resource);
    let mut status = subject.status().clone();
    let is_known = |work: &Work| condition::find(&work.status.conditions, execution::APPLIED).is_some();
    if status.aggregated_status.is_empty()
        && condition::find(&status.conditions, binding::FULLY_APPLIED).is_none()
        && !works.iter().any(is_known)
    {
        return None;
    }
    condition::set(&mut status.conditions, &fully_applied(subject.spec(), &items), now);
    status.aggregated_status = items;
    (status != *subject.status()).then_some(status)
}

/// The items in the interpreter's form.
pub fn interpreter_items(items: &[AggregatedStatusItem]) -> Vec<StatusItem> {
    items
        .iter()
        .map(|item| StatusItem {
            cluster_name: item.cluster_name.clone(),
            status: item.status.clone(),
            applied: item.applied,
            applied_message: item.applied_message.clone(),
            health: item.health.map(|health| health.to_string()).unwrap_or_default(),
        })
        .collect()
}

/// The status of the template that the members' statuses sum up to; nothing if the template says so already, or nobody
/// interprets its kind.
///
/// # Errors
/// The interpreter fails.
pub fn plan_template_status(
    template: &Value,
    items: &[AggregatedStatusItem],
    interpreter: &Interpreter,
    now: Timestamp,
) -> Result<Option<Value>, InterpretError> {
    if !interpreter.hook_enabled(&kind_of(template), Operation::AggregateStatus) {
        return Ok(None);
    }
    let mut aggregated = interpreter.aggregate_status(template, &interpreter_items(items), now)?;
    // The control plane's API server sets the quality of service of pods, and sets it again if it is left out.
    if object::kind(template) == "Pod"
        && let (Some(class), Some(status)) =
            (template.pointer("/status/qosClass"), aggregated.get_mut("status").and_then(Value::as_object_mut))
    {
        status.insert("qosClass".to_owned(), class.clone());
    }
    let status = aggregated.get("status");
    Ok(if status == template.get("status") { None } else { status.cloned() })
}

/// Texts of events about statuses.
pub mod message {
    /// On the Work: the status was read.
    pub fn reflected(kind: &str, namespace: &str, name: &str) -> String {
        format!("Reflect status for object({kind}/{namespace}/{name}) succeed.")
    }

    /// On the Work: the status could not be read.
    pub fn not_reflected(kind: &str, namespace: &str, name: &str, error: &str) -> String {
        format!("Reflect status for object({kind}/{namespace}/{name}) failed, err: {error}")
    }

    /// On the Work: the health was told.
    pub fn health(kind: &str, namespace: &str, name: &str, healthy: bool) -> String {
        let health = if healthy { "healthy" } else { "unhealthy" };
        format!("Interpret health of object({kind}/{namespace}/{name}) as {health}.")
    }

    /// On the Work: the health could not be told.
    pub fn unknown_health(kind: &str, namespace: &str, name: &str, error: &str) -> String {
        format!("Interpret health of object({kind}/{namespace}/{name}) failed, err: {error}")
    }

    /// On the binding: the status was summed up. `kind` is the binding's, `key` its namespace and name.
    pub fn aggregated(kind: &str, key: &str) -> String {
        format!("Update {kind}({key}) with AggregatedStatus successfully.")
    }

    /// On the template: the status was summed up.
    pub const TEMPLATE_AGGREGATED: &str = "Update Resource with AggregatedStatus successfully.";
}
