//! Discovery documents, legacy and aggregated, made from the resources that are served.
//!
//! Resources come in discovery's order: groups as they are to be listed, the preferred version of a group first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::gvk::{GroupVersion, GroupVersionKind};
use crate::resource::ResourceInfo;

/// The Kubernetes version that the server presents itself as.
pub const GIT_VERSION: &str = "v1.36.2";

/// `/version`. The build facts are the caller's.
pub fn version(git_commit: &str, build_date: &str, platform: &str) -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": git_commit,
        "gitTreeState": "clean",
        "buildDate": build_date,
        "goVersion": "go1.26.0",
        "compiler": "gc",
        "platform": platform,
    })
}

/// `/api`: the versions of the core group and where the server is.
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    })
}

/// A group with its versions, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name; empty for the core group.
    pub name: String,
    /// The versions.
    pub versions: Vec<String>,
}

impl Group {
    /// The entry in an `APIGroupList`.
    pub fn entry(&self) -> Value {
        let version = |v: &String| json!({"groupVersion": GroupVersion::new(&self.name, v).to_string(), "version": v});
        json!({
            "name": self.name,
            "versions": self.versions.iter().map(version).collect::<Vec<_>>(),
            "preferredVersion": self.versions.first().map(version),
        })
    }

    /// `/apis/<group>`.
    pub fn document(&self) -> Value {
        let mut document = self.entry();
        document["kind"] = "APIGroup".into();
        document["apiVersion"] = "v1".into();
        document
    }
}

/// The groups of the resources, in their order.
pub fn groups<'a>(resources: impl IntoIterator<Item = &'a ResourceInfo>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for info in resources {
        let gvr = &info.gvr;
        match groups.iter_mut().find(|g| g.name == gvr.group) {
            Some(group) if group.versions.contains(&gvr.version) => {}
            Some(group) => group.versions.push(gvr.version.clone()),
            None => groups.push(Group { name: gvr.group.clone(), versions: vec![gvr.version.clone()] }),
        }
    }
    groups
}

/// `/apis`: all groups but the core group.
pub fn group_list(groups: &[Group]) -> Value {
    let entries: Vec<Value> = groups.iter().filter(|g| !g.name.is_empty()).map(Group::entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": entries})
}

/// `/api/v1` and `/apis/<group>/<version>`, from the resources of that group version.
pub fn resource_list<'a>(group_version: &GroupVersion, resources: impl IntoIterator<Item = &'a ResourceInfo>) -> Value {
    let mut entries = Vec::new();
    for info in resources {
        if info.gvr.group != group_version.group || info.gvr.version != group_version.version {
            continue;
        }
        entries.push(resource_entry(info));
        for sub in &info.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", info.gvr.resource, sub.name),
                "singularName": "",
                "namespaced": info.namespaced,
                "kind": sub.gvk.kind,
                "verbs": sub.verbs,
            });
            if sub.gvk.group_version() != *group_version {
                entry["group"] = sub.gvk.group.clone().into();
                entry["version"] = sub.gvk.version.clone().into();
            }
            entries.push(entry);
        }
    }
    resource_list_of(group_version, entries)
}

/// The same from ready entries, for group versions that somebody else serves.
pub fn resource_list_of(group_version: &GroupVersion, entries: Vec<Value>) -> Value {
    let mut list = json!({
        "kind": "APIResourceList",
        "groupVersion": group_version.to_string(),
        "resources": entries,
    });
    // The core group's list has never named its own version.
    if !group_version.group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    list
}

fn resource_entry(info: &ResourceInfo) -> Value {
    let mut entry = json!({
        "name": info.gvr.resource,
        "singularName": info.singular,
        "namespaced": info.namespaced,
        "kind": info.kind,
        "verbs": info.verbs,
    });
    if !info.short_names.is_empty() {
        entry["shortNames"] = info.short_names.clone().into();
    }
    if !info.categories.is_empty() {
        entry["categories"] = info.categories.clone().into();
    }
    if info.has_verb("watch") {
        entry["storageVersionHash"] = storage_version_hash(info).into();
    }
    entry
}

/// Changes when the version or kind that objects are stored in changes.
fn storage_version_hash(info: &ResourceInfo) -> String {
    let version = &info.storage.version;
    let text = format!("{}/{}/{}", version.group, version.version, info.storage.kind);
    let digest = Sha256::digest(text.as_bytes());
    STANDARD.encode(&digest[..8])
}

/// The version of the aggregated discovery document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregatedVersion {
    /// `apidiscovery.k8s.io/v2`.
    V2,
    /// `apidiscovery.k8s.io/v2beta1`.
    V2Beta1,
}

/// The aggregated document of the core group (`/api`) or of all other groups (`/apis`).
pub fn aggregated<'a>(
    resources: impl IntoIterator<Item = &'a ResourceInfo>,
    core: bool,
    version: AggregatedVersion,
) -> Value {
    /// Entries by version, in order.
    type Versions = Vec<(String, Vec<Value>)>;
    let mut items: Vec<(String, Versions)> = Vec::new();
    for info in resources {
        if info.gvr.group.is_empty() != core {
            continue;
        }
        let index = items.iter().position(|(name, _)| *name == info.gvr.group).unwrap_or_else(|| {
            items.push((info.gvr.group.clone(), Vec::new()));
            items.len() - 1
        });
        let versions = &mut items[index].1;
        let index = versions.iter().position(|(name, _)| *name == info.gvr.version).unwrap_or_else(|| {
            versions.push((info.gvr.version.clone(), Vec::new()));
            versions.len() - 1
        });
        versions[index].1.push(aggregated_entry(info));
    }
    let items = items
        .into_iter()
        .map(|(group, versions)| {
            let versions = versions.into_iter().map(|(name, entries)| aggregated_version(&name, entries)).collect();
            aggregated_group(&group, versions)
        })
        .collect();
    aggregated_list(items, version)
}

/// One version's entry of the aggregated document.
pub fn aggregated_version(name: &str, resources: Vec<Value>) -> Value {
    json!({"version": name, "resources": resources, "freshness": "Current"})
}

/// One group's entry of the aggregated document.
pub fn aggregated_group(group: &str, versions: Vec<Value>) -> Value {
    let mut metadata = Map::new();
    if !group.is_empty() {
        metadata.insert("name".to_owned(), group.into());
    }
    json!({"metadata": metadata, "versions": versions})
}

/// The aggregated document from ready group entries.
pub fn aggregated_list(items: Vec<Value>, version: AggregatedVersion) -> Value {
    let api_version = match version {
        AggregatedVersion::V2 => "apidiscovery.k8s.io/v2",
        AggregatedVersion::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
    };
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items})
}

fn aggregated_entry(info: &ResourceInfo) -> Value {
    let own = info.gvk();
    // A kind of the resource's own group version is named without them.
    let response_kind = |gvk: &GroupVersionKind| {
        let foreign = gvk.group_version() != own.group_version();
        let (group, version) = if foreign { (gvk.group.as_str(), gvk.version.as_str()) } else { ("", "") };
        json!({"group": group, "version": version, "kind": gvk.kind})
    };
    let mut entry = json!({
        "resource": info.gvr.resource,
        "responseKind": response_kind(&own),
        "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": info.singular,
        "verbs": info.verbs,
    });
    if !info.short_names.is_empty() {
        entry["shortNames"] = info.short_names.clone().into();
    }
    if !info.categories.is_empty() {
        entry["categories"] = info.categories.clone().into();
    }
    if !info.subresources.is_empty() {
        entry["subresources"] = info
            .subresources
            .iter()
            .map(|s| json!({"subresource": s.name, "responseKind": response_kind(&s.gvk), "verbs": s.verbs}))
            .collect::<Vec<_>>()
            .into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::builtin_resources;

    #[test]
    fn documents_equal_the_recorded_ones() {
        let path = format!("{}/../../tests/fixtures/kubernetes/discovery-shapes.json", env!("CARGO_MANIFEST_DIR"));
        let shapes: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let shapes = &shapes["documents"];
        let all = builtin_resources();
        let groups = groups(&all);
        let list = group_list(&groups);
        assert_eq!(list["groups"][0], shapes["/apis (first 2 groups)"]["groups"][0]);
        assert_eq!(list["groups"][1], shapes["/apis (first 2 groups)"]["groups"][1]);
        let apps = groups.iter().find(|g| g.name == "apps").unwrap();
        assert_eq!(apps.document(), shapes["/apis/apps"]);
        let mut list = resource_list(&GroupVersion::new("apps", "v1"), &all);
        for entry in list["resources"].as_array_mut().unwrap() {
            if entry.get("storageVersionHash").is_some() {
                entry["storageVersionHash"] = "<hash>".into();
            }
        }
        let recorded = &shapes["/apis/apps/v1 (first 2 resources)"];
        assert_eq!(list["resources"][0], recorded["resources"][0]);
        assert_eq!(list["apiVersion"], recorded["apiVersion"]);
        for (core, key) in [
            (true, "/api aggregated v2 (first 2 items, few resources)"),
            (false, "/apis aggregated v2 (first 2 items, few resources)"),
        ] {
            let ours = aggregated(&all, core, AggregatedVersion::V2);
            for (index, item) in shapes[key]["items"].as_array().unwrap().iter().enumerate() {
                assert_eq!(ours["items"][index]["metadata"], item["metadata"]);
                let version = &ours["items"][index]["versions"][0];
                for resource in item["versions"][0]["resources"].as_array().unwrap() {
                    assert!(version["resources"].as_array().unwrap().contains(resource), "{resource}");
                }
            }
        }
        let mut ours = version("<volatile>", "<volatile>", "<volatile>");
        ours["gitTreeState"] = "<volatile>".into();
        ours["goVersion"] = "<volatile>".into();
        assert_eq!(ours, shapes["/version"]);
    }

    #[test]
    fn storage_version_hashes_are_upstreams() {
        let all = builtin_resources();
        let list = resource_list(&GroupVersion::new("", "v1"), &all);
        let pods = list["resources"].as_array().unwrap().iter().find(|r| r["name"] == "pods").unwrap();
        assert_eq!(pods["storageVersionHash"], "xPOwRZ+Yhw8=");
        assert_eq!(list.get("apiVersion"), None);
    }
}
