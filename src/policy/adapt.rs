//! `Shadows`: small sampled copies of the cache under several plans, to see which would serve best.
//!
//! Each shadow runs the very policy of the cache ([`TinyLfu`](super::tinylfu)) under a fixed [`Plan`] over a slice of
//! the keys chosen by hash, with a capacity scaled down alike (miniature simulation: Waldspurger, Saemundsson, Ahmad,
//! Park 2017). It keeps hashes only, and every entry weighs one. Its hits are a score that decays; four
//! times in a capacity-many sampled accesses the plan of the best is taken, if it leads the current one by a margin.
//!
//! There is one set a cache, not one a shard, behind a lock that is only ever tried and never held with the lock of a
//! shard.
//!
//! **What they are fed, and by whom.** The shadows see the misses, but only those hits that raised a use counter: a hit
//! on a saturated entry must write nothing, and would be a hit in every shadow, so it decides nothing.
//! - A miss that inserts, if `hash & sample_mask() == 0`: [`access`](Shadows::access), after the shard's lock is
//!   released, if the lock of the shadows is free.
//! - A hit that raised a counter, if sampled: its hash into a small lossy buffer. Whoever gets the lock calls `access`
//!   for each, in order, before its own. Losing some, or their order, does little harm.
//! - Then [`set_capacity`](Shadows::set_capacity) with the number of entries the cache holds when it is full, as far
//!   as that is known: the number it holds now, when weights are not counts. Publish `sample_mask` again after it.
//! - Then, if [`window`](Shadows::window) differs, [`set_window`](super::Eviction::set_window) on each shard when it
//!   is next locked for a write. The number is a plan, not merely a fraction; carry it as it is.
//!
//! Costs: a sampled access is a lookup and a policy step in every shadow, about half a microsecond together; sampled
//! is every key of a cache below `MOST_ENTRIES`, 1 in 8 at a thousand, 1 in 1024 at a hundred thousand.
//! Memory: some 40 bytes an entry of each shadow, none before the first access. `access` evicts at most two
//! entries a shadow; a sample that is halved drops at most half of the shadows' entries in one call.
//!
//! Not promised: the best plan for a workload whose sampled keys differ from the others, or that changes faster than a
//! few capacities of accesses.

use super::plan::{Plan, Rule};
use super::{Eviction, Link, Policy, Residents};
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The plans that compete. The first is the one to begin with; ties go to the one in use.
const PLANS: [Plan; 7] = [
    Plan { rule: Rule::Strict, window: 0.1 },
    Plan { rule: Rule::Strict, window: 0.01 },
    Plan { rule: Rule::Strict, window: 0.3 },
    Plan { rule: Rule::Ghosts, window: 0.01 },
    Plan { rule: Rule::Ghosts, window: 0.1 },
    Plan { rule: Rule::Ghosts, window: 0.3 },
    Plan { rule: Rule::Used, window: 0.5 },
];
/// Entries of a shadow above which the sample is halved.
const MOST_ENTRIES: usize = 128;
/// What a shadow must lead by, in parts of the sampled accesses, to be followed.
const MARGIN: f32 = 0.005;
/// What remains of a score after a period.
const DECAY: f32 = 0.985;
/// Decisions in the time of a capacity-many sampled accesses.
const DECISIONS: usize = 4;
/// Entries of a shadow below which nothing can be learnt.
const FEWEST_ENTRIES: usize = 16;

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
    /// Which of [`PLANS`] is in use.
    chosen: usize,
}

impl Shadows {
    /// Shadows for a cache that is expected to hold `entries`; allocates nothing.
    pub(crate) fn new(entries: usize, seed: u64) -> Self {
        let mut shadows =
            Self { shadows: Vec::new(), seed, mask: 0, capacity: 0, accesses: 0, total: 0.0, chosen: 0 };
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

    /// The plan the cache should have now, as a number for [`set_window`](super::Eviction::set_window).
    pub(crate) fn window(&self) -> f32 {
        PLANS[self.chosen].number()
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
        if !self.sampled(hash) || self.capacity < FEWEST_ENTRIES {
            return;
        }
        if self.shadows.is_empty() {
            self.shadows = PLANS.iter().map(|plan| Shadow::new(*plan, self.seed)).collect();
        }
        for shadow in &mut self.shadows {
            shadow.access(hash as u32, self.capacity);
        }
        self.accesses += 1;
        if self.accesses as usize * DECISIONS >= self.capacity {
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
        let best =
            (0..self.shadows.len()).max_by(|&a, &b| self.shadows[a].score.total_cmp(&self.shadows[b].score));
        if let Some(best) = best.filter(|&best| self.shadows[best].score > bar) {
            self.chosen = best;
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

/// The entries of a shadow: a hash, a use counter, a link and a note each.
#[derive(Debug, Default)]
struct Ghosts(Vec<(u32, Cell<u8>, Link, Cell<u8>)>);

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

    fn note(&self, index: u32) -> u8 {
        self.0[index as usize].3.get()
    }

    fn set_note(&self, index: u32, note: u8) {
        self.0[index as usize].3.set(note);
    }

    fn link(&self, index: u32) -> &Link {
        &self.0[index as usize].2
    }
}

impl Shadow {
    fn new(plan: Plan, seed: u64) -> Self {
        let mut eviction = Eviction::new(Policy::ClockTinyLfu, seed);
        eviction.set_window(plan.number());
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
        let ghost = (hash, Cell::new(0), Link::default(), Cell::new(0));
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
        let Self { eviction, table, free, residents, .. } = self;
        table.retain(|hash, &mut index| {
            let keep = hash & mask == 0;
            if !keep {
                eviction.remove(index, 1, residents);
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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// Runs a stream of hashes through the shadows.
    fn fed(entries: usize, hashes: impl Iterator<Item = u32>) -> Shadows {
        let mut shadows = Shadows::new(entries, 1);
        hashes.for_each(|hash| shadows.access(u64::from(hash), 1));
        for shadow in &shadows.shadows {
            assert_eq!(shadow.eviction.len(), shadow.table.len());
            assert!(shadow.table.len() <= shadows.capacity);
            shadow.eviction.check(&shadow.residents).unwrap();
        }
        shadows
    }

    fn spread(n: u32) -> u32 {
        (n ^ (n >> 15)).wrapping_mul(0x9E37_79B1)
    }

    #[test]
    fn g28_shadows_allocate_nothing_before_the_first_access() {
        let shadows = Shadows::new(usize::MAX, 0);
        assert_eq!(shadows.shadows.capacity(), 0);
        assert_eq!(shadows.window(), super::super::tinylfu::INITIAL.number());
    }

    #[test]
    fn the_sample_follows_the_capacity() {
        let mut shadows = Shadows::new(100, 0);
        assert!(shadows.sampled(u64::MAX));
        for (entries, mask) in [(127, 0), (128, 1), (1 << 20, 16_383), (10, 0)] {
            shadows.set_capacity(entries);
            assert_eq!(shadows.sample_mask(), mask);
            assert!(shadows.capacity <= MOST_ENTRIES);
        }
    }

    #[test]
    fn a_thinner_sample_drops_what_is_not_in_it() {
        let mut shadows = fed(100, (0..2000).map(spread));
        let keys = |shadow: &Shadow| shadow.table.keys().copied().collect::<Vec<u32>>();
        let before: Vec<_> = shadows.shadows.iter().map(keys).collect();
        shadows.set_capacity(400);
        let mask = shadows.mask as u32;
        for (shadow, before) in shadows.shadows.iter().zip(before) {
            assert!(shadow.table.keys().all(|hash| hash & mask == 0));
            assert!(before.iter().all(|hash| hash & mask != 0 || shadow.table.contains_key(hash)));
            assert_eq!(shadow.eviction.len(), shadow.table.len());
            shadow.eviction.check(&shadow.residents).unwrap();
        }
    }

    #[test]
    fn what_teaches_nothing_is_ignored() {
        let mut small = Shadows::new(FEWEST_ENTRIES - 1, 1);
        small.access(0, 1);
        assert!(small.shadows.is_empty());
        let mut large = Shadows::new(1 << 20, 1);
        large.access(large.sample_mask() ^ 1, 1);
        assert!(large.shadows.is_empty(), "not in the sample");
        large.access(large.sample_mask() + 1, 1);
        assert_eq!(large.shadows.len(), PLANS.len());
        assert_eq!(fed(FEWEST_ENTRIES, 0..1).shadows.len(), PLANS.len());
    }

    #[test]
    fn a_decision_falls_due_four_times_in_a_capacity_of_accesses() {
        assert_eq!(fed(100, 0..24).accesses, 24);
        assert_eq!(fed(100, 0..25).accesses, 0);
        assert_eq!(fed(100, 0..49).accesses, 24);
    }

    #[test]
    fn the_best_is_followed_when_it_leads_by_more_than_the_margin() {
        let mut shadows = fed(100, 0..1);
        // Of a thousand accesses: the margin is five hits.
        let mut decide = |hits: u32, others: u32| {
            for shadow in &mut shadows.shadows {
                (shadow.hits, shadow.score) = (others, 0.0);
            }
            shadows.shadows[2].hits = hits;
            (shadows.accesses, shadows.total) = (1000, 0.0);
            shadows.decide();
            (shadows.chosen, shadows.accesses, shadows.shadows[2].hits)
        };
        assert_eq!(decide(15, 10), (0, 0, 0));
        assert_eq!(decide(16, 10), (2, 0, 0));
        assert_eq!(decide(1, 5), (2, 0, 0), "nor is it left for less");
        (shadows.accesses, shadows.total) = (50, 100.0);
        (shadows.shadows[0].hits, shadows.shadows[0].score) = (5, 10.0);
        shadows.decide();
        assert_eq!(shadows.total, 100.0 * DECAY + 50.0);
        assert_eq!(shadows.shadows[0].score, 10.0 * DECAY + 5.0);
    }

    #[test]
    fn a_shadow_counts_hits_and_uses() {
        let mut shadow = Shadow::new(PLANS[0], 1);
        for hash in [7, 9, 7, 7, 9, 7, 7] {
            shadow.access(hash, 10);
        }
        let uses = |hash| {
            let index = shadow.table[&hash];
            assert_eq!(shadow.residents.hash(index), hash);
            shadow.residents.uses(index)
        };
        assert_eq!((uses(7), uses(9), shadow.hits), (3, 1, 5));
    }

    #[test]
    fn a_loop_wants_the_smallest_window() {
        let shadows = fed(200, (0..60_000).map(|n| spread(n % 600)));
        assert!(shadows.window() < 0.05, "{}", shadows.window());
    }

    #[test]
    fn keys_that_come_back_once_want_a_more_open_rule() {
        // Each key is used again after 200 others, then never.
        let shadows = fed(
            300,
            (0..60_000_u32).map(|n| spread(if n % 2 == 0 { n } else { n.saturating_sub(401) & !1 })),
        );
        assert!(shadows.window() > 0.2, "{}", shadows.window());
    }
}
