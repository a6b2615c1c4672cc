//! Controllers that face the control plane: what to propagate, where it goes, and what came of it.
//!
//! - [`detector`]: policies claim templates, and templates get bindings;
//! - [`binding`]: bindings become Works, one for each target cluster;
//! - [`binding_status`]: statuses of Works are summed up on the binding and its template;
//! - [`dependencies`]: what a workload needs beside it follows it;
//! - [`cluster`]: life and death of Cluster objects, their taints and their health;
//! - [`namespace`]: namespaces appear in every member;
//! - [`unified_auth`]: who may impersonate whom in members;
//! - [`taint_manager`], [`application_failover`], [`graceful_eviction`]: workloads leave clusters, and when their old
//!   copies go;
//! - [`cluster_taint_policy`], [`remedy`]: what follows from a cluster's conditions;
//! - [`workload_rebalancer`]: workloads are placed anew on request;
//! - [`federated_quota`]: allowances over all clusters;
//! - [`autoscaling`]: replicas that members' autoscalers decide on;
//! - [`agent_csr`]: agents get their certificates.
//!
//! All of them share one [`Context`]: caches, writers and options.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod agent_csr;
pub mod application_failover;
pub mod autoscaling;
pub mod binding;
pub mod binding_status;
mod bindings;
pub mod cluster;
pub mod cluster_taint_policy;
pub mod context;
pub mod dependencies;
pub mod detector;
mod error;
pub mod federated_quota;
pub mod graceful_eviction;
pub mod kinds;
pub mod namespace;
pub mod remedy;
mod system_works;
pub mod taint_manager;
pub mod templates;
pub mod unified_auth;
pub mod workload_rebalancer;

pub use context::{Context, Options};
pub use error::Error;
