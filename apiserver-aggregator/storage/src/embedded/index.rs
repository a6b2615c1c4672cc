//! Which record is each key's latest.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use crate::Revision;

/// A key's latest record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) revision: Revision,
    /// The revision that created the key; 0 when the latest record is a deletion.
    pub(super) created: Revision,
    /// When the key expires, in milliseconds since 1970; 0 for never.
    pub(super) expires: u64,
    /// Bytes of the record.
    pub(super) size: u32,
}

impl Version {
    pub(super) fn is_live(&self) -> bool {
        self.created > 0
    }

    fn live_bytes(&self) -> u64 {
        if self.is_live() { u64::from(self.size) } else { 0 }
    }
}

/// All keys, deleted ones too until their deletion is compacted.
#[derive(Default)]
pub(super) struct Index {
    keys: BTreeMap<Arc<str>, Version>,
    expiries: BTreeSet<(u64, Arc<str>)>,
    pub(super) revision: Revision,
    /// Reads and watches are possible from this revision on.
    pub(super) oldest: Revision,
    /// Keys that exist.
    pub(super) live: u64,
    /// Bytes of all records.
    pub(super) stored_bytes: u64,
    /// Bytes of the latest records of keys that exist; the others are history.
    pub(super) live_bytes: u64,
}

impl Index {
    pub(super) fn get(&self, key: &str) -> Option<(&Arc<str>, Version)> {
        self.keys.get_key_value(key).map(|(key, version)| (key, *version))
    }

    pub(super) fn set(&mut self, key: Arc<str>, version: Version) {
        if version.expires > 0 {
            self.expiries.insert((version.expires, Arc::clone(&key)));
        }
        self.live += u64::from(version.is_live());
        self.live_bytes += version.live_bytes();
        if let Some(before) = self.keys.insert(Arc::clone(&key), version) {
            self.live -= u64::from(before.is_live());
            self.live_bytes -= before.live_bytes();
            if before.expires > 0 && before.expires != version.expires {
                self.expiries.remove(&(before.expires, key));
            }
        }
    }

    /// Forgets a deleted key, if its deletion is still the latest that is known of it.
    pub(super) fn forget(&mut self, key: &str, deleted_at: Revision) {
        if self.keys.get(key).is_some_and(|version| version.revision == deleted_at && !version.is_live()) {
            self.keys.remove(key);
        }
    }

    /// Keys with a prefix, in order.
    pub(super) fn range<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Version)> {
        let start = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        self.keys.range::<str, _>((start, Bound::Unbounded)).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// When the next key expires.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// Keys that have expired, with their revisions.
    pub(super) fn expired(&self, now: u64, limit: usize) -> Vec<(Arc<str>, Revision)> {
        self.expiries
            .iter()
            .take_while(|(expires, _)| *expires <= now)
            .take(limit)
            .filter_map(|(_, key)| Some((Arc::clone(key), self.keys.get(key)?.revision)))
            .collect()
    }
}
