//! Namespaces follow into every cluster by themselves.

use karmada_api::cluster::Cluster;
use karmada_api::{labels, names};
use serde_json::Value;

use crate::object;
use crate::overrides::{OverrideError, OverridePolicies};
use crate::policy::binding::owner_reference;
use crate::work::plan::AppliedOverride;
use crate::work::prune;
use crate::work::system::SystemWork;

/// Whether a namespace follows into the clusters: it is not Karmada's own, not `default`, not skipped by name (the
/// caller's pattern says so) or by label, and not being deleted.
pub fn follows(namespace: &Value, skipped_by_name: bool) -> bool {
    let name = object::name(namespace);
    !(name == "default"
        || skipped_by_name
        || names::is_reserved_namespace(name)
        || object::is_deleting(namespace)
        || object::label(namespace, labels::NAMESPACE_SKIP_AUTO_PROPAGATION) == Some(labels::TRUE))
}

/// The name of a namespace's Work, in every execution namespace.
pub fn work_name(namespace: &Value) -> String {
    names::work_name("Namespace", object::name(namespace), "")
}

/// The Work of a namespace for one cluster; see [`crate::work::system::plan_system_work`].
///
/// # Errors
/// A ClusterOverridePolicy cannot be applied.
pub fn work(
    namespace: &Value,
    cluster: &Cluster,
    overrides: &OverridePolicies,
    notes: &mut Vec<AppliedOverride>,
) -> Result<SystemWork, OverrideError> {
    let mut manifest = namespace.clone();
    prune(&mut manifest);
    let applied = overrides.apply(&mut manifest, cluster, notes)?;
    let mut annotations = std::collections::BTreeMap::new();
    applied.annotate(&mut annotations);
    Ok(SystemWork {
        cluster: cluster.metadata.name.clone().unwrap_or_default(),
        name: work_name(namespace),
        manifest,
        template: Some(namespace.clone()),
        labels: std::collections::BTreeMap::new(),
        annotations,
        owner: Some(owner_reference(namespace)),
    })
}
