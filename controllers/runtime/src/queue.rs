//! The work queue: keys to reconcile, each at most once in the queue and at most once in work.
//!
//! Semantics follow client-go's rate-limiting priority queue: a key added while in work is queued again when it is done;
//! higher priorities go first, and within one priority first come, first served; failures of a key back off
//! exponentially and independently of other keys. The queue holds each key once, so its size is bounded by the number of
//! distinct objects; its depth is a metric.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics::QueueMetrics;

/// Priority of live changes.
pub const PRIORITY_LIVE: i32 = 0;
/// Priority of keys that come from an initial list, as controller-runtime's `LowPriorityWhenUnchanged`.
pub const PRIORITY_INITIAL: i32 = -100;

/// How failures of one key back off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Delay after the first failure.
    pub base: Duration,
    /// Longest delay.
    pub max: Duration,
}

impl Default for Backoff {
    /// Karmada's `--rate-limiter-base-delay` and `--rate-limiter-max-delay`.
    fn default() -> Self {
        Self { base: Duration::from_millis(5), max: Duration::from_secs(1000) }
    }
}

impl Backoff {
    /// The delay after this many failures in a row (from 1).
    pub fn delay(&self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.checked_mul(factor).map_or(self.max, |d| d.min(self.max))
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    priority: i32,
    seq: Reverse<u64>,
}

struct Ready<K> {
    rank: Rank,
    key: K,
}

impl<K> PartialEq for Ready<K> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}
impl<K> Eq for Ready<K> {}
impl<K> PartialOrd for Ready<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Ready<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

struct Delayed<K> {
    at: Reverse<Instant>,
    seq: Reverse<u64>,
    priority: i32,
    key: K,
}

impl<K> PartialEq for Delayed<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl<K> Eq for Delayed<K> {}
impl<K> PartialOrd for Delayed<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Delayed<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

struct State<K> {
    /// Keys that wait to be taken, with the priority and time under which they stand in `ready`. A heap entry whose rank
    /// differs from the one here is stale and skipped.
    dirty: HashMap<K, (i32, u64, Instant)>,
    /// Keys in work.
    processing: HashSet<K>,
    ready: BinaryHeap<Ready<K>>,
    delayed: BinaryHeap<Delayed<K>>,
    /// The earliest time for each delayed key; later entries of the heap are stale.
    wake_at: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
    seq: u64,
    closed: bool,
}

struct Inner<K> {
    state: Mutex<State<K>>,
    notify: Notify,
    backoff: Backoff,
    metrics: QueueMetrics,
}

/// A work queue; clones share it.
pub struct Queue<K>(Arc<Inner<K>>);

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue; `name` labels its `workqueue_*` metrics.
    pub fn new(name: &str, backoff: Backoff) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                dirty: HashMap::new(),
                processing: HashSet::new(),
                ready: BinaryHeap::new(),
                delayed: BinaryHeap::new(),
                wake_at: HashMap::new(),
                failures: HashMap::new(),
                seq: 0,
                closed: false,
            }),
            notify: Notify::new(),
            backoff,
            metrics: QueueMetrics::new(name),
        }))
    }

    /// Queues the key at live priority.
    pub fn add(&self, key: K) {
        self.add_with_priority(key, PRIORITY_LIVE);
    }

    /// Queues the key; a key that is queued already keeps its place, or moves up to the higher priority.
    pub fn add_with_priority(&self, key: K, priority: i32) {
        let mut state = self.0.state.lock();
        self.push(&mut state, key, priority);
        self.0.metrics.depth.set(state.dirty.len() as i64);
        drop(state);
        self.0.notify.notify_one();
    }

    fn push(&self, state: &mut State<K>, key: K, priority: i32) {
        if state.closed {
            return;
        }
        self.0.metrics.adds.inc();
        state.seq += 1;
        let seq = state.seq;
        let since = match state.dirty.get(&key) {
            Some(&(queued, _, _)) if queued >= priority => return,
            Some(&(_, _, since)) => since,
            None => Instant::now(),
        };
        state.dirty.insert(key.clone(), (priority, seq, since));
        if !state.processing.contains(&key) {
            state.ready.push(Ready { rank: Rank { priority, seq: Reverse(seq) }, key });
        }
    }

    /// Queues the key after a delay, at live priority. The earliest of several delays wins.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let at = Instant::now() + delay;
        let mut state = self.0.state.lock();
        if state.closed || state.wake_at.get(&key).is_some_and(|&earlier| earlier <= at) {
            return;
        }
        state.seq += 1;
        let seq = Reverse(state.seq);
        state.wake_at.insert(key.clone(), at);
        state.delayed.push(Delayed { at: Reverse(at), seq, priority: PRIORITY_LIVE, key });
        drop(state);
        self.0.notify.notify_one();
    }

    /// Queues the key after its backoff, counting one more failure. Returns the delay.
    pub fn add_rate_limited(&self, key: K) -> Duration {
        let failures = {
            let mut state = self.0.state.lock();
            let failures = state.failures.entry(key.clone()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        self.0.metrics.retries.inc();
        let delay = self.0.backoff.delay(failures);
        self.add_after(key, delay);
        delay
    }

    /// Forgets the key's failures.
    pub fn forget(&self, key: &K) {
        self.0.state.lock().failures.remove(key);
    }

    /// How often the key has failed in a row.
    pub fn failures(&self, key: &K) -> u32 {
        self.0.state.lock().failures.get(key).copied().unwrap_or_default()
    }

    /// Keys that wait to be taken.
    pub fn len(&self) -> usize {
        self.0.state.lock().dirty.len()
    }

    /// Whether nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing waits, is in work or is due within `horizon`.
    pub fn is_idle(&self, horizon: Duration) -> bool {
        let state = self.0.state.lock();
        let until = Instant::now() + horizon;
        state.dirty.is_empty() && state.processing.is_empty() && !state.wake_at.values().any(|&at| at <= until)
    }

    /// Refuses new keys and lets every [`next`](Self::next) return `None` once it has nothing ready.
    pub fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.notify.notify_waiters();
        self.0.notify.notify_one();
    }

    /// Takes the next key, waiting for one; `None` once the queue is closed. The taker must call [`done`](Self::done).
    pub async fn next(&self) -> Option<K> {
        loop {
            let notified = self.0.notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let wake_at = {
                let mut state = self.0.state.lock();
                if state.closed {
                    drop(state);
                    // Wake the next waiter: notify_one wakes only one.
                    self.0.notify.notify_one();
                    return None;
                }
                let next_due = self.move_due(&mut state, Instant::now());
                if let Some(key) = self.pop(&mut state) {
                    let more = !state.ready.is_empty();
                    self.0.metrics.depth.set(state.dirty.len() as i64);
                    drop(state);
                    if more {
                        self.0.notify.notify_one();
                    }
                    return Some(key);
                }
                next_due
            };
            match wake_at {
                Some(at) => {
                    tokio::select! {
                        () = notified => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => notified.await,
            }
        }
    }

    /// Moves due keys to the ready heap and returns when the next one is due.
    fn move_due(&self, state: &mut State<K>, now: Instant) -> Option<Instant> {
        while let Some(first) = state.delayed.peek() {
            let at = first.at.0;
            if at > now {
                return Some(at);
            }
            let Some(delayed) = state.delayed.pop() else { break };
            if state.wake_at.get(&delayed.key) == Some(&at) {
                state.wake_at.remove(&delayed.key);
                self.push(state, delayed.key, delayed.priority);
            }
        }
        None
    }

    fn pop(&self, state: &mut State<K>) -> Option<K> {
        while let Some(Ready { rank, key }) = state.ready.pop() {
            match state.dirty.get(&key) {
                Some(&(priority, seq, since)) if (priority, seq) == (rank.priority, rank.seq.0) => {
                    state.dirty.remove(&key);
                    self.0.metrics.queue_duration.observe(since.elapsed().as_secs_f64());
                    state.processing.insert(key.clone());
                    return Some(key);
                }
                _ => {}
            }
        }
        None
    }

    /// Marks the key as no longer in work; queues it again if it was added meanwhile.
    pub fn done(&self, key: &K) {
        let mut state = self.0.state.lock();
        state.processing.remove(key);
        if let Some(&(priority, seq, _)) = state.dirty.get(key) {
            state.ready.push(Ready { rank: Rank { priority, seq: Reverse(seq) }, key: key.clone() });
            drop(state);
            self.0.notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new("test", Backoff { base: Duration::from_millis(10), max: Duration::from_millis(80) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_queued_once_and_by_priority() {
        let q = queue();
        q.add_with_priority("low", PRIORITY_INITIAL);
        q.add("a");
        q.add("a");
        q.add("b");
        assert_eq!(q.len(), 3);
        assert_eq!(q.next().await, Some("a"));
        assert_eq!(q.next().await, Some("b"));
        assert_eq!(q.next().await, Some("low"));
        assert!(q.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_in_work_comes_back_after_done() {
        let q = queue();
        q.add("a");
        assert_eq!(q.next().await, Some("a"));
        q.add("a");
        q.add("b");
        assert_eq!(q.next().await, Some("b"), "a is in work and must not be handed out twice");
        q.done(&"a");
        assert_eq!(q.next().await, Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_live_add_lifts_an_initial_key() {
        let q = queue();
        q.add_with_priority("x", PRIORITY_INITIAL);
        q.add_with_priority("y", PRIORITY_INITIAL);
        q.add("y");
        assert_eq!(q.next().await, Some("y"));
        assert_eq!(q.next().await, Some("x"));
        assert!(q.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_back_off_exponentially_up_to_the_maximum() {
        let q = queue();
        let delays: Vec<_> = (0..5).map(|_| q.add_rate_limited("a").as_millis()).collect();
        assert_eq!(delays, [10, 20, 40, 80, 80]);
        let start = Instant::now();
        assert_eq!(q.next().await, Some("a"));
        assert_eq!(start.elapsed(), Duration::from_millis(10), "the earliest delay wins");
        q.forget(&"a");
        assert_eq!(q.add_rate_limited("a").as_millis(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_every_waiter() {
        let q = queue();
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let q = q.clone();
                tokio::spawn(async move { q.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        q.close();
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), None);
        }
    }
}
