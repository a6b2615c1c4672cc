//! Acting for somebody else: `Impersonate-User`, `-Group`, `-Uid` and `-Extra-<key>`.
//!
//! The requester must be allowed to `impersonate` each of the named users, service accounts, groups, uids and extras.
//! Afterwards the request is the impersonated user's in every respect.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName},
};
use karmada_machinery::{GroupResource, StatusError};
use karmada_rest::access::{ANONYMOUS, Attributes, Authorizer, Decision, UserInfo};

use super::{AUTHENTICATED, request_header::unescape};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// Puts the impersonated user into the request's extensions, if the headers name one.
pub async fn apply(authorizer: &dyn Authorizer, request: &mut Request) -> Result<(), StatusError> {
    let Some(wanted) = wanted(request.headers())? else { return Ok(()) };
    let Some(requester) = request.extensions().get::<UserInfo>().cloned() else {
        return Err(StatusError::unauthorized());
    };
    for check in checks(&requester, &wanted) {
        let decision = authorizer.authorize(&check).await?;
        if !matches!(decision, Decision::Allow(_)) {
            return Err(refusal(&check));
        }
    }
    tracing::debug!(requester = requester.name, user = wanted.name, "impersonate");
    strip(request.headers_mut());
    request.extensions_mut().insert(complete(wanted));
    Ok(())
}

/// Reads the headers. Groups, uid or extras without a user are an error.
fn wanted(headers: &HeaderMap) -> Result<Option<UserInfo>, StatusError> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let mut user = UserInfo { name: text(USER), uid: text(UID), ..UserInfo::default() };
    user.groups = headers.get_all(GROUP).iter().filter_map(|v| v.to_str().ok()).map(str::to_owned).collect();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA), value.to_str()) {
            user.extra.entry(unescape(key)).or_default().push(value.to_owned());
        }
    }
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user.uid.is_empty() && user.groups.is_empty() && user.extra.is_empty() {
        return Ok(None);
    }
    let mut requested: Vec<String> = user.groups.iter().map(|g| format!("{{Group    {g}      }}")).collect();
    requested.extend(user.extra.iter().flat_map(|(k, vs)| vs.iter().map(move |v| format!("{{UserExtra  {v} {k}}}"))));
    if !user.uid.is_empty() {
        requested.push(format!("{{UID    {}      }}", user.uid));
    }
    Err(StatusError::internal(format!("requested [{}] without impersonating a user", requested.join(" "))))
}

/// The permissions that the requester needs.
fn checks(requester: &UserInfo, wanted: &UserInfo) -> Vec<Attributes> {
    let attributes =
        |group: &str, version: &str, resource: &str, subresource: &str, namespace: &str, name: &str| Attributes {
            user: requester.clone(),
            verb: "impersonate".to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            path: String::new(),
            resource_request: true,
        };
    let mut checks = vec![match service_account(&wanted.name) {
        Some((namespace, name)) => attributes("", "v1", "serviceaccounts", "", namespace, name),
        None => attributes("", "v1", "users", "", "", &wanted.name),
    }];
    checks.extend(wanted.groups.iter().map(|group| attributes("", "v1", "groups", "", "", group)));
    if !wanted.uid.is_empty() {
        checks.push(attributes("authentication.k8s.io", "v1", "uids", "", "", &wanted.uid));
    }
    for (key, values) in &wanted.extra {
        for value in values {
            checks.push(attributes("authentication.k8s.io", "v1", "userextras", key, "", value));
        }
    }
    checks
}

/// Namespace and name of a service account's user name.
pub(crate) fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty()).then_some((namespace, name))
}

/// The groups that come with every service account.
pub(crate) fn service_account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// Adds the groups that come without being named.
fn complete(mut user: UserInfo) -> UserInfo {
    if user.groups.is_empty()
        && let Some((namespace, _)) = service_account(&user.name)
    {
        user.groups = service_account_groups(namespace);
    }
    let implied = if user.name == ANONYMOUS { "system:unauthenticated" } else { AUTHENTICATED };
    let named = user.in_group(AUTHENTICATED) || user.in_group("system:unauthenticated");
    if !named {
        user.groups.push(implied.to_owned());
    }
    user
}

fn refusal(check: &Attributes) -> StatusError {
    StatusError::forbidden(
        &GroupResource::new(&check.group, &check.resource),
        &check.name,
        &crate::authz::denial(check),
    )
}

/// The headers must not reach a proxied member as if they were the impersonated user's own wish.
fn strip(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("impersonate-")).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
