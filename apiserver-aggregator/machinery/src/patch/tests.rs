use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    gvk::GroupVersionKind,
    schema::{Schema, builtin},
};

fn schema(group: &str, kind: &str) -> Arc<Schema> {
    builtin(&GroupVersionKind::new(group, "v1", kind)).unwrap()
}

#[track_caller]
fn json_ok(object: Value, patch: Value, expected: Value) {
    assert_eq!(json_patch(object, &patch).unwrap(), expected);
}

#[track_caller]
fn json_fails(object: Value, patch: Value, code: u16) {
    assert_eq!(json_patch(object, &patch).unwrap_err().code, code);
}

#[test]
fn json_patches() {
    json_ok(
        json!({"data": {"a": "1", "b": "2"}}),
        json!([{"op": "move", "from": "/data/a", "path": "/data/c"}, {"op": "copy", "from": "/data/b", "path": "/data/d"}]),
        json!({"data": {"b": "2", "c": "1", "d": "2"}}),
    );
    json_ok(json!({"a": {}}), json!([{"op": "replace", "path": "/a/x", "value": 1}]), json!({"a": {"x": 1}}));
    json_ok(json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/-", "value": 3}]), json!({"a": [1, 2, 3]}));
    json_ok(json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/1", "value": 3}]), json!({"a": [1, 3, 2]}));
    json_ok(json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]}));
    json_ok(json!({"a/b": 1}), json!([{"op": "remove", "path": "/a~1b"}]), json!({}));
    json_ok(json!({}), json!([{"op": "test", "path": "/a", "value": null}]), json!({}));
    json_ok(json!({"a": 1}), json!(null), json!({"a": 1}));
    json_fails(json!({}), json!([{"op": "remove", "path": "/a"}]), 422);
    json_fails(json!({}), json!([{"op": "add", "path": "/a/b", "value": 1}]), 422);
    json_fails(json!({}), json!([{"op": "add", "path": "", "value": {}}]), 422);
    json_fails(json!({}), json!([{"op": "nonsense", "path": "/a"}]), 422);
    json_fails(json!({}), json!([{"path": "/a"}]), 422);
    json_fails(json!({"a": []}), json!([{"op": "add", "path": "/a/1", "value": 1}]), 422);
    json_fails(json!({}), Value::Array(vec![json!({"op": "test", "path": "/a"}); MAX_OPERATIONS + 1]), 413);
    let error = json_patch(json!({}), &json!({"op": "add"})).unwrap_err();
    assert_eq!(error.code, 400);
    assert_eq!(
        error.message,
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
    );
    let error = json_patch(json!({}), &json!([{"op": "test", "path": "/a", "value": "x"}])).unwrap_err();
    assert_eq!(error.to_value()["details"], json!({}));
    assert_eq!(error.message, "the server rejected our request due to an error in our request");
}

#[test]
fn json_patch_copies_are_limited() {
    let doubling = vec![json!({"op": "copy", "from": "/a", "path": "/a/-"}); 60];
    json_fails(json!({"a": ["x".repeat(1000)]}), Value::Array(doubling), 422);
}

#[test]
fn json_patches_cannot_nest_without_end() {
    // Each copy doubles the depth: without a bound, freeing the result would overflow the stack.
    let mut operations = Vec::new();
    let mut path = "/a".to_owned();
    for _ in 0..18 {
        operations.push(json!({"op": "copy", "from": "/a", "path": format!("{path}/a")}));
        path = format!("{path}{path}");
        if path.len() > 100_000 {
            break;
        }
    }
    json_fails(json!({"a": {}}), Value::Array(operations), 422);
    let deep = format!("/{}", vec!["a"; 2_000].join("/"));
    json_fails(json!({}), json!([{"op": "add", "path": deep, "value": 1}]), 422);
}

#[test]
fn merge_patches() {
    let merged = merge_patch(
        json!({"a": {"b": 1, "c": 2}, "l": [1, 2]}),
        &json!({"a": {"b": null, "d": {"e": null, "f": 1}}, "l": [{"x": null}], "n": null}),
    );
    assert_eq!(merged, json!({"a": {"c": 2, "d": {"f": 1}}, "l": [{}]}));
}

fn deployment() -> Value {
    json!({"spec": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
        "template": {"spec": {"containers": [
            {"name": "a", "image": "x:1", "args": ["x", "y"],
             "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
             "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "name": "m", "protocol": "TCP"}]},
            {"name": "b", "image": "y:1"},
        ]}},
    }})
}

fn containers(patch: Value) -> Result<Value, StatusError> {
    let patch = json!({"spec": {"template": {"spec": patch}}});
    let mut patched = strategic_merge_patch(deployment(), &patch, &schema("apps", "Deployment"))?;
    Ok(patched["spec"]["template"]["spec"]["containers"].take())
}

fn names(containers: &Value) -> Vec<&str> {
    containers.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect()
}

#[test]
fn strategic_lists_merge_by_key() {
    let merged =
        containers(json!({"containers": [{"name": "b", "image": "y:2"}, {"name": "n", "image": "n:1"}]})).unwrap();
    assert_eq!(names(&merged), ["a", "b", "n"]);
    assert_eq!(merged[1]["image"], "y:2");
    let merged = containers(json!({"containers": [{"name": "a", "$patch": "delete"}]})).unwrap();
    assert_eq!(names(&merged), ["b"]);
    let merged = containers(json!({"containers": [{"name": "zz", "$patch": "delete"}]})).unwrap();
    assert_eq!(names(&merged), ["a", "b"]);
    let merged = containers(json!({"containers": [{"$patch": "replace"}, {"name": "only", "image": "o"}]})).unwrap();
    assert_eq!(merged, json!([{"name": "only", "image": "o"}]));
    let merged = containers(json!({
        "$setElementOrder/containers": [{"name": "b"}, {"name": "n"}],
        "containers": [{"name": "n", "image": "n:1"}],
    }))
    .unwrap();
    assert_eq!(names(&merged), ["a", "b", "n"]);
    let merged = containers(json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]})).unwrap();
    assert_eq!(names(&merged), ["b", "a"]);
    let merged = containers(json!({"containers": [{"name": "a", "args": ["z"], "env": null,
        "ports": [{"containerPort": 81, "name": "q"}, {"containerPort": 82}]}]}))
    .unwrap();
    assert_eq!(
        merged[0],
        json!({"name": "a", "image": "x:1", "args": ["z"], "ports": [
            {"containerPort": 80, "protocol": "TCP"},
            {"containerPort": 81, "name": "q", "protocol": "TCP"},
            {"containerPort": 82},
        ]})
    );
}

#[test]
fn strategic_errors() {
    let error = |patch: Value| containers(patch).unwrap_err();
    let unordered = error(json!({
        "$setElementOrder/containers": [{"name": "b"}],
        "containers": [{"name": "n", "image": "n:1"}],
    }));
    assert_eq!(unordered.code, 500);
    assert_eq!(
        unordered.message,
        "The order in patch list:\n[map[image:n:1 name:n]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n"
    );
    assert_eq!(
        error(json!({"containers": [{"image": "z:1"}]})).message,
        "map: map[image:z:1] does not contain declared merge key: name"
    );
    assert_eq!(
        error(json!({"containers": [{"name": "a", "$patch": "nonsense"}]})).message,
        "unknown patch type: nonsense in map: map[$patch:nonsense name:a]"
    );
    // A value of another type replaces; decoding the result refuses it.
    assert_eq!(containers(json!({"containers": {"name": "a"}})).unwrap(), json!({"name": "a"}));
    let widget = Schema::from_openapi(&json!({"type": "object"}));
    assert_eq!(strategic_merge_patch(json!({}), &json!({}), &widget).unwrap_err().code, 415);
}

#[test]
fn strategic_retain_keys_and_directives() {
    let strategy = |patch: Value| {
        let patch = json!({"spec": {"strategy": patch}});
        strategic_merge_patch(deployment(), &patch, &schema("apps", "Deployment"))
            .map(|mut d| d["spec"]["strategy"].take())
    };
    let recreate = json!({"type": "Recreate"});
    assert_eq!(strategy(json!({"$retainKeys": ["type"], "type": "Recreate"})).unwrap(), recreate);
    assert_eq!(
        strategy(json!({"$retainKeys": ["type"], "type": "Recreate", "rollingUpdate": null})).unwrap(),
        recreate
    );
    let error = strategy(json!({"$retainKeys": ["rollingUpdate"], "type": "RollingUpdate"})).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (400, "invalid patch format of retainKeys"));

    let config_map =
        |object: Value, patch: Value| strategic_merge_patch(object, &patch, &schema("", "ConfigMap")).unwrap();
    assert_eq!(
        config_map(json!({"data": {"a": "1"}}), json!({"data": {"$patch": "replace", "z": "9"}})),
        json!({"data": {"z": "9"}})
    );
    assert_eq!(
        config_map(json!({"metadata": {"labels": {"a": "b"}}}), json!({"metadata": {"labels": {"$patch": "delete"}}})),
        json!({"metadata": {"labels": {}}})
    );
    let finalizers = |current: Value, patch: Value| {
        config_map(json!({"metadata": {"finalizers": current}}), json!({"metadata": patch}))["metadata"]["finalizers"]
            .take()
    };
    assert_eq!(finalizers(json!(["a", "b"]), json!({"$deleteFromPrimitiveList/finalizers": ["a"]})), json!(["b"]));
    assert_eq!(finalizers(json!(["b"]), json!({"finalizers": ["c", "b"]})), json!(["c", "b"]));
    assert_eq!(
        finalizers(json!(["c", "b"]), json!({"$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]})),
        json!(["c", "b"])
    );
}

#[test]
fn strategic_service_ports_and_secrets() {
    let ports = json!([
        {"name": "a", "port": 80, "protocol": "TCP"},
        {"name": "u", "port": 80, "protocol": "UDP"},
        {"name": "c", "port": 90, "protocol": "TCP"},
    ]);
    let service = json!({"spec": {"ports": ports}});
    let patched = strategic_merge_patch(
        service,
        &json!({"spec": {"ports": [{"port": 80, "targetPort": 88}]}}),
        &schema("", "Service"),
    )
    .unwrap();
    assert_eq!(patched["spec"]["ports"][0]["targetPort"], 88);
    assert_eq!(patched["spec"]["ports"][1]["name"], "u");
    let account = strategic_merge_patch(
        json!({"secrets": [{"name": "a"}]}),
        &json!({"secrets": [{"name": "b"}], "imagePullSecrets": [{"name": "p"}]}),
        &schema("", "ServiceAccount"),
    )
    .unwrap();
    assert_eq!(account, json!({"secrets": [{"name": "b"}, {"name": "a"}], "imagePullSecrets": [{"name": "p"}]}));
}

/// Small JSON documents over few keys, so that patches meet what they patch.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "a",
        "name",
        "spec",
        "template",
        "containers",
        "env",
        "metadata",
        "finalizers",
        "labels",
        "ports",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "containerPort",
    ]);
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        prop::sample::select(vec!["a", "b", "delete", "replace", "merge", "name"]).prop_map(Value::from),
    ];
    scalar.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_patch_panics(object in any_json(), patch in any_json(), paths in prop::collection::vec("(/(a|name|spec|-|0|1|-1)){0,3}", 1..4)) {
        let _ = merge_patch(object.clone(), &patch);
        let _ = strategic_merge_patch(object.clone(), &patch, &schema("apps", "Deployment"));
        let operations: Vec<Value> = paths
            .iter()
            .zip(["add", "remove", "replace", "copy"])
            .map(|(path, op)| json!({"op": op, "path": path, "from": path, "value": patch}))
            .collect();
        let _ = json_patch(object, &Value::Array(operations));
    }

    #[test]
    fn empty_patches_change_nothing(object in any_json()) {
        if object.is_object() {
            prop_assert_eq!(merge_patch(object.clone(), &json!({})), object.clone());
            prop_assert_eq!(strategic_merge_patch(object.clone(), &json!({}), &schema("", "Pod")).unwrap(), object.clone());
        }
        prop_assert_eq!(json_patch(object.clone(), &json!([])).unwrap(), object);
    }

    #[test]
    fn merging_twice_is_merging_once(object in any_json(), patch in any_json()) {
        let once = merge_patch(object, &patch);
        prop_assert_eq!(merge_patch(once.clone(), &patch), once);
    }
}
