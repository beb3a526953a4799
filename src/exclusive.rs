//! For callers who are alone: an interpreter that holds its lock, a program of one thread.
//!
//! What an [`Exclusive`] removes is dropped before the call returns, because no guard can be looking at it. It also finds and writes keys
//! by a comparison that may fail, as an interpreter's may.
//!
//! User code may come back to the cache from within a call. So every call holds a pin while it looks, and a call inside of another
//! leaves what it removes to the next one outside.
//!
//! This module is for language bindings. It is exempt from the promises of semantic versioning, and `unsafe`: the compiler
//! cannot check that nobody else is there.

use crate::cache::Cache;
use crate::hash::Hash as Bits;
use crate::options::{Compute, InsertOptions, Inserted, Plain};
use crate::reclaim::Pin;
use crate::settle::Rest;
use crate::shard::{Draft, Inside, Located, Offer, Sighting};
use crate::store::Company;
use crate::tags::Group;
use crate::writer::{Done, Fallible, Wish, Writer};
use equivalent::Equivalent;
use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::mem::ManuallyDrop;

/// A cache that nobody else uses while this value lives.
///
/// Reads borrow it, writes borrow it mutably, so a value that was read cannot be looked at after a write that might have
/// dropped it.
///
/// ```
/// use pinyon::{Cache, exclusive::Exclusive};
///
/// let cache = Cache::builder().capacity(10).build()?;
/// // SAFETY: there is one thread, and no guard of this cache is alive.
/// let mut alone = unsafe { Exclusive::new(&cache) };
/// alone.insert("key", "value");
/// assert_eq!(alone.get("key"), Some(&"value"));
/// # Ok::<(), pinyon::BuildError>(())
/// ```
pub struct Exclusive<'c, K, V, S> {
    cache: &'c Cache<K, V, S>,
}

impl<'c, K: Eq + Hash, V, S: BuildHasher> Exclusive<'c, K, V, S> {
    /// Of a cache that nobody else uses.
    ///
    /// # Safety
    ///
    /// While any borrow taken from this value is in use, or one of its methods runs: no other thread calls any method of any handle
    /// of the cache, no [`ValueRef`](crate::ValueRef), [`Pinned`](crate::Pinned) or [`Iter`](crate::Iter) of it is alive
    /// anywhere, and the calling thread writes to the cache only through this value. User code that a method runs
    /// (equality, drop, listener and the others) may make an `Exclusive` of its own, if no borrow taken from this one is in use.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// let cache = Cache::builder().capacity(10).build()?;
    /// // SAFETY: there is one thread, and no guard of this cache is alive.
    /// let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[must_use]
    #[allow(unsafe_code)]
    pub unsafe fn new(cache: &'c Cache<K, V, S>) -> Self {
        Exclusive { cache }
    }

    fn writer(&mut self) -> Writer<'c, K, V, S> {
        Writer { cache: self.cache, company: Company::Alone }
    }

    #[allow(unsafe_code)]
    fn inside(&self) -> Inside<'_> {
        // SAFETY: the contract of `new`: nobody else is there, and writes need `&mut self`.
        unsafe { Inside::exclusive() }
    }

    /// As [`Cache::get`], without a guard and without a clone.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// assert_eq!((alone.get("a"), alone.get("b")), (Some(&1), None));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let _reentry = Pin::new();
        Some(&self.cache.read(self.inside(), self.cache.line(usize::MAX), key)?.entry.value)
    }

    /// As [`get`](Self::get), but a key that is not there is not counted as a miss: for callers who will then ask by
    /// [`Cache::acquire`], which counts it.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::<&str, i32>::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// assert_eq!((alone.get_present("a"), cache.stats().misses), (None, 0));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline]
    pub fn get_present<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let _reentry = Pin::new();
        let hash = self.cache.hash(key);
        let (shard, found, _) =
            self.cache.look_matching(self.inside(), hash, |stored| key.equivalent(stored))?;
        let line = self.cache.line(usize::MAX);
        Some(&self.cache.finish_read(line, hash, shard, Some(found))?.entry.value)
    }

    /// As [`Cache::peek`], without a guard and without a clone.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// assert_eq!((alone.peek("a"), cache.stats().hits), (Some(&1), 0));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline]
    pub fn peek<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let _reentry = Pin::new();
        Some(&self.cache.look(self.inside(), key)?.1.entry.value)
    }

    /// As [`peek`](Self::peek), with the key as it is stored.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// assert_eq!(alone.peek_key_value("a"), Some((&"a", &1)));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline]
    pub fn peek_key_value<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let _reentry = Pin::new();
        let entry = self.cache.look(self.inside(), key)?.1.entry;
        Some((&entry.key, &entry.value))
    }

    /// Looks at every entry, in no order, and leaves no trace: for a collector of garbage, so also at those that have expired and
    /// are not out yet.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// alone.insert("b", 2);
    /// let mut sum = 0;
    /// alone.for_each_stored(|_, value| sum += value);
    /// assert_eq!(sum, 3);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn for_each_stored(&self, mut look: impl FnMut(&K, &V)) {
        let _reentry = Pin::new();
        let store = &self.cache.inner.store;
        for shard in 0..store.shards.len() {
            let stored = store.lock(shard).stored(self.inside());
            stored.into_iter().for_each(|entry| look(&entry.key, &entry.value));
        }
    }

    /// Reads the entry whose key has the given hash and satisfies a comparison that may fail. `hash` is what the cache's hasher
    /// makes of the key. The first error is returned; the cache is as it was, but for the count of a
    /// miss.
    ///
    /// # Errors
    ///
    /// Those of `matches`.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # use std::hash::{BuildHasher, RandomState};
    /// # let hasher = RandomState::new();
    /// # let cache = Cache::builder().capacity(10).hasher(hasher.clone()).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// let hash = hasher.hash_one("a");
    /// assert_eq!(alone.find(hash, |stored| Ok::<_, ()>(*stored == "a")), Ok(Some((&"a", &1))));
    /// assert_eq!(alone.find(hash, |_| Err("cannot tell")), Err("cannot tell"));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn find<E>(
        &self,
        hash: u64,
        matches: impl FnMut(&K) -> Result<bool, E>,
    ) -> Result<Option<(&K, &V)>, E> {
        let _reentry = Pin::new();
        let hash = Bits::new(hash);
        let shard = self.cache.inner.store.shard(hash);
        let mut same = Fallible::new(matches);
        let found = shard.find(self.inside(), hash.place(), |stored| same.is_same(stored));
        let found = same.outcome(found);
        let line = self.cache.line(usize::MAX);
        let read = self.cache.finish_read(line, hash, shard, *found.as_ref().unwrap_or(&None));
        found.map(|_| read.map(|found| (&found.entry.key, &found.entry.value)))
    }

    /// As [`Cache::insert`]; what it replaces and evicts is dropped before it returns.
    ///
    /// ```
    /// # use pinyon::{Cache, Inserted, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// assert_eq!(alone.insert("a", 1), Inserted::Added);
    /// assert_eq!(alone.insert("a", 2), Inserted::Replaced);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn insert(&mut self, key: K, value: V) -> Inserted<K, V> {
        let hash = self.cache.hash(&key);
        let same = |key: &K, stored: &K| Ok::<_, Infallible>(key == stored);
        let Ok(inserted) = self.write(hash, (key, value), Plain::default(), &None, same);
        inserted
    }

    /// As [`Cache::insert_with`]; what it replaces and evicts is dropped before it returns.
    ///
    /// ```
    /// # use pinyon::{Cache, InsertOptions, exclusive::Exclusive};
    /// # use std::time::Duration;
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert_with("a", 1, InsertOptions::new().ttl(Duration::from_secs(60)));
    /// assert!(cache.metadata("a").unwrap().remaining.is_some());
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn insert_with(&mut self, key: K, value: V, options: InsertOptions) -> Inserted<K, V> {
        let hash = self.cache.hash(&key).bits();
        let same = |key: &K, stored: &K| Ok::<_, Infallible>(key == stored);
        let Ok(inserted) = self.set(hash, key, value, options, same);
        inserted
    }

    /// As [`insert`](Self::insert), of a key with the given hash, over the entry that satisfies a comparison that may fail: `same` is told
    /// the key and one that is stored. `hash` is what the cache's hasher makes of the key. The first error is returned; then the pair is
    /// dropped, and the cache is as it was. A pair of keys may be compared more than once.
    ///
    /// # Errors
    ///
    /// Those of `same`.
    ///
    /// ```
    /// # use pinyon::{Cache, InsertOptions, Inserted, exclusive::Exclusive};
    /// # use std::hash::{BuildHasher, RandomState};
    /// # let hasher = RandomState::new();
    /// # let cache = Cache::builder().capacity(10).hasher(hasher.clone()).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// let (hash, options) = (hasher.hash_one("a"), InsertOptions::new());
    /// let done = alone.set(hash, "a", 1, options.clone(), |key, stored| Ok::<_, ()>(key == stored));
    /// assert_eq!(done, Ok(Inserted::Added));
    /// assert_eq!(alone.set(hash, "a", 2, options, |_, _| Err("cannot tell")), Err("cannot tell"));
    /// assert_eq!(alone.get("a"), Some(&1));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn set<E>(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        options: InsertOptions,
        same: impl FnMut(&K, &K) -> Result<bool, E>,
    ) -> Result<Inserted<K, V>, E> {
        let group = self.cache.inner.store.tags.enter(&options.tags);
        self.write(Bits::new(hash), (key, value), options.plain, &group, same)
    }

    /// Inlined, so that a write without options does not ask for any.
    #[inline(always)]
    fn write<E>(
        &mut self,
        hash: Bits,
        pair: (K, V),
        plain: Plain,
        group: &Group,
        mut same: impl FnMut(&K, &K) -> Result<bool, E>,
    ) -> Result<Inserted<K, V>, E> {
        let inner = &self.cache.inner;
        let over =
            plain == Plain::default() && group.is_none() && inner.counted && inner.store.listener.is_none();
        let mut wish = Wish { plain, group, stamp: None };
        let mut offer = Some(pair);
        if inner.rule.is_none()
            && let Some(done) = self.set_once(hash, &mut offer, &mut wish, over, &mut same)?
        {
            return Ok(done.into());
        }
        Ok(self.writer().put_matching(hash, offer, &wish, same)?.into())
    }

    /// Writes a pair by one search, in a cache without a rule. `None` if that does not do; then the pair is still offered. `over`: it may
    /// be written over an entry without more ado, as its weight is the same and there is nobody to tell.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn set_once<E>(
        &mut self,
        hash: Bits,
        offer: &mut Offer<K, V>,
        wish: &mut Wish<'_>,
        over: bool,
        same: &mut impl FnMut(&K, &K) -> Result<bool, E>,
    ) -> Result<Option<Done<K, V>>, E> {
        let (writer, store) = (self.writer(), &self.cache.inner.store);
        let Some((key, value)) = &*offer else { return Ok(None) };
        let draft = writer.draft(key, value, wish);
        // The pair stays the same, so does its weight: the weigher is not asked again.
        wish.plain.weight = Some(draft.weight);
        let pin = Pin::new();
        let mut asks = false;
        let mut asked = Fallible::new(|stored: &K| {
            asks = true;
            same(key, stored)
        });
        let found = store.shard(hash).find(self.inside(), hash.place(), |stored| asked.is_same(stored));
        let found = asked.outcome(found)?.map(|found| (found.index, found.entry.is_tagged()));
        let outermost = pin.is_outermost();
        drop(pin);
        match found {
            // No code of the user's ran, so nothing has changed since the search.
            None if !asks => {
                let mut rest = Rest::new(store, Company::Alone);
                // SAFETY: the contract of `new`.
                let (added, gone) = unsafe { store.add_absent(hash, &draft, offer, outermost, &mut rest) };
                drop(gone);
                let Ok(put) = added else {
                    rest.settle();
                    return Ok(None);
                };
                Ok(Some(writer.afterwards(hash, (put, draft.weight), offer.take(), &mut rest)))
            }
            Some((index, false)) if over && outermost => {
                Ok(self.overwrite(hash, index, offer, &draft).then_some(Done::Replaced))
            }
            _ => Ok(None),
        }
    }

    /// Writes a pair over an entry without tags that a search found, if it is there and live: then the pair lies where the old one
    /// lay, and nothing but that was moved. The thread holds no pin.
    #[allow(unsafe_code)]
    fn overwrite(&mut self, hash: Bits, index: u32, offer: &mut Offer<K, V>, draft: &Draft<'_>) -> bool {
        let store = &self.cache.inner.store;
        let number = store.shard_of(hash);
        let (mut rest, mut room) = (Rest::new(store, Company::Alone), store.budget.room_alone());
        // SAFETY: the contract of `new`; no code of the user's runs under it, and none of ours locks.
        let mut locked = unsafe { store.lock_alone(number) };
        locked.tend(draft.now, store.adapt.window(), &mut room);
        // The comparison may have written to the cache, and the tending may have removed what had expired.
        let sighting = Sighting { index: Some(index), ..Sighting::default() };
        let there = matches!(locked.locate(hash.place(), &sighting), Located::Here(_))
            && locked.is_live(index, draft.now);
        let old = offer.take_if(|_| there).map(|pair| {
            // SAFETY: the contract of `new`, and no pin of this thread is left: nobody is looking. It is there, as was just confirmed.
            unsafe { locked.overwrite(index, pair, draft.deadline, draft.now) }
        });
        rest.leave(number, locked);
        drop(room);
        let written = old.is_some();
        // Before what else is due: dropped while that unwinds, it might panic too.
        drop(old);
        rest.settle();
        written
    }

    /// As [`Cache::insert_if_absent`].
    ///
    /// ```
    /// # use pinyon::{Cache, InsertOptions, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// assert!(alone.insert_if_absent("a", 1, InsertOptions::new()).is_stored());
    /// assert!(!alone.insert_if_absent("a", 2, InsertOptions::new()).is_stored());
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn insert_if_absent(&mut self, key: K, value: V, options: InsertOptions) -> Inserted<K, V> {
        self.writer().put(key, value, options, |there| there.is_none()).into()
    }

    /// As [`Cache::compute`].
    ///
    /// ```
    /// # use pinyon::{Cache, Compute, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.compute("a", |there| Compute::Put(there.map_or(1, |n| n + 1)));
    /// alone.compute("a", |there| Compute::Put(there.map_or(1, |n| n + 1)));
    /// assert_eq!(alone.get("a"), Some(&2));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn compute(&mut self, key: K, decide: impl FnMut(Option<&V>) -> Compute<V>) -> crate::Computed<V> {
        let done: Done<K, V> = self.writer().compute(key, decide);
        done.into()
    }

    /// As [`Cache::set_capacity`]; what it evicts is dropped before it returns.
    ///
    /// # Errors
    ///
    /// If `capacity` is 0, or of a budget of bytes below 1024; nothing changes then.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// (0..10).for_each(|n| drop(alone.insert(n, n)));
    /// alone.set_capacity(5)?;
    /// assert_eq!((cache.len(), cache.capacity()), (5, 5));
    /// assert!(alone.set_capacity(0).is_err());
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn set_capacity(&mut self, capacity: u64) -> Result<(), crate::BuildError> {
        self.cache.resize(capacity, Company::Alone)
    }

    /// As [`Cache::invalidate`]; `out` looks at the value before it is dropped. If `out` panics, the pair may never be dropped.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// assert_eq!(alone.remove("a", |value| *value), Some(1));
    /// assert_eq!(alone.remove("a", |value| *value), None);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[allow(unsafe_code)]
    pub fn remove<Q, R>(&mut self, key: &Q, out: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (hash, store) = (self.cache.hash(key), &self.cache.inner.store);
        let (pin, now) = (Pin::new(), store.now());
        let shard = store.shard(hash);
        let found = shard.find(self.inside(), hash.place(), |stored| key.equivalent(stored));
        let index = found.map(|found| found.index).filter(|_| pin.is_outermost());
        drop(pin);
        if let Some(index) = index {
            let mut rest = Rest::new(store, Company::Alone);
            // SAFETY: the contract of `new`.
            if let Some(gone) = unsafe { store.take_out(hash, index, now, &mut rest) } {
                // Dropped while `out` unwinds, it might panic too.
                let gone = ManuallyDrop::new(gone);
                let told = out(&gone.value);
                drop(ManuallyDrop::into_inner(gone));
                rest.settle();
                return Some(told);
            }
        }
        self.writer().remove(key, |_| true, out)
    }

    /// As [`Cache::clear`].
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// alone.clear();
    /// assert!(cache.is_empty());
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn clear(&mut self) {
        let store = &self.cache.inner.store;
        store.clear(&mut Rest::thorough(store, Company::Alone));
    }

    /// As [`Cache::invalidate_all`]; what it must sweep out is dropped before it returns.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// alone.invalidate_all();
    /// assert_eq!(alone.get("a"), None);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn invalidate_all(&mut self) {
        let store = &self.cache.inner.store;
        store.invalidate_all(&mut Rest::new(store, Company::Alone));
    }

    /// As [`Cache::invalidate_tag`].
    ///
    /// ```
    /// # use pinyon::{Cache, InsertOptions, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert_with("a", 1, InsertOptions::new().tags(["odd"]));
    /// alone.invalidate_tag("odd");
    /// assert_eq!(alone.get("a"), None);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn invalidate_tag(&mut self, tag: impl AsRef<[u8]>) {
        self.cache.invalidate_tag(tag);
    }

    /// As [`Cache::maintain`].
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// # let cache = Cache::builder().capacity(10).build()?;
    /// # // SAFETY: there is one thread, and no guard of this cache is alive.
    /// # let mut alone = unsafe { Exclusive::new(&cache) };
    /// alone.insert("a", 1);
    /// alone.invalidate_all();
    /// while !alone.maintain(1000).done {}
    /// assert!(cache.is_empty());
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn maintain(&mut self, budget: usize) -> crate::Maintained {
        self.cache.maintain_all(budget, Company::Alone)
    }
}

impl<K, V, S> fmt::Debug for Exclusive<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").finish_non_exhaustive()
    }
}
