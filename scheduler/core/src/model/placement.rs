//! A placement, and its canonical text.
//!
//! The canonical text is what the scheduler writes as the applied-placement annotation: the fields in upstream's order,
//! empty ones left out, `<`, `>` and `&` escaped as Go escapes them. It is also the key under which compiled placements
//! are shared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::null_is_default;

/// Where and how a template is spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// The clusters that may be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_affinity: Option<ClusterAffinity>,
    /// Groups of clusters, tried in order.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub cluster_affinities: Vec<ClusterAffinityTerm>,
    /// Taints that do no harm.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub cluster_tolerations: Vec<Toleration>,
    /// How many clusters and regions to use.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub spread_constraints: Vec<SpreadConstraint>,
    /// How replicas are divided; none means duplicated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_scheduling: Option<ReplicaScheduling>,
    /// Which workloads stay together or apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_affinity: Option<WorkloadAffinity>,
}

/// A filter on clusters; all given parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterAffinity {
    /// On labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// On provider, region and zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_selector: Option<FieldSelector>,
    /// The names to choose from; empty means any.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub cluster_names: Vec<String>,
    /// Names that are out in any case.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub exclude: Vec<String>,
}

/// One of the ordered groups of clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterAffinityTerm {
    /// Its name, by which the status says which group is in use.
    #[serde(deserialize_with = "null_is_default")]
    pub affinity_name: String,
    /// The group.
    #[serde(flatten)]
    pub affinity: ClusterAffinity,
    /// Where replicas go that the group has no room for, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub overflow_affinities: Vec<OverflowAffinity>,
}

/// A group of clusters that takes the replicas another one has no room for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverflowAffinity {
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub affinity_name: String,
    /// The group.
    #[serde(flatten)]
    pub affinity: ClusterAffinity,
}

/// A label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub match_expressions: Vec<Requirement>,
}

/// A selector on a cluster's provider, region and zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldSelector {
    /// The requirements.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Requirement {
    /// A label or field.
    #[serde(deserialize_with = "null_is_default")]
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    #[serde(deserialize_with = "null_is_default")]
    pub operator: String,
    /// The operator's values.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub values: Vec<String>,
}

/// A toleration of a cluster's taint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key; empty with `Exists` means any.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub key: String,
    /// `Exists` or `Equal`; empty means `Equal`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub operator: String,
    /// The taint's value.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub value: String,
    /// The taint's effect; empty means any.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub effect: String,
    /// How long a `NoExecute` taint is tolerated; the scheduler does not look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// How many groups of a kind to use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SpreadConstraint {
    /// `cluster`, `region`, `zone` or `provider`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub spread_by_field: String,
    /// A label that forms the groups; accepted and not acted upon.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub spread_by_label: String,
    /// At most so many.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub max_groups: i64,
    /// At least so many.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub min_groups: i64,
}

/// How replicas are divided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaScheduling {
    /// `Duplicated` or `Divided`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub replica_scheduling_type: String,
    /// `Aggregated` or `Weighted`, when divided.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub replica_division_preference: String,
    /// The weights, when weighted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_preference: Option<WeightPreference>,
}

/// Where weights come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightPreference {
    /// Fixed weights.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub static_weight_list: Vec<StaticWeight>,
    /// `AvailableReplicas`, or empty for fixed weights.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub dynamic_weight: String,
}

/// A fixed weight of some clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StaticWeight {
    /// The clusters.
    #[serde(deserialize_with = "null_is_default")]
    pub target_cluster: ClusterAffinity,
    /// Their weight.
    #[serde(deserialize_with = "null_is_default")]
    pub weight: i64,
}

/// Which workloads stay together or apart; the binding carries the resulting groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadAffinity {
    /// Together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<WorkloadAffinityTerm>,
    /// Apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<WorkloadAffinityTerm>,
}

/// The label whose value names a group of workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadAffinityTerm {
    /// The label's key.
    #[serde(deserialize_with = "null_is_default")]
    pub group_by_label_key: String,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Placement {
    /// The text that upstream writes for this placement.
    #[must_use]
    pub fn canonical(&self) -> String {
        // Strings and integers always serialise.
        let text = serde_json::to_string(self).unwrap_or_default();
        if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            return text;
        }
        let mut escaped = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            match c {
                '<' => escaped.push_str("\\u003c"),
                '>' => escaped.push_str("\\u003e"),
                '&' => escaped.push_str("\\u0026"),
                '\u{2028}' => escaped.push_str("\\u2028"),
                '\u{2029}' => escaped.push_str("\\u2029"),
                other => escaped.push(other),
            }
        }
        escaped
    }

    /// Whether every cluster gets all replicas.
    #[must_use]
    pub fn is_duplicated(&self) -> bool {
        self.replica_scheduling.as_ref().is_none_or(|how| how.replica_scheduling_type == "Duplicated")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_text_is_ordered_and_escaped() {
        let text = r#"{"spreadConstraints":[{"minGroups":1,"maxGroups":2,"spreadByField":"cluster"}],
            "clusterAffinities":[{"overflowAffinities":[{"affinityName":"o","exclude":["x"]}],"affinityName":"a<b",
            "clusterNames":null,"labelSelector":{"matchLabels":{"z":"1","a":"2"}}}],
            "replicaScheduling":{"weightPreference":{"staticWeightList":[{"weight":1}]}},"future":1}"#;
        let placement: Placement = serde_json::from_str(text).unwrap();
        assert_eq!(
            placement.canonical(),
            concat!(
                r#"{"clusterAffinities":[{"affinityName":"a\u003cb","labelSelector":{"matchLabels":{"a":"2","z":"1"}},"#,
                r#""overflowAffinities":[{"affinityName":"o","exclude":["x"]}]}],"#,
                r#""spreadConstraints":[{"spreadByField":"cluster","maxGroups":2,"minGroups":1}],"#,
                r#""replicaScheduling":{"weightPreference":{"staticWeightList":[{"targetCluster":{},"weight":1}]}}}"#
            )
        );
    }
}
