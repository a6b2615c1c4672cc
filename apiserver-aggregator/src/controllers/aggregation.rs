//! Fills the rules of cluster roles that aggregate others by label.

use std::{collections::HashMap, sync::Arc};

use karmada_runtime::{ControllerSpec, Error, Outcome, Patcher, Queue, Resource, controller, patcher::PatchKind};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Kit, backoff,
    feed::{Change, Observer},
};
use crate::authz::Rule;

const PREFIX: &str = "/registry/clusterroles/";

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Role {
    rules: Option<Vec<Rule>>,
    aggregation_rule: Option<Aggregation>,
    #[serde(skip)]
    labels: serde_json::Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Aggregation {
    cluster_role_selectors: Option<Vec<Value>>,
}

struct Roles {
    roles: Arc<Mutex<HashMap<String, Role>>>,
    queue: Queue<String>,
}

impl Observer for Roles {
    fn observe(&self, change: &Change) {
        let Some(name) = change.key.strip_prefix(PREFIX) else { return };
        let mut roles = self.roles.lock();
        match &change.object {
            None => {
                roles.remove(name);
            }
            Some(object) => {
                let mut role: Role = serde_json::from_slice(&change.json).unwrap_or_default();
                let labels = object.metadata.labels.clone().unwrap_or_default();
                role.labels = labels.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
                roles.insert(name.to_owned(), role);
            }
        }
        // Any role can be part of any aggregate; there are few aggregates.
        for (name, role) in roles.iter() {
            if role.aggregation_rule.is_some() {
                self.queue.add(name.clone());
            }
        }
    }

    fn reset(&self) {
        self.roles.lock().clear();
    }
}

/// Whether a label selector in the form of an object selects the labels. One that cannot be read selects nothing.
pub(crate) fn selects(selector: &Value, labels: &serde_json::Map<String, Value>) -> bool {
    let get = |key: &str| labels.get(key).and_then(Value::as_str);
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(k, v)| get(k) == v.as_str());
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().all(|e| {
        let value = get(e["key"].as_str().unwrap_or_default());
        let listed = || e["values"].as_array().into_iter().flatten().any(|v| v.as_str() == value);
        match e["operator"].as_str() {
            Some("In") => value.is_some() && listed(),
            Some("NotIn") => value.is_none() || !listed(),
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            _ => false,
        }
    });
    equal && expressions
}

/// The rules that an aggregate should have: those of the selected roles, in order of their names.
fn aggregate(name: &str, roles: &HashMap<String, Role>) -> Option<Vec<Rule>> {
    let role = roles.get(name)?;
    let selectors = role.aggregation_rule.as_ref()?.cluster_role_selectors.clone().unwrap_or_default();
    let mut rules = Vec::new();
    for selector in &selectors {
        let mut selected: Vec<&String> = roles
            .iter()
            .filter(|(other, role)| *other != name && selects(selector, &role.labels))
            .map(|(other, _)| other)
            .collect();
        selected.sort();
        for rule in selected.into_iter().filter_map(|s| roles[s].rules.as_ref()).flatten() {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    (role.rules.as_deref().unwrap_or_default() != rules).then_some(rules)
}

/// Starts the controller.
pub(super) fn start(kit: &Kit) -> Arc<dyn Observer> {
    let queue: Queue<String> = Queue::new("clusterrole-aggregation", backoff());
    let roles: Arc<Mutex<HashMap<String, Role>>> = Arc::default();
    let patcher = kit.patcher("clusterrole-aggregation-controller");
    let spec = ControllerSpec { name: "clusterrole-aggregation", concurrency: 1 };
    let known = roles.clone();
    kit.tasks.spawn(controller::run(spec, queue.clone(), kit.stop.clone(), move |name: String| {
        let (patcher, known) = (patcher.clone(), known.clone());
        async move { reconcile(&patcher, &known, &name).await }
    }));
    Arc::new(Roles { roles, queue })
}

async fn reconcile(patcher: &Patcher, roles: &Mutex<HashMap<String, Role>>, name: &str) -> Result<Outcome, Error> {
    let wanted = aggregate(name, &roles.lock());
    let Some(rules) = wanted else { return Ok(Outcome::Done) };
    let resource = Resource {
        group: "rbac.authorization.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "ClusterRole".to_owned(),
        plural: "clusterroles".to_owned(),
        namespaced: false,
    };
    let patch = json!({"rules": rules});
    match patcher.patch(&resource, "", name, "", PatchKind::Merge, &patch).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(Outcome::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_collect_the_selected_rules_once() {
        let rule = |resource: &str| Rule {
            verbs: vec!["get".to_owned()],
            api_groups: vec![String::new()],
            resources: vec![resource.to_owned()],
            ..Rule::default()
        };
        let mut roles = HashMap::new();
        let part = |resource: &str, label: &str| Role {
            rules: Some(vec![rule(resource), rule("common")]),
            aggregation_rule: None,
            labels: json!({label: "true"}).as_object().unwrap().clone(),
        };
        roles.insert("b".to_owned(), part("pods", "x"));
        roles.insert("a".to_owned(), part("services", "x"));
        roles.insert("c".to_owned(), part("nodes", "y"));
        let selectors = vec![json!({"matchLabels": {"x": "true"}})];
        roles.insert(
            "all".to_owned(),
            Role { aggregation_rule: Some(Aggregation { cluster_role_selectors: Some(selectors) }), ..Role::default() },
        );
        let rules = aggregate("all", &roles).unwrap();
        assert_eq!(rules, [rule("services"), rule("common"), rule("pods")]);
        roles.get_mut("all").unwrap().rules = Some(rules);
        assert_eq!(aggregate("all", &roles), None);
        assert_eq!(aggregate("a", &roles), None);
    }

    #[test]
    fn selectors_select() {
        let labels = json!({"a": "1"}).as_object().unwrap().clone();
        for (selector, expect) in [
            (json!({}), true),
            (json!({"matchLabels": {"a": "1"}}), true),
            (json!({"matchLabels": {"a": "2"}}), false),
            (json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}), true),
            (json!({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}), true),
            (json!({"matchExpressions": [{"key": "b", "operator": "Exists"}]}), false),
            (json!({"matchExpressions": [{"key": "b", "operator": "Strange"}]}), false),
        ] {
            assert_eq!(selects(&selector, &labels), expect, "{selector}");
        }
    }
}
