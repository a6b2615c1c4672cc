//! Flags of karmada-controller-manager, with Karmada's names and defaults.

use std::time::Duration;

use karmada_api::features::FeatureGates;
use karmada_api::policy::PurgeMode;
use karmada_federation::templates::Skipped;
use karmada_runtime::leader::LeaderElectionArgs;
use karmada_runtime::queue::Backoff;
use karmada_runtime::shell::{ClientArgs, EndpointArgs, LogArgs, parse_duration};

use crate::registry::Selection;

/// Flags of karmada-controller-manager.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "karmada-controller-manager", about = "Runs Karmada's controllers against a control plane", version)]
pub struct ManagerArgs {
    /// How the control plane is reached.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Where metrics and health are served.
    #[command(flatten)]
    pub endpoints: EndpointArgs,
    /// Leader election.
    #[command(flatten)]
    pub leader: LeaderElectionArgs,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
    /// Controllers to run: keys, `-key`, or `*` for all that are on by default.
    #[arg(long, value_delimiter = ',', default_value = "*", allow_hyphen_values = true)]
    pub controllers: Vec<String>,
    /// Feature gates, as `Name=true,Other=false`.
    #[arg(long, default_value = "", value_parser = |text: &str| FeatureGates::parse(text).map_err(|e| e.to_string()))]
    pub feature_gates: FeatureGates,
    /// Whether workloads leave clusters with NoExecute taints, if evicting is enabled too.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub enable_taint_manager: bool,
    /// Whether NoExecute taints evict workloads.
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub enable_no_execute_taint_eviction: bool,
    /// How workloads without a failover behaviour of their own are purged: Gracefully or Directly.
    #[arg(long, default_value = "Gracefully", value_parser = parse_purge_mode)]
    pub no_execute_taint_eviction_purge_mode: PurgeMode,
    /// Evictions a second because of taints; 0 means one in half an hour.
    #[arg(long, default_value_t = 0.5)]
    pub resource_eviction_rate: f32,
    /// How long an evicted workload's old copy waits for the new one to be healthy.
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    pub graceful_eviction_timeout: Duration,
    /// How often the use of federated quotas is summed up without a reason.
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub federated_resource_quota_sync_period: Duration,
    /// How often a push member's status is collected.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub cluster_status_update_frequency: Duration,
    /// How long a member must answer well before it becomes ready again.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub cluster_success_threshold: Duration,
    /// How long a member must fail to answer before it stops being ready.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub cluster_failure_threshold: Duration,
    /// How often the health of pull members is judged.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub cluster_monitor_period: Duration,
    /// How long a pull member may be silent.
    #[arg(long, default_value = "40s", value_parser = parse_duration)]
    pub cluster_monitor_grace_period: Duration,
    /// How long a new pull member may be silent.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub cluster_startup_grace_period: Duration,
    /// How long a member's caches may take to fill.
    #[arg(long, default_value = "2m", value_parser = parse_duration)]
    pub cluster_cache_sync_timeout: Duration,
    /// Requests a second to each member. Accepted for compatibility: requests are bounded by the workers instead.
    #[arg(long, default_value_t = 40.0)]
    pub cluster_api_qps: f32,
    /// Burst of requests to each member. Accepted for compatibility.
    #[arg(long, default_value_t = 60)]
    pub cluster_api_burst: u32,
    /// Whether nodes are counted by grade of what is free on them.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub enable_cluster_resource_modeling: bool,
    /// APIs that are not propagated: `group`, `group/version`, `group/version/kind,kind`, separated by `;`.
    #[arg(long, default_value = "")]
    pub skipped_propagating_apis: String,
    /// Namespaces that are not propagated: regular expressions.
    #[arg(long, value_delimiter = ',', default_value = "kube-.*")]
    pub skipped_propagating_namespaces: Vec<String>,
    /// Clusters worked on at once.
    #[arg(long, default_value_t = 5)]
    pub concurrent_cluster_syncs: usize,
    /// ClusterResourceBindings worked on at once.
    #[arg(long, default_value_t = 5)]
    pub concurrent_clusterresourcebinding_syncs: usize,
    /// ResourceBindings worked on at once.
    #[arg(long, default_value_t = 5)]
    pub concurrent_resourcebinding_syncs: usize,
    /// Works worked on at once.
    #[arg(long, default_value_t = 5)]
    pub concurrent_work_syncs: usize,
    /// Namespaces worked on at once.
    #[arg(long, default_value_t = 1)]
    pub concurrent_namespace_syncs: usize,
    /// PropagationPolicies worked on at once.
    #[arg(long, default_value_t = 1)]
    pub concurrent_propagation_policy_syncs: usize,
    /// ClusterPropagationPolicies worked on at once.
    #[arg(long, default_value_t = 1)]
    pub concurrent_cluster_propagation_policy_syncs: usize,
    /// Templates worked on at once.
    #[arg(long, default_value_t = 5)]
    pub concurrent_resource_template_syncs: usize,
    /// Dependencies worked on at once.
    #[arg(long, default_value_t = 2)]
    pub concurrent_dependent_resource_syncs: usize,
    /// Delay after a key's first failure.
    #[arg(long, default_value = "5ms", value_parser = parse_duration)]
    pub rate_limiter_base_delay: Duration,
    /// Longest delay of a failing key.
    #[arg(long, default_value = "1000s", value_parser = parse_duration)]
    pub rate_limiter_max_delay: Duration,
    /// Accepted for compatibility: failures back off per key, not by a common rate.
    #[arg(long, default_value_t = 10)]
    pub rate_limiter_qps: u32,
    /// Accepted for compatibility.
    #[arg(long, default_value_t = 100)]
    pub rate_limiter_bucket_size: u32,
    /// Accepted for compatibility: informers never resync without a reason.
    #[arg(long, default_value = "0", value_parser = parse_duration)]
    pub resync_period: Duration,
}

fn parse_purge_mode(text: &str) -> Result<PurgeMode, String> {
    match text {
        "Gracefully" => Ok(PurgeMode::Gracefully),
        "Directly" => Ok(PurgeMode::Directly),
        _ => Err(format!("invalid purge mode {text:?}: want Gracefully or Directly")),
    }
}

impl Default for ManagerArgs {
    /// The flags' defaults.
    fn default() -> Self {
        <Self as clap::Parser>::parse_from(["karmada-controller-manager"])
    }
}

impl ManagerArgs {
    fn backoff(&self) -> Backoff {
        Backoff { base: self.rate_limiter_base_delay, max: self.rate_limiter_max_delay }
    }

    /// The selection of controllers.
    ///
    /// # Errors
    /// See [`Selection::parse`].
    pub fn selection(&self) -> Result<Selection, String> {
        Selection::parse(&self.controllers)
    }

    /// The options of the controllers that face the control plane.
    ///
    /// # Errors
    /// A flag of the wrong form.
    pub fn federation_options(&self) -> Result<karmada_federation::Options, String> {
        Ok(karmada_federation::Options {
            gates: self.feature_gates.clone(),
            skipped: Skipped::parse(&self.skipped_propagating_apis, &self.skipped_propagating_namespaces)?,
            concurrent_templates: self.concurrent_resource_template_syncs,
            concurrent_policies: self.concurrent_propagation_policy_syncs,
            concurrent_bindings: self.concurrent_resourcebinding_syncs,
            concurrent_clusters: self.concurrent_cluster_syncs,
            concurrent_dependencies: self.concurrent_dependent_resource_syncs,
            concurrent_namespaces: self.concurrent_namespace_syncs,
            monitor_period: self.cluster_monitor_period,
            monitor_grace_period: self.cluster_monitor_grace_period,
            startup_grace_period: self.cluster_startup_grace_period,
            enable_taint_manager: self.enable_taint_manager,
            enable_no_execute_taint_eviction: self.enable_no_execute_taint_eviction,
            no_execute_purge_mode: self.no_execute_taint_eviction_purge_mode,
            resource_eviction_rate: self.resource_eviction_rate,
            graceful_eviction_timeout: self.graceful_eviction_timeout,
            quota_sync_period: self.federated_resource_quota_sync_period,
            backoff: self.backoff(),
        })
    }

    /// The options of the controllers that face push members.
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
            backoff: self.backoff(),
            ..karmada_member::Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_well_formed() {
        <ManagerArgs as clap::CommandFactory>::command().debug_assert();
        let args = ManagerArgs::default();
        assert!(args.federation_options().is_ok());
        assert!(args.selection().unwrap().has("execution"));
    }
}
