//! From a Cluster object to a client of that cluster.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use karmada_api::cluster::Cluster;
use karmada_runtime::{Class, Classify, Patcher, Resource};
use kube::Client;
use serde_json::Value;

/// A client of a member could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The Cluster object is not known (yet).
    #[error("find cluster {cluster}")]
    UnknownCluster {
        /// The cluster.
        cluster: String,
    },
    /// The Cluster object names no endpoint.
    #[error("cluster {cluster} has no apiEndpoint")]
    NoEndpoint {
        /// The cluster.
        cluster: String,
    },
    /// The Secret with the token is not there, or has no token.
    #[error("cluster {cluster} has no usable secret {secret}")]
    NoSecret {
        /// The cluster.
        cluster: String,
        /// Namespace and name of the Secret; empty if the Cluster names none.
        secret: String,
    },
    /// A field of the Cluster or Secret cannot be used.
    #[error("use {field} of cluster {cluster}")]
    Invalid {
        /// The cluster.
        cluster: String,
        /// The field.
        field: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Secret could not be read.
    #[error("read the secret of cluster {cluster}")]
    Secret {
        /// The cluster.
        cluster: String,
        /// Why.
        #[source]
        source: karmada_runtime::Error,
    },
}

impl Classify for ConnectError {
    fn category(&self) -> &'static str {
        match self {
            Self::UnknownCluster { .. } => "unknown_cluster",
            Self::NoEndpoint { .. } | Self::NoSecret { .. } | Self::Invalid { .. } => "credentials",
            Self::Secret { source, .. } => source.category(),
        }
    }

    fn class(&self) -> Class {
        match self {
            // A change of the Cluster or Secret brings the keys back; the slow look covers a missed one.
            Self::UnknownCluster { .. } | Self::NoEndpoint { .. } | Self::NoSecret { .. } | Self::Invalid { .. } => {
                Class::Waiting(Duration::from_secs(10))
            }
            Self::Secret { source, .. } => source.class(),
        }
    }
}

/// Makes a client of a member. Implemented over Secrets for real members; tests connect members of their own process.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A client with the rights that the Cluster's credentials have.
    async fn connect(&self, cluster: &Cluster) -> Result<Client, ConnectError>;
}

/// Connects by `apiEndpoint`, `secretRef` (token, caBundle), `insecureSkipTLSVerification` and `proxyURL`.
pub struct SecretConnector {
    control: Patcher,
}

impl SecretConnector {
    /// A connector that reads Secrets through this client.
    pub fn new(control: Patcher) -> Self {
        Self { control }
    }
}

/// Karmada's time limit for requests to members.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(32);

#[async_trait]
impl Connect for SecretConnector {
    async fn connect(&self, cluster: &Cluster) -> Result<Client, ConnectError> {
        let name = cluster.metadata.name.clone().unwrap_or_default();
        let spec = &cluster.spec;
        if spec.api_endpoint.is_empty() {
            return Err(ConnectError::NoEndpoint { cluster: name });
        }
        let invalid = |field: &'static str, source: Box<dyn std::error::Error + Send + Sync>| ConnectError::Invalid {
            cluster: name.clone(),
            field,
            source,
        };
        let endpoint: http::Uri =
            spec.api_endpoint.parse().map_err(|e: http::uri::InvalidUri| invalid("spec.apiEndpoint", e.into()))?;
        let Some(reference) = &spec.secret_ref else {
            return Err(ConnectError::NoSecret { cluster: name, secret: String::new() });
        };
        let shown = format!("{}/{}", reference.namespace, reference.name);
        let missing = || ConnectError::NoSecret { cluster: name.clone(), secret: shown.clone() };
        let secret = self
            .control
            .get(&secrets(), &reference.namespace, &reference.name)
            .await
            .map_err(|source| ConnectError::Secret { cluster: name.clone(), source })?
            .ok_or_else(missing)?;
        let token = data(&secret, "token").filter(|t| !t.is_empty()).ok_or_else(missing)?;
        let mut config = kube::Config::new(endpoint);
        config.connect_timeout = Some(Duration::from_secs(10));
        config.read_timeout = None;
        config.write_timeout = Some(MEMBER_TIMEOUT);
        config.auth_info.token = Some(String::from_utf8_lossy(&token).into_owned().into());
        if spec.insecure_skip_tls_verification {
            config.accept_invalid_certs = true;
        } else if let Some(bundle) = data(&secret, "caBundle") {
            let blocks = pem::parse_many(&bundle).map_err(|e| invalid("caBundle", e.into()))?;
            config.root_cert = Some(blocks.into_iter().map(pem::Pem::into_contents).collect());
        }
        if !spec.proxy_url.is_empty() {
            let proxy = spec.proxy_url.parse::<http::Uri>().map_err(|e| invalid("spec.proxyURL", e.into()))?;
            config.proxy_url = Some(proxy);
        }
        Client::try_from(config).map_err(|e| invalid("spec", e.into()))
    }
}

fn secrets() -> Resource {
    Resource {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        plural: "secrets".to_owned(),
        namespaced: true,
    }
}

fn data(secret: &Value, key: &str) -> Option<Vec<u8>> {
    let text = secret.get("data")?.get(key)?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}
