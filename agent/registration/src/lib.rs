//! How a cluster becomes a member: identity, credentials, Cluster object.
//!
//! Shared by `karmadactl join`, the agent and `karmada up`. In the member: namespace `karmada-cluster`, the service accounts
//! `karmada-<cluster>` (all rights) and `karmada-impersonator`, and a token Secret for each. In the control plane: the Secrets
//! `<cluster>` and `<cluster>-impersonator`, owned by the Cluster object.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

use std::time::Duration;

use base64::Engine as _;
use karmada_api::cluster::{Cluster, ClusterSpec, LocalSecretReference};
use karmada_api::names;
use karmada_runtime::patcher::PatchKind;
use karmada_runtime::{Patcher, Resource};
use serde_json::{Value, json};

/// A cluster could not be made a member.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the member or the control plane failed.
    #[error(transparent)]
    Request(#[from] karmada_runtime::Error),
    /// The member has no kube-system namespace to take its identity from.
    #[error("the cluster has no kube-system namespace with a uid")]
    NoIdentity,
    /// The member's token controller did not fill the token Secret in time.
    #[error("token of secret {secret} was not issued within {limit:?}")]
    NoToken {
        /// Namespace and name of the Secret.
        secret: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Another Cluster object has the same identity.
    #[error("the cluster is a member already, as {name} (the same ID {id} has been registered)")]
    SameIdentity {
        /// The other Cluster's name.
        name: String,
        /// The identity.
        id: String,
    },
    /// A Cluster of this name is another cluster.
    #[error("a cluster named {name} is a member already, with another ID {id}")]
    NameTaken {
        /// The name.
        name: String,
        /// The identity of the present one.
        id: String,
    },
}

/// What the control plane needs to act in a member.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Bearer token of `karmada-<cluster>`.
    pub token: String,
    /// PEM bundle that signs the member's serving certificate.
    pub ca_bundle: String,
    /// Bearer token of `karmada-impersonator`.
    pub impersonator_token: String,
}

impl std::fmt::Debug for Credentials {
    /// Tokens never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

fn resource(group: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced,
    }
}

fn secrets() -> Resource {
    resource("", "Secret", "secrets", true)
}

fn namespaces() -> Resource {
    resource("", "Namespace", "namespaces", false)
}

async fn ensure(patcher: &Patcher, resource: &Resource, namespace: &str, object: &Value) -> Result<(), Error> {
    match patcher.create(resource, namespace, object).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The identity of a cluster: the uid of its kube-system namespace.
pub async fn identity(member: &Patcher) -> Result<String, Error> {
    let namespace = member.get(&namespaces(), "", "kube-system").await?.ok_or(Error::NoIdentity)?;
    let uid = namespace.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    if uid.is_empty() { Err(Error::NoIdentity) } else { Ok(uid.to_owned()) }
}

/// Makes the accounts in the member (idempotent) and returns their credentials.
pub async fn obtain_credentials(member: &Patcher, cluster: &str) -> Result<Credentials, Error> {
    let space = names::CLUSTER_NAMESPACE;
    let account = names::member_service_account(cluster);
    let role = names::member_role(&account);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}});
    ensure(member, &namespaces(), "", &namespace).await?;
    for name in [account.as_str(), names::IMPERSONATOR] {
        let object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space},
        });
        ensure(member, &resource("", "ServiceAccount", "serviceaccounts", true), space, &object).await?;
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name, "namespace": space,
                "annotations": {"kubernetes.io/service-account.name": name},
            },
            "type": "kubernetes.io/service-account-token",
        });
        ensure(member, &secrets(), space, &secret).await?;
    }
    let group = "rbac.authorization.k8s.io";
    let rules = json!([
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ]);
    let cluster_role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules,
    });
    ensure(member, &resource(group, "ClusterRole", "clusterroles", false), "", &cluster_role).await?;
    let binding = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": space}],
    });
    ensure(member, &resource(group, "ClusterRoleBinding", "clusterrolebindings", false), "", &binding).await?;
    let (token, ca_bundle) = token_of(member, &account).await?;
    let (impersonator_token, _) = token_of(member, names::IMPERSONATOR).await?;
    Ok(Credentials { token, ca_bundle, impersonator_token })
}

const TOKEN_LIMIT: Duration = Duration::from_secs(30);
const TOKEN_POLL: Duration = Duration::from_millis(50);

async fn token_of(member: &Patcher, name: &str) -> Result<(String, String), Error> {
    let limit = tokio::time::Instant::now() + TOKEN_LIMIT;
    loop {
        if let Some(secret) = member.get(&secrets(), names::CLUSTER_NAMESPACE, name).await? {
            let data = |key: &str| {
                let text = secret.get("data")?.get(key)?.as_str()?;
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
                String::from_utf8(bytes).ok().filter(|t| !t.is_empty())
            };
            if let Some(token) = data("token") {
                return Ok((token, data("ca.crt").unwrap_or_default()));
            }
        }
        if tokio::time::Instant::now() > limit {
            let secret = format!("{}/{name}", names::CLUSTER_NAMESPACE);
            return Err(Error::NoToken { secret, limit: TOKEN_LIMIT });
        }
        tokio::time::sleep(TOKEN_POLL).await;
    }
}

/// Which of a member's credentials the control plane gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The token with all rights.
    pub credentials: bool,
    /// The token for impersonation.
    pub impersonator: bool,
}

/// Registers a cluster: its Secrets (if there are credentials to report) and its Cluster object. Registering the same
/// cluster again updates both; another cluster of the same name or identity is refused.
pub async fn register(
    control: &Patcher,
    name: &str,
    mut spec: ClusterSpec,
    credentials: Option<&Credentials>,
    report: Report,
) -> Result<Cluster, Error> {
    let clusters = Resource::of::<Cluster>();
    for other in control.list(&clusters, "", "").await? {
        let text = |pointer: &str| other.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (other_name, other_id) = (text("/metadata/name"), text("/spec/id"));
        if other_name != name && !spec.id.is_empty() && other_id == spec.id {
            return Err(Error::SameIdentity { name: other_name, id: other_id });
        }
        if other_name == name && !other_id.is_empty() && other_id != spec.id {
            return Err(Error::NameTaken { name: other_name, id: other_id });
        }
    }
    let space = names::CLUSTER_NAMESPACE;
    // An agent may read this namespace but not create it; the control plane has it from its start.
    if control.get(&namespaces(), "", space).await?.is_none() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}});
        ensure(control, &namespaces(), "", &namespace).await?;
    }
    let mut written = Vec::new();
    if let Some(credentials) = credentials {
        let reference = |name: &str| Some(LocalSecretReference { namespace: space.to_owned(), name: name.to_owned() });
        if report.credentials {
            let data = json!({"token": credentials.token, "caBundle": credentials.ca_bundle});
            write_secret(control, name, &data).await?;
            spec.secret_ref = reference(name);
            written.push(name.to_owned());
        }
        if report.impersonator {
            let secret = names::impersonation_secret(name);
            write_secret(control, &secret, &json!({"token": credentials.impersonator_token})).await?;
            spec.impersonator_secret_ref = reference(&secret);
            written.push(secret);
        }
    }
    let cluster = write_cluster(control, name, &spec).await?;
    let owner = json!([{
        "apiVersion": clusters.api_version(), "kind": clusters.kind, "name": name,
        "uid": cluster.metadata.uid, "controller": true, "blockOwnerDeletion": true,
    }]);
    for secret in written {
        let patch = json!({"metadata": {"ownerReferences": owner}});
        control.patch(&secrets(), space, &secret, "", PatchKind::Merge, &patch).await?;
    }
    Ok(cluster)
}

async fn write_secret(control: &Patcher, name: &str, data: &Value) -> Result<(), Error> {
    let space = names::CLUSTER_NAMESPACE;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": space}, "stringData": data,
    });
    match control.create(&secrets(), space, &secret).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_already_exists() => {
            // stringData would be written each time; only a difference counts.
            let present = control.get(&secrets(), space, name).await?.unwrap_or_default();
            let encode = |v: &Value| base64::engine::general_purpose::STANDARD.encode(v.as_str().unwrap_or_default());
            let same =
                data.as_object().into_iter().flatten().all(|(k, v)| {
                    present.get("data").and_then(|d| d.get(k)).and_then(Value::as_str) == Some(&encode(v))
                });
            if !same {
                let patch = json!({"stringData": data});
                control.patch(&secrets(), space, name, "", PatchKind::Merge, &patch).await?;
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn write_cluster(control: &Patcher, name: &str, spec: &ClusterSpec) -> Result<Cluster, Error> {
    let codec = |source| karmada_runtime::Error::Codec { what: format!("cluster {name}"), source };
    if let Some(present) = control.get_typed::<Cluster>("", name).await? {
        let mut wanted = present.spec.clone();
        // What others decide about a Cluster stays: taints, resource models.
        wanted.sync_mode = spec.sync_mode;
        wanted.id.clone_from(&spec.id);
        wanted.api_endpoint.clone_from(&spec.api_endpoint);
        wanted.secret_ref = spec.secret_ref.clone().or(wanted.secret_ref);
        wanted.impersonator_secret_ref = spec.impersonator_secret_ref.clone().or(wanted.impersonator_secret_ref);
        wanted.proxy_url.clone_from(&spec.proxy_url);
        for (mine, new) in [(&mut wanted.provider, &spec.provider), (&mut wanted.region, &spec.region)] {
            if !new.is_empty() {
                mine.clone_from(new);
            }
        }
        if !spec.zones.is_empty() {
            wanted.zones.clone_from(&spec.zones);
        }
        if wanted == present.spec {
            return Ok(present);
        }
        let before = serde_json::to_value(&present.spec).map_err(codec)?;
        let after = serde_json::to_value(&wanted).map_err(codec)?;
        let Some(change) = karmada_runtime::patcher::merge_diff(&before, &after) else { return Ok(present) };
        return Ok(control.merge_typed("", name, "", &json!({"spec": change})).await?);
    }
    let mut cluster = Cluster { spec: spec.clone(), ..Cluster::default() };
    cluster.metadata.name = Some(name.to_owned());
    Ok(control.create_typed(&cluster).await?)
}

/// The user that a pull member's agent is.
pub fn agent_user(cluster: &str) -> String {
    format!("system:karmada:agent:{cluster}")
}

/// The group of all agents.
pub const AGENTS_GROUP: &str = "system:karmada:agents";

/// Grants an agent what it needs in the control plane (idempotent): its own Cluster and lease, the Secrets that it reports,
/// and the Works of its own execution namespace.
pub async fn grant_agent(control: &Patcher, cluster: &str) -> Result<(), Error> {
    let group = "rbac.authorization.k8s.io";
    let user = agent_user(cluster);
    let subjects = json!([{"kind": "User", "apiGroup": group, "name": user}]);
    let role_name = format!("system:karmada:{cluster}:agent");
    let rules = json!([
        {"apiGroups": ["cluster.karmada.io"], "resources": ["clusters"], "verbs": ["create", "list", "watch"]},
        {"apiGroups": ["cluster.karmada.io"], "resources": ["clusters", "clusters/status"], "resourceNames": [cluster],
         "verbs": ["get", "update", "patch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [names::CLUSTER_NAMESPACE], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch", "update"]},
        {"apiGroups": ["config.karmada.io"],
         "resources": ["resourceinterpretercustomizations", "resourceinterpreterwebhookconfigurations"],
         "verbs": ["get", "list", "watch"]},
    ]);
    let owned = [cluster.to_owned(), names::impersonation_secret(cluster)];
    let secret_rules = json!([
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": owned, "verbs": ["get", "update", "patch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [cluster],
         "verbs": ["get", "update", "patch"]},
    ]);
    let work_rules = json!([
        {"apiGroups": ["work.karmada.io"], "resources": ["works"], "verbs": ["get", "list", "watch", "update", "patch"]},
        {"apiGroups": ["work.karmada.io"], "resources": ["works/status"], "verbs": ["update", "patch"]},
    ]);
    let lease_rules = json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [names::agent_lease(cluster)],
         "verbs": ["get", "update", "patch"]},
    ]);
    let space = names::execution_space(cluster);
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": space, "labels": {karmada_api::labels::SYSTEM: karmada_api::labels::TRUE}},
    });
    ensure(control, &namespaces(), "", &namespace).await?;
    grant(control, "", &role_name, &rules, &subjects).await?;
    grant(control, names::CLUSTER_NAMESPACE, &format!("{role_name}-secret"), &secret_rules, &subjects).await?;
    grant(control, &space, &format!("{role_name}-work"), &work_rules, &subjects).await?;
    grant(control, names::SYSTEM_NAMESPACE, &format!("{role_name}-lease"), &lease_rules, &subjects).await
}

async fn grant(control: &Patcher, namespace: &str, name: &str, rules: &Value, subjects: &Value) -> Result<(), Error> {
    let group = "rbac.authorization.k8s.io";
    let (kind, plural, binding_plural) = if namespace.is_empty() {
        ("ClusterRole", "clusterroles", "clusterrolebindings")
    } else {
        ("Role", "roles", "rolebindings")
    };
    let namespaced = !namespace.is_empty();
    let mut metadata = json!({"name": name});
    if namespaced {
        metadata["namespace"] = namespace.into();
    }
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "rules": rules});
    ensure(control, &resource(group, kind, plural, namespaced), namespace, &role).await?;
    let binding_kind = format!("{kind}Binding");
    let binding = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": binding_kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": kind, "name": name},
        "subjects": subjects,
    });
    ensure(control, &resource(group, &binding_kind, binding_plural, namespaced), namespace, &binding).await
}
