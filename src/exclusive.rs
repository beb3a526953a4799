//! For callers who are alone: an interpreter that holds its lock, a program of one thread.
//!
//! What an [`Exclusive`] removes is dropped before the call returns, because no guard can be looking at it. It also finds and writes keys
//! by a comparison that may fail, as an interpreter's may.
//!
//! User code may come back to the cache from within a call. So every call holds a pin while it looks, and a call inside of another
//! leaves what it removes to the next one outside. Who knows that none comes back does without
//! ([`Exclusive::non_reentrant`]).
//!
//! This module is for language bindings. It is exempt from the promises of semantic versioning, and `unsafe`: the compiler
//! cannot check that nobody else is there.

use crate::cache::Cache;
use crate::hash::Hash as Bits;
use crate::options::{Compute, InsertOptions, Inserted, Plain};
use crate::reclaim::Pin;
use crate::settle::Rest;
use crate::shard::{Found, Inside, Offer, Shard};
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
///
/// `REENTRANT`: user code that a method runs may come back to the cache.
pub struct Exclusive<'c, K, V, S, const REENTRANT: bool = true> {
    cache: &'c Cache<K, V, S>,
}

/// A call while it looks: one from within it, by user code, finds that it is not the outermost.
struct Visit(Option<Pin>);

impl Visit {
    #[inline(always)]
    fn is_outermost(&self) -> bool {
        self.0.as_ref().is_none_or(Pin::is_outermost)
    }
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
}

impl<'c, K: Eq + Hash, V, S: BuildHasher> Exclusive<'c, K, V, S, false> {
    /// As [`new`](Exclusive::new), where no user code comes back to the cache: then calls need not look after those from within them, and
    /// take fewer steps.
    ///
    /// # Safety
    ///
    /// As for `new`; the calling thread holds no guard of any other cache either, and is not within a call of any cache; and no user code that a
    /// method runs (hashing, equality, clone, drop, weigher, listener, rule, ticker, a closure that it was given) calls any method of any cache.
    ///
    /// ```
    /// # use pinyon::{Cache, exclusive::Exclusive};
    /// let cache = Cache::builder().capacity(10).build()?;
    /// // SAFETY: there is one thread, no guard of this cache is alive, and what strings and numbers do knows of no cache.
    /// let mut alone = unsafe { Exclusive::non_reentrant(&cache) };
    /// alone.insert("a", 1);
    /// assert_eq!(alone.get("a"), Some(&1));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[must_use]
    #[allow(unsafe_code)]
    pub unsafe fn non_reentrant(cache: &'c Cache<K, V, S>) -> Self {
        Exclusive { cache }
    }
}

impl<'c, K: Eq + Hash, V, S: BuildHasher, const REENTRANT: bool> Exclusive<'c, K, V, S, REENTRANT> {
    /// With debug assertions, of any caller, to see whether one is right who says that none comes back.
    #[inline(always)]
    fn visit(&self) -> Visit {
        let visit = Visit((REENTRANT || cfg!(debug_assertions)).then(Pin::new));
        debug_assert!(REENTRANT || visit.is_outermost(), "user code came back to the cache");
        visit
    }

    /// What a read does beside finding an entry, or none.
    #[inline(always)]
    fn finish_read<'a>(
        &'a self,
        hash: Bits,
        shard: &Shard<K, V>,
        found: Option<Found<'a, K, V>>,
    ) -> Option<Found<'a, K, V>> {
        self.cache.finish_read(Company::Alone, self.cache.line_alone(), hash, shard, found)
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
        let _visit = self.visit();
        let hash = self.cache.hash(key);
        let shard = self.cache.inner.store.shard(hash);
        let found = shard.find(self.inside(), hash.place(), |stored| key.equivalent(stored));
        Some(&self.finish_read(hash, shard, found)?.entry.value)
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
        let _visit = self.visit();
        let hash = self.cache.hash(key);
        let (shard, found, _) =
            self.cache.look_matching(self.inside(), hash, |stored| key.equivalent(stored))?;
        Some(&self.finish_read(hash, shard, Some(found))?.entry.value)
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
        let _visit = self.visit();
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
        let _visit = self.visit();
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
        let _visit = self.visit();
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
        let _visit = self.visit();
        let hash = Bits::new(hash);
        let shard = self.cache.inner.store.shard(hash);
        let mut same = Fallible::new(matches);
        let found = shard.find(self.inside(), hash.place(), |stored| same.is_same(stored));
        let found = same.outcome(found);
        let read = self.finish_read(hash, shard, *found.as_ref().unwrap_or(&None));
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
        let mut wish = Wish { plain, group, stamp: None };
        let mut offer = Some(pair);
        if inner.rule.is_none()
            && inner.store.listener.is_none()
            && let Some(done) = self.write_once(hash, &mut offer, &mut wish, &mut same)?
        {
            return Ok(done);
        }
        Ok(self.writer().put_matching(hash, offer, &wish, same)?.into())
    }

    /// Writes a pair by one search, in a cache without a rule and without a listener. `None` if that does not do; then the pair is still offered.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn write_once<E>(
        &mut self,
        hash: Bits,
        offer: &mut Offer<K, V>,
        wish: &mut Wish<'_>,
        same: &mut impl FnMut(&K, &K) -> Result<bool, E>,
    ) -> Result<Option<Inserted<K, V>>, E> {
        let (writer, store) = (self.writer(), &self.cache.inner.store);
        let Some((key, value)) = &*offer else { return Ok(None) };
        let draft = writer.draft(key, value, wish);
        // Of the same weight as what it is written over, and nothing but the pair is to be written.
        let over = self.cache.inner.counted && wish.plain == Plain::default() && wish.group.is_none();
        // The pair stays the same, so does its weight: the weigher is not asked again.
        wish.plain.weight = Some(draft.weight);
        let visit = self.visit();
        let mut asks = false;
        let mut asked = Fallible::new(|stored: &K| {
            asks = true;
            same(key, stored)
        });
        let found = store.shard(hash).find(self.inside(), hash.place(), |stored| asked.is_same(stored));
        let found = asked.outcome(found)?.map(|found| (found, found.entry.is_tagged()));
        let changed = REENTRANT && asks;
        if !visit.is_outermost() {
            return Ok(None);
        }
        let (left, done) = match found {
            None if !changed => {
                drop(visit);
                // SAFETY: the contract of `new`, and no pin of this thread is left.
                (unsafe { store.add_alone(hash, &draft, offer) }, Inserted::Added)
            }
            Some((found, false)) if over && store.shard(hash).is_live(found, || draft.now) => {
                let index = found.index;
                drop(visit);
                // SAFETY: as above; if user code ran that might have removed it, it is looked for.
                (unsafe { store.overwrite_alone(hash, index, changed, &draft, offer) }, Inserted::Replaced)
            }
            _ => return Ok(None),
        };
        let Some(left) = left else { return Ok(None) };
        if matches!(done, Inserted::Added) {
            writer.sample(hash);
        }
        left.settle();
        Ok(Some(done))
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
        let (visit, now) = (self.visit(), store.now());
        let shard = store.shard(hash);
        let found = shard.find(self.inside(), hash.place(), |stored| key.equivalent(stored));
        let plainly = visit.is_outermost() && store.listener.is_none();
        let index = found.filter(|&found| plainly && shard.is_live(found, || now)).map(|found| found.index);
        drop(visit);
        // SAFETY: the contract of `new`, and no pin of this thread is left.
        let left = index.and_then(|index| unsafe { store.remove_alone(hash, index) });
        if let Some(left) = left {
            // Dropped while `out` unwinds, it might panic too.
            let left = ManuallyDrop::new(left);
            let told = left.pair.as_ref().map(|(_, value)| out(value));
            ManuallyDrop::into_inner(left).settle();
            return told;
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

impl<K, V, S, const REENTRANT: bool> fmt::Debug for Exclusive<'_, K, V, S, REENTRANT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").finish_non_exhaustive()
    }
}
