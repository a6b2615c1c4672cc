//! The objects that a workload needs beside it: configuration, secrets, service accounts, volume claims.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Kind, typed};
use crate::answer::Dependency;

/// The dependencies of an object of a kind that has some.
pub(super) fn get(kind: Kind, object: &Value) -> Result<Vec<Dependency>, String> {
    let namespace = text(object.pointer("/metadata/namespace"));
    let template_spec = match kind {
        Kind::Ingress => return ingress(object, namespace),
        Kind::ServiceImport => return service_import(object, namespace),
        Kind::Pod => "/spec",
        Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    let object = typed::canonical(kind.name(), object)?;
    let mut dependencies =
        object.pointer(template_spec).map(|spec| pod_dependencies(spec, namespace)).unwrap_or_default();
    if kind == Kind::StatefulSet {
        // Claims made from the set's own templates come into being in the member.
        let own: BTreeSet<&str> = list(object.pointer("/spec/volumeClaimTemplates"))
            .map(|claim| text(claim.pointer("/metadata/name")))
            .collect();
        dependencies
            .retain(|dependency| dependency.kind != "PersistentVolumeClaim" || !own.contains(dependency.name.as_str()));
    }
    Ok(dependencies)
}

/// Where a volume source names a secret, by its field and the path within.
const SECRET_REFERENCES: [&str; 10] = [
    "/azureFile/secretName",
    "/cephfs/secretRef/name",
    "/cinder/secretRef/name",
    "/csi/nodePublishSecretRef/name",
    "/flexVolume/secretRef/name",
    "/iscsi/secretRef/name",
    "/rbd/secretRef/name",
    "/scaleIO/secretRef/name",
    "/secret/secretName",
    "/storageos/secretRef/name",
];

/// The dependencies of a pod with this spec in this namespace, sorted by kind, then name. Names that are empty and the
/// service account `default` are left out; references that are optional count all the same.
pub fn pod_dependencies(spec: &Value, namespace: &str) -> Vec<Dependency> {
    let mut config_maps = BTreeSet::new();
    let mut secrets = BTreeSet::new();
    let mut accounts = BTreeSet::new();
    let mut claims = BTreeSet::new();

    for container in
        ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|key| list(spec.get(key)))
    {
        for source in list(container.get("envFrom")) {
            config_maps.insert(text(source.pointer("/configMapRef/name")));
            secrets.insert(text(source.pointer("/secretRef/name")));
        }
        for variable in list(container.get("env")) {
            config_maps.insert(text(variable.pointer("/valueFrom/configMapKeyRef/name")));
            secrets.insert(text(variable.pointer("/valueFrom/secretKeyRef/name")));
        }
    }
    for volume in list(spec.get("volumes")) {
        config_maps.insert(text(volume.pointer("/configMap/name")));
        claims.insert(text(volume.pointer("/persistentVolumeClaim/claimName")));
        for reference in SECRET_REFERENCES {
            secrets.insert(text(volume.pointer(reference)));
        }
        for source in list(volume.pointer("/projected/sources")) {
            config_maps.insert(text(source.pointer("/configMap/name")));
            secrets.insert(text(source.pointer("/secret/name")));
        }
    }
    for secret in list(spec.get("imagePullSecrets")) {
        secrets.insert(text(secret.get("name")));
    }
    accounts.insert(text(spec.get("serviceAccountName")));
    accounts.remove("default");

    [("ConfigMap", config_maps), ("Secret", secrets), ("ServiceAccount", accounts), ("PersistentVolumeClaim", claims)]
        .into_iter()
        .flat_map(|(kind, names)| {
            names.into_iter().filter(|name| !name.is_empty()).map(move |name| by_name("v1", kind, namespace, name))
        })
        .collect()
}

fn ingress(object: &Value, namespace: &str) -> Result<Vec<Dependency>, String> {
    let object = typed::canonical(Kind::Ingress.name(), object)?;
    Ok(list(object.pointer("/spec/tls"))
        .map(|tls| text(tls.get("secretName")))
        .filter(|name| !name.is_empty())
        .map(|name| by_name("v1", "Secret", namespace, name))
        .collect())
}

/// An imported service needs the service that Karmada derives from it, and that service's endpoint slices.
fn service_import(object: &Value, namespace: &str) -> Result<Vec<Dependency>, String> {
    let derived = format!("derived-{}", text(object.pointer("/metadata/name")));
    if let Some(problem) = label_value_problem(&derived) {
        return Err(format!("dependencies[1].labelSelector.matchLabels: Invalid value: \"{derived}\": {problem}"));
    }
    Ok(vec![
        by_name("v1", "Service", namespace, &derived),
        Dependency {
            api_version: "discovery.k8s.io/v1".to_owned(),
            kind: "EndpointSlice".to_owned(),
            namespace: namespace.to_owned(),
            name: String::new(),
            label_selector: Some(json!({"matchLabels": {"kubernetes.io/service-name": derived}})),
        },
    ])
}

fn label_value_problem(value: &str) -> Option<&'static str> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if value.len() > 63 {
        Some("must be no more than 63 bytes")
    } else if !edge(value.chars().next())
        || !edge(value.chars().next_back())
        || !value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        Some(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        )
    } else {
        None
    }
}

fn by_name(api_version: &str, kind: &str, namespace: &str, name: &str) -> Dependency {
    Dependency {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        label_selector: None,
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}
