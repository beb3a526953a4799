//! What only a caller who is alone may do to the store: to write without taking a lock, and take out what leaves past the garbage.
//!
//! Nobody is told of what leaves, so the cache has no listener; and the caller's thread holds no pin. A call that finds more to be done than it
//! can do says so before it has begun, or after an eviction, and then the ordinary way is the one to go.

use super::{Company, Store};
use crate::hash::Hash;
use crate::listener::Cause;
use crate::settle::Rest;
use crate::shard::{Draft, Entry, Locked, Offer};

/// What left the cache, and what else is to be done: to be [settled](Left::settle) when the caller is done.
#[must_use = "garbage may wait"]
pub(crate) struct Left<'s, K, V> {
    store: &'s Store<K, V>,
    pub(crate) pair: Option<(K, V)>,
    /// A shard where garbage waits.
    owes: Option<usize>,
}

impl<K, V> Left<'_, K, V> {
    /// Drops what left, and then what waited. Runs code of the user's.
    #[inline(always)]
    pub(crate) fn settle(self) {
        let Left { store, pair, owes } = self;
        drop(pair);
        if let Some(shard) = owes {
            settle(store, shard);
        }
    }
}

#[cold]
fn settle<K, V>(store: &Store<K, V>, shard: usize) {
    let mut rest = Rest::new(store, Company::Alone);
    rest.leave(shard, store.lock(shard));
    rest.settle();
}

impl<K, V> Entry<K, V> {
    fn into_pair(self) -> (K, V) {
        (self.key, self.value)
    }
}

impl<K, V> Store<K, V> {
    /// As [`lock`](Self::lock), for who is alone, in a cache without a listener.
    ///
    /// # Safety
    ///
    /// No other thread uses the cache while the result lives, and this one locks no shard.
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn lock_alone(&self, shard: usize) -> Locked<'_, K, V> {
        // SAFETY: the caller.
        unsafe { self.shards[shard].lock_alone(false) }
    }

    #[inline(always)]
    fn left(&self, shard: usize, locked: &Locked<'_, K, V>, pair: Option<(K, V)>) -> Left<'_, K, V> {
        Left { store: self, pair, owes: locked.owes().then_some(shard) }
    }

    /// As [`add`](Self::add), for a caller who has found nothing under the key, and since then has run no code of the user's that could write to the cache. `None` if
    /// there is more to it; then the pair is still offered.
    ///
    /// # Safety
    ///
    /// No other thread uses the cache during the call, and this one holds no pin.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn add_alone(
        &self,
        hash: Hash,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
    ) -> Option<Left<'_, K, V>> {
        if draft.weight > self.budget.capacity() {
            return None;
        }
        let number = self.shard_of(hash);
        // Its drop is code of the user's, so it comes after that of the lock.
        let mut victim = None;
        let mut room = self.budget.room_alone();
        // SAFETY: the caller; no code of the user's runs under it, and none of ours locks.
        let mut locked = unsafe { self.lock_alone(number) };
        locked.prefetch(hash.place());
        locked.tend(draft.now, self.adapt.window(), &mut room);
        if !room.cover(draft.weight) {
            if !self.budget.is_fair(locked.weight()) {
                return None;
            }
            // SAFETY: the caller: nobody is looking at anything.
            victim = unsafe { locked.take_victim(&mut room) };
            if !room.cover(draft.weight) && !locked.evict(draft.weight, &mut room).1 {
                return None;
            }
        }
        if !locked.publish_absent(hash.place(), draft, offer, &mut room) {
            return None;
        }
        Some(self.left(number, &locked, victim.map(Entry::into_pair)))
    }

    /// Writes the offered pair over an entry without tags that a search has found live at the draft's time, where that lies. The weight is the same. `changed`: code of the
    /// user's ran since. `None` if it is not there, or not live, any more; then the pair is still offered.
    ///
    /// # Safety
    ///
    /// No other thread uses the cache during the call, and this one holds no pin; the entry is there, unless something has `changed`.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn overwrite_alone(
        &self,
        hash: Hash,
        index: u32,
        changed: bool,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
    ) -> Option<Left<'_, K, V>> {
        let number = self.shard_of(hash);
        let mut room = self.budget.room_alone();
        // SAFETY: the caller; no code of the user's runs under it, and none of ours locks.
        let mut locked = unsafe { self.lock_alone(number) };
        let before = locked.len();
        locked.tend(draft.now, self.adapt.window(), &mut room);
        // The tending removes what is dead, and it was live; but by a ticker that has gone back it may have been among that.
        let changed = changed || locked.len() < before;
        if changed && !(locked.is_there(hash.place(), index) && locked.is_live(index, draft.now)) {
            return None;
        }
        debug_assert!(locked.is_there(hash.place(), index) && locked.is_live(index, draft.now));
        let pair = offer.take()?;
        // SAFETY: the caller: nobody is looking. It is there, as was just confirmed.
        let old = unsafe { locked.overwrite(index, pair, draft.deadline, draft.now) };
        Some(self.left(number, &locked, Some(old)))
    }

    /// Removes an entry that a search has found live. `None` if it is not there any more: then nothing was done.
    ///
    /// # Safety
    ///
    /// No other thread uses the cache during the call, and this one holds no pin.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn remove_alone(&self, hash: Hash, index: u32) -> Option<Left<'_, K, V>> {
        let number = self.shard_of(hash);
        let mut room = self.budget.room_alone();
        // SAFETY: the caller; no code of the user's runs under it, and none of ours locks.
        let mut locked = unsafe { self.lock_alone(number) };
        // SAFETY: the caller: nobody is looking.
        let gone = unsafe { locked.take_out(hash.place(), index, Cause::Removed, &mut room) }?;
        locked.outdate(hash.place());
        Some(self.left(number, &locked, Some(gone.into_pair())))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use crate::Cache;
    use crate::exclusive::Exclusive;
    use std::hash::{BuildHasherDefault, Hasher};

    /// The hash of a number is the number.
    #[derive(Default)]
    struct Same(u64);

    impl Hasher for Same {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, _: &[u8]) {
            unreachable!("keys are numbers")
        }
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }

    #[test]
    fn a_shard_that_has_less_than_its_share_takes_it_from_a_fuller_one() {
        let builder = Cache::builder().capacity(100).shards(4).hasher(BuildHasherDefault::<Same>::default());
        let cache: Cache<u64, u64, _> = builder.build().expect("a good description");
        // SAFETY: nobody else knows this cache, and no guard of it is alive.
        #[allow(unsafe_code)]
        let mut alone = unsafe { Exclusive::new(&cache) };
        let key = |shard: u64, n: u64| shard << 62 | n << 24;
        (0..100).for_each(|n| assert!(alone.insert(key(3, n), n).is_stored()));
        (0..20).for_each(|n| assert!(alone.insert(key(0, n), n).is_stored()));
        // The fuller of two that chance picks has to give; its own is one of those, too.
        let left = (0..20).filter(|&n| alone.peek(&key(0, n)).is_some()).count();
        assert!(left > 8, "{left} of 20 are left");
        cache.validate();
    }

    #[test]
    fn what_a_caller_writes_who_is_alone_teaches_the_policy() {
        let cache: Cache<u64, u64> =
            Cache::builder().capacity(500).shards(1).build().expect("a good description");
        // SAFETY: nobody else knows this cache, and no guard of it is alive.
        #[allow(unsafe_code)]
        let mut alone = unsafe { Exclusive::new(&cache) };
        let window = || cache.inner.store.adapt.window();
        let first = window();
        // Each key is used for a while and never again: what is new is worth more than what was used often.
        for n in 0..40_000 {
            assert!(alone.insert(n, n).is_stored());
            for before in [100, 200, 300] {
                let _ = alone.get(&u64::saturating_sub(n, before));
            }
        }
        assert!(window().to_bits() != first.to_bits(), "the plan is another one");
    }
}
