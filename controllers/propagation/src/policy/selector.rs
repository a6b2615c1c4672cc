//! Whether a policy selects a template, and how specifically.

use std::collections::BTreeMap;

use karmada_api::policy::ResourceSelector;
use serde_json::Value;

use crate::object;

/// How specifically a policy selects a template; the more specific one wins among equal priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Specificity {
    /// Every object of the kind.
    All,
    /// Objects with certain labels.
    Label,
    /// One object by its name.
    Name,
}

/// What of a template decides which policies select it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateRef {
    /// API version, as written in the object.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl TemplateRef {
    /// Reads it from an object.
    pub fn of(template: &Value) -> Self {
        Self {
            api_version: object::api_version(template).to_owned(),
            kind: object::kind(template).to_owned(),
            namespace: object::namespace(template).to_owned(),
            name: object::name(template).to_owned(),
            labels: object::labels(template),
        }
    }
}

/// How specifically one selector selects the template; nothing if it doesn't.
///
/// Empty namespace means any; a name makes the label selector irrelevant.
pub fn selects(selector: &ResourceSelector, template: &TemplateRef) -> Option<Specificity> {
    if selector.api_version != template.api_version
        || selector.kind != template.kind
        || !(selector.namespace.is_empty() || selector.namespace == template.namespace)
    {
        return None;
    }
    if !selector.name.is_empty() {
        return (selector.name == template.name).then_some(Specificity::Name);
    }
    match &selector.label_selector {
        None => Some(Specificity::All),
        Some(labels) => labels.matches(&template.labels).then_some(Specificity::Label),
    }
}

/// How specifically any of the selectors selects the template.
pub fn specificity(selectors: &[ResourceSelector], template: &TemplateRef) -> Option<Specificity> {
    selectors.iter().filter_map(|selector| selects(selector, template)).max()
}
