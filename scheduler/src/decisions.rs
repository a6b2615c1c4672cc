//! The reasons of recent decisions, for those who ask.
//!
//! Bounded: the oldest decision makes room for the newest. A binding whose decision is gone can be explained again
//! against the present clusters.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use karmada_runtime::ObjectKey;
use karmada_scheduler_core::Decision;
use parking_lot::Mutex;

/// How many decisions are kept: some kilobytes each.
const KEPT: usize = 4096;

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<ObjectKey, (u64, Arc<Decision>)>,
    order: VecDeque<(u64, ObjectKey)>,
    count: u64,
}

/// Recent decisions.
#[derive(Debug, Default)]
pub struct Decisions {
    kept: Mutex<Kept>,
}

impl Decisions {
    /// Keeps a decision, in place of the last one about the same binding.
    pub fn keep(&self, key: ObjectKey, decision: Arc<Decision>) {
        let mut kept = self.kept.lock();
        kept.count += 1;
        let number = kept.count;
        kept.by_key.insert(key.clone(), (number, decision));
        kept.order.push_back((number, key));
        while kept.order.len() > KEPT {
            let Some((number, key)) = kept.order.pop_front() else { return };
            if kept.by_key.get(&key).is_some_and(|(newest, _)| *newest == number) {
                kept.by_key.remove(&key);
            }
        }
    }

    /// The last decision about a binding, if it is still kept.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Decision>> {
        self.kept.lock().by_key.get(key).map(|(_, decision)| Arc::clone(decision))
    }

    /// Forgets a binding.
    pub fn forget(&self, key: &ObjectKey) {
        self.kept.lock().by_key.remove(key);
    }
}
