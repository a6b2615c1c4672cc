//! End-to-end tests: whole plane in process, and real kubectl over sockets. Here is what several of them share: manifests
//! and what they look for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure of theirs is a failure of the test")]

pub mod kubectl;

use anyhow::{Context as _, ensure};
use karmada_test_harness::{Plane, at, text};
use serde_json::{Value, json};

/// Kinds, as the harness writes them.
pub mod kinds {
    /// Deployment.
    pub const DEPLOYMENT: &str = "apps/v1/Deployment";
    /// Pod.
    pub const POD: &str = "v1/Pod";
    /// ConfigMap.
    pub const CONFIG_MAP: &str = "v1/ConfigMap";
    /// Secret.
    pub const SECRET: &str = "v1/Secret";
    /// Namespace.
    pub const NAMESPACE: &str = "v1/Namespace";
    /// Cluster.
    pub const CLUSTER: &str = "cluster.karmada.io/v1alpha1/Cluster";
    /// Work.
    pub const WORK: &str = "work.karmada.io/v1alpha1/Work";
    /// ResourceBinding.
    pub const BINDING: &str = "work.karmada.io/v1alpha2/ResourceBinding";
    /// ClusterResourceBinding.
    pub const CLUSTER_BINDING: &str = "work.karmada.io/v1alpha2/ClusterResourceBinding";
    /// PropagationPolicy.
    pub const POLICY: &str = "policy.karmada.io/v1alpha1/PropagationPolicy";
    /// ClusterPropagationPolicy.
    pub const CLUSTER_POLICY: &str = "policy.karmada.io/v1alpha1/ClusterPropagationPolicy";
    /// OverridePolicy.
    pub const OVERRIDE: &str = "policy.karmada.io/v1alpha1/OverridePolicy";
}

/// A file of the repository.
pub fn repository_file(path: &str) -> String {
    let full = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&full).unwrap_or_else(|error| panic!("read {full}: {error}"))
}

/// A Deployment in `default`.
pub fn deployment(name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "nginx:1.29"}]},
            },
        },
    })
}

/// A ConfigMap in `default` with one datum, `key: value`.
pub fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"key": "value"},
    })
}

/// A PropagationPolicy in `default` for the object, with this placement.
pub fn policy(object: &Value, placement: Value) -> Value {
    let name = text(object, "/metadata/name");
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "resourceSelectors": [
                {"apiVersion": object["apiVersion"], "kind": object["kind"], "name": name},
            ],
            "placement": placement,
        },
    })
}

/// A placement on these clusters.
pub fn on(clusters: &[&str]) -> Value {
    json!({"clusterAffinity": {"clusterNames": clusters}})
}

/// A placement that divides replicas by static weights.
pub fn weighted(weights: &[(&str, i64)]) -> Value {
    let names: Vec<&str> = weights.iter().map(|(name, _)| *name).collect();
    let list: Vec<Value> = weights
        .iter()
        .map(|(name, weight)| json!({"targetCluster": {"clusterNames": [name]}, "weight": weight}))
        .collect();
    json!({
        "clusterAffinity": {"clusterNames": names},
        "replicaScheduling": {
            "replicaSchedulingType": "Divided",
            "replicaDivisionPreference": "Weighted",
            "weightPreference": {"staticWeightList": list},
        },
    })
}

/// The replicas that each member's copy of a Deployment asks for, for members that have one.
pub async fn replicas(plane: &Plane, name: &str) -> anyhow::Result<Vec<(String, i64)>> {
    let mut found = Vec::new();
    for member in plane.members() {
        if let Some(copy) = member.api().try_get(kinds::DEPLOYMENT, name).await? {
            found.push((member.name().to_owned(), at(&copy, "/spec/replicas").as_i64().unwrap_or(1)));
        }
    }
    Ok(found)
}

/// Waits until the members' copies of a Deployment ask for exactly these replicas.
pub async fn divided(plane: &Plane, name: &str, expected: &[(&str, i64)]) {
    plane
        .eventually(&format!("{name} is divided as {expected:?}"), async || {
            let found = replicas(plane, name).await?;
            let same = found.iter().map(|(member, count)| (member.as_str(), *count)).eq(expected.iter().copied());
            ensure!(same, "it is {found:?}");
            Ok(())
        })
        .await;
}

/// Waits until the template's status says that all of `replicas` are ready.
pub async fn ready(plane: &Plane, name: &str, replicas: i64) {
    plane
        .eventually(&format!("{name} shows {replicas} ready replicas"), async || {
            let template = plane.control().find(kinds::DEPLOYMENT, name).await?;
            for field in ["replicas", "readyReplicas", "updatedReplicas", "availableReplicas"] {
                let count = at(&template, &format!("/status/{field}")).as_i64();
                ensure!(count == Some(replicas), "{field} is {count:?} in {}", at(&template, "/status"));
            }
            let (seen, generation) =
                (at(&template, "/status/observedGeneration"), at(&template, "/metadata/generation"));
            ensure!(seen == generation, "generation {generation} is not observed, only {seen}");
            Ok(())
        })
        .await;
}

/// Waits until an object is in all of these members.
pub async fn present(plane: &Plane, kind: &str, name: &str, members: &[&str]) {
    plane
        .eventually(&format!("{kind} {name} is in {members:?}"), async || {
            for member in members {
                plane.member(member).find(kind, name).await.with_context(|| format!("in {member}"))?;
            }
            Ok(())
        })
        .await;
}

/// Waits until an object is in none of these members.
pub async fn absent(plane: &Plane, kind: &str, name: &str, members: &[&str]) {
    plane
        .eventually(&format!("{kind} {name} is not in {members:?}"), async || {
            for member in members {
                plane.member(member).gone(kind, name).await.with_context(|| format!("in {member}"))?;
            }
            Ok(())
        })
        .await;
}
