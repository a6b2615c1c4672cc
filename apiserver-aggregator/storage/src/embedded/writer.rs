//! The thread that commits.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use redb::{Durability, ReadableTable, Table};

use super::{Command, LOG, Request, Shared, compact::Compaction, index::Version, open, publish::Batch, record::Record};
use crate::{Event, EventKind, KeyValue, Operation, Revision, StoreError, Write, error::chain};

/// How long the thread sleeps at most when nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// Bytes of values that are committed together.
const BATCH_BYTES: usize = 8 << 20;
/// Expired keys that are deleted together with a batch.
const EXPIRE_BATCH: usize = 500;

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    batches: SyncSender<Batch>,
    clock: Clock,
    compaction: Compaction,
    buffer: Vec<u8>,
}

/// Wall time that does not jump while the process lives.
struct Clock {
    started: Instant,
    unix_millis: u64,
}

impl Clock {
    fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), unix_millis: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }

    fn now(&self) -> u64 {
        self.unix_millis.saturating_add(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// A write that has passed its checks.
struct Accepted {
    event: Event,
    version: Version,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, batches: SyncSender<Batch>, compacted: Revision) -> Self {
        Self { shared, batches, clock: Clock::new(), compaction: Compaction::new(compacted), buffer: Vec::new() }
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let first = match commands.recv_timeout(self.pause()) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (requests, idle) = self.gather(first, commands);
            let expired = self.expired();
            // redb asserts what it expects of its pages: damage that shows only now must not end this thread, but be
            // treated like any other failure of the data file.
            let done = catch_unwind(AssertUnwindSafe(|| {
                let usable = (requests.is_empty() && expired.is_empty()) || self.commit(requests, expired);
                if usable {
                    self.compaction.step(&self.shared, idle);
                }
                usable
            }));
            if !done.unwrap_or(false) {
                self.open_again(commands);
            }
        }
    }

    /// How long to wait for a command before something else is due.
    fn pause(&self) -> Duration {
        let expiry = self.shared.index.read().next_expiry();
        let expiry = expiry.map_or(IDLE, |expiry| {
            // Expiry need not be exact; a second lets keys that expire together be deleted together.
            Duration::from_millis(expiry.saturating_sub(self.clock.now())) + Duration::from_millis(200)
        });
        expiry.min(self.compaction.pause(&self.shared)).min(IDLE)
    }

    /// Takes what waits, up to a batch; tells whether more is left.
    fn gather(&self, first: Option<Command>, commands: &Receiver<Command>) -> (Vec<Request>, bool) {
        let mut requests = Vec::new();
        let mut bytes = 0;
        let mut next = first;
        loop {
            match next.take() {
                Some(Command::Write(request)) => {
                    bytes += match &request.write.operation {
                        Operation::Create { value } | Operation::Update { value, .. } => value.len(),
                        Operation::Delete { .. } => 0,
                    };
                    requests.push(request);
                }
                Some(Command::Compact(revision, reply)) => {
                    let _ = reply.send(self.compaction.request(&self.shared, revision));
                }
                None => {}
            }
            if requests.len() >= self.shared.options.batch || bytes >= BATCH_BYTES {
                return (requests, false);
            }
            match commands.try_recv() {
                Ok(command) => next = Some(command),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return (requests, true),
            }
        }
    }

    fn expired(&self) -> Vec<Write> {
        let index = self.shared.index.read();
        if index.next_expiry().is_none() {
            return Vec::new();
        }
        index
            .expired(self.clock.now(), EXPIRE_BATCH)
            .into_iter()
            .map(|(key, expected)| Write { key: key.to_string(), operation: Operation::Delete { expected }, ttl: None })
            .collect()
    }

    /// Commits a batch and hands it on; returns whether the data file is still usable.
    fn commit(&mut self, requests: Vec<Request>, expired: Vec<Write>) -> bool {
        let started = Instant::now();
        let shared = Arc::clone(&self.shared);
        let mut results = Vec::with_capacity(requests.len());
        let mut accepted = Vec::with_capacity(requests.len() + expired.len());
        let outcome = self.write(&requests, expired, &mut results, &mut accepted);
        let counters = &shared.counters;
        if let Err(error) = outcome {
            let error = StoreError::unavailable("commit writes", error);
            tracing::error!(writes = requests.len(), error = %chain(&error), "commit a batch");
            counters.failed_writes.fetch_add(requests.len() as u64, Ordering::Relaxed);
            for request in requests {
                let _ = request.reply.send(Err(error.duplicate()));
            }
            return false;
        }
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        counters.commit_micros.fetch_add(micros, Ordering::Relaxed);
        counters.batches.fetch_add(1, Ordering::Relaxed);
        counters.writes.fetch_add(accepted.len() as u64, Ordering::Relaxed);
        let failed = results.iter().filter(|result| result.is_err()).count();
        counters.failed_writes.fetch_add(failed as u64, Ordering::Relaxed);
        let revision = {
            let mut index = shared.index.write();
            for write in &accepted {
                index.set(Arc::clone(&write.event.key), write.version);
                index.revision = write.event.revision;
                index.stored_bytes += write.bytes;
            }
            index.revision
        };
        if let Err(error) = shared.mark.write(revision) {
            // The data are safe; only the check for damage at the next start knows less.
            tracing::warn!(error = %error, "write the last acknowledged revision");
        }
        let events = accepted.into_iter().map(|write| write.event).collect();
        let answers = requests.into_iter().zip(results).collect();
        // The publisher ends after this thread.
        let _ = self.batches.send(Batch { events, revision, answers });
        true
    }

    fn write(
        &mut self,
        requests: &[Request],
        expired: Vec<Write>,
        results: &mut Vec<Result<Revision, StoreError>>,
        accepted: &mut Vec<Accepted>,
    ) -> Result<(), redb::Error> {
        let database = self.shared.database().map_err(|_| redb::Error::DatabaseClosed)?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate).map_err(redb::Error::from)?;
        {
            let mut log = transaction.open_table(LOG)?;
            let mut batch = Pending { latest: HashMap::new(), revision: 0, stored_bytes: 0, now: self.clock.now() };
            {
                let index = self.shared.index.read();
                batch.revision = index.revision;
                batch.stored_bytes = index.stored_bytes;
            }
            for write in expired {
                if let Ok(write) = batch.accept(&self.shared, &mut log, &write, &mut self.buffer)? {
                    accepted.push(write);
                }
            }
            for request in requests {
                let result = batch.accept(&self.shared, &mut log, &request.write, &mut self.buffer)?;
                results.push(result.map(|write| {
                    let revision = write.event.revision;
                    accepted.push(write);
                    revision
                }));
            }
        }
        if accepted.is_empty() {
            transaction.abort()?;
        } else {
            transaction.commit()?;
        }
        Ok(())
    }

    /// After a failed commit (a full disk, an I/O error) redb refuses everything until the file is opened again. The
    /// outcome of the failed batch is unknown, and whoever asked for it was told so; what of it is there is shown now.
    fn open_again(&mut self, commands: &Receiver<Command>) {
        drop(self.shared.database.write().take());
        loop {
            if !refuse(commands, Duration::from_millis(500)) {
                return;
            }
            let opened = open::open_database(&self.shared.file(), self.shared.options.cache_bytes);
            match opened.and_then(|database| Ok((open::catch_up(&self.shared, &database)?, database))) {
                Ok(((events, compacted), database)) => {
                    *self.shared.database.write() = Some(Arc::new(database));
                    self.compaction.resume(compacted);
                    let revision = self.shared.index.read().revision;
                    let _ = self.batches.send(Batch { events, revision, answers: Vec::new() });
                    tracing::info!(revision, "opened the data file again");
                    return;
                }
                Err(error) => tracing::error!(error = %chain(&error), "open the data file again"),
            }
        }
    }
}

/// Answers everything that comes in for some time with an error; returns whether the store is still wanted.
fn refuse(commands: &Receiver<Command>, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        let error = || StoreError::unavailable("commit a write", "the data file is opened again after a failure");
        match commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Command::Write(request)) => drop(request.reply.send(Err(error()))),
            Ok(Command::Compact(_, reply)) => drop(reply.send(Err(error()))),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// The state of a batch while it is written.
struct Pending {
    /// Keys that this batch has written already.
    latest: HashMap<Arc<str>, Version>,
    revision: Revision,
    stored_bytes: u64,
    now: u64,
}

impl Pending {
    /// Checks a write and puts its record into the transaction.
    fn accept(
        &mut self,
        shared: &Shared,
        log: &mut Table<'_, u64, &'static [u8]>,
        write: &Write,
        buffer: &mut Vec<u8>,
    ) -> Result<Result<Accepted, StoreError>, redb::Error> {
        let (key, current) = self.current(shared, &write.key);
        let live = current.filter(Version::is_live);
        let conflict = match (&write.operation, live) {
            (Operation::Create { .. }, None) => false,
            (Operation::Update { expected, .. } | Operation::Delete { expected }, Some(version)) => {
                version.revision != *expected
            }
            _ => true,
        };
        if conflict {
            let current = match live {
                Some(version) => log.get(version.revision)?.and_then(|row| {
                    let record = Record::decode(row.value())?;
                    Some(Box::new(KeyValue {
                        key: Arc::clone(&key),
                        value: Bytes::copy_from_slice(record.value),
                        create_revision: record.created,
                        mod_revision: version.revision,
                    }))
                }),
                None => None,
            };
            return Ok(Err(StoreError::Conflict { key: write.key.as_str().into(), current }));
        }
        let (kind, value) = match &write.operation {
            Operation::Create { value } => (EventKind::Create, value.clone()),
            Operation::Update { value, .. } => (EventKind::Update, value.clone()),
            Operation::Delete { .. } => (EventKind::Delete, Bytes::new()),
        };
        if value.len() > shared.options.value_limit {
            let (size, limit) = (value.len(), shared.options.value_limit);
            return Ok(Err(StoreError::TooLarge { key: write.key.as_str().into(), size, limit }));
        }
        let quota = shared.options.quota_bytes;
        if kind != EventKind::Delete && quota > 0 && self.stored_bytes + value.len() as u64 > quota {
            return Ok(Err(StoreError::Quota { used: self.stored_bytes, quota }));
        }
        let revision = self.revision + 1;
        let deleted = kind == EventKind::Delete;
        let expires = write
            .ttl
            .map_or(0, |ttl| self.now.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).max(1));
        let created = live.map_or(revision, |version| version.created);
        let replaces = current.map_or(0, |version| version.revision);
        let record = Record { deleted, created, replaces, expires, key: &key, value: &value };
        record.encode(revision, buffer);
        log.insert(revision, &buffer[..])?;
        let size = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let version = Version { revision, created: if deleted { 0 } else { created }, expires, size };
        let bytes = buffer.len() as u64;
        self.revision = revision;
        self.stored_bytes += bytes;
        self.latest.insert(Arc::clone(&key), version);
        let event = Event { revision, kind, key, value, create_revision: created, prev: None };
        Ok(Ok(Accepted { event, version, bytes }))
    }

    fn current(&self, shared: &Shared, key: &str) -> (Arc<str>, Option<Version>) {
        if let Some((key, version)) = self.latest.get_key_value(key) {
            return (Arc::clone(key), Some(*version));
        }
        match shared.index.read().get(key) {
            Some((key, version)) => (Arc::clone(key), Some(version)),
            None => (key.into(), None),
        }
    }
}
