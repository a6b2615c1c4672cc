//! Managed fields of the scale subresource: the object's replicas, seen as the Scale's.

use serde_json::Value;

use super::{
    managed::{self, Entry, Managers},
    path::PathElement,
    set::FieldSet,
};

const SCALE_VERSION: &str = "autoscaling/v1";

/// A path such as `.spec.replicas`.
fn parse(path: &str) -> Vec<PathElement> {
    path.split('.').filter(|step| !step.is_empty()).map(PathElement::field).collect()
}

fn replicas_of_scale() -> Vec<PathElement> {
    parse(".spec.replicas")
}

fn only(path: &[PathElement]) -> FieldSet {
    let mut set = FieldSet::default();
    set.insert(path);
    set
}

/// The managed fields of the Scale of an object: those who manage its replicas. `managed_fields` are the object's,
/// `replicas` is the path of its replicas.
pub fn scale_to_scale(managed_fields: Option<&Value>, replicas: &str) -> Value {
    let path = parse(replicas);
    let mut managers = managed::decode(managed_fields).unwrap_or_default();
    managers.retain(|_, entry| entry.fields.has(&path));
    for entry in managers.values_mut() {
        entry.fields = only(&replicas_of_scale());
        entry.api_version = SCALE_VERSION.to_owned();
    }
    managed::encode(managers)
}

/// The managed fields of the object after its Scale was written: whoever no longer manages the Scale's replicas loses the
/// object's. `api_version` is the object's.
pub fn scale_to_parent(
    managed_fields: Option<&Value>,
    scale_fields: Option<&Value>,
    replicas: &str,
    api_version: &str,
) -> Value {
    let path = parse(replicas);
    let parent = managed::decode(managed_fields).unwrap_or_default();
    let mut scale: Managers = managed::decode(scale_fields).unwrap_or_default();
    let mut result = Managers::new();
    for (id, mut entry) in parent.clone() {
        // Writers of the Scale are named with its version, those of the object with the object's.
        let mut as_scale = id.clone();
        if !as_scale.api_version.is_empty() {
            as_scale.api_version = SCALE_VERSION.to_owned();
        }
        if entry.fields.has(&path) && scale.remove(&as_scale).is_none() {
            entry.fields = entry.fields.difference(&only(&path));
        }
        if !entry.fields.is_empty() {
            result.insert(id, entry);
        }
    }
    for (mut id, entry) in scale {
        if !entry.fields.has(&replicas_of_scale()) {
            continue;
        }
        if !id.api_version.is_empty() {
            id.api_version = api_version.to_owned();
        }
        // Kubernetes looks the time up among the object's managers, where a new one has none.
        let time = parent.get(&id).and_then(|e| e.time.clone());
        let fields = result.get(&id).map_or_else(|| only(&path), |e| e.fields.union(&only(&path)));
        result.insert(id, Entry { fields, api_version: api_version.to_owned(), time });
    }
    managed::encode(result)
}
