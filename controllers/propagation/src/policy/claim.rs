//! The labels and annotations by which a template and its binding say which policy they follow.

use karmada_api::policy::{ClusterPropagationPolicy, PolicyKind, PropagationPolicy};
use karmada_api::{annotations, labels};
use serde_json::{Map, Value, json};

use crate::object;

/// A policy's claim: what is written on templates and bindings that follow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Labels to write.
    pub labels: Vec<(&'static str, String)>,
    /// Annotations to write.
    pub annotations: Vec<(&'static str, String)>,
    /// Labels of the other kind of policy, to take away.
    pub foreign_labels: Vec<&'static str>,
    /// Annotations of the other kind of policy, to take away.
    pub foreign_annotations: Vec<&'static str>,
}

/// Which policy an object says it follows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimedBy {
    /// A PropagationPolicy.
    Policy {
        /// The policy's namespace.
        namespace: String,
        /// The policy's name.
        name: String,
    },
    /// A ClusterPropagationPolicy.
    ClusterPolicy {
        /// The policy's name.
        name: String,
    },
}

/// The keys that a kind of policy writes: its label, and its annotations.
fn keys<P: PolicyKind>() -> (&'static str, Vec<&'static str>) {
    let annotations = P::NAMESPACE_ANNOTATION.into_iter().chain([P::NAME_ANNOTATION]).collect();
    (P::PERMANENT_ID_LABEL, annotations)
}

impl Claim {
    /// The claim of a policy. A claim of either kind takes the other kind's away: an object follows one policy.
    pub fn of<P: PolicyKind>(policy: &P) -> Self {
        let metadata = policy.metadata();
        let mut annotations = Vec::new();
        if let Some(key) = P::NAMESPACE_ANNOTATION {
            annotations.push((key, metadata.namespace.clone().unwrap_or_default()));
        }
        annotations.push((P::NAME_ANNOTATION, metadata.name.clone().unwrap_or_default()));
        let (foreign_label, foreign_annotations) =
            if P::NAMESPACED { keys::<ClusterPropagationPolicy>() } else { keys::<PropagationPolicy>() };
        Self {
            labels: vec![(P::PERMANENT_ID_LABEL, policy.permanent_id().unwrap_or_default().to_owned())],
            annotations,
            foreign_labels: vec![foreign_label],
            foreign_annotations,
        }
    }

    /// The merge patch that writes the claim on an object; nothing if the object carries it already.
    pub fn patch(&self, object: &Value) -> Option<Value> {
        let mut label_changes = Map::new();
        let mut annotation_changes = Map::new();
        for (key, value) in &self.labels {
            if object::label(object, key) != Some(value) {
                label_changes.insert((*key).to_owned(), Value::from(value.as_str()));
            }
        }
        for (key, value) in &self.annotations {
            if object::annotation(object, key) != Some(value) {
                annotation_changes.insert((*key).to_owned(), Value::from(value.as_str()));
            }
        }
        removals(object, &self.foreign_labels, &self.foreign_annotations, &mut label_changes, &mut annotation_changes);
        metadata_patch(label_changes, annotation_changes)
    }
}

fn removals(
    object: &Value,
    label_keys: &[&str],
    annotation_keys: &[&str],
    label_changes: &mut Map<String, Value>,
    annotation_changes: &mut Map<String, Value>,
) {
    for key in label_keys {
        if object::label(object, key).is_some() {
            label_changes.insert((*key).to_owned(), Value::Null);
        }
    }
    for key in annotation_keys {
        if object::annotation(object, key).is_some() {
            annotation_changes.insert((*key).to_owned(), Value::Null);
        }
    }
}

fn metadata_patch(labels: Map<String, Value>, annotations: Map<String, Value>) -> Option<Value> {
    if labels.is_empty() && annotations.is_empty() {
        return None;
    }
    let mut metadata = Map::new();
    for (field, changes) in [("labels", labels), ("annotations", annotations)] {
        if !changes.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(changes));
        }
    }
    Some(json!({"metadata": metadata}))
}

/// The merge patch that takes away the claim of a kind of policy from an object; nothing if there is none.
pub fn unclaim_patch<P: PolicyKind>(object: &Value) -> Option<Value> {
    let (label, annotations) = keys::<P>();
    let mut label_changes = Map::new();
    let mut annotation_changes = Map::new();
    removals(object, &[label], &annotations, &mut label_changes, &mut annotation_changes);
    metadata_patch(label_changes, annotation_changes)
}

/// The policy that an object says it follows. A PropagationPolicy's claim counts before a ClusterPropagationPolicy's.
pub fn claimed_by(object: &Value) -> Option<ClaimedBy> {
    let text = |key| object::annotation(object, key).filter(|value| !value.is_empty());
    if let (Some(namespace), Some(name)) =
        (text(annotations::PROPAGATION_POLICY_NAMESPACE), text(annotations::PROPAGATION_POLICY_NAME))
    {
        return Some(ClaimedBy::Policy { namespace: namespace.to_owned(), name: name.to_owned() });
    }
    let name = text(annotations::CLUSTER_PROPAGATION_POLICY_NAME)?;
    Some(ClaimedBy::ClusterPolicy { name: name.to_owned() })
}

/// Whether some other component has taken the template for itself, so that policies leave it alone.
pub fn is_claimed_elsewhere(template: &Value) -> bool {
    object::label(template, labels::CLAIMED_BY).is_some_and(|value| !value.is_empty())
}
