//! Fake nodes: what they offer, and which Pod takes what.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use karmada_api::quantity::Amount;
use karmada_runtime::ObjectKey;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{resources, values};

/// A group of equal nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// The name; nodes after the first get `-2`, `-3`, ….
    pub name: String,
    /// How many.
    pub count: usize,
    /// Labels besides the standard ones.
    pub labels: BTreeMap<String, String>,
    /// Taints, as in a Node's spec.
    pub taints: Vec<Value>,
    /// Capacity by resource, such as `cpu: "8"`.
    pub capacity: BTreeMap<String, String>,
}

impl NodeConfig {
    /// One schedulable node `<member>-control-plane`, as a kind cluster has.
    pub fn control_plane(member: &str) -> Self {
        let capacity = [("cpu", "8"), ("memory", "16Gi"), ("ephemeral-storage", "100Gi"), ("pods", "110")];
        Self {
            name: format!("{member}-control-plane"),
            count: 1,
            labels: BTreeMap::from([("node-role.kubernetes.io/control-plane".to_owned(), String::new())]),
            taints: Vec::new(),
            capacity: capacity.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        }
    }

    /// The Node objects of the group.
    pub fn objects(&self, version: &str) -> Vec<Value> {
        (0..self.count)
            .map(|index| {
                let name = if index == 0 { self.name.clone() } else { format!("{}-{}", self.name, index + 1) };
                let mut labels = self.labels.clone();
                labels.insert("kubernetes.io/hostname".to_owned(), name.clone());
                labels.insert("kubernetes.io/os".to_owned(), "linux".to_owned());
                labels.insert("kubernetes.io/arch".to_owned(), "amd64".to_owned());
                let now = values::now();
                let condition = |kind: &str, status: &str, reason: &str, message: &str| {
                    json!({"type": kind, "status": status, "reason": reason, "message": message,
                           "lastHeartbeatTime": now, "lastTransitionTime": now})
                };
                json!({
                    "apiVersion": "v1",
                    "kind": "Node",
                    "metadata": {"name": name, "labels": labels},
                    "spec": {"taints": self.taints, "podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]},
                    "status": {
                        "capacity": self.capacity,
                        "allocatable": self.capacity,
                        "conditions": [
                            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
                        ],
                        "addresses": [
                            {"type": "InternalIP", "address": format!("172.18.0.{}", 2 + index % 250)},
                            {"type": "Hostname", "address": name},
                        ],
                        "nodeInfo": {
                            "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": version,
                            "kubeProxyVersion": version, "containerRuntimeVersion": "simulated://1",
                            "kernelVersion": "6.1.0", "osImage": "karmada-simulator", "machineID": name,
                            "systemUUID": name, "bootID": name,
                        },
                    },
                })
            })
            .collect()
    }
}

/// What a Pod asks for, in exact amounts by resource; one `pods` included.
pub(crate) fn requests(pod: &Value) -> BTreeMap<String, Amount> {
    let mut total: BTreeMap<String, Amount> = BTreeMap::new();
    for container in values::array(pod, "/spec/containers") {
        let requests = container.pointer("/resources/requests").and_then(Value::as_object);
        for (name, quantity) in requests.into_iter().flatten() {
            if let Some(amount) = quantity.as_str().and_then(|q| Amount::parse(q).ok()) {
                let sum = total.entry(name.clone()).or_default();
                *sum += amount;
            }
        }
    }
    total.insert("pods".to_owned(), Amount::from_value(1));
    total
}

/// Which Pod takes what on which node. Reservations are made before the Pod is bound, so that two Pods never share the
/// last free place.
#[derive(Default)]
pub(crate) struct Ledger {
    state: Mutex<LedgerState>,
}

#[derive(Default)]
struct LedgerState {
    pods: HashMap<ObjectKey, (String, BTreeMap<String, Amount>)>,
    used: HashMap<String, BTreeMap<String, Amount>>,
}

impl Ledger {
    /// Notes that a Pod is on a node.
    pub(crate) fn take(&self, pod: &ObjectKey, node: &str, wants: BTreeMap<String, Amount>) {
        let mut state = self.state.lock();
        if state.pods.contains_key(pod) {
            return;
        }
        add(&mut state, node, &wants);
        state.pods.insert(pod.clone(), (node.to_owned(), wants));
    }

    /// Frees what a Pod took. Returns whether it took anything.
    pub(crate) fn release(&self, pod: &ObjectKey) -> bool {
        let mut state = self.state.lock();
        let Some((node, wants)) = state.pods.remove(pod) else { return false };
        if let Some(used) = state.used.get_mut(&node) {
            for (name, amount) in wants {
                if let Some(sum) = used.get_mut(&name) {
                    *sum -= amount;
                }
            }
        }
        true
    }

    /// Picks the node with the fewest Pods among those that fit, and reserves it. `Err` says why none fits.
    pub(crate) fn place(&self, key: &ObjectKey, pod: &Value, nodes: &[&Value]) -> Result<String, String> {
        let wants = requests(pod);
        let mut state = self.state.lock();
        let mut best: Option<(Amount, String)> = None;
        let mut unfit = 0usize;
        for node in nodes {
            let name = values::text(node, "/metadata/name");
            if !admits(pod, node) {
                continue;
            }
            if !fits(&wants, node, state.used.get(name)) {
                unfit += 1;
                continue;
            }
            let pods = state.used.get(name).and_then(|u| u.get("pods")).copied().unwrap_or_default();
            if best.as_ref().is_none_or(|(fewest, known)| (pods, name) < (*fewest, known.as_str())) {
                best = Some((pods, name.to_owned()));
            }
        }
        let Some((_, node)) = best else {
            let other = nodes.len() - unfit;
            return Err(format!(
                "0/{} nodes are available: {unfit} Insufficient resources, {other} node(s) didn't match Pod's node affinity/selector or had untolerated taints.",
                nodes.len()
            ));
        };
        add(&mut state, &node, &wants);
        state.pods.insert(key.clone(), (node.clone(), wants));
        Ok(node)
    }
}

fn add(state: &mut LedgerState, node: &str, wants: &BTreeMap<String, Amount>) {
    let used = state.used.entry(node.to_owned()).or_default();
    for (name, amount) in wants {
        let sum = used.entry(name.clone()).or_default();
        *sum += *amount;
    }
}

fn fits(wants: &BTreeMap<String, Amount>, node: &Value, used: Option<&BTreeMap<String, Amount>>) -> bool {
    wants.iter().all(|(name, amount)| {
        let offered = node
            .pointer("/status/allocatable")
            .and_then(|a| a.get(name))
            .and_then(Value::as_str)
            .and_then(|q| Amount::parse(q).ok())
            .unwrap_or_default();
        let taken = used.and_then(|u| u.get(name)).copied().unwrap_or_default();
        taken + *amount <= offered
    })
}

/// Whether a Pod may run on a node at all: nodeSelector and taints.
pub(crate) fn admits(pod: &Value, node: &Value) -> bool {
    let labels = node.pointer("/metadata/labels");
    let selected = pod
        .pointer("/spec/nodeSelector")
        .and_then(Value::as_object)
        .is_none_or(|wanted| wanted.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v)));
    let schedulable = node.pointer("/spec/unschedulable").and_then(Value::as_bool) != Some(true);
    let tolerated = values::array(node, "/spec/taints")
        .iter()
        .filter(|t| values::text(t, "/effect") != "PreferNoSchedule")
        .all(|taint| values::array(pod, "/spec/tolerations").iter().any(|t| tolerates(t, taint)));
    selected && schedulable && tolerated
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let effect = values::text(toleration, "/effect");
    if !effect.is_empty() && effect != values::text(taint, "/effect") {
        return false;
    }
    let key = values::text(toleration, "/key");
    let exists = values::text(toleration, "/operator") == "Exists";
    if key.is_empty() {
        return exists;
    }
    key == values::text(taint, "/key")
        && (exists || values::text(toleration, "/value") == values::text(taint, "/value"))
}

/// How long a fresh Pod that fits nowhere waits before it is tried again, besides being tried when a place is freed.
pub(crate) const UNSCHEDULABLE_RETRY: Duration = Duration::from_secs(5);

pub(crate) fn resource() -> karmada_runtime::Resource {
    resources::nodes()
}
