//! Works that the control plane makes for itself rather than for a binding: namespaces, impersonation, quotas.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use karmada_api::work::v1alpha1::Work;
use karmada_api::{labels, names};
use serde_json::Value;

use super::prune::prune;
use super::render::{Desired, Identity, finish_manifest, mark_template, mark_work};

/// One Work of the control plane's own, for one cluster.
#[derive(Clone, Debug, Default)]
pub struct SystemWork {
    /// The cluster.
    pub cluster: String,
    /// The Work's name.
    pub name: String,
    /// The object to put into the cluster.
    pub manifest: Value,
    /// The object in the control plane that the manifest was made from, if there is one.
    pub template: Option<Value>,
    /// The Work's labels.
    pub labels: BTreeMap<String, String>,
    /// The Work's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The Work's owner, if it has one.
    pub owner: Option<OwnerReference>,
}

/// What to do about one Work.
#[derive(Clone, Debug, PartialEq)]
pub enum SystemPlan {
    /// Create it.
    Create(Box<Work>),
    /// Replace it.
    Update(Box<Work>),
    /// It is as it should be.
    Unchanged,
    /// The one that stands is being deleted: ask again when it is gone.
    Terminating,
}

/// Plans one Work of the control plane's own.
pub fn plan_system_work(work: SystemWork, existing: Option<&Work>, new_id: &dyn Fn() -> String) -> SystemPlan {
    if existing.is_some_and(|existing| existing.metadata.deletion_timestamp.is_some()) {
        return SystemPlan::Terminating;
    }
    let work_id = existing
        .and_then(|existing| existing.metadata.labels.as_ref()?.get(labels::WORK_PERMANENT_ID).cloned())
        .filter(|id| !id.is_empty())
        .unwrap_or_else(new_id);
    let SystemWork { cluster, name, mut manifest, template, labels, annotations, owner } = work;
    let namespace = names::execution_space(&cluster);
    let identity = Identity { work_namespace: &namespace, work_name: &name, work_id: &work_id };
    prune(&mut manifest);
    if let Some(template) = &template {
        mark_template(&mut manifest, template);
    }
    mark_work(&mut manifest, &identity);
    finish_manifest(&mut manifest, &work_id);
    let desired = Desired {
        namespace: namespace.clone(),
        name: name.clone(),
        labels,
        annotations,
        manifest,
        suspend_dispatching: None,
        preserve_resources_on_deletion: None,
        owner,
    };
    let planned = desired.over(existing, &work_id);
    match existing {
        None => SystemPlan::Create(Box::new(planned)),
        Some(existing) if *existing == planned => SystemPlan::Unchanged,
        Some(_) => SystemPlan::Update(Box::new(planned)),
    }
}
