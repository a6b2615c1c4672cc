//! A whole simulated member over an API server that is there already.

use karmada_runtime::{Error, Patcher, Resource};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::controllers::{self, Context};
use crate::nodes::{self, NodeConfig};
use crate::pods::Timing;
use crate::{resources, system, values};

/// What a member looks like.
#[derive(Clone, Debug)]
pub struct SimulationConfig {
    /// Its nodes.
    pub nodes: Vec<NodeConfig>,
    /// How long its Pods take.
    pub timing: Timing,
    /// Whether it gets the kube-system objects of a fresh cluster.
    pub system_objects: bool,
    /// The version its nodes report.
    pub kubelet_version: String,
}

impl SimulationConfig {
    /// A member with one node, as a kind cluster.
    pub fn named(member: &str) -> Self {
        Self {
            nodes: vec![NodeConfig::control_plane(member)],
            timing: Timing::default(),
            system_objects: true,
            kubelet_version: "v1.36.2".to_owned(),
        }
    }
}

/// A running simulation. Dropping it ends its tasks.
pub struct Simulation {
    tasks: JoinSet<()>,
}

impl Simulation {
    /// Waits until the tasks have ended, which they do after `shutdown`.
    pub async fn wait(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Starts nodes, controllers and system objects of a member whose API server `client` reaches. Nodes and objects that are
/// there already stay as they are, so that a member with a durable store starts again where it was.
pub async fn start(
    client: kube::Client,
    config: SimulationConfig,
    shutdown: CancellationToken,
) -> Result<Simulation, Error> {
    let patcher = Patcher::new(client.clone(), "simulator");
    for node in config.nodes.iter().flat_map(|group| group.objects(&config.kubelet_version)) {
        create_with_status(&patcher, &nodes::resource(), "", node).await?;
    }
    if config.system_objects {
        for object in system::objects(&config.nodes) {
            let resource = match values::text(&object, "/kind") {
                "Deployment" => resources::deployments(),
                "DaemonSet" => resources::daemon_sets(),
                "Service" => resources::services(),
                _ => resources::pods(),
            };
            let namespace = values::text(&object, "/metadata/namespace").to_owned();
            create_if_absent(&patcher, &resource, &namespace, &object).await?;
        }
    }
    let ctx = Context::new(client, config.timing);
    let tasks = controllers::start(&ctx, &shutdown);
    Ok(Simulation { tasks })
}

async fn create_if_absent(
    patcher: &Patcher,
    resource: &Resource,
    namespace: &str,
    object: &Value,
) -> Result<Option<Value>, Error> {
    match patcher.create(resource, namespace, object).await {
        Ok(stored) => Ok(Some(stored)),
        Err(error) if error.is_already_exists() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn create_with_status(
    patcher: &Patcher,
    resource: &Resource,
    namespace: &str,
    object: Value,
) -> Result<(), Error> {
    let status = object.get("status").cloned().unwrap_or_default();
    if let Some(mut stored) = create_if_absent(patcher, resource, namespace, &object).await? {
        stored["status"] = status;
        let name = values::text(&stored, "/metadata/name").to_owned();
        patcher.update(resource, namespace, &name, "status", &stored).await?;
    }
    Ok(())
}
