//! `clusters/<name>/proxy/<path>`: a request to a member, as the user who asks, with the control plane's credentials.
//!
//! The member sees the impersonator's token and the user's name and groups in `Impersonate-*` headers; what the user may
//! do there is the member's own access control. Who may use the proxy at all is this server's: `clusters/proxy`.

use async_trait::async_trait;
use axum::{body::Body, extract::Request, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use karmada_machinery::{GroupResource, GroupVersionResource, StatusError};
use karmada_rest::{ApiServer, access::UserInfo, call::Call, registry::Handler, server::wants_upgrade};
use serde_json::Value;

use super::CLUSTER_GROUP;
use crate::{
    inprocess,
    outbound::{self, Target},
};

/// The handler.
pub struct ClusterProxy;

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
        ..Target::default()
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
    let response = outbound::send(target, onward)
        .await
        .map_err(|why| StatusError::unavailable(format!("error trying to reach the member: {why}")))?;
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
