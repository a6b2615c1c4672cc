//! karmada-controller-manager: the registry of all controllers, and the process around them.
//!
//! The registry lists each controller by Karmada's key, whether it is on by default, and whether it is there yet; `--controllers`
//! is checked against it. Everything that runs shares one set of caches.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod args;
mod manager;
mod registry;

pub use args::ManagerArgs;
pub use manager::{Error, Manager};
pub use registry::{Controller, REGISTRY, Selection};
