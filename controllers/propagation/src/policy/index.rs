//! Indexes that find policies for a template and templates for a policy.
//!
//! The cost of one change must not grow with the number of the other policies or templates: both indexes are keyed by
//! kind and namespace, then by name and by label.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use karmada_api::policy::{PolicyKind, ResourceSelector};

use super::selector::{Specificity, TemplateRef, selects, specificity};

/// Name and namespace of a policy or a template; the namespace is empty for cluster-scoped ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A policy's place in the order of choice: highest priority first, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    priority: Reverse<i32>,
    name: String,
    namespace: String,
}

impl Rank {
    fn key(&self) -> Key {
        Key { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// API version, kind and namespace; an empty namespace in a selector means any.
type Scope = (String, String, String);

#[derive(Debug, Default)]
struct Bucket {
    all: BTreeSet<Rank>,
    by_name: HashMap<String, BTreeSet<Rank>>,
    /// By one of the required labels: a template without it cannot be selected.
    by_label: HashMap<(String, String), BTreeSet<Rank>>,
    /// Label selectors that require no particular value.
    by_expression: BTreeSet<Rank>,
}

/// The policies of one kind, indexed.
#[derive(Debug)]
pub struct PolicyIndex<P> {
    policies: HashMap<Key, Arc<P>>,
    buckets: HashMap<Scope, Bucket>,
}

impl<P> Default for PolicyIndex<P> {
    fn default() -> Self {
        Self { policies: HashMap::new(), buckets: HashMap::new() }
    }
}

fn key_of<P: PolicyKind>(policy: &P) -> Key {
    let metadata = policy.metadata();
    Key { namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone().unwrap_or_default() }
}

fn rank_of<P: PolicyKind>(policy: &P) -> Rank {
    let Key { namespace, name } = key_of(policy);
    Rank { priority: Reverse(policy.priority()), name, namespace }
}

/// The scope of a selector. A namespaced policy only ever selects in its own namespace.
fn scope_of<P: PolicyKind>(policy: &P, selector: &ResourceSelector) -> Option<Scope> {
    let own = policy.metadata().namespace.clone().unwrap_or_default();
    let namespace = if P::NAMESPACED {
        if !selector.namespace.is_empty() && selector.namespace != own {
            return None;
        }
        own
    } else {
        selector.namespace.clone()
    };
    Some((selector.api_version.clone(), selector.kind.clone(), namespace))
}

impl<P: PolicyKind> PolicyIndex<P> {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many policies are indexed.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether no policy is indexed.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The policy of this name, whether it is being deleted or not.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<P>> {
        self.policies.get(&Key { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// All policies, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<P>> {
        self.policies.values()
    }

    /// Adds a policy or replaces the one of the same name, which is returned.
    pub fn insert(&mut self, policy: Arc<P>) -> Option<Arc<P>> {
        let key = key_of(policy.as_ref());
        let old = self.remove(&key.namespace, &key.name);
        // A policy that is being deleted claims nothing new, but is still found by name.
        if policy.metadata().deletion_timestamp.is_none() {
            self.each_set(policy.as_ref(), |set, rank| {
                set.insert(rank);
            });
        }
        self.policies.insert(key, policy);
        old
    }

    /// Removes a policy.
    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<P>> {
        let key = Key { namespace: namespace.to_owned(), name: name.to_owned() };
        let old = self.policies.remove(&key)?;
        self.each_set(old.as_ref(), |set, rank| {
            set.remove(&rank);
        });
        for selector in &old.spec().resource_selectors {
            if let Some(scope) = scope_of(old.as_ref(), selector) {
                self.tidy(&scope);
            }
        }
        Some(old)
    }

    fn each_set(&mut self, policy: &P, mut change: impl FnMut(&mut BTreeSet<Rank>, Rank)) {
        let rank = rank_of(policy);
        for selector in &policy.spec().resource_selectors {
            let Some(scope) = scope_of(policy, selector) else { continue };
            let bucket = self.buckets.entry(scope).or_default();
            let set = if !selector.name.is_empty() {
                bucket.by_name.entry(selector.name.clone()).or_default()
            } else if let Some(labels) = &selector.label_selector {
                match required_label(labels) {
                    Some(label) => bucket.by_label.entry(label).or_default(),
                    None => &mut bucket.by_expression,
                }
            } else {
                &mut bucket.all
            };
            change(set, rank.clone());
        }
    }

    /// Drops what a removal left empty, so that the index doesn't grow with names long gone.
    fn tidy(&mut self, scope: &Scope) {
        if let Some(bucket) = self.buckets.get_mut(scope) {
            bucket.by_name.retain(|_, set| !set.is_empty());
            bucket.by_label.retain(|_, set| !set.is_empty());
            if bucket.by_name.is_empty()
                && bucket.by_label.is_empty()
                && bucket.by_expression.is_empty()
                && bucket.all.is_empty()
            {
                self.buckets.remove(scope);
            }
        }
    }

    /// The policy that the template follows: the highest explicit priority; among equals the most specific selector;
    /// among these the first by name. Policies that are being deleted don't count.
    pub fn best(&self, template: &TemplateRef) -> Option<&Arc<P>> {
        self.candidates(template)
            .into_iter()
            .filter_map(|rank| {
                let policy = self.policies.get(&rank.key())?;
                let specificity = self.specificity(policy, template)?;
                Some(((rank.priority, Reverse(specificity), &rank.name), policy))
            })
            .min_by(|(left, _), (right, _)| left.cmp(right))
            .map(|(_, policy)| policy)
    }

    /// The first policy of every way of selecting, in the order of choice; among these is the best one.
    fn candidates(&self, template: &TemplateRef) -> Vec<&Rank> {
        let mut found = Vec::new();
        let mut namespaces = vec![template.namespace.as_str()];
        if !template.namespace.is_empty() && !P::NAMESPACED {
            namespaces.push("");
        }
        for namespace in namespaces {
            let scope = (template.api_version.clone(), template.kind.clone(), namespace.to_owned());
            let Some(bucket) = self.buckets.get(&scope) else { continue };
            found.extend(bucket.all.first());
            found.extend(bucket.by_name.get(&template.name).and_then(BTreeSet::first));
            let labelled = template
                .labels
                .iter()
                .filter_map(|(key, value)| bucket.by_label.get(&(key.clone(), value.clone())))
                .chain([&bucket.by_expression]);
            for set in labelled {
                // The set is in the order of choice, so the first whose other conditions hold is its best.
                found.extend(set.iter().find(|rank| {
                    self.policies.get(&rank.key()).is_some_and(|policy| {
                        policy
                            .spec()
                            .resource_selectors
                            .iter()
                            .any(|selector| selects(selector, template) == Some(Specificity::Label))
                    })
                }));
            }
        }
        found
    }

    fn specificity(&self, policy: &P, template: &TemplateRef) -> Option<Specificity> {
        if P::NAMESPACED && policy.metadata().namespace.as_deref() != Some(&template.namespace) {
            return None;
        }
        specificity(&policy.spec().resource_selectors, template)
    }
}

/// One label with one value that the selector requires, if it requires any.
fn required_label(selector: &karmada_api::meta::LabelSelector) -> Option<(String, String)> {
    if let Some((key, value)) = selector.match_labels.iter().next() {
        return Some((key.clone(), value.clone()));
    }
    selector
        .match_expressions
        .iter()
        .find(|requirement| requirement.operator == "In" && requirement.values.len() == 1)
        .and_then(|requirement| Some((requirement.key.clone(), requirement.values.first()?.clone())))
}

/// The templates that no policy selects yet, or any other set of templates to match policies with.
#[derive(Debug, Default)]
pub struct WaitingTemplates {
    kinds: HashMap<(String, String), HashMap<String, HashMap<String, TemplateRef>>>,
    len: usize,
}

impl WaitingTemplates {
    /// Adds a template or replaces the one of the same kind and name.
    pub fn insert(&mut self, template: TemplateRef) {
        let replaced = self
            .kinds
            .entry((template.api_version.clone(), template.kind.clone()))
            .or_default()
            .entry(template.namespace.clone())
            .or_default()
            .insert(template.name.clone(), template);
        if replaced.is_none() {
            self.len += 1;
        }
    }

    /// Removes a template; says whether it was there.
    pub fn remove(&mut self, template: &TemplateRef) -> bool {
        let kind = (template.api_version.clone(), template.kind.clone());
        let Some(namespaces) = self.kinds.get_mut(&kind) else { return false };
        let Some(names) = namespaces.get_mut(&template.namespace) else { return false };
        let removed = names.remove(&template.name).is_some();
        if names.is_empty() {
            namespaces.remove(&template.namespace);
        }
        if namespaces.is_empty() {
            self.kinds.remove(&kind);
        }
        self.len -= usize::from(removed);
        removed
    }

    /// How many templates there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The templates that the policy selects, sorted by namespace and name.
    pub fn selected_by<P: PolicyKind>(&self, policy: &P) -> Vec<TemplateRef> {
        let mut found: Vec<TemplateRef> = Vec::new();
        for selector in &policy.spec().resource_selectors {
            let Some((api_version, kind, namespace)) = scope_of(policy, selector) else { continue };
            let Some(namespaces) = self.kinds.get(&(api_version, kind)) else { continue };
            let scopes: Vec<&HashMap<String, TemplateRef>> = if namespace.is_empty() {
                namespaces.values().collect()
            } else {
                namespaces.get(&namespace).into_iter().collect()
            };
            for names in scopes {
                if selector.name.is_empty() {
                    found.extend(names.values().filter(|t| selects(selector, t).is_some()).cloned());
                } else {
                    found.extend(names.get(&selector.name).cloned());
                }
            }
        }
        found.sort_by(|a, b| {
            (&a.api_version, &a.kind, &a.namespace, &a.name).cmp(&(&b.api_version, &b.kind, &b.namespace, &b.name))
        });
        found.dedup();
        found
    }
}
