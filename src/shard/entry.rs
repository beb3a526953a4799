//! An entry: the key, the value, and the two words that readers and the policy look at.
//!
//! # Layout
//!
//! `hash` is constant while the entry lives. `state` is one atomic word:
//!
//! ```text
//! bit  31                       12   11  8   7   5     4      3      2      1 0
//!      [ coarse deadline, 20 bits ][ note ][ era ][tagged][idle][timed][ cold ]
//! ```
//!
//! * **cold**: 3 less the use counter, which has the hits since the hand last passed, saturating at 3. Readers take one
//!   off (one relaxed compare-and-swap, given up if it fails: a lost hit is harmless), the policy puts it back.
//! * **timed**: the entry has a deadline, and its row in the shard's column of [`Times`] is valid.
//!   Written under the shard's lock with release; a reader that sees it acquires the row.
//! * **idle**: every read restarts an idle time, so the row must be consulted.
//! * **tagged**: the entry has a row in the shard's column of groups, which says whether it is current. Set before the
//!   entry is published.
//! * **era**: when it was written, counted in invalidations of everything (see `eras`). Set before the entry is published. An
//!   outdated entry that leaves the table gets an era that no shard is ever in, so that a reader who found it in time, and then
//!   slept while all numbers went round, does not take it for current.
//!
//! The shard has a byte ([`Settled`]) with the present era and zeros: an entry with the same low byte is current and hot and has none
//! of the three flags, so a hit on it has nothing more to do.
//!
//! * **note**: what the policy noted. Written under the shard's lock without a read-modify-write: a use that is raised
//!   at that moment is lost, which is harmless.
//! * **coarse deadline**: the deadline in units of 2^32 ns (about four seconds), rounded down and
//!   saturated. A reader compares it with the time in the same unit: less is alive, more is expired,
//!   and only the unit in which the deadline falls needs the exact one in the row.
//!
//! A word of 64 bits would hold the deadline itself, at the price of 8 bytes for every entry that has
//! none; the row is 32 bytes, and only for entries that have one.

use crate::expiry::{Deadline, NEVER};
use crate::policy::Link;
use crate::sync::Track;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The highest use count.
pub(crate) const MAX_USES: u8 = 3;

const COLD: u32 = 0b11;
const TIMED: u32 = 1 << 2;
const IDLE: u32 = 1 << 3;
const TAGGED: u32 = 1 << 4;
const ERA_SHIFT: u32 = 5;
const ERA: u32 = 0b111 << ERA_SHIFT;
const NOTE_SHIFT: u32 = 8;
const NOTE: u32 = 0b1111 << NOTE_SHIFT;
const COARSE_SHIFT: u32 = 12;
/// What a deadline leaves alone.
const OTHERS: u32 = COLD | TAGGED | ERA | NOTE;
const COARSE_MAX: u64 = (1 << (32 - COARSE_SHIFT)) - 1;
/// 2^32 ns: one unit of a coarse deadline.
const UNIT_BITS: u32 = 32;

/// The number of an era, as a state word has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era(u32);

impl Era {
    /// How many numbers there are.
    pub(crate) const KINDS: u64 = if crate::sync::MODEL { 2 } else { (ERA >> ERA_SHIFT) as u64 };
    /// Of what was outdated when it left the table: no other era has this number.
    const GONE: Era = Era(ERA);

    /// Of the so many-th era.
    pub(crate) fn nth(count: u64) -> Self {
        Era(((count % Self::KINDS) as u32) << ERA_SHIFT)
    }
}

/// The low byte of an entry for which a hit has nothing to do: the shard's. Stored under its lock (release). Who found an entry in the table (acquire) and
/// then reads this sees the entry's era or a later one; and whatever left the table before that era began is seen to be gone.
#[derive(Debug)]
pub(crate) struct Settled {
    byte: AtomicU32,
    /// The rule is asked about every hit.
    asks: bool,
}

impl Settled {
    pub(crate) fn new(asks: bool) -> Self {
        let settled = Settled { byte: AtomicU32::new(0), asks };
        settled.turn_to(Era::nth(0));
        settled
    }

    /// The present era.
    #[inline(always)]
    pub(crate) fn era(&self) -> Era {
        Era(self.byte.load(Ordering::Acquire) & ERA)
    }

    /// By the writer.
    pub(crate) fn turn_to(&self, era: Era) {
        // An idle time without a deadline, which no entry has.
        let never = if self.asks { IDLE } else { 0 };
        self.byte.store(era.0 | never, Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn asks(&self) -> bool {
        self.asks
    }
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry<K, V> {
    /// See the module's head.
    state: AtomicU32,
    /// The 32 bits that place the entry in its shard's table and sketch.
    pub(crate) hash: u32,
    /// The policy's.
    pub(crate) link: Link,
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
        self.accessed.store(now, Ordering::Relaxed);
        self.set(deadline, now);
    }

    /// Another deadline, counted from `now`; but a read may have come later than that.
    pub(crate) fn set(&self, deadline: Deadline, now: u64) {
        self.hard.store(deadline.hard, Ordering::Relaxed);
        self.idle.store(deadline.idle, Ordering::Relaxed);
        self.accessed.fetch_max(now, Ordering::Relaxed);
    }

    /// The deadline as things stand.
    pub(crate) fn deadline(&self) -> Deadline {
        let (hard, idle) = (self.hard.load(Ordering::Relaxed), self.idle.load(Ordering::Relaxed));
        Deadline::new(hard, idle, self.accessed.load(Ordering::Relaxed))
    }

    /// The deadline if the entry is used at `now`, or later if it was; and when it is.
    pub(crate) fn used(&self, now: u64) -> (Deadline, u64) {
        let (hard, idle) = (self.hard.load(Ordering::Relaxed), self.idle.load(Ordering::Relaxed));
        let now = now.max(self.accessed.load(Ordering::Relaxed));
        (Deadline::new(hard, idle, now), now)
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
    /// `tagged`: it will have a row of groups before it is published.
    #[inline]
    pub(crate) fn new(hash: u32, key: K, value: V, era: Era, tagged: bool) -> Self {
        let state = AtomicU32::new(COLD | era.0 | if tagged { TAGGED } else { 0 });
        Entry { state, hash, link: Link::default(), key, value, track: Track::new() }
    }

    #[inline]
    pub(crate) fn uses(&self) -> u8 {
        MAX_USES - (self.state.load(Ordering::Relaxed) & COLD) as u8
    }

    /// Is the counter full, so that a hit has nothing to write?
    #[inline(always)]
    pub(crate) fn is_hot(&self) -> bool {
        self.state.load(Ordering::Relaxed) & COLD == 0
    }

    /// Is there nothing for a hit to do: no invalidation or time to look at, no counter to raise, nobody to ask?
    #[inline(always)]
    pub(crate) fn is_settled(&self, settled: &Settled) -> bool {
        // The shard's byte first: see there.
        let settled = settled.byte.load(Ordering::Acquire);
        settled as u8 == self.state.load(Ordering::Acquire) as u8
    }

    /// Is it of the present era, and without a group that could be outdated?
    #[inline(always)]
    pub(crate) fn is_plainly_current(&self, settled: &Settled) -> bool {
        let settled = settled.byte.load(Ordering::Acquire);
        (settled ^ self.state.load(Ordering::Acquire)) & (ERA | TAGGED) == 0
    }

    /// Was it written in this era, and not taken out of the table as outdated?
    #[inline]
    pub(crate) fn is_of(&self, era: Era) -> bool {
        self.era() == era
    }

    pub(crate) fn era(&self) -> Era {
        Era(self.state.load(Ordering::Acquire) & ERA)
    }

    /// It was outdated, and has left the table.
    pub(crate) fn leave_era(&self) {
        self.change(|state| state | Era::GONE.0);
    }

    /// Does the entry have a row of groups?
    #[inline(always)]
    pub(crate) fn is_tagged(&self) -> bool {
        self.state.load(Ordering::Relaxed) & TAGGED != 0
    }

    /// Must a read restart an idle time?
    #[inline(always)]
    pub(crate) fn has_idle_time(&self) -> bool {
        self.state.load(Ordering::Relaxed) & IDLE != 0
    }

    /// Counts a hit, unless the counter is full.
    pub(crate) fn record_use(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & COLD != 0 {
            let _ = self.state.compare_exchange_weak(state, state - 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// As [`record_use`](Self::record_use), while nobody else looks at the entry: without a locked instruction.
    #[inline(always)]
    pub(crate) fn record_use_alone(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & COLD != 0 {
            self.state.store(state - 1, Ordering::Relaxed);
        }
    }

    /// Lowers the counter by one if it is above zero.
    pub(crate) fn take_use(&self) {
        self.change(|state| if state & COLD == COLD { state } else { state + 1 });
    }

    /// Takes over the count of the entry it replaces.
    pub(crate) fn inherit_uses(&self, uses: u8) {
        self.change(|state| state & !COLD | u32::from(MAX_USES - uses.min(MAX_USES)));
    }

    /// What the policy noted.
    #[inline]
    pub(crate) fn note(&self) -> u8 {
        ((self.state.load(Ordering::Relaxed) & NOTE) >> NOTE_SHIFT) as u8
    }

    /// By the writer, who alone changes all but the uses.
    #[inline]
    pub(crate) fn set_note(&self, note: u8) {
        let state = self.state.load(Ordering::Relaxed) & !NOTE;
        self.state.store(state | u32::from(note) << NOTE_SHIFT & NOTE, Ordering::Release);
    }

    /// Does the entry have a row of times?
    #[inline(always)]
    pub(crate) fn is_timed(&self) -> bool {
        self.state.load(Ordering::Acquire) & TIMED != 0
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
            return self.change(|state| state & OTHERS);
        }
        let coarse = (hard >> UNIT_BITS).min(COARSE_MAX) as u32;
        let bits = TIMED | if idle { IDLE } else { 0 } | coarse << COARSE_SHIFT;
        self.change(|state| state & OTHERS | bits);
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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn timed(hard: u64, accessed: u64, idle: u64) -> (Entry<u8, u8>, Times) {
        let times = Times::default();
        times.hard.store(hard, Ordering::Relaxed);
        times.accessed.store(accessed, Ordering::Relaxed);
        times.idle.store(idle, Ordering::Relaxed);
        let entry = Entry::new(0, 0, 0, Era::nth(0), false);
        entry.follow(&times);
        (entry, times)
    }

    #[test]
    fn uses_saturate_and_are_taken() {
        let entry = Entry::new(7, 1, 2, Era::nth(0), false);
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
    fn what_is_of_the_present_era_and_has_no_group_is_plainly_current() {
        for asks in [false, true] {
            let settled = Settled::new(asks);
            for now in [0, 1, 5] {
                settled.turn_to(Era::nth(now));
                for (era, tagged, used) in [0, 1, 5].into_iter().flat_map(|era| {
                    [(era, false, false), (era, false, true), (era, true, false), (era, true, true)]
                }) {
                    let entry = Entry::new(0, 1, 2, Era::nth(era), tagged);
                    if used {
                        entry.record_use();
                    }
                    let is = entry.is_plainly_current(&settled);
                    assert_eq!(is, era == now && !tagged, "{now} {era} {tagged}");
                }
            }
        }
    }

    #[test]
    fn g06_the_coarse_deadline_agrees_with_the_exact_one() {
        let second = 1u64 << UNIT_BITS;
        let deadlines =
            [0, 1, second - 1, second, second + 1, 5 * second + 3, second << 22, second << 24, u64::MAX - 1];
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
    fn g06_the_row_is_looked_at_only_when_the_word_does_not_know() {
        let unit = 1u64 << UNIT_BITS;
        let (entry, times) = timed(1000 * unit, 0, NEVER);
        // A row that contradicts the word: who looks at it takes the entry for dead.
        times.hard.store(0, Ordering::Relaxed);
        assert!(!entry.is_expired(999 * unit, &times));
        assert!(entry.is_expired(1000 * unit, &times), "its own unit");
        // With an idle time the word is not enough, however far off the hard deadline is.
        let (entry, times) = timed(1000 * unit, 10, 50);
        assert!(!entry.is_expired(59, &times) && entry.is_expired(5 * unit, &times));
    }

    #[test]
    fn g07_times_tell_creation_and_use_apart() {
        let times = Times::default();
        let deadline = |idle| Deadline::new(NEVER, idle, 0);
        times.create(deadline(50), 7);
        assert_eq!((times.created(), times.deadline().at), (7, 57));
        times.set(deadline(20), 9);
        assert_eq!((times.created(), times.deadline().at), (7, 29));
        times.access(11);
        times.set(deadline(20), 10);
        assert_eq!(times.deadline().at, 31, "a read came later");
        times.set(deadline(NEVER), 11);
        times.access(99);
        assert_eq!(
            times.accessed.load(Ordering::Relaxed),
            11,
            "nothing is written when idleness does not matter"
        );
        times.create(deadline(5), 3);
        assert_eq!((times.created(), times.deadline().at), (3, 8), "another value in the same row");
    }

    #[test]
    fn a_hit_has_something_to_do_while_cold_timed_tagged_asked_about_or_of_another_era() {
        let (quiet, asking) = (Settled::new(false), Settled::new(true));
        let hot = |tagged| {
            let entry = Entry::new(0, 0u8, 0u8, Era::nth(0), tagged);
            assert!(!entry.is_settled(&quiet) && !entry.is_settled(&asking));
            entry.inherit_uses(MAX_USES);
            entry
        };
        assert!(hot(false).is_settled(&quiet) && !hot(true).is_settled(&quiet));
        assert!(!hot(false).is_settled(&asking) && asking.asks() && !quiet.asks());
        for (hard, idle) in [(100, NEVER), (NEVER, 50), (100, 50)] {
            let (entry, times) = timed(hard, 0, idle);
            entry.inherit_uses(MAX_USES);
            assert!(!entry.is_settled(&quiet) && !entry.is_settled(&asking) && entry.is_timed());
            assert_eq!(entry.has_idle_time(), idle != NEVER);
            // A lifetime that is taken away leaves no trace.
            times.hard.store(NEVER, Ordering::Relaxed);
            times.idle.store(NEVER, Ordering::Relaxed);
            entry.follow(&times);
            assert!(entry.is_settled(&quiet));
        }
    }

    #[test]
    fn an_entry_is_settled_in_its_own_era_only_and_in_none_once_it_is_gone() {
        let settled = Settled::new(false);
        let turn = |count| settled.turn_to(Era::nth(count));
        for count in 0..Era::KINDS {
            let entry = Entry::new(0, 0u8, 0u8, Era::nth(count), false);
            entry.inherit_uses(MAX_USES);
            for now in 0..2 * Era::KINDS {
                turn(now);
                assert_eq!(entry.is_settled(&settled), now % Era::KINDS == count);
                assert_eq!(entry.is_of(settled.era()), now % Era::KINDS == count);
            }
            entry.leave_era();
            for now in 0..Era::KINDS {
                turn(now);
                assert!(!entry.is_settled(&settled) && !entry.is_of(settled.era()));
            }
        }
    }

    #[test]
    fn the_parts_of_the_word_leave_each_other_alone() {
        let (entry, times) = timed(100, 10, 50);
        let tagged = Entry::new(0, 0u8, 0u8, Era::nth(5), true);
        for (entry, era) in [(&entry, 0), (&tagged, 5)] {
            entry.inherit_uses(2);
            let whole = |note, uses| {
                assert_eq!((entry.note(), entry.uses()), (note, uses));
                assert!(entry.is_of(Era::nth(era)) && entry.is_tagged() == (era == 5));
            };
            for note in [0b1010, 0b0101, 0b1111, 0] {
                entry.set_note(note);
                whole(note, 2);
                entry.follow(&times);
                whole(note, 2);
                assert!(entry.is_timed() && entry.has_idle_time());
            }
            entry.set_note(0xF5);
            whole(5, 2);
            for uses in [3, 1, 2] {
                entry.inherit_uses(uses);
                whole(5, uses);
            }
            // A hit that comes when the counter is full already.
            entry.inherit_uses(MAX_USES);
            entry.record_use();
            whole(5, MAX_USES);
            assert!(entry.is_timed() && entry.has_idle_time());
            entry.inherit_uses(2);
        }
        times.hard.store(NEVER, Ordering::Relaxed);
        times.idle.store(NEVER, Ordering::Relaxed);
        tagged.follow(&times);
        assert_eq!(
            (tagged.note(), tagged.uses(), tagged.is_tagged(), tagged.is_timed()),
            (5, 2, true, false)
        );
        tagged.leave_era();
        assert_eq!((tagged.note(), tagged.uses(), tagged.is_tagged()), (5, 2, true));
    }

    #[test]
    fn an_entry_without_deadlines_is_not_timed() {
        let (entry, _) = timed(u64::MAX, 0, u64::MAX);
        assert!(!entry.is_timed());
    }
}

#[cfg(all(test, loom))]
mod models;
