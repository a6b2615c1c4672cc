//! One cluster's manifest, and the Work around it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use karmada_api::policy::ConflictResolution;
use karmada_api::work::v1alpha1::{Work, WorkSpec, WorkloadTemplate};
use karmada_api::work::v1alpha2::BindingKind;
use karmada_api::{annotations, finalizers, labels};
use serde_json::Value;

use crate::object;

/// The conflict resolution that a manifest and its Work carry: the template's own word, else the binding's.
pub fn conflict_resolution(template: &Value, binding: Option<ConflictResolution>) -> &str {
    match object::annotation(template, annotations::CONFLICT_RESOLUTION) {
        Some(own) => own,
        None if binding == Some(ConflictResolution::Overwrite) => annotations::CONFLICT_RESOLUTION_OVERWRITE,
        None => annotations::CONFLICT_RESOLUTION_ABORT,
    }
}

/// Who a manifest is rendered for.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// Namespace of the Work.
    pub work_namespace: &'a str,
    /// Name of the Work.
    pub work_name: &'a str,
    /// Permanent id of the Work; empty if it has none yet.
    pub work_id: &'a str,
}

/// Writes on a manifest what Karmada must be able to read in the member: whose it is, from which generation of which
/// template, and which labels and annotations it set itself.
///
/// `template` is the object in the control plane before pruning. Bookkeeping is written last: see [`finish_manifest`].
pub fn mark_manifest<B: BindingKind>(manifest: &mut Value, template: &Value, binding: &B, identity: &Identity<'_>) {
    let metadata = binding.metadata();
    object::set_label(manifest, labels::MANAGED, labels::TRUE);
    object::set_label(manifest, B::PERMANENT_ID_LABEL, binding.permanent_id().unwrap_or_default());
    if let Some(key) = B::NAMESPACE_ANNOTATION {
        object::set_annotation(manifest, key, metadata.namespace.as_deref().unwrap_or_default());
    }
    object::set_annotation(manifest, B::NAME_ANNOTATION, metadata.name.as_deref().unwrap_or_default());
    mark_template(manifest, template);
    let resolution = conflict_resolution(template, binding.spec().conflict_resolution).to_owned();
    object::set_annotation(manifest, annotations::CONFLICT_RESOLUTION, &resolution);
    mark_work(manifest, identity);
}

/// Writes which template, and which generation of it, a manifest was made from.
pub fn mark_template(manifest: &mut Value, template: &Value) {
    let uid = object::uid(template).to_owned();
    if !uid.is_empty() {
        object::set_annotation(manifest, annotations::TEMPLATE_UID, &uid);
    }
    let generation = template.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    if generation > 0 {
        object::set_annotation(manifest, annotations::TEMPLATE_GENERATION, &generation.to_string());
    }
}

/// Writes which Work a manifest belongs to.
pub fn mark_work(manifest: &mut Value, identity: &Identity<'_>) {
    object::set_label(manifest, labels::MANAGED, labels::TRUE);
    object::set_annotation(manifest, annotations::WORK_NAMESPACE, identity.work_namespace);
    object::set_annotation(manifest, annotations::WORK_NAME, identity.work_name);
}

/// The last step of every manifest, also taken by the Work's admission: the Work's permanent id, and the lists of
/// labels and annotations that Karmada sets, by which it later knows which ones to take away.
pub fn finish_manifest(manifest: &mut Value, work_id: &str) {
    if !work_id.is_empty() {
        object::set_label(manifest, labels::WORK_PERMANENT_ID, work_id);
    }
    let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>().join(",");
    let managed_labels = keys(object::strings_mut(manifest, "labels"));
    let annotations = object::strings_mut(manifest, "annotations");
    annotations.insert(annotations::MANAGED_LABELS.to_owned(), Value::from(managed_labels));
    annotations.insert(annotations::MANAGED_ANNOTATIONS.to_owned(), Value::Null);
    let managed_annotations = keys(annotations);
    annotations.insert(annotations::MANAGED_ANNOTATIONS.to_owned(), Value::from(managed_annotations));
}

/// The desired metadata and spec of a Work with one manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
    /// The manifest.
    pub manifest: Value,
    /// Whether the Work is held back; Works of the control plane's own don't say.
    pub suspend_dispatching: Option<bool>,
    /// Whether the member's object stays when the Work goes; Works of the control plane's own don't say.
    pub preserve_resources_on_deletion: Option<bool>,
    /// Who owns the Work, if anybody does.
    pub owner: Option<OwnerReference>,
}

impl Desired {
    /// The Work as it should be, from the one that stands. Labels and annotations that others set are kept.
    pub fn over(self, existing: Option<&Work>, work_id: &str) -> Work {
        let mut work = existing.cloned().unwrap_or_default();
        let metadata = &mut work.metadata;
        metadata.namespace = Some(self.namespace);
        metadata.name = Some(self.name);
        let all_labels = metadata.labels.get_or_insert_with(BTreeMap::new);
        all_labels.extend(self.labels);
        if !work_id.is_empty() {
            all_labels.insert(labels::WORK_PERMANENT_ID.to_owned(), work_id.to_owned());
        }
        if !self.annotations.is_empty() {
            metadata.annotations.get_or_insert_with(BTreeMap::new).extend(self.annotations);
        }
        if let Some(owner) = self.owner {
            metadata.owner_references = Some(vec![owner]);
        }
        crate::policy::binding::add_finalizer(metadata, finalizers::EXECUTION_CONTROLLER);
        work.spec = WorkSpec {
            workload: WorkloadTemplate { manifests: vec![self.manifest] },
            suspend_dispatching: self.suspend_dispatching,
            preserve_resources_on_deletion: self.preserve_resources_on_deletion,
        };
        work
    }
}
