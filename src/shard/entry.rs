//! An entry: the key, the value, and the two words that readers and the policy look at.
//!
//! # Layout
//!
//! `hash` is constant while the entry lives. `state` is one atomic word:
//!
//! ```text
//! bit  31                          4   3      2       1 0
//!      [ coarse deadline, 28 bits   ][idle][timed][ uses ]
//! ```
//!
//! * **uses**: hits since the hand last passed, saturating at 3. Raised by readers (one relaxed
//!   compare-and-swap, given up if it fails: a lost hit is harmless), lowered by the policy.
//! * **timed**: the entry has a deadline, and its row in the shard's column of [`Times`] is valid.
//!   Written under the shard's lock with release; a reader that sees it acquires the row.
//! * **idle**: every read restarts an idle time, so the row must be consulted.
//! * **coarse deadline**: the deadline in units of 2^30 ns (about a second), rounded down and
//!   saturated. A reader compares it with the time in the same unit: less is alive, more is expired,
//!   and only the unit in which the deadline falls needs the exact one in the row.
//!
//! A word of 64 bits would hold the deadline itself, at the price of 8 bytes for every entry that has
//! none; the row is 32 bytes, and only for entries that have one.

use crate::expiry::{Deadline, NEVER};
use crate::sync::Track;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The highest use count.
pub(crate) const MAX_USES: u8 = 3;

const USES: u32 = 0b11;
const TIMED: u32 = 1 << 2;
const IDLE: u32 = 1 << 3;
const COARSE_SHIFT: u32 = 4;
const COARSE_MAX: u64 = (1 << (32 - COARSE_SHIFT)) - 1;
/// 2^30 ns: one unit of a coarse deadline.
const UNIT_BITS: u32 = 30;

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry<K, V> {
    /// See the module's head.
    state: AtomicU32,
    /// The 32 bits that place the entry in its shard's table and sketch.
    pub(crate) hash: u32,
    pub(crate) key: K,
    pub(crate) value: V,
    /// For the model checker; nothing in a real build.
    pub(crate) track: Track,
}

/// When an entry dies, in nanoseconds of the cache's time. All words are written under the shard's
/// lock, but `accessed`, which readers raise.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// The hard deadline; `NEVER` if it does not come.
    hard: AtomicU64,
    /// How long after `accessed` the entry lives; `NEVER` if that does not matter.
    idle: AtomicU64,
    /// The last read or write.
    accessed: AtomicU64,
    /// When the value was written.
    created: AtomicU64,
}

impl Times {
    /// Of a value written at `now`.
    pub(crate) fn create(&self, deadline: Deadline, now: u64) {
        self.created.store(now, Ordering::Relaxed);
        self.set(deadline, now);
    }

    /// Another deadline, counted from `now`.
    pub(crate) fn set(&self, deadline: Deadline, now: u64) {
        self.hard.store(deadline.hard, Ordering::Relaxed);
        self.idle.store(deadline.idle, Ordering::Relaxed);
        self.accessed.store(now, Ordering::Relaxed);
    }

    /// The deadline as things stand.
    pub(crate) fn deadline(&self) -> Deadline {
        let (hard, idle) = (self.hard.load(Ordering::Relaxed), self.idle.load(Ordering::Relaxed));
        Deadline::new(hard, idle, self.accessed.load(Ordering::Relaxed))
    }

    /// When the value was written.
    pub(crate) fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }

    /// A read at `now` starts the idle time again. Monotone, and a store only if the time moved.
    #[inline]
    pub(crate) fn access(&self, now: u64) {
        if self.idle.load(Ordering::Relaxed) != NEVER && self.accessed.load(Ordering::Relaxed) < now {
            self.accessed.fetch_max(now, Ordering::Relaxed);
        }
    }
}

impl<K, V> Entry<K, V> {
    pub(crate) fn new(hash: u32, key: K, value: V) -> Self {
        Entry { state: AtomicU32::new(0), hash, key, value, track: Track::new() }
    }

    #[inline]
    pub(crate) fn uses(&self) -> u8 {
        (self.state.load(Ordering::Relaxed) & USES) as u8
    }

    /// Is the counter full, so that a hit has nothing to write?
    #[inline(always)]
    pub(crate) fn is_hot(&self) -> bool {
        self.state.load(Ordering::Relaxed) & USES == USES
    }

    /// Counts a hit, unless the counter is full.
    pub(crate) fn record_use(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & USES != USES {
            let _ = self.state.compare_exchange_weak(state, state + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Lowers the counter by one if it is above zero.
    pub(crate) fn take_use(&self) {
        self.change(|state| if state & USES == 0 { state } else { state - 1 });
    }

    /// Takes over the count of the entry it replaces.
    pub(crate) fn inherit_uses(&self, uses: u8) {
        self.change(|state| state & !USES | u32::from(uses.min(MAX_USES)));
    }

    /// Does the entry have a row of times?
    #[inline(always)]
    pub(crate) fn is_timed(&self) -> bool {
        self.state.load(Ordering::Acquire) & TIMED != 0
    }

    /// Does a read restart an idle time?
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Relaxed) & IDLE != 0
    }

    /// Is the timed entry expired at `now`?
    #[inline]
    pub(crate) fn is_expired(&self, now: u64, times: &Times) -> bool {
        let state = self.state.load(Ordering::Acquire);
        if state & IDLE == 0 {
            let coarse = u64::from(state >> COARSE_SHIFT);
            let unit = now >> UNIT_BITS;
            if unit != coarse && coarse != COARSE_MAX {
                return unit > coarse;
            }
        }
        times.deadline().is_expired(now)
    }

    /// Must be called after each change of the row, with the row's contents in place.
    pub(crate) fn follow(&self, times: &Times) {
        let hard = times.hard.load(Ordering::Relaxed);
        let idle = times.idle.load(Ordering::Relaxed) != NEVER;
        if hard == NEVER && !idle {
            return self.change(|state| state & USES);
        }
        let coarse = (hard >> UNIT_BITS).min(COARSE_MAX) as u32;
        let bits = TIMED | if idle { IDLE } else { 0 } | coarse << COARSE_SHIFT;
        self.change(|state| state & USES | bits);
    }

    fn change(&self, to: impl Fn(u32) -> u32) {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            match self.state.compare_exchange_weak(state, to(state), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn timed(hard: u64, accessed: u64, idle: u64) -> (Entry<u8, u8>, Times) {
        let times = Times::default();
        times.hard.store(hard, Ordering::Relaxed);
        times.accessed.store(accessed, Ordering::Relaxed);
        times.idle.store(idle, Ordering::Relaxed);
        let entry = Entry::new(0, 0, 0);
        entry.follow(&times);
        (entry, times)
    }

    #[test]
    fn uses_saturate_and_are_taken() {
        let entry = Entry::new(7, 1, 2);
        let counted = (0..5).filter(|_| !entry.is_hot()).inspect(|_| entry.record_use()).count();
        assert_eq!((counted, entry.uses()), (3, MAX_USES));
        for left in [2, 1, 0, 0] {
            entry.take_use();
            assert_eq!(entry.uses(), left);
        }
        entry.inherit_uses(9);
        assert_eq!(entry.uses(), MAX_USES);
    }

    #[test]
    fn g06_the_coarse_deadline_agrees_with_the_exact_one() {
        let second = 1u64 << UNIT_BITS;
        let deadlines =
            [0, 1, second - 1, second, second + 1, 5 * second + 3, second << 28, second << 30, u64::MAX - 1];
        for hard in deadlines {
            let (entry, times) = timed(hard, 0, u64::MAX);
            assert!(entry.is_timed());
            for now in deadlines.iter().flat_map(|&d| [d.saturating_sub(1), d, d.saturating_add(1)]) {
                assert_eq!(entry.is_expired(now, &times), hard <= now, "deadline {hard}, now {now}");
            }
        }
    }

    #[test]
    fn g07_an_idle_time_restarts_and_the_hard_deadline_stays() {
        let (entry, times) = timed(100, 10, 50);
        assert!(!entry.is_expired(59, &times) && entry.is_expired(60, &times));
        times.access(55);
        assert!(!entry.is_expired(99, &times));
        assert!(entry.is_expired(100, &times));
        times.access(20);
        assert_eq!(times.accessed.load(Ordering::Relaxed), 55, "time never goes back");
    }

    #[test]
    fn an_entry_without_deadlines_is_not_timed() {
        let (entry, _) = timed(u64::MAX, 0, u64::MAX);
        assert!(!entry.is_timed());
    }
}
