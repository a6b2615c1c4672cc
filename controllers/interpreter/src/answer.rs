//! What an interpreter answers with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many replicas an object wants, and what one of them needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replicas {
    /// The number of replicas.
    pub replica: i32,
    /// A `ReplicaRequirements` object, or nothing when a replica needs nothing in particular.
    pub requirements: Option<Value>,
}

/// A part of a workload that has several pod templates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The part's name, unique within the workload.
    pub name: String,
    /// How many replicas of it there are.
    #[serde(default)]
    pub replicas: i32,
    /// A `ComponentReplicaRequirements` object: what one replica needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_requirements: Option<Value>,
}

/// A reference to an object that another needs beside it: by name, or by labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dependency {
    /// The referenced object's API version.
    pub api_version: String,
    /// The referenced object's kind.
    pub kind: String,
    /// The referenced object's namespace; empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The referenced object's name; empty when it is selected by labels.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A label selector, for references that are not by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<Value>,
}

/// What one member reports about an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusItem {
    /// The member's name.
    pub cluster_name: String,
    /// The reflected status, if the member has reported one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
    /// Whether the object was applied in the member.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub applied: bool,
    /// Why it was not applied.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub applied_message: String,
    /// `Healthy`, `Unhealthy` or `Unknown`; empty when nobody has said yet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub health: String,
}
