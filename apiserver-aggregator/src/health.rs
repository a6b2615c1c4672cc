//! Paths that are no resources: health, metrics, and the keys of service account tokens.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderValue, StatusCode, header};
use karmada_machinery::StatusError;
use karmada_rest::{ApiServer, call::Call, registry::Handler};
use karmada_storage::Store;
use parking_lot::Mutex;
use prometheus::Encoder as _;
use serde_json::{Value, json};

use crate::authn::service_account::ServiceAccountTokens;

/// Steps of the start, each a check of `/readyz`.
#[derive(Default)]
pub struct Readiness {
    steps: Mutex<Vec<(&'static str, Arc<AtomicBool>)>>,
    stopping: AtomicBool,
}

impl Readiness {
    /// A step that has not been taken yet; set it to `true` when it has.
    pub fn step(&self, name: &'static str) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        self.steps.lock().push((name, flag.clone()));
        flag
    }

    /// The server stops taking requests soon: load balancers should look elsewhere.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether all steps have been taken and the server is not stopping.
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Acquire) && self.steps.lock().iter().all(|(_, s)| s.load(Ordering::Acquire))
    }
}

/// Serves the paths.
pub struct Paths {
    /// The store, whose health is the server's.
    pub store: Arc<dyn Store>,
    /// Steps of the start.
    pub readiness: Arc<Readiness>,
    /// Whose keys are published.
    pub tokens: Arc<ServiceAccountTokens>,
    /// This server's figures.
    pub metrics: prometheus::Registry,
    /// The URL that the OpenID document names, if it is known.
    pub external_url: Option<String>,
}

/// A check's name and what is wrong, if anything.
type Check = (String, Option<String>);

impl Paths {
    async fn checks(&self, ready: bool) -> Vec<Check> {
        let store = self.store.health().await.err().map(|error| error.to_string());
        let mut checks: Vec<Check> =
            vec![("ping".to_owned(), None), ("log".to_owned(), None), ("etcd".to_owned(), store)];
        if ready {
            for (name, done) in self.readiness.steps.lock().iter() {
                let missing = (!done.load(Ordering::Acquire)).then(|| "not finished".to_owned());
                checks.push(((*name).to_owned(), missing));
            }
            let stopping = self.readiness.stopping.load(Ordering::Acquire);
            checks.push(("shutdown".to_owned(), stopping.then(|| "process is shutting down".to_owned())));
        }
        checks
    }

    async fn health(&self, call: &Call, endpoint: &str, one: Option<&str>) -> Option<Response> {
        let mut checks = self.checks(endpoint == "readyz").await;
        if let Some(one) = one {
            checks.retain(|(name, _)| name == one);
            if checks.is_empty() {
                return None;
            }
        }
        let excluded: Vec<String> = call.query.all("exclude").map(str::to_owned).collect();
        checks.retain(|(name, _)| !excluded.contains(name));
        let good = checks.iter().all(|(_, problem)| problem.is_none());
        let verbose = call.query.get("verbose").is_some();
        if good && !verbose {
            return Some(text(StatusCode::OK, "ok".to_owned()));
        }
        let mut lines = String::new();
        for (name, problem) in &checks {
            match problem {
                None => lines.push_str(&format!("[+]{name} ok\n")),
                // Why is not told to everybody; it is in the log.
                Some(problem) => {
                    tracing::warn!(check = name, problem, endpoint, "health check failed");
                    lines.push_str(&format!("[-]{name} failed: reason withheld\n"));
                }
            }
        }
        let (code, verdict) =
            if good { (StatusCode::OK, "passed") } else { (StatusCode::INTERNAL_SERVER_ERROR, "failed") };
        lines.push_str(&format!("{endpoint} check {verdict}\n"));
        Some(text(code, lines))
    }

    fn figures(&self) -> Response {
        let mut bytes = Vec::new();
        let encoder = prometheus::TextEncoder::new();
        if let Err(error) = encoder.encode(&self.metrics.gather(), &mut bytes) {
            return crate::status_response(&StatusError::internal(error));
        }
        let mut all = String::from_utf8_lossy(&bytes).into_owned();
        all.push_str(&karmada_runtime::metrics::render());
        let mut response = text(StatusCode::OK, all);
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn openid(&self) -> Value {
        let issuer = self.tokens.issuer();
        let base = self.external_url.as_deref().unwrap_or(issuer);
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{base}/openid/v1/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }
}

fn text(code: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

fn document(value: &Value, content_type: &'static str) -> Response {
    let mut response = text(StatusCode::OK, value.to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// The answer to a path that nobody serves.
pub fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned())
}

#[async_trait]
impl Handler for Paths {
    async fn serve(&self, _server: &ApiServer, call: Call, _request: Request) -> Result<Response, StatusError> {
        let path = call.info.path.trim_end_matches('/');
        for endpoint in ["healthz", "livez", "readyz"] {
            let Some(rest) = path.strip_prefix('/').and_then(|p| p.strip_prefix(endpoint)) else { continue };
            let one = match rest.strip_prefix('/') {
                Some(one) => Some(one),
                None if rest.is_empty() => None,
                None => continue,
            };
            return Ok(self.health(&call, endpoint, one).await.unwrap_or_else(not_found));
        }
        Ok(match path {
            "/metrics" => self.figures(),
            "/.well-known/openid-configuration" => document(&self.openid(), "application/json"),
            "/openid/v1/jwks" => document(&self.tokens.jwks(), "application/jwk-set+json"),
            _ => not_found(),
        })
    }
}
