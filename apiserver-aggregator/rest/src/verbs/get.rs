//! `get`: one object.

use axum::response::Response;
use karmada_machinery::{Reason, StatusError};
use karmada_storage::cache::At;

use super::write;
use crate::{
    call::Call,
    negotiate::{self, Offer},
    query::{export_refused, parse_uint},
    render,
    server::ApiServer,
};

pub(crate) async fn get(server: &ApiServer, call: &Call) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    if call.query.flag("export") || call.query.flag("exact") {
        return Err(export_refused());
    }
    let at = match call.query.get("resourceVersion").unwrap_or_default() {
        "" => At::Latest,
        "0" => At::Any,
        text => match parse_uint(text) {
            Ok(version) => At::NotOlderThan(version),
            Err(why) => {
                let message = format!("resourceVersion: Invalid value: {text:?}: {why}");
                return Err(StatusError::new(500, Reason::Unknown, message));
            }
        },
    };
    let backend = write::backend(server, call).await?;
    let key = backend.key(call.namespace(), &call.info.name);
    let (entry, _) = backend.read(at, &key).await?;
    let Some(entry) = entry else {
        return Err(StatusError::not_found(&backend.info.group_resource(), &call.info.name));
    };
    render::entry(call, &accepted, &backend, &entry).await
}
