//! Validation of built-in kinds: which functions judge which kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::crd;
use crate::field::FieldErrors;
use crate::gvk::GroupVersionKind;
use crate::resource::RequestContext;

type Validate = fn(&Value) -> FieldErrors;
type ValidateUpdate = fn(&Value, &Value, &RequestContext<'_>) -> FieldErrors;

/// The validation of a new object and of a change.
pub(super) fn of(gvk: &GroupVersionKind) -> (Validate, ValidateUpdate) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => (crd::validate, update_definition),
        _ => (|_| Vec::new(), |_, _, _| Vec::new()),
    }
}

/// The change of a definition; the definition as a whole is judged beside it.
fn update_definition(object: &Value, old: &Value, ctx: &RequestContext<'_>) -> FieldErrors {
    if ctx.subresource.is_some() { Vec::new() } else { crd::validate_change(object, old) }
}

/// The warning that every request for Endpoints gets.
pub(super) const ENDPOINTS_DEPRECATED: &str =
    "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

/// External IPs are on their way out.
pub(super) fn service_warnings(object: &Value, _old: Option<&Value>) -> Vec<String> {
    let external = object["spec"]["externalIPs"].as_array().is_some_and(|ips| !ips.is_empty());
    if external {
        vec!["spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned()]
    } else {
        Vec::new()
    }
}

/// A TLS secret without a certificate.
pub(super) fn secret_warnings(object: &Value, _old: Option<&Value>) -> Vec<String> {
    if object["type"] != "kubernetes.io/tls" {
        return Vec::new();
    }
    let certificate =
        object["data"]["tls.crt"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    if String::from_utf8_lossy(&certificate).contains("-----BEGIN ") {
        Vec::new()
    } else {
        vec!["tls: failed to find any PEM data in certificate input".to_owned()]
    }
}
