//! Placements in the form that decisions are made from, compiled once and shared by content.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::{ClusterAffinity, Placement, StaticWeight, Taint, Toleration};

/// How replicas are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Every cluster gets all replicas.
    Duplicated,
    /// By fixed weights; none given means equal ones.
    Static(Vec<StaticWeight>),
    /// By the replicas that clusters have room for.
    Dynamic,
    /// On as few clusters as possible.
    Aggregated,
    /// Something else, by type and preference; there is no way to divide by it.
    Unsupported(String, String),
}

/// At least and at most so many groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least.
    pub min: i64,
    /// At most.
    pub max: i64,
}

/// How many clusters or regions to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All feasible clusters.
    All,
    /// Some clusters.
    Clusters(Bounds),
    /// Some regions, and some clusters in them.
    Regions {
        /// How many regions.
        regions: Bounds,
        /// How many clusters; zeros when not constrained.
        clusters: Bounds,
    },
    /// A constraint that there is no way to act upon.
    Unsupported,
}

/// An affinity term: where to go first, and where with what does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// The clusters to fill first.
    pub primary: ClusterAffinity,
    /// The clusters that take the rest, in order.
    pub overflow: Vec<ClusterAffinity>,
}

/// Which cluster properties spread constraints ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) provider: bool,
    pub(crate) region: bool,
    pub(crate) zones: bool,
}

/// A placement, ready to be decided upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledPlacement {
    /// The placement as written.
    pub source: Placement,
    /// Its canonical text.
    pub canonical: String,
    /// How replicas are divided.
    pub strategy: Strategy,
    /// How clusters are spread.
    pub spread: Spread,
    /// The single affinity, when there are no terms.
    pub affinity: Option<ClusterAffinity>,
    /// The ordered terms.
    pub terms: Vec<Term>,
    /// Whether one cluster constraint asks for exactly one cluster.
    pub(crate) single_cluster: bool,
    pub(crate) properties: Properties,
}

impl CompiledPlacement {
    /// Compiles a placement.
    #[must_use]
    pub fn new(source: Placement) -> Self {
        let strategy = strategy(&source);
        let properties = Properties {
            provider: uses(&source, "provider"),
            region: uses(&source, "region"),
            zones: uses(&source, "zone"),
        };
        let terms = source
            .cluster_affinities
            .iter()
            .map(|term| Term {
                name: term.affinity_name.clone(),
                primary: term.affinity.clone(),
                overflow: term.overflow_affinities.iter().map(|overflow| overflow.affinity.clone()).collect(),
            })
            .collect();
        let single_cluster = source.spread_constraints.iter().any(|constraint| {
            constraint.spread_by_field == "cluster" && (constraint.min_groups, constraint.max_groups) == (1, 1)
        });
        Self {
            canonical: source.canonical(),
            spread: spread(&source),
            affinity: source.cluster_affinity.clone(),
            strategy,
            terms,
            single_cluster,
            properties,
            source,
        }
    }

    /// Whether every cluster gets all replicas.
    #[must_use]
    pub fn is_duplicated(&self) -> bool {
        self.strategy == Strategy::Duplicated
    }

    /// Whether a taint keeps workloads of this placement off a cluster.
    pub(crate) fn repels(&self, taint: &Taint) -> bool {
        matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
            && !self.source.cluster_tolerations.iter().any(|toleration| tolerates(toleration, taint))
    }

    /// The term with which to begin, given the one in use.
    pub(crate) fn term_index(&self, observed: &str) -> usize {
        if observed.is_empty() {
            return 0;
        }
        self.terms.iter().position(|term| term.name == observed).unwrap_or(0)
    }
}

fn uses(placement: &Placement, field: &str) -> bool {
    placement.spread_constraints.iter().any(|constraint| constraint.spread_by_field == field)
}

fn strategy(placement: &Placement) -> Strategy {
    let Some(how) = &placement.replica_scheduling else {
        return Strategy::Duplicated;
    };
    let weights = how.weight_preference.as_ref();
    match (how.replica_scheduling_type.as_str(), how.replica_division_preference.as_str()) {
        ("Duplicated", _) => Strategy::Duplicated,
        ("Divided", "Aggregated") => Strategy::Aggregated,
        ("Divided", "Weighted") if weights.is_some_and(|weights| !weights.dynamic_weight.is_empty()) => {
            Strategy::Dynamic
        }
        ("Divided", "Weighted") => {
            Strategy::Static(weights.map(|weights| weights.static_weight_list.clone()).unwrap_or_default())
        }
        (kind, preference) => Strategy::Unsupported(kind.to_owned(), preference.to_owned()),
    }
}

fn spread(placement: &Placement) -> Spread {
    if placement.spread_constraints.is_empty() || ignores_spread(placement) {
        return Spread::All;
    }
    let bounds = |field: &str| {
        // The last constraint on a field counts.
        let constraint = placement.spread_constraints.iter().rev().find(|it| it.spread_by_field == field)?;
        Some(Bounds { min: constraint.min_groups, max: constraint.max_groups })
    };
    match (bounds("region"), bounds("cluster")) {
        (Some(regions), clusters) => Spread::Regions { regions, clusters: clusters.unwrap_or_default() },
        (None, Some(clusters)) => Spread::Clusters(clusters),
        (None, None) => Spread::Unsupported,
    }
}

/// Fixed weights name the clusters to use, so they overrule spread constraints.
fn ignores_spread(placement: &Placement) -> bool {
    placement.replica_scheduling.as_ref().is_some_and(|how| {
        how.replica_scheduling_type == "Divided"
            && how.replica_division_preference == "Weighted"
            && how
                .weight_preference
                .as_ref()
                .is_none_or(|weights| !weights.static_weight_list.is_empty() && weights.dynamic_weight.is_empty())
    })
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    (toleration.effect.is_empty() || toleration.effect == taint.effect)
        && (toleration.key.is_empty() || toleration.key == taint.key)
        && match toleration.operator.as_str() {
            "" | "Equal" => toleration.value == taint.value,
            "Exists" => true,
            _ => false,
        }
}

/// Compiled placements by content.
///
/// Thousands of bindings share a policy; they share its compiled form too. Entries that nobody uses are dropped when
/// the cache has doubled since it was last swept.
#[derive(Debug, Default)]
pub struct PlacementCache {
    by_content: HashMap<Placement, Arc<CompiledPlacement>>,
    sweep_at: usize,
}

impl PlacementCache {
    /// The compiled form of a placement.
    pub fn compile(&mut self, placement: Placement) -> Arc<CompiledPlacement> {
        if let Some(compiled) = self.by_content.get(&placement) {
            return compiled.clone();
        }
        if self.by_content.len() >= self.sweep_at.max(64) {
            self.by_content.retain(|_, compiled| Arc::strong_count(compiled) > 1);
            self.sweep_at = self.by_content.len() * 2;
        }
        let compiled = Arc::new(CompiledPlacement::new(placement.clone()));
        self.by_content.insert(placement, compiled.clone());
        compiled
    }

    /// How many placements are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_content.len()
    }

    /// Whether no placement is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_content.is_empty()
    }
}
