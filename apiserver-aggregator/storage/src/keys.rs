//! How objects are named in the store: as kube-apiserver names them, so that a control plane can move between
//! kube-apiserver and this server on the same etcd.
//!
//! The core group and a few historic groups have no group segment: `/registry/configmaps/default/x`,
//! `/registry/deployments/default/x`. Everything else does: `/registry/work.karmada.io/works/ns/x`. A handful of core
//! resources are stored under another name than they are served under (`services` under `services/specs`,
//! `endpoints` under `services/endpoints`, `nodes` under `minions`).

/// The first segment of every key.
pub const ROOT: &str = "/registry/";

/// Resources whose folder is not simply `[<group>/]<resource>`: (group, resource, folder).
const SPECIAL: &[(&str, &str, &str)] = &[
    ("", "endpoints", "services/endpoints"),
    ("", "nodes", "minions"),
    ("", "replicationcontrollers", "controllers"),
    ("", "services", "services/specs"),
    ("extensions", "ingresses", "ingress"),
    ("networking.k8s.io", "ingresses", "ingress"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "apiextensions.k8s.io/customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices", "apiregistration.k8s.io/apiservices"),
];

/// Built-in groups whose resources kube-apiserver stores without a group segment.
const WITHOUT_GROUP: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// The prefix of all keys of a resource, with a trailing slash.
#[must_use]
pub fn resource_prefix(group: &str, resource: &str) -> String {
    if let Some((_, _, folder)) = SPECIAL.iter().find(|(g, r, _)| *g == group && *r == resource) {
        return format!("{ROOT}{folder}/");
    }
    if WITHOUT_GROUP.contains(&group) { format!("{ROOT}{resource}/") } else { format!("{ROOT}{group}/{resource}/") }
}

/// The prefix of all keys of a resource in one namespace, with a trailing slash.
#[must_use]
pub fn namespace_prefix(resource_prefix: &str, namespace: &str) -> String {
    let mut key = String::with_capacity(resource_prefix.len() + namespace.len() + 1);
    key.push_str(resource_prefix);
    key.push_str(namespace);
    key.push('/');
    key
}

/// The key of one object; `namespace` is `None` (or empty) for cluster-scoped resources.
#[must_use]
pub fn object_key(resource_prefix: &str, namespace: Option<&str>, name: &str) -> String {
    let namespace = namespace.unwrap_or_default();
    let mut key = String::with_capacity(resource_prefix.len() + namespace.len() + name.len() + 1);
    key.push_str(resource_prefix);
    if !namespace.is_empty() {
        key.push_str(namespace);
        key.push('/');
    }
    key.push_str(name);
    key
}

/// The end of the range of keys that start with `prefix` (exclusive); `None` when there is no upper bound.
#[must_use]
pub fn prefix_end(prefix: &str) -> Option<Vec<u8>> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return Some(end);
        }
        end.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kube_apiservers() {
        for (group, resource, namespace, name, expect) in [
            ("", "configmaps", Some("default"), "x", "/registry/configmaps/default/x"),
            ("", "services", Some("default"), "x", "/registry/services/specs/default/x"),
            ("", "endpoints", Some("default"), "x", "/registry/services/endpoints/default/x"),
            ("", "nodes", None, "n", "/registry/minions/n"),
            ("", "namespaces", Some(""), "n", "/registry/namespaces/n"),
            ("apps", "deployments", Some("d"), "x", "/registry/deployments/d/x"),
            ("networking.k8s.io", "ingresses", Some("d"), "x", "/registry/ingress/d/x"),
            (
                "apiextensions.k8s.io",
                "customresourcedefinitions",
                None,
                "x",
                "/registry/apiextensions.k8s.io/customresourcedefinitions/x",
            ),
            ("work.karmada.io", "works", Some("karmada-es-m1"), "w", "/registry/work.karmada.io/works/karmada-es-m1/w"),
        ] {
            assert_eq!(object_key(&resource_prefix(group, resource), namespace, name), expect);
        }
    }

    #[test]
    fn prefix_end_is_the_successor() {
        assert_eq!(prefix_end("/a/").as_deref(), Some(&b"/a0"[..]));
        assert_eq!(prefix_end(""), None);
    }
}
