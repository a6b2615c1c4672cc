//! Many decisions at once.
//!
//! Bindings are decided in parallel on the given rayon pool. What bindings of one policy have in common is computed
//! once and shared; results do not depend on the number of threads, because every decision reads the same snapshot and
//! nothing else. Only where a decision must see the ones before it (overcommit protection, affinity groups) do they
//! run one after another.

use std::{sync::Arc, time::Duration};

use hashbrown::HashMap;
use rayon::prelude::*;

use crate::{
    candidates::{Pool, PoolKey},
    decision::{Decision, Reason, Trigger},
    options::Options,
    schedule::{BindingInput, counts_sets, decide, first_term, triggered},
    snapshot::Snapshot,
};

/// Decides about bindings in the order given, in parallel on `pool`.
///
/// `now` counts from any fixed moment; it dates assumptions.
#[must_use]
pub fn schedule_batch(
    snapshot: &Snapshot,
    inputs: &[BindingInput],
    options: &Options,
    pool: &rayon::ThreadPool,
    now: Duration,
) -> Vec<Decision> {
    pool.install(|| {
        let groups = |input: &BindingInput| {
            options.gates.workload_affinity && input.binding.spec.workload_affinity_groups.is_some()
        };
        if options.gates.scheduling_overcommit_protection || inputs.iter().any(groups) {
            return one_by_one(snapshot, inputs, options, now);
        }
        let shared = share_pools(snapshot, inputs, options);
        inputs.par_iter().map(|input| decide(snapshot, input, options, &mut |key| shared.get(key).cloned())).collect()
    })
}

/// Computes what several bindings of the batch need, once.
fn share_pools(snapshot: &Snapshot, inputs: &[BindingInput], options: &Options) -> HashMap<PoolKey, Arc<Pool>> {
    let mut wanted: HashMap<PoolKey, usize> = HashMap::new();
    for (index, input) in inputs.iter().enumerate() {
        let Some(placement) = &input.placement else {
            continue;
        };
        if matches!(triggered(snapshot, input, options), Trigger::NotConcerned | Trigger::UpToDate) {
            continue;
        }
        let sets = counts_sets(&input.binding, placement, options);
        let key = PoolKey::new(placement, first_term(&input.binding, placement), &input.binding, sets);
        wanted.entry(key).or_insert(index);
    }
    let pools: Vec<(PoolKey, Arc<Pool>)> = wanted
        .into_iter()
        .collect::<Vec<_>>()
        .into_par_iter()
        .filter_map(|(key, index)| {
            let input = &inputs[index];
            let placement = input.placement.as_deref()?;
            let pool = Pool::build(snapshot, placement, key.clone(), &input.binding.spec.resource, options);
            Some((key, Arc::new(pool)))
        })
        .collect();
    pools.into_iter().collect()
}

/// Lets every decision see the ones before it.
fn one_by_one(snapshot: &Snapshot, inputs: &[BindingInput], options: &Options, now: Duration) -> Vec<Decision> {
    let mut snapshot = snapshot.clone();
    inputs
        .iter()
        .map(|input| {
            let decision = decide(&snapshot, input, options, &mut |_| None);
            let decided = decision.verdict.as_ref().is_some_and(|verdict| verdict.reason == Reason::Success);
            if decided {
                remember(&mut snapshot, input, &decision, options, now);
            }
            decision
        })
        .collect()
}

/// Makes a decision visible to later ones, before the clusters and the API server tell of it.
pub fn remember(snapshot: &mut Snapshot, input: &BindingInput, decision: &Decision, options: &Options, now: Duration) {
    let binding = &*input.binding;
    if options.gates.scheduling_overcommit_protection {
        Arc::make_mut(&mut snapshot.assumptions).assume(binding, &decision.clusters, now);
    }
    if options.gates.workload_affinity && binding.spec.workload_affinity_groups.is_some() {
        let clusters = decision.clusters.iter().map(|target| target.name.clone());
        Arc::make_mut(&mut snapshot.peers).upsert(binding, clusters);
    }
}
