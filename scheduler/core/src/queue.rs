//! The queue of bindings to be scheduled.
//!
//! Three parts: *active* (by priority, then by arrival), *backoff* (failed; tried again after a delay that doubles from
//! one to ten seconds) and *unschedulable* (no room; tried again after five minutes, or at once when the binding
//! changes). A key is in one part at a time, and while it is being worked on a new arrival is remembered and queued when
//! the work is done, so one binding is never decided twice at once. Time is an argument.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    hash::Hash,
    time::Duration,
};

use hashbrown::HashMap;

use crate::decision::QueueAction;

/// The first delay after a failure.
pub const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// The longest delay after failures.
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// How long a binding without room waits.
pub const UNSCHEDULABLE_WAIT: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active,
    Backoff {
        until: Duration,
    },
    Unschedulable {
        until: Duration,
    },
    /// Being worked on; whether it arrived again meanwhile, and with what priority.
    Working {
        again: Option<i32>,
    },
    /// Remembered for its number of failures only.
    Idle,
}

#[derive(Clone, Debug)]
struct Entry {
    place: Place,
    priority: i32,
    failures: u32,
    ticket: u64,
}

#[derive(Debug)]
struct Active<K> {
    priority: i32,
    arrival: u64,
    key: K,
}

impl<K> Ord for Active<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.cmp(&other.priority).then_with(|| other.arrival.cmp(&self.arrival))
    }
}

impl<K> PartialOrd for Active<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> PartialEq for Active<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K> Eq for Active<K> {}

/// How many bindings are in each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Waiting for their turn.
    pub active: usize,
    /// Waiting after a failure.
    pub backoff: usize,
    /// Waiting for room.
    pub unschedulable: usize,
}

/// The queue.
#[derive(Debug)]
pub struct Queue<K> {
    entries: HashMap<K, Entry>,
    active: BinaryHeap<Active<K>>,
    waiting: BinaryHeap<Reverse<(Duration, u64)>>,
    waiting_keys: HashMap<u64, K>,
    arrivals: u64,
    depths: Depths,
    by_priority: bool,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue; without `by_priority` only arrival counts.
    #[must_use]
    pub fn new(by_priority: bool) -> Self {
        Self {
            entries: HashMap::new(),
            active: BinaryHeap::new(),
            waiting: BinaryHeap::new(),
            waiting_keys: HashMap::new(),
            arrivals: 0,
            depths: Depths::default(),
            by_priority,
        }
    }

    /// Queues a binding because something about it changed. What it waited for no longer counts.
    pub fn push(&mut self, key: K, priority: i32) {
        match self.entries.get_mut(&key) {
            Some(entry) => match &mut entry.place {
                Place::Active => {
                    if entry.priority == priority {
                        return;
                    }
                    entry.priority = priority;
                    self.activate(key);
                }
                Place::Working { again } => *again = Some(priority),
                Place::Backoff { .. } | Place::Unschedulable { .. } | Place::Idle => {
                    entry.priority = priority;
                    self.activate(key);
                }
            },
            None => {
                self.entries.insert(key.clone(), Entry { place: Place::Idle, priority, failures: 0, ticket: 0 });
                self.activate(key);
            }
        }
    }

    /// Takes the next bindings to work on, at most `limit`.
    pub fn pop(&mut self, limit: usize) -> Vec<K> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(next) = self.active.pop() else { break };
            let Some(entry) = self.entries.get_mut(&next.key) else {
                continue;
            };
            // A newer arrival of the same key made this one obsolete.
            if entry.place != Place::Active || entry.ticket != next.arrival {
                continue;
            }
            entry.place = Place::Working { again: None };
            self.depths.active -= 1;
            taken.push(next.key);
        }
        taken
    }

    /// Ends the work on a binding.
    pub fn done(&mut self, key: &K, action: QueueAction, now: Duration) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let Place::Working { again } = entry.place else {
            return;
        };
        entry.failures = match action {
            QueueAction::Forget | QueueAction::Unschedulable => 0,
            QueueAction::Backoff => entry.failures.saturating_add(1),
        };
        if let Some(priority) = again {
            entry.priority = priority;
            entry.place = Place::Idle;
            return self.activate(key.clone());
        }
        match action {
            QueueAction::Forget => {
                self.entries.remove(key);
            }
            QueueAction::Backoff => {
                let delay = INITIAL_BACKOFF * 2_u32.saturating_pow((entry.failures - 1).min(8));
                let until = now + delay.min(MAX_BACKOFF);
                entry.place = Place::Backoff { until };
                self.depths.backoff += 1;
                self.wait(key.clone(), until);
            }
            QueueAction::Unschedulable => {
                let until = now + UNSCHEDULABLE_WAIT;
                entry.place = Place::Unschedulable { until };
                self.depths.unschedulable += 1;
                self.wait(key.clone(), until);
            }
        }
    }

    /// Forgets a binding that no longer exists.
    pub fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            if let Place::Working { again } = &mut entry.place {
                *again = None;
                return;
            }
            self.leave(key);
            self.entries.remove(key);
        }
    }

    /// Moves to the active part what has waited long enough, and tells how many.
    pub fn flush(&mut self, now: Duration) -> usize {
        let mut moved = 0;
        while let Some(Reverse((until, ticket))) = self.waiting.peek().copied() {
            if until > now {
                break;
            }
            self.waiting.pop();
            let Some(key) = self.waiting_keys.remove(&ticket) else {
                continue;
            };
            let due = self.entries.get(&key).is_some_and(|entry| {
                entry.ticket == ticket && matches!(entry.place, Place::Backoff { .. } | Place::Unschedulable { .. })
            });
            if due {
                self.activate(key);
                moved += 1;
            }
        }
        moved
    }

    /// When [`Self::flush`] will next have something to move.
    #[must_use]
    pub fn next_flush(&self) -> Option<Duration> {
        self.waiting.peek().map(|Reverse((until, _))| *until)
    }

    /// How many bindings are in each part.
    #[must_use]
    pub const fn depths(&self) -> Depths {
        self.depths
    }

    /// Whether nothing is waiting for its turn.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.depths.active == 0
    }

    fn leave(&mut self, key: &K) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        match entry.place {
            Place::Active => self.depths.active -= 1,
            Place::Backoff { .. } => self.depths.backoff -= 1,
            Place::Unschedulable { .. } => self.depths.unschedulable -= 1,
            Place::Working { .. } | Place::Idle => {}
        }
        entry.place = Place::Idle;
    }

    fn activate(&mut self, key: K) {
        self.leave(&key);
        self.arrivals += 1;
        let arrival = self.arrivals;
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.place = Place::Active;
        entry.ticket = arrival;
        self.depths.active += 1;
        let priority = if self.by_priority { entry.priority } else { 0 };
        self.active.push(Active { priority, arrival, key });
    }

    fn wait(&mut self, key: K, until: Duration) {
        self.arrivals += 1;
        let ticket = self.arrivals;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.ticket = ticket;
        }
        self.waiting.push(Reverse((until, ticket)));
        self.waiting_keys.insert(ticket, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn priorities_then_arrival() {
        let mut queue = Queue::new(true);
        for (key, priority) in [("a", 0), ("b", 5), ("c", 5), ("d", -1), ("e", 7)] {
            queue.push(key, priority);
        }
        queue.push("a", 0);
        assert_eq!(queue.pop(3), ["e", "b", "c"]);
        assert_eq!(queue.depths().active, 2);
        assert_eq!(queue.pop(9), ["a", "d"]);
        let mut queue = Queue::new(false);
        queue.push("a", 0);
        queue.push("b", 5);
        assert_eq!(queue.pop(9), ["a", "b"]);
    }

    #[test]
    fn backoff_doubles_and_is_bounded() {
        let mut queue = Queue::new(true);
        let mut now = Duration::ZERO;
        queue.push("a", 0);
        for seconds in [1, 2, 4, 8, 10, 10] {
            assert_eq!(queue.pop(1), ["a"]);
            queue.done(&"a", QueueAction::Backoff, now);
            assert_eq!(queue.flush(now + SECOND * seconds - Duration::from_millis(1)), 0);
            now += SECOND * seconds;
            assert_eq!(queue.flush(now), 1);
        }
        assert_eq!(queue.pop(1), ["a"]);
        queue.done(&"a", QueueAction::Forget, now);
        assert_eq!(queue.depths(), Depths::default());
    }

    #[test]
    fn arrival_during_work_queues_again() {
        let mut queue = Queue::new(true);
        queue.push("a", 0);
        assert_eq!(queue.pop(1), ["a"]);
        queue.push("a", 3);
        assert!(queue.pop(1).is_empty());
        queue.done(&"a", QueueAction::Unschedulable, Duration::ZERO);
        assert_eq!(queue.pop(1), ["a"]);
        queue.done(&"a", QueueAction::Unschedulable, Duration::ZERO);
        assert_eq!(queue.depths().unschedulable, 1);
        queue.push("a", 0);
        assert_eq!(queue.depths(), Depths { active: 1, backoff: 0, unschedulable: 0 });
        assert_eq!(queue.pop(1), ["a"]);
        queue.done(&"a", QueueAction::Forget, SECOND);
        assert_eq!(queue.flush(SECOND * 1000), 0);
        queue.push("b", 0);
        queue.remove(&"b");
        assert!(queue.pop(1).is_empty());
    }
}
