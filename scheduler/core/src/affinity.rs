//! Selection of clusters by affinity, on a single cluster and on all columns at once.

use fixedbitset::FixedBitSet;

use crate::{
    model::{Cluster, ClusterAffinity, Requirement},
    snapshot::{Column, Snapshot},
};

/// The clusters of a snapshot that an affinity selects.
pub(crate) fn select(snapshot: &Snapshot, affinity: &ClusterAffinity) -> FixedBitSet {
    let mut selected = if affinity.cluster_names.is_empty() {
        snapshot.present.clone()
    } else {
        named(snapshot, &affinity.cluster_names)
    };
    selected.grow(snapshot.width());
    selected.difference_with(&named(snapshot, &affinity.exclude));
    if let Some(selector) = &affinity.label_selector {
        for (key, value) in &selector.match_labels {
            match snapshot.labels.get(key.as_str()).and_then(|column| column.values.get(value)) {
                Some(bits) => selected.intersect_with(bits),
                None => selected.clear(),
            }
        }
        for requirement in &selector.match_expressions {
            apply(&mut selected, snapshot.labels.get(requirement.key.as_str()).map(|column| &**column), requirement);
        }
    }
    if let Some(selector) = &affinity.field_selector {
        for requirement in &selector.match_expressions {
            let column = match requirement.key.as_str() {
                "provider" => Some(&*snapshot.provider),
                "region" => Some(&*snapshot.region),
                "zone" => Some(&*snapshot.zones),
                _ => None,
            };
            apply(&mut selected, column, requirement);
        }
    }
    selected
}

fn named(snapshot: &Snapshot, names: &[String]) -> FixedBitSet {
    let mut bits = FixedBitSet::with_capacity(snapshot.width());
    for name in names {
        if let Some(slot) = snapshot.slot(name) {
            bits.insert(slot as usize);
        }
    }
    bits
}

/// Narrows a selection by one requirement. A requirement that cannot be read selects nothing.
fn apply(selected: &mut FixedBitSet, column: Option<&Column>, requirement: &Requirement) {
    let none = FixedBitSet::new();
    let any = column.map_or(&none, |column| &column.any);
    let values = |test: &dyn Fn(&str) -> bool| {
        let mut bits = FixedBitSet::with_capacity(selected.len());
        for (value, with) in column.into_iter().flat_map(|column| &column.values) {
            if test(value) {
                bits.union_with(with);
            }
        }
        bits
    };
    let listed = || {
        let mut bits = FixedBitSet::with_capacity(selected.len());
        for value in &requirement.values {
            if let Some(with) = column.and_then(|column| column.values.get(value)) {
                bits.union_with(with);
            }
        }
        bits
    };
    match requirement.operator.as_str() {
        "In" if !requirement.values.is_empty() => {
            let bits = listed();
            selected.intersect_with(&bits);
        }
        "NotIn" if !requirement.values.is_empty() => {
            let bits = listed();
            selected.difference_with(&bits);
        }
        "Exists" => selected.intersect_with(any),
        "DoesNotExist" => selected.difference_with(any),
        "Gt" | "Lt" => {
            let Some(limit) = limit(requirement) else {
                return selected.clear();
            };
            let bits = values(&|value| beyond(value, limit, requirement.operator == "Gt"));
            selected.intersect_with(&bits);
        }
        _ => selected.clear(),
    }
}

fn limit(requirement: &Requirement) -> Option<i64> {
    match requirement.values.as_slice() {
        [value] => value.parse().ok(),
        _ => None,
    }
}

fn beyond(value: &str, limit: i64, greater: bool) -> bool {
    value.parse::<i64>().is_ok_and(|value| if greater { value > limit } else { value < limit })
}

/// Whether an affinity selects a cluster.
#[must_use]
pub fn selects(affinity: &ClusterAffinity, cluster: &Cluster) -> bool {
    let name = &cluster.metadata.name;
    if affinity.exclude.contains(name) {
        return false;
    }
    if !affinity.cluster_names.is_empty() && !affinity.cluster_names.contains(name) {
        return false;
    }
    let labels = &cluster.metadata.labels;
    let by_label = affinity.label_selector.as_ref().is_none_or(|selector| {
        selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && selector
                .match_expressions
                .iter()
                .all(|requirement| holds(requirement, labels.get(&requirement.key).map(String::as_str).as_slice()))
    });
    by_label
        && affinity.field_selector.as_ref().is_none_or(|selector| {
            selector.match_expressions.iter().all(|requirement| {
                let spec = &cluster.spec;
                let field = |value: &'_ String| {
                    if value.is_empty() { Vec::new() } else { vec![value.clone()] }
                };
                let values = match requirement.key.as_str() {
                    "provider" => field(&spec.provider),
                    "region" => field(&spec.region),
                    "zone" => spec.zones.clone(),
                    _ => Vec::new(),
                };
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                holds(requirement, &values)
            })
        })
}

fn holds(requirement: &Requirement, values: &[&str]) -> bool {
    let listed = || values.iter().any(|value| requirement.values.iter().any(|other| other == value));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !requirement.values.is_empty() && !listed(),
        "Exists" => !values.is_empty(),
        "DoesNotExist" => values.is_empty(),
        "Gt" | "Lt" => limit(requirement)
            .is_some_and(|limit| values.iter().any(|value| beyond(value, limit, requirement.operator == "Gt"))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn requirement(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
        let operator = prop::sample::select(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Odd"][..]);
        let values = prop::collection::vec(prop::sample::select(&["1", "2", "x"][..]), 0..3);
        (prop::sample::select(keys), operator, values)
            .prop_map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values}))
    }

    fn cluster() -> impl Strategy<Value = Value> {
        let value = || prop::sample::select(&["", "1", "2", "x"][..]);
        let zones = prop::collection::btree_set(prop::sample::select(&["1", "2", "x"][..]), 0..3);
        (value(), value(), value(), zones).prop_map(|(label, provider, region, zones)| {
            let labels = if label.is_empty() { json!({}) } else { json!({"a": label, "b": "1"}) };
            json!({"metadata": {"labels": labels}, "spec": {"provider": provider, "region": region, "zones": zones}})
        })
    }

    proptest! {
        #[test]
        fn columns_agree_with_single_clusters(
            clusters in prop::collection::vec(cluster(), 0..12),
            labels in prop::collection::vec(requirement(&["a", "b", "c"]), 0..3),
            fields in prop::collection::vec(requirement(&["provider", "region", "zone", "moon"]), 0..3),
            names in prop::collection::vec(0_usize..14, 0..4),
            exclude in prop::collection::vec(0_usize..14, 0..3),
            parts in any::<[bool; 4]>(),
        ) {
            let name = |index: &usize| format!("c{index}");
            let mut affinity = json!({});
            if parts[0] {
                affinity["labelSelector"] = json!({"matchExpressions": labels, "matchLabels": {"b": "1"}});
            }
            if parts[1] {
                affinity["fieldSelector"] = json!({"matchExpressions": fields});
            }
            if parts[2] {
                affinity["clusterNames"] = names.iter().map(name).collect();
            }
            if parts[3] {
                affinity["exclude"] = exclude.iter().map(name).collect();
            }
            let affinity: ClusterAffinity = serde_json::from_value(affinity).unwrap();
            let clusters: Vec<Cluster> = clusters
                .into_iter()
                .enumerate()
                .map(|(index, mut cluster)| {
                    cluster["metadata"]["name"] = name(&index).into();
                    serde_json::from_value(cluster).unwrap()
                })
                .collect();
            let snapshot = Snapshot::of(clusters.clone());
            let selected = select(&snapshot, &affinity);
            for cluster in &clusters {
                let slot = snapshot.slot(&cluster.metadata.name).unwrap();
                prop_assert_eq!(selected.contains(slot as usize), selects(&affinity, cluster), "{:?}", cluster);
            }
        }
    }
}
