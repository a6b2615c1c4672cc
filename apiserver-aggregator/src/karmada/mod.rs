//! Karmada's own kinds, built in: no CRD objects are needed on this server.

pub mod proxy;
pub mod rules;

use std::sync::{Arc, OnceLock};

use karmada_api::{
    admission::ErrorKind as ApiErrorKind,
    cluster::{strategy, validation},
    features::FeatureGates,
    work,
};
use karmada_machinery::{
    ErrorKind, FieldError, FieldErrors, GroupResource, GroupVersion, GroupVersionKind, ResourceInfo, StatusError,
    Strategy, crd,
    resource::{Conversion, RequestContext, SubresourceInfo},
};
use karmada_rest::registry::{Registry, Source};
use serde_json::{Value, json};

/// The source of these kinds in the registry. It sorts before `custom`: a CRD cannot take a kind of ours over.
pub const SOURCE: Source = "built-in-karmada";
/// The group of Clusters.
pub const CLUSTER_GROUP: &str = "cluster.karmada.io";

/// All kinds with Karmada's default feature gates; compiled once for all servers of a process.
fn defaults() -> &'static [Arc<ResourceInfo>] {
    static ALL: OnceLock<Vec<Arc<ResourceInfo>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for definition in karmada_api::crds() {
            for mut info in crd::resources(&definition.manifest()) {
                if info.gvr.group == work::GROUP && info.kind.ends_with("ResourceBinding") {
                    info.conversion = Conversion::Function(convert_binding);
                }
                if info.gvr.group == CLUSTER_GROUP && info.kind == "Cluster" {
                    info.strategy = Arc::new(ClusterStrategy { features: FeatureGates::default() });
                    info.subresources.push(SubresourceInfo {
                        name: "proxy".to_owned(),
                        gvk: GroupVersionKind::new(CLUSTER_GROUP, "v1alpha1", "ClusterProxyOptions"),
                        verbs: ["create", "delete", "get", "patch", "update"].map(str::to_owned).to_vec(),
                        scale: None,
                    });
                }
                all.push(Arc::new(info));
            }
        }
        all
    })
}

/// Serves Karmada's kinds in this registry.
pub fn install(registry: &Registry, features: &FeatureGates) {
    let mut kinds = defaults().to_vec();
    if *features != FeatureGates::default() {
        for info in &mut kinds {
            if info.gvr.group == CLUSTER_GROUP {
                let mut changed = (**info).clone();
                changed.strategy = Arc::new(ClusterStrategy { features: features.clone() });
                *info = Arc::new(changed);
            }
        }
    }
    registry.replace(SOURCE, kinds);
    registry.set_subresource(GroupResource::new(CLUSTER_GROUP, "clusters"), "proxy", Arc::new(proxy::ClusterProxy));
}

fn convert_binding(object: Value, to: &GroupVersion) -> Result<Value, StatusError> {
    work::conversion::convert(&object, &to.to_string()).map_err(|error| StatusError::bad_request(error.to_string()))
}

/// What happens to Clusters on their way into the store.
struct ClusterStrategy {
    features: FeatureGates,
}

impl Strategy for ClusterStrategy {
    fn prepare_for_create(&self, object: &mut Value, ctx: &RequestContext<'_>) {
        strategy::prepare_for_create(object, &self.features, ctx.now);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, ctx: &RequestContext<'_>) {
        match ctx.subresource {
            Some("status") => strategy::prepare_for_status_update(object, old),
            _ => strategy::prepare_for_update(object, old, ctx.now),
        }
    }

    fn validate(&self, object: &Value) -> FieldErrors {
        validation::validate(object).iter().map(field_error).collect()
    }

    fn validate_update(&self, object: &Value, _old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
        // Karmada does not judge status updates: a Cluster that an older rule let in must stay reportable.
        if ctx.subresource == Some("status") { Vec::new() } else { self.validate(object) }
    }
}

fn field_error(error: &karmada_api::admission::FieldError) -> FieldError {
    let kind = match error.kind {
        ApiErrorKind::Invalid => ErrorKind::Invalid,
        ApiErrorKind::Required => ErrorKind::Required,
        ApiErrorKind::NotSupported => ErrorKind::NotSupported,
        ApiErrorKind::Duplicate => ErrorKind::Duplicate,
        ApiErrorKind::Forbidden => ErrorKind::Forbidden,
        ApiErrorKind::TypeInvalid => ErrorKind::TypeInvalid,
    };
    let value = serde_json::from_str(&error.value).unwrap_or_else(|_| json!(error.value));
    FieldError { kind, field: error.field.clone(), value: Some(value), detail: error.detail.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_there_with_their_peculiarities() {
        let all = defaults();
        assert!(all.len() >= 22, "{}", all.len());
        let find = |kind: &str, version: &str| {
            all.iter().find(|i| i.kind == kind && i.gvr.version == version).unwrap_or_else(|| panic!("{kind}"))
        };
        let cluster = find("Cluster", "v1alpha1");
        assert!(cluster.subresource("proxy").is_some() && cluster.has_status());
        let errors = cluster.strategy.validate(&json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m1"}, "spec": {},
        }));
        assert_eq!(errors[0].to_string(), "spec.syncMode: Required value");
        let binding = find("ResourceBinding", "v1alpha1");
        assert_eq!(binding.storage.version.version, "v1alpha2");
        assert!(matches!(binding.conversion, Conversion::Function(_)));
        find("PropagationPolicy", "v1alpha1");
    }
}
