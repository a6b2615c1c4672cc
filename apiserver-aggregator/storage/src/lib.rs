//! The store: embedded, in memory or etcd, and the watch cache over it.
//!
//! # The store
//!
//! [`Store`] is etcd's model: one ordered map, one sequence of revisions, compare-and-swap writes, reads at a past
//! revision, watches from a past revision, compaction. Keys are kube-apiserver's ([`keys`]), values are the objects'
//! JSON without `metadata.resourceVersion`: that is the write's revision, and it is added by the cache.
//!
//! ```
//! # use karmada_storage::{MemoryStore, RangeOptions, Store, StoreError};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StoreError> {
//! let store = MemoryStore::default();
//! let key = "/registry/configmaps/default/x";
//! let created = store.create(key, r#"{"metadata":{"name":"x"}}"#.into()).await?;
//! let updated = store.update(key, r#"{"metadata":{"name":"x"},"data":{}}"#.into(), created).await?;
//! assert!(matches!(store.delete(key, created).await, Err(StoreError::Conflict { current: Some(_), .. })));
//! let page = store.range("/registry/configmaps/", RangeOptions { limit: 500, ..Default::default() }).await?;
//! assert_eq!((page.kvs.len(), page.revision), (1, updated));
//! # Ok(()) }
//! ```
//!
//! | Store | For |
//! |---|---|
//! | [`MemoryStore`] | tests and simulated members |
//! | [`EmbeddedStore`] | one durable server in one process: redb with group commit |
//!
//! # The watch cache
//!
//! [`cache::WatchCache`] follows a store and holds, per resource, the encoded objects and the recent events. It serves
//! lists at an exact revision and any number of watches without touching the store.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

pub mod cache;
mod embedded;
mod error;
pub mod keys;
mod memory;
mod metrics;
mod store;

pub use self::{
    embedded::{EmbeddedOptions, EmbeddedStore},
    error::{ErrorClass, Source, StoreError},
    memory::{MemoryOptions, MemoryStore},
    metrics::StorageCollector,
    store::{
        Event, EventKind, Get, KeyValue, Operation, RangeOptions, RangeResult, Revision, Store, StoreStats, WatchBatch,
        WatchSink, WatchStream, Write,
    },
};

/// Largest value that a store takes unless told otherwise: more than the largest request body (3 MiB).
pub const VALUE_LIMIT: usize = 4 << 20;
