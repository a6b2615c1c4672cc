//! Cells of built-in kinds.

mod admission;
mod batch;
mod core;
mod network;
mod pods;
mod scaling;
mod storage;
mod workloads;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::duration::age_of;
use crate::{meta, selector::LabelSelector};

pub(super) use pods::completed;

/// Gives the cells of one object, in the order of the kind's columns.
pub(super) type Printer = fn(&Value, Timestamp) -> Vec<Value>;

const NONE: &str = "<none>";
const UNSET: &str = "<unset>";
const UNKNOWN: &str = "<unknown>";

/// The printer of a built-in resource.
pub(super) fn printer(group: &str, resource: &str) -> Option<Printer> {
    Some(match (group, resource) {
        ("", "componentstatuses") => core::component_status,
        ("", "configmaps") => core::config_map,
        ("", "endpoints") => network::endpoints,
        ("" | "events.k8s.io", "events") => core::event,
        ("", "namespaces") => core::namespace,
        ("", "nodes") => core::node,
        ("", "persistentvolumeclaims") => storage::claim,
        ("", "persistentvolumes") => storage::volume,
        ("", "pods") => pods::pod,
        ("", "podtemplates") => workloads::pod_template,
        ("", "replicationcontrollers") => workloads::replication_controller,
        ("", "resourcequotas") => core::resource_quota,
        ("", "secrets") => core::secret,
        ("", "serviceaccounts") => core::name_and_age,
        ("", "services") => network::service,
        ("apiregistration.k8s.io", "apiservices") => admission::api_service,
        ("apps", "controllerrevisions") => workloads::controller_revision,
        ("apps", "daemonsets") => workloads::daemon_set,
        ("apps", "deployments") => workloads::deployment,
        ("apps", "replicasets") => workloads::replica_set,
        ("apps", "statefulsets") => workloads::stateful_set,
        ("autoscaling", "horizontalpodautoscalers") => scaling::autoscaler,
        ("batch", "cronjobs") => batch::cron_job,
        ("batch", "jobs") => batch::job,
        ("certificates.k8s.io", "certificatesigningrequests") => admission::certificate_request,
        ("networking.k8s.io", "ingressclasses") => network::ingress_class,
        ("networking.k8s.io", "ingresses") => network::ingress,
        ("networking.k8s.io", "ipaddresses") => network::ip_address,
        ("networking.k8s.io", "networkpolicies") => network::network_policy,
        ("networking.k8s.io", "servicecidrs") => network::service_cidr,
        ("policy", "poddisruptionbudgets") => scaling::disruption_budget,
        ("rbac.authorization.k8s.io", "clusterrolebindings" | "rolebindings") => admission::role_binding,
        ("storage.k8s.io", "csidrivers") => storage::csi_driver,
        ("storage.k8s.io", "csinodes") => storage::csi_node,
        ("storage.k8s.io", "storageclasses") => storage::storage_class,
        ("storage.k8s.io", "volumeattachments") => storage::volume_attachment,
        ("storage.k8s.io", "volumeattributesclasses") => storage::attributes_class,
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies") => admission::mutating_policy,
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => admission::validating_policy,
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings" | "validatingadmissionpolicybindings") => {
            admission::policy_binding
        }
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            admission::webhooks
        }
        ("scheduling.k8s.io", "priorityclasses") => scaling::priority_class,
        ("coordination.k8s.io", "leases") => core::lease,
        ("node.k8s.io", "runtimeclasses") => core::runtime_class,
        ("discovery.k8s.io", "endpointslices") => network::endpoint_slice,
        ("resource.k8s.io", "deviceclasses" | "resourceclaimtemplates") => core::name_and_age,
        ("resource.k8s.io", "resourceclaims") => scaling::resource_claim,
        ("resource.k8s.io", "resourceslices") => scaling::resource_slice,
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => admission::flow_schema,
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => admission::priority_level,
        _ => return None,
    })
}

/// The value at a path such as `spec.template.spec`; keys with dots cannot be named.
fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(object, |value, step| value.get(step)).filter(|v| !v.is_null())
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// The text, or something else if it is empty.
fn text_or<'v>(object: &'v Value, path: &str, otherwise: &'v str) -> &'v str {
    Some(text(object, path)).filter(|t| !t.is_empty()).unwrap_or(otherwise)
}

fn int(object: &Value, path: &str) -> i64 {
    at(object, path).and_then(Value::as_i64).unwrap_or_default()
}

fn flag(object: &Value, path: &str) -> bool {
    at(object, path).and_then(Value::as_bool).unwrap_or_default()
}

fn list<'v>(object: &'v Value, path: &str) -> &'v [Value] {
    at(object, path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn map<'v>(object: &'v Value, path: &str) -> Option<&'v Map<String, Value>> {
    at(object, path).and_then(Value::as_object)
}

fn size(object: &Value, path: &str) -> usize {
    match at(object, path) {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    }
}

fn name(object: &Value) -> Value {
    meta::name(object).unwrap_or_default().into()
}

fn age(object: &Value, now: Timestamp) -> Value {
    age_at(object, "metadata.creationTimestamp", now).into()
}

fn age_at(object: &Value, path: &str, now: Timestamp) -> String {
    age_of(at(object, path), now)
}

/// A number, a text or a quantity as it is written.
fn shown(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// The texts of a list, joined.
fn joined(object: &Value, path: &str, separator: &str) -> String {
    list(object, path).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(separator)
}

fn or_none(text: String) -> String {
    if text.is_empty() { NONE.to_owned() } else { text }
}

/// Labels as `a=b,c=d`.
fn labels(labels: Option<&Map<String, Value>>) -> String {
    let pairs: Vec<String> =
        labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    or_none(pairs.join(","))
}

/// A LabelSelector object in its query form.
fn selector(object: &Value, path: &str) -> String {
    match LabelSelector::from_object(at(object, path).unwrap_or(&Value::Null)) {
        Ok(selector) => or_none(selector.to_string()),
        Err(_) => "<error>".to_owned(),
    }
}

/// Names and images of a pod spec's containers.
fn containers(object: &Value, path: &str) -> (String, String) {
    let of = |field: &str| list(object, path).iter().map(|c| text(c, field)).collect::<Vec<_>>().join(",");
    (of("name"), of("image"))
}

/// The condition of this type.
fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    list(object, "status.conditions").iter().find(|c| text(c, "type") == kind)
}

fn has_condition(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| text(c, "status") == "True")
}

/// The first few of a list, and how many more there are.
fn first_few(items: &[String], max: usize, separator: &str) -> String {
    let shown = items.get(..max.min(items.len())).unwrap_or_default().join(separator);
    if items.len() > max { format!("{shown} + {} more...", items.len() - max) } else { shown }
}
