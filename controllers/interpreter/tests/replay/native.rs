//! Replays recorded answers of upstream's native interpreter.

use jiff::Timestamp;
use karmada_interpreter::{InterpretError, Interpreter, Operation, StatusItem, kind_of};
use serde_json::{Value, json};

use super::{Report, difference};

fn answer(interpreter: &Interpreter, case: &Value, now: Timestamp) -> Result<Value, InterpretError> {
    let input = &case["input"];
    let object = &input["object"];
    Ok(match case["op"].as_str().unwrap() {
        "GetReplicas" => {
            let replicas = interpreter.get_replicas(object)?;
            json!({"replica": replicas.replica, "requirements": replicas.requirements})
        }
        "GetComponents" => json!(interpreter.get_components(object)?),
        "ReviseReplica" => interpreter.revise_replica(object, input["replicas"].as_i64().unwrap())?,
        "ReflectStatus" => interpreter.reflect_status(object)?.unwrap_or_default(),
        "Retain" => {
            let desired = input.get("desired").unwrap_or(object);
            interpreter.retain(desired, &input["observed"])?
        }
        "AggregateStatus" => {
            let items: Vec<StatusItem> = serde_json::from_value::<Option<_>>(input["aggregatedStatusItems"].clone())
                .unwrap()
                .unwrap_or_default();
            interpreter.aggregate_status(object, &items, now)?
        }
        "InterpretHealth" => interpreter.interpret_health(object)?.into(),
        "GetDependencies" => {
            let mut list = json!(interpreter.get_dependencies(object)?);
            if list == json!([]) {
                list = Value::Null;
            }
            list
        }
        "HookEnabled" => {
            let kind = kind_of(object);
            Operation::ALL
                .into_iter()
                .map(|operation| {
                    let enabled = interpreter.hook_enabled(&kind, operation);
                    (operation.as_str().to_owned(), Value::Bool(enabled))
                })
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        other => panic!("operation {other}"),
    })
}

fn sorted(value: &Value) -> Value {
    let mut list = value.as_array().cloned().unwrap_or_default();
    list.sort_by_key(Value::to_string);
    Value::Array(list)
}

/// Replays the cases of a file.
pub(crate) fn replay(file: &Value) -> Report {
    let interpreter = Interpreter::native();
    let now: Timestamp = "2026-11-21T01:02:03Z".parse().unwrap();
    let mut report = Report::default();
    for case in file["cases"].as_array().unwrap() {
        let got = answer(&interpreter, case, now);
        let matches = match (&got, case.get("error").and_then(Value::as_str)) {
            // The JSON library's own words are not ours to repeat.
            (Err(_), Some(text)) if text.starts_with("json: ") => true,
            (Err(error), Some(text)) => error.to_string() == text,
            (Ok(value), None) => {
                let expect = case["expect"].to_string().replace("$now", "2026-11-21T01:02:03Z");
                let expect: Value = serde_json::from_str(&expect).unwrap();
                *value == expect || case["listOrder"] == "any" && sorted(value) == sorted(&expect)
            }
            _ => false,
        };
        report.check(case["name"].as_str().unwrap(), matches, || match (&got, case.get("error")) {
            (Ok(value), None) => difference(value, &case["expect"]),
            (Ok(value), Some(error)) => format!("got {value}, expect error {error}"),
            (Err(error), Some(expect)) => format!("got error {:?}, expect error {expect}", error.to_string()),
            (Err(error), None) => format!("got error {:?}, expect {}", error.to_string(), case["expect"]),
        });
    }
    report
}
