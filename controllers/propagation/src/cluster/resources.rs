//! How much room a cluster has: sums over nodes and pods, and how many nodes there are of each size.

use std::collections::{BTreeMap, HashMap};

use karmada_api::cluster::{AllocatableModeling, NodeSummary, ResourceModel, ResourceSummary};
use karmada_api::meta::ResourceList;
use karmada_api::quantity::{Amount, Quantity};
use serde_json::Value;

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Amount>;

/// What of a node matters here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// What pods may use.
    pub allocatable: Amounts,
}

/// What of a pod matters here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// The node it runs on; empty while it waits for one.
    pub node: String,
    /// Whether it has come to its end, one way or the other.
    pub finished: bool,
    /// What it requests.
    pub requests: Amounts,
}

fn amounts(list: Option<&Value>) -> Amounts {
    list.and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some((name.clone(), Amount::parse(&text).ok()?))
        })
        .collect()
}

impl Node {
    /// From a Node object.
    pub fn of(node: &Value) -> Self {
        let ready = node
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        Self {
            name: crate::object::name(node).to_owned(),
            ready,
            allocatable: amounts(node.pointer("/status/allocatable")),
        }
    }
}

impl Pod {
    /// From a Pod object.
    pub fn of(pod: &Value) -> Self {
        let requirements = pod
            .get("spec")
            .and_then(|spec| karmada_interpreter::native::pod_requirements(spec).ok().flatten())
            .unwrap_or_default();
        let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
        Self {
            node: pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default().to_owned(),
            finished: matches!(phase, "Succeeded" | "Failed"),
            requests: amounts(requirements.get("resourceRequest")),
        }
    }
}

/// How many nodes there are, and how many of them are ready.
pub fn node_summary(nodes: &[Node]) -> NodeSummary {
    let count = |nodes: usize| i32::try_from(nodes).unwrap_or(i32::MAX);
    NodeSummary { total_num: count(nodes.len()), ready_num: count(nodes.iter().filter(|node| node.ready).count()) }
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let total = sum.entry(name.clone()).or_insert(Amount::default().with_notation(amount.notation()));
        *total += *amount;
    }
}

fn add_pods(sum: &mut Amounts, pods: i64) {
    if pods > 0 {
        add(sum, &Amounts::from([("pods".to_owned(), Amount::from_value(pods))]));
    }
}

fn into_list(amounts: Amounts) -> ResourceList {
    amounts.into_iter().map(|(name, amount)| (name, Quantity::from(amount))).collect()
}

/// The sums over nodes and pods. With models, also how many nodes there are of each size.
pub fn resource_summary(nodes: &[Node], pods: &[Pod], models: &[ResourceModel]) -> ResourceSummary {
    let (mut allocatable, mut allocating, mut allocated) = (Amounts::new(), Amounts::new(), Amounts::new());
    for node in nodes {
        add(&mut allocatable, &node.allocatable);
    }
    let (mut waiting, mut running) = (0, 0);
    for pod in pods {
        if pod.node.is_empty() {
            add(&mut allocating, &pod.requests);
            waiting += 1;
        } else if !pod.finished {
            add(&mut allocated, &pod.requests);
            running += 1;
        }
    }
    add_pods(&mut allocating, waiting);
    add_pods(&mut allocated, running);
    ResourceSummary {
        allocatable: into_list(allocatable),
        allocating: into_list(allocating),
        allocated: into_list(allocated),
        allocatable_modelings: modelings(nodes, pods, models),
    }
}

/// How many nodes have room of each grade. A node's grade is the lowest that any of its resources falls in; a node
/// without room for a pod counts in none.
fn modelings(nodes: &[Node], pods: &[Pod], models: &[ResourceModel]) -> Vec<AllocatableModeling> {
    let mut used: HashMap<&str, Amounts> = HashMap::new();
    for pod in pods.iter().filter(|pod| !pod.node.is_empty() && !pod.finished) {
        let sum = used.entry(&pod.node).or_default();
        add(sum, &pod.requests);
        add_pods(sum, 1);
    }
    let mut counts = vec![0_i64; models.len()];
    for node in nodes {
        let none = Amounts::new();
        let used = used.get(node.name.as_str()).unwrap_or(&none);
        let free = |resource: &str| {
            let amount = |amounts: &Amounts| amounts.get(resource).copied().unwrap_or_default();
            amount(&node.allocatable) - amount(used)
        };
        if free("pods").value() <= 0 {
            continue;
        }
        if let Some(count) = grade(models, free).and_then(|grade| counts.get_mut(grade)) {
            *count += 1;
        }
    }
    models.iter().zip(counts).map(|(model, count)| AllocatableModeling { grade: model.grade, count }).collect()
}

/// The place in the list of models that fits the free resources.
fn grade(models: &[ResourceModel], free: impl Fn(&str) -> Amount) -> Option<usize> {
    let resources = models.first()?.ranges.iter().map(|range| range.name.as_str());
    resources
        .map(|resource| {
            let amount = free(resource);
            models
                .iter()
                .rposition(|model| {
                    model
                        .ranges
                        .iter()
                        .find(|range| range.name == resource)
                        .and_then(|range| range.min.as_ref())
                        .is_some_and(|min| min.amount_or_zero() <= amount)
                })
                .unwrap_or(0)
        })
        .min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sums_and_grades() {
        let node = Node::of(&json!({
            "metadata": {"name": "n"},
            "status": {"allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"},
                       "conditions": [{"type": "Ready", "status": "True"}]},
        }));
        let pod = |node: &str, phase: &str| {
            Pod::of(&json!({
                "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}]},
                "status": {"phase": phase},
            }))
        };
        let models: Vec<ResourceModel> = serde_json::from_value(json!([
            {"grade": 0, "ranges": [{"name": "cpu", "min": "0", "max": "8"}, {"name": "memory", "min": "0", "max": "16Gi"}]},
            {"grade": 1, "ranges": [{"name": "cpu", "min": "8", "max": "100"}, {"name": "memory", "min": "16Gi", "max": "1Ti"}]},
        ]))
        .unwrap();
        let pods = [pod("n", "Running"), pod("", "Pending"), pod("n", "Succeeded")];
        assert_eq!(node_summary(std::slice::from_ref(&node)), NodeSummary { total_num: 1, ready_num: 1 });
        let summary = serde_json::to_value(resource_summary(&[node], &pods, &models)).unwrap();
        assert_eq!(
            summary,
            json!({
                "allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"},
                "allocating": {"cpu": "500m", "memory": "1Gi", "pods": "1"},
                "allocated": {"cpu": "500m", "memory": "1Gi", "pods": "1"},
                "allocatableModelings": [{"grade": 0, "count": 0}, {"grade": 1, "count": 1}],
            })
        );
    }
}
