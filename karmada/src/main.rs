//! The multi-call binary: every component of karmada-rs in one file.
//!
//! Called as `karmada-controller-manager`, `karmada-agent`, … (a link) it is that component with its flags; called as
//! `karmada` it has a subcommand for each, and `karmada up`, the all-in-one.

mod cli;
mod up;

use std::process::ExitCode;

/// Less resident memory and faster under threads than the C library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The provider is process-wide; a second installation would only fail.
    drop(rustls::crypto::ring::default_provider().install_default());
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let text = karmada_runtime::error::chain(error.as_ref());
            // With stderr gone there is nobody left to tell.
            let _unreadable = writeln!(std::io::stderr(), "Error: {text}");
            ExitCode::FAILURE
        }
    }
}
