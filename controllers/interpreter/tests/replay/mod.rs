//! What the replays of recorded cases have in common: counting, and saying where two values differ first.
#![allow(clippy::unwrap_used, clippy::panic, reason = "malformed recordings end a replay")]
#![allow(dead_code, reason = "each test and the example use a part of it")]

pub(crate) mod lua;
pub(crate) mod native;
pub(crate) mod thirdparty;

use serde_json::Value;

/// What became of the cases of one file.
#[derive(Default)]
pub(crate) struct Report {
    /// How many are as recorded.
    pub(crate) passed: usize,
    /// The others: name, and where they differ first.
    pub(crate) failed: Vec<(String, String)>,
}

impl Report {
    /// Counts one case.
    pub(crate) fn check(&mut self, name: &str, matches: bool, difference: impl FnOnce() -> String) {
        if matches {
            self.passed += 1;
        } else {
            self.failed.push((name.to_owned(), difference()));
        }
    }

    /// Fails a test that has failed cases, and says which.
    pub(crate) fn assert(&self) {
        let lines: Vec<String> = self.failed.iter().map(|(name, difference)| format!("{name}: {difference}")).collect();
        assert!(lines.is_empty(), "{} passed, {} failed\n{}", self.passed, lines.len(), lines.join("\n"));
        assert!(self.passed > 0, "no case was replayed");
    }
}

/// Where two values differ first.
pub(crate) fn difference(got: &Value, expect: &Value) -> String {
    first("", got, expect).unwrap_or_else(|| "no difference".to_owned())
}

fn first(path: &str, got: &Value, expect: &Value) -> Option<String> {
    match (got, expect) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            keys.into_iter().find_map(|key| match (left.get(key), right.get(key)) {
                (Some(left), Some(right)) => first(&format!("{path}/{key}"), left, right),
                (Some(left), None) => Some(format!("{path}/{key}: got {left}, expect nothing")),
                (None, Some(right)) => Some(format!("{path}/{key}: got nothing, expect {right}")),
                (None, None) => None,
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .find_map(|(index, (left, right))| first(&format!("{path}/{index}"), left, right)),
        _ => (got != expect).then(|| format!("{path}: got {got}, expect {expect}")),
    }
}

/// The fixture of this name.
pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/karmada/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
