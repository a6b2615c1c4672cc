//! The embedded store: one durable server in one process.
//!
//! # What is stored
//!
//! One redb table maps each revision to a record: the key, the value, when the key was created, the revision of the
//! record that this one replaces ([`record`]). Which revision is a key's latest is kept in memory ([`index`]), and read
//! from the records when the store is opened: about 100 bytes per key, and 100,000 keys take a fraction of a second.
//! This is etcd's layout, and it is what makes writes cheap: a batch of writes appends to the right edge of one tree,
//! whatever its keys are. Measured with 64 random keys and 1 KB values per commit, on a disk whose sync takes 3 ms:
//!
//! | Layout | Commits per second |
//! |---|---|
//! | records by revision, index in memory (this one) | 285 |
//! | records by revision and index by key, both in redb | 205–240 (a leaf page is copied for almost every key) |
//! | append to a log and `fdatasync` (which redb would then follow) | 220–330 |
//!
//! Where a sync takes 0.2 ms, this layout makes 1,900 commits a second of 32 writes each (`examples/store_bench.rs`:
//! 64 writers, 60,000 creates/s). There is no write-ahead log in front of redb: a commit's time is the disk's
//! flush, which takes as long for one preallocated page as for redb's six, and redb's own commit is already one sync of
//! checksummed pages. A log would add recovery and reads from two places, and save nothing.
//!
//! # Writes
//!
//! One thread commits ([`writer`]): it takes all waiting requests, checks them against the index, writes them in one redb
//! transaction with one sync, updates the index and hands the events over to a second thread, which shows them to the
//! sinks and then acknowledges ([`publish`]). While a batch is synced the next one gathers, and while its events are
//! shown the next one is synced. A write that is acknowledged has been synced; one that was not acknowledged because
//! the process died is either there in full or not at all.
//!
//! # The past
//!
//! Records that were replaced stay until they are compacted: by age, by number and by size
//! ([`EmbeddedOptions`]). Until then reads at their revision and watches from their revision work, also after a
//! restart. Reads in the past follow the records' references to what they replaced.

mod compact;
mod history;
mod index;
mod mark;
mod open;
mod publish;
mod read;
mod record;
mod writer;

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use redb::{Database, TableDefinition};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use self::{index::Index, mark::Mark};
use crate::{Get, RangeOptions, RangeResult, Revision, Store, StoreError, StoreStats, WatchSink, WatchStream, Write};

/// Records by revision.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Single numbers by name.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// The layout that this version reads and writes.
const FORMAT: u64 = 1;

/// Limits of an [`EmbeddedStore`].
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Bytes of records (with their history) that may be stored; 0 is no limit.
    pub quota_bytes: u64,
    /// Largest value.
    pub value_limit: usize,
    /// History is kept for so long.
    pub history_age: Duration,
    /// At most so many revisions of history are kept.
    pub history_revisions: u64,
    /// At most about so many bytes of replaced records are kept.
    pub history_bytes: u64,
    /// Compact by the three limits above; without it only [`Store::compact`] does.
    pub auto_compact: bool,
    /// Memory for redb's pages.
    pub cache_bytes: usize,
    /// So many writes may wait; more of them wait for a place.
    pub queue: usize,
    /// So many writes are committed together.
    pub batch: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            // etcd's recommended maximum.
            quota_bytes: 8 << 30,
            value_limit: crate::VALUE_LIMIT,
            // kube-apiserver compacts every five minutes: lists can be continued and watches resumed for so long.
            history_age: Duration::from_secs(300),
            history_revisions: 200_000,
            history_bytes: 256 << 20,
            auto_compact: true,
            // Reads come from the watch cache; only loading it, and lists in the past, read pages.
            cache_bytes: 8 << 20,
            queue: 4_096,
            batch: 512,
        }
    }
}

/// What the threads and the callers share.
struct Shared {
    folder: PathBuf,
    options: EmbeddedOptions,
    /// `None` when closed, or while it is opened again after a failure.
    database: RwLock<Option<Arc<Database>>>,
    mark: Mark,
    /// Holds the data folder's lock while it is open.
    lock: Mutex<Option<File>>,
    index: RwLock<Index>,
    sinks: Mutex<Vec<Weak<dyn WatchSink>>>,
    /// The last revision that sinks and watchers have been shown.
    published: AtomicU64,
    changed: Notify,
    closed: AtomicBool,
    queue: Arc<Semaphore>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    batches: AtomicU64,
    writes: AtomicU64,
    failed_writes: AtomicU64,
    commit_micros: AtomicU64,
}

impl Shared {
    fn database(&self) -> Result<Arc<Database>, StoreError> {
        match &*self.database.read() {
            Some(database) => Ok(Arc::clone(database)),
            None if self.closed.load(Ordering::Acquire) => Err(StoreError::Closed),
            None => Err(StoreError::unavailable("use the data file", "it is opened again after a failure")),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(open::FILE)
    }

    fn corrupt(&self, detail: impl Into<String>) -> StoreError {
        StoreError::Corrupt { path: self.file(), detail: detail.into() }
    }
}

/// What the writer thread is asked to do.
enum Command {
    Write(Request),
    Compact(Revision, oneshot::Sender<Result<(), StoreError>>),
}

/// A write that waits.
struct Request {
    write: Write,
    reply: oneshot::Sender<Result<Revision, StoreError>>,
    /// Its place in the queue, free again once it is answered.
    _place: OwnedSemaphorePermit,
}

/// A durable store in a folder. See the module's documentation for how it works.
///
/// One process at a time may have a folder open.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the store in `folder`, which is made if it is not there. Reads all records: call it from a thread that may
    /// block.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Locked`], [`StoreError::Format`], [`StoreError::Corrupt`].
    pub fn open(folder: impl Into<PathBuf>, options: EmbeddedOptions) -> Result<Self, StoreError> {
        let folder = folder.into();
        let opened = open::open(&folder, &options)?;
        let revision = opened.index.revision;
        let shared = Arc::new(Shared {
            queue: Arc::new(Semaphore::new(options.queue.max(1))),
            folder,
            options,
            database: RwLock::new(Some(Arc::new(opened.database))),
            mark: opened.mark,
            lock: Mutex::new(Some(opened.lock)),
            index: RwLock::new(opened.index),
            sinks: Mutex::new(Vec::new()),
            published: AtomicU64::new(revision),
            changed: Notify::new(),
            closed: AtomicBool::new(false),
            counters: Counters::default(),
        });
        let (commands, received) = mpsc::channel();
        // Two batches may wait to be shown: more would only hide that sinks are slower than the disk.
        let (batches, shown) = mpsc::sync_channel(2);
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(body)
                .map_err(|error| StoreError::unavailable("start the store's threads", error))
        };
        let publisher = publish::Publisher::new(Arc::clone(&shared));
        let writer = writer::Writer::new(Arc::clone(&shared), batches, opened.compacted);
        let threads = vec![
            spawn("store-publish", Box::new(move || publisher.run(&shown)))?,
            spawn("store-write", Box::new(move || writer.run(&received)))?,
        ];
        Ok(Self { shared, commands: Mutex::new(Some(commands)), threads: Mutex::new(threads) })
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.shared.folder
    }

    fn send(&self, command: Command) -> Result<(), StoreError> {
        let commands = self.commands.lock();
        commands.as_ref().and_then(|commands| commands.send(command).ok()).ok_or(StoreError::Closed)
    }

    fn shut_down(&self) {
        // The writer ends when the last sender is gone, and the publisher when the writer is; both finish their work.
        drop(self.commands.lock().take());
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
        }
        self.shared.closed.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
        let database = self.shared.database.write().take();
        drop(database);
        drop(self.shared.lock.lock().take());
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Ranges up to this size are read where they are asked for; larger ones in a thread that may block.
const INLINE_RANGE: usize = 64;

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Get, StoreError> {
        read::get(&self.shared, key)
    }

    async fn range(&self, prefix: &str, options: RangeOptions) -> Result<RangeResult, StoreError> {
        if (1..=INLINE_RANGE).contains(&options.limit) {
            return read::range(&self.shared, prefix, &options);
        }
        let shared = Arc::clone(&self.shared);
        let prefix = prefix.to_owned();
        tokio::task::spawn_blocking(move || read::range(&shared, &prefix, &options))
            .await
            .map_err(|error| StoreError::unavailable("read a range", error))?
    }

    async fn commit(&self, write: Write) -> Result<Revision, StoreError> {
        let queue = Arc::clone(&self.shared.queue);
        let place = queue.acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.send(Command::Write(Request { write, reply, _place: place }))?;
        answer.await.map_err(|_| StoreError::unavailable("commit a write", "the writer has ended"))?
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<WatchStream, StoreError> {
        history::watch(&self.shared, prefix, after)
    }

    async fn attach(&self, sink: Weak<dyn WatchSink>) -> Result<Revision, StoreError> {
        let mut sinks = self.shared.sinks.lock();
        sinks.push(sink);
        Ok(self.shared.published.load(Ordering::Acquire))
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Compact(revision, reply))?;
        answer.await.map_err(|_| StoreError::unavailable("compact", "the writer has ended"))?
    }

    async fn current_revision(&self) -> Result<Revision, StoreError> {
        Ok(self.shared.published.load(Ordering::Acquire))
    }

    fn stats(&self) -> StoreStats {
        let shared = &self.shared;
        let index = shared.index.read();
        StoreStats {
            keys: index.live,
            stored_bytes: index.stored_bytes,
            file_bytes: std::fs::metadata(shared.file()).map_or(0, |metadata| metadata.len()),
            quota_bytes: shared.options.quota_bytes,
            revision: index.revision,
            oldest_revision: index.oldest,
            queue_depth: shared.options.queue.saturating_sub(shared.queue.available_permits()) as u64,
            batches: shared.counters.batches.load(Ordering::Relaxed),
            writes: shared.counters.writes.load(Ordering::Relaxed),
            failed_writes: shared.counters.failed_writes.load(Ordering::Relaxed),
            commit_micros: shared.counters.commit_micros.load(Ordering::Relaxed),
        }
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.shared.database()?;
        if self.threads.lock().iter().any(JoinHandle::is_finished) {
            return Err(StoreError::unavailable("commit writes", "a thread of the store has ended"));
        }
        Ok(())
    }

    async fn close(&self) {
        // Joining threads blocks for one commit at most; the runtime's other threads go on.
        self.shut_down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_data_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
        store.create("/r/a", "1".into()).await.unwrap();
        drop(store.shared.database.write().take());
        assert!(store.health().await.is_err());
        let error = store.create("/r/b", "1".into()).await.unwrap_err();
        assert_eq!(error.class(), crate::ErrorClass::Unavailable);
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while let Err(error) = store.create("/r/c", "1".into()).await {
            assert_eq!(error.class(), crate::ErrorClass::Unavailable);
            assert!(std::time::Instant::now() < until);
        }
        assert!(store.health().await.is_ok());
        assert_eq!(store.get("/r/c").await.unwrap().kv.unwrap().mod_revision, 2);
    }
}
