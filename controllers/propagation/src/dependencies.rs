//! Dependencies: the objects that follow a workload into its clusters.
//!
//! Every object that a workload depends on gets a binding of its own, *attached* to the workload's (the independent)
//! binding: it has no placement and is not scheduled, it goes where the bindings that require it go. It names each of
//! them with a label and with a snapshot of its clusters, and goes away with the last of them.

use std::collections::{BTreeMap, BTreeSet};

use karmada_api::policy::ConflictResolution;
use karmada_api::work::v1alpha2::{BindingSnapshot, ResourceBinding, ResourceBindingSpec};
use karmada_api::{annotations, finalizers, labels, names};
use karmada_interpreter::Dependency;
use serde_json::Value;

use crate::object;
use crate::policy::binding::{
    BindingError, BindingPlan, add_finalizer, binding_name, object_reference, owner_reference,
};

/// Whether a binding distributes its dependencies now: it wants to, and it has clusters.
pub fn distributes(binding: &ResourceBinding) -> bool {
    binding.spec.propagate_deps && !binding.spec.clusters.is_empty()
}

/// The text of the annotation in which a binding keeps its dependencies.
pub fn annotation_text(dependencies: &[Dependency]) -> String {
    serde_json::to_string(dependencies).unwrap_or_else(|_| "[]".to_owned())
}

/// The dependencies that a binding's annotation names.
///
/// # Errors
/// The annotation is not a list of references.
pub fn recorded(binding: &ResourceBinding) -> Result<Vec<Dependency>, serde_json::Error> {
    let text = binding.metadata.annotations.as_ref().and_then(|all| all.get(annotations::DEPENDENCIES));
    text.map_or(Ok(Vec::new()), |text| serde_json::from_str(text))
}

/// The independent binding with its dependencies recorded and the finalizer that cleans up after it; nothing if it has
/// both.
pub fn record(binding: &ResourceBinding, dependencies: &[Dependency]) -> Option<ResourceBinding> {
    let mut copy = binding.clone();
    copy.metadata
        .annotations
        .get_or_insert_with(BTreeMap::new)
        .insert(annotations::DEPENDENCIES.to_owned(), annotation_text(dependencies));
    add_finalizer(&mut copy.metadata, finalizers::BINDING_DEPENDENCIES_DISTRIBUTOR);
    (copy != *binding).then_some(copy)
}

fn key_of(binding: &ResourceBinding) -> (&str, &str) {
    (binding.metadata.namespace.as_deref().unwrap_or_default(), binding.metadata.name.as_deref().unwrap_or_default())
}

/// The label with which attached bindings name this binding.
pub fn depended_by_label(independent: &ResourceBinding) -> String {
    let (namespace, name) = key_of(independent);
    names::depended_by_label(namespace, name)
}

fn snapshot_of(independent: &ResourceBinding) -> BindingSnapshot {
    let (namespace, name) = key_of(independent);
    BindingSnapshot {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        clusters: independent.spec.clusters.clone(),
    }
}

/// Whether a dependency means this object.
pub fn means(dependency: &Dependency, object: &Value) -> bool {
    if dependency.api_version != object::api_version(object)
        || dependency.kind != object::kind(object)
        || dependency.namespace != object::namespace(object)
    {
        return false;
    }
    if !dependency.name.is_empty() {
        return dependency.name == object::name(object);
    }
    dependency.label_selector.as_ref().is_some_and(|selector| {
        serde_json::from_value::<karmada_api::meta::LabelSelector>(selector.clone())
            .is_ok_and(|selector| selector.matches(&object::labels(object)))
    })
}

/// Why two bindings' wishes about a shared dependency don't agree: the text of a warning event.
pub fn conflict_message(parents: &[&ResourceBinding]) -> Option<String> {
    let mut conflicts = Vec::new();
    let overwrites = |parent: &&ResourceBinding| parent.spec.conflict_resolution == Some(ConflictResolution::Overwrite);
    if parents.iter().any(overwrites) && !parents.iter().all(overwrites) {
        conflicts.push("ConflictResolution conflicted (Overwrite vs Abort)");
    }
    let preserves = |parent: &&ResourceBinding| parent.spec.preserve_resources_on_deletion == Some(true);
    if parents.iter().any(preserves) && !parents.iter().all(preserves) {
        conflicts.push("PreserveResourcesOnDeletion conflicted (true vs false)");
    }
    (!conflicts.is_empty()).then(|| format!("Dependency policy conflict detected: {}.", conflicts.join("; ")))
}

/// Plans the attached binding of a dependency. `parents` are all independent bindings that require it, this one
/// included: the strictest wish of any of them counts.
///
/// # Errors
/// The binding that stands belongs to another object of the same name.
pub fn attach(
    independent: &ResourceBinding,
    dependency: &Value,
    existing: Option<&ResourceBinding>,
    parents: &[&ResourceBinding],
) -> Result<BindingPlan<ResourceBinding>, BindingError> {
    let label = depended_by_label(independent);
    let id = independent
        .metadata
        .labels
        .as_ref()
        .and_then(|all| all.get(labels::RESOURCE_BINDING_PERMANENT_ID).cloned())
        .unwrap_or_default();
    let mut binding = existing.cloned().unwrap_or_default();
    if existing.is_none() {
        binding.metadata.name = Some(binding_name(dependency));
        binding.metadata.namespace = Some(object::namespace(dependency).to_owned());
        binding.metadata.owner_references = Some(vec![owner_reference(dependency)]);
        binding.spec.resource = object_reference(dependency);
    } else if binding
        .metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true) && owner.uid != object::uid(dependency))
    {
        let (namespace, name) = key_of(&binding);
        return Err(BindingError::OwnedByAnother { binding: object::short_key(namespace, name) });
    }
    binding.metadata.labels.get_or_insert_with(BTreeMap::new).insert(label, id);
    add_finalizer(&mut binding.metadata, finalizers::BINDING_CONTROLLER);

    let snapshot = snapshot_of(independent);
    let required_by = &mut binding.spec.required_by;
    match required_by.iter_mut().find(|known| known.namespace == snapshot.namespace && known.name == snapshot.name) {
        Some(known) => *known = snapshot,
        None => required_by.push(snapshot),
    }
    settle(&mut binding.spec, parents);

    Ok(match existing {
        None => BindingPlan::Create(Box::new(binding)),
        Some(existing) if *existing == binding => BindingPlan::Unchanged,
        Some(_) => BindingPlan::Update(Box::new(binding)),
    })
}

/// What becomes of an attached binding.
#[derive(Clone, Debug, PartialEq)]
pub enum DetachPlan {
    /// It never required this one.
    Unchanged,
    /// Others still require it, or it has a policy of its own.
    Update(Box<ResourceBinding>),
    /// Nobody requires it any more.
    Delete,
}

/// Plans what becomes of an attached binding that an independent one (of this namespace, name) no longer requires.
/// `parents` are the bindings that still do.
pub fn detach(attached: &ResourceBinding, namespace: &str, name: &str, parents: &[&ResourceBinding]) -> DetachPlan {
    let mut binding = attached.clone();
    if let Some(all) = &mut binding.metadata.labels {
        all.remove(&names::depended_by_label(namespace, name));
    }
    binding.spec.required_by.retain(|snapshot| snapshot.namespace != namespace || snapshot.name != name);
    if binding == *attached {
        return DetachPlan::Unchanged;
    }
    if binding.spec.required_by.is_empty() && !has_policy(&binding) {
        return DetachPlan::Delete;
    }
    settle(&mut binding.spec, parents);
    DetachPlan::Update(Box::new(binding))
}

/// Whether a policy selects the dependency by itself.
fn has_policy(binding: &ResourceBinding) -> bool {
    binding.spec.placement.is_some()
}

/// A shared dependency is overwritten, or preserved, if any binding that requires it says so. Where a policy selects
/// the object by itself, that policy's word counts.
fn settle(spec: &mut ResourceBindingSpec, parents: &[&ResourceBinding]) {
    if spec.placement.is_some() {
        return;
    }
    let overwrite = parents.iter().any(|parent| parent.spec.conflict_resolution == Some(ConflictResolution::Overwrite));
    spec.conflict_resolution = Some(if overwrite { ConflictResolution::Overwrite } else { ConflictResolution::Abort });
    spec.preserve_resources_on_deletion =
        Some(parents.iter().any(|parent| parent.spec.preserve_resources_on_deletion == Some(true)));
}

/// The attached bindings of an independent one that are no longer among its dependencies: those that carry its label
/// but are none of these objects.
pub fn orphans<'a>(attached: &'a [ResourceBinding], wanted: &[Value]) -> Vec<&'a ResourceBinding> {
    let wanted: BTreeSet<(&str, &str, &str)> =
        wanted.iter().map(|object| (object::kind(object), object::namespace(object), object::name(object))).collect();
    attached
        .iter()
        .filter(|binding| {
            let resource = &binding.spec.resource;
            !wanted.contains(&(resource.kind.as_str(), resource.namespace.as_str(), resource.name.as_str()))
        })
        .collect()
}

/// The event's text that lists a template's dependencies.
pub fn listed_message(dependencies: &[Dependency]) -> String {
    let list: Vec<String> = dependencies
        .iter()
        .map(|dependency| {
            let Dependency { api_version, kind, namespace, name, label_selector } = dependency;
            let selector = label_selector.as_ref().map_or_else(|| "nil".to_owned(), Value::to_string);
            format!(
                "{{APIVersion:{api_version} Kind:{kind} Namespace:{namespace} Name:{name} LabelSelector:{selector}}}"
            )
        })
        .collect();
    format!("Get dependencies([{}]) succeed.", list.join(" "))
}

#[cfg(test)]
mod tests {
    use karmada_api::work::v1alpha2::TargetCluster;
    use serde_json::json;

    use super::*;

    fn parent(name: &str, cluster: &str, overwrite: bool) -> ResourceBinding {
        let mut binding = ResourceBinding::default();
        binding.metadata.namespace = Some("ns".to_owned());
        binding.metadata.name = Some(name.to_owned());
        binding.metadata.labels =
            Some([(labels::RESOURCE_BINDING_PERMANENT_ID.to_owned(), format!("id-{name}"))].into());
        binding.spec.propagate_deps = true;
        binding.spec.clusters = vec![TargetCluster { name: cluster.to_owned(), ..TargetCluster::default() }];
        if overwrite {
            binding.spec.conflict_resolution = Some(ConflictResolution::Overwrite);
        }
        binding
    }

    #[test]
    fn a_shared_dependency_follows_both_and_goes_with_the_last() {
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "cfg", "namespace": "ns", "uid": "u", "resourceVersion": "1"}});
        let (web, app) = (parent("web-deployment", "m1", false), parent("app-deployment", "m2", true));
        let BindingPlan::Create(first) = attach(&web, &config, None, &[&web]).unwrap() else { panic!("it is new") };
        assert_eq!(first.spec.conflict_resolution, Some(ConflictResolution::Abort));
        assert!(first.spec.placement.is_none());
        assert_eq!(attach(&web, &config, Some(&first), &[&web]).unwrap(), BindingPlan::Unchanged);

        let BindingPlan::Update(both) = attach(&app, &config, Some(&first), &[&web, &app]).unwrap() else {
            panic!("another one requires it")
        };
        assert_eq!(both.spec.conflict_resolution, Some(ConflictResolution::Overwrite));
        assert_eq!(
            conflict_message(&[&web, &app]).unwrap(),
            "Dependency policy conflict detected: ConflictResolution conflicted (Overwrite vs Abort)."
        );
        let DetachPlan::Update(one) = detach(&both, "ns", "app-deployment", &[&web]) else { panic!("web needs it") };
        assert_eq!(*one, *first);
        assert_eq!(detach(&one, "ns", "web-deployment", &[]), DetachPlan::Delete);
        assert_eq!(detach(&one, "ns", "stranger", &[&web]), DetachPlan::Unchanged);
    }
}
