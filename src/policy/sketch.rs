//! `Sketch`: how often a key was seen lately, in eight bytes an entry and for keys that are not in the cache.
//!
//! A count-min sketch of 4-bit counters (Cormode and Muthukrishnan 2005; in blocks of one cache line as in
//! Caffeine's FrequencySketch; aged by halving as in TinyLFU, Einziger, Friedman and Manes 2017). A key has one
//! counter in each of the four rows of its block; its estimate is the least of them.
//!
//! ```text
//! block: 64 bytes = 8 words = 4 rows of 2 words = 4 rows of 32 counters
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
//! Promises: an estimate is never below the number of increments since the last aging (up to 15); `increment`,
//! `estimate` and `tend` touch O(1) lines; an empty sketch owns no memory. Costs: an estimate is one cache miss.
//! Not promised: anything against an adversary who knows the seed of the hash.

use crate::pages::Pages;

const ONES: u64 = 0x7777_7777_7777_7777;
const MIN_BLOCKS: usize = 4;
/// Increments for each entry of the cache between two halvings.
const PERIOD: u64 = 20;
/// Blocks halved by one operation while a sweep is under way.
const SWEEP: usize = 4;
/// Blocks split off by one operation.
const SPLIT: usize = 2;
/// Entries served by one block: one word each.
const ENTRIES_PER_BLOCK: usize = 8;
/// The largest estimate there is.
pub(crate) const MAX_ESTIMATE: u32 = 15;

/// One cache line of counters.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Block([u64; 8]);

/// A frequency sketch.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    blocks: Pages<Block>,
    /// Blocks there are.
    len: usize,
    /// Blocks there should be.
    wanted: usize,
    /// Increments since the last halving began.
    counted: u64,
    /// The next block the sweep will halve; `len` or more when there is no sweep.
    swept: usize,
}

/// Where the counters of a key are.
#[derive(Clone, Copy)]
struct Place {
    block: usize,
    /// Four fields of five bits, one a row: which word of the row, and which counter in it.
    fields: u32,
}

impl Place {
    const fn counter(self, row: usize) -> (usize, u32) {
        let field = (self.fields >> (row * 5)) & 31;
        (row * 2 + (field >> 4) as usize, (field & 15) * 4)
    }
}

impl Sketch {
    /// A sketch that has seen nothing; allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { blocks: Pages::new(9), len: 0, wanted: 0, counted: 0, swept: 0 }
    }

    /// Tells how many entries the cache holds now; the sketch grows towards that, and never shrinks.
    pub(crate) fn follow(&mut self, entries: usize) {
        self.wanted = self.wanted.max(entries.div_ceil(ENTRIES_PER_BLOCK)).max(MIN_BLOCKS);
        if self.len < self.wanted {
            self.split(SPLIT);
        }
    }

    /// Counts one use of a key.
    pub(crate) fn increment(&mut self, hash: u32) {
        self.add(hash, 1);
    }

    /// Counts `times` uses of a key.
    pub(crate) fn add(&mut self, hash: u32, times: u32) {
        if self.len == 0 || times == 0 {
            return;
        }
        let place = self.place(hash);
        let block = &mut self.blocks[place.block].0;
        for row in 0..4 {
            let (word, shift) = place.counter(row);
            let count = (block[word] >> shift) & 15;
            let more = u64::from(times).min(15 - count);
            block[word] += more << shift;
        }
        self.counted += u64::from(times);
        if self.swept < self.len {
            self.sweep(SWEEP);
        } else if self.counted >= PERIOD * (self.wanted * ENTRIES_PER_BLOCK) as u64 {
            self.counted = 0;
            self.swept = 0;
        }
    }

    /// How often a key was counted, at most [`MAX_ESTIMATE`]; too high at times, too low only by aging.
    pub(crate) fn estimate(&self, hash: u32) -> u32 {
        if self.len == 0 {
            return 0;
        }
        let place = self.place(hash);
        let block = &self.blocks[place.block].0;
        let mut least = 15;
        for row in 0..4 {
            let (word, shift) = place.counter(row);
            least = least.min((block[word] >> shift) & 15);
        }
        (least as u32) >> u32::from(place.block >= self.swept)
    }

    /// Does up to `budget` blocks of whatever growth or aging is pending.
    pub(crate) fn tend(&mut self, budget: usize) {
        self.sweep(budget);
        self.split(budget);
    }

    /// How many increments a block can be behind, how many blocks there are: for checks.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.blocks.len() == self.len && self.len <= self.wanted {
            true => Ok(()),
            false => Err(format!("sketch: {} of {} blocks, wanted {}", self.len, self.blocks.len(), self.wanted)),
        }
    }

    fn place(&self, hash: u32) -> Place {
        let mixed = u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let address = (mixed >> 32) as usize;
        let half = 1 << self.len.ilog2();
        let block = address & (2 * half - 1);
        let block = if block < self.len { block } else { block & (half - 1) };
        Place { block, fields: (mixed >> 8) as u32 & 0xF_FFFF }
    }

    fn split(&mut self, budget: usize) {
        for _ in 0..budget {
            // A twin must not be born of a block on the other side of a sweep.
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
            for word in &mut self.blocks[block].0 {
                *word = (*word >> 1) & ONES;
            }
        }
        self.swept = self.swept.max(end);
    }
}
