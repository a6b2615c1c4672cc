//! Field management at the edge of the request: which manager writes, and the bookkeeping in `metadata.managedFields`.

use std::sync::Arc;

use http::header;
use karmada_machinery::{
    GroupVersion, ResourceInfo, StatusError,
    apply::{FieldManager, Versions, manager_name},
    resource::Conversion,
    schema::Schema,
};
use serde_json::Value;

use crate::{call::Call, query::WriteOptions, registry::Snapshot};

/// Who writes the fields of a request: the named manager, else the User-Agent's.
pub(crate) fn manager(call: &Call, options: &WriteOptions) -> String {
    let agent = call.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    manager_name(&options.field_manager, agent)
}

/// The other versions of a resource, for managers that wrote through them.
struct OtherVersions<'a> {
    snapshot: &'a Snapshot,
    info: &'a ResourceInfo,
}

impl Versions for OtherVersions<'_> {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, Arc<Schema>)> {
        let wanted = GroupVersion::parse(api_version)?;
        let other = &self.snapshot.resource(&wanted.group, &wanted.version, &self.info.gvr.resource)?.info;
        let mut converted = object.clone();
        if let Conversion::Function(convert) = &self.info.conversion {
            converted = convert(converted, &wanted).ok()?;
        }
        // Webhooks cannot be asked here; the fields of such versions are taken to have the same names.
        if let Some(map) = converted.as_object_mut() {
            map.insert("apiVersion".into(), api_version.into());
            map.insert("kind".into(), other.kind.clone().into());
        }
        Some((converted, Arc::clone(&other.schema)))
    }
}

fn has_other_versions(call: &Call, info: &ResourceInfo) -> bool {
    call.snapshot.ordered.iter().any(|o| {
        o.gvr.version != info.gvr.version && o.gvr.group == info.gvr.group && o.gvr.resource == info.gvr.resource
    })
}

fn with_manager<R>(call: &Call, info: &ResourceInfo, subresource: &str, work: impl FnOnce(FieldManager<'_>) -> R) -> R {
    let manager = FieldManager::new(info, subresource);
    if has_other_versions(call, info) {
        let versions = OtherVersions { snapshot: &call.snapshot, info };
        return work(manager.with_versions(&versions));
    }
    work(manager)
}

/// Records who wrote what in a creation or update.
pub(crate) fn update(
    call: &Call,
    info: &ResourceInfo,
    options: &WriteOptions,
    subresource: &str,
    old: Option<&Value>,
    object: &mut Value,
) {
    let name = manager(call, options);
    let new = std::mem::take(object);
    *object = with_manager(call, info, subresource, |manager| match old {
        None => manager.create(new, &name, call.now),
        Some(old) => manager.update(old, new, &name, call.now),
    });
}

/// Applies a configuration to the current object.
pub(crate) fn apply(
    call: &Call,
    info: &ResourceInfo,
    options: &WriteOptions,
    subresource: &str,
    current: Option<&Value>,
    configuration: &Value,
) -> Result<Value, StatusError> {
    let name = manager(call, options);
    let force = options.force.unwrap_or(false);
    with_manager(call, info, subresource, |manager| manager.apply(current, configuration, &name, force, call.now))
}
