//! Webhook configurations as admission uses them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use karmada_machinery::GroupVersionResource;
use karmada_rest::admission::Operation;
use parking_lot::Mutex;
use serde_json::Value;

use crate::mirror::Projection;

const PREFIXES: [&str; 2] = ["/registry/mutatingwebhookconfigurations/", "/registry/validatingwebhookconfigurations/"];

/// Which of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May change objects.
    Mutating,
    /// May refuse writes.
    Validating,
}

/// Where a hook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A URL.
    Url(String),
    /// A Service of this server.
    Service {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Path.
        path: String,
        /// Port.
        port: u16,
    },
}

/// One rule of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

/// One webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// The PEM certificates that it is trusted by.
    pub ca: Vec<u8>,
    /// What it is asked about.
    pub rules: Vec<Rule>,
    /// Label selector of namespaces.
    pub namespace_selector: Value,
    /// Label selector of objects.
    pub object_selector: Value,
    /// Whether a failed call is overlooked.
    pub ignore_failure: bool,
    /// Whether it may be asked about dry runs.
    pub dry_run: bool,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it is asked again when the object has changed after it.
    pub reinvoke: bool,
    /// The version of AdmissionReview that it understands.
    pub review_version: String,
    /// Whether it has match conditions.
    pub conditions: bool,
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Rule {
    fn parse(rule: &Value) -> Self {
        Self {
            operations: strings(&rule["operations"]),
            groups: strings(&rule["apiGroups"]),
            versions: strings(&rule["apiVersions"]),
            resources: strings(&rule["resources"]),
            scope: rule["scope"].as_str().unwrap_or("*").to_owned(),
        }
    }

    /// Whether the rule covers a write.
    pub fn matches(
        &self,
        operation: Operation,
        resource: &GroupVersionResource,
        subresource: &str,
        namespaced: bool,
    ) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        let in_scope = match self.scope.as_str() {
            "Namespaced" => namespaced,
            "Cluster" => !namespaced,
            _ => true,
        };
        in_scope
            && has(&self.operations, operation.as_str())
            && has(&self.groups, &resource.group)
            && has(&self.versions, &resource.version)
            && self.resources.iter().any(|pattern| resource_matches(pattern, &resource.resource, subresource))
    }
}

/// `pods`, `pods/status`, `*` (without subresources), `*/*`, `pods/*`, `*/status`.
fn resource_matches(pattern: &str, resource: &str, subresource: &str) -> bool {
    let (main, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
    (main == "*" || main == resource) && (sub == subresource || (sub == "*"))
}

impl Hook {
    fn parse(webhook: &Value) -> Self {
        let text = |field: &str| webhook[field].as_str().unwrap_or_default();
        let client = &webhook["clientConfig"];
        let address = match client["url"].as_str() {
            Some(url) => Address::Url(url.to_owned()),
            None => {
                let service = &client["service"];
                let part = |field: &str| service[field].as_str().unwrap_or_default().to_owned();
                Address::Service {
                    namespace: part("namespace"),
                    name: part("name"),
                    path: part("path"),
                    port: service["port"].as_u64().and_then(|p| p.try_into().ok()).unwrap_or(443),
                }
            }
        };
        let versions = strings(&webhook["admissionReviewVersions"]);
        let review_version = versions.iter().find(|v| *v == "v1" || *v == "v1beta1");
        Self {
            name: text("name").to_owned(),
            address,
            ca: STANDARD.decode(client["caBundle"].as_str().unwrap_or_default()).unwrap_or_default(),
            rules: webhook["rules"].as_array().into_iter().flatten().map(Rule::parse).collect(),
            namespace_selector: webhook["namespaceSelector"].clone(),
            object_selector: webhook["objectSelector"].clone(),
            ignore_failure: text("failurePolicy") == "Ignore",
            dry_run: matches!(text("sideEffects"), "None" | "NoneOnDryRun"),
            timeout: Duration::from_secs(webhook["timeoutSeconds"].as_u64().unwrap_or(10).clamp(1, 30)),
            reinvoke: text("reinvocationPolicy") == "IfNeeded",
            review_version: review_version.map_or("v1", String::as_str).to_owned(),
            conditions: webhook["matchConditions"].as_array().is_some_and(|c| !c.is_empty()),
        }
    }
}

/// Hooks by configuration.
type ByName = BTreeMap<String, Vec<Arc<Hook>>>;

/// All configurations. Follows the store.
#[derive(Default)]
pub struct Configurations {
    all: Mutex<[ByName; 2]>,
    /// The hooks in the order in which they are asked: by the names of their configurations.
    flat: [ArcSwap<Vec<Arc<Hook>>>; 2],
}

impl Configurations {
    /// The hooks of one kind.
    pub fn hooks(&self, kind: Kind) -> Arc<Vec<Arc<Hook>>> {
        self.flat[kind as usize].load_full()
    }

    /// Whether there is no hook at all.
    pub fn is_empty(&self) -> bool {
        self.flat.iter().all(|hooks| hooks.load().is_empty())
    }
}

impl Projection for Configurations {
    fn prefixes(&self) -> &[&'static str] {
        &PREFIXES
    }

    fn apply(&self, prefix: &'static str, tail: &str, value: Option<&[u8]>) {
        let kind = usize::from(prefix == PREFIXES[1]);
        let configuration = value.and_then(|v| serde_json::from_slice::<Value>(v).ok());
        let hooks = configuration
            .map(|c| c["webhooks"].as_array().into_iter().flatten().map(|w| Arc::new(Hook::parse(w))).collect());
        let mut all = self.all.lock();
        match hooks {
            Some(hooks) => all[kind].insert(tail.to_owned(), hooks),
            None => all[kind].remove(tail),
        };
        self.flat[kind].store(Arc::new(all[kind].values().flatten().cloned().collect()));
    }

    fn clear(&self) {
        let mut all = self.all.lock();
        *all = Default::default();
        for flat in &self.flat {
            flat.store(Arc::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_cover_what_they_say() {
        let rule = |operations: &[&str], resources: &[&str], scope: &str| {
            Rule::parse(&json!({
                "operations": operations, "apiGroups": ["apps"], "apiVersions": ["*"], "resources": resources, "scope": scope,
            }))
        };
        let deployments = GroupVersionResource::new("apps", "v1", "deployments");
        let pods = GroupVersionResource::new("", "v1", "pods");
        for (rule, resource, subresource, expect) in [
            (rule(&["CREATE"], &["deployments"], "*"), &deployments, "", true),
            (rule(&["CREATE"], &["deployments"], "*"), &deployments, "status", false),
            (rule(&["CREATE"], &["deployments/*"], "*"), &deployments, "status", true),
            (rule(&["CREATE"], &["*/status"], "*"), &deployments, "status", true),
            (rule(&["CREATE"], &["*"], "Cluster"), &deployments, "", false),
            (rule(&["UPDATE"], &["*"], "*"), &deployments, "", false),
            (rule(&["*"], &["*/*"], "Namespaced"), &deployments, "scale", true),
            (rule(&["*"], &["*"], "*"), &pods, "", false),
        ] {
            assert_eq!(rule.matches(Operation::Create, resource, subresource, true), expect, "{rule:?}");
        }
    }

    #[test]
    fn hooks_are_asked_in_the_order_of_their_configurations() {
        let configurations = Configurations::default();
        assert!(configurations.is_empty());
        let put = |name: &str, hooks: Value| {
            configurations.apply(PREFIXES[0], name, Some(json!({"webhooks": hooks}).to_string().as_bytes()));
        };
        put("b", json!([{"name": "b1"}]));
        put("a", json!([{"name": "a1"}, {"name": "a2", "failurePolicy": "Ignore", "sideEffects": "None"}]));
        let names: Vec<String> = configurations.hooks(Kind::Mutating).iter().map(|h| h.name.clone()).collect();
        assert_eq!(names, ["a1", "a2", "b1"]);
        assert!(configurations.hooks(Kind::Mutating)[1].ignore_failure);
        configurations.apply(PREFIXES[0], "a", None);
        assert_eq!(configurations.hooks(Kind::Mutating).len(), 1);
    }
}
