//! karmada-agent: pull mode. It runs beside a member that the control plane cannot reach, and does there what the controller
//! manager does for push members: it registers the Cluster, reports its status and lease, applies its Works and reports what
//! came of them. It sees its own Cluster and its own execution namespace only, and contains no control-plane controller.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod args;

use std::sync::Arc;
use std::time::Duration;

use karmada_api::cluster::{Cluster, ClusterSpec, ClusterSyncMode};
use karmada_api::names;
use karmada_fleet::{Connect, ConnectError, Fleet};
use karmada_interpreter_host::Host;
use karmada_member::Scope;
use karmada_registration::Report;
use karmada_runtime::error::chain;
use karmada_runtime::events::Recorder;
use karmada_runtime::leader::Candidate;
use karmada_runtime::shell::{self, Readiness};
use karmada_runtime::{Informer, InformerSpec, Patcher, Resource};
use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use args::AgentArgs;

/// The agent could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag has a value that cannot be used.
    #[error("{0}")]
    Flags(String),
    /// The process's shell failed.
    #[error(transparent)]
    Shell(#[from] shell::Error),
    /// The cluster could not be registered.
    #[error("register cluster {cluster}")]
    Register {
        /// The cluster.
        cluster: String,
        /// Why.
        #[source]
        source: karmada_registration::Error,
    },
    /// Another agent has taken over.
    #[error("lost the leader election lease")]
    LostLease,
}

/// The field manager of the agent's writes to the control plane.
const MANAGER: &str = "karmada-agent";

/// The one member beside which the agent runs.
struct Beside(Client);

#[async_trait::async_trait]
impl Connect for Beside {
    async fn connect(&self, _cluster: &Cluster) -> Result<Client, ConnectError> {
        Ok(self.0.clone())
    }
}

/// A running agent.
pub struct Agent {
    tasks: JoinSet<()>,
}

/// Registration is tried again this often while the control plane is out of reach.
const REGISTER_RETRY: Duration = Duration::from_secs(5);

impl Agent {
    /// Registers the member (waiting for the control plane if it is out of reach) and starts the controllers, which end with
    /// `shutdown`.
    ///
    /// # Errors
    /// A flag cannot be used, or the control plane refuses the cluster.
    pub async fn start(
        control: Client,
        member: Client,
        args: &AgentArgs,
        shutdown: &CancellationToken,
    ) -> Result<Self, Error> {
        let selection = args.selection().map_err(Error::Flags)?;
        let report = args.report().map_err(Error::Flags)?;
        let patcher = Patcher::new(control.clone(), MANAGER);
        loop {
            match register(&patcher, &member, args, report).await {
                Ok(()) => break,
                Err(error) if is_final(&error) => {
                    return Err(Error::Register { cluster: args.cluster_name.clone(), source: error });
                }
                Err(error) => {
                    tracing::warn!(cluster = args.cluster_name, error = chain(&error), "register; trying again");
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(Self { tasks: JoinSet::new() }),
                        () = tokio::time::sleep(REGISTER_RETRY) => {}
                    }
                }
            }
        }
        let own = InformerSpec {
            field_selector: Some(format!("metadata.name={}", args.cluster_name)),
            ..InformerSpec::all(Resource::of::<Cluster>())
        };
        let clusters = Informer::typed_with(control.clone(), own);
        let space = names::execution_space(&args.cluster_name);
        let works = InformerSpec::all(Resource::of::<karmada_api::work::v1alpha1::Work>()).in_namespace(&space);
        let works = Informer::typed_with(control.clone(), works);
        let fleet = Fleet::new(Arc::new(Beside(member)), Arc::clone(&clusters), shutdown.clone());
        let mut tasks = JoinSet::new();
        let host = Host::start(control.clone(), &mut tasks, shutdown);
        let recorder = Recorder::start(control, MANAGER, shutdown.clone());
        let ctx = karmada_member::Context::new(
            patcher,
            recorder,
            host.interpreter(),
            fleet,
            Arc::clone(&works),
            Scope::Own(args.cluster_name.clone()),
            args.member_options(),
        );
        {
            use karmada_member::{cluster_status, execution, work_status};
            if selection.contains("clusterStatus") {
                cluster_status::wire(&ctx);
                cluster_status::start(&ctx, &mut tasks, shutdown);
            }
            if selection.contains("execution") {
                execution::wire(&ctx);
                execution::start(&ctx, &mut tasks, shutdown);
            }
            if selection.contains("workStatus") {
                work_status::wire(&ctx);
                work_status::start(&ctx, &mut tasks, shutdown);
            }
        }
        let stop = shutdown.clone();
        tasks.spawn(async move { clusters.run(stop).await });
        let stop = shutdown.clone();
        tasks.spawn(async move {
            // A Work must not be read by built-in knowledge alone while the users' interpreters are being listed.
            tokio::select! {
                () = stop.cancelled() => {}
                () = async { host.wait_synced().await; works.run(stop.clone()).await } => {}
            }
        });
        Ok(Self { tasks })
    }

    /// Waits until the controllers have ended, which they do after shutdown.
    pub async fn wait(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// The whole process: endpoints, leader election, registration, controllers.
    ///
    /// # Errors
    /// A flag, a kubeconfig or a port cannot be used, the control plane refuses the cluster, or the lease was lost.
    pub async fn run(args: AgentArgs, shutdown: CancellationToken) -> Result<(), Error> {
        args.selection().map_err(Error::Flags)?;
        args.report().map_err(Error::Flags)?;
        let control = args.control_client().await?;
        let member = args.client.client().await?;
        let readiness = Readiness::default();
        args.endpoints.serve(readiness.clone(), shutdown.clone()).await?;
        readiness.set(true);
        if !args.leader.leader_elect {
            Self::start(control, member, &args, &shutdown).await?.wait().await;
            return Ok(());
        }
        let candidate = Candidate::new(control.clone(), args.leader.clone(), &names::agent_lease(&args.cluster_name));
        let (sender, mut failed) = tokio::sync::oneshot::channel();
        let kept = candidate
            .run(shutdown, |term| async move {
                match Self::start(control, member, &args, &term).await {
                    Ok(agent) => agent.wait().await,
                    // The receiver outlives the election.
                    Err(error) => drop(sender.send(error)),
                }
            })
            .await;
        match failed.try_recv() {
            Ok(error) => Err(error),
            Err(_) if kept => Ok(()),
            Err(_) => Err(Error::LostLease),
        }
    }
}

/// Whether trying again cannot help.
fn is_final(error: &karmada_registration::Error) -> bool {
    use karmada_registration::Error as E;
    match error {
        E::SameIdentity { .. } | E::NameTaken { .. } => true,
        E::Request(error) => error.is_code(422) || error.is_code(403),
        E::NoIdentity | E::NoToken { .. } => false,
    }
}

async fn register(
    control: &Patcher,
    member: &Client,
    args: &AgentArgs,
    report: Report,
) -> Result<(), karmada_registration::Error> {
    let member = Patcher::new(member.clone(), MANAGER);
    let spec = ClusterSpec {
        sync_mode: Some(ClusterSyncMode::Pull),
        id: karmada_registration::identity(&member).await?,
        api_endpoint: args.cluster_api_endpoint.clone(),
        proxy_url: args.proxy_server_address.clone(),
        provider: args.cluster_provider.clone(),
        region: args.cluster_region.clone(),
        zones: args.cluster_zones.clone(),
        ..ClusterSpec::default()
    };
    let credentials = if report.credentials || report.impersonator {
        Some(karmada_registration::obtain_credentials(&member, &args.cluster_name).await?)
    } else {
        None
    };
    karmada_registration::register(control, &args.cluster_name, spec, credentials.as_ref(), report).await?;
    Ok(())
}
