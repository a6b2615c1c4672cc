//! The loop: take a batch, decide, write.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use karmada_runtime::{
    ObjectKey, Patcher,
    events::{EventType, Recorder},
};
use karmada_scheduler_core::{
    BindingInput, Decision, Options, Snapshot,
    decision::{QueueAction, Reason, SpecChange, StatusChange, Trigger},
    model::{Binding, Scope, TargetCluster},
    schedule_batch,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::Config,
    commit::{Commit, Written},
    estimate::{self, ReplicaEstimator},
    metrics,
    world::{World, cluster_resource_bindings, resource_bindings},
};

/// Scheduling cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The threads that decide cannot be started.
    #[error("start the threads that decide")]
    Threads(#[source] rayon::ThreadPoolBuildError),
}

/// The field manager and the source of events of a scheduler with the default name.
const COMPONENT: &str = "default-scheduler";

/// Schedules until `shutdown`; then waits for the decisions that are being written.
///
/// # Errors
/// When the threads that decide cannot be started.
pub async fn run(client: kube::Client, config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let Config { options, threads, commits, batch, estimator, decisions, readiness } = config;
    metrics::register();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .thread_name(|index| format!("schedule-{index}"))
        .build()
        .map_err(Error::Threads)?;
    // One short string per process, or per scheduler of another name in it.
    let component = if options.scheduler_name == COMPONENT {
        COMPONENT
    } else {
        Box::leak(options.scheduler_name.clone().into_boxed_str())
    };
    let options = Options { clock: Some(clock), ..options };
    let world = World::new(&client, options);
    let mut informers = JoinSet::new();
    {
        let (world, shutdown) = (Arc::clone(&world), shutdown.clone());
        informers.spawn(async move {
            tokio::join!(
                world.clusters.run(shutdown.clone()),
                world.namespaced.run(shutdown.clone()),
                world.unnamespaced.run(shutdown.clone()),
            );
        });
    }
    let driver = Arc::new(Driver {
        patcher: Patcher::new(client.clone(), component),
        // Events are still written while the last decisions are.
        recorder: Recorder::start(client, component, shutdown.clone()),
        world,
        estimator,
        decisions,
        pool: Arc::new(pool),
        commits: Arc::new(Semaphore::new(commits.get())),
    });
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = driver.synced() => {
            readiness.set(true);
            driver.drive(batch.get(), &shutdown).await;
        }
    }
    informers.shutdown().await;
    Ok(())
}

/// The time since the first look at this clock.
fn clock() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// Leaves a scheduled binding alone when only the order of its clusters would change.
///
/// The order in which clusters of a duplicated workload are selected follows their free room, so it changes all the time
/// and means nothing. Upstream writes it whenever it happens to look at the binding, for example after each restart.
fn drop_reordering(binding: &Binding, decision: &mut Decision) {
    let sorted = |clusters: &[TargetCluster]| {
        let mut clusters = clusters.to_vec();
        clusters.sort_by(|a, b| a.name.cmp(&b.name));
        clusters
    };
    let settled = decision.trigger == Trigger::Always
        && decision.status.condition.is_none()
        && decision.spec.applied_placement.is_none()
        && binding.status.scheduler_observed_generation == binding.metadata.generation;
    if settled
        && let Some(clusters) = &decision.spec.clusters
        && sorted(clusters) == sorted(&binding.spec.clusters)
    {
        decision.spec = SpecChange::default();
        decision.status = StatusChange::default();
        decision.events.clear();
        decision.clusters.clone_from(&binding.spec.clusters);
    }
}

struct Driver {
    patcher: Patcher,
    recorder: Recorder,
    world: Arc<World>,
    estimator: Option<Arc<dyn ReplicaEstimator>>,
    decisions: Arc<crate::decisions::Decisions>,
    pool: Arc<rayon::ThreadPool>,
    commits: Arc<Semaphore>,
}

impl Driver {
    /// Waits for the first lists: a decision without all clusters would be wrong.
    async fn synced(&self) {
        self.world.clusters.wait_synced().await;
        self.world.namespaced.wait_synced().await;
        self.world.unnamespaced.wait_synced().await;
    }

    async fn drive(self: &Arc<Self>, batch: usize, shutdown: &CancellationToken) {
        let mut writes = JoinSet::new();
        while !shutdown.is_cancelled() {
            while writes.try_join_next().is_some() {}
            // Bindings are taken only as far ahead as decisions can be written, so that urgent ones need not wait.
            let Some(permit) = shutdown.run_until_cancelled(self.commits.clone().acquire_owned()).await else { break };
            let Ok(permit) = permit else { break };
            let limit = batch.min(1 + self.commits.available_permits());
            let (keys, snapshot, depths) = self.world.take(limit);
            metrics::pending(depths);
            if keys.is_empty() {
                drop(permit);
                shutdown.run_until_cancelled(self.world.wait()).await;
                continue;
            }
            self.batch(keys, snapshot, permit, &mut writes).await;
        }
        // A decision that was made is written, or the next scheduler makes it again.
        while writes.join_next().await.is_some() {}
    }

    async fn batch(
        self: &Arc<Self>,
        keys: Vec<ObjectKey>,
        snapshot: Snapshot,
        permit: OwnedSemaphorePermit,
        writes: &mut JoinSet<()>,
    ) {
        let begun = Instant::now();
        let mut jobs = Vec::with_capacity(keys.len());
        for key in keys {
            match self.world.bindings(&key).get(&key) {
                Some(entry) => jobs.push((key, entry.input())),
                None => self.world.done(&key, QueueAction::Forget),
            }
        }
        let mut inputs: Vec<BindingInput> = jobs.iter().map(|(_, input)| input.clone()).collect();
        if let Some(estimator) = &self.estimator {
            estimate::ask(&**estimator, &snapshot, &mut inputs, &self.world.options).await;
        }
        let decided = self.decide(snapshot, inputs).await;
        let mut permit = Some(permit);
        for ((key, input), decision) in jobs.into_iter().zip(decided) {
            let Some(mut decision) = decision else {
                self.world.done(&key, QueueAction::Backoff);
                continue;
            };
            drop_reordering(&input.binding, &mut decision);
            self.world.settle_debt(&key, &mut decision);
            if decision.verdict.as_ref().is_some_and(|verdict| verdict.reason == Reason::Success) {
                self.world.remember(&input, &decision);
            }
            let decision = Arc::new(decision);
            if decision.attempted() {
                self.decisions.keep(key.clone(), Arc::clone(&decision));
            }
            if decision.spec.is_empty() && decision.status.is_empty() {
                metrics::attempted(&decision, true, begun.elapsed());
                self.world.done(&key, decision.queue);
                continue;
            }
            let permit = match permit.take() {
                Some(permit) => permit,
                None => match self.commits.clone().acquire_owned().await {
                    Ok(permit) => permit,
                    Err(_) => return,
                },
            };
            let driver = Arc::clone(self);
            writes.spawn(async move {
                driver.commit(&key, &input.binding, &decision, begun).await;
                drop(permit);
            });
        }
    }

    /// Decides on the pool. A decision that panics is a defect of ours and costs that binding only.
    async fn decide(&self, snapshot: Snapshot, inputs: Vec<BindingInput>) -> Vec<Option<Decision>> {
        let (answer, decided) = oneshot::channel();
        let (pool, options) = (Arc::clone(&self.pool), self.world.options.clone());
        let now = self.world.now();
        let count = inputs.len();
        self.pool.spawn(move || {
            let all = catch_unwind(AssertUnwindSafe(|| schedule_batch(&snapshot, &inputs, &options, &pool, now)));
            let decisions = match all {
                Ok(decisions) => decisions.into_iter().map(Some).collect(),
                Err(_) => inputs
                    .iter()
                    .map(|input| {
                        let one = || karmada_scheduler_core::schedule(&snapshot, input, &options);
                        let decision = catch_unwind(AssertUnwindSafe(one)).ok();
                        if decision.is_none() {
                            tracing::error!(binding = input.binding.key(), "defect: a decision panicked");
                        }
                        decision
                    })
                    .collect(),
            };
            // Nobody waits for it when the scheduler has been told to stop.
            let _nobody_waits = answer.send(decisions);
        });
        decided.await.unwrap_or_else(|_| vec![None; count])
    }

    async fn commit(&self, key: &ObjectKey, binding: &Binding, decision: &Decision, begun: Instant) {
        let resource = match binding.scope() {
            Scope::Namespaced => resource_bindings(),
            Scope::Cluster => cluster_resource_bindings(),
        };
        let commit = Commit { patcher: &self.patcher, resource: &resource, key, binding, decision };
        let informer = self.world.bindings(key);
        let written = commit.run(|object| informer.observe(object)).await;
        metrics::committed(written.as_str());
        match written {
            Written::Done => {
                metrics::attempted(decision, true, begun.elapsed());
                self.tell(binding, decision);
                self.world.done(key, decision.queue);
            }
            Written::StatusOwed => {
                metrics::attempted(decision, true, begun.elapsed());
                self.tell(binding, decision);
                self.world.owe(key, decision.status.clone());
                self.world.done(key, QueueAction::Backoff);
            }
            Written::Overtaken => self.world.again(key, binding.priority()),
            Written::Gone => self.world.done(key, QueueAction::Forget),
            Written::QuotaExceeded | Written::Failed => {
                metrics::attempted(decision, false, begun.elapsed());
                self.world.done(key, QueueAction::Backoff);
            }
        }
    }

    /// Tells what happened, on the binding and on its template.
    fn tell(&self, binding: &Binding, decision: &Decision) {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let about = ObjectReference {
            api_version: Some(resource_bindings().api_version()),
            kind: Some(binding.kind().to_owned()),
            namespace: binding.metadata.namespace.clone(),
            name: Some(binding.metadata.name.clone()),
            uid: text(&binding.metadata.uid),
            ..ObjectReference::default()
        };
        let template = &binding.spec.resource;
        let template = ObjectReference {
            api_version: Some(template.api_version.clone()),
            kind: Some(template.kind.clone()),
            namespace: text(&template.namespace),
            name: Some(template.name.clone()),
            uid: text(&template.uid),
            ..ObjectReference::default()
        };
        for event in &decision.events {
            let kind = if event.warning { EventType::Warning } else { EventType::Normal };
            for object in [&about, &template] {
                self.recorder.event(object.clone(), kind, event.reason(), event.message.clone());
            }
        }
    }
}
