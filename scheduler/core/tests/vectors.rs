//! Every recorded case of upstream's scheduler comes out as recorded.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod replay;

#[test]
fn recorded_cases() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/karmada/scheduling.json");
    let text = std::fs::read_to_string(path).unwrap();
    let report = replay::replay(&text).unwrap();
    for (name, difference) in &report.failed {
        println!("{name}: {difference}");
    }
    println!("scheduling.json: {} passed, {} failed", report.passed, report.failed.len());
    assert!(
        report.failed.is_empty(),
        "{} of {} cases failed",
        report.failed.len(),
        report.passed + report.failed.len()
    );
    assert!(report.passed > 0);
}
