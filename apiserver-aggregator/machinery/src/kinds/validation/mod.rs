//! Validation of built-in kinds: which functions judge which kind.

mod batch;
mod cluster;
mod common;
mod config;
mod container;
mod cron;
mod go_pod;
mod network;
mod pod;
mod pod_change;
mod policy;
mod rbac;
mod scheduling;
mod service;
mod storage;
#[cfg(test)]
mod tests;
mod volumes;
mod workloads;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::crd;
use crate::field::FieldErrors;
use crate::gvk::GroupVersionKind;
use crate::resource::RequestContext;

type Validate = fn(&Value) -> FieldErrors;
type ValidateUpdate = fn(&Value, &Value, &RequestContext<'_>) -> FieldErrors;

/// The validation of a new object and of a change.
pub(super) fn of(gvk: &GroupVersionKind) -> (Validate, ValidateUpdate) {
    let nothing: ValidateUpdate = |_, _, _| Vec::new();
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => (crd::validate, update_definition),
        ("", "Pod") => (pod::validate, pod::validate_change),
        ("", "PodTemplate") => (workloads::pod_template, nothing),
        ("", "ReplicationController") => (workloads::replication_controller, nothing),
        ("apps", "Deployment") => (workloads::deployment, workloads::keep_selector),
        ("apps", "ReplicaSet") => (workloads::replica_set, workloads::keep_selector),
        ("apps", "DaemonSet") => (workloads::daemon_set, workloads::keep_selector),
        ("apps", "StatefulSet") => (workloads::stateful_set, workloads::change_stateful_set),
        ("apps", "ControllerRevision") => (workloads::controller_revision, nothing),
        ("batch", "Job") => (batch::job, batch::change_job),
        ("batch", "CronJob") => (batch::cron_job, nothing),
        ("", "Service") => (service::service, service::change_service),
        ("", "Endpoints") => (service::endpoints, nothing),
        ("discovery.k8s.io", "EndpointSlice") => (service::endpoint_slice, service::change_endpoint_slice),
        ("", "ConfigMap") => (config::config_map, config::change_config_map),
        ("", "Secret") => (config::secret, config::change_secret),
        ("", "PersistentVolumeClaim") => (storage::claim, storage::change_claim),
        ("", "PersistentVolume") => (storage::volume, nothing),
        ("storage.k8s.io", "StorageClass") => (storage::storage_class, storage::change_storage_class),
        ("networking.k8s.io", "Ingress") => (network::ingress, nothing),
        ("networking.k8s.io", "IngressClass") => (network::ingress_class, nothing),
        ("networking.k8s.io", "NetworkPolicy") => (network::network_policy, nothing),
        ("autoscaling", "HorizontalPodAutoscaler") if gvk.version == "v2" => (policy::autoscaler, nothing),
        ("policy", "PodDisruptionBudget") => (policy::disruption_budget, nothing),
        ("rbac.authorization.k8s.io", "Role") => (rbac::role, nothing),
        ("rbac.authorization.k8s.io", "ClusterRole") => (rbac::cluster_role, nothing),
        ("rbac.authorization.k8s.io", "RoleBinding") => (rbac::role_binding, rbac::keep_role),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => (rbac::cluster_role_binding, rbac::keep_role),
        ("", "Namespace") => (cluster::namespace, nothing),
        ("", "Node") => (cluster::node, cluster::change_node),
        ("", "ResourceQuota") => (cluster::resource_quota, cluster::keep_quota_scopes),
        ("", "LimitRange") => (cluster::limit_range, nothing),
        ("scheduling.k8s.io", "PriorityClass") => (cluster::priority_class, cluster::change_priority_class),
        ("coordination.k8s.io", "Lease") => (cluster::lease, nothing),
        ("certificates.k8s.io", "CertificateSigningRequest") => (cluster::signing_request, nothing),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => {
            (cluster::webhooks, nothing)
        }
        ("apiregistration.k8s.io", "APIService") => (cluster::api_service, nothing),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => (cluster::priority_level, nothing),
        _ => (|_| Vec::new(), nothing),
    }
}

/// Warnings about pods, in pods and in what makes them.
pub(super) fn pod_warnings(object: &Value, _old: Option<&Value>) -> Vec<String> {
    for (pointer, path) in [
        ("/spec/jobTemplate/spec/template/spec", "spec.jobTemplate.spec.template.spec"),
        ("/spec/template/spec", "spec.template.spec"),
        ("/template/spec", "template.spec"),
        ("/spec", "spec"),
    ] {
        if let Some(spec) = object.pointer(pointer) {
            return pod::warnings(spec, path);
        }
    }
    Vec::new()
}

/// The change of a definition; the definition as a whole is judged beside it.
fn update_definition(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    if ctx.subresource.is_some() { Vec::new() } else { crd::validate_change(object, old) }
}

/// The warning that every request for Endpoints gets.
pub(super) const ENDPOINTS_DEPRECATED: &str =
    "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

/// External IPs are on their way out.
pub(super) fn service_warnings(object: &Value, _old: Option<&Value>) -> Vec<String> {
    let external = object["spec"]["externalIPs"].as_array().is_some_and(|ips| !ips.is_empty());
    if external {
        vec!["spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned()]
    } else {
        Vec::new()
    }
}

/// A TLS secret without a certificate.
pub(super) fn secret_warnings(object: &Value, _old: Option<&Value>) -> Vec<String> {
    if object["type"] != "kubernetes.io/tls" {
        return Vec::new();
    }
    let certificate =
        object["data"]["tls.crt"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    if String::from_utf8_lossy(&certificate).contains("-----BEGIN ") {
        Vec::new()
    } else {
        vec!["tls: failed to find any PEM data in certificate input".to_owned()]
    }
}
