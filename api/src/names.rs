//! Names that Karmada derives from other names. They are part of the contract with users and with other Karmada
//! components, which find objects by them.

/// Where Karmada itself runs.
pub const SYSTEM_NAMESPACE: &str = "karmada-system";
/// Where secrets and leases of clusters are, and Karmada's service accounts in a member.
pub const CLUSTER_NAMESPACE: &str = "karmada-cluster";
/// What execution namespaces begin with.
pub const EXECUTION_SPACE_PREFIX: &str = "karmada-es-";
/// Key of the token in a cluster's secret.
pub const SECRET_TOKEN_KEY: &str = "token";
/// Key of the authority in a cluster's secret.
pub const SECRET_CA_KEY: &str = "caBundle";
/// Name of ClusterRole and ClusterRoleBinding that let Karmada act for users in a member.
pub const IMPERSONATOR: &str = "karmada-impersonator";
/// Port of the estimator of a cluster.
pub const ESTIMATOR_PORT: u16 = 10352;
/// What Services of estimators begin with.
pub const ESTIMATOR_PREFIX: &str = "karmada-scheduler-estimator";
/// Key of the kubeconfig in a component's secret.
pub const KUBECONFIG_KEY: &str = "karmada.config";
/// The longest allowed name of a cluster.
pub const CLUSTER_NAME_MAX: usize = 48;

/// The namespace with the Works of a cluster.
#[must_use]
pub fn execution_space(cluster: &str) -> String {
    format!("{EXECUTION_SPACE_PREFIX}{cluster}")
}

/// The cluster of an execution namespace; none if it isn't one.
#[must_use]
pub fn cluster_of_execution_space(namespace: &str) -> Option<&str> {
    namespace.strip_prefix(EXECUTION_SPACE_PREFIX).filter(|name| !name.is_empty())
}

/// Whether a namespace is Karmada's own: nothing in it is ever propagated.
#[must_use]
pub fn is_reserved_namespace(namespace: &str) -> bool {
    namespace == SYSTEM_NAMESPACE || namespace == CLUSTER_NAMESPACE || namespace.starts_with(EXECUTION_SPACE_PREFIX)
}

/// FNV-1a with 32 bits.
#[must_use]
pub fn fnv1a32(bytes: &[u8]) -> u32 {
    // The offset basis and the prime of the algorithm's definition.
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The short hash in names: the decimal FNV-1a-32 of the text, mapped to letters and digits that spell no words.
#[must_use]
pub fn short_hash(text: &str) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    fnv1a32(text.as_bytes()).to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % 27])).collect()
}

/// The name of the binding of a template.
#[must_use]
pub fn binding_name(kind: &str, name: &str) -> String {
    format!("{}-{kind}", name.replace(':', ".")).to_lowercase()
}

/// The name of the Work of a template in an execution namespace; the namespace is empty for cluster-scoped kinds.
#[must_use]
pub fn work_name(kind: &str, name: &str, namespace: &str) -> String {
    // RBAC names may hold colons, which names of Works may not.
    let name = name.replace(':', ".");
    let full = if namespace.is_empty() { format!("{name}-{kind}") } else { format!("{namespace}-{name}-{kind}") };
    format!("{}-{}", name.to_lowercase(), short_hash(&full.to_lowercase()))
}

/// The key of the label with which an attached binding names the binding that it follows.
#[must_use]
pub fn depended_by_label(namespace: &str, name: &str) -> String {
    let key = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    format!("{}{}", crate::labels::DEPENDED_BY_PREFIX, short_hash(&key))
}

/// The name of a policy that the command line makes for a resource.
#[must_use]
pub fn policy_name(namespace: &str, name: &str, gvk: &str) -> String {
    format!("{name}-{}", short_hash(&format!("{namespace}{gvk}"))).to_lowercase()
}

/// The service account in a member that the control plane uses.
#[must_use]
pub fn member_service_account(cluster: &str) -> String {
    format!("karmada-{cluster}")
}

/// ClusterRole and ClusterRoleBinding in a member of that service account.
#[must_use]
pub fn member_role(service_account: &str) -> String {
    format!("karmada-controller-manager:{service_account}")
}

/// The secret with the token that may impersonate users in a cluster.
#[must_use]
pub fn impersonation_secret(cluster: &str) -> String {
    format!("{cluster}-impersonator")
}

/// The Service that stands for an imported Service.
#[must_use]
pub fn derived_service(service: &str) -> String {
    format!("derived-{service}")
}

/// The Service that a derived Service stands for.
#[must_use]
pub fn original_service(derived: &str) -> Option<&str> {
    derived.strip_prefix("derived-")
}

/// The copy in the control plane of a member's EndpointSlice.
#[must_use]
pub fn imported_endpoint_slice(cluster: &str, slice: &str) -> String {
    format!("imported-{cluster}-{slice}")
}

/// The copy in consuming clusters of a provider's EndpointSlice.
#[must_use]
pub fn dispatched_endpoint_slice(provider: &str, slice: &str) -> String {
    format!("{provider}-{slice}")
}

/// The Service of a cluster's estimator.
#[must_use]
pub fn estimator_service(prefix: &str, cluster: &str) -> String {
    format!("{prefix}-{cluster}")
}

/// The secret with the kubeconfig of a component.
#[must_use]
pub fn component_config_secret(component: &str) -> String {
    format!("{component}-config")
}

/// The lease with which an agent holds its cluster.
#[must_use]
pub fn agent_lease(cluster: &str) -> String {
    format!("karmada-agent-{cluster}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_vectors() {
        assert_eq!(short_hash("default-nginx-deployment"), "687f7fb96f");
        assert_eq!(short_hash("test-web-deployment"), "569d9b6446");
        assert_eq!(policy_name("ns-foo", "foo", "rand"), "foo-b4978784");
    }

    #[test]
    fn labels_of_attached_bindings() {
        let expect = "resourcebinding.karmada.io/depended-by-cd78788bd";
        assert_eq!(depended_by_label("v79", "web-deployment"), expect);
    }

    #[test]
    fn works_and_bindings() {
        assert_eq!(work_name("Deployment", "nginx", "default"), "nginx-687f7fb96f");
        assert_eq!(work_name("Deployment", "web", "test"), "web-569d9b6446");
        assert_eq!(binding_name("Deployment", "nginx"), "nginx-deployment");
        assert_eq!(binding_name("ClusterRole", "system:Foo"), "system.foo-clusterrole");
        assert_eq!(work_name("ClusterRole", "vec:role:x", ""), "vec.role.x-bd9795c76");
    }

    #[test]
    fn namespaces() {
        assert_eq!(execution_space("member1"), "karmada-es-member1");
        assert_eq!(cluster_of_execution_space("karmada-es-member1"), Some("member1"));
        assert_eq!(cluster_of_execution_space("karmada-es-"), None);
        assert!(is_reserved_namespace("karmada-es-x") && is_reserved_namespace("karmada-system"));
        assert!(!is_reserved_namespace("default"));
    }
}
