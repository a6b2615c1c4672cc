//! How many replicas a workload has, and setting that number.

use serde_json::Value;

use super::{Kind, pod, typed};
use crate::answer::Replicas;
use crate::unstructured::{nested_i64, set_nested};

/// The number of replicas and what each needs. A workload that doesn't say has 0, as upstream counts it; a Job has as
/// many as may run at a time.
pub(super) fn get(kind: Kind, object: &Value) -> Result<Replicas, String> {
    let checked = typed::canonical(kind.name(), object)?;
    let number = |pointer| checked.pointer(pointer).and_then(Value::as_i64);
    let count = match kind {
        Kind::Pod => 1,
        Kind::Job => match (number("/spec/parallelism"), number("/spec/completions")) {
            (Some(parallelism), Some(completions)) => parallelism.min(completions),
            (Some(parallelism), None) => parallelism,
            (None, _) => 0,
        },
        _ => number("/spec/replicas").unwrap_or(0),
    };
    let spec = match kind {
        Kind::Pod => object.get("spec"),
        _ => object.pointer("/spec/template/spec"),
    };
    // Requirements are read from the original, whose types are now known to be right: the canonical form drops empty
    // selectors and tolerations, which count (see `pod::node_claim`).
    Ok(Replicas {
        replica: i32::try_from(count).unwrap_or(i32::MAX),
        requirements: spec.map(pod::pod_requirements).transpose()?.flatten(),
    })
}

/// Sets the number of replicas where the template has such a field.
pub(super) fn revise(kind: Kind, object: &Value, replicas: i64) -> Result<Value, String> {
    let path: &[&str] = match kind {
        Kind::Job => &["spec", "parallelism"],
        _ => &["spec", "replicas"],
    };
    let mut revised = object.clone();
    if nested_i64(object, path)?.is_some() {
        set_nested(&mut revised, path, Value::from(replicas))?;
    }
    Ok(revised)
}
