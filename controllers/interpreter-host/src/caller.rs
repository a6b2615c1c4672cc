//! Calls webhooks from code that cannot wait.
//!
//! A layer answers at once: planning is a plain function, and asking is part of it. The calls themselves run on a thread of
//! their own with its own small runtime; whoever asks blocks until the answer or the webhook's time limit. Callers are
//! controllers' workers, so their number is bounded; on the multi-threaded runtime the rest of the work moves to other
//! threads meanwhile. The thread starts with the first call and ends with its layer.

use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use k8s_openapi::api::core::v1::Service;
use karmada_api::config::{ResourceInterpreterWebhook, ServiceReference, WebhookClientConfig};
use karmada_runtime::Patcher;
use karmada_runtime::error::chain;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// The time limit of a webhook that names none, and the longest that one may name.
const DEFAULT_LIMIT: u64 = 10;
const LONGEST_LIMIT: u64 = 30;
/// Answers that come with the limit still count.
const SLACK: Duration = Duration::from_millis(500);

struct Call {
    hook: ResourceInterpreterWebhook,
    body: Vec<u8>,
    limit: Duration,
    answer: SyncSender<Result<String, String>>,
}

/// Asks webhooks and waits for their answers.
pub(crate) struct Caller {
    control: kube::Client,
    calls: OnceLock<Option<UnboundedSender<Call>>>,
}

impl Caller {
    /// Services are looked up through this client.
    pub(crate) fn new(control: kube::Client) -> Self {
        Self { control, calls: OnceLock::new() }
    }

    /// The text that the webhook answers.
    pub(crate) fn call(&self, hook: &ResourceInterpreterWebhook, body: Vec<u8>) -> Result<String, String> {
        let calls = self.calls.get_or_init(|| start(self.control.clone())).as_ref();
        let calls = calls.ok_or("the thread for webhooks did not start")?;
        let seconds = hook.timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(DEFAULT_LIMIT);
        let limit = Duration::from_secs(seconds.clamp(1, LONGEST_LIMIT));
        let (answer, receiver) = sync_channel(1);
        let call = Call { hook: hook.clone(), body, limit, answer };
        calls.send(call).map_err(|_| "the thread for webhooks has ended".to_owned())?;
        let wait = || match receiver.recv_timeout(limit + SLACK) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(late(limit)),
            Err(RecvTimeoutError::Disconnected) => Err("the call was abandoned".to_owned()),
        };
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        }
    }
}

fn late(limit: Duration) -> String {
    format!("context deadline exceeded after {}s", limit.as_secs())
}

fn start(control: kube::Client) -> Option<UnboundedSender<Call>> {
    let (sender, mut calls) = unbounded_channel::<Call>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let run = move || {
        runtime.block_on(async move {
            let clients =
                Arc::new(Clients { control: Patcher::new(control, "karmada-interpreter"), known: Mutex::default() });
            while let Some(Call { hook, body, limit, answer }) = calls.recv().await {
                let clients = Arc::clone(&clients);
                tokio::spawn(async move {
                    let result = match tokio::time::timeout(limit, clients.send(&hook, body)).await {
                        Ok(result) => result,
                        Err(_) => Err(late(limit)),
                    };
                    // Whoever asked may have given up.
                    drop(answer.try_send(result));
                });
            }
        });
    };
    match std::thread::Builder::new().name("interpreter-webhooks".to_owned()).spawn(run) {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::error!(%error, "start the thread for interpreter webhooks");
            None
        }
    }
}

/// Clients by address and authorities.
struct Clients {
    control: Patcher,
    known: Mutex<HashMap<(String, Vec<u8>), kube::Client>>,
}

/// A bound for the clients that are kept: configurations come and go.
const MOST_CLIENTS: usize = 64;

impl Clients {
    async fn send(&self, hook: &ResourceInterpreterWebhook, body: Vec<u8>) -> Result<String, String> {
        let (base, path, server_name) = self.address(&hook.client_config).await?;
        let client = self.client(&base, server_name, hook.client_config.ca_bundle.as_ref().map(|b| b.0.as_slice()))?;
        let request = Request::post(path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| error.to_string())?;
        client.request_text(request).await.map_err(|error| chain(&error))
    }

    /// Base address, path, and the name that the certificate must bear if it is not the host's.
    async fn address(&self, config: &WebhookClientConfig) -> Result<(String, String, Option<String>), String> {
        if let Some(url) = &config.url {
            let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
            let (scheme, authority) = (uri.scheme_str().unwrap_or("https"), uri.authority());
            let authority = authority.ok_or_else(|| format!("url {url:?} names no host"))?;
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            return Ok((format!("{scheme}://{authority}"), path.to_owned(), None));
        }
        let Some(service) = &config.service else { return Err("neither url nor service is given".to_owned()) };
        let ServiceReference { namespace, name, path, port } = service;
        let port = port.unwrap_or(443);
        let server_name = format!("{name}.{namespace}.svc");
        let found: Option<Service> = self.control.get_typed(namespace, name).await.map_err(|error| chain(&error))?;
        let host = found.and_then(|service| service.spec).and_then(|spec| match spec.type_.as_deref() {
            Some("ExternalName") => spec.external_name,
            _ => spec.cluster_ip.filter(|ip| !ip.is_empty() && ip != "None"),
        });
        let host = match host {
            Some(host) if host.contains(':') => format!("[{host}]"),
            Some(host) => host,
            None => server_name.clone(),
        };
        let path = path.clone().filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
        Ok((format!("https://{host}:{port}"), path, Some(server_name)))
    }

    fn client(
        &self,
        base: &str,
        server_name: Option<String>,
        authorities: Option<&[u8]>,
    ) -> Result<kube::Client, String> {
        let shown = format!("{base} {}", server_name.as_deref().unwrap_or_default());
        let id = (shown, authorities.unwrap_or_default().to_vec());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&id) {
            return Ok(client.clone());
        }
        let mut config = kube::Config::new(base.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?);
        config.tls_server_name = server_name;
        if let Some(bundle) = authorities.filter(|bundle| !bundle.is_empty()) {
            let blocks = pem::parse_many(bundle).map_err(|error| error.to_string())?;
            config.root_cert = Some(blocks.into_iter().map(pem::Pem::into_contents).collect());
        }
        let client = kube::Client::try_from(config).map_err(|error| chain(&error))?;
        if known.len() >= MOST_CLIENTS {
            known.clear();
        }
        known.insert(id, client.clone());
        Ok(client)
    }
}
