//! What Karmada's admission webhooks decide, as pure functions: [`mutate()`] and [`validate()`].
//!
//! The caller does what needs I/O: it fetches the objects that [`Context`] names, gives out uuids, and writes what
//! [`quota::charge`] returns. Order within a request: schema defaults, `mutate`, schema validation, `validate`.

pub mod autoscaling;
pub mod binding;
pub mod cron;
pub mod field;
pub mod format;
pub mod interpreter;
pub mod mutate;
pub mod networking;
pub mod overrides;
pub mod policy;
pub mod quota;

pub use field::{ErrorKind, FieldError, aggregate};
pub use mutate::mutate;

use serde_json::Value;

use crate::features::FeatureGates;
use crate::labels;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// HTTP status code: 403 for a verdict, 400 or 500 for a request that could not be judged.
    pub code: u16,
    /// The Status' reason; empty when there is none of its own.
    pub reason: &'static str,
    /// Why.
    pub message: String,
}

impl Denial {
    /// A verdict.
    #[must_use]
    pub fn denied(message: impl Into<String>) -> Self {
        Self { code: 403, reason: "Forbidden", message: message.into() }
    }

    /// A request that could not be judged.
    #[must_use]
    pub fn errored(code: u16, message: impl Into<String>) -> Self {
        Self { code, reason: "", message: message.into() }
    }

    /// A verdict because of these errors; none if there are none.
    fn because_of(errors: &[FieldError]) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self::denied(aggregate(errors))) }
    }

    /// The message that a client sees when this webhook refuses.
    #[must_use]
    pub fn client_message(&self, webhook: &str) -> String {
        format!("admission webhook {webhook:?} denied the request: {}", self.message)
    }
}

/// Compiles a Lua script, and says what is wrong with it.
pub type LuaCheck<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// What validation needs to know besides the object.
#[derive(Clone, Copy, Default)]
pub struct Context<'a> {
    /// Which features are on; the default ones if absent.
    pub features: Option<&'a FeatureGates>,
    /// Whether ClusterTaintPolicies may use NoExecute.
    pub allow_no_execute_taint_policy: bool,
    /// Every ResourceInterpreterCustomization, when one is validated.
    pub customizations: &'a [Value],
    /// Compiles a Lua script, and says what is wrong with it; scripts are accepted unseen if absent.
    pub compile_lua: Option<LuaCheck<'a>>,
    /// Whether a time zone of this name is known; UTC, Local and names of the form Area/Place are if absent.
    pub known_time_zone: Option<&'a dyn Fn(&str) -> bool>,
}

impl Context<'_> {
    fn enabled(&self, feature: crate::features::Feature) -> bool {
        self.features.map_or_else(|| feature.default_enabled(), |gates| gates.enabled(feature))
    }
}

/// The name of the webhook that judges objects of this kind, as it stands in its refusals.
#[must_use]
pub fn webhook_name(api_version: &str, kind: &str) -> Option<&'static str> {
    let (group, _) = crate::gvk::split_api_version(api_version);
    Some(match (group, kind) {
        (crate::policy::GROUP, "PropagationPolicy") => "propagationpolicy.karmada.io",
        (crate::policy::GROUP, "ClusterPropagationPolicy") => "clusterpropagationpolicy.karmada.io",
        (crate::policy::GROUP, "OverridePolicy") => "overridepolicy.karmada.io",
        (crate::policy::GROUP, "ClusterOverridePolicy") => "clusteroverridepolicy.karmada.io",
        (crate::policy::GROUP, "FederatedResourceQuota") => "federatedresourcequota.karmada.io",
        (crate::policy::GROUP, "ClusterTaintPolicy") => "clustertaintpolicy.karmada.io",
        (crate::work::GROUP, "Work") => "work.karmada.io",
        (crate::work::GROUP, "ResourceBinding") => "resourcebinding.karmada.io",
        (crate::work::GROUP, "ClusterResourceBinding") => "clusterresourcebinding.karmada.io",
        (crate::config::GROUP, "ResourceInterpreterCustomization") => "resourceinterpretercustomization.karmada.io",
        (crate::config::GROUP, "ResourceInterpreterWebhookConfiguration") => "config.karmada.io",
        (crate::autoscaling::GROUP, "FederatedHPA") => "federatedhpa.karmada.io",
        (crate::autoscaling::GROUP, "CronFederatedHPA") => "cronfederatedhpa.karmada.io",
        (crate::networking::GROUP, "MultiClusterIngress") => "multiclusteringress.karmada.io",
        (crate::networking::GROUP, "MultiClusterService") => "multiclusterservice.karmada.io",
        _ => return None,
    })
}

/// The webhook that guards any object against deletion.
pub const DELETION_WEBHOOK: &str = "resourcedeletionprotection.karmada.io";

/// Judges an object of ours as Karmada's validating webhooks do; other kinds are accepted. `old` is the object before
/// an update.
///
/// # Errors
/// Fails with the refusal.
pub fn validate(
    api_version: &str,
    kind: &str,
    operation: Operation,
    object: &Value,
    old: Option<&Value>,
    context: &Context<'_>,
) -> Result<(), Denial> {
    let (group, version) = crate::gvk::split_api_version(api_version);
    if operation == Operation::Delete {
        return Ok(());
    }
    let old = if operation == Operation::Update { old } else { None };
    match (group, kind) {
        (crate::policy::GROUP, "PropagationPolicy") => {
            policy::validate_policy::<crate::policy::PropagationPolicy>(&decode(object)?, decode_old(old)?.as_ref())
        }
        (crate::policy::GROUP, "ClusterPropagationPolicy") => policy::validate_policy::<
            crate::policy::ClusterPropagationPolicy,
        >(&decode(object)?, decode_old(old)?.as_ref()),
        (crate::policy::GROUP, "OverridePolicy") => {
            overrides::validate::<crate::policy::OverridePolicy>(&decode(object)?)
        }
        (crate::policy::GROUP, "ClusterOverridePolicy") => {
            overrides::validate::<crate::policy::ClusterOverridePolicy>(&decode(object)?)
        }
        (crate::policy::GROUP, "FederatedResourceQuota") => quota::validate(&decode(object)?),
        (crate::policy::GROUP, "ClusterTaintPolicy") => {
            policy::validate_taint_policy(&decode(object)?, context.allow_no_execute_taint_policy)
        }
        (crate::work::GROUP, "ResourceBinding") => {
            binding::decodable(version, kind)?;
            binding::validate(&decode(object)?, context)
        }
        (crate::config::GROUP, "ResourceInterpreterCustomization") => {
            interpreter::validate_customization(&decode(object)?, context)
        }
        (crate::config::GROUP, "ResourceInterpreterWebhookConfiguration") => {
            interpreter::validate_webhooks(&decode(object)?)
        }
        (crate::autoscaling::GROUP, "FederatedHPA") => autoscaling::validate_hpa(&decode(object)?),
        (crate::autoscaling::GROUP, "CronFederatedHPA") => autoscaling::validate_cron(&decode(object)?, context),
        (crate::networking::GROUP, "MultiClusterService") => {
            networking::validate_service(&decode(object)?, decode_old(old)?.as_ref())
        }
        (crate::networking::GROUP, "MultiClusterIngress") => networking::validate_ingress(&decode(object)?),
        _ => Ok(()),
    }
}

/// Judges the deletion of any object by its labels.
///
/// # Errors
/// Fails when the object is protected.
pub fn validate_deletion(object: &Value) -> Result<(), Denial> {
    let label = object.get("metadata").and_then(|m| m.get("labels")).and_then(|l| l.get(labels::DELETION_PROTECTED));
    if label.and_then(Value::as_str) == Some(labels::DELETION_PROTECTED_ALWAYS) {
        return Err(Denial::denied(format!(
            "This resource is protected, please make sure to remove the label: {}",
            labels::DELETION_PROTECTED
        )));
    }
    Ok(())
}

fn decode<T: serde::de::DeserializeOwned>(object: &Value) -> Result<T, Denial> {
    T::deserialize(object).map_err(|error| Denial::errored(400, error.to_string()))
}

fn decode_old<T: serde::de::DeserializeOwned>(old: Option<&Value>) -> Result<Option<T>, Denial> {
    old.map(decode).transpose()
}
