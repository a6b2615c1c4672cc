//! Conversion of bindings between v1alpha1 and v1alpha2. What the other version doesn't have is lost.

use serde_json::{Map, Value, json};

use super::GROUP;

/// Why an object can't be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object isn't a binding of a known version.
    #[error("unsupported kind {kind} of {api_version}")]
    Unsupported {
        /// The object's apiVersion.
        api_version: String,
        /// The object's kind.
        kind: String,
    },
    /// There is no such version to convert to.
    #[error("unsupported version {0}")]
    Version(String),
}

/// Converts a ResourceBinding or ClusterResourceBinding to the version of this apiVersion.
///
/// # Errors
/// Fails when object or version is not one of the bindings'.
pub fn convert(object: &Value, to_api_version: &str) -> Result<Value, Error> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let (group, from) = crate::gvk::split_api_version(api_version);
    let known = group == GROUP && matches!(kind, "ResourceBinding" | "ClusterResourceBinding");
    if !known || !matches!(from, "v1alpha1" | "v1alpha2") {
        return Err(Error::Unsupported { api_version: api_version.to_owned(), kind: kind.to_owned() });
    }
    let (spec, status) = (object.get("spec"), object.get("status"));
    let (spec, status) = match (from, crate::gvk::split_api_version(to_api_version)) {
        (_, (GROUP, to)) if to == from => return Ok(object.clone()),
        ("v1alpha1", (GROUP, "v1alpha2")) => (spec_up(spec), status_to(&fields(status))),
        ("v1alpha2", (GROUP, "v1alpha1")) => (spec_down(spec), status_to(&fields(status))),
        _ => return Err(Error::Version(to_api_version.to_owned())),
    };
    let mut out = Map::new();
    out.insert("apiVersion".to_owned(), to_api_version.into());
    out.insert("kind".to_owned(), kind.into());
    out.insert("metadata".to_owned(), object.get("metadata").cloned().unwrap_or_else(|| json!({})));
    out.insert("spec".to_owned(), spec);
    out.insert("status".to_owned(), status);
    Ok(Value::Object(out))
}

fn fields(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A copy with only these fields, without empty ones.
fn only(from: &Map<String, Value>, fields: &[&str]) -> Map<String, Value> {
    let kept = |value: &Value| {
        !matches!(value, Value::Null) && *value != json!(0) && *value != json!("") && *value != json!(false)
    };
    fields
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), from.get(*field).filter(|v| kept(v))?.clone())))
        .collect()
}

fn list(from: &Map<String, Value>, field: &str, fields: &[&str]) -> Option<Value> {
    let items = from.get(field)?.as_array().filter(|items| !items.is_empty())?;
    Some(items.iter().filter_map(Value::as_object).map(|item| Value::Object(only(item, fields))).collect())
}

fn reference(resource: Option<&Value>) -> Map<String, Value> {
    let resource = fields(resource);
    let mut out = only(&resource, &["apiVersion", "kind", "namespace", "name", "resourceVersion"]);
    for field in ["apiVersion", "kind", "name"] {
        out.entry(field).or_insert_with(|| "".into());
    }
    out
}

fn spec_up(spec: Option<&Value>) -> Value {
    let spec = fields(spec);
    let resource = fields(spec.get("resource"));
    let mut out = only(&resource, &["replicas"]);
    out.insert("resource".to_owned(), Value::Object(reference(spec.get("resource"))));
    if let Some(Value::Object(request)) = resource.get("resourcePerReplicas")
        && !request.is_empty()
    {
        out.insert("replicaRequirements".to_owned(), json!({"resourceRequest": request}));
    }
    if let Some(clusters) = list(&spec, "clusters", &["name", "replicas"]) {
        out.insert("clusters".to_owned(), clusters);
    }
    Value::Object(out)
}

fn spec_down(spec: Option<&Value>) -> Value {
    let spec = fields(spec);
    let mut resource = reference(spec.get("resource"));
    resource.append(&mut only(&spec, &["replicas"]));
    if let Some(Value::Object(request)) = spec.get("replicaRequirements").and_then(|r| r.get("resourceRequest"))
        && !request.is_empty()
    {
        resource.insert("resourcePerReplicas".to_owned(), Value::Object(request.clone()));
    }
    let mut out = Map::new();
    out.insert("resource".to_owned(), Value::Object(resource));
    if let Some(clusters) = list(&spec, "clusters", &["name", "replicas"]) {
        out.insert("clusters".to_owned(), clusters);
    }
    Value::Object(out)
}

/// Both versions have the same conditions; health is lost either way.
fn status_to(status: &Map<String, Value>) -> Value {
    let mut out = Map::new();
    if let Some(conditions) = status.get("conditions").filter(|c| c.as_array().is_some_and(|c| !c.is_empty())) {
        out.insert("conditions".to_owned(), conditions.clone());
    }
    if let Some(items) = list(status, "aggregatedStatus", &["clusterName", "status", "applied", "appliedMessage"]) {
        out.insert("aggregatedStatus".to_owned(), items);
    }
    Value::Object(out)
}
