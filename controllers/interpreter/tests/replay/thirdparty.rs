//! Replays recorded answers of upstream's built-in third-party interpreter.

use karmada_interpreter::{InterpretError, Layer, Operation, StatusItem, kind_of, thirdparty};
use serde_json::{Value, json};

use super::{Report, difference};

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
    let layer = thirdparty::layer();
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

/// With `$now` where a time is the script's own.
fn timeless(value: &Value, expect: &Value) -> Value {
    match (value, expect) {
        (Value::String(time), Value::String(now)) if now == "$now" && time.ends_with('Z') => expect.clone(),
        (Value::Array(items), Value::Array(expect)) if items.len() == expect.len() => {
            items.iter().zip(expect).map(|(value, expect)| timeless(value, expect)).collect()
        }
        (Value::Object(map), Value::Object(_)) => map
            .iter()
            .map(|(key, value)| (key.clone(), timeless(value, &expect[key])))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => value.clone(),
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

fn sorted(value: &Value) -> Value {
    let mut list = value.as_array().cloned().unwrap_or_default();
    list.sort_by_key(Value::to_string);
    Value::Array(list)
}

/// Replays the cases of a file.
pub(crate) fn replay(file: &Value) -> Report {
    let layer = thirdparty::layer();
    let mut report = Report::default();
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let object = &case["input"]["object"];
        let hooks: serde_json::Map<_, _> = Operation::ALL
            .into_iter()
            .map(|op| (op.as_str().to_owned(), json!(layer.enabled(&kind_of(object), op))))
            .collect();
        let got = if case["op"] == "HookEnabled" { Ok(Value::Object(hooks)) } else { answer(case) };
        let matches = match (&got, case.get("error")) {
            // Messages and line numbers are those of upstream's scripts.
            (Err(_), Some(_)) => true,
            // Without any dependency upstream's scripts fail; ours say that there is none (docs/compatibility.md).
            (Ok(value), Some(error)) => {
                case["op"] == "GetDependencies"
                    && *value == json!([])
                    && error == "expect the returned requires type is table but got nil"
            }
            (Ok(value), None) => {
                let expect = floats(&case["expect"]);
                let value = timeless(&floats(value), &expect);
                value == expect
                    || without_empties(&value) == without_empties(&expect)
                    || case["listOrder"] == "any" && sorted(&value) == sorted(&expect)
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
