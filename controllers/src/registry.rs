//! Which controllers there are.

use std::collections::BTreeSet;

/// A controller as `--controllers` knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Karmada's key.
    pub key: &'static str,
    /// Whether `*` includes it.
    pub on_by_default: bool,
    /// Whether it is there; one that is not yet is refused when named, and left out of `*`.
    pub available: bool,
}

const fn on(key: &'static str) -> Controller {
    Controller { key, on_by_default: true, available: true }
}

const fn named(key: &'static str) -> Controller {
    Controller { key, on_by_default: false, available: true }
}

const fn later(key: &'static str) -> Controller {
    Controller { key, on_by_default: true, available: false }
}

/// All of Karmada's keys.
pub const REGISTRY: [Controller; 27] = [
    on("cluster"),
    on("clusterStatus"),
    on("binding"),
    on("bindingStatus"),
    on("execution"),
    on("workStatus"),
    on("namespace"),
    later("serviceExport"),
    later("endpointSlice"),
    later("serviceImport"),
    on("unifiedAuth"),
    on("federatedResourceQuotaSync"),
    on("federatedResourceQuotaStatus"),
    on("federatedResourceQuotaEnforcement"),
    on("gracefulEviction"),
    on("applicationFailover"),
    later("federatedHorizontalPodAutoscaler"),
    later("cronFederatedHorizontalPodAutoscaler"),
    named("hpaScaleTargetMarker"),
    named("deploymentReplicasSyncer"),
    later("multiclusterservice"),
    later("endpointsliceCollect"),
    later("endpointsliceDispatch"),
    on("remedy"),
    on("workloadRebalancer"),
    on("agentcsrapproving"),
    on("clustertaintpolicy"),
];

/// Which controllers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(BTreeSet<&'static str>);

impl Selection {
    /// Reads `--controllers`: keys to turn on, `-key` to turn off, `*` for all that are on by default.
    ///
    /// # Errors
    /// A key that does not exist, or a controller that is named and not available yet.
    pub fn parse(items: &[String]) -> Result<Self, String> {
        let find = |key: &str| {
            REGISTRY
                .iter()
                .find(|c| c.key == key)
                .ok_or_else(|| format!("{key:?} is not in the list of known controllers"))
        };
        let mut chosen = BTreeSet::new();
        if items.iter().any(|i| i == "*") {
            chosen.extend(REGISTRY.iter().filter(|c| c.on_by_default && c.available).map(|c| c.key));
        }
        for item in items.iter().filter(|i| *i != "*") {
            match item.strip_prefix('-') {
                Some(key) => {
                    chosen.remove(find(key)?.key);
                }
                None => {
                    let controller = find(item)?;
                    if !controller.available {
                        return Err(format!("controller {item:?} is not available yet; see docs/status.md"));
                    }
                    chosen.insert(controller.key);
                }
            }
        }
        Ok(Self(chosen))
    }

    /// Whether the controller runs.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Selection, String> {
        Selection::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_star_takes_the_defaults_and_a_minus_takes_one_away() {
        let selection = parse("*,-namespace").unwrap();
        assert!(selection.has("binding") && !selection.has("namespace"));
        assert!(!selection.has("hpaScaleTargetMarker"));
        assert!(parse("*,hpaScaleTargetMarker").unwrap().has("hpaScaleTargetMarker"));
        assert!(parse("binding").unwrap().has("binding"));
        assert!(!parse("binding").unwrap().has("execution"));
    }

    #[test]
    fn unknown_and_missing_controllers_are_refused() {
        assert!(parse("*,nonsense").is_err());
        assert!(parse("multiclusterservice").unwrap_err().contains("not available yet"));
    }
}
