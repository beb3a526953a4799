//! `Stamps`: was a key written since its load began? (G20)
//!
//! There is a stamp for each hash that is being loaded, and nothing for any other. A load takes a new one when it begins; every
//! write of the hash takes it away, and so does a newer load. What was loaded may be published only while its stamp stands.
//! All of it happens under the shard's lock, so "since" has a meaning: before the load took the lock or after.
//!
//! Writes are the user's: insertions, removals (of what was not there, too), clears and new lifetimes. That an entry is
//! evicted or expires says nothing about its value, so the stamp stands.
//!
//! A write is known by 32 bits of its hash, so one of another key with the same ones takes the stamp as well: then a load may count as
//! stale that is not, which costs the cache one value and a call that comes later a load. Loads are told apart by all 64.
//!
//! Costs: O(log n) of n loads at once; nothing is allocated while nothing is loaded.

use crate::hash::Hash;
use std::collections::BTreeMap;

/// What a load began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

/// A hash that is being loaded: by the 32 bits that writes know, and all 64.
#[derive(Debug, Default)]
struct Loading {
    /// Of the newest load; 0 when it stands no longer.
    stamp: u64,
    /// Loads that have begun and not ended.
    loads: usize,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    /// A tree, because no step of it under the shard's lock is long, however many there are.
    loading: BTreeMap<(u32, u64), Loading>,
    /// The last stamp given out.
    last: u64,
    /// No stamp up to this one stands.
    cleared: u64,
}

impl Stamps {
    /// A load of this hash begins; it must [`end`](Self::end).
    pub(crate) fn begin(&mut self, hash: Hash) -> Stamp {
        self.last += 1;
        let loading = self.loading.entry((hash.place(), hash.bits())).or_default();
        loading.loads += 1;
        loading.stamp = self.last;
        Stamp(self.last)
    }

    /// A key is written whose hash has this place.
    #[inline]
    pub(crate) fn take(&mut self, place: u32) {
        if !self.loading.is_empty() {
            self.take_from_loads(place);
        }
    }

    #[cold]
    fn take_from_loads(&mut self, place: u32) {
        self.loading.range_mut((place, 0)..=(place, u64::MAX)).for_each(|(_, loading)| loading.stamp = 0);
    }

    /// Everything is written.
    pub(crate) fn take_all(&mut self) {
        self.cleared = self.last;
    }

    /// Was nothing of this hash written, and no newer load begun, since the stamp was given?
    pub(crate) fn stands(&self, hash: Hash, stamp: Stamp) -> bool {
        stamp.0 > self.cleared
            && self.loading.get(&(hash.place(), hash.bits())).is_some_and(|loading| loading.stamp == stamp.0)
    }

    /// A load of this hash is over, however it ended.
    pub(crate) fn end(&mut self, hash: Hash) {
        let key = (hash.place(), hash.bits());
        if let Some(loading) = self.loading.get_mut(&key) {
            loading.loads -= 1;
            if loading.loads == 0 {
                self.loading.remove(&key);
            }
        }
    }

    /// Loads that have begun and not ended.
    pub(crate) fn loads(&self) -> usize {
        self.loading.values().map(|loading| loading.loads).sum()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Begin(u64),
        Take(u32),
        TakeAll,
        End(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0..4u64).prop_map(Op::Begin),
            2 => (0..2u32).prop_map(Op::Take),
            1 => Just(Op::TakeAll),
            2 => (0..9usize).prop_map(Op::End),
        ]
    }

    proptest! {
        /// The model remembers of each load whether anything happened since.
        #[test]
        fn g20_a_stamp_stands_until_its_hash_is_written_or_loaded_again(ops in prop::collection::vec(op(), 0..200)) {
            let mut stamps = Stamps::default();
            let mut loads: Vec<(Hash, Stamp, bool)> = Vec::new();
            // Two of each place.
            let hash = |number: u64| Hash::new(((number / 2) << 32) | (number % 2));
            for op in ops {
                match op {
                    Op::Begin(number) => {
                        let hash = hash(number);
                        let stamp = stamps.begin(hash);
                        loads.iter_mut().filter(|load| load.0 == hash).for_each(|load| load.2 = false);
                        loads.push((hash, stamp, true));
                    }
                    Op::Take(place) => {
                        stamps.take(place);
                        loads.iter_mut().filter(|load| load.0.place() == place).for_each(|load| load.2 = false);
                    }
                    Op::TakeAll => {
                        stamps.take_all();
                        loads.iter_mut().for_each(|load| load.2 = false);
                    }
                    Op::End(pick) if !loads.is_empty() => {
                        let (hash, ..) = loads.swap_remove(pick % loads.len());
                        stamps.end(hash);
                    }
                    Op::End(_) => {}
                }
                for &(hash, stamp, stands) in &loads {
                    prop_assert_eq!(stamps.stands(hash, stamp), stands);
                }
                prop_assert_eq!(stamps.loads(), loads.len());
                prop_assert_eq!(stamps.loading.is_empty(), loads.is_empty());
            }
        }
    }
}
