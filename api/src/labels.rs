//! Label keys and values.

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => { $($(#[$doc])* pub const $name: &str = $value;)* };
}
pub(crate) use keys;

keys! {
    /// Permanent id of a PropagationPolicy, on it and on what it has claimed.
    PROPAGATION_POLICY_PERMANENT_ID = "propagationpolicy.karmada.io/permanent-id";
    /// Permanent id of a ClusterPropagationPolicy, on it and on what it has claimed.
    CLUSTER_PROPAGATION_POLICY_PERMANENT_ID = "clusterpropagationpolicy.karmada.io/permanent-id";
    /// Permanent id of a ResourceBinding, on it and on its Works.
    RESOURCE_BINDING_PERMANENT_ID = "resourcebinding.karmada.io/permanent-id";
    /// Permanent id of a ClusterResourceBinding, on it and on its Works.
    CLUSTER_RESOURCE_BINDING_PERMANENT_ID = "clusterresourcebinding.karmada.io/permanent-id";
    /// Permanent id of a Work, on it and on the object in the member cluster.
    WORK_PERMANENT_ID = "work.karmada.io/permanent-id";
    /// Permanent id of a MultiClusterService.
    MULTI_CLUSTER_SERVICE_PERMANENT_ID = "multiclusterservice.karmada.io/permanent-id";
    /// Who manages a binding that no policy made.
    BINDING_MANAGED_BY = "binding.karmada.io/managed-by";
    /// Prefix of the label that names the binding which an attached binding follows.
    DEPENDED_BY_PREFIX = "resourcebinding.karmada.io/depended-by-";
    /// Namespace of the EndpointSlice that a Work carries.
    ENDPOINT_SLICE_NAMESPACE = "endpointslice.karmada.io/namespace";
    /// Name of the EndpointSlice that a Work carries.
    ENDPOINT_SLICE_NAME = "endpointslice.karmada.io/name";
    /// Who collects the EndpointSlices of a Work.
    ENDPOINT_SLICE_MANAGED_BY = "endpointslice.karmada.io/managed-by";
    /// Namespace of the MultiClusterService that a Work belongs to.
    MULTI_CLUSTER_SERVICE_NAMESPACE = "multiclusterservice.karmada.io/namespace";
    /// Name of the MultiClusterService that a Work belongs to.
    MULTI_CLUSTER_SERVICE_NAME = "multiclusterservice.karmada.io/name";
    /// Namespace of the FederatedResourceQuota that a Work belongs to.
    FEDERATED_RESOURCE_QUOTA_NAMESPACE = "federatedresourcequota.karmada.io/namespace";
    /// Name of the FederatedResourceQuota that a Work belongs to.
    FEDERATED_RESOURCE_QUOTA_NAME = "federatedresourcequota.karmada.io/name";
    /// `true` on every object that Karmada created in a member cluster.
    MANAGED = "karmada.io/managed";
    /// `true` on what belongs to Karmada itself.
    SYSTEM = "karmada.io/system";
    /// `true` on a template whose replicas are left to somebody else.
    RETAIN_REPLICAS = "resourcetemplate.karmada.io/retain-replicas";
    /// The kind that has taken a template over from the policies.
    CLAIMED_BY = "resourcetemplate.karmada.io/claimed-by";
    /// `Always` on a template that must not be deleted.
    DELETION_PROTECTED = "resourcetemplate.karmada.io/deletion-protected";
    /// `true` on a namespace that does not follow into the member clusters by itself.
    NAMESPACE_SKIP_AUTO_PROPAGATION = "namespace.karmada.io/skip-auto-propagation";
    /// On a Karmada instance whose deletion leaves its parts alone.
    DISABLE_CASCADING_DELETION = "operator.karmada.io/disable-cascading-deletion";
    /// On resources that were made when the control plane was installed.
    BOOTSTRAPPING = "karmada.io/bootstrapping";
    /// On the node that holds the data of etcd.
    NODE_ETCD = "karmada.io/etcd";
    /// Kubernetes' label that names who manages an EndpointSlice.
    KUBERNETES_ENDPOINT_SLICE_MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
    /// Kubernetes' label that names the Service of an EndpointSlice.
    KUBERNETES_SERVICE_NAME = "kubernetes.io/service-name";
}

/// The value that means yes.
pub const TRUE: &str = "true";
/// The value of [`DELETION_PROTECTED`] that protects.
pub const DELETION_PROTECTED_ALWAYS: &str = "Always";
/// The value of [`BINDING_MANAGED_BY`] and [`CLAIMED_BY`] for multi-cluster services.
pub const MANAGED_BY_MULTI_CLUSTER_SERVICE: &str = "MultiClusterService";
/// Who manages EndpointSlices that were sent to consuming clusters.
pub const ENDPOINT_SLICE_DISPATCH_CONTROLLER: &str = "endpointslice-dispatch-controller.karmada.io";
/// Who manages EndpointSlices in the control plane.
pub const ENDPOINT_SLICE_CONTROLLER: &str = "endpointslice-controller.karmada.io";
