use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    gvk::{GroupVersion, GroupVersionKind},
    meta, patch,
    schema::{Schema, builtin},
    status::StatusError,
};

fn now() -> jiff::Timestamp {
    "2024-05-06T07:08:09.5Z".parse().unwrap()
}

/// Times of managed fields as the recording shows them.
fn masked(object: &Value) -> Value {
    let mut fields = object["metadata"].get("managedFields").cloned().unwrap_or(json!([]));
    for entry in fields.as_array_mut().unwrap() {
        if entry.get("time").is_some() {
            entry["time"] = "<time>".into();
        }
    }
    let mut entries = fields.as_array().unwrap().clone();
    entries.sort_by_key(Value::to_string);
    Value::Array(entries)
}

/// Which kind a recorded path is about: group, version, kind, subresource.
struct Target {
    kind: GroupVersionKind,
    schema: Arc<Schema>,
    subresource: String,
    key: String,
}

fn target(path: &str, crds: &BTreeMap<String, Arc<Schema>>) -> Option<Target> {
    let path = path.split('?').next().unwrap();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => (GroupVersion::new("", "v1"), rest),
        ["apis", group, version, rest @ ..] => (GroupVersion::new(*group, *version), rest),
        _ => return None,
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        other => other,
    };
    let (resource, name, subresource) = match rest {
        [resource] => (*resource, "", ""),
        [resource, name] => (*resource, *name, ""),
        [resource, name, subresource] => (*resource, *name, *subresource),
        _ => return None,
    };
    let kind = match resource {
        "configmaps" => "ConfigMap",
        "deployments" => "Deployment",
        "services" => "Service",
        "secrets" => "Secret",
        "roles" => "Role",
        "widgets" => "Widget",
        _ => return None,
    };
    let kind = GroupVersionKind::new(group.group, group.version, kind);
    let schema = builtin(&kind).or_else(|| crds.get(&kind.group).cloned())?;
    Some(Target { kind, schema, subresource: subresource.to_owned(), key: format!("{resource}/{name}") })
}

fn ignored(kind: &str, subresource: &str) -> FieldSet {
    match (kind, subresource) {
        ("Deployment" | "Service", "") => FieldSet::of_fields([["status"].as_slice()]),
        ("Deployment", "status") => FieldSet::of_fields([["spec"].as_slice(), &["metadata", "labels"]]),
        _ => FieldSet::default(),
    }
}

/// Replays one step on the state as it was recorded after the steps before.
fn replay(step: &Value, target: &Target, live: Option<&Value>) -> Option<Result<Value, StatusError>> {
    let path = step["path"].as_str()?;
    let query: BTreeMap<&str, &str> =
        path.split_once('?').map(|(_, q)| q.split('&').filter_map(|p| p.split_once('=')).collect()).unwrap_or_default();
    let manager = query.get("fieldManager").copied().unwrap_or("vec");
    let fields = FieldManager::with(
        target.kind.clone(),
        &target.schema,
        &target.subresource,
        ignored(&target.kind.kind, &target.subresource),
    );
    let content_type = step["contentType"].as_str().unwrap_or_default();
    let body = &step["body"];
    Some(match (step["method"].as_str()?, patch::PatchType::from_media_type(content_type)) {
        ("PATCH", Some(patch::PatchType::Apply)) => {
            fields.apply(live, body, manager, query.get("force") == Some(&"true"), now())
        }
        ("PATCH", Some(_)) => {
            let mut new = step["response"].clone();
            if body["metadata"].get("managedFields").is_some() {
                new["metadata"]["managedFields"] = body["metadata"]["managedFields"].clone();
            } else {
                new["metadata"]["managedFields"] = live?["metadata"]["managedFields"].clone();
            }
            Ok(fields.update(live?, new, manager, now()))
        }
        ("PUT", _) => {
            let mut new = step["response"].clone();
            meta::remove(&mut new, "managedFields");
            Ok(fields.update(live?, new, manager, now()))
        }
        ("POST", _) => Ok(fields.create(step["response"].clone(), manager, now())),
        _ => return None,
    })
}

#[test]
fn recorded_cases() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/kubernetes/vectors/patch.json");
    // The recording numbers uids in order of sight, also those that requests carry.
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.replace("11111111-1111-1111-1111-111111111111", "<uid1>");
    let text = text.replace("22222222-2222-2222-2222-222222222222", "<uid3>");
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let (mut checked, mut failed) = (0, Vec::new());
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let mut live: BTreeMap<String, Value> = BTreeMap::new();
        let mut crds: BTreeMap<String, Arc<Schema>> = BTreeMap::new();
        let alone = vec![case.clone()];
        for (index, step) in case["steps"].as_array().unwrap_or(&alone).iter().enumerate() {
            let path = step["path"].as_str().unwrap();
            if path.ends_with("/customresourcedefinitions") {
                let spec = &step["body"]["spec"];
                let schema = &spec["versions"][0]["schema"]["openAPIV3Schema"];
                crds.insert(spec["group"].as_str().unwrap().to_owned(), Arc::new(Schema::from_openapi(schema)));
                continue;
            }
            let Some(target) = target(path, &crds) else { continue };
            let response = &step["response"];
            let status = step["status"].as_u64().unwrap();
            let key = match response["metadata"]["name"].as_str() {
                Some(name) if response["kind"] != "Status" => {
                    format!("{}/{name}", target.key.split('/').next().unwrap())
                }
                _ => target.key.clone(),
            };
            let before = live.get(&key).cloned();
            if response.is_object() && status < 300 && !path.contains("dryRun") {
                live.insert(key, response.clone());
            }
            // Bodies in YAML, requests that are refused before the field manager, and answers that were not recorded.
            let refused_before =
                ["generateName", "PatchOptions", "the name of the object", "is invalid", "namespace of"];
            let message = response["message"].as_str().unwrap_or_default();
            if step.get("body").is_none_or(|b| !b.is_object())
                || !response.is_object()
                || refused_before.iter().any(|text| message.contains(text))
                || path.contains("dryRun")
                || !matches!(status, 200 | 201 | 400 | 409 | 500)
                || message.contains("has been modified")
                || status >= 300 && step["contentType"] != patch::PatchType::Apply.media_type()
                || name.starts_with("smp") && before.is_none()
            {
                continue;
            }
            let Some(outcome) = replay(step, &target, before.as_ref()) else { continue };
            checked += 1;
            match outcome {
                Ok(object) => {
                    let (found, expected) = (masked(&object), masked(response));
                    if status >= 300 || found != expected {
                        failed.push(format!("{name} [{index}]\n   got {found}\n  want {expected} {message}"));
                    }
                }
                Err(error) => {
                    let mut found = error.to_value();
                    if let Some(causes) = found["details"].get_mut("causes").and_then(Value::as_array_mut) {
                        causes.sort_by_key(Value::to_string);
                    }
                    let mut expected = response.clone();
                    if let Some(causes) = expected["details"].get_mut("causes").and_then(Value::as_array_mut) {
                        causes.sort_by_key(Value::to_string);
                    }
                    if found != expected {
                        failed.push(format!("{name} [{index}]\n   got {found}\n  want {expected}"));
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} of {checked}:\n{}", failed.len(), failed.join("\n"));
    assert!(checked > 100, "{checked}");
}

#[test]
fn zero_structs_of_go_are_nobodys() {
    let kind = GroupVersionKind::new("apps", "v1", "Deployment");
    let schema = builtin(&kind).unwrap();
    let fields = FieldManager::with(kind, &schema, "", ignored("Deployment", ""));
    let created = fields.create(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "resources": {}}]}},
        }, "status": {}}),
        "m",
        now(),
    );
    assert_eq!(
        created["metadata"]["managedFields"],
        json!([{"manager": "m", "operation": "Update", "apiVersion": "apps/v1", "time": "2024-05-06T07:08:09Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {
            "f:replicas": {}, "f:selector": {},
            "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
            "f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:resources": {}}}}},
        }}}])
    );
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data})
}

fn with_config_map<T>(f: impl FnOnce(FieldManager<'_>) -> T) -> T {
    let kind = GroupVersionKind::new("", "v1", "ConfigMap");
    let schema = builtin(&kind).unwrap();
    f(FieldManager::with(kind, &schema, "", FieldSet::default()))
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    with_config_map(|fields| {
        let mut old = config_map(json!({"a": "1", "b": "2"}));
        let last = config_map(json!({"a": "1"})).to_string();
        old["metadata"]["annotations"] = json!({LAST_APPLIED: last});
        let live = fields.create(old, "kubectl-client-side-apply", now());
        let applied = config_map(json!({"a": "9"}));
        // What client-side apply set may change; what somebody else set may not, and no other manager may do so.
        let taken = fields.apply(Some(&live), &applied, "kubectl", false, now()).unwrap();
        assert_eq!(taken["data"], json!({"a": "9", "b": "2"}));
        let last: Value = serde_json::from_str(meta::annotation(&taken, LAST_APPLIED).unwrap()).unwrap();
        assert_eq!(last["data"], json!({"a": "9"}));
        assert_eq!(fields.apply(Some(&live), &applied, "other", false, now()).unwrap_err().code, 409);
        let more = config_map(json!({"a": "9", "b": "9"}));
        let error = fields.apply(Some(&live), &more, "kubectl", false, now()).unwrap_err();
        assert_eq!(
            error.message,
            "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.b"
        );
    });
}

#[test]
fn first_apply_to_an_object_without_managed_fields() {
    with_config_map(|fields| {
        let live = config_map(json!({"a": "1"}));
        let error = fields.apply(Some(&live), &config_map(json!({"a": "2"})), "m", false, now()).unwrap_err();
        assert!(error.message.contains("\"before-first-apply\" using v1: .data.a"), "{error}");
    });
}

#[test]
fn managed_fields_can_be_reset() {
    with_config_map(|fields| {
        let live = fields.create(config_map(json!({"a": "1"})), "m", now());
        for reset in [json!([]), json!([{}])] {
            let mut new = live.clone();
            new["metadata"]["managedFields"] = reset;
            let new = fields.update(&live, new, "other", now());
            assert!(new["metadata"].get("managedFields").is_none());
        }
        // A client that knows nothing of them does not lose them.
        let new = fields.update(&live, config_map(json!({"a": "1"})), "other", now());
        assert_eq!(new["metadata"]["managedFields"], live["metadata"]["managedFields"]);
    });
}

#[test]
fn a_write_that_only_moves_times_is_none() {
    with_config_map(|fields| {
        let live = fields.create(config_map(json!({"a": "1"})), "m", now());
        let mut new = live.clone();
        new["metadata"]["managedFields"][0]["time"] = "2030-01-01T00:00:00Z".into();
        keep_times(&mut new, &live);
        assert_eq!(new, live);
        new["metadata"]["managedFields"][0]["time"] = "2030-01-01T00:00:00Z".into();
        new["data"]["a"] = "2".into();
        keep_times(&mut new, &live);
        assert_ne!(new["metadata"]["managedFields"], live["metadata"]["managedFields"]);
    });
}

#[test]
fn scale_moves_replicas() {
    let parent = json!([{"manager": "vec", "operation": "Update", "apiVersion": "apps/v1", "time": "2024-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:selector": {}}}}]);
    let scale = scale_to_scale(Some(&parent), ".spec.replicas");
    assert_eq!(scale[0]["apiVersion"], "autoscaling/v1");
    assert_eq!(scale[0]["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(scale_to_parent(Some(&parent), Some(&scale), ".spec.replicas", "apps/v1"), parent);
    let written = json!([{"manager": "hpa", "operation": "Update", "apiVersion": "autoscaling/v1", "subresource": "scale",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}, "time": "2024-01-01T00:00:00Z"}]);
    assert_eq!(
        scale_to_parent(Some(&parent), Some(&written), ".spec.replicas", "apps/v1"),
        json!([
            {"manager": "hpa", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale",
             "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "vec", "operation": "Update", "apiVersion": "apps/v1", "time": "2024-01-01T00:00:00Z",
             "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:selector": {}}}},
        ])
    );
}

#[test]
fn manager_names() {
    assert_eq!(manager_name("m", "kubectl/v1"), "m");
    assert_eq!(manager_name("", "kubectl/v1.36 (linux)"), "kubectl");
    assert_eq!(manager_name("", &"é".repeat(200)).len(), 128);
}

fn widget() -> Arc<Schema> {
    Arc::new(Schema::from_openapi(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "mapl": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "p": {"type": "string", "default": "T"},
                "v": {"type": "string"}, "sub": {"type": "array", "x-kubernetes-list-type": "set",
                    "items": {"type": "string"}}}}},
        "setl": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "atoml": {"type": "array", "items": {"type": "string"}},
        "gran": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "atomm": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
    }}}})))
}

/// Version v2 calls `spec.old` of v1 `spec.new`; v0 is gone.
struct Renamed(Arc<Schema>);

fn renaming_schema() -> Arc<Schema> {
    Arc::new(Schema::from_openapi(&json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"old": {"type": "string"}, "new": {"type": "string"}, "x": {"type": "string"}}}}})))
}

impl Versions for Renamed {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, Arc<Schema>)> {
        let (from, to) = match api_version {
            "e.com/v1" => ("new", "old"),
            "e.com/v2" => ("old", "new"),
            _ => return None,
        };
        let mut object = object.clone();
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
            && let Some(value) = spec.remove(from)
        {
            spec.insert(to.to_owned(), value);
        }
        object["apiVersion"] = api_version.into();
        Some((object, Arc::clone(&self.0)))
    }
}

#[test]
fn managers_of_other_versions() {
    let schema = renaming_schema();
    let versions = Renamed(Arc::clone(&schema));
    let manager = |version: &str| {
        FieldManager::with(GroupVersionKind::new("e.com", version, "Widget"), &schema, "", FieldSet::default())
            .with_versions(&versions)
    };
    let widget = |version: &str, spec: Value| json!({"apiVersion": format!("e.com/{version}"), "kind": "Widget", "metadata": {"name": "w"}, "spec": spec});
    let in_v2 = |object: &Value| versions.convert(object, "e.com/v2").unwrap().0;
    let old = manager("v1").apply(None, &widget("v1", json!({"old": "1", "x": "1"})), "m1", false, now()).unwrap();
    let live = in_v2(&old);
    let error = manager("v2").apply(Some(&live), &widget("v2", json!({"new": "2"})), "m2", false, now()).unwrap_err();
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"m1\": .spec.old");
    let moved = manager("v2").apply(Some(&live), &widget("v2", json!({"x": "1"})), "m1", false, now()).unwrap();
    assert_eq!(moved["spec"], json!({"x": "1"}));
    assert_eq!(moved["metadata"]["managedFields"][0]["apiVersion"], "e.com/v2");
    let mut forgotten = live;
    forgotten["metadata"]["managedFields"][0]["apiVersion"] = "e.com/v0".into();
    let taken = manager("v2").apply(Some(&forgotten), &widget("v2", json!({"new": "2"})), "m2", false, now()).unwrap();
    assert_eq!(taken["metadata"]["managedFields"].as_array().unwrap().len(), 1);
}

#[test]
fn lists_that_became_atomic() {
    let kind = GroupVersionKind::new("e.com", "v1", "Widget");
    let schema = widget();
    let fields = FieldManager::with(kind, &schema, "", FieldSet::default());
    let live = json!({"apiVersion": "e.com/v1", "kind": "Widget", "metadata": {"name": "w", "managedFields": [
        {"manager": "m", "operation": "Apply", "apiVersion": "e.com/v1", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:spec": {"f:atoml": {"v:\"a\"": {}}}}}]}, "spec": {"atoml": ["a"]}});
    let mut applied = live.clone();
    meta::remove(&mut applied, "managedFields");
    applied["spec"]["atoml"] = json!(["b"]);
    let error = fields.apply(Some(&live), &applied, "other", false, now()).unwrap_err();
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"m\": .spec.atoml");
}

fn any_text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

fn unique_texts() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(vec!["a".to_owned(), "b".to_owned(), "c".to_owned(), "d".to_owned()], 0..4).prop_shuffle()
}

fn any_widget() -> impl Strategy<Value = Value> {
    let list = unique_texts().prop_flat_map(move |keys| {
        let n = keys.len();
        (Just(keys), prop::collection::vec((unique_texts(), prop::option::of(any_text())), n))
    });
    let text_map = || prop::collection::btree_map(any_text(), any_text(), 0..3);
    let spec = (
        prop::option::of(list),
        prop::option::of(unique_texts()),
        prop::option::of(prop::collection::vec(any_text(), 0..3)),
        prop::option::of(text_map()),
        prop::option::of(text_map()),
        prop::option::of(crate::patch::tests::any_json().prop_filter("objects", |v| v.is_object())),
    );
    spec.prop_map(|(list, set, atomic_list, map, atomic_map, free)| {
        let mut spec = serde_json::Map::new();
        if let Some((keys, items)) = list {
            let items: Vec<Value> = keys
                .into_iter()
                .zip(items)
                .map(|(k, (sub, v))| {
                    let mut item = json!({"k": k, "sub": sub});
                    if let Some(v) = v {
                        item["v"] = v.into();
                    }
                    item
                })
                .collect();
            spec.insert("mapl".into(), items.into());
        }
        let mut put = |name: &str, value: Option<Value>| value.map(|v| spec.insert(name.to_owned(), v));
        put("setl", set.map(Value::from));
        put("atoml", atomic_list.map(Value::from));
        put("gran", map.map(|m| json!(m)));
        put("atomm", atomic_map.map(|m| json!(m)));
        put("free", free);
        json!({"apiVersion": "e.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
    })
}

proptest! {
    #[test]
    fn applying_again_changes_nothing(first in any_widget(), other in any_widget(), second in any_widget()) {
        let schema = widget();
        let fields = FieldManager::with(GroupVersionKind::new("e.com", "v1", "Widget"), &schema, "", FieldSet::default());
        let apply = |live: Option<&Value>, applied: &Value, manager: &str| {
            fields.apply(live, applied, manager, true, now()).unwrap()
        };
        // Without any managed field the next apply counts as the first one.
        let managed = |live: &Value| live["metadata"].get("managedFields").is_some();
        let live = apply(None, &first, "m1");
        prop_assume!(managed(&live));
        prop_assert_eq!(&apply(Some(&live), &first, "m1"), &live);
        let live = apply(Some(&live), &other, "m2");
        prop_assume!(managed(&live));
        prop_assert_eq!(&apply(Some(&live), &other, "m2"), &live);
        let live = apply(Some(&live), &second, "m1");
        prop_assume!(managed(&live));
        prop_assert_eq!(&apply(Some(&live), &second, "m1"), &live);
        // Whatever was applied is there, and what nobody applies any more is not.
        let set = typed::field_set(shape::Type::Declared(schema.root()), &live);
        for entry in live["metadata"]["managedFields"].as_array().unwrap() {
            let owned = FieldSet::from_value(&entry["fieldsV1"]).unwrap();
            prop_assert_eq!(owned.to_value(), entry["fieldsV1"].clone());
            let _ = owned.difference(&set);
        }
    }

    #[test]
    fn updates_own_what_they_change(old in any_widget(), new in any_widget()) {
        let schema = widget();
        let fields = FieldManager::with(GroupVersionKind::new("e.com", "v1", "Widget"), &schema, "", FieldSet::default());
        let live = fields.create(old, "c", now());
        let updated = fields.update(&live, new.clone(), "u", now());
        let again = fields.update(&updated, new, "u", now());
        prop_assert_eq!(&again, &updated);
        // The old value taken back by somebody else moves everything back.
        let managers = updated["metadata"].get("managedFields").and_then(Value::as_array).map_or(0, Vec::len);
        prop_assert!(managers <= 2);
    }

    #[test]
    fn field_sets_round_trip(a in any_widget(), b in any_widget()) {
        let schema = widget();
        let ty = shape::Type::Declared(schema.root());
        let (a, b) = (typed::field_set(ty, &a), typed::field_set(ty, &b));
        prop_assert_eq!(&FieldSet::from_value(&a.to_value()).unwrap(), &a);
        let union = a.union(&b);
        prop_assert_eq!(&union.difference(&b).union(&a.intersection(&b)).union(&b.difference(&a)), &union);
        prop_assert!(union.difference(&a).difference(&b).is_empty());
        for path in a.paths() {
            prop_assert!(a.has(&path) && union.has(&path));
        }
    }

    #[test]
    fn no_input_panics(live in crate::patch::tests::any_json(), applied in crate::patch::tests::any_json(), fields_v1 in crate::patch::tests::any_json(), key in "[fkvi]:\\PC{0,6}") {
        let _ = PathElement::from_key(&key);
        let _ = FieldSet::from_value(&fields_v1);
        let kind = GroupVersionKind::new("apps", "v1", "Deployment");
        for schema in [builtin(&kind).unwrap(), widget(), Arc::new(Schema::any())] {
            let fields = FieldManager::with(kind.clone(), &schema, "", FieldSet::default());
            let mut applied = applied.clone();
            if applied.is_object() {
                applied["apiVersion"] = "apps/v1".into();
                applied["kind"] = "Deployment".into();
            }
            let _ = fields.apply(Some(&live), &applied, "m", false, now());
            let _ = fields.create(live.clone(), "m", now());
            let _ = fields.update(&live, applied, "m", now());
        }
    }
}

/// Creations of built-in kinds, whose Go structs decide which containers are fields.
#[test]
fn recorded_creations() {
    let resources = crate::kinds::builtin_resources();
    let (mut checked, mut failed) = (0, Vec::new());
    for file in ["patch", "lists-watches", "defaulting", "validation", "crd"] {
        let file = format!("{}/../../tests/fixtures/kubernetes/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for case in &cases {
            let alone = vec![case.clone()];
            for step in case["steps"].as_array().unwrap_or(&alone) {
                let response = &step["response"];
                let path = step["path"].as_str().unwrap();
                if step["method"] != "POST" || response["metadata"].get("managedFields").is_none() {
                    continue;
                }
                let text = |field: &str| response[field].as_str().unwrap_or_default();
                let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
                let Some(info) = resources
                    .iter()
                    .find(|r| r.gvr.group == group && r.gvr.version == version && r.kind == text("kind"))
                else {
                    continue;
                };
                // The server fills these in after the fields are tracked.
                let mut sent = response.clone();
                for late in late_fields(&info.kind, &step["body"]) {
                    remove_at(&mut sent, &late);
                }
                let fields = FieldManager::new(info, "");
                let manager = path.split_once("fieldManager=").map_or("vec", |(_, m)| m.split('&').next().unwrap());
                let created = fields.create(sent, manager, now());
                checked += 1;
                let (found, expected) = (masked(&created), masked(response));
                if found != expected {
                    let set = |v: &Value| FieldSet::from_value(&v[0]["fieldsV1"]).unwrap();
                    let (a, b) = (set(&found), set(&expected));
                    let show = |s: FieldSet| s.paths().iter().map(|p| display_path(p)).collect::<Vec<_>>().join(" ");
                    failed.push(format!(
                        "{} {}\n   more: {}\n   less: {}",
                        case["name"],
                        text("kind"),
                        show(a.difference(&b)),
                        show(b.difference(&a))
                    ));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} of {checked}:\n{}", failed.len(), failed.join("\n"));
}

fn late_fields(kind: &str, body: &Value) -> Vec<String> {
    let paths: &[&str] = match kind {
        "Service" => &[
            "/spec/clusterIP",
            "/spec/clusterIPs",
            "/spec/ipFamilies",
            "/spec/ipFamilyPolicy",
            "/spec/ports/0/nodePort",
        ],
        "Namespace" => &["/spec/finalizers"],
        "TokenReview" => &["/status"],
        "Pod" => &["/spec/preemptionPolicy", "/spec/priority", "/spec/tolerations"],
        "Job" => &["/metadata/labels", "/spec/selector", "/spec/template/metadata/labels"],
        _ => &[],
    };
    paths.iter().filter(|p| body.pointer(p).is_none()).map(|p| (*p).to_owned()).collect()
}

fn remove_at(object: &mut Value, pointer: &str) {
    let (container, key) = pointer.rsplit_once('/').unwrap();
    if let Some(Value::Object(map)) = object.pointer_mut(container) {
        map.remove(key);
    }
}
