//! Filters and scores: which clusters are feasible, in which order.
//!
//! Nearly everything here is the same for all bindings of a policy with the same needs, so it is computed once as a
//! [`Pool`] and shared by a batch. A binding differs from it only in the clusters it already has, the clusters it is
//! leaving, its affinity groups and accurate estimates; [`Feasible`] lays these over the pool.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, sync::Arc};

use fixedbitset::FixedBitSet;

use crate::{
    affinity::select,
    availability::{Demand, Estimates, Estimator, UNLIMITED},
    compile::CompiledPlacement,
    decision::{AvailabilitySource, CandidateTrace, ClusterTrace},
    model::{AffinityGroups, Binding, TemplateReference},
    options::{Options, Plugin},
    snapshot::{Slot, Snapshot},
};

/// The tier of a cluster that no affinity of the term selects.
const NO_TIER: u32 = 1000;

/// The score of a cluster in use.
const LOCALITY: i64 = 100;

/// A feasible cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) slot: Slot,
    /// Place in the order of names.
    pub(crate) rank: u32,
    /// 0 for the primary affinity, then one more for each overflow affinity.
    pub(crate) tier: u32,
    pub(crate) score: i64,
    /// Replicas that it has room for besides those it has.
    pub(crate) allocatable: i64,
    /// Replicas that it has.
    pub(crate) assigned: i64,
}

impl Candidate {
    pub(crate) const fn available(&self) -> i64 {
        self.allocatable.saturating_add(self.assigned)
    }
}

/// The order of preference.
pub(crate) fn preference(a: &Candidate, b: &Candidate) -> Ordering {
    a.tier
        .cmp(&b.tier)
        .then_with(|| b.score.cmp(&a.score))
        .then_with(|| b.available().cmp(&a.available()))
        .then_with(|| a.rank.cmp(&b.rank))
}

/// What decides about a pool; bindings with equal keys share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    placement: usize,
    pub(crate) term: Option<usize>,
    api_version: String,
    kind: String,
    workload: bool,
    demand: Demand,
}

impl PoolKey {
    pub(crate) fn new(placement: &Arc<CompiledPlacement>, term: Option<usize>, binding: &Binding, sets: bool) -> Self {
        Self {
            // Compiled placements are shared by content, and the batch keeps them alive while keys are compared.
            placement: Arc::as_ptr(placement).addr(),
            term,
            api_version: binding.spec.resource.api_version.clone(),
            kind: binding.spec.resource.kind.clone(),
            workload: binding.spec.is_workload(),
            demand: Demand::of(&binding.spec, sets),
        }
    }
}

/// The clusters that are feasible for a binding without clusters, in the order of preference.
pub(crate) struct Pool {
    serving: Option<FixedBitSet>,
    repelling: FixedBitSet,
    selected: Option<FixedBitSet>,
    tiers: Option<Vec<FixedBitSet>>,
    complete: Option<FixedBitSet>,
    demand: Demand,
    candidates: Vec<Candidate>,
}

impl Pool {
    pub(crate) fn build(
        snapshot: &Snapshot,
        placement: &CompiledPlacement,
        key: PoolKey,
        template: &TemplateReference,
        options: &Options,
    ) -> Self {
        let has = |plugin| options.plugins.has(plugin);
        let serving = has(Plugin::ApiEnablement).then(|| {
            let kinds = snapshot.apis.get(&template.api_version);
            kinds.and_then(|kinds| kinds.get(&template.kind)).cloned().unwrap_or_default()
        });
        let mut repelling = FixedBitSet::with_capacity(snapshot.width());
        if has(Plugin::TaintToleration) {
            for (taint, bits) in snapshot.taints.iter() {
                if placement.repels(taint) {
                    repelling.union_with(bits);
                }
            }
        }
        let term = key.term.and_then(|index| placement.terms.get(index));
        let tiers = term.map(|term| {
            let overflow = if key.workload { &term.overflow[..] } else { &[] };
            std::iter::once(&term.primary).chain(overflow).map(|affinity| select(snapshot, affinity)).collect()
        });
        let selected = has(Plugin::ClusterAffinity)
            .then(|| match (&tiers, &placement.affinity) {
                (Some(tiers), _) => {
                    let tiers: &Vec<FixedBitSet> = tiers;
                    let mut any = FixedBitSet::with_capacity(snapshot.width());
                    for tier in tiers {
                        any.union_with(tier);
                    }
                    Some(any)
                }
                (None, Some(affinity)) => Some(select(snapshot, affinity)),
                (None, None) => None,
            })
            .flatten();
        let complete = has(Plugin::SpreadConstraint).then(|| {
            let mut complete = snapshot.present.clone();
            let properties = placement.properties;
            for (wanted, column) in [
                (properties.provider, &snapshot.provider),
                (properties.region, &snapshot.region),
                (properties.zones, &snapshot.zones),
            ] {
                if wanted {
                    complete.intersect_with(&column.any);
                }
            }
            complete
        });
        let mut pool =
            Self { serving, repelling, selected, tiers, complete, demand: key.demand, candidates: Vec::new() };
        let mut feasible = snapshot.present.clone();
        feasible.difference_with(&snapshot.deleting);
        feasible.difference_with(&pool.repelling);
        for bits in [&pool.serving, &pool.selected, &pool.complete].into_iter().flatten() {
            feasible.intersect_with(bits);
        }
        let estimator = Estimator::new(snapshot, &pool.demand, options.gates.customized_cluster_resource_modeling);
        let mut candidates: Vec<Candidate> = feasible
            .ones()
            .map(|at| {
                let slot = at as Slot;
                Candidate {
                    slot,
                    rank: snapshot.rank_of(slot),
                    tier: pool.tier(at),
                    score: 0,
                    allocatable: estimator.estimate(slot),
                    assigned: 0,
                }
            })
            .collect();
        candidates.sort_unstable_by(preference);
        pool.candidates = candidates;
        pool
    }

    fn tier(&self, at: usize) -> u32 {
        match &self.tiers {
            None => 0,
            Some(tiers) => (0..).zip(tiers).find(|(_, bits)| bits.contains(at)).map_or(NO_TIER, |(tier, _)| tier),
        }
    }

    fn keeps(&self, at: usize) -> bool {
        self.selected.as_ref().is_none_or(|bits| bits.contains(at))
            && self.complete.as_ref().is_none_or(|bits| bits.contains(at))
    }
}

/// A binding's feasible clusters.
pub(crate) struct Feasible<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) binding: &'a Binding,
    options: &'a Options,
    placement: &'a CompiledPlacement,
    pool: &'a Pool,
    groups: Option<&'a AffinityGroups>,
    key: String,
    /// Clusters that the pool does not speak for: those in use and those being left.
    special: FixedBitSet,
    evicted: FixedBitSet,
    /// The feasible ones among the special clusters, in the order of preference.
    kept: Vec<Candidate>,
    /// Everything, when accurate estimates or groups left no use for the pool's order.
    sorted: Option<Vec<Candidate>>,
    estimates: Option<&'a Estimates>,
    fallback: i64,
}

impl<'a> Feasible<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        binding: &'a Binding,
        placement: &'a CompiledPlacement,
        pool: &'a Pool,
        estimates: Option<&'a Estimates>,
        options: &'a Options,
    ) -> Self {
        let width = snapshot.width();
        let mut special = FixedBitSet::with_capacity(width);
        let mut evicted = FixedBitSet::with_capacity(width);
        if options.plugins.has(Plugin::ClusterEviction) {
            for task in &binding.spec.graceful_eviction_tasks {
                if let Some(slot) = snapshot.slot(&task.from_cluster) {
                    evicted.insert(slot as usize);
                }
            }
            special.union_with(&evicted);
        }
        let groups = binding.spec.workload_affinity_groups.as_ref().filter(|_| {
            options.gates.workload_affinity && binding.metadata.namespace.is_some() && !snapshot.peers.is_empty()
        });
        let mut feasible = Self {
            snapshot,
            binding,
            options,
            placement,
            pool,
            groups,
            key: if groups.is_some() { binding.key() } else { String::new() },
            special,
            evicted,
            kept: Vec::new(),
            sorted: None,
            estimates,
            fallback: i64::from(binding.spec.replicas),
        };
        let estimator = Estimator::new(snapshot, &pool.demand, options.gates.customized_cluster_resource_modeling);
        let score = if options.plugins.has(Plugin::ClusterLocality) { LOCALITY } else { 0 };
        let mut kept = Vec::with_capacity(binding.spec.clusters.len());
        for target in &binding.spec.clusters {
            let Some(slot) = snapshot.slot(&target.name) else {
                continue;
            };
            let at = slot as usize;
            let again = feasible.special.put(at) && !feasible.evicted.contains(at);
            if again || feasible.evicted.contains(at) || snapshot.deleting.contains(at) || !pool.keeps(at) {
                continue;
            }
            kept.push(feasible.refine(Candidate {
                slot,
                rank: snapshot.rank_of(slot),
                tier: pool.tier(at),
                score,
                allocatable: estimator.estimate(slot),
                assigned: i64::from(target.replicas),
            }));
        }
        kept.sort_unstable_by(preference);
        feasible.kept = kept;
        if groups.is_some() || estimates.is_some() {
            let mut all: Vec<Candidate> = feasible.merged().collect();
            all.sort_unstable_by(preference);
            feasible.sorted = Some(all);
        }
        feasible
    }

    /// Applies what only the binding knows to a candidate's room.
    fn refine(&self, mut candidate: Candidate) -> Candidate {
        if self.pool.demand == Demand::Nothing {
            return candidate;
        }
        if let Some(limit) =
            self.estimates.and_then(|estimates| estimates.get(&self.snapshot.facts(candidate.slot).name))
        {
            candidate.allocatable = candidate.allocatable.min(i64::from(limit));
        }
        if candidate.allocatable == UNLIMITED {
            candidate.allocatable = self.fallback;
        }
        candidate
    }

    /// The pool without the special clusters, merged with the feasible ones among them.
    fn merged(&self) -> impl Iterator<Item = Candidate> + '_ {
        let mut pool = self
            .pool
            .candidates
            .iter()
            .filter(|candidate| {
                !self.special.contains(candidate.slot as usize) && self.group_reason(candidate.slot).is_none()
            })
            .map(|candidate| self.refine(*candidate))
            .peekable();
        let mut kept = self.kept.iter().copied().peekable();
        std::iter::from_fn(move || match (pool.peek(), kept.peek()) {
            (Some(a), Some(b)) if preference(a, b) == Ordering::Less => pool.next(),
            (_, Some(_)) => kept.next(),
            (_, None) => pool.next(),
        })
    }

    /// The feasible clusters in the order of preference.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = Candidate> + '_> {
        match &self.sorted {
            Some(sorted) => Box::new(sorted.iter().copied()),
            None => Box::new(self.merged()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.sorted {
            Some(sorted) => sorted.len(),
            None => {
                let hidden = self.special.ones().filter(|at| self.in_pool(*at)).count();
                self.pool.candidates.len() - hidden + self.kept.len()
            }
        }
    }

    fn in_pool(&self, at: usize) -> bool {
        self.pool.keeps(at)
            && self.snapshot.present.contains(at)
            && !self.snapshot.deleting.contains(at)
            && !self.pool.repelling.contains(at)
            && self.pool.serving.as_ref().is_none_or(|bits| bits.contains(at))
    }

    fn group_reason(&self, slot: Slot) -> Option<&'static str> {
        let groups = self.groups?;
        let namespace = self.binding.metadata.namespace.as_deref()?;
        let cluster = &self.snapshot.facts(slot).name;
        let peers = &self.snapshot.peers;
        let plugins = self.options.plugins;
        if !groups.affinity_group.is_empty()
            && plugins.has(Plugin::WorkloadAffinity)
            && peers.someone_is_elsewhere(namespace, &groups.affinity_group, &self.key, cluster)
        {
            return Some("ResourceBinding with the same affinity group does not target this cluster");
        }
        if !groups.anti_affinity_group.is_empty()
            && plugins.has(Plugin::WorkloadAntiAffinity)
            && peers.someone_is_there(namespace, &groups.anti_affinity_group, &self.key, cluster)
        {
            return Some("cluster already has workload with the same anti-affinity group");
        }
        None
    }

    /// Why a cluster is not feasible.
    pub(crate) fn reason(&self, slot: Slot) -> Option<Cow<'static, str>> {
        let at = slot as usize;
        let cluster = &self.snapshot.facts(slot).cluster;
        let target = self.binding.spec.clusters.iter().any(|target| target.name == cluster.metadata.name);
        let pool = self.pool;
        if !target && pool.serving.as_ref().is_some_and(|bits| !bits.contains(at)) {
            return Some("cluster(s) did not have the API resource".into());
        }
        if !target && pool.repelling.contains(at) {
            let taint = cluster.spec.taints.iter().find(|taint| self.placement.repels(taint))?;
            let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
            return Some(format!("cluster(s) had untolerated taint {{{}{value}:{}}}", taint.key, taint.effect).into());
        }
        if pool.selected.as_ref().is_some_and(|bits| !bits.contains(at)) {
            return Some("cluster(s) did not match the placement cluster affinity constraint".into());
        }
        if pool.complete.as_ref().is_some_and(|bits| !bits.contains(at)) {
            let missing = self.placement.source.spread_constraints.iter().find_map(|constraint| {
                match constraint.spread_by_field.as_str() {
                    "provider" if cluster.spec.provider.is_empty() => Some("provider"),
                    "region" if cluster.spec.region.is_empty() => Some("region"),
                    "zone" if cluster.spec.zones.is_empty() => Some("zones"),
                    _ => None,
                }
            })?;
            return Some(format!("cluster(s) did not have {missing} property").into());
        }
        if self.evicted.contains(at) {
            return Some("cluster(s) is in the process of eviction".into());
        }
        if target { None } else { self.group_reason(slot).map(Cow::Borrowed) }
    }

    /// The message when no cluster is feasible.
    pub(crate) fn fit_error(&self) -> String {
        let mut counts: BTreeMap<Cow<'static, str>, usize> = BTreeMap::new();
        for slot in self.snapshot.by_name() {
            if !self.snapshot.deleting.contains(*slot as usize)
                && let Some(reason) = self.reason(*slot)
            {
                *counts.entry(reason).or_default() += 1;
            }
        }
        let all = self.snapshot.len();
        if counts.is_empty() {
            return format!("0/{all} clusters are available: no cluster exists.");
        }
        let mut reasons: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort_unstable();
        format!("0/{all} clusters are available: {}.", reasons.join(", "))
    }

    pub(crate) fn trace(&self, candidate: &Candidate) -> CandidateTrace {
        let name = self.snapshot.facts(candidate.slot).name.to_string();
        let source = if self.pool.demand == Demand::Nothing {
            AvailabilitySource::NotAsked
        } else if self
            .estimates
            .and_then(|estimates| estimates.get(&name))
            .is_some_and(|limit| i64::from(limit) == candidate.allocatable)
        {
            AvailabilitySource::Estimator
        } else if self.options.gates.customized_cluster_resource_modeling
            && self.snapshot.modeled.contains(candidate.slot as usize)
        {
            AvailabilitySource::ResourceModels
        } else {
            AvailabilitySource::ResourceSummary
        };
        CandidateTrace {
            name,
            score: candidate.score,
            tier: candidate.tier,
            allocatable: candidate.allocatable,
            assigned: candidate.assigned,
            source,
        }
    }

    /// Every cluster's way through the filters.
    pub(crate) fn trace_all(&self) -> Vec<ClusterTrace> {
        let candidates: hashbrown::HashMap<Slot, Candidate> =
            self.iter().map(|candidate| (candidate.slot, candidate)).collect();
        self.snapshot
            .by_name()
            .iter()
            .map(|slot| ClusterTrace {
                name: self.snapshot.facts(*slot).name.to_string(),
                filtered: if self.snapshot.deleting.contains(*slot as usize) {
                    Some("cluster(s) is being deleted".to_owned())
                } else {
                    self.reason(*slot).map(Cow::into_owned)
                },
                candidate: candidates.get(slot).map(|candidate| self.trace(candidate)),
            })
            .collect()
    }
}
