//! Client certificates: the subject's CN is the user, its Os are the groups.

use std::sync::Arc;

use base64::Engine as _;
use jiff::Timestamp;
use karmada_rest::access::UserInfo;
use ring::digest;
use rustls::{
    DistinguishedName, RootCertStore,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::CREDENTIAL_ID;
use crate::pki::authority::subject_of;

/// A certificate that a client has shown, read once a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Subject CN.
    pub common_name: String,
    /// Subject Os.
    pub organizations: Vec<String>,
    /// Whether the authority of clients has signed it.
    pub of_client_authority: bool,
    /// Whether the authority of front proxies has signed it.
    pub of_front_proxy_authority: bool,
    /// Until when it is valid, in seconds since 1970.
    not_after: i64,
    fingerprint: String,
}

impl ClientCertificate {
    /// Whether it has not expired; connections can outlive certificates.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        now.as_second() <= self.not_after
    }

    /// The user that it identifies; `None` if the authority of clients has not signed it, it has expired, or it names
    /// nobody.
    pub fn user(&self, now: Timestamp) -> Option<UserInfo> {
        if !self.of_client_authority || !self.is_valid(now) || self.common_name.is_empty() {
            return None;
        }
        let mut user =
            UserInfo { name: self.common_name.clone(), groups: self.organizations.clone(), ..UserInfo::default() };
        user.extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={}", self.fingerprint)]);
        Some(user)
    }
}

/// The authorities whose client certificates mean something.
pub struct ClientCertificates {
    clients: Option<Arc<dyn ClientCertVerifier>>,
    front_proxies: Option<Arc<dyn ClientCertVerifier>>,
}

/// An authority's certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("use a client authority: {0}")]
pub struct Error(String);

impl ClientCertificates {
    /// Trusts these authorities for users and for front proxies. An empty list trusts nobody.
    pub fn new(clients: &[CertificateDer<'static>], front_proxies: &[CertificateDer<'static>]) -> Result<Self, Error> {
        Ok(Self { clients: verifier(clients)?, front_proxies: verifier(front_proxies)? })
    }

    /// The subjects of all authorities, as hints to clients.
    pub fn hints(&self) -> Vec<DistinguishedName> {
        let verifiers = self.clients.iter().chain(&self.front_proxies);
        verifiers.flat_map(|v| v.root_hint_subjects()).cloned().collect()
    }

    /// Reads the certificate of a connection. `None` if it cannot be parsed.
    pub fn read(&self, chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
        let (leaf, intermediates) = chain.split_first()?;
        let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
        let trusted = |verifier: &Option<Arc<dyn ClientCertVerifier>>| {
            verifier.as_ref().is_some_and(|v| v.verify_client_cert(leaf, intermediates, UnixTime::now()).is_ok())
        };
        let (common_name, organizations) = subject_of(&certificate);
        let digest = digest::digest(&digest::SHA256, leaf);
        Some(ClientCertificate {
            common_name,
            organizations,
            of_client_authority: trusted(&self.clients),
            of_front_proxy_authority: trusted(&self.front_proxies),
            not_after: certificate.validity().not_after.timestamp(),
            fingerprint: hex(digest.as_ref()),
        })
    }
}

fn verifier(authorities: &[CertificateDer<'static>]) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
    if authorities.is_empty() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| Error(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| Error(error.to_string()))?;
    Ok(Some(verifier))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A short URL-safe name for some bytes.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
