//! Karmada's admission webhooks, in process: the same changes and the same refusals, without a round trip.

use std::sync::Arc;

use async_trait::async_trait;
use karmada_api::{
    admission::{self, Context, DELETION_WEBHOOK, Denial},
    features::FeatureGates,
};
use karmada_machinery::{GroupVersionResource, StatusError};
use karmada_rest::admission::{AdmissionPlugin, AdmissionRequest, Operation, Warnings};
use serde_json::{Value, json};

use crate::objects::ObjectReader;

const CUSTOMIZATIONS: &str = "resourceinterpretercustomizations";

/// What the rules depend on.
#[derive(Clone, Debug, Default)]
pub struct RuleOptions {
    /// Which features are on.
    pub features: FeatureGates,
    /// Karmada's `--allow-no-execute-taint-policy`.
    pub allow_no_execute_taint_policy: bool,
}

/// Says what is wrong with a Lua script, if anything.
pub type CompileLua = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The plugin.
pub struct KarmadaRules {
    options: RuleOptions,
    objects: Arc<dyn ObjectReader>,
    compile_lua: Option<CompileLua>,
}

impl KarmadaRules {
    /// Reads what the rules need to know of other objects from `objects`.
    pub fn new(options: RuleOptions, objects: Arc<dyn ObjectReader>, compile_lua: Option<CompileLua>) -> Self {
        Self { options, objects, compile_lua }
    }

    /// All interpreter customizations, when one of them is judged.
    async fn customizations(&self, request: &AdmissionRequest) -> Result<Vec<Value>, StatusError> {
        if request.resource.resource != CUSTOMIZATIONS {
            return Ok(Vec::new());
        }
        self.objects.list(&request.resource, "").await
    }
}

fn of_karmada(group: &str) -> bool {
    group.ends_with(".karmada.io")
}

fn operation(of: Operation) -> Option<admission::Operation> {
    match of {
        Operation::Create => Some(admission::Operation::Create),
        Operation::Update => Some(admission::Operation::Update),
        Operation::Delete => Some(admission::Operation::Delete),
        Operation::Connect => None,
    }
}

/// The refusal as a client sees it, worded as a webhook's.
fn refusal(denial: &Denial, webhook: &str) -> StatusError {
    StatusError {
        code: denial.code,
        reason: denial.reason.to_owned(),
        message: denial.client_message(webhook),
        details: None,
    }
}

#[async_trait]
impl AdmissionPlugin for KarmadaRules {
    fn handles(&self, operation: Operation, resource: &GroupVersionResource, subresource: &str) -> bool {
        match operation {
            Operation::Create | Operation::Update => of_karmada(&resource.group) && subresource.is_empty(),
            Operation::Delete => subresource.is_empty(),
            Operation::Connect => false,
        }
    }

    async fn mutate(
        &self,
        request: &AdmissionRequest,
        object: Option<&mut Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        let (Some(operation), Some(object)) = (operation(request.operation), object) else { return Ok(()) };
        if operation == admission::Operation::Delete {
            return Ok(());
        }
        let (api_version, kind) = (request.kind.api_version(), request.kind.kind.as_str());
        // The webhooks see the namespace that the path names; the object may not have it yet.
        let unnamed = !request.namespace.is_empty() && object.pointer("/metadata/namespace").is_none();
        if unnamed && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), json!(request.namespace));
        }
        let mut new_uuid = || uuid::Uuid::new_v4().to_string();
        let changed = admission::mutate(&api_version, kind, operation, object, &mut new_uuid);
        let webhook = admission::webhook_name(&api_version, kind).unwrap_or(kind);
        changed.map_err(|denial| refusal(&denial, webhook))
    }

    async fn validate(
        &self,
        request: &AdmissionRequest,
        object: Option<&Value>,
        _warnings: &mut Warnings,
    ) -> Result<(), StatusError> {
        let Some(operation) = operation(request.operation) else { return Ok(()) };
        if operation == admission::Operation::Delete {
            return match &request.old_object {
                Some(old) => admission::validate_deletion(old).map_err(|denial| refusal(&denial, DELETION_WEBHOOK)),
                None => Ok(()),
            };
        }
        let Some(object) = object else { return Ok(()) };
        let (api_version, kind) = (request.kind.api_version(), request.kind.kind.as_str());
        let customizations = self.customizations(request).await?;
        let compile = self.compile_lua.clone();
        let compile = compile.as_deref().map(|compile| compile as &dyn Fn(&str) -> Result<(), String>);
        let context = Context {
            features: Some(&self.options.features),
            allow_no_execute_taint_policy: self.options.allow_no_execute_taint_policy,
            customizations: &customizations,
            compile_lua: compile,
            known_time_zone: None,
        };
        let verdict = admission::validate(&api_version, kind, operation, object, request.old_object.as_ref(), &context);
        let webhook = admission::webhook_name(&api_version, kind).unwrap_or(kind);
        verdict.map_err(|denial| refusal(&denial, webhook))
    }
}
