//! How many replicas, or sets of components, a cluster has room for.
//!
//! The general estimator knows only what the Cluster's status says: the resource summary and, with the gate
//! `CustomizedClusterResourceModeling`, the free nodes by grade. Accurate estimators' answers come in as
//! [`Estimates`] and can only lower the number.

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;

use crate::{
    model::{BindingSpec, Component},
    quantity::Quantity,
    snapshot::{Grade, MISSING, Slot, Snapshot},
};

/// Availability without a bound.
pub(crate) const UNLIMITED: i64 = i32::MAX as i64;

/// Pods that fit on a node of a grade.
const PODS_PER_NODE: i64 = 110;

/// Nodes, and sets on them, that are simulated at most: a cluster may claim any number of either.
const MAX_SIMULATED: i64 = 100_000;

/// One pod template of a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub(crate) replicas: i64,
    pub(crate) request: BTreeMap<String, Quantity>,
}

/// What is asked for; equal demands have equal answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Demand {
    /// Nothing that could run out.
    Nothing,
    /// Replicas; without a request only pods count.
    Replicas(Option<BTreeMap<String, Quantity>>),
    /// Sets of pods of several templates.
    Sets(Vec<Member>),
}

impl Demand {
    pub(crate) fn of(spec: &BindingSpec, sets: bool) -> Self {
        if sets {
            let member = |component: &Component| Member {
                replicas: i64::from(component.replicas),
                request: component
                    .replica_requirements
                    .as_ref()
                    .map(|requirements| requirements.resource_request.clone())
                    .unwrap_or_default(),
            };
            return Self::Sets(spec.components.iter().map(member).collect());
        }
        if spec.replicas == 0 && spec.components.is_empty() {
            return Self::Nothing;
        }
        Self::Replicas(spec.replica_requirements.as_ref().map(|requirements| requirements.resource_request.clone()))
    }
}

/// Accurate estimators' answers for one binding: replicas (or sets) by cluster. A cluster without an answer is not
/// limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimates {
    by_cluster: HashMap<String, i32>,
}

impl Estimates {
    /// Takes in an answer; the least one counts, and a negative one is no answer.
    pub fn add(&mut self, cluster: &str, replicas: i32) {
        if replicas >= 0 {
            let least = self.by_cluster.entry_ref(cluster).or_insert(replicas);
            *least = replicas.min(*least);
        }
    }

    /// The answer for a cluster.
    #[must_use]
    pub fn get(&self, cluster: &str) -> Option<i32> {
        self.by_cluster.get(cluster).copied()
    }
}

impl FromIterator<(String, i32)> for Estimates {
    fn from_iter<I: IntoIterator<Item = (String, i32)>>(answers: I) -> Self {
        let mut estimates = Self::default();
        for (cluster, replicas) in answers {
            estimates.add(&cluster, replicas);
        }
        estimates
    }
}

/// The general estimator for one demand over one snapshot.
pub(crate) struct Estimator<'a> {
    snapshot: &'a Snapshot,
    demand: &'a Demand,
    models: bool,
    columns: Vec<ColumnDemand<'a>>,
}

/// A request against the column it is taken from.
struct ColumnDemand<'a> {
    free_units: &'a [i64],
    free: &'a [i64],
    wanted: i64,
}

impl<'a> Estimator<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, demand: &'a Demand, models: bool) -> Self {
        let columns = match demand {
            Demand::Replicas(Some(request)) => request
                .iter()
                .filter(|(_, wanted)| wanted.value() > 0)
                .map(|(resource, wanted)| {
                    let column = snapshot.column(resource);
                    let units = column.map_or(&[][..], |column| &column.units);
                    if resource == "cpu" {
                        let milli = column.map_or(&[][..], |column| &column.milli);
                        ColumnDemand { free_units: units, free: milli, wanted: wanted.milli() }
                    } else {
                        ColumnDemand { free_units: units, free: units, wanted: wanted.value() }
                    }
                })
                .collect(),
            _ => Vec::new(),
        };
        Self { snapshot, demand, models, columns }
    }

    /// What the cluster has room for.
    pub(crate) fn estimate(&self, slot: Slot) -> i64 {
        if *self.demand == Demand::Nothing {
            return UNLIMITED;
        }
        let at = slot as usize;
        if !self.snapshot.assumptions.is_empty() {
            let name = &self.snapshot.facts(slot).name;
            if self.snapshot.assumptions.of(name).next().is_some() {
                return self.estimate_after_assumptions(slot);
            }
        }
        let pods = self.snapshot.pods.get(at).copied().unwrap_or(MISSING);
        if pods <= 0 {
            return 0;
        }
        let graded = self.models && self.snapshot.modeled.contains(at);
        let found = match self.demand {
            Demand::Nothing => UNLIMITED,
            Demand::Replicas(None) => pods,
            Demand::Replicas(Some(request)) => {
                let by_grade = graded.then(|| replicas_on_grades(&self.snapshot.facts(slot).grades, request)).flatten();
                by_grade.unwrap_or_else(|| self.by_columns(at)).min(pods)
            }
            Demand::Sets(members) => {
                let facts = self.snapshot.facts(slot);
                let free = facts.free.as_ref();
                sets(members, pods, free, graded.then_some(&facts.grades), &[])
            }
        };
        truncate(found)
    }

    fn by_columns(&self, at: usize) -> i64 {
        let mut least = i64::MAX;
        for column in &self.columns {
            let units = column.free_units.get(at).copied().unwrap_or(MISSING);
            if units == MISSING || units <= 0 {
                return 0;
            }
            least = least.min(column.free[at] / column.wanted);
        }
        least
    }

    /// The same, with what was promised taken off first.
    fn estimate_after_assumptions(&self, slot: Slot) -> i64 {
        let facts = self.snapshot.facts(slot);
        let Some(free) = &facts.free else { return 0 };
        let mut free = free.clone();
        let mut promised = Vec::new();
        let mut promised_pods = 0_i64;
        for assumed in self.snapshot.assumptions.of(&facts.name) {
            promised_pods = promised_pods.saturating_add(assumed.replicas);
            for (resource, quantity) in assumed.request.iter() {
                if let Some(left) = free.get_mut(resource) {
                    *left = left.minus(quantity.times(assumed.replicas));
                }
            }
            promised.push(Member { replicas: assumed.replicas, request: (*assumed.request).clone() });
        }
        let pods = free.get("pods").map_or(0, |pods| pods.value()).saturating_sub(promised_pods);
        if pods <= 0 {
            return 0;
        }
        let graded = self.models && self.snapshot.modeled.contains(slot as usize);
        let found = match self.demand {
            Demand::Nothing => UNLIMITED,
            Demand::Replicas(None) => pods,
            Demand::Replicas(Some(request)) => {
                let one = [Member { replicas: 1, request: request.clone() }];
                let by_grade = if graded { sets_on_grades(&facts.grades, &one, pods, &promised) } else { None };
                by_grade.unwrap_or_else(|| by_summary(&free, request)).min(pods)
            }
            Demand::Sets(members) => sets(members, pods, Some(&free), graded.then_some(&facts.grades), &promised),
        };
        truncate(found)
    }
}

/// Upstream counts in 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the wrap-around is upstream's, and clamped to what has a meaning")]
fn truncate(found: i64) -> i64 {
    i64::from((found as i32).max(0))
}

fn by_summary(free: &BTreeMap<String, Quantity>, request: &BTreeMap<String, Quantity>) -> i64 {
    let mut least = i64::MAX;
    for (resource, wanted) in request {
        if wanted.value() <= 0 {
            continue;
        }
        let Some(free) = free.get(resource).filter(|free| free.value() > 0) else {
            return 0;
        };
        least =
            least.min(if resource == "cpu" { free.milli() / wanted.milli() } else { free.value() / wanted.value() });
    }
    least
}

/// Replicas on all nodes of all grades; none when a grade does not say how much it has of a wanted resource.
fn replicas_on_grades(grades: &[Grade], request: &BTreeMap<String, Quantity>) -> Option<i64> {
    let mut sum = 0_i64;
    for grade in grades {
        let mut on_one = PODS_PER_NODE;
        for (resource, wanted) in request.iter().filter(|(_, wanted)| !wanted.is_zero()) {
            let capacity = grade.capacity.get(resource)?;
            on_one = on_one.min(amount(resource, *capacity) / amount(resource, *wanted).max(1));
        }
        sum = sum.saturating_add(on_one.max(0).saturating_mul(grade.nodes));
    }
    (!grades.is_empty()).then_some(sum)
}

fn amount(resource: &str, quantity: Quantity) -> i64 {
    if resource == "cpu" { quantity.milli() } else { quantity.value() }
}

/// Sets that fit, by pods, then by grade or by summary.
fn sets(
    members: &[Member],
    pods: i64,
    free: Option<&BTreeMap<String, Quantity>>,
    grades: Option<&Vec<Grade>>,
    promised: &[Member],
) -> i64 {
    let pods_per_set: i64 = members.iter().map(|member| member.replicas.max(0)).sum();
    if pods_per_set == 0 {
        return pods;
    }
    let most = pods / pods_per_set;
    if let Some(found) = grades.and_then(|grades| sets_on_grades(grades, members, most, promised)) {
        return found.min(most);
    }
    let mut total: BTreeMap<&str, Quantity> = BTreeMap::new();
    for member in members {
        for (resource, quantity) in &member.request {
            let sum = total.entry(resource).or_default();
            *sum = sum.plus(quantity.times(member.replicas));
        }
    }
    let mut least = most;
    for (resource, wanted) in total {
        if wanted.comparable() <= 0 {
            continue;
        }
        let free = free.and_then(|free| free.get(resource)).map_or(0, |free| free.comparable());
        if free <= 0 {
            return 0;
        }
        least = least.min(free / wanted.comparable());
    }
    least
}

/// Equal nodes of a grade, with the same left on each.
#[derive(Clone)]
struct Node {
    left: Arc<BTreeMap<String, i64>>,
    pods: i64,
}

/// Places whole sets on the nodes one after another, each template on the first nodes with room, until one does not
/// fit; none when a grade does not say how much it has of a wanted resource.
fn sets_on_grades(grades: &[Grade], members: &[Member], most: i64, promised: &[Member]) -> Option<i64> {
    let wanted = |member: &Member| -> Vec<(String, i64)> {
        let positive = member.request.iter().filter(|(_, quantity)| !quantity.is_zero());
        positive.map(|(resource, quantity)| (resource.clone(), amount(resource, *quantity).max(1))).collect()
    };
    let requests: Vec<(i64, Vec<(String, i64)>)> =
        members.iter().filter(|member| member.replicas > 0).map(|member| (member.replicas, wanted(member))).collect();
    let known = |resource: &String| grades.iter().all(|grade| grade.capacity.contains_key(resource));
    if grades.is_empty() || !requests.iter().flat_map(|(_, request)| request).all(|(resource, _)| known(resource)) {
        return None;
    }
    let pods_per_set: i64 = requests.iter().map(|(replicas, _)| replicas).sum();
    // More nodes than pods are never needed.
    let most = most.min(MAX_SIMULATED);
    let enough = most.saturating_mul(pods_per_set).saturating_add(1).min(MAX_SIMULATED);
    let mut nodes: Vec<Node> = Vec::new();
    for grade in grades {
        let left: Arc<BTreeMap<String, i64>> =
            Arc::new(grade.capacity.iter().map(|(name, has)| (name.clone(), amount(name, *has))).collect());
        if left.values().all(|has| *has == 0) && requests.iter().all(|(_, request)| !request.is_empty()) {
            continue;
        }
        let count = usize::try_from(grade.nodes.clamp(0, enough)).unwrap_or(0);
        nodes.extend(std::iter::repeat_n(Node { left, pods: PODS_PER_NODE }, count));
    }
    for member in promised {
        place(&mut nodes, &wanted(member), member.replicas, &mut 0);
    }
    // What a node has left only shrinks, so a template never fits again where it did not fit before.
    let mut starts = vec![0; requests.len()];
    for done in 0..most {
        for ((replicas, request), start) in requests.iter().zip(&mut starts) {
            if place(&mut nodes, request, *replicas, start) < *replicas {
                return Some(done);
            }
        }
    }
    Some(most)
}

/// Places up to `replicas` on the nodes in order and returns how many fitted.
fn place(nodes: &mut [Node], request: &[(String, i64)], replicas: i64, start: &mut usize) -> i64 {
    let mut placed = 0;
    while placed < replicas && *start < nodes.len() {
        let node = &mut nodes[*start];
        let mut fits = node.pods.min(replicas - placed);
        for (resource, wanted) in request {
            fits = fits.min(node.left.get(resource).copied().unwrap_or(0) / wanted);
        }
        if fits <= 0 {
            *start += 1;
            continue;
        }
        node.pods -= fits;
        let left = Arc::make_mut(&mut node.left);
        for (resource, wanted) in request {
            if let Some(left) = left.get_mut(resource) {
                *left -= wanted * fits;
            }
        }
        placed += fits;
    }
    placed
}
