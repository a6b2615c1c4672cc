//! Pure propagation: policy match, overrides, Work rendering, status aggregation, eviction, quota.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking"))]

pub mod affinity;
mod divide;
pub mod object;
pub mod overrides;
pub mod policy;
pub mod work;
