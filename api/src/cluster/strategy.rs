//! What the API server does with Clusters when they are written: defaults, canonical form, and which half of the
//! object a request may change.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::features::{Feature, FeatureGates};
use crate::taints;

/// The amount that stands for "no limit".
const UNLIMITED: &str = "9223372036854775807";

/// Lower bounds of CPU (in cores) and memory (in Gi) of the default grades of nodes.
const DEFAULT_GRADES: [(u32, u32); 9] =
    [(0, 0), (1, 4), (2, 16), (4, 32), (8, 64), (16, 128), (32, 256), (64, 512), (128, 1024)];

/// The grades of nodes of a cluster that gives none itself.
#[must_use]
pub fn default_resource_models() -> Value {
    let memory = |gib: u32| match gib {
        0 => "0".to_owned(),
        _ if gib.is_multiple_of(1024) => format!("{}Ti", gib / 1024),
        _ => format!("{gib}Gi"),
    };
    let model = |grade: usize| {
        let (cpu, gib) = DEFAULT_GRADES[grade];
        let above = DEFAULT_GRADES.get(grade + 1);
        let max_cpu = above.map_or_else(|| UNLIMITED.to_owned(), |(cpu, _)| cpu.to_string());
        let max_memory = above.map_or_else(|| UNLIMITED.to_owned(), |(_, gib)| memory(*gib));
        json!({"grade": grade, "ranges": [
            {"name": "cpu", "min": cpu.to_string(), "max": max_cpu},
            {"name": "memory", "min": memory(gib), "max": max_memory},
        ]})
    };
    (0..DEFAULT_GRADES.len()).map(model).collect()
}

/// Before a Cluster is created: its status is empty, and it gets grades of nodes.
pub fn prepare_for_create(cluster: &mut Value, features: &FeatureGates, now: Timestamp) {
    let Value::Object(map) = cluster else { return };
    map.insert("status".to_owned(), json!({}));
    let spec = map.entry("spec").or_insert_with(|| json!({}));
    if let Value::Object(spec) = spec
        && features.enabled(Feature::CustomizedClusterResourceModeling)
    {
        default_models(spec);
    }
    canonicalize(cluster, now);
}

/// Before a Cluster is changed: its status stays as it is.
pub fn prepare_for_update(cluster: &mut Value, old: &Value, now: Timestamp) {
    keep(cluster, old, "status");
    canonicalize(cluster, now);
}

/// Before the status of a Cluster is changed: its specification stays as it is.
pub fn prepare_for_status_update(cluster: &mut Value, old: &Value) {
    keep(cluster, old, "spec");
}

fn keep(object: &mut Value, old: &Value, part: &str) {
    let Value::Object(map) = object else { return };
    match old.get(part) {
        Some(value) => {
            map.insert(part.to_owned(), value.clone());
        }
        None => {
            map.remove(part);
        }
    }
}

/// Brings a Cluster into canonical form: a NoExecute taint says since when, and a single zone is a list of zones.
pub fn canonicalize(cluster: &mut Value, now: Timestamp) {
    let Some(Value::Object(spec)) = cluster.get_mut("spec") else { return };
    let list = spec.get_mut("taints").and_then(Value::as_array_mut);
    for taint in list.into_iter().flatten().filter_map(Value::as_object_mut) {
        let no_execute = taint.get("effect").and_then(Value::as_str) == Some(taints::EFFECT_NO_EXECUTE);
        if no_execute && taint.get("timeAdded").is_none_or(Value::is_null) {
            taint.insert("timeAdded".to_owned(), now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
        }
    }
    let no_zones = spec.get("zones").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let zone = spec.get("zone").and_then(Value::as_str).filter(|zone| !zone.is_empty()).map(str::to_owned);
    if let (Some(zone), true) = (zone, no_zones) {
        spec.insert("zones".to_owned(), json!([zone]));
        spec.remove("zone");
    }
}

/// Fills in the default grades, or closes the given ones at both ends.
fn default_models(spec: &mut Map<String, Value>) {
    let models = spec.entry("resourceModels").or_insert(Value::Null);
    let Value::Array(list) = models else {
        *models = default_resource_models();
        return;
    };
    if list.is_empty() {
        *models = default_resource_models();
        return;
    }
    list.sort_by_key(|model| model.get("grade").and_then(Value::as_i64).unwrap_or(0));
    let set_all = |model: Option<&mut Value>, bound: &str, value: &str| {
        let ranges = model.and_then(|m| m.get_mut("ranges")).and_then(Value::as_array_mut);
        for range in ranges.into_iter().flatten().filter_map(Value::as_object_mut) {
            range.insert(bound.to_owned(), value.into());
        }
    };
    set_all(list.first_mut(), "min", "0");
    set_all(list.last_mut(), "max", UNLIMITED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_execute_taints_say_since_when() {
        let now: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let mut cluster = json!({"spec": {"taints": [
            {"key": "a", "effect": "NoExecute"},
            {"key": "b", "effect": "NoExecute", "timeAdded": "2020-01-01T00:00:00Z"},
            {"key": "c", "effect": "NoSchedule"},
        ]}});
        canonicalize(&mut cluster, now);
        let taints = &cluster["spec"]["taints"];
        assert_eq!(taints[0]["timeAdded"], "2026-01-02T03:04:05Z");
        assert_eq!(taints[1]["timeAdded"], "2020-01-01T00:00:00Z");
        assert_eq!(taints[2].get("timeAdded"), None);
    }

    #[test]
    fn each_request_changes_its_own_half() {
        let old = json!({"spec": {"syncMode": "Push"}, "status": {"kubernetesVersion": "v1"}});
        let now = Timestamp::UNIX_EPOCH;
        let mut new = json!({"spec": {"syncMode": "Pull"}, "status": {"kubernetesVersion": "v2"}});
        prepare_for_update(&mut new, &old, now);
        assert_eq!(new, json!({"spec": {"syncMode": "Pull"}, "status": {"kubernetesVersion": "v1"}}));
        let mut new = json!({"spec": {"syncMode": "Pull"}, "status": {"kubernetesVersion": "v2"}});
        prepare_for_status_update(&mut new, &old);
        assert_eq!(new, json!({"spec": {"syncMode": "Push"}, "status": {"kubernetesVersion": "v2"}}));
    }
}
