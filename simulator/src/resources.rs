//! The resources that the simulation reads and writes.

use karmada_runtime::Resource;

fn resource(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced,
    }
}

pub(crate) fn pods() -> Resource {
    resource("", "v1", "Pod", "pods", true)
}
pub(crate) fn nodes() -> Resource {
    resource("", "v1", "Node", "nodes", false)
}
pub(crate) fn services() -> Resource {
    resource("", "v1", "Service", "services", true)
}
pub(crate) fn claims() -> Resource {
    resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true)
}
pub(crate) fn deployments() -> Resource {
    resource("apps", "v1", "Deployment", "deployments", true)
}
pub(crate) fn replica_sets() -> Resource {
    resource("apps", "v1", "ReplicaSet", "replicasets", true)
}
pub(crate) fn stateful_sets() -> Resource {
    resource("apps", "v1", "StatefulSet", "statefulsets", true)
}
pub(crate) fn daemon_sets() -> Resource {
    resource("apps", "v1", "DaemonSet", "daemonsets", true)
}
pub(crate) fn jobs() -> Resource {
    resource("batch", "v1", "Job", "jobs", true)
}
pub(crate) fn endpoint_slices() -> Resource {
    resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true)
}
