//! A certificate authority: issues leaves and signs requests. ECDSA P-256 throughout.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{Error, Identity, ServerNames};

/// How long an authority lives.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Certificates begin this much earlier, so that clients whose clock is slow accept them.
const BACKDATE: Duration = Duration::from_secs(300);

/// What a leaf certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Serving TLS.
    Server,
    /// Identifying a client.
    Client,
}

/// What a leaf certificate is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Subject CN: the user's name of a client.
    pub common_name: String,
    /// Subject O: the user's groups of a client.
    pub organizations: Vec<String>,
    /// Subject alternative names of a server.
    pub names: ServerNames,
    /// What it is for.
    pub usage: Usage,
    /// How long it lives.
    pub lifetime: Duration,
}

/// A self-signed authority and its key.
pub struct CertificateAuthority {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn crypto(what: &str) -> impl FnOnce(rcgen::Error) -> Error + '_ {
    move |source| Error::Crypto { what: what.to_owned(), source }
}

/// A fresh ECDSA P-256 key in PKCS#8 PEM.
pub fn generate_key() -> Result<String, Error> {
    Ok(KeyPair::generate().map_err(crypto("generate a key"))?.serialize_pem())
}

/// Parses a PEM key; `what` names it in the error.
pub(super) fn parse_key(pem: &str, what: &str) -> Result<KeyPair, Error> {
    KeyPair::from_pem(pem).map_err(crypto(what))
}

/// The public half of a PEM key, in PEM.
pub fn public_key(pem: &str) -> Result<String, Error> {
    Ok(parse_key(pem, "parse a private key")?.public_key_pem())
}

impl CertificateAuthority {
    /// A new authority.
    pub fn generate(common_name: &str, now: SystemTime) -> Result<Self, Error> {
        Self::from_pair(common_name, KeyPair::generate().map_err(crypto("generate an authority's key"))?, now)
    }

    /// A new certificate for an existing key.
    pub fn from_key(common_name: &str, key: &str, now: SystemTime) -> Result<Self, Error> {
        Self::from_pair(common_name, parse_key(key, "parse an authority's key")?, now)
    }

    fn from_pair(common_name: &str, key: KeyPair, now: SystemTime) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = offset(now - BACKDATE);
        params.not_after = offset(now + AUTHORITY_LIFETIME);
        let certificate = params.self_signed(&key).map_err(crypto("sign an authority's certificate"))?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        })
    }

    /// An existing authority.
    pub fn load(certificate_pem: String, key_pem: &str) -> Result<Self, Error> {
        let key = parse_key(key_pem, "parse an authority's key")?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|error| {
            Error::Malformed { what: "an authority's certificate".to_owned(), why: error.to_string() }
        })?;
        if !key_matches(&certificate_pem, key_pem) {
            return Err(Error::Malformed {
                what: "an authority's certificate".to_owned(),
                why: "it belongs to another private key".to_owned(),
            });
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(crypto("parse an authority's certificate"))?;
        Ok(Self { certificate_pem, certificate, issuer })
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A new key and its certificate.
    pub fn issue(&self, request: &CertificateRequest, now: SystemTime) -> Result<Identity, Error> {
        let key = KeyPair::generate().map_err(crypto("generate a key"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&request.common_name, &request.organizations);
        for name in &request.names.dns {
            let name = name.as_str().try_into().map_err(crypto("encode a DNS name"))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.extend(request.names.ips.iter().map(|&ip| SanType::IpAddress(ip)));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![match request.usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        params.not_before = offset(now - BACKDATE);
        params.not_after = offset(now + request.lifetime);
        let certificate = params.signed_by(&key, &self.issuer).map_err(|source| Error::Crypto {
            what: format!("sign a certificate for {}", request.common_name),
            source,
        })?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Signs a PKCS#10 request in PEM for `usages`, keeping its subject and alternative names, and returns the
    /// certificate in PEM.
    pub fn sign_request(
        &self,
        request_pem: &str,
        usages: &[ExtendedKeyUsagePurpose],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<String, Error> {
        let mut request = rcgen::CertificateSigningRequestParams::from_pem(request_pem)
            .map_err(crypto("parse a certificate signing request"))?;
        request.params.is_ca = IsCa::NoCa;
        request.params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        request.params.extended_key_usages = usages.to_vec();
        request.params.use_authority_key_identifier_extension = true;
        request.params.not_before = offset(now - BACKDATE);
        request.params.not_after = offset(now + lifetime);
        let certificate = request.signed_by(&self.issuer).map_err(crypto("sign a certificate signing request"))?;
        Ok(certificate.pem())
    }
}

/// A subject with CN and O. rcgen keeps one value a type, so that several organizations are impossible; the callers of
/// this process never need more than one.
fn subject(common_name: &str, organizations: &[String]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for organization in organizations {
        name.push(DnType::OrganizationName, organization.as_str());
    }
    name.push(DnType::CommonName, common_name);
    name
}

fn offset(at: SystemTime) -> OffsetDateTime {
    // X.509 has whole seconds.
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0).unwrap_or(at)
}

/// Whether a certificate says what `request` wants, was signed by `authority`, and is valid for a while after `now`:
/// `renew_before`, or a third of the wanted lifetime if that is shorter.
pub(super) fn still_good(
    certificate_pem: &str,
    request: &CertificateRequest,
    authority: &CertificateAuthority,
    now: SystemTime,
    renew_before: Duration,
) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(certificate_pem.as_bytes()) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else { return false };
    let Ok((_, signer)) = X509Certificate::from_der(&authority.certificate) else { return false };
    if certificate.verify_signature(Some(signer.public_key())).is_err() {
        return false;
    }
    let margin = renew_before.min(request.lifetime / 3);
    let latest = OffsetDateTime::from(now + margin).unix_timestamp();
    if certificate.validity().not_after.timestamp() < latest
        || certificate.validity().not_before.timestamp() > OffsetDateTime::from(now).unix_timestamp()
    {
        return false;
    }
    let (common_name, organizations) = subject_of(&certificate);
    common_name == request.common_name
        && organizations == request.organizations
        && names_of(&certificate).covers(&request.names)
}

/// CN and all O of a certificate's subject.
pub fn subject_of(certificate: &X509Certificate<'_>) -> (String, Vec<String>) {
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| attribute.as_str().ok().map(str::to_owned);
    let common_name = certificate.subject().iter_common_name().filter_map(text).next().unwrap_or_default();
    let organizations = certificate.subject().iter_organization().filter_map(text).collect();
    (common_name, organizations)
}

fn names_of(certificate: &X509Certificate<'_>) -> ServerNames {
    let mut names = ServerNames::default();
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return names };
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => {
                names.dns.insert((*name).to_owned());
            }
            GeneralName::IPAddress(bytes) => {
                if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                    names.ips.insert(v4.into());
                } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                    names.ips.insert(v6.into());
                }
            }
            _ => {}
        }
    }
    names
}

/// Whether the private key is that of the certificate.
pub(super) fn key_matches(certificate_pem: &str, key_pem: &str) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(certificate_pem.as_bytes()) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else { return false };
    let Ok(key) = KeyPair::from_pem(key_pem) else { return false };
    certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
}
