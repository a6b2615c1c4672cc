//! A Cluster, as far as scheduling reads it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Meta, null_is_default};
use crate::quantity::Quantity;

/// A member cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    /// Its identity.
    pub metadata: Meta,
    /// Where it is.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: ClusterSpec,
    /// What it has.
    #[serde(deserialize_with = "null_is_default")]
    pub status: ClusterStatus,
}

/// Where a cluster is and what keeps workloads off it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSpec {
    /// Provider.
    #[serde(deserialize_with = "null_is_default")]
    pub provider: String,
    /// Region.
    #[serde(deserialize_with = "null_is_default")]
    pub region: String,
    /// Zones.
    #[serde(deserialize_with = "null_is_default")]
    pub zones: Vec<String>,
    /// Taints.
    #[serde(deserialize_with = "null_is_default")]
    pub taints: Vec<Taint>,
    /// Grades of nodes.
    #[serde(deserialize_with = "null_is_default")]
    pub resource_models: Vec<ResourceModel>,
}

/// A taint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// Key.
    #[serde(deserialize_with = "null_is_default")]
    pub key: String,
    /// Value.
    #[serde(deserialize_with = "null_is_default")]
    pub value: String,
    /// Effect.
    #[serde(deserialize_with = "null_is_default")]
    pub effect: String,
}

/// A grade of nodes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceModel {
    /// Its number.
    #[serde(deserialize_with = "null_is_default")]
    pub grade: u32,
    /// What a node of the grade has.
    #[serde(deserialize_with = "null_is_default")]
    pub ranges: Vec<ResourceRange>,
}

/// What a node of a grade has of one resource.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRange {
    /// The resource.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// At least so much.
    #[serde(deserialize_with = "null_is_default")]
    pub min: Quantity,
}

/// What a cluster has.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// The kinds it serves.
    #[serde(deserialize_with = "null_is_default")]
    pub api_enablements: Vec<ApiEnablement>,
    /// Its resources.
    pub resource_summary: Option<ResourceSummary>,
}

/// The kinds of one group and version that a cluster serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiEnablement {
    /// Group and version.
    #[serde(deserialize_with = "null_is_default")]
    pub group_version: String,
    /// Kinds.
    #[serde(deserialize_with = "null_is_default")]
    pub resources: Vec<ApiResource>,
}

/// A kind that a cluster serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiResource {
    /// The kind.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
}

/// A cluster's resources.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceSummary {
    /// All that may be used.
    #[serde(deserialize_with = "null_is_default")]
    pub allocatable: BTreeMap<String, Quantity>,
    /// Used by pods that are waiting for a node.
    #[serde(deserialize_with = "null_is_default")]
    pub allocating: BTreeMap<String, Quantity>,
    /// Used.
    #[serde(deserialize_with = "null_is_default")]
    pub allocated: BTreeMap<String, Quantity>,
    /// Free nodes by grade.
    #[serde(deserialize_with = "null_is_default")]
    pub allocatable_modelings: Vec<Modeling>,
}

/// How many free nodes of a grade there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Modeling {
    /// The grade.
    #[serde(deserialize_with = "null_is_default")]
    pub grade: u32,
    /// How many.
    #[serde(deserialize_with = "null_is_default")]
    pub count: i64,
}
