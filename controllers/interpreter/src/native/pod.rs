//! What one replica of a pod template needs from a cluster.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use karmada_api::quantity::Amount;

use super::typed;

/// Resources as the scheduler counts them: whole numbers, CPU in thousandths.
#[derive(Clone, Debug, Default, PartialEq)]
struct Resources(BTreeMap<String, i64>);

impl Resources {
    fn of_list(list: Option<&Value>) -> Result<Self, String> {
        let mut resources = BTreeMap::new();
        for (name, value) in list.and_then(Value::as_object).into_iter().flatten() {
            if !is_counted(name) {
                continue;
            }
            let quantity = typed::amount(value).map_err(|error| error.to_string())?;
            let amount = if name == "cpu" { quantity.milli_value() } else { quantity.value() };
            resources.insert(name.clone(), amount);
        }
        Ok(Self(resources))
    }

    /// A container's requests; for what it doesn't request, its limits.
    fn of_container(container: &Value) -> Result<Self, String> {
        let resources = container.get("resources");
        let list = |key| Self::of_list(resources.and_then(|lists| lists.get(key)));
        let mut requests = list("requests")?;
        for (name, amount) in list("limits")?.0 {
            let request = requests.0.entry(name).or_default();
            if *request == 0 {
                *request = amount;
            }
        }
        Ok(requests)
    }

    fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    fn raise_to(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let most = self.0.entry(name.clone()).or_default();
            *most = (*most).max(*amount);
        }
    }

    fn into_list(self) -> Map<String, Value> {
        self.0
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(name, amount)| {
                let quantity = match name.as_str() {
                    "cpu" => Amount::from_milli(amount),
                    "memory" | "ephemeral-storage" => Amount::from_bytes(amount),
                    other if other.starts_with("hugepages-") => Amount::from_bytes(amount),
                    _ => Amount::from_value(amount),
                };
                (name, Value::from(quantity.to_string()))
            })
            .collect()
    }
}

/// Whether the scheduler counts the resource: Kubernetes' own computing resources, pods, extended resources, huge
/// pages, attachable volumes and names below `kubernetes.io/`.
fn is_counted(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage" | "pods")
        || name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
        || name.contains("kubernetes.io/")
        || (name.contains('/') && !name.starts_with("requests."))
}

/// The `ReplicaRequirements` of a pod with this spec, or nothing when it needs nothing in particular.
///
/// The request is the larger of the containers' sum and any init container, plus the pod's overhead.
///
/// # Errors
/// A quantity that is not one.
pub fn pod_requirements(spec: &Value) -> Result<Option<Value>, String> {
    let containers = |key| spec.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut request = Resources::default();
    for container in containers("containers") {
        request.add(&Resources::of_container(container)?);
    }
    for container in containers("initContainers") {
        request.raise_to(&Resources::of_container(container)?);
    }
    request.add(&Resources::of_list(spec.get("overhead"))?);

    let mut requirements = Map::new();
    if let Some(claim) = node_claim(spec) {
        requirements.insert("nodeClaim".to_owned(), claim);
    }
    let request = request.into_list();
    if !request.is_empty() {
        requirements.insert("resourceRequest".to_owned(), Value::Object(request));
    }
    Ok((!requirements.is_empty()).then_some(Value::Object(requirements)))
}

/// What the pod asks of its node. An empty selector or list of tolerations makes an empty claim, which differs from
/// none: it makes the object a workload.
fn node_claim(spec: &Value) -> Option<Value> {
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    let tolerations = spec.get("tolerations").and_then(Value::as_array);
    let affinity = spec
        .pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution")
        .filter(|required| required.is_object());
    if selector.is_none() && tolerations.is_none() && affinity.is_none() {
        return None;
    }
    let mut claim = Map::new();
    if let Some(required) = affinity {
        claim.insert("hardNodeAffinity".to_owned(), required.clone());
    }
    if let Some(labels) = selector.filter(|labels| !labels.is_empty()) {
        claim.insert("nodeSelector".to_owned(), Value::Object(labels.clone()));
    }
    if let Some(list) = tolerations.filter(|list| !list.is_empty()) {
        claim.insert("tolerations".to_owned(), Value::Array(list.clone()));
    }
    Some(Value::Object(claim))
}
