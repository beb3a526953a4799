//! `Sketch`: what is remembered of keys, in eight bytes an entry: how often they were seen, and who left just now.
//!
//! A count-min sketch of 4-bit counters (Cormode and Muthukrishnan 2005), in blocks of one cache line (as in Caffeine's
//! FrequencySketch), with conservative update (Estan and Varghese 2002), aged by halving (TinyLFU, Einziger, Friedman
//! and Manes 2017). A key has one counter in each of the three rows of its block; its estimate is the least of them.
//! The rest of the block is a small first-in first-out list of 16-bit prints of keys that lost their trial lately, as
//! many as the block serves entries: together a ghost queue as long as the cache (S3-FIFO, Yang et al. 2023).
//!
//! ```text
//! block: 64 bytes = | row 0: 32 counters | row 1: 32 counters | row 2: 32 counters | 8 prints, the newest first |
//!                     2 words              2 words              2 words              2 words
//! ```
//!
//! **It grows by linear hashing** (Litwin 1980). A block is found by the low bits of the mixed hash; there are `len`
//! blocks, of which those at or past the largest power of two are twins split off their sibling. A split copies one
//! block, so the sketch follows the number of residents one cache line at a time, nothing is ever moved as a
//! whole, and no lookup consults two places. A copied counter counts the keys of both halves until aging forgets them.
//!
//! **It ages in steps.** After `PERIOD` increments an entry of the cache, a sweep halves all counters, a few blocks an
//! operation. Until the sweep has come to a block, its readings are halved, so that estimates of any two keys compare.
//!
//! Promises: an estimate is never below the number of increments since the last aging began (up to 15), but for what
//! that aging itself still halves; every call touches O(1) lines; an empty sketch owns no memory.
//! Costs: an estimate is one cache miss, and 20 to 30 instructions.
//! Not promised: anything against an adversary who knows the seed of the hash. A print is mistaken for another in
//! about one look of eight thousand.
//!
//! Invariants: `len == blocks.len() <= wanted`; `swept <= len`, and no split happens while it is less.

use crate::pages::Pages;

/// Blocks of the smallest sketch: 1 KiB.
const MIN_BLOCKS: usize = 16;
/// Entries served by one block: one word each.
const ENTRIES_PER_BLOCK: usize = 8;
/// Increments for each entry of the cache between two halvings. Hits of residents are counted by the entries, so
/// fewer come here than in other TinyLFUs, which take 10.
const PERIOD: u64 = 20;
/// The cache a period is at least made for.
const MIN_ENTRIES: usize = 32;
/// Blocks halved by one increment while a sweep is under way.
const SWEEP: usize = 4;
/// Blocks split off by one insertion: twice as many entries as it adds need.
const SPLIT: usize = 2;

const ROWS: usize = 3;
/// The largest count there is.
const MAX: u64 = 15;
/// What of a word's counters stays when they were shifted by one.
const HALVED: u64 = 0x7777_7777_7777_7777;
/// The words of a block that hold prints.
const GRAVES: std::ops::Range<usize> = 2 * ROWS..8;
const PRINT: u64 = 0xFFFF;

/// One cache line of memory.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Block([u64; 8]);

/// What is known of a key: where it would be noted, and as what.
#[derive(Clone, Copy)]
struct Place {
    block: usize,
    /// Five bits a row: which word of the row, and which counter in it.
    fields: u32,
    /// Never 0, which is an empty grave.
    print: u64,
}

impl Place {
    /// The word in the block and the shift in the word of this key's counter in a row.
    const fn counter(self, row: usize) -> (usize, u32) {
        let field = (self.fields >> (row * 5)) & 31;
        (row * 2 + (field >> 4) as usize, (field & 15) * 4)
    }
}

impl Block {
    fn count(&self, place: Place) -> u64 {
        (0..ROWS).map(|row| self.counter(place, row)).min().unwrap_or(0)
    }

    fn counter(&self, place: Place, row: usize) -> u64 {
        let (word, shift) = place.counter(row);
        (self.0[word] >> shift) & MAX
    }

    /// Raises the counters of a key to `count`, those that are below.
    fn raise(&mut self, place: Place, count: u64) {
        for row in 0..ROWS {
            let missing = count.saturating_sub(self.counter(place, row));
            let (word, shift) = place.counter(row);
            self.0[word] += missing << shift;
        }
    }

    fn halve(&mut self) {
        for word in &mut self.0[..GRAVES.start] {
            *word = (*word >> 1) & HALVED;
        }
    }

    /// Puts a print first; the last one falls out.
    fn bury(&mut self, print: u64) {
        let mut pushed = print;
        for word in &mut self.0[GRAVES] {
            let last = *word >> 48;
            *word = (*word << 16) | pushed;
            pushed = last;
        }
    }

    /// Takes a print out, if it is there.
    fn exhume(&mut self, print: u64) -> bool {
        for word in &mut self.0[GRAVES] {
            let found = (0..4).map(|lane| lane * 16).find(|shift| (*word >> shift) & PRINT == print);
            if let Some(shift) = found {
                *word &= !(PRINT << shift);
                return true;
            }
        }
        false
    }
}

/// The memory of one policy.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    blocks: Pages<Block>,
    /// Blocks there are.
    len: usize,
    /// Blocks there should be.
    wanted: usize,
    /// Entries of the cache now.
    entries: usize,
    /// Increments since the last halving began.
    counted: u64,
    /// The next block the sweep will halve; `len` when there is no sweep.
    swept: usize,
}

impl Sketch {
    /// A sketch that has seen nothing; allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { blocks: Pages::new(9), len: 0, wanted: 0, entries: 0, counted: 0, swept: 0 }
    }

    /// Tells how many entries the cache holds now; the sketch grows towards that, and never shrinks.
    pub(crate) fn follow(&mut self, entries: usize) {
        self.entries = entries.max(MIN_ENTRIES);
        self.wanted = self.wanted.max(entries.div_ceil(ENTRIES_PER_BLOCK)).max(MIN_BLOCKS);
        self.split(SPLIT);
    }

    /// Counts the miss of a key; says whether it lost its trial lately, and forgets that it did.
    pub(crate) fn miss(&mut self, hash: u32) -> bool {
        if self.len == 0 {
            return false;
        }
        let place = self.place(hash);
        self.add_at(place, 1);
        self.blocks[place.block].exhume(place.print)
    }

    /// Counts `times` uses of a key. Nothing is counted before the first `follow`.
    pub(crate) fn add(&mut self, hash: u32, times: u32) {
        if self.len > 0 && times > 0 {
            self.add_at(self.place(hash), times);
        }
    }

    fn add_at(&mut self, place: Place, times: u32) {
        let block = &mut self.blocks[place.block];
        block.raise(place, (block.count(place) + u64::from(times)).min(MAX));
        self.counted += u64::from(times);
        if self.swept < self.len {
            self.sweep(SWEEP);
        } else if self.counted >= PERIOD * self.entries as u64 {
            self.counted = 0;
            self.swept = 0;
        }
    }

    /// How often a key was counted, at most 15; too high at times, too low only by aging.
    pub(crate) fn estimate(&self, hash: u32) -> u32 {
        if self.len == 0 {
            return 0;
        }
        let place = self.place(hash);
        let aging = u32::from(place.block >= self.swept);
        self.blocks[place.block].count(place) as u32 >> aging
    }

    /// Notes that a key lost its trial.
    pub(crate) fn bury(&mut self, hash: u32) {
        if self.len > 0 {
            let place = self.place(hash);
            self.blocks[place.block].bury(place.print);
        }
    }

    /// Does up to `budget` blocks of whatever growth or aging is pending.
    pub(crate) fn tend(&mut self, budget: usize) {
        self.sweep(budget);
        self.split(budget);
    }

    /// Says what is inconsistent. O(number of pages).
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.blocks.len() == self.len && self.len <= self.wanted && self.swept <= self.len {
            return Ok(());
        }
        Err(format!(
            "sketch: {} of {} blocks, {} swept, {} wanted",
            self.len,
            self.blocks.len(),
            self.swept,
            self.wanted
        ))
    }

    fn place(&self, hash: u32) -> Place {
        let mixed = u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let address = (mixed >> 32) as usize;
        let half = 1 << self.len.ilog2();
        let block = address & (2 * half - 1);
        let block = if block < self.len { block } else { block & (half - 1) };
        let print = u64::from(hash.wrapping_mul(0x85EB_CA6B) >> 16).max(1);
        Place { block, fields: (mixed >> 8) as u32, print }
    }

    /// Adds blocks. Not during a sweep: a twin must not be born of a block on the other side of it.
    fn split(&mut self, budget: usize) {
        for _ in 0..budget {
            if self.len >= self.wanted || self.swept < self.len {
                return;
            }
            self.blocks.grow_to(self.len + 1);
            if self.len > 0 {
                self.blocks[self.len] = self.blocks[self.len - (1 << self.len.ilog2())];
            }
            self.len += 1;
            self.swept = self.len;
        }
    }

    fn sweep(&mut self, budget: usize) {
        let end = self.len.min(self.swept.saturating_add(budget));
        for block in self.swept..end {
            self.blocks[block].halve();
        }
        self.swept = self.swept.max(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn hash(key: u32) -> u32 {
        key.wrapping_add(1).wrapping_mul(0x9E37_79B1) ^ (key >> 3)
    }

    #[test]
    fn g28_an_empty_sketch_owns_nothing_and_answers() {
        let mut sketch = Sketch::new();
        sketch.add(1, 1);
        sketch.bury(1);
        sketch.tend(10);
        assert_eq!((sketch.estimate(1), sketch.miss(1), sketch.blocks.len()), (0, false, 0));
    }

    #[test]
    fn g15_growth_splits_a_bounded_number_of_blocks_a_call() {
        let mut sketch = Sketch::new();
        let mut before = 0;
        for entries in [1, 1_000_000, 1_000_001, 1_000_002] {
            sketch.follow(entries);
            assert!(sketch.len - before <= SPLIT);
            before = sketch.len;
            sketch.check().unwrap();
        }
        sketch.tend(1_000_000);
        assert_eq!(sketch.len, 1_000_002_usize.div_ceil(8));
    }

    #[test]
    fn counts_saturate_and_halve_at_the_end_of_a_period() {
        let mut sketch = Sketch::new();
        sketch.follow(100);
        sketch.add(7, 9);
        assert_eq!(sketch.estimate(7), 9);
        sketch.add(7, 9);
        assert_eq!(sketch.estimate(7), 15);
        sketch.add(7, 2000);
        assert_eq!(sketch.estimate(7), 7, "halved for the reader before the sweep has come");
        sketch.tend(usize::MAX);
        assert_eq!(sketch.estimate(7), 7);
    }

    #[test]
    fn a_grave_is_found_once_and_the_oldest_is_lost_first() {
        let mut block = Block::default();
        (1..=9).for_each(|print| block.bury(print));
        assert!(!block.exhume(1));
        assert!((2..=9).all(|print| block.exhume(print) && !block.exhume(print)));
        assert_eq!(block.0, [0; 8]);
    }

    #[test]
    fn a_miss_is_counted_and_tells_of_a_lost_trial_once() {
        let mut sketch = Sketch::new();
        sketch.follow(100);
        assert!(!sketch.miss(5));
        sketch.bury(5);
        assert!(sketch.miss(5) && !sketch.miss(5));
        assert_eq!(sketch.estimate(5), 3);
    }

    #[test]
    fn estimates_are_close_when_twice_the_entries_were_seen() {
        let mut sketch = Sketch::new();
        (0..4096).for_each(|entries| sketch.follow(entries));
        (0..8192).for_each(|key| sketch.add(hash(key), 1));
        let over: u32 = (0..8192).map(|key| sketch.estimate(hash(key)) - 1).sum();
        assert!(over < 8192 / 4, "{over} too much in 8192 estimates");
    }

    proptest! {
        #[test]
        fn estimates_are_never_too_low_while_it_grows(keys in prop::collection::vec(0_u32..300, 1..900)) {
            let mut sketch = Sketch::new();
            let mut truth = HashMap::new();
            for (n, &key) in keys.iter().enumerate() {
                sketch.follow(n * 3 + 64);
                sketch.add(hash(key), 1);
                *truth.entry(key).or_insert(0_u32) += 1;
                prop_assert!(sketch.estimate(hash(key)) >= truth[&key].min(15));
            }
            for (key, count) in truth {
                prop_assert!(sketch.estimate(hash(key)) >= count.min(15));
            }
            prop_assert!(sketch.check().is_ok());
        }
    }
}
