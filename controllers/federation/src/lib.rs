//! Controllers that face the control plane: what to propagate, where it goes, and what came of it.
//!
//! - [`detector`]: policies claim templates, and templates get bindings;
//! - [`binding`]: bindings become Works, one for each target cluster;
//! - [`binding_status`]: statuses of Works are summed up on the binding and its template;
//! - [`dependencies`]: what a workload needs beside it follows it;
//! - [`cluster`]: life and death of Cluster objects, their taints and their health;
//! - [`namespace`]: namespaces appear in every member;
//! - [`unified_auth`]: who may impersonate whom in members.
//!
//! All of them share one [`Context`]: caches, writers and options.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod binding;

pub mod binding_status;
pub mod cluster;
pub mod context;
pub mod dependencies;
pub mod detector;
mod error;
pub mod kinds;
pub mod namespace;
mod system_works;
pub mod templates;
pub mod unified_auth;

pub use context::{Context, Options};
pub use error::Error;
