//! Service account tokens: making them (TokenRequest, legacy Secrets) and verifying them.
//!
//! A token is good while its signature, times and audience are, the service account that it names exists with the same
//! uid, and so does the object that it is bound to, if any.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use karmada_machinery::{GroupVersionResource, StatusError, meta};
use karmada_rest::access::UserInfo;
use serde_json::{Value, json};

use super::{
    CREDENTIAL_ID,
    impersonation::service_account_groups,
    jwt::{self, KeyError, Signer, VerificationKey},
};
use crate::objects::ObjectReader;

/// The issuer of tokens in Secrets, as kube-controller-manager has always written it.
const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";
/// What a token is for when its maker names no audience.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Clocks of servers may differ by this much.
const LEEWAY: i64 = 60;

/// Makes and verifies tokens.
pub struct ServiceAccountTokens {
    issuer: String,
    audiences: Vec<String>,
    signer: Signer,
    keys: Vec<VerificationKey>,
    objects: Arc<dyn ObjectReader>,
}

/// What a bound token names besides its service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundObject {
    /// `Pod`, `Secret` or `Node`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

impl ServiceAccountTokens {
    /// Signs with `private_key` and accepts that key and `further_keys` (PEM public keys).
    pub fn new(
        issuer: String,
        audiences: Vec<String>,
        private_key: &str,
        further_keys: &[String],
        objects: Arc<dyn ObjectReader>,
    ) -> Result<Self, KeyError> {
        let own = crate::pki::authority::public_key(private_key);
        let mut keys = Vec::new();
        if let Ok(own) = own {
            keys.push(VerificationKey::parse(&own)?);
        }
        for key in further_keys {
            keys.push(VerificationKey::parse(key)?);
        }
        let audiences = if audiences.is_empty() { vec![issuer.clone()] } else { audiences };
        Ok(Self { issuer, audiences, signer: Signer::new(private_key)?, keys, objects })
    }

    /// The issuer of new tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audiences of the API server itself.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The public keys as a JSON Web Key Set.
    pub fn jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(VerificationKey::to_jwk).collect::<Vec<_>>()})
    }

    /// A bound token, as TokenRequest makes it.
    #[expect(clippy::too_many_arguments, reason = "each is one claim of the token")]
    pub fn issue(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        bound: Option<&BoundObject>,
        audiences: &[String],
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let issued = now.as_second();
        let mut private = json!({
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": uid},
        });
        if let Some(bound) = bound {
            private[bound.kind.to_lowercase()] = json!({"name": bound.name, "uid": bound.uid});
        }
        let audiences = if audiences.is_empty() { &self.audiences } else { audiences };
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.signer.sign(&json!({
            "aud": audiences,
            "exp": issued.saturating_add(lifetime),
            "iat": issued,
            "nbf": issued,
            "iss": self.issuer,
            "jti": uuid::Uuid::new_v4().to_string(),
            "kubernetes.io": private,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        }))
    }

    /// A token without end for a Secret of type `kubernetes.io/service-account-token`.
    pub fn issue_legacy(&self, namespace: &str, name: &str, uid: &str, secret: &str) -> Result<String, KeyError> {
        self.signer.sign(&json!({
            "iss": LEGACY_ISSUER,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "kubernetes.io/serviceaccount/namespace": namespace,
            "kubernetes.io/serviceaccount/secret.name": secret,
            "kubernetes.io/serviceaccount/service-account.name": name,
            "kubernetes.io/serviceaccount/service-account.uid": uid,
        }))
    }

    /// Whether one of the own keys has signed the token and it names this service account: what keeps a Secret's token.
    pub fn is_own_legacy(&self, token: &str, namespace: &str, uid: &str) -> bool {
        jwt::verify(token, &self.keys).is_some_and(|claims| {
            claims["kubernetes.io/serviceaccount/namespace"] == namespace
                && claims["kubernetes.io/serviceaccount/service-account.uid"] == uid
        })
    }

    /// The user of a good token and the audiences in common with the wanted ones (empty: the API server's own).
    pub async fn verify(
        &self,
        token: &str,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<(UserInfo, Vec<String>), String> {
        let invalid = || "invalid bearer token".to_owned();
        let peeked = jwt::peek(token).ok_or_else(invalid)?;
        let legacy = peeked["iss"] == LEGACY_ISSUER;
        if !legacy && peeked["iss"] != self.issuer.as_str() {
            return Err(invalid());
        }
        let claims = jwt::verify(token, &self.keys).ok_or_else(invalid)?;
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let common = if legacy {
            // Legacy tokens have no audience: they are the API server's own.
            wanted.iter().filter(|a| self.audiences.contains(a)).cloned().collect()
        } else {
            common_audiences(&claims["aud"], wanted)?
        };
        check_times(&claims, now)?;
        let user = if legacy { self.legacy_user(token, &claims).await } else { self.bound_user(&claims).await }?;
        Ok((user, common))
    }

    async fn bound_user(&self, claims: &Value) -> Result<UserInfo, String> {
        let private = &claims["kubernetes.io"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&private["namespace"]), text(&private["serviceaccount"]["name"]));
        let uid = text(&private["serviceaccount"]["uid"]);
        self.check_object("serviceaccounts", &namespace, &name, &uid).await?;
        let mut user = account_user(&namespace, &name, &uid);
        if let Some(id) = claims["jti"].as_str() {
            user.extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
        }
        for (kind, resource, namespace) in
            [("pod", "pods", namespace.as_str()), ("secret", "secrets", &namespace), ("node", "nodes", "")]
        {
            let Some(bound) = private.get(kind) else { continue };
            let (name, uid) = (text(&bound["name"]), text(&bound["uid"]));
            self.check_object(resource, namespace, &name, &uid).await?;
            if kind != "secret" {
                user.extra.insert(format!("authentication.kubernetes.io/{kind}-name"), vec![name]);
                user.extra.insert(format!("authentication.kubernetes.io/{kind}-uid"), vec![uid]);
            }
        }
        Ok(user)
    }

    async fn legacy_user(&self, token: &str, claims: &Value) -> Result<UserInfo, String> {
        let text = |key: &str| claims[format!("kubernetes.io/serviceaccount/{key}")].as_str().unwrap_or_default();
        let namespace = text("namespace");
        let (name, uid) = (text("service-account.name"), text("service-account.uid"));
        self.check_object("serviceaccounts", namespace, name, uid).await?;
        let secrets = GroupVersionResource::new("", "v1", "secrets");
        let secret = self.objects.get(&secrets, namespace, text("secret.name")).await.map_err(|e| e.message)?;
        let stored = secret.as_ref().filter(|s| meta::deletion_timestamp(s).is_none());
        let stored = stored.and_then(|s| s.get("data")?.get("token")?.as_str());
        let same = stored.is_some_and(|s| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(s).is_ok_and(|s| s == token.as_bytes())
        });
        if same {
            Ok(account_user(namespace, name, uid))
        } else {
            Err("service account token has been invalidated".to_owned())
        }
    }

    async fn check_object(&self, resource: &str, namespace: &str, name: &str, uid: &str) -> Result<(), String> {
        let gvr = GroupVersionResource::new("", "v1", resource);
        let object = self.objects.get(&gvr, namespace, name).await.map_err(|error: StatusError| error.message)?;
        match object {
            Some(object) if meta::uid(&object) == Some(uid) && meta::deletion_timestamp(&object).is_none() => Ok(()),
            _ => Err(format!("{} {namespace}/{name} has been deleted", resource.trim_end_matches('s'))),
        }
    }
}

fn account_user(namespace: &str, name: &str, uid: &str) -> UserInfo {
    UserInfo {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: uid.to_owned(),
        groups: service_account_groups(namespace),
        ..UserInfo::default()
    }
}

fn common_audiences(claim: &Value, wanted: &[String]) -> Result<Vec<String>, String> {
    let of_token: Vec<&str> = match claim {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let common: Vec<String> = wanted.iter().filter(|a| of_token.contains(&a.as_str())).cloned().collect();
    if common.is_empty() {
        let quoted = |items: &[&str]| items.iter().map(|i| format!("{i:?}")).collect::<Vec<_>>().join(" ");
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        return Err(format!(
            "[invalid bearer token, token audiences [{}] is invalid for the target audiences [{}]]",
            quoted(&of_token),
            quoted(&wanted)
        ));
    }
    Ok(common)
}

fn check_times(claims: &Value, now: Timestamp) -> Result<(), String> {
    let now = now.as_second();
    if claims["exp"].as_i64().is_some_and(|expiry| expiry.saturating_add(LEEWAY) < now) {
        return Err("service account token has expired".to_owned());
    }
    if claims["nbf"].as_i64().is_some_and(|start| start.saturating_sub(LEEWAY) > now) {
        return Err("service account token is not valid yet".to_owned());
    }
    Ok(())
}
