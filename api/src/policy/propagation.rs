//! PropagationPolicy and ClusterPropagationPolicy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::placement::Placement;
use crate::meta::LabelSelector;
use crate::record::{kind, record, string_enum};

kind! {
    /// Says which resources of its namespace are propagated to which clusters, and how.
    pub struct PropagationPolicy: "policy.karmada.io" "v1alpha1" "propagationpolicies" Namespaced {
        /// What is propagated, where and how.
        req spec: PropagationSpec,
    }
}

kind! {
    /// Says which resources, of any namespace or of none, are propagated to which clusters, and how.
    pub struct ClusterPropagationPolicy: "policy.karmada.io" "v1alpha1" "clusterpropagationpolicies" Cluster {
        /// What is propagated, where and how.
        req spec: PropagationSpec,
    }
}

record! {
    /// What is propagated, where and how.
    pub struct PropagationSpec {
        /// The resources that the policy applies to.
        req resource_selectors: Vec<ResourceSelector> = |s| s.min_items(1),
        /// Deprecated in favour of `propagateDeps`.
        opt association: bool,
        /// Whether ConfigMaps, Secrets and other resources that a workload refers to follow it to its clusters.
        opt propagate_deps: bool,
        /// The clusters, and the division of replicas among them.
        always placement: Placement,
        /// Importance among policies that match the same resource; the highest wins.
        opt priority: Option<i32> = |s| s.default_value(0),
        /// Whether this policy may take resources over from policies of lower priority.
        opt preemption: Option<PreemptionBehavior> = |s| s.default_value("Never"),
        /// Names of OverridePolicies that must exist before anything is propagated.
        opt dependent_overrides: Vec<String>,
        /// The scheduler that places the resources.
        opt scheduler_name: String = |s| s.default_value("default-scheduler"),
        /// What happens when the application or its cluster fails.
        opt failover: Option<FailoverBehavior>,
        /// What happens when a member cluster already has an object of the same name that Karmada did not create.
        opt conflict_resolution: Option<ConflictResolution> = |s| s.default_value("Abort"),
        /// When a change of this policy takes effect; Lazy waits for a change of the resource template.
        opt activation_preference: Option<ActivationPreference>,
        /// Holds propagation back.
        opt suspension: Option<Suspension>,
        /// Whether resources stay in the member clusters when their template is deleted.
        opt preserve_resources_on_deletion: Option<bool>,
        /// Where the scheduling priority of the resources comes from.
        opt schedule_priority: Option<SchedulePriority>,
    }
}

record! {
    /// Selects resource templates.
    pub struct ResourceSelector {
        /// Group and version of the resources.
        req api_version: String,
        /// Kind of the resources.
        req kind: String,
        /// Namespace of the resources; empty means the policy's own, or any for a cluster-scoped policy.
        opt namespace: String,
        /// Name of one resource; empty means all.
        opt name: String,
        /// Condition on the labels of the resources; not looked at when a name is given.
        opt label_selector: Option<LabelSelector> = |s| s.atomic_map(),
    }
}

string_enum! {
    /// Whether a policy takes resources over from policies of lower priority.
    pub enum PreemptionBehavior {
        /// It doesn't.
        Never = "Never",
        /// It does.
        Always = "Always",
    }
}

string_enum! {
    /// What to do with an object that already exists in a member cluster.
    pub enum ConflictResolution {
        /// Leave it alone and report the conflict.
        Abort = "Abort",
        /// Take it over.
        Overwrite = "Overwrite",
    }
}

string_enum! {
    /// When a changed policy takes effect.
    pub enum ActivationPreference {
        /// With the next change of the resource template.
        Lazy = "Lazy",
    }
}

string_enum! {
    /// How an application is removed from the cluster that it is moved away from.
    pub enum PurgeMode {
        /// When it is healthy elsewhere, or after a grace period.
        Gracefully = "Gracefully" | "Graciously",
        /// At once, before it is created elsewhere.
        Directly = "Directly" | "Immediately",
        /// Not at all, unless the user asks for it.
        Never = "Never",
    }
}

record! {
    /// What happens when the application or its cluster fails.
    pub struct FailoverBehavior {
        /// What happens when the application is unhealthy in a cluster.
        opt application: Option<ApplicationFailoverBehavior>,
        /// What happens when a cluster fails.
        opt cluster: Option<ClusterFailoverBehavior>,
    }
}

record! {
    /// Moves an unhealthy application away from its cluster.
    pub struct ApplicationFailoverBehavior {
        /// When the application counts as failed.
        req decision_conditions: DecisionConditions,
        /// How the application is removed from its old cluster.
        opt purge_mode: Option<PurgeMode> = |s| s.values(&["Directly", "Gracefully", "Never"]).default_value("Gracefully"),
        /// How long a graceful removal waits for the application to be healthy elsewhere.
        opt grace_period_seconds: Option<i32>,
        /// Which parts of the status are carried to the new cluster as labels.
        opt state_preservation: Option<StatePreservation>,
    }
}

record! {
    /// Moves applications away from a failed cluster.
    pub struct ClusterFailoverBehavior {
        /// How the application is removed from the failed cluster.
        opt purge_mode: Option<PurgeMode> = |s| s.values(&["Directly", "Gracefully"]).default_value("Gracefully"),
        /// Which parts of the status are carried to the new cluster as labels.
        opt state_preservation: Option<StatePreservation>,
    }
}

record! {
    /// When an application counts as failed.
    pub struct DecisionConditions {
        /// How many seconds the application may be unhealthy.
        opt toleration_seconds: Option<i32> = |s| s.default_value(300),
    }
}

record! {
    /// Which parts of the status are carried to the new cluster.
    pub struct StatePreservation {
        /// One label for each part.
        req rules: Vec<StatePreservationRule>,
    }
}

record! {
    /// Carries one part of the status over as a label.
    pub struct StatePreservationRule {
        /// Key of the label that the new cluster's object gets.
        req alias_label_name: String,
        /// JSONPath, as kubectl has it, into the status that the old cluster reported.
        req json_path: String,
    }
}

record! {
    /// Holds propagation back.
    pub struct Suspension {
        /// Holds it back for every cluster; excludes `dispatchingOnClusters`.
        opt dispatching: Option<bool>,
        /// Holds it back for some clusters.
        opt dispatching_on_clusters: Option<SuspendClusters>,
    }
}

record! {
    /// Clusters by name.
    pub struct SuspendClusters {
        /// Names of the clusters.
        opt cluster_names: Vec<String>,
    }
}

string_enum! {
    /// Where a priority class is looked up.
    pub enum PriorityClassSource {
        /// A PriorityClass of scheduling.k8s.io in the control plane.
        KubePriorityClass = "KubePriorityClass",
    }
}

record! {
    /// The scheduling priority of resources.
    pub struct SchedulePriority {
        /// Where the class is looked up.
        req priority_class_source: PriorityClassSource,
        /// Name of the class.
        req priority_class_name: String,
    }
}

/// The default scheduler's name.
pub const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// What PropagationPolicy and ClusterPropagationPolicy have in common, so that one implementation serves both.
pub trait PolicyKind:
    k8s_openapi::Resource
    + k8s_openapi::Metadata<Ty = ObjectMeta>
    + serde::Serialize
    + serde::de::DeserializeOwned
    + Clone
    + std::fmt::Debug
    + Default
    + PartialEq
    + Send
    + Sync
    + 'static
{
    /// Whether the policy lives in a namespace and sees only that namespace.
    const NAMESPACED: bool;
    /// The label with the policy's permanent id, on the policy and on what it has claimed.
    const PERMANENT_ID_LABEL: &'static str;
    /// The annotation with the policy's name on what it has claimed.
    const NAME_ANNOTATION: &'static str;
    /// The annotation with the policy's namespace on what it has claimed; none for the cluster-scoped kind.
    const NAMESPACE_ANNOTATION: Option<&'static str>;
    /// The finalizer that holds the policy until its claims are gone.
    const FINALIZER: &'static str;

    /// The specification.
    fn spec(&self) -> &PropagationSpec;
    /// The specification, to be changed.
    fn spec_mut(&mut self) -> &mut PropagationSpec;

    /// The explicit priority; absent is 0.
    fn priority(&self) -> i32 {
        self.spec().priority.unwrap_or(0)
    }

    /// The permanent id, once admission has given one.
    fn permanent_id(&self) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(Self::PERMANENT_ID_LABEL).map(String::as_str)
    }
}

impl PolicyKind for PropagationPolicy {
    const NAMESPACED: bool = true;
    const PERMANENT_ID_LABEL: &'static str = crate::labels::PROPAGATION_POLICY_PERMANENT_ID;
    const NAME_ANNOTATION: &'static str = crate::annotations::PROPAGATION_POLICY_NAME;
    const NAMESPACE_ANNOTATION: Option<&'static str> = Some(crate::annotations::PROPAGATION_POLICY_NAMESPACE);
    const FINALIZER: &'static str = crate::finalizers::PROPAGATION_POLICY_CONTROLLER;

    fn spec(&self) -> &PropagationSpec {
        &self.spec
    }

    fn spec_mut(&mut self) -> &mut PropagationSpec {
        &mut self.spec
    }
}

impl PolicyKind for ClusterPropagationPolicy {
    const NAMESPACED: bool = false;
    const PERMANENT_ID_LABEL: &'static str = crate::labels::CLUSTER_PROPAGATION_POLICY_PERMANENT_ID;
    const NAME_ANNOTATION: &'static str = crate::annotations::CLUSTER_PROPAGATION_POLICY_NAME;
    const NAMESPACE_ANNOTATION: Option<&'static str> = None;
    const FINALIZER: &'static str = crate::finalizers::CLUSTER_PROPAGATION_POLICY_CONTROLLER;

    fn spec(&self) -> &PropagationSpec {
        &self.spec
    }

    fn spec_mut(&mut self) -> &mut PropagationSpec {
        &mut self.spec
    }
}
