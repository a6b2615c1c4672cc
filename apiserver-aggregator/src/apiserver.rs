//! `karmada apiserver`: flags and the process around a [`Server`].

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{ArgAction, Args as ClapArgs};
use karmada_rest::access::UserInfo;
use karmada_storage::{EmbeddedOptions, EmbeddedStore, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{
    Server, ServerConfig, StartError,
    admission::services::ServiceRanges,
    config::PkiLocation,
    pki,
    serve::{self, BindError},
};

/// The name of the administrator's kubeconfig in the data directory.
pub const KUBECONFIG_FILE: &str = "admin.kubeconfig";

/// Flags of the API server; kube-apiserver's where it has the same.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Directory of the embedded store and, under pki/, of keys and certificates.
    #[arg(long, value_name = "DIR", env = "KARMADA_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// etcd servers to use instead of the embedded store (scheme://host:port), separated by commas.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub etcd_servers: Vec<String>,
    /// Address to listen on.
    #[arg(long, default_value = "0.0.0.0", value_name = "IP")]
    pub bind_address: IpAddr,
    /// Port to serve HTTPS on; 0 lets the system choose one.
    #[arg(long, default_value_t = 5443, value_name = "PORT")]
    pub secure_port: u16,
    /// Directory of keys and certificates instead of pki/ in the data directory.
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,
    /// Address that others reach this server at; the bind address if absent.
    #[arg(long, value_name = "IP")]
    pub advertise_address: Option<IpAddr>,
    /// Names and addresses that the serving certificate covers besides the usual ones, separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub tls_san: Vec<String>,
    /// Network that cluster IPs of Services are taken from.
    #[arg(long, default_value = "10.96.0.0/12", value_name = "CIDR")]
    pub service_cluster_ip_range: String,
    /// Ports that node ports of Services are taken from.
    #[arg(long, default_value = "30000-32767", value_name = "RANGE")]
    pub service_node_port_range: String,
    /// Issuer of service account tokens.
    #[arg(long, default_value = crate::authn::service_account::DEFAULT_ISSUER, value_name = "URL")]
    pub service_account_issuer: String,
    /// Audiences of the API server, separated by commas; the issuer if absent.
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    pub api_audiences: Vec<String>,
    /// File with bearer tokens: token,user,uid[,"group1,group2"] a line.
    #[arg(long, value_name = "FILE")]
    pub token_auth_file: Option<PathBuf>,
    /// Whether requests without credentials are let through as system:anonymous, who may see health and version.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub anonymous_auth: bool,
    /// Reading requests at a time.
    #[arg(long, default_value_t = 400, value_name = "N")]
    pub max_requests_inflight: usize,
    /// Writing requests at a time.
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub max_mutating_requests_inflight: usize,
}

/// Why the API server could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A flag's value makes no sense.
    #[error("--{flag}: {why}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The store could not be opened.
    #[error("open the store in {}", path.display())]
    Store {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The server could not start.
    #[error("start the API server")]
    Start(#[from] StartError),
    /// The address could not be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The kubeconfig could not be written.
    #[error("write the administrator's kubeconfig")]
    Kubeconfig(#[from] pki::Error),
}

fn flag(flag: &'static str, why: impl Into<String>) -> RunError {
    RunError::Flag { flag, why: why.into() }
}

impl Args {
    /// Opens the embedded store and makes the configuration of a control plane.
    pub async fn config(&self) -> Result<ServerConfig, RunError> {
        let Self {
            data_dir,
            etcd_servers,
            bind_address,
            secure_port,
            cert_dir,
            advertise_address,
            tls_san,
            service_cluster_ip_range,
            service_node_port_range,
            service_account_issuer,
            api_audiences,
            token_auth_file,
            anonymous_auth,
            max_requests_inflight,
            max_mutating_requests_inflight,
        } = self;
        if !etcd_servers.is_empty() {
            return Err(flag("etcd-servers", "the etcd store is not available yet; use --data-dir"));
        }
        let Some(data_dir) = data_dir else {
            return Err(flag("data-dir", "a directory for the embedded store is required"));
        };
        let Some((network, prefix)) = ServiceRanges::parse_network(service_cluster_ip_range) else {
            return Err(flag(
                "service-cluster-ip-range",
                "must be an IPv4 network of the form address/prefix, /8 to /30",
            ));
        };
        let Some(ports) = parse_ports(service_node_port_range) else {
            return Err(flag("service-node-port-range", "must be of the form first-last"));
        };
        let static_tokens = match token_auth_file {
            Some(path) => read_tokens(path)?,
            None => HashMap::new(),
        };
        let store = open_store(data_dir).await?;
        let mut config = ServerConfig::control_plane(store);
        config.pki = PkiLocation::Directory(cert_dir.clone().unwrap_or_else(|| data_dir.join("pki")));
        config.names.extend(tls_san.iter().cloned());
        let address = advertise_address.unwrap_or(*bind_address);
        config.names.push(address.to_string());
        config.advertise =
            (!address.is_unspecified() && *secure_port != 0).then(|| SocketAddr::new(address, *secure_port));
        config.services = ServiceRanges { network, prefix, ports };
        config.issuer = service_account_issuer.clone();
        config.audiences = api_audiences.clone();
        config.static_tokens = static_tokens;
        config.anonymous = *anonymous_auth;
        config.requests.reading = *max_requests_inflight;
        config.requests.mutating = *max_mutating_requests_inflight;
        Ok(config)
    }

    /// Runs the server until `stop`, writing the administrator's kubeconfig into the data directory.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        // The port first: a second instance should hear of the port, not of the store's lock.
        let listener = serve::bind(SocketAddr::new(self.bind_address, self.secure_port)).await?;
        let config = self.config().await?;
        let server = Server::start(config).await?;
        let address = listener.local_addr().unwrap_or(SocketAddr::new(self.bind_address, self.secure_port));
        if let Some(directory) = &self.data_dir {
            server.kubeconfig("karmada-apiserver", address).write(&directory.join(KUBECONFIG_FILE))?;
        }
        tracing::info!(%address, "the API server is ready");
        let serving = {
            let server = server.clone();
            tokio::spawn(async move { server.serve(listener).await })
        };
        stop.cancelled().await;
        server.shutdown().await;
        // It ends with the server; a panic in it has been reported by the runtime.
        let _ = serving.await;
        Ok(())
    }
}

/// Opens the embedded store of a data directory.
pub async fn open_store(data_dir: &Path) -> Result<Arc<dyn Store>, RunError> {
    let path = data_dir.join("store");
    let folder = path.clone();
    // Opening reads the whole index from disk.
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(folder, EmbeddedOptions::default())).await;
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(source)) => Err(RunError::Store { path, source }),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn parse_ports(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    (first > 0 && first <= last).then_some(first..=last)
}

fn read_tokens(path: &Path) -> Result<HashMap<String, UserInfo>, RunError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| flag("token-auth-file", format!("read {}: {error}", path.display())))?;
    let mut tokens = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.splitn(4, ',').map(str::trim);
        let (Some(token), Some(name), Some(uid)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(flag("token-auth-file", format!("line {} needs token, user and uid", number + 1)));
        };
        if token.is_empty() || name.is_empty() {
            return Err(flag("token-auth-file", format!("line {} needs token, user and uid", number + 1)));
        }
        let groups = fields.next().unwrap_or_default().trim_matches('"').split(',').map(str::trim);
        let groups = groups.filter(|g| !g.is_empty()).map(str::to_owned).collect();
        let user = UserInfo { name: name.to_owned(), uid: uid.to_owned(), groups, ..UserInfo::default() };
        tokens.insert(token.to_owned(), user);
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[tokio::test]
    async fn flags_that_make_no_sense_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().to_str().unwrap();
        for (flags, name) in [
            (vec![], "data-dir"),
            (vec!["--etcd-servers", "http://a:1"], "etcd-servers"),
            (vec!["--data-dir", data, "--service-cluster-ip-range", "x"], "service-cluster-ip-range"),
            (vec!["--data-dir", data, "--service-node-port-range", "9-1"], "service-node-port-range"),
            (vec!["--data-dir", data, "--token-auth-file", "/nonexistent"], "token-auth-file"),
        ] {
            let command = Command::parse_from(["x"].into_iter().chain(flags));
            let error = command.args.config().await.err().unwrap().to_string();
            assert!(error.starts_with(&format!("--{name}: ")), "{error}");
        }
    }

    #[test]
    fn token_files_name_users_and_groups() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# c\nt1,alice,1,\"a,b\"\nt2,bob,2\n").unwrap();
        let tokens = read_tokens(file.path()).unwrap();
        assert_eq!(tokens["t1"].groups, ["a", "b"]);
        assert_eq!(tokens["t2"].name, "bob");
        std::fs::write(file.path(), "broken\n").unwrap();
        assert!(read_tokens(file.path()).is_err());
    }
}
