//! Plans against recorded states of upstream's control plane.
//!
//! The cases were recorded from the outside, step by step. Here every state that came to rest is taken as input of the
//! pure functions, which must answer with what stands there: the binding that follows from template and policy, the
//! Works that follow from template and binding, and the statuses that follow from the Works.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod replay;

#[test]
fn plans_agree_with_recorded_states() {
    replay::controllers::replay(&replay::fixture("controllers.json")).assert();
}
