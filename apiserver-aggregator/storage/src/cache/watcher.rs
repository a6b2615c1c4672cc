//! Watchers: positions in a resource's ring.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    CacheError,
    entry::Entry,
    event::{CacheEvent, Delivery},
    resource::ResourceCache,
};
use crate::Revision;

/// Decides whether a watcher or a list wants an object.
pub type Filter = Arc<dyn Fn(&Entry) -> bool + Send + Sync>;

/// What part of a resource a watcher follows; it is woken by events of this part only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything.
    #[default]
    All,
    /// One namespace.
    Namespace(String),
    /// One object; `namespace` is `None` for a cluster-scoped one.
    Object {
        /// The namespace.
        namespace: Option<String>,
        /// The name.
        name: String,
    },
}

impl Scope {
    /// The path that stands for this scope: empty, `namespace/` or the object's.
    pub(super) fn topic(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Namespace(namespace) => format!("{namespace}/"),
            Self::Object { namespace: Some(namespace), name } => format!("{namespace}/{name}"),
            Self::Object { namespace: None, name } => name.clone(),
        }
    }
}

/// Whether an object's path lies in the scope that `topic` stands for.
fn in_topic(topic: &str, path: &str) -> bool {
    match topic.as_bytes().last() {
        None => true,
        Some(b'/') => path.starts_with(topic),
        Some(_) => path == topic,
    }
}

/// The topics that an event of the object at `path` concerns.
pub(super) fn topics_of(path: &str) -> impl Iterator<Item = &str> {
    let namespace = path.find('/').map(|slash| &path[..=slash]);
    std::iter::once("").chain(namespace).chain(std::iter::once(path))
}

/// What the watchers of one scope share.
#[derive(Default)]
pub(super) struct Topic {
    pub(super) changed: Notify,
    /// One more than the position of the last event of this scope that has left the ring; 0 when none has.
    pub(super) evicted: AtomicU64,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchStart {
    /// With the first event after this revision.
    After(Revision),
    /// With the present state, then its changes.
    Initial,
}

/// A watch that has begun.
pub struct Watch {
    /// The selected objects at `revision`, for [`WatchStart::Initial`]; in key order.
    pub initial: Vec<Arc<Entry>>,
    /// The revision after which events follow.
    pub revision: Revision,
    /// The events.
    pub watcher: Watcher,
}

/// So many events are looked at in one step, so that no watcher holds the cache's lock for long.
const STEP: usize = 512;

/// Follows the events of a resource.
pub struct Watcher {
    cache: Arc<ResourceCache>,
    topic_name: Box<str>,
    topic: Arc<Topic>,
    filter: Option<Filter>,
    position: u64,
    /// Events up to this revision are not wanted, or have been delivered.
    delivered: Revision,
}

impl Watcher {
    pub(super) fn new(
        cache: Arc<ResourceCache>,
        topic_name: Box<str>,
        topic: Arc<Topic>,
        filter: Option<Filter>,
        position: u64,
        delivered: Revision,
    ) -> Self {
        Self { cache, topic_name, topic, filter, position, delivered }
    }

    /// Sets where to begin.
    pub(super) fn start_at(&mut self, position: u64, delivered: Revision) {
        self.position = position;
        self.delivered = delivered;
    }

    /// Waits for the next events; never returns an empty list. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`CacheError::Expired`] when this watcher was too slow, [`CacheError::Stopped`] when the cache was.
    pub async fn next(&mut self) -> Result<Vec<Delivery>, CacheError> {
        loop {
            let topic = Arc::clone(&self.topic);
            let mut changed = pin!(topic.changed.notified());
            changed.as_mut().enable();
            let deliveries = self.try_next()?;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            changed.await;
        }
    }

    /// The next events, as far as there are any now.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn try_next(&mut self) -> Result<Vec<Delivery>, CacheError> {
        let mut deliveries = Vec::new();
        let mut events = Vec::new();
        while deliveries.is_empty() {
            let read = self.cache.read_events(self.position, &self.topic.evicted, STEP, &mut events, |event| {
                in_topic(&self.topic_name, event.entry().path())
            })?;
            let Some(read) = read else {
                return Err(CacheError::Expired { requested: self.delivered, oldest: self.cache.oldest() });
            };
            deliveries.extend(events.drain(..).filter_map(|event| self.deliver(event)));
            self.position = read.position;
            self.delivered = self.delivered.max(read.revision);
            if read.at_end {
                break;
            }
        }
        Ok(deliveries)
    }

    fn deliver(&self, event: Arc<CacheEvent>) -> Option<Delivery> {
        if event.revision() <= self.delivered {
            return None;
        }
        let kind = match &self.filter {
            Some(filter) => event.transition(&**filter),
            None => event.transition(&|_| true),
        }?;
        Some(Delivery { kind, event })
    }

    /// The revision up to which everything has been delivered: what a bookmark may say. It moves on with every write to
    /// the store once [`Self::try_next`] has been called, also when nothing concerns this watcher.
    #[must_use]
    pub fn progress(&self) -> Revision {
        self.delivered
    }

    /// The cache that is watched.
    #[must_use]
    pub fn cache(&self) -> &Arc<ResourceCache> {
        &self.cache
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.cache.leave_topic(&self.topic_name, &self.topic);
    }
}

/// What one look into the ring has found.
pub(super) struct Read {
    pub(super) position: u64,
    pub(super) revision: Revision,
    pub(super) at_end: bool,
}

/// Whether events at or after `position` have left the ring unseen.
pub(super) fn fell_behind(evicted: &AtomicU64, position: u64) -> bool {
    evicted.load(Ordering::Acquire) > position
}
