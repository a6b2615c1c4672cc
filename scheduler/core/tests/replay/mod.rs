//! Replay of recorded scheduling cases against the pure function.
//!
//! A case is a sequence of changes of one binding and its surroundings, with what upstream's scheduler left behind
//! each time. A step is replayed like the driver would work: a change wakes the binding up or does not, the decision is
//! applied, and a change of the generation by our own write wakes it up again, until nothing moves.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use karmada_scheduler_core::{
    BindingInput, ClusterChange, Decision, Options, Peers, Plugins, Snapshot,
    decision::QueueAction,
    model::{Binding, Cluster, Condition, TargetCluster},
    queue::Queue,
    remember, schedule,
    trigger::{cluster_change_concerns, concerns},
};
use serde_json::Value;

/// What became of a file.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Cases that came out as recorded.
    pub(crate) passed: usize,
    /// The others, by name, with the first difference.
    pub(crate) failed: Vec<(String, String)>,
}

/// Replays all cases of a file's text.
pub(crate) fn replay(text: &str) -> Result<Report, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut report = Report::default();
    for case in file["cases"].as_array().ok_or("no cases")? {
        let name = case["name"].as_str().unwrap_or("?").to_owned();
        match Case::new(&file, case).and_then(|mut state| state.run(case)) {
            Ok(()) => report.passed += 1,
            Err(difference) => report.failed.push((name, difference)),
        }
    }
    Ok(report)
}

struct Case<'a> {
    file: &'a Value,
    options: Options,
    snapshot: Snapshot,
    others: Vec<Binding>,
    /// The binding as the last step left it, and whether it is due for another try.
    last: Option<(Binding, bool)>,
}

/// What a step did.
#[derive(Default)]
struct Outcome {
    attempted: bool,
    events: BTreeSet<(String, String, String)>,
    retry: bool,
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

impl<'a> Case<'a> {
    fn new(file: &'a Value, case: &Value) -> Result<Self, String> {
        let mut options = Options::default();
        if let Some(gates) = case["flags"]["featureGates"].as_object() {
            for (gate, on) in gates {
                let on = on.as_bool().unwrap_or(false);
                let gates = &mut options.gates;
                match gate.as_str() {
                    "CustomizedClusterResourceModeling" => gates.customized_cluster_resource_modeling = on,
                    "MultiplePodTemplatesScheduling" => gates.multiple_pod_templates_scheduling = on,
                    "WorkloadAffinity" => gates.workload_affinity = on,
                    "SchedulingOvercommitProtection" => gates.scheduling_overcommit_protection = on,
                    "PriorityBasedScheduling" => gates.priority_based_scheduling = on,
                    // Gates of other components and features do not change decisions.
                    _ => {}
                }
            }
        }
        for arg in case["flags"]["args"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            match arg.split_once('=') {
                Some(("--plugins", list)) => {
                    options.plugins = Plugins::parse(list.split(',')).map_err(|error| error.to_string())?;
                }
                Some(("--scheduler-name", name)) => options.scheduler_name = name.to_owned(),
                Some(("--enable-empty-workload-propagation", on)) => options.empty_workload_propagation = on == "true",
                _ => return Err(format!("unknown argument {arg}")),
            }
        }
        let mut state = Self { file, options, snapshot: Snapshot::new(), others: Vec::new(), last: None };
        for cluster in state.clusters(&case["clusters"])? {
            state.snapshot.upsert(cluster);
        }
        state.set_others(&case["otherBindings"])?;
        Ok(state)
    }

    fn clusters(&self, list: &Value) -> Result<Vec<Cluster>, String> {
        let default = |value: &mut Value, name: &str| {
            if value.as_str() == Some("default") {
                *value = self.file[name].clone();
            }
        };
        let expand = |cluster: &Value| {
            let mut cluster = cluster.clone();
            default(&mut cluster["spec"]["resourceModels"], "defaultResourceModels");
            default(&mut cluster["status"]["apiEnablements"], "defaultApiEnablements");
            default(&mut cluster["status"]["conditions"], "defaultClusterConditions");
            parse(&cluster)
        };
        list.as_array().into_iter().flatten().map(expand).collect()
    }

    fn set_others(&mut self, list: &Value) -> Result<(), String> {
        for other in &self.others {
            Arc::make_mut(&mut self.snapshot.assumptions).release(&other.key());
        }
        self.others = list.as_array().into_iter().flatten().map(parse).collect::<Result<_, _>>()?;
        for other in &mut self.others {
            settle(&mut self.snapshot, &self.options, other);
            if self.options.gates.scheduling_overcommit_protection && other.status.last_scheduled_time.is_some() {
                let assumptions = Arc::make_mut(&mut self.snapshot.assumptions);
                assumptions.assume(other, &other.spec.clusters, Duration::ZERO);
                assumptions.observe(other);
            }
        }
        let mut peers = Peers::default();
        for other in &self.others {
            peers.upsert(other, other.spec.clusters.iter().map(|target| target.name.clone()));
        }
        self.snapshot.peers = Arc::new(peers);
        Ok(())
    }

    fn run(&mut self, case: &Value) -> Result<(), String> {
        for (index, step) in case["steps"].as_array().into_iter().flatten().enumerate() {
            let what = format!("step {index} ({})", step["change"].as_str().unwrap_or_default());
            self.step(step).map_err(|difference| format!("{what}: {difference}"))?;
        }
        if let Some(bindings) = case["bindings"].as_array() {
            self.run_queue(bindings, &case["expectOrder"])?;
        }
        Ok(())
    }

    /// All bindings at once, through the queue.
    fn run_queue(&mut self, bindings: &[Value], order: &Value) -> Result<(), String> {
        let mut queue = Queue::new(self.options.gates.priority_based_scheduling);
        for (index, item) in bindings.iter().enumerate() {
            let binding: Binding = parse(&item["binding"])?;
            queue.push(index, binding.priority());
        }
        let mut got = Vec::new();
        while let [index] = queue.pop(1)[..] {
            let mut binding: Binding = parse(&bindings[index]["binding"])?;
            settle(&mut self.snapshot, &self.options, &mut binding);
            let expect: Vec<TargetCluster> = parse(&bindings[index]["expect"]["clusters"])?;
            same("clusters", &binding.spec.clusters, &expect)?;
            got.push(binding.metadata.name.clone());
            queue.done(&index, QueueAction::Forget, Duration::ZERO);
        }
        let expected: Vec<String> = parse(order)?;
        same("order", &got, &expected)
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        let mut binding: Binding = parse(&step["binding"])?;
        let expect = &step["expect"];
        if step.get("otherBindings").is_some() {
            self.set_others(&step["otherBindings"])?;
        }
        let mut requeued = false;
        if step.get("clusters").is_some() {
            requeued = self.change_clusters(step, &binding)?;
        }
        let concerned = concerns(&binding, &self.options);
        let (changed, retry) = match &self.last {
            None => (true, false),
            Some((last, retry)) => {
                let changed = last.metadata.generation != binding.metadata.generation
                    || concerned && !concerns(last, &self.options);
                (changed, *retry)
            }
        };
        // A step may end before or after the retry of a failed attempt; both are right.
        if retry && !changed && !requeued {
            let waiting = Outcome { retry, ..Outcome::default() };
            if compare(&binding, &waiting, requeued, expect).is_ok() {
                self.last = Some((binding, retry));
                return Ok(());
            }
        }
        let outcome = if changed || requeued || retry {
            settle(&mut self.snapshot, &self.options, &mut binding)
        } else {
            Outcome::default()
        };
        compare(&binding, &outcome, requeued, expect)?;
        self.last = Some((binding, outcome.retry));
        Ok(())
    }

    /// Applies the new list of clusters and tells whether it wakes the binding up.
    fn change_clusters(&mut self, step: &Value, binding: &Binding) -> Result<bool, String> {
        let new = self.clusters(&step["clusters"])?;
        let mut requeued = false;
        let gone: Vec<String> = self
            .snapshot
            .names()
            .filter(|name| !new.iter().any(|cluster| cluster.metadata.name == *name))
            .map(str::to_owned)
            .collect();
        for name in gone {
            self.snapshot.remove(&name);
        }
        for cluster in new {
            let old = self.snapshot.cluster(&cluster.metadata.name).cloned();
            let change = self.snapshot.upsert(cluster.clone());
            let Some(placement) = &binding.spec.placement else {
                continue;
            };
            let concerned = |cluster: &Cluster| cluster_change_concerns(binding, placement, cluster);
            requeued |= match change {
                ClusterChange::Identity => old.as_ref().is_some_and(concerned) || concerned(&cluster),
                ClusterChange::Deleting => concerned(&cluster),
                ClusterChange::Nothing | ClusterChange::Added | ClusterChange::Capacity => false,
            };
        }
        Ok(requeued && concerns(binding, &self.options))
    }
}

/// Decides and applies until nothing moves.
fn settle(snapshot: &mut Snapshot, options: &Options, binding: &mut Binding) -> Outcome {
    let mut outcome = Outcome::default();
    for _ in 0..8 {
        let input = BindingInput::new(binding.clone());
        let decision = schedule(snapshot, &input, options);
        if decision.verdict.as_ref().is_some_and(|verdict| verdict.status() == "True") {
            remember(snapshot, &input, &decision, options, Duration::ZERO);
        }
        let generation = binding.metadata.generation;
        outcome.attempted |= decision.attempted();
        outcome.retry = decision.queue == QueueAction::Backoff;
        for event in &decision.events {
            outcome.events.insert((event.kind().to_owned(), event.reason().to_owned(), event.message.clone()));
        }
        apply(binding, decision);
        if binding.metadata.generation == generation {
            break;
        }
    }
    outcome
}

/// Writes a decision as the driver would.
fn apply(binding: &mut Binding, decision: Decision) {
    if let Some(clusters) = decision.spec.clusters {
        binding.spec.clusters = clusters;
        binding.metadata.generation += 1;
    }
    if let Some(applied) = decision.spec.applied_placement {
        binding.metadata.annotations.insert(Binding::APPLIED_PLACEMENT.to_owned(), applied);
    }
    let status = &mut binding.status;
    if let Some(verdict) = decision.status.condition {
        status.conditions.retain(|condition| condition.kind != "Scheduled");
        status.conditions.push(Condition {
            kind: "Scheduled".to_owned(),
            status: verdict.status().to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            message: verdict.message,
            ..Condition::default()
        });
    }
    if decision.status.observe_generation {
        status.scheduler_observed_generation = binding.metadata.generation;
    }
    if let Some(name) = decision.status.affinity_name {
        status.observed_affinity_name = name;
    }
    if decision.status.stamp {
        // Requests for a new decision count once, even those from the future.
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a timestamp");
        let asked = binding.spec.reschedule_triggered_at.as_ref().map_or(now, |time| time.0);
        status.last_scheduled_time = Some(Time(now.max(asked)));
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("{what}: got {got:?}, expected {expected:?}")) }
}

fn compare(binding: &Binding, outcome: &Outcome, requeued: bool, expect: &Value) -> Result<(), String> {
    let clusters: Vec<TargetCluster> = expect.get("clusters").map_or_else(|| Ok(Vec::new()), parse)?;
    let show = |list: &[TargetCluster]| {
        let parts: Vec<String> = list
            .iter()
            .map(|target| {
                let parts: Vec<String> =
                    target.components.iter().map(|part| format!("/{}:{}", part.name, part.replicas)).collect();
                format!("{}:{}{}", target.name, target.replicas, parts.concat())
            })
            .collect();
        parts.join(" ")
    };
    let conditions: Vec<Condition> = parse(&expect["conditions"])?;
    let told = |conditions: &[Condition]| -> Vec<String> {
        conditions.iter().map(|it| format!("{} {} {} {}", it.kind, it.status, it.reason, it.message)).collect()
    };
    same("conditions", &told(&binding.status.conditions), &told(&conditions))?;
    same("clusters", &show(&binding.spec.clusters), &show(&clusters))?;
    let applied = binding.metadata.annotations.get(Binding::APPLIED_PLACEMENT).map(String::as_str);
    same("appliedPlacement", &applied, &expect["appliedPlacement"].as_str())?;
    same("generation", &binding.metadata.generation, &expect["generation"].as_i64().unwrap_or_default())?;
    let observed = expect["schedulerObservedGeneration"].as_i64().unwrap_or_default();
    same("schedulerObservedGeneration", &binding.status.scheduler_observed_generation, &observed)?;
    let name = expect["schedulerObservingAffinityName"].as_str().unwrap_or_default();
    same("schedulerObservingAffinityName", &binding.status.observed_affinity_name.as_str(), &name)?;
    let stamped = binding.status.last_scheduled_time.is_some();
    same("lastScheduledTimeSet", &stamped, &(expect["lastScheduledTimeSet"] == true))?;
    if let Some(events) = expect["events"].as_array() {
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let events: BTreeSet<_> =
            events.iter().map(|event| (text(event, "type"), text(event, "reason"), text(event, "message"))).collect();
        same("events", &outcome.events, &events)?;
    }
    if let Some(attempted) = expect["scheduleAttempted"].as_bool() {
        same("scheduleAttempted", &outcome.attempted, &attempted)?;
    }
    if let Some(expected) = expect["requeuedByClusterChange"].as_bool() {
        same("requeuedByClusterChange", &requeued, &expected)?;
    }
    Ok(())
}
