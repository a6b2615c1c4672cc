//! Forgetting the past, a little at a time.
//!
//! A compaction to revision C first moves the index' `oldest`, so that nobody reads before C any more, and then removes
//! from the records what no later read can need: of every record up to C the one that it replaces, and deletions
//! themselves. It does so in slices between batches, so that no write waits long; how far it got is stored, so that it
//! goes on after a restart.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use redb::{Durability, ReadableTable};

use super::{LOG, META, Shared, open, read::check_revision, record::Record};
use crate::{Revision, StoreError};

/// Records looked at per slice: a few milliseconds.
const SLICE: usize = 1_000;
/// While writes wait, a slice is done after so many batches: compaction keeps up with 64 writers and costs them little.
const BATCHES_PER_SLICE: u32 = 4;
/// How often the limits are looked at.
const CHECK: Duration = Duration::from_secs(1);
/// How often a revision is noted with its time.
const SAMPLE: Duration = Duration::from_secs(5);

pub(super) struct Compaction {
    /// Records up to here have been compacted.
    done: Revision,
    /// When which revision was the latest.
    samples: VecDeque<(Instant, Revision)>,
    checked: Instant,
    batches: u32,
}

impl Compaction {
    pub(super) fn new(done: Revision) -> Self {
        Self { done, samples: VecDeque::new(), checked: Instant::now(), batches: 0 }
    }

    /// Forgets the history before `revision`.
    pub(super) fn request(&self, shared: &Shared, revision: Revision) -> Result<(), StoreError> {
        let mut index = shared.index.write();
        check_revision(revision, index.oldest, index.revision)?;
        index.oldest = revision;
        drop(index);
        // Streams that are too far behind learn it now.
        shared.changed.notify_waiters();
        Ok(())
    }

    /// How long nothing is due.
    pub(super) fn pause(&self, shared: &Shared) -> Duration {
        let index = shared.index.read();
        if self.done < index.oldest {
            Duration::ZERO
        } else if shared.options.auto_compact && index.oldest < index.revision {
            SAMPLE.max(shared.options.history_age / 10)
        } else {
            Duration::MAX
        }
    }

    /// Goes on from wherever the data file is after it was opened again.
    pub(super) fn resume(&mut self, done: Revision) {
        self.done = done;
    }

    /// Does what is due after a batch; `idle` tells that no writes wait.
    pub(super) fn step(&mut self, shared: &Shared, idle: bool) {
        if shared.options.auto_compact && self.checked.elapsed() >= CHECK {
            self.checked = Instant::now();
            let target = self.target(shared);
            if let Some(target) = target
                && let Err(error) = self.request(shared, target)
            {
                tracing::warn!(target, error = %error, "compact");
            }
        }
        self.batches += 1;
        if self.done < shared.index.read().oldest && (idle || self.batches >= BATCHES_PER_SLICE) {
            self.batches = 0;
            if let Err(error) = self.slice(shared) {
                tracing::error!(error = %error, "compact");
            }
        }
    }

    /// The revision that the limits ask to forget up to, if it is a newer one than now.
    fn target(&mut self, shared: &Shared) -> Option<Revision> {
        let options = &shared.options;
        let (revision, oldest, history_bytes, stored) = {
            let index = shared.index.read();
            (index.revision, index.oldest, index.stored_bytes.saturating_sub(index.live_bytes), index.stored_bytes)
        };
        let now = Instant::now();
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE.min(options.history_age)) {
            self.samples.push_back((now, revision));
        }
        let mut target = revision.saturating_sub(options.history_revisions);
        while let Some((at, sampled)) = self.samples.front()
            && now.duration_since(*at) >= options.history_age
        {
            target = target.max(*sampled);
            self.samples.pop_front();
        }
        // Only once an earlier compaction has had its effect on the sizes.
        if self.done >= oldest {
            if history_bytes > options.history_bytes {
                target = target.max(oldest.midpoint(revision));
            }
            // When the quota is nearly used up, space for new writes is worth more than the past.
            if options.quota_bytes > 0 && stored >= options.quota_bytes / 10 * 9 && history_bytes > 0 {
                target = revision;
            }
        }
        (target > oldest).then_some(target)
    }

    fn slice(&mut self, shared: &Shared) -> Result<(), redb::Error> {
        let database = shared.database().map_err(|_| redb::Error::DatabaseClosed)?;
        let (oldest, revision) = {
            let index = shared.index.read();
            (index.oldest, index.revision)
        };
        let mut transaction = database.begin_write()?;
        let mut last = oldest;
        let mut freed = 0;
        let mut deletions = Vec::new();
        {
            let mut log = transaction.open_table(LOG)?;
            let mut remove = Vec::new();
            for (looked, row) in log.range(self.done + 1..=oldest)?.enumerate() {
                let (at, bytes) = row?;
                let at = at.value();
                if let Some(record) = Record::decode(bytes.value()) {
                    if record.replaces > 0 {
                        remove.push(record.replaces);
                    }
                    if record.deleted {
                        remove.push(at);
                        deletions.push((record.key.to_owned(), at));
                    }
                }
                if looked + 1 == SLICE {
                    last = at;
                    break;
                }
            }
            for revision in remove {
                freed += log.remove(revision)?.map_or(0, |row| row.value().len() as u64);
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert(open::META_OLDEST, oldest)?;
            meta.insert(open::META_COMPACTED, last)?;
            // The record of the latest revision may be gone, but its number must not be used again.
            meta.insert(open::META_REVISION, revision)?;
        }
        // A slice that is lost is done again; only the end of a compaction is worth a sync.
        let durability = if last == oldest { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).map_err(redb::Error::from)?;
        transaction.commit()?;
        self.done = last;
        let mut index = shared.index.write();
        index.stored_bytes = index.stored_bytes.saturating_sub(freed);
        for (key, at) in deletions {
            index.forget(&key, at);
        }
        Ok(())
    }
}
