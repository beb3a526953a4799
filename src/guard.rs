//! Guards: looking at values without cloning them (G14).
//!
//! A [`ValueRef`] keeps one entry; a [`Pinned`] keeps everything that can be reached while it lives. Both
//! are plain stores to the thread's own words, so they cannot wait for anything and nothing waits for
//! them: every operation of the cache may be called while they are held. What was removed in the meantime
//! is dropped after the guard is. Neither can be sent to another thread.

use crate::cache::Cache;
use crate::reclaim::{Hazard, Pin};
use crate::shard::{Entry, Inside};
use crate::stats::Line;
use equivalent::Equivalent;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

/// What keeps an entry from being dropped.
#[derive(Debug)]
enum Hold {
    /// A hazard word with the entry's address.
    Word { _hazard: Hazard },
    /// All words of the thread are taken: a pin.
    Whole { _pin: Pin },
}

/// A value in the cache, looked at in place.
///
/// Made by [`Cache::get_ref`] and by iteration. The entry stays as it is while the guard lives, even when
/// it is removed, replaced or evicted. A thread can hold seven such guards cheaply; each further one holds
/// back everything that leaves the cache until it is dropped, as a [`Pinned`] does.
///
/// ```
/// let cache = pinyon::Cache::builder().capacity(10).build()?;
/// cache.insert("page", vec![0u8; 1000]);
/// let page = cache.get_ref("page").unwrap();
/// cache.invalidate("page");
/// assert_eq!((*page.key(), page.len()), ("page", 1000));
/// # Ok::<(), pinyon::BuildError>(())
/// ```
pub struct ValueRef<'a, K, V> {
    /// Not a reference: another thread may free the entry as soon as the hold is gone, and a reference in a field
    /// would have to be good until the drop of the whole guard has returned.
    entry: NonNull<Entry<K, V>>,
    _hold: Hold,
    _cache: PhantomData<&'a Entry<K, V>>,
}

impl<'a, K, V> ValueRef<'a, K, V> {
    /// Protects an entry found under `pin`. `'a` is a borrow of the cache, which therefore lives longer.
    ///
    /// # Safety
    ///
    /// The entry was found under this pin, in a shard that lives for `'a`.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn new(pin: Pin, entry: NonNull<Entry<K, V>>) -> Self {
        let hold = match pin.protect(entry.addr().get()) {
            Some(hazard) => Hold::Word { _hazard: hazard },
            None => Hold::Whole { _pin: pin },
        };
        ValueRef { entry, _hold: hold, _cache: PhantomData }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn entry(&self) -> &Entry<K, V> {
        // SAFETY: H2: the hold keeps the entry for as long as this guard lives, and the reference is not given out
        // for longer.
        unsafe { self.entry.as_ref() }
    }

    /// The key as it is stored.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.entry().key
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &V {
        &self.entry().value
    }
}

impl<K, V> Drop for ValueRef<'_, K, V> {
    #[inline]
    fn drop(&mut self) {
        self.entry().track.read();
    }
}

impl<K, V> Deref for ValueRef<'_, K, V> {
    type Target = V;
    #[inline]
    fn deref(&self) -> &V {
        self.value()
    }
}

impl<K, V: fmt::Debug> fmt::Debug for ValueRef<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

impl<K, V: fmt::Display> fmt::Display for ValueRef<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

/// A cache held open for many reads: made by [`Cache::pin`].
///
/// Each read through it saves the guard of its own, and values are borrowed from it. Everything that leaves
/// the cache while it lives is dropped after it, so hold it for a batch of reads, not for a wait.
///
/// ```
/// let cache = pinyon::Cache::builder().capacity(100).build()?;
/// for n in 0..10u32 {
///     cache.insert(n, n * n);
/// }
/// let pinned = cache.pin();
/// let sum: u32 = (0..10).filter_map(|n| pinned.get(&n)).sum();
/// assert_eq!(sum, 285);
/// # Ok::<(), pinyon::BuildError>(())
/// ```
pub struct Pinned<'a, K, V, S> {
    cache: &'a Cache<K, V, S>,
    /// Where this thread counts: the same for as long as it is pinned.
    line: Option<Line<'a>>,
    pin: Pin,
}

impl<'a, K: Eq + Hash, V, S: BuildHasher> Pinned<'a, K, V, S> {
    pub(crate) fn new(cache: &'a Cache<K, V, S>) -> Self {
        let pin = Pin::new();
        Pinned { cache, line: cache.line(pin.thread_number()), pin }
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Pinned<'_, K, V, S> {
    /// Reads a value: as [`Cache::get`], without the clone.
    #[inline(always)]
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// Reads a value with the key as it is stored.
    #[inline(always)]
    pub fn get_key_value<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<(&K, &V)> {
        let found = self.cache.read(Inside::pinned(&self.pin), self.line, key)?;
        Some((&found.entry.key, &found.entry.value))
    }

    /// Looks at a value and leaves no trace: as [`Cache::peek`], without the clone.
    pub fn peek<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.peek_key_value(key).map(|(_, value)| value)
    }

    /// As [`peek`](Self::peek), with the key as it is stored.
    pub fn peek_key_value<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<(&K, &V)> {
        let entry = self.cache.look(Inside::pinned(&self.pin), key)?.1.entry;
        Some((&entry.key, &entry.value))
    }

    /// Is there a live entry? As [`Cache::contains`].
    pub fn contains<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> bool {
        self.peek(key).is_some()
    }
}

impl<K, V, S> fmt::Debug for Pinned<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").finish_non_exhaustive()
    }
}
