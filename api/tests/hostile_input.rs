//! No object, however malformed, makes admission panic: every recorded request is replayed with each of its values
//! replaced by values of other types.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use karmada_api::admission::{self, Context, Operation, quota};
use karmada_api::cluster::{strategy, validation};
use karmada_api::features::FeatureGates;
use karmada_api::prune::prepare_manifest;
use karmada_api::work::conversion::convert;
use serde_json::{Value, json};

/// Pointers to every value in an object.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(child, &format!("{at}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (i, child) in items.iter().enumerate() {
                pointers(child, &format!("{at}/{i}"), out);
            }
        }
        _ => {}
    }
}

fn run(object: &Value, api_version: &str, kind: &str) {
    let features = FeatureGates::parse("AllAlpha=true").unwrap();
    let context = Context { features: Some(&features), ..Context::default() };
    for operation in [Operation::Create, Operation::Update] {
        let mut changed = object.clone();
        let _ = admission::mutate(api_version, kind, operation, &mut changed, &mut || "uuid".to_owned());
        let _ = admission::validate(api_version, kind, operation, &changed, Some(object), &context);
    }
    let _ = admission::validate_deletion(object);
    let _ = quota::charge(object, Some(object), std::slice::from_ref(object));
    let _ = convert(object, "work.karmada.io/v1alpha1");
    prepare_manifest(&mut object.clone(), "id");
    let mut cluster = object.clone();
    strategy::prepare_for_create(&mut cluster, &features, "2026-01-01T00:00:00Z".parse().unwrap());
    let _ = validation::validate(&cluster);
}

#[test]
fn nothing_panics() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/karmada/webhook.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let replacements = [Value::Null, json!(-1), json!("é~/"), json!([{}]), json!({"a": null}), json!(1e300)];
    for body in file["cases"].as_array().unwrap().iter().filter_map(|case| case.get("body")) {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let mut places = vec![];
        pointers(body, "", &mut places);
        for place in &places {
            for replacement in &replacements {
                let mut hostile = body.clone();
                *hostile.pointer_mut(place).unwrap() = replacement.clone();
                run(&hostile, &api_version, &kind);
            }
        }
    }
}
