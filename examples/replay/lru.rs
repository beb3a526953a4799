//! The baseline everyone knows: a cache that drops the least recently used entry.
//!
//! Entries are linked in the order of use through two arrays indexed by key number, so a request costs a few
//! array accesses and no hashing. With lifetimes, an expired entry keeps its place until it is evicted or found
//! expired; then it is a miss, and the reload renews it in place.

use crate::progress::Counter;
use crate::tally::Tally;
use crate::trace::Times;

/// Requests between two reports of progress.
const STRIDE: usize = 1 << 16;

/// Plays the requests `ids` through an LRU cache; `weights` are by key number, `times` by request.
pub fn play(ids: &[u32], weights: &[u32], times: Option<&Times>, capacity: u64, counter: &Counter) -> Tally {
    let mut tally = Tally::default();
    let mut queue = Queue::new(weights.len());
    let mut expires = vec![u64::MAX; if times.is_some() { weights.len() } else { 0 }];
    let mut held = 0;
    for (stride, portion) in ids.chunks(STRIDE).enumerate() {
        for (offset, &id) in portion.iter().enumerate() {
            let key = id as usize;
            let weight = weights[key];
            let request = stride * STRIDE + offset;
            let lives = times.is_none_or(|times| u64::from(times.at[request]) < expires[key]);
            let present = queue.contains(id);
            if present && lives {
                tally.hit(weight);
            } else if let Some(times) = times {
                expires[key] = u64::from(times.at[request]) + u64::from(times.ttl[request]);
            }
            if present {
                queue.unlink(id);
            } else if u64::from(weight) > capacity {
                continue;
            } else {
                held += u64::from(weight);
            }
            queue.push_front(id);
            while held > capacity {
                held -= u64::from(weights[queue.pop_back() as usize]);
            }
        }
        counter.add(portion.len() as u64);
    }
    tally
}

/// A key number in no queue.
const OUT: u32 = u32::MAX;

/// Key numbers in the order of their last use: a ring through a sentinel one past the last key.
struct Queue {
    /// Towards the less recently used; `OUT` for keys that are not queued.
    older: Vec<u32>,
    /// Towards the more recently used; meaningless for keys that are not queued.
    newer: Vec<u32>,
}

impl Queue {
    /// An empty queue for `keys` keys.
    fn new(keys: usize) -> Self {
        let mut queue = Self { older: vec![OUT; keys + 1], newer: vec![OUT; keys + 1] };
        queue.older[keys] = keys as u32;
        queue.newer[keys] = keys as u32;
        queue
    }

    /// The sentinel, whose `older` is the most recently used key.
    fn sentinel(&self) -> u32 {
        (self.older.len() - 1) as u32
    }

    fn contains(&self, key: u32) -> bool {
        self.older[key as usize] != OUT
    }

    fn push_front(&mut self, key: u32) {
        let sentinel = self.sentinel();
        let second = std::mem::replace(&mut self.older[sentinel as usize], key);
        self.older[key as usize] = second;
        self.newer[key as usize] = sentinel;
        self.newer[second as usize] = key;
    }

    fn unlink(&mut self, key: u32) {
        let older = std::mem::replace(&mut self.older[key as usize], OUT);
        let newer = self.newer[key as usize];
        self.newer[older as usize] = newer;
        self.older[newer as usize] = older;
    }

    /// Removes the least recently used key; the queue must not be empty.
    fn pop_back(&mut self) -> u32 {
        let last = self.newer[self.sentinel() as usize];
        self.unlink(last);
        last
    }
}
