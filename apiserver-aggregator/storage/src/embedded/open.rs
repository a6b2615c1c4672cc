//! Opening a data folder: its lock, its format, its records.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    panic::AssertUnwindSafe,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError};

use super::{
    EmbeddedOptions, FORMAT, LOG, META, Shared,
    index::{Index, Version},
    mark::Mark,
    record::Record,
};
use crate::{Event, Revision, StoreError};

pub(super) const FILE: &str = "store.redb";
const LOCK: &str = "lock";
/// Smaller files are not worth rewriting.
const SHRINK_FROM: u64 = 32 << 20;

/// Numbers in the meta table.
pub(super) const META_FORMAT: &str = "format";
pub(super) const META_REVISION: &str = "revision";
pub(super) const META_OLDEST: &str = "oldest";
pub(super) const META_COMPACTED: &str = "compacted";

pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) lock: File,
    pub(super) mark: Mark,
    pub(super) index: Index,
    /// Records up to this revision have been compacted; behind `index.oldest` when that was interrupted.
    pub(super) compacted: Revision,
}

pub(super) fn open(folder: &Path, options: &EmbeddedOptions) -> Result<Opened, StoreError> {
    let open_error =
        |path: &Path, error: io::Error| StoreError::Open { path: path.to_owned(), source: Box::new(error) };
    fs::create_dir_all(folder).map_err(|error| open_error(folder, error))?;
    let lock = lock(folder)?;
    let file = folder.join(FILE);
    let mut database = open_database(&file, options.cache_bytes)?;
    verify(&file, &mut database)?;
    let mark = Mark::open(folder)?;
    // The folder's entry for a new file has to be durable too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| open_error(folder, error))?;
    let (index, compacted) = unwinding(&file, || load(&file, &database))??;
    mark.check(&file, index.revision)?;
    shrink(&file, &mut database, index.stored_bytes);
    Ok(Opened { database, lock, mark, index, compacted })
}

/// Takes the folder's lock; the kernel frees it when the process ends, however it does.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let failed = |error: io::Error| StoreError::Open { path: path.clone(), source: Box::new(error) };
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Who it is helps, but is not needed to refuse.
            let owner = file.read_to_string(&mut owner).ok().and_then(|_| owner.trim().parse().ok());
            return Err(StoreError::Locked { path: folder.to_owned(), owner });
        }
        Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

pub(super) fn open_database(file: &Path, cache_bytes: usize) -> Result<Database, StoreError> {
    let result = unwinding(file, || Builder::new().set_cache_size(cache_bytes).create(file))?;
    result.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: file.to_owned(), owner: None },
        DatabaseError::UpgradeRequired(found) => {
            StoreError::Format { path: file.to_owned(), found: u64::from(found), supported: FORMAT }
        }
        DatabaseError::Storage(StorageError::Io(error))
            if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::Open { path: file.to_owned(), source: Box::new(error) }
        }
        error => StoreError::Corrupt { path: file.to_owned(), detail: error.to_string() },
    })
}

/// Checks the checksums of all pages: reading the records finds damaged records, but not a damaged way to them. Pages
/// that are damaged make redb go back to the commit before; the mark tells whether that has lost something.
fn verify(file: &Path, database: &mut Database) -> Result<(), StoreError> {
    match unwinding(file, || database.check_integrity())? {
        Ok(true) => Ok(()),
        Ok(false) => {
            tracing::warn!(file = %file.display(), "the last commit was damaged, going back to the one before");
            Ok(())
        }
        Err(error) => Err(StoreError::Corrupt { path: file.to_owned(), detail: error.to_string() }),
    }
}

/// Runs `work` on data that may be damaged: redb asserts what it expects of a page, and a failed assertion there means
/// damaged data, not a bug here.
fn unwinding<T>(file: &Path, work: impl FnOnce() -> T) -> Result<T, StoreError> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let detail = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unreadable pages");
        StoreError::Corrupt { path: file.to_owned(), detail: detail.to_owned() }
    })
}

/// redb uses free pages again but never gives them back: a file that has become mostly free is rewritten, which takes
/// less time the less there is to keep.
fn shrink(file: &Path, database: &mut Database, stored_bytes: u64) {
    let size = || fs::metadata(file).map_or(0, |metadata| metadata.len());
    let before = size();
    if before < SHRINK_FROM || before / 4 < stored_bytes {
        return;
    }
    match unwinding(file, || database.compact()) {
        Ok(Ok(_)) => tracing::info!(before, after = size(), "shrank the data file"),
        Ok(Err(error)) => tracing::warn!(error = %error, "shrink the data file"),
        Err(error) => tracing::warn!(error = %error, "shrink the data file"),
    }
}

/// Reads all records into an index, or prepares a new file.
fn load(file: &Path, database: &Database) -> Result<(Index, Revision), StoreError> {
    let corrupt = |detail: String| StoreError::Corrupt { path: file.to_owned(), detail };
    let damaged = |error: redb::Error| corrupt(error.to_string());
    let transaction = database.begin_read().map_err(|error| damaged(error.into()))?;
    let tables = transaction.list_tables().map_err(|error| damaged(error.into()))?.count();
    if tables == 0 {
        drop(transaction);
        prepare(database).map_err(damaged)?;
        return Ok((Index::default(), 0));
    }
    let meta = transaction.open_table(META).map_err(|error| damaged(error.into()))?;
    let number = |name: &str| match meta.get(name) {
        Ok(number) => Ok(number.map(|number| number.value())),
        Err(error) => Err(damaged(error.into())),
    };
    let found = number(META_FORMAT)?.unwrap_or_default();
    if found != FORMAT {
        return Err(StoreError::Format { path: file.to_owned(), found, supported: FORMAT });
    }
    let log = transaction.open_table(LOG).map_err(|error| damaged(error.into()))?;
    let mut index = Index::default();
    index.oldest = number(META_OLDEST)?.unwrap_or_default();
    let mut records = 0;
    for row in log.iter().map_err(|error| damaged(error.into()))? {
        let (revision, bytes) = row.map_err(|error| damaged(error.into()))?;
        let (revision, bytes) = (revision.value(), bytes.value());
        let record = Record::verify(revision, bytes)
            .ok_or_else(|| corrupt(format!("the record of revision {revision} is damaged")))?;
        if revision <= index.revision {
            return Err(corrupt(format!("revision {revision} follows {}", index.revision)));
        }
        index.revision = revision;
        index.stored_bytes += bytes.len() as u64;
        let key = index.get(record.key).map_or_else(|| Arc::from(record.key), |(key, _)| Arc::clone(key));
        let created = if record.deleted { 0 } else { record.created };
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        index.set(key, Version { revision, created, expires: record.expires, size });
        records += 1;
    }
    if log.len().map_err(|error| damaged(error.into()))? != records {
        return Err(corrupt(format!("only {records} records are readable")));
    }
    index.revision = index.revision.max(number(META_REVISION)?.unwrap_or_default()).max(index.oldest);
    let compacted = number(META_COMPACTED)?.unwrap_or_default();
    Ok((index, compacted))
}

fn prepare(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(LOG)?;
    transaction.open_table(META)?.insert(META_FORMAT, FORMAT)?;
    transaction.commit()?;
    Ok(())
}

/// Takes over what a data file that was opened again has beyond the index: the writes of a batch whose commit has failed
/// after it had become durable. Returns their events and how far the file is compacted.
pub(super) fn catch_up(shared: &Shared, database: &Database) -> Result<(Vec<Event>, Revision), StoreError> {
    let file = shared.file();
    let read = || -> Result<_, redb::Error> {
        let transaction = database.begin_read()?;
        let compacted = transaction.open_table(META)?.get(META_COMPACTED)?.map_or(0, |number| number.value());
        let log = transaction.open_table(LOG)?;
        let mut index = shared.index.write();
        let mut events = Vec::new();
        for row in log.range(index.revision + 1..)? {
            let (revision, bytes) = row?;
            let (revision, bytes) = (revision.value(), bytes.value());
            let Some(record) = Record::verify(revision, bytes) else {
                return Err(redb::Error::Corrupted(format!("the record of revision {revision} is damaged")));
            };
            let key: Arc<str> = record.key.into();
            let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let created = if record.deleted { 0 } else { record.created };
            index.revision = revision;
            index.stored_bytes += bytes.len() as u64;
            index.set(Arc::clone(&key), Version { revision, created, expires: record.expires, size });
            events.push(Event {
                revision,
                kind: record.kind(revision),
                key,
                value: Bytes::copy_from_slice(record.value),
                create_revision: record.created,
                prev: None,
            });
        }
        Ok((events, compacted))
    };
    unwinding(&file, read)?.map_err(|error| StoreError::Corrupt { path: file.clone(), detail: error.to_string() })
}
