//! What can go wrong in a store, and what a caller should make of it.

use std::path::PathBuf;

use crate::{KeyValue, Revision};

/// How a caller should react to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Somebody else changed the object first: read again and decide again (409).
    Conflict,
    /// The asked-for past is gone: start over from a fresh list (410).
    Expired,
    /// The request itself cannot be served by this store; repeating it is useless (400, 413, 504).
    Invalid,
    /// The store is full; writes work again after something was deleted (507).
    Quota,
    /// The store cannot answer now; the same request may work later (500, 503).
    Unavailable,
    /// The data is unusable without an operator (the process should not go on).
    Fatal,
}

/// The boxed cause of an error.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error of a [`Store`](crate::Store).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A compare-and-swap found another state than the expected one.
    #[error("write {key}: {}", conflict_text(.current.as_deref()))]
    Conflict {
        /// The key of the refused write.
        key: Box<str>,
        /// What the key holds now; `None` when it is absent.
        current: Option<Box<KeyValue>>,
    },
    /// The revision lies before the compacted part of the history.
    #[error("revision {requested} has been compacted, the oldest available is {oldest}")]
    Compacted {
        /// The revision that was asked for.
        requested: Revision,
        /// The oldest revision that can still be read, or watched from.
        oldest: Revision,
    },
    /// The revision lies in the future.
    #[error("revision {requested} is newer than the store's revision {current}")]
    FutureRevision {
        /// The revision that was asked for.
        requested: Revision,
        /// The revision of the store.
        current: Revision,
    },
    /// The store has reached its size limit.
    #[error("the store's quota of {quota} bytes is used up ({used} bytes are stored)")]
    Quota {
        /// Bytes stored.
        used: u64,
        /// Bytes allowed.
        quota: u64,
    },
    /// One value is larger than a store may hold.
    #[error("write {key}: the value has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The key of the refused write.
        key: Box<str>,
        /// Size of the value.
        size: usize,
        /// Largest size allowed.
        limit: usize,
    },
    /// The data folder cannot be read or written.
    #[error("open the data folder {}", path.display())]
    Open {
        /// The data folder, or the file in it.
        path: PathBuf,
        /// Why.
        #[source]
        source: Source,
    },
    /// Another process works on the same data folder.
    #[error(
        "the data folder {} is in use by another process{}",
        path.display(),
        owner.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The data folder.
        path: PathBuf,
        /// The process that holds it, where known.
        owner: Option<u32>,
    },
    /// The data was written by a version that this one does not understand.
    #[error("the data in {} has format {found}, this version reads format {supported}", path.display())]
    Format {
        /// The data file.
        path: PathBuf,
        /// Format found.
        found: u64,
        /// Format that this version reads and writes.
        supported: u64,
    },
    /// The data is damaged.
    #[error("the data in {} is corrupted: {detail}", path.display())]
    Corrupt {
        /// The data file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The store could not do its work now.
    #[error("{operation}")]
    Unavailable {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Source,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

fn conflict_text(current: Option<&KeyValue>) -> String {
    match current {
        Some(current) => format!("the key is at revision {}", current.mod_revision),
        None => "the key is absent".to_owned(),
    }
}

impl StoreError {
    /// How a caller should react.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Conflict { .. } => ErrorClass::Conflict,
            Self::Compacted { .. } => ErrorClass::Expired,
            Self::FutureRevision { .. } | Self::TooLarge { .. } => ErrorClass::Invalid,
            Self::Quota { .. } => ErrorClass::Quota,
            Self::Unavailable { .. } | Self::Closed => ErrorClass::Unavailable,
            Self::Open { .. } | Self::Locked { .. } | Self::Format { .. } | Self::Corrupt { .. } => ErrorClass::Fatal,
        }
    }

    /// A short closed name, fit for a metric label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Compacted { .. } => "compacted",
            Self::FutureRevision { .. } => "future_revision",
            Self::Quota { .. } => "quota",
            Self::TooLarge { .. } => "too_large",
            Self::Open { .. } => "open",
            Self::Locked { .. } => "locked",
            Self::Format { .. } => "format",
            Self::Corrupt { .. } => "corrupt",
            Self::Unavailable { .. } => "unavailable",
            Self::Closed => "closed",
        }
    }

    pub(crate) fn unavailable(operation: &'static str, source: impl Into<Source>) -> Self {
        Self::Unavailable { operation, source: source.into() }
    }

    /// The same error for several waiting callers; a cause is kept as text because causes cannot be cloned.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match self {
            Self::Conflict { key, current } => Self::Conflict { key: key.clone(), current: current.clone() },
            Self::Compacted { requested, oldest } => Self::Compacted { requested: *requested, oldest: *oldest },
            Self::FutureRevision { requested, current } => {
                Self::FutureRevision { requested: *requested, current: *current }
            }
            Self::Quota { used, quota } => Self::Quota { used: *used, quota: *quota },
            Self::TooLarge { key, size, limit } => Self::TooLarge { key: key.clone(), size: *size, limit: *limit },
            Self::Open { path, source } => Self::Open { path: path.clone(), source: source.to_string().into() },
            Self::Locked { path, owner } => Self::Locked { path: path.clone(), owner: *owner },
            Self::Format { path, found, supported } => {
                Self::Format { path: path.clone(), found: *found, supported: *supported }
            }
            Self::Corrupt { path, detail } => Self::Corrupt { path: path.clone(), detail: detail.clone() },
            Self::Unavailable { operation, source } => Self::unavailable(operation, source.to_string()),
            Self::Closed => Self::Closed,
        }
    }
}

/// An error with all its causes, for the one place that logs it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
