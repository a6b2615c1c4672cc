//! Front-proxy authentication: an API server that forwards a request names its user in `X-Remote-*` headers and proves
//! with a certificate of the front-proxy authority that it may.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use karmada_rest::access::UserInfo;

use super::x509::ClientCertificate;

/// Which proxies are believed and which headers they use.
#[derive(Clone, Debug)]
pub struct RequestHeaders {
    /// Common names of certificates that are believed; empty believes any certificate of the front-proxy authority.
    pub allowed_names: Vec<String>,
    /// Headers with the user's name.
    pub username: Vec<HeaderName>,
    /// Headers with groups.
    pub group: Vec<HeaderName>,
    /// Headers with the uid.
    pub uid: Vec<HeaderName>,
    /// Prefixes, lower case, of headers with extras.
    pub extra_prefix: Vec<String>,
}

impl RequestHeaders {
    /// The usual headers, for proxies with these names.
    pub fn standard(allowed_names: Vec<String>) -> Self {
        Self {
            allowed_names,
            username: vec![HeaderName::from_static("x-remote-user")],
            group: vec![HeaderName::from_static("x-remote-group")],
            uid: vec![HeaderName::from_static("x-remote-uid")],
            extra_prefix: vec!["x-remote-extra-".to_owned()],
        }
    }

    /// The forwarded user, if a believed proxy names one.
    pub fn user(&self, headers: &HeaderMap, certificate: &ClientCertificate, now: Timestamp) -> Option<UserInfo> {
        if !certificate.of_front_proxy_authority || !certificate.is_valid(now) {
            return None;
        }
        if !self.allowed_names.is_empty() && !self.allowed_names.contains(&certificate.common_name) {
            return None;
        }
        let values = |names: &[HeaderName]| -> Vec<String> {
            let all = names.iter().flat_map(|name| headers.get_all(name));
            all.filter_map(|v| v.to_str().ok()).filter(|v| !v.is_empty()).map(str::to_owned).collect()
        };
        let name = values(&self.username).into_iter().next()?;
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (header, value) in headers {
            let key = self.extra_prefix.iter().find_map(|prefix| header.as_str().strip_prefix(prefix.as_str()));
            if let (Some(key), Ok(value)) = (key, value.to_str()) {
                extra.entry(unescape(key)).or_default().push(value.to_owned());
            }
        }
        Some(UserInfo {
            name,
            uid: values(&self.uid).into_iter().next().unwrap_or_default(),
            groups: values(&self.group),
            extra,
        })
    }
}

/// Undoes the percent-encoding of an extra's key; a key that is not well encoded is taken as it is.
pub(crate) fn unescape(key: &str) -> String {
    let bytes = key.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = key.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let Some(byte) = digits else { return key.to_owned() };
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| key.to_owned())
}
