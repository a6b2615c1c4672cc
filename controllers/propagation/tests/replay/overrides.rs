//! Replays recorded answers of upstream's override manager.

use std::sync::Arc;

use karmada_api::cluster::Cluster;
use karmada_propagation::overrides::{OverridePolicies, OverridePolicy};
use serde_json::{Value, json};

use super::{Report, difference};

fn policies(input: &Value) -> OverridePolicies {
    let given = |key: &str| input[key].as_array().cloned().unwrap_or_default();
    let mut all = given("overridePolicies");
    all.extend(given("clusterOverridePolicies"));
    if let Some(overriders) = input.get("overriders") {
        all.push(json!({
            "metadata": {"name": "op", "namespace": input["object"]["metadata"]["namespace"]},
            "spec": {"overrideRules": [{"overriders": overriders}]},
        }));
    }
    OverridePolicies::new(all.iter().map(|policy| Arc::new(OverridePolicy::from_value(policy).unwrap())))
}

/// Texts of JSON are compared as JSON: the cases keep the order of keys of a policy that was never stored, while
/// objects that went through an API server have their keys sorted.
fn loosely(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), loosely(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(loosely).collect(),
        other => other.clone(),
    }
}

/// Replays the cases of a file.
pub(crate) fn replay(file: &Value) -> Report {
    let mut report = Report::default();
    for case in file["cases"].as_array().unwrap() {
        let input = &case["input"];
        let cluster: Cluster = serde_json::from_value(input.get("cluster").cloned().unwrap_or(json!({}))).unwrap();
        let mut object = input["object"].clone();
        let outcome = policies(input).apply(&mut object, &cluster, &mut Vec::new());
        let (got, expect) = match outcome {
            Ok(applied) => {
                let mut got = json!({"object": object});
                for (key, text) in [
                    ("appliedOverrides", applied.namespaced_text()),
                    ("appliedClusterOverrides", applied.cluster_text()),
                ] {
                    if let Some(text) = text {
                        got[key] = Value::from(text);
                    }
                }
                (got, case["expect"].clone())
            }
            Err(error) => {
                let mut got = json!({"error": error.to_string(), "objectAfterError": object});
                let mut expect = json!({"error": case["error"], "objectAfterError": case["objectAfterError"]});
                // The YAML library's own words are not ours to repeat; nor is a panic.
                let foreign = case["error"].as_str().is_some_and(|text| text.starts_with("yaml: "));
                if foreign || case.get("panic").is_some() {
                    got["error"] = Value::Null;
                    expect["error"] = Value::Null;
                }
                if case.get("panic").is_some() {
                    expect["objectAfterError"] = input["object"].clone();
                }
                (got, expect)
            }
        };
        let (got, expect) = (loosely(&got), loosely(&expect));
        report.check(case["name"].as_str().unwrap(), got == expect, || difference(&got, &expect));
    }
    report
}
