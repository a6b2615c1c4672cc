//! Services, endpoints, ingresses and policies of the network.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    NONE, UNKNOWN, UNSET, age, at, first_few, int, joined, labels, list, map, name, selector, shown, size, text,
    text_or,
};

/// How many hosts, ports or addresses are shown.
const FEW: usize = 3;

/// Addresses of a load balancer, sorted.
fn load_balancer(object: &Value) -> Vec<String> {
    let addresses: BTreeSet<&str> =
        list(object, "status.loadBalancer.ingress").iter().map(|i| text_or(i, "ip", text(i, "hostname"))).collect();
    addresses.into_iter().filter(|a| !a.is_empty()).map(str::to_owned).collect()
}

fn external_ip(service: &Value) -> String {
    let external: Vec<String> = list(service, "spec.externalIPs").iter().filter_map(|v| shown(Some(v))).collect();
    match text(service, "spec.type") {
        "ClusterIP" | "NodePort" => super::or_none(external.join(",")),
        "LoadBalancer" => {
            let all: Vec<String> = load_balancer(service).into_iter().chain(external).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => text(service, "spec.externalName").to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}

pub(super) fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = list(object, "spec.ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (int(port, "port"), text(port, "protocol"));
            match int(port, "nodePort") {
                node_port @ 1.. => format!("{number}:{node_port}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    let cluster_ip = list(object, "spec.clusterIPs").first().and_then(Value::as_str).unwrap_or(NONE);
    vec![
        name(object),
        text(object, "spec.type").into(),
        cluster_ip.into(),
        external_ip(object).into(),
        super::or_none(ports.join(",")).into(),
        age(object, now),
        labels(map(object, "spec.selector")).into(),
    ]
}

fn host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

pub(super) fn endpoints(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in list(object, "subsets") {
        let ips = || list(subset, "addresses").iter().map(|a| text(a, "ip"));
        let ports = list(subset, "ports");
        if ports.is_empty() {
            all.extend(ips().map(str::to_owned));
        }
        for port in ports {
            all.extend(ips().map(|ip| host_port(ip, int(port, "port"))));
        }
    }
    let shown = if size(object, "subsets") == 0 { NONE.to_owned() } else { first_few(&all, FEW, ",") };
    vec![name(object), shown.into(), age(object, now)]
}

pub(super) fn endpoint_slice(object: &Value, now: Timestamp) -> Vec<Value> {
    let or_unset = |text: String| if text.is_empty() { UNSET.to_owned() } else { text };
    let ports: Vec<String> = list(object, "ports")
        .iter()
        .map(|port| shown(at(port, "port")).unwrap_or_else(|| text_or(port, "name", "*").to_owned()))
        .collect();
    let addresses: Vec<String> = list(object, "endpoints")
        .iter()
        .flat_map(|endpoint| list(endpoint, "addresses"))
        .filter_map(|a| shown(Some(a)))
        .collect();
    vec![
        name(object),
        text(object, "addressType").into(),
        or_unset(first_few(&ports, FEW, ",")).into(),
        or_unset(first_few(&addresses, FEW, ",")).into(),
        age(object, now),
    ]
}

pub(super) fn ingress(object: &Value, now: Timestamp) -> Vec<Value> {
    let rules = list(object, "spec.rules");
    let first: Vec<&str> = rules.iter().map(|r| text(r, "host")).filter(|h| !h.is_empty()).take(FEW).collect();
    let hosts = if first.is_empty() {
        "*".to_owned()
    } else if rules.len() > FEW && first.len() == FEW {
        format!("{} + {} more...", first.join(","), rules.len() - FEW)
    } else {
        first.join(",")
    };
    let ports = if size(object, "spec.tls") > 0 { "80, 443" } else { "80" };
    vec![
        name(object),
        text_or(object, "spec.ingressClassName", NONE).into(),
        hosts.into(),
        load_balancer(object).join(",").into(),
        ports.into(),
        age(object, now),
    ]
}

pub(super) fn ingress_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let parameters = at(object, "spec.parameters").map_or_else(
        || NONE.to_owned(),
        |p| {
            let group = at(p, "apiGroup").and_then(Value::as_str).map(|g| format!(".{g}")).unwrap_or_default();
            format!("{}{group}/{}", text(p, "kind"), text(p, "name"))
        },
    );
    vec![name(object), text(object, "spec.controller").into(), parameters.into(), age(object, now)]
}

pub(super) fn ip_address(object: &Value, _now: Timestamp) -> Vec<Value> {
    let parent = at(object, "spec.parentRef").map_or_else(
        || NONE.to_owned(),
        |p| {
            let resource = match text(p, "group") {
                "" => text(p, "resource").to_owned(),
                group => format!("{}.{group}", text(p, "resource")),
            };
            match text(p, "namespace") {
                "" => format!("{resource}/{}", text(p, "name")),
                namespace => format!("{resource}/{namespace}/{}", text(p, "name")),
            }
        },
    );
    vec![name(object), parent.to_lowercase().into()]
}

pub(super) fn network_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), selector(object, "spec.podSelector").into(), age(object, now)]
}

pub(super) fn service_cidr(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), joined(object, "spec.cidrs", ",").into(), age(object, now)]
}
