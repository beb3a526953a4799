//! `replay`: a policy run over a trace of keys, without a cache around it.
//!
//! For tests and for study: what hit ratio would this capacity and this policy have on the requests I recorded? Every
//! request is "get; on a miss, insert", every entry weighs one. It runs the code the cache runs, adaptation included.

use super::{Eviction, Policy, Residents, Shadows};
use std::cell::Cell;
use std::collections::HashMap;

/// What came out of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Requests made.
    pub requests: u64,
    /// Requests that found their key.
    pub hits: u64,
}

impl Outcome {
    /// Hits in parts of requests; zero if there were none.
    pub fn hit_ratio(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.hits as f64 / self.requests as f64 }
    }
}

/// Runs `policy` with room for `capacity` entries over the keys.
///
/// Takes some 100 ns a request and memory in proportion to what is resident.
///
/// ```
/// use pinyon::policy::{Policy, replay::replay};
///
/// // A loop over 200 keys: plain CLOCK evicts each key just before it comes again.
/// let keys = || (0..20_000_u64).map(|n| n % 200);
/// assert_eq!(replay(Policy::Clock, 100, keys()).hits, 0);
/// assert!(replay(Policy::ClockTinyLfu, 100, keys()).hit_ratio() > 0.4);
/// ```
pub fn replay(policy: Policy, capacity: usize, keys: impl IntoIterator<Item = u64>) -> Outcome {
    let mut replay = Replay::new(policy, capacity, 0);
    keys.into_iter().for_each(|key| replay.request(key));
    replay.outcome
}

/// A replay under way.
#[derive(Debug)]
pub struct Replay {
    outcome: Outcome,
    capacity: usize,
    seed: u64,
    adaptive: bool,
    table: HashMap<u64, u32>,
    entries: Entries,
    free: Vec<u32>,
    eviction: Eviction,
    shadows: Shadows,
}

impl Replay {
    /// A replay that has seen nothing; the seed is that of the hash and of the jitter. A capacity of 0 acts as 1.
    pub fn new(policy: Policy, capacity: usize, seed: u64) -> Self {
        let capacity = capacity.max(1);
        Self {
            outcome: Outcome::default(),
            capacity,
            seed,
            adaptive: policy == Policy::ClockTinyLfu,
            table: HashMap::new(),
            entries: Entries::default(),
            free: Vec::new(),
            eviction: Eviction::new(policy, seed),
            shadows: Shadows::new(capacity, seed),
        }
    }

    /// What came out so far.
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// One request: a get and, if that misses, an insertion.
    pub fn request(&mut self, key: u64) {
        self.outcome.requests += 1;
        let hash = mix(key ^ self.seed);
        if let Some(&index) = self.table.get(&key) {
            self.outcome.hits += 1;
            if self.entries.0[index as usize].raise() {
                self.sample(hash);
            }
            return;
        }
        self.sample(hash);
        self.insert(key, hash);
    }

    fn sample(&mut self, hash: u64) {
        if self.adaptive && self.shadows.sampled(hash) {
            self.shadows.access(hash, 1);
            self.eviction.set_window(self.shadows.window());
        }
    }

    fn insert(&mut self, key: u64, hash: u64) {
        if self.eviction.len() >= self.capacity {
            if let Some(victim) = self.eviction.victim(&self.entries) {
                self.table.remove(&self.entries.0[victim as usize].key);
                self.free.push(victim);
            }
        }
        let entry = Entry { key, hash: hash as u32, uses: Cell::new(0) };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries.0[index as usize] = entry;
                index
            }
            None => {
                self.entries.0.push(entry);
                self.entries.0.len() as u32 - 1
            }
        };
        self.table.insert(key, index);
        self.eviction.insert(index, &self.entries);
    }
}

#[derive(Debug)]
struct Entry {
    key: u64,
    hash: u32,
    uses: Cell<u8>,
}

impl Entry {
    /// Counts a use; says whether the counter was not yet saturated.
    fn raise(&self) -> bool {
        let uses = self.uses.get();
        if uses < 3 {
            self.uses.set(uses + 1);
        }
        uses < 3
    }
}

#[derive(Debug, Default)]
struct Entries(Vec<Entry>);

impl Residents for Entries {
    fn hash(&self, index: u32) -> u32 {
        self.0[index as usize].hash
    }

    fn weight(&self, _: u32) -> u64 {
        1
    }

    fn uses(&self, index: u32) -> u8 {
        self.0[index as usize].uses.get()
    }

    fn take_use(&self, index: u32) {
        let uses = &self.0[index as usize].uses;
        uses.set(uses.get().saturating_sub(1));
    }
}

/// The finalizer of splitmix64: every bit of the key reaches every bit of the hash.
const fn mix(key: u64) -> u64 {
    let mixed = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
