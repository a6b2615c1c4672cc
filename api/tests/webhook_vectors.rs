//! Replays what upstream's webhooks and Cluster API answered on a small stand-in for the API server around them.
//!
//! The stand-in knows paths, merge patches, schema defaults and pruning, nothing else: cases that schema validation or a
//! Lua compiler decides are left to the API server's own tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use serde_json::Value;

mod replay;

#[test]
fn admission_answers_as_recorded() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/karmada/webhook.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let report = replay::replay(&file);
    let failures: Vec<String> =
        report.failed.iter().map(|(name, difference)| format!("{name}: {difference}")).collect();
    assert!(failures.is_empty(), "{} failed\n{}", failures.len(), failures.join("\n"));
    assert_eq!((report.passed, report.elsewhere), (296, 28));
}
