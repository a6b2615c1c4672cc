//! Says what a plane is to be.

use std::collections::BTreeMap;
use std::time::Duration;

use karmada_simulator::SimulationConfig;
use serde_json::Value;

use crate::plane::Plane;

/// The entrance: [`Harness::builder`].
pub struct Harness;

impl Harness {
    /// A plane without members, with short periods.
    pub fn builder() -> Builder {
        Builder {
            members: Vec::new(),
            flags: BTreeMap::from(
                [
                    ("cluster-status-update-frequency", "500ms"),
                    ("cluster-success-threshold", "0s"),
                    ("cluster-failure-threshold", "500ms"),
                    ("cluster-monitor-period", "200ms"),
                    ("cluster-monitor-grace-period", "2s"),
                    ("cluster-startup-grace-period", "20s"),
                ]
                .map(|(flag, value)| (flag.to_owned(), value.to_owned())),
            ),
            agent_flags: BTreeMap::from(
                [
                    ("cluster-status-update-frequency", "500ms"),
                    ("cluster-success-threshold", "0s"),
                    ("cluster-failure-threshold", "500ms"),
                    ("cluster-lease-duration", "2s"),
                ]
                .map(|(flag, value)| (flag.to_owned(), value.to_owned())),
            ),
            gates: String::new(),
        }
    }
}

/// A member as it is to be.
#[derive(Clone)]
pub struct MemberPlan {
    pub(crate) name: String,
    pub(crate) pull: bool,
    pub(crate) labels: Value,
    pub(crate) provider: String,
    pub(crate) region: String,
    pub(crate) zone: String,
    pub(crate) simulation: SimulationConfig,
}

impl MemberPlan {
    fn new(name: &str, pull: bool) -> Self {
        let mut simulation = SimulationConfig::named(name);
        // Quick, and nothing in it but what the test puts there.
        simulation.timing.startup = Duration::from_millis(20);
        simulation.timing.job = Duration::from_millis(50);
        simulation.timing.termination = Duration::from_millis(10);
        simulation.system_objects = false;
        Self {
            name: name.to_owned(),
            pull,
            labels: Value::Null,
            provider: String::new(),
            region: String::new(),
            zone: String::new(),
            simulation,
        }
    }

    /// A push member.
    pub fn push(name: &str) -> Self {
        Self::new(name, false)
    }

    /// A pull member, with its agent.
    pub fn pull(name: &str) -> Self {
        Self::new(name, true)
    }

    /// Labels of the Cluster object, as a JSON object.
    #[must_use]
    pub fn labels(mut self, labels: Value) -> Self {
        self.labels = labels;
        self
    }

    /// Provider, region and zone of the Cluster object.
    #[must_use]
    pub fn place(mut self, provider: &str, region: &str, zone: &str) -> Self {
        (self.provider, self.region, self.zone) = (provider.to_owned(), region.to_owned(), zone.to_owned());
        self
    }

    /// The capacity of the member's node.
    #[must_use]
    pub fn capacity(mut self, resource: &str, amount: &str) -> Self {
        for node in &mut self.simulation.nodes {
            node.capacity.insert(resource.to_owned(), amount.to_owned());
        }
        self
    }

    /// Anything else of the simulation.
    #[must_use]
    pub fn simulation(mut self, change: impl FnOnce(&mut SimulationConfig)) -> Self {
        change(&mut self.simulation);
        self
    }
}

/// A plane as it is to be.
pub struct Builder {
    pub(crate) members: Vec<MemberPlan>,
    pub(crate) flags: BTreeMap<String, String>,
    pub(crate) agent_flags: BTreeMap<String, String>,
    pub(crate) gates: String,
}

impl Builder {
    /// With a push member.
    #[must_use]
    pub fn push(self, name: &str) -> Self {
        self.member(MemberPlan::push(name))
    }

    /// With a pull member and its agent.
    #[must_use]
    pub fn pull(self, name: &str) -> Self {
        self.member(MemberPlan::pull(name))
    }

    /// With a member.
    #[must_use]
    pub fn member(mut self, plan: MemberPlan) -> Self {
        self.members.push(plan);
        self
    }

    /// With a flag of the controller manager, named without dashes.
    #[must_use]
    pub fn manager_flag(mut self, flag: &str, value: &str) -> Self {
        self.flags.insert(flag.to_owned(), value.to_owned());
        self
    }

    /// With a flag of all agents, named without dashes.
    #[must_use]
    pub fn agent_flag(mut self, flag: &str, value: &str) -> Self {
        self.agent_flags.insert(flag.to_owned(), value.to_owned());
        self
    }

    /// With feature gates for all components, as `Name=true,Other=false`.
    #[must_use]
    pub fn feature_gates(mut self, gates: &str) -> Self {
        self.gates = gates.to_owned();
        self
    }

    /// Starts everything and waits until all members are ready.
    pub async fn start(self) -> Plane {
        Plane::start(self).await
    }
}

/// The command line of a component.
pub(crate) fn flags(component: &str, gates: &str, flags: &BTreeMap<String, String>) -> Vec<String> {
    let mut line = vec![component.to_owned()];
    if !gates.is_empty() {
        line.push(format!("--feature-gates={gates}"));
    }
    line.extend(flags.iter().map(|(flag, value)| format!("--{flag}={value}")));
    line
}
