//! Validation of resource interpreter customizations and webhook configurations.

use super::{Context, Denial, FieldError, format};
use crate::config::{
    CustomizationRules, ResourceInterpreterCustomization, ResourceInterpreterWebhook,
    ResourceInterpreterWebhookConfiguration, RuleWithOperations, Script, WebhookClientConfig, operation,
};

/// The operations of a customization with their scripts, in Karmada's order; dependencies last, as several
/// customizations of a kind may each name some.
fn scripts(rules: &CustomizationRules) -> Vec<(&'static str, &Script)> {
    let all = [
        (operation::RETAIN, &rules.retention),
        (operation::INTERPRET_REPLICA, &rules.replica_resource),
        (operation::INTERPRET_COMPONENT, &rules.component_resource),
        (operation::REVISE_REPLICA, &rules.replica_revision),
        (operation::INTERPRET_STATUS, &rules.status_reflection),
        (operation::AGGREGATE_STATUS, &rules.status_aggregation),
        (operation::INTERPRET_HEALTH, &rules.health_interpretation),
        (operation::INTERPRET_DEPENDENCY, &rules.dependency_interpretation),
    ];
    all.into_iter().filter_map(|(name, script)| Some((name, script.as_ref()?))).collect()
}

pub(super) fn validate_customization(
    customization: &ResourceInterpreterCustomization,
    context: &Context<'_>,
) -> Result<(), Denial> {
    let own = scripts(&customization.spec.customizations);
    if let Some(compile) = context.compile_lua {
        for (name, script) in &own {
            if let Err(error) = compile(&script.lua_script) {
                return Err(Denial::denied(format!("InterpreterOperation({name}) Lua script error: {error}")));
            }
        }
    }
    for other in context.customizations {
        let Ok(other) = serde::Deserialize::deserialize(other) else { continue };
        conflict(customization, &own, &other)?;
    }
    Ok(())
}

/// Two customizations of the same kind must not answer the same question.
fn conflict(
    customization: &ResourceInterpreterCustomization,
    own: &[(&'static str, &Script)],
    other: &ResourceInterpreterCustomization,
) -> Result<(), Denial> {
    let same_object = other.metadata.name == customization.metadata.name;
    if same_object || other.spec.target != customization.spec.target {
        return Ok(());
    }
    let taken = scripts(&other.spec.customizations);
    for (name, _) in own.iter().filter(|(name, _)| *name != operation::INTERPRET_DEPENDENCY) {
        if taken.iter().any(|(other, _)| other == name) {
            return Err(Denial::denied(format!(
                "conflicting with InterpreterOperation({name}) of existing ResourceInterpreterCustomization({})",
                other.metadata.name.as_deref().unwrap_or_default()
            )));
        }
    }
    Ok(())
}

const OPERATIONS: [&str; 9] = [
    operation::ALL,
    operation::AGGREGATE_STATUS,
    operation::INTERPRET_COMPONENT,
    operation::INTERPRET_DEPENDENCY,
    operation::INTERPRET_HEALTH,
    operation::INTERPRET_REPLICA,
    operation::INTERPRET_STATUS,
    operation::RETAIN,
    operation::REVISE_REPLICA,
];

/// The version of the context that Karmada sends.
const CONTEXT_VERSION: &str = "v1alpha1";

pub(super) fn validate_webhooks(configuration: &ResourceInterpreterWebhookConfiguration) -> Result<(), Denial> {
    let mut errors = vec![];
    let mut names: Vec<&str> = vec![];
    for (i, hook) in configuration.webhooks.iter().enumerate() {
        let at = format!("webhooks[{i}]");
        webhook(hook, &at, &mut errors);
        if names.contains(&hook.name.as_str()) {
            errors.push(FieldError::duplicate(&format!("{at}.name"), &hook.name));
        }
        names.push(&hook.name);
    }
    Denial::because_of(&errors)
}

fn webhook(hook: &ResourceInterpreterWebhook, at: &str, errors: &mut Vec<FieldError>) {
    let invalid = |field: &str, value: &str, messages: Vec<String>| {
        let field = format!("{at}.{field}");
        messages.into_iter().map(move |m| FieldError::invalid(&field, value, m)).collect::<Vec<_>>()
    };
    errors.extend(invalid("name", &hook.name, format::domain_name(&hook.name)));
    for (i, rule) in hook.rules.iter().enumerate() {
        rule_with_operations(rule, &format!("{at}.rules[{i}]"), errors);
    }
    if let Some(seconds) = hook.timeout_seconds.filter(|s| !(1..=30).contains(s)) {
        errors.push(FieldError::invalid(
            &format!("{at}.timeoutSeconds"),
            &seconds,
            "the timeout value must be between 1 and 30 seconds",
        ));
    }
    client_config(&hook.client_config, &format!("{at}.clientConfig"), errors);
    context_versions(&hook.interpreter_context_versions, &format!("{at}.interpreterContextVersions"), errors);
}

fn rule_with_operations(rule: &RuleWithOperations, at: &str, errors: &mut Vec<FieldError>) {
    let operations = format!("{at}.operations");
    if rule.operations.is_empty() {
        errors.push(FieldError::required(&operations, ""));
    }
    alone(&rule.operations, &operations, "operations", errors);
    for (i, name) in rule.operations.iter().enumerate() {
        if !OPERATIONS.contains(&name.as_str()) {
            errors.push(FieldError::not_supported(&format!("{operations}[{i}]"), name, &OPERATIONS));
        }
    }
    // The empty string is the core group, but no version and no kind.
    for (name, what, values, may_be_empty) in [
        ("apiGroups", "groups", &rule.api_groups, true),
        ("apiVersions", "versions", &rule.api_versions, false),
        ("kinds", "kinds", &rule.kinds, false),
    ] {
        let field = format!("{at}.{name}");
        if values.is_empty() {
            errors.push(FieldError::required(&field, ""));
        }
        alone(values, &field, what, errors);
        for (i, _) in values.iter().enumerate().filter(|(_, v)| v.is_empty() && !may_be_empty) {
            errors.push(FieldError::required(&format!("{field}[{i}]"), ""));
        }
    }
}

/// A wildcard says everything; nothing may stand beside it.
fn alone(values: &[String], field: &str, what: &str, errors: &mut Vec<FieldError>) {
    if values.len() > 1 && values.iter().any(|v| v == operation::ALL) {
        let detail = format!("if '*' is present, must not specify other {what}");
        errors.push(FieldError::invalid(field, values, detail));
    }
}

fn client_config(config: &WebhookClientConfig, at: &str, errors: &mut Vec<FieldError>) {
    match (&config.url, &config.service) {
        (Some(url), None) => webhook_url(url, &format!("{at}.url"), errors),
        (None, Some(service)) => {
            let at = format!("{at}.service");
            for (name, value) in [("name", &service.name), ("namespace", &service.namespace)] {
                if value.is_empty() {
                    errors.push(FieldError::required(&format!("{at}.{name}"), format!("service {name} is required")));
                }
            }
            if let Some(path) = &service.path {
                service_path(path, &format!("{at}.path"), errors);
            }
            let number = service.port.unwrap_or(443);
            for message in format::port(number.into()) {
                let detail = format!("port is not valid: {message}");
                errors.push(FieldError::invalid(&format!("{at}.port"), &number, detail));
            }
        }
        _ => errors.push(FieldError::required(at, "exactly one of url or service is required")),
    }
}

fn webhook_url(url: &str, field: &str, errors: &mut Vec<FieldError>) {
    const FORM: &str = "; desired format: https://host[/path]";
    let mut invalid =
        |value: &str, detail: &str| errors.push(FieldError::invalid(field, value, format!("{detail}{FORM}")));
    let Some((scheme, rest)) = url.split_once("://") else {
        invalid("", "'https' is the only allowed URL scheme");
        return;
    };
    if scheme != "https" {
        invalid(scheme, "'https' is the only allowed URL scheme");
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() {
        invalid(host, "host must be specified");
    }
    if !user.is_empty() {
        invalid(user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        invalid(fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        invalid(query, "query parameters are not permitted in the URL");
    }
}

fn service_path(path: &str, field: &str, errors: &mut Vec<FieldError>) {
    if path == "/" || path.is_empty() {
        return;
    }
    if path == "//" {
        errors.push(FieldError::invalid(field, path, "segment[0] may not be empty"));
        return;
    }
    let Some(rest) = path.strip_prefix('/') else {
        errors.push(FieldError::invalid(field, path, "must start with a '/'"));
        return;
    };
    for (i, segment) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if segment.is_empty() {
            errors.push(FieldError::invalid(field, path, format!("segment[{i}] may not be empty")));
            continue;
        }
        for message in format::dns1123_subdomain(segment) {
            errors.push(FieldError::invalid(field, path, format!("segment[{i}]: {message}")));
        }
    }
}

fn context_versions(versions: &[String], field: &str, errors: &mut Vec<FieldError>) {
    if versions.is_empty() {
        errors.push(FieldError::required(field, format!("must specify one of {CONTEXT_VERSION}")));
        return;
    }
    for (i, version) in versions.iter().enumerate() {
        let field = format!("{field}[{i}]");
        if versions[..i].contains(version) {
            errors.push(FieldError::invalid(&field, version, "duplicate version"));
            continue;
        }
        for message in format::dns1035_label(version) {
            errors.push(FieldError::invalid(&field, version, message));
        }
    }
    if !versions.iter().any(|v| v == CONTEXT_VERSION) {
        let detail = format!("must include at least one of {CONTEXT_VERSION}");
        errors.push(FieldError::invalid(field, versions, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn unreadable_customizations_are_passed_over() {
        let broken: Vec<Value> = vec![json!({"spec": 3})];
        let context = Context { customizations: &broken, ..Context::default() };
        assert_eq!(validate_customization(&ResourceInterpreterCustomization::default(), &context), Ok(()));
    }

    #[test]
    fn urls() {
        let mut errors = vec![];
        webhook_url("https://u@/p?q=1#f", "f", &mut errors);
        assert_eq!(errors.len(), 4);
    }
}
