//! For callers who are alone: an interpreter that holds its lock, a program of one thread.
//!
//! What an [`Exclusive`] removes is dropped before the call returns, because no guard can be looking at it. It also finds keys by a
//! comparison that may fail, as an interpreter's may.
//!
//! User code may come back to the cache from within a call. So every call holds a pin while it looks, and a call inside of another
//! leaves what it removes to the next one outside.
//!
//! This module is for language bindings. It is exempt from the promises of semantic versioning, and `unsafe`: the compiler
//! cannot check that nobody else is there.

use crate::cache::Cache;
use crate::expiry::Terms;
use crate::hash::Hash as Bits;
use crate::iter::Cursor;
use crate::options::{Compute, InsertOptions, Inserted};
use crate::reclaim::{self, Pin};
use crate::settle::Rest;
use crate::shard::{Inside, Located, Sighting};
use crate::store::Company;
use crate::writer::{Done, Writer};
use equivalent::Equivalent;
use std::fmt;
use std::hash::{BuildHasher, Hash};

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
/// alone.insert("key", "value", Default::default());
/// assert_eq!(alone.get("key"), Some(&"value"));
/// # Ok::<(), pinyon::BuildError>(())
/// ```
pub struct Exclusive<'c, K, V, S> {
    cache: &'c Cache<K, V, S>,
}

impl<'c, K: Eq + Hash, V, S: BuildHasher> Exclusive<'c, K, V, S> {
    /// # Safety
    ///
    /// While any borrow taken from this value is in use, or one of its methods runs: no other thread calls any method of any handle
    /// of the cache, no [`ValueRef`](crate::ValueRef), [`Pinned`](crate::Pinned) or [`Iter`](crate::Iter) of it is alive
    /// anywhere, and the calling thread writes to the cache only through this value. User code that a method runs
    /// (equality, drop, listener and the others) may make an `Exclusive` of its own, if no borrow taken from this one is in use.
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
    #[inline]
    pub fn peek<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let _reentry = Pin::new();
        Some(&self.cache.look(self.inside(), key)?.1.entry.value)
    }

    /// As [`peek`](Self::peek), with the key as it is stored.
    #[inline]
    pub fn peek_key_value<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let _reentry = Pin::new();
        let entry = self.cache.look(self.inside(), key)?.1.entry;
        Some((&entry.key, &entry.value))
    }

    /// Looks at every live entry and leaves no trace, in the order of [`Cache::iter`].
    pub fn for_each(&self, mut look: impl FnMut(&K, &V)) {
        let _reentry = Pin::new();
        let mut cursor = Cursor::START;
        while let Some((shard, found)) = cursor.next(self.cache, self.inside()) {
            let store = &self.cache.inner.store;
            for found in found {
                if store.shards[shard].is_live(found, || store.time.now()) {
                    look(&found.entry.key, &found.entry.value);
                }
            }
        }
    }

    /// Reads the entry whose key has the given hash and satisfies a comparison that may fail. `hash` is what the cache's hasher
    /// makes of the key. The first error is returned; the cache is as it was, but for the count of a
    /// miss.
    ///
    /// # Errors
    ///
    /// Those of `matches`.
    pub fn find<E>(
        &self,
        hash: u64,
        mut matches: impl FnMut(&K) -> Result<bool, E>,
    ) -> Result<Option<(&K, &V)>, E> {
        let mut failed = None;
        let _reentry = Pin::new();
        let hash = Bits::new(hash);
        let shard = self.cache.inner.store.shard(hash);
        let found = shard.find(self.inside(), hash.place(), |key| {
            failed.is_none()
                && matches(key).unwrap_or_else(|error| {
                    failed = Some(error);
                    false
                })
        });
        let found = self.cache.finish_read(
            self.cache.line(usize::MAX),
            hash,
            shard,
            found.filter(|_| failed.is_none()),
        );
        match failed {
            Some(error) => Err(error),
            None => Ok(found.map(|found| (&found.entry.key, &found.entry.value))),
        }
    }

    /// As [`Cache::insert_with`]; what it replaces and evicts is dropped before it returns.
    pub fn insert(&mut self, key: K, value: V, options: InsertOptions) -> Inserted<K, V> {
        let inner = &self.cache.inner;
        let simple = options == InsertOptions::new() && inner.counted && inner.rule.is_none();
        match simple && inner.store.listener.is_none() && !reclaim::is_inside() {
            false => self.writer().insert_with(key, value, &options).into(),
            true => match self.overwrite(key, value) {
                None => Inserted::Replaced,
                Some((key, value)) => self.writer().insert_with(key, value, &options).into(),
            },
        }
    }

    /// Writes a pair over the live entry of its key, if that is as simple as it can be: then the pair lies where the old one
    /// lay, and nothing but that was moved. Else the pair comes back.
    #[allow(unsafe_code)]
    fn overwrite(&mut self, key: K, value: V) -> Option<(K, V)> {
        let cache = self.cache;
        let store = &cache.inner.store;
        let hash = cache.hash(&key);
        let found = {
            let _reentry = Pin::new();
            let found = store.shard(hash).find(self.inside(), hash.place(), |stored| *stored == key);
            found.filter(|found| !found.entry.is_tagged()).map(|found| found.index)
        };
        let Some(index) = found else { return Some((key, value)) };
        let number = store.shard_of(hash);
        let (mut rest, mut room) = (Rest::new(store, Company::Alone), store.budget.room());
        let now = store.now();
        let mut locked = store.lock(number);
        locked.tend(now, store.adapt.window(), &mut room);
        // Equality may have written to the cache, and the tending may have removed what had expired.
        let sighting = Sighting { index: Some(index), ..Sighting::default() };
        let outcome = match locked.locate(hash.place(), &sighting) {
            Located::Here(_) if locked.is_live(index, now) => {
                let deadline = Terms::default().deadline(cache.inner.span, now);
                // SAFETY: the contract of `new`, and no pin of this thread is left: nobody is looking. It is there, as was just confirmed.
                Err(unsafe { locked.overwrite(index, (key, value), deadline, now) })
            }
            _ => Ok((key, value)),
        };
        rest.leave(number, locked);
        drop(room);
        rest.settle();
        outcome.ok()
    }

    /// As [`Cache::insert_if_absent`].
    pub fn insert_if_absent(&mut self, key: K, value: V, options: InsertOptions) -> Inserted<K, V> {
        self.writer().put(key, value, options, |there| there.is_none()).into()
    }

    /// As [`Cache::compute`].
    pub fn compute(&mut self, key: K, decide: impl FnMut(Option<&V>) -> Compute<V>) -> crate::Computed<V> {
        let done: Done<K, V> = self.writer().compute(key, decide);
        done.into()
    }

    /// As [`Cache::set_capacity`]; what it evicts is dropped before it returns.
    ///
    /// # Errors
    ///
    /// If `capacity` is 0; nothing changes then.
    pub fn set_capacity(&mut self, capacity: u64) -> Result<(), crate::BuildError> {
        self.cache.resize(capacity, Company::Alone)
    }

    /// As [`Cache::invalidate`]; `out` looks at the value before it is dropped.
    pub fn remove<Q, R>(&mut self, key: &Q, out: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.writer().remove(key, |_| true, out)
    }

    /// As [`Cache::clear`].
    pub fn clear(&mut self) {
        let store = &self.cache.inner.store;
        store.clear(&mut Rest::thorough(store, Company::Alone));
    }

    /// As [`Cache::invalidate_all`]; what it must sweep out is dropped before it returns.
    pub fn invalidate_all(&mut self) {
        let store = &self.cache.inner.store;
        store.invalidate_all(&mut Rest::new(store, Company::Alone));
    }

    /// As [`Cache::invalidate_tag`].
    pub fn invalidate_tag(&mut self, tag: impl AsRef<[u8]>) {
        self.cache.invalidate_tag(tag);
    }

    /// As [`Cache::maintain`].
    pub fn maintain(&mut self, budget: usize) -> crate::Maintained {
        self.cache.maintain_all(budget, Company::Alone)
    }
}

impl<K, V, S> fmt::Debug for Exclusive<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").finish_non_exhaustive()
    }
}
