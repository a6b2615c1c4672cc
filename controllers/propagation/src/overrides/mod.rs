//! Override policies: what changes in a manifest on its way to a certain cluster.
//!
//! Policies are compiled once ([`OverridePolicy`]) and kept in an index ([`OverrideIndex`]), from which a template gets
//! the ones that may apply to it ([`OverridePolicies`]). ClusterOverridePolicies come first, then the OverridePolicies
//! of the manifest's namespace; among each, the least specific selector first and then by name, so that the most
//! specific policy has the last word. A policy's rules apply in order, each to the clusters that it targets; within a
//! rule the order is images, commands, arguments, labels, annotations, fields, plain text.

mod apply;
mod doc;
mod image;
mod overriders;
mod patch;
mod yaml;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use karmada_api::cluster::Cluster;
use karmada_api::policy::{ClusterAffinity, OverrideSpec, ResourceSelector};
use karmada_api::{annotations, meta::go_json, policy};
use serde::Serialize;
use serde_json::Value;

pub use overriders::Overriders;

use crate::affinity;
use crate::policy::selector::{Specificity, TemplateRef, specificity};
use crate::work::plan::AppliedOverride;

/// Why an override policy could not be applied, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OverrideError(pub String);

/// Changes for one group of clusters.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rule {
    target: Option<ClusterAffinity>,
    overriders: Overriders,
}

/// An OverridePolicy or ClusterOverridePolicy, ready to be applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverridePolicy {
    /// Namespace; empty for a ClusterOverridePolicy.
    pub namespace: String,
    /// Name.
    pub name: String,
    selectors: Vec<ResourceSelector>,
    rules: Vec<Rule>,
}

impl OverridePolicy {
    /// From the JSON of a policy of either kind.
    ///
    /// # Errors
    /// The spec is not of the documented form.
    pub fn from_value(policy: &Value) -> Result<Self, serde_json::Error> {
        let spec = policy.get("spec").cloned().unwrap_or_default();
        let part = |key: &str| spec.get(key).cloned().filter(|value| !value.is_null());
        let mut rules = Vec::new();
        for rule in part("overrideRules").as_ref().and_then(Value::as_array).into_iter().flatten() {
            rules.push(Rule {
                target: rule
                    .get("targetCluster")
                    .filter(|value| !value.is_null())
                    .cloned()
                    .map(serde_json::from_value)
                    .transpose()?,
                overriders: serde_json::from_value(rule.get("overriders").cloned().unwrap_or_default()).or_else(
                    |error| if rule.get("overriders").is_none() { Ok(Overriders::default()) } else { Err(error) },
                )?,
            });
        }
        // The fields that rules replaced count only where there are no rules.
        if rules.is_empty()
            && let Some(overriders) = part("overriders")
        {
            rules.push(Rule {
                target: part("targetCluster").map(serde_json::from_value).transpose()?,
                overriders: serde_json::from_value(overriders)?,
            });
        }
        Ok(Self {
            namespace: crate::object::namespace(policy).to_owned(),
            name: crate::object::name(policy).to_owned(),
            selectors: part("resourceSelectors").map(serde_json::from_value).transpose()?.unwrap_or_default(),
            rules,
        })
    }

    fn from_spec(
        namespace: Option<&String>,
        name: Option<&String>,
        spec: &OverrideSpec,
    ) -> Result<Self, serde_json::Error> {
        let policy = serde_json::json!({
            "metadata": {"namespace": namespace, "name": name},
            "spec": serde_json::to_value(spec)?,
        });
        Self::from_value(&policy)
    }

    /// How specifically the policy selects a template; a policy without selectors selects everything.
    pub fn specificity(&self, template: &TemplateRef) -> Option<Specificity> {
        if self.selectors.is_empty() { Some(Specificity::All) } else { specificity(&self.selectors, template) }
    }
}

impl TryFrom<&policy::OverridePolicy> for OverridePolicy {
    type Error = serde_json::Error;

    fn try_from(from: &policy::OverridePolicy) -> Result<Self, Self::Error> {
        Self::from_spec(from.metadata.namespace.as_ref(), from.metadata.name.as_ref(), &from.spec)
    }
}

impl TryFrom<&policy::ClusterOverridePolicy> for OverridePolicy {
    type Error = serde_json::Error;

    fn try_from(from: &policy::ClusterOverridePolicy) -> Result<Self, Self::Error> {
        Self::from_spec(None, from.metadata.name.as_ref(), &from.spec)
    }
}

/// The override policies that may apply to one template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverridePolicies {
    cluster: Vec<Arc<OverridePolicy>>,
    namespaced: Vec<Arc<OverridePolicy>>,
}

/// An entry of the record of applied overrides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    policy_name: String,
    overriders: Overriders,
}

/// What was applied to a manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    cluster: Vec<Entry>,
    namespaced: Vec<Entry>,
}

impl Applied {
    /// The text of the annotation for ClusterOverridePolicies; nothing if none was applied.
    pub fn cluster_text(&self) -> Option<String> {
        text_of(&self.cluster)
    }

    /// The text of the annotation for OverridePolicies; nothing if none was applied.
    pub fn namespaced_text(&self) -> Option<String> {
        text_of(&self.namespaced)
    }

    /// Adds the record to a Work's annotations.
    pub fn annotate(&self, to: &mut BTreeMap<String, String>) {
        if let Some(text) = self.namespaced_text() {
            to.insert(annotations::APPLIED_OVERRIDES.to_owned(), text);
        }
        if let Some(text) = self.cluster_text() {
            to.insert(annotations::APPLIED_CLUSTER_OVERRIDES.to_owned(), text);
        }
    }
}

/// The record, sorted by the policies' names.
fn text_of(entries: &[Entry]) -> Option<String> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|left, right| left.policy_name.cmp(&right.policy_name));
    (!sorted.is_empty()).then(|| go_json(&sorted).unwrap_or_default())
}

impl OverridePolicies {
    /// From policies in any order: those without a namespace are ClusterOverridePolicies.
    pub fn new(policies: impl IntoIterator<Item = Arc<OverridePolicy>>) -> Self {
        let (cluster, namespaced) = policies.into_iter().partition(|policy| policy.namespace.is_empty());
        Self { cluster, namespaced }
    }

    /// Whether there is any policy at all for this manifest; if not, its cluster need not be known.
    pub fn may_apply(&self, manifest: &Value) -> bool {
        let template = TemplateRef::of(manifest);
        self.cluster.iter().chain(&self.namespaced).any(|policy| policy.specificity(&template).is_some())
    }

    /// Applies the policies to a manifest on its way to a cluster, and notes which were applied.
    ///
    /// # Errors
    /// An overrider fails; what was done before stays done.
    pub fn apply(
        &self,
        manifest: &mut Value,
        cluster: &Cluster,
        notes: &mut Vec<AppliedOverride>,
    ) -> Result<Applied, OverrideError> {
        let namespace = crate::object::namespace(manifest).to_owned();
        Ok(Applied {
            cluster: apply_all(self.cluster.iter(), manifest, cluster, notes)?,
            namespaced: apply_all(
                self.namespaced.iter().filter(|policy| !namespace.is_empty() && policy.namespace == namespace),
                manifest,
                cluster,
                notes,
            )?,
        })
    }
}

fn apply_all<'a>(
    policies: impl Iterator<Item = &'a Arc<OverridePolicy>>,
    manifest: &mut Value,
    cluster: &Cluster,
    notes: &mut Vec<AppliedOverride>,
) -> Result<Vec<Entry>, OverrideError> {
    let template = TemplateRef::of(manifest);
    let mut matching: Vec<(Specificity, &OverridePolicy)> =
        policies.filter_map(|policy| Some((policy.specificity(&template)?, policy.as_ref()))).collect();
    matching.sort_by(|left, right| (left.0, &left.1.name).cmp(&(right.0, &right.1.name)));

    let mut entries = Vec::new();
    for (_, policy) in matching {
        let rules: Vec<&Rule> = policy
            .rules
            .iter()
            .filter(|rule| rule.target.as_ref().is_none_or(|target| affinity::matches(target, cluster)))
            .collect();
        if rules.is_empty() {
            continue;
        }
        let outcome = rules.iter().try_for_each(|rule| apply::apply(manifest, &rule.overriders));
        notes.push(AppliedOverride {
            cluster: cluster.metadata.name.clone().unwrap_or_default(),
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            succeeded: outcome.is_ok(),
        });
        outcome?;
        entries.extend(
            rules.iter().map(|rule| Entry { policy_name: policy.name.clone(), overriders: rule.overriders.clone() }),
        );
    }
    Ok(entries)
}

/// All override policies, indexed by what they select.
#[derive(Debug, Default)]
pub struct OverrideIndex {
    policies: HashMap<(String, String), Arc<OverridePolicy>>,
    /// By namespace of the policy, API version and kind; the last two are empty for policies without selectors.
    buckets: HashMap<(String, String, String), BTreeMap<String, Arc<OverridePolicy>>>,
}

impl OverrideIndex {
    /// Adds a policy or replaces the one of the same name.
    pub fn insert(&mut self, policy: OverridePolicy) {
        self.remove(&policy.namespace.clone(), &policy.name.clone());
        let policy = Arc::new(policy);
        for bucket in buckets_of(&policy) {
            self.buckets.entry(bucket).or_default().insert(policy.name.clone(), Arc::clone(&policy));
        }
        self.policies.insert((policy.namespace.clone(), policy.name.clone()), policy);
    }

    /// Removes a policy; the namespace is empty for a ClusterOverridePolicy. Gives the policy that was there: what it
    /// selected is to be rendered again.
    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<OverridePolicy>> {
        let policy = self.policies.remove(&(namespace.to_owned(), name.to_owned()))?;
        for bucket in buckets_of(&policy) {
            if let Some(names) = self.buckets.get_mut(&bucket) {
                names.remove(name);
                if names.is_empty() {
                    self.buckets.remove(&bucket);
                }
            }
        }
        Some(policy)
    }

    /// The policies that may apply to a template.
    pub fn for_template(&self, template: &Value) -> OverridePolicies {
        let (api_version, kind) = (crate::object::api_version(template), crate::object::kind(template));
        let namespace = crate::object::namespace(template);
        let in_namespace = |namespace: &str| {
            let mut found = BTreeMap::new();
            for (api_version, kind) in [(api_version, kind), ("", "")] {
                let bucket = (namespace.to_owned(), api_version.to_owned(), kind.to_owned());
                for (name, policy) in self.buckets.get(&bucket).into_iter().flatten() {
                    found.insert(name.clone(), Arc::clone(policy));
                }
            }
            found.into_values().collect::<Vec<_>>()
        };
        OverridePolicies {
            cluster: in_namespace(""),
            namespaced: if namespace.is_empty() { Vec::new() } else { in_namespace(namespace) },
        }
    }
}

fn buckets_of(policy: &OverridePolicy) -> Vec<(String, String, String)> {
    if policy.selectors.is_empty() {
        return vec![(policy.namespace.clone(), String::new(), String::new())];
    }
    let mut buckets: Vec<_> = policy
        .selectors
        .iter()
        .map(|selector| (policy.namespace.clone(), selector.api_version.clone(), selector.kind.clone()))
        .collect();
    buckets.sort();
    buckets.dedup();
    buckets
}
