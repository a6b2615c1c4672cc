//! The built-in kinds: their resources, defaults, validation and strategies.

pub mod names;

mod convert;
mod defaults;
mod prepare;
mod rows;
mod rules;
mod selectable;
#[cfg(test)]
mod tests;
mod validation;

use std::sync::{Arc, OnceLock};

pub(crate) use selectable::at_path;

use crate::gvk::{GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
use crate::resource::{Conversion, ResourceInfo, ScalePaths, StorageInfo, SubresourceInfo};
use crate::schema;

/// How long events live unless the server is told otherwise, in seconds.
pub const EVENT_TTL_SECONDS: u64 = 3600;

/// Every built-in resource of every version, in discovery's order. Built once; cloning is cheap.
pub fn builtin_resources() -> Vec<ResourceInfo> {
    static ALL: OnceLock<Vec<ResourceInfo>> = OnceLock::new();
    ALL.get_or_init(|| rows::ROWS.iter().map(resource).collect()).clone()
}

/// Versions of a built-in group in the order of preference, by group in discovery's order.
pub fn builtin_groups() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows::ROWS {
        match groups.iter_mut().find(|(group, _)| *group == row.group) {
            Some((_, versions)) if versions.contains(&row.version) => {}
            Some((_, versions)) => versions.push(row.version),
            None => groups.push((row.group, vec![row.version])),
        }
    }
    groups
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn resource(row: &rows::Row) -> ResourceInfo {
    let gvk = GroupVersionKind::new(row.group, row.version, row.kind);
    let subresources = row.subresources.iter().map(|sub| subresource(row, sub)).collect();
    ResourceInfo {
        gvr: GroupVersionResource::new(row.group, row.version, row.name),
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        singular: row.singular.to_owned(),
        short_names: owned(row.short_names),
        categories: owned(row.categories),
        namespaced: row.namespaced,
        verbs: owned(row.verbs),
        subresources,
        schema: schema::builtin(&gvk).unwrap_or_default(),
        strategy: Arc::new(rules::BuiltinStrategy(rules::rules(&gvk))),
        table: crate::table::builtin_table(row.group, row.name),
        selectable_fields: selectable::fields(row.group, row.name),
        tracks_generation: tracks_generation(row.group, row.kind),
        storage: storage(row),
        conversion: conversion(row),
    }
}

fn subresource(row: &rows::Row, sub: &rows::Sub) -> SubresourceInfo {
    let gvk = if sub.version.is_empty() {
        GroupVersionKind::new(row.group, row.version, sub.kind)
    } else {
        GroupVersionKind::new(sub.group, sub.version, sub.kind)
    };
    let scale = (sub.name == "scale").then(|| ScalePaths {
        spec_replicas: ".spec.replicas".to_owned(),
        status_replicas: ".status.replicas".to_owned(),
        label_selector: Some(".spec.selector".to_owned()),
    });
    SubresourceInfo { name: sub.name.to_owned(), gvk, verbs: owned(sub.verbs), scale }
}

/// Whether the kind counts its generations.
fn tracks_generation(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(kind, "Pod" | "PodTemplate" | "ReplicationController"),
        "apps" => kind != "ControllerRevision",
        "networking.k8s.io" => !matches!(kind, "IPAddress" | "ServiceCIDR"),
        "batch" | "policy" | "admissionregistration.k8s.io" | "apiextensions.k8s.io" => true,
        "discovery.k8s.io" | "scheduling.k8s.io" | "flowcontrol.apiserver.k8s.io" => true,
        "resource.k8s.io" => matches!(kind, "DeviceClass" | "ResourceSlice"),
        _ => false,
    }
}

/// Keys, versions and lifetimes as kube-apiserver has them. Only the two aggregated groups carry their group in the key.
fn storage(row: &rows::Row) -> StorageInfo {
    let prefix = match (row.group, row.name) {
        ("", "replicationcontrollers") => "/registry/controllers".to_owned(),
        ("", "endpoints") => "/registry/services/endpoints".to_owned(),
        ("", "nodes") => "/registry/minions".to_owned(),
        ("", "services") => "/registry/services/specs".to_owned(),
        ("networking.k8s.io", "ingresses") => "/registry/ingress".to_owned(),
        ("apiextensions.k8s.io" | "apiregistration.k8s.io", name) => format!("/registry/{}/{name}", row.group),
        (_, name) => format!("/registry/{name}"),
    };
    let events = row.name == "events";
    let (group, version) = match row.group {
        "events.k8s.io" => ("", "v1"),
        "autoscaling" => ("autoscaling", "v2"),
        group => (group, row.version),
    };
    StorageInfo {
        resource: GroupResource::new(group, row.name),
        prefix,
        version: GroupVersion::new(group, version),
        kind: row.kind.to_owned(),
        ttl_seconds: events.then_some(EVENT_TTL_SECONDS),
    }
}

fn conversion(row: &rows::Row) -> Conversion {
    match (row.group, row.name) {
        ("" | "events.k8s.io", "events") => Conversion::Function(convert::event),
        ("autoscaling", _) => Conversion::Function(convert::horizontal_pod_autoscaler),
        _ => Conversion::Rename,
    }
}
