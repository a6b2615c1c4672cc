//! Ingresses, ingress classes and network policies.

use serde_json::Value;

use super::common::*;
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;
use crate::selector;

pub(super) fn ingress(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if list(spec, "rules").is_empty() && given(spec, "defaultBackend").is_none() {
        let wrong = "either `defaultBackend` or `rules` must be specified";
        // Kubernetes shows the list of rules here, which is always absent then.
        e.push(FieldError::invalid("spec", Value::Null, wrong));
    }
    if let Some(default) = given(spec, "defaultBackend") {
        backend(&mut e, default, "spec.defaultBackend");
    }
    for (item, rule) in each(spec, "rules", "spec") {
        ingress_rule(&mut e, rule, &item);
    }
    for (item, tls) in each(spec, "tls", "spec") {
        for (place, host) in each(tls, "hosts", &item) {
            host_name(&mut e, host.as_str().unwrap_or_default(), &place);
        }
        let secret = text(tls, "secretName");
        if !secret.is_empty() {
            object_name(&mut e, secret, at(&item, "secretName"));
        }
    }
    if let Some(class) = given(spec, "ingressClassName").and_then(Value::as_str) {
        object_name(&mut e, class, "spec.ingressClassName");
    }
    e
}

fn host_name(e: &mut FieldErrors, host: &str, path: &str) {
    match host.strip_prefix("*.") {
        Some(rest) if host.contains('*') => {
            if names::dns_subdomain(rest).is_some() {
                let wrong = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
                e.push(FieldError::invalid(path, host, wrong));
            }
        }
        _ => object_name(e, host, path),
    }
}

fn ingress_rule(e: &mut FieldErrors, rule: &Value, path: &str) {
    let host = text(rule, "host");
    if !host.is_empty() {
        if host.parse::<std::net::IpAddr>().is_ok() {
            e.push(FieldError::invalid(at(path, "host"), host, "must be a DNS name, not an IP address"));
        } else {
            host_name(e, host, &at(path, "host"));
        }
    }
    let Some(http) = given(rule, "http") else { return };
    let http_path = at(path, "http");
    if list(http, "paths").is_empty() {
        e.push(FieldError::required(at(&http_path, "paths"), ""));
    }
    for (item, entry) in each(http, "paths", &http_path) {
        let target = text(entry, "path");
        match given(entry, "pathType").and_then(Value::as_str) {
            None => e.push(FieldError::required(at(&item, "pathType"), "pathType must be specified")),
            Some("Exact" | "Prefix") => {
                if !target.starts_with('/') {
                    e.push(FieldError::invalid(at(&item, "path"), target, "must be an absolute path"));
                }
                for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
                    if target.contains(sequence) {
                        let wrong = format!("must not contain '{sequence}'");
                        e.push(FieldError::invalid(at(&item, "path"), target, wrong));
                    }
                }
                for suffix in ["/..", "/."] {
                    if target.ends_with(suffix) {
                        let wrong = format!("cannot end with '{suffix}'");
                        e.push(FieldError::invalid(at(&item, "path"), target, wrong));
                    }
                }
            }
            Some("ImplementationSpecific") => {
                if !target.is_empty() && !target.starts_with('/') {
                    e.push(FieldError::invalid(at(&item, "path"), target, "must be an absolute path"));
                }
            }
            Some(other) => {
                let all = ["Exact", "ImplementationSpecific", "Prefix"];
                e.push(FieldError::not_supported(at(&item, "pathType"), other, &all));
            }
        }
        backend(e, entry.get("backend").unwrap_or(&Value::Null), &at(&item, "backend"));
    }
}

fn backend(e: &mut FieldErrors, backend: &Value, path: &str) {
    match (given(backend, "service"), given(backend, "resource")) {
        (Some(_), Some(_)) => {
            e.push(FieldError::invalid(path, "", "cannot set both resource and service backends"));
        }
        (None, None) => e.push(FieldError::invalid(path, "", "resource or service backend is required")),
        (None, Some(resource)) => {
            let path = at(path, "resource");
            required(e, resource, "kind", &path);
            required(e, resource, "name", &path);
        }
        (Some(service), None) => {
            let service_path = at(path, "service");
            if required(e, service, "name", &service_path) {
                let name = text(service, "name");
                check(
                    e,
                    at(&service_path, "name"),
                    name,
                    names::dns_1035_label(name).filter(|_| names::dns_label(name).is_some()),
                );
            }
            let port = service.get("port").unwrap_or(&Value::Null);
            let (name, number) = (text(port, "name"), int(port, "number").unwrap_or_default());
            if !name.is_empty() && number != 0 {
                e.push(FieldError::invalid(path, "", "cannot set both port name & port number"));
            } else if name.is_empty() && number == 0 {
                e.push(FieldError::required(path, "port name or number is required"));
            } else if number != 0 {
                port_number(e, number, format!("{service_path}.port.number"));
            } else {
                for wrong in port_name_errors(name) {
                    e.push(FieldError::invalid(format!("{service_path}.port.name"), name, wrong));
                }
            }
        }
    }
}

pub(super) fn ingress_class(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let controller = text(spec, "controller");
    if controller.len() > 250 {
        e.push(FieldError::too_long("spec.controller", 250));
    }
    if controller.is_empty() {
        e.push(FieldError::required("spec.controller", ""));
    } else if !controller.contains('/') {
        let wrong = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        e.push(FieldError::invalid("spec.controller", controller, wrong));
    }
    if let Some(parameters) = given(spec, "parameters") {
        required(&mut e, parameters, "kind", "spec.parameters");
        required(&mut e, parameters, "name", "spec.parameters");
        required_one_of(&mut e, parameters, "scope", "spec.parameters", &["Cluster", "Namespace"]);
    }
    e
}

pub(super) fn network_policy(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if let Some(selector) = given(spec, "podSelector") {
        e.extend(selector::validate_object(selector, "spec.podSelector"));
    }
    for (key, peers) in [("ingress", "from"), ("egress", "to")] {
        for (item, rule) in each(spec, key, "spec") {
            for (place, port) in each(rule, "ports", &item) {
                policy_port(&mut e, port, &place);
            }
            for (place, peer) in each(rule, peers, &item) {
                policy_peer(&mut e, peer, &place);
            }
        }
    }
    let types = list(spec, "policyTypes");
    if types.len() > 2 {
        let wrong = "may not specify more than two policyTypes";
        e.push(FieldError::invalid("spec.policyTypes", types.to_vec(), wrong));
        return e;
    }
    for (item, kind) in each(spec, "policyTypes", "spec") {
        let kind = kind.as_str().unwrap_or_default();
        if !matches!(kind, "Ingress" | "Egress") {
            e.push(FieldError::not_supported(item, kind, &["Ingress", "Egress"]));
        }
    }
    e
}

fn policy_port(e: &mut FieldErrors, port: &Value, path: &str) {
    one_of(e, port, "protocol", path, &["SCTP", "TCP", "UDP"], true);
    match given(port, "port") {
        Some(value) => {
            super::common::port(e, port, "port", path);
            let Some(end) = int(port, "endPort") else { return };
            match value.as_i64() {
                Some(number) if end < number => {
                    let wrong = "must be greater than or equal to `port`";
                    e.push(FieldError::invalid(at(path, "endPort"), end, wrong));
                }
                None => {
                    let wrong = "may not be specified when `port` is non-numeric";
                    e.push(FieldError::forbidden(at(path, "endPort"), wrong));
                }
                Some(_) => {}
            }
            if !(1..=65535).contains(&end) {
                port_number(e, end, at(path, "endPort"));
            }
        }
        None => {
            if int(port, "endPort").is_some() {
                let wrong = "may not be specified when `port` is not specified";
                e.push(FieldError::forbidden(at(path, "endPort"), wrong));
            }
        }
    }
}

fn policy_peer(e: &mut FieldErrors, peer: &Value, path: &str) {
    let mut count = 0;
    for key in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = given(peer, key) {
            count += 1;
            e.extend(selector::validate_object(selector, &at(path, key)));
        }
    }
    if let Some(block) = given(peer, "ipBlock") {
        let here = at(path, "ipBlock");
        ip_block(e, block, &here);
        if count > 0 {
            e.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
        }
        count += 1;
    }
    if count == 0 {
        e.push(FieldError::required(path, "must specify a peer"));
    }
}

fn ip_block(e: &mut FieldErrors, block: &Value, path: &str) {
    if !required(e, block, "cidr", path) || !cidr(e, text(block, "cidr"), at(path, "cidr")) {
        return;
    }
    let Some((base, bits)) = parse_cidr(text(block, "cidr")) else { return };
    for (item, except) in each(block, "except", path) {
        let except = except.as_str().unwrap_or_default();
        if !cidr(e, except, item.as_str()) {
            continue;
        }
        let inside = parse_cidr(except).is_some_and(|(address, more)| more > bits && same_prefix(base, address, bits));
        if !inside {
            e.push(FieldError::invalid(item, except, "must be a strict subset of `cidr`"));
        }
    }
}

/// Whether two addresses share their first bits.
fn same_prefix(a: std::net::IpAddr, b: std::net::IpAddr, bits: u8) -> bool {
    use std::net::IpAddr::{V4, V6};
    let shift = |width: u32| width.saturating_sub(u32::from(bits));
    match (a, b) {
        (V4(a), V4(b)) => u32::from(a).checked_shr(shift(32)) == u32::from(b).checked_shr(shift(32)),
        (V6(a), V6(b)) => u128::from(a).checked_shr(shift(128)) == u128::from(b).checked_shr(shift(128)),
        _ => false,
    }
}
