//! What Kubernetes objects are, without any I/O: names of kinds, errors, schemas, defaults, validation, patches,
//! server-side apply, selectors, tables and OpenAPI.
//!
//! Objects are [`serde_json::Value`]s end to end. A kind is described by a [`resource::ResourceInfo`] (what it is called
//! and what can be done with it), a [`schema::Schema`] (what its fields are) and a [`resource::Strategy`] (what happens
//! to an object on its way into the store). Built-in kinds, custom resources and Karmada's own kinds differ only in where
//! these three come from; everything above this package is generic.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests"))]

pub mod apply;
pub mod crd;
pub mod discovery;
pub mod field;
pub mod gvk;
pub mod kinds;
pub mod meta;
pub mod openapi;
pub mod patch;
pub mod protobuf;
pub mod resource;
pub mod schema;
pub mod selector;
pub mod status;
pub mod table;

pub use field::{ErrorKind, FieldError, FieldErrors};
pub use gvk::{GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
pub use resource::{ResourceInfo, Strategy};
pub use status::{Reason, StatusError};
