//! OverridePolicy and ClusterOverridePolicy.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::placement::ClusterAffinity;
use super::propagation::ResourceSelector;
use crate::record::{kind, record, string_enum};

kind! {
    /// Changes resources of its namespace on their way to certain clusters.
    pub struct OverridePolicy: "policy.karmada.io" "v1alpha1" "overridepolicies" Namespaced {
        /// Which resources are changed, for which clusters and how.
        req spec: OverrideSpec,
    }
}

kind! {
    /// Changes resources of any namespace, or of none, on their way to certain clusters.
    pub struct ClusterOverridePolicy: "policy.karmada.io" "v1alpha1" "clusteroverridepolicies" Cluster {
        /// Which resources are changed, for which clusters and how.
        req spec: OverrideSpec,
    }
}

record! {
    /// Which resources are changed, for which clusters and how.
    pub struct OverrideSpec {
        /// The resources that are changed; none given means all.
        opt resource_selectors: Vec<ResourceSelector>,
        /// Changes by group of clusters, applied in order.
        opt override_rules: Vec<RuleWithCluster>,
        /// Deprecated in favour of `overrideRules`: the clusters of `overriders`.
        opt target_cluster: Option<ClusterAffinity>,
        /// Deprecated in favour of `overrideRules`: the changes for `targetCluster`.
        always overriders: Overriders,
    }
}

record! {
    /// Changes for one group of clusters.
    pub struct RuleWithCluster {
        /// The clusters; absent means every cluster.
        opt target_cluster: Option<ClusterAffinity>,
        /// The changes.
        req overriders: Overriders,
    }
}

record! {
    /// Changes of a resource, applied in the order images, commands, arguments, labels, annotations, fields, plain text.
    pub struct Overriders {
        /// JSON patches of any field.
        opt plaintext: Vec<PlaintextOverrider>,
        /// Changes of image references.
        opt image_overrider: Vec<ImageOverrider>,
        /// Changes of the commands of containers.
        opt command_overrider: Vec<CommandArgsOverrider>,
        /// Changes of the arguments of containers.
        opt args_overrider: Vec<CommandArgsOverrider>,
        /// Changes of labels.
        opt labels_overrider: Vec<LabelAnnotationOverrider>,
        /// Changes of annotations.
        opt annotations_overrider: Vec<LabelAnnotationOverrider>,
        /// Changes inside of string fields that hold JSON or YAML documents.
        opt field_overrider: Vec<FieldOverrider>,
    }
}

string_enum! {
    /// What an overrider does to its target.
    pub enum OverriderOperator {
        /// Adds the value.
        Add = "add",
        /// Takes the target away.
        Remove = "remove",
        /// Puts the value in place of the target.
        Replace = "replace",
    }
}

string_enum! {
    /// Part of an image reference.
    pub enum ImageComponent {
        /// The host, and port, that serves the image.
        Registry = "Registry",
        /// The path of the image.
        Repository = "Repository",
        /// The tag or digest.
        Tag = "Tag",
    }
}

record! {
    /// One step of a JSON patch.
    pub struct PlaintextOverrider {
        /// JSON pointer to the field.
        req path: String,
        /// What happens to the field.
        req operator: OverriderOperator,
        /// The new value; none for remove.
        opt value: Option<Value>,
    }
}

record! {
    /// Changes one part of image references.
    pub struct ImageOverrider {
        /// The field that holds the image; absent means the containers of well-known workloads.
        opt predicate: Option<ImagePredicate>,
        /// The part that changes.
        req component: ImageComponent,
        /// What happens to the part.
        req operator: OverriderOperator,
        /// The text that is added or put in place.
        opt value: String,
    }
}

record! {
    /// The field that holds an image.
    pub struct ImagePredicate {
        /// JSON pointer to the field.
        req path: String,
    }
}

record! {
    /// Changes the command or the arguments of one container.
    pub struct CommandArgsOverrider {
        /// Name of the container.
        req container_name: String,
        /// Adds the values, or removes them.
        req operator: OverriderOperator = |s| s.values(&["add", "remove"]),
        /// The words that are added or removed.
        opt value: Vec<String>,
    }
}

record! {
    /// Changes labels or annotations.
    pub struct LabelAnnotationOverrider {
        /// What happens to the keys.
        req operator: OverriderOperator,
        /// Keys with their values; the values don't matter for remove.
        req value: BTreeMap<String, String>,
    }
}

record! {
    /// Changes the JSON or YAML document in one string field.
    pub struct FieldOverrider {
        /// JSON pointer to the string field.
        req field_path: String,
        /// Changes of a JSON document.
        opt json: Vec<SubFieldPatch>,
        /// Changes of a YAML document.
        opt yaml: Vec<SubFieldPatch>,
    }
}

record! {
    /// One change inside of the document.
    pub struct SubFieldPatch {
        /// JSON pointer inside of the document.
        req sub_path: String,
        /// What happens there.
        req operator: OverriderOperator,
        /// The new value; none for remove.
        opt value: Option<Value>,
    }
}

/// What OverridePolicy and ClusterOverridePolicy have in common.
pub trait OverrideKind:
    k8s_openapi::Resource
    + k8s_openapi::Metadata<Ty = ObjectMeta>
    + serde::Serialize
    + serde::de::DeserializeOwned
    + Clone
    + std::fmt::Debug
    + Default
    + PartialEq
    + Send
    + Sync
    + 'static
{
    /// Whether the policy lives in a namespace and changes only that namespace's resources.
    const NAMESPACED: bool;

    /// The specification.
    fn spec(&self) -> &OverrideSpec;
}

impl OverrideKind for OverridePolicy {
    const NAMESPACED: bool = true;

    fn spec(&self) -> &OverrideSpec {
        &self.spec
    }
}

impl OverrideKind for ClusterOverridePolicy {
    const NAMESPACED: bool = false;

    fn spec(&self) -> &OverrideSpec {
        &self.spec
    }
}
