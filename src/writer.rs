//! The engine of every write: search, decide, confirm, settle.
//!
//! The public methods of [`Cache`] run it for callers who share the cache, those of
//! [`exclusive`](crate::exclusive) for callers who are alone. All user code (equality, weigher, rule, the
//! closures of the call) runs between the search and the lock, or after the lock, never under it. When
//! what was seen has changed by the time the lock is held, the loop starts again with what is there now.

use crate::cache::Cache;
use crate::expiry::{Deadline, Span, Terms};
use crate::hash::Hash as Bits;
use crate::listener::Cause;
use crate::options::{Compute, InsertOptions, Plain};
use crate::reclaim::Pin;
use crate::settle::Rest;
use crate::shard::{Draft, Found, Inside, Offer, Sighting, Stamp, entry_bytes};
use crate::store::{Again, Changed, Company, Put, cause};
use crate::tags::Group;
use equivalent::Equivalent;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Why an offer is there.
const KEPT: &str = "a pair is offered until it is published";

/// A writing call's view of the cache.
pub(crate) struct Writer<'c, K, V, S> {
    pub(crate) cache: &'c Cache<K, V, S>,
    pub(crate) company: Company,
}

/// What a search saw.
pub(crate) struct Seen<'a, K, V> {
    sighting: Sighting,
    found: Option<Found<'a, K, V>>,
    /// There is an entry, and it is neither expired nor outdated.
    live: bool,
    /// The time of the search; 0 in a cache without times.
    now: u64,
}

impl<'a, K, V> Seen<'a, K, V> {
    fn live(&self) -> Option<Found<'a, K, V>> {
        self.found.filter(|_| self.live)
    }

    /// The value of the live entry.
    fn value(&self) -> Option<&'a V> {
        self.live().map(|found| &found.entry.value)
    }
}

/// What a write says beside its pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'w> {
    pub(crate) plain: Plain,
    pub(crate) group: &'w Group,
    /// Of what was loaded.
    pub(crate) stamp: Option<Stamp>,
}

/// What came of a decision.
pub(crate) enum Done<K, V> {
    Added,
    Replaced,
    Removed,
    Kept(Option<(K, V)>),
    Refused(K, V, u64),
}

/// A comparison that may fail, for a search that knows of none: when it has failed, nothing is the same any more.
pub(crate) struct Fallible<F, E> {
    same: F,
    failed: Option<E>,
}

impl<F, E> Fallible<F, E> {
    pub(crate) fn new(same: F) -> Self {
        Fallible { same, failed: None }
    }

    #[inline(always)]
    pub(crate) fn is_same<K>(&mut self, stored: &K) -> bool
    where
        F: FnMut(&K) -> Result<bool, E>,
    {
        self.failed.is_none()
            && (self.same)(stored).unwrap_or_else(|error| {
                self.failed = Some(error);
                false
            })
    }

    /// What the search found, if it did not fail.
    #[inline(always)]
    pub(crate) fn outcome<R>(self, found: R) -> Result<R, E> {
        self.failed.map_or(Ok(found), Err)
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Writer<'_, K, V, S> {
    /// Writes a pair if `when` holds of what is there; it is asked again when that has changed.
    #[inline]
    pub(crate) fn put(
        &self,
        key: K,
        value: V,
        options: InsertOptions,
        when: impl FnMut(Option<&V>) -> bool,
    ) -> Done<K, V> {
        let hash = self.cache.hash(&key);
        let group = self.cache.inner.store.tags.enter(&options.tags);
        let wish = Wish { plain: options.plain, group: &group, stamp: None };
        self.put_hashed(hash, Some((key, value)), &wish, when)
    }

    /// Writes a pair whatever is there.
    #[inline]
    pub(crate) fn insert_with(&self, key: K, value: V, options: &InsertOptions) -> Done<K, V> {
        let group = self.cache.inner.store.tags.enter(&options.tags);
        self.insert(key, value, options.plain, &group)
    }

    /// Writes a pair whatever is there, by the short way if it leads there: equality is asked only if not.
    #[inline]
    pub(crate) fn insert(&self, key: K, value: V, mut plain: Plain, group: &Group) -> Done<K, V> {
        let inner = &self.cache.inner;
        let hash = self.cache.hash(&key);
        if inner.rule.is_some() {
            return self.put_hashed(hash, Some((key, value)), &Wish { plain, group, stamp: None }, |_| true);
        }
        let mut rest = Rest::new(&inner.store, self.company);
        let draft = self.draft(&key, &value, &Wish { plain, group, stamp: None });
        let mut offer = Some((key, value));
        match inner.store.add(hash, &draft, &mut offer, &mut rest) {
            Ok(put) => self.afterwards(hash, (put, draft.weight), offer, &mut rest),
            Err(Changed) => {
                rest.settle();
                // The pair is the same, so is its weight: the weigher is not asked again.
                plain.weight = Some(draft.weight);
                self.put_hashed(hash, offer, &Wish { plain, group, stamp: None }, |_| true)
            }
        }
    }

    /// What is to be written of a pair in a cache without a rule.
    #[inline(always)]
    pub(crate) fn draft<'w>(&self, key: &K, value: &V, wish: &Wish<'w>) -> Draft<'w> {
        let inner = &self.cache.inner;
        let (terms, group) = (wish.plain.terms, wish.group);
        let (deadline, now) = if terms == Terms::default() && inner.span == Span::NEVER {
            (Deadline::NEVER, inner.store.now())
        } else {
            let now = inner.store.start_time();
            (terms.deadline(inner.span, now), now)
        };
        let weight = self.weigh(key, value, wish);
        Draft { weight, deadline, keeps: false, now, stamp: None, group }
    }

    #[inline(always)]
    fn weigh(&self, key: &K, value: &V, wish: &Wish<'_>) -> u64 {
        let inner = &self.cache.inner;
        match wish.plain.weight {
            Some(weight) if !inner.counted => weight,
            _ => {
                let tags = || wish.group.as_ref().map_or(0, |group| group.bytes());
                inner.weigher.weigh(key, value, || entry_bytes::<K, V>(inner.store.is_timed()) + tags())
            }
        }
    }

    /// Writes what was loaded, unless its key was written or its group outdated since the load began: then the pair is kept.
    pub(crate) fn publish(
        &self,
        hash: Bits,
        pair: (K, V),
        options: &InsertOptions,
        group: &Group,
        stamp: Stamp,
    ) -> Done<K, V> {
        let wish = Wish { plain: options.plain, group, stamp: Some(stamp) };
        self.put_hashed(hash, Some(pair), &wish, |_| true)
    }

    fn put_hashed(
        &self,
        hash: Bits,
        offer: Offer<K, V>,
        wish: &Wish<'_>,
        when: impl FnMut(Option<&V>) -> bool,
    ) -> Done<K, V> {
        let Ok(done) = self.put_seen(hash, offer, wish, when, |writer, inside, key| {
            Ok::<_, Infallible>(writer.see(inside, hash, key))
        });
        done
    }

    /// Writes a pair whatever is there, over the entry that satisfies a comparison that may fail.
    pub(crate) fn put_matching<E>(
        &self,
        hash: Bits,
        offer: Offer<K, V>,
        wish: &Wish<'_>,
        mut same: impl FnMut(&K, &K) -> Result<bool, E>,
    ) -> Result<Done<K, V>, E> {
        self.put_seen(
            hash,
            offer,
            wish,
            |_| true,
            |writer, inside, key| {
                let mut same = Fallible::new(|stored: &K| same(key, stored));
                let seen = writer.see_matching(inside, hash, |stored| same.is_same(stored));
                same.outcome(seen)
            },
        )
    }

    fn put_seen<E>(
        &self,
        hash: Bits,
        mut offer: Offer<K, V>,
        wish: &Wish<'_>,
        mut when: impl FnMut(Option<&V>) -> bool,
        mut see: impl for<'a> FnMut(&'a Self, Inside<'a>, &K) -> Result<Seen<'a, K, V>, E>,
    ) -> Result<Done<K, V>, E> {
        let mut rest = Rest::new(&self.cache.inner.store, self.company);
        let put = loop {
            let pin = Pin::new();
            let Some((key, _)) = &offer else { unreachable!("{KEPT}") };
            let seen = match see(self, Inside::pinned(&pin), key) {
                Ok(seen) => seen,
                Err(error) => break Err(error),
            };
            if !when(seen.value()) {
                break Ok(None);
            }
            match self.write(hash, &seen, &mut offer, wish, &mut rest) {
                Ok(put) => break Ok(Some(put)),
                Err(again) => {
                    let spared = seen.sighting.index;
                    drop(pin);
                    self.make_way(hash, again, spared, &mut rest);
                }
            }
        };
        if let Ok(Some(put)) = put {
            return Ok(self.afterwards(hash, put, offer, &mut rest));
        }
        rest.settle();
        put.map(|_| Done::Kept(offer))
    }

    /// Does what `decide` says about what is there; it is asked again when that has changed.
    pub(crate) fn compute(&self, key: K, mut decide: impl FnMut(Option<&V>) -> Compute<V>) -> Done<K, V> {
        let hash = self.cache.hash(&key);
        let mut rest = Rest::new(&self.cache.inner.store, self.company);
        let mut key = Some(key);
        let mut offer = None;
        let done = loop {
            let pin = Pin::new();
            let Some(there) = key.take().or_else(|| offer.take().map(|(key, _)| key)) else {
                unreachable!("{KEPT}")
            };
            let seen = self.see(Inside::pinned(&pin), hash, &there);
            let tags = &self.cache.inner.store.tags;
            let since = tags.now();
            let (value, options) = match decide(seen.value()) {
                Compute::Put(value) => (value, InsertOptions::new()),
                Compute::PutWith(value, options) => (value, options),
                Compute::Keep => break Err(Done::Kept(None)),
                Compute::Remove => match self.unlink(hash, &seen, &mut rest) {
                    Ok(true) => break Err(Done::Removed),
                    Ok(false) => break Err(Done::Kept(None)),
                    Err(Changed) => {
                        key = Some(there);
                        continue;
                    }
                },
            };
            let Ok(group) = tags.join(&options.tags, since) else {
                // What the closure made it of may be gone.
                key = Some(there);
                continue;
            };
            let wish = Wish { plain: options.plain, group: &group, stamp: None };
            offer = Some((there, value));
            match self.write(hash, &seen, &mut offer, &wish, &mut rest) {
                Ok(put) => break Ok(put),
                Err(again) => {
                    let spared = seen.sighting.index;
                    drop(pin);
                    self.make_way(hash, again, spared, &mut rest);
                }
            }
        };
        match done {
            Err(done) => {
                rest.settle();
                done
            }
            Ok(put) => self.afterwards(hash, put, offer, &mut rest),
        }
    }

    /// Removes the entry if `when` holds of its value, which `out` then looks at.
    pub(crate) fn remove<Q, R>(
        &self,
        key: &Q,
        mut when: impl FnMut(&V) -> bool,
        out: impl FnOnce(&V) -> R,
    ) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.cache.hash(key);
        let mut rest = Rest::new(&self.cache.inner.store, self.company);
        let removed = loop {
            let pin = Pin::new();
            let seen = self.see(Inside::pinned(&pin), hash, key);
            if !seen.value().is_none_or(&mut when) {
                break None;
            }
            if let Ok(removed) = self.unlink(hash, &seen, &mut rest) {
                break seen.value().filter(|_| removed).map(out);
            }
        };
        rest.settle();
        removed
    }

    fn see<'a, Q>(&'a self, inside: Inside<'a>, hash: Bits, key: &Q) -> Seen<'a, K, V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.see_matching(inside, hash, |stored| key.equivalent(stored))
    }

    #[inline(always)]
    fn see_matching<'a>(
        &'a self,
        inside: Inside<'a>,
        hash: Bits,
        matches: impl FnMut(&K) -> bool,
    ) -> Seen<'a, K, V> {
        let store = &self.cache.inner.store;
        let shard = store.shard(hash);
        let (sighting, found) = shard.sight(inside, hash.place(), matches);
        let now = store.now();
        let live = found.is_some_and(|found| shard.is_live(found, || now));
        Seen { sighting, found, live, now }
    }

    /// Takes away what was seen. True if it was live; an expired entry goes as such.
    fn unlink(&self, hash: Bits, seen: &Seen<'_, K, V>, rest: &mut Rest<'_, K, V>) -> Result<bool, Changed> {
        let reason = cause(seen.live, Cause::Removed);
        let gone = self.cache.inner.store.unlink(hash, &seen.sighting, reason, false, rest)?;
        Ok(gone && seen.live)
    }

    #[inline]
    fn write(
        &self,
        hash: Bits,
        seen: &Seen<'_, K, V>,
        offer: &mut Offer<K, V>,
        wish: &Wish<'_>,
        rest: &mut Rest<'_, K, V>,
    ) -> Result<(Put, u64), Again> {
        let inner = &self.cache.inner;
        let Some((key, value)) = &*offer else { unreachable!("{KEPT}") };
        let (deadline, now) = self.deadline(hash, key, value, &wish.plain, seen);
        let weight = self.weigh(key, value, wish);
        let draft =
            Draft { weight, deadline, keeps: wish.plain.keeps, now, stamp: wish.stamp, group: wish.group };
        Ok((inner.store.put(hash, &seen.sighting, seen.live, &draft, offer, rest)?, weight))
    }

    /// Before a write begins anew, outside of its pin.
    fn make_way(&self, hash: Bits, again: Again, spared: Option<u32>, rest: &mut Rest<'_, K, V>) {
        if again.need > 0 {
            self.cache.inner.store.make_way(hash, again.need, spared, rest);
        }
    }

    /// The deadline of a pair, and the time of its writing.
    fn deadline(
        &self,
        hash: Bits,
        key: &K,
        value: &V,
        &Plain { terms, keeps, .. }: &Plain,
        seen: &Seen<'_, K, V>,
    ) -> (Deadline, u64) {
        let inner = &self.cache.inner;
        let untimed = inner.rule.is_none() && terms == Terms::default() && inner.span == Span::NEVER;
        if untimed || (keeps && seen.live) {
            return (Deadline::NEVER, seen.now);
        }
        let now = inner.store.start_time();
        let terms = match &inner.rule {
            None => terms,
            Some(rule) => {
                let shard = inner.store.shard(hash);
                let deadline = |found| shard.times(found).map_or(Deadline::NEVER, |times| times.deadline());
                terms.ask(&**rule, key, value, seen.live().map(deadline), now)
            }
        };
        (terms.deadline(inner.span, now), now)
    }

    /// Settles; and when nothing is owed any more, the shadows see a miss, the listener a refusal.
    #[inline]
    pub(crate) fn afterwards(
        &self,
        hash: Bits,
        (put, weight): (Put, u64),
        offer: Offer<K, V>,
        rest: &mut Rest<'_, K, V>,
    ) -> Done<K, V> {
        if let (Put::Refused, Some((key, value))) = (put, &offer) {
            self.tell_refusal(key, value, rest);
        } else {
            rest.settle();
        }
        match (put, offer) {
            (Put::Replaced, _) => Done::Replaced,
            (Put::Stale, offer) => Done::Kept(offer),
            (Put::Refused, Some((key, value))) => Done::Refused(key, value, weight),
            (Put::Added | Put::Refused, _) => {
                self.sample(hash);
                Done::Added
            }
        }
    }

    /// Settles and tells the listener of a refusal, though what it does or drops before should panic: no later call has the pair.
    #[cold]
    fn tell_refusal(&self, key: &K, value: &V, rest: &mut Rest<'_, K, V>) {
        let settled = catch_unwind(AssertUnwindSafe(|| rest.settle()));
        if let Some(listener) = &self.cache.inner.store.listener {
            listener(key, value, Cause::Refused);
        }
        if let Err(panic) = settled {
            resume_unwind(panic);
        }
    }

    /// A key was not there and is now; if it is in the sample, the shadows see that.
    #[inline(always)]
    pub(crate) fn sample(&self, hash: Bits) {
        if self.cache.inner.store.adapt.samples(hash) {
            self.miss(hash);
        }
    }

    /// A sampled key was not there and is now.
    #[cold]
    fn miss(&self, hash: Bits) {
        let store = &self.cache.inner.store;
        let capacity = store.budget.capacity();
        let full = || store.budget.used() >= capacity - capacity / 8;
        store.adapt.miss(hash, || match self.cache.inner.counted {
            true => usize::try_from(capacity).ok(),
            false => full().then(|| self.cache.len()),
        });
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use crate::{Cache, Cause, Inserted};
    use std::sync::{Arc, Mutex};

    #[test]
    fn g03_g29_without_an_index_left_a_write_is_refused_and_counted_and_the_old_value_is_gone() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let notes = told.clone();
        let listener = move |key: &u32, value: &u32, cause| {
            notes.lock().expect("no panic").push((*key, *value, cause));
        };
        let cache: Cache<u32, u32> =
            Cache::builder().capacity(100).shards(1).listener(listener).build().expect("a good description");
        cache.inner.store.lock(0).limit_rows(4);
        (0..4).for_each(|key| assert_eq!(cache.insert(key, key), Inserted::Added));
        assert_eq!(cache.insert(4, 40), Inserted::Refused { key: 4, value: 40, weight: 1 });
        assert_eq!((cache.stats().refused, cache.len()), (1, 4), "there was no value under this key");
        assert_eq!(cache.insert(2, 20), Inserted::Refused { key: 2, value: 20, weight: 1 });
        let stats = cache.stats();
        assert_eq!((cache.get(&2), stats.refused, stats.replaced), (None, 2, 1));
        assert_eq!((cache.len(), cache.weight()), (3, 3), "no weight was kept");
        let expected = [(4, 40, Cause::Refused), (2, 2, Cause::Replaced), (2, 20, Cause::Refused)];
        assert_eq!(*told.lock().expect("no panic"), expected);
        cache.validate();
        // Readers of other tests may hold up what left.
        while cache.stats().retired > 0 {
            std::thread::yield_now();
            cache.maintain(0);
        }
        assert_eq!(cache.insert(2, 21), Inserted::Added, "its row is free again");
        cache.validate();
    }
}
