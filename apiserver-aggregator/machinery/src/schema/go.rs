//! Names of Go types, as decoding errors show them.

use super::{Node, Type};

/// The Go type of a node.
pub(super) fn go_type(node: Node<'_>) -> String {
    if let Some(definition) = node.definition() {
        let mut parts = definition.rsplit('.');
        let name = parts.next().unwrap_or_default();
        let package = parts.next().unwrap_or_default();
        return format!("{package}.{name}");
    }
    match node.kind() {
        Type::Any => "interface {}".to_owned(),
        Type::Object => {
            format!("map[string]{}", node.additional().map_or_else(|| "interface {}".to_owned(), go_type))
        }
        Type::Array => format!("[]{}", node.items().map_or_else(|| "interface {}".to_owned(), go_type)),
        Type::String if node.format() == Some("byte") => "[]uint8".to_owned(),
        Type::String => "string".to_owned(),
        Type::Integer => node.format().unwrap_or("int64").to_owned(),
        Type::Number => "float64".to_owned(),
        Type::Boolean => "bool".to_owned(),
    }
}

/// Fields whose Go type is a named string, by struct and field.
pub(super) fn named_type(owner: &str, field: &str) -> Option<&'static str> {
    Some(match (owner, field) {
        ("PodSpec", "restartPolicy") => "v1.RestartPolicy",
        ("PodSpec", "dnsPolicy") => "v1.DNSPolicy",
        ("PodSpec", "preemptionPolicy") | ("PriorityClass", "preemptionPolicy") => "v1.PreemptionPolicy",
        ("Container" | "EphemeralContainer", "imagePullPolicy") | ("ImageVolumeSource", "pullPolicy") => {
            "v1.PullPolicy"
        }
        ("Container" | "EphemeralContainer", "terminationMessagePolicy") => "v1.TerminationMessagePolicy",
        ("ContainerPort" | "ServicePort" | "NetworkPolicyPort" | "EndpointPort", "protocol") => "v1.Protocol",
        ("HTTPGetAction", "scheme") => "v1.URIScheme",
        ("HostPathVolumeSource", "type") => "v1.HostPathType",
        ("EmptyDirVolumeSource", "medium") => "v1.StorageMedium",
        ("TopologySpreadConstraint", "whenUnsatisfiable") => "v1.UnsatisfiableConstraintAction",
        ("Toleration", "operator") => "v1.TolerationOperator",
        ("Toleration" | "Taint", "effect") => "v1.TaintEffect",
        ("NodeSelectorRequirement", "operator") => "v1.NodeSelectorOperator",
        ("LabelSelectorRequirement", "operator") => "v1.LabelSelectorOperator",
        ("Secret", "type") => "v1.SecretType",
        ("ServiceSpec", "type") => "v1.ServiceType",
        ("ServiceSpec", "sessionAffinity") => "v1.ServiceAffinity",
        ("ServiceSpec", "externalTrafficPolicy") => "v1.ServiceExternalTrafficPolicy",
        ("ServiceSpec", "internalTrafficPolicy") => "v1.ServiceInternalTrafficPolicy",
        ("ServiceSpec", "ipFamilyPolicy") => "v1.IPFamilyPolicy",
        ("DeploymentStrategy", "type") => "v1.DeploymentStrategyType",
        ("StatefulSetUpdateStrategy", "type") => "v1.StatefulSetUpdateStrategyType",
        ("DaemonSetUpdateStrategy", "type") => "v1.DaemonSetUpdateStrategyType",
        ("StatefulSetSpec", "podManagementPolicy") => "v1.PodManagementPolicyType",
        ("CronJobSpec", "concurrencyPolicy") => "v1.ConcurrencyPolicy",
        ("JobSpec", "completionMode") => "v1.CompletionMode",
        ("JobSpec", "podReplacementPolicy") => "v1.PodReplacementPolicy",
        ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy") | ("StorageClass", "reclaimPolicy") => {
            "v1.PersistentVolumeReclaimPolicy"
        }
        ("PersistentVolumeSpec" | "PersistentVolumeClaimSpec", "volumeMode") => "v1.PersistentVolumeMode",
        ("PersistentVolumeSpec" | "PersistentVolumeClaimSpec", "accessModes") => "[]v1.PersistentVolumeAccessMode",
        ("StorageClass", "volumeBindingMode") => "v1.VolumeBindingMode",
        ("NamespaceStatus", "phase") => "v1.NamespacePhase",
        ("PodStatus", "phase") => "v1.PodPhase",
        ("LimitRangeItem", "type") => "v1.LimitType",
        ("HTTPIngressPath", "pathType") => "v1.PathType",
        ("NetworkPolicySpec", "policyTypes") => "[]v1.PolicyType",
        ("MetricSpec", "type") => "v2.MetricSourceType",
        ("CustomResourceDefinitionSpec", "scope") => "v1.ResourceScope",
        ("ObjectMeta" | "OwnerReference" | "ObjectReference" | "Preconditions", "uid") => "types.UID",
        ("EndpointSlice", "addressType") => "v1.AddressType",
        _ => return None,
    })
}
