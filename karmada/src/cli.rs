//! The command line: which component runs.

use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use karmada_agent::{Agent, AgentArgs};
use karmada_controllers::{Manager, ManagerArgs};
use karmada_runtime::shell::{self, LogArgs};
use karmada_scheduler::SchedulerArgs;

use crate::up::UpArgs;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Debug, Parser)]
#[command(name = "karmada", about = "Multi-cluster federation for Kubernetes, wire-compatible with Karmada", version)]
struct Cli {
    #[command(subcommand)]
    component: Component,
}

#[derive(Debug, Subcommand)]
enum Component {
    /// Runs a whole control plane in this process, with simulated members if asked for.
    Up(UpArgs),
    /// Runs the API server.
    Apiserver(ApiserverArgs),
    /// Runs the scheduler.
    Scheduler(SchedulerArgs),
    /// Runs the controllers.
    ControllerManager(ManagerArgs),
    /// Runs the agent of a pull member.
    Agent(AgentArgs),
}

#[derive(Debug, clap::Args)]
struct ApiserverArgs {
    #[command(flatten)]
    server: karmada_apiserver_aggregator::apiserver::Args,
    #[command(flatten)]
    log: LogArgs,
}

/// Names under which the binary may be called, and the subcommand that each stands for.
const LINKS: [(&str, &str); 4] = [
    ("karmada-apiserver", "apiserver"),
    ("karmada-scheduler", "scheduler"),
    ("karmada-controller-manager", "controller-manager"),
    ("karmada-agent", "agent"),
];

/// The arguments with the subcommand that the binary's name stands for put in.
fn arguments(mut args: Vec<OsString>) -> Vec<OsString> {
    let name = args.first().map(Path::new).and_then(Path::file_name).and_then(|n| n.to_str()).unwrap_or_default();
    if let Some((_, subcommand)) = LINKS.iter().find(|(link, _)| *link == name) {
        args.insert(1, OsString::from(*subcommand));
    }
    args
}

/// Runs what the command line names until it ends or a signal comes.
pub(crate) fn run() -> Result<()> {
    let matches = Cli::command().get_matches_from(arguments(std::env::args_os().collect()));
    let Cli { component } = Cli::from_arg_matches(&matches)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = shell::shutdown_on_signal();
        match component {
            Component::Up(args) => {
                args.log.start();
                crate::up::run(args, shutdown).await?;
            }
            Component::Apiserver(ApiserverArgs { server, log }) => {
                log.start();
                server.run(shutdown).await?;
            }
            Component::Scheduler(args) => {
                args.start(shutdown).await?;
            }
            Component::ControllerManager(args) => {
                args.log.start();
                Manager::run(args, shutdown).await?;
            }
            Component::Agent(args) => {
                args.log.start();
                Agent::run(args, shutdown).await?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn links_stand_for_subcommands() {
        let args = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(
            arguments(args(&["/usr/bin/karmada-agent", "--v=4"])),
            args(&["/usr/bin/karmada-agent", "agent", "--v=4"])
        );
        assert_eq!(arguments(args(&["karmada", "up"])), args(&["karmada", "up"]));
    }
}
