//! Kubernetes REST semantics over a store.
//!
//! This package knows paths, verbs, content negotiation, lists, watches, patches, dry-run, finalizers and managed fields,
//! for any resource described by a [`karmada_machinery::ResourceInfo`]. It knows nothing of TLS, certificates, RBAC rules or
//! webhooks: those come in through the traits of [`access`] and [`admission`], special resources through
//! [`registry::Handler`].
//!
//! A request passes [`server::ApiServer::handle`]: bounds of concurrency → authorization → route → decode → admission →
//! strategy and validation → store → encode. What is served is a [`registry::Registry`] that changes at run time.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod access;
pub mod admission;
mod backend;
pub mod call;
mod decode;
mod documents;
pub mod encode;
mod gojson;
pub mod info;
mod input;
mod limits;
mod managed;
mod metadata;
mod metrics;
pub mod negotiate;
mod openapi;
pub mod query;
pub mod registry;
mod render;
mod select;
pub mod server;
mod shape;
mod verbs;

pub use call::Call;
pub use registry::{Handler, Registry};
pub use server::{ApiServer, ServerOptions};
