//! Small views of the store that are always up to date: role bindings, namespaces, webhook configurations.
//!
//! A [`Mirror`] follows the store as a sink: with the embedded stores a view has seen a write before the writer gets its
//! answer. A view parses only what it needs and keeps only that.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use karmada_storage::{Event, EventKind, RangeOptions, Revision, Store, StoreError, WatchSink};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A view of the objects under some prefixes.
pub trait Projection: Send + Sync {
    /// The prefixes, each with a trailing slash.
    fn prefixes(&self) -> &[&'static str];

    /// Takes one object's new state, or `None` if it was deleted. `tail` is the key after the prefix. Must be quick and
    /// must not call the store.
    fn apply(&self, prefix: &'static str, tail: &str, value: Option<&[u8]>);

    /// Forgets everything; the whole state follows.
    fn clear(&self);
}

/// How many keys are read from the store at a time.
const PAGE: usize = 500;

/// Keeps projections in step with a store.
pub struct Mirror {
    projections: Vec<Arc<dyn Projection>>,
    state: Mutex<State>,
    /// Wakes the task that loads again after a reset.
    reload: Notify,
}

enum State {
    /// The initial state is being read: events wait.
    Loading(Vec<Pending>),
    /// Events are applied at once.
    Live,
}

struct Pending {
    revision: Revision,
    key: Arc<str>,
    value: Option<Bytes>,
}

impl Mirror {
    /// Loads the projections from the store and keeps following it until the mirror is dropped.
    pub async fn start(store: &dyn Store, projections: Vec<Arc<dyn Projection>>) -> Result<Arc<Self>, StoreError> {
        let mirror =
            Arc::new(Self { projections, state: Mutex::new(State::Loading(Vec::new())), reload: Notify::new() });
        let weak: Weak<Self> = Arc::downgrade(&mirror);
        let revision = store.attach(weak).await?;
        mirror.load(store, Some(revision)).await?;
        Ok(mirror)
    }

    /// Completes after the store has lost continuity and the state has been read anew; loops for ever otherwise. Run it
    /// beside the server.
    pub async fn keep_loaded(&self, store: &dyn Store) {
        loop {
            self.reload.notified().await;
            while let Err(error) = self.load(store, None).await {
                tracing::warn!(%error, "read views of the store again");
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        }
    }

    async fn load(&self, store: &dyn Store, at: Option<Revision>) -> Result<(), StoreError> {
        for projection in &self.projections {
            projection.clear();
        }
        // Every prefix is read at the first one's revision, or later where that has been compacted meanwhile.
        let mut loaded_at = at;
        for projection in &self.projections {
            for prefix in projection.prefixes() {
                let mut after = None;
                loop {
                    let options =
                        RangeOptions { after: after.take(), limit: PAGE, revision: loaded_at, keys_only: false };
                    let page = store.range(prefix, options).await?;
                    loaded_at = Some(page.revision);
                    for kv in &page.kvs {
                        if let Some(tail) = kv.key.strip_prefix(prefix) {
                            projection.apply(prefix, tail, Some(&kv.value));
                        }
                    }
                    if !page.more {
                        break;
                    }
                    after = page.kvs.last().map(|kv| kv.key.to_string());
                }
            }
        }
        let loaded_at = loaded_at.unwrap_or_default();
        let mut state = self.state.lock();
        if let State::Loading(pending) = std::mem::replace(&mut *state, State::Live) {
            for event in pending.into_iter().filter(|event| event.revision > loaded_at) {
                self.apply(&event.key, event.value.as_deref());
            }
        }
        Ok(())
    }

    fn apply(&self, key: &str, value: Option<&[u8]>) {
        for projection in &self.projections {
            for prefix in projection.prefixes() {
                if let Some(tail) = key.strip_prefix(prefix) {
                    projection.apply(prefix, tail, value);
                }
            }
        }
    }

    fn concerns(&self, key: &str) -> bool {
        self.projections.iter().any(|p| p.prefixes().iter().any(|prefix| key.starts_with(prefix)))
    }
}

impl WatchSink for Mirror {
    fn publish(&self, events: &[Event], _revision: Revision) {
        if !events.iter().any(|event| self.concerns(&event.key)) {
            return;
        }
        let mut state = self.state.lock();
        for event in events.iter().filter(|event| self.concerns(&event.key)) {
            let value = (event.kind != EventKind::Delete).then(|| event.value.clone());
            match &mut *state {
                State::Loading(pending) => {
                    pending.push(Pending { revision: event.revision, key: event.key.clone(), value });
                }
                State::Live => self.apply(&event.key, value.as_deref()),
            }
        }
    }

    fn reset(&self, _revision: Revision) {
        *self.state.lock() = State::Loading(Vec::new());
        self.reload.notify_one();
    }
}
