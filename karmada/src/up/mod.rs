//! `karmada up`: a whole control plane in one process, with simulated members if asked for.
//!
//! API server on the embedded store, scheduler, controllers, and for each pull member its agent. Components reach the API
//! server without a socket; users reach it, and push members are reached, over TLS. Everything lives under one data
//! directory and is there again after a restart.

mod files;
mod members;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use karmada_apiserver_aggregator::config::PkiLocation;
use karmada_apiserver_aggregator::{Server, ServerConfig};
use karmada_controllers::{Manager, ManagerArgs};
use karmada_runtime::shell::LogArgs;
use karmada_scheduler::SchedulerArgs;
use karmada_storage::{EmbeddedOptions, EmbeddedStore, Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Flags of `karmada up`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Where everything is kept. Default: $XDG_STATE_HOME/karmada, or ~/.local/state/karmada.
    #[arg(long, env = "KARMADA_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the kubeconfigs karmada.config and members.config are written. Default: $KUBECONFIG_PATH, or ~/.kube.
    #[arg(long, env = "KUBECONFIG_PATH")]
    pub kubeconfig_path: Option<PathBuf>,
    /// Address that the control plane and the simulated members listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub bind_address: IpAddr,
    /// Port of the control plane.
    #[arg(long, default_value_t = 5443)]
    pub secure_port: u16,
    /// How many simulated members there are: member1, member2, ….
    #[arg(long, default_value_t = 0)]
    pub members: u16,
    /// How many of the simulated members, the last ones, are joined in pull mode.
    #[arg(long, default_value_t = 0)]
    pub pull_members: u16,
    /// Port of the first simulated member; the others follow. Default: the control plane's port plus 1.
    #[arg(long)]
    pub member_port: Option<u16>,
    /// Feature gates of all components, as `Name=true,Other=false`.
    #[arg(long, default_value = "")]
    pub feature_gates: String,
    /// A flag of the controller manager, such as `--cluster-status-update-frequency=5s`; may be repeated.
    #[arg(long, allow_hyphen_values = true)]
    pub controller_manager_flag: Vec<String>,
    /// A flag of the scheduler; may be repeated.
    #[arg(long, allow_hyphen_values = true)]
    pub scheduler_flag: Vec<String>,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The control plane could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Flags that don't go together.
    #[error("{0}")]
    Flags(String),
    /// A flag that is passed on to a component is not one of its flags.
    #[error("a flag of the {component}")]
    ComponentFlag {
        component: &'static str,
        #[source]
        source: clap::Error,
    },
    /// The data directory cannot be used.
    #[error("use the data directory {}", path.display())]
    DataDir {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A store cannot be opened.
    #[error("open the store in {}", path.display())]
    Store {
        path: PathBuf,
        #[source]
        source: StoreError,
    },
    /// The API server.
    #[error("start the API server")]
    Server(#[from] karmada_apiserver_aggregator::StartError),
    /// A port.
    #[error("serve the API")]
    Listen(#[from] karmada_apiserver_aggregator::serve::BindError),
    /// A kubeconfig.
    #[error("write the kubeconfig {}", path.display())]
    Kubeconfig {
        path: PathBuf,
        #[source]
        source: karmada_apiserver_aggregator::pki::Error,
    },
    /// The controllers.
    #[error("start the controllers")]
    Controllers(#[from] karmada_controllers::Error),
    /// The scheduler.
    #[error("start the scheduler")]
    Scheduler(#[from] karmada_scheduler::args::ArgsError),
    /// A member.
    #[error(transparent)]
    Member(#[from] karmada_simulator::MemberError),
    /// A member could not be joined.
    #[error("join member {name}")]
    Join {
        name: String,
        #[source]
        source: karmada_registration::Error,
    },
    /// An agent.
    #[error("start the agent of member {name}")]
    Agent {
        name: String,
        #[source]
        source: karmada_agent::Error,
    },
}

/// Opens an embedded store; it is read on a thread that may block.
pub(crate) async fn open_store(path: PathBuf, options: EmbeddedOptions) -> Result<Arc<dyn Store>, Error> {
    let folder = path.clone();
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(folder, options)).await;
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(source)) => Err(Error::Store { path, source }),
        Err(join) => Err(Error::DataDir { path, source: std::io::Error::other(join) }),
    }
}

/// Flags of a component: its defaults, the common gates, then what the user passes on.
fn component_flags<T: clap::Args>(component: &'static str, gates: &str, passed: &[String]) -> Result<T, Error> {
    #[derive(clap::Parser)]
    struct Flags<T: clap::Args> {
        #[command(flatten)]
        args: T,
    }
    let mut flags = vec![component.to_owned()];
    if !gates.is_empty() {
        flags.push(format!("--feature-gates={gates}"));
    }
    flags.extend(passed.iter().cloned());
    let parsed = <Flags<T> as clap::Parser>::try_parse_from(flags);
    parsed.map(|flags| flags.args).map_err(|source| Error::ComponentFlag { component, source })
}

/// How long each part may take to end. What is acknowledged is durable, so nothing is lost with one that takes longer.
const END_LIMIT: Duration = Duration::from_secs(10);

async fn within(what: &str, ending: impl Future<Output = ()>) {
    if tokio::time::timeout(END_LIMIT, ending).await.is_err() {
        tracing::warn!(limit = ?END_LIMIT, "{what} did not end in time");
    }
}

/// Runs until `shutdown`.
pub(crate) async fn run(args: UpArgs, shutdown: CancellationToken) -> Result<(), Error> {
    let started = Instant::now();
    let UpArgs {
        data_dir,
        kubeconfig_path,
        bind_address,
        secure_port,
        members,
        pull_members,
        member_port,
        feature_gates,
        controller_manager_flag,
        scheduler_flag,
        log: _,
    } = args;
    if pull_members > members {
        return Err(Error::Flags(format!("--pull-members {pull_members} is more than --members {members}")));
    }
    let manager_args: ManagerArgs =
        component_flags("karmada-controller-manager", &feature_gates, &controller_manager_flag)?;
    let scheduler_args: SchedulerArgs = component_flags("karmada-scheduler", &feature_gates, &scheduler_flag)?;
    let paths = files::Paths::new(data_dir, kubeconfig_path)?;
    paths.prepare()?;

    // The store's lock comes first: a second instance on the same data must change nothing.
    let store = open_store(paths.control_plane_store(), EmbeddedOptions::default()).await?;
    let address = SocketAddr::new(bind_address, secure_port);
    let listener = karmada_apiserver_aggregator::serve::bind(address).await?;
    let config = ServerConfig {
        pki: PkiLocation::Directory(paths.control_plane_pki()),
        advertise: Some(address),
        names: vec![bind_address.to_string()],
        ..ServerConfig::control_plane(store)
    };
    let server = Server::start(config).await?;
    let address = listener.local_addr().unwrap_or(address);
    let serving = server.clone();
    let serve_task = tokio::spawn(async move { serving.serve(listener).await });
    let _pid_file = paths.write_pid()?;
    tracing::info!(%address, took = ?started.elapsed(), "control plane is ready");

    let first = member_port.unwrap_or_else(|| address.port().saturating_add(1));
    let plan = members::plan(members, pull_members, SocketAddr::new(bind_address, first));
    let running = members::start_all(&server, &paths, plan, &feature_gates, &shutdown).await?;
    // After the members are there: one that cannot be reached would be reported as not ready, if only for a moment.
    let scheduling = karmada_scheduler::run(server.client(), scheduler_args.config()?, shutdown.clone());
    let scheduler = tokio::spawn(async move {
        if let Err(error) = scheduling.await {
            tracing::error!(error = karmada_runtime::error::chain(&error), "the scheduler stopped");
        }
    });
    let manager = Manager::start(server.client(), &manager_args, None, &shutdown)?;
    files::write_kubeconfigs(&paths, &server, address, &running)?;
    members::wait_ready(&server, &shutdown).await;
    tracing::info!(
        took = ?started.elapsed(),
        members = running.len(),
        kubeconfig = %paths.karmada_kubeconfig().display(),
        "all is ready"
    );

    shutdown.cancelled().await;
    tracing::info!("shutting down");
    within("the controllers", manager.wait()).await;
    // A panic of the task was logged when it happened.
    within("the scheduler", async { drop(scheduler.await) }).await;
    for member in running {
        within("a member", member.shutdown()).await;
    }
    within("the API server", server.shutdown()).await;
    serve_task.abort();
    Ok(())
}
