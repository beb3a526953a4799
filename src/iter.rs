//! Iteration (G17): every shard in turn, its entries in the order of their hashes.
//!
//! The order of hashes is the same in every table of a shard, so growth does not disturb it, and a key that is
//! overwritten, or removed and written again, comes back to the place that has been passed: no key is seen twice. What
//! stays in the cache for the whole of an iteration is seen once; what comes and goes meanwhile may be seen or not.
//! No lock is taken.
//!
//! What a hash has is found at once, because nothing but the hash orders it. Between two entries its rest is kept by
//! hazard words, so what leaves the cache meanwhile is not held back. Only where more entries share a hash than the thread has
//! words left (seven, less the guards it holds), a pin keeps the rest, until so many have been handed out that the words do for
//! the others: by chance that does not happen, but a hasher that is constant makes a whole shard such a hash. What is handed out
//! has a word of its own as long as there is one.

use crate::cache::Cache;
use crate::guard::ValueRef;
use crate::listener::Cause;
use crate::reclaim::Pin;
use crate::settle::Rest;
use crate::shard::{Entry, Found, Inside, Sighting};
use crate::store::{Company, Store};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ptr::NonNull;

/// Where an iteration has come to: a plain value, good for as long as the cache. See [`Cache::page`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    shard: usize,
    /// The least hash to come.
    from: u32,
}

impl Cursor {
    /// Before the first entry.
    pub const START: Cursor = Cursor { shard: 0, from: 0 };

    /// As a number, to be handed through other languages; [`START`](Self::START) is 0.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        (self.shard as u64) << 32 | u64::from(self.from)
    }

    /// From its number. Another number does no harm: it stands for some place, or for the end.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Cursor { shard: (bits >> 32) as usize, from: bits as u32 }
    }

    /// What is found of the next hash, dead entries too, and its shard.
    pub(crate) fn next<'a, K: Eq + Hash, V, S: BuildHasher>(
        &mut self,
        cache: &'a Cache<K, V, S>,
        inside: Inside<'a>,
    ) -> Option<(usize, Vec<Found<'a, K, V>>)> {
        let store = &cache.inner.store;
        while self.shard < store.shards.len() {
            let shard = self.shard;
            let mut found = Vec::new();
            match store.shards[shard].next_hash(inside, self.from, &mut found) {
                None => *self = Cursor { shard: shard + 1, from: 0 },
                Some(hash) => {
                    *self = match hash.checked_add(1) {
                        Some(from) => Cursor { shard, from },
                        None => Cursor { shard: shard + 1, from: 0 },
                    };
                    return Some((shard, found));
                }
            }
        }
        None
    }
}

/// Of entries with one hash the live ones, one of each key: while one is being replaced both may have been found.
fn live<'a, K: Eq, V>(store: &Store<K, V>, shard: usize, found: &[Found<'a, K, V>]) -> Vec<Found<'a, K, V>> {
    let mut kept: Vec<Found<'_, K, V>> = Vec::with_capacity(found.len());
    for next in found {
        if is_live(store, shard, *next) && kept.iter().all(|one| one.entry.key != next.entry.key) {
            kept.push(*next);
        }
    }
    kept
}

/// Asked of each entry once more before it is given out: what the user does meanwhile takes time.
fn is_live<K, V>(store: &Store<K, V>, shard: usize, found: Found<'_, K, V>) -> bool {
    store.shards[shard].is_live(found, || store.time.now())
}

/// Iterates over a cache: made by [`Cache::iter`].
pub struct Iter<'a, K, V, S> {
    cache: &'a Cache<K, V, S>,
    cursor: Cursor,
    /// Entries of the last hash, still to be given out.
    ready: Vec<(Row, ValueRef<'a, K, V>)>,
    /// The same, of a hash that has too many.
    crowd: Option<Crowd<K, V>>,
}

/// Live entries of one hash, kept by a pin.
struct Crowd<K, V> {
    pin: Pin,
    entries: Vec<(Row, NonNull<Entry<K, V>>)>,
}

/// Where an entry lies: its shard, and its index there.
type Row = (usize, u32);

impl<'a, K: Eq + Hash, V, S: BuildHasher> Iter<'a, K, V, S> {
    /// What the next hash has.
    fn gather(&mut self) -> Option<Crowd<K, V>> {
        let pin = Pin::new();
        let (shard, found) = self.cursor.next(self.cache, Inside::pinned(&pin))?;
        let live = live(&self.cache.inner.store, shard, &found);
        let entries = live.iter().map(|found| ((shard, found.index), NonNull::from(found.entry))).collect();
        Some(Crowd { pin, entries })
    }

    /// Takes out of a crowd what there are words for, and one entry in any case.
    #[allow(unsafe_code)]
    fn hand_out(&mut self, mut crowd: Crowd<K, V>) {
        let (len, words) = (crowd.entries.len(), crowd.pin.words_left());
        let out = if len <= words { 0 } else { len - 1 };
        // SAFETY: found under this pin; the shard lives as long as the borrowed handle.
        let guard = |(row, entry)| (row, unsafe { ValueRef::new(crowd.pin.clone(), entry) });
        self.ready.extend(crowd.entries.drain(out..).map(guard));
        self.crowd = Some(crowd).filter(|crowd| !crowd.entries.is_empty());
    }
}

impl<'a, K: Eq + Hash, V, S: BuildHasher> Iterator for Iter<'a, K, V, S> {
    type Item = ValueRef<'a, K, V>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(((shard, index), guard)) = self.ready.pop() {
                if is_live(&self.cache.inner.store, shard, Found { index, entry: guard.entry() }) {
                    return Some(guard);
                }
            }
            let crowd = match self.crowd.take() {
                Some(crowd) => crowd,
                None => self.gather()?,
            };
            self.hand_out(crowd);
        }
    }
}

/// Part of an iteration: made by [`Cache::page`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K, V> {
    /// Pairs that are in the cache, or were a moment ago.
    pub entries: Vec<(K, V)>,
    /// Where to go on; `None`: that was all.
    pub next: Option<Cursor>,
}

impl<K, V, S> fmt::Debug for Iter<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("at", &self.cursor).finish_non_exhaustive()
    }
}

impl<'a, K: Eq + Hash, V, S: BuildHasher> IntoIterator for &'a Cache<K, V, S> {
    type Item = ValueRef<'a, K, V>;
    type IntoIter = Iter<'a, K, V, S>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// Iterates over the live entries, in no order that means anything, leaving no trace. Weakly consistent: what is
    /// there throughout is seen once, no key is seen twice, writers are not held up.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert_many([("a", 1), ("b", 2)]);
    /// let mut all: Vec<_> = cache.iter().map(|entry| (*entry.key(), *entry)).collect();
    /// all.sort();
    /// assert_eq!(all, [("a", 1), ("b", 2)]);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V, S> {
        Iter { cache: self, cursor: Cursor::START, ready: Vec::new(), crowd: None }
    }

    /// Clones of the next `limit` entries (0 counts as 1) or a few less, and where to go on: an iteration that may stop at every page, and be taken up
    /// on another thread or never. What it sees is what [`iter`](Self::iter) sees. Entries that share a hash are in one page,
    /// which is larger than `limit` if they are more than that. A page is not a read: nothing is counted. O(`limit`) in tables that are as
    /// full as usual; a whole iteration is O(entries that the tables have room for), which is the most there ever were.
    ///
    /// ```
    /// use pinyon::Cursor;
    ///
    /// let cache = pinyon::Cache::builder().capacity(100).build()?;
    /// cache.insert_many((0..100).map(|n| (n, n)));
    /// let (mut at, mut seen) = (Some(Cursor::START), 0);
    /// while let Some(from) = at {
    ///     let page = cache.page(from, 16);
    ///     seen += page.entries.len();
    ///     at = page.next;
    /// }
    /// assert_eq!(seen, 100);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[must_use]
    pub fn page(&self, from: Cursor, limit: usize) -> Page<K, V>
    where
        K: Clone,
        V: Clone,
    {
        let store = &self.inner.store;
        let (mut cursor, mut entries) = (from, Vec::new());
        while entries.len() < limit.max(1) {
            let (pin, before) = (Pin::new(), cursor);
            let Some((shard, found)) = cursor.next(self, Inside::pinned(&pin)) else {
                return Page { entries, next: None };
            };
            let live = live(store, shard, &found);
            if !entries.is_empty() && entries.len() + live.len() > limit {
                return Page { entries, next: Some(before) };
            }
            let still = live.into_iter().filter(|found| is_live(store, shard, *found));
            entries.extend(still.map(|found| (found.entry.key.clone(), found.entry.value.clone())));
        }
        Page { entries, next: Some(cursor) }
    }

    /// Removes the live entries of which `keep` does not hold, and the expired ones; returns how many of the former. As weakly consistent as
    /// [`iter`](Self::iter): the value that `keep` refused is the one that is removed. O(entries), one entry under a lock at a
    /// time.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert_many((0..10).map(|n| (n, n)));
    /// assert_eq!(cache.retain(|_, value| value % 3 == 0), 6);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> usize {
        let store = &self.inner.store;
        let mut rest = Rest::new(store, Company::Shared);
        let mut cursor = Cursor::START;
        let mut removed = 0;
        loop {
            let pin = Pin::new();
            let inside = Inside::pinned(&pin);
            let Some((shard, found)) = cursor.next(self, inside) else { return removed };
            let dead = found.iter().filter(|found| !is_live(store, shard, **found));
            for &found in dead.chain(&live(store, shard, &found)) {
                if !is_live(store, shard, found) {
                    store.unlink_dead(shard, found, &mut rest);
                    continue;
                }
                if keep(&found.entry.key, &found.entry.value) {
                    continue;
                }
                let sighting = Sighting { index: Some(found.index), ..Sighting::default() };
                let (place, cause) = (found.entry.hash, Cause::Removed);
                let gone = store.unlink_in(shard, place, &sighting, cause, false, &mut rest);
                removed += usize::from(gone.is_ok_and(|gone| gone));
            }
            drop(pin);
            rest.settle();
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Cache, InsertOptions, ManualTicker};
    use std::time::Duration;

    #[test]
    fn g17_of_a_key_that_is_being_written_over_the_live_entry_is_seen() {
        let ticker = ManualTicker::new();
        let builder = Cache::builder().capacity(10).shards(1).ticker(ticker.clone());
        let cache: Cache<u32, u32> = builder.build().expect("a good description");
        let pin = Pin::new();
        let find = || cache.look(Inside::pinned(&pin), &1).map(|(_, found, _)| found);
        let second = InsertOptions::new().ttl(Duration::from_secs(1));
        assert!(cache.insert_with(1, 10, second).is_stored());
        let old = find().expect("it is there");
        ticker.advance(Duration::from_secs(1));
        assert!(cache.insert(1, 11).is_stored());
        let new = find().expect("it is there");
        let values = |found: &[_]| -> Vec<u32> {
            live(&cache.inner.store, 0, found).iter().map(|found| found.entry.value).collect()
        };
        assert_eq!((values(&[old, new]), values(&[new, old]), values(&[old])), (vec![11], vec![11], vec![]));
        assert_eq!(values(&[new, new]), [11], "each key once");
    }
}
