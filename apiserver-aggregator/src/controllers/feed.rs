//! One stream of all changes in the store for all controllers of a server, instead of a watch per kind and controller:
//! that is what makes a server in a process with a thousand others cheap.
//!
//! An observer gets the metadata of every object that exists, then that of every change, in the store's order. After a
//! gap (the store has compacted what was missed) it starts over with [`Observer::reset`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt as _;
use karmada_storage::{EventKind, RangeOptions, Store, StoreError};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

const PAGE: usize = 500;

/// The part of an object that controllers look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Head {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Metadata.
    pub metadata: Metadata,
}

/// The part of an object's metadata that controllers look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Uid.
    pub uid: String,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Owners.
    pub owner_references: Option<Vec<OwnerReference>>,
    /// Finalizers.
    pub finalizers: Option<Vec<String>>,
    /// Set while it is being deleted.
    pub deletion_timestamp: Option<String>,
}

impl Metadata {
    /// Whether it has the finalizer.
    pub fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().flatten().any(|f| f == name)
    }

    /// Whether it is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

/// An owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Whether the owner's foreground deletion waits for this dependent.
    pub block_owner_deletion: Option<bool>,
}

/// One change, or one object that exists.
#[derive(Clone, Debug)]
pub struct Change {
    /// The store's key.
    pub key: Arc<str>,
    /// The object now; `None` if it was deleted.
    pub object: Option<Head>,
    /// The object before, where the store still knows it.
    pub previous: Option<Head>,
    /// The object's JSON, or before a deletion its last one.
    pub json: Bytes,
}

/// Somebody who wants to know of changes. Calls must return quickly: they come from the one task of the feed.
pub trait Observer: Send + Sync {
    /// One change.
    fn observe(&self, change: &Change);

    /// All that exists has been told; changes follow.
    fn synced(&self) {}

    /// Everything told so far is void; all that exists follows.
    fn reset(&self) {}
}

/// The stream.
pub struct Feed {
    store: Arc<dyn Store>,
    observers: Vec<Arc<dyn Observer>>,
}

impl Feed {
    /// A feed for these observers.
    pub fn new(store: Arc<dyn Store>, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self { store, observers }
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let end = tokio::select! {
                () = stop.cancelled() => return,
                end = self.follow() => end,
            };
            if let Err(error) = end {
                tracing::debug!(%error, "start the controllers' feed over");
            }
            self.observers.iter().for_each(|o| o.reset());
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }

    async fn follow(&self) -> Result<(), StoreError> {
        let mut revision = None;
        let mut after = None;
        loop {
            let options = RangeOptions { after: after.take(), limit: PAGE, revision, keys_only: false };
            let page = self.store.range(karmada_storage::keys::ROOT, options).await?;
            revision = Some(page.revision);
            for kv in &page.kvs {
                self.tell(kv.key.clone(), Some(&kv.value), None);
            }
            if !page.more {
                break;
            }
            after = page.kvs.last().map(|kv| kv.key.to_string());
            // A large store must not keep a runtime's thread for long.
            tokio::task::yield_now().await;
        }
        self.observers.iter().for_each(|o| o.synced());
        let mut stream = self.store.watch(karmada_storage::keys::ROOT, revision.unwrap_or_default()).await?;
        while let Some(batch) = stream.next().await {
            for event in batch?.events {
                let previous = event.prev.as_ref().map(|kv| &kv.value);
                let value = (event.kind != EventKind::Delete).then_some(&event.value);
                self.tell(event.key.clone(), value, previous);
            }
        }
        Ok(())
    }

    fn tell(&self, key: Arc<str>, value: Option<&Bytes>, previous: Option<&Bytes>) {
        let head = |bytes: &Bytes| serde_json::from_slice::<Head>(bytes).ok();
        let object = value.and_then(head);
        // Keys that are no objects (a server's own records) concern no controller.
        if value.is_some() && object.is_none() {
            return;
        }
        let change = Change {
            key,
            object,
            previous: previous.and_then(head),
            json: value.or(previous).cloned().unwrap_or_default(),
        };
        self.observers.iter().for_each(|o| o.observe(&change));
    }
}
