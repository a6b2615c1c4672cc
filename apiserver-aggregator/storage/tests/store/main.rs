//! What every store promises, what the embedded one promises beyond, and what it does when it is killed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod contract;
mod crash;
mod embedded;
