//! The binding that follows from a template, its policy and the interpreter's answers.
//!
//! A binding belongs to its template: the template owns it, and its name follows from the template's. Everything in its
//! spec comes from template and policy, except what others own: the scheduler's clusters, eviction tasks, dependants,
//! the time of a requested rescheduling and the suspension of scheduling.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use karmada_api::names;
use karmada_api::policy::PropagationSpec;
use karmada_api::work::v1alpha2::{
    BindingKind, Component, ObjectReference, ReplicaRequirements, ResourceBindingSpec, SchedulePriority, Suspension,
    WorkloadAffinityGroups,
};
use serde_json::Value;

use super::claim::Claim;
use crate::object;

/// What the interpreter said about a template's replicas. At most one of the two ways is filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// The number of replicas.
    pub replicas: i32,
    /// What each replica needs.
    pub requirements: Option<ReplicaRequirements>,
    /// The components of a workload with several pod templates.
    pub components: Vec<Component>,
}

impl Workload {
    /// From the interpreter's answers, which are plain JSON.
    ///
    /// # Errors
    /// Requirements that are not of the documented form.
    pub fn from_replicas(answer: karmada_interpreter::Replicas) -> Result<Self, serde_json::Error> {
        Ok(Self {
            replicas: answer.replica,
            requirements: answer.requirements.map(serde_json::from_value).transpose()?,
            components: Vec::new(),
        })
    }

    /// From the interpreter's components.
    ///
    /// # Errors
    /// Requirements that are not of the documented form.
    pub fn from_components(answer: Vec<karmada_interpreter::Component>) -> Result<Self, serde_json::Error> {
        let components = serde_json::from_value(serde_json::to_value(answer)?)?;
        Ok(Self { components, ..Self::default() })
    }
}

/// What a binding is built from.
#[derive(Clone, Debug)]
pub struct BindingInput<'a, B> {
    /// The template.
    pub template: &'a Value,
    /// The policy's spec.
    pub policy: &'a PropagationSpec,
    /// The policy's claim.
    pub claim: &'a Claim,
    /// The interpreter's answers; nothing for templates that are no workloads.
    pub workload: Workload,
    /// The value of the policy's priority class, if it names one.
    pub schedule_priority: Option<i32>,
    /// The binding as it stands.
    pub existing: Option<&'a B>,
    /// Whether requirements name the namespace and the pods' priority class, for estimators that know quotas (feature
    /// gate ResourceQuotaEstimate).
    pub quota_estimate: bool,
    /// Whether affinity between workloads is in force (feature gate WorkloadAffinity).
    pub workload_affinity: bool,
    /// Whether the template changed in a way that matters. When it did not (a restart, a repeated pass), a binding that
    /// differs in nothing but the template's resource version is left alone.
    pub template_changed: bool,
}

/// What to do about a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum BindingPlan<B> {
    /// Create it.
    Create(Box<B>),
    /// Replace it; it carries the resource version it was planned against.
    Update(Box<B>),
    /// It is as it should be.
    Unchanged,
}

/// Why a binding cannot be planned now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The binding belongs to a former template of the same name, and waits for the garbage collector.
    #[error(
        "failed to update binding due to different owner reference UID, will try again later after binding is garbage collected, see https://github.com/karmada-io/karmada/issues/2090"
    )]
    OwnedByAnother {
        /// The binding's namespace and name.
        binding: String,
    },
}

/// The name of a template's binding.
pub fn binding_name(template: &Value) -> String {
    names::binding_name(object::kind(template), object::name(template))
}

/// Plans the binding of a template that follows a policy.
///
/// # Errors
/// The binding that stands belongs to another object, or is being deleted with it.
pub fn build_binding<B: BindingKind>(input: &BindingInput<'_, B>) -> Result<BindingPlan<B>, BindingError> {
    let Some(existing) = input.existing else {
        let mut binding = B::default();
        let metadata = binding.metadata_mut();
        metadata.name = Some(binding_name(input.template));
        if B::NAMESPACED {
            metadata.namespace = Some(object::namespace(input.template).to_owned());
        }
        dress(metadata, input, B::FINALIZER);
        fill_spec(binding.spec_mut(), input);
        return Ok(BindingPlan::Create(Box::new(binding)));
    };

    let uid = object::uid(input.template);
    let owners = existing.metadata().owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|owner| owner.controller == Some(true) && owner.uid != uid) {
        let metadata = existing.metadata();
        return Err(BindingError::OwnedByAnother {
            binding: object::short_key(
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default(),
            ),
        });
    }

    let mut binding = existing.clone();
    dress(binding.metadata_mut(), input, B::FINALIZER);
    fill_spec(binding.spec_mut(), input);
    if !input.template_changed {
        binding.spec_mut().resource.resource_version.clone_from(&existing.spec().resource.resource_version);
    }
    if binding == *existing {
        return Ok(BindingPlan::Unchanged);
    }
    if !input.template_changed {
        object::metadata_text(input.template, "resourceVersion")
            .clone_into(&mut binding.spec_mut().resource.resource_version);
    }
    Ok(BindingPlan::Update(Box::new(binding)))
}

/// The controlling owner reference to a template.
pub fn owner_reference(template: &Value) -> OwnerReference {
    OwnerReference {
        api_version: object::api_version(template).to_owned(),
        kind: object::kind(template).to_owned(),
        name: object::name(template).to_owned(),
        uid: object::uid(template).to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The reference of a binding to its template.
pub fn object_reference(template: &Value) -> ObjectReference {
    ObjectReference {
        api_version: object::api_version(template).to_owned(),
        kind: object::kind(template).to_owned(),
        namespace: object::namespace(template).to_owned(),
        name: object::name(template).to_owned(),
        uid: object::uid(template).to_owned(),
        resource_version: object::metadata_text(template, "resourceVersion").to_owned(),
    }
}

fn dress<B>(metadata: &mut ObjectMeta, input: &BindingInput<'_, B>, finalizer: &str) {
    let claim = input.claim;
    let labels = metadata.labels.get_or_insert_with(BTreeMap::new);
    for key in &claim.foreign_labels {
        labels.remove(*key);
    }
    for (key, value) in &claim.labels {
        labels.insert((*key).to_owned(), value.clone());
    }
    let annotations = metadata.annotations.get_or_insert_with(BTreeMap::new);
    for key in &claim.foreign_annotations {
        annotations.remove(*key);
    }
    for (key, value) in &claim.annotations {
        annotations.insert((*key).to_owned(), value.clone());
    }
    add_finalizer(metadata, finalizer);
    metadata.owner_references = Some(vec![owner_reference(input.template)]);
}

/// Adds a finalizer if it is missing.
pub fn add_finalizer(metadata: &mut ObjectMeta, finalizer: &str) {
    let finalizers = metadata.finalizers.get_or_insert_with(Vec::new);
    if !finalizers.iter().any(|known| known == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
}

fn fill_spec<B>(spec: &mut ResourceBindingSpec, input: &BindingInput<'_, B>) {
    let policy = input.policy;
    spec.resource = object_reference(input.template);
    spec.replicas = input.workload.replicas;
    spec.replica_requirements = input.workload.requirements.clone().map(|mut requirements| {
        if input.quota_estimate {
            object::namespace(input.template).clone_into(&mut requirements.namespace);
            pod_priority_class(input.template).clone_into(&mut requirements.priority_class_name);
        }
        requirements
    });
    spec.components.clone_from(&input.workload.components);
    spec.propagate_deps = policy.propagate_deps;
    spec.placement = Some(policy.placement.clone());
    spec.scheduler_name.clone_from(&policy.scheduler_name);
    spec.failover.clone_from(&policy.failover);
    spec.conflict_resolution = policy.conflict_resolution;
    spec.preserve_resources_on_deletion = policy.preserve_resources_on_deletion;
    spec.suspension = suspension(policy, spec.suspension.as_ref());
    spec.schedule_priority = input.schedule_priority.map(|priority| SchedulePriority { priority });
    spec.workload_affinity_groups =
        if input.workload_affinity { affinity_groups(policy, input.template) } else { None };
}

/// The policy's suspension, with the suspension of scheduling kept, which others set on the binding.
fn suspension(policy: &PropagationSpec, existing: Option<&Suspension>) -> Option<Suspension> {
    let scheduling = existing.and_then(|suspension| suspension.scheduling);
    let (dispatching, dispatching_on_clusters) = match &policy.suspension {
        Some(suspension) => (suspension.dispatching, suspension.dispatching_on_clusters.clone()),
        None if scheduling.is_some() => (None, None),
        None => return None,
    };
    Some(Suspension { dispatching, dispatching_on_clusters, scheduling })
}

fn pod_priority_class(template: &Value) -> &str {
    let pointer = match object::kind(template) {
        "Pod" => "/spec/priorityClassName",
        "CronJob" => "/spec/jobTemplate/spec/template/spec/priorityClassName",
        _ => "/spec/template/spec/priorityClassName",
    };
    template.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The groups of the template: each the policy's label key with the template's value of it.
fn affinity_groups(policy: &PropagationSpec, template: &Value) -> Option<WorkloadAffinityGroups> {
    let affinity = policy.placement.workload_affinity.as_ref()?;
    let group = |key: Option<&str>| {
        key.and_then(|key| Some(format!("{key}={}", object::label(template, key)?))).unwrap_or_default()
    };
    let groups = WorkloadAffinityGroups {
        affinity_group: group(affinity.affinity.as_ref().map(|term| term.group_by_label_key.as_str())),
        anti_affinity_group: group(affinity.anti_affinity.as_ref().map(|term| term.group_by_label_key.as_str())),
    };
    (groups != WorkloadAffinityGroups::default()).then_some(groups)
}
