//! Lists: from memory, in the near past by undoing events, further back from the store.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::ResourceCache;
use crate::{
    RangeOptions, Revision,
    cache::{CacheError, entry::Entry, expired},
};

/// Which state a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The latest state at the time of the call (linearizable).
    Latest,
    /// Whatever the cache has (resourceVersion=0).
    Any,
    /// The cache's state once it has reached this revision.
    NotOlderThan(Revision),
    /// Exactly this revision.
    Exact(Revision),
}

/// Which objects a list shows.
#[derive(Clone, Default)]
pub struct ListOptions<'a> {
    /// Only this namespace.
    pub namespace: Option<&'a str>,
    /// Only keys after this one: the last key of the page before.
    pub after: Option<&'a str>,
    /// At most so many objects; 0 is no limit.
    pub limit: usize,
    /// Only objects that this wants.
    pub filter: Option<&'a (dyn Fn(&Entry) -> bool + Send + Sync)>,
}

/// A list, or a page of one.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// The objects in key order.
    pub entries: Vec<Arc<Entry>>,
    /// The revision whose state this is.
    pub revision: Revision,
    /// Whether objects follow after the last one.
    pub more: bool,
    /// How many objects follow; unknown when there is a filter.
    pub remaining: Option<u64>,
}

impl ResourceCache {
    /// Lists objects.
    ///
    /// # Errors
    /// [`CacheError::Expired`] for an exact revision that is too old, [`CacheError::TooLarge`] for one that is not
    /// reached in time, [`CacheError::Stopped`], and what the store reports.
    pub async fn list(&self, at: At, options: ListOptions<'_>) -> Result<ListPage, CacheError> {
        self.wait_for(at).await?;
        let exact = match at {
            At::Exact(revision) => Some(revision),
            _ => None,
        };
        match self.list_cached(exact, &options) {
            Some(page) => Ok(page),
            None => self.list_stored(exact.unwrap_or_default(), &options).await,
        }
    }

    /// Lists from memory; `None` when `exact` is older than the ring.
    fn list_cached(&self, exact: Option<Revision>, options: &ListOptions<'_>) -> Option<ListPage> {
        let scan = self.scan_prefix(options.namespace);
        let start = start_bound(options.after, &scan);
        let state = self.state.read();
        let current = state.revision.max(self.shared.revision());
        let Some(exact) = exact.filter(|exact| *exact < state.revision) else {
            let entries = state.entries.range::<str, _>((start, Bound::Unbounded)).map(|entry| &entry.0);
            return Some(page(
                entries.take_while(|entry| entry.key().starts_with(&scan)),
                exact.unwrap_or(current),
                options,
            ));
        };
        if exact < state.ring.oldest() {
            return None;
        }
        // Undo what came later: the oldest of these events per key says what was there.
        let mut past: BTreeMap<&str, Option<&Arc<Entry>>> = BTreeMap::new();
        for event in state.ring.newest_until(exact) {
            if event.entry().key().starts_with(&scan) {
                past.insert(event.entry().key(), event.prev());
            }
        }
        let live = state
            .entries
            .range::<str, _>((start, Bound::Unbounded))
            .map(|entry| &entry.0)
            .take_while(|entry| entry.key().starts_with(&scan))
            .filter(|entry| !past.contains_key(&**entry.key()));
        let gone = past.range::<str, _>((start, Bound::Unbounded)).filter_map(|(_, entry)| *entry);
        Some(page(merge(live, gone), exact, options))
    }

    /// Lists from the store's history.
    async fn list_stored(&self, revision: Revision, options: &ListOptions<'_>) -> Result<ListPage, CacheError> {
        let scan = self.scan_prefix(options.namespace);
        let mut after = options.after.map(str::to_owned);
        let mut list = ListPage { entries: Vec::new(), revision, more: false, remaining: None };
        loop {
            let wanted = match options.limit {
                0 => 0,
                limit => limit - list.entries.len(),
            };
            let range = RangeOptions {
                after: after.take(),
                limit: if wanted == 0 || options.filter.is_some() { self.shared.options.load_page } else { wanted },
                revision: Some(revision),
                keys_only: false,
            };
            let result = self.store.range(&scan, range).await.map_err(expired)?;
            after = result.kvs.last().map(|kv| kv.key.to_string());
            let last = result.kvs.len();
            for (index, kv) in result.kvs.into_iter().enumerate() {
                let Some(entry) = self.entry(&kv) else {
                    continue;
                };
                if options.filter.is_some_and(|filter| !filter(&entry)) {
                    continue;
                }
                list.entries.push(Arc::new(entry));
                if options.limit > 0 && list.entries.len() == options.limit {
                    list.more = result.more || index + 1 < last;
                    list.remaining = options.filter.is_none().then_some(result.remaining);
                    return Ok(list);
                }
            }
            if !result.more || after.is_none() {
                list.remaining = options.filter.is_none().then_some(0);
                return Ok(list);
            }
        }
    }

    fn scan_prefix(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => crate::keys::namespace_prefix(&self.prefix, namespace),
            None => self.prefix.to_string(),
        }
    }
}

fn start_bound<'a>(after: Option<&'a str>, scan: &'a str) -> Bound<&'a str> {
    match after.filter(|after| *after >= scan) {
        Some(after) => Bound::Excluded(after),
        None => Bound::Included(scan),
    }
}

fn page<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, revision: Revision, options: &ListOptions<'_>) -> ListPage {
    let mut list = ListPage { entries: Vec::new(), revision, more: false, remaining: None };
    let mut remaining = 0;
    for entry in entries {
        if options.filter.is_some_and(|filter| !filter(entry)) {
            continue;
        }
        if options.limit > 0 && list.entries.len() == options.limit {
            list.more = true;
            remaining += 1;
            if options.filter.is_some() {
                break;
            }
            continue;
        }
        list.entries.push(Arc::clone(entry));
    }
    list.remaining = options.filter.is_none().then_some(remaining);
    list
}

/// Merges two iterators that are sorted by key and have no key in common.
fn merge<'a>(
    left: impl Iterator<Item = &'a Arc<Entry>>,
    right: impl Iterator<Item = &'a Arc<Entry>>,
) -> impl Iterator<Item = &'a Arc<Entry>> {
    let mut left = left.peekable();
    let mut right = right.peekable();
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(a), Some(b)) if b.key() < a.key() => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}
