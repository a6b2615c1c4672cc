//! What must be there before anybody asks: the system's namespaces, the `kubernetes` Service and its endpoints.

use std::net::{IpAddr, SocketAddr};

use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use karmada_rest::registry::Registry;
use karmada_runtime::{Error, Patcher, Resource, patcher::PatchKind};
use serde_json::{Value, json};

use super::core;

/// Creates the namespaces that do not exist.
pub async fn namespaces(patcher: &Patcher, existing: &[String], wanted: &[&str]) -> Result<(), Error> {
    let resource = core("Namespace", "namespaces", false);
    let mut creations: Vec<BoxFuture<'_, Result<(), Error>>> = Vec::new();
    for name in wanted.iter().filter(|w| !existing.iter().any(|e| e == *w)) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let (patcher, resource) = (patcher.clone(), resource.clone());
        creations.push(Box::pin(async move { create(&patcher, &resource, "", &object).await }));
    }
    together(creations).await
}

async fn create(patcher: &Patcher, resource: &Resource, namespace: &str, object: &Value) -> Result<(), Error> {
    match patcher.create(resource, namespace, object).await {
        Err(error) if error.is_already_exists() => Ok(()),
        other => other.map(|_| ()),
    }
}

/// How a group version stands among the others in discovery: (group, version, group priority, version priority), as
/// kube-apiserver has them.
const PRIORITIES: &[(&str, &str, u32, u32)] = &[
    ("", "v1", 18_000, 1),
    ("events.k8s.io", "v1", 17_750, 15),
    ("authentication.k8s.io", "v1", 17_700, 15),
    ("authorization.k8s.io", "v1", 17_600, 15),
    ("autoscaling", "v2", 17_500, 30),
    ("autoscaling", "v1", 17_500, 15),
    ("batch", "v1", 17_400, 15),
    ("certificates.k8s.io", "v1", 17_300, 15),
    ("networking.k8s.io", "v1", 17_200, 15),
    ("policy", "v1", 17_100, 15),
    ("rbac.authorization.k8s.io", "v1", 17_000, 15),
    ("storage.k8s.io", "v1", 16_800, 15),
    ("apps", "v1", 17_800, 15),
    ("admissionregistration.k8s.io", "v1", 16_700, 15),
    ("apiextensions.k8s.io", "v1", 16_700, 15),
    ("scheduling.k8s.io", "v1", 16_600, 15),
    ("coordination.k8s.io", "v1", 16_500, 15),
    ("node.k8s.io", "v1", 16_300, 15),
    ("discovery.k8s.io", "v1", 16_200, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16_100, 21),
    ("resource.k8s.io", "v1", 16_100, 15),
    ("cluster.karmada.io", "v1alpha1", 2_000, 10),
];
/// And group versions that are in no table: CRDs' and ours.
const OTHER_PRIORITY: (u32, u32) = (1_000, 100);

/// The APIService of a group version that this server serves itself.
fn api_service(group: &str, version: &str, now: &str) -> Value {
    let listed = PRIORITIES.iter().find(|(g, v, _, _)| *g == group && *v == version);
    let (of_group, of_version) = listed.map_or(OTHER_PRIORITY, |(_, _, of_group, of_version)| (*of_group, *of_version));
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {
            "name": format!("{version}.{group}"),
            "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"},
        },
        "spec": {
            "group": group, "version": version, "groupPriorityMinimum": of_group, "versionPriority": of_version,
        },
        "status": {"conditions": [{
            "type": "Available", "status": "True", "lastTransitionTime": now,
            "reason": "Local", "message": "Local APIServices are always available",
        }]},
    })
}

/// Keeps an APIService object for every group version, so that tools that look for them find them.
pub async fn api_services(patcher: &Patcher, registry: &Registry) -> Result<(), Error> {
    let resource = Resource {
        group: "apiregistration.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "APIService".to_owned(),
        plural: "apiservices".to_owned(),
        namespaced: false,
    };
    let existing = patcher.list(&resource, "", "").await?;
    let mut wanted: Vec<(String, String)> = Vec::new();
    for info in &registry.snapshot().ordered {
        // The group itself has no APIService: it is what they are made of.
        let version = (info.gvr.group.clone(), info.gvr.version.clone());
        if info.gvr.group != "apiregistration.k8s.io" && !wanted.contains(&version) {
            wanted.push(version);
        }
    }
    let now = crate::reviews::seconds(jiff::Timestamp::now());
    let missing = wanted.into_iter().filter(|(group, version)| {
        let name = format!("{version}.{group}");
        !existing.iter().any(|e| e["metadata"]["name"] == name.as_str())
    });
    let mut creations: Vec<BoxFuture<'_, Result<(), Error>>> = Vec::new();
    for (group, version) in missing {
        let object = api_service(&group, &version, &now);
        let (patcher, resource) = (patcher.clone(), resource.clone());
        creations.push(Box::pin(async move {
            create(&patcher, &resource, "", &object).await?;
            let name = format!("{version}.{group}");
            let status = json!({"status": object["status"]});
            patcher.patch(&resource, "", &name, "status", PatchKind::Merge, &status).await.map(|_| ())
        }));
    }
    together(creations).await
}

/// Writes at the same time, so that they share commits of the store.
async fn together(writes: Vec<BoxFuture<'_, Result<(), Error>>>) -> Result<(), Error> {
    stream::iter(writes).buffer_unordered(32).try_collect::<Vec<()>>().await.map(|_| ())
}

/// Makes the `kubernetes` Service in `default`, and says in its endpoints where this server is. Writes nothing that is
/// there already.
pub async fn kubernetes_service(
    patcher: &Patcher,
    cluster_ip: IpAddr,
    address: Option<SocketAddr>,
) -> Result<(), Error> {
    let services = core("Service", "services", true);
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    if patcher.get(&services, "default", "kubernetes").await?.is_none() {
        let target = address.map_or(6443, |a| a.port());
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
            "spec": {
                "type": "ClusterIP",
                "clusterIP": cluster_ip.to_string(),
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": target}],
                "sessionAffinity": "None",
            },
        });
        create(patcher, &services, "default", &service).await?;
    }
    // An endpoint on loopback means nothing to anybody else, and kube-apiserver refuses such addresses.
    let Some(address) = address.filter(|a| !a.ip().is_loopback() && !a.ip().is_unspecified()) else { return Ok(()) };
    let ports = json!([{"name": "https", "port": address.port(), "protocol": "TCP"}]);
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": family,
        "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
        "ports": ports,
    });
    let resource = Resource {
        group: "discovery.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "EndpointSlice".to_owned(),
        plural: "endpointslices".to_owned(),
        namespaced: true,
    };
    match patcher.get(&resource, "default", "kubernetes").await? {
        None => create(patcher, &resource, "default", &slice).await,
        Some(old) if old["endpoints"] == slice["endpoints"] && old["ports"] == slice["ports"] => Ok(()),
        Some(mut old) => {
            old["endpoints"] = slice["endpoints"].clone();
            old["ports"] = slice["ports"].clone();
            patcher.update(&resource, "default", "kubernetes", "", &old).await.map(|_| ())
        }
    }
}
