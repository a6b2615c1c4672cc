//! The shell of a component's process: flags, logging, signals, metrics and health endpoints.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

/// How a component reaches the control plane.
#[derive(Clone, Debug, clap::Args)]
pub struct ClientArgs {
    /// Path to a kubeconfig of the control plane. Without it, $KUBECONFIG, ~/.kube/config and the pod's service account are
    /// tried.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, default_value = "")]
    pub context: String,
    /// Requests a second to the control plane. Accepted for compatibility: requests are bounded by the workers instead.
    #[arg(long, default_value_t = 40.0)]
    pub kube_api_qps: f32,
    /// Burst of requests to the control plane. Accepted for compatibility.
    #[arg(long, default_value_t = 60)]
    pub kube_api_burst: u32,
}

/// A process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be read or used.
    #[error("read the kubeconfig {path}")]
    Kubeconfig {
        /// Its path, or what was tried.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A port cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ClientArgs {
    /// A client for the control plane that these flags name.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        let failed = |path: &str, source: Box<dyn std::error::Error + Send + Sync>| Error::Kubeconfig {
            path: path.to_owned(),
            source,
        };
        let options = kube::config::KubeConfigOptions {
            context: (!self.context.is_empty()).then(|| self.context.clone()),
            ..Default::default()
        };
        let config = match &self.kubeconfig {
            Some(path) => {
                let shown = path.display().to_string();
                let kubeconfig = kube::config::Kubeconfig::read_from(path).map_err(|e| failed(&shown, Box::new(e)))?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(|e| failed(&shown, Box::new(e)))?
            }
            None => kube::Config::infer().await.map_err(|e| failed("(inferred)", Box::new(e)))?,
        };
        kube::Client::try_from(config).map_err(|e| failed("(client)", Box::new(e)))
    }
}

/// Where metrics and health are served.
#[derive(Clone, Debug, clap::Args)]
pub struct EndpointArgs {
    /// Address of the metrics endpoint; 0 or empty turns it off.
    #[arg(long, default_value = ":8080")]
    pub metrics_bind_address: String,
    /// Address of the health endpoint; 0 or empty turns it off.
    #[arg(long, default_value = ":10357")]
    pub health_probe_bind_address: String,
}

/// Parses an address as Go does: `:8080` means all interfaces. `None` for `0` and the empty string, which turn it off.
pub fn parse_bind_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let full = if let Some(port) = text.strip_prefix(':') { format!("0.0.0.0:{port}") } else { text.to_owned() };
    full.parse().map(Some).map_err(|e| format!("{text:?} is no address: {e}"))
}

/// Whether a component is ready; shared between the component and its health endpoint.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Marks the component as ready or not.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl EndpointArgs {
    /// Serves `/metrics` and `/healthz`, `/readyz`, `/livez` until `shutdown`. Fails if a port is taken.
    pub async fn serve(&self, readiness: Readiness, shutdown: CancellationToken) -> Result<(), Error> {
        let invalid = |address: &str, why: String| Error::Listen {
            address: address.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, why),
        };
        let metrics =
            parse_bind_address(&self.metrics_bind_address).map_err(|e| invalid(&self.metrics_bind_address, e))?;
        let health = parse_bind_address(&self.health_probe_bind_address)
            .map_err(|e| invalid(&self.health_probe_bind_address, e))?;
        if let Some(address) = metrics {
            let router = Router::new().route("/metrics", get(|| async { crate::metrics::render() }));
            listen(address, router, shutdown.clone()).await?;
        }
        if let Some(address) = health {
            let ready = get(move || {
                let ready = readiness.is_ready();
                async move { if ready { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") } }
            });
            let router = Router::new()
                .route("/healthz", get(|| async { "ok" }))
                .route("/livez", get(|| async { "ok" }))
                .route("/readyz", ready);
            listen(address, router, shutdown).await?;
        }
        Ok(())
    }
}

async fn listen(address: SocketAddr, router: Router, shutdown: CancellationToken) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address: address.to_string(), source })?;
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "endpoint stopped");
        }
    });
    Ok(())
}

/// Logging flags, with klog's names.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Verbosity: 0 to 2 info, 3 and 4 debug, 5 and more trace.
    #[arg(short = 'v', long = "v", default_value_t = 0)]
    pub v: u8,
    /// Format of log lines: text or json.
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    pub logging_format: String,
}

impl LogArgs {
    /// Starts logging to stderr. `RUST_LOG` wins over the flag. Safe to call more than once.
    pub fn start(&self) {
        use tracing_subscriber::EnvFilter;
        let level = match self.v {
            0..=2 => "info",
            3..=4 => "debug",
            _ => "trace",
        };
        // The client logs every refused connection as an error; whoever sent the request reports it with its context.
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| EnvFilter::new(format!("{level},kube_client::client::builder=off")));
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // A second start in one process (all-in-one, tests) keeps the first subscriber.
        let _already_started =
            if self.logging_format == "json" { builder.json().try_init() } else { builder.try_init() };
    }
}

/// A token that is cancelled by SIGINT or SIGTERM.
pub fn shutdown_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let interrupted = tokio::signal::ctrl_c();
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminated) => {
                tokio::select! {
                    _ = interrupted => {}
                    _ = terminated.recv() => {}
                }
            }
            Err(_) => {
                let _interrupted = interrupted.await;
            }
        }
        cancelled.cancel();
    });
    token
}

/// Parses a duration as Go does: `10s`, `1m30s`, `1.5h`, `250ms`, `0`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration (expected for example 10s, 1m30s, 250ms)");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0f64;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest.get(..digits).and_then(|d| d.parse().ok()).ok_or_else(bad)?;
        rest = rest.get(digits..).unwrap_or_default();
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = rest.get(..unit_end).unwrap_or_default();
        rest = rest.get(unit_end..).unwrap_or_default();
        seconds += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(bad()),
            };
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
        for bad in ["", "10", "s", "1d", "-3s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bind_addresses_are_read_as_go_reads_them() {
        assert_eq!(parse_bind_address(":8080").unwrap().unwrap().port(), 8080);
        assert_eq!(parse_bind_address("0"), Ok(None));
        assert!(parse_bind_address("nowhere").is_err());
    }
}
