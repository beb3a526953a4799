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
pub(crate) const MIN_BLOCKS: usize = 16;
/// Entries served by one block: one word each.
pub(crate) const ENTRIES_PER_BLOCK: usize = 8;
/// Increments for each entry of the cache between two halvings. Hits of residents are counted by the entries, so
/// fewer come here than in other TinyLFUs, which take 10.
pub(crate) const PERIOD: u64 = 20;
/// The cache a period is at least made for.
pub(crate) const MIN_ENTRIES: usize = 32;
/// Blocks halved by one increment while a sweep is under way.
pub(crate) const SWEEP: usize = 4;
/// Blocks split off by one insertion: twice as many entries as it adds need.
pub(crate) const SPLIT: usize = 2;

const ROWS: usize = 3;
/// The largest count there is.
pub(crate) const MAX: u64 = 15;
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
#[derive(Clone, Copy, Debug)]
struct Place {
    block: usize,
    /// Five bits a row: which word of the row, and which counter in it.
    fields: u32,
    hash: u32,
}

impl Place {
    /// Never 0, which is an empty grave.
    #[inline]
    fn print(self) -> u64 {
        u64::from(self.hash.wrapping_mul(0x85EB_CA6B) >> 16).max(1)
    }

    /// The word in the block and the shift in the word of this key's counter in a row.
    #[inline(always)]
    const fn counter(self, row: usize) -> (usize, u32) {
        let field = self.fields >> (row * 5);
        (row * 2 + (field >> 4 & 1) as usize, (field & 15) * 4)
    }
}

impl Block {
    #[inline(always)]
    fn counters(&self, place: Place) -> [u64; ROWS] {
        std::array::from_fn(|row| {
            let (word, shift) = place.counter(row);
            (self.0[word] >> shift) & MAX
        })
    }

    #[inline(always)]
    fn count(&self, place: Place) -> u64 {
        let [a, b, c] = self.counters(place);
        a.min(b).min(c)
    }

    /// Raises the count of a key by `times`, to what is returned: of its counters, those that are below the sum.
    #[inline(always)]
    fn raise(&mut self, place: Place, times: u64) -> u8 {
        let counters = self.counters(place);
        let count = (counters[0].min(counters[1]).min(counters[2]) + times).min(MAX);
        for (row, counter) in counters.into_iter().enumerate() {
            let (word, shift) = place.counter(row);
            self.0[word] += count.saturating_sub(counter) << shift;
        }
        count as u8
    }

    fn halve(&mut self) {
        for word in &mut self.0[..GRAVES.start] {
            *word = (*word >> 1) & HALVED;
        }
    }

    /// Puts a print first; the last one falls out.
    #[inline]
    fn bury(&mut self, print: u64) {
        let mut pushed = print;
        for word in &mut self.0[GRAVES] {
            let last = *word >> 48;
            *word = (*word << 16) | pushed;
            pushed = last;
        }
    }

    /// Takes a print out, if it is there.
    #[inline]
    fn exhume(&mut self, print: u64) -> bool {
        const ONES: u64 = u64::MAX / PRINT;
        for word in &mut self.0[GRAVES] {
            // The lowest lane that is zero is found for certain; those above it are not looked at.
            let differing = *word ^ (ONES * print);
            let equal = differing.wrapping_sub(ONES) & !differing & (ONES << 15);
            if equal != 0 {
                *word &= !(PRINT << (equal.trailing_zeros() - 15));
                return true;
            }
        }
        false
    }
}

/// What is known of a key, and where; good until the sketch grows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    place: Place,
    /// The estimate.
    pub(crate) count: u32,
}

/// The memory of one policy.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    blocks: Pages<Block, 9>,
    /// Blocks there are.
    len: usize,
    /// Twice the largest power of two up to `len`, less one: the bits that choose a block.
    mask: usize,
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
        Self { blocks: Pages::new(), len: 0, mask: 0, wanted: 0, entries: 0, counted: 0, swept: 0 }
    }

    /// Tells how many entries the cache holds now; the sketch grows towards that, and never shrinks.
    #[inline]
    pub(crate) fn follow(&mut self, entries: usize) {
        self.entries = entries.max(MIN_ENTRIES);
        if entries >= self.wanted * ENTRIES_PER_BLOCK {
            self.wanted = entries.div_ceil(ENTRIES_PER_BLOCK).max(MIN_BLOCKS);
        }
        if self.len < self.wanted {
            self.split(SPLIT);
        }
    }

    /// A key will be counted soon.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32) {
        if self.len > 0 {
            crate::sync::prefetch(&raw const self.blocks[self.place(hash).block]);
        }
    }

    /// Counts the miss of a key: its estimate now; and if `exhume`, whether it lost its trial lately, which is then forgotten.
    #[inline]
    pub(crate) fn miss(&mut self, hash: u32, exhume: bool) -> (u8, bool) {
        if self.len == 0 {
            return (0, false);
        }
        let place = self.place(hash);
        let block = &mut self.blocks[place.block];
        let count = block.raise(place, 1);
        let returned = exhume && block.exhume(place.print());
        self.age(1);
        (count, returned)
    }

    /// Counts `times` uses of a key. Nothing is counted before the first `follow`.
    pub(crate) fn add(&mut self, hash: u32, times: u32) {
        if self.len > 0 && times > 0 {
            self.add_at(self.place(hash), times);
        }
    }

    #[inline]
    fn add_at(&mut self, place: Place, times: u32) {
        self.blocks[place.block].raise(place, u64::from(times));
        self.age(times);
    }

    /// `times` more were counted.
    #[inline]
    fn age(&mut self, times: u32) {
        self.counted += u64::from(times);
        if self.swept < self.len {
            self.sweep(SWEEP);
        } else if self.counted >= PERIOD * self.entries as u64 {
            self.counted = 0;
            self.swept = 0;
        }
    }

    /// How often a key was counted, at most 15; too high at times, too low only by aging.
    #[cfg(any(all(test, not(any(loom, shuttle))), fuzzing))]
    pub(crate) fn estimate(&self, hash: u32) -> u32 {
        if self.len == 0 { 0 } else { self.record(hash).count }
    }

    /// What is known of a key, with the place, so that it need not be found again. Something was followed.
    #[inline]
    pub(crate) fn record(&self, hash: u32) -> Record {
        let place = self.place(hash);
        let aging = u32::from(place.block >= self.swept);
        Record { place, count: self.blocks[place.block].count(place) as u32 >> aging }
    }

    /// Counts `times` uses of a key.
    #[inline]
    pub(crate) fn add_to(&mut self, record: Record, times: u32) {
        if times > 0 {
            self.add_at(record.place, times);
        }
    }

    /// Notes that a key lost its trial.
    #[inline]
    pub(crate) fn bury(&mut self, hash: u32) {
        if self.len > 0 {
            let place = self.place(hash);
            self.blocks[place.block].bury(place.print());
        }
    }

    /// Does up to `budget` blocks of whatever growth or aging is pending.
    #[inline]
    pub(crate) fn tend(&mut self, budget: usize) {
        if self.swept < self.len {
            self.sweep(budget);
        }
        if self.len < self.wanted {
            self.split(budget);
        }
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

    #[inline]
    fn place(&self, hash: u32) -> Place {
        let mixed = u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let address = (mixed >> 32) as usize;
        let block = address & self.mask;
        let block = if block < self.len { block } else { block & (self.mask >> 1) };
        Place { block, fields: (mixed >> 8) as u32, hash }
    }

    /// Adds blocks. Not during a sweep: a twin must not be born of a block on the other side of it.
    #[inline(never)]
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
            self.mask = 2 * (1 << self.len.ilog2()) - 1;
            self.swept = self.len;
        }
    }

    #[inline(never)]
    fn sweep(&mut self, budget: usize) {
        let end = self.len.min(self.swept.saturating_add(budget));
        for block in self.swept..end {
            self.blocks[block].halve();
        }
        self.swept = self.swept.max(end);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
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
        sketch.prefetch(1);
        sketch.add(1, 1);
        sketch.bury(1);
        sketch.tend(10);
        assert_eq!((sketch.estimate(1), sketch.miss(1, true), sketch.blocks.len()), (0, (0, false), 0));
    }

    #[test]
    fn a_sketch_follows_a_cache_that_holds_nothing_yet() {
        let mut sketch = Sketch::new();
        sketch.follow(0);
        sketch.add(1, 3);
        assert_eq!((sketch.estimate(1), sketch.wanted), (3, MIN_BLOCKS));
        for entries in [1, 127, 128, 129, 136, 137, 8, 0] {
            sketch.follow(entries);
            assert!(sketch.wanted >= MIN_BLOCKS.max(entries.div_ceil(ENTRIES_PER_BLOCK)), "{entries}");
            sketch.check().unwrap();
        }
        assert_eq!(sketch.wanted, 18);
    }

    #[test]
    fn g15_growth_splits_a_bounded_number_of_blocks_a_call() {
        let mut sketch = Sketch::new();
        for (calls, entries) in [1, 1_000_000, 1_000_001, 1_000_002].into_iter().enumerate() {
            sketch.follow(entries);
            assert_eq!(sketch.len, (calls + 1) * SPLIT);
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
        assert_eq!((sketch.estimate(7), sketch.swept), (7, sketch.len));
    }

    #[test]
    fn g15_a_period_is_twenty_counts_an_entry_and_its_sweep_a_few_blocks_a_count() {
        let mut sketch = Sketch::new();
        (1..=100).for_each(|_| sketch.follow(100));
        for key in 1..20 * 100 {
            sketch.add(hash(key), 1);
            assert_eq!(sketch.swept, sketch.len);
        }
        // The next one is the last of the period.
        for swept in [0, 4, 8, 12, 16] {
            sketch.add(hash(0), 1);
            assert_eq!((sketch.swept, sketch.len), (swept, 16));
        }
    }

    #[test]
    fn it_does_not_grow_during_a_sweep() {
        let mut sketch = Sketch::new();
        (1..=100).for_each(|_| sketch.follow(100));
        sketch.add(7, 2000);
        for swept in [0, 1, 2] {
            sketch.follow(1000);
            assert_eq!((sketch.swept, sketch.len), (swept, 16));
            sketch.tend(1);
        }
        sketch.tend(usize::MAX);
        assert_eq!((sketch.swept, sketch.len), (125, 125));
    }

    #[test]
    fn a_record_is_as_good_as_its_key() {
        let mut sketch = Sketch::new();
        sketch.follow(100);
        let record = sketch.record(7);
        sketch.add_to(record, 3);
        assert_eq!((record.count, sketch.record(7).count, sketch.estimate(7)), (0, 3, 3));
        sketch.add_to(record, 0);
        assert_eq!(sketch.estimate(7), 3);
    }

    #[test]
    fn the_validator_sees_each_count_that_is_wrong() {
        let mut sketch = Sketch::new();
        sketch.follow(1000);
        assert_eq!(sketch.check(), Ok(()));
        let wrong: [fn(&mut Sketch); 3] = [
            |it| (it.len, it.swept) = (it.len - 1, 0),
            |it| it.wanted = it.len - 1,
            |it| it.swept = it.len + 1,
        ];
        for change in wrong {
            let mut broken = sketch.clone();
            change(&mut broken);
            assert!(broken.check().is_err());
        }
    }

    #[test]
    fn every_block_gets_its_keys_at_every_size() {
        let mut sketch = Sketch::new();
        sketch.follow(8 * 100);
        while sketch.len < sketch.wanted {
            sketch.tend(1);
            let mut keys = vec![0_u32; sketch.len];
            (0..500 * sketch.len as u32).for_each(|key| keys[sketch.place(hash(key)).block] += 1);
            // One that was not split yet has twice as many as a twin.
            assert!(keys.iter().all(|keys| (170..1200).contains(keys)), "{keys:?}");
        }
    }

    #[test]
    fn a_key_has_a_counter_in_each_row_and_chooses_each_for_itself() {
        let mut sketch = Sketch::new();
        sketch.follow(100);
        let mut pairs = [(0, 1), (0, 2), (1, 2)].map(|rows| (rows, HashMap::new()));
        for key in 0..100_000 {
            let place = sketch.place(hash(key));
            let counters: [_; ROWS] = std::array::from_fn(|row| place.counter(row));
            for (row, (word, shift)) in counters.into_iter().enumerate() {
                assert!(word / 2 == row && shift < 64 && shift.is_multiple_of(4));
            }
            for ((one, other), seen) in &mut pairs {
                *seen.entry((counters[*one], counters[*other])).or_insert(0_u32) += 1;
            }
        }
        for (_, seen) in pairs {
            assert_eq!(seen.len(), 32 * 32);
            assert!(seen.into_values().all(|count| (40..180).contains(&count)));
        }
    }

    #[test]
    fn few_keys_are_mistaken_for_one_that_lost() {
        let mut sketch = Sketch::new();
        (0..100).for_each(|_| sketch.follow(100));
        (0..1000).for_each(|key| sketch.bury(hash(key)));
        let mistaken = (1000..41_000).filter(|&key| sketch.miss(hash(key), true).1).count();
        // One look of eight thousand.
        assert!(mistaken < 20, "{mistaken}");
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
        assert_eq!(sketch.miss(5, true), (1, false));
        sketch.bury(5);
        assert_eq!((sketch.miss(5, true), sketch.miss(5, true)), ((2, true), (3, false)));
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

    #[derive(Debug, Clone)]
    enum Op {
        Raise(u32, u64),
        Halve,
        Bury(u64),
        Exhume(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        // The word of the row is a bit, the counter in it four: few of them, so that they meet.
        let fields = (0..8_u32, 0..8_u32, 0..8_u32).prop_map(|(a, b, c)| {
            [a, b, c]
                .map(|n| ((n & 1) << 4) + (n >> 1) * 5)
                .into_iter()
                .rev()
                .fold(0, |all, field| all << 5 | field)
        });
        let print = prop_oneof![1..6_u64, 0x7FFE..0x8003_u64, 0xFFFD..0x1_0000_u64, 0x100..0x103_u64];
        prop_oneof![
            6 => (fields, 0..6_u64).prop_map(|(fields, times)| Op::Raise(fields, times)),
            1 => Just(Op::Halve),
            3 => print.clone().prop_map(Op::Bury),
            3 => print.prop_map(Op::Exhume),
        ]
    }

    proptest! {
        #[test]
        fn a_block_matches_plain_counters_and_a_plain_list(ops in prop::collection::vec(op(), 0..100)) {
            let mut block = Block::default();
            let mut rows = [[0_u64; 32]; ROWS];
            let mut graves = [0_u64; 8];
            for op in ops {
                match op {
                    Op::Raise(fields, times) => {
                        let place = Place { block: 0, fields, hash: 0 };
                        let own = [0, 1, 2].map(|row| (row, (fields >> (5 * row)) as usize % 32));
                        let count = own.map(|(row, at)| rows[row][at]).into_iter().min().unwrap_or(0);
                        prop_assert_eq!(block.count(place), count);
                        let raised = (count + times).min(15);
                        prop_assert_eq!(u64::from(block.raise(place, times)), raised);
                        own.into_iter().for_each(|(row, at)| rows[row][at] = rows[row][at].max(raised));
                    }
                    Op::Halve => {
                        block.halve();
                        rows.iter_mut().flatten().for_each(|counter| *counter /= 2);
                    }
                    Op::Bury(print) => {
                        block.bury(print);
                        graves.rotate_right(1);
                        graves[0] = print;
                    }
                    Op::Exhume(print) => {
                        let at = graves.iter().position(|&grave| grave == print);
                        prop_assert_eq!(block.exhume(print), at.is_some());
                        at.into_iter().for_each(|at| graves[at] = 0);
                    }
                }
                let counters: Vec<u64> = block.0[..6].iter().flat_map(|word| (0..16).map(move |at| word >> (4 * at) & 15)).collect();
                prop_assert_eq!(&counters, &rows.concat());
                let prints: Vec<u64> = block.0[6..].iter().flat_map(|word| (0..4).map(move |at| word >> (16 * at) & 0xFFFF)).collect();
                prop_assert_eq!(&prints, &graves);
            }
        }

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
