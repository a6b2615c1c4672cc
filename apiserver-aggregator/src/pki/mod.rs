//! The server's own public key infrastructure: authorities, certificates and the key that signs service account tokens.
//!
//! A data directory holds it under `pki/`, with kubeadm's file names; a server without a directory (tests, simulated
//! members) keeps it in memory. Opening is idempotent: what is there and still good for a while stays, what is missing, is
//! about to expire, or does not cover the wanted names is issued anew. Authorities are never replaced, because everybody
//! who trusts the server trusts them by value.

pub mod authority;
mod files;
pub(crate) use files::write_private;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

pub use authority::{CertificateAuthority, CertificateRequest, Usage};

/// How long a leaf certificate lives.
const LEAF_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// A leaf with less than this left is issued anew. A month leaves room for servers that restart rarely.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The common name that aggregated servers accept headers from.
pub const FRONT_PROXY_CLIENT: &str = "front-proxy-client";
/// The administrator's user name.
pub const ADMIN_USER: &str = "system:admin";

/// Why keys or certificates could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate or key could not be made or parsed.
    #[error("{what}")]
    Crypto {
        /// What was attempted.
        what: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A file holds something else than expected.
    #[error("{what}: {why}")]
    Malformed {
        /// What was parsed.
        what: String,
        /// What is wrong.
        why: String,
    },
}

/// A certificate (with its chain, if any) and its private key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, leaf first.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    /// Leaves the key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Everything the server signs with, shows and accepts.
pub struct Pki {
    /// Signs the serving certificate, client certificates and CSRs.
    pub ca: CertificateAuthority,
    /// Signs the certificate with which the server calls extension servers.
    pub front_proxy_ca: CertificateAuthority,
    /// The serving certificate.
    pub server: Identity,
    /// The administrator: `system:admin` in `system:masters`.
    pub admin: Identity,
    /// The client certificate towards extension servers.
    pub front_proxy_client: Identity,
    /// The PKCS#8 key (ECDSA P-256) that signs service account tokens, in PEM.
    pub service_account_key: String,
    directory: Option<PathBuf>,
    names: ServerNames,
}

/// The names and addresses that the serving certificate covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// DNS names.
    pub dns: BTreeSet<String>,
    /// Addresses.
    pub ips: BTreeSet<IpAddr>,
}

impl ServerNames {
    /// Loopback, the names of the `kubernetes` service, this host's name, and the given further names or addresses.
    pub fn with_defaults<I, S>(further: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let mut names = Self::default();
        for name in [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "karmada-apiserver",
            "karmada-apiserver.karmada-system.svc",
            "karmada-apiserver.karmada-system.svc.cluster.local",
        ] {
            names.dns.insert(name.to_owned());
        }
        for address in ["127.0.0.1", "::1"] {
            names.add(address);
        }
        if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
            names.add(host.trim());
        }
        for name in further {
            names.add(name.as_ref());
        }
        names
    }

    /// Adds a DNS name or an address; unspecified addresses (`0.0.0.0`, `::`) are nobody's name and are skipped.
    pub fn add(&mut self, name: &str) {
        match name.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => {}
            Ok(address) => {
                self.ips.insert(address);
            }
            // A host may be called anything; what is no DNS name cannot stand in a certificate.
            Err(_) if !is_dns_name(name) => {}
            Err(_) => {
                self.dns.insert(name.to_ascii_lowercase());
            }
        }
    }

    /// Whether all of `other` is covered.
    pub fn covers(&self, other: &Self) -> bool {
        other.dns.is_subset(&self.dns) && other.ips.is_subset(&self.ips)
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_*".contains(&b))
    };
    name.len() <= 253 && name.split('.').all(label)
}

impl Pki {
    /// Makes everything anew, in memory only.
    pub fn ephemeral(names: ServerNames, now: SystemTime) -> Result<Self, Error> {
        let ca = CertificateAuthority::generate("karmada", now)?;
        let front_proxy_ca = CertificateAuthority::generate("karmada-front-proxy-ca", now)?;
        Ok(Self {
            server: ca.issue(&server_request(&names), now)?,
            admin: ca.issue(&admin_request(), now)?,
            front_proxy_client: front_proxy_ca.issue(&front_proxy_request(), now)?,
            service_account_key: authority::generate_key()?,
            ca,
            front_proxy_ca,
            directory: None,
            names,
        })
    }

    /// Opens `directory`, making and renewing what has to be. Writes nothing if all is well.
    pub fn open(directory: &Path, names: ServerNames, now: SystemTime) -> Result<Self, Error> {
        files::make_private_directory(directory)?;
        let ca = open_authority(directory, "ca", "karmada", now)?;
        let front_proxy_ca = open_authority(directory, "front-proxy-ca", "karmada-front-proxy-ca", now)?;
        let server = open_identity(directory, "apiserver", &ca, &server_request(&names), now)?;
        let admin = open_identity(directory, "admin", &ca, &admin_request(), now)?;
        let front_proxy_client =
            open_identity(directory, "front-proxy-client", &front_proxy_ca, &front_proxy_request(), now)?;
        let service_account_key = match files::read_optional(&directory.join("sa.key"))? {
            Some(key) => {
                authority::parse_key(&key, "parse sa.key")?;
                key
            }
            None => {
                let key = authority::generate_key()?;
                files::write_private(&directory.join("sa.key"), key.as_bytes())?;
                key
            }
        };
        let public = authority::public_key(&service_account_key)?;
        if files::read_optional(&directory.join("sa.pub"))?.as_deref() != Some(public.as_str()) {
            files::write_private(&directory.join("sa.pub"), public.as_bytes())?;
        }
        Ok(Self {
            ca,
            front_proxy_ca,
            server,
            admin,
            front_proxy_client,
            service_account_key,
            directory: Some(directory.to_owned()),
            names,
        })
    }

    /// Issues the leaves anew that have less than a month left (or than a third of their life, if that is shorter), and
    /// says whether any was. Call it now and then in servers that run for long.
    pub fn renew(&mut self, now: SystemTime) -> Result<bool, Error> {
        let requests = [server_request(&self.names), admin_request(), front_proxy_request()];
        let mut renewed = false;
        for (request, file) in requests.iter().zip(["apiserver", "admin", "front-proxy-client"]) {
            let (authority, identity) = match file {
                "apiserver" => (&self.ca, &mut self.server),
                "admin" => (&self.ca, &mut self.admin),
                _ => (&self.front_proxy_ca, &mut self.front_proxy_client),
            };
            if authority::still_good(&identity.certificate, request, authority, now, RENEW_BEFORE) {
                continue;
            }
            *identity = authority.issue(request, now)?;
            if let Some(directory) = &self.directory {
                write_identity(directory, file, identity)?;
            }
            renewed = true;
        }
        Ok(renewed)
    }

    /// A client certificate for any user: what kubeconfigs of components and tests are made of.
    pub fn client(&self, user: &str, groups: &[&str], now: SystemTime) -> Result<Identity, Error> {
        self.ca.issue(
            &CertificateRequest {
                common_name: user.to_owned(),
                organizations: groups.iter().map(|&g| g.to_owned()).collect(),
                names: ServerNames::default(),
                usage: Usage::Client,
                lifetime: LEAF_LIFETIME,
            },
            now,
        )
    }

    /// The names that the serving certificate covers.
    pub fn names(&self) -> &ServerNames {
        &self.names
    }
}

fn server_request(names: &ServerNames) -> CertificateRequest {
    CertificateRequest {
        common_name: "kube-apiserver".to_owned(),
        organizations: Vec::new(),
        names: names.clone(),
        usage: Usage::Server,
        lifetime: LEAF_LIFETIME,
    }
}

fn admin_request() -> CertificateRequest {
    CertificateRequest {
        common_name: ADMIN_USER.to_owned(),
        organizations: vec!["system:masters".to_owned()],
        names: ServerNames::default(),
        usage: Usage::Client,
        lifetime: LEAF_LIFETIME,
    }
}

fn front_proxy_request() -> CertificateRequest {
    CertificateRequest {
        common_name: FRONT_PROXY_CLIENT.to_owned(),
        organizations: Vec::new(),
        names: ServerNames::default(),
        usage: Usage::Client,
        lifetime: LEAF_LIFETIME,
    }
}

fn open_authority(
    directory: &Path,
    file: &str,
    common_name: &str,
    now: SystemTime,
) -> Result<CertificateAuthority, Error> {
    let certificate_path = directory.join(format!("{file}.crt"));
    let key_path = directory.join(format!("{file}.key"));
    match (files::read_optional(&certificate_path)?, files::read_optional(&key_path)?) {
        (Some(certificate), Some(key)) => CertificateAuthority::load(certificate, &key),
        (None, None) => {
            let authority = CertificateAuthority::generate(common_name, now)?;
            // The key first: a certificate without its key would look like a lost key after a crash.
            files::write_private(&key_path, authority.key_pem().as_bytes())?;
            files::write_private(&certificate_path, authority.certificate_pem().as_bytes())?;
            Ok(authority)
        }
        (None, Some(key)) => {
            // A crash between the two writes: nobody has seen a certificate of this key yet.
            let authority = CertificateAuthority::from_key(common_name, &key, now)?;
            files::write_private(&certificate_path, authority.certificate_pem().as_bytes())?;
            Ok(authority)
        }
        (Some(_), None) => Err(Error::Malformed {
            what: certificate_path.display().to_string(),
            why: format!("its private key {} is missing", key_path.display()),
        }),
    }
}

fn open_identity(
    directory: &Path,
    file: &str,
    authority: &CertificateAuthority,
    request: &CertificateRequest,
    now: SystemTime,
) -> Result<Identity, Error> {
    let certificate = files::read_optional(&directory.join(format!("{file}.crt")))?;
    let key = files::read_optional(&directory.join(format!("{file}.key")))?;
    if let (Some(certificate), Some(key)) = (certificate, key)
        && authority::still_good(&certificate, request, authority, now, RENEW_BEFORE)
        && authority::key_matches(&certificate, &key)
    {
        return Ok(Identity { certificate, key });
    }
    let identity = authority.issue(request, now)?;
    write_identity(directory, file, &identity)?;
    Ok(identity)
}

fn write_identity(directory: &Path, file: &str, identity: &Identity) -> Result<(), Error> {
    files::write_private(&directory.join(format!("{file}.key")), identity.key.as_bytes())?;
    files::write_private(&directory.join(format!("{file}.crt")), identity.certificate.as_bytes())
}

#[cfg(test)]
mod tests;
