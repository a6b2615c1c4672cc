//! `watch`: the changes of a collection as a stream of events.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, header};
use karmada_machinery::{Reason, StatusError};
use karmada_storage::cache::{CacheError, Delivery, Entry, Watch, WatchEventKind, WatchStart, Watcher};
use rand::RngExt as _;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::write;
use crate::{
    backend::{self, Backend},
    call::Call,
    negotiate::{self, Accepted, Offer, View},
    query::{ListOptions, parse_uint},
    render,
    select::Selection,
    server::ApiServer,
};

/// How often a watcher that asked for bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// Watches without a timeout end after between so many and twice so many seconds: clients spread over servers.
const TIMEOUT_MIN_SECONDS: u64 = 1800;
/// Frames that wait for a slow client before the cache's ring takes over; past that the watcher expires.
const QUEUE: usize = 64;

pub(crate) async fn watch(server: &ApiServer, call: &Call) -> Result<Response, StatusError> {
    let accepted = negotiate::accept(&call.headers, Offer::Stream, None)?;
    let info = call.resource()?;
    let options = ListOptions::parse(&call.query, true)?;
    let selection = Selection::parse(&options.label_selector, &options.field_selector, info)?.named(&call.info.name);
    let start = match options.resource_version.as_str() {
        "" | "0" => WatchStart::Initial,
        text => match parse_uint(text) {
            Ok(version) => WatchStart::After(version),
            Err(why) => {
                let message = format!("resourceVersion: Invalid value: {text:?}: {why}");
                return Err(StatusError::new(500, Reason::Unknown, message));
            }
        },
    };
    // An explicit "no initial events" starts at the present instead.
    let (start, initial_events) = match (start, options.send_initial_events) {
        (_, Some(true)) => (WatchStart::Initial, true),
        (WatchStart::Initial, Some(false)) => (WatchStart::Initial, false),
        (WatchStart::Initial, None) => (WatchStart::Initial, true),
        (after, _) => (after, false),
    };
    let backend = write::backend(server, call).await?;
    let (counted, events) = server.0.metrics.watch(&info.gvr.group, &info.gvr.version, &info.gvr.resource);
    let scope = selection.scope(info, call.namespace());
    let begun = backend.cache.watch(start, &scope, selection.filter()).await;
    let seconds = options
        .timeout_seconds
        .and_then(|s| u64::try_from(s).ok())
        .filter(|s| *s > 0)
        .unwrap_or_else(|| TIMEOUT_MIN_SECONDS + rand::rng().random_range(0..TIMEOUT_MIN_SECONDS));
    let mut frames =
        Frames { call: call.clone(), backend, accepted, bookmarks: options.allow_bookmarks, first_table: true, events };
    let (sender, receiver) = tokio::sync::mpsc::channel(QUEUE);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    match begun {
        Ok(watch) => {
            tokio::spawn(async move {
                let _counted = counted;
                frames.run(watch, initial_events, deadline, &sender).await;
            });
        }
        // A start that is too old is told in the stream: informers look for it there.
        Err(CacheError::Expired { requested, oldest }) => {
            let error = backend::cache_error(&CacheError::Expired { requested, oldest });
            let _ = sender.try_send(frames.error(&error));
        }
        Err(error) => return Err(backend::cache_error(&error)),
    }
    let mut response = Response::new(Body::from_stream(Receiver(receiver)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// The frames of a watch as a body. Dropping it ends the task that fills it.
struct Receiver(tokio::sync::mpsc::Receiver<Bytes>);

impl Stream for Receiver {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// Makes the frames of one watch.
struct Frames {
    call: Call,
    backend: Backend,
    accepted: Accepted,
    bookmarks: bool,
    first_table: bool,
    events: prometheus::IntCounter,
}

type Sender = tokio::sync::mpsc::Sender<Bytes>;

impl Frames {
    async fn run(&mut self, watch: Watch, initial_events: bool, deadline: Instant, sender: &Sender) {
        let ended = tokio::time::timeout_at(deadline, self.follow(watch, initial_events, sender)).await;
        if let Ok(Err(error)) = ended {
            let frame = self.error(&error);
            // The client may be gone or stuck; either way there is nothing more to tell.
            let _ = tokio::time::timeout(Duration::from_secs(1), sender.send(frame)).await;
        }
    }

    /// Sends until the client is gone (`Ok`) or the watch cannot go on (`Err`).
    async fn follow(&mut self, watch: Watch, initial_events: bool, sender: &Sender) -> Result<(), StatusError> {
        let Watch { initial, revision, mut watcher } = watch;
        if initial_events {
            for entry in &initial {
                let frame = self.frame_of(WatchEventKind::Added, entry, None).await?;
                if sender.send(frame).await.is_err() {
                    return Ok(());
                }
            }
            drop(initial);
            if self.bookmarks {
                let frame = self.bookmark(revision, true);
                if sender.send(frame).await.is_err() {
                    return Ok(());
                }
            }
        }
        let mut next_bookmark = Instant::now() + BOOKMARK_EVERY;
        loop {
            let deliveries = tokio::select! {
                deliveries = watcher.next() => deliveries.map_err(|e| watch_error(&e))?,
                () = tokio::time::sleep_until(next_bookmark), if self.bookmarks => {
                    next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    if !self.send_progress(&mut watcher, sender).await? {
                        return Ok(());
                    }
                    continue;
                }
                () = sender.closed() => return Ok(()),
            };
            if !self.send(&deliveries, sender).await? {
                return Ok(());
            }
        }
    }

    /// Sends events; `false` when the client is gone.
    async fn send(&mut self, deliveries: &[Delivery], sender: &Sender) -> Result<bool, StatusError> {
        for delivery in deliveries {
            let frame = self.frame_of(delivery.kind(), delivery.object(), Some(delivery)).await?;
            self.events.inc();
            if sender.send(frame).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends a bookmark with how far the watcher has come.
    async fn send_progress(&mut self, watcher: &mut Watcher, sender: &Sender) -> Result<bool, StatusError> {
        let deliveries = watcher.try_next().map_err(|e| watch_error(&e))?;
        if !self.send(&deliveries, sender).await? {
            return Ok(false);
        }
        let frame = self.bookmark(watcher.progress(), false);
        Ok(sender.send(frame).await.is_ok())
    }

    /// One event. The bytes that all watchers share are used where nobody asked for another form.
    async fn frame_of(
        &mut self,
        kind: WatchEventKind,
        entry: &Arc<Entry>,
        delivery: Option<&Delivery>,
    ) -> Result<Bytes, StatusError> {
        if self.accepted.view == View::Object {
            let prefix = self.backend.served_prefix();
            if entry.bytes().starts_with(prefix.as_bytes()) {
                return Ok(delivery.map_or_else(|| kind.frame(entry.bytes()), Delivery::frame));
            }
            return Ok(kind.frame(&self.backend.bytes(entry, &prefix).await?));
        }
        let object = self.backend.value(entry).await?;
        let object = match &self.accepted.view {
            View::Table(version) => {
                let columns = std::mem::replace(&mut self.first_table, false);
                render::table_of(&self.call, &self.backend.info, object, version, columns)?
            }
            View::Metadata(version) | View::MetadataList(version) => render::partial(&object, version),
            View::Object => object,
        };
        Ok(kind.frame(&serde_json::to_vec(&object).unwrap_or_default()))
    }

    fn bookmark(&mut self, revision: u64, initial_end: bool) -> Bytes {
        let info = &self.backend.info;
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), revision.to_string().into());
        if initial_end {
            metadata.insert("annotations".into(), json!({"k8s.io/initial-events-end": "true"}));
        }
        let object = json!({
            "kind": info.kind,
            "apiVersion": info.gvk().api_version(),
            "metadata": metadata,
        });
        let object = match &self.accepted.view {
            View::Object => object,
            View::Metadata(version) | View::MetadataList(version) => render::partial(&object, version),
            View::Table(version) => {
                let columns = std::mem::replace(&mut self.first_table, false);
                render::table_of(&self.call, info, object.clone(), version, columns).unwrap_or(object)
            }
        };
        event("BOOKMARK", &object)
    }

    fn error(&self, error: &StatusError) -> Bytes {
        event("ERROR", &error.to_value())
    }
}

fn event(kind: &str, object: &Value) -> Bytes {
    let mut frame = serde_json::to_vec(&json!({"type": kind, "object": object})).unwrap_or_default();
    frame.push(b'\n');
    frame.into()
}

fn watch_error(error: &CacheError) -> StatusError {
    match error {
        CacheError::Stopped { .. } => StatusError::expired("the watched resource has changed; list again"),
        other => backend::cache_error(other),
    }
}
