//! One API server in process, for tests: in memory, without sockets, each test its own.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use karmada_test_support::TestServer;
//! let server = TestServer::control_plane().await?;
//! let client: kube::Client = server.client();
//! let (code, namespaces) = server.get("/api/v1/namespaces").await?;
//! assert_eq!((code, namespaces["kind"].as_str()), (200, Some("NamespaceList")));
//! # Ok(()) }
//! ```

use std::{future::Future, sync::Arc, time::Duration};

use karmada_apiserver_aggregator::{
    config::ServerConfig,
    server::{Server, StartError},
};
use karmada_storage::{MemoryStore, Store};
use kube::client::Body;
use serde_json::Value;

/// How long [`eventually`] waits unless told otherwise: far longer than anything in a test should take, so that a slow
/// machine does not fail it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What can go wrong in a test's request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server did not start.
    #[error("start the server")]
    Start(#[from] StartError),
    /// The request could not be built.
    #[error("build a request")]
    Request(#[from] http::Error),
    /// The request failed below HTTP.
    #[error("send a request")]
    Send(#[from] kube::Error),
    /// The answer was no JSON.
    #[error("decode an answer")]
    Decode(#[from] serde_json::Error),
}

/// A server that lives as long as the test holds it.
pub struct TestServer {
    server: Server,
    client: kube::Client,
}

impl TestServer {
    /// A Karmada control plane with default roles and all the controllers of its process.
    ///
    /// # Errors
    /// When the server cannot start.
    pub async fn control_plane() -> Result<Self, Error> {
        Self::with(ServerConfig::control_plane(memory())).await
    }

    /// The API server of a member cluster.
    ///
    /// # Errors
    /// As [`Self::control_plane`].
    pub async fn member() -> Result<Self, Error> {
        Self::with(ServerConfig::member(memory())).await
    }

    /// A server as configured.
    ///
    /// # Errors
    /// As [`Self::control_plane`].
    pub async fn with(config: ServerConfig) -> Result<Self, Error> {
        let server = Server::start(config).await?;
        let client = server.client();
        Ok(Self { server, client })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A client that may do everything. It speaks HTTP with the server's router, without a socket.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Sends a request; a body makes it one with JSON. Gives the code and the answer (a string where it is no JSON).
    ///
    /// # Errors
    /// When the request is malformed or the connection fails; codes of 400 and above are no errors here.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Error> {
        let media_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.send(method, path, media_type, body.map(Value::to_string).unwrap_or_default()).await
    }

    /// Sends a request with a body of any media type.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn send(&self, method: &str, path: &str, media_type: &str, body: String) -> Result<(u16, Value), Error> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, media_type)
            .header(http::header::USER_AGENT, "test/1.0")
            .body(Body::from(body.into_bytes()))?;
        let response = self.client.send(request).await?;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await?;
        let value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok((code, value))
    }

    /// GET.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn get(&self, path: &str) -> Result<(u16, Value), Error> {
        self.request("GET", path, None).await
    }

    /// POST.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), Error> {
        self.request("POST", path, Some(body)).await
    }
}

/// A store in memory.
pub fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// Asks again until there is an answer, for [`PATIENCE`] at most; `None` when there was none.
pub async fn eventually<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> Option<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.ok()
}
