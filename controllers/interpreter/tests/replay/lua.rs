//! Replays recorded answers of upstream's machine for customization scripts.

use karmada_interpreter::lua::LuaLayer;
use karmada_interpreter::{InterpretError, Layer, Operation, StatusItem, kind_of};
use serde_json::{Value, json};

use super::{Report, difference};

/// Cases whose recorded answer lost something that ours keeps (docs/compatibility.md): empty lists in lists, a list that
/// was emptied, empty values in a template whose status was summed up, the difference between no items and an empty
/// list of items.
const LOSSY: [&str; 9] = [
    "identity-only-known-empties",
    "empty-list-filled",
    "list-emptied",
    "replica-large",
    "replica-tostring",
    "retain-same-name-conflict",
    "aggregate-empty-items",
    "aggregate-pass-status",
    "aggregate-nil-items",
];

fn operation(name: &str) -> Operation {
    match name {
        "GetReplicas" => Operation::InterpretReplica,
        "GetComponents" => Operation::InterpretComponent,
        "ReviseReplica" => Operation::ReviseReplica,
        "Retain" => Operation::Retain,
        "AggregateStatus" => Operation::AggregateStatus,
        "ReflectStatus" => Operation::InterpretStatus,
        "InterpretHealth" => Operation::InterpretHealth,
        "GetDependencies" => Operation::InterpretDependency,
        other => panic!("operation {other}"),
    }
}

fn answer(case: &Value) -> Result<Value, InterpretError> {
    let input = &case["input"];
    let object = &input["object"];
    let op = operation(case["op"].as_str().unwrap());
    let mut layer = LuaLayer::default();
    let script = input["luaScript"].as_str().unwrap();
    // An empty script never becomes a hook; upstream's machine was asked directly.
    layer.add(kind_of(object), op, if script.is_empty() { " " } else { script });
    Ok(match op {
        Operation::InterpretReplica => {
            let replicas = layer.get_replicas(object)?;
            json!({"replica": replicas.replica, "requirements": replicas.requirements})
        }
        Operation::InterpretComponent => json!(layer.get_components(object)?),
        Operation::ReviseReplica => layer.revise_replica(object, input["replicas"].as_i64().unwrap())?,
        Operation::InterpretStatus => layer.reflect_status(object)?.unwrap_or_default(),
        Operation::Retain => layer.retain(object, &input["observed"])?,
        Operation::AggregateStatus => {
            let items: Option<Vec<StatusItem>> =
                serde_json::from_value(input["aggregatedStatusItems"].clone()).unwrap();
            layer.aggregate(object, items.as_deref())?
        }
        Operation::InterpretHealth => layer.interpret_health(object)?.into(),
        Operation::InterpretDependency => json!(layer.get_dependencies(object)?),
    })
}

/// Numbers as floats: the recorded ones went through a float.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), floats(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Without empty lists and objects.
fn without_empties(value: &Value) -> Option<Value> {
    let result = match value {
        Value::Array(items) => Value::Array(items.iter().filter_map(without_empties).collect()),
        Value::Object(map) => map
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), without_empties(value)?)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    };
    let empty = result == json!([]) || result == json!({});
    (!empty).then_some(result)
}

/// Replays the cases of a file.
pub(crate) fn replay(file: &Value) -> Report {
    let mut report = Report::default();
    for case in file["cases"].as_array().unwrap() {
        let got = answer(case);
        let name = case["name"].as_str().unwrap();
        let matches = match (&got, case.get("error").and_then(Value::as_str)) {
            (Err(error), Some(text)) => {
                // What a machine or a JSON library says is its own; what the interpreter says is compared.
                let foreign = text.contains("json: ") || text.contains("&lua.") || text.contains("resource.Quantity");
                let first = text.lines().next().unwrap_or_default();
                let own = ["expect the", "result type", "not found function", "json unmarshal obj failed: Object"];
                foreign || !own.iter().any(|prefix| text.starts_with(prefix)) || error.to_string() == first
            }
            (Ok(value), None) => {
                let (value, expect) = (floats(value), floats(&case["expect"]));
                value == expect || LOSSY.contains(&name) && without_empties(&value) == without_empties(&expect)
            }
            _ => false,
        };
        report.check(name, matches, || match (&got, case.get("error")) {
            (Ok(value), None) => difference(value, &case["expect"]),
            (Ok(value), Some(error)) => format!("got {value}, expect error {error}"),
            (Err(error), Some(expect)) => format!("got error {:?}, expect error {expect}", error.to_string()),
            (Err(error), None) => format!("got error {:?}, expect {}", error.to_string(), case["expect"]),
        });
    }
    report
}
