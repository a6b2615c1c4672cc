//! Replays recorded answers of upstream's native interpreter.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking and list what differs"
)]

use jiff::Timestamp;
use karmada_interpreter::{InterpretError, Interpreter, Operation, StatusItem, kind_of};
use serde_json::{Value, json};

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

#[test]
fn native_answers_are_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/karmada/interpreter-native.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let interpreter = Interpreter::native();
    let now: Timestamp = "2026-11-21T01:02:03Z".parse().unwrap();
    let (mut passed, mut failed) = (0, 0);
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
        if matches {
            passed += 1;
        } else {
            failed += 1;
            let got = got.map_or_else(|error| error.to_string(), |value| value.to_string());
            println!("{}\n  got    {got}\n  expect {}", case["name"], case.get("error").unwrap_or(&case["expect"]));
        }
    }
    println!("interpreter-native.json: {passed} passed, {failed} failed");
    assert_eq!(failed, 0);
}
