//! Karmada's kinds, names, labels, defaults and pure validation.
//!
//! One module per API group. Types are declared with the macros of `record`, which give the Rust type, its JSON form
//! and its OpenAPI schema at once; field order is Go's where bytes are compared (see [`meta::go_json`]).
//! Nothing here does I/O, reads a clock or draws random numbers.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking"))]

mod record;

pub mod admission;
pub mod annotations;
pub mod apps;
pub mod autoscaling;
pub mod cluster;
pub mod config;
pub mod crd;
pub mod events;
pub mod features;
pub mod finalizers;
pub mod gvk;
pub mod labels;
pub mod meta;
pub mod multicluster;
pub mod names;
pub mod networking;
pub mod operator;
pub mod policy;
pub mod prune;
pub mod quantity;
pub mod remedy;
pub mod schema;
mod schema_kubernetes;
pub mod search;
pub mod taints;
pub mod work;

pub use crd::{Crd, CrdVersion, PrinterColumn, ScalePaths, Scope, crds, operator_crd};
pub use k8s_openapi;
