//! What `karmada up` keeps on disk: data, keys, kubeconfigs, its process id.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use karmada_apiserver_aggregator::Server;
use karmada_apiserver_aggregator::kubeconfig::{Credential, Kubeconfig, server_url};

use super::Error;
use super::members::Running;

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    data: PathBuf,
    kubeconfigs: PathBuf,
}

fn home() -> Result<PathBuf, Error> {
    std::env::var_os("HOME")
        .filter(|h| !h.is_empty())
        .map(PathBuf::from)
        .ok_or_else(|| Error::Flags("$HOME is not set: name --data-dir and --kubeconfig-path".to_owned()))
}

/// The process id file; removed when the process ends as it should.
pub(crate) struct PidFile(PathBuf);

impl Drop for PidFile {
    fn drop(&mut self) {
        // A file that stays is harmless: its process is looked for before it is believed.
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

impl Paths {
    /// The given places, or the defaults.
    pub(crate) fn new(data: Option<PathBuf>, kubeconfigs: Option<PathBuf>) -> Result<Self, Error> {
        let data = match data {
            Some(data) => data,
            None => match std::env::var_os("XDG_STATE_HOME").filter(|d| !d.is_empty()) {
                Some(state) => PathBuf::from(state).join("karmada"),
                None => home()?.join(".local/state/karmada"),
            },
        };
        let kubeconfigs = match kubeconfigs {
            Some(path) => path,
            None => home()?.join(".kube"),
        };
        Ok(Self { data, kubeconfigs })
    }

    /// Makes the directories.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        for path in [&self.data, &self.kubeconfigs] {
            std::fs::create_dir_all(path).map_err(|source| Error::DataDir { path: path.clone(), source })?;
        }
        Ok(())
    }

    pub(crate) fn control_plane_store(&self) -> PathBuf {
        self.data.join("control-plane/store")
    }

    pub(crate) fn control_plane_pki(&self) -> PathBuf {
        self.data.join("control-plane/pki")
    }

    pub(crate) fn member(&self, name: &str) -> PathBuf {
        self.data.join("members").join(name)
    }

    pub(crate) fn karmada_kubeconfig(&self) -> PathBuf {
        self.kubeconfigs.join("karmada.config")
    }

    pub(crate) fn members_kubeconfig(&self) -> PathBuf {
        self.kubeconfigs.join("members.config")
    }

    /// Notes the process id, for `hack/local-down.sh`.
    pub(crate) fn write_pid(&self) -> Result<PidFile, Error> {
        let path = self.data.join("karmada.pid");
        std::fs::write(&path, format!("{}\n", std::process::id()))
            .map_err(|source| Error::DataDir { path: path.clone(), source })?;
        Ok(PidFile(path))
    }
}

/// Writes `karmada.config` (contexts karmada-apiserver and karmada-host, and the members for convenience) and
/// `members.config` (a context for each member).
pub(crate) fn write_kubeconfigs(
    paths: &Paths,
    server: &Server,
    address: SocketAddr,
    members: &[Running],
) -> Result<(), Error> {
    let url = server_url(address);
    let admin = Credential::Certificate(server.admin());
    let ca = server.ca_pem();
    // With embedded members the control plane is its own host.
    let mut all = Kubeconfig::new()
        .context("karmada-apiserver", &url, &ca, &admin)
        .context("karmada-host", &url, &ca, &admin)
        .current("karmada-apiserver");
    let mut of_members = Kubeconfig::new();
    for member in members {
        let (url, ca, admin) = member.access();
        all = all.context(member.name(), &url, &ca, &admin);
        of_members = of_members.context(member.name(), &url, &ca, &admin);
    }
    if let Some(first) = members.first() {
        of_members = of_members.current(first.name());
    }
    write(&all, &paths.karmada_kubeconfig())?;
    if members.is_empty() { Ok(()) } else { write(&of_members, &paths.members_kubeconfig()) }
}

fn write(kubeconfig: &Kubeconfig, path: &Path) -> Result<(), Error> {
    kubeconfig.write(path).map_err(|source| Error::Kubeconfig { path: path.to_owned(), source })
}
