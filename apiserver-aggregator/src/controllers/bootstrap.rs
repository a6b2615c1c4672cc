//! What must be there before anybody asks: the system's namespaces, the `kubernetes` Service and its endpoints.

use std::net::{IpAddr, SocketAddr};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use karmada_runtime::{Error, Patcher, Resource};
use serde_json::{Value, json};

use super::core;

/// Creates the namespaces that do not exist.
pub async fn namespaces(patcher: &Patcher, existing: &[String], wanted: &[&str]) -> Result<(), Error> {
    let resource = core("Namespace", "namespaces", false);
    let missing: Vec<&str> = wanted.iter().copied().filter(|w| !existing.iter().any(|e| e == w)).collect();
    stream::iter(missing)
        .map(|name| {
            let resource = resource.clone();
            async move {
                let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                create(patcher, &resource, "", &object).await
            }
        })
        .buffer_unordered(8)
        .try_collect::<Vec<()>>()
        .await
        .map(|_| ())
}

async fn create(patcher: &Patcher, resource: &Resource, namespace: &str, object: &Value) -> Result<(), Error> {
    match patcher.create(resource, namespace, object).await {
        Err(error) if error.is_already_exists() => Ok(()),
        other => other.map(|_| ()),
    }
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
