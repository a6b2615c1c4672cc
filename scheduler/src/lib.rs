//! karmada-scheduler: queue, snapshot and commit around the pure core.
//!
//! It watches Clusters, ResourceBindings and ClusterResourceBindings, keeps the clusters as a columnar snapshot, lets
//! `karmada-scheduler-core` decide about batches of bindings on one rayon pool, and writes the decisions concurrently,
//! a bounded number at a time. A decision costs at most two writes (the binding's spec with its annotation, then its
//! status) and none when it changes nothing; so a restart over scheduled bindings is silent, and so is a cluster's
//! heartbeat. The scheduler never talks to a member.
//!
//! What happens where: [`args`] the command line, `world` what is watched and queued, `driver` the loop, `commit` the
//! writes, [`estimate`] the seam to accurate estimators, [`decisions`] the reasons kept for those who ask.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod args;
mod commit;
pub mod decisions;
mod driver;
pub mod estimate;
pub mod metrics;
mod world;

pub use args::{Config, SchedulerArgs};
pub use driver::{Error, run};
