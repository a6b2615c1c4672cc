//! Bootstrap tokens: `<id>.<secret>`, kept in Secrets `bootstrap-token-<id>` of kube-system.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use karmada_machinery::{GroupVersionResource, meta};
use karmada_rest::access::UserInfo;
use serde_json::Value;

use super::constant_time_eq;
use crate::objects::ObjectReader;

/// The type of the Secrets.
pub const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const DEFAULT_GROUP: &str = "system:bootstrappers";

/// Looks bootstrap tokens up.
pub struct BootstrapTokens {
    objects: Arc<dyn ObjectReader>,
}

/// Id and secret, if the token has the form of a bootstrap token.
pub fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let plain = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    (plain(id, 6) && plain(secret, 16)).then_some((id, secret))
}

impl BootstrapTokens {
    /// Looks into these objects.
    pub fn new(objects: Arc<dyn ObjectReader>) -> Self {
        Self { objects }
    }

    /// The user of a good token.
    pub async fn user(&self, id: &str, secret: &str, now: Timestamp) -> Option<UserInfo> {
        let secrets = GroupVersionResource::new("", "v1", "secrets");
        let object = self.objects.get(&secrets, "kube-system", &format!("bootstrap-token-{id}")).await.ok()??;
        check(&object, id, secret, now)
    }
}

fn check(object: &Value, id: &str, secret: &str, now: Timestamp) -> Option<UserInfo> {
    if object["type"] != SECRET_TYPE || meta::deletion_timestamp(object).is_some() {
        return None;
    }
    let data = |key: &str| -> Option<String> {
        String::from_utf8(STANDARD.decode(object.get("data")?.get(key)?.as_str()?).ok()?).ok()
    };
    let good = data("token-id").as_deref() == Some(id)
        && constant_time_eq(data("token-secret").unwrap_or_default().as_bytes(), secret.as_bytes())
        && data("usage-bootstrap-authentication").as_deref() == Some("true");
    if !good || expired(data("expiration").as_deref(), now) {
        return None;
    }
    let mut groups = vec![DEFAULT_GROUP.to_owned()];
    if let Some(further) = data("auth-extra-groups") {
        // A group outside the prefix would let whoever writes the Secret make administrators.
        let prefix = format!("{DEFAULT_GROUP}:");
        for group in further.split(',').map(str::trim).filter(|g| !g.is_empty()) {
            if !group.starts_with(&prefix) {
                return None;
            }
            groups.push(group.to_owned());
        }
    }
    Some(UserInfo { name: format!("system:bootstrap:{id}"), groups, ..UserInfo::default() })
}

/// Whether the expiration has come; one that cannot be read counts as come.
pub(crate) fn expired(expiration: Option<&str>, now: Timestamp) -> bool {
    match expiration {
        None | Some("") => false,
        Some(text) => text.parse::<Timestamp>().map_or(true, |at| at <= now),
    }
}
