//! A whole plane in process, each test its own: one module per topic. One binary, because linking takes longer than running.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod basic;
mod cluster_scope;
mod clusters;
mod conflict;
mod dependencies;
mod overrides;
mod placement;
mod policies;
mod pull;
mod recovery;
mod rest_and_quiet;
mod status;
mod suspension;
