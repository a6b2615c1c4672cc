//! What is dropped or filled when an object of a built-in kind is created or updated.

use serde_json::{Map, Value, json};

use crate::gvk::GroupVersionKind;
use crate::resource::RequestContext;

type Create = fn(&mut Value, &RequestContext<'_>);
type Update = fn(&mut Value, &Value, &RequestContext<'_>);

/// The preparation of a new object and of a change.
pub(super) fn of(gvk: &GroupVersionKind) -> (Create, Update) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Namespace") => (create_namespace, keep_finalizers),
        ("", "Pod") => (create_pod, update_pod),
        ("", "PersistentVolumeClaim") => (pending, |_, _, _| {}),
        ("", "PersistentVolume") => (create_volume, |_, _, _| {}),
        ("", "Service") => (create_service, update_service),
        ("apiregistration.k8s.io", "APIService") => (create_api_service, |_, _, _| {}),
        ("apps", "DaemonSet") => (create_daemon_set, update_daemon_set),
        ("batch", "Job") => (create_job, |_, _, _| {}),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => (create_definition, |_, _, _| {}),
        _ => (|_, _| {}, |_, _, _| {}),
    }
}

/// The object at a key, made if it is absent or of another type.
fn object_at<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    object_at_map(object.as_object_mut()?, key)
}

fn object_at_map<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let slot = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

/// New namespaces are active and carry the finalizer that the namespace controller removes.
fn create_namespace(object: &mut Value, _ctx: &RequestContext<'_>) {
    if let Some(status) = object_at(object, "status") {
        *status = Map::from_iter([("phase".to_owned(), "Active".into())]);
    }
    if let Some(spec) = object_at(object, "spec") {
        let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
        match finalizers.as_array_mut() {
            Some(list) if !list.iter().any(|f| f == "kubernetes") => list.push("kubernetes".into()),
            Some(_) => {}
            None => *finalizers = json!(["kubernetes"]),
        }
    }
}

/// Finalizers of a namespace change through the finalize subresource only.
fn keep_finalizers(object: &mut Value, old: &Value, ctx: &RequestContext<'_>) {
    if ctx.subresource != Some("finalize")
        && let Some(finalizers) = old.get("spec").and_then(|s| s.get("finalizers"))
        && let Some(spec) = object_at(object, "spec")
    {
        spec.insert("finalizers".to_owned(), finalizers.clone());
    }
}

/// New pods are pending, with their quality of service, the tolerations that all pods get, and the lowest priority unless
/// they name a class.
fn create_pod(object: &mut Value, _ctx: &RequestContext<'_>) {
    if let Some(spec) = object_at(object, "spec") {
        super::defaults::default_tolerations(spec);
        // The classes that every cluster has; those that users make are looked up by whoever can read them.
        let priority = match spec.get("priorityClassName").and_then(Value::as_str) {
            None | Some("") => Some(0),
            Some("system-cluster-critical") => Some(2_000_000_000),
            Some("system-node-critical") => Some(2_000_001_000),
            Some(_) => None,
        };
        if let Some(priority) = priority {
            spec.entry("priority").or_insert_with(|| priority.into());
            spec.entry("preemptionPolicy").or_insert_with(|| "PreemptLowerPriority".into());
        }
        if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|s| s < 0) {
            spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
        }
    }
    let class = qos_class(object);
    let gated = object["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
    if let Some(status) = object_at(object, "status") {
        *status = Map::from_iter([("phase".to_owned(), "Pending".into()), ("qosClass".to_owned(), class.into())]);
        if gated {
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            });
            status.insert("conditions".to_owned(), json!([condition]));
        }
    }
}

/// A pod never loses the tolerations that all pods get.
fn update_pod(object: &mut Value, _old: &Value, ctx: &RequestContext<'_>) {
    if ctx.subresource.is_none()
        && let Some(spec) = object_at(object, "spec")
    {
        super::defaults::default_tolerations(spec);
    }
}

/// Guaranteed if every container limits CPU and memory to what it requests, best effort if none asks for anything.
pub(super) fn qos_class(pod: &Value) -> &'static str {
    let empty = Vec::new();
    let spec = &pod["spec"];
    let lists = ["containers", "initContainers"].map(|key| spec[key].as_array().unwrap_or(&empty));
    let pod_level = &spec["resources"];
    let all: Vec<&Value> = if pod_level.is_object() {
        vec![pod_level]
    } else {
        lists.iter().flat_map(|list| list.iter()).map(|c| &c["resources"]).collect()
    };
    let mut any = false;
    let mut guaranteed = !all.is_empty();
    for resources in all {
        for name in ["cpu", "memory"] {
            let (request, limit) = (&resources["requests"][name], &resources["limits"][name]);
            let set = |v: &Value| !v.is_null() && v.as_str() != Some("0") && v.as_i64() != Some(0);
            any |= set(request) || set(limit);
            guaranteed &= set(limit) && (request.is_null() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Addresses of services are of one family, IPv4, unless asked otherwise; an address that is given is the first of the list.
fn create_service(object: &mut Value, _ctx: &RequestContext<'_>) {
    if let Some(status) = object_at(object, "status") {
        *status = Map::from_iter([("loadBalancer".to_owned(), json!({}))]);
    }
    let Some(spec) = object_at(object, "spec") else { return };
    if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
        return;
    }
    let headless = spec.get("clusterIP").and_then(Value::as_str) == Some("None");
    let selects = spec.get("selector").and_then(Value::as_object).is_some_and(|s| !s.is_empty());
    let dual = headless && !selects;
    spec.entry("ipFamilyPolicy").or_insert_with(|| if dual { "RequireDualStack" } else { "SingleStack" }.into());
    if spec.get("ipFamilies").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("ipFamilies".to_owned(), if dual { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) });
    }
    let first = spec.get("clusterIP").and_then(Value::as_str).filter(|ip| !ip.is_empty()).map(str::to_owned);
    if let Some(ip) = first {
        spec.entry("clusterIPs").or_insert_with(|| json!([ip]));
    }
}

/// What a service has been given stays with it when an update leaves it out.
fn update_service(object: &mut Value, old: &Value, ctx: &RequestContext<'_>) {
    let kind = |o: &Value| o["spec"].get("type").and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
    let (new_kind, old_kind) = (kind(object), kind(old));
    if ctx.subresource.is_some() || new_kind == "ExternalName" || old_kind == "ExternalName" {
        return;
    }
    let Some(spec) = object_at(object, "spec") else { return };
    let before = &old["spec"];
    let absent = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(other) => *other == 0,
    };
    let ips = (absent(spec.get("clusterIP")), absent(spec.get("clusterIPs")));
    let keys: &[&str] = match ips {
        (true, true) => &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"],
        _ => &["ipFamilies", "ipFamilyPolicy"],
    };
    for key in keys {
        if absent(spec.get(*key))
            && let Some(value) = before.get(*key)
        {
            spec.insert((*key).to_owned(), value.clone());
        }
    }
    if ips == (false, true)
        && let Some(ip) = spec.get("clusterIP").cloned()
    {
        spec.insert("clusterIPs".to_owned(), json!([ip]));
    }
    let external = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    if !external(&new_kind) || !external(&old_kind) {
        return;
    }
    let key = |port: &Value| (port.get("protocol").cloned(), port.get("port").cloned());
    let given: Vec<(Option<Value>, Value)> = before
        .get("ports")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|port| Some((Some(json!([key(port).0, key(port).1])), port.get("nodePort")?.clone())))
        .collect();
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = Some(json!([key(port).0, key(port).1]));
        if absent(port.get("nodePort"))
            && let Some((_, number)) = given.iter().find(|(of, _)| *of == name)
            && let Some(port) = port.as_object_mut()
        {
            port.insert("nodePort".to_owned(), number.clone());
        }
    }
}

/// Services without a backend are our own and always available.
fn create_api_service(object: &mut Value, ctx: &RequestContext<'_>) {
    let local = object["spec"].get("service").is_none_or(Value::is_null);
    if let Some(status) = object_at(object, "status") {
        *status = Map::new();
        if local {
            let seconds = jiff::Timestamp::from_second(ctx.now.as_second()).unwrap_or(ctx.now);
            let condition = json!({
                "type": "Available", "status": "True", "reason": "Local",
                "message": "Local APIServices are always available", "lastTransitionTime": seconds.to_string(),
            });
            status.insert("conditions".to_owned(), json!([condition]));
        }
    }
}

fn pending(object: &mut Value, _ctx: &RequestContext<'_>) {
    if let Some(status) = object_at(object, "status") {
        *status = Map::from_iter([("phase".to_owned(), "Pending".into())]);
    }
}

fn create_volume(object: &mut Value, ctx: &RequestContext<'_>) {
    if let Some(status) = object_at(object, "status") {
        let seconds = jiff::Timestamp::from_second(ctx.now.as_second()).unwrap_or(ctx.now);
        *status = Map::from_iter([
            ("phase".to_owned(), "Pending".into()),
            ("lastPhaseTransitionTime".to_owned(), seconds.to_string().into()),
        ]);
    }
}

/// A job selects its pods by its own uid unless it says that it brings a selector.
fn create_job(object: &mut Value, _ctx: &RequestContext<'_>) {
    let (Some(uid), Some(name)) =
        (crate::meta::uid(object).map(str::to_owned), crate::meta::name(object).map(str::to_owned))
    else {
        return;
    };
    let Some(spec) = object_at(object, "spec") else { return };
    if spec.get("manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    if let Some(template) = spec.get_mut("template")
        && let Some(labels) = crate::meta::metadata_mut(template)
            .map(|m| m.entry("labels").or_insert_with(|| Value::Object(Map::new())))
            .and_then(Value::as_object_mut)
    {
        for (key, value) in [
            ("batch.kubernetes.io/job-name", &name),
            ("job-name", &name),
            ("batch.kubernetes.io/controller-uid", &uid),
            ("controller-uid", &uid),
        ] {
            labels.insert(key.to_owned(), value.clone().into());
        }
    }
    // What the job brings is kept, so that validation can refuse it.
    if let Some(selected) = object_at_map(spec, "selector").and_then(|s| object_at_map(s, "matchLabels")) {
        selected.insert("batch.kubernetes.io/controller-uid".to_owned(), uid.into());
    }
    let labels = spec.get("template").and_then(|t| t["metadata"].get("labels")).cloned();
    // A job without labels takes those of its pods.
    if let (Some(labels), Some(metadata)) = (labels, crate::meta::metadata_mut(object)) {
        metadata.entry("labels").or_insert(labels);
    }
}

/// The annotation by which old controllers counted changes of a daemon set's template.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn set_template_generation(object: &mut Value, generation: i64) {
    if let Some(metadata) = crate::meta::metadata_mut(object) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string().into());
        }
    }
}

fn create_daemon_set(object: &mut Value, _ctx: &RequestContext<'_>) {
    set_template_generation(object, 1);
}

fn update_daemon_set(object: &mut Value, old: &Value, ctx: &RequestContext<'_>) {
    if ctx.subresource.is_some() {
        return;
    }
    let before = crate::meta::annotation(old, TEMPLATE_GENERATION).and_then(|t| t.parse::<i64>().ok()).unwrap_or(1);
    let changed = object["spec"]["template"] != old["spec"]["template"];
    set_template_generation(object, before.saturating_add(i64::from(changed)));
}

/// A new definition has stored its storage version and nothing else.
fn create_definition(object: &mut Value, _ctx: &RequestContext<'_>) {
    let stored: Vec<Value> = object["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|v| v["storage"] == true)
        .map(|v| v["name"].clone())
        .take(1)
        .collect();
    if let Some(status) = object_at(object, "status") {
        *status = Map::from_iter([
            ("acceptedNames".to_owned(), json!({"kind": "", "plural": ""})),
            ("conditions".to_owned(), Value::Null),
            ("storedVersions".to_owned(), if stored.is_empty() { Value::Null } else { stored.into() }),
        ]);
    }
}

/// A pod's own grace period, unless the caller names one; pods that no node has taken go at once.
pub(super) fn pod_grace_period(pod: &Value, requested: Option<i64>) -> Option<i64> {
    let spec = &pod["spec"];
    let mut seconds = requested.or_else(|| spec["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30);
    if seconds < 0 {
        seconds = 1;
    }
    let unscheduled = spec["nodeName"].as_str().unwrap_or_default().is_empty();
    let finished = matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
    Some(if unscheduled || finished { 0 } else { seconds })
}
