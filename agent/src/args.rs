//! Flags of karmada-agent, with Karmada's names and defaults.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use karmada_api::features::FeatureGates;
use karmada_registration::Report;
use karmada_runtime::leader::LeaderElectionArgs;
use karmada_runtime::queue::Backoff;
use karmada_runtime::shell::{self, ClientArgs, EndpointArgs, LogArgs, parse_duration};
use kube::Client;

/// Flags of karmada-agent.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "karmada-agent",
    about = "Makes the cluster beside which it runs a pull member of a control plane",
    version
)]
pub struct AgentArgs {
    /// How the member beside the agent is reached.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Where metrics and health are served.
    #[command(flatten)]
    pub endpoints: EndpointArgs,
    /// Leader election, in the control plane.
    #[command(flatten)]
    pub leader: LeaderElectionArgs,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
    /// Path to a kubeconfig of the control plane.
    #[arg(long)]
    pub karmada_kubeconfig: Option<PathBuf>,
    /// The context of the control plane's kubeconfig.
    #[arg(long, default_value = "")]
    pub karmada_context: String,
    /// The namespace of the Secret with the control plane's kubeconfig, for certificate rotation.
    #[arg(long, default_value = "karmada-system")]
    pub karmada_kubeconfig_namespace: String,
    /// The member's name.
    #[arg(long)]
    pub cluster_name: String,
    /// The namespace of cluster Secrets and leases in the control plane.
    #[arg(long, default_value = "karmada-cluster")]
    pub cluster_namespace: String,
    /// The address of the member's API server, as the control plane's users see it.
    #[arg(long, default_value = "")]
    pub cluster_api_endpoint: String,
    /// The address of a proxy through which the control plane reaches the member.
    #[arg(long, default_value = "")]
    pub proxy_server_address: String,
    /// The member's provider.
    #[arg(long, default_value = "")]
    pub cluster_provider: String,
    /// The member's region.
    #[arg(long, default_value = "")]
    pub cluster_region: String,
    /// The member's zones.
    #[arg(long, value_delimiter = ',')]
    pub cluster_zones: Vec<String>,
    /// Which of the member's credentials the control plane gets: KubeCredentials, KubeImpersonator or None.
    #[arg(long, value_delimiter = ',', default_value = "KubeCredentials,KubeImpersonator")]
    pub report_secrets: Vec<String>,
    /// Controllers to run: keys, `-key`, or `*`.
    #[arg(long, value_delimiter = ',', default_value = "*", allow_hyphen_values = true)]
    pub controllers: Vec<String>,
    /// Feature gates, as `Name=true,Other=false`.
    #[arg(long, default_value = "", value_parser = |text: &str| FeatureGates::parse(text).map_err(|e| e.to_string()))]
    pub feature_gates: FeatureGates,
    /// How often the member's status is collected.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub cluster_status_update_frequency: Duration,
    /// How long the member must answer well before it becomes ready again.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub cluster_success_threshold: Duration,
    /// How long the member must fail to answer before it stops being ready.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub cluster_failure_threshold: Duration,
    /// How long the lease holds.
    #[arg(long, default_value = "40s", value_parser = parse_duration)]
    pub cluster_lease_duration: Duration,
    /// After which part of the lease's duration it is renewed.
    #[arg(long, default_value_t = 0.25)]
    pub cluster_lease_renew_interval_fraction: f64,
    /// How long the member's caches may take to fill.
    #[arg(long, default_value = "2m", value_parser = parse_duration)]
    pub cluster_cache_sync_timeout: Duration,
    /// Whether nodes are counted by grade of what is free on them.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub enable_cluster_resource_modeling: bool,
    /// Clusters worked on at once.
    #[arg(long, default_value_t = 5)]
    pub concurrent_cluster_syncs: usize,
    /// Works worked on at once.
    #[arg(long, default_value_t = 5)]
    pub concurrent_work_syncs: usize,
    /// Delay after a key's first failure.
    #[arg(long, default_value = "5ms", value_parser = parse_duration)]
    pub rate_limiter_base_delay: Duration,
    /// Longest delay of a failing key.
    #[arg(long, default_value = "1000s", value_parser = parse_duration)]
    pub rate_limiter_max_delay: Duration,
}

const CONTROLLERS: [&str; 3] = ["clusterStatus", "execution", "workStatus"];
/// Karmada's keys that this agent has not got yet.
const LATER: [&str; 3] = ["serviceExport", "certRotation", "endpointsliceCollect"];

impl AgentArgs {
    /// The flags' defaults for a member of this name.
    pub fn named(cluster: &str) -> Self {
        <Self as clap::Parser>::parse_from(["karmada-agent", "--cluster-name", cluster])
    }

    /// The controllers that run.
    ///
    /// # Errors
    /// A key that does not exist or is not available yet.
    pub fn selection(&self) -> Result<BTreeSet<String>, String> {
        let mut chosen = BTreeSet::new();
        if self.controllers.iter().any(|c| c == "*") {
            chosen.extend(CONTROLLERS.iter().map(|c| (*c).to_owned()));
        }
        for item in self.controllers.iter().filter(|c| *c != "*") {
            let (off, key) = item.strip_prefix('-').map_or((false, item.as_str()), |key| (true, key));
            if LATER.contains(&key) {
                if off {
                    continue;
                }
                return Err(format!("controller {key:?} is not available yet; see docs/status.md"));
            }
            if !CONTROLLERS.contains(&key) {
                return Err(format!("{key:?} is not in the list of known controllers"));
            }
            if off {
                chosen.remove(key);
            } else {
                chosen.insert(key.to_owned());
            }
        }
        Ok(chosen)
    }

    /// What is reported to the control plane.
    ///
    /// # Errors
    /// An unknown word in `--report-secrets`.
    pub fn report(&self) -> Result<Report, String> {
        let mut report = Report { credentials: false, impersonator: false };
        for word in &self.report_secrets {
            match word.as_str() {
                "KubeCredentials" => report.credentials = true,
                "KubeImpersonator" => report.impersonator = true,
                "None" => {}
                other => return Err(format!("unsupported --report-secrets value {other:?}")),
            }
        }
        Ok(report)
    }

    /// A client of the control plane.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub async fn control_client(&self) -> Result<Client, shell::Error> {
        let args = ClientArgs {
            kubeconfig: self.karmada_kubeconfig.clone(),
            context: self.karmada_context.clone(),
            ..self.client.clone()
        };
        args.client().await
    }

    /// The options of the member's controllers.
    pub fn member_options(&self) -> karmada_member::Options {
        karmada_member::Options {
            gates: self.feature_gates.clone(),
            concurrent_works: self.concurrent_work_syncs,
            concurrent_clusters: self.concurrent_cluster_syncs,
            status_period: self.cluster_status_update_frequency,
            success_threshold: self.cluster_success_threshold,
            failure_threshold: self.cluster_failure_threshold,
            cache_sync_timeout: self.cluster_cache_sync_timeout,
            resource_modeling: self.enable_cluster_resource_modeling,
            lease_duration: self.cluster_lease_duration,
            lease_renew_fraction: self.cluster_lease_renew_interval_fraction,
            backoff: Backoff { base: self.rate_limiter_base_delay, max: self.rate_limiter_max_delay },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_well_formed() {
        <AgentArgs as clap::CommandFactory>::command().debug_assert();
        let args = AgentArgs::named("m1");
        assert_eq!(args.report(), Ok(Report { credentials: true, impersonator: true }));
        assert_eq!(args.selection().unwrap().len(), 3);
    }
}
