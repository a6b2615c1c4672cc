//! What differs between built-in kinds on the way into the store, and the one strategy that applies it.

use serde_json::Value;

use super::{defaults, names, prepare, validation};
use crate::field::FieldErrors;
use crate::gvk::GroupVersionKind;
use crate::resource::{RequestContext, Strategy};

/// How `metadata.name` is checked.
pub(super) type NameRule = fn(&str) -> Option<String>;

/// The rules of one built-in kind. The default does nothing beyond the generic path.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) default_object: fn(&mut Value),
    pub(super) prepare_for_create: fn(&mut Value, &RequestContext<'_>),
    pub(super) prepare_for_update: fn(&mut Value, &Value, &RequestContext<'_>),
    pub(super) validate: fn(&Value) -> FieldErrors,
    pub(super) validate_update: fn(&Value, &Value, &RequestContext<'_>) -> FieldErrors,
    pub(super) warnings: fn(&Value, Option<&Value>) -> Vec<String>,
    pub(super) name: NameRule,
    pub(super) create_on_update: bool,
    pub(super) unconditional_update: bool,
    pub(super) graceful: fn(&Value, Option<i64>) -> Option<i64>,
    pub(super) returns_deleted: bool,
    pub(super) orphans: bool,
    pub(super) deprecation: Option<&'static str>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            default_object: |_| {},
            prepare_for_create: |_, _| {},
            prepare_for_update: |_, _, _| {},
            validate: |_| Vec::new(),
            validate_update: |_, _, _| Vec::new(),
            warnings: |_, _| Vec::new(),
            name: names::dns_subdomain,
            create_on_update: false,
            unconditional_update: true,
            graceful: |_, _| None,
            returns_deleted: false,
            orphans: false,
            deprecation: None,
        }
    }
}

/// The rules of a built-in kind.
pub(super) fn rules(gvk: &GroupVersionKind) -> Rules {
    let (group, kind) = (gvk.group.as_str(), gvk.kind.as_str());
    let mut rules = Rules { default_object: defaults::of(gvk), ..Rules::default() };
    (rules.validate, rules.validate_update) = validation::of(gvk);
    (rules.prepare_for_create, rules.prepare_for_update) = prepare::of(gvk);
    if kind == "CustomResourceDefinition" {
        rules.warnings = |object, _| crate::crd::warnings(object);
    }
    match (group, kind) {
        ("", "Pod" | "PodTemplate" | "ReplicationController") | ("batch", "Job" | "CronJob") => {
            rules.warnings = validation::pod_warnings;
        }
        ("apps", kind) if kind != "ControllerRevision" => rules.warnings = validation::pod_warnings,
        ("", "Service") => rules.warnings = validation::service_warnings,
        ("", "Endpoints") => rules.deprecation = Some(validation::ENDPOINTS_DEPRECATED),
        ("", "Secret") => rules.warnings = validation::secret_warnings,
        _ => {}
    }
    rules.name = match (group, kind) {
        ("", "Namespace" | "Service") => names::dns_label,
        ("rbac.authorization.k8s.io", _) | ("apiregistration.k8s.io", "APIService") => names::path_segment,
        ("apps", "StatefulSet") => names::stateful_set,
        ("batch", "CronJob") => names::cron_job,
        _ => names::dns_subdomain,
    };
    rules.create_on_update = matches!(
        (group, kind),
        ("", "Endpoints" | "Event" | "LimitRange" | "Service")
            | ("events.k8s.io", "Event")
            | ("coordination.k8s.io", "Lease")
            | ("rbac.authorization.k8s.io", _)
    );
    rules.unconditional_update = !matches!(
        (group, kind),
        ("coordination.k8s.io", "Lease")
            | ("apiextensions.k8s.io", _)
            | ("apiregistration.k8s.io", _)
            | ("admissionregistration.k8s.io", _)
            | ("policy", "PodDisruptionBudget")
            | ("storage.k8s.io", "CSIDriver" | "CSINode" | "CSIStorageCapacity" | "VolumeAttachment")
            | ("node.k8s.io", "RuntimeClass")
            | ("flowcontrol.apiserver.k8s.io", _)
    );
    rules.returns_deleted = group.is_empty()
        && matches!(
            kind,
            "Pod"
                | "PodTemplate"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "ResourceQuota"
                | "Service"
                | "ServiceAccount"
        );
    rules.orphans = matches!((group, kind), ("", "ReplicationController") | ("batch", "Job"));
    if group.is_empty() && kind == "Pod" {
        rules.graceful = prepare::pod_grace_period;
    }
    rules
}

/// The strategy of a built-in kind.
pub(super) struct BuiltinStrategy(pub(super) Rules);

impl Strategy for BuiltinStrategy {
    fn default_object(&self, object: &mut Value) {
        (self.0.default_object)(object);
    }

    fn prepare_for_create(&self, object: &mut Value, ctx: &RequestContext<'_>) {
        (self.0.prepare_for_create)(object, ctx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, ctx: &RequestContext<'_>) {
        (self.0.prepare_for_update)(object, old, ctx);
    }

    fn validate(&self, object: &Value) -> FieldErrors {
        (self.0.validate)(object)
    }

    fn validate_update(&self, object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
        let mut errors = if ctx.subresource.is_none() { (self.0.validate)(object) } else { Vec::new() };
        let change = (self.0.validate_update)(object, old, ctx);
        // The name was judged when it was given; what no longer fits it is what may not change.
        if !change.is_empty() {
            errors.retain(|e| e.field != "metadata.name");
        }
        errors.extend(change);
        errors
    }

    fn validate_name(&self, name: &str) -> Option<String> {
        (self.0.name)(name)
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        (self.0.warnings)(object, old)
    }

    fn allow_create_on_update(&self) -> bool {
        self.0.create_on_update
    }

    fn allow_unconditional_update(&self) -> bool {
        self.0.unconditional_update
    }

    fn graceful_deletion_seconds(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        (self.0.graceful)(object, requested)
    }

    fn returns_deleted_object(&self) -> bool {
        self.0.returns_deleted
    }

    fn orphans_dependents_by_default(&self) -> bool {
        self.0.orphans
    }

    fn deprecation_warning(&self) -> Option<&str> {
        self.0.deprecation
    }
}
