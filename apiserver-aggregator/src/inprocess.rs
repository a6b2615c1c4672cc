//! Clients of this server inside its process: the same HTTP semantics, no socket, no TLS, no credentials.

use async_trait::async_trait;
use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use karmada_machinery::{GroupVersionResource, StatusError};
use karmada_rest::{ApiServer, access::UserInfo};
use serde_json::Value;
use tower::Service as _;

use crate::objects::ObjectReader;

/// A client that is `user`. `agent` is its User-Agent, from which the default field manager is taken.
pub fn client(router: Router, user: UserInfo, agent: &'static str) -> kube::Client {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let mut router = router.clone();
        let user = user.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(user);
        request.headers_mut().entry(header::USER_AGENT).or_insert(HeaderValue::from_static(agent));
        async move { router.call(request).await }
    });
    kube::Client::new(service, "default")
}

/// Reads objects through a router.
pub struct RouterReader(Router);

impl RouterReader {
    /// Reads through this router.
    pub fn new(router: Router) -> Self {
        Self(router)
    }
}

/// The path of an object, or of a collection if `name` is empty.
pub fn path(resource: &GroupVersionResource, namespace: &str, name: &str) -> String {
    let mut path = if resource.group.is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}/{}", resource.group, resource.version)
    };
    for segment in ["namespaces", namespace].iter().filter(|_| !namespace.is_empty()) {
        path.push('/');
        path.push_str(segment);
    }
    path.push('/');
    path.push_str(&resource.resource);
    if !name.is_empty() {
        path.push('/');
        path.push_str(name);
    }
    path
}

/// The error that a failed answer's body tells.
pub fn error_of(code: u16, body: &[u8]) -> StatusError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    StatusError {
        code,
        reason: value["reason"].as_str().unwrap_or_default().to_owned(),
        message: match value["message"].as_str() {
            Some(message) => message.to_owned(),
            None => String::from_utf8_lossy(body).into_owned(),
        },
        details: value["details"].as_object().cloned(),
    }
}

/// Whether a name can stand in a path as it is; one that cannot names no object.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"/?#%".contains(&b))
}

fn request(path: &str) -> Result<Request, StatusError> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().map_err(StatusError::internal)?;
    request.extensions_mut().insert(UserInfo::loopback());
    Ok(request)
}

async fn read(response: Response) -> Result<Option<Value>, StatusError> {
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(StatusError::internal)?.to_bytes();
    match code {
        200 => serde_json::from_slice(&body).map(Some).map_err(StatusError::internal),
        404 => Ok(None),
        _ => Err(error_of(code, &body)),
    }
}

/// Reads one object from inside a handler; `None` if there is none.
pub async fn get(
    server: &ApiServer,
    resource: &GroupVersionResource,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, StatusError> {
    if !plain(name) {
        return Ok(None);
    }
    read(server.handle(request(&path(resource, namespace, name))?).await).await
}

#[async_trait]
impl ObjectReader for RouterReader {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, StatusError> {
        if !plain(name) {
            return Ok(None);
        }
        match self.0.clone().call(request(&path(resource, namespace, name))?).await {
            Ok(response) => read(response).await,
            Err(never) => match never {},
        }
    }

    async fn list(&self, resource: &GroupVersionResource, namespace: &str) -> Result<Vec<Value>, StatusError> {
        let list = match self.0.clone().call(request(&path(resource, namespace, ""))?).await {
            Ok(response) => read(response).await?,
            Err(never) => match never {},
        };
        match list.unwrap_or_default()["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}
