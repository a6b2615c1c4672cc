//! The watch cache: what lists and watches are served from.
//!
//! [`WatchCache`] follows one [`Store`](crate::Store) with one subscription and hands each event to the
//! [`ResourceCache`] of its resource. A resource's cache is loaded when it is first asked for.
//!
//! ```text
//! store ──(WatchSink: every write, in order)──▶ WatchCache ──by key prefix──▶ ResourceCache ◀── list, get
//!                                                                              │ sorted entries
//!                                                                              │ ring of recent events
//!                                                                              └──◀── Watcher (a position in the ring)
//! ```
//!
//! - An object is encoded once, with its `metadata.resourceVersion`, and these bytes are shared by every list and watch
//!   ([`Entry::bytes`]). A watch event's frame is made once per event and shared by all watchers ([`Delivery::frame`]).
//! - A watcher is a position in the ring of its resource, not a queue of its own: 10,000 idle watchers cost their own
//!   few hundred bytes each. It is woken only by events in its scope (all, one namespace, one object). One that is so
//!   slow that an event of its scope has left the ring gets [`CacheError::Expired`] (410).
//! - A list is consistent at an exact revision, which it returns. Pages that continue a list at an older revision are
//!   served by undoing the ring's newer events, or by the store's history when the ring does not reach back so far.
//! - A watch from a revision before the ring (a client that reconnects after this process has restarted) is served
//!   from the store's history, as long as that has not been compacted.
//! - With the embedded stores the cache is never behind an acknowledged write, so that linearizable reads do not wait;
//!   with a remote store they wait for the store's current revision ([`ResourceCache::wait_current`]).

mod dispatch;
mod encode;
mod entry;
mod event;
mod resource;
mod ring;
#[cfg(test)]
mod tests;
mod watcher;

pub use self::{
    dispatch::{CacheOptions, CacheStats, WatchCache},
    encode::{decode_value, inject_resource_version},
    entry::{Entry, Pairs, Projection},
    event::{CacheEvent, Delivery, WatchEventKind},
    resource::{At, ListOptions, ListPage, Project, ResourceCache, ResourceSpec, ResourceStats},
    watcher::{Filter, Scope, Watch, WatchStart, Watcher},
};

use crate::{Revision, StoreError};

/// What can go wrong in the cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The revision is too old: neither the ring nor the store's history reaches back to it (410 Expired).
    #[error("too old resource version: {requested} ({oldest})")]
    Expired {
        /// The revision that was asked for.
        requested: Revision,
        /// The oldest revision that can be served.
        oldest: Revision,
    },
    /// The revision was not reached within the time allowed (504, reason "Too large resource version").
    #[error("too large resource version: {requested}, current: {current}")]
    TooLarge {
        /// The revision that was asked for.
        requested: Revision,
        /// The revision reached.
        current: Revision,
    },
    /// The cache of this resource was stopped (its definition was removed) or must be loaded anew.
    #[error("the watch cache of {prefix} was stopped")]
    Stopped {
        /// The resource's key prefix.
        prefix: Box<str>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CacheError {
    /// How a caller should react.
    #[must_use]
    pub fn class(&self) -> crate::ErrorClass {
        match self {
            Self::Expired { .. } | Self::Stopped { .. } => crate::ErrorClass::Expired,
            Self::TooLarge { .. } => crate::ErrorClass::Invalid,
            Self::Store(error) => error.class(),
        }
    }
}

/// An out-of-date past is "expired" for whoever lists or watches, wherever the past was kept.
pub(crate) fn expired(error: StoreError) -> CacheError {
    match error {
        StoreError::Compacted { requested, oldest } => CacheError::Expired { requested, oldest },
        StoreError::FutureRevision { requested, current } => CacheError::TooLarge { requested, current },
        other => CacheError::Store(other),
    }
}
