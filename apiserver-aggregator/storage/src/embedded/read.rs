//! Reads of one key and of ranges, now and in the past.

use std::sync::Arc;

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadableDatabase};

use super::{LOG, Shared, record::Record};
use crate::{Get, KeyValue, RangeOptions, RangeResult, Revision, StoreError};

pub(super) type Log = ReadOnlyTable<u64, &'static [u8]>;

/// A snapshot of the records. Take it while the index is locked: then every record that the index names is in it, and
/// stays in it whatever is compacted later.
pub(super) fn snapshot(shared: &Shared) -> Result<Log, StoreError> {
    let open = || -> Result<Log, redb::Error> {
        let database = shared.database().map_err(|_| redb::Error::DatabaseClosed)?;
        Ok(database.begin_read()?.open_table(LOG)?)
    };
    shared.database()?;
    open().map_err(failed)
}

pub(super) fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::unavailable("read the data file", error.into())
}

/// Calls `read` with a record, if it is there.
pub(super) fn with_record<T>(
    shared: &Shared,
    log: &Log,
    revision: Revision,
    read: impl FnOnce(Record<'_>, &[u8]) -> T,
) -> Result<Option<T>, StoreError> {
    let Some(row) = log.get(revision).map_err(failed)? else { return Ok(None) };
    let record = Record::decode(row.value())
        .ok_or_else(|| shared.corrupt(format!("the record of revision {revision} is damaged")))?;
    Ok(Some(read(record, row.value())))
}

/// The state of a key that its record at `revision` has left; `None` for a deletion.
pub(super) fn key_value(
    shared: &Shared,
    log: &Log,
    key: &Arc<str>,
    revision: Revision,
    keys_only: bool,
) -> Result<Option<KeyValue>, StoreError> {
    let read = with_record(shared, log, revision, |record, bytes| {
        (!record.deleted).then(|| KeyValue {
            key: Arc::clone(key),
            value: if keys_only { Bytes::new() } else { Bytes::copy_from_slice(&bytes[record.value_offset()..]) },
            create_revision: record.created,
            mod_revision: revision,
        })
    })?;
    Ok(read.flatten())
}

/// The revision of the record that was a key's latest at `at`, going back from `revision`; 0 when there was none.
fn revision_at(shared: &Shared, log: &Log, mut revision: Revision, at: Revision) -> Result<Revision, StoreError> {
    while revision > at {
        // A record that is gone was a compacted deletion: the key was absent.
        revision = with_record(shared, log, revision, |record, _| record.replaces)?.unwrap_or_default();
    }
    Ok(revision)
}

pub(super) fn get(shared: &Shared, key: &str) -> Result<Get, StoreError> {
    let (found, revision, log) = {
        let index = shared.index.read();
        let found = index.get(key).filter(|(_, version)| version.is_live());
        let Some((key, version)) = found else { return Ok(Get { kv: None, revision: index.revision }) };
        ((Arc::clone(key), version.revision), index.revision, snapshot(shared)?)
    };
    let (key, latest) = found;
    let kv = key_value(shared, &log, &key, latest, false)?;
    if kv.is_none() {
        return Err(missing(shared, latest));
    }
    Ok(Get { kv, revision })
}

fn missing(shared: &Shared, revision: Revision) -> StoreError {
    shared.corrupt(format!("the record of revision {revision} is missing"))
}

pub(super) fn check_revision(requested: Revision, oldest: Revision, current: Revision) -> Result<(), StoreError> {
    if requested > current {
        return Err(StoreError::FutureRevision { requested, current });
    }
    if requested < oldest {
        return Err(StoreError::Compacted { requested, oldest });
    }
    Ok(())
}

pub(super) fn range(shared: &Shared, prefix: &str, options: &RangeOptions) -> Result<RangeResult, StoreError> {
    let after = options.after.as_deref();
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    let mut result = RangeResult { kvs: Vec::new(), revision: 0, more: false, remaining: 0 };
    // Under the lock only names and numbers are collected; records are read afterwards from the snapshot. Keys that
    // have not changed since `at` are known to have existed; of the others only their records tell, and they are few.
    let mut candidates = Vec::new();
    let log = {
        let index = shared.index.read();
        let at = options.revision.unwrap_or(index.revision);
        check_revision(at, index.oldest, index.revision)?;
        result.revision = at;
        let mut unchanged = 0;
        for (key, version) in index.range(prefix, after) {
            let changed = version.revision > at;
            if !changed && !version.is_live() {
                continue;
            }
            if changed || unchanged < limit {
                candidates.push((Arc::clone(key), *version));
                unchanged += usize::from(!changed);
            } else {
                result.remaining += 1;
            }
        }
        snapshot(shared)?
    };
    let at = result.revision;
    for (key, version) in candidates {
        let on_page = result.kvs.len() < limit;
        let revision = revision_at(shared, &log, version.revision, at)?;
        let found = match revision {
            0 => None,
            revision => key_value(shared, &log, &key, revision, options.keys_only || !on_page)?,
        };
        match found {
            Some(kv) if on_page => result.kvs.push(kv),
            Some(_) => result.remaining += 1,
            // Only the latest record is known to be there; in the past the key may have been absent.
            None if version.revision <= at => return Err(missing(shared, revision)),
            None => {}
        }
    }
    result.more = result.remaining > 0;
    Ok(result)
}
