//! Federated quotas: how much of a namespace's allowance its workloads take, and each member's share.

use std::collections::BTreeMap;

use karmada_api::labels::{FEDERATED_RESOURCE_QUOTA_NAME, FEDERATED_RESOURCE_QUOTA_NAMESPACE};
use karmada_api::meta::ResourceList;
use karmada_api::names;
use karmada_api::policy::{ClusterQuotaStatus, FederatedResourceQuota, FederatedResourceQuotaStatus};
use karmada_api::quantity::{Amount, Quantity};
use karmada_api::work::v1alpha1::Work;
use karmada_api::work::v1alpha2::{ResourceBinding, ResourceBindingSpec};
use serde_json::{Value, json};

use crate::work::plan::cluster_of;
use crate::work::system::SystemWork;

/// What a workload takes of each resource, all clusters together. Components count one set for each cluster.
pub fn usage(spec: &ResourceBindingSpec) -> BTreeMap<String, Amount> {
    let mut sum = BTreeMap::new();
    if !spec.components.is_empty() {
        let clusters = i64::try_from(spec.clusters.len()).unwrap_or(i64::MAX);
        for component in &spec.components {
            if let Some(requirements) = &component.replica_requirements {
                add(&mut sum, &requirements.resource_request, i64::from(component.replicas).saturating_mul(clusters));
            }
        }
        return sum;
    }
    if let Some(requirements) = &spec.replica_requirements {
        let replicas = spec.clusters.iter().map(|target| i64::from(target.replicas)).sum();
        add(&mut sum, &requirements.resource_request, replicas);
    }
    sum
}

fn add(sum: &mut BTreeMap<String, Amount>, list: &ResourceList, times: i64) {
    for (name, quantity) in list {
        let amount = quantity.amount_or_zero();
        let total = sum.entry(name.clone()).or_insert(Amount::default().with_notation(amount.notation()));
        *total += amount.times(times);
    }
}

/// What the namespace's workloads take, of the resources that the quota limits.
pub fn overall_used<'a>(
    overall: &ResourceList,
    bindings: impl IntoIterator<Item = &'a ResourceBinding>,
) -> ResourceList {
    let mut sum: BTreeMap<String, Amount> = BTreeMap::new();
    for binding in bindings {
        for (name, amount) in usage(&binding.spec) {
            if overall.contains_key(&name) {
                let total = sum.entry(name).or_insert(Amount::default().with_notation(amount.notation()));
                *total += amount;
            }
        }
    }
    overall.keys().map(|name| (name.clone(), Quantity::from(sum.get(name).copied().unwrap_or_default()))).collect()
}

/// The first resource of which a usage would take more than the quota allows: its name, the usage and the limit.
pub fn exceeded(overall: &ResourceList, used: &BTreeMap<String, Amount>) -> Option<(String, Amount, Amount)> {
    used.iter().find_map(|(name, amount)| {
        let limit = overall.get(name)?.amount_or_zero();
        (*amount > limit).then(|| (name.clone(), *amount, limit))
    })
}

/// The name of the Works with the members' shares.
pub fn work_name(quota: &FederatedResourceQuota) -> String {
    let metadata = &quota.metadata;
    names::work_name(
        "FederatedResourceQuota",
        metadata.name.as_deref().unwrap_or_default(),
        metadata.namespace.as_deref().unwrap_or_default(),
    )
}

/// The Works with the members' shares, one for each static assignment.
pub fn works(quota: &FederatedResourceQuota) -> Vec<SystemWork> {
    let namespace = quota.metadata.namespace.clone().unwrap_or_default();
    let name = quota.metadata.name.clone().unwrap_or_default();
    quota
        .spec
        .static_assignments
        .iter()
        .map(|assignment| SystemWork {
            cluster: assignment.cluster_name.clone(),
            name: work_name(quota),
            manifest: json!({
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"namespace": namespace, "name": name},
                "spec": {"hard": assignment.hard},
            }),
            labels: BTreeMap::from([
                (FEDERATED_RESOURCE_QUOTA_NAMESPACE.to_owned(), namespace.clone()),
                (FEDERATED_RESOURCE_QUOTA_NAME.to_owned(), name.clone()),
            ]),
            ..SystemWork::default()
        })
        .collect()
}

/// Works of a quota in clusters that it assigns nothing to any more.
pub fn orphans<'a>(quota: &FederatedResourceQuota, works: &'a [Work]) -> Vec<&'a Work> {
    works
        .iter()
        .filter(|work| {
            cluster_of(work).is_some_and(|cluster| {
                !quota.spec.static_assignments.iter().any(|assignment| assignment.cluster_name == cluster)
            })
        })
        .collect()
}

/// The quota's status as its Works say; nothing if it says so already. With enforcement on, the usage of the bindings
/// counts, which is given; otherwise the sum over the members.
pub fn plan_status(
    quota: &FederatedResourceQuota,
    works: &[Work],
    enforced_usage: Option<ResourceList>,
) -> Option<FederatedResourceQuotaStatus> {
    let mut aggregated: Vec<ClusterQuotaStatus> = works
        .iter()
        .filter(|work| work.metadata.deletion_timestamp.is_none())
        .filter_map(|work| {
            let reported = work.status.manifest_statuses.first()?.status.as_ref()?;
            let list = |field: &str| -> ResourceList {
                reported
                    .get(field)
                    .cloned()
                    .and_then(|value: Value| serde_json::from_value(value).ok())
                    .unwrap_or_default()
            };
            Some(ClusterQuotaStatus {
                cluster_name: cluster_of(work)?.to_owned(),
                hard: list("hard"),
                used: list("used"),
            })
        })
        .collect();
    aggregated.sort_by(|left, right| left.cluster_name.cmp(&right.cluster_name));
    let overall_used = enforced_usage.unwrap_or_else(|| {
        let mut sum: BTreeMap<String, Amount> = BTreeMap::new();
        for cluster in &aggregated {
            add(&mut sum, &cluster.used, 1);
        }
        sum.into_iter()
            .filter(|(name, _)| quota.spec.overall.contains_key(name))
            .map(|(name, amount)| (name, Quantity::from(amount)))
            .collect()
    });
    let status = FederatedResourceQuotaStatus {
        overall: quota.spec.overall.clone(),
        overall_used,
        aggregated_status: aggregated,
    };
    (status != quota.status).then_some(status)
}

/// The event's text when a quota's status was written.
pub fn message(quota: &FederatedResourceQuota) -> String {
    let metadata = &quota.metadata;
    let key = crate::object::message_key(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    format!("Collect status of FederatedResourceQuota({key}) succeed.")
}
