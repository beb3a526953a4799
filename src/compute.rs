//! Compute: read, decide and write one key as one step.
//!
//! The closure is the user's and runs under no lock, so it may call the cache; the price is that it runs again
//! when another write of the key comes between what it saw and what it wants (optimistic concurrency), or when room for
//! what it wants takes so many evictions that the call lets go of what it saw. What is reported is what was done, never what
//! was merely seen (G16).

use crate::cache::Cache;
use crate::options::{Compute, InsertOptions, Inserted};
use crate::writer::Done;
use std::fmt;
use std::hash::{BuildHasher, Hash};

/// What [`Cache::compute`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Computed<V> {
    /// There was no live entry; now there is.
    Added,
    /// The new value took the place of the one the closure saw.
    Replaced,
    /// The entry that the closure saw is gone.
    Removed,
    /// Nothing: the closure wanted nothing, or to remove what was not there.
    Kept,
    /// The value weighs more than the whole capacity, and is given back. The one the closure saw is gone.
    Refused(V),
}

impl<K, V> From<Done<K, V>> for Computed<V> {
    fn from(done: Done<K, V>) -> Self {
        match done {
            Done::Added => Computed::Added,
            Done::Replaced => Computed::Replaced,
            Done::Removed => Computed::Removed,
            Done::Kept(_) => Computed::Kept,
            Done::Refused(_, value, _) => Computed::Refused(value),
        }
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// Looks at the value of a key, or its absence, and does what the closure says, as one step.
    ///
    /// The closure may run several times: when another write of the key comes first, or when much must be evicted for its
    /// value. It sees each time what the cache has then, and only its last answer is carried out. (One that writes its own key
    /// each time is asked for ever.) Not a read for the statistics; a write counts as a use.
    ///
    /// ```
    /// use pinyon::{Cache, Compute, Computed};
    ///
    /// let cache = Cache::builder().capacity(10).build()?;
    /// let count = |now: Option<&u32>| Compute::Put(now.map_or(1, |n| n + 1));
    /// assert_eq!(cache.compute("visits", count), Computed::Added);
    /// assert_eq!(cache.compute("visits", count), Computed::Replaced);
    /// assert_eq!(cache.get("visits"), Some(2));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn compute(&self, key: K, decide: impl FnMut(Option<&V>) -> Compute<V>) -> Computed<V> {
        self.writer().compute(key, decide).into()
    }

    /// A key in hand, to do something with its entry.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// assert_eq!(cache.entry("hits").or_insert(1), 1);
    /// cache.entry("hits").and_modify(|n| n + 1);
    /// assert_eq!(cache.get("hits"), Some(2));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn entry(&self, key: K) -> KeyEntry<'_, K, V, S> {
        KeyEntry { cache: self, key }
    }
}

/// A key in hand: made by [`Cache::entry`].
#[must_use = "an entry does nothing until one of its methods is called"]
pub struct KeyEntry<'a, K, V, S> {
    cache: &'a Cache<K, V, S>,
    key: K,
}

impl<K: Eq + Hash, V, S: BuildHasher> KeyEntry<'_, K, V, S> {
    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The value, or the given one, which is then written: as [`Cache::get_or_insert`].
    pub fn or_insert(self, value: V) -> V
    where
        V: Clone,
    {
        self.cache.get_or_insert(self.key, value)
    }

    /// The value, or what the closure makes, which is then written. When another write comes first, that one's value is
    /// returned and the closure's is dropped: this does not keep others from making the same value at the same time. Counts
    /// as a read as [`Cache::get`] does.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> V
    where
        V: Clone,
    {
        match self.cache.get(&self.key) {
            Some(there) => there,
            None => self.cache.insert_or_get(self.key, make()),
        }
    }

    /// Writes what the closure makes of the live value, as one step. Without a live entry nothing happens.
    pub fn and_modify(self, mut change: impl FnMut(&V) -> V) -> Computed<V> {
        self.compute(|there| there.map_or(Compute::Keep, |value| Compute::Put(change(value))))
    }

    /// Writes the pair, whatever is there: as [`Cache::insert_with`].
    pub fn insert(self, value: V, options: InsertOptions) -> Inserted<K, V> {
        self.cache.insert_with(self.key, value, options)
    }

    /// As [`Cache::compute`].
    pub fn compute(self, decide: impl FnMut(Option<&V>) -> Compute<V>) -> Computed<V> {
        self.cache.compute(self.key, decide)
    }
}

impl<K: fmt::Debug, V, S> fmt::Debug for KeyEntry<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEntry").field("key", &self.key).finish_non_exhaustive()
    }
}
