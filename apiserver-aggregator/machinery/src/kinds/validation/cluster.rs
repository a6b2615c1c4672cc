//! Namespaces, nodes, quotas, limits, priorities and what else a cluster is run with.

use std::collections::BTreeSet;

use serde_json::Value;

use super::common::*;
use super::scheduling;
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;
use crate::meta;
use crate::resource::RequestContext;
use crate::selector;

pub(super) fn namespace(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    for (item, finalizer) in each(object.get("spec").unwrap_or(&Value::Null), "finalizers", "spec") {
        let name = finalizer.as_str().unwrap_or_default();
        // The list is named, not the item.
        let path = item.rsplit_once('[').map_or(item.as_str(), |(path, _)| path);
        qualified(&mut e, name, path);
        if !name.contains('/') && name != "kubernetes" && qualified_ok(name) {
            e.push(FieldError::invalid(
                path,
                name,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
    e
}

fn qualified_ok(name: &str) -> bool {
    selector::qualified_name_errors(name).is_empty()
}

pub(super) fn node(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    scheduling::taints(&mut e, spec, "spec");
    for (item, range) in each(spec, "podCIDRs", "spec") {
        cidr(&mut e, range.as_str().unwrap_or_default(), item);
    }
    e
}

pub(super) fn change_node(object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    let (new, before) = (&object["spec"], &old["spec"]);
    for (key, wrong) in [
        ("podCIDR", "node updates may not change podCIDR except from \"\" to valid"),
        ("providerID", "node updates may not change providerID except from \"\" to valid"),
    ] {
        let was = text(before, key);
        if !was.is_empty() && text(new, key) != was {
            e.push(FieldError::forbidden(at("spec", key), wrong));
        }
    }
    e
}

pub(super) fn resource_quota(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    for (name, value) in pairs(spec, "hard") {
        let path = format!("spec.hard[{name}]");
        quota_resource(&mut e, name, &path);
        non_negative_quantity(&mut e, value, path.as_str());
        if is_count(name) {
            whole_quantity(&mut e, value, path);
        }
    }
    const SCOPES: &[&str] =
        &["BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating"];
    let scopes = list(spec, "scopes");
    for scope in scopes {
        if !SCOPES.contains(&scope.as_str().unwrap_or_default()) {
            e.push(FieldError::invalid("spec.scopes", scopes.to_vec(), "unsupported scope"));
        }
    }
    for (a, b) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if scopes.iter().any(|s| s == a) && scopes.iter().any(|s| s == b) {
            e.push(FieldError::invalid("spec.scopes", scopes.to_vec(), "conflicting scopes"));
        }
    }
    e
}

fn is_count(name: &str) -> bool {
    name.starts_with("count/")
        || matches!(
            name,
            "pods"
                | "services"
                | "replicationcontrollers"
                | "resourcequotas"
                | "secrets"
                | "configmaps"
                | "persistentvolumeclaims"
                | "services.nodeports"
                | "services.loadbalancers"
        )
}

fn quota_resource(e: &mut FieldErrors, name: &str, path: &str) {
    let wrong = selector::qualified_name_errors(name);
    let bad = !wrong.is_empty();
    for wrong in wrong {
        e.push(FieldError::invalid(path, name, wrong));
    }
    let standard = is_count(name)
        || matches!(name, "cpu" | "memory" | "ephemeral-storage")
        || ["requests.", "limits."].iter().any(|p| name.starts_with(p))
        || name.starts_with("hugepages-");
    if !bad && !name.contains('/') && !standard {
        e.push(FieldError::invalid(path, name, "must be a standard resource for quota"));
    }
}

pub(super) fn keep_quota_scopes(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    let set = |o: &Value| list(&o["spec"], "scopes").iter().map(Value::to_string).collect::<BTreeSet<_>>();
    if ctx.subresource.is_some() || set(object) == set(old) {
        return Vec::new();
    }
    let shown = list(&object["spec"], "scopes").to_vec();
    vec![FieldError::invalid("spec.scopes", shown, IMMUTABLE)]
}

pub(super) fn limit_range(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let mut seen: Vec<&str> = Vec::new();
    for (item, limit) in each(spec, "limits", "spec") {
        let kind = text(limit, "type");
        qualified(&mut e, kind, &at(&item, "type"));
        if seen.contains(&kind) {
            e.push(FieldError::duplicate(at(&item, "type"), kind));
        }
        seen.push(kind);
        limits(&mut e, limit, &item, kind);
    }
    e
}

fn limits(e: &mut FieldErrors, limit: &Value, path: &str, kind: &str) {
    let mut keys: BTreeSet<&String> = BTreeSet::new();
    for map in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        keys.extend(pairs(limit, map).map(|(key, _)| key));
    }
    if kind == "Pod" {
        for key in ["default", "defaultRequest"] {
            if pairs(limit, key).next().is_some() {
                let wrong = "may not be specified when `type` is 'Pod'";
                e.push(FieldError::forbidden(at(path, key), wrong));
            }
        }
    }
    let of = |map: &str, key: &str| limit.get(map).and_then(|m| given(m, key));
    if kind == "PersistentVolumeClaim" && of("max", "storage").is_none() && of("min", "storage").is_none() {
        let wrong = "either minimum or maximum storage value is required, but neither was provided";
        e.push(FieldError::required(path, wrong));
    }
    for key in keys {
        let (max, min) = (of("max", key), of("min", key));
        let (default, request) = (of("default", key), of("defaultRequest", key));
        let mut above = |low: Option<&Value>,
                         high: Option<&Value>,
                         place: &str,
                         value: Option<&Value>,
                         low_name: &str,
                         high_name: &str| {
            if let (Some(low), Some(high), Some(value)) = (low, high, value)
                && amount(low) > amount(high)
            {
                let wrong =
                    format!("{low_name} value {} is greater than {high_name} value {}", shown(low), shown(high));
                e.push(FieldError::invalid(format!("{path}.{place}[{key}]"), shown(value), wrong));
            }
        };
        above(min, max, "min", min, "min", "max");
        above(min, request, "defaultRequest", request, "min", "default request");
        above(request, max, "defaultRequest", request, "default request", "max");
        above(request, default, "defaultRequest", request, "default request", "default limit");
        above(min, default, "default", min, "min", "default");
        above(default, max, "default", max, "default", "max");
        if let Some(ratio) = of("maxLimitRequestRatio", key).filter(|r| amount(r) < 1_000_000_000) {
            let wrong = format!("ratio {} is less than 1", shown(ratio));
            e.push(FieldError::invalid(format!("{path}.maxLimitRequestRatio[{key}]"), shown(ratio), wrong));
        }
    }
}

pub(super) fn priority_class(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let name = meta::name(object).unwrap_or_default();
    let value = int(object, "value").unwrap_or_default();
    if name.starts_with("system-") {
        let known = match name {
            "system-cluster-critical" => Some(2_000_000_000),
            "system-node-critical" => Some(2_000_001_000),
            _ => None,
        };
        let wrong = match known {
            None => Some("priority class names with 'system-' prefix are reserved for system use only"),
            Some(wanted) if wanted != value => Some("value of a system priority class may not differ"),
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            let text = format!("{wrong}. error: {name} is not a known system priority class");
            e.push(FieldError::forbidden("metadata.name", text));
        }
    } else if value > 1_000_000_000 {
        let wrong = "maximum allowed value of a user defined priority is 1000000000";
        e.push(FieldError::forbidden("value", wrong));
    }
    one_of(&mut e, object, "preemptionPolicy", "", &["Never", "PreemptLowerPriority"], true);
    e
}

pub(super) fn change_priority_class(object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    if int(object, "value") != int(old, "value") {
        e.push(FieldError::forbidden("value", "may not be changed in an update."));
    }
    immutable(&mut e, object.get("preemptionPolicy"), old.get("preemptionPolicy"), "preemptionPolicy");
    e
}

pub(super) fn lease(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if let Some(seconds) = int(spec, "leaseDurationSeconds").filter(|s| *s <= 0) {
        e.push(FieldError::invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
    }
    non_negative(&mut e, spec, "leaseTransitions", "spec");
    e
}

/// Signing requests: what is asked for, and for what.
pub(super) fn signing_request(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if list(spec, "usages").is_empty() {
        e.push(FieldError::required("spec.usages", ""));
    }
    const USAGES: &[&str] = &[
        "any",
        "cert sign",
        "client auth",
        "code signing",
        "content commitment",
        "crl sign",
        "data encipherment",
        "decipher only",
        "digital signature",
        "email protection",
        "encipher only",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "key agreement",
        "key encipherment",
        "microsoft sgc",
        "netscape sgc",
        "ocsp signing",
        "s/mime",
        "server auth",
        "signing",
        "timestamping",
    ];
    let usages = list(spec, "usages");
    for (index, usage) in usages.iter().enumerate() {
        let path = format!("spec.usages[{index}]");
        let name = usage.as_str().unwrap_or_default();
        if !USAGES.contains(&name) {
            e.push(FieldError::not_supported(path.as_str(), name, USAGES));
        }
        if usages[..index].contains(usage) {
            e.push(FieldError::duplicate(path, name));
        }
    }
    if required(&mut e, spec, "signerName", "spec") {
        let name = text(spec, "signerName");
        let wrong = match name.split_once('/') {
            None => Some("must be a fully qualified domain and path of the form 'example.com/signer-name'".to_owned()),
            Some((domain, _)) => names::dns_subdomain(domain),
        };
        check(&mut e, "spec.signerName", name, wrong);
    }
    if let Some(seconds) = int(spec, "expirationSeconds").filter(|s| *s < 600) {
        let wrong = "may not specify a duration less than 600 seconds (10 minutes)";
        e.push(FieldError::invalid("spec.expirationSeconds", seconds, wrong));
    }
    e
}

/// Webhook configurations of both kinds.
pub(super) fn webhooks(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (item, hook) in each(object, "webhooks", "") {
        let name = text(hook, "name");
        if name.is_empty() {
            e.push(FieldError::required(at(&item, "name"), ""));
        } else if let Some(wrong) = names::dns_subdomain(name) {
            e.push(FieldError::invalid(at(&item, "name"), name, wrong));
        } else if name.split('.').count() < 3 {
            let wrong = "should be a domain with at least three segments separated by dots";
            e.push(FieldError::invalid(at(&item, "name"), name, wrong));
        }
        webhook(&mut e, hook, &item);
        if seen.contains(&name) {
            e.push(FieldError::duplicate(at(&item, "name"), name));
        }
        seen.push(name);
    }
    e
}

fn webhook(e: &mut FieldErrors, hook: &Value, path: &str) {
    let versions = list(hook, "admissionReviewVersions");
    if versions.is_empty() {
        let wrong = "must specify one of v1, v1beta1";
        e.push(FieldError::required(at(path, "admissionReviewVersions"), wrong));
    } else if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
        let wrong = "must include at least one of v1, v1beta1";
        e.push(FieldError::invalid(at(path, "admissionReviewVersions"), versions.to_vec(), wrong));
    }
    for (item, rule) in each(hook, "rules", path) {
        const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
        let operations = list(rule, "operations");
        if operations.is_empty() {
            e.push(FieldError::required(at(&item, "operations"), ""));
        }
        for (place, operation) in each(rule, "operations", &item) {
            let operation = operation.as_str().unwrap_or_default();
            if operation == "*" && operations.len() > 1 {
                let wrong = "if '*' is present, must not specify other operations";
                let list_path = place.rsplit_once('[').map_or(place.as_str(), |(p, _)| p);
                e.push(FieldError::invalid(list_path, operations.to_vec(), wrong));
            }
            if !OPERATIONS.contains(&operation) {
                e.push(FieldError::not_supported(place, operation, OPERATIONS));
            }
        }
        for key in ["apiGroups", "apiVersions", "resources"] {
            let values = list(rule, key);
            if values.is_empty() {
                e.push(FieldError::required(at(&item, key), ""));
            }
            if key != "resources" && values.len() > 1 && values.iter().any(|v| v == "*") {
                let wrong = "if '*' is present, must not specify other API ".to_owned()
                    + if key == "apiGroups" { "groups" } else { "versions" };
                e.push(FieldError::invalid(at(&item, key), values.to_vec(), wrong));
            }
        }
        one_of(e, rule, "scope", &item, &["*", "Cluster", "Namespaced"], true);
    }
    one_of(e, hook, "failurePolicy", path, &["Fail", "Ignore"], true);
    one_of(e, hook, "matchPolicy", path, &["Equivalent", "Exact"], true);
    match given(hook, "sideEffects").and_then(Value::as_str) {
        None => e.push(FieldError::required(at(path, "sideEffects"), "must specify one of None, NoneOnDryRun")),
        Some(_) => one_of(e, hook, "sideEffects", path, &["None", "NoneOnDryRun"], true),
    }
    if let Some(seconds) = int(hook, "timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
        let wrong = "the timeout value must be between 1 and 30 seconds";
        e.push(FieldError::invalid(at(path, "timeoutSeconds"), seconds, wrong));
    }
    for key in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = given(hook, key) {
            e.extend(selector::validate_object(selector, &at(path, key)));
        }
    }
    let client = hook.get("clientConfig").unwrap_or(&Value::Null);
    let client_path = at(path, "clientConfig");
    match (given(client, "url"), given(client, "service")) {
        (None, None) | (Some(_), Some(_)) => {
            e.push(FieldError::required(client_path, "exactly one of url or service is required"));
        }
        (Some(url), None) => {
            let url = url.as_str().unwrap_or_default();
            if !url.starts_with("https://") {
                let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
                let wrong = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
                e.push(FieldError::invalid(at(&client_path, "url"), scheme, wrong));
            } else if url["https://".len()..].is_empty() {
                let wrong = "host must be specified; desired format: https://host[/path]";
                e.push(FieldError::invalid(at(&client_path, "url"), "", wrong));
            }
        }
        (None, Some(service)) => {
            let path = at(&client_path, "service");
            if text(service, "name").is_empty() {
                e.push(FieldError::required(at(&path, "name"), "service name is required"));
            }
            if text(service, "namespace").is_empty() {
                e.push(FieldError::required(at(&path, "namespace"), "service namespace is required"));
            }
            let port = int(service, "port").unwrap_or(443);
            if !(1..=65535).contains(&port) {
                let wrong = "port is not valid: must be between 1 and 65535, inclusive";
                e.push(FieldError::invalid(at(&path, "port"), port, wrong));
            }
        }
    }
}

pub(super) fn api_service(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (group, version) = (text(spec, "group"), text(spec, "version"));
    let wanted = format!("{version}.{group}");
    let name = meta::name(object).unwrap_or_default();
    if name != wanted {
        let wrong = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        e.push(FieldError::invalid("metadata.name", name, wrong));
    }
    if group.is_empty() {
        if version != "v1" {
            let wrong = "only v1 may have an empty group and it better be legacy kube";
            e.push(FieldError::required("spec.group", wrong));
        }
    } else {
        object_name(&mut e, group, "spec.group");
    }
    check(&mut e, "spec.version", version, names::dns_1035_label(version));
    let priority = int(spec, "groupPriorityMinimum").unwrap_or_default();
    if !(1..=20_000).contains(&priority) {
        let wrong = "must be positive and less than 20000";
        e.push(FieldError::invalid("spec.groupPriorityMinimum", priority, wrong));
    }
    let priority = int(spec, "versionPriority").unwrap_or_default();
    if !(1..=1000).contains(&priority) {
        let wrong = "must be positive and less than 1000";
        e.push(FieldError::invalid("spec.versionPriority", priority, wrong));
    }
    let skips = flag(spec, "insecureSkipTLSVerify");
    let bundle = !text(spec, "caBundle").is_empty();
    match given(spec, "service") {
        None => {
            if bundle {
                let wrong = "local APIServices may not have a caBundle";
                e.push(FieldError::invalid("spec.caBundle", format!("{} bytes", text(spec, "caBundle").len()), wrong));
            }
            if skips {
                let wrong = "local APIServices may not have insecureSkipTLSVerify";
                e.push(FieldError::invalid("spec.insecureSkipTLSVerify", true, wrong));
            }
        }
        Some(service) => {
            required(&mut e, service, "namespace", "spec.service");
            required(&mut e, service, "name", "spec.service");
            if let Some(port) = int(service, "port") {
                port_number(&mut e, port, "spec.service.port");
            }
            if skips && bundle {
                let wrong = "may not be true if caBundle is present";
                e.push(FieldError::invalid("spec.insecureSkipTLSVerify", true, wrong));
            }
        }
    }
    e
}

pub(super) fn priority_level(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match text(spec, "type") {
        "Exempt" => {
            if given(spec, "limited").is_some() {
                e.push(FieldError::forbidden("spec.limited", "must be nil if the type is not Limited"));
            }
        }
        "Limited" => {
            let path = "spec.limited";
            let Some(limited) = given(spec, "limited") else {
                e.push(FieldError::required(path, "must not be empty when type is Limited"));
                return e;
            };
            non_negative(&mut e, limited, "nominalConcurrencyShares", path);
            let response = limited.get("limitResponse").unwrap_or(&Value::Null);
            let path = at(path, "limitResponse");
            match text(response, "type") {
                "Reject" => {
                    if given(response, "queuing").is_some() {
                        let wrong = "must be nil if limited.limitResponse.type is not Limited";
                        e.push(FieldError::forbidden(at(&path, "queuing"), wrong));
                    }
                }
                "Queue" => match given(response, "queuing") {
                    None => {
                        let wrong = "must not be empty if limited.limitResponse.type is Limited";
                        e.push(FieldError::required(at(&path, "queuing"), wrong));
                    }
                    Some(queuing) => {
                        for key in ["queues", "handSize", "queueLengthLimit"] {
                            let value = int(queuing, key).unwrap_or_default();
                            if value <= 0 {
                                let place = format!("{path}.queuing.{key}");
                                e.push(FieldError::invalid(place, value, "must be positive"));
                            }
                        }
                    }
                },
                other => e.push(FieldError::not_supported(at(&path, "type"), other, &["Queue", "Reject"])),
            }
        }
        other => e.push(FieldError::not_supported("spec.type", other, &["Exempt", "Limited"])),
    }
    e
}
