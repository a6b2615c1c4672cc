//! Validation of federated quotas, and their enforcement on bindings.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Denial, FieldError, decode, format};
use crate::meta::ResourceList;
use crate::policy::FederatedResourceQuota;
use crate::quantity::{Amount, Quantity};
use crate::work::{ComponentReplicaRequirements, ResourceBinding, ResourceBindingSpec};

/// Resources that a quota may limit without a domain.
const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "requests.storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "services.nodeports",
    "services.loadbalancers",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
];

/// Resources that are counted in whole objects.
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "services.nodeports",
    "services.loadbalancers",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
];

fn is_standard(resource: &str) -> bool {
    STANDARD.contains(&resource) || resource.starts_with("hugepages-") || resource.starts_with("requests.hugepages-")
}

fn is_counted(resource: &str) -> bool {
    COUNTED.contains(&resource)
        || (resource.contains('/') && !resource.contains("kubernetes.io/") && !resource.starts_with("requests."))
}

/// Judges a FederatedResourceQuota.
pub(super) fn validate(quota: &FederatedResourceQuota) -> Result<(), Denial> {
    let mut errors = vec![];
    let name = quota.metadata.name.as_deref().unwrap_or_default();
    if name.len() > 63 {
        errors.push(FieldError::invalid("metadata.name", name, "must be no more than 63 characters"));
    }
    let overall = &quota.spec.overall;
    for (resource, quantity) in overall {
        let at = format!("spec.overall[{resource}]");
        resource_name(resource, &at, &mut errors);
        resource_quantity(resource, quantity, &at, &mut errors);
    }
    let mut assigned: BTreeMap<&str, Amount> = BTreeMap::new();
    for (i, assignment) in quota.spec.static_assignments.iter().enumerate() {
        let at = format!("spec.staticAssignments[{i}]");
        cluster_name(&assignment.cluster_name, &format!("{at}.clusterName"), &mut errors);
        for (resource, quantity) in &assignment.hard {
            let at = format!("{at}.hard[{resource}]");
            resource_name(resource, &at, &mut errors);
            resource_quantity(resource, quantity, &at, &mut errors);
            if !overall.contains_key(resource) {
                errors.push(FieldError::invalid(&at, resource, "assignment resourceName is not exist in overall"));
            }
            *assigned.entry(resource).or_default() += quantity.amount_or_zero();
        }
    }
    for (resource, quantity) in overall {
        if quantity.amount_or_zero() < assigned.get(resource.as_str()).copied().unwrap_or_default() {
            let at = format!("spec.overall[{resource}]");
            errors.push(FieldError::invalid(&at, &canonical(quantity), "overall is less than assignments"));
        }
    }
    validate_status(quota, &mut errors);
    Denial::because_of(&errors)
}

fn validate_status(quota: &FederatedResourceQuota, errors: &mut Vec<FieldError>) {
    let status = &quota.status;
    let mut check = |list: &ResourceList, at: &str| {
        for (resource, quantity) in list {
            let at = format!("{at}[{resource}]");
            resource_name(resource, &at, errors);
            resource_quantity(resource, quantity, &at, errors);
        }
    };
    check(&status.overall, "status.overall");
    check(&status.overall_used, "status.overallUsed");
    for (i, item) in status.aggregated_status.iter().enumerate() {
        check(&item.hard, &format!("status.aggregatedStatus[{i}].hard"));
        check(&item.used, &format!("status.aggregatedStatus[{i}].used"));
    }
    for (i, item) in status.aggregated_status.iter().enumerate() {
        cluster_name(&item.cluster_name, &format!("status.aggregatedStatus[{i}].clusterName"), errors);
    }
}

fn cluster_name(name: &str, at: &str, errors: &mut Vec<FieldError>) {
    let messages = format::cluster_name(name);
    if !messages.is_empty() {
        errors.push(FieldError::invalid(at, name, messages.join(",")));
    }
}

fn resource_name(resource: &str, at: &str, errors: &mut Vec<FieldError>) {
    for message in format::qualified_name(resource) {
        errors.push(FieldError::invalid(at, resource, message));
    }
    if !resource.contains('/') && !is_standard(resource) {
        errors.push(FieldError::invalid(at, resource, "must be a standard resource type or fully qualified"));
        errors.push(FieldError::invalid(at, resource, "must be a standard resource for quota"));
    }
}

fn resource_quantity(resource: &str, quantity: &Quantity, at: &str, errors: &mut Vec<FieldError>) {
    let amount = match quantity.amount() {
        Ok(amount) => amount,
        Err(error) => {
            errors.push(FieldError::invalid(at, quantity, error.to_string()));
            return;
        }
    };
    if amount.is_negative() {
        errors.push(FieldError::invalid(at, &canonical(quantity), "must be greater than or equal to 0"));
    }
    if is_counted(resource) && amount.milli_value() % 1000 != 0 {
        errors.push(FieldError::invalid(at, &canonical(quantity), "must be an integer"));
    }
}

fn canonical(quantity: &Quantity) -> String {
    quantity.amount().map_or_else(|_| quantity.0.clone(), |amount| amount.to_string())
}

/// What a quota is charged when a binding is admitted: its new use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Namespace of the quota.
    pub namespace: String,
    /// Name of the quota.
    pub name: String,
    /// Use over all clusters, for the resources that the quota limits.
    pub overall_used: ResourceList,
}

/// What a binding uses in all its clusters.
///
/// Replicas count by what was assigned to each cluster; a workload of several components is a set that runs whole in
/// each of its clusters.
#[must_use]
pub fn usage(spec: &ResourceBindingSpec) -> BTreeMap<String, Amount> {
    let mut used: BTreeMap<String, Amount> = BTreeMap::new();
    let mut add = |request: &ResourceList, times: i64| {
        for (resource, quantity) in request {
            *used.entry(resource.clone()).or_default() += quantity.amount_or_zero().times(times);
        }
    };
    if spec.components.is_empty() {
        let replicas = spec.clusters.iter().map(|c| i64::from(c.replicas)).sum();
        if let Some(requirements) = &spec.replica_requirements {
            add(&requirements.resource_request, replicas);
        }
    } else {
        let sets = i64::try_from(spec.clusters.len()).unwrap_or(i64::MAX);
        for component in &spec.components {
            if let Some(ComponentReplicaRequirements { resource_request, .. }) = &component.replica_requirements {
                add(resource_request, sets.saturating_mul(component.replicas.into()));
            }
        }
    }
    used
}

/// Whether a change of a binding can change what it uses.
fn matters(new: &ResourceBindingSpec, old: &ResourceBindingSpec) -> bool {
    usage(new) != usage(old)
}

/// Judges the creation (`old` is none) or change of a ResourceBinding by all quotas of its namespace, in the order in
/// which they are given, and says what each is charged then.
///
/// A binding may always use less: only a resource of which it asks for more can exceed a quota.
///
/// # Errors
/// Fails when a quota would be exceeded, and when binding or quota can't be read.
pub fn charge(object: &Value, old: Option<&Value>, quotas: &[Value]) -> Result<Vec<Charge>, Denial> {
    let new: ResourceBinding = decode(object)?;
    let old: ResourceBinding = old.map(decode).transpose()?.unwrap_or_default();
    if !matters(&new.spec, &old.spec) {
        return Ok(vec![]);
    }
    let (after, before) = (usage(&new.spec), usage(&old.spec));
    let resources: Vec<&String> = after.keys().chain(before.keys()).collect();
    let mut charges = vec![];
    for quota in quotas {
        let quota: FederatedResourceQuota = decode(quota)?;
        let namespace = quota.metadata.namespace.clone().unwrap_or_default();
        let name = quota.metadata.name.clone().unwrap_or_default();
        let mut overall_used = quota.status.overall_used.clone();
        let mut touched = false;
        for (resource, limit) in quota.spec.overall.iter().filter(|(r, _)| resources.contains(r)) {
            let amount = |uses: &BTreeMap<String, Amount>| uses.get(resource).copied().unwrap_or_default();
            let delta = amount(&after) - amount(&before);
            if delta.is_zero() {
                continue;
            }
            let used = overall_used.get(resource).map(Quantity::amount_or_zero).unwrap_or_default();
            let sum = used + delta;
            if !delta.is_negative() && sum > limit.amount_or_zero() {
                let message = format!(
                    "FederatedResourceQuota({namespace}/{name}) exceeded for resource {resource}: requested sum {sum}, limit {}.",
                    canonical(limit)
                );
                return Err(Denial { code: 403, reason: "QuotaExceeded", message });
            }
            touched = true;
            overall_used.insert(resource.clone(), sum.into());
        }
        if touched {
            charges.push(Charge { namespace, name, overall_used });
        }
    }
    Ok(charges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn charges_what_changes() {
        let binding = |replicas: i32| {
            json!({"metadata": {"name": "w"}, "spec": {
                "replicaRequirements": {"resourceRequest": {"cpu": "500m"}},
                "clusters": [{"name": "m", "replicas": replicas}],
            }})
        };
        let quota = json!({"metadata": {"namespace": "n", "name": "q"}, "spec": {"overall": {"cpu": 4}},
            "status": {"overallUsed": {"cpu": "3"}}});
        let charges = charge(&binding(4), Some(&binding(2)), std::slice::from_ref(&quota)).unwrap();
        assert_eq!(charges[0].overall_used["cpu"].0, "4");
        assert!(charge(&binding(5), Some(&binding(2)), std::slice::from_ref(&quota)).is_err());
        assert_eq!(charge(&binding(2), Some(&binding(2)), std::slice::from_ref(&quota)).unwrap(), []);
    }
}
