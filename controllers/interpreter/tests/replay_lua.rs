//! Replays recorded answers of upstream's machine for customization scripts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod replay;

#[test]
fn scripts_answer_as_recorded() {
    replay::lua::replay(&replay::fixture("lua.json")).assert();
}
