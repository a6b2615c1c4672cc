//! Assignment of replicas to the selected clusters.

use crate::{
    affinity::selects,
    candidates::Candidate,
    compile::Strategy,
    gosort,
    model::StaticWeight,
    snapshot::{Slot, Snapshot},
    webster::{Party, TieBreak, allocate},
};

/// Replicas of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) slot: Slot,
    pub(crate) rank: u32,
    pub(crate) replicas: i64,
}

/// Why replicas could not be assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AssignError {
    /// There is too little room.
    Unschedulable(String),
    /// Anything else.
    Other(String),
}

/// What an assignment works on.
pub(crate) struct Assignment<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) strategy: &'a Strategy,
    pub(crate) candidates: &'a [Candidate],
    /// The replicas to have.
    pub(crate) replicas: i64,
    /// What the candidates have, in the order of the binding.
    pub(crate) scheduled: Vec<Share>,
    /// Whether everything is decided anew.
    pub(crate) fresh: bool,
    pub(crate) tie: TieBreak,
}

impl Assignment<'_> {
    pub(crate) fn run(self, steps: &mut Vec<String>) -> Result<Vec<Share>, AssignError> {
        match self.strategy {
            Strategy::Duplicated => Ok(self.candidates.iter().map(|it| share(it, self.replicas)).collect()),
            Strategy::Static(rules) => Ok(self.by_static_weight(rules, steps)),
            Strategy::Dynamic => self.dynamic(false, steps),
            Strategy::Aggregated => self.dynamic(true, steps),
            Strategy::Unsupported(kind, preference) => Err(AssignError::Other(format!(
                "unsupported replica scheduling strategy, replicaSchedulingType: {kind}, replicaDivisionPreference: \
                 {preference}, please try another scheduling strategy"
            ))),
        }
    }

    fn by_static_weight(&self, rules: &[StaticWeight], steps: &mut Vec<String>) -> Vec<Share> {
        let weigh = |candidate: &Candidate| {
            let cluster = &self.snapshot.facts(candidate.slot).cluster;
            rules.iter().filter(|rule| selects(&rule.target_cluster, cluster)).map(|rule| rule.weight).fold(0, i64::max)
        };
        let mut weights: Vec<Share> =
            self.candidates.iter().map(|it| share(it, weigh(it))).filter(|it| it.replicas > 0).collect();
        if weights.is_empty() {
            weights = self.candidates.iter().map(|it| share(it, 1)).collect();
        }
        steps.push(format!("divided {} by fixed weights among {}", self.replicas, weights.len()));
        divide(self.replicas, &weights, self.tie)
    }

    fn dynamic(self, aggregated: bool, steps: &mut Vec<String>) -> Result<Vec<Share>, AssignError> {
        let assigned: i64 = self.scheduled.iter().map(|it| it.replicas).sum();
        let weigh =
            |of: fn(&Candidate) -> i64| -> Vec<Share> { self.candidates.iter().map(|it| share(it, of(it))).collect() };
        let (what, target, weights, kept) = if self.fresh {
            ("do fresh scale", self.replicas, weigh(Candidate::available), Vec::new())
        } else if assigned > self.replicas {
            ("scale down", self.replicas, self.scheduled, Vec::new())
        } else if assigned < self.replicas {
            ("scale up", self.replicas - assigned, weigh(|it| it.allocatable), self.scheduled)
        } else {
            steps.push(format!("kept {assigned} as they are"));
            return Ok(self.scheduled);
        };
        steps.push(format!("{what}: {target} to place, {assigned} placed"));
        spread(target, weights, kept, aggregated, self.tie).map_err(|room| {
            AssignError::Unschedulable(format!(
                "failed to {what}: Clusters available replicas {room} are not enough to schedule."
            ))
        })
    }
}

fn share(candidate: &Candidate, replicas: i64) -> Share {
    Share { slot: candidate.slot, rank: candidate.rank, replicas }
}

/// Divides `target` by the weights and adds it to what is kept, or tells how much room there is.
fn spread(
    target: i64,
    mut weights: Vec<Share>,
    kept: Vec<Share>,
    aggregated: bool,
    tie: TieBreak,
) -> Result<Vec<Share>, i64> {
    gosort::sort_by(&mut weights, |a, b| a.replicas > b.replicas);
    let room = weights.iter().map(|it| it.replicas).fold(0, i64::saturating_add);
    if room < target {
        return Err(room);
    }
    if aggregated {
        let used = Places::of(kept.iter().filter(|other| other.replicas > 0).map(|other| other.slot));
        let in_use = |it: &Share| used.get(it.slot).is_some();
        let (mut first, rest): (Vec<Share>, Vec<Share>) = weights.into_iter().partition(in_use);
        first.extend(rest);
        let mut sum = 0_i64;
        let enough = first.iter().position(|it| {
            sum = sum.saturating_add(it.replicas);
            sum >= target
        });
        first.truncate(enough.map_or(first.len(), |at| at + 1));
        weights = first;
    }
    if target == 0 && !kept.is_empty() {
        return Ok(kept);
    }
    Ok(merge(kept, divide(target, &weights, tie)))
}

/// Divides by weights; sorted by name. Nothing is divided when there is no weight.
fn divide(target: i64, weights: &[Share], tie: TieBreak) -> Vec<Share> {
    let mut parties: Vec<Party<(u32, Slot)>> =
        weights.iter().map(|it| Party { name: (it.rank, it.slot), votes: it.replicas, seats: 0 }).collect();
    if parties.iter().all(|party| party.votes <= 0) {
        return Vec::new();
    }
    allocate(target, &mut parties, tie);
    parties.into_iter().map(|party| Share { slot: party.name.1, rank: party.name.0, replicas: party.seats }).collect()
}

/// The new shares with the old ones added, then the old ones that are not among them.
pub(crate) fn merge(old: Vec<Share>, mut new: Vec<Share>) -> Vec<Share> {
    if new.is_empty() {
        return old;
    }
    let places = Places::of(new.iter().map(|share| share.slot));
    for share in old {
        match places.get(share.slot) {
            Some(at) => new[at].replicas += share.replicas,
            None => new.push(share),
        }
    }
    new
}

/// Where slots are in a list.
pub(crate) struct Places {
    list: Vec<(Slot, usize)>,
}

impl Places {
    pub(crate) fn of(slots: impl Iterator<Item = Slot>) -> Self {
        let mut list: Vec<(Slot, usize)> = slots.enumerate().map(|(at, slot)| (slot, at)).collect();
        list.sort_unstable();
        Self { list }
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<usize> {
        let at = self.list.partition_point(|(other, _)| *other < slot);
        self.list.get(at).filter(|(other, _)| *other == slot).map(|(_, at)| *at)
    }
}
