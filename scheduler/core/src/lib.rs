//! The scheduler's pure core: filter, score, spread, assign.
//!
//! [`schedule`] decides about one binding given a [`Snapshot`] of the clusters; [`schedule_batch`] about many, in
//! parallel. A [`Decision`] says what to write, what to tell and why. There is no clock, no I/O and no randomness here:
//! the same inputs give the same decisions, whatever the number of threads. Watching, queueing in real time and writing
//! is the work of `karmada-scheduler`.
//!
//! The way of a binding: [`trigger`] (is there anything to decide), `candidates` (filters and scores over columns),
//! `availability` (room), `spread` and `region` (selection), `assign` with [`webster`] (division), `schedule` (affinity
//! terms in order, and the result).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod affinity;
mod assign;
mod assumptions;
mod availability;
mod batch;
mod candidates;
mod compile;
pub mod decision;
pub mod gosort;
pub mod model;
mod options;
mod paths;
mod peers;
pub mod quantity;
pub mod queue;
mod region;
mod schedule;
mod snapshot;
mod spread;
pub mod trigger;
pub mod webster;

pub use affinity::selects;
pub use assumptions::Assumptions;
pub use availability::Estimates;
pub use batch::{remember, schedule_batch};
pub use compile::{CompiledPlacement, PlacementCache, Strategy};
pub use decision::Decision;
pub use options::{Gates, Options, Plugin, Plugins, UnknownPlugin};
pub use peers::Peers;
pub use schedule::{BindingInput, clusters_to_ask, explain, schedule};
pub use snapshot::{ClusterChange, Snapshot};
