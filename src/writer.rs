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
use crate::options::{Compute, InsertOptions};
use crate::reclaim::Pin;
use crate::settle::Rest;
use crate::shard::{Draft, Found, Inside, Sighting};
use crate::store::{Changed, Company, Put, cause};
use equivalent::Equivalent;
use std::hash::{BuildHasher, Hash};

/// A writing call's view of the cache.
pub(crate) struct Writer<'c, K, V, S> {
    pub(crate) cache: &'c Cache<K, V, S>,
    pub(crate) company: Company,
}

/// What a search saw.
pub(crate) struct Seen<'a, K, V> {
    sighting: Sighting,
    found: Option<Found<'a, K, V>>,
    /// There is an entry, and it is not expired.
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

/// What came of a decision.
pub(crate) enum Done<K, V> {
    Added,
    Replaced,
    Removed,
    Kept(Option<(K, V)>),
    Refused(K, V, u64),
}

impl<K: Eq + Hash, V, S: BuildHasher> Writer<'_, K, V, S> {
    /// Writes a pair if `when` holds of what is there; it is asked again when that has changed.
    pub(crate) fn put(
        &self,
        key: K,
        value: V,
        options: InsertOptions,
        mut when: impl FnMut(Option<&V>) -> bool,
    ) -> Done<K, V> {
        let hash = self.cache.hash(&key);
        let mut rest = Rest::new(&self.cache.inner.store, self.company);
        let mut pair = (key, value);
        let outcome = loop {
            let pin = Pin::new();
            let seen = self.see(Inside::pinned(&pin), hash, &pair.0);
            if !when(seen.value()) {
                break Done::Kept(Some(pair));
            }
            match self.write(hash, &seen, pair, options, &mut rest) {
                Ok(outcome) => break outcome,
                Err(again) => pair = again,
            }
        };
        rest.settle();
        self.afterwards(hash, &outcome);
        outcome
    }

    /// Does what `decide` says about what is there; it is asked again when that has changed.
    pub(crate) fn compute(&self, mut key: K, mut decide: impl FnMut(Option<&V>) -> Compute<V>) -> Done<K, V> {
        let hash = self.cache.hash(&key);
        let mut rest = Rest::new(&self.cache.inner.store, self.company);
        let outcome = loop {
            let pin = Pin::new();
            let seen = self.see(Inside::pinned(&pin), hash, &key);
            let (value, options) = match decide(seen.value()) {
                Compute::Put(value) => (value, InsertOptions::new()),
                Compute::PutWith(value, options) => (value, options),
                Compute::Keep => break Done::Kept(None),
                Compute::Remove => match self.unlink(hash, &seen, &mut rest) {
                    Ok(true) => break Done::Removed,
                    Ok(false) => break Done::Kept(None),
                    Err(Changed) => continue,
                },
            };
            match self.write(hash, &seen, (key, value), options, &mut rest) {
                Ok(outcome) => break outcome,
                Err((again, _)) => key = again,
            }
        };
        rest.settle();
        self.afterwards(hash, &outcome);
        outcome
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
        let store = &self.cache.inner.store;
        let shard = store.shard(hash);
        let (sighting, found) = shard.sight(inside, hash.place(), |stored| key.equivalent(stored));
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

    fn write(
        &self,
        hash: Bits,
        seen: &Seen<'_, K, V>,
        (key, value): (K, V),
        options: InsertOptions,
        rest: &mut Rest<'_, K, V>,
    ) -> Result<Done<K, V>, (K, V)> {
        let inner = &self.cache.inner;
        let weight = match options.weight {
            Some(weight) if !inner.counted => weight,
            _ => inner.weigher.weigh(&key, &value, inner.overhead),
        };
        let (deadline, now) = self.deadline(hash, &key, &value, options.terms, seen);
        let draft = Draft { key, value, weight, deadline, now };
        match inner.store.put(hash, &seen.sighting, seen.live, draft, rest) {
            Ok(Put::Added) => Ok(Done::Added),
            Ok(Put::Replaced) => Ok(Done::Replaced),
            Ok(Put::Refused(draft)) => Ok(Done::Refused(draft.key, draft.value, weight)),
            Err(draft) => Err((draft.key, draft.value)),
        }
    }

    /// The deadline of a pair, and the time of its writing.
    fn deadline(
        &self,
        hash: Bits,
        key: &K,
        value: &V,
        terms: Terms,
        seen: &Seen<'_, K, V>,
    ) -> (Deadline, u64) {
        let inner = &self.cache.inner;
        if inner.rule.is_none() && terms == Terms::default() && inner.span == Span::NEVER {
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

    /// When nothing is owed any more: the shadows see a miss, the listener a refusal.
    fn afterwards(&self, hash: Bits, outcome: &Done<K, V>) {
        let store = &self.cache.inner.store;
        match outcome {
            Done::Added if store.adapt.samples(hash) => {
                let capacity = store.budget.capacity();
                let full = || store.budget.used() >= capacity - capacity / 8;
                store.adapt.miss(hash, || match self.cache.inner.counted {
                    true => usize::try_from(capacity).ok(),
                    false => full().then(|| self.cache.len()),
                });
            }
            Done::Refused(key, value, _) => {
                if let Some(listener) = &store.listener {
                    listener(key, value, Cause::Refused);
                }
            }
            _ => {}
        }
    }
}
