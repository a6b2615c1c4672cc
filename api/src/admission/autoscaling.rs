//! Validation of FederatedHPA, as Kubernetes validates its HPA, and of CronFederatedHPA.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerBehavior, MetricIdentifier,
    MetricSpec, MetricTarget,
};

use super::{Context, Denial, FieldError, cron};
use crate::autoscaling::{CronFederatedHPA, CronFederatedHPARule, FederatedHPA};
use crate::quantity::Amount;

/// The longest window over which recommendations are stabilized.
const MAX_WINDOW_SECONDS: i32 = 3600;
/// The longest period of a scaling policy.
const MAX_PERIOD_SECONDS: i32 = 1800;

pub(super) fn validate_hpa(hpa: &FederatedHPA) -> Result<(), Denial> {
    let mut errors = vec![];
    let spec = &hpa.spec;
    if let Some(min) = spec.min_replicas.filter(|min| *min < 1) {
        errors.push(FieldError::invalid("spec.minReplicas", &min, "must be greater than or equal to 1"));
    }
    if spec.max_replicas < 1 {
        errors.push(FieldError::invalid("spec.maxReplicas", &spec.max_replicas, "must be greater than 0"));
    }
    if spec.min_replicas.is_some_and(|min| spec.max_replicas < min) {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid("spec.maxReplicas", &spec.max_replicas, detail));
    }
    reference(&spec.scale_target_ref, "spec.scaleTargetRef", &mut errors);
    for (i, metric) in spec.metrics.iter().enumerate() {
        metric_spec(metric, &format!("spec.metrics[{i}]"), &mut errors);
    }
    if let Some(behavior) = &spec.behavior {
        validate_behavior(behavior, &mut errors);
    }
    Denial::because_of(&errors)
}

/// Names that end up in paths of URLs.
fn path_segment(text: &str, field: &str, errors: &mut Vec<FieldError>) {
    if text.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if text == "." || text == ".." {
        errors.push(FieldError::invalid(field, text, format!("may not be '{text}'")));
    } else {
        for part in ["/", "%"].iter().filter(|part| text.contains(**part)) {
            errors.push(FieldError::invalid(field, text, format!("may not contain '{part}'")));
        }
    }
}

fn reference(reference: &CrossVersionObjectReference, at: &str, errors: &mut Vec<FieldError>) {
    path_segment(&reference.kind, &format!("{at}.kind"), errors);
    path_segment(&reference.name, &format!("{at}.name"), errors);
}

/// External metrics would have to be read in no cluster in particular; they are not supported.
const METRIC_TYPES: [&str; 4] = ["ContainerResource", "Object", "Pods", "Resource"];

fn metric_spec(spec: &MetricSpec, at: &str, errors: &mut Vec<FieldError>) {
    let type_field = format!("{at}.type");
    if spec.type_.is_empty() {
        errors.push(FieldError::required(&type_field, "must specify a metric source type"));
    }
    if !METRIC_TYPES.contains(&spec.type_.as_str()) {
        errors.push(FieldError::not_supported(&type_field, &spec.type_, &METRIC_TYPES));
    }
    let sources = [
        ("object", "Object", spec.object.is_some()),
        ("pods", "Pods", spec.pods.is_some()),
        ("resource", "Resource", spec.resource.is_some()),
        ("containerResource", "ContainerResource", spec.container_resource.is_some()),
    ];
    let present: Vec<&str> = sources.iter().filter(|(_, _, there)| *there).map(|(field, _, _)| *field).collect();
    // Only the first source is looked into: with more than one, the others are refused anyway.
    match present.first() {
        Some(&"object") => object_source(spec, at, errors),
        Some(&"pods") => pods_source(spec, at, errors),
        Some(&"resource") => resource_source(spec, at, errors),
        Some(_) => container_source(spec, at, errors),
        None => {}
    }
    let expected = sources.iter().find(|(_, name, _)| *name == spec.type_);
    if let Some((field, _, false)) = expected {
        let detail = "must populate information for the given metric source";
        errors.push(FieldError::required(&format!("{at}.{field}"), detail));
    }
    if present.len() != 1 {
        for field in present.iter().filter(|field| expected.is_none_or(|(wanted, _, _)| wanted != *field)) {
            let detail = "must populate the given metric source only";
            errors.push(FieldError::forbidden(&format!("{at}.{field}"), detail));
        }
    }
}

fn object_source(spec: &MetricSpec, at: &str, errors: &mut Vec<FieldError>) {
    let Some(source) = &spec.object else { return };
    reference(&source.described_object, &format!("{at}.object.describedObject"), errors);
    identifier(&source.metric, &format!("{at}.object.metric"), errors);
    target(&source.target, &format!("{at}.object.target"), errors);
    if source.target.value.is_none() && source.target.average_value.is_none() {
        let detail = "must set either a target value for metric or a per-pod target";
        errors.push(FieldError::required(&format!("{at}.object.target.averageValue"), detail));
    }
}

fn pods_source(spec: &MetricSpec, at: &str, errors: &mut Vec<FieldError>) {
    let Some(source) = &spec.pods else { return };
    identifier(&source.metric, &format!("{at}.pods.metric"), errors);
    target(&source.target, &format!("{at}.pods.target"), errors);
    if source.target.average_value.as_ref().is_none_or(|v| !is_positive(&v.0)) {
        let detail = "must specify a positive target averageValue";
        errors.push(FieldError::required(&format!("{at}.pods.target.averageValue"), detail));
    }
}

fn resource_source(spec: &MetricSpec, at: &str, errors: &mut Vec<FieldError>) {
    let Some(source) = &spec.resource else { return };
    if source.name.is_empty() {
        errors.push(FieldError::required(&format!("{at}.resource.name"), "must specify a resource name"));
    }
    resource_target(&source.target, &format!("{at}.resource.target"), errors);
}

fn container_source(spec: &MetricSpec, at: &str, errors: &mut Vec<FieldError>) {
    let Some(source) = &spec.container_resource else { return };
    let at = format!("{at}.containerResource");
    if source.name.is_empty() {
        errors.push(FieldError::required(&format!("{at}.name"), "must specify a resource name"));
    }
    if source.container.is_empty() {
        errors.push(FieldError::required(&format!("{at}.container"), "must specify a container name"));
    }
    resource_target(&source.target, &format!("{at}.target"), errors);
}

fn resource_target(value: &MetricTarget, at: &str, errors: &mut Vec<FieldError>) {
    target(value, at, errors);
    match (value.average_utilization, &value.average_value) {
        (None, None) => errors.push(FieldError::required(
            &format!("{at}.averageUtilization"),
            "must set either a target raw value or a target utilization",
        )),
        (Some(_), Some(_)) => errors.push(FieldError::forbidden(
            &format!("{at}.averageValue"),
            "may not set both a target raw value and a target utilization",
        )),
        _ => {}
    }
}

fn identifier(metric: &MetricIdentifier, at: &str, errors: &mut Vec<FieldError>) {
    if metric.name.is_empty() {
        errors.push(FieldError::required(&format!("{at}.name"), "must specify a metric name"));
    } else {
        path_segment(&metric.name, &format!("{at}.name"), errors);
    }
}

fn is_positive(quantity: &str) -> bool {
    Amount::parse(quantity).is_ok_and(|a| a > Amount::ZERO)
}

fn target(target: &MetricTarget, at: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{at}.type");
    if target.type_.is_empty() {
        errors.push(FieldError::required(&field, "must specify a metric target type"));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&target.type_.as_str()) {
        let detail = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(&field, &target.type_, detail));
    }
    if let Some(value) = target.average_utilization.filter(|v| *v < 1) {
        errors.push(FieldError::invalid(&format!("{at}.averageUtilization"), &value, "must be greater than 0"));
    }
    for (name, quantity) in [("value", &target.value), ("averageValue", &target.average_value)] {
        if let Some(quantity) = quantity.as_ref().filter(|q| !is_positive(&q.0)) {
            errors.push(FieldError::invalid(&format!("{at}.{name}"), &quantity.0, "must be positive"));
        }
    }
}

fn validate_behavior(behavior: &HorizontalPodAutoscalerBehavior, errors: &mut Vec<FieldError>) {
    for (name, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
        if let Some(rules) = rules {
            scaling_rules(rules, &format!("spec.behavior.{name}"), errors);
        }
    }
}

fn scaling_rules(rules: &HPAScalingRules, at: &str, errors: &mut Vec<FieldError>) {
    if let Some(seconds) = rules.stabilization_window_seconds {
        let field = format!("{at}.stabilizationWindowSeconds");
        if seconds < 0 {
            errors.push(FieldError::invalid(&field, &seconds, "must be greater than or equal to zero"));
        }
        if seconds > MAX_WINDOW_SECONDS {
            let detail = format!("must be less than or equal to {MAX_WINDOW_SECONDS}");
            errors.push(FieldError::invalid(&field, &seconds, detail));
        }
    }
    let selections = ["Disabled", "Max", "Min"];
    if let Some(policy) = rules.select_policy.as_deref().filter(|p| !selections.contains(p)) {
        errors.push(FieldError::not_supported(&format!("{at}.selectPolicy"), policy, &selections));
    }
    let policies = rules.policies.as_deref().unwrap_or_default();
    if policies.is_empty() {
        errors.push(FieldError::required(&format!("{at}.policies"), "must specify at least one Policy"));
    }
    for (i, policy) in policies.iter().enumerate() {
        scaling_policy(policy, &format!("{at}.policies[{i}]"), errors);
    }
    if let Some(tolerance) = rules.tolerance.as_ref().filter(|t| Amount::parse(&t.0).is_ok_and(Amount::is_negative)) {
        let field = format!("{at}.tolerance");
        errors.push(FieldError::invalid(&field, &tolerance.0, "must be greater or equal to zero"));
    }
}

fn scaling_policy(policy: &HPAScalingPolicy, at: &str, errors: &mut Vec<FieldError>) {
    let types = ["Percent", "Pods"];
    if !types.contains(&policy.type_.as_str()) {
        errors.push(FieldError::not_supported(&format!("{at}.type"), &policy.type_, &types));
    }
    if policy.value <= 0 {
        errors.push(FieldError::invalid(&format!("{at}.value"), &policy.value, "must be greater than zero"));
    }
    let field = format!("{at}.periodSeconds");
    if policy.period_seconds <= 0 {
        errors.push(FieldError::invalid(&field, &policy.period_seconds, "must be greater than zero"));
    }
    if policy.period_seconds > MAX_PERIOD_SECONDS {
        let detail = format!("must be less than or equal to {MAX_PERIOD_SECONDS}");
        errors.push(FieldError::invalid(&field, &policy.period_seconds, detail));
    }
}

pub(super) fn validate_cron(cron: &CronFederatedHPA, context: &Context<'_>) -> Result<(), Denial> {
    let mut errors = vec![];
    let target = &cron.spec.scale_target_ref;
    let (group, _) = crate::gvk::split_api_version(target.api_version.as_deref().unwrap_or_default());
    let scales_hpa = group == crate::autoscaling::GROUP;
    if scales_hpa && target.kind != "FederatedHPA" {
        let detail = format!("invalid scaleTargetRef kind: {}, only support FederatedHPA", target.kind);
        errors.push(FieldError::invalid("spec.scaleTargetRef.kind", &target.kind, detail));
        return Denial::because_of(&errors);
    }
    for (i, rule) in cron.spec.rules.iter().enumerate() {
        let at = format!("spec.rules[{i}]");
        if cron.spec.rules[..i].iter().any(|r| r.name == rule.name) {
            errors.push(FieldError::duplicate(&format!("{at}.name"), &rule.name));
        }
        cron_rule(rule, scales_hpa, &at, context, &mut errors);
    }
    Denial::because_of(&errors)
}

fn cron_rule(
    rule: &CronFederatedHPARule,
    scales_hpa: bool,
    at: &str,
    context: &Context<'_>,
    errors: &mut Vec<FieldError>,
) {
    if !cron::is_valid(&rule.schedule) {
        errors.push(FieldError::invalid(&format!("{at}.schedule"), &rule.schedule, "invalid cron format"));
    }
    if let Some(zone) = rule.time_zone.as_deref().filter(|zone| !known_time_zone(zone, context)) {
        errors.push(FieldError::invalid(&format!("{at}.timeZone"), zone, format!("unknown time zone {zone}")));
    }
    let mut invalid =
        |field: &str, detail: &str| errors.push(FieldError::invalid(&format!("{at}.{field}"), "", detail));
    if !scales_hpa {
        match rule.target_replicas {
            None => invalid(
                "targetReplicas",
                "targetReplicas cannot be nil if you want to scale resources other than FederatedHPA",
            ),
            Some(n) if n < 0 => invalid("targetReplicas", "targetReplicas should be larger than or equal to 0"),
            Some(_) => {}
        }
        return;
    }
    let (min, max) = (rule.target_min_replicas, rule.target_max_replicas);
    if min.is_none() && max.is_none() {
        invalid(
            "targetMaxReplicas",
            "targetMinReplicas and targetMaxReplicas cannot be nil at the same time if you want to scale FederatedHPA",
        );
    }
    if min.is_some_and(|n| n <= 0) {
        invalid("targetMinReplicas", "targetMinReplicas should be larger than 0");
    }
    if max.is_some_and(|n| n <= 0) {
        invalid("targetMaxReplicas", "targetMaxReplicas should be larger than 0");
    }
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        invalid("targetMinReplicas", "targetMaxReplicas should be larger than or equal to targetMinReplicas");
    }
}

fn known_time_zone(zone: &str, context: &Context<'_>) -> bool {
    match context.known_time_zone {
        Some(known) => known(zone),
        None => zone.is_empty() || matches!(zone, "UTC" | "Local") || zone.split('/').all(|part| !part.is_empty()),
    }
}
