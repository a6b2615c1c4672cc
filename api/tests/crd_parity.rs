//! Our CRDs say the same as upstream's, property by property; only descriptions are our own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Every keyword of a schema by its path, descriptions left out and sets sorted.
fn flatten(schema: &Value, path: &str, out: &mut BTreeMap<String, Value>) {
    let object = schema.as_object().unwrap();
    if object.is_empty() {
        out.insert(path.to_owned(), json!({}));
    }
    for (key, value) in object {
        let here = format!("{path}/{key}");
        match key.as_str() {
            "description" => {}
            "properties" => {
                for (name, property) in value.as_object().unwrap() {
                    flatten(property, &format!("{path}.{name}"), out);
                }
            }
            "items" | "additionalProperties" => flatten(value, &format!("{path}[{key}]"), out),
            "required" | "enum" => {
                let mut names: Vec<&str> = value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
                names.sort_unstable();
                out.insert(here, json!(names));
            }
            _ => {
                out.insert(here, value.clone());
            }
        }
    }
}

fn facts(crd: &Value) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    out.insert("group".to_owned(), crd["group"].clone());
    out.insert("scope".to_owned(), crd["scope"].clone());
    for (key, value) in crd["names"].as_object().unwrap() {
        // An absent listKind means the default, which is what the others say in full.
        if key == "listKind" && *value == format!("{}List", crd["names"]["kind"].as_str().unwrap()) {
            continue;
        }
        out.insert(format!("names/{key}"), value.clone());
    }
    for version in crd["versions"].as_array().unwrap() {
        let name = version["name"].as_str().unwrap();
        out.insert(format!("{name} served"), version["served"].clone());
        out.insert(format!("{name} storage"), version["storage"].clone());
        let subresources = version.get("subresources").filter(|s| s.is_object()).cloned().unwrap_or(json!({}));
        out.insert(format!("{name} subresources"), subresources);
        let columns = version.get("additionalPrinterColumns").filter(|c| c.is_array()).cloned().unwrap_or(json!([]));
        out.insert(format!("{name} columns"), columns);
        flatten(&version["schema"]["openAPIV3Schema"], name, &mut out);
    }
    out
}

#[test]
fn every_crd_says_what_upstreams_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/crds");
    let mut ours: BTreeMap<String, Value> = karmada_api::crds()
        .iter()
        .filter(|crd| !crd.aggregated)
        .map(|crd| (format!("{}_{}.json", crd.group, crd.plural), crd.manifest()["spec"].clone()))
        .collect();
    let mut differences = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let theirs: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let Some(mine) = ours.remove(&file) else {
            differences.push(format!("{file}: no such CRD here"));
            continue;
        };
        let (theirs, mine) = (facts(&theirs), facts(&mine));
        for (path, value) in &theirs {
            if mine.get(path) != Some(value) {
                differences.push(format!("{file} {path}: expected {value}, here {:?}", mine.get(path)));
            }
        }
        for (path, value) in mine.iter().filter(|(path, _)| !theirs.contains_key(*path)) {
            differences.push(format!("{file} {path}: only here: {value}"));
        }
    }
    differences.extend(ours.keys().map(|file| format!("{file}: only here")));
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

/// `kubectl explain` has something to say about every field.
#[test]
fn every_property_is_described() {
    fn look(schema: &Value, path: &str, missing: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property["description"].as_str().is_none_or(str::is_empty) && name != "metadata" {
                missing.push(path.clone());
            }
            look(property, &path, missing);
        }
        for key in ["items", "additionalProperties"] {
            if schema[key].is_object() {
                look(&schema[key], path, missing);
            }
        }
    }
    let mut missing = vec![];
    for crd in karmada_api::crds().into_iter().chain([karmada_api::operator_crd()]) {
        for version in &crd.versions {
            look(&version.schema, crd.kind, &mut missing);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Exactly one version of each kind is stored.
#[test]
fn one_stored_version() {
    for crd in karmada_api::crds() {
        assert_eq!(crd.versions.iter().filter(|v| v.storage).count(), 1, "{}", crd.kind);
    }
}
