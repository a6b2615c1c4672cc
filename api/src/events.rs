//! Reasons of events.

use crate::labels::keys;

keys! {
    /// The execution namespace of a cluster was created.
    CREATE_EXECUTION_SPACE_SUCCEED = "CreateExecutionSpaceSucceed";
    /// Failed: the execution namespace of a cluster was created.
    CREATE_EXECUTION_SPACE_FAILED = "CreateExecutionSpaceFailed";
    /// The execution namespace of a cluster was removed.
    REMOVE_EXECUTION_SPACE_SUCCEED = "RemoveExecutionSpaceSucceed";
    /// Failed: the execution namespace of a cluster was removed.
    REMOVE_EXECUTION_SPACE_FAILED = "RemoveExecutionSpaceFailed";
    /// The taints of a cluster were changed.
    TAINT_CLUSTER_SUCCEED = "TaintClusterSucceed";
    /// Failed: the taints of a cluster were changed.
    TAINT_CLUSTER_FAILED = "TaintClusterFailed";
    /// The impersonation rules of a cluster were written.
    SYNC_IMPERSONATION_CONFIG_SUCCEED = "SyncImpersonationConfigSucceed";
    /// Failed: the impersonation rules of a cluster were written.
    SYNC_IMPERSONATION_CONFIG_FAILED = "SyncImpersonationConfigFailed";
    /// The status of an object in a member cluster was reported.
    REFLECT_STATUS_SUCCEED = "ReflectStatusSucceed";
    /// Failed: the status of an object in a member cluster was reported.
    REFLECT_STATUS_FAILED = "ReflectStatusFailed";
    /// The health of an object in a member cluster was read.
    INTERPRET_HEALTH_SUCCEED = "InterpretHealthSucceed";
    /// Failed: the health of an object in a member cluster was read.
    INTERPRET_HEALTH_FAILED = "InterpretHealthFailed";
    /// An object was written to a member cluster.
    SYNC_SUCCEED = "SyncSucceed";
    /// Failed: an object was written to a member cluster.
    SYNC_FAILED = "SyncFailed";
    /// Whether a Work is being dispatched has changed.
    WORK_DISPATCHING = "WorkDispatching";
    /// Works that are no longer wanted could not be removed.
    CLEANUP_WORK_FAILED = "CleanupWorkFailed";
    /// The dependencies of a binding follow its clusters.
    SYNC_SCHEDULE_RESULT_TO_DEPENDENCIES_SUCCEED = "SyncScheduleResultToDependenciesSucceed";
    /// Failed: the dependencies of a binding follow its clusters.
    SYNC_SCHEDULE_RESULT_TO_DEPENDENCIES_FAILED = "SyncScheduleResultToDependenciesFailed";
    /// Bindings that need the same resource disagree about it.
    DEPENDENCY_POLICY_CONFLICT = "DependencyPolicyConflict";
    /// The Works of an object were written.
    SYNC_WORK_SUCCEED = "SyncWorkSucceed";
    /// Failed: the Works of an object were written.
    SYNC_WORK_FAILED = "SyncWorkFailed";
    /// The statuses of all clusters were brought together.
    AGGREGATE_STATUS_SUCCEED = "AggregateStatusSucceed";
    /// Failed: the statuses of all clusters were brought together.
    AGGREGATE_STATUS_FAILED = "AggregateStatusFailed";
    /// A binding was scheduled.
    SCHEDULE_BINDING_SUCCEED = "ScheduleBindingSucceed";
    /// Failed: a binding was scheduled.
    SCHEDULE_BINDING_FAILED = "ScheduleBindingFailed";
    /// Replicas that cannot run were taken from a cluster.
    DESCHEDULE_BINDING_SUCCEED = "DescheduleBindingSucceed";
    /// Failed: replicas that cannot run were taken from a cluster.
    DESCHEDULE_BINDING_FAILED = "DescheduleBindingFailed";
    /// A workload was removed from a cluster.
    EVICT_WORKLOAD_FROM_CLUSTER_SUCCEED = "EvictWorkloadFromClusterSucceed";
    /// Failed: a workload was removed from a cluster.
    EVICT_WORKLOAD_FROM_CLUSTER_FAILED = "EvictWorkloadFromClusterFailed";
    /// The use of a federated quota was summed up.
    COLLECT_OVERALL_STATUS_SUCCEED = "CollectOverallStatusSucceed";
    /// Failed: the use of a federated quota was summed up.
    COLLECT_OVERALL_STATUS_FAILED = "CollectOverallStatusFailed";
    /// A policy was applied to a template.
    APPLY_POLICY_SUCCEED = "ApplyPolicySucceed";
    /// Failed: a policy was applied to a template.
    APPLY_POLICY_FAILED = "ApplyPolicyFailed";
    /// Override policies were applied.
    APPLY_OVERRIDE_POLICY_SUCCEED = "ApplyOverridePolicySucceed";
    /// Failed: override policies were applied.
    APPLY_OVERRIDE_POLICY_FAILED = "ApplyOverridePolicyFailed";
    /// The dependencies of a template were read.
    GET_DEPENDENCIES_SUCCEED = "GetDependenciesSucceed";
    /// Failed: the dependencies of a template were read.
    GET_DEPENDENCIES_FAILED = "GetDependenciesFailed";
    /// The components of a template were read.
    GET_COMPONENTS_SUCCEED = "GetComponentsSucceed";
    /// Failed: the components of a template were read.
    GET_COMPONENTS_FAILED = "GetComponentsFailed";
    /// The replicas of a template were read.
    GET_REPLICAS_SUCCEED = "GetReplicasSucceed";
    /// Failed: the replicas of a template were read.
    GET_REPLICAS_FAILED = "GetReplicasFailed";
    /// A policy took a template over from another one.
    PREEMPT_POLICY_SUCCEED = "PreemptPolicySucceed";
    /// Failed: a policy took a template over from another one.
    PREEMPT_POLICY_FAILED = "PreemptPolicyFailed";
    /// The Service of a ServiceImport was written.
    SYNC_DERIVED_SERVICE_SUCCEED = "SyncDerivedServiceSucceed";
    /// Failed: the Service of a ServiceImport was written.
    SYNC_DERIVED_SERVICE_FAILED = "SyncDerivedServiceFailed";
    /// The Service of a MultiClusterService was sent out.
    SYNC_SERVICE_SUCCEED = "SyncServiceSucceed";
    /// Failed: the Service of a MultiClusterService was sent out.
    SYNC_SERVICE_FAILED = "SyncServiceFailed";
    /// The EndpointSlices of a MultiClusterService were sent out.
    DISPATCH_ENDPOINT_SLICE_SUCCEED = "DispatchEndpointSliceSucceed";
    /// Failed: the EndpointSlices of a MultiClusterService were sent out.
    DISPATCH_ENDPOINT_SLICE_FAILED = "DispatchEndpointSliceFailed";
    /// A cluster that is named does not exist.
    CLUSTER_NOT_FOUND = "ClusterNotFound";
    /// A cluster does not serve an API that is needed.
    API_INCOMPATIBLE = "APIIncompatible";
    /// The scale of the target could not be read.
    FAILED_GET_SCALE = "FailedGetScale";
    /// The reference to the target is not valid.
    FAILED_GET_SCALE_TARGET_REF = "FailedGetScaleTargetRef";
    /// The binding of the target could not be read.
    FAILED_GET_BINDINGS = "FailedGetBindings";
    /// The clusters of the target could not be read.
    FAILED_GET_TARGET_CLUSTERS = "FailedGetTargetClusters";
    /// The scale of the target has no selector.
    SELECTOR_REQUIRED = "SelectorRequired";
    /// The selector of the target is not valid.
    INVALID_SELECTOR = "InvalidSelector";
    /// Several autoscalers select the same pods.
    AMBIGUOUS_SELECTOR = "AmbiguousSelector";
    /// The number of replicas could not be computed.
    FAILED_COMPUTE_METRICS_REPLICAS = "FailedComputeMetricsReplicas";
    /// The target could not be scaled.
    FAILED_RESCALE = "FailedRescale";
    /// The target was scaled.
    SUCCESSFUL_RESCALE = "SuccessfulRescale";
    /// The status of an autoscaler could not be written.
    FAILED_UPDATE_STATUS = "FailedUpdateStatus";
    /// A metric of an object could not be read.
    FAILED_GET_OBJECT_METRIC = "FailedGetObjectMetric";
    /// A metric of pods could not be read.
    FAILED_GET_PODS_METRIC = "FailedGetPodsMetric";
    /// The use of a resource could not be read.
    FAILED_GET_RESOURCE_METRIC = "FailedGetResourceMetric";
    /// The use of a resource by a container could not be read.
    FAILED_GET_CONTAINER_RESOURCE_METRIC = "FailedGetContainerResourceMetric";
    /// An external metric could not be read.
    FAILED_GET_EXTERNAL_METRIC = "FailedGetExternalMetric";
    /// The type of a metric is unknown.
    INVALID_METRIC_SOURCE_TYPE = "InvalidMetricSourceType";
    /// A rule could not be started.
    START_RULE_FAILED = "StartRuleFailed";
    /// A CronFederatedHPA could not be written.
    UPDATE_CRON_FEDERATED_HPA_FAILED = "UpdateCronFederatedHPAFailed";
    /// A rule could not scale its target.
    SCALE_FAILED = "ScaleFailed";
    /// The status of a CronFederatedHPA could not be written.
    UPDATE_STATUS_FAILED = "UpdateStatusFailed";
    /// The condition of a cluster could not be read.
    LOAD_COREDNS_CONDITION_FAILED = "LoadCorednsConditionFailed";
    /// The condition of a cluster could not be written.
    STORE_COREDNS_CONDITION_FAILED = "StoreCorednsConditionFailed";
}
