//! Replays files of recorded scheduling cases: one line per failing case, then the count per file.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

#[path = "../tests/replay/mod.rs"]
mod replay;

fn main() -> std::process::ExitCode {
    let mut failed = false;
    for path in std::env::args().skip(1) {
        let report =
            std::fs::read_to_string(&path).map_err(|error| error.to_string()).and_then(|text| replay::replay(&text));
        match report {
            Ok(report) => {
                for (name, difference) in &report.failed {
                    println!("{name}: {difference}");
                }
                println!("{path}: {} passed, {} failed", report.passed, report.failed.len());
                failed |= !report.failed.is_empty();
            }
            Err(error) => {
                eprintln!("{path}: {error}");
                failed = true;
            }
        }
    }
    std::process::ExitCode::from(u8::from(failed))
}
