//! Asking a member what it is and has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use karmada_api::cluster::{ApiEnablement, ApiResource, Cluster, ClusterStatus};
use karmada_api::features::Feature;
use karmada_fleet::Member;
use karmada_propagation::cluster::health::{self, ApiEnablements, Probe};
use karmada_propagation::cluster::resources::{self, Node, Pod};
use karmada_runtime::error::chain;
use karmada_runtime::mapper::Catalog;
use karmada_runtime::{Informer, InformerSpec, Resource};
use serde::Deserialize;
use serde_json::Value;

use super::{set_enablements, set_ready};
use crate::context::Context;

/// A member that takes longer than this to say that it is well is not reachable.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// Asks `/readyz`, and `/healthz` of servers that don't know it.
pub(super) async fn probe(client: &kube::Client) -> Probe {
    for path in ["/readyz", "/healthz"] {
        let Ok(request) = Request::get(path).body(Vec::new()) else { return Probe::Unreachable };
        match tokio::time::timeout(PROBE_LIMIT, client.request_text(request)).await {
            Ok(Ok(_)) => return Probe::Healthy,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {}
            Ok(Err(kube::Error::Api(_))) => return Probe::Unhealthy,
            Ok(Err(_)) | Err(_) => return Probe::Unreachable,
        }
    }
    Probe::Unhealthy
}

/// Nodes and Pods of one member, reduced to what is summed up.
pub(crate) struct Caches {
    member: Arc<Member>,
    nodes: Arc<Informer<Node>>,
    pods: Arc<Informer<Pod>>,
}

impl Caches {
    fn start(member: &Arc<Member>) -> Self {
        let resource = |kind: &str, plural: &str, namespaced: bool| Resource {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
        };
        let client = member.client().clone();
        let nodes = Informer::new(client.clone(), InformerSpec::all(resource("Node", "nodes", false)), |text| {
            Ok(Node::of(&serde_json::from_str::<Value>(text)?))
        });
        let pods = Informer::new(client, InformerSpec::all(resource("Pod", "pods", true)), |text| {
            Ok(Pod::of(&serde_json::from_str::<Value>(text)?))
        });
        let (running, stop) = (Arc::clone(&nodes), member.closed().clone());
        tokio::spawn(async move { running.run(stop).await });
        let (running, stop) = (Arc::clone(&pods), member.closed().clone());
        tokio::spawn(async move { running.run(stop).await });
        Self { member: Arc::clone(member), nodes, pods }
    }
}

/// The status of a member that answers well.
pub(super) async fn collect(ctx: &Context, cluster: &Cluster, member: &Arc<Member>) -> ClusterStatus {
    let mut status = cluster.status.clone();
    let mut problem = None;
    match version(member.client()).await {
        Ok(version) => status.kubernetes_version = version,
        Err(error) => problem = Some(chain(&error)),
    }
    match member.mapper.refresh().await {
        Ok(catalog) => {
            let enablements = enablements(&catalog);
            let found = match (enablements.is_empty(), catalog.incomplete.is_empty()) {
                (true, _) => ApiEnablements::Empty,
                (false, true) => ApiEnablements::Complete,
                (false, false) => ApiEnablements::Partial,
            };
            // What is known stays known while a group's server is down.
            if found != ApiEnablements::Empty {
                status.api_enablements = enablements;
            }
            set_enablements(&mut status, found);
        }
        Err(error) => {
            tracing::debug!(cluster = member.name(), error = chain(&error), "discover the member's APIs");
            set_enablements(&mut status, ApiEnablements::Partial);
        }
    }
    if let Some((nodes, pods)) = caches(ctx, member).await {
        let nodes: Vec<Node> = nodes.list().into_iter().map(|(_, node)| Node::clone(&node)).collect();
        let pods: Vec<Pod> = pods.list().into_iter().map(|(_, pod)| Pod::clone(&pod)).collect();
        let modeling =
            ctx.options.resource_modeling && ctx.options.gates.enabled(Feature::CustomizedClusterResourceModeling);
        let models = if modeling { cluster.spec.resource_models.as_slice() } else { &[] };
        status.node_summary = Some(resources::node_summary(&nodes));
        status.resource_summary = Some(resources::resource_summary(&nodes, &pods, models));
    } else {
        problem.get_or_insert_with(|| "nodes and pods of the cluster are not listed yet".to_owned());
    }
    let ready = match problem {
        None => health::ready(Probe::Healthy),
        Some(problem) => health::collection_failed(&problem),
    };
    set_ready(ctx, cluster, &mut status, ready);
    status
}

type NodesAndPods = (Arc<Informer<Node>>, Arc<Informer<Pod>>);

async fn caches(ctx: &Context, member: &Arc<Member>) -> Option<NodesAndPods> {
    let (nodes, pods) = {
        let mut entry = ctx.health.entry(member.name().to_owned()).or_default();
        let current = entry.caches.as_ref().is_some_and(|c| Arc::ptr_eq(&c.member, member));
        if !current {
            entry.caches = Some(Caches::start(member));
        }
        let caches = entry.caches.as_ref()?;
        (Arc::clone(&caches.nodes), Arc::clone(&caches.pods))
    };
    let synced = async {
        nodes.wait_synced().await;
        pods.wait_synced().await;
    };
    tokio::time::timeout(ctx.options.cache_sync_timeout.min(PROBE_LIMIT), synced).await.ok()?;
    Some((nodes, pods))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

async fn version(client: &kube::Client) -> Result<String, kube::Error> {
    let request = Request::get("/version").body(Vec::new()).map_err(|e| kube::Error::Service(e.into()))?;
    client.request::<Version>(request).await.map(|v| v.git_version)
}

/// What the member serves, by group version in name order, as upstream lists it.
fn enablements(catalog: &Catalog) -> Vec<ApiEnablement> {
    let mut groups: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for found in &catalog.resources {
        let resource = &found.resource;
        groups.entry(resource.api_version()).or_default().insert(resource.plural.clone(), resource.kind.clone());
    }
    groups
        .into_iter()
        .map(|(group_version, resources)| ApiEnablement {
            group_version,
            resources: resources.into_iter().map(|(name, kind)| ApiResource { name, kind }).collect(),
        })
        .collect()
}
