//! Validation of Clusters.

use serde::Deserialize;
use serde_json::Value;

use super::{Cluster, ClusterSpec, ClusterSyncMode, LocalSecretReference, ResourceModel, ResourceModelRange, Taint};
use crate::admission::{ErrorKind, FieldError, format};
use crate::quantity::{Amount, Quantity};
use crate::taints;

/// What is wrong with a Cluster that is created or changed. Changes of the status alone are not judged.
#[must_use]
pub fn validate(cluster: &Value) -> Vec<FieldError> {
    let mut errors = vec![];
    let mut readable = cluster.clone();
    let mode = cluster.pointer("/spec/syncMode").and_then(Value::as_str).unwrap_or_default();
    if ClusterSyncMode::parse(mode).is_none()
        && let Some(Value::Object(spec)) = readable.get_mut("spec")
    {
        spec.remove("syncMode");
    }
    let cluster = match Cluster::deserialize(&readable) {
        Ok(cluster) => cluster,
        Err(error) => return vec![FieldError::invalid("spec", "", error.to_string())],
    };
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    for message in format::cluster_name(name) {
        errors.push(FieldError::invalid("metadata.name", name, message));
    }
    let spec = &cluster.spec;
    if mode.is_empty() {
        errors.push(FieldError::required("spec.syncMode", ""));
    } else if spec.sync_mode.is_none() {
        errors.push(FieldError::not_supported("spec.syncMode", mode, &["Pull", "Push"]));
    }
    validate_spec(spec, &mut errors);
    errors
}

/// The whole message with which the API server refuses such a Cluster.
#[must_use]
pub fn refusal(name: &str, errors: &[FieldError]) -> String {
    format!("Cluster.cluster.karmada.io {name:?} is invalid: {}", crate::admission::aggregate(errors))
}

fn validate_spec(spec: &ClusterSpec, errors: &mut Vec<FieldError>) {
    if !spec.api_endpoint.is_empty() {
        endpoint(&spec.api_endpoint, errors);
    }
    secret(spec.secret_ref.as_ref(), "spec.secretRef", errors);
    secret(spec.impersonator_secret_ref.as_ref(), "spec.impersonatorSecretRef", errors);
    if !spec.proxy_url.is_empty() {
        proxy(&spec.proxy_url, errors);
    }
    for (field, value) in [("spec.provider", &spec.provider), ("spec.region", &spec.region), ("spec.zone", &spec.zone)]
    {
        let messages = format::label_value(value);
        errors.extend(messages.into_iter().map(|m| FieldError::invalid(field, value, m)));
    }
    if !spec.zone.is_empty() && !spec.zones.is_empty() {
        errors.push(FieldError {
            kind: ErrorKind::TypeInvalid,
            value: shown_spec(spec),
            ..FieldError::invalid("spec.spec", "", "Zone and Zones cannot co-exist")
        });
    }
    for zone in &spec.zones {
        let messages = format::label_value(zone);
        errors.extend(messages.into_iter().map(|m| FieldError::invalid("spec.Zones", zone, m)));
    }
    taint_list(&spec.taints, errors);
    if let Some(detail) = models_problem(&spec.resource_models) {
        errors.push(FieldError {
            value: shown_models(&spec.resource_models),
            ..FieldError::invalid("spec.resourceModels", "", detail)
        });
    }
}

/// A URL, or a host with or without a port; nothing that names a user, a query or a fragment.
fn endpoint(text: &str, errors: &mut Vec<FieldError>) {
    const FORM: &str = "desired format: hostname, hostname:port, IP or IP:port";
    let field = "spec.apiEndpoint";
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() {
        errors.push(FieldError::invalid(field, host, format!("host must be provided; {FORM}")));
    }
    if !user.is_empty() {
        errors.push(FieldError::invalid(field, user, "user information is not permitted in the URL"));
    }
    if !fragment.is_empty() {
        errors.push(FieldError::invalid(field, fragment, "fragments are not permitted in the URL"));
    }
    if !query.is_empty() {
        errors.push(FieldError::invalid(field, query, "query parameters are not permitted in the URL"));
    }
}

fn secret(reference: Option<&LocalSecretReference>, at: &str, errors: &mut Vec<FieldError>) {
    let Some(reference) = reference else { return };
    for (name, value) in [("namespace", &reference.namespace), ("name", &reference.name)] {
        if value.is_empty() {
            errors.push(FieldError::required(&format!("{at}.{name}"), ""));
        }
    }
}

fn proxy(url: &str, errors: &mut Vec<FieldError>) {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !["http", "https", "socks5"].contains(&scheme) {
        let detail = format!("unsupported scheme {scheme:?}, must be http, https, or socks5");
        errors.push(FieldError::invalid("spec.proxyURL", url, detail));
    }
}

fn taint_list(list: &[Taint], errors: &mut Vec<FieldError>) {
    let effects = [taints::EFFECT_NO_SCHEDULE, taints::EFFECT_PREFER_NO_SCHEDULE, taints::EFFECT_NO_EXECUTE];
    for (i, taint) in list.iter().enumerate() {
        let at = format!("spec.taints[{i}]");
        for message in format::qualified_name(&taint.key) {
            errors.push(FieldError::invalid(&format!("{at}.key"), &taint.key, message));
        }
        let messages = format::label_value(&taint.value);
        if !messages.is_empty() {
            errors.push(FieldError::invalid(&format!("{at}.value"), &taint.value, messages.join(";")));
        }
        let field = format!("{at}.effect");
        if taint.effect.is_empty() {
            errors.push(FieldError::required(&field, ""));
        } else if !effects.contains(&taint.effect.as_str()) {
            errors.push(FieldError::not_supported(&field, &taint.effect, &effects));
        }
        if list[..i].iter().any(|t| t.key == taint.key && t.effect == taint.effect) {
            let error = FieldError::duplicate(&at, taint);
            errors.push(error.because("taints must be unique by key and effect pair"));
        }
    }
}

fn amount(bound: Option<&Quantity>) -> Amount {
    bound.map(Quantity::amount_or_zero).unwrap_or_default()
}

/// The first thing that is wrong with the grades: they must cover all amounts, without gap or overlap.
fn models_problem(models: &[ResourceModel]) -> Option<&'static str> {
    for (i, model) in models.iter().enumerate() {
        let before = i.checked_sub(1).map(|j| &models[j]);
        if before.is_some_and(|b| b.grade == model.grade) {
            return Some("The grade of each models should not be the same");
        }
        if model.ranges.len() != models[0].ranges.len() {
            return Some("The number of resource types of each models should be the same");
        }
        for (j, range) in model.ranges.iter().enumerate() {
            let problem = range_problem(range, before.and_then(|b| b.ranges.get(j)), i + 1 == models.len());
            if problem.is_some() {
                return problem;
            }
        }
    }
    None
}

fn range_problem(range: &ResourceModelRange, before: Option<&ResourceModelRange>, last: bool) -> Option<&'static str> {
    let (min, max) = (amount(range.min.as_ref()), amount(range.max.as_ref()));
    if max <= min {
        return Some("The max value of each resource must be greater than the min value");
    }
    match before {
        None if !min.is_zero() => return Some("The min value of each resource in the first model should be 0"),
        Some(before) if before.name != range.name => {
            return Some("The resource types of each models should be the same");
        }
        Some(before) if amount(before.max.as_ref()) != min => {
            return Some("Model intervals for resources must be contiguous and non-overlapping");
        }
        _ => {}
    }
    if last && max.value() != i64::MAX {
        return Some("The max value of each resource in the last model should be MaxInt64");
    }
    None
}

/// Messages show the server's own form of the values: Go's field names, in Go's order.
fn shown_models(models: &[ResourceModel]) -> String {
    let quantity = |q: Option<&Quantity>| Value::from(amount(q).to_string());
    let range = |r: &ResourceModelRange| {
        let (min, max) = (quantity(r.min.as_ref()), quantity(r.max.as_ref()));
        format!(r#"{{"Name":{},"Min":{min},"Max":{max}}}"#, Value::from(r.name.as_str()))
    };
    let model = |m: &ResourceModel| {
        let ranges: Vec<String> = m.ranges.iter().map(range).collect();
        format!(r#"{{"Grade":{},"Ranges":[{}]}}"#, m.grade, ranges.join(","))
    };
    format!("[{}]", models.iter().map(model).collect::<Vec<_>>().join(","))
}

fn shown_spec(spec: &ClusterSpec) -> String {
    let text = |s: &str| Value::from(s).to_string();
    let secret = |reference: Option<&LocalSecretReference>| match reference {
        None => "null".to_owned(),
        Some(r) => format!(r#"{{"Namespace":{},"Name":{}}}"#, text(&r.namespace), text(&r.name)),
    };
    let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap_or_default();
    let id = if spec.id.is_empty() { String::new() } else { format!(r#""id":{},"#, text(&spec.id)) };
    let mode = spec.sync_mode.map_or("", ClusterSyncMode::as_str);
    let headers = if spec.proxy_header.is_empty() {
        "null".to_owned()
    } else {
        json(&|| serde_json::to_string(&spec.proxy_header))
    };
    let taints = if spec.taints.is_empty() { "null".to_owned() } else { json(&|| serde_json::to_string(&spec.taints)) };
    let models = if spec.resource_models.is_empty() { "null".to_owned() } else { shown_models(&spec.resource_models) };
    format!(
        r#"{{{id}"SyncMode":{},"APIEndpoint":{},"SecretRef":{},"ImpersonatorSecretRef":{},"InsecureSkipTLSVerification":{},"ProxyURL":{},"ProxyHeader":{headers},"Provider":{},"Region":{},"Zone":{},"zones":{},"Taints":{taints},"ResourceModels":{models}}}"#,
        text(mode),
        text(&spec.api_endpoint),
        secret(spec.secret_ref.as_ref()),
        secret(spec.impersonator_secret_ref.as_ref()),
        spec.insecure_skip_tls_verification,
        text(&spec.proxy_url),
        text(&spec.provider),
        text(&spec.region),
        text(&spec.zone),
        json(&|| serde_json::to_string(&spec.zones)),
    )
}
