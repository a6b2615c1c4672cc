//! The controllers of one process, wired together.

use std::sync::Arc;

use karmada_fleet::{Connect, Fleet, SecretConnector};
use karmada_interpreter_host::Host;
use karmada_member::Scope;
use karmada_runtime::events::Recorder;
use karmada_runtime::leader::Candidate;
use karmada_runtime::shell::{self, Readiness};
use karmada_runtime::{Informer, Patcher};
use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::ManagerArgs;
use crate::registry::Selection;

/// The manager could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag has a value that cannot be used.
    #[error("{0}")]
    Flags(String),
    /// The process's shell failed.
    #[error(transparent)]
    Shell(#[from] shell::Error),
    /// Another manager has taken over.
    #[error("lost the leader election lease")]
    LostLease,
}

/// The running controllers of one control plane.
pub struct Manager {
    tasks: JoinSet<()>,
}

/// The field manager of the controllers' writes.
const MANAGER: &str = "karmada-controller-manager";

impl Manager {
    /// Starts the controllers; they end with `shutdown`. Without a connector, members are reached by their Secrets.
    ///
    /// # Errors
    /// A flag has a value that cannot be used.
    pub fn start(
        client: Client,
        args: &ManagerArgs,
        connector: Option<Arc<dyn Connect>>,
        shutdown: &CancellationToken,
    ) -> Result<Self, Error> {
        let selection: Selection = args.selection().map_err(Error::Flags)?;
        let options = args.federation_options().map_err(Error::Flags)?;
        let control = Patcher::new(client.clone(), MANAGER);
        let recorder = Recorder::start(client.clone(), MANAGER, shutdown.clone());
        let mut tasks = JoinSet::new();
        let host = Host::start(client.clone(), &mut tasks, shutdown);
        let interpreter = host.interpreter();
        let clusters = Informer::typed(client.clone());
        let works = Informer::typed(client);
        let connector = connector.unwrap_or_else(|| Arc::new(SecretConnector::new(control.clone())));
        let fleet = Fleet::new(connector, Arc::clone(&clusters), shutdown.clone());

        let federation = karmada_federation::Context::new(
            control.clone(),
            recorder.clone(),
            interpreter.clone(),
            Arc::clone(&fleet),
            Arc::clone(&works),
            options,
        );
        let member = karmada_member::Context::new(
            control,
            recorder,
            interpreter,
            fleet,
            Arc::clone(&works),
            Scope::Push,
            args.member_options(),
        );

        {
            use karmada_federation::{
                agent_csr, application_failover, autoscaling, binding, binding_status, cluster, cluster_taint_policy,
                dependencies, detector, federated_quota, graceful_eviction, namespace, remedy, taint_manager,
                unified_auth, workload_rebalancer,
            };
            use karmada_member::{cluster_status, execution, work_status};
            let tasks = &mut tasks;
            detector::wire(&federation);
            detector::start(&federation, tasks, shutdown);
            dependencies::wire(&federation);
            dependencies::start(&federation, tasks, shutdown);
            macro_rules! controller {
                ($key:literal, $module:ident, $ctx:expr) => {
                    if selection.has($key) {
                        $module::wire($ctx);
                        $module::start($ctx, tasks, shutdown);
                    }
                };
            }
            controller!("cluster", cluster, &federation);
            controller!("binding", binding, &federation);
            controller!("bindingStatus", binding_status, &federation);
            controller!("namespace", namespace, &federation);
            controller!("unifiedAuth", unified_auth, &federation);
            controller!("clusterStatus", cluster_status, &member);
            controller!("execution", execution, &member);
            controller!("workStatus", work_status, &member);
            macro_rules! started {
                ($key:literal, $start:path) => {
                    if selection.has($key) {
                        $start(&federation, tasks, shutdown);
                    }
                };
            }
            started!("cluster", taint_manager::start);
            started!("gracefulEviction", graceful_eviction::start);
            started!("applicationFailover", application_failover::start);
            started!("workloadRebalancer", workload_rebalancer::start);
            started!("clustertaintpolicy", cluster_taint_policy::start);
            started!("remedy", remedy::start);
            started!("agentcsrapproving", agent_csr::start);
            started!("hpaScaleTargetMarker", autoscaling::start_marker);
            started!("deploymentReplicasSyncer", autoscaling::start_syncer);
            let quotas = federated_quota::Parts {
                sync: selection.has("federatedResourceQuotaSync"),
                status: selection.has("federatedResourceQuotaStatus"),
                enforcement: selection.has("federatedResourceQuotaEnforcement"),
            };
            federated_quota::start(&federation, quotas, tasks, shutdown);
        }
        federation.start_caches(&mut tasks, shutdown);
        let stop = shutdown.clone();
        tasks.spawn(async move { clusters.run(stop).await });
        let stop = shutdown.clone();
        tasks.spawn(async move {
            // Every controller that interprets waits for the Works, and these wait for the users' interpreters: a template
            // must not be taken for one that nobody knows while they are being listed.
            tokio::select! {
                () = stop.cancelled() => {}
                () = async { host.wait_synced().await; works.run(stop.clone()).await } => {}
            }
        });
        // The contexts live as long as the tasks that hold them.
        Ok(Self { tasks })
    }

    /// Waits until the controllers have ended, which they do after shutdown.
    pub async fn wait(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// The whole process: endpoints, leader election, controllers.
    ///
    /// # Errors
    /// A flag, the kubeconfig or a port cannot be used, or the lease was lost.
    pub async fn run(args: ManagerArgs, shutdown: CancellationToken) -> Result<(), Error> {
        args.selection().map_err(Error::Flags)?;
        let client = args.client.client().await?;
        let readiness = Readiness::default();
        args.endpoints.serve(readiness.clone(), shutdown.clone()).await?;
        readiness.set(true);
        if !args.leader.leader_elect {
            Self::start(client, &args, None, &shutdown)?.wait().await;
            return Ok(());
        }
        let candidate = Candidate::new(client.clone(), args.leader.clone(), MANAGER);
        let kept = candidate
            .run(shutdown, |term| async move {
                match Self::start(client, &args, None, &term) {
                    Ok(manager) => manager.wait().await,
                    Err(error) => tracing::error!(%error, "start the controllers"),
                }
            })
            .await;
        if kept { Ok(()) } else { Err(Error::LostLease) }
    }
}
