//! Replays recorded answers of upstream's override manager.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod replay;

#[test]
fn overrides_are_as_recorded() {
    replay::overrides::replay(&replay::fixture("overrides.json")).assert();
}
