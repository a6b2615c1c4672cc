//! Validation of MultiClusterService, and of MultiClusterIngress as Kubernetes validates its Ingress.

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend, IngressRule, IngressSpec, ServiceBackendPort};

use super::{Denial, FieldError, format};
use crate::networking::{
    ClusterSelector, EXPOSURE_CROSS_CLUSTER, EXPOSURE_LOAD_BALANCER, MultiClusterIngress, MultiClusterService,
};

pub(super) fn validate_service(service: &MultiClusterService, old: Option<&MultiClusterService>) -> Result<(), Denial> {
    let mut errors = vec![];
    let name = service.metadata.name.as_deref().unwrap_or_default();
    errors.extend(format::dns1035_label(name).into_iter().map(|m| FieldError::invalid("metadata.name", name, m)));
    let spec = &service.spec;
    if let Some(old) = old.filter(|old| old.spec.types != spec.types) {
        errors.push(FieldError::invalid("spec.types", &old.spec.types, "MultiClusterService types are immutable"));
    }
    for (i, port) in spec.ports.iter().enumerate() {
        let at = format!("spec.ports[{i}]");
        if !port.name.is_empty() {
            let field = format!("{at}.name");
            let messages = format::dns1123_label(&port.name);
            errors.extend(messages.into_iter().map(|m| FieldError::invalid(&field, &port.name, m)));
            if spec.ports[..i].iter().any(|p| p.name == port.name) {
                errors.push(FieldError::duplicate(&field, &port.name));
            }
        }
        let messages = format::port(port.port.into());
        errors.extend(messages.into_iter().map(|m| FieldError::invalid(&format!("{at}.port"), &port.port, m)));
    }
    if spec.types.len() > 1 {
        let detail = "MultiClusterService types should not contain more than one type";
        errors.push(FieldError::invalid("spec.types", &spec.types, detail));
    }
    let known = [EXPOSURE_CROSS_CLUSTER, EXPOSURE_LOAD_BALANCER];
    for (i, exposure) in spec.types.iter().enumerate().filter(|(_, t)| !known.contains(&t.as_str())) {
        errors.push(FieldError::not_supported(&format!("spec.types[{i}]"), exposure, &known));
    }
    // The deprecated range is still named where its successors are wrong.
    clusters(&spec.provider_clusters, "spec.range.providerClusters", &mut errors);
    clusters(&spec.consumer_clusters, "spec.range.consumerClusters", &mut errors);
    Denial::because_of(&errors)
}

fn clusters(clusters: &[ClusterSelector], at: &str, errors: &mut Vec<FieldError>) {
    for (i, cluster) in clusters.iter().enumerate() {
        let messages = format::cluster_name(&cluster.name);
        if !messages.is_empty() {
            errors.push(FieldError::invalid(&format!("{at}[{i}]"), &cluster.name, messages.join(",")));
        }
    }
}

pub(super) fn validate_ingress(ingress: &MultiClusterIngress) -> Result<(), Denial> {
    let mut errors = vec![];
    validate_spec(&ingress.spec, &mut errors);
    Denial::because_of(&errors)
}

fn validate_spec(spec: &IngressSpec, errors: &mut Vec<FieldError>) {
    let rules = spec.rules.as_deref().unwrap_or_default();
    if rules.is_empty() && spec.default_backend.is_none() {
        errors.push(FieldError::invalid("spec", &(), "either `defaultBackend` or `rules` must be specified"));
    }
    if let Some(default) = &spec.default_backend {
        backend(default, "spec.defaultBackend", errors);
    }
    for (i, rule) in rules.iter().enumerate() {
        validate_rule(rule, &format!("spec.rules[{i}]"), errors);
    }
    for (i, tls) in spec.tls.iter().flatten().enumerate() {
        for (j, host) in tls.hosts.iter().flatten().enumerate() {
            host_name(host, &format!("spec.tls[{i}].hosts[{j}]"), errors);
        }
    }
    if let Some(class) = &spec.ingress_class_name {
        for message in format::dns1123_subdomain(class) {
            errors.push(FieldError::invalid("spec.ingressClassName", class, message));
        }
    }
}

fn host_name(host: &str, field: &str, errors: &mut Vec<FieldError>) {
    let messages = if host.contains('*') { format::wildcard_subdomain(host) } else { format::dns1123_subdomain(host) };
    errors.extend(messages.into_iter().map(|m| FieldError::invalid(field, host, m)));
}

fn validate_rule(rule: &IngressRule, at: &str, errors: &mut Vec<FieldError>) {
    if let Some(host) = rule.host.as_deref().filter(|host| !host.is_empty()) {
        let field = format!("{at}.host");
        if host.parse::<std::net::IpAddr>().is_ok() {
            errors.push(FieldError::invalid(&field, host, "must be a DNS name, not an IP address"));
        }
        host_name(host, &field, errors);
    }
    let Some(http) = &rule.http else { return };
    if http.paths.is_empty() {
        errors.push(FieldError::required(&format!("{at}.http.paths"), ""));
    }
    for (i, path) in http.paths.iter().enumerate() {
        validate_path(path, &format!("{at}.http.paths[{i}]"), errors);
    }
}

fn validate_path(path: &HTTPIngressPath, at: &str, errors: &mut Vec<FieldError>) {
    let text = path.path.as_deref().unwrap_or_default();
    let field = format!("{at}.path");
    match path.path_type.as_str() {
        "" => errors.push(FieldError::required(&format!("{at}.pathType"), "pathType must be specified")),
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                errors.push(FieldError::invalid(&field, text, "must be an absolute path"));
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|part| text.contains(**part)) {
                errors.push(FieldError::invalid(&field, text, format!("must not contain '{part}'")));
            }
            for end in ["/..", "/."].iter().filter(|end| text.ends_with(**end)) {
                errors.push(FieldError::invalid(&field, text, format!("cannot end with '{end}'")));
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                errors.push(FieldError::invalid(&field, text, "must be an absolute path"));
            }
        }
        other => errors.push(FieldError::not_supported(
            &format!("{at}.pathType"),
            other,
            &["Exact", "ImplementationSpecific", "Prefix"],
        )),
    }
    backend(&path.backend, &format!("{at}.backend"), errors);
}

fn backend(backend: &IngressBackend, at: &str, errors: &mut Vec<FieldError>) {
    match (&backend.resource, &backend.service) {
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid(at, "", "cannot set both resource and service backends"));
        }
        (Some(resource), None) => {
            for (name, value) in [("kind", &resource.kind), ("name", &resource.name)] {
                if value.is_empty() {
                    errors.push(FieldError::required(&format!("{at}.resource.{name}"), ""));
                }
            }
        }
        (None, Some(service)) => {
            let field = format!("{at}.service.name");
            if service.name.is_empty() {
                errors.push(FieldError::required(&field, ""));
            } else {
                let messages = format::dns1035_label(&service.name);
                errors.extend(messages.into_iter().map(|m| FieldError::invalid(&field, &service.name, m)));
            }
            backend_port(service.port.as_ref(), at, errors);
        }
        (None, None) => errors.push(FieldError::required(at, "resource or service backend is required")),
    }
}

fn backend_port(port: Option<&ServiceBackendPort>, at: &str, errors: &mut Vec<FieldError>) {
    let name = port.and_then(|p| p.name.as_deref()).unwrap_or_default();
    let number = port.and_then(|p| p.number).unwrap_or(0);
    match (name.is_empty(), number == 0) {
        (false, false) => errors.push(FieldError::invalid(at, "", "cannot set both port name & port number")),
        (true, true) => errors.push(FieldError::required(at, "port name or number is required")),
        (false, true) => {
            let field = format!("{at}.service.port.name");
            errors.extend(format::port_name(name).into_iter().map(|m| FieldError::invalid(&field, name, m)));
        }
        (true, false) => {
            let field = format!("{at}.service.port.number");
            errors.extend(format::port(number.into()).into_iter().map(|m| FieldError::invalid(&field, &number, m)));
        }
    }
}
