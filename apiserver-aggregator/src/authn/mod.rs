//! Authentication: which user a request comes from.
//!
//! The order is kube-apiserver's: front-proxy headers, client certificate, bearer token, anonymous. The first method
//! that recognises its credentials decides; a request whose credentials are all bad is answered 401, one without any is
//! [`ANONYMOUS`](karmada_rest::access::ANONYMOUS), who may do what RBAC grants: health and version by default. A user
//! who acts for somebody else through `Impersonate-*` headers must be allowed to (see [`impersonation`]).
//!
//! Requests of the server's own process carry their [`UserInfo`] in the extensions and are believed: extensions cannot
//! come from outside.

pub mod bootstrap_token;
pub mod impersonation;
pub mod jwt;
pub mod request_header;
pub mod service_account;
pub mod x509;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use karmada_machinery::StatusError;
use karmada_rest::access::{Authorizer, UserInfo};
use parking_lot::Mutex;
use ring::digest;

use self::{
    bootstrap_token::BootstrapTokens, request_header::RequestHeaders, service_account::ServiceAccountTokens,
    x509::ClientCertificates,
};
use crate::{serve::Connection, status_response};

/// Every authenticated user's group.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Where the id of the credential is recorded among a user's extras.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// How long a verified token is believed without another look. Long enough to take signatures and look-ups out of a busy
/// client's way, short enough that a deleted service account is shut out soon. kube-apiserver uses the same time.
const TOKEN_CACHE_TIME: Duration = Duration::from_secs(10);
/// Tokens that are remembered; more are looked up each time.
const TOKEN_CACHE_SIZE: usize = 4096;

/// What authentication needs to know.
pub struct Authentication {
    /// Judges client certificates.
    pub certificates: Arc<ClientCertificates>,
    /// Believes headers of front proxies; `None` if there are none.
    pub request_headers: Option<RequestHeaders>,
    /// Service account tokens.
    pub service_accounts: Arc<ServiceAccountTokens>,
    /// Bootstrap tokens.
    pub bootstrap_tokens: Option<BootstrapTokens>,
    /// Tokens fixed at start, with their users.
    pub static_tokens: HashMap<String, UserInfo>,
    /// Whether requests without credentials get through as `system:anonymous`.
    pub anonymous: bool,
    /// Asked about impersonation.
    pub authorizer: Arc<dyn Authorizer>,
    cache: TokenCache,
}

/// A token that was found good, as TokenReview reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// Whose it is.
    pub user: UserInfo,
    /// The audiences that the token and the reviewer have in common.
    pub audiences: Vec<String>,
}

impl Authentication {
    /// Certificates and service account tokens only; the public fields take the rest.
    pub fn new(
        certificates: Arc<ClientCertificates>,
        service_accounts: Arc<ServiceAccountTokens>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Self {
        Self {
            certificates,
            request_headers: None,
            service_accounts,
            bootstrap_tokens: None,
            static_tokens: HashMap::new(),
            anonymous: true,
            authorizer,
            cache: TokenCache::default(),
        }
    }

    /// The user behind a request's head; an error is a 401.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        connection: Option<&Connection>,
        now: Timestamp,
    ) -> Result<UserInfo, StatusError> {
        let certificate = connection.and_then(|c| c.certificate.as_deref());
        let mut refused = false;
        if let (Some(proxies), Some(certificate)) = (&self.request_headers, certificate)
            && let Some(user) = proxies.user(headers, certificate, now)
        {
            return Ok(authenticated(user));
        }
        if let Some(certificate) = certificate {
            match certificate.user(now) {
                Some(user) => return Ok(authenticated(user)),
                None => refused = true,
            }
        }
        if let Some(token) = bearer_token(headers) {
            match self.token(token, &[], now).await {
                Ok(found) => return Ok(found.user),
                Err(error) => {
                    tracing::debug!(%error, "refuse a bearer token");
                    refused = true;
                }
            }
        }
        if refused || !self.anonymous { Err(StatusError::unauthorized()) } else { Ok(UserInfo::anonymous()) }
    }

    /// The user of a bearer token, for `audiences` (empty: the API server's own). The error is a text for TokenReview.
    pub async fn token(&self, token: &str, audiences: &[String], now: Timestamp) -> Result<Authenticated, String> {
        if let Some(user) = self.static_token(token) {
            return Ok(Authenticated { user: authenticated(user.clone()), audiences: audiences.to_vec() });
        }
        if let Some(tokens) = &self.bootstrap_tokens
            && let Some((id, secret)) = bootstrap_token::split(token)
        {
            let user = tokens.user(id, secret, now).await.ok_or_else(|| "invalid bearer token".to_owned())?;
            return Ok(Authenticated { user: authenticated(user), audiences: audiences.to_vec() });
        }
        let key = TokenCache::key(token, audiences);
        if let Some(found) = self.cache.get(&key) {
            return Ok(found);
        }
        let (user, audiences) = self.service_accounts.verify(token, audiences, now).await?;
        let found = Authenticated { user: authenticated(user), audiences };
        self.cache.insert(key, found.clone());
        Ok(found)
    }

    /// Compares with every static token in constant time, so that timing tells nothing about them.
    fn static_token(&self, token: &str) -> Option<&UserInfo> {
        let presented = digest::digest(&digest::SHA256, token.as_bytes());
        self.static_tokens.iter().find_map(|(expected, user)| {
            let expected = digest::digest(&digest::SHA256, expected.as_bytes());
            constant_time_eq(presented.as_ref(), expected.as_ref()).then_some(user)
        })
    }
}

/// Compares without telling by its duration where the difference is.
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0_u8, |different, (x, y)| different | (x ^ y)) == 0
}

/// Everybody who has proved who they are is in `system:authenticated`.
pub(crate) fn authenticated(mut user: UserInfo) -> UserInfo {
    if !user.in_group(AUTHENTICATED) && !user.in_group("system:unauthenticated") {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The middleware: puts the request's [`UserInfo`] into its extensions or answers 401 or, for impersonation, 403.
pub async fn authenticate(State(layer): State<Arc<Authentication>>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<UserInfo>().is_none() {
        let connection = request.extensions().get::<Connection>().cloned();
        let user = layer.authenticate(request.headers(), connection.as_ref(), Timestamp::now()).await;
        let user = match user {
            Ok(user) => user,
            Err(error) => return status_response(&error),
        };
        // A token must not travel further: the proxy would hand it to a member.
        request.headers_mut().remove(header::AUTHORIZATION);
        request.extensions_mut().insert(user);
    }
    match impersonation::apply(layer.authorizer.as_ref(), &mut request).await {
        Ok(()) => next.run(request).await.into_response(),
        Err(error) => status_response(&error),
    }
}

#[derive(Default)]
struct TokenCache(Mutex<HashMap<[u8; 32], (Instant, Authenticated)>>);

impl TokenCache {
    /// Tokens are remembered by their digest, so that memory holds no credentials.
    fn key(token: &str, audiences: &[String]) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(token.as_bytes());
        for audience in audiences {
            context.update(&[0]);
            context.update(audience.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    fn get(&self, key: &[u8; 32]) -> Option<Authenticated> {
        let entries = self.0.lock();
        let (at, found) = entries.get(key)?;
        (at.elapsed() < TOKEN_CACHE_TIME).then(|| found.clone())
    }

    fn insert(&self, key: [u8; 32], found: Authenticated) {
        let mut entries = self.0.lock();
        if entries.len() >= TOKEN_CACHE_SIZE {
            entries.retain(|_, (at, _)| at.elapsed() < TOKEN_CACHE_TIME);
        }
        if entries.len() < TOKEN_CACHE_SIZE {
            entries.insert(key, (Instant::now(), found));
        }
    }
}

#[cfg(test)]
mod tests;
