//! Repository tools: `cargo xtask crds | check-layers | tidy`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking"))]
#![allow(clippy::print_stdout, reason = "this is a command line")]

mod crds;
mod layers;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Repository tools")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write deploy/crds from the types in api/.
    Crds {
        /// Write nothing; fail when a file is not as it would be written.
        #[arg(long)]
        check: bool,
    },
    /// Check that no package depends on a higher layer, and that domain code is free of I/O libraries.
    CheckLayers,
    /// Check manifests, file sizes, words and links.
    Tidy,
}

fn main() -> ExitCode {
    let Args { command } = Args::parse();
    let root = root();
    let outcome = match command {
        Command::Crds { check: false } => crds::write(&root),
        Command::Crds { check: true } => crds::check(&root),
        Command::CheckLayers => layers::check(&root),
        Command::Tidy => tidy::check(&root),
    };
    match outcome {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            println!("{} findings", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's top folder: two above this package.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
