//! Karmada's feature gates: one typed table and the parser of `--feature-gates`.

use std::collections::BTreeMap;

/// How finished a feature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// May change or go away; off unless asked for.
    Alpha,
    /// Well tested.
    Beta,
}

macro_rules! gates {
    ($($(#[$doc:meta])* $name:ident = $default:literal $stage:ident;)*) => {
        /// A feature that can be turned on or off when a component starts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Feature { $($(#[$doc])* $name,)* }

        impl Feature {
            /// Every feature.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The feature's name in `--feature-gates`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Whether the feature is on unless somebody says otherwise.
            #[must_use]
            pub const fn default_enabled(self) -> bool {
                match self { $(Self::$name => $default,)* }
            }

            /// How finished the feature is.
            #[must_use]
            pub const fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage,)* }
            }
        }
    };
}

gates! {
    /// Workloads move away from failed clusters.
    Failover = false Beta;
    /// Workloads leave a cluster only when they run elsewhere.
    GracefulEviction = true Beta;
    /// Resources that a workload refers to follow it.
    PropagateDeps = true Beta;
    /// Clusters may define their own grades of nodes.
    CustomizedClusterResourceModeling = true Beta;
    /// Policies may take resources over from policies of lower priority.
    PropagationPolicyPreemption = false Alpha;
    /// Services over clusters by MultiClusterService.
    MultiClusterService = false Alpha;
    /// Estimators look at ResourceQuota.
    ResourceQuotaEstimate = false Alpha;
    /// State of a workload is carried to its new cluster as labels.
    StatefulFailoverInjection = false Alpha;
    /// Bindings are scheduled in the order of their priority.
    PriorityBasedScheduling = true Beta;
    /// FederatedResourceQuota is enforced when bindings are written.
    FederatedQuotaEnforcement = false Alpha;
    /// Alpha options of logging.
    LoggingAlphaOptions = false Alpha;
    /// Beta options of logging.
    LoggingBetaOptions = true Beta;
    /// Log lines carry their context.
    ContextualLogging = true Beta;
    /// Workloads with several pod templates are scheduled by component.
    MultiplePodTemplatesScheduling = false Alpha;
    /// Controllers serve urgent objects first.
    ControllerPriorityQueue = true Beta;
    /// Workloads are kept together or apart by groups.
    WorkloadAffinity = false Alpha;
    /// The scheduler counts what it has placed but clusters haven't reported yet.
    SchedulingOvercommitProtection = false Alpha;
}

impl Feature {
    /// The feature of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.name() == name)
    }
}

/// Why a `--feature-gates` value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such feature.
    #[error("unrecognized feature gate: {0}")]
    Unknown(String),
    /// Not of the form `name=value`.
    #[error("missing bool value for {0}")]
    MissingValue(String),
    /// The value isn't a boolean.
    #[error("invalid value of {name}={value}, err: strconv.ParseBool: parsing {value:?}: invalid syntax")]
    InvalidValue {
        /// The feature.
        name: String,
        /// What stands for its value.
        value: String,
    },
}

/// Which features are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureGates {
    set: BTreeMap<Feature, bool>,
    all_alpha: Option<bool>,
    all_beta: Option<bool>,
}

impl FeatureGates {
    /// Parses `A=true,B=false,AllAlpha=true`. A feature's own setting outranks AllAlpha and AllBeta, wherever it
    /// stands; the last of several settings counts.
    ///
    /// # Errors
    /// Fails on unknown features and on values that aren't booleans.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut gates = Self::default();
        gates.apply(text)?;
        Ok(gates)
    }

    /// Adds the settings of this text to those that are already there.
    ///
    /// # Errors
    /// Fails on unknown features and on values that aren't booleans.
    pub fn apply(&mut self, text: &str) -> Result<(), Error> {
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let Some((name, value)) = item.split_once('=') else {
                return Err(Error::MissingValue(item.to_owned()));
            };
            let (name, value) = (name.trim(), value.trim());
            let on = parse_bool(value)
                .ok_or_else(|| Error::InvalidValue { name: name.to_owned(), value: value.to_owned() })?;
            match name {
                "AllAlpha" => self.all_alpha = Some(on),
                "AllBeta" => self.all_beta = Some(on),
                _ => {
                    let feature = Feature::parse(name).ok_or_else(|| Error::Unknown(name.to_owned()))?;
                    self.set.insert(feature, on);
                }
            }
        }
        Ok(())
    }

    /// Turns one feature on or off.
    pub fn set(&mut self, feature: Feature, on: bool) {
        self.set.insert(feature, on);
    }

    /// Whether the feature is on.
    #[must_use]
    pub fn enabled(&self, feature: Feature) -> bool {
        if let Some(on) = self.set.get(&feature) {
            return *on;
        }
        let all = match feature.stage() {
            Stage::Alpha => self.all_alpha,
            Stage::Beta => self.all_beta,
        };
        all.unwrap_or_else(|| feature.default_enabled())
    }
}

impl std::str::FromStr for FeatureGates {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl std::fmt::Display for FeatureGates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [("AllAlpha", self.all_alpha), ("AllBeta", self.all_beta)];
        let all = all.into_iter().filter_map(|(name, on)| on.map(|on| (name, on)));
        let own = self.set.iter().map(|(feature, on)| (feature.name(), *on));
        for (i, (name, on)) in all.chain(own).enumerate() {
            write!(f, "{}{name}={on}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// Booleans as Go's flag parser takes them.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_ranks() {
        let gates = FeatureGates::parse("Failover=true, AllAlpha=true,MultiClusterService=false").unwrap();
        assert!(gates.enabled(Feature::Failover));
        assert!(gates.enabled(Feature::WorkloadAffinity));
        assert!(!gates.enabled(Feature::MultiClusterService));
        assert!(gates.enabled(Feature::GracefulEviction));
        assert_eq!(FeatureGates::parse(&gates.to_string()).unwrap(), gates);
        assert_eq!(FeatureGates::parse("").unwrap(), FeatureGates::default());
        assert!(!FeatureGates::default().enabled(Feature::Failover));
    }

    #[test]
    fn refuses() {
        assert_eq!(FeatureGates::parse("Nope=true"), Err(Error::Unknown("Nope".into())));
        assert_eq!(FeatureGates::parse("Failover"), Err(Error::MissingValue("Failover".into())));
        assert!(matches!(FeatureGates::parse("Failover=maybe"), Err(Error::InvalidValue { .. })));
    }
}
