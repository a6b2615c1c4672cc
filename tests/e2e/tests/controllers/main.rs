//! What goes beyond plain propagation, on the whole plane in process: failover, users' interpreters, autoscalers' targets,
//! agents' certificates.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod autoscaling;
mod failover;
mod interpreters;
