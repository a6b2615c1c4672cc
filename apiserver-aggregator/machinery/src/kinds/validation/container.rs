//! Containers of pods: ports, environment, mounts, probes, handlers and resources.

use serde_json::Value;

use super::common::*;
use super::pod::{identity, seccomp};
use super::volumes::{Names, not_up};
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;
use crate::selector::qualified_name_errors;

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
/// Fields that Kubernetes knows in references, and of these the ones that the environment can have.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const OTHER_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.hostNetwork",
    "status.phase",
    "status.nominatedNodeName",
    "spec.host",
];
const RESOURCE_FIELDS: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// All containers of a pod.
pub(super) fn containers(e: &mut FieldErrors, spec: &Value, path: &str, volumes: &Names<'_>) {
    let mut seen: Vec<&str> = Vec::new();
    if list(spec, "containers").is_empty() {
        e.push(FieldError::required(at(path, "containers"), ""));
    }
    let mut host_ports: Vec<String> = Vec::new();
    for (item, container) in each(spec, "containers", path) {
        common(e, spec, container, &item, volumes);
        unique(e, container, &item, &mut seen);
        lifecycle(e, container, &item);
        probes(e, container, &item);
        host_port_conflicts(e, container, &item, &mut host_ports);
    }
    for (item, container) in each(spec, "initContainers", path) {
        common(e, spec, container, &item, volumes);
        let sidecar = text(container, "restartPolicy") == "Always";
        if sidecar {
            lifecycle(e, container, &item);
            probes(e, container, &item);
        } else {
            for key in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if given(container, key).is_some() {
                    let wrong = "may not be set for init containers without restartPolicy=Always";
                    e.push(FieldError::forbidden(at(&item, key), wrong));
                }
            }
        }
        unique(e, container, &item, &mut seen);
        host_port_conflicts(e, container, &item, &mut Vec::new());
    }
    for (item, container) in each(spec, "ephemeralContainers", path) {
        common(e, spec, container, &item, volumes);
        unique(e, container, &item, &mut seen);
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !seen.contains(&target) {
            e.push(FieldError::not_found(at(&item, "targetContainerName"), target));
        }
        for key in ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources"] {
            let set = given(container, key).is_some_and(|v| {
                v.as_object().is_none_or(|m| !m.is_empty()) && v.as_array().is_none_or(|l| !l.is_empty())
            });
            if set {
                let wrong = "cannot be set for an Ephemeral Container";
                e.push(FieldError::forbidden(at(&item, key), wrong));
            }
        }
    }
}

fn unique<'a>(e: &mut FieldErrors, container: &'a Value, path: &str, seen: &mut Vec<&'a str>) {
    let name = text(container, "name");
    if name.is_empty() {
        return;
    }
    if seen.contains(&name) {
        e.push(FieldError::duplicate(at(path, "name"), name));
    } else {
        seen.push(name);
    }
}

fn common(e: &mut FieldErrors, spec: &Value, container: &Value, path: &str, volumes: &Names<'_>) {
    let name = text(container, "name");
    if required(e, container, "name", path) {
        check(e, at(path, "name"), name, names::dns_label(name));
    }
    let image = text(container, "image");
    if image.is_empty() {
        e.push(FieldError::required(at(path, "image"), ""));
    } else if image.trim() != image {
        e.push(FieldError::invalid(at(path, "image"), image, "must not have leading or trailing whitespace"));
    }
    if given(container, "terminationMessagePolicy").is_some() {
        let policies = ["File", "FallbackToLogsOnError"];
        one_of(e, container, "terminationMessagePolicy", path, &policies, true);
    }
    ports(e, spec, container, path);
    environment(e, container, path);
    mounts(e, container, path, volumes);
    one_of(e, container, "imagePullPolicy", path, &["Always", "IfNotPresent", "Never"], true);
    if let Some(resources) = given(container, "resources") {
        self::resources(e, resources, &at(path, "resources"));
    }
    for (item, policy) in each(container, "resizePolicy", path) {
        required_one_of(e, policy, "resourceName", &item, &["cpu", "memory"]);
        required_one_of(e, policy, "restartPolicy", &item, &["NotRequired", "RestartContainer"]);
    }
    security_context(e, container, path);
}

fn ports(e: &mut FieldErrors, spec: &Value, container: &Value, path: &str) {
    let mut seen: Vec<&str> = Vec::new();
    let host_network = flag(spec, "hostNetwork");
    for (item, port) in each(container, "ports", path) {
        let name = text(port, "name");
        if !name.is_empty() {
            let wrong = port_name_errors(name);
            let bad = !wrong.is_empty();
            for wrong in wrong {
                e.push(FieldError::invalid(at(&item, "name"), name, wrong));
            }
            if !bad && seen.contains(&name) {
                e.push(FieldError::duplicate(at(&item, "name"), name));
            }
            seen.push(name);
        }
        match int(port, "containerPort").unwrap_or_default() {
            0 => e.push(FieldError::required(at(&item, "containerPort"), "")),
            number => port_number(e, number, at(&item, "containerPort")),
        }
        let host = int(port, "hostPort").unwrap_or_default();
        if host != 0 {
            port_number(e, host, at(&item, "hostPort"));
        }
        required_one_of(e, port, "protocol", &item, PROTOCOLS);
        if !text(port, "hostIP").is_empty() {
            ip(e, text(port, "hostIP"), at(&item, "hostIP"));
        }
        if host_network && host != int(port, "containerPort").unwrap_or_default() {
            let wrong = "must match `containerPort` when `hostNetwork` is true";
            e.push(FieldError::invalid(at(&item, "hostPort"), host, wrong));
        }
    }
}

fn host_port_conflicts(e: &mut FieldErrors, container: &Value, path: &str, seen: &mut Vec<String>) {
    for (item, port) in each(container, "ports", path) {
        let Some(number) = int(port, "hostPort").filter(|n| *n != 0) else { continue };
        let key = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
        if seen.contains(&key) {
            e.push(FieldError::duplicate(at(&item, "hostPort"), key));
        } else {
            seen.push(key);
        }
    }
}

fn env_name(e: &mut FieldErrors, name: &str, path: &str) {
    if name.is_empty() || !name.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'=') {
        e.push(FieldError::invalid(path, name, ENV_NAME));
    }
}

fn environment(e: &mut FieldErrors, container: &Value, path: &str) {
    for (item, env) in each(container, "env", path) {
        if required(e, env, "name", &item) {
            env_name(e, text(env, "name"), &at(&item, "name"));
        }
        if let Some(source) = given(env, "valueFrom") {
            value_from(e, env, source, &at(&item, "valueFrom"));
        }
    }
    for (item, source) in each(container, "envFrom", path) {
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            env_name(e, prefix, &at(&item, "prefix"));
        }
        let mut count = 0;
        for key in ["configMapRef", "secretRef"] {
            if let Some(reference) = given(source, key) {
                count += 1;
                required(e, reference, "name", &at(&item, key));
            }
        }
        let wrong = match count {
            0 => "must specify one of: `configMapRef` or `secretRef`",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        e.push(FieldError::invalid(item, "", wrong));
    }
}

fn value_from(e: &mut FieldErrors, env: &Value, source: &Value, path: &str) {
    let mut count = 0;
    if let Some(reference) = given(source, "fieldRef") {
        count += 1;
        field_ref(e, reference, &at(path, "fieldRef"), false);
    }
    if let Some(reference) = given(source, "resourceFieldRef") {
        count += 1;
        resource_field_ref(e, reference, &at(path, "resourceFieldRef"));
    }
    for key in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(reference) = given(source, key) {
            count += 1;
            let path = at(path, key);
            required(e, reference, "name", &path);
            if required(e, reference, "key", &path) {
                let name = text(reference, "key");
                for wrong in config_key_errors(name) {
                    e.push(FieldError::invalid(at(&path, "key"), name, wrong));
                }
            }
        }
    }
    if given(source, "fileKeyRef").is_some() {
        count += 1;
    }
    if count == 0 {
        let wrong =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        e.push(FieldError::invalid(path, "", wrong));
    } else if !text(env, "value").is_empty() {
        e.push(FieldError::invalid(path, "", "may not be specified when `value` is not empty"));
    } else if count > 1 {
        e.push(FieldError::invalid(path, "", "may not have more than one field specified at a time"));
    }
}

/// A reference to a field of the pod, from the environment or from a volume.
pub(super) fn field_ref(e: &mut FieldErrors, reference: &Value, path: &str, volume: bool) {
    if !required(e, reference, "apiVersion", path) || !required(e, reference, "fieldPath", path) {
        return;
    }
    let field = text(reference, "fieldPath");
    let here = at(path, "fieldPath");
    if let Some((base, key)) = field.strip_suffix(']').and_then(|f| f.split_once("['")) {
        let key = key.trim_end_matches('\'');
        match base {
            "metadata.annotations" => qualified(e, &key.to_lowercase(), &here),
            "metadata.labels" => qualified(e, key, &here),
            _ => e.push(FieldError::invalid(here, field, "does not support subscript")),
        }
        return;
    }
    if !FIELDS.contains(&field) && !OTHER_FIELDS.contains(&field) {
        let wrong = format!("error converting fieldPath: field label not supported: {field}");
        e.push(FieldError::invalid(here, field, wrong));
        return;
    }
    let supported: &[&str] = if volume {
        &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"]
    } else {
        FIELDS
    };
    if !supported.contains(&field) {
        e.push(FieldError::not_supported(here, field, supported));
    }
}

pub(super) fn resource_field_ref(e: &mut FieldErrors, reference: &Value, path: &str) {
    if required(e, reference, "resource", path) {
        let resource = text(reference, "resource");
        let huge = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
        if !huge {
            one_of(e, reference, "resource", path, RESOURCE_FIELDS, false);
        }
    }
}

fn mounts(e: &mut FieldErrors, container: &Value, path: &str, volumes: &Names<'_>) {
    let devices: Vec<&str> = list(container, "volumeDevices").iter().map(|d| text(d, "name")).collect();
    let mut seen: Vec<&str> = Vec::new();
    for (item, mount) in each(container, "volumeMounts", path) {
        let (name, target) = (text(mount, "name"), text(mount, "mountPath"));
        required(e, mount, "name", &item);
        if !volumes.has(name) {
            e.push(FieldError::not_found(at(&item, "name"), name));
        }
        required(e, mount, "mountPath", &item);
        if seen.contains(&target) {
            e.push(FieldError::invalid(at(&item, "mountPath"), target, "must be unique"));
        }
        seen.push(target);
        if devices.contains(&name) {
            e.push(FieldError::invalid(at(&item, "name"), name, "must not already exist in volumeDevices"));
        }
        for key in ["subPath", "subPathExpr"] {
            let sub = text(mount, key);
            if sub.starts_with('/') {
                e.push(FieldError::invalid(at(&item, key), sub, "must be a relative path"));
            } else if !sub.is_empty() {
                not_up(e, sub, &at(&item, key));
            }
        }
        if !text(mount, "subPath").is_empty() && !text(mount, "subPathExpr").is_empty() {
            let wrong = "subPathExpr and subPath are mutually exclusive";
            e.push(FieldError::invalid(at(&item, "subPathExpr"), text(mount, "subPathExpr"), wrong));
        }
        let modes = ["Bidirectional", "HostToContainer", "None"];
        one_of(e, mount, "mountPropagation", &item, &modes, true);
    }
    let mut device_paths: Vec<&str> = Vec::new();
    for (item, device) in each(container, "volumeDevices", path) {
        let (name, target) = (text(device, "name"), text(device, "devicePath"));
        if required(e, device, "name", &item) && !volumes.has(name) {
            e.push(FieldError::not_found(at(&item, "name"), name));
        }
        required(e, device, "devicePath", &item);
        if device_paths.contains(&target) {
            e.push(FieldError::invalid(at(&item, "devicePath"), target, "must be unique"));
        }
        device_paths.push(target);
    }
}

/// Whether more of a resource may be promised than there is.
fn overcommits(name: &str) -> bool {
    let native = !name.contains('/') || name.split('/').next().is_some_and(|p| p.ends_with("kubernetes.io"));
    native && !name.starts_with("hugepages-")
}

fn resource_name(e: &mut FieldErrors, name: &str, path: &str) {
    let wrong = qualified_name_errors(name);
    let bad = !wrong.is_empty();
    for wrong in wrong {
        e.push(FieldError::invalid(path, name, wrong));
    }
    if bad {
        return;
    }
    if !name.contains('/') {
        let standard = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if !standard {
            e.push(FieldError::invalid(path, name, "must be a standard resource for containers"));
        }
    } else if name.split('/').next().is_some_and(|p| p.ends_with("kubernetes.io")) && name.starts_with("requests.") {
        e.push(FieldError::invalid(path, name, "doesn't follow extended resource name standard"));
    }
}

/// Requests and limits.
pub(super) fn resources(e: &mut FieldErrors, resources: &Value, path: &str) {
    let one = |e: &mut FieldErrors, name: &String, value: &Value, place: &str| {
        resource_name(e, name, place);
        non_negative_quantity(e, value, place);
        if !overcommits(name) && !name.starts_with("hugepages-") {
            whole_quantity(e, value, place);
        }
    };
    for (name, limit) in pairs(resources, "limits") {
        one(e, name, limit, &format!("{path}.limits[{name}]"));
    }
    for (name, request) in pairs(resources, "requests") {
        one(e, name, request, &format!("{path}.requests[{name}]"));
        match resources.get("limits").and_then(|l| given(l, name)) {
            Some(limit) => {
                let (wanted, most) = (amount(request), amount(limit));
                let wrong = if wanted != most && !overcommits(name) {
                    format!("must be equal to {name} limit of {}", shown(limit))
                } else if wanted > most {
                    format!("must be less than or equal to {name} limit of {}", shown(limit))
                } else {
                    continue;
                };
                e.push(FieldError::invalid(at(path, "requests"), shown(request), wrong));
            }
            None if !overcommits(name) => {
                let wrong = "Limit must be set for non overcommitable resources";
                e.push(FieldError::required(at(path, "limits"), wrong));
            }
            None => {}
        }
    }
}

fn security_context(e: &mut FieldErrors, container: &Value, path: &str) {
    let Some(context) = given(container, "securityContext") else { return };
    let path = at(path, "securityContext");
    identity(e, context, "runAsUser", &path);
    identity(e, context, "runAsGroup", &path);
    one_of(e, context, "procMount", &path, &["Default", "Unmasked"], true);
    if context.get("allowPrivilegeEscalation") == Some(&Value::Bool(false)) {
        let wrong = if flag(context, "privileged") {
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        } else if context.get("capabilities").is_some_and(|c| list(c, "add").iter().any(|a| a == "CAP_SYS_ADMIN")) {
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        } else {
            ""
        };
        if !wrong.is_empty() {
            e.push(invalid_go_struct(&path, wrong));
        }
    }
    seccomp(e, context, &path);
}

/// Kubernetes shows the whole structure here; its text depends on addresses in memory and is left out.
fn invalid_go_struct(path: &str, wrong: &str) -> FieldError {
    FieldError::invalid(path, "", wrong)
}

fn lifecycle(e: &mut FieldErrors, container: &Value, path: &str) {
    let Some(lifecycle) = given(container, "lifecycle") else { return };
    for key in ["postStart", "preStop"] {
        if let Some(handler) = given(lifecycle, key) {
            self::handler(e, handler, &format!("{path}.lifecycle.{key}"));
        }
    }
}

fn probes(e: &mut FieldErrors, container: &Value, path: &str) {
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = given(container, key) else { continue };
        let path = at(path, key);
        handler(e, probe, &path);
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            non_negative(e, probe, field, &path);
        }
        if let Some(seconds) = int(probe, "terminationGracePeriodSeconds") {
            if key == "readinessProbe" {
                let wrong = "must not be set for readinessProbes";
                e.push(FieldError::invalid(at(&path, "terminationGracePeriodSeconds"), seconds, wrong));
            } else if seconds <= 0 {
                let wrong = "must be greater than 0";
                e.push(FieldError::invalid(at(&path, "terminationGracePeriodSeconds"), seconds, wrong));
            }
        }
        if key != "readinessProbe"
            && let Some(threshold) = int(probe, "successThreshold").filter(|t| *t != 1)
        {
            e.push(FieldError::invalid(at(&path, "successThreshold"), threshold, "must be 1"));
        }
    }
}

/// What a probe or hook does: exactly one thing.
fn handler(e: &mut FieldErrors, handler: &Value, path: &str) {
    let mut count = 0;
    for key in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let Some(action) = given(handler, key) else { continue };
        let path = at(path, key);
        if count > 0 {
            e.push(FieldError::forbidden(path, "may not specify more than 1 handler type"));
            continue;
        }
        count += 1;
        match key {
            "exec" if list(action, "command").is_empty() => {
                e.push(FieldError::required(at(&path, "command"), ""));
            }
            "httpGet" => {
                required(e, action, "path", &path);
                port(e, action, "port", &path);
                one_of(e, action, "scheme", &path, &["HTTP", "HTTPS"], false);
                for (item, header) in each(action, "httpHeaders", &path) {
                    let name = text(header, "name");
                    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                        let wrong = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
                        // Kubernetes names the list here, without the index of the item.
                        let place = item.rsplit_once('[').map_or(item.as_str(), |(path, _)| path);
                        e.push(FieldError::invalid(place, name, wrong));
                    }
                }
            }
            "tcpSocket" => port(e, action, "port", &path),
            "grpc" => port_number(e, int(action, "port").unwrap_or_default(), at(&path, "port")),
            _ => {}
        }
    }
    if count == 0 {
        e.push(FieldError::required(path, "must specify a handler type"));
    }
}
