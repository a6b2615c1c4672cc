//! Admission plugins of the server's process.

pub mod certificates;
pub mod lifecycle;
pub mod namespaces;
pub mod services;
pub mod webhooks;
