//! Custom resource definitions: what they are allowed to say, which names they get, and the resources they make.
//!
//! Everything here is a pure function of the definition as a value. Karmada's own kinds, whose definitions are generated
//! from types, come through [`resources`] as well.

mod names;
mod rules;
mod strategy;
#[cfg(test)]
mod tests;
mod validation;

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

pub use names::{Conditions, accept_names, established};
pub use strategy::CustomStrategy;
pub use validation::{validate, validate_change};

use crate::gvk::{GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
use crate::kinds::at_path;
use crate::resource::{Conversion, ResourceInfo, ScalePaths, SelectableField, StorageInfo, SubresourceInfo};
use crate::schema::Schema;

/// The verbs of custom resources, in the order in which discovery has always shown them.
const VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn strings(value: &Value, key: &str) -> Vec<String> {
    list(value, key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The resources that a definition makes: one for every served version, in the order of preference. Empty if the definition
/// has no storage version. Whether its names are accepted and it is established is for the caller to look at.
pub fn resources(definition: &Value) -> Vec<ResourceInfo> {
    let spec = &definition["spec"];
    let mut versions: Vec<&Value> = list(spec, "versions").iter().collect();
    versions.sort_by(|a, b| compare_versions(text(a, "name"), text(b, "name")));
    let Some(stored) = versions.iter().find(|v| v["storage"] == true) else { return Vec::new() };
    let storage_version = text(stored, "name");
    versions.iter().filter(|v| v["served"] == true).map(|v| resource(spec, v, storage_version)).collect()
}

fn resource(spec: &Value, version: &Value, storage_version: &str) -> ResourceInfo {
    let group = text(spec, "group");
    let names = &spec["names"];
    let (plural, kind) = (text(names, "plural"), text(names, "kind"));
    let gvk = GroupVersionKind::new(group, text(version, "name"), kind);
    // A definition of the older form states the schema once for all versions.
    let schema = match &version["schema"]["openAPIV3Schema"] {
        Value::Object(_) => Schema::published(&version["schema"]["openAPIV3Schema"]),
        _ => Schema::any(),
    };
    let schema = Arc::new(schema);
    let subresources = subresources(&gvk, &version["subresources"]);
    let list_kind = match text(names, "listKind") {
        "" => format!("{kind}List"),
        given => given.to_owned(),
    };
    let singular = match text(names, "singular") {
        "" => kind.to_lowercase(),
        given => given.to_owned(),
    };
    ResourceInfo {
        gvr: GroupVersionResource::new(group, &gvk.version, plural),
        kind: kind.to_owned(),
        list_kind,
        singular,
        short_names: strings(names, "shortNames"),
        categories: strings(names, "categories"),
        namespaced: text(spec, "scope") == "Namespaced",
        verbs: VERBS.iter().map(|v| (*v).to_owned()).collect(),
        subresources,
        strategy: Arc::new(CustomStrategy::new(&gvk, version, Arc::clone(&schema))),
        table: crate::table::crd_table(list(version, "additionalPrinterColumns")),
        schema,
        selectable_fields: list(version, "selectableFields")
            .iter()
            .map(|f| SelectableField { name: text(f, "jsonPath").trim_start_matches('.').to_owned(), get: at_path })
            .collect(),
        tracks_generation: true,
        storage: StorageInfo {
            resource: GroupResource::new(group, plural),
            prefix: format!("/registry/{group}/{plural}"),
            version: GroupVersion::new(group, storage_version),
            kind: kind.to_owned(),
            ttl_seconds: None,
        },
        conversion: match text(&spec["conversion"], "strategy") {
            "Webhook" => Conversion::Webhook(Arc::new(spec["conversion"]["webhook"].clone())),
            _ => Conversion::Rename,
        },
    }
}

fn subresources(gvk: &GroupVersionKind, stated: &Value) -> Vec<SubresourceInfo> {
    let verbs = || ["get", "patch", "update"].iter().map(|v| (*v).to_owned()).collect::<Vec<String>>();
    let mut subresources = Vec::new();
    if stated["status"].is_object() {
        subresources.push(SubresourceInfo { name: "status".to_owned(), gvk: gvk.clone(), verbs: verbs(), scale: None });
    }
    let scale = &stated["scale"];
    if scale.is_object() {
        subresources.push(SubresourceInfo {
            name: "scale".to_owned(),
            gvk: GroupVersionKind::new("autoscaling", "v1", "Scale"),
            verbs: verbs(),
            scale: Some(ScalePaths {
                spec_replicas: text(scale, "specReplicasPath").to_owned(),
                status_replicas: text(scale, "statusReplicasPath").to_owned(),
                label_selector: Some(text(scale, "labelSelectorPath").to_owned()).filter(|p| !p.is_empty()),
            }),
        });
    }
    subresources
}

/// `v2`, then `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, then all other names alphabetically: preferred versions first.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    match (version_rank(a), version_rank(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability, major and minor number of a Kubernetes-like version.
fn version_rank(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, suffix) = rest.split_at(digits);
    let number = |text: &str| {
        if text.is_empty() || text.starts_with('0') { None } else { text.parse::<u64>().ok() }
    };
    let major = number(major)?;
    if suffix.is_empty() {
        return Some((2, major, 0));
    }
    if let Some(minor) = suffix.strip_prefix("beta") {
        return Some((1, major, number(minor)?));
    }
    Some((0, major, number(suffix.strip_prefix("alpha")?)?))
}

/// Texts for `Warning` headers about an accepted definition.
pub fn warnings(definition: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for version in list(&definition["spec"], "versions") {
        rules::unknown_formats(&version["schema"]["openAPIV3Schema"], &mut found, 0);
    }
    found
}
