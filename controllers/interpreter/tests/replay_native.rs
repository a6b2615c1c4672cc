//! Replays recorded answers of upstream's native interpreter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod replay;

#[test]
fn native_answers_are_as_recorded() {
    replay::native::replay(&replay::fixture("interpreter-native.json")).assert();
}
