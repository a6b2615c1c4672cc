//! The clusters as columns.
//!
//! A snapshot holds one bit set per label value, field value, taint and API instead of one struct per cluster, and one
//! integer column per resource, so that a placement is matched by a few word-wise operations whatever the number of
//! clusters. Columns are shared: a clone copies pointers, and changing one cluster copies only the columns it is in.
//! A cluster keeps its slot for as long as it exists; the order of names is a column of its own.

use std::{collections::BTreeMap, sync::Arc};

use fixedbitset::FixedBitSet;
use hashbrown::HashMap;

use crate::{
    assumptions::Assumptions,
    model::{Cluster, Modeling, ResourceSummary, Taint},
    peers::Peers,
    quantity::Quantity,
};

/// A cluster's place in the columns.
pub(crate) type Slot = u32;

/// A resource that the cluster does not report.
pub(crate) const MISSING: i64 = i64::MIN;

/// What a change of a cluster means to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterChange {
    /// Nothing that scheduling reads has changed.
    Nothing,
    /// The cluster appeared. Bindings are not queued for it: its taint removal will do that.
    Added,
    /// Only what it has to offer has changed; nothing is queued for it.
    Capacity,
    /// Its labels or spec have changed: bindings whose affinity matches the old or the new cluster are queued.
    Identity,
    /// Its deletion began: bindings whose affinity matches it are queued.
    Deleting,
}

/// The clusters that have a property, and which value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    pub(crate) any: FixedBitSet,
    pub(crate) values: HashMap<String, FixedBitSet>,
}

impl Column {
    fn insert(&mut self, value: &str, slot: usize) {
        set(&mut self.any, slot);
        set(self.values.entry_ref(value).or_default(), slot);
    }

    fn remove(&mut self, value: &str, slot: usize) {
        clear(&mut self.any, slot);
        if let Some(bits) = self.values.get_mut(value) {
            clear(bits, slot);
            if bits.is_clear() {
                self.values.remove(value);
            }
        }
    }
}

fn set(bits: &mut FixedBitSet, slot: usize) {
    bits.grow(slot + 1);
    bits.insert(slot);
}

fn clear(bits: &mut FixedBitSet, slot: usize) {
    if slot < bits.len() {
        bits.remove(slot);
    }
}

/// What is free of one resource, by slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResourceColumn {
    /// In whole units.
    pub(crate) units: Vec<i64>,
    /// In milli-units.
    pub(crate) milli: Vec<i64>,
}

/// A grade of free nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grade {
    pub(crate) nodes: i64,
    pub(crate) capacity: BTreeMap<String, Quantity>,
}

/// One cluster's facts that are not worth a column.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) name: Arc<str>,
    pub(crate) free: Option<BTreeMap<String, Quantity>>,
    pub(crate) grades: Vec<Grade>,
}

/// All clusters at one moment, with what else decisions depend on.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    facts: Vec<Option<Arc<Facts>>>,
    slots: Arc<HashMap<Arc<str>, Slot>>,
    vacant: Vec<Slot>,
    by_name: Arc<Vec<Slot>>,
    ranks: Arc<Vec<u32>>,
    pub(crate) present: FixedBitSet,
    pub(crate) deleting: FixedBitSet,
    pub(crate) modeled: FixedBitSet,
    pub(crate) labels: HashMap<Arc<str>, Arc<Column>>,
    pub(crate) provider: Arc<Column>,
    pub(crate) region: Arc<Column>,
    pub(crate) zones: Arc<Column>,
    pub(crate) taints: Arc<HashMap<Taint, FixedBitSet>>,
    pub(crate) apis: Arc<HashMap<String, HashMap<String, FixedBitSet>>>,
    pub(crate) resources: HashMap<Arc<str>, Arc<ResourceColumn>>,
    /// Pods that may still be created; none without a resource summary.
    pub(crate) pods: Arc<Vec<i64>>,
    /// Which bindings of which affinity groups are where.
    pub peers: Arc<Peers>,
    /// Replicas that were promised to clusters and are not in their summaries yet.
    pub assumptions: Arc<Assumptions>,
    version: u64,
}

impl Snapshot {
    /// An empty snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A snapshot of these clusters.
    #[must_use]
    pub fn of(clusters: impl IntoIterator<Item = Cluster>) -> Self {
        let mut snapshot = Self::new();
        for cluster in clusters {
            snapshot.upsert(cluster);
        }
        snapshot
    }

    /// The number of clusters, those being deleted included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no cluster.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A number that changes with every change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The cluster with that name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        Some(&self.facts(self.slot(name)?).cluster)
    }

    /// The clusters' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.iter().map(|slot| &*self.facts(*slot).name)
    }

    /// Whether the cluster's deletion began.
    #[must_use]
    pub fn is_deleting(&self, name: &str) -> bool {
        self.slot(name).is_some_and(|slot| self.deleting.contains(slot as usize))
    }

    /// Takes in a new or changed cluster and tells what the change means.
    pub fn upsert(&mut self, cluster: impl Into<Arc<Cluster>>) -> ClusterChange {
        let cluster = cluster.into();
        let Some(slot) = self.slot(&cluster.metadata.name) else {
            self.version += 1;
            let slot = self.new_slot(&cluster.metadata.name);
            self.fill(slot, cluster);
            return ClusterChange::Added;
        };
        let old = &self.facts(slot).cluster;
        let (before, after) = (&old.metadata, &cluster.metadata);
        let change = if after.deletion_timestamp.is_some() && before.deletion_timestamp.is_none() {
            ClusterChange::Deleting
        } else if before.labels != after.labels || before.generation != after.generation || before.uid != after.uid {
            ClusterChange::Identity
        } else if old.spec != cluster.spec || old.status != cluster.status {
            ClusterChange::Capacity
        } else {
            return ClusterChange::Nothing;
        };
        let only_resources = before.labels == after.labels
            && before.deletion_timestamp == after.deletion_timestamp
            && old.spec == cluster.spec
            && old.status.api_enablements == cluster.status.api_enablements;
        self.version += 1;
        if only_resources {
            self.offer(slot, cluster);
        } else {
            self.vacate(slot);
            self.fill(slot, cluster);
        }
        change
    }

    /// Forgets a cluster and tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(slot) = self.slot(name) else {
            return false;
        };
        self.version += 1;
        self.vacate(slot);
        self.facts[slot as usize] = None;
        Arc::make_mut(&mut self.slots).remove(name);
        self.vacant.push(slot);
        Arc::make_mut(&mut self.by_name).retain(|other| *other != slot);
        self.rank();
        true
    }

    pub(crate) fn slot(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).copied()
    }

    pub(crate) fn facts(&self, slot: Slot) -> &Facts {
        self.facts[slot as usize].as_ref().expect("slots that are handed out are filled")
    }

    /// The place of a cluster in the order of names.
    pub(crate) fn rank_of(&self, slot: Slot) -> u32 {
        self.ranks[slot as usize]
    }

    /// The slots in the order of names.
    pub(crate) fn by_name(&self) -> &[Slot] {
        &self.by_name
    }

    /// The number of slots, filled or not.
    pub(crate) fn width(&self) -> usize {
        self.facts.len()
    }

    /// What may be free of a resource, from the facts.
    pub(crate) fn column(&self, resource: &str) -> Option<&ResourceColumn> {
        self.resources.get(resource).map(|column| &**column)
    }

    fn new_slot(&mut self, name: &str) -> Slot {
        let name: Arc<str> = name.into();
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.facts.push(None);
            u32::try_from(self.facts.len() - 1).expect("there are fewer than 2^32 clusters")
        });
        Arc::make_mut(&mut self.slots).insert(name.clone(), slot);
        let at = self.by_name.partition_point(|other| *self.facts(*other).name < *name);
        self.facts[slot as usize] =
            Some(Arc::new(Facts { cluster: Arc::default(), name, free: None, grades: Vec::new() }));
        Arc::make_mut(&mut self.by_name).insert(at, slot);
        self.rank();
        slot
    }

    fn rank(&mut self) {
        let ranks = Arc::make_mut(&mut self.ranks);
        ranks.resize(self.facts.len(), 0);
        for (rank, slot) in (0..).zip(self.by_name.iter()) {
            ranks[*slot as usize] = rank;
        }
    }

    /// Takes a cluster's values out of the columns.
    fn vacate(&mut self, slot: Slot) {
        let at = slot as usize;
        let Some(facts) = self.facts[at].clone() else {
            return;
        };
        let cluster = &facts.cluster;
        for bits in [&mut self.present, &mut self.deleting, &mut self.modeled] {
            clear(bits, at);
        }
        for (key, value) in &cluster.metadata.labels {
            if let Some(column) = self.labels.get_mut(key.as_str()) {
                Arc::make_mut(column).remove(value, at);
                if column.values.is_empty() {
                    self.labels.remove(key.as_str());
                }
            }
        }
        let spec = &cluster.spec;
        if !spec.provider.is_empty() {
            Arc::make_mut(&mut self.provider).remove(&spec.provider, at);
        }
        if !spec.region.is_empty() {
            Arc::make_mut(&mut self.region).remove(&spec.region, at);
        }
        for zone in &spec.zones {
            Arc::make_mut(&mut self.zones).remove(zone, at);
        }
        for taint in &spec.taints {
            if let Some(bits) = Arc::make_mut(&mut self.taints).get_mut(taint) {
                clear(bits, at);
                if bits.is_clear() {
                    Arc::make_mut(&mut self.taints).remove(taint);
                }
            }
        }
        if !cluster.status.api_enablements.is_empty() {
            let apis = Arc::make_mut(&mut self.apis);
            for enablement in &cluster.status.api_enablements {
                if let Some(kinds) = apis.get_mut(&enablement.group_version) {
                    for resource in &enablement.resources {
                        if let Some(bits) = kinds.get_mut(&resource.kind) {
                            clear(bits, at);
                        }
                    }
                }
            }
        }
        self.withdraw(slot);
    }

    /// Puts a cluster's values into the columns.
    fn fill(&mut self, slot: Slot, cluster: Arc<Cluster>) {
        let at = slot as usize;
        set(&mut self.present, at);
        if cluster.metadata.deletion_timestamp.is_some() {
            set(&mut self.deleting, at);
        }
        for (key, value) in &cluster.metadata.labels {
            Arc::make_mut(self.labels.entry(key.as_str().into()).or_default()).insert(value, at);
        }
        let spec = &cluster.spec;
        if !spec.provider.is_empty() {
            Arc::make_mut(&mut self.provider).insert(&spec.provider, at);
        }
        if !spec.region.is_empty() {
            Arc::make_mut(&mut self.region).insert(&spec.region, at);
        }
        for zone in &spec.zones {
            Arc::make_mut(&mut self.zones).insert(zone, at);
        }
        for taint in &spec.taints {
            set(Arc::make_mut(&mut self.taints).entry(taint.clone()).or_default(), at);
        }
        if !cluster.status.api_enablements.is_empty() {
            let apis = Arc::make_mut(&mut self.apis);
            for enablement in &cluster.status.api_enablements {
                let kinds = apis.entry_ref(enablement.group_version.as_str()).or_default();
                for resource in &enablement.resources {
                    set(kinds.entry_ref(resource.kind.as_str()).or_default(), at);
                }
            }
        }
        self.offer(slot, cluster);
    }

    /// Takes a cluster's resources out of their columns.
    fn withdraw(&mut self, slot: Slot) {
        let at = slot as usize;
        for column in self.resources.values_mut() {
            if column.units.get(at).is_some_and(|units| *units != MISSING) {
                let column = Arc::make_mut(column);
                column.units[at] = MISSING;
                column.milli[at] = MISSING;
            }
        }
        if self.pods.get(at).is_some_and(|pods| *pods != MISSING) {
            Arc::make_mut(&mut self.pods)[at] = MISSING;
        }
        clear(&mut self.modeled, at);
    }

    /// Puts a cluster's resources into their columns, replacing what was there, and remembers the cluster.
    fn offer(&mut self, slot: Slot, cluster: Arc<Cluster>) {
        let at = slot as usize;
        self.withdraw(slot);
        let free = cluster.status.resource_summary.as_ref().map(free);
        let pods = free.as_ref().map_or(MISSING, |free| free.get("pods").map_or(0, |pods| pods.value()).max(0));
        if pods != MISSING {
            let column = Arc::make_mut(&mut self.pods);
            if column.len() <= at {
                column.resize(at + 1, MISSING);
            }
            column[at] = pods;
        }
        for (resource, quantity) in free.iter().flatten() {
            let column = Arc::make_mut(self.resources.entry(resource.as_str().into()).or_default());
            if column.units.len() <= at {
                column.units.resize(at + 1, MISSING);
                column.milli.resize(at + 1, MISSING);
            }
            column.units[at] = quantity.value();
            column.milli[at] = quantity.milli();
        }
        let grades = grades(&cluster);
        if cluster.status.resource_summary.as_ref().is_some_and(|summary| !summary.allocatable_modelings.is_empty()) {
            set(&mut self.modeled, at);
        }
        let name = self.facts(slot).name.clone();
        self.facts[at] = Some(Arc::new(Facts { cluster, name, free, grades }));
    }
}

/// What is allocatable and neither allocated nor being allocated.
fn free(summary: &ResourceSummary) -> BTreeMap<String, Quantity> {
    let used = |from: &BTreeMap<String, Quantity>, resource: &String| from.get(resource).copied();
    summary
        .allocatable
        .iter()
        .map(|(resource, quantity)| {
            let mut left = *quantity;
            for taken in [&summary.allocated, &summary.allocating] {
                if let Some(taken) = used(taken, resource) {
                    left = left.minus(taken);
                }
            }
            (resource.clone(), left)
        })
        .collect()
}

/// The free nodes by ascending grade; a node is taken to have the minimum of its grade.
fn grades(cluster: &Cluster) -> Vec<Grade> {
    let Some(summary) = &cluster.status.resource_summary else {
        return Vec::new();
    };
    let mut counts: Vec<Modeling> = summary.allocatable_modelings.clone();
    counts.sort_by_key(|modeling| modeling.grade);
    counts
        .into_iter()
        .filter_map(|modeling| {
            let model = cluster.spec.resource_models.iter().find(|model| model.grade == modeling.grade)?;
            let capacity = model.ranges.iter().map(|range| (range.name.clone(), range.min)).collect();
            Some(Grade { nodes: modeling.count.max(0), capacity })
        })
        .collect()
}
