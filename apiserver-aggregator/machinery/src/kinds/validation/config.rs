//! ConfigMaps and Secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::common::*;
use crate::field::{FieldError, FieldErrors};
use crate::meta;
use crate::resource::RequestContext;

const MAX_SIZE: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";

fn decoded(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default()
}

pub(super) fn config_map(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let mut size = 0;
    for (key, value) in pairs(object, "data") {
        for wrong in config_key_errors(key) {
            e.push(FieldError::invalid(format!("data[{key}]"), key.as_str(), wrong));
        }
        if object.get("binaryData").and_then(|b| b.get(key)).is_some() {
            e.push(FieldError::invalid(format!("data[{key}]"), key.as_str(), "duplicate of key present in binaryData"));
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in pairs(object, "binaryData") {
        for wrong in config_key_errors(key) {
            e.push(FieldError::invalid(format!("binaryData[{key}]"), key.as_str(), wrong));
        }
        size += decoded(value).len();
    }
    if size > MAX_SIZE {
        e.push(FieldError::too_long("", MAX_SIZE));
    }
    e
}

/// What is set may not change once the object says that it is immutable.
fn frozen(e: &mut FieldErrors, object: &Value, old: &Value, keys: &[&str]) {
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    if object.get("immutable") != Some(&Value::Bool(true)) {
        e.push(FieldError::forbidden("immutable", FROZEN));
    }
    let empty = serde_json::Map::new();
    for key in keys {
        let map = |o: &Value| o.get(*key).and_then(Value::as_object).unwrap_or(&empty).clone();
        if map(object) != map(old) {
            e.push(FieldError::forbidden(*key, FROZEN));
        }
    }
}

pub(super) fn change_config_map(object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    frozen(&mut e, object, old, &["data", "binaryData"]);
    e
}

pub(super) fn secret(object: &Value) -> FieldErrors {
    let mut e = Vec::new();
    let mut size = 0;
    for (key, value) in pairs(object, "data") {
        for wrong in config_key_errors(key) {
            e.push(FieldError::invalid(format!("data[{key}]"), key.as_str(), wrong));
        }
        size += decoded(value).len();
    }
    if size > MAX_SIZE {
        e.push(FieldError::too_long("data", MAX_SIZE));
    }
    let has = |key: &str| object.get("data").and_then(|d| given(d, key));
    let mut need = |key: &str| {
        if has(key).is_none() {
            e.push(FieldError::required(format!("data[{key}]"), ""));
        }
    };
    match text(object, "type") {
        "kubernetes.io/service-account-token"
            if meta::annotation(object, "kubernetes.io/service-account.name").unwrap_or_default().is_empty() =>
        {
            let path = "metadata.annotations[kubernetes.io/service-account.name]";
            e.push(FieldError::required(path, ""));
        }
        "kubernetes.io/dockercfg" => docker(&mut e, has(".dockercfg"), ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => docker(&mut e, has(".dockerconfigjson"), ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if has("username").is_none() && has("password").is_none() => {
            need("username");
            need("password");
        }
        "kubernetes.io/ssh-auth" if has("ssh-privatekey").is_none_or(|v| decoded(v).is_empty()) => {
            e.push(FieldError::required("data[ssh-privatekey]", ""));
        }
        "kubernetes.io/tls" => {
            need("tls.crt");
            need("tls.key");
        }
        _ => {}
    }
    e
}

/// A registry's configuration is a JSON document; its text is a secret and never shown.
fn docker(e: &mut FieldErrors, value: Option<&Value>, key: &str) {
    let path = format!("data[{key}]");
    match value {
        None => e.push(FieldError::required(path, "")),
        Some(value) => {
            let bytes = decoded(value);
            if let Err(error) = serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes) {
                let wrong = if bytes.is_empty() || error.is_eof() {
                    "unexpected end of JSON input".to_owned()
                } else {
                    let start = String::from_utf8_lossy(&bytes).trim_start().chars().next().unwrap_or_default();
                    format!("invalid character '{start}' looking for beginning of value")
                };
                e.push(FieldError::invalid(path, "<secret contents redacted>", wrong));
            }
        }
    }
}

pub(super) fn change_secret(object: &Value, old: &Value, _ctx: &RequestContext<'_>) -> FieldErrors {
    let mut e = Vec::new();
    immutable(&mut e, object.get("type"), old.get("type"), "type");
    frozen(&mut e, object, old, &["data"]);
    e
}
