//! `deletecollection`: all objects that selectors select.

use axum::{extract::Request, response::Response};
use futures::StreamExt as _;
use karmada_machinery::{Reason, StatusError};

use super::{delete, list, write};
use crate::{
    backend::Backend,
    call::Call,
    negotiate::{self, Offer},
    query::{DeleteOptions, ListOptions},
    render,
    select::Selection,
    server::ApiServer,
};

/// Objects deleted at once by one deletecollection.
const COLLECTION_CONCURRENCY: usize = 16;

pub(crate) async fn delete_collection(
    server: &ApiServer,
    call: &Call,
    request: Request,
) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Resource, call.query.get("pretty"))?;
    let info = call.resource()?.clone();
    let list_options = ListOptions::parse(&call.query, false)?;
    let selection = Selection::parse(&list_options.label_selector, &list_options.field_selector, &info)?;
    let options = delete::read_options(call, request).await?;
    let backend = write::backend(server, call).await?;
    let (page, head) = list::page(&backend, call.namespace(), &list_options, &selection).await?;
    let mut running = futures::stream::FuturesUnordered::new();
    for entry in &page.entries {
        if running.len() >= COLLECTION_CONCURRENCY {
            running.next().await.transpose()?;
        }
        let (namespace, name) = (entry.namespace().unwrap_or_default().to_owned(), entry.name().to_owned());
        running.push(delete_one(server, call, &backend, namespace, name, &options));
    }
    while running.next().await.transpose()?.is_some() {}
    render::list(call, &accepted, &backend, &page, head).await
}

/// Deletes one object of a collection.
async fn delete_one(
    server: &ApiServer,
    call: &Call,
    backend: &Backend,
    namespace: String,
    name: String,
    options: &DeleteOptions,
) -> Result<(), StatusError> {
    match delete::delete_in(server, call, backend, &namespace, &name, options).await {
        // Somebody else has deleted it: that is what was wanted.
        Err(error) if error.reason == Reason::NotFound.as_str() => Ok(()),
        other => other.map(|_| ()),
    }
}
