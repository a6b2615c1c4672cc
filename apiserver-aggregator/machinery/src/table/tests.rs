use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/kubernetes/{name}", env!("CARGO_MANIFEST_DIR"));
    // Recorded uids are no label values as they stand.
    serde_json::from_str(&std::fs::read_to_string(path).unwrap().replace("<uid1>", "uid1")).unwrap()
}

fn now() -> Timestamp {
    "2024-05-06T07:08:09Z".parse().unwrap()
}

/// Group and resource of `apps/v1/deployments` or `v1/pods`.
fn resource(path: &str) -> (&str, &str) {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [_, resource] => ("", resource),
        [group, _, resource] => (group, resource),
        _ => panic!("{path}"),
    }
}

#[test]
fn columns_are_kubernetes_own() {
    for (path, rows) in fixture("tables.json").as_object().unwrap() {
        let (group, resource) = resource(path);
        let table = builtin_table(group, resource);
        let found: Vec<Value> = table
            .columns()
            .iter()
            .map(|c| json!({"name": c.name, "type": c.kind, "format": c.format, "priority": c.priority}))
            .collect();
        assert_eq!(Value::from(found), *rows, "{path}");
        let empty = json!({"metadata": {"name": "x"}});
        let cells = table.cells(&empty, now());
        assert_eq!(cells.len(), table.columns().len(), "{path}");
        let known = cells::printer(group, resource).is_some();
        assert!(known || rows.as_array().unwrap().len() == 2, "{path} has no printer");
    }
}

/// Rows recorded together with the object they show.
#[test]
fn recorded_rows() {
    let cases = fixture("vectors/lists-watches.json");
    let mut checked = BTreeMap::new();
    for case in cases.as_array().unwrap() {
        for step in case["steps"].as_array().into_iter().flatten() {
            let response = &step["response"];
            if response["kind"] != "Table" {
                continue;
            }
            let path = step["path"].as_str().unwrap().split('?').next().unwrap();
            let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            let (group, rest) = match parts.as_slice() {
                ["api", _, rest @ ..] => ("", rest),
                ["apis", group, _, rest @ ..] => (*group, rest),
                _ => continue,
            };
            let resource = match rest {
                ["namespaces", _, resource, ..] | [resource, ..] => *resource,
                _ => continue,
            };
            // What was created and then patched stands in the earlier steps.
            let steps = case["steps"].as_array().unwrap();
            let row = &response["rows"][0]["cells"];
            let shown = row.as_array().and_then(|cells| cells.iter().find_map(Value::as_str));
            let Some(mut object) = steps.iter().find_map(|s| {
                let named = s["body"]["metadata"]["name"].as_str();
                (s["method"] == "POST" && (named == shown || resource == "events")).then(|| s["body"].clone())
            }) else {
                continue;
            };
            for patch in steps.iter().filter(|s| s["method"] == "PATCH" && s["status"] == 200) {
                object = crate::patch::merge_patch(object, &patch["body"]);
            }
            object = with_defaults(object, resource);
            if steps.iter().any(|s| s["method"] == "DELETE") {
                object["metadata"]["deletionTimestamp"] = "2024-05-06T07:08:09Z".into();
            }
            let table = builtin_table(group, resource);
            let mut cells = table.cells(&object, now());
            for (cell, column) in cells.iter_mut().zip(table.columns()) {
                let is_age = matches!(column.name.as_str(), "Age" | "Duration") && *cell != "";
                if is_age {
                    *cell = "<age>".into();
                } else if column.name == "Created At" {
                    *cell = "<time>".into();
                } else if column.name == "Cluster-IP" {
                    *cell = "<ip>".into();
                }
            }
            assert_eq!(Value::from(cells), *row, "{}", case["name"]);
            assert_eq!(table.conditions(&object), row_conditions(&response["rows"][0]), "{}", case["name"]);
            checked.insert(case["name"].to_string(), ());
        }
    }
    assert!(checked.len() >= 25, "{checked:?}");
}

fn row_conditions(row: &Value) -> Vec<Value> {
    row["conditions"].as_array().cloned().unwrap_or_default()
}

/// What the server fills in before it prints.
fn with_defaults(mut object: Value, resource: &str) -> Value {
    match resource {
        "pods" if object["status"].get("phase").is_none() => object["status"]["phase"] = "Pending".into(),
        "services" => object["spec"]["ports"][0]["protocol"] = "TCP".into(),
        "horizontalpodautoscalers" => {
            object["spec"]["minReplicas"] = 1.into();
            object["spec"]["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 80}}}]);
        }
        "jobs" => {
            object["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "uid1"}});
            if object["spec"].get("completions").is_none() && object["spec"].get("parallelism").is_none() {
                object["spec"]["completions"] = 1.into();
            }
        }
        _ => {}
    }
    if resource == "pods"
        && object["spec"].get("schedulingGates").is_some()
        && object["status"].get("conditions").is_none()
    {
        object["status"]["conditions"] =
            json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]);
    }
    object
}

#[test]
fn durations() {
    let cases = [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_460, "3h11m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (356_400, "4d3h"),
        (691_200, "8d"),
        (63_071_999, "729d"),
        (63_072_000, "2y"),
        (63_158_400, "2y1d"),
        (252_288_000, "8y"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(human_duration(seconds), expected, "{seconds}");
    }
    assert_eq!(age_of(None, now()), "<unknown>");
    assert_eq!(age_of(Some(&"2024-05-06T07:08:00Z".into()), now()), "9s");
}

#[test]
fn restarts_say_when() {
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Running",
        "containerStatuses": [{"name": "c", "ready": true, "restartCount": 3, "state": {"running": {}},
            "lastState": {"terminated": {"finishedAt": "2024-05-06T07:03:09Z"}}}]}});
    let cells = builtin_table("", "pods").cells(&pod, now());
    assert_eq!(cells[1..4], [json!("1/1"), json!("Running"), json!("3 (5m ago)")]);
}

#[test]
fn printer_columns() {
    let table = crd_table(&[
        json!({"name": "A", "type": "string", "jsonPath": ".spec.a"}),
        json!({"name": "N", "type": "integer", "jsonPath": ".spec.n", "priority": 1}),
        json!({"name": "T", "type": "date", "jsonPath": ".spec.t"}),
        json!({"name": "B", "type": "boolean", "jsonPath": ".spec.b"}),
        json!({"name": "Xs", "type": "string", "jsonPath": ".spec.l[*].x"}),
        json!({"name": "Obj", "type": "string", "jsonPath": ".spec.l"}),
        json!({"name": "Label", "type": "string", "jsonPath": ".metadata.labels.foo\\.bar", "format": "byte"}),
        json!({"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}),
        json!({"name": "Big", "type": "string", "jsonPath": ".spec.big"}),
        json!({"name": "Bad", "type": "string", "jsonPath": ".spec["}),
    ]);
    let widget = json!({"metadata": {"name": "w", "labels": {"foo.bar": "baz"}},
        "spec": {"a": "x", "n": 5, "t": "2200-01-01T00:00:00Z", "b": true, "l": [{"x": "p"}, {"x": "q"}], "big": 1e6},
        "status": {"conditions": [{"type": "Synced", "status": "False"}, {"type": "Ready", "status": "True"}]}});
    assert_eq!(
        Value::from(table.cells(&widget, now())),
        json!(["w", "x", 5, "<invalid>", true, "p", "[{\"x\":\"p\"},{\"x\":\"q\"}]", "baz", "True", "1e+06", null])
    );
    let empty = json!({"metadata": {"name": "empty"}});
    assert!(table.cells(&empty, now())[1..].iter().all(Value::is_null));
    let plain = crd_table(&[]);
    assert_eq!(plain.columns()[1], Column::new("Age", "date", "", 0));
    let aged = json!({"metadata": {"name": "w", "creationTimestamp": "2024-05-06T07:00:09Z"}});
    assert_eq!(Value::from(plain.cells(&aged, now())), json!(["w", "8m"]));
}

#[test]
fn json_paths() {
    let value = json!({"a": {"b": [1, 2, 3, {"c": "x", "n": 7}], "d e": true}, "m": {"x": 1, "y": 2}});
    let find =
        |path: &str| Value::from(JsonPath::parse(path).unwrap().find(&value).into_iter().cloned().collect::<Vec<_>>());
    assert_eq!(find(".a.b[0]"), json!([1]));
    assert_eq!(find("{.a.b[-1].c}"), json!(["x"]));
    assert_eq!(find(".a.b[1:3]"), json!([2, 3]));
    assert_eq!(find(".a.b[::2]"), json!([1, 3]));
    assert_eq!(find(".a.b[0,2]"), json!([1, 3]));
    assert_eq!(find(".a['d e']"), json!([true]));
    assert_eq!(find("$.m.*"), json!([1, 2]));
    assert_eq!(find(".m['x','y']"), json!([1, 2]));
    assert_eq!(find("..c"), json!(["x"]));
    assert_eq!(find(".a.b[?(@.n>5)].c"), json!(["x"]));
    assert_eq!(find(".a.b[?(@.c!='x')].c"), json!([]));
    assert_eq!(find(".a.b[?(@.c)].n"), json!([7]));
    assert_eq!(find(".none[*].x"), json!([]));
    for bad in [".a[", ".a[x]", "..", ".a[?(@.b==)]", ".a{b"] {
        assert!(JsonPath::parse(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_object_panics(object in crate::patch::tests::any_json(), path in "[.a-c\\[\\]*0-9'\"?@()=<:\\\\]{0,16}") {
        for (group, resource, _) in columns::COLUMNS {
            let mut object = object.clone();
            if object.is_object() {
                let copy = object.clone();
                object["status"] = copy.clone();
                object["spec"] = copy;
            }
            let _ = builtin_table(group, resource).cells(&object, now());
        }
        if let Ok(path) = JsonPath::parse(&path) {
            let _ = path.find(&object);
        }
    }
}
