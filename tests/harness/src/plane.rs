//! A running control plane with its members.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Parser as _;
use futures::future::join_all;
use karmada_agent::{Agent, AgentArgs};
use karmada_api::cluster::{Cluster, ClusterSpec, ClusterSyncMode};
use karmada_apiserver_aggregator::config::PkiLocation;
use karmada_apiserver_aggregator::{Server, ServerConfig};
use karmada_controllers::{Manager, ManagerArgs};
use karmada_fleet::{Connect, ConnectError};
use karmada_registration::Report;
use karmada_rest::access::UserInfo;
use karmada_runtime::Patcher;
use karmada_storage::{MemoryOptions, MemoryStore, Store};

use crate::api::{Api, at, text};
use crate::builder::{Builder, MemberPlan, flags};
use crate::component::Component;
use crate::link::Link;
use crate::wait::{Deadline, eventually};
use crate::{dump, writes};

/// A member of a plane.
pub struct Member {
    plan: MemberPlan,
    store: Arc<dyn Store>,
    running: karmada_simulator::Member,
    api: Api,
    /// Between the member and whoever applies Works in it: the manager or the agent.
    link: Link,
    /// Between the agent and the control plane.
    uplink: Link,
    agent: Component,
}

impl Member {
    async fn start(plan: MemberPlan) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryOptions::small()));
        let running = karmada_simulator::Member::start(
            &plan.name,
            store.clone(),
            PkiLocation::Memory,
            None,
            plan.simulation.clone(),
        )
        .await
        .unwrap_or_else(|error| panic!("start {}: {}", plan.name, karmada_runtime::error::chain(&error)));
        let api = Api::new(running.server().client());
        Self { plan, store, running, api, link: Link::default(), uplink: Link::default(), agent: Component::default() }
    }

    /// The member's name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The member's API, as its administrator, whatever became of the link.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The way between the member and whoever applies Works in it: the manager, or the agent of a pull member.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The way between a pull member's agent and the control plane.
    pub fn uplink(&self) -> &Link {
        &self.uplink
    }

    fn linked_client(&self) -> kube::Client {
        self.link.client(self.running.server().router(), UserInfo::loopback(), "karmada")
    }
}

/// Connects the manager with the members of its process.
struct InProcess(Arc<BTreeMap<String, Member>>);

#[async_trait]
impl Connect for InProcess {
    async fn connect(&self, cluster: &Cluster) -> Result<kube::Client, ConnectError> {
        let name = cluster.metadata.name.clone().unwrap_or_default();
        match self.0.get(&name) {
            Some(member) => Ok(member.linked_client()),
            None => Err(ConnectError::UnknownCluster { cluster: name }),
        }
    }
}

/// A running control plane with its members.
pub struct Plane {
    store: Arc<dyn Store>,
    server: Server,
    control: Api,
    members: Arc<BTreeMap<String, Member>>,
    manager_args: ManagerArgs,
    agent_flags: BTreeMap<String, String>,
    gates: String,
    manager: Component,
    scheduler: Component,
}

/// Keys that pull members' agents write all the time: proof that they live.
const HEARTBEATS: &[&str] = &["/registry/leases/"];

impl Plane {
    pub(crate) async fn start(builder: Builder) -> Self {
        crate::log();
        let Builder { members, flags: manager_flags, agent_flags, gates } = builder;
        let line = flags("karmada-controller-manager", &gates, &manager_flags);
        let manager_args = ManagerArgs::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let starting = Server::start(ServerConfig::control_plane(store.clone()));
        let (server, members) = futures::join!(starting, join_all(members.into_iter().map(Member::start)));
        let server = server.unwrap_or_else(|error| panic!("{}", karmada_runtime::error::chain(&error)));
        let plane = Self {
            control: Api::new(server.client()),
            store,
            server,
            members: Arc::new(members.into_iter().map(|member| (member.plan.name.clone(), member)).collect()),
            manager_args,
            agent_flags,
            gates,
            manager: Component::default(),
            scheduler: Component::default(),
        };
        plane.start_manager();
        plane.start_scheduler();
        join_all(plane.members().map(|member| plane.join(member))).await;
        plane
            .eventually("all members are ready", async || {
                for cluster in plane.control.try_list("cluster.karmada.io/v1alpha1/Cluster", "", "").await? {
                    let conditions = at(&cluster, "/status/conditions").as_array().cloned().unwrap_or_default();
                    let ready = conditions.iter().any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
                    anyhow::ensure!(ready, "{} is not", text(&cluster, "/metadata/name"));
                    // The taint of a cluster that is not ready goes a moment after the condition has come.
                    let taints = at(&cluster, "/spec/taints");
                    anyhow::ensure!(
                        taints.as_array().is_none_or(Vec::is_empty),
                        "{} has the taints {taints}",
                        text(&cluster, "/metadata/name")
                    );
                }
                Ok(())
            })
            .await;
        plane
    }

    async fn join(&self, member: &Member) {
        let plan = &member.plan;
        let control = Patcher::new(self.server.client(), "karmada-harness");
        if plan.pull {
            karmada_registration::grant_agent(&control, &plan.name).await.unwrap();
            self.start_agent(&plan.name).await;
        } else {
            let beside = Patcher::new(member.running.server().client(), "karmada-harness");
            let spec = ClusterSpec {
                id: karmada_registration::identity(&beside).await.unwrap(),
                sync_mode: Some(ClusterSyncMode::Push),
                api_endpoint: format!("https://{}.members.test:6443", plan.name),
                provider: plan.provider.clone(),
                region: plan.region.clone(),
                zones: Some(plan.zone.clone()).filter(|zone| !zone.is_empty()).into_iter().collect(),
                ..ClusterSpec::default()
            };
            let report = Report { credentials: false, impersonator: false };
            karmada_registration::register(&control, &plan.name, spec, None, report).await.unwrap();
        }
        if !plan.labels.is_null() {
            self.control.label("cluster.karmada.io/v1alpha1/Cluster", &plan.name, plan.labels.clone()).await;
        }
    }

    /// The control plane's API, as its administrator.
    pub fn control(&self) -> &Api {
        &self.control
    }

    /// The control plane's server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A member's API, as its administrator.
    pub fn member(&self, name: &str) -> &Api {
        self.at(name).api()
    }

    /// A member.
    pub fn at(&self, name: &str) -> &Member {
        self.members.get(name).unwrap_or_else(|| panic!("there is no member {name}"))
    }

    /// All members, by name.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Starts the controller manager.
    pub fn start_manager(&self) {
        let (client, args) = (self.server.client(), self.manager_args.clone());
        let members: Arc<dyn Connect> = Arc::new(InProcess(self.members.clone()));
        self.manager.start(|stop| async move {
            let manager = Manager::start(client, &args, Some(members), &stop).unwrap();
            manager.wait().await;
        });
    }

    /// Stops the controller manager.
    pub async fn stop_manager(&self) {
        self.manager.stop().await;
    }

    /// Starts the scheduler.
    pub fn start_scheduler(&self) {
        let client = self.server.client();
        let gates = self.gates.parse().unwrap_or_else(|error| panic!("{error}"));
        let mut config = karmada_scheduler::Config::default();
        config.options.gates = karmada_scheduler::args::gates(&gates);
        self.scheduler.start(|stop| async move { karmada_scheduler::run(client, config, stop).await.unwrap() });
    }

    /// Stops the scheduler.
    pub async fn stop_scheduler(&self) {
        self.scheduler.stop().await;
    }

    /// Starts the agent of a pull member.
    pub async fn start_agent(&self, name: &str) {
        let member = self.at(name);
        let mut line = flags("karmada-agent", &self.gates, &self.agent_flags);
        let plan = &member.plan;
        line.extend([format!("--cluster-name={name}"), format!("--cluster-provider={}", plan.provider)]);
        line.extend([format!("--cluster-region={}", plan.region), format!("--cluster-zones={}", plan.zone)]);
        line.push(format!("--cluster-api-endpoint=https://{name}.members.test:6443"));
        let args = AgentArgs::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
        let user = UserInfo {
            name: karmada_registration::agent_user(name),
            groups: vec![karmada_registration::AGENTS_GROUP.to_owned(), "system:authenticated".to_owned()],
            ..UserInfo::default()
        };
        let control = member.uplink.client(self.server.router(), user, "karmada-agent");
        let beside = member.linked_client();
        let (started, ready) = tokio::sync::oneshot::channel();
        member.agent.start(|stop| async move {
            let agent = Agent::start(control, beside, &args, &stop)
                .await
                .unwrap_or_else(|error| panic!("{}", karmada_runtime::error::chain(&error)));
            // Nobody waits for an agent that is started while its uplink is cut.
            let _nobody_waits = started.send(());
            agent.wait().await;
        });
        let cut = member.uplink.is_cut();
        if !cut {
            ready.await.unwrap_or_else(|_| panic!("the agent of {name} did not start"));
        }
    }

    /// Stops the agent of a pull member.
    pub async fn stop_agent(&self, name: &str) {
        self.at(name).agent.stop().await;
    }

    /// Waits until `check` succeeds and returns what it found; fails the test with the plane's state otherwise.
    pub async fn eventually<T>(&self, what: &str, check: impl AsyncFnMut() -> anyhow::Result<T>) -> T {
        match eventually(Deadline::default(), check).await {
            Ok(found) => found,
            Err(error) => panic!("not so in time: {what}: {error:#}\n{}", dump::dump(self).await),
        }
    }

    /// Checks for as long as `duration` that something stays as it is.
    pub async fn always(&self, what: &str, duration: Duration, mut check: impl AsyncFnMut() -> anyhow::Result<()>) {
        let end = tokio::time::Instant::now() + duration;
        while tokio::time::Instant::now() < end {
            if let Err(error) = check().await {
                panic!("no longer so: {what}: {error:#}\n{}", dump::dump(self).await);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The control plane's revision: the number of writes so far.
    pub fn revision(&self) -> u64 {
        self.store.stats().revision
    }

    /// A member's revision.
    pub fn member_revision(&self, name: &str) -> u64 {
        self.at(name).store.stats().revision
    }

    /// What is written to the control plane after a revision and within `duration` from now, leases aside.
    pub async fn writes(&self, after: u64, duration: Duration) -> Vec<String> {
        writes::follow(&self.store, after, duration, HEARTBEATS).await
    }

    /// What is written to a member after a revision and within `duration` from now.
    pub async fn member_writes(&self, name: &str, after: u64, duration: Duration) -> Vec<String> {
        writes::follow(&self.at(name).store, after, duration, HEARTBEATS).await
    }

    /// Waits until neither the control plane nor a member has been written to for as long as `calm`.
    pub async fn settle(&self, calm: Duration) {
        let end = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let own = writes::follow(&self.store, self.revision(), calm, HEARTBEATS);
            let others = self.members().map(|m| writes::follow(&m.store, m.store.stats().revision, calm, HEARTBEATS));
            let (own, others) = futures::join!(own, join_all(others));
            let seen: Vec<String> = others.into_iter().flatten().chain(own).collect();
            if seen.is_empty() {
                return;
            }
            assert!(tokio::time::Instant::now() < end, "the plane does not come to rest:\n{}", seen.join("\n"));
        }
    }

    /// Stops everything. Not needed at the end of a test: everything ends with its runtime.
    pub async fn shutdown(self) {
        let agents = self.members().map(|member| member.agent.stop());
        futures::join!(join_all(agents), self.scheduler.stop(), self.manager.stop());
        self.server.shutdown().await;
    }
}
