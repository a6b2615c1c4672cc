//! `config.karmada.io/v1alpha1`: how Karmada learns to read kinds that it doesn't know.

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::record::{kind, record};
use crate::schema::{S, Schema};
use crate::work::AggregatedStatusItem;

/// The API group.
pub const GROUP: &str = "config.karmada.io";

kind! {
    /// Lua scripts that tell Karmada how to read and change objects of one kind.
    pub struct ResourceInterpreterCustomization: "config.karmada.io" "v1alpha1" "resourceinterpretercustomizations" Cluster {
        /// The kind and its scripts.
        req spec: ResourceInterpreterCustomizationSpec,
    }
}

record! {
    /// A kind and its scripts.
    pub struct ResourceInterpreterCustomizationSpec {
        /// The kind.
        req target: CustomizationTarget,
        /// The scripts.
        req customizations: CustomizationRules,
    }
}

record! {
    /// The kind that scripts are for.
    pub struct CustomizationTarget {
        /// Group and version.
        req api_version: String,
        /// Kind.
        req kind: String,
    }
}

record! {
    /// Scripts by operation; what is absent falls back to Karmada's own knowledge.
    pub struct CustomizationRules {
        /// `Retain(desiredObj, observedObj)`: keeps what the member cluster changed.
        opt retention: Option<Script>,
        /// `GetReplicas(obj)`: number of replicas and what one needs.
        opt replica_resource: Option<Script>,
        /// `GetComponents(obj)`: the parts of a workload with several pod templates.
        opt component_resource: Option<Script>,
        /// `ReviseReplica(obj, desiredReplica)`: sets the number of replicas.
        opt replica_revision: Option<Script>,
        /// `ReflectStatus(observedObj)`: the part of the status to report.
        opt status_reflection: Option<Script>,
        /// `AggregateStatus(desiredObj, statusItems)`: makes one status of those of all clusters.
        opt status_aggregation: Option<Script>,
        /// `InterpretHealth(observedObj)`: whether the object is healthy.
        opt health_interpretation: Option<Script>,
        /// `GetDependencies(desiredObj)`: the resources that it refers to.
        opt dependency_interpretation: Option<Script>,
    }
}

record! {
    /// A script.
    pub struct Script {
        /// Lua source that defines the operation's function.
        req lua_script: String,
    }
}

kind! {
    /// Webhooks that tell Karmada how to read and change objects of certain kinds.
    pub struct ResourceInterpreterWebhookConfiguration: "config.karmada.io" "v1alpha1" "resourceinterpreterwebhookconfigurations" Cluster {
        /// The webhooks.
        req webhooks: Vec<ResourceInterpreterWebhook>,
    }
}

record! {
    /// One webhook.
    pub struct ResourceInterpreterWebhook {
        /// Name of the webhook: a fully qualified domain name, unique within the object.
        req name: String,
        /// Where the webhook is reached.
        req client_config: WebhookClientConfig,
        /// For which operations on which kinds it is called.
        opt rules: Vec<RuleWithOperations>,
        /// How long a call may take: 1 to 30 seconds, 10 if absent.
        opt timeout_seconds: Option<i32>,
        /// Versions of the request that the webhook understands, most wanted first.
        req interpreter_context_versions: Vec<String>,
    }
}

record! {
    /// Where a webhook is reached: by URL or by Service.
    pub struct WebhookClientConfig {
        /// URL of the webhook.
        opt url: Option<String>,
        /// Service of the webhook.
        opt service: Option<ServiceReference>,
        /// Authorities, in PEM, that may have signed the webhook's certificate.
        opt ca_bundle: Option<ByteString>,
    }
}

record! {
    /// Refers to a Service.
    pub struct ServiceReference {
        /// Namespace of the Service.
        req namespace: String,
        /// Name of the Service.
        req name: String,
        /// Path of the request.
        opt path: Option<String>,
        /// Port of the Service, 443 if absent.
        opt port: Option<i32>,
    }
}

record! {
    /// Operations on kinds.
    pub struct RuleWithOperations {
        /// Operations, or `*` for all.
        req operations: Vec<String>,
        /// API groups, or `*` for all.
        req api_groups: Vec<String>,
        /// API versions, or `*` for all.
        req api_versions: Vec<String>,
        /// Kinds, or `*` for all.
        req kinds: Vec<String>,
    }
}

impl Schema for ByteString {
    fn schema() -> S {
        S::of_type("string").format("byte")
    }
}

/// Names of the operations of the resource interpreter.
pub mod operation {
    /// Reads number of replicas and requirements.
    pub const INTERPRET_REPLICA: &str = "InterpretReplica";
    /// Reads the parts of a workload with several pod templates.
    pub const INTERPRET_COMPONENT: &str = "InterpretComponent";
    /// Sets the number of replicas.
    pub const REVISE_REPLICA: &str = "ReviseReplica";
    /// Keeps what the member cluster changed.
    pub const RETAIN: &str = "Retain";
    /// Makes one status of those of all clusters.
    pub const AGGREGATE_STATUS: &str = "AggregateStatus";
    /// Reads health.
    pub const INTERPRET_HEALTH: &str = "InterpretHealth";
    /// Reads the part of the status to report.
    pub const INTERPRET_STATUS: &str = "InterpretStatus";
    /// Reads the resources that an object refers to.
    pub const INTERPRET_DEPENDENCY: &str = "InterpretDependency";
    /// All of them.
    pub const ALL: &str = "*";
}

record! {
    /// What is sent to an interpreter webhook, and what it answers.
    pub struct ResourceInterpreterContext {
        /// `config.karmada.io/v1alpha1`.
        req api_version: String,
        /// `ResourceInterpreterContext`.
        req kind: String,
        /// The question.
        opt request: Option<ResourceInterpreterRequest>,
        /// The answer.
        opt response: Option<ResourceInterpreterResponse>,
    }
}

record! {
    /// The question to an interpreter webhook.
    pub struct ResourceInterpreterRequest {
        /// Identity of the question.
        req uid: String,
        /// Kind of the object.
        req kind: GroupVersionKind,
        /// Name of the object.
        req name: String,
        /// Namespace of the object.
        opt namespace: String,
        /// What is asked.
        req operation: String,
        /// The object.
        opt object: Option<Value>,
        /// The object in the member cluster; for Retain.
        opt observed_object: Option<Value>,
        /// The number of replicas to set; for ReviseReplica.
        opt desired_replicas: Option<i32>,
        /// Status by cluster; for AggregateStatus.
        opt aggregated_status: Vec<AggregatedStatusItem>,
    }
}

record! {
    /// A kind of a group and version.
    pub struct GroupVersionKind {
        /// Group; empty for the core group.
        req group: String,
        /// Version.
        req version: String,
        /// Kind.
        req kind: String,
    }
}

record! {
    /// The answer of an interpreter webhook.
    pub struct ResourceInterpreterResponse {
        /// Identity of the question.
        req uid: String,
        /// Whether the question could be answered.
        req successful: bool,
        /// Why not.
        opt status: Option<RequestStatus>,
        /// JSON patch, in base64, that changes the object.
        opt patch: Option<ByteString>,
        /// `JSONPatch`.
        opt patch_type: Option<String>,
        /// Requirements of a replica.
        opt replica_requirements: Option<crate::work::ReplicaRequirements>,
        /// Number of replicas.
        opt replicas: Option<i32>,
        /// The parts of a workload with several pod templates.
        opt components: Vec<crate::work::Component>,
        /// The resources that the object refers to.
        opt dependencies: Vec<DependentObjectReference>,
        /// The part of the status to report.
        opt raw_status: Option<Value>,
        /// Whether the object is healthy.
        opt healthy: Option<bool>,
    }
}

record! {
    /// Why a question could not be answered.
    pub struct RequestStatus {
        /// For people.
        opt message: String,
        /// An HTTP status code.
        opt code: i32,
    }
}

record! {
    /// Refers to a resource, by name or by labels, that another one needs.
    pub struct DependentObjectReference {
        /// Group and version.
        req api_version: String,
        /// Kind.
        req kind: String,
        /// Namespace; empty for a cluster-scoped resource.
        opt namespace: String,
        /// Name; excludes `labelSelector`.
        opt name: String,
        /// Condition on labels.
        opt label_selector: Option<crate::meta::LabelSelector>,
    }
}
