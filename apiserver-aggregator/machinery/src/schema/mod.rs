//! The structural schema: one model for custom resources, Karmada's kinds and built-in kinds.
//!
//! A [`Schema`] is a handle on a flat arena of nodes, so it is cheap to clone and may be recursive. All built-in kinds
//! share one arena; a custom resource version has its own. Algorithms walk it with [`Node`], a borrowed view of one node.
//!
//! Two flavours exist. A [`Flavor::Structural`] schema describes a custom resource: unknown fields are pruned after
//! decoding, null is a value, violations are field errors. A [`Flavor::Typed`] schema describes a kind that kube-apiserver
//! decodes into a Go struct: nulls are absent fields, values of the wrong type are refused while decoding, empty values
//! vanish or appear as Go's encoder has it.

mod build;
mod builtin;
pub(crate) mod formats;
mod go;
mod node;
pub(crate) mod quantity;
mod strict;
mod structural;
#[cfg(test)]
mod tests;
mod typed;
mod validate;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::field::FieldErrors;

use node::{Arena, NodeId};

pub use builtin::{builtin, builtin_definition, builtin_descriptions, builtin_documents, definition_name};
pub use node::Node;
pub use quantity::canonical as canonical_quantity;
pub use strict::strict_findings;

/// The JSON type of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Type {
    /// Any JSON value.
    #[default]
    Any,
    /// An object with fields, or a map.
    Object,
    /// A list.
    Array,
    /// A string.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// true or false.
    Boolean,
}

impl Type {
    /// The name in an OpenAPI schema; empty for [`Type::Any`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// How a schema's objects are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// As custom resources: generic JSON, pruned.
    #[default]
    Structural,
    /// As Go structs.
    Typed,
}

/// How a list is merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ListType {
    /// Replaced whole.
    #[default]
    Atomic,
    /// Scalars without duplicates.
    Set,
    /// Objects told apart by their map keys.
    Map,
}

/// How an object is merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MapType {
    /// Field by field.
    #[default]
    Granular,
    /// Replaced whole.
    Atomic,
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PatchStrategy {
    /// `merge`: lists are merged by key or as sets.
    pub merge: bool,
    /// `replace`: the value is replaced.
    pub replace: bool,
    /// `retainKeys`: fields not named by `$retainKeys` are cleared.
    pub retain_keys: bool,
}

/// What Go's encoder and decoder do with a field of a typed kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GoField {
    /// A value with `omitempty`: the zero value is left out.
    #[default]
    OmitEmpty,
    /// A pointer with `omitempty`: left out only if nil.
    Pointer,
    /// A value without `omitempty`: always written.
    Always,
}

/// The structure of one kind. Cheap to clone; equal to nothing but itself.
#[derive(Clone)]
pub struct Schema {
    arena: Arc<Arena>,
    root: NodeId,
    /// What the schema was made from, compressed, if it is to be published.
    document: Option<Arc<[u8]>>,
}

impl Schema {
    /// The schema of a custom resource version, from the `openAPIV3Schema` of a CRD. The schema need not be valid: what
    /// cannot be understood is ignored. Use [`Schema::any`] for a version without a schema.
    pub fn from_openapi(schema: &Value) -> Self {
        let mut builder = build::Builder::new(Flavor::Structural);
        let root = builder.structural_root(schema);
        Self { arena: Arc::new(builder.finish()), root, document: None }
    }

    /// Like [`Schema::from_openapi`], for a part of a schema that is not the root of a resource.
    pub fn from_fragment(schema: &Value) -> Self {
        let mut builder = build::Builder::new(Flavor::Structural);
        let root = builder.fragment(schema);
        Self { arena: Arc::new(builder.finish()), root, document: None }
    }

    /// Like [`Schema::from_openapi`]; the document is kept, compressed, so that it can be published.
    pub fn published(schema: &Value) -> Self {
        Self { document: builtin::deflate(schema), ..Self::from_openapi(schema) }
    }

    /// The document that the schema was made from; `None` for built-in kinds and schemas that are not published.
    pub fn document(&self) -> Option<Value> {
        builtin::inflate_value(self.document.as_deref()?)
    }

    /// A schema that allows every field and knows only the metadata of a resource.
    pub fn any() -> Self {
        Self::from_openapi(&serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}))
    }

    /// The root node.
    pub fn root(&self) -> Node<'_> {
        self.arena.node(self.root)
    }

    /// How the objects are decoded.
    pub fn flavor(&self) -> Flavor {
        self.arena.flavor
    }
}

impl Default for Schema {
    fn default() -> Self {
        Self::any()
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root();
        f.debug_struct("Schema")
            .field("flavor", &self.flavor())
            .field("definition", &root.definition())
            .field("type", &root.kind())
            .finish_non_exhaustive()
    }
}

/// Decodes an object in place, as kube-apiserver decodes a request's body or the result of a patch: unknown fields are
/// dropped, quantities and times of typed kinds take their canonical form. Returns the paths of the dropped fields, sorted;
/// [`strict_findings`] tells them in the order of the document. The error is Go's text, such as
/// `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`.
pub fn decode(schema: &Schema, object: &mut Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    match schema.flavor() {
        Flavor::Typed => typed::decode(schema.root(), object, "", &mut unknown)?,
        Flavor::Structural => {
            let root = schema.root();
            let metadata = builtin::resource_field("metadata");
            structural::whole_numbers(object);
            structural::embedded(root, object, &mut String::new(), &mut |value, path| {
                let Some(node) = metadata else { return Ok(()) };
                if value.is_null() {
                    return Ok(());
                }
                typed::decode(node, value, path, &mut unknown)?;
                typed::normalize(node, value);
                Ok(())
            })?;
            structural::prune(root, object, &mut String::new(), &mut unknown);
        }
    }
    unknown.sort();
    Ok(unknown)
}

/// Fills the defaults of the schema. Runs after [`decode`] and again on what is read from the store. Typed kinds have
/// theirs in their strategy.
pub fn apply_defaults(schema: &Schema, object: &mut Value) {
    if schema.flavor() == Flavor::Structural {
        structural::apply_defaults(schema.root(), object);
    }
}

/// Brings a typed object into the form in which Go's encoder writes it, so that what is stored and answered has no empty
/// optional fields and all required ones. Runs after defaulting and after the strategy prepared the object; idempotent. For
/// custom resources only the metadata changes.
pub fn normalize(schema: &Schema, object: &mut Value) {
    match schema.flavor() {
        Flavor::Typed => typed::normalize(schema.root(), object),
        Flavor::Structural => {
            if let (Some(node), Some(metadata)) = (builtin::resource_field("metadata"), object.get_mut("metadata")) {
                typed::normalize(node, metadata);
            }
        }
    }
}

/// Everything that the schema says is wrong with a custom resource: types, bounds, required fields, duplicates in sets and
/// list maps. `old` is the stored object of an update: parts that did not change are not judged again. Typed kinds are
/// judged by their strategy; for them the answer is empty.
pub fn validate(schema: &Schema, object: &Value, old: Option<&Value>) -> FieldErrors {
    if schema.flavor() == Flavor::Typed {
        return Vec::new();
    }
    validate_at(schema, object, old, "")
}

/// [`validate`] for a value that stands at a path of its object.
pub(crate) fn validate_at(schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> FieldErrors {
    let root = schema.root();
    let mut errors = validate::validate(root, value, old, path);
    validate::embedded(root, value, path, true, &mut errors);
    let mut duplicates = Vec::new();
    validate::lists(root, value, path, &mut duplicates);
    if !duplicates.is_empty() {
        // A list that was wrong before may stay so.
        let mut before = Vec::new();
        if let Some(old) = old {
            validate::lists(root, old, path, &mut before);
        }
        if before.is_empty() {
            errors.extend(duplicates);
        }
    }
    errors
}

/// Drops undeclared fields of a value that is described by a fragment.
pub(crate) fn prune_fragment(schema: &Schema, value: &mut Value) {
    structural::prune(schema.root(), value, &mut String::new(), &mut Vec::new());
}

/// Whether two values are equal if numbers are compared by what they mean.
#[cfg(test)]
pub(crate) fn numbers_equal(a: Option<&Value>, b: Option<&Value>) -> Option<bool> {
    fn equal(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
            }
            _ => a == b,
        }
    }
    Some(equal(a?, b?))
}
