//! What an override policy changes.
//!
//! These mirror the API's types, but keep operators and components as text: a policy that got past validation with an
//! unknown one fails with a message when it is applied, not when it is read. Field order is that of the record of
//! applied overrides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Changes of a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overriders {
    /// JSON patches of any field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plaintext: Vec<Plaintext>,
    /// Changes of image references.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_overrider: Vec<ImageChange>,
    /// Changes of the commands of containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command_overrider: Vec<WordsChange>,
    /// Changes of the arguments of containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args_overrider: Vec<WordsChange>,
    /// Changes of labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels_overrider: Vec<KeysChange>,
    /// Changes of annotations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations_overrider: Vec<KeysChange>,
    /// Changes inside of string fields that hold JSON or YAML documents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub field_overrider: Vec<FieldChange>,
}

/// One step of a JSON patch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plaintext {
    /// JSON pointer to the field.
    pub path: String,
    /// What happens to the field.
    pub operator: String,
    /// The new value.
    pub value: Value,
}

/// Changes one part of image references.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageChange {
    /// The field that holds the image; absent means the containers of well-known workloads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate: Option<Predicate>,
    /// The part that changes.
    pub component: String,
    /// What happens to the part.
    pub operator: String,
    /// The text that is added or put in place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// The field that holds an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Predicate {
    /// JSON pointer to the field.
    pub path: String,
}

/// Changes the command or the arguments of one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WordsChange {
    /// Name of the container.
    pub container_name: String,
    /// Adds the words, or removes them.
    pub operator: String,
    /// The words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub value: Vec<String>,
}

/// Changes labels or annotations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysChange {
    /// What happens to the keys.
    pub operator: String,
    /// Keys with their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub value: BTreeMap<String, String>,
}

/// Changes inside of a string field that holds a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldChange {
    /// JSON pointer to the field.
    pub field_path: String,
    /// Changes of a JSON document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<DocumentChange>,
    /// Changes of a YAML document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub yaml: Vec<DocumentChange>,
}

/// One step of a patch of a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DocumentChange {
    /// JSON pointer within the document.
    pub sub_path: String,
    /// What happens there.
    pub operator: String,
    /// The new value.
    pub value: Value,
}
