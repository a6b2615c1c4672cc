//! The command line, with Karmada's flag names and defaults.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use karmada_api::features::{Feature, FeatureGates};
use karmada_runtime::{
    leader::{Candidate, LeaderElectionArgs},
    shell::{ClientArgs, EndpointArgs, LogArgs, Readiness, parse_duration},
};
use karmada_scheduler_core::{Gates, Options, Plugins};
use tokio_util::sync::CancellationToken;

use crate::{decisions::Decisions, driver, estimate::ReplicaEstimator};

/// Flags of karmada-scheduler.
#[derive(Clone, Debug, clap::Args)]
pub struct SchedulerArgs {
    /// How to reach the control plane.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Leader election.
    #[command(flatten)]
    pub leader_election: LeaderElectionArgs,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
    /// Address of the metrics endpoint; 0 or empty turns it off.
    #[arg(long, default_value = ":8080")]
    pub metrics_bind_address: String,
    /// Address of the health endpoint; 0 or empty turns it off.
    #[arg(long, default_value = ":10351")]
    pub health_probe_bind_address: String,
    /// Feature gates, as Name=true,Other=false.
    #[arg(long, default_value = "")]
    pub feature_gates: FeatureGates,
    /// Only bindings that name this scheduler are scheduled.
    #[arg(long, default_value = Options::DEFAULT_SCHEDULER)]
    pub scheduler_name: String,
    /// Plugins to use: '*' for all, 'foo' for one, '-foo' to leave one out.
    #[arg(long, default_value = "*", value_delimiter = ',', allow_hyphen_values = true)]
    pub plugins: Vec<String>,
    /// Whether clusters that are selected and get no replicas receive the workload with none.
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub enable_empty_workload_propagation: bool,
    /// Whether accurate estimators are asked for the room of clusters.
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub enable_scheduler_estimator: bool,
    /// Whether accurate estimators are not asked about clusters in pull mode.
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub disable_scheduler_estimator_in_pull_mode: bool,
    /// How long an estimator may take.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    pub scheduler_estimator_timeout: Duration,
    /// The namespace of the estimators' Services.
    #[arg(long, default_value = "karmada-system")]
    pub scheduler_estimator_service_namespace: String,
    /// What the estimators' Services' names begin with.
    #[arg(long, default_value = "karmada-scheduler-estimator")]
    pub scheduler_estimator_service_prefix: String,
    /// The port of the estimators.
    #[arg(long, default_value_t = 10352)]
    pub scheduler_estimator_port: u16,
    /// Certificate shown to estimators.
    #[arg(long, default_value = "")]
    pub scheduler_estimator_cert_file: String,
    /// Its key.
    #[arg(long, default_value = "")]
    pub scheduler_estimator_key_file: String,
    /// CA of the estimators' certificates.
    #[arg(long, default_value = "")]
    pub scheduler_estimator_ca_file: String,
    /// Whether the estimators' certificates are not verified.
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub insecure_skip_estimator_verify: bool,
    /// Threads that decide; 0 for as many as there are processors.
    #[arg(long, default_value_t = 0)]
    pub scheduling_threads: usize,
    /// Decisions that are written at the same time, at most.
    #[arg(long, default_value_t = 64)]
    pub concurrent_commits: usize,
}

/// A flag that cannot be acted upon.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// A plugin does not exist.
    #[error("read --plugins")]
    Plugins(#[source] karmada_scheduler_core::UnknownPlugin),
    /// A feature that is not there yet.
    #[error("--{flag} is not supported yet; start without it")]
    Unsupported {
        /// The flag.
        flag: &'static str,
    },
    /// The process cannot be set up.
    #[error("set the scheduler up")]
    Shell(#[source] karmada_runtime::shell::Error),
    /// Scheduling stopped.
    #[error("schedule")]
    Run(#[source] driver::Error),
}

/// What the driver works with.
#[derive(Clone, Debug)]
pub struct Config {
    /// What decisions depend on.
    pub options: Options,
    /// Threads that decide.
    pub threads: NonZeroUsize,
    /// Decisions that are written at the same time, at most.
    pub commits: NonZeroUsize,
    /// Bindings that are decided about together, at most.
    pub batch: NonZeroUsize,
    /// Who knows the clusters' room better than their status says, if anybody.
    pub estimator: Option<Arc<dyn ReplicaEstimator>>,
    /// Where the reasons of decisions are kept.
    pub decisions: Arc<Decisions>,
    /// Becomes ready when the initial lists are there.
    pub readiness: Readiness,
}

/// A batch this large keeps all threads busy for some milliseconds; a larger one would only delay urgent bindings.
const BATCH: NonZeroUsize = NonZeroUsize::new(256).expect("256 is not zero");

impl Default for Config {
    fn default() -> Self {
        Self {
            options: Options::default(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            commits: NonZeroUsize::new(64).expect("64 is not zero"),
            batch: BATCH,
            estimator: None,
            decisions: Arc::default(),
            readiness: Readiness::default(),
        }
    }
}

/// The gates that scheduling depends on.
#[must_use]
pub fn gates(features: &FeatureGates) -> Gates {
    Gates {
        customized_cluster_resource_modeling: features.enabled(Feature::CustomizedClusterResourceModeling),
        multiple_pod_templates_scheduling: features.enabled(Feature::MultiplePodTemplatesScheduling),
        workload_affinity: features.enabled(Feature::WorkloadAffinity),
        scheduling_overcommit_protection: features.enabled(Feature::SchedulingOvercommitProtection),
        priority_based_scheduling: features.enabled(Feature::PriorityBasedScheduling),
    }
}

impl SchedulerArgs {
    /// What the driver works with.
    ///
    /// # Errors
    /// When a flag cannot be acted upon.
    pub fn config(&self) -> Result<Config, ArgsError> {
        let default = Config::default();
        if self.enable_scheduler_estimator {
            return Err(ArgsError::Unsupported { flag: "enable-scheduler-estimator" });
        }
        Ok(Config {
            options: Options {
                scheduler_name: match self.scheduler_name.as_str() {
                    "" => Options::DEFAULT_SCHEDULER.to_owned(),
                    name => name.to_owned(),
                },
                gates: gates(&self.feature_gates),
                plugins: Plugins::parse(self.plugins.iter().map(String::as_str)).map_err(ArgsError::Plugins)?,
                empty_workload_propagation: self.enable_empty_workload_propagation,
                ..Options::default()
            },
            threads: NonZeroUsize::new(self.scheduling_threads).unwrap_or(default.threads),
            commits: NonZeroUsize::new(self.concurrent_commits).unwrap_or(default.commits),
            ..default
        })
    }

    /// Runs the scheduler as a process of its own until `shutdown`: endpoints, leader election, scheduling.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub async fn start(self, shutdown: CancellationToken) -> Result<(), ArgsError> {
        self.log.start();
        let config = self.config()?;
        let client = self.client.client().await.map_err(ArgsError::Shell)?;
        let endpoints = EndpointArgs {
            metrics_bind_address: self.metrics_bind_address.clone(),
            health_probe_bind_address: self.health_probe_bind_address.clone(),
        };
        endpoints.serve(config.readiness.clone(), shutdown.clone()).await.map_err(ArgsError::Shell)?;
        if !self.leader_election.leader_elect {
            return driver::run(client, config, shutdown).await.map_err(ArgsError::Run);
        }
        // Schedulers of different names work side by side, each with a lease of its own.
        let lease = match config.options.scheduler_name.as_str() {
            Options::DEFAULT_SCHEDULER => "karmada-scheduler".to_owned(),
            name => format!("karmada-scheduler-{name}"),
        };
        // A standby is healthy: it is ready to take over.
        config.readiness.set(true);
        let mut result = Ok(());
        let outcome = &mut result;
        let candidate = Candidate::new(client.clone(), self.leader_election.clone(), &lease);
        candidate
            .run(shutdown, |term| async move {
                *outcome = driver::run(client, config, term).await;
            })
            .await;
        result.map_err(ArgsError::Run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: SchedulerArgs,
    }

    fn config(flags: &[&str]) -> Result<Config, String> {
        let flags = std::iter::once("karmada-scheduler").chain(flags.iter().copied());
        let command = Command::try_parse_from(flags).map_err(|error| error.to_string())?;
        command.args.config().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_options() {
        let config = config(&[
            "--scheduler-name=mine",
            "--plugins=*,-ClusterLocality",
            "--feature-gates=AllAlpha=true,WorkloadAffinity=false",
            "--enable-empty-workload-propagation",
            "--scheduler-estimator-timeout=1m",
        ])
        .unwrap();
        let options = config.options;
        assert_eq!(options.scheduler_name, "mine");
        assert!(options.empty_workload_propagation);
        assert!(options.gates.scheduling_overcommit_protection && !options.gates.workload_affinity);
        assert!(!options.plugins.has(karmada_scheduler_core::Plugin::ClusterLocality));
    }

    #[test]
    fn wrong_flags_are_refused() {
        for flags in [
            &["--plugins=Nope"][..],
            &["--feature-gates=Nope=true"],
            &["--enable-scheduler-estimator=true"],
            &["--scheduler-estimator-timeout=soon"],
        ] {
            assert!(config(flags).is_err(), "{flags:?}");
        }
    }
}
