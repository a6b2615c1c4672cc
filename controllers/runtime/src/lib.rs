//! The controller kit: what every controller, the scheduler and the agent are made of.
//!
//! - [`queue::Queue`]: keys to reconcile, deduplicated, with priorities, delays and per-key exponential backoff;
//! - [`informer::Informer`]: one shared list-and-watch per (client, kind, projection), with indexes and handlers;
//! - [`controller::run`]: workers that take keys, reconcile them and turn errors into retries by their class;
//! - [`patcher::Patcher`]: the only way to write: typed or unstructured, with field manager, timeout and metrics;
//! - [`mapper::Mapper`]: discovery, from kinds to resources;
//! - [`events::Recorder`]: Kubernetes events, deduplicated;
//! - [`leader`], [`shell`]: leases, flags, logging, signals, metrics and health endpoints of a process.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod controller;
pub mod error;
pub mod events;
pub mod informer;
pub mod key;
pub mod leader;
pub mod mapper;
pub mod metrics;
pub mod patcher;
pub mod queue;
pub mod shell;
mod wire;

pub use controller::{ControllerSpec, Outcome};
pub use error::{Class, Classify, Error};
pub use informer::{Change, Informer, InformerSpec};
pub use key::ObjectKey;
pub use mapper::{Mapper, Resource};
pub use patcher::Patcher;
pub use queue::Queue;
