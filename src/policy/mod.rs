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
//! Costs: each call does a bounded number of steps, given in the files [`tinylfu`] and [`clock`]; 8 bytes of links in the
//! entry and 8 of sketch; nothing before the first insertion.

pub(crate) mod adapt;
pub(crate) mod clock;
pub(crate) mod hand;
pub(crate) mod plan;
pub(crate) mod queue;
pub mod replay;
pub(crate) mod sketch;
pub(crate) mod tinylfu;

pub(crate) use adapt::Shadows;
pub(crate) use queue::{Link, MAX_INDEX};

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
    /// What the policy noted of the entry: 0 to 15; 0 at first.
    fn note(&self, index: u32) -> u8;
    /// Notes it.
    fn set_note(&self, index: u32, note: u8);
    /// The entry's place in the policy's queues: in none when it is inserted, and the policy's alone until it is
    /// forgotten.
    fn link(&self, index: u32) -> &Link;
}

/// Which entry a full cache gives up: chosen when the cache is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Policy {
    /// A window of new entries before a CLOCK of admitted ones, with a frequency sketch deciding who may pass; the size
    /// of the window and the rule for passing follow the workload. The right choice unless you know better.
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

    /// Fetches the memory that an insertion of this hash, and an eviction for it, will need. The hash of the entry that
    /// is likely to be evicted.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32, r: &impl Residents) -> Option<u32> {
        match self {
            Self::TinyLfu(policy) => policy.prefetch(hash, r),
            Self::Clock(_) => None,
        }
    }

    /// Gives `new` the place of `old`, whose weight was `old_weight`. They may be the same index. Not counted as a use: the caller sets the use counter of `new` as it sees fit.
    pub(crate) fn replace(&mut self, old: u32, new: u32, old_weight: u64, r: &impl Residents) {
        delegate!(self, policy => policy.replace(old, new, old_weight, r));
    }

    /// Forgets an entry of the given weight: a removal or an expiry. Nothing happens if it is not held.
    pub(crate) fn remove(&mut self, index: u32, weight: u64, r: &impl Residents) {
        delegate!(self, policy => policy.remove(index, weight, r));
    }

    /// Chooses the entry to evict and forgets it. `None` only if nothing is held.
    pub(crate) fn victim(&mut self, r: &impl Residents) -> Option<u32> {
        delegate!(self, policy => policy.victim(r))
    }

    /// Sets how new entries are treated, as [`Shadows::window`] says: their share of the weight, plus the number of a
    /// rule of admission (`plan`). Nothing is moved now. A policy without a window ignores it.
    #[inline]
    pub(crate) fn set_window(&mut self, number: f32) {
        if let Self::TinyLfu(policy) = self {
            policy.set_plan(number);
        }
    }

    /// Does up to `budget` steps of pending work. Never needed for correctness.
    #[inline]
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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::collections::HashSet;

    /// Weight, uses, link and note.
    type Row = (Cell<u64>, Cell<u8>, Link, Cell<u8>);

    /// Entries for tests.
    pub(super) struct Table {
        entries: Vec<Row>,
        hot: Cell<bool>,
    }

    impl Table {
        pub(super) fn new(len: usize) -> Self {
            let entry = || (Cell::new(1), Cell::new(0), Link::default(), Cell::new(0));
            Self { entries: std::iter::repeat_with(entry).take(len).collect(), hot: Cell::new(false) }
        }

        pub(super) fn set_weight(&self, index: u32, weight: u64) {
            self.entries[index as usize].0.set(weight);
        }

        pub(super) fn set_uses(&self, index: u32, uses: u8) {
            self.entries[index as usize].1.set(uses);
        }

        /// Every counter is at its top from now on, whatever is taken.
        pub(super) fn stay_hot(&self) {
            self.hot.set(true);
        }
    }

    impl Residents for Table {
        fn hash(&self, index: u32) -> u32 {
            index.wrapping_mul(0x9E37_79B1)
        }

        fn weight(&self, index: u32) -> u64 {
            self.entries[index as usize].0.get()
        }

        fn uses(&self, index: u32) -> u8 {
            if self.hot.get() { 3 } else { self.entries[index as usize].1.get() }
        }

        fn take_use(&self, index: u32) {
            let uses = &self.entries[index as usize].1;
            uses.set(uses.get().saturating_sub(1));
        }

        fn link(&self, index: u32) -> &Link {
            &self.entries[index as usize].2
        }

        fn note(&self, index: u32) -> u8 {
            self.entries[index as usize].3.get()
        }

        fn set_note(&self, index: u32, note: u8) {
            self.entries[index as usize].3.set(note);
        }
    }

    #[test]
    fn the_window_is_as_large_as_was_set() {
        for (number, expected) in [(0.0, 4..=6), (0.9, 90..=99)] {
            let table = Table::new(100);
            let mut policy = Eviction::new(Policy::ClockTinyLfu, 5);
            policy.set_window(number);
            (0..100).for_each(|index| policy.insert(index, &table));
            let window =
                (0..100).filter(|&index| table.link(index).tag() == Some(queue::Tag::Window)).count();
            assert!(expected.contains(&window), "{window}");
        }
    }

    #[test]
    fn a_policy_that_knows_tells_who_is_likely_to_leave() {
        let table = Table::new(100);
        let [mut tiny, mut clock] = [Policy::ClockTinyLfu, Policy::Clock].map(|kind| Eviction::new(kind, 5));
        (7..9).for_each(|index| tiny.insert(index, &table));
        (20..22).for_each(|index| clock.insert(index, &table));
        assert_eq!((tiny.prefetch(1, &table), clock.prefetch(1, &table)), (Some(table.hash(7)), None));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u32, u64),
        Replace(u32, u32, u64),
        Remove(u32),
        Use(u32, u8),
        Victim,
        Window(f32),
        Tend(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        let index = 0..40_u32;
        let weight = prop_oneof![0..4_u64, Just(1_000_000), Just(u64::MAX / 64)];
        prop_oneof![
            4 => (index.clone(), weight.clone()).prop_map(|(index, weight)| Op::Insert(index, weight)),
            1 => (index.clone(), index.clone(), weight).prop_map(|(old, new, weight)| Op::Replace(old, new, weight)),
            1 => index.clone().prop_map(Op::Remove),
            2 => (index, 0..4_u8).prop_map(|(index, uses)| Op::Use(index, uses)),
            2 => Just(Op::Victim),
            1 => (0.0..3.0_f32).prop_map(Op::Window),
            1 => (0..9_usize).prop_map(Op::Tend),
        ]
    }

    proptest! {
        #[test]
        fn g15_every_policy_holds_exactly_what_it_was_given(ops in prop::collection::vec(op(), 1..300), plain: bool) {
            let mut policy = Eviction::new(if plain { Policy::Clock } else { Policy::ClockTinyLfu }, 5);
            let table = Table::new(40);
            let mut held = HashSet::new();
            for op in ops {
                match op {
                    Op::Insert(index, weight) => if held.insert(index) {
                        table.entries[index as usize].0.set(weight);
                        table.set_uses(index, 0);
                        policy.insert(index, &table);
                    },
                    Op::Replace(old, new, weight) => if held.contains(&old) && (old == new || !held.contains(&new)) {
                        let before = table.weight(old);
                        table.entries[new as usize].0.set(weight);
                        policy.replace(old, new, before, &table);
                        held.remove(&old);
                        held.insert(new);
                    },
                    Op::Remove(index) => {
                        policy.remove(index, table.weight(index), &table);
                        held.remove(&index);
                    }
                    Op::Use(index, uses) => table.set_uses(index, uses),
                    Op::Victim => match policy.victim(&table) {
                        Some(victim) => prop_assert!(held.remove(&victim)),
                        None => prop_assert!(held.is_empty()),
                    },
                    Op::Window(number) => policy.set_window(number),
                    Op::Tend(budget) => policy.tend(budget),
                }
                prop_assert_eq!(policy.check(&table), Ok(()));
                prop_assert_eq!(policy.len(), held.len());
                prop_assert_eq!(policy.weight(), held.iter().map(|&index| table.weight(index)).sum::<u64>());
            }
        }
    }
}
