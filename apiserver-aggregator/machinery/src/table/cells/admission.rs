//! What governs the API server itself: webhooks, policies, access, certificates, priorities, aggregated services.

use jiff::Timestamp;
use serde_json::Value;

use super::{NONE, UNSET, age, at, condition, int, list, name, shown, size, text, text_or};
use crate::table::human_duration;

pub(super) fn webhooks(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), size(object, "webhooks").into(), age(object, now)]
}

fn policy(object: &Value, now: Timestamp, rules: &str) -> Vec<Value> {
    let kind = at(object, "spec.paramKind")
        .map_or_else(|| UNSET.to_owned(), |k| format!("{}/{}", text(k, "apiVersion"), text(k, "kind")));
    vec![name(object), size(object, rules).into(), kind.into(), age(object, now)]
}

pub(super) fn mutating_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    policy(object, now, "spec.mutations")
}

pub(super) fn validating_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    policy(object, now, "spec.validations")
}

pub(super) fn policy_binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let parameter = at(object, "spec.paramRef").map_or_else(
        || UNSET.to_owned(),
        |reference| match (text(reference, "namespace"), text(reference, "name")) {
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        },
    );
    vec![name(object), text(object, "spec.policyName").into(), parameter.into(), age(object, now)]
}

pub(super) fn role_binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let of_kind = list(object, "subjects").iter().filter(|s| text(s, "kind") == kind);
        let names: Vec<String> = of_kind
            .map(|s| match (kind, text(s, "namespace"), text(s, "name")) {
                ("ServiceAccount", namespace, name) if !namespace.is_empty() => format!("{namespace}/{name}"),
                (_, _, name) => name.to_owned(),
            })
            .collect();
        Value::from(names.join(", "))
    };
    vec![
        name(object),
        format!("{}/{}", text(object, "roleRef.kind"), text(object, "roleRef.name")).into(),
        age(object, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

pub(super) fn certificate_request(object: &Value, now: Timestamp) -> Vec<Value> {
    let has = |kind: &str| condition(object, kind).is_some();
    let mut state = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !text(object, "status.certificate").is_empty() {
        state.push_str(",Issued");
    }
    let duration = at(object, "spec.expirationSeconds").and_then(Value::as_i64);
    vec![
        name(object),
        age(object, now),
        text_or(object, "spec.signerName", NONE).into(),
        text(object, "spec.username").into(),
        duration.map_or_else(|| NONE.to_owned(), human_duration).into(),
        state.into(),
    ]
}

pub(super) fn api_service(object: &Value, now: Timestamp) -> Vec<Value> {
    let service = at(object, "spec.service")
        .map_or_else(|| "Local".to_owned(), |s| format!("{}/{}", text(s, "namespace"), text(s, "name")));
    let available = match condition(object, "Available") {
        None => "Unknown".to_owned(),
        Some(found) => match (text(found, "status"), text(found, "reason")) {
            ("True", _) => "True".to_owned(),
            (status, "") => status.to_owned(),
            (status, reason) => format!("{status} ({reason})"),
        },
    };
    vec![name(object), service.into(), available.into(), age(object, now)]
}

pub(super) fn flow_schema(object: &Value, now: Timestamp) -> Vec<Value> {
    let dangling = condition(object, "Dangling").map_or("?", |c| text(c, "status"));
    vec![
        name(object),
        text(object, "spec.priorityLevelConfiguration.name").into(),
        int(object, "spec.matchingPrecedence").into(),
        text_or(object, "spec.distinguisherMethod.type", NONE).into(),
        age(object, now),
        dangling.into(),
    ]
}

pub(super) fn priority_level(object: &Value, now: Timestamp) -> Vec<Value> {
    let number = |path: &str| at(object, path).cloned().unwrap_or_else(|| NONE.into());
    let shares = at(object, "spec.limited.nominalConcurrencyShares")
        .or_else(|| at(object, "spec.exempt.nominalConcurrencyShares"))
        .cloned();
    let queuing = |field: &str| number(&format!("spec.limited.limitResponse.queuing.{field}"));
    vec![
        name(object),
        shown(at(object, "spec.type")).unwrap_or_default().into(),
        shares.unwrap_or_else(|| NONE.into()),
        queuing("queues"),
        queuing("handSize"),
        queuing("queueLengthLimit"),
        age(object, now),
    ]
}
