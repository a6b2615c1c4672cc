//! Replays files of recorded cases: one line per failing case, then the count per file. What a file holds is told by its
//! name.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

#[path = "../tests/replay/mod.rs"]
mod replay;

fn main() -> std::process::ExitCode {
    let mut failed = false;
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        let file = text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        let name = std::path::Path::new(&path).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let report = file.and_then(|file| match name {
            "interpreter-native.json" => Ok(replay::native::replay(&file)),
            "interpreter-thirdparty.json" => Ok(replay::thirdparty::replay(&file)),
            "lua.json" => Ok(replay::lua::replay(&file)),
            _ => Err("no replay for a file of this name".to_owned()),
        });
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
