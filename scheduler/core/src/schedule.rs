//! One decision: trigger, affinity terms in order, result.

use std::{sync::Arc, time::Duration};

use crate::{
    assign::{AssignError, Assignment, Places, Share, merge},
    availability::{Demand, Estimates},
    candidates::{Candidate, Feasible, Pool, PoolKey},
    compile::{CompiledPlacement, Strategy},
    decision::{
        AttemptTrace, CandidateTrace, Decision, Event, QueueAction, Reason, SUCCESS_MESSAGE, SpecChange, StatusChange,
        Trace, Trigger, Verdict,
    },
    model::{Binding, ComponentReplicas, Scope, TargetCluster},
    options::Options,
    snapshot::Snapshot,
    trigger::{concerns, display, reschedule_required, trigger},
    webster::TieBreak,
};

/// A binding, with what is needed to decide about it.
#[derive(Clone, Debug)]
pub struct BindingInput {
    /// The binding.
    pub binding: Arc<Binding>,
    /// Its placement, compiled; none when it has none.
    pub placement: Option<Arc<CompiledPlacement>>,
    /// What accurate estimators say, if they were asked.
    pub estimates: Option<Arc<Estimates>>,
}

impl BindingInput {
    /// A binding whose placement is compiled here and now.
    #[must_use]
    pub fn new(binding: Binding) -> Self {
        let placement = binding.spec.placement.clone().map(|placement| Arc::new(CompiledPlacement::new(placement)));
        Self { binding: Arc::new(binding), placement, estimates: None }
    }
}

/// Decides about one binding.
#[must_use]
pub fn schedule(snapshot: &Snapshot, input: &BindingInput, options: &Options) -> Decision {
    decide(snapshot, input, options, &mut |_| None)
}

/// Whether sets of components are counted instead of replicas.
pub(crate) fn counts_sets(binding: &Binding, placement: &CompiledPlacement, options: &Options) -> bool {
    options.gates.multiple_pod_templates_scheduling && !binding.spec.components.is_empty() && placement.single_cluster
}

/// Why there is or is not anything to decide.
pub(crate) fn triggered(snapshot: &Snapshot, input: &BindingInput, options: &Options) -> Trigger {
    let binding = &*input.binding;
    match &input.placement {
        Some(placement) if binding.metadata.deletion_timestamp.is_none() && concerns(binding, options) => {
            trigger(binding, placement, snapshot, options)
        }
        _ => Trigger::NotConcerned,
    }
}

/// The affinity term with which an attempt begins; none when the placement has no terms.
pub(crate) fn first_term(binding: &Binding, placement: &CompiledPlacement) -> Option<usize> {
    if placement.terms.is_empty() {
        return None;
    }
    let observed = if reschedule_required(binding) { "" } else { &binding.status.observed_affinity_name };
    Some(placement.term_index(observed))
}

/// Decides, with pools from `shared` where it has them.
pub(crate) fn decide(
    snapshot: &Snapshot,
    input: &BindingInput,
    options: &Options,
    shared: &mut dyn FnMut(&PoolKey) -> Option<Arc<Pool>>,
) -> Decision {
    let binding = &*input.binding;
    let trigger = triggered(snapshot, input, options);
    let mut decision = Decision::idle(trigger, &binding.spec.clusters);
    let Some(placement) = &input.placement else {
        return decision;
    };
    match trigger {
        Trigger::NotConcerned => return decision,
        Trigger::UpToDate => {
            decision.status.observe_generation =
                binding.status.scheduler_observed_generation != binding.metadata.generation;
            return decision;
        }
        _ => {}
    }
    let mut attempt = |term: Option<usize>, trace: &mut AttemptTrace| {
        let sets = counts_sets(binding, placement, options);
        let key = PoolKey::new(placement, term, binding, sets);
        let begun = options.clock.map(|clock| clock());
        let pool = shared(&key)
            .unwrap_or_else(|| Arc::new(Pool::build(snapshot, placement, key, &binding.spec.resource, options)));
        trace.timings.filter = since(options, begun);
        let try_ = Try { snapshot, binding, placement, options, term, sets, estimates: input.estimates.as_deref() };
        let result = try_.run(&pool, trace);
        trace.error = result.as_ref().err().map(|failure| failure.message.clone());
        result
    };
    let Some(first) = first_term(binding, placement) else {
        let mut trace = AttemptTrace::default();
        let result = attempt(None, &mut trace);
        decision.trace.attempts.push(trace);
        conclude(&mut decision, binding, placement, result, None);
        return decision;
    };
    let mut first_failure: Option<Failure> = None;
    for index in first..placement.terms.len() {
        let name = placement.terms[index].name.clone();
        let mut trace = AttemptTrace { affinity_name: Some(name.clone()), ..AttemptTrace::default() };
        let result = attempt(Some(index), &mut trace);
        decision.trace.attempts.push(trace);
        match result {
            Ok(clusters) => {
                conclude(&mut decision, binding, placement, Ok(clusters), Some(name));
                return decision;
            }
            Err(failure) => {
                let message = format!(
                    "failed to schedule {} with clusterAffiliates index({index}): {}",
                    display(binding),
                    failure.message
                );
                decision.events.push(Event { warning: true, message });
                first_failure.get_or_insert(failure);
            }
        }
    }
    if let Some(failure) = first_failure {
        // The tries have been reported already; only clearing the clusters is news.
        let reported = failure.reason != Reason::NoClusterFit;
        let events = decision.events.len();
        conclude(&mut decision, binding, placement, Err(failure), None);
        if reported {
            decision.events.truncate(events);
        }
    }
    decision
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    reason: Reason,
    message: String,
}

/// Turns a result into what to write and tell.
fn conclude(
    decision: &mut Decision,
    binding: &Binding,
    placement: &CompiledPlacement,
    result: Result<Vec<TargetCluster>, Failure>,
    affinity_name: Option<String>,
) {
    let (verdict, clusters) = match result {
        Ok(clusters) => (Verdict::success(), Some(clusters)),
        Err(Failure { reason, message }) => {
            let clusters = (reason == Reason::NoClusterFit).then(Vec::new);
            (Verdict { reason, message }, clusters)
        }
    };
    if let Some(clusters) = clusters {
        decision.spec = SpecChange {
            clusters: (clusters != binding.spec.clusters).then(|| clusters.clone()),
            applied_placement: (binding.applied_placement() != Some(&placement.canonical))
                .then(|| placement.canonical.clone()),
        };
        decision.clusters = clusters;
    }
    let succeeded = verdict.reason == Reason::Success;
    let moves = decision.spec.clusters.is_some();
    let stale = binding.status.scheduler_observed_generation != binding.metadata.generation;
    let told = binding.condition("Scheduled").is_some_and(|condition| {
        condition.status == verdict.status()
            && condition.reason == verdict.reason.as_str()
            && condition.message == verdict.message
    });
    decision.status = StatusChange {
        condition: (!told).then(|| verdict.clone()),
        observe_generation: succeeded && (moves || stale),
        affinity_name: affinity_name.filter(|name| *name != binding.status.observed_affinity_name),
        // The stamp is what a later request for a new decision is compared with, so it is renewed when a decision
        // changed anything or answered such a request, and not when everything stays as it is.
        stamp: succeeded
            && (binding.status.last_scheduled_time.is_none()
                || !decision.spec.is_empty()
                || stale
                || !told
                || reschedule_required(binding)),
    };
    decision.events.push(if succeeded {
        let list: Vec<String> =
            decision.clusters.iter().map(|target| format!("{}:{}", target.name, target.replicas)).collect();
        let colon = if binding.scope() == Scope::Namespaced { ":" } else { "" };
        Event { warning: false, message: format!("{SUCCESS_MESSAGE} Result{colon} {{{}}}", list.join(", ")) }
    } else {
        Event { warning: true, message: verdict.message.clone() }
    });
    decision.queue = match verdict.reason {
        Reason::Success | Reason::NoClusterFit => QueueAction::Forget,
        Reason::Unschedulable => QueueAction::Unschedulable,
        Reason::QuotaExceeded | Reason::SchedulerError => QueueAction::Backoff,
    };
    decision.verdict = Some(verdict);
}

/// The time since then; nothing without a clock.
fn since(options: &Options, then: Option<Duration>) -> Duration {
    match (options.clock, then) {
        (Some(clock), Some(then)) => clock().saturating_sub(then),
        _ => Duration::ZERO,
    }
}

/// One try with one affinity term.
struct Try<'a> {
    snapshot: &'a Snapshot,
    binding: &'a Binding,
    placement: &'a CompiledPlacement,
    options: &'a Options,
    term: Option<usize>,
    sets: bool,
    estimates: Option<&'a Estimates>,
}

impl Try<'_> {
    fn run(&self, pool: &Pool, trace: &mut AttemptTrace) -> Result<Vec<TargetCluster>, Failure> {
        let now = || self.options.clock.map(|clock| clock());
        let begun = now();
        let feasible = Feasible::new(self.snapshot, self.binding, self.placement, pool, self.estimates, self.options);
        trace.timings.score = since(self.options, begun);
        trace.all_clusters = self.snapshot.len();
        trace.feasible_clusters = feasible.len();
        if self.options.detailed_trace {
            trace.clusters = feasible.trace_all();
        }
        if trace.feasible_clusters == 0 {
            return Err(Failure { reason: Reason::NoClusterFit, message: feasible.fit_error() });
        }
        let needed = match self.placement.strategy {
            Strategy::Duplicated => None,
            _ if self.sets => Some(1),
            _ => Some(i64::from(self.binding.spec.replicas)),
        };
        let begun = now();
        let selected =
            crate::spread::select(&feasible, self.placement, needed, &mut trace.regions).map_err(|message| {
                Failure { reason: Reason::SchedulerError, message: format!("failed to select clusters: {message}") }
            })?;
        trace.timings.select = since(self.options, begun);
        trace.selected = self.trace_selected(&feasible, &selected);
        let begun = now();
        let shares = self.assign(&selected, trace);
        trace.timings.assign = since(self.options, begun);
        let shares = shares.map_err(|error| match error {
            AssignError::Unschedulable(message) => {
                Failure { reason: Reason::Unschedulable, message: format!("failed to assign replicas: {message}") }
            }
            AssignError::Other(message) => {
                Failure { reason: Reason::SchedulerError, message: format!("failed to assign replicas: {message}") }
            }
        })?;
        Ok(self.targets(&selected, shares))
    }

    /// The selected clusters for the trace; without detail only as many as a person reads.
    fn trace_selected(&self, feasible: &Feasible<'_>, selected: &[Candidate]) -> Vec<CandidateTrace> {
        const READABLE: usize = 16;
        let count = if self.options.detailed_trace { selected.len() } else { selected.len().min(READABLE) };
        selected[..count].iter().map(|candidate| feasible.trace(candidate)).collect()
    }

    /// The shares, or none when clusters are only named.
    fn assign(&self, selected: &[Candidate], trace: &mut AttemptTrace) -> Result<Option<Vec<Share>>, AssignError> {
        if selected.is_empty() {
            return Err(AssignError::Other("no clusters available to schedule".to_owned()));
        }
        let spec = &self.binding.spec;
        if !(spec.replicas > 0 || spec.replica_requirements.is_some()) || spec.components.len() > 1 {
            return Ok(None);
        }
        let overflows =
            self.term.and_then(|index| self.placement.terms.get(index)).is_some_and(|term| !term.overflow.is_empty());
        let mut shares = if overflows {
            self.assign_by_tier(selected, trace)?
        } else {
            self.assignment(selected, i64::from(spec.replicas)).run(&mut trace.steps)?
        };
        shares.retain(|share| share.replicas > 0);
        Ok(Some(shares))
    }

    /// Fills the tiers one after another.
    fn assign_by_tier(&self, selected: &[Candidate], trace: &mut AttemptTrace) -> Result<Vec<Share>, AssignError> {
        let mut tiers: Vec<u32> = selected.iter().map(|candidate| candidate.tier).collect();
        tiers.sort_unstable();
        tiers.dedup();
        let mut left = i64::from(self.binding.spec.replicas);
        let mut shares = Vec::new();
        for tier in tiers {
            if left <= 0 {
                break;
            }
            let members: Vec<Candidate> = selected.iter().filter(|it| it.tier == tier).copied().collect();
            let room = members.iter().map(Candidate::available).fold(0, i64::saturating_add);
            let target = left.min(room);
            if target <= 0 {
                continue;
            }
            trace.steps.push(format!("tier {tier}: {target} of {left}"));
            let mut filled = self.assignment(&members, target).run(&mut trace.steps)?;
            filled.retain(|share| share.replicas > 0);
            left -= target;
            shares = merge(filled, shares);
        }
        if left > 0 {
            let message = "Clusters available replicas are not enough to schedule.".to_owned();
            return Err(AssignError::Unschedulable(message));
        }
        Ok(shares)
    }

    fn assignment<'a>(&'a self, candidates: &'a [Candidate], replicas: i64) -> Assignment<'a> {
        let spec = &self.binding.spec;
        let places = Places::of(candidates.iter().map(|candidate| candidate.slot));
        let scheduled = spec
            .clusters
            .iter()
            .filter_map(|target| {
                let slot = self.snapshot.slot(&target.name)?;
                let candidate = &candidates[places.get(slot)?];
                Some(Share { slot, rank: candidate.rank, replicas: i64::from(target.replicas) })
            })
            .collect();
        Assignment {
            snapshot: self.snapshot,
            strategy: &self.placement.strategy,
            candidates,
            replicas,
            scheduled,
            fresh: reschedule_required(self.binding),
            tie: TieBreak::of_uid(&spec.resource.uid),
        }
    }

    fn targets(&self, selected: &[Candidate], shares: Option<Vec<Share>>) -> Vec<TargetCluster> {
        let name = |slot| self.snapshot.facts(slot).name.to_string();
        let Some(shares) = shares else {
            let components: Vec<ComponentReplicas> = if self.sets {
                let spec = &self.binding.spec;
                let part = |component: &crate::model::Component| ComponentReplicas {
                    name: component.name.clone(),
                    replicas: component.replicas,
                };
                spec.components.iter().map(part).collect()
            } else {
                Vec::new()
            };
            let target = |candidate: &Candidate| TargetCluster {
                name: name(candidate.slot),
                replicas: 0,
                components: components.clone(),
            };
            return selected.iter().map(target).collect();
        };
        let mut targets: Vec<TargetCluster> = shares
            .iter()
            .map(|share| TargetCluster {
                name: name(share.slot),
                replicas: i32::try_from(share.replicas).unwrap_or(i32::MAX),
                components: Vec::new(),
            })
            .collect();
        if self.options.empty_workload_propagation {
            let given = Places::of(shares.iter().map(|share| share.slot));
            for candidate in selected {
                if given.get(candidate.slot).is_none() {
                    targets.push(TargetCluster { name: name(candidate.slot), ..TargetCluster::default() });
                }
            }
        }
        targets
    }
}

/// The clusters about whose room accurate estimators should be asked before a decision: those that pass the filters under
/// any affinity term that may be tried. None when nothing will be decided or room does not matter.
#[must_use]
pub fn clusters_to_ask(snapshot: &Snapshot, input: &BindingInput, options: &Options) -> Vec<String> {
    let binding = &*input.binding;
    let Some(placement) = &input.placement else { return Vec::new() };
    if matches!(triggered(snapshot, input, options), Trigger::NotConcerned | Trigger::UpToDate) {
        return Vec::new();
    }
    let sets = counts_sets(binding, placement, options);
    if Demand::of(&binding.spec, sets) == Demand::Nothing {
        return Vec::new();
    }
    let terms: Vec<Option<usize>> = match first_term(binding, placement) {
        Some(first) => (first..placement.terms.len()).map(Some).collect(),
        None => vec![None],
    };
    let mut slots: Vec<u32> = Vec::new();
    for term in terms {
        let key = PoolKey::new(placement, term, binding, sets);
        let pool = Pool::build(snapshot, placement, key, &binding.spec.resource, options);
        let feasible = Feasible::new(snapshot, binding, placement, &pool, None, options);
        slots.extend(feasible.iter().map(|candidate| candidate.slot));
    }
    slots.sort_unstable_by_key(|slot| snapshot.rank_of(*slot));
    slots.dedup();
    slots.into_iter().map(|slot| snapshot.facts(slot).name.to_string()).collect()
}

/// The trace of a decision that was made elsewhere or not at all.
#[must_use]
pub fn explain(snapshot: &Snapshot, input: &BindingInput, options: &Options) -> Trace {
    let detailed = Options { detailed_trace: true, ..options.clone() };
    schedule(snapshot, input, &detailed).trace
}
