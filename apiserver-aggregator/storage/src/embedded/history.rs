//! Watches: a position in the records, woken by commits.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Shared,
    read::{Log, check_revision, failed, key_value, snapshot},
    record::Record,
};
use crate::{Event, Revision, StoreError, WatchBatch, WatchStream};
use bytes::Bytes;
use futures::stream;

/// Events per batch.
const BATCH: usize = 500;
/// Records looked at per batch, so that a watch of something rare does not block for long.
const LOOK: usize = 5_000;

pub(super) fn watch(shared: &Arc<Shared>, prefix: &str, after: Revision) -> Result<WatchStream, StoreError> {
    {
        let index = shared.index.read();
        check_revision(after, index.oldest, index.revision)?;
    }
    let shared = Arc::clone(shared);
    let prefix: Box<str> = prefix.into();
    Ok(Box::pin(stream::unfold((shared, prefix, Some(after)), |(shared, prefix, position)| async move {
        let position = position?;
        let batch = next(&shared, &prefix, position).await;
        let position = batch.as_ref().ok().map(|batch| batch.revision);
        Some((batch, (shared, prefix, position)))
    })))
}

async fn next(shared: &Arc<Shared>, prefix: &str, position: Revision) -> Result<WatchBatch, StoreError> {
    loop {
        let mut changed = std::pin::pin!(shared.changed.notified());
        changed.as_mut().enable();
        if shared.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let published = shared.published.load(Ordering::Acquire);
        let log = {
            let index = shared.index.read();
            if position < index.oldest {
                return Err(StoreError::Compacted { requested: position, oldest: index.oldest });
            }
            (published > position).then(|| snapshot(shared)).transpose()?
        };
        if let Some(log) = log {
            return events(shared, &log, prefix, position, published);
        }
        changed.await;
    }
}

/// The events of `prefix` in (`after`, `until`], a bounded number of them.
pub(super) fn events(
    shared: &Shared,
    log: &Log,
    prefix: &str,
    after: Revision,
    until: Revision,
) -> Result<WatchBatch, StoreError> {
    let mut batch = WatchBatch { events: Vec::new(), revision: until };
    for (looked, row) in log.range(after + 1..=until).map_err(failed)?.enumerate() {
        let (revision, bytes) = row.map_err(failed)?;
        let (revision, bytes) = (revision.value(), bytes.value());
        let record = Record::decode(bytes)
            .ok_or_else(|| shared.corrupt(format!("the record of revision {revision} is damaged")))?;
        if record.key.starts_with(prefix) {
            let key: Arc<str> = record.key.into();
            let prev = match record.replaces {
                0 => None,
                replaces => key_value(shared, log, &key, replaces, false)?,
            };
            batch.events.push(Event {
                revision,
                kind: record.kind(revision),
                value: Bytes::copy_from_slice(record.value),
                create_revision: record.created,
                prev,
                key,
            });
        }
        if batch.events.len() >= BATCH || looked >= LOOK {
            batch.revision = revision;
            break;
        }
    }
    Ok(batch)
}
