//! A member cluster in process: an API server, the workload controllers of a cluster and fake nodes.
//!
//! It is what tests, demos and capacity planning use as a member. Deployments make ReplicaSets, ReplicaSets make Pods, Pods
//! are placed on fake nodes within their capacity and become Ready after a delay, Jobs succeed, Services get
//! EndpointSlices; nothing is ever executed. The API server is the project's own, so that a member behaves as a real one
//! does on the wire.
//!
//! What a Pod does is decided by its images and annotations (see [`pods`]): images under `fake/` are never pulled, and
//! [`faults::FAULT_ANNOTATION`] makes a single Pod crash, stay unready or fail.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod controllers;
pub mod faults;
pub mod nodes;
pub mod pods;
pub mod system;

mod cluster;
mod member;
mod resources;
mod values;

pub use cluster::{Simulation, SimulationConfig, start};
pub use member::{Error as MemberError, Member};
pub use nodes::NodeConfig;
