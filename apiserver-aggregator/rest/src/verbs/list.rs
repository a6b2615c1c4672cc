//! `list`: a collection, whole or in pages, at a wanted resource version.

use axum::response::Response;
use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, NO_PAD},
};
use karmada_machinery::StatusError;
use karmada_storage::cache::{At, CacheError, ListOptions as CacheList, ListPage, Scope};
use serde::Deserialize;
use serde_json::json;

use super::write;
use crate::{
    backend::{self, Backend},
    call::Call,
    encode::ListHead,
    gojson,
    negotiate::{self, Offer},
    query::{ListOptions, VersionMatch, parse_uint},
    render,
    select::Selection,
    server::ApiServer,
};

const CONTINUE_EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
const LIST_EXPIRED: &str = "The resourceVersion for the provided list is too old.";

/// Go's raw URL encoding, which does not mind stray bits at the end.
const TOKEN_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// Where a list goes on: kube-apiserver's token, so that a client may carry one across an upgrade.
#[derive(Debug, Deserialize)]
struct Token {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

impl Token {
    fn encode(revision: i64, start: &str) -> String {
        TOKEN_BASE64.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string())
    }

    fn decode(text: &str) -> Result<Self, StatusError> {
        let bad = |why: String| StatusError::bad_request(format!("invalid continue token: {why}"));
        let bytes = TOKEN_BASE64.decode(text).map_err(|e| bad(format!("continue key is not valid: {e}")))?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|e| {
            let why = gojson::syntax_error(&bytes).unwrap_or_else(|| e.to_string());
            bad(format!("continue key is not valid: {why}"))
        })?;
        if token.v != "meta.k8s.io/v1" {
            return Err(bad(format!(
                "continue key is not valid: server does not recognize this encoded version {}",
                token.v
            )));
        }
        if token.rv == 0 {
            return Err(bad(
                "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)".into(),
            ));
        }
        if token.start.is_empty() {
            return Err(bad("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)".into()));
        }
        if token.start.split('/').any(|part| part == "..") || token.start.starts_with('/') {
            return Err(bad(format!("continue key is not valid: {}", token.start)));
        }
        Ok(token)
    }
}

/// What part of the past a list shows, and after which key.
struct Position {
    at: At,
    after: Option<String>,
    limit: usize,
}

fn position(options: &ListOptions) -> Result<Position, StatusError> {
    let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
    if !options.continue_token.is_empty() {
        let token = Token::decode(&options.continue_token)?;
        if !options.resource_version.is_empty() && options.resource_version != "0" {
            return Err(StatusError::bad_request("specifying resource version is not allowed when using continue"));
        }
        // The key after the last one ends in a zero byte; ours are exclusive.
        let after = token.start.trim_end_matches('\0').to_owned();
        let at = u64::try_from(token.rv).map_or(At::Latest, At::Exact);
        return Ok(Position { at, after: Some(after), limit });
    }
    let version = match options.resource_version.as_str() {
        "" => return Ok(Position { at: At::Latest, after: None, limit }),
        text => parse_uint(text).map_err(|why| {
            StatusError::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {text:?}: {why}"
            ))
        })?,
    };
    let at = match options.version_match {
        _ if version == 0 => At::Any,
        VersionMatch::Exact => At::Exact(version),
        VersionMatch::NotOlderThan => At::NotOlderThan(version),
        // Before there was a match parameter, a page of a named version meant exactly that version.
        VersionMatch::Unset if limit > 0 => At::Exact(version),
        VersionMatch::Unset => At::NotOlderThan(version),
    };
    // Whatever is cached is served whole: a limit has no meaning there.
    let limit = if version == 0 { 0 } else { limit };
    Ok(Position { at, after: None, limit })
}

pub(crate) async fn list(server: &ApiServer, call: &Call) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    let info = call.resource()?;
    let options = ListOptions::parse(&call.query, false)?;
    let selection = Selection::parse(&options.label_selector, &options.field_selector, info)?;
    let backend = write::backend(server, call).await?;
    match page(&backend, call.namespace(), &options, &selection).await {
        Ok((page, head)) => render::list(call, &accepted, &backend, &page, head).await,
        Err(error) if error.code == 410 && !options.continue_token.is_empty() => {
            Ok(continue_expired(call, &error, &options))
        }
        Err(error) => Err(error),
    }
}

/// One page of a list, with the head that belongs to it.
pub(crate) async fn page(
    backend: &Backend,
    namespace: &str,
    options: &ListOptions,
    selection: &Selection,
) -> Result<(ListPage, ListHead), StatusError> {
    let info = &backend.info;
    let position = position(options)?;
    let scope = selection.scope(info, namespace);
    let scoped = match &scope {
        Scope::Namespace(namespace) => Some(namespace.clone()),
        Scope::Object { namespace, .. } => namespace.clone(),
        Scope::All => None,
    };
    // Tokens are relative to the listed folder, as kube-apiserver's are.
    let folder = match namespace {
        "" => backend.key("", ""),
        namespace => backend.key(namespace, ""),
    };
    let after = position.after.as_ref().map(|after| format!("{folder}{after}"));
    let filter = |entry: &karmada_storage::cache::Entry| selection.matches(entry);
    let cache_options = CacheList {
        namespace: scoped.as_deref(),
        after: after.as_deref(),
        limit: position.limit,
        filter: if selection.is_everything() { None } else { Some(&filter) },
    };
    let listed = backend.cache.list(position.at, cache_options).await;
    let page = match listed {
        Ok(page) => page,
        Err(CacheError::Expired { .. }) if position.after.is_some() => {
            return Err(StatusError::expired(CONTINUE_EXPIRED));
        }
        Err(CacheError::Expired { .. }) => return Err(StatusError::expired(LIST_EXPIRED)),
        Err(error) => return Err(backend::cache_error(&error)),
    };
    let continue_token = page.entries.last().filter(|_| page.more).map(|last| {
        let start = last.key().strip_prefix(folder.as_str()).unwrap_or_default();
        Token::encode(i64::try_from(page.revision).unwrap_or(i64::MAX), &format!("{start}\0"))
    });
    let head = ListHead {
        kind: info.list_kind.clone(),
        api_version: info.gvk().api_version(),
        revision: page.revision,
        continue_token,
        remaining: page.remaining,
        always_continue: info.strategy.custom_resource(),
    };
    Ok((page, head))
}

/// 410 with a token that goes on from the same key in the present.
fn continue_expired(call: &Call, error: &StatusError, options: &ListOptions) -> Response {
    let mut status = error.to_value();
    if let Ok(token) = Token::decode(&options.continue_token) {
        // kube-apiserver writes -1 for "the latest".
        status["metadata"]["continue"] = Token::encode(-1, &token.start).into();
    }
    call.answer(error.code, &status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kube_apiservers() {
        assert_eq!(Token::encode(1, "a\0"), "eyJydiI6MSwic3RhcnQiOiJhXHUwMDAwIiwidiI6Im1ldGEuazhzLmlvL3YxIn0");
        let token = Token::decode("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0").unwrap();
        assert_eq!((token.rv, token.start.as_str()), (1, "a\0"));
        assert_eq!(
            Token::decode("garbage").unwrap_err().message,
            "invalid continue token: continue key is not valid: invalid character '\\u0081' looking for beginning of value"
        );
        assert_eq!(
            Token::decode("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MX0").unwrap_err().message,
            "invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)"
        );
    }
}
