//! Fields that field selectors may name, per built-in kind.

use serde_json::Value;

use crate::resource::SelectableField;

/// Reads the value at a dotted path as text; empty where absent.
pub(crate) fn at_path(object: &Value, path: &str) -> String {
    let mut value = object;
    for part in path.split('.') {
        match value.get(part) {
            Some(next) => value = next,
            None => return String::new(),
        }
    }
    match value {
        Value::String(s) => s.clone(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        _ => String::new(),
    }
}

fn boolean(object: &Value, path: &str) -> String {
    let text = at_path(object, path);
    if text.is_empty() { "false".to_owned() } else { text }
}

fn count(object: &Value, path: &str) -> String {
    let text = at_path(object, path);
    if text.is_empty() { "0".to_owned() } else { text }
}

fn succeeded(object: &Value, _path: &str) -> String {
    count(object, "status.succeeded")
}

/// The first pod IP.
fn pod_ip(object: &Value, path: &str) -> String {
    let first = object.get("status").and_then(|s| s.get("podIPs")).and_then(|i| i.get(0)).map(|ip| at_path(ip, "ip"));
    first.filter(|ip| !ip.is_empty()).unwrap_or_else(|| at_path(object, path))
}

fn nothing(_object: &Value, _path: &str) -> String {
    String::new()
}

/// The first of two paths that has a value: events exist in two shapes.
fn either(object: &Value, first: &str, second: &str) -> String {
    let text = at_path(object, first);
    if text.is_empty() { at_path(object, second) } else { text }
}

/// `involvedObject.x` of a core event is `regarding.x` of an events.k8s.io one.
fn event_object(object: &Value, path: &str) -> String {
    let field = path.rsplit('.').next().unwrap_or_default();
    either(object, &format!("involvedObject.{field}"), &format!("regarding.{field}"))
}

fn event_controller(object: &Value, _path: &str) -> String {
    either(object, "reportingComponent", "reportingController")
}

fn event_source(object: &Value, _path: &str) -> String {
    let source = either(object, "source.component", "deprecatedSource.component");
    if source.is_empty() { event_controller(object, "") } else { source }
}

type Getter = fn(&Value, &str) -> String;

/// The selectable fields of a built-in resource besides `metadata.name` and `metadata.namespace`.
pub(super) fn fields(group: &str, resource: &str) -> Vec<SelectableField> {
    let table: &[(&str, Getter)] = match (group, resource) {
        ("", "pods") => &[
            ("spec.nodeName", at_path),
            ("spec.restartPolicy", at_path),
            ("spec.schedulerName", at_path),
            ("spec.serviceAccountName", at_path),
            ("spec.hostNetwork", boolean),
            ("status.phase", at_path),
            ("status.podIP", pod_ip),
            ("status.podIPs", nothing),
            ("status.nominatedNodeName", at_path),
        ],
        ("", "nodes") => &[("spec.unschedulable", boolean)],
        ("", "namespaces") => &[("status.phase", at_path)],
        ("", "secrets") => &[("type", at_path)],
        ("", "services") => &[("spec.clusterIP", at_path), ("spec.type", at_path)],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &[("status.replicas", count)],
        ("batch", "jobs") => &[("status.successful", succeeded)],
        ("certificates.k8s.io", "certificatesigningrequests") => &[("spec.signerName", at_path)],
        ("resource.k8s.io", "resourceslices") => &[("spec.nodeName", at_path), ("spec.driver", at_path)],
        ("", "events") => &[
            ("involvedObject.kind", event_object),
            ("involvedObject.namespace", event_object),
            ("involvedObject.name", event_object),
            ("involvedObject.uid", event_object),
            ("involvedObject.apiVersion", event_object),
            ("involvedObject.resourceVersion", event_object),
            ("involvedObject.fieldPath", event_object),
            ("reason", at_path),
            ("reportingComponent", event_controller),
            ("source", event_source),
            ("type", at_path),
        ],
        ("events.k8s.io", "events") => &[
            ("regarding.kind", event_object),
            ("regarding.namespace", event_object),
            ("regarding.name", event_object),
            ("regarding.uid", event_object),
            ("regarding.apiVersion", event_object),
            ("regarding.resourceVersion", event_object),
            ("regarding.fieldPath", event_object),
            ("reason", at_path),
            ("reportingController", event_controller),
            ("type", at_path),
        ],
        _ => &[],
    };
    table.iter().map(|(name, get)| SelectableField { name: (*name).to_owned(), get: *get }).collect()
}
