//! Finalizers.

use crate::labels::keys;

keys! {
    /// On a Cluster.
    CLUSTER_CONTROLLER = "karmada.io/cluster-controller";
    /// On a Work.
    EXECUTION_CONTROLLER = "karmada.io/execution-controller";
    /// On a ResourceBinding.
    BINDING_CONTROLLER = "karmada.io/binding-controller";
    /// On a ClusterResourceBinding.
    CLUSTER_RESOURCE_BINDING_CONTROLLER = "karmada.io/cluster-resource-binding-controller";
    /// On a PropagationPolicy.
    PROPAGATION_POLICY_CONTROLLER = "karmada.io/propagation-policy-controller";
    /// On a ClusterPropagationPolicy.
    CLUSTER_PROPAGATION_POLICY_CONTROLLER = "karmada.io/cluster-propagation-policy-controller";
    /// On a ResourceBinding whose dependencies follow it.
    BINDING_DEPENDENCIES_DISTRIBUTOR = "karmada.io/binding-dependencies-distributor";
    /// On a Work whose EndpointSlices are collected.
    ENDPOINT_SLICE_CONTROLLER = "karmada.io/endpointslice-controller";
    /// On a Work whose EndpointSlices are collected for a MultiClusterService.
    MCS_ENDPOINT_SLICE_COLLECT_CONTROLLER = "karmada.io/mcs-endpointslice-collect-controller";
    /// On a Work whose EndpointSlices are dispatched for a MultiClusterService.
    MCS_ENDPOINT_SLICE_DISPATCH_CONTROLLER = "karmada.io/mcs-endpointslice-dispatch-controller";
    /// On a MultiClusterService.
    MULTI_CLUSTER_SERVICE_CONTROLLER = "karmada.io/multiclusterservice-controller";
    /// On a Karmada instance.
    OPERATOR = "operator.karmada.io/finalizer";
}
