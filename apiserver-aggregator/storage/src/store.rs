//! The contract between the server and whatever holds its data.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::StoreError;

/// A point in the store's one sequence of writes. Revision 0 is before the first write; every committed write takes
/// the next number, so that a revision names one write.
pub type Revision = u64;

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Arc<str>,
    /// The value: an object's JSON without `metadata.resourceVersion`.
    pub value: Bytes,
    /// The revision that created the key.
    pub create_revision: Revision,
    /// The revision that wrote this value.
    pub mod_revision: Revision,
}

/// The answer to [`Store::get`].
#[derive(Clone, Debug)]
pub struct Get {
    /// The key's value; `None` when it is absent.
    pub kv: Option<KeyValue>,
    /// The revision at which this was read.
    pub revision: Revision,
}

/// What part of a prefix to read, and at which revision.
#[derive(Clone, Debug, Default)]
pub struct RangeOptions {
    /// Only keys after this one (exclusive): the last key of the previous page.
    pub after: Option<String>,
    /// At most so many keys; 0 is no limit.
    pub limit: usize,
    /// The revision to read at; `None` is the latest.
    pub revision: Option<Revision>,
    /// Return keys and revisions with empty values, which is cheaper.
    pub keys_only: bool,
}

/// The answer to [`Store::range`].
#[derive(Clone, Debug)]
pub struct RangeResult {
    /// The keys in order.
    pub kvs: Vec<KeyValue>,
    /// The revision at which this was read: for a continued read, the one that was asked for.
    pub revision: Revision,
    /// Whether keys follow after the last one.
    pub more: bool,
    /// How many keys follow.
    pub remaining: u64,
}

/// One compare-and-swap.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Write a key that must be absent.
    Create {
        /// The value.
        value: Bytes,
    },
    /// Replace a key's value; its current `mod_revision` must be `expected`.
    Update {
        /// The new value.
        value: Bytes,
        /// The revision that the caller has seen.
        expected: Revision,
    },
    /// Remove a key; its current `mod_revision` must be `expected`.
    Delete {
        /// The revision that the caller has seen.
        expected: Revision,
    },
}

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    /// The key.
    pub key: String,
    /// What to do.
    pub operation: Operation,
    /// The key is deleted by the store so long after this write, unless it is written again before (events). A write
    /// without `ttl` makes the key permanent.
    pub ttl: Option<Duration>,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The key was absent before.
    Create,
    /// The key's value was replaced.
    Update,
    /// The key was removed.
    Delete,
}

/// One committed write, as watchers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The write's revision.
    pub revision: Revision,
    /// What happened.
    pub kind: EventKind,
    /// The key.
    pub key: Arc<str>,
    /// The new value; empty for a deletion.
    pub value: Bytes,
    /// The revision that created the key.
    pub create_revision: Revision,
    /// The key's state before. Streams of [`Store::watch`] carry it unless it has been compacted; a [`WatchSink`] does
    /// not get it, because it follows every write from a known state and so has it already.
    pub prev: Option<KeyValue>,
}

/// Events in revision order.
#[derive(Clone, Debug, Default)]
pub struct WatchBatch {
    /// The events; empty when only `revision` has moved.
    pub events: Vec<Event>,
    /// Every event of the watched prefix up to here has been delivered.
    pub revision: Revision,
}

/// A stream of batches; it ends after its first error.
pub type WatchStream = BoxStream<'static, Result<WatchBatch, StoreError>>;

/// Somebody who follows every write of a store, in order and from the thread that commits them.
///
/// The embedded stores acknowledge a write only after all sinks have seen it: whoever reads from a sink's state reads
/// his own writes without waiting. A sink must therefore be quick and must not call back into the store.
pub trait WatchSink: Send + Sync {
    /// Takes the next events. `revision` is the last committed one; it may be larger than the last event's.
    fn publish(&self, events: &[Event], revision: Revision);

    /// The store has lost continuity (its backend compacted while unreachable): all state is void, and events after
    /// `revision` follow.
    fn reset(&self, revision: Revision);
}

/// Figures for metrics and health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Keys that exist now.
    pub keys: u64,
    /// Bytes of keys and values, with the history that has not been compacted.
    pub stored_bytes: u64,
    /// Bytes of the data file; 0 for a store in memory.
    pub file_bytes: u64,
    /// Bytes allowed; 0 is no limit.
    pub quota_bytes: u64,
    /// Revision of the last write.
    pub revision: Revision,
    /// Oldest revision that can be read or watched from.
    pub oldest_revision: Revision,
    /// Writes that wait to be committed.
    pub queue_depth: u64,
    /// Committed batches.
    pub batches: u64,
    /// Committed writes.
    pub writes: u64,
    /// Refused or failed writes.
    pub failed_writes: u64,
    /// Time spent in commits (write and sync), in microseconds.
    pub commit_micros: u64,
}

/// An ordered map with one sequence of revisions, compare-and-swap, reads in the past and watches: etcd's model.
///
/// Every implementation promises:
/// - revisions grow by one for each committed write and are never used twice, also across restarts;
/// - an acknowledged write is durable to the degree that the implementation documents;
/// - watchers and sinks see every write once and in order.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads one key at the latest revision.
    async fn get(&self, key: &str) -> Result<Get, StoreError>;

    /// Reads the keys that start with `prefix`, in order, all at one revision.
    async fn range(&self, prefix: &str, options: RangeOptions) -> Result<RangeResult, StoreError>;

    /// Commits one write and returns its revision; [`StoreError::Conflict`] carries the state that stood against it.
    async fn commit(&self, write: Write) -> Result<Revision, StoreError>;

    /// Follows the keys that start with `prefix`, with all events after the revision `after` (exclusive). Fails with
    /// [`StoreError::Compacted`] when that is too long ago.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<WatchStream, StoreError>;

    /// Makes `sink` see every write after the returned revision. The sink is left when it is dropped.
    async fn attach(&self, sink: Weak<dyn WatchSink>) -> Result<Revision, StoreError>;

    /// Forgets the history before `revision`: reads and watches at an older one fail from now on.
    async fn compact(&self, revision: Revision) -> Result<(), StoreError>;

    /// The revision of the latest acknowledged write of any client: what a linearizable read has to wait for.
    async fn current_revision(&self) -> Result<Revision, StoreError>;

    /// Figures for metrics and health.
    fn stats(&self) -> StoreStats;

    /// Fails when the store cannot take writes any more.
    async fn health(&self) -> Result<(), StoreError> {
        self.current_revision().await.map(|_| ())
    }

    /// Stops taking writes, finishes those that wait, and releases the data. Idempotent.
    async fn close(&self) {}

    /// Creates `key`, which must be absent.
    async fn create(&self, key: &str, value: Bytes) -> Result<Revision, StoreError> {
        self.commit(Write { key: key.to_owned(), operation: Operation::Create { value }, ttl: None }).await
    }

    /// Replaces the value of `key`, which must be at the revision `expected`.
    async fn update(&self, key: &str, value: Bytes, expected: Revision) -> Result<Revision, StoreError> {
        self.commit(Write { key: key.to_owned(), operation: Operation::Update { value, expected }, ttl: None }).await
    }

    /// Removes `key`, which must be at the revision `expected`.
    async fn delete(&self, key: &str, expected: Revision) -> Result<Revision, StoreError> {
        self.commit(Write { key: key.to_owned(), operation: Operation::Delete { expected }, ttl: None }).await
    }
}
