//! `replay`: a policy run over a trace of keys, without a cache around it.
//!
//! For tests and for study: what hit ratio would this capacity and this policy have on the requests I recorded? Every
//! request is "get; on a miss, insert", every entry weighs one. It runs the code the cache runs, adaptation included.

use super::{Eviction, Link, Policy, Residents, Shadows};
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
/// use pinyon::{Policy, replay::replay};
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
    policy: Policy,
    table: HashMap<u64, u32>,
    entries: Entries,
    free: Vec<u32>,
    shards: Vec<Eviction>,
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
            policy,
            shards: vec![Eviction::new(policy, seed)],
            shadows: Shadows::new(capacity, seed),
        }
    }

    /// The same, divided by hash into shards of equal capacity, as a large cache is. At least 1.
    pub fn sharded(mut self, shards: usize) -> Self {
        let shards = shards.clamp(1, self.capacity) as u64;
        self.shards = (0..shards).map(|shard| Eviction::new(self.policy, self.seed ^ shard)).collect();
        self
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
        }
    }

    fn insert(&mut self, key: u64, hash: u64) {
        let room = self.capacity.div_ceil(self.shards.len());
        let shard = ((u128::from(hash) * self.shards.len() as u128) >> 64) as usize;
        let shard = &mut self.shards[shard];
        shard.set_window(self.shadows.window());
        let victim = if shard.len() >= room { shard.victim(&self.entries) } else { None };
        if let Some(victim) = victim {
            self.table.remove(&self.entries.0[victim as usize].key);
            self.free.push(victim);
        }
        let entry =
            Entry { key, hash: hash as u32, uses: Cell::new(0), link: Link::default(), note: Cell::new(0) };
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
        shard.insert(index, &self.entries);
    }
}

#[derive(Debug)]
struct Entry {
    key: u64,
    hash: u32,
    uses: Cell<u8>,
    link: Link,
    note: Cell<u8>,
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

    fn note(&self, index: u32) -> u8 {
        self.0[index as usize].note.get()
    }

    fn set_note(&self, index: u32, note: u8) {
        self.0[index as usize].note.set(note);
    }

    fn link(&self, index: u32) -> &Link {
        &self.0[index as usize].link
    }
}

/// The finalizer of splitmix64: every bit of the key reaches every bit of the hash.
const fn mix(key: u64) -> u64 {
    let mixed = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const BOTH: [Policy; 2] = [Policy::ClockTinyLfu, Policy::Clock];

    fn run(policy: Policy, capacity: usize, shards: usize, keys: impl Iterator<Item = u64>) -> Outcome {
        let mut replay = Replay::new(policy, capacity, 7).sharded(shards);
        for key in keys {
            replay.request(key);
            assert!(replay.table.len() <= capacity.max(1).next_multiple_of(shards));
        }
        assert_eq!(replay.table.len(), replay.shards.iter().map(Eviction::len).sum::<usize>());
        assert_eq!(replay.table.len() as u64, replay.shards.iter().map(Eviction::weight).sum::<u64>());
        if shards == 1 {
            replay.shards[0].check(&replay.entries).unwrap();
        }
        replay.outcome()
    }

    /// Keys with a frequency that falls with their number, from a fixed generator.
    fn skewed(keys: u64, requests: u64) -> impl Iterator<Item = u64> {
        (0..requests).map(move |n| {
            let unit = (mix(n) >> 11) as f64 / (1_u64 << 53) as f64;
            (keys as f64 * unit.powi(4)) as u64
        })
    }

    #[test]
    fn what_fits_is_missed_once() {
        for policy in BOTH {
            let outcome = run(policy, 100, 1, (0..1000).map(|n| n % 100));
            assert_eq!((outcome.requests, outcome.hits), (1000, 900));
        }
    }

    #[test]
    fn a_hit_ratio_is_hits_in_parts_of_requests() {
        assert_eq!(Outcome::default().hit_ratio(), 0.0);
        assert_eq!(Outcome { requests: 4, hits: 1 }.hit_ratio(), 0.25);
        let outcome = replay(Policy::Clock, 2, [1, 2, 1, 2, 3, 4, 1, 2]);
        assert_eq!((outcome.requests, outcome.hits), (8, 2));
    }

    #[test]
    fn a_use_counts_up_to_three() {
        let entry = Entry { key: 0, hash: 0, uses: Cell::new(0), link: Link::default(), note: Cell::new(0) };
        assert_eq!(
            [(); 5].map(|()| (entry.raise(), entry.uses.get())),
            [(true, 1), (true, 2), (true, 3), (false, 3), (false, 3)]
        );
    }

    #[test]
    fn entries_keep_what_a_policy_tells_them() {
        let mut replay = Replay::new(Policy::Clock, 3, 7);
        (0..3).for_each(|key| replay.request(key));
        let entries = &replay.entries;
        entries.set_note(1, 9);
        assert_eq!([0, 1, 2].map(|index| entries.note(index)), [0, 9, 0]);
        entries.0[2].raise();
        entries.0[2].raise();
        entries.take_use(2);
        entries.take_use(1);
        assert_eq!([0, 1, 2].map(|index| entries.uses(index)), [0, 0, 1]);
        assert!((0..3).all(|index| entries.weight(index) == 1));
    }

    #[test]
    fn g13_every_key_has_a_hash_of_its_own_under_every_seed() {
        let hashes = |seed| -> Vec<u32> {
            let mut replay = Replay::new(Policy::Clock, 1000, seed);
            (0..1000).for_each(|key| replay.request(key));
            (0..1000).map(|index| replay.entries.hash(index)).collect()
        };
        let seeds = [0, 1, 7, u64::MAX].map(hashes);
        for hashes in &seeds {
            assert!(std::collections::HashSet::<&u32>::from_iter(hashes).len() > 990);
        }
        assert!(seeds.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn every_bit_of_a_key_reaches_every_bit_of_its_hash() {
        for from in 0..64 {
            let mut changed = [0; 64];
            for n in 0..200_u64 {
                let key = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let difference = mix(key) ^ mix(key ^ 1 << from);
                (0..64).for_each(|to| changed[to] += difference >> to & 1);
            }
            assert!(changed.iter().all(|changed| (50..150).contains(changed)), "{from}: {changed:?}");
        }
    }

    #[test]
    fn the_shadows_see_requests_if_the_policy_adapts() {
        for policy in BOTH {
            let mut replay = Replay::new(policy, 100, 7);
            let before = format!("{:?}", replay.shadows);
            skewed(3000, 1000).for_each(|key| replay.request(key));
            assert_eq!(format!("{:?}", replay.shadows) != before, policy == Policy::ClockTinyLfu);
        }
    }

    #[test]
    fn a_capacity_of_one_works() {
        for policy in BOTH {
            assert_eq!(run(policy, 0, 1, [1, 1, 2, 2, 1].into_iter()).hits, 2);
            assert_eq!(run(policy, 1, 9, [1, 1, 2, 2, 1].into_iter()).hits, 2);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_figures() {
        let figures = || run(Policy::ClockTinyLfu, 200, 1, skewed(3000, 30_000));
        assert_eq!(figures(), figures());
    }

    #[test]
    fn frequency_beats_mere_recency_on_skewed_keys() {
        let [tiny, clock] = BOTH.map(|policy| run(policy, 300, 1, skewed(20_000, 100_000)).hit_ratio());
        assert!(tiny > clock + 0.02, "{tiny} {clock}");
    }

    #[test]
    fn shards_cost_little() {
        let [one, many] = [1, 16]
            .map(|shards| run(Policy::ClockTinyLfu, 4096, shards, skewed(60_000, 200_000)).hit_ratio());
        assert!(many > one - 0.005, "{one} {many}");
    }

    #[test]
    fn a_popular_set_survives_a_scan() {
        let popular = (0..20_000).map(|n| n % 50);
        let scan = (0..40_000).flat_map(|n| [1_000 + n, n % 50]);
        let outcome = run(Policy::ClockTinyLfu, 100, 1, popular.chain(scan));
        assert!(outcome.hits > 20_000 + 40_000 - 500, "{outcome:?}");
    }

    #[test]
    fn g13_a_frozen_filter_thaws() {
        // One set is made as popular as the counters can tell, then another takes its place.
        let old = (0..50_000).map(|n| n % 100);
        let new = (0..50_000).map(|n| 1_000 + n % 100);
        let outcome = run(Policy::ClockTinyLfu, 100, 1, old.chain(new));
        assert!(outcome.hits > 90_000, "{outcome:?}");
    }
}
