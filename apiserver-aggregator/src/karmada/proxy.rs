//! `clusters/<name>/proxy/<path>`: a request to a member, as the user who asks, with the control plane's credentials.
//!
//! The member sees the impersonator's token and the user's name and groups in `Impersonate-*` headers; what the user may
//! do there is the member's own access control. Who may use the proxy at all is this server's: `clusters/proxy`.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use axum::{body::Body, extract::Request, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use karmada_machinery::{GroupResource, GroupVersionResource, StatusError};
use karmada_rest::{ApiServer, access::UserInfo, call::Call, registry::Handler, server::wants_upgrade};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::CLUSTER_GROUP;
use crate::{inprocess, serve::tls};

/// How long connecting to a member may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Clients of members that are kept: each holds idle connections.
const CLIENTS: usize = 256;

/// The handler.
pub struct ClusterProxy;

type MemberClient = Client<MemberConnector, Body>;

/// How a member is reached.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Target {
    endpoint: String,
    ca: Vec<u8>,
    insecure: bool,
    proxy: String,
    proxy_headers: Vec<(String, String)>,
}

fn clients() -> &'static Mutex<HashMap<Target, MemberClient>> {
    static ALL: OnceLock<Mutex<HashMap<Target, MemberClient>>> = OnceLock::new();
    ALL.get_or_init(Mutex::default)
}

fn client_for(target: &Target) -> Result<MemberClient, StatusError> {
    if let Some(client) = clients().lock().get(target) {
        return Ok(client.clone());
    }
    let connector = MemberConnector(Arc::new(Connector { target: target.clone(), tls: tls_of(target)? }));
    let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(60)).build(connector);
    let mut all = clients().lock();
    if all.len() >= CLIENTS {
        // Rare: more members than that are proxied to. Connections are only reopened.
        all.clear();
    }
    all.insert(target.clone(), client.clone());
    Ok(client)
}

fn tls_of(target: &Target) -> Result<Arc<rustls::ClientConfig>, StatusError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(StatusError::internal)?;
    let config = if target.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(tls::AnyServerCertificate::new(provider)))
    } else {
        let mut roots = rustls::RootCertStore::empty();
        let pem = String::from_utf8_lossy(&target.ca);
        for certificate in tls::chain(&pem).map_err(StatusError::internal)? {
            roots.add(certificate).map_err(StatusError::internal)?;
        }
        builder.with_root_certificates(roots)
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

#[async_trait]
impl Handler for ClusterProxy {
    async fn serve(&self, server: &ApiServer, call: Call, request: Request) -> Result<Response, StatusError> {
        let name = call.info.name.as_str();
        if name == "*" {
            return Err(StatusError::new(
                501,
                karmada_machinery::Reason::Unknown,
                "requests to all clusters at once are not available yet; name one cluster",
            ));
        }
        let clusters = GroupVersionResource::new(CLUSTER_GROUP, "v1alpha1", "clusters");
        let cluster = inprocess::get(server, &clusters, "", name).await?;
        let cluster = cluster.ok_or_else(|| StatusError::not_found(&clusters.group_resource(), name))?;
        let (target, token) = target(server, &cluster, name).await?;
        let uri = member_uri(&target.endpoint, request.uri(), name)?;
        forward(&target, &token, &call.user, uri, request).await
    }
}

async fn target(server: &ApiServer, cluster: &Value, name: &str) -> Result<(Target, String), StatusError> {
    let spec = &cluster["spec"];
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    let endpoint = text("apiEndpoint");
    if endpoint.is_empty() {
        return Err(StatusError::unavailable(format!("the API endpoint of cluster {name} is not known")));
    }
    let Some(impersonator) = secret(server, &spec["impersonatorSecretRef"]).await? else {
        return Err(StatusError::unavailable(format!("the impersonatorSecretRef of cluster {name} is not set")));
    };
    let token = data(&impersonator, "token");
    if token.is_empty() {
        return Err(StatusError::unavailable(format!("the impersonator token of cluster {name} is not there yet")));
    }
    let insecure = spec["insecureSkipTLSVerification"] == true;
    let ca = if insecure {
        Vec::new()
    } else {
        match secret(server, &spec["secretRef"]).await? {
            Some(credentials) => data(&credentials, "caBundle"),
            None => data(&impersonator, "caBundle"),
        }
    };
    let headers = spec["proxyHeader"].as_object().into_iter().flatten();
    let target = Target {
        endpoint,
        ca,
        insecure,
        proxy: text("proxyURL"),
        proxy_headers: headers.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect(),
    };
    Ok((target, String::from_utf8_lossy(&token).into_owned()))
}

async fn secret(server: &ApiServer, reference: &Value) -> Result<Option<Value>, StatusError> {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    if text("name").is_empty() {
        return Ok(None);
    }
    let secrets = GroupVersionResource::new("", "v1", "secrets");
    match inprocess::get(server, &secrets, text("namespace"), text("name")).await? {
        Some(secret) => Ok(Some(secret)),
        None => Err(StatusError::not_found(&GroupResource::new("", "secrets"), text("name"))),
    }
}

fn data(secret: &Value, key: &str) -> Vec<u8> {
    STANDARD.decode(secret["data"][key].as_str().unwrap_or_default()).unwrap_or_default()
}

/// The member's URL for a request to the proxy: what follows `/proxy`, under the endpoint's own path.
fn member_uri(endpoint: &str, request: &Uri, name: &str) -> Result<Uri, StatusError> {
    let marker = format!("/clusters/{name}/proxy");
    let path = request.path();
    let rest = path.find(&marker).map_or("", |at| &path[at + marker.len()..]);
    let mut uri = format!("{}{}", endpoint.trim_end_matches('/'), if rest.is_empty() { "/" } else { rest });
    if let Some(query) = request.query() {
        uri.push('?');
        uri.push_str(query);
    }
    uri.parse().map_err(|error| StatusError::bad_request(format!("the URL {uri:?} of the member: {error}")))
}

/// Headers that concern one connection only, and those that say who asks.
fn strip(headers: &mut HeaderMap, keep_upgrade: bool) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|token| token.trim().to_ascii_lowercase().parse().ok())
        .filter(|name: &HeaderName| *name != header::UPGRADE)
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in ["host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "authorization"] {
        headers.remove(name);
    }
    if !keep_upgrade {
        headers.remove(header::CONNECTION);
        headers.remove(header::UPGRADE);
    }
    let impersonation: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("impersonate-")).cloned().collect();
    for name in impersonation {
        headers.remove(name);
    }
}

fn identify(headers: &mut HeaderMap, token: &str, user: &UserInfo) -> Result<(), StatusError> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| StatusError::bad_request("the user's name does not fit in a header"))
    };
    headers.insert(header::AUTHORIZATION, value(&format!("Bearer {token}"))?);
    headers.insert("impersonate-user", value(&user.name)?);
    for group in &user.groups {
        // The member adds these by itself, and nobody may impersonate them.
        if group != "system:authenticated" && group != "system:unauthenticated" {
            headers.append("impersonate-group", value(group)?);
        }
    }
    Ok(())
}

async fn forward(
    target: &Target,
    token: &str,
    user: &UserInfo,
    uri: Uri,
    mut request: Request,
) -> Result<Response, StatusError> {
    let upgrading = wants_upgrade(request.headers());
    let upgrade = upgrading.then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    strip(&mut parts.headers, upgrading);
    identify(&mut parts.headers, token, user)?;
    let mut onward = http::Request::new(body);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = uri;
    *onward.headers_mut() = parts.headers;
    let response = client_for(target)?.request(onward).await.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        StatusError::unavailable(format!("error trying to reach the member: {text}"))
    })?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(upgrade) = upgrade
    {
        return Ok(tunnel(upgrade, response));
    }
    let (mut parts, body) = response.into_parts();
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    Ok(Response::from_parts(parts, Body::new(body.map_err(axum::Error::new))))
}

/// Joins the two upgraded connections.
fn tunnel(upgrade: hyper::upgrade::OnUpgrade, mut response: hyper::Response<hyper::body::Incoming>) -> Response {
    let member = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let (client, member) = match tokio::try_join!(upgrade, member) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "upgrade a proxied connection");
                return;
            }
        };
        let copied = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(member)).await;
        if let Err(error) = copied {
            tracing::debug!(%error, "a proxied connection broke");
        }
    });
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Body::empty())
}

/// Opens connections to one member.
#[derive(Clone)]
struct MemberConnector(Arc<Connector>);

struct Connector {
    target: Target,
    tls: Arc<rustls::ClientConfig>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl tower::Service<Uri> for MemberConnector {
    type Response = MemberStream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<MemberStream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.0.clone();
        Box::pin(async move { timeout(CONNECT, connector.connect(&uri)).await? })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<MemberStream, BoxError> {
        let host = uri.host().ok_or("the API endpoint names no host")?;
        let secure = uri.scheme_str() != Some("http");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = if self.target.proxy.is_empty() {
            TcpStream::connect((bare, port)).await?
        } else {
            self.through_proxy(host, port).await?
        };
        stream.set_nodelay(true)?;
        if !secure {
            return Ok(MemberStream(TokioIo::new(Either::Plain(stream))));
        }
        let name = rustls_pki_types::ServerName::try_from(bare.to_owned())?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await?;
        Ok(MemberStream(TokioIo::new(Either::Tls(Box::new(stream)))))
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

/// A connection to a member.
struct MemberStream(TokioIo<Either>);

enum Either {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for MemberStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for MemberStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for MemberStream {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_url_is_what_follows_the_proxy() {
        let request = |text: &str| text.parse::<Uri>().unwrap();
        let base = "/apis/cluster.karmada.io/v1alpha1/clusters/m1/proxy";
        for (endpoint, path, expect) in [
            ("https://h:1", format!("{base}/api/v1/pods?watch=true"), "https://h:1/api/v1/pods?watch=true"),
            ("https://h:1/k8s/", format!("{base}/api/v1"), "https://h:1/k8s/api/v1"),
            ("https://h:1", base.to_owned(), "https://h:1/"),
            ("https://h:1", format!("{base}/api/v1/namespaces/a%2Fb"), "https://h:1/api/v1/namespaces/a%2Fb"),
        ] {
            assert_eq!(member_uri(endpoint, &request(&path), "m1").unwrap().to_string(), expect);
        }
    }

    #[test]
    fn the_member_hears_of_the_user_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer mine"),
            ("impersonate-user", "root"),
            ("impersonate-extra-a", "b"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("accept", "application/json"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        strip(&mut headers, false);
        let user = UserInfo {
            name: "alice".to_owned(),
            groups: vec!["dev".to_owned(), "system:authenticated".to_owned()],
            ..UserInfo::default()
        };
        identify(&mut headers, "t", &user).unwrap();
        assert_eq!(headers.len(), 4, "{headers:?}");
        assert_eq!(headers["authorization"], "Bearer t");
        assert_eq!(headers["impersonate-user"], "alice");
        assert_eq!(headers["impersonate-group"], "dev");
    }
}
