//! Services, endpoints and endpoint slices.

use std::net::IpAddr;

use serde_json::Value;

use super::common::*;
use crate::field::{ErrorKind, FieldError, FieldErrors};
use crate::kinds::names;
use crate::resource::RequestContext;

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn service(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let kind = text(spec, "type");
    let headless = list(spec, "clusterIPs").first().map_or(text(spec, "clusterIP") == "None", |ip| ip == "None");
    let ports = list(spec, "ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        e.push(FieldError::required("spec.ports", ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" => {
            if kind == "LoadBalancer" {
                for (item, port) in each(spec, "ports", "spec") {
                    if int(port, "port") == Some(10250) {
                        let wrong = "may not expose port 10250 externally since it is used by kubelet";
                        e.push(FieldError::invalid(item, 10250, wrong));
                    }
                }
            }
            if headless {
                let wrong = format!("may not be set to 'None' for {kind} services");
                e.push(FieldError::invalid("spec.clusterIPs[0]", "None", wrong));
            }
        }
        "ExternalName" => {
            let ips = list(spec, "clusterIPs");
            if !ips.is_empty() {
                let wrong = "may not be set for ExternalName services";
                e.push(FieldError::invalid("spec.clusterIPs", ips.to_vec(), wrong));
            }
            let name = text(spec, "externalName");
            if name.is_empty() {
                e.push(FieldError::required("spec.externalName", ""));
            } else {
                object_name(&mut e, name.strip_suffix('.').unwrap_or(name), "spec.externalName");
            }
        }
        _ => {}
    }
    service_ports(&mut e, spec);
    label_pairs(&mut e, pairs(spec, "selector"), "spec.selector");
    required_one_of(&mut e, spec, "sessionAffinity", "spec", &["ClientIP", "None"]);
    session_config(&mut e, spec);
    addresses(&mut e, spec, kind);
    for (item, address) in each(spec, "externalIPs", "spec") {
        let address = address.as_str().unwrap_or_default();
        non_special_ip(&mut e, address, item);
    }
    required_one_of(&mut e, spec, "type", "spec", TYPES);
    node_ports(&mut e, spec, kind);
    for (item, range) in each(spec, "loadBalancerSourceRanges", "spec") {
        cidr(&mut e, range.as_str().unwrap_or_default().trim(), item);
    }
    if kind != "LoadBalancer" {
        if !list(spec, "loadBalancerSourceRanges").is_empty() {
            let wrong = "may only be used when `type` is 'LoadBalancer'";
            e.push(FieldError::forbidden("spec.loadBalancerSourceRanges", wrong));
        }
        if given(spec, "allocateLoadBalancerNodePorts").is_some() {
            let wrong = "may only be used when `type` is 'LoadBalancer'";
            e.push(FieldError::forbidden("spec.allocateLoadBalancerNodePorts", wrong));
        }
        if given(spec, "loadBalancerClass").is_some() {
            let wrong = "may only be used when `type` is 'LoadBalancer'";
            e.push(FieldError::forbidden("spec.loadBalancerClass", wrong));
        }
    } else if let Some(class) = given(spec, "loadBalancerClass").and_then(Value::as_str) {
        qualified(&mut e, class, "spec.loadBalancerClass");
    }
    traffic(&mut e, spec, kind);
    e
}

fn service_ports(e: &mut FieldErrors, spec: &Value) {
    let ports = list(spec, "ports");
    let mut seen: Vec<&str> = Vec::new();
    for (item, port) in each(spec, "ports", "spec") {
        let name = text(port, "name");
        if name.is_empty() {
            if ports.len() > 1 {
                e.push(FieldError::required(at(&item, "name"), ""));
            }
        } else {
            check(e, at(&item, "name"), name, names::dns_label(name));
            if seen.contains(&name) {
                e.push(FieldError::duplicate(at(&item, "name"), name));
            }
            seen.push(name);
        }
        let number = int(port, "port").unwrap_or_default();
        port_number(e, number, at(&item, "port"));
        required_one_of(e, port, "protocol", &item, PROTOCOLS);
        super::common::port(e, port, "targetPort", &item);
        if let Some(protocol) = given(port, "appProtocol").and_then(Value::as_str) {
            qualified(e, protocol, &at(&item, "appProtocol"));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let key = |p: &Value| (text(p, "protocol").to_owned(), int(p, "port"));
        if ports[..index].iter().any(|p| key(p) == key(port)) {
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
                Value::from(text(port, "protocol")),
                int(port, "port").unwrap_or_default()
            );
            let field = format!("spec.ports[{index}]");
            e.push(FieldError { kind: ErrorKind::Duplicate, field, value: None, detail: shown });
        }
    }
}

fn session_config(e: &mut FieldErrors, spec: &Value) {
    let config = given(spec, "sessionAffinityConfig");
    match text(spec, "sessionAffinity") {
        "ClientIP" => match config.and_then(|c| given(c, "clientIP")) {
            None => {
                let wrong = "when session affinity type is ClientIP";
                e.push(FieldError::required("spec.sessionAffinityConfig", wrong));
            }
            Some(ip) => {
                let seconds = int(ip, "timeoutSeconds").unwrap_or_default();
                if !(1..=86400).contains(&seconds) {
                    let wrong = "must be greater than 0 and less than 86400";
                    let path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
                    e.push(FieldError::invalid(path, seconds, wrong));
                }
            }
        },
        "None" if config.is_some() => {
            let wrong = "must not be set when session affinity is None";
            e.push(FieldError::forbidden("spec.sessionAffinityConfig", wrong));
        }
        _ => {}
    }
}

/// Cluster IPs and their families.
fn addresses(e: &mut FieldErrors, spec: &Value, kind: &str) {
    let ips: Vec<&str> = list(spec, "clusterIPs").iter().filter_map(Value::as_str).collect();
    let families: Vec<&str> = list(spec, "ipFamilies").iter().filter_map(Value::as_str).collect();
    if kind == "ExternalName" {
        for key in ["ipFamilies", "ipFamilyPolicy"] {
            if given(spec, key).is_some_and(|v| v.as_array().is_none_or(|l| !l.is_empty())) {
                e.push(FieldError::forbidden(at("spec", key), "may not be set for ExternalName services"));
            }
        }
        return;
    }
    if ips.is_empty() && !text(spec, "clusterIP").is_empty() {
        e.push(FieldError::required("spec.clusterIPs", ""));
    } else if let Some(first) = ips.first()
        && *first != text(spec, "clusterIP")
    {
        let shown = Value::from(ips.clone());
        e.push(FieldError::invalid("spec.clusterIPs", shown, "first value must match `clusterIP`"));
    }
    for (index, family) in families.iter().enumerate() {
        if !matches!(*family, "IPv4" | "IPv6") {
            e.push(FieldError::not_supported(format!("spec.ipFamilies[{index}]"), *family, &["IPv4", "IPv6"]));
        } else if families[..index].contains(family) {
            e.push(FieldError::duplicate(format!("spec.ipFamilies[{index}]"), *family));
        }
    }
    one_of(e, spec, "ipFamilyPolicy", "spec", &["PreferDualStack", "RequireDualStack", "SingleStack"], true);
    if families.len() == 2 && text(spec, "ipFamilyPolicy") == "SingleStack" {
        let wrong = "when the ipFamilyPolicy is SingleStack";
        let shown = Value::from(families.clone());
        e.push(FieldError::invalid("spec.ipFamilies", shown, wrong));
    }
    if ips.len() > 2 {
        e.push(FieldError::too_many("spec.clusterIPs", ips.len(), 2));
    }
    for (index, address) in ips.iter().enumerate() {
        let path = format!("spec.clusterIPs[{index}]");
        if *address == "None" {
            if index > 0 || ips.len() > 1 {
                e.push(FieldError::invalid(path, *address, "must not be set to 'None' beside other addresses"));
            }
            continue;
        }
        if ips[..index].contains(address) {
            e.push(FieldError::duplicate(path.as_str(), *address));
        }
        if ip(e, address, path.as_str())
            && let (Some(family), Ok(parsed)) = (families.get(index), address.parse::<IpAddr>())
            && (*family == "IPv4") != parsed.is_ipv4()
        {
            let wrong = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            e.push(FieldError::invalid(path, *address, wrong));
        }
    }
}

fn node_ports(e: &mut FieldErrors, spec: &Value, kind: &str) {
    let mut seen: Vec<(String, i64)> = Vec::new();
    for (item, port) in each(spec, "ports", "spec") {
        let Some(number) = int(port, "nodePort").filter(|n| *n != 0) else { continue };
        if kind == "ClusterIP" {
            let wrong = "may not be used when `type` is 'ClusterIP'";
            e.push(FieldError::forbidden(at(&item, "nodePort"), wrong));
        }
        let key = (text(port, "protocol").to_owned(), number);
        if seen.contains(&key) {
            e.push(FieldError::duplicate(at(&item, "nodePort"), number));
        }
        seen.push(key);
    }
}

fn traffic(e: &mut FieldErrors, spec: &Value, kind: &str) {
    let external =
        matches!(kind, "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && !list(spec, "externalIPs").is_empty());
    let policy = text(spec, "externalTrafficPolicy");
    if !policy.is_empty() {
        if external {
            one_of(e, spec, "externalTrafficPolicy", "spec", &["Cluster", "Local"], true);
        } else {
            let wrong = "may only be set for externally-accessible services";
            e.push(FieldError::invalid("spec.externalTrafficPolicy", policy, wrong));
        }
    } else if external {
        e.push(FieldError::required("spec.externalTrafficPolicy", "for externally-accessible services"));
    }
    if let Some(port) = int(spec, "healthCheckNodePort").filter(|p| *p != 0)
        && !(kind == "LoadBalancer" && policy == "Local")
    {
        let wrong = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        e.push(FieldError::invalid("spec.healthCheckNodePort", port, wrong));
    }
    if kind != "ExternalName" {
        one_of(e, spec, "internalTrafficPolicy", "spec", &["Cluster", "Local"], true);
    }
}

/// A cluster IP stays while the service needs one.
pub(super) fn change_service(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    if ctx.subresource.is_some() {
        return e;
    }
    let (new, before) = (&object["spec"], &old["spec"]);
    if text(new, "type") == "ExternalName" || text(before, "type") == "ExternalName" {
        return e;
    }
    let (after, was) = (list(new, "clusterIPs"), list(before, "clusterIPs"));
    if let Some(first) = was.first()
        && after.first() != Some(first)
    {
        e.push(FieldError::invalid(
            "spec.clusterIPs[0]",
            after.first().cloned().unwrap_or_default(),
            "may not change once set",
        ));
    }
    let families = (list(new, "ipFamilies"), list(before, "ipFamilies"));
    if let (after, Some(first)) = (families.0, families.1.first())
        && after.first() != Some(first)
    {
        e.push(FieldError::invalid(
            "spec.ipFamilies[0]",
            after.first().cloned().unwrap_or_default(),
            "may not change once set",
        ));
    }
    let class = |s: &Value| text(s, "loadBalancerClass").to_owned();
    if text(new, "type") == "LoadBalancer" && text(before, "type") == "LoadBalancer" && class(new) != class(before) {
        let wrong = "may not change once set";
        e.push(FieldError::invalid("spec.loadBalancerClass", class(new), wrong));
    }
    e
}

pub(super) fn endpoints(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    for (item, subset) in each(object, "subsets", "") {
        if list(subset, "addresses").is_empty() && list(subset, "notReadyAddresses").is_empty() {
            e.push(FieldError::required(item.as_str(), "must specify `addresses` or `notReadyAddresses`"));
        }
        for key in ["addresses", "notReadyAddresses"] {
            for (place, address) in each(subset, key, &item) {
                let host = text(address, "hostname");
                non_special_ip(&mut e, text(address, "ip"), at(&place, "ip"));
                if !host.is_empty() {
                    check(&mut e, at(&place, "hostname"), host, names::dns_label(host));
                }
            }
        }
        let many = list(subset, "ports").len() > 1;
        for (place, port) in each(subset, "ports", &item) {
            let name = text(port, "name");
            if name.is_empty() {
                if many {
                    e.push(FieldError::required(at(&place, "name"), ""));
                }
            } else {
                check(&mut e, at(&place, "name"), name, names::dns_label(name));
            }
            port_number(&mut e, int(port, "port").unwrap_or_default(), at(&place, "port"));
            required_one_of(&mut e, port, "protocol", &place, PROTOCOLS);
        }
    }
    e
}

pub(super) fn endpoint_slice(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let kind = text(object, "addressType");
    if kind.is_empty() {
        e.push(FieldError::required("addressType", ""));
    } else {
        one_of(&mut e, object, "addressType", "", &["FQDN", "IPv4", "IPv6"], false);
    }
    let endpoints = list(object, "endpoints");
    if endpoints.len() > 1000 {
        e.push(FieldError::too_many("endpoints", endpoints.len(), 1000));
        return e;
    }
    for (item, endpoint) in each(object, "endpoints", "") {
        let path = at(&item, "addresses");
        let addresses = list(endpoint, "addresses");
        match addresses.len() {
            0 => e.push(FieldError::required(path.as_str(), "must contain at least 1 address")),
            101.. => e.push(FieldError::too_many(path.as_str(), addresses.len(), 100)),
            _ => {}
        }
        for (place, address) in each(endpoint, "addresses", &item) {
            let address = address.as_str().unwrap_or_default();
            match kind {
                "FQDN" => object_name(&mut e, address, place),
                "IPv4" | "IPv6" => {
                    let right = address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() == (kind == "IPv4"));
                    if !right {
                        e.push(FieldError::invalid(path.as_str(), address, format!("must be an {kind} address")));
                    }
                    if address.parse::<IpAddr>().is_ok() {
                        non_special_ip(&mut e, address, place);
                    }
                }
                _ => {}
            }
        }
        if let Some(host) = given(endpoint, "hostname").and_then(Value::as_str) {
            check(&mut e, at(&item, "hostname"), host, names::dns_label(host));
        }
        if let Some(node) = given(endpoint, "nodeName").and_then(Value::as_str) {
            object_name(&mut e, node, at(&item, "nodeName"));
        }
    }
    let ports = list(object, "ports");
    if ports.len() > 20_000 {
        e.push(FieldError::too_many("ports", ports.len(), 20_000));
        return e;
    }
    let mut seen: Vec<&str> = Vec::new();
    for (item, port) in each(object, "ports", "") {
        let name = text(port, "name");
        if seen.contains(&name) {
            e.push(FieldError::duplicate(at(&item, "name"), name));
        }
        seen.push(name);
        if !name.is_empty() {
            check(&mut e, at(&item, "name"), name, names::dns_label(name));
        }
        required_one_of(&mut e, port, "protocol", &item, PROTOCOLS);
        if let Some(number) = int(port, "port") {
            port_number(&mut e, number, at(&item, "port"));
        }
        if let Some(protocol) = given(port, "appProtocol").and_then(Value::as_str) {
            qualified(&mut e, protocol, &at(&item, "appProtocol"));
        }
    }
    e
}

pub(super) fn change_endpoint_slice(object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    immutable(&mut e, object.get("addressType"), old.get("addressType"), "addressType");
    e
}
