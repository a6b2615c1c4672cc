//! A whole control plane with members in one process, for tests.
//!
//! ```ignore
//! let plane = Harness::builder().push("m1").push("m2").pull("m3").start().await;
//! plane.control().create_all(NGINX).await;
//! plane.eventually("nginx is in m1", async || plane.member("m1").find("apps/v1/Deployment", "default/nginx").await).await;
//! ```
//!
//! Each plane has its own stores in memory and listens nowhere: the manager reaches its members, and everybody the control
//! plane, through clients over the servers' routers. Such a client carries full HTTP semantics, so that only sockets and TLS
//! are left out. Between a client and its server stands a [`Link`], which a test can cut or slow down. Manager, scheduler and
//! agents can be stopped and started over the same stores, and writes to a store can be counted.
//!
//! Set `KARMADA_TEST_LOG` (for example to `info,karmada_scheduler=debug`) to see what the components log.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure of theirs is a failure of the test")]

mod api;
mod builder;
mod component;
mod dump;
mod link;
mod plane;
mod wait;
mod writes;

pub use api::{Api, at, manifests, text};
pub use builder::{Builder, Harness, MemberPlan};
pub use karmada_simulator::{NodeConfig, SimulationConfig};
pub use link::Link;
pub use plane::{Member, Plane};
pub use wait::{Deadline, eventually};

/// Turns logging on if `KARMADA_TEST_LOG` asks for it. May be called any number of times; each plane does.
pub fn log() {
    if let Ok(filter) = std::env::var("KARMADA_TEST_LOG") {
        // A second start fails, which is what is wanted.
        let _started = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_test_writer()
            .try_init();
    }
}
