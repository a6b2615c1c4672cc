use serde_json::json;

use super::*;
use crate::StatusError;

fn fixture() -> Value {
    vectors("crd")
}

fn vectors(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/kubernetes/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap().replace("{{ns}}", "vec");
    serde_json::from_str(&text).unwrap()
}

/// A definition as it stands after defaulting and preparation.
fn prepared(body: &Value) -> (Value, Arc<dyn crate::Strategy>) {
    let info = crate::kinds::builtin_resources().into_iter().find(|i| i.kind == "CustomResourceDefinition").unwrap();
    let mut object = body.clone();
    crate::schema::decode(&info.schema, &mut object).unwrap();
    info.strategy.default_object(&mut object);
    let uuid = || String::new();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let ctx = crate::resource::RequestContext { now, user: "", subresource: None, new_uuid: &uuid };
    info.strategy.prepare_for_create(&mut object, &ctx);
    crate::schema::normalize(&info.schema, &mut object);
    (object, info.strategy)
}

#[test]
fn definitions_are_judged_as_recorded() {
    let (mut checked, mut failures) = (0, Vec::new());
    let (definitions, validation) = (fixture(), vectors("validation"));
    for case in definitions.as_array().unwrap().iter().chain(validation.as_array().unwrap()) {
        for step in case["steps"].as_array().into_iter().flatten() {
            let body = &step["body"];
            if step["method"] != "POST" || body["kind"] != "CustomResourceDefinition" {
                continue;
            }
            let (object, strategy) = prepared(body);
            let errors = strategy.validate(&object);
            let name = crate::meta::name(&object).unwrap_or_default();
            checked += 1;
            if step["status"] == 201 {
                if !errors.is_empty() {
                    failures.push(format!("{}: {errors:?}", case["name"]));
                }
                let warnings: Vec<Value> =
                    strategy.warnings(&object, None).iter().map(|w| format!("299 - {w:?}").into()).collect();
                if !step["warnings"].is_null() && step["warnings"] != Value::from(warnings.clone()) {
                    failures.push(format!("{}: {warnings:?}", case["name"]));
                }
                continue;
            }
            // Rules in CEL are compiled elsewhere.
            let wanted = step["response"]["message"].as_str().unwrap_or_default();
            if wanted.contains("compilation failed") || wanted.contains("evaluate to") || wanted.is_empty() {
                continue;
            }
            let ours = StatusError::invalid("apiextensions.k8s.io", "CustomResourceDefinition", name, &errors).message;
            if ours != wanted {
                failures.push(format!("{}\n ours   {ours}\n theirs {wanted}", case["name"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {checked}\n{}", failures.len(), failures.join("\n"));
    assert!(checked > 70, "{checked}");
}

#[test]
fn custom_resources_are_judged_as_recorded() {
    let (mut checked, mut failures) = (0, Vec::new());
    for case in fixture().as_array().unwrap() {
        let mut info: Option<ResourceInfo> = None;
        for step in case["steps"].as_array().unwrap() {
            let body = &step["body"];
            if body["kind"] == "CustomResourceDefinition" {
                info = resources(&prepared(body).0).into_iter().last();
                continue;
            }
            let name = case["name"].as_str().unwrap();
            let skip = name.starts_with("cel") || name.starts_with("ratcheting") || name.starts_with("several");
            let Some(info) = &info else { continue };
            if skip || step["method"] != "POST" || !body.is_object() || body["kind"] != "Widget" {
                continue;
            }
            let mut object = body.clone();
            let Ok(unknown) = crate::schema::decode(&info.schema, &mut object) else { continue };
            crate::schema::apply_defaults(&info.schema, &mut object);
            let errors = info.strategy.validate(&object);
            checked += 1;
            if step["status"] == 422 {
                let wanted = step["response"]["message"].as_str().unwrap();
                if wanted.contains("metadata") {
                    continue;
                }
                let name = crate::meta::name(&object).unwrap_or_default();
                let ours = StatusError::invalid("vec.example.com", "Widget", name, &errors).message;
                if ours != wanted {
                    failures.push(format!("{}\n ours   {ours}\n theirs {wanted}", case["name"]));
                }
            } else if step["status"] == 201 {
                let spec = step["response"].get("spec");
                if !errors.is_empty()
                    || (spec.is_some() && crate::schema::numbers_equal(object.get("spec"), spec) == Some(false))
                {
                    failures.push(format!("{}: {errors:?}\n ours   {object}\n theirs {spec:?}", case["name"]));
                }
                let wanted = step["warnings"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|w| w.to_string().contains("unknown"))
                    .count();
                if step["responseText"].is_null()
                    && !step["path"].as_str().unwrap().contains("Ignore")
                    && wanted != unknown.len()
                {
                    failures.push(format!("{}: {unknown:?}", case["name"]));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {checked}\n{}", failures.len(), failures.join("\n"));
    assert!(checked > 50, "{checked}");
}

#[test]
fn names_that_are_taken_are_refused() {
    let definition = |name: &str, plural: &str| {
        json!({"metadata": {"name": name}, "spec": {"group": "g.example.com",
            "names": {"plural": plural, "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}}})
    };
    let mut first = definition("widgets.g.example.com", "widgets");
    assert!(accept_names(&first, []).apply(&mut first, "t1"));
    assert!(established(&first));
    assert!(!accept_names(&first, []).apply(&mut first, "t2"), "nothing changes twice");
    let second = definition("gadgets.g.example.com", "gadgets");
    let conditions = accept_names(&second, [&first]);
    assert_eq!(conditions.accepted_names, json!({"kind": "", "plural": "gadgets"}));
    assert_eq!(
        conditions.names_accepted,
        json!({"type": "NamesAccepted", "status": "False", "reason": "ListKindConflict", "message": "\"WidgetList\" is already in use"})
    );
    assert_eq!(conditions.established["status"], "False");
}

#[test]
fn versions_are_ordered_by_stability() {
    let mut versions = ["foo1", "v1alpha1", "v10", "v1beta1", "v2", "v1", "v11beta2", "foo10", "v3beta1", "v12alpha1"];
    versions.sort_by(|a, b| compare_versions(a, b));
    assert_eq!(
        versions,
        ["v10", "v2", "v1", "v11beta2", "v3beta1", "v1beta1", "v12alpha1", "v1alpha1", "foo1", "foo10"]
    );
}
