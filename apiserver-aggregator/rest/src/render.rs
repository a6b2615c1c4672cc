//! Answers: objects and lists in the view and format that the client asked for.

use axum::response::Response;
use bytes::Bytes;
use karmada_machinery::{ResourceInfo, StatusError, meta};
use karmada_storage::cache::{Entry, ListPage};
use serde_json::{Map, Value, json};

use crate::{
    backend::Backend,
    call::Call,
    encode::{self, ListHead, Wire},
    negotiate::{self, Accepted, Format, View},
    verbs::write::Written,
};

fn wire(call: &Call, accepted: &Accepted) -> Wire {
    Wire { format: accepted.format, pretty: accepted.pretty, gzip: negotiate::accepts_gzip(&call.headers) }
}

/// Metadata only.
pub(crate) fn partial(object: &Value, version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// What rows of a Table carry of their object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    None,
    Metadata,
    Object,
}

impl IncludeObject {
    pub(crate) fn of(call: &Call) -> Result<Self, StatusError> {
        match call.query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Object),
            other => Err(StatusError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

/// A Table without rows; `columns` is false for the later events of a watch.
pub(crate) fn table_head(info: &ResourceInfo, version: &str, metadata: Map<String, Value>, columns: bool) -> Value {
    let definitions: Value = if columns {
        info.table
            .columns()
            .iter()
            .map(|c| {
                json!({
                    "name": c.name,
                    "type": c.kind,
                    "format": c.format,
                    "description": c.description,
                    "priority": c.priority,
                })
            })
            .collect()
    } else {
        Value::Null
    };
    json!({
        "kind": "Table",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": [],
    })
}

/// One row.
pub(crate) fn table_row(
    call: &Call,
    info: &ResourceInfo,
    object: Value,
    version: &str,
    include: IncludeObject,
) -> Value {
    let cells = info.table.cells(&object, call.now);
    let conditions = info.table.conditions(&object);
    let object = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => partial(&object, version),
        IncludeObject::Object => object,
    };
    let mut row = json!({"cells": cells, "object": object});
    if !conditions.is_empty() {
        row["conditions"] = conditions.into();
    }
    row
}

/// An object as a Table of one row.
pub(crate) fn table_of(
    call: &Call,
    info: &ResourceInfo,
    object: Value,
    version: &str,
    columns: bool,
) -> Result<Value, StatusError> {
    let include = IncludeObject::of(call)?;
    let mut metadata = Map::new();
    if let Some(revision) = meta::resource_version(&object) {
        metadata.insert("resourceVersion".into(), revision.into());
    }
    let mut table = table_head(info, version, metadata, columns);
    let row = table_row(call, info, object, version, include);
    if let Some(rows) = table["rows"].as_array_mut() {
        rows.push(row);
    }
    Ok(table)
}

/// 406: the wanted view does not fit.
fn not_a_list(info: &ResourceInfo) -> StatusError {
    StatusError::new(
        406,
        karmada_machinery::Reason::NotAcceptable,
        format!(
            "you requested PartialObjectMetadataList, but the requested object is not a list (*{}.{})",
            package(info),
            info.kind
        ),
    )
}

fn is_a_list(info: &ResourceInfo) -> StatusError {
    StatusError::new(
        406,
        karmada_machinery::Reason::NotAcceptable,
        format!(
            "you requested PartialObjectMetadata, but the requested object is a list (*{}.{})",
            package(info),
            info.list_kind
        ),
    )
}

fn package(info: &ResourceInfo) -> &str {
    match info.gvr.group.split('.').next().unwrap_or_default() {
        "" => "core",
        first => first,
    }
}

/// An object in the view that was asked for.
fn viewed(call: &Call, info: &ResourceInfo, accepted: &Accepted, value: Value) -> Result<Value, StatusError> {
    // A Status is never shown in another view.
    if value.get("kind").and_then(Value::as_str) == Some("Status") && info.kind != "Status" {
        return Ok(value);
    }
    match &accepted.view {
        View::Object => Ok(value),
        View::Metadata(version) => Ok(partial(&value, version)),
        View::MetadataList(_) => Err(not_a_list(info)),
        View::Table(version) => table_of(call, info, value, version, true),
    }
}

/// An answer with a value.
pub(crate) fn value(call: &Call, accepted: &Accepted, code: u16, value: Value) -> Result<Response, StatusError> {
    let value = viewed(call, call.resource()?, accepted, value)?;
    Ok(encode::value_response(code, &value, wire(call, accepted)))
}

fn plain(accepted: &Accepted) -> bool {
    accepted.format == Format::Json && !accepted.pretty && accepted.view == View::Object
}

/// An answer with a written object.
pub(crate) fn written(call: &Call, accepted: &Accepted, code: u16, written: Written) -> Result<Response, StatusError> {
    match written.bytes {
        Some(bytes) if plain(accepted) => {
            Ok(encode::response(code, Format::Json.media_type(), bytes, wire(call, accepted).gzip))
        }
        _ => value(call, accepted, code, written.value),
    }
}

/// An answer with a cached object.
pub(crate) async fn entry(
    call: &Call,
    accepted: &Accepted,
    backend: &Backend,
    entry: &Entry,
) -> Result<Response, StatusError> {
    if plain(accepted) {
        let bytes = backend.bytes(entry, &backend.served_prefix()).await?;
        return Ok(encode::response(200, Format::Json.media_type(), bytes, wire(call, accepted).gzip));
    }
    value(call, accepted, 200, backend.value(entry).await?)
}

/// An answer with a page of a list.
pub(crate) async fn list(
    call: &Call,
    accepted: &Accepted,
    backend: &Backend,
    page: &ListPage,
    head: ListHead,
) -> Result<Response, StatusError> {
    let wire = wire(call, accepted);
    let info = &backend.info;
    match &accepted.view {
        View::Object => {}
        View::Metadata(_) => return Err(is_a_list(info)),
        View::MetadataList(version) => {
            let mut items = Vec::with_capacity(page.entries.len());
            for entry in &page.entries {
                items.push(partial(&backend.value(entry).await?, version));
            }
            let list = json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": format!("meta.k8s.io/{version}"),
                "metadata": ListHead { always_continue: false, ..head }.metadata(),
                "items": items,
            });
            return Ok(encode::value_response(200, &list, wire));
        }
        View::Table(version) => {
            let include = IncludeObject::of(call)?;
            let mut head = head;
            head.always_continue = false;
            let mut table = table_head(info, version, head.metadata(), true);
            let mut rows = Vec::with_capacity(page.entries.len());
            for entry in &page.entries {
                rows.push(table_row(call, info, backend.value(entry).await?, version, include));
            }
            table["rows"] = rows.into();
            return Ok(encode::value_response(200, &table, wire));
        }
    }
    let body = list_bytes(backend, page, &head).await?;
    if plain(accepted) {
        return Ok(encode::response(200, Format::Json.media_type(), body, wire.gzip));
    }
    let list: Value = serde_json::from_slice(&body).map_err(StatusError::internal)?;
    Ok(encode::value_response(200, &list, wire))
}

/// A list's JSON, put together from the cached bytes of its items.
async fn list_bytes(backend: &Backend, page: &ListPage, head: &ListHead) -> Result<Bytes, StatusError> {
    let prefix = backend.served_prefix();
    let mut items = Vec::with_capacity(page.entries.len());
    let mut size = 0;
    for entry in &page.entries {
        let bytes = backend.bytes(entry, &prefix).await?;
        size += bytes.len() + 1;
        items.push(bytes);
    }
    let strip = (!backend.info.strategy.custom_resource()).then_some(prefix.as_str());
    Ok(head.encode(items.into_iter(), strip, size))
}
