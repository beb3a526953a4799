//! Eviction: which entry leaves when the cache is full.
//!
//! A policy knows slab indices, hashes, weights and use counters. It knows no keys, no values, no time and no user
//! code, holds no lock and uses no unsafe code; so it can be run alone over a trace ([`replay`]).
//!
//! There is one [`Eviction`] a shard, always called under the lock of that shard, and one [`Shadows`] a cache, under a
//! lock of its own that is only ever tried. **Hits are not told to a policy.** A hit raises the 2-bit use counter of
//! the entry, unless that is saturated, and the policy reads the counters of the entries it considers for eviction
//! through [`Residents`].
//!
//! | event | call |
//! |---|---|
//! | a key becomes resident | [`Eviction::insert`] |
//! | a resident key gets a new entry, or another weight | [`Eviction::replace`] |
//! | an entry is removed, or expires | [`Eviction::remove`] |
//! | room is needed | [`Eviction::victim`], until there is enough |
//! | a sampled miss, or a sampled hit that raised a counter | [`Shadows::access`] |
//!
//! Costs: each call does a bounded number of steps, given in the files [`tinylfu`] and [`clock`]; 8 bytes of links and
//! 8 of sketch an entry; nothing before the first insertion.

pub(crate) mod adapt;
pub(crate) mod clock;
pub(crate) mod queue;
pub mod replay;
pub(crate) mod sketch;
pub(crate) mod tinylfu;

pub(crate) use adapt::Shadows;
pub(crate) use queue::MAX_INDEX;

use clock::Clock;
use tinylfu::TinyLfu;

/// What a policy may ask about the entries it holds.
pub(crate) trait Residents {
    /// 32 well mixed bits of the key's hash.
    fn hash(&self, index: u32) -> u32;
    /// The weight of the entry; it stays the same from `insert` to `remove`, but for `replace`.
    fn weight(&self, index: u32) -> u64;
    /// The entry's use counter, 0 to 3. Readers raise it concurrently.
    fn uses(&self, index: u32) -> u8;
    /// Lowers the use counter by one, if it is not zero. May lose a race with a reader.
    fn take_use(&self, index: u32);
}

/// Which entry a full cache gives up: chosen when the cache is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Policy {
    /// A window of new entries before a CLOCK of admitted ones, with a frequency sketch deciding who may pass; the size
    /// of the window follows the workload. The right choice unless you know better.
    ///
    /// Sources: TinyLFU (Einziger, Friedman, Manes 2017), CLOCK (Corbató 1968), S3-FIFO (Yang et al. 2023).
    #[default]
    ClockTinyLfu,
    /// Plain CLOCK with 2-bit counters: first in, first out, but what was used meanwhile stays for another round.
    /// No admission, no adaptation, half the memory; for workloads with mere recency, and to compare with.
    Clock,
}

/// The eviction policy of one shard.
#[derive(Debug)]
pub(crate) enum Eviction {
    /// See [`Policy::ClockTinyLfu`].
    TinyLfu(TinyLfu),
    /// See [`Policy::Clock`].
    Clock(Clock),
}

macro_rules! delegate {
    ($eviction:expr, $policy:ident => $call:expr) => {
        match $eviction {
            Eviction::TinyLfu($policy) => $call,
            Eviction::Clock($policy) => $call,
        }
    };
}

impl Eviction {
    /// A policy that holds nothing; allocates nothing. The seed drives the jitter of admission.
    pub(crate) fn new(kind: Policy, seed: u64) -> Self {
        match kind {
            Policy::ClockTinyLfu => Self::TinyLfu(TinyLfu::new(seed)),
            Policy::Clock => Self::Clock(Clock::new()),
        }
    }

    /// Takes in a new resident, and counts the miss of its key. The index is at most [`MAX_INDEX`] and not held.
    pub(crate) fn insert(&mut self, index: u32, r: &impl Residents) {
        delegate!(self, policy => policy.insert(index, r));
    }

    /// Gives `new` the place of `old`, whose weight was `old_weight`. They may be the same index. `r` need not know
    /// `old` any more. Not counted as a use: the caller sets the use counter of `new` as it sees fit.
    pub(crate) fn replace(&mut self, old: u32, new: u32, old_weight: u64, r: &impl Residents) {
        delegate!(self, policy => policy.replace(old, new, old_weight, r));
    }

    /// Forgets an entry of the given weight: a removal or an expiry. Nothing happens if it is not held.
    pub(crate) fn remove(&mut self, index: u32, weight: u64) {
        delegate!(self, policy => policy.remove(index, weight));
    }

    /// Chooses the entry to evict and forgets it. `None` only if nothing is held.
    pub(crate) fn victim(&mut self, r: &impl Residents) -> Option<u32> {
        delegate!(self, policy => policy.victim(r))
    }

    /// Sets the share of the weight that new entries have for themselves; a policy without a window ignores it.
    pub(crate) fn set_window(&mut self, fraction: f32) {
        if let Self::TinyLfu(policy) = self {
            policy.set_window(fraction);
        }
    }

    /// Does up to `budget` steps of pending work. Never needed for correctness.
    pub(crate) fn tend(&mut self, budget: usize) {
        if let Self::TinyLfu(policy) = self {
            policy.tend(budget);
        }
    }

    /// How many entries it holds.
    pub(crate) fn len(&self) -> usize {
        delegate!(self, policy => policy.len())
    }

    /// The sum of their weights.
    pub(crate) fn weight(&self) -> u64 {
        delegate!(self, policy => policy.weight())
    }

    /// Walks all it holds and says what is inconsistent. O(n), for tests.
    pub(crate) fn check(&self, r: &impl Residents) -> Result<(), String> {
        delegate!(self, policy => policy.check(r))
    }
}
