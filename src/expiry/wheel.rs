//! The timer wheel: which entries are due, without looking at the others.
//!
//! # What it is
//!
//! A hierarchical timer wheel (Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, 1987,
//! scheme 6; kin of those in the Linux kernel, Kafka, tokio and Caffeine). It knows the indices of
//! a shard's entries and nothing else of them. It belongs to one shard and lives under its lock.
//!
//! # Promises
//!
//! * **Never early.** An index is handed out only when its deadline has come.
//! * **Never lost.** What is scheduled stays scheduled until it is fired, cancelled, or found to
//!   have no deadline any more.
//! * **Late by less than one tick** (2^20 ns, 1.05 ms) if [`advance`](Wheel::advance) is called
//!   with enough budget; without, the rest is kept and the next call goes on with it.
//! * **Bounded work** (G15): a call visits at most `budget` nodes, plus a step of a few words for
//!   each bucket that is not empty. Empty time costs nothing, however long.
//! * No deadline and no leap of time overflows or panics.
//!
//! That an expired entry is not *returned* is not this file's business: readers compare the
//! deadline themselves. The wheel only gives memory back (G08).
//!
//! # Layout
//!
//! A deadline is rounded **up** to a tick. Eight levels of 64 buckets cover all 2^44 ticks of a
//! `u64` of nanoseconds; a bucket of level *l* spans 64^*l* ticks. With `elapsed` the tick up to
//! which everything has been handed out, a later tick lives on the level of the highest group of
//! six bits in which it differs from `elapsed`, in the bucket which that group names:
//!
//! ```text
//! tick    group 7 | 6 | 5 | 4 | 3 | 2 | 1 | 0        elapsed  .. | 3 | 17 | 60
//!         (44 bits, the top group holds 2 of them)   tick     .. | 3 | 21 |  5   level 1, bucket 21
//! ```
//!
//! Each level has one word with a bit for each bucket that is not empty. What is due when it is
//! scheduled, or not later than `elapsed`, goes to one more bucket, `DUE`. Buckets are doubly linked lists through an array
//! of nodes that has one node for each index, in pages that never move and are allocated when an
//! index in them is first scheduled. Heads and bits are allocated with the first schedule; before
//! it a wheel is a few words.
//!
//! # Invariants ([`Wheel::check`])
//!
//! * **W1** Lists, bits, the nodes' own bucket numbers and the count agree.
//! * **W2** A bucket that is not empty shares the groups above its level with `elapsed` and is
//!   later in its own, or it is the one being `draining`, or `DUE`. Hence the lowest level with a
//!   bit holds the earliest bucket, and its lowest bit is that bucket.
//! * **W3** A node's bucket does not begin after the tick of its entry's present deadline, as long
//!   as a deadline that moves forward is scheduled again.
//!
//! # Operations
//!
//! `advance` takes the earliest bucket that begins no later than now, makes its beginning the new
//! `elapsed`, and empties it: each node is asked for its deadline **as it is now**, and fired or
//! filed anew. So readers may move a deadline back without the wheel being told, and an entry read
//! ten thousand times in its idle time is filed once. A bucket that outlasts the budget stays
//! where it is as `draining`; `elapsed` stays with it until it is empty.
//!
//! # Costs
//!
//! Schedule and cancel: constant, at most two neighbours touched. A node is visited at most once a
//! level on its way down, so eight times for one deadline, and seldom more than four for a
//! lifetime of hours; the last visit fires it. Writers who advance by eight visits for each entry
//! they schedule therefore do not fall behind for good; a bucket of a high level that opens at
//! once is worked off over the next writes. Memory is 12 bytes an index, in pages of
//! 256, and 2.1 KiB once anything is scheduled. Within a bucket the order is not that of the
//! deadlines. An idle cache fires nothing: time passes only in `advance`.

use super::ticker::NEVER;

/// log2 of a tick in nanoseconds.
const TICK_BITS: u32 = 20;
/// log2 of the buckets of a level.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const SLOT_MASK: u64 = SLOTS as u64 - 1;
/// Enough for the 45 bits of a tick that was rounded up.
const LEVELS: usize = 8;
/// The bucket of what is due already.
const DUE: u16 = (LEVELS * SLOTS) as u16;
/// All buckets.
const BUCKETS: usize = LEVELS * SLOTS + 1;
/// The bucket of a node that is in none.
const NOWHERE: u16 = u16::MAX;
/// The end of a list.
const NIL: u32 = u32::MAX;
/// log2 of the nodes in a page.
const PAGE_BITS: u32 = 8;
const PAGE: usize = 1 << PAGE_BITS;

/// The first tick at which a deadline has come.
#[inline]
fn tick_of(deadline: u64) -> u64 {
    (deadline >> TICK_BITS) + u64::from(deadline & ((1 << TICK_BITS) - 1) != 0)
}

/// One index's place in the wheel.
#[derive(Clone, Copy, Debug)]
struct Node {
    next: u32,
    prev: u32,
    bucket: u16,
}

/// What the wheel takes for an index.
pub(crate) const NODE_BYTES: usize = size_of::<Node>();

const FREE: Node = Node { next: NIL, prev: NIL, bucket: NOWHERE };

/// The nodes, by index. Not `crate::pages`, which is dense: the first deadline of a cache with a
/// million other entries must not fill a million nodes under the lock (G15).
#[derive(Debug, Default)]
struct Nodes {
    pages: Vec<Option<Box<[Node; PAGE]>>>,
}

impl Nodes {
    /// A copy; an index never seen is in no bucket.
    #[inline]
    fn get(&self, index: u32) -> Node {
        match self.pages.get((index >> PAGE_BITS) as usize) {
            Some(Some(page)) => page[index as usize % PAGE],
            _ => FREE,
        }
    }

    /// The node itself, allocated if it has to be.
    #[inline]
    fn at(&mut self, index: u32) -> &mut Node {
        let page = (index >> PAGE_BITS) as usize;
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        &mut self.pages[page].get_or_insert_with(|| Box::new([FREE; PAGE]))[index as usize % PAGE]
    }
}

/// The buckets' heads, and a bit for each that is not empty.
#[derive(Debug)]
struct Heads {
    occupied: [u64; LEVELS],
    first: [u32; BUCKETS],
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// All ticks up to this one are handed out, but for `DUE` and `draining`. Only grows.
    elapsed: u64,
    /// Nodes in buckets.
    len: usize,
    /// The bucket that `advance` is emptying, or `NOWHERE`; it may be empty by now.
    draining: u16,
    heads: Option<Box<Heads>>,
    nodes: Nodes,
}

impl Wheel {
    /// An empty wheel; allocates nothing.
    pub(crate) fn new() -> Self {
        Wheel { elapsed: 0, len: 0, draining: NOWHERE, heads: None, nodes: Nodes::default() }
    }

    /// How many indices are scheduled.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Is nothing scheduled?
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Files `index` under `deadline`, in place of any earlier one; never is not filed. `now`
    /// spares an empty wheel the time that has passed. `u32::MAX` is no index. Call it again when
    /// a deadline moves forward; one that moves back is noticed.
    pub(crate) fn schedule(&mut self, index: u32, deadline: u64, now: u64) {
        debug_assert_ne!(index, NIL, "no index");
        self.cancel(index);
        if deadline == NEVER || index == NIL {
            return;
        }
        if self.is_empty() {
            self.elapsed = self.elapsed.max(now >> TICK_BITS);
            self.draining = NOWHERE;
        }
        let bucket = if deadline <= now { DUE } else { self.bucket_of(tick_of(deadline)) };
        self.link(index, bucket);
    }

    /// Takes `index` out; does nothing if it is not in.
    #[inline]
    pub(crate) fn cancel(&mut self, index: u32) {
        if self.len > 0 {
            self.unlink(index);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Node { next, prev, bucket } = self.nodes.get(index);
        if bucket == NOWHERE {
            return;
        }
        if next != NIL {
            self.nodes.at(next).prev = prev;
        }
        if prev != NIL {
            self.nodes.at(prev).next = next;
        } else {
            self.set_first(bucket, next);
        }
        *self.nodes.at(index) = FREE;
        self.len -= 1;
    }

    /// Would [`advance`](Wheel::advance) find anything to visit? Reads at most nine words.
    #[inline]
    pub(crate) fn has_due(&self, now: u64) -> bool {
        self.len != 0
            && (self.started().is_some()
                || self.earliest().is_some_and(|(_, begin)| begin <= now >> TICK_BITS))
    }

    /// Moves the time to `now`, visiting at most `budget` nodes, and returns how many it visited;
    /// fewer than `budget` means that nothing due is left. An index whose deadline, as
    /// `deadline_of` gives it, has come is taken out and then handed to `fire`; another is filed
    /// anew. A `now` before an earlier one counts as the tick of that one.
    pub(crate) fn advance(
        &mut self,
        now: u64,
        budget: usize,
        mut deadline_of: impl FnMut(u32) -> u64,
        mut fire: impl FnMut(u32),
    ) -> usize {
        let now = now.max(self.elapsed << TICK_BITS);
        let mut visited = 0;
        while let Some(bucket) = self.next_bucket(now >> TICK_BITS) {
            while let Some(index) = self.first(bucket) {
                if visited == budget {
                    return visited;
                }
                visited += 1;
                self.cancel(index);
                let deadline = deadline_of(index);
                if deadline <= now {
                    fire(index);
                } else if deadline != NEVER && !cfg!(seeded = "lost_expiry") {
                    let bucket = self.bucket_of(tick_of(deadline));
                    self.link(index, bucket);
                }
            }
        }
        visited
    }

    /// The bucket to empty now, made `draining`; with none left, all time up to `now` has elapsed.
    fn next_bucket(&mut self, now: u64) -> Option<u16> {
        if let Some(bucket) = self.started() {
            return Some(bucket);
        }
        match self.earliest() {
            Some((bucket, begin)) if begin <= now => {
                self.elapsed = begin;
                self.draining = bucket;
                Some(bucket)
            }
            _ => {
                self.elapsed = now;
                self.draining = NOWHERE;
                None
            }
        }
    }

    /// What may be visited without moving the time: `DUE`, or the rest of the bucket being drained.
    #[inline]
    fn started(&self) -> Option<u16> {
        [DUE, self.draining].into_iter().find(|&bucket| self.first(bucket).is_some())
    }

    /// By W2, the earliest bucket that has not begun, and the tick at which it does.
    #[inline]
    fn earliest(&self) -> Option<(u16, u64)> {
        let occupied = &self.heads.as_ref()?.occupied;
        let level = occupied.iter().position(|&bits| bits != 0)?;
        let slot = occupied[level].trailing_zeros() as usize;
        let bucket = level * SLOTS + slot;
        Some((bucket as u16, self.begin(bucket)))
    }

    /// The first tick of a bucket that shares its upper groups with `elapsed`.
    fn begin(&self, bucket: usize) -> u64 {
        let shift = LEVEL_BITS * (bucket / SLOTS) as u32;
        let above = self.elapsed >> (shift + LEVEL_BITS) << (shift + LEVEL_BITS);
        above | ((bucket % SLOTS) as u64) << shift
    }

    /// Where a tick belongs, seen from `elapsed`.
    #[inline]
    fn bucket_of(&self, tick: u64) -> u16 {
        if tick <= self.elapsed {
            return DUE;
        }
        let level = (tick ^ self.elapsed).ilog2() / LEVEL_BITS;
        let slot = (tick >> (LEVEL_BITS * level)) & SLOT_MASK;
        (level as usize * SLOTS) as u16 + slot as u16
    }

    /// Puts an index that is in no bucket at the front of one.
    fn link(&mut self, index: u32, bucket: u16) {
        let next = self.first(bucket).unwrap_or(NIL);
        if next != NIL {
            self.nodes.at(next).prev = index;
        }
        *self.nodes.at(index) = Node { next, prev: NIL, bucket };
        self.set_first(bucket, index);
        self.len += 1;
    }

    /// The first index of a bucket; `NOWHERE` has none.
    #[inline]
    fn first(&self, bucket: u16) -> Option<u32> {
        let first = *self.heads.as_ref()?.first.get(bucket as usize)?;
        (first != NIL).then_some(first)
    }

    fn set_first(&mut self, bucket: u16, index: u32) {
        let heads = self
            .heads
            .get_or_insert_with(|| Box::new(Heads { occupied: [0; LEVELS], first: [NIL; BUCKETS] }));
        heads.first[bucket as usize] = index;
        if bucket == DUE {
            return;
        }
        let bit = 1 << (bucket as usize % SLOTS);
        let word = &mut heads.occupied[bucket as usize / SLOTS];
        *word = if index == NIL { *word & !bit } else { *word | bit };
    }

    /// Looks at everything, for tests: W1 to W3.
    ///
    /// # Panics
    ///
    /// If an invariant is broken.
    pub(crate) fn check(&self, deadline_of: impl Fn(u32) -> u64) {
        let mut found = 0;
        for bucket in 0..BUCKETS {
            let (mut prev, mut index) = (NIL, self.first(bucket as u16).unwrap_or(NIL));
            self.check_bucket(bucket, index != NIL);
            while index != NIL {
                let node = self.nodes.get(index);
                assert_eq!((node.bucket as usize, node.prev), (bucket, prev), "W1: node {index}");
                let latest = tick_of(deadline_of(index));
                let begin = if bucket == DUE as usize { self.elapsed } else { self.begin(bucket) };
                assert!(
                    begin <= latest || node.bucket == DUE,
                    "W3: {index} is due at {latest}, seen at {begin}"
                );
                found += 1;
                assert!(found <= self.len, "W1: more nodes than {}", self.len);
                (prev, index) = (index, node.next);
            }
        }
        assert_eq!(found, self.len, "W1: nodes in buckets");
    }

    fn check_bucket(&self, bucket: usize, filled: bool) {
        let Some(heads) = self.heads.as_ref().filter(|_| bucket != DUE as usize) else {
            return;
        };
        let (level, slot) = (bucket / SLOTS, bucket % SLOTS);
        assert_eq!(heads.occupied[level] >> slot & 1 == 1, filled, "W1: the bit of bucket {bucket}");
        let begun = slot as u64 <= (self.elapsed >> (LEVEL_BITS * level as u32)) & SLOT_MASK;
        assert!(!filled || !begun || bucket == self.draining as usize, "W2: bucket {bucket} has begun");
    }
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
