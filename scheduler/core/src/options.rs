//! What the operator sets: feature gates, plugins and modes.

use std::time::Duration;

/// The feature gates that decisions depend on, with Karmada's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// `CustomizedClusterResourceModeling`.
    pub customized_cluster_resource_modeling: bool,
    /// `MultiplePodTemplatesScheduling`.
    pub multiple_pod_templates_scheduling: bool,
    /// `WorkloadAffinity`.
    pub workload_affinity: bool,
    /// `SchedulingOvercommitProtection`.
    pub scheduling_overcommit_protection: bool,
    /// `PriorityBasedScheduling`.
    pub priority_based_scheduling: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            customized_cluster_resource_modeling: true,
            multiple_pod_templates_scheduling: false,
            workload_affinity: false,
            scheduling_overcommit_protection: false,
            priority_based_scheduling: true,
        }
    }
}

/// A filter or score of the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// The cluster serves the template's kind.
    ApiEnablement,
    /// The cluster's taints are tolerated.
    TaintToleration,
    /// The placement's affinity selects the cluster.
    ClusterAffinity,
    /// The cluster has the properties that spread constraints group by.
    SpreadConstraint,
    /// The cluster is not being left.
    ClusterEviction,
    /// Clusters in use score higher.
    ClusterLocality,
    /// Workloads that stay together.
    WorkloadAffinity,
    /// Workloads that stay apart.
    WorkloadAntiAffinity,
}

impl Plugin {
    /// All of them, in the order in which filters run.
    pub const ALL: [Self; 8] = [
        Self::ApiEnablement,
        Self::TaintToleration,
        Self::ClusterAffinity,
        Self::SpreadConstraint,
        Self::ClusterEviction,
        Self::WorkloadAffinity,
        Self::WorkloadAntiAffinity,
        Self::ClusterLocality,
    ];

    /// As `--plugins` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiEnablement => "APIEnablement",
            Self::TaintToleration => "TaintToleration",
            Self::ClusterAffinity => "ClusterAffinity",
            Self::SpreadConstraint => "SpreadConstraint",
            Self::ClusterEviction => "ClusterEviction",
            Self::ClusterLocality => "ClusterLocality",
            Self::WorkloadAffinity => "WorkloadAffinity",
            Self::WorkloadAntiAffinity => "WorkloadAntiAffinity",
        }
    }
}

/// The plugins that are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plugins {
    disabled: u16,
}

/// A plugin that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scheduler plugin {0:?}")]
pub struct UnknownPlugin(pub String);

impl Plugins {
    /// Reads a list as `--plugins` has it: `*` for all, a name for one, `-name` to switch one off.
    ///
    /// # Errors
    /// When a name is unknown.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownPlugin> {
        let (mut all, mut on, mut off) = (false, 0_u16, 0_u16);
        for entry in list.into_iter().map(str::trim).filter(|entry| !entry.is_empty()) {
            if entry == "*" {
                all = true;
                continue;
            }
            let name = entry.strip_prefix('-');
            let plugin = Plugin::ALL
                .into_iter()
                .find(|plugin| plugin.name() == name.unwrap_or(entry))
                .ok_or_else(|| UnknownPlugin(entry.to_owned()))?;
            *(if name.is_some() { &mut off } else { &mut on }) |= 1 << plugin as u16;
        }
        let everything = (1_u16 << Plugin::ALL.len()) - 1;
        let enabled = (on | if all { everything } else { 0 }) & !(off & !on);
        Ok(Self { disabled: everything & !enabled })
    }

    /// Whether a plugin is on.
    #[must_use]
    pub const fn has(self, plugin: Plugin) -> bool {
        self.disabled & (1 << plugin as u16) == 0
    }
}

/// Everything that decisions depend on besides the clusters and the binding.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name under which bindings ask for this scheduler.
    pub scheduler_name: String,
    /// Feature gates.
    pub gates: Gates,
    /// Filters and scores.
    pub plugins: Plugins,
    /// Whether selected clusters without replicas get the workload with none.
    pub empty_workload_propagation: bool,
    /// Whether traces list every cluster.
    pub detailed_trace: bool,
    /// A clock for the timings in traces; decisions do not depend on it.
    pub clock: Option<fn() -> Duration>,
}

impl Options {
    /// The scheduler name of bindings that do not say any.
    pub const DEFAULT_SCHEDULER: &'static str = "default-scheduler";
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scheduler_name: Self::DEFAULT_SCHEDULER.to_owned(),
            gates: Gates::default(),
            plugins: Plugins::default(),
            empty_workload_propagation: false,
            detailed_trace: false,
            clock: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_lists() {
        let on = |list: &[&str]| -> Vec<&str> {
            let plugins = Plugins::parse(list.iter().copied()).unwrap();
            Plugin::ALL.into_iter().filter(|plugin| plugins.has(*plugin)).map(Plugin::name).collect()
        };
        assert_eq!(on(&["*"]).len(), 8);
        assert_eq!(on(&["*", "-ClusterLocality"]).len(), 7);
        assert_eq!(on(&["APIEnablement"]), ["APIEnablement"]);
        assert!(Plugins::parse(["Nope"]).is_err());
    }
}
