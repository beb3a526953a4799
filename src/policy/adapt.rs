//! `Shadows`: small sampled copies of the cache with several windows, to see which window would serve best.
//!
//! Each shadow runs the very policy of the cache ([`TinyLfu`](super::tinylfu)) with a fixed window over a slice of the
//! keys chosen by hash, with a capacity scaled down alike (miniature simulation: Waldspurger, Saemundsson, Ahmad, Park
//! 2017). It keeps hashes only. Their hits are scores that decay; now and then the cache takes the window of
//! the best, if it leads by a margin.
//!
//! There is one set a cache, not one a shard, behind a lock that is only ever tried and never together with the lock of
//! a shard.
//!
//! **What they are fed, and by whom:**
//! - every miss that inserts, and every hit that raised a use counter not yet saturated, if `sampled(hash)`: a mask
//!   test. A hit on a saturated entry writes nothing and is not fed; such an entry hits in every shadow.
//! - hits through a small lossy buffer; whoever holds the lock calls [`Shadows::access`] for each, in any order.
//! - `set_capacity(entries)` with the number of entries the cache can hold, or holds when full: now and then.
//! - then, if [`Shadows::window`] has changed, `set_window` on every shard when it is next locked.
//!
//! Costs: an access is one map lookup and a policy step in every shadow, some 300 ns together; memory about 20 bytes a
//! shadow entry and shadow, none before the first access. Not promised: that the best window is found for
//! workloads that differ between the sampled keys and the rest.

use super::tinylfu::INITIAL_WINDOW;
use super::{Eviction, Policy, Residents};
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The windows that compete.
const WINDOWS: [f32; 6] = [0.01, 0.1, 0.25, 0.5, 0.8, 0.98];
/// Entries of a shadow above which the sample is halved.
const MOST_ENTRIES: usize = 512;
/// What a shadow must lead by, in parts of the sampled accesses, to be followed.
const MARGIN: f32 = 0.005;
/// What remains of a score after a period.
const DECAY: f32 = 0.75;

/// The shadows of one cache.
#[derive(Debug)]
pub(crate) struct Shadows {
    shadows: Vec<Shadow>,
    seed: u64,
    /// Sampled are the hashes with none of these bits.
    mask: u64,
    /// Entries in a shadow.
    capacity: usize,
    /// Accesses since the last decision, and the decayed sum of all.
    accesses: u32,
    total: f32,
    chosen: usize,
    window: f32,
}

impl Shadows {
    /// Shadows for a cache that is expected to hold `entries`; allocates nothing.
    pub(crate) fn new(entries: usize, seed: u64) -> Self {
        let mut shadows = Self {
            shadows: Vec::new(),
            seed,
            mask: 0,
            capacity: 0,
            accesses: 0,
            total: 0.0,
            chosen: 1,
            window: INITIAL_WINDOW,
        };
        shadows.set_capacity(entries);
        shadows
    }

    /// The bits of the hash that must be clear for a key to be sampled.
    pub(crate) const fn sample_mask(&self) -> u64 {
        self.mask
    }

    /// Whether the key with this hash is in the sample.
    pub(crate) const fn sampled(&self, hash: u64) -> bool {
        hash & self.mask == 0
    }

    /// The window the cache should have now.
    pub(crate) const fn window(&self) -> f32 {
        self.window
    }

    /// Tells how many entries the cache holds when it is full. Costs nothing if the scale stays the same.
    pub(crate) fn set_capacity(&mut self, entries: usize) {
        let rate = (entries / MOST_ENTRIES + 1).next_power_of_two();
        let mask = rate as u64 - 1;
        if mask > self.mask {
            for shadow in &mut self.shadows {
                shadow.retain(mask as u32);
            }
        }
        self.mask = mask;
        self.capacity = (entries / rate).max(1);
    }

    /// An access to a key: a miss, or a hit that raised a counter. Ignored unless sampled.
    pub(crate) fn access(&mut self, hash: u64, _weight: u64) {
        if !self.sampled(hash) || self.capacity < 16 {
            return;
        }
        if self.shadows.is_empty() {
            self.shadows = WINDOWS.iter().map(|&window| Shadow::new(window, self.seed)).collect();
        }
        for shadow in &mut self.shadows {
            shadow.access(hash as u32, self.capacity);
        }
        self.accesses += 1;
        if self.accesses as usize >= self.capacity {
            self.decide();
        }
    }

    /// Follows the best shadow, if it leads the current one by the margin.
    fn decide(&mut self) {
        self.total = self.total * DECAY + self.accesses as f32;
        self.accesses = 0;
        for shadow in &mut self.shadows {
            shadow.score = shadow.score * DECAY + shadow.hits as f32;
            shadow.hits = 0;
        }
        let bar = self.shadows[self.chosen].score + MARGIN * self.total;
        let best = (0..self.shadows.len()).max_by(|&a, &b| self.shadows[a].score.total_cmp(&self.shadows[b].score));
        if let Some(best) = best.filter(|&best| self.shadows[best].score > bar) {
            self.chosen = best;
            self.window = WINDOWS[best];
        }
    }
}

/// One miniature cache.
#[derive(Debug)]
struct Shadow {
    eviction: Eviction,
    table: HashMap<u32, u32, BuildHasherDefault<Spread>>,
    residents: Ghosts,
    free: Vec<u32>,
    hits: u32,
    score: f32,
}

/// The entries of a shadow: a hash and a use counter each.
#[derive(Debug, Default)]
struct Ghosts(Vec<(u32, Cell<u8>)>);

impl Residents for Ghosts {
    fn hash(&self, index: u32) -> u32 {
        self.0[index as usize].0
    }

    fn weight(&self, _: u32) -> u64 {
        1
    }

    fn uses(&self, index: u32) -> u8 {
        self.0[index as usize].1.get()
    }

    fn take_use(&self, index: u32) {
        let uses = &self.0[index as usize].1;
        uses.set(uses.get().saturating_sub(1));
    }
}

impl Shadow {
    fn new(window: f32, seed: u64) -> Self {
        let mut eviction = Eviction::new(Policy::ClockTinyLfu, seed);
        eviction.set_window(window);
        Self {
            eviction,
            table: HashMap::default(),
            residents: Ghosts::default(),
            free: Vec::new(),
            hits: 0,
            score: 0.0,
        }
    }

    fn access(&mut self, hash: u32, capacity: usize) {
        if let Some(&index) = self.table.get(&hash) {
            let uses = &self.residents.0[index as usize].1;
            uses.set((uses.get() + 1).min(3));
            self.hits += 1;
            return;
        }
        // A capacity that was lowered is reached in steps of two.
        for _ in 0..2 {
            if self.eviction.len() >= capacity {
                self.evict();
            }
        }
        self.insert(hash);
    }

    fn insert(&mut self, hash: u32) {
        let ghost = (hash, Cell::new(0));
        let index = match self.free.pop() {
            Some(index) => {
                self.residents.0[index as usize] = ghost;
                index
            }
            None => {
                self.residents.0.push(ghost);
                self.residents.0.len() as u32 - 1
            }
        };
        self.table.insert(hash, index);
        self.eviction.insert(index, &self.residents);
    }

    fn evict(&mut self) {
        if let Some(victim) = self.eviction.victim(&self.residents) {
            self.table.remove(&self.residents.0[victim as usize].0);
            self.free.push(victim);
        }
    }

    /// Drops the keys that are not sampled any more.
    fn retain(&mut self, mask: u32) {
        let Self { eviction, table, free, .. } = self;
        table.retain(|hash, &mut index| {
            let keep = hash & mask == 0;
            if !keep {
                eviction.remove(index, 1);
                free.push(index);
            }
            keep
        });
    }
}

/// A hasher for hashes: spreads their bits, as some were used to choose the sample.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, hash: u32) {
        let mixed = (self.0 ^ u64::from(hash)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
