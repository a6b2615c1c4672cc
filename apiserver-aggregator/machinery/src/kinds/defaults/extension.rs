//! Webhooks, admission policies, custom resource definitions and API services.

use serde_json::{Value, json};

use super::{Object, default, default_value, for_each, text, with, with_made};

fn client_config(holder: &mut Object) {
    with(holder, "clientConfig", |config| with(config, "service", |service| default(service, "port", 443)));
}

fn webhook(webhook: &mut Object) {
    client_config(webhook);
    default(webhook, "failurePolicy", "Fail");
    default(webhook, "matchPolicy", "Equivalent");
    default(webhook, "namespaceSelector", Object::new());
    default(webhook, "objectSelector", Object::new());
    default(webhook, "timeoutSeconds", 10);
    for_each(webhook, "rules", |rule| default(rule, "scope", "*"));
}

pub(super) fn validating(object: &mut Object) {
    for_each(object, "webhooks", webhook);
}

pub(super) fn mutating(object: &mut Object) {
    for_each(object, "webhooks", |hook| {
        webhook(hook);
        default(hook, "reinvocationPolicy", "Never");
    });
}

fn match_resources(resources: &mut Object) {
    default(resources, "matchPolicy", "Equivalent");
    default(resources, "namespaceSelector", Object::new());
    default(resources, "objectSelector", Object::new());
    for key in ["resourceRules", "excludeResourceRules"] {
        for_each(resources, key, |rule| default(rule, "scope", "*"));
    }
}

pub(super) fn policy(object: &mut Object) {
    with_made(object, "spec", |spec| {
        default(spec, "failurePolicy", "Fail");
        with(spec, "matchConstraints", match_resources);
    });
}

pub(super) fn policy_binding(object: &mut Object) {
    with(object, "spec", |spec| with(spec, "matchResources", match_resources));
}

pub(super) fn definition(object: &mut Object) {
    with_made(object, "spec", |spec| {
        with_made(spec, "names", |names| {
            let kind = text(names, "kind").to_owned();
            if !kind.is_empty() {
                default_value(names, "singular", kind.to_lowercase());
                default_value(names, "listKind", format!("{kind}List"));
            }
        });
        with_made(spec, "conversion", |conversion| {
            default_value(conversion, "strategy", "None");
            with(conversion, "webhook", client_config);
        });
    });
    let stored = object["spec"].get("versions").and_then(Value::as_array).map(|versions| {
        versions.iter().filter(|v| v["storage"] == true).map(|v| v["name"].clone()).take(1).collect::<Vec<_>>()
    });
    with_made(object, "status", |status| {
        default(status, "acceptedNames", json!({"kind": "", "plural": ""}));
        if let Some(stored) = stored.filter(|s| !s.is_empty())
            && status.get("storedVersions").and_then(Value::as_array).is_none_or(Vec::is_empty)
        {
            status.insert("storedVersions".to_owned(), stored.into());
        }
    });
}

pub(super) fn api_service(object: &mut Object) {
    with(object, "spec", |spec| with(spec, "service", |service| default(service, "port", 443)));
}
