//! Annotation keys and values.

use crate::labels::keys;

keys! {
    /// Namespace of the PropagationPolicy that has claimed the object.
    PROPAGATION_POLICY_NAMESPACE = "propagationpolicy.karmada.io/namespace";
    /// Name of the PropagationPolicy that has claimed the object.
    PROPAGATION_POLICY_NAME = "propagationpolicy.karmada.io/name";
    /// Name of the ClusterPropagationPolicy that has claimed the object.
    CLUSTER_PROPAGATION_POLICY_NAME = "clusterpropagationpolicy.karmada.io/name";
    /// Namespace of the Work that the object comes from.
    WORK_NAMESPACE = "work.karmada.io/namespace";
    /// Name of the Work that the object comes from.
    WORK_NAME = "work.karmada.io/name";
    /// Namespace of the ResourceBinding that a Work comes from.
    RESOURCE_BINDING_NAMESPACE = "resourcebinding.karmada.io/namespace";
    /// Name of the ResourceBinding that a Work comes from.
    RESOURCE_BINDING_NAME = "resourcebinding.karmada.io/name";
    /// Name of the ClusterResourceBinding that a Work comes from.
    CLUSTER_RESOURCE_BINDING_NAME = "clusterresourcebinding.karmada.io/name";
    /// Generation of the template that a manifest was made from.
    TEMPLATE_GENERATION = "resourcetemplate.karmada.io/generation";
    /// Uid of the template that a manifest was made from.
    TEMPLATE_UID = "resourcetemplate.karmada.io/uid";
    /// Keys of the labels that Karmada set, sorted and joined by commas.
    MANAGED_LABELS = "resourcetemplate.karmada.io/managed-labels";
    /// Keys of the annotations that Karmada set, sorted and joined by commas.
    MANAGED_ANNOTATIONS = "resourcetemplate.karmada.io/managed-annotations";
    /// What to do with an object that exists already: overwrite or abort.
    CONFLICT_RESOLUTION = "work.karmada.io/conflict-resolution";
    /// The placement, as JSON, that the scheduler last applied.
    APPLIED_PLACEMENT = "policy.karmada.io/applied-placement";
    /// The OverridePolicies, as JSON, that changed a manifest.
    APPLIED_OVERRIDES = "policy.karmada.io/applied-overrides";
    /// The ClusterOverridePolicies, as JSON, that changed a manifest.
    APPLIED_CLUSTER_OVERRIDES = "policy.karmada.io/applied-cluster-overrides";
    /// The cluster that an EndpointSlice comes from.
    ENDPOINT_SLICE_PROVISION_CLUSTER = "endpointslice.karmada.io/provision-cluster";
    /// The resources, as JSON, that a binding's template refers to.
    DEPENDENCIES = "resourcebinding.karmada.io/dependencies";
    /// The cluster that a cached object comes from.
    CACHED_FROM_CLUSTER = "resource.karmada.io/cached-from-cluster";
    /// The cluster that metrics come from.
    QUERY_FROM_CLUSTER = "resource.karmada.io/query-from-cluster";
    /// A label selector, inside the metrics adapter.
    INTERNAL_SELECTOR = "internal.karmada.io/selector";
    /// A namespace, inside the metrics adapter.
    INTERNAL_NAMESPACE = "internal.karmada.io/namespace";
    /// Namespace of the MultiClusterService that an object belongs to.
    MULTI_CLUSTER_SERVICE_NAMESPACE = "multiclusterservice.karmada.io/namespace";
    /// Name of the MultiClusterService that an object belongs to.
    MULTI_CLUSTER_SERVICE_NAME = "multiclusterservice.karmada.io/name";
}

/// [`CONFLICT_RESOLUTION`]: take the object over.
pub const CONFLICT_RESOLUTION_OVERWRITE: &str = "overwrite";
/// [`CONFLICT_RESOLUTION`]: leave the object alone.
pub const CONFLICT_RESOLUTION_ABORT: &str = "abort";

/// Whether a label or annotation is one that Karmada itself writes.
///
/// Every key with `.karmada.io` in it counts, except the one with which users keep a namespace at home.
#[must_use]
pub fn is_karmada_key(key: &str) -> bool {
    key.contains(".karmada.io") && key != crate::labels::NAMESPACE_SKIP_AUTO_PROPAGATION
}
