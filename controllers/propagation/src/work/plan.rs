//! Which Works a binding needs, and what to do about those that stand.

use std::collections::{BTreeMap, BTreeSet};

use karmada_api::cluster::Cluster;
use karmada_api::policy::{PurgeMode, ReplicaSchedulingType};
use karmada_api::work::v1alpha1::Work;
use karmada_api::work::v1alpha2::{BindingKind, GracefulEvictionTask, ResourceBindingSpec, TargetCluster};
use karmada_api::{annotations, labels, names};
use karmada_interpreter::{InterpretError, Interpreter, Operation, kind_of};
use karmada_scheduler_core::webster::{Party, TieBreak, allocate};
use serde_json::Value;

use super::prune::prune;
use super::render::{Desired, Identity, conflict_resolution, finish_manifest, mark_manifest};
use crate::object;
use crate::overrides::{OverrideError, OverridePolicies};

/// What Works are planned from.
pub struct PlanInput<'a, B> {
    /// The binding.
    pub binding: &'a B,
    /// The template, as it stands in the control plane.
    pub template: &'a Value,
    /// The binding's Works, found by its permanent id.
    pub works: &'a [Work],
    /// The interpreter.
    pub interpreter: &'a Interpreter,
    /// The override policies that may apply.
    pub overrides: &'a OverridePolicies,
    /// Finds a member by name: overrides look at its labels and fields.
    pub cluster: &'a dyn Fn(&str) -> Option<std::sync::Arc<Cluster>>,
    /// Makes the permanent id of a new Work.
    pub new_id: &'a dyn Fn() -> String,
    /// Whether preserved labels of a failed-over workload are injected (feature gate StatefulFailoverInjection).
    pub stateful_failover: bool,
}

/// What to do about a binding's Works.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkPlan {
    /// Works to create.
    pub create: Vec<Work>,
    /// Works to replace; each carries the resource version it was planned against.
    pub update: Vec<Work>,
    /// Works to delete, by namespace and name: those in clusters that the binding has left.
    pub delete: Vec<(String, String)>,
    /// Clusters whose Works must be gone before anything new is applied, because the workload is purged there
    /// directly. While there are any, nothing is created or updated; ask again soon (Karmada: after 5 s).
    pub blocked_by_directly_purged: Vec<String>,
    /// Clusters whose Work is still being deleted while a new one is wanted: ask again when it is gone.
    pub terminating: Vec<String>,
    /// Clusters whose manifest could not be rendered. The other clusters are planned all the same.
    pub failed: Vec<ClusterFailure>,
    /// The override policies that were applied or failed, for events.
    pub overridden: Vec<AppliedOverride>,
}

impl WorkPlan {
    /// Whether there is nothing to do and nothing to wait for.
    pub fn is_settled(&self) -> bool {
        let Self { create, update, delete, blocked_by_directly_purged, terminating, failed, overridden: _ } = self;
        create.is_empty()
            && update.is_empty()
            && delete.is_empty()
            && blocked_by_directly_purged.is_empty()
            && terminating.is_empty()
            && failed.is_empty()
    }
}

/// A cluster whose manifest could not be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterFailure {
    /// The cluster.
    pub cluster: String,
    /// Why.
    pub error: RenderError,
}

/// Why a manifest could not be rendered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// The interpreter could not set the replicas.
    #[error(transparent)]
    Replicas(#[from] InterpretError),
    /// An override policy could not be applied.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The override policies look at the cluster, which is not there.
    #[error("cluster {0} not found")]
    NoCluster(String),
}

/// An override policy that was applied to one cluster's manifest, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedOverride {
    /// The cluster.
    pub cluster: String,
    /// The policy's namespace; empty for a ClusterOverridePolicy.
    pub namespace: String,
    /// The policy's name.
    pub name: String,
    /// Whether all of its overriders could be applied.
    pub succeeded: bool,
}

impl AppliedOverride {
    /// The event's text on the template.
    pub fn message(&self) -> String {
        let Self { cluster, namespace, name, succeeded } = self;
        let outcome = if *succeeded { "succeed" } else { "failed" };
        let (kind, key) = if namespace.is_empty() {
            ("cluster override policy", name.clone())
        } else {
            ("override policy", format!("{namespace}/{name}"))
        };
        format!("Apply {kind}({key}) for cluster({cluster}) {outcome}.")
    }
}

/// The clusters that get the workload: those it is scheduled to, then those of the bindings that depend on it.
pub fn target_clusters(spec: &ResourceBindingSpec) -> Vec<TargetCluster> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    spec.clusters
        .iter()
        .chain(spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters))
        .filter(|cluster| seen.insert(&cluster.name))
        .cloned()
        .collect()
}

/// Whether a task's workload is taken away before its replacement runs.
fn is_purged_directly(task: &GracefulEvictionTask) -> bool {
    task.purge_mode == Some(PurgeMode::Directly)
}

/// The clusters in which Works may stand: the targets, and those that the workload is leaving gracefully.
pub fn expected_clusters(spec: &ResourceBindingSpec) -> BTreeSet<String> {
    let targets = target_clusters(spec).into_iter().map(|cluster| cluster.name);
    let leaving = spec
        .graceful_eviction_tasks
        .iter()
        .filter(|task| !is_purged_directly(task))
        .map(|task| task.from_cluster.clone());
    targets.chain(leaving).collect()
}

fn key_of(work: &Work) -> (&str, &str) {
    (work.metadata.namespace.as_deref().unwrap_or_default(), work.metadata.name.as_deref().unwrap_or_default())
}

/// The cluster of a Work; nothing if it isn't in an execution namespace.
pub fn cluster_of(work: &Work) -> Option<&str> {
    names::cluster_of_execution_space(work.metadata.namespace.as_deref()?)
}

/// Plans the Works of a binding that is not being deleted.
pub fn plan_works<B: BindingKind>(input: &PlanInput<'_, B>) -> WorkPlan {
    let spec = input.binding.spec();
    let mut plan = WorkPlan::default();
    let expected = expected_clusters(spec);
    for work in input.works {
        let Some(cluster) = cluster_of(work) else { continue };
        if !expected.contains(cluster) && work.metadata.deletion_timestamp.is_none() {
            let (namespace, name) = key_of(work);
            plan.delete.push((namespace.to_owned(), name.to_owned()));
        }
    }

    let purged: BTreeSet<&str> = spec
        .graceful_eviction_tasks
        .iter()
        .filter(|task| is_purged_directly(task))
        .map(|task| task.from_cluster.as_str())
        .collect();
    let blocking: BTreeSet<&str> =
        input.works.iter().filter_map(cluster_of).filter(|cluster| purged.contains(cluster)).collect();
    if !blocking.is_empty() {
        plan.blocked_by_directly_purged = blocking.into_iter().map(str::to_owned).collect();
        return plan;
    }

    let name =
        names::work_name(object::kind(input.template), object::name(input.template), object::namespace(input.template));
    let targets = target_clusters(spec);
    let renderer = Renderer::new(input, &targets);
    for target in &targets {
        let namespace = names::execution_space(&target.name);
        let existing = input.works.iter().find(|work| key_of(work) == (&namespace, &name));
        if existing.is_some_and(|work| work.metadata.deletion_timestamp.is_some()) {
            plan.terminating.push(target.name.clone());
            continue;
        }
        let work_id = existing
            .and_then(|work| work.metadata.labels.as_ref()?.get(labels::WORK_PERMANENT_ID).cloned())
            .filter(|id| !id.is_empty())
            .unwrap_or_else(input.new_id);
        let identity = Identity { work_namespace: &namespace, work_name: &name, work_id: &work_id };
        let desired = match renderer.render(target, &identity, &mut plan.overridden) {
            Ok(desired) => desired,
            Err(error) => {
                plan.failed.push(ClusterFailure { cluster: target.name.clone(), error });
                continue;
            }
        };
        let work = desired.over(existing, &work_id);
        match existing {
            None => plan.create.push(work),
            Some(existing) if *existing == work => {}
            Some(_) => plan.update.push(work),
        }
    }
    plan
}

/// What the manifests of all clusters have in common.
struct Renderer<'a, B> {
    input: &'a PlanInput<'a, B>,
    pruned: Value,
    revises_replicas: bool,
    /// Completions by cluster, for Jobs that are divided.
    completions: BTreeMap<String, i64>,
    /// Labels that a workload takes along from the cluster it failed in.
    preserved: BTreeMap<String, String>,
}

impl<'a, B: BindingKind> Renderer<'a, B> {
    fn new(input: &'a PlanInput<'a, B>, targets: &[TargetCluster]) -> Self {
        let spec = input.binding.spec();
        let mut pruned = input.template.clone();
        prune(&mut pruned);
        let kind = kind_of(input.template);
        Self {
            input,
            pruned,
            revises_replicas: spec.is_workload() && input.interpreter.hook_enabled(&kind, Operation::ReviseReplica),
            completions: divided_completions(spec, input.template, targets),
            preserved: if input.stateful_failover { preserved_labels(spec) } else { BTreeMap::new() },
        }
    }

    fn render(
        &self,
        target: &TargetCluster,
        identity: &Identity<'_>,
        overridden: &mut Vec<AppliedOverride>,
    ) -> Result<Desired, RenderError> {
        let Self { input, pruned, revises_replicas, completions, preserved } = self;
        let spec = input.binding.spec();
        let mut manifest = if *revises_replicas {
            input.interpreter.revise_replica(pruned, i64::from(target.replicas))?
        } else {
            pruned.clone()
        };
        if let Some(completions) = completions.get(&target.name)
            && let Some(job) = manifest.get_mut("spec").and_then(Value::as_object_mut)
        {
            job.insert("completions".to_owned(), Value::from(*completions));
        }
        for (key, value) in preserved {
            object::set_label(&mut manifest, key, value);
        }

        let applied = if input.overrides.may_apply(&manifest) {
            let cluster = (input.cluster)(&target.name).ok_or_else(|| RenderError::NoCluster(target.name.clone()))?;
            input.overrides.apply(&mut manifest, &cluster, overridden)?
        } else {
            crate::overrides::Applied::default()
        };

        mark_manifest(&mut manifest, input.template, input.binding, identity);
        finish_manifest(&mut manifest, identity.work_id);

        let metadata = input.binding.metadata();
        let mut work_annotations = BTreeMap::new();
        if let Some(key) = B::NAMESPACE_ANNOTATION {
            work_annotations.insert(key.to_owned(), metadata.namespace.clone().unwrap_or_default());
        }
        work_annotations.insert(B::NAME_ANNOTATION.to_owned(), metadata.name.clone().unwrap_or_default());
        work_annotations.insert(
            annotations::CONFLICT_RESOLUTION.to_owned(),
            conflict_resolution(input.template, spec.conflict_resolution).to_owned(),
        );
        applied.annotate(&mut work_annotations);
        let work_labels = BTreeMap::from([(
            B::PERMANENT_ID_LABEL.to_owned(),
            input.binding.permanent_id().unwrap_or_default().to_owned(),
        )]);
        Ok(Desired {
            namespace: identity.work_namespace.to_owned(),
            name: identity.work_name.to_owned(),
            labels: work_labels,
            annotations: work_annotations,
            manifest,
            suspend_dispatching: Some(spec.dispatching_suspended(&target.name)),
            preserve_resources_on_deletion: Some(spec.preserve_resources_on_deletion.unwrap_or(false)),
            owner: None,
        })
    }
}

/// How a divided Job's completions are shared among its clusters: in proportion to their replicas.
fn divided_completions(
    spec: &ResourceBindingSpec,
    template: &Value,
    targets: &[TargetCluster],
) -> BTreeMap<String, i64> {
    let divided = spec
        .placement
        .as_ref()
        .and_then(|placement| placement.replica_scheduling.as_ref())
        .is_some_and(|strategy| strategy.replica_scheduling_type == Some(ReplicaSchedulingType::Divided));
    let completions = template.pointer("/spec/completions").and_then(Value::as_i64);
    match completions {
        Some(completions) if divided && object::kind(template) == "Job" && spec.is_workload() => {
            let mut parties: Vec<Party<&str>> = targets
                .iter()
                .map(|target| Party { name: target.name.as_str(), votes: i64::from(target.replicas), seats: 0 })
                .collect();
            allocate(completions, &mut parties, TieBreak::of_uid(object::uid(template)));
            parties.into_iter().map(|party| (party.name.to_owned(), party.seats)).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// The labels that a stateful workload carries to the cluster it failed over to: only when it runs in exactly one
/// cluster, was purged directly from the last one, and was not in this one before.
fn preserved_labels(spec: &ResourceBindingSpec) -> BTreeMap<String, String> {
    let ([target], Some(task)) = (spec.clusters.as_slice(), spec.graceful_eviction_tasks.last()) else {
        return BTreeMap::new();
    };
    if is_purged_directly(task) && !task.clusters_before_failover.contains(&target.name) {
        task.preserved_label_state.clone()
    } else {
        BTreeMap::new()
    }
}

/// Texts of events on bindings and templates.
pub mod message {
    use karmada_api::work::v1alpha2::BindingKind;

    /// The binding's Works are up to date.
    pub fn synced<B: BindingKind>(binding: &B) -> String {
        let metadata = binding.metadata();
        let key = crate::object::short_key(
            metadata.namespace.as_deref().filter(|_| B::NAMESPACED).unwrap_or_default(),
            metadata.name.as_deref().unwrap_or_default(),
        );
        format!("Sync work of {}({key}) successful.", B::KIND)
    }

    /// A Work must be gone before a new one can take its place.
    pub fn terminating(namespace: &str, name: &str) -> String {
        format!("work {namespace}/{name} is being deleted")
    }
}
