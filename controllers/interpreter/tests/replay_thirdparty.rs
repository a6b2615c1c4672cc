//! Replays recorded answers of upstream's built-in third-party interpreter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod replay;

#[test]
fn third_party_kinds_answer_as_recorded() {
    replay::thirdparty::replay(&replay::fixture("interpreter-thirdparty.json")).assert();
}
