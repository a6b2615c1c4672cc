//! Requests from this server to others: members behind the proxy, webhooks.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Uri};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::serve::tls;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Clients that are kept: each holds idle connections.
const CLIENTS: usize = 256;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

type OutboundClient = Client<OutboundConnector, Body>;

/// How a server is reached.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its URL up to the path of the API.
    pub endpoint: String,
    /// The PEM certificates that it is trusted by.
    pub ca: Vec<u8>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// The URL of an HTTP proxy; empty for a direct connection.
    pub proxy: String,
    /// Headers for the proxy.
    pub proxy_headers: Vec<(String, String)>,
    /// Host and port to connect to instead of the URL's: a Service's backend.
    pub connect_to: Option<(String, u16)>,
}

fn clients() -> &'static Mutex<HashMap<Target, OutboundClient>> {
    static ALL: OnceLock<Mutex<HashMap<Target, OutboundClient>>> = OnceLock::new();
    ALL.get_or_init(Mutex::default)
}

fn client_for(target: &Target) -> Result<OutboundClient, BoxError> {
    if let Some(client) = clients().lock().get(target) {
        return Ok(client.clone());
    }
    let connector = OutboundConnector(Arc::new(Connector { target: target.clone(), tls: tls_of(target)? }));
    let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(60)).build(connector);
    let mut all = clients().lock();
    if all.len() >= CLIENTS {
        // Rare: more members than that are proxied to. Connections are only reopened.
        all.clear();
    }
    all.insert(target.clone(), client.clone());
    Ok(client)
}

fn tls_of(target: &Target) -> Result<Arc<rustls::ClientConfig>, BoxError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let config = if target.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(tls::AnyServerCertificate::new(provider)))
    } else {
        let mut roots = rustls::RootCertStore::empty();
        let pem = String::from_utf8_lossy(&target.ca);
        for certificate in tls::chain(&pem)? {
            roots.add(certificate)?;
        }
        builder.with_root_certificates(roots)
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Sends a request. The error is a text with all causes.
pub async fn send(
    target: &Target,
    request: http::Request<Body>,
) -> Result<hyper::Response<hyper::body::Incoming>, String> {
    let client = client_for(target).map_err(|error| error.to_string())?;
    client.request(request).await.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    })
}

/// Opens connections to one server.
#[derive(Clone)]
struct OutboundConnector(Arc<Connector>);

struct Connector {
    target: Target,
    tls: Arc<rustls::ClientConfig>,
}

impl tower::Service<Uri> for OutboundConnector {
    type Response = OutboundStream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<OutboundStream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.0.clone();
        Box::pin(async move { timeout(CONNECT, connector.connect(&uri)).await? })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<OutboundStream, BoxError> {
        let host = uri.host().ok_or("the API endpoint names no host")?;
        let secure = uri.scheme_str() != Some("http");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = if let Some((host, port)) = &self.target.connect_to {
            TcpStream::connect((host.as_str(), *port)).await?
        } else if self.target.proxy.is_empty() {
            TcpStream::connect((bare, port)).await?
        } else {
            self.through_proxy(host, port).await?
        };
        stream.set_nodelay(true)?;
        if !secure {
            return Ok(OutboundStream(TokioIo::new(Either::Plain(stream))));
        }
        let name = rustls_pki_types::ServerName::try_from(bare.to_owned())?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await?;
        Ok(OutboundStream(TokioIo::new(Either::Tls(Box::new(stream)))))
    }

    /// A tunnel through an HTTP proxy.
    async fn through_proxy(&self, host: &str, port: u16) -> Result<TcpStream, BoxError> {
        let proxy: Uri = self.target.proxy.parse()?;
        if proxy.scheme_str() != Some("http") {
            return Err(format!("proxies of the scheme {:?} are not supported yet", proxy.scheme_str()).into());
        }
        let proxy_host = proxy.host().ok_or("the proxy's URL names no host")?;
        let mut stream = TcpStream::connect((proxy_host, proxy.port_u16().unwrap_or(80))).await?;
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        for (name, value) in &self.target.proxy_headers {
            // Checked, so that a value cannot smuggle a line of its own.
            let (name, value) = (HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
            head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() > 8192 {
                return Err("the proxy's answer is too long".into());
            }
            answer.push(stream.read_u8().await?);
        }
        let first = String::from_utf8_lossy(&answer);
        let first = first.lines().next().unwrap_or_default();
        if first.split_whitespace().nth(1) == Some("200") {
            Ok(stream)
        } else {
            Err(format!("the proxy refused: {first}").into())
        }
    }
}

/// A connection to a server.
struct OutboundStream(TokioIo<Either>);

enum Either {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for OutboundStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for OutboundStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for OutboundStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl tokio::io::AsyncRead for Either {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl tokio::io::AsyncWrite for Either {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
