//! One call of one webhook.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, header};
use http_body_util::{BodyExt as _, Limited};
use karmada_machinery::{GroupVersionResource, StatusError};
use karmada_rest::admission::AdmissionRequest;
use serde_json::{Value, json};

use super::config::{Address, Hook};
use crate::{
    objects::ObjectReader,
    outbound::{self, Target},
    reviews::user_value,
};

/// The largest answer that is read.
const ANSWER_LIMIT: usize = 10 << 20;

/// Calls webhooks.
pub(super) struct Caller {
    objects: Arc<dyn ObjectReader>,
}

/// What an allowing hook says.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// A JSON patch.
    pub(super) patch: Option<Value>,
    /// For the client.
    pub(super) warnings: Vec<String>,
}

/// Why a write does not go on.
pub(super) enum CallError {
    /// The hook refuses.
    Denied(StatusError),
    /// The hook could not be asked.
    Failed(String),
}

impl Caller {
    pub(super) fn new(objects: Arc<dyn ObjectReader>) -> Self {
        Self { objects }
    }

    /// Asks a hook.
    pub(super) async fn call(
        &self,
        hook: &Hook,
        request: &AdmissionRequest,
        object: Option<&Value>,
    ) -> Result<Answer, CallError> {
        if hook.conditions {
            return Err(CallError::Failed("matchConditions are not supported yet".to_owned()));
        }
        let review = review(hook, request, object);
        let (target, url) = self.target(hook).await.map_err(CallError::Failed)?;
        let called = tokio::time::timeout(hook.timeout, post(&target, &url, hook.timeout, &review)).await;
        let answer = match called {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Err(CallError::Failed(format!("failed to call webhook: Post {url:?}: {why}"))),
            Err(_) => {
                return Err(CallError::Failed(format!(
                    "failed to call webhook: Post {url:?}: context deadline exceeded"
                )));
            }
        };
        judge(hook, request, &answer)
    }

    async fn target(&self, hook: &Hook) -> Result<(Target, String), String> {
        let mut target = Target { ca: hook.ca.clone(), ..Target::default() };
        let url = match &hook.address {
            Address::Url(url) => url.clone(),
            Address::Service { namespace, name, path, port } => {
                target.connect_to = Some(self.resolve(namespace, name, *port).await?);
                let path = path.trim_start_matches('/');
                format!("https://{name}.{namespace}.svc:{port}/{path}")
            }
        };
        if url.starts_with("https://") && target.ca.is_empty() {
            return Err("the webhook's clientConfig has no caBundle".to_owned());
        }
        Ok((target, url))
    }

    /// Where a Service's backend is: the name that an ExternalName Service stands for, or a ready endpoint.
    async fn resolve(&self, namespace: &str, name: &str, port: u16) -> Result<(String, u16), String> {
        let get = |group: &str, resource: &str| GroupVersionResource::new(group, "v1", resource);
        let service = self.objects.get(&get("", "services"), namespace, name).await.map_err(|e| e.message)?;
        let service = service.ok_or_else(|| format!("service {name:?} not found"))?;
        if service["spec"]["type"] == "ExternalName" {
            let host = service["spec"]["externalName"].as_str().unwrap_or_default();
            return Ok((host.to_owned(), port));
        }
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let port_name = ports
            .into_iter()
            .find(|p| p["port"] == port)
            .map(|p| p["name"].as_str().unwrap_or_default().to_owned())
            .ok_or_else(|| format!("service {name:?} has no port {port}"))?;
        let slices = self.objects.list(&get("discovery.k8s.io", "endpointslices"), namespace).await;
        for slice in slices.map_err(|e| e.message)? {
            if slice["metadata"]["labels"]["kubernetes.io/service-name"] != name {
                continue;
            }
            let ports = slice["ports"].as_array().into_iter().flatten();
            let target = ports
                .into_iter()
                .find(|p| p["name"].as_str().unwrap_or_default() == port_name)
                .and_then(|p| u16::try_from(p["port"].as_u64()?).ok());
            let mut endpoints = slice["endpoints"].as_array().into_iter().flatten();
            let ready = endpoints.find(|e| e["conditions"]["ready"] != false);
            if let (Some(port), Some(address)) = (target, ready.and_then(|e| e["addresses"][0].as_str())) {
                return Ok((address.to_owned(), port));
            }
        }
        Err(format!("no endpoints available for service {name:?}"))
    }
}

fn review(hook: &Hook, request: &AdmissionRequest, object: Option<&Value>) -> Value {
    let kind = json!({"group": request.kind.group, "version": request.kind.version, "kind": request.kind.kind});
    let gvr = &request.resource;
    let resource = json!({"group": gvr.group, "version": gvr.version, "resource": gvr.resource});
    let mut inner = json!({
        "uid": request.uid,
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": request.name,
        "operation": request.operation.as_str(),
        "userInfo": user_value(&request.user),
        "object": object,
        "oldObject": request.old_object,
        "dryRun": request.dry_run,
        "options": request.options,
    });
    if !request.namespace.is_empty() {
        inner["namespace"] = request.namespace.clone().into();
    }
    if !request.subresource.is_empty() {
        inner["subResource"] = request.subresource.clone().into();
        inner["requestSubResource"] = request.subresource.clone().into();
    }
    json!({
        "apiVersion": format!("admission.k8s.io/{}", hook.review_version),
        "kind": "AdmissionReview",
        "request": inner,
    })
}

async fn post(target: &Target, url: &str, timeout: Duration, review: &Value) -> Result<Value, String> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let request = Request::post(format!("{url}{separator}timeout={}s", timeout.as_secs()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Body::from(review.to_string()))
        .map_err(|error| error.to_string())?;
    let response = outbound::send(target, request).await?;
    let code = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await.map_err(|error| error.to_string())?;
    let body = body.to_bytes();
    if !code.is_success() {
        return Err(format!("the server answered {code}: {}", String::from_utf8_lossy(&body[..body.len().min(200)])));
    }
    serde_json::from_slice(&body).map_err(|error| format!("the answer is no JSON: {error}"))
}

fn judge(hook: &Hook, request: &AdmissionRequest, answer: &Value) -> Result<Answer, CallError> {
    let response = &answer["response"];
    if !response.is_object() {
        return Err(CallError::Failed("webhook response was absent".to_owned()));
    }
    if response["uid"] != request.uid.as_str() {
        let (wanted, got) = (&request.uid, &response["uid"]);
        return Err(CallError::Failed(format!("expected response.uid={wanted:?}, got {got}")));
    }
    if response["allowed"] != true {
        return Err(CallError::Denied(denied(&hook.name, &response["status"])));
    }
    let mut warnings = Vec::new();
    for warning in response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        warnings.push(warning.to_owned());
    }
    let patch = match response["patch"].as_str().filter(|p| !p.is_empty()) {
        None => None,
        Some(encoded) => {
            if response["patchType"] != "JSONPatch" {
                return Err(CallError::Failed("webhook returned response.patch but not response.patchType".to_owned()));
            }
            let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            Some(decoded.ok_or_else(|| CallError::Failed("the webhook's patch cannot be read".to_owned()))?)
        }
    };
    Ok(Answer { patch, warnings })
}

/// The refusal as kube-apiserver words it.
fn denied(webhook: &str, status: &Value) -> StatusError {
    let by = format!("admission webhook {webhook:?} denied the request");
    let text = |field: &str| status[field].as_str().filter(|t| !t.is_empty());
    let message = match (text("message"), text("reason")) {
        (Some(why), _) | (None, Some(why)) => format!("{by}: {why}"),
        (None, None) => format!("{by} without explanation"),
    };
    let code = status["code"].as_u64().and_then(|c| u16::try_from(c).ok()).filter(|c| (400..600).contains(c));
    StatusError {
        code: code.unwrap_or(403),
        reason: text("reason").unwrap_or(if code.is_none() { "Forbidden" } else { "" }).to_owned(),
        message,
        details: status["details"].as_object().cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_like_kubernetes() {
        let error = denied("a.b", &json!({"message": "no", "code": 400, "reason": "BadRequest"}));
        assert_eq!((error.code, error.reason.as_str()), (400, "BadRequest"));
        assert_eq!(error.message, "admission webhook \"a.b\" denied the request: no");
        let error = denied("a.b", &Value::Null);
        assert_eq!((error.code, error.reason.as_str()), (403, "Forbidden"));
        assert_eq!(error.message, "admission webhook \"a.b\" denied the request without explanation");
    }
}
