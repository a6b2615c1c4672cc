//! Webhook interpreters: which webhook is asked, what it is asked, and what its answer means.

use jiff::Timestamp;
use karmada_api::config::{
    GroupVersionKind, RequestStatus, ResourceInterpreterContext, ResourceInterpreterRequest,
    ResourceInterpreterResponse, ResourceInterpreterWebhook, ResourceInterpreterWebhookConfiguration,
    RuleWithOperations, operation,
};
use karmada_api::gvk::Gvk;
use karmada_interpreter::{
    Component, Dependency, InterpretError, Layer, Operation, Replicas, StatusItem, Swap, kind_of,
};
use serde_json::Value;

use crate::caller::Caller;

const VERSION: &str = "config.karmada.io/v1alpha1";
const KIND: &str = "ResourceInterpreterContext";

/// All webhooks, in the order in which they are considered.
#[derive(Clone, Debug, Default)]
pub struct Hooks(Vec<ResourceInterpreterWebhook>);

impl Hooks {
    /// The webhooks of these configurations, by name of the configuration and position in it.
    pub fn of_configurations<'a>(
        configurations: impl IntoIterator<Item = &'a ResourceInterpreterWebhookConfiguration>,
    ) -> Self {
        let mut sorted: Vec<_> = configurations.into_iter().collect();
        sorted.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        Self(sorted.into_iter().flat_map(|configuration| configuration.webhooks.iter().cloned()).collect())
    }

    fn find(&self, kind: &Gvk, asked: Operation) -> Option<&ResourceInterpreterWebhook> {
        self.0.iter().find(|hook| hook.rules.iter().any(|rule| matches(rule, kind, asked)))
    }
}

fn matches(rule: &RuleWithOperations, kind: &Gvk, asked: Operation) -> bool {
    let has = |list: &[String], value: &str| list.iter().any(|item| item == operation::ALL || item == value);
    has(&rule.operations, asked.as_str())
        && has(&rule.api_groups, &kind.group)
        && has(&rule.api_versions, &kind.version)
        && has(&rule.kinds, &kind.kind)
}

/// The layer of webhooks.
pub struct Webhooks {
    hooks: Swap<Hooks>,
    caller: Caller,
}

impl Webhooks {
    /// Asks these webhooks; Services are looked up through the client.
    pub fn new(hooks: Swap<Hooks>, client: kube::Client) -> Self {
        Self { hooks, caller: Caller::new(client) }
    }

    fn ask(
        &self,
        object: &Value,
        asked: Operation,
        more: impl FnOnce(&mut ResourceInterpreterRequest),
    ) -> Result<ResourceInterpreterResponse, InterpretError> {
        let kind = kind_of(object);
        let hooks = self.hooks.current();
        let Some(hook) = hooks.find(&kind, asked) else {
            return Err(InterpretError::NotFound { operation: asked, kind });
        };
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut request = ResourceInterpreterRequest {
            uid: uuid::Uuid::new_v4().to_string(),
            kind: GroupVersionKind { group: kind.group, version: kind.version, kind: kind.kind },
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            operation: asked.as_str().to_owned(),
            object: Some(object.clone()),
            ..ResourceInterpreterRequest::default()
        };
        more(&mut request);
        let uid = request.uid.clone();
        let question = ResourceInterpreterContext {
            api_version: VERSION.to_owned(),
            kind: KIND.to_owned(),
            request: Some(request),
            response: None,
        };
        let body = serde_json::to_vec(&question).map_err(InterpretError::malformed)?;
        let failed =
            |reason: String| InterpretError::Malformed(format!("failed calling webhook {:?}: {reason}", hook.name));
        let answer = self.caller.call(hook, body).map_err(failed)?;
        read(&answer, &uid).map_err(failed)
    }

    fn patched(&self, object: &Value, response: &ResourceInterpreterResponse) -> Result<Value, InterpretError> {
        let Some(patch) = response.patch.as_ref().filter(|patch| !patch.0.is_empty()) else {
            return Ok(object.clone());
        };
        if response.patch_type.as_deref() != Some("JSONPatch") {
            return Err(InterpretError::Malformed("return patch type is not JSONPatch".to_owned()));
        }
        let patch: json_patch::Patch = serde_json::from_slice(&patch.0).map_err(InterpretError::malformed)?;
        let mut changed = object.clone();
        json_patch::patch(&mut changed, &patch).map_err(InterpretError::malformed)?;
        Ok(changed)
    }
}

fn read(answer: &str, uid: &str) -> Result<ResourceInterpreterResponse, String> {
    let context: ResourceInterpreterContext = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    if context.api_version != VERSION || context.kind != KIND {
        return Err(format!(
            "expected webhook response of {VERSION}/{KIND}, got {}/{}",
            context.api_version, context.kind
        ));
    }
    let response = context.response.ok_or("webhook response was absent")?;
    if response.uid != uid {
        return Err(format!("expected response.uid {uid}, got {}", response.uid));
    }
    if !response.successful {
        let RequestStatus { message, code } = response.status.unwrap_or_default();
        return Err(format!("webhook call failed, get status code: {code}, msg: {message}"));
    }
    Ok(response)
}

fn again<T, U: serde::de::DeserializeOwned>(value: &T) -> Result<U, InterpretError>
where
    T: serde::Serialize,
{
    serde_json::to_value(value).and_then(serde_json::from_value).map_err(InterpretError::malformed)
}

fn missing(field: &str) -> InterpretError {
    InterpretError::Malformed(format!("webhook response nil {field}"))
}

impl Layer for Webhooks {
    fn enabled(&self, kind: &Gvk, operation: Operation) -> bool {
        self.hooks.current().find(kind, operation).is_some()
    }

    fn get_replicas(&self, object: &Value) -> Result<Replicas, InterpretError> {
        let response = self.ask(object, Operation::InterpretReplica, |_| {})?;
        let replica = response.replicas.ok_or_else(|| missing("response.replicas"))?;
        let requirements = response.replica_requirements.as_ref().map(again).transpose()?;
        Ok(Replicas { replica, requirements })
    }

    fn get_components(&self, object: &Value) -> Result<Vec<Component>, InterpretError> {
        let response = self.ask(object, Operation::InterpretComponent, |_| {})?;
        again(&response.components)
    }

    fn revise_replica(&self, object: &Value, replicas: i64) -> Result<Value, InterpretError> {
        let wanted = i32::try_from(replicas).map_err(InterpretError::malformed)?;
        let response = self.ask(object, Operation::ReviseReplica, |request| request.desired_replicas = Some(wanted))?;
        self.patched(object, &response)
    }

    fn retain(&self, desired: &Value, observed: &Value) -> Result<Value, InterpretError> {
        let response =
            self.ask(desired, Operation::Retain, |request| request.observed_object = Some(observed.clone()))?;
        self.patched(desired, &response)
    }

    fn aggregate_status(&self, object: &Value, items: &[StatusItem], _: Timestamp) -> Result<Value, InterpretError> {
        let items = again(&items)?;
        let response = self.ask(object, Operation::AggregateStatus, |request| request.aggregated_status = items)?;
        self.patched(object, &response)
    }

    fn reflect_status(&self, object: &Value) -> Result<Option<Value>, InterpretError> {
        Ok(self.ask(object, Operation::InterpretStatus, |_| {})?.raw_status)
    }

    fn interpret_health(&self, object: &Value) -> Result<bool, InterpretError> {
        self.ask(object, Operation::InterpretHealth, |_| {})?.healthy.ok_or_else(|| missing("response.healthy"))
    }

    fn get_dependencies(&self, object: &Value) -> Result<Vec<Dependency>, InterpretError> {
        let response = self.ask(object, Operation::InterpretDependency, |_| {})?;
        again(&response.dependencies)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration(name: &str, hook: &str, operations: &[&str]) -> ResourceInterpreterWebhookConfiguration {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "webhooks": [{
                "name": hook, "clientConfig": {"url": "https://h"}, "interpreterContextVersions": ["v1alpha1"],
                "rules": [{"operations": operations, "apiGroups": ["w.io"], "apiVersions": ["*"], "kinds": ["Workload"]}],
            }],
        }))
        .unwrap()
    }

    #[test]
    fn the_first_matching_hook_by_name_is_asked() {
        let hooks = Hooks::of_configurations(&[
            configuration("b", "second", &["*"]),
            configuration("a", "first", &["InterpretHealth"]),
        ]);
        let kind = Gvk::of("w.io/v1", "Workload");
        assert_eq!(hooks.find(&kind, Operation::InterpretHealth).unwrap().name, "first");
        assert_eq!(hooks.find(&kind, Operation::Retain).unwrap().name, "second");
        assert!(hooks.find(&Gvk::of("w.io/v1", "Other"), Operation::Retain).is_none());
        assert!(hooks.find(&Gvk::of("v1", "Workload"), Operation::Retain).is_none());
    }

    #[test]
    fn answers_are_checked() {
        let answer = |response: Value| json!({"apiVersion": VERSION, "kind": KIND, "response": response}).to_string();
        assert!(read(&answer(json!({"uid": "u", "successful": true})), "u").is_ok());
        assert!(
            read(&answer(json!({"uid": "v", "successful": true})), "u").unwrap_err().contains("expected response.uid")
        );
        let refused = answer(json!({"uid": "u", "successful": false, "status": {"code": 400, "message": "no"}}));
        assert_eq!(read(&refused, "u").unwrap_err(), "webhook call failed, get status code: 400, msg: no");
        assert!(read("{", "u").is_err());
        assert!(read(&json!({"apiVersion": VERSION, "kind": KIND}).to_string(), "u").is_err());
    }
}
