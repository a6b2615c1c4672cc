//! Watches from before the cache was loaded: the store's history is put in front of the ring.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;

use super::ResourceCache;
use crate::{
    Event, EventKind, Revision,
    cache::{CacheError, entry::Entry, event::CacheEvent, expired},
};

impl ResourceCache {
    /// The position in the ring after `revision`, which is extended into the past if need be.
    pub(super) async fn position_after(&self, revision: Revision) -> Result<u64, CacheError> {
        let look = || {
            let state = self.state.read();
            (revision >= state.ring.oldest()).then(|| state.ring.position_after(revision))
        };
        // Events may leave the ring while the history before them is read: then it is read again, a few times.
        for _ in 0..3 {
            if let Some(position) = look() {
                return Ok(position);
            }
            let _one_at_a_time = self.backfill.lock().await;
            if look().is_none() {
                self.read_history(revision).await?;
            }
        }
        look().ok_or_else(|| CacheError::Expired { requested: revision, oldest: self.oldest() })
    }

    /// Puts the store's events after `revision` in front of the ring.
    async fn read_history(&self, revision: Revision) -> Result<(), CacheError> {
        let until = self.oldest();
        let too_old = CacheError::Expired { requested: revision, oldest: until };
        let mut stream = self.store.watch(&self.prefix, revision).await.map_err(expired)?;
        let mut known: HashMap<Arc<str>, Arc<Entry>> = HashMap::new();
        let mut events: Vec<Arc<CacheEvent>> = Vec::new();
        let mut reached = revision;
        while reached < until {
            let batch = match tokio::time::timeout(Duration::from_secs(5), stream.next()).await {
                Ok(Some(batch)) => batch.map_err(expired)?,
                Ok(None) | Err(_) => return Err(too_old),
            };
            for event in batch.events {
                if event.revision > until {
                    break;
                }
                let prev = match known.remove(&event.key) {
                    Some(entry) => Some(entry),
                    None => event.prev.as_ref().and_then(|prev| self.entry(prev)).map(Arc::new),
                };
                let Some(event) = self.cache_event(event, prev) else {
                    continue;
                };
                if event.kind() != EventKind::Delete {
                    known.insert(Arc::clone(event.entry().key()), Arc::clone(event.entry()));
                }
                events.push(Arc::new(event));
            }
            if events.len() > self.shared.options.max_events {
                return Err(too_old);
            }
            reached = batch.revision;
        }
        let mut state = self.state.write();
        if state.ring.oldest() == until {
            state.ring.prepend(events, revision);
        }
        Ok(())
    }

    /// An event from history; `None` when there is nothing to tell.
    fn cache_event(&self, event: Event, prev: Option<Arc<Entry>>) -> Option<CacheEvent> {
        match self.new_entry(&event) {
            Some(entry) => {
                Some(CacheEvent::new(event.kind, event.revision, self.shared.second(), Arc::new(entry), prev))
            }
            None => {
                let gone = Arc::new(prev.as_ref()?.at_revision(event.revision));
                Some(CacheEvent::new(EventKind::Delete, event.revision, self.shared.second(), gone, prev))
            }
        }
    }
}
