//! Users of the control plane act in members as themselves: the control plane's service account there may impersonate
//! exactly those who may use the proxy.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use karmada_api::cluster::Cluster;
use karmada_api::names;
use serde_json::{Value, json};

use crate::work::system::SystemWork;

/// Whether a cluster takes part: it has a token to impersonate with.
pub fn takes_part(cluster: &Cluster) -> bool {
    cluster.spec.impersonator_secret_ref.is_some() && cluster.metadata.deletion_timestamp.is_none()
}

/// Whether a role is of interest: it lets use the proxy of some cluster.
pub fn is_of_interest(role: &ClusterRole) -> bool {
    rules(role).any(|rule| grants(rule, None))
}

fn rules(role: &ClusterRole) -> impl Iterator<Item = &PolicyRule> {
    role.rules.iter().flatten()
}

fn contains(list: Option<&Vec<String>>, wanted: &str) -> bool {
    list.into_iter().flatten().any(|item| item == wanted || item == "*")
}

/// Whether a rule lets use the proxy of the cluster (of any cluster, if none is named).
fn grants(rule: &PolicyRule, cluster: Option<&str>) -> bool {
    let cluster_proxy = contains(rule.api_groups.as_ref(), karmada_api::cluster::GROUP)
        && contains(rule.resources.as_ref(), "clusters/proxy")
        && cluster.is_none_or(|cluster| {
            let names = rule.resource_names.as_deref().unwrap_or_default();
            names.is_empty() || names.iter().any(|name| name == cluster || name == "*")
        });
    let search_proxy =
        contains(rule.api_groups.as_ref(), "search.karmada.io") && contains(rule.resources.as_ref(), "proxying/proxy");
    cluster_proxy || search_proxy
}

/// Everybody who may use the proxy of a cluster, sorted.
pub fn subjects(cluster: &str, roles: &[ClusterRole], bindings: &[ClusterRoleBinding]) -> Vec<Subject> {
    let granting: BTreeSet<&str> = roles
        .iter()
        .filter(|role| rules(role).any(|rule| grants(rule, Some(cluster))))
        .filter_map(|role| role.metadata.name.as_deref())
        .collect();
    let mut all: Vec<Subject> = bindings
        .iter()
        .filter(|binding| binding.role_ref.kind == "ClusterRole" && granting.contains(binding.role_ref.name.as_str()))
        .flat_map(|binding| binding.subjects.iter().flatten().cloned())
        .collect();
    let key = |subject: &Subject| (subject.kind.clone(), subject.namespace.clone(), subject.name.clone());
    all.sort_by_key(key);
    all.dedup_by_key(|subject| key(subject));
    all
}

/// The role in the member: whom the control plane may impersonate there.
fn role(subjects: &[Subject]) -> Value {
    let names = |kind: &str, of: fn(&Subject) -> String| -> Vec<String> {
        let set: BTreeSet<String> = subjects.iter().filter(|subject| subject.kind == kind).map(of).collect();
        set.into_iter().collect()
    };
    let users = names("User", |subject| subject.name.clone());
    let groups = names("Group", |subject| subject.name.clone());
    let accounts = names("ServiceAccount", |subject| subject.name.clone());
    let rules: Vec<Value> = [("users", users), ("groups", groups), ("serviceaccounts", accounts)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(resource, names)| {
            json!({"verbs": ["impersonate"], "apiGroups": [""], "resources": [resource], "resourceNames": names})
        })
        .collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": names::IMPERSONATOR},
        "rules": rules,
    })
}

fn binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": names::IMPERSONATOR},
        "subjects": [{"kind": "ServiceAccount", "namespace": names::CLUSTER_NAMESPACE, "name": names::IMPERSONATOR}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": names::IMPERSONATOR},
    })
}

/// The Works of impersonation for one cluster: the role and its binding.
pub fn works(cluster: &Cluster, roles: &[ClusterRole], bindings: &[ClusterRoleBinding]) -> [SystemWork; 2] {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let owner = OwnerReference {
        api_version: format!("{}/v1alpha1", karmada_api::cluster::GROUP),
        kind: "Cluster".to_owned(),
        name: name.clone(),
        uid: cluster.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    [role(&subjects(&name, roles, bindings)), binding()].map(|manifest| SystemWork {
        cluster: name.clone(),
        name: names::work_name(manifest["kind"].as_str().unwrap_or_default(), names::IMPERSONATOR, ""),
        manifest,
        owner: Some(owner.clone()),
        ..SystemWork::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_may_use_the_proxy() {
        let role: ClusterRole = serde_json::from_value(json!({
            "metadata": {"name": "proxy-m1"},
            "rules": [{"apiGroups": ["cluster.karmada.io"], "resources": ["clusters/proxy"], "resourceNames": ["m1"], "verbs": ["*"]}],
        }))
        .unwrap();
        let binding: ClusterRoleBinding = serde_json::from_value(json!({
            "metadata": {"name": "b"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "proxy-m1"},
            "subjects": [{"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "namespace": "ns", "name": "sa"}],
        }))
        .unwrap();
        let (roles, bindings) = ([role], [binding]);
        assert_eq!(subjects("m1", &roles, &bindings).len(), 2);
        assert!(subjects("m2", &roles, &bindings).is_empty());
    }
}
