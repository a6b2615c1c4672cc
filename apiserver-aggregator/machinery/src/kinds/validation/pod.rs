//! Pods and pod templates as a whole.

use serde_json::Value;

use super::common::*;
use super::{container, pod_change, scheduling, volumes};
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;
use crate::resource::RequestContext;

pub(super) const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

/// A pod.
pub(super) fn validate(pod: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let empty = Value::Object(serde_json::Map::new());
    spec(&mut e, pod.get("spec").unwrap_or(&empty), "spec");
    e
}

/// The change of a pod, through the pod itself or a subresource.
pub(super) fn validate_change(pod: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    match ctx.subresource {
        None => pod_change::spec(pod, old),
        Some("status") => pod_change::status(pod, old),
        _ => Vec::new(),
    }
}

/// The template of a workload.
pub(super) fn template(e: &mut FieldErrors, template: &Value, path: &str) {
    let empty = Value::Object(serde_json::Map::new());
    template_metadata(e, template, path);
    let spec_path = at(path, "spec");
    let value = template.get("spec").unwrap_or(&empty);
    spec(e, value, &spec_path);
    if !list(value, "ephemeralContainers").is_empty() {
        let wrong = "ephemeral containers not allowed in pod template";
        e.push(FieldError::forbidden(at(&spec_path, "ephemeralContainers"), wrong));
    }
}

fn spec(e: &mut FieldErrors, spec: &Value, path: &str) {
    let names = volumes::volumes(e, spec, path);
    container::containers(e, spec, path, &names);
    required_one_of(e, spec, "restartPolicy", path, RESTART_POLICIES);
    required_one_of(e, spec, "dnsPolicy", path, DNS_POLICIES);
    label_pairs(e, pairs(spec, "nodeSelector"), &at(path, "nodeSelector"));
    security_context(e, spec, path);
    for (item, reference) in each(spec, "imagePullSecrets", path) {
        // An empty reference has always been let through by way of its default.
        if text(reference, "name").is_empty() && given(reference, "name").is_none() && reference.is_null() {
            e.push(FieldError::required(at(&item, "name"), ""));
        }
    }
    if let Some(affinity) = given(spec, "affinity") {
        scheduling::affinity(e, affinity, &at(path, "affinity"));
    }
    dns_config(e, spec, path);
    for (item, gate) in each(spec, "readinessGates", path) {
        qualified(e, text(gate, "conditionType"), &at(&item, "conditionType"));
    }
    let mut gates: Vec<&str> = Vec::new();
    for (item, gate) in each(spec, "schedulingGates", path) {
        let name = text(gate, "name");
        qualified(e, name, &item);
        if gates.contains(&name) {
            e.push(FieldError::duplicate(at(&item, "name"), name));
        }
        gates.push(name);
    }
    scheduling::topology_spread(e, spec, path);
    let account = text(spec, "serviceAccountName");
    if !account.is_empty() {
        object_name(e, account, at(path, "serviceAccountName"));
    }
    let node = text(spec, "nodeName");
    if !node.is_empty() {
        object_name(e, node, at(path, "nodeName"));
    }
    if let Some(seconds) = int(spec, "activeDeadlineSeconds").filter(|s| !(1..=i64::from(i32::MAX)).contains(s)) {
        let wrong = "must be between 1 and 2147483647, inclusive";
        e.push(FieldError::invalid(at(path, "activeDeadlineSeconds"), seconds, wrong));
    }
    for key in ["hostname", "subdomain"] {
        let name = text(spec, key);
        if !name.is_empty() {
            label_name(e, name, &at(path, key));
        }
    }
    scheduling::tolerations(e, spec, path);
    for (item, alias) in each(spec, "hostAliases", path) {
        ip(e, text(alias, "ip"), at(&item, "ip"));
        for (place, host) in each(alias, "hostnames", &item) {
            object_name(e, host.as_str().unwrap_or_default(), place);
        }
    }
    let priority = text(spec, "priorityClassName");
    if !priority.is_empty() {
        object_name(e, priority, at(path, "priorityClassName"));
    }
    if let Some(class) = given(spec, "runtimeClassName").and_then(Value::as_str) {
        object_name(e, class, at(path, "runtimeClassName"));
    }
    one_of(e, spec, "preemptionPolicy", path, &["Never", "PreemptLowerPriority"], true);
    for (name, value) in pairs(spec, "overhead") {
        non_negative_quantity(e, value, format!("{path}.overhead[{name}]"));
    }
    if let Some(os) = given(spec, "os")
        && required(e, os, "name", &at(path, "os"))
    {
        one_of(e, os, "name", &at(path, "os"), &["linux", "windows"], false);
    }
}

/// A single label of a host's name; dots get a text of their own.
fn label_name(e: &mut FieldErrors, name: &str, path: &str) {
    if let Some(wrong) = names::dns_label(name) {
        if name.split('.').count() > 1 && name.split('.').all(|part| names::dns_label(part).is_none()) {
            e.push(FieldError::invalid(path, name, "must not contain dots"));
        } else {
            e.push(FieldError::invalid(path, name, wrong));
        }
    }
}

fn security_context(e: &mut FieldErrors, spec: &Value, path: &str) {
    let Some(context) = given(spec, "securityContext") else { return };
    let path = at(path, "securityContext");
    for key in ["fsGroup", "runAsUser", "runAsGroup"] {
        identity(e, context, key, &path);
    }
    for (item, group) in each(context, "supplementalGroups", &path) {
        if group.as_i64().is_some_and(|g| !(0..=i64::from(i32::MAX)).contains(&g)) {
            e.push(FieldError::invalid(item, group.clone(), "must be between 0 and 2147483647, inclusive"));
        }
    }
    if flag(context, "shareProcessNamespace") && flag(spec, "hostPID") {
        let wrong = "ShareProcessNamespace and HostPID cannot both be enabled";
        e.push(FieldError::invalid(at(&path, "shareProcessNamespace"), true, wrong));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (item, sysctl) in each(context, "sysctls", &path) {
        let name = text(sysctl, "name");
        if name.is_empty() {
            e.push(FieldError::required(at(&item, "name"), ""));
        } else if name.len() > 253
            || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_./".contains(&b))
        {
            let wrong = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            e.push(FieldError::invalid(at(&item, "name"), name, wrong));
        } else if seen.contains(&name) {
            e.push(FieldError::duplicate(at(&item, "name"), name));
        }
        seen.push(name);
    }
    one_of(e, context, "fsGroupChangePolicy", &path, &["Always", "OnRootMismatch"], true);
    seccomp(e, context, &path);
    one_of(e, context, "supplementalGroupsPolicy", &path, &["Merge", "Strict"], true);
}

/// A user's or group's number.
pub(super) fn identity(e: &mut FieldErrors, context: &Value, key: &str, path: &str) {
    if let Some(id) = int(context, key).filter(|id| !(0..=i64::from(i32::MAX)).contains(id)) {
        e.push(FieldError::invalid(at(path, key), id, "must be between 0 and 2147483647, inclusive"));
    }
}

/// The profiles for seccomp and AppArmor.
pub(super) fn seccomp(e: &mut FieldErrors, context: &Value, path: &str) {
    for (key, other) in [("seccompProfile", "Unconfined"), ("appArmorProfile", "Unconfined")] {
        let Some(profile) = given(context, key) else { continue };
        let path = at(path, key);
        let kind = text(profile, "type");
        let local = given(profile, "localhostProfile").and_then(Value::as_str);
        match (kind, local) {
            ("Localhost", None | Some("")) => {
                let wrong = if key == "seccompProfile" {
                    "must be set when seccomp type is Localhost"
                } else {
                    "must be set when AppArmor type is Localhost"
                };
                e.push(FieldError::required(at(&path, "localhostProfile"), wrong));
            }
            ("Localhost", Some(_)) => {}
            ("RuntimeDefault", local) | (_, local) => {
                if !(kind == "RuntimeDefault" || kind == other) {
                    if kind.is_empty() {
                        e.push(FieldError::required(at(&path, "type"), "type is required when seccompProfile is set"));
                    } else {
                        let all = ["Localhost", "RuntimeDefault", "Unconfined"];
                        e.push(FieldError::not_supported(at(&path, "type"), kind, &all));
                    }
                }
                if let Some(local) = local {
                    let wrong = "can only be set when seccomp type is Localhost";
                    e.push(FieldError::invalid(at(&path, "localhostProfile"), local, wrong));
                }
            }
        }
    }
}

fn dns_config(e: &mut FieldErrors, spec: &Value, path: &str) {
    let path = at(path, "dnsConfig");
    let none = text(spec, "dnsPolicy") == "None";
    let Some(config) = given(spec, "dnsConfig") else {
        if none {
            let wrong = "must provide `dnsConfig` when `dnsPolicy` is None";
            e.push(FieldError::required(path, wrong));
        }
        return;
    };
    let servers = list(config, "nameservers");
    if none && servers.is_empty() {
        let wrong = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        e.push(FieldError::required(at(&path, "nameservers"), wrong));
    }
    if servers.len() > 3 {
        let shown: Vec<Value> = servers.to_vec();
        e.push(FieldError::invalid(at(&path, "nameservers"), shown, "must not have more than 3 nameservers"));
    }
    for (item, server) in each(config, "nameservers", &path) {
        ip(e, server.as_str().unwrap_or_default(), item);
    }
    let searches = list(config, "searches");
    if searches.len() > 32 {
        e.push(FieldError::invalid(
            at(&path, "searches"),
            searches.to_vec(),
            "must not have more than 32 search paths",
        ));
    }
    for (item, search) in each(config, "searches", &path) {
        let search = search.as_str().unwrap_or_default();
        if search != "." {
            object_name(e, search.strip_suffix('.').unwrap_or(search), item);
        }
    }
    for (item, option) in each(config, "options", &path) {
        if text(option, "name").is_empty() {
            e.push(FieldError::required(item, "must not be empty"));
        }
    }
}

/// Warnings about a pod or a template.
pub(super) fn warnings(spec: &Value, path: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    for key in ["initContainers", "containers"] {
        for (item, container) in each(spec, key, path) {
            let mut seen: Vec<&str> = Vec::new();
            for (place, env) in each(container, "env", &item) {
                let name = text(env, "name");
                if seen.contains(&name) {
                    warnings.push(format!(
                        "{place}: hides previous definition of {name:?}, which may be dropped when using apply"
                    ));
                }
                seen.push(name);
            }
        }
    }
    for (item, container) in each(spec, "containers", path) {
        let ports = list(container, "ports");
        for (index, port) in ports.iter().enumerate() {
            let key = |p: &Value| {
                (
                    int(p, "containerPort"),
                    text(p, "protocol").to_owned(),
                    int(p, "hostPort"),
                    text(p, "hostIP").to_owned(),
                )
            };
            if let Some(first) = ports[..index].iter().position(|p| key(p) == key(port)) {
                warnings.push(format!("{item}.ports[{index}]: duplicate port definition with {item}.ports[{first}]"));
            }
        }
    }
    for (item, constraint) in each(spec, "topologySpreadConstraints", path) {
        if given(constraint, "labelSelector").is_none() {
            warnings.push(format!("{item}.labelSelector: a null labelSelector results in matching no pod"));
        }
    }
    if let Some(affinity) = given(spec, "affinity") {
        for kind in ["podAffinity", "podAntiAffinity"] {
            let Some(terms) = given(affinity, kind) else { continue };
            let base = format!("{path}.affinity.{kind}");
            for (item, term) in each(terms, "requiredDuringSchedulingIgnoredDuringExecution", &base) {
                if given(term, "labelSelector").is_none() {
                    warnings.push(format!("{item}.labelSelector: a null labelSelector results in matching no pod"));
                }
            }
            for (item, term) in each(terms, "preferredDuringSchedulingIgnoredDuringExecution", &base) {
                if given(term, "podAffinityTerm").is_none_or(|t| given(t, "labelSelector").is_none()) {
                    warnings.push(format!(
                        "{item}.podAffinityTerm.labelSelector: a null labelSelector results in matching no pod"
                    ));
                }
            }
        }
    }
    if int(spec, "terminationGracePeriodSeconds").is_some_and(|s| s < 0) {
        warnings.push(format!(
            "{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    warnings
}
