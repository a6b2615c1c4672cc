//! The member clusters of a process: clients made from Cluster objects and their Secrets, and shared caches per member.
//!
//! A [`Fleet`] holds one [`Member`] for each cluster that somebody asked for. A member's client is rebuilt when its Cluster
//! or Secret changes. Its informers are started when first asked for, one per resource, and only hold objects that Karmada
//! manages (`karmada.io/managed=true`), so that the memory of a control plane grows with what it propagates, never with what
//! members run besides.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod connect;
mod member;

pub use connect::{Connect, ConnectError, SecretConnector};
pub use member::{Fleet, Member, ObjectChange};
