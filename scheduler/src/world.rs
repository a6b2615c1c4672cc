//! What is watched, and what is queued because of it.
//!
//! Informers call in with every change; here it is turned into the snapshot, the queue and the groups. Everything is
//! under one short lock that is never held across an await.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use karmada_runtime::{Change, Informer, InformerSpec, ObjectKey, Resource};
use karmada_scheduler_core::{
    BindingInput, ClusterChange, CompiledPlacement, Decision, Options, PlacementCache, Snapshot,
    decision::{QueueAction, StatusChange, Trigger},
    model::{Binding, Cluster},
    queue::{Depths, Queue},
    trigger::{cluster_change_concerns, concerns, is_owner_label},
};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::metrics::{self, Incoming};

/// A binding as it is kept: what decisions read, with the placement compiled and shared.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) binding: Arc<Binding>,
    pub(crate) placement: Option<Arc<CompiledPlacement>>,
}

impl Entry {
    pub(crate) fn input(&self) -> BindingInput {
        BindingInput { binding: self.binding.clone(), placement: self.placement.clone(), estimates: None }
    }
}

/// The resource of bindings in namespaces.
pub(crate) fn resource_bindings() -> Resource {
    Resource {
        group: "work.karmada.io".to_owned(),
        version: "v1alpha2".to_owned(),
        kind: "ResourceBinding".to_owned(),
        plural: "resourcebindings".to_owned(),
        namespaced: true,
    }
}

/// The resource of bindings outside namespaces.
pub(crate) fn cluster_resource_bindings() -> Resource {
    Resource {
        kind: "ClusterResourceBinding".to_owned(),
        plural: "clusterresourcebindings".to_owned(),
        namespaced: false,
        ..resource_bindings()
    }
}

fn clusters() -> Resource {
    Resource {
        group: "cluster.karmada.io".to_owned(),
        version: "v1alpha1".to_owned(),
        kind: "Cluster".to_owned(),
        plural: "clusters".to_owned(),
        namespaced: false,
    }
}

struct State {
    snapshot: Snapshot,
    queue: Queue<ObjectKey>,
    /// Clusters, as they were and as they are, whose bindings are still to be looked up.
    changed: Vec<Arc<Cluster>>,
    /// Bindings that are being decided about; what is watched of them is older than what was decided.
    working: HashSet<ObjectKey>,
    /// Statuses of decisions whose first half is written.
    owed: HashMap<ObjectKey, StatusChange>,
}

/// What is watched and queued.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) clusters: Arc<Informer<Cluster>>,
    pub(crate) namespaced: Arc<Informer<Entry>>,
    pub(crate) unnamespaced: Arc<Informer<Entry>>,
    state: Mutex<State>,
    wake: Notify,
    epoch: Instant,
}

impl World {
    pub(crate) fn new(client: &kube::Client, options: Options) -> Arc<Self> {
        let placements = Arc::new(Mutex::new(PlacementCache::default()));
        let health = options.gates.scheduling_overcommit_protection;
        let bindings = |resource: Resource| {
            let placements = Arc::clone(&placements);
            Informer::new(client.clone(), InformerSpec::all(resource), move |text| project(text, &placements, health))
        };
        let world = Arc::new(Self {
            clusters: Informer::new(client.clone(), InformerSpec::all(clusters()), |text| {
                let mut cluster: Cluster = serde_json::from_str(text)?;
                cluster.metadata.annotations.clear();
                Ok(cluster)
            }),
            namespaced: bindings(resource_bindings()),
            unnamespaced: bindings(cluster_resource_bindings()),
            state: Mutex::new(State {
                snapshot: Snapshot::new(),
                queue: Queue::new(options.gates.priority_based_scheduling),
                changed: Vec::new(),
                working: HashSet::new(),
                owed: HashMap::new(),
            }),
            wake: Notify::new(),
            epoch: Instant::now(),
            options,
        });
        let weak = Arc::downgrade(&world);
        world.clusters.add_handler(move |change| {
            if let Some(world) = weak.upgrade() {
                world.cluster_changed(change);
            }
        });
        for informer in [&world.namespaced, &world.unnamespaced] {
            let weak = Arc::downgrade(&world);
            informer.add_handler(move |change| {
                if let Some(world) = weak.upgrade() {
                    world.binding_changed(change);
                }
            });
        }
        world
    }

    /// The time since the start; what the queue and the assumptions count in.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The informer of a binding.
    pub(crate) fn bindings(&self, key: &ObjectKey) -> &Informer<Entry> {
        if key.namespace.is_empty() { &self.unnamespaced } else { &self.namespaced }
    }

    /// Waits until there may be something to do.
    pub(crate) async fn wait(&self) {
        // Waiting bindings are looked at when they are due, and at least every half minute as upstream does.
        const LOOK: Duration = Duration::from_secs(30);
        let due = self.state.lock().queue.next_flush();
        let pause = due.map_or(LOOK, |due| due.saturating_sub(self.now()).min(LOOK));
        tokio::select! {
            () = self.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// The next bindings to decide about, with the clusters as they are now.
    pub(crate) fn take(&self, limit: usize) -> (Vec<ObjectKey>, Snapshot, Depths) {
        self.requeue_for_clusters();
        let now = self.now();
        let mut state = self.state.lock();
        for _ in 0..state.queue.flush(now) {
            metrics::incoming(Incoming::ScheduleAttemptFailure);
        }
        if self.options.gates.scheduling_overcommit_protection && !state.snapshot.assumptions.is_empty() {
            Arc::make_mut(&mut state.snapshot.assumptions).expire(now);
        }
        let keys = state.queue.pop(limit);
        for key in &keys {
            state.working.insert(key.clone());
        }
        (keys, state.snapshot.clone(), state.queue.depths())
    }

    /// Makes a decision visible to later ones.
    pub(crate) fn remember(&self, input: &BindingInput, decision: &Decision) {
        let now = self.now();
        karmada_scheduler_core::remember(&mut self.state.lock().snapshot, input, decision, &self.options, now);
    }

    /// Remembers that a status is still to be written.
    pub(crate) fn owe(&self, key: &ObjectKey, status: StatusChange) {
        self.state.lock().owed.insert(key.clone(), status);
    }

    /// Lets a decision that has nothing new to say carry the status that an earlier one owes.
    pub(crate) fn settle_debt(&self, key: &ObjectKey, decision: &mut Decision) {
        let mut state = self.state.lock();
        if state.owed.is_empty() {
            return;
        }
        if let Some(owed) = state.owed.remove(key)
            && decision.trigger == Trigger::UpToDate
        {
            decision.status = owed;
            // Should it fail again, it is owed again.
            decision.queue = QueueAction::Forget;
        }
    }

    /// Ends the work on a binding.
    pub(crate) fn done(&self, key: &ObjectKey, action: QueueAction) {
        let current = self.bindings(key).get(key);
        let mut state = self.state.lock();
        state.working.remove(key);
        self.observe(&mut state, key, current.as_deref());
        state.queue.done(key, action, self.now());
        drop(state);
        self.wake.notify_one();
    }

    /// Ends the work on a binding whose decision was overtaken, and queues it again.
    pub(crate) fn again(&self, key: &ObjectKey, priority: i32) {
        self.state.lock().queue.push(key.clone(), priority);
        metrics::incoming(Incoming::BindingUpdate);
        self.done(key, QueueAction::Forget);
    }

    fn binding_changed(&self, change: &Change<'_, Entry>) {
        let key = change.key;
        let mut state = self.state.lock();
        if !state.working.contains(key) || change.new.is_none() {
            self.observe(&mut state, key, change.new.map(|entry| &**entry));
        }
        let Some(new) = change.new else {
            state.queue.remove(key);
            state.owed.remove(key);
            return;
        };
        if new.placement.is_none() || !concerns(&new.binding, &self.options) {
            return;
        }
        let event = match change.old {
            None => Incoming::BindingAdd,
            Some(old)
                if old.binding.metadata.generation != new.binding.metadata.generation
                    || old.binding.metadata.uid != new.binding.metadata.uid
                    || !concerns(&old.binding, &self.options) =>
            {
                Incoming::BindingUpdate
            }
            Some(_) => return,
        };
        state.queue.push(key.clone(), new.binding.priority());
        drop(state);
        metrics::incoming(event);
        self.wake.notify_one();
    }

    /// Takes what is watched of a binding into groups and assumptions.
    fn observe(&self, state: &mut State, key: &ObjectKey, entry: Option<&Entry>) {
        let gates = self.options.gates;
        let Some(entry) = entry else {
            let key = key.to_string();
            if gates.workload_affinity && !state.snapshot.peers.is_empty() {
                Arc::make_mut(&mut state.snapshot.peers).remove(&key);
            }
            if gates.scheduling_overcommit_protection && !state.snapshot.assumptions.is_empty() {
                Arc::make_mut(&mut state.snapshot.assumptions).release(&key);
            }
            return;
        };
        if gates.workload_affinity && (entry.binding.spec.workload_affinity_groups.is_some()) {
            let clusters = entry.binding.spec.clusters.iter().map(|target| target.name.clone());
            Arc::make_mut(&mut state.snapshot.peers).upsert(&entry.binding, clusters);
        }
        if gates.scheduling_overcommit_protection && !state.snapshot.assumptions.is_empty() {
            Arc::make_mut(&mut state.snapshot.assumptions).observe(&entry.binding);
        }
    }

    fn cluster_changed(&self, change: &Change<'_, Cluster>) {
        let mut state = self.state.lock();
        let Some(new) = change.new else {
            state.snapshot.remove(&change.key.name);
            return;
        };
        match state.snapshot.upsert(Arc::clone(new)) {
            ClusterChange::Identity => {
                state.changed.extend(change.old.cloned());
                state.changed.push(Arc::clone(new));
            }
            ClusterChange::Deleting => state.changed.push(Arc::clone(new)),
            ClusterChange::Nothing | ClusterChange::Added | ClusterChange::Capacity => return,
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Queues the bindings that changed clusters concern.
    ///
    /// All bindings are looked at, once for all clusters that changed meanwhile; whether an affinity selects a changed
    /// cluster is found out once per placement and term.
    fn requeue_for_clusters(&self) {
        let changed = std::mem::take(&mut self.state.lock().changed);
        if changed.is_empty() {
            return;
        }
        let mut known = HashMap::<(usize, String), bool>::new();
        let mut concerned = Vec::new();
        for informer in [&self.namespaced, &self.unnamespaced] {
            for (key, entry) in informer.list() {
                let Some(placement) = &entry.placement else { continue };
                let binding = &*entry.binding;
                if !concerns(binding, &self.options) {
                    continue;
                }
                let find = || changed.iter().any(|it| cluster_change_concerns(binding, &placement.source, it));
                let hit = if !placement.terms.is_empty()
                    && binding.status.scheduler_observed_generation != binding.metadata.generation
                {
                    true
                } else {
                    let id = (Arc::as_ptr(placement).addr(), binding.status.observed_affinity_name.clone());
                    *known.entry(id).or_insert_with(find)
                };
                if hit {
                    concerned.push((key, binding.priority()));
                }
            }
        }
        let mut state = self.state.lock();
        for (key, priority) in concerned {
            state.queue.push(key, priority);
            metrics::incoming(Incoming::ClusterChanged);
        }
    }
}

/// Keeps of a binding what decisions read; the clusters' `health` only if assumptions need it.
fn project(text: &str, placements: &Mutex<PlacementCache>, health: bool) -> Result<Entry, serde_json::Error> {
    let mut binding: Binding = serde_json::from_str(text)?;
    let placement = binding.spec.placement.take().map(|placement| placements.lock().compile(placement));
    binding.metadata.annotations.retain(|key, _| key == Binding::APPLIED_PLACEMENT);
    binding.metadata.labels.retain(|key, _| is_owner_label(key));
    if !health {
        binding.status.aggregated_status = Vec::new();
    }
    Ok(Entry { binding: Arc::new(binding), placement })
}
