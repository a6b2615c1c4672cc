//! The simulated members of `karmada up`: started, joined (push) or registered by an agent (pull).

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::try_join_all;
use karmada_agent::{Agent, AgentArgs};
use karmada_api::cluster::{Cluster, ClusterSpec, ClusterSyncMode};
use karmada_api::taints;
use karmada_apiserver_aggregator::Server;
use karmada_apiserver_aggregator::config::PkiLocation;
use karmada_apiserver_aggregator::kubeconfig::{Credential, server_url};
use karmada_registration::Report;
use karmada_rest::access::UserInfo;
use karmada_runtime::{Patcher, Resource};
use karmada_simulator::{Member, SimulationConfig};
use karmada_storage::EmbeddedOptions;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::files::Paths;
use super::{Error, component_flags, open_store};

/// One member as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    name: String,
    address: SocketAddr,
    mode: ClusterSyncMode,
}

/// The members: push first, the last ones pull, on ports one after another.
pub(crate) fn plan(members: u16, pull: u16, first: SocketAddr) -> Vec<Plan> {
    (0..members)
        .map(|index| Plan {
            name: format!("member{}", index + 1),
            address: SocketAddr::new(first.ip(), first.port().saturating_add(index)),
            mode: if index < members - pull { ClusterSyncMode::Push } else { ClusterSyncMode::Pull },
        })
        .collect()
}

/// A running member.
pub(crate) struct Running {
    member: Member,
    address: SocketAddr,
    agent: Option<Agent>,
}

impl Running {
    /// The member's name.
    pub(crate) fn name(&self) -> &str {
        self.member.name()
    }

    /// URL, authority and administrator of the member.
    pub(crate) fn access(&self) -> (String, String, Credential) {
        let server = self.member.server();
        (server_url(self.address), server.ca_pem(), Credential::Certificate(server.admin()))
    }

    /// Stops the agent, then the member.
    pub(crate) async fn shutdown(self) {
        if let Some(agent) = self.agent {
            agent.wait().await;
        }
        self.member.shutdown().await;
    }
}

/// How long [`wait_ready`] waits; a control plane with a member that is not ready is still a control plane.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// Waits until the control plane knows every member as ready, with its APIs: a workload that is created before would be
/// divided among those that are, and stay so.
pub(crate) async fn wait_ready(server: &Server, shutdown: &CancellationToken) {
    let control = Patcher::new(server.client(), "karmada-up");
    let clusters = Resource::of::<Cluster>();
    let all_ready = async {
        loop {
            match control.list(&clusters, "", "").await {
                Ok(found) if found.iter().all(is_ready) => return,
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let waited = shutdown.run_until_cancelled(tokio::time::timeout(READY_LIMIT, all_ready)).await;
    if matches!(waited, Some(Err(_))) {
        tracing::warn!(limit = ?READY_LIMIT, "not all members are ready yet; see kubectl get clusters");
    }
}

fn is_ready(cluster: &Value) -> bool {
    let list =
        |pointer: &str| cluster.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let holds = |wanted: &str| list("/status/conditions").iter().any(|c| c["type"] == wanted && c["status"] == "True");
    // The taint of a cluster that is not ready goes a moment after the condition has come.
    let tainted = list("/spec/taints")
        .iter()
        .any(|taint| taint["key"].as_str().is_some_and(|key| [taints::NOT_READY, taints::UNREACHABLE].contains(&key)));
    holds("Ready") && holds("CompleteAPIEnablements") && !tainted
}

/// Memory for pages of a member's store: its working set is small and mostly in the watch cache.
const MEMBER_CACHE_BYTES: usize = 1 << 20;

/// Starts and joins all members at once.
pub(crate) async fn start_all(
    server: &Server,
    paths: &Paths,
    plan: Vec<Plan>,
    gates: &str,
    shutdown: &CancellationToken,
) -> Result<Vec<Running>, Error> {
    try_join_all(plan.into_iter().map(|plan| start(server, paths, plan, gates, shutdown))).await
}

async fn start(
    server: &Server,
    paths: &Paths,
    plan: Plan,
    gates: &str,
    shutdown: &CancellationToken,
) -> Result<Running, Error> {
    let Plan { name, address, mode } = plan;
    let folder = paths.member(&name);
    let options = EmbeddedOptions { cache_bytes: MEMBER_CACHE_BYTES, ..EmbeddedOptions::default() };
    let store = open_store(folder.join("store"), options).await?;
    let pki = PkiLocation::Directory(folder.join("pki"));
    let member = Member::start(&name, store, pki, Some(address), SimulationConfig::named(&name)).await?;
    let address = member.server().listen(address).await?;
    let agent = match mode {
        ClusterSyncMode::Push => {
            join(server, &member, address).await.map_err(|source| Error::Join { name, source })?;
            None
        }
        ClusterSyncMode::Pull => Some(start_agent(server, &member, address, gates, shutdown).await?),
    };
    Ok(Running { member, address, agent })
}

async fn join(server: &Server, member: &Member, address: SocketAddr) -> Result<(), karmada_registration::Error> {
    const MANAGER: &str = "karmada-up";
    let control = Patcher::new(server.client(), MANAGER);
    let beside = Patcher::new(member.server().client(), MANAGER);
    let credentials = karmada_registration::obtain_credentials(&beside, member.name()).await?;
    let spec = ClusterSpec {
        id: karmada_registration::identity(&beside).await?,
        sync_mode: Some(ClusterSyncMode::Push),
        api_endpoint: server_url(address),
        ..ClusterSpec::default()
    };
    let report = Report { credentials: true, impersonator: true };
    karmada_registration::register(&control, member.name(), spec, Some(&credentials), report).await?;
    Ok(())
}

async fn start_agent(
    server: &Server,
    member: &Member,
    address: SocketAddr,
    gates: &str,
    shutdown: &CancellationToken,
) -> Result<Agent, Error> {
    let name = member.name();
    let failed = |source| Error::Agent { name: name.to_owned(), source };
    let control = Patcher::new(server.client(), "karmada-up");
    karmada_registration::grant_agent(&control, name)
        .await
        .map_err(|source| Error::Join { name: name.to_owned(), source })?;
    let flags = [format!("--cluster-name={name}"), format!("--cluster-api-endpoint={}", server_url(address))];
    let args: AgentArgs = component_flags("karmada-agent", gates, &flags)?;
    // The agent is a user with its own narrow rights, as it would be from outside.
    let user = UserInfo {
        name: karmada_registration::agent_user(name),
        groups: vec![karmada_registration::AGENTS_GROUP.to_owned(), "system:authenticated".to_owned()],
        ..UserInfo::default()
    };
    Agent::start(server.client_as(user), member.server().client(), &args, shutdown).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_members_are_pulled() {
        let plan = plan(3, 1, "127.0.0.1:5444".parse().expect("an address"));
        let modes: Vec<_> = plan.iter().map(|p| (p.name.as_str(), p.address.port(), p.mode)).collect();
        assert_eq!(
            modes,
            [
                ("member1", 5444, ClusterSyncMode::Push),
                ("member2", 5445, ClusterSyncMode::Push),
                ("member3", 5446, ClusterSyncMode::Pull)
            ]
        );
    }
}
