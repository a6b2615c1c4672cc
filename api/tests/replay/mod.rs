//! Replays what upstream's webhooks and Cluster API answered on a small stand-in for the API server around them.
//!
//! The stand-in knows paths, merge patches, schema defaults and pruning, nothing else: cases that schema validation or a
//! Lua compiler decides are left to the API server's own tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "malformed recordings end a replay")]

use std::collections::BTreeMap;

use karmada_api::admission::{self, Context, Denial, Operation, quota};
use karmada_api::cluster::{strategy, validation};
use karmada_api::features::{Feature, FeatureGates};
use karmada_api::work::conversion::convert;
use karmada_api::{Crd, crds};
use serde_json::{Map, Value, json};

/// When everything happens.
const NOW: &str = "2001-02-03T04:05:06Z";

struct Server {
    crds: Vec<Crd>,
    objects: BTreeMap<String, Value>,
    features: FeatureGates,
    allow_no_execute: bool,
    uuids: usize,
}

/// A path taken apart: the collection's path without version, and what follows it.
struct Target {
    group: String,
    version: String,
    collection: String,
    namespace: Option<String>,
    plural: String,
    name: Option<String>,
    subresource: Option<String>,
    dry_run: bool,
}

fn target(path: &str) -> Target {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version) = if parts[0] == "api" {
        parts.remove(0);
        ("", parts.remove(0))
    } else {
        parts.remove(0);
        (parts.remove(0), parts.remove(0))
    };
    let namespace = (parts[0] == "namespaces" && parts.len() > 2).then(|| {
        parts.remove(0);
        parts.remove(0).to_owned()
    });
    let plural = parts[0].to_owned();
    Target {
        group: group.to_owned(),
        version: version.to_owned(),
        collection: format!("{group}/{}/{plural}", namespace.clone().unwrap_or_default()),
        namespace,
        plural,
        name: parts.get(1).map(|s| (*s).to_owned()),
        subresource: parts.get(2).map(|s| (*s).to_owned()),
        dry_run: query.contains("dryRun=All"),
    }
}

/// Schema defaults and pruning, as far as Karmada's own schemas need them.
fn default_and_prune(value: &mut Value, schema: &Value) {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == json!(true);
    if let (Value::Object(map), Some(properties)) = (&mut *value, schema["properties"].as_object()) {
        if !open {
            map.retain(|key, _| properties.contains_key(key));
        }
        for (name, property) in properties {
            if let Some(default) = property.get("default")
                && map.get(name).is_none_or(Value::is_null)
            {
                map.insert(name.clone(), default.clone());
            }
            if name != "metadata"
                && let Some(child) = map.get_mut(name)
            {
                default_and_prune(child, property);
            }
        }
    }
    if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        items.iter_mut().for_each(|item| default_and_prune(item, schema));
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let map = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn status(denial: &Denial, webhook: &str) -> (u16, Value) {
    let mut out = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": denial.client_message(webhook), "code": denial.code});
    if !denial.reason.is_empty() {
        out["reason"] = denial.reason.into();
    }
    (denial.code, out)
}

impl Server {
    fn crd(&self, target: &Target) -> Option<Crd> {
        self.crds.iter().find(|c| c.group == target.group && c.plural == target.plural).cloned()
    }

    fn request(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        if path == "webhook:/convert" {
            return (200, conversion_review(body));
        }
        let target = target(path);
        match method {
            "GET" => (200, self.read(&target)),
            "DELETE" => self.delete(&target),
            "POST" => self.create(&target, body.clone()),
            _ => self.update(method, &target, body),
        }
    }

    fn read(&self, target: &Target) -> Value {
        let api_version = format!("{}/{}", target.group, target.version);
        let as_asked = |object: &Value| match target.version.as_str() {
            "v1alpha1" if target.group == "work.karmada.io" => convert(object, &api_version).unwrap(),
            _ => object.clone(),
        };
        if let Some(name) = &target.name {
            return as_asked(&self.objects[&format!("{}/{name}", target.collection)]);
        }
        let items: Vec<Value> =
            self.objects.iter().filter(|(k, _)| k.starts_with(&target.collection)).map(|(_, o)| as_asked(o)).collect();
        let kind = format!("{}List", self.crd(target).unwrap().kind);
        json!({"apiVersion": api_version, "kind": kind, "items": items,
            "metadata": {"continue": "", "resourceVersion": "$resourceVersion"}})
    }

    fn delete(&self, target: &Target) -> (u16, Value) {
        let prefix = format!("{}/{}", target.collection, target.name.clone().unwrap_or_default());
        for object in self.objects.iter().filter(|(k, _)| k.starts_with(&prefix)).map(|(_, o)| o) {
            if let Err(denial) = admission::validate_deletion(object) {
                return status(&denial, admission::DELETION_WEBHOOK);
            }
        }
        (200, Value::Null)
    }

    fn create(&mut self, target: &Target, mut object: Value) -> (u16, Value) {
        if let Some(namespace) = &target.namespace {
            object["metadata"]["namespace"] = namespace.as_str().into();
        }
        object["metadata"]["uid"] = "$uuid".into();
        object["metadata"]["creationTimestamp"] = NOW.into();
        object["metadata"]["generation"] = 1.into();
        match self.admit(target, Operation::Create, object, None) {
            Ok(object) => {
                let name = object["metadata"]["name"].as_str().unwrap();
                if !target.dry_run {
                    let mut stored = object.clone();
                    stored["metadata"]["resourceVersion"] = "$resourceVersion".into();
                    self.objects.insert(format!("{}/{name}", target.collection), stored);
                }
                (201, object)
            }
            Err(refusal) => refusal,
        }
    }

    fn update(&mut self, method: &str, target: &Target, body: &Value) -> (u16, Value) {
        let key = format!("{}/{}", target.collection, target.name.as_deref().unwrap());
        let old = self.objects[&key].clone();
        let mut object = old.clone();
        if target.subresource.is_some() {
            merge(&mut object["status"], &body["status"]);
            self.objects.insert(key, object.clone());
            return (200, object);
        }
        if method == "PUT" {
            let label = old["metadata"]["labels"].as_object().unwrap().values().next().unwrap();
            let text = body.to_string().replace("$permanentId", label.as_str().unwrap());
            object = serde_json::from_str(&text).unwrap();
            for field in ["uid", "creationTimestamp", "generation"] {
                object["metadata"][field] = old["metadata"][field].clone();
            }
        } else {
            merge(&mut object, body);
        }
        match self.admit(target, Operation::Update, object, Some(&old)) {
            Ok(mut object) => {
                if object["spec"] != old["spec"] {
                    object["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap() + 1).into();
                }
                if !target.dry_run {
                    self.objects.insert(key, object.clone());
                }
                (200, object)
            }
            Err(refusal) => refusal,
        }
    }

    fn admit(
        &mut self,
        target: &Target,
        operation: Operation,
        mut object: Value,
        old: Option<&Value>,
    ) -> Result<Value, (u16, Value)> {
        let Some(crd) = self.crd(target) else { return Ok(object) };
        let api_version = format!("{}/{}", target.group, target.version);
        if crd.kind == "Cluster" {
            let now = NOW.parse().unwrap();
            strategy::prepare_for_create(&mut object, &self.features, now);
            let errors = validation::validate(&object);
            return if errors.is_empty() { Ok(object) } else { Err(invalid_cluster(&object, &errors)) };
        }
        let version = crd.versions.iter().find(|v| v.name == target.version).unwrap();
        if operation == Operation::Create
            && version.status_subresource
            && let Value::Object(map) = &mut object
        {
            map.remove("status");
        }
        default_and_prune(&mut object, &version.schema);
        let webhook = admission::webhook_name(&api_version, crd.kind).unwrap_or_default();
        let refuse = |denial: Denial| status(&denial, webhook);
        let uuids = &mut self.uuids;
        let mut new_uuid = || {
            *uuids += 1;
            format!("uuid-{uuids}")
        };
        admission::mutate(&api_version, crd.kind, operation, &mut object, &mut new_uuid).map_err(refuse)?;
        default_and_prune(&mut object, &version.schema);
        let customizations: Vec<Value> = self.all("config.karmada.io/");
        let known_time_zone = |zone: &str| zone != "Mars/Base";
        let context = Context {
            features: Some(&self.features),
            allow_no_execute_taint_policy: self.allow_no_execute,
            customizations: &customizations,
            compile_lua: None,
            known_time_zone: Some(&known_time_zone),
        };
        admission::validate(&api_version, crd.kind, operation, &object, old, &context).map_err(refuse)?;
        if crd.kind == "ResourceBinding" && self.features.enabled(Feature::FederatedQuotaEnforcement) {
            self.charge(&object, old, target.dry_run).map_err(refuse)?;
        }
        Ok(object)
    }

    fn all(&self, prefix: &str) -> Vec<Value> {
        self.objects.iter().filter(|(k, _)| k.starts_with(prefix)).map(|(_, o)| o.clone()).collect()
    }

    fn charge(&mut self, object: &Value, old: Option<&Value>, dry_run: bool) -> Result<(), Denial> {
        let quotas = self.all("policy.karmada.io/default/federatedresourcequotas/");
        for charge in quota::charge(object, old, &quotas)? {
            let key = format!("policy.karmada.io/{}/federatedresourcequotas/{}", charge.namespace, charge.name);
            if !dry_run {
                self.objects.get_mut(&key).unwrap()["status"]["overallUsed"] = json!(charge.overall_used);
            }
        }
        Ok(())
    }
}

fn invalid_cluster(object: &Value, errors: &[admission::FieldError]) -> (u16, Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let causes: Vec<Value> =
        errors.iter().map(|e| json!({"reason": e.reason(), "message": e.body(), "field": e.field})).collect();
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": validation::refusal(name, errors), "reason": "Invalid", "code": 422,
        "details": {"name": name, "group": "cluster.karmada.io", "kind": "Cluster", "causes": causes}});
    (422, body)
}

fn conversion_review(body: &Value) -> Value {
    let request = &body["request"];
    let version = request["desiredAPIVersion"].as_str().unwrap();
    let objects: Vec<Value> =
        request["objects"].as_array().unwrap().iter().map(|o| convert(o, version).unwrap()).collect();
    json!({"kind": "ConversionReview", "apiVersion": body["apiVersion"], "response": {
        "uid": request["uid"], "convertedObjects": objects, "result": {"metadata": {}, "status": "Success"},
    }})
}

/// Uuids that we gave out, as the recordings write them.
fn normalize(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("uuid-") => *text = "$uuid".to_owned(),
        Value::String(text) if text == NOW => *text = "$time".to_owned(),
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Object(map) => map.values_mut().for_each(normalize),
        _ => {}
    }
}

/// Cases that something else than admission decides: schema validation, and the compiler of Lua scripts.
fn decided_elsewhere(case: &Value) -> bool {
    let message = case["response"]["message"].as_str().unwrap_or_default();
    (case["status"] == 422 && !message.starts_with("Cluster.")) || message.contains("Lua script error")
}

/// What became of the cases of one file.
#[derive(Default)]
pub(crate) struct Report {
    /// How many are as recorded.
    pub(crate) passed: usize,
    /// How many something else than admission decides.
    pub(crate) elsewhere: usize,
    /// The others: name, and what was answered instead.
    pub(crate) failed: Vec<(String, String)>,
}

/// Replays the cases of a file.
pub(crate) fn replay(file: &Value) -> Report {
    let mut report = Report::default();
    for case in file["cases"].as_array().unwrap() {
        if decided_elsewhere(case) {
            report.elsewhere += 1;
            continue;
        }
        let gates: Map<String, Value> = case["flags"]["featureGates"].as_object().cloned().unwrap_or_default();
        let gates: Vec<String> = gates.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut server = Server {
            crds: crds(),
            objects: BTreeMap::new(),
            features: FeatureGates::parse(&gates.join(",")).unwrap(),
            allow_no_execute: case["flags"]["args"].to_string().contains("--allow-no-execute-taint-policy=true"),
            uuids: 0,
        };
        for step in case["setup"].as_array().unwrap() {
            let (method, path) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
            let (code, answer) = server.request(method, path, &step["body"]);
            assert!(code < 300, "{}: set-up: {answer}", case["name"]);
        }
        let (method, path) = (case["method"].as_str().unwrap(), case["path"].as_str().unwrap());
        let (code, mut answer) = server.request(method, path, &case["body"]);
        normalize(&mut answer);
        // What a deletion answers is the server's business.
        let same_body = (method == "DELETE" && code == 200) || answer == case["response"];
        if u64::from(code) == case["status"].as_u64().unwrap() && same_body {
            report.passed += 1;
        } else {
            let difference = format!("got {code} {answer}, expect {} {}", case["status"], case["response"]);
            report.failed.push((case["name"].as_str().unwrap().to_owned(), difference));
        }
    }
    report
}
