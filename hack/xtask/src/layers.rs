//! Checks the layers that ARCHITECTURE.md promises.
//!
//! Every package of the workspace names its layer in `[package.metadata.karmada]`. An edge may go down or stay level,
//! never up; and what lies in L0 or L1 must not reach an I/O library through any normal dependency.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Libraries that domain code does without: they bring I/O, tasks or clocks.
const FORBIDDEN: [&str; 8] = ["tokio", "hyper", "kube-client", "kube-runtime", "axum", "etcd-client", "redb", "tower"];

/// Highest layer that counts as domain code.
const PURE: u8 = 1;

pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().current_dir(root).exec().context("read cargo metadata")?;
    let mut findings = vec![];
    let mut layers = BTreeMap::new();
    for package in metadata.workspace_packages() {
        match package.metadata["karmada"]["layer"].as_str().and_then(parse) {
            Some(layer) => {
                layers.insert(&package.id, layer);
            }
            None => findings.push(format!("{}: no [package.metadata.karmada] layer = \"L0\"..\"L4\"", package.name)),
        }
    }
    let edges = normal_edges(&metadata)?;
    let name = |id: &PackageId| metadata[id].name.to_string();
    for (id, layer) in &layers {
        for (dependency, above) in direct(&edges, id).filter_map(|d| layers.get_key_value(d)) {
            if above > layer {
                findings.push(format!("{} (L{layer}) depends on {} (L{above})", name(id), name(dependency)));
            }
        }
        if *layer <= PURE {
            for path in forbidden_paths(&edges, id, &name) {
                findings.push(format!("{} (L{layer}) reaches {path}", name(id)));
            }
        }
    }
    Ok(findings)
}

fn parse(layer: &str) -> Option<u8> {
    layer.strip_prefix('L')?.parse().ok().filter(|number| *number <= 4)
}

type Edges<'m> = BTreeMap<&'m PackageId, Vec<&'m PackageId>>;

fn normal_edges(metadata: &Metadata) -> Result<Edges<'_>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata has no dependency graph")?;
    Ok(resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
                .map(|dep| &dep.pkg)
                .collect();
            (&node.id, normal)
        })
        .collect())
}

fn direct<'a, 'm>(edges: &'a Edges<'m>, id: &PackageId) -> impl Iterator<Item = &'m PackageId> + 'a {
    edges.get(id).into_iter().flatten().copied()
}

/// One path to each forbidden library that the package reaches.
fn forbidden_paths(edges: &Edges<'_>, from: &PackageId, name: &impl Fn(&PackageId) -> String) -> Vec<String> {
    let mut found = vec![];
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![(from, String::new())];
    while let Some((id, path)) = open.pop() {
        for dependency in direct(edges, id) {
            if !seen.insert(dependency) {
                continue;
            }
            let path = format!("{path} -> {}", name(dependency));
            if FORBIDDEN.contains(&name(dependency).as_str()) {
                found.push(path.trim_start_matches(" -> ").to_owned());
            } else {
                open.push((dependency, path));
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn layers_hold() {
        assert_eq!(super::check(&crate::root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn layer_names() {
        assert_eq!(super::parse("L0"), Some(0));
        assert_eq!(super::parse("L5"), None);
        assert_eq!(super::parse("2"), None);
    }
}
