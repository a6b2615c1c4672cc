//! Replicas that were promised to clusters and do not show in their summaries yet.
//!
//! Used with the gate `SchedulingOvercommitProtection`: between a decision and the moment at which the pods count as
//! allocated in the cluster's status, another decision would see the same room again. An assumption ends when the
//! workload is healthy in the cluster, when the binding leaves the cluster, or after [`LIFETIME`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hashbrown::HashMap;

use crate::{model::Binding, quantity::Quantity};

/// After this an assumption no longer counts: whatever it stood for has either started or failed.
pub(crate) const LIFETIME: Duration = Duration::from_secs(300);

/// Resources by name.
pub(crate) type Request = Arc<BTreeMap<String, Quantity>>;

/// Replicas promised to a cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assumed {
    pub(crate) replicas: i64,
    pub(crate) request: Request,
    since: Duration,
}

/// All assumptions, by cluster and binding.
#[derive(Clone, Debug, Default)]
pub struct Assumptions {
    by_cluster: HashMap<String, BTreeMap<String, Vec<Assumed>>>,
    by_binding: HashMap<String, Vec<String>>,
}

impl Assumptions {
    /// Replaces what is assumed of a binding by its replicas in these clusters; `now` counts from any fixed moment.
    pub fn assume(&mut self, binding: &Binding, clusters: &[crate::model::TargetCluster], now: Duration) {
        let key = binding.key();
        self.release(&key);
        let request = |requirements: Option<&crate::model::Requirements>| {
            Arc::new(requirements.map(|it| it.resource_request.clone()).unwrap_or_default())
        };
        let whole = request(binding.spec.replica_requirements.as_ref());
        for target in clusters {
            let mut promised = Vec::new();
            if target.components.is_empty() {
                promised.push(Assumed { replicas: i64::from(target.replicas), request: whole.clone(), since: now });
            }
            for part in &target.components {
                let component = binding.spec.components.iter().find(|component| component.name == part.name);
                let request = request(component.and_then(|component| component.replica_requirements.as_ref()));
                promised.push(Assumed { replicas: i64::from(part.replicas), request, since: now });
            }
            promised.retain(|assumed| assumed.replicas > 0);
            if !promised.is_empty() {
                self.by_cluster.entry_ref(target.name.as_str()).or_default().insert(key.clone(), promised);
                self.by_binding.entry_ref(key.as_str()).or_default().push(target.name.clone());
            }
        }
    }

    /// Ends what is assumed of a binding.
    pub fn release(&mut self, key: &str) {
        for cluster in self.by_binding.remove(key).unwrap_or_default() {
            self.forget(&cluster, key);
        }
    }

    /// Ends what is assumed of a binding in one cluster.
    pub fn release_in(&mut self, key: &str, cluster: &str) {
        if let Some(clusters) = self.by_binding.get_mut(key) {
            clusters.retain(|other| other != cluster);
            if clusters.is_empty() {
                self.by_binding.remove(key);
            }
            self.forget(cluster, key);
        }
    }

    /// Ends what the binding itself contradicts: clusters that it left or in which it is healthy.
    pub fn observe(&mut self, binding: &Binding) {
        let key = binding.key();
        for cluster in self.by_binding.get(key.as_str()).cloned().unwrap_or_default() {
            let left = !binding.spec.clusters.iter().any(|target| target.name == cluster);
            let healthy = binding
                .status
                .aggregated_status
                .iter()
                .any(|item| item.cluster_name == cluster && item.health == "Healthy");
            if left || healthy {
                self.release_in(&key, &cluster);
            }
        }
    }

    /// Ends what is older than [`LIFETIME`].
    pub fn expire(&mut self, now: Duration) {
        let old: Vec<(String, String)> = self
            .by_cluster
            .iter()
            .flat_map(|(cluster, bindings)| {
                bindings
                    .iter()
                    .filter(|(_, promised)| promised.iter().all(|it| now.saturating_sub(it.since) > LIFETIME))
                    .map(|(key, _)| (key.clone(), cluster.clone()))
            })
            .collect();
        for (key, cluster) in old {
            self.release_in(&key, &cluster);
        }
    }

    /// Whether nothing is assumed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_cluster.is_empty()
    }

    /// What is promised to a cluster.
    pub(crate) fn of(&self, cluster: &str) -> impl Iterator<Item = &Assumed> {
        self.by_cluster.get(cluster).into_iter().flat_map(BTreeMap::values).flatten()
    }

    fn forget(&mut self, cluster: &str, key: &str) {
        if let Some(bindings) = self.by_cluster.get_mut(cluster) {
            bindings.remove(key);
            if bindings.is_empty() {
                self.by_cluster.remove(cluster);
            }
        }
    }
}
