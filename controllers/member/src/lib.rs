//! Controllers that face ONE member: they run in the controller manager for push members and in the agent for a pull member.
//!
//! - [`execution`]: what a Work says is in the member;
//! - [`work_status`]: what the member says of it is in the Work;
//! - [`cluster_status`]: what the member is and has is in its Cluster object.
//!
//! All of them share one [`Context`]; its [`Scope`] says whose members they act on.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod cluster_status;
pub mod context;
mod error;
pub mod execution;
pub mod work_status;

pub use context::{Context, Options, Scope};
pub use error::Error;
