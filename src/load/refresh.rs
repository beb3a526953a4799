//! Refresh-ahead and stale-while-revalidate (G22): of all who find a value due one loads it, and the others take the old one.

use super::flight::wake_all;
use super::lead::Lead;
use super::leading::Leading;
use super::soft::{Drawn, Soft};
use super::{LoadError, LoadOptions, Loaded};
use crate::cache::{Cache, InShard};
use crate::expiry::NEVER;
use crate::reclaim::Pin;
use crate::shard::{Found, Inside, Shard};
use equivalent::Equivalent;
use std::hash::{BuildHasher, Hash};

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// The rules for this time: the call's own, else the cache's.
    pub(super) fn draw(&self, own: Option<Soft>) -> Drawn {
        let soft = Soft::either(own, self.inner.soft);
        let by_chance = || self.inner.store.flights.gap_and_chance();
        let (gap, chance) = if soft.has_chance() { by_chance() } else { (0.0, 1.0) };
        Drawn { soft, gap, chance }
    }

    /// A [`get`](Self::get) that tells whether the value is due.
    pub(super) fn get_or_due<Q>(&self, key: &Q, drawn: Drawn) -> Option<(V, bool)>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let (pin, hash) = (Pin::new(), self.hash(key));
        let found = self.read_hashed(Inside::pinned(&pin), self.line(pin.thread_number()), hash, key)?;
        let due = || drawn.soft.is_any() && self.is_due(self.inner.store.shard(hash), found, drawn);
        Some((found.entry.value.clone(), due()))
    }

    fn is_due(&self, shard: &Shard<K, V>, found: Found<'_, K, V>, drawn: Drawn) -> bool {
        let deadline = shard.times(found).map_or(NEVER, |times| times.deadline().hard);
        drawn.is_due(shard.created(found), deadline, self.inner.store.time.now())
    }

    /// A call that loads what is missing, or due unless others do.
    pub(super) fn load_or_refresh<Q, E>(
        &self,
        key: &Q,
        options: LoadOptions<E>,
        load: impl FnOnce(&K) -> Result<Loaded<V>, E>,
    ) -> Result<V, LoadError<E>>
    where
        K: Clone,
        V: Clone,
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let drawn = self.draw(options.soft);
        let old = match self.get_or_due(key, drawn) {
            None => return self.load_missing(key, options, load),
            Some((value, false)) => return Ok(value),
            Some((old, true)) => old,
        };
        match self.begin_refresh(key, drawn) {
            Refresh::Others => Ok(old),
            Refresh::Done(fresh) => Ok(fresh),
            Refresh::Mine(lead) => {
                let loaded = lead.run(|| load(lead.key()));
                options.or_old(lead.finish(loaded, &options), || self.peek(key))
            }
        }
    }

    /// Who is to load a value that is due.
    pub(super) fn begin_refresh<Q>(&self, key: &Q, drawn: Drawn) -> Refresh<'_, K, V, S>
    where
        V: Clone,
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let Some(lead) = self.enter_to_lead(self.hash(key), key) else { return Refresh::Others };
        let is_fresh = |(shard, found, _): InShard<'_, K, V>| !self.is_due(shard, found, drawn);
        match lead.or_found(is_fresh) {
            Ok(fresh) => Refresh::Done(fresh),
            Err(lead) => Refresh::Mine(lead),
        }
    }
}

/// Who loads a value that is due.
pub(super) enum Refresh<'c, K: Eq + Hash, V, S: BuildHasher> {
    Others,
    /// Another has just done so.
    Done(V),
    Mine(Leading<'c, K, V, S>),
}

/// A refresh that has been handed to an executor; dropped before it ran, it is given up.
struct Job<K: Eq + Hash, V, S: BuildHasher> {
    cache: Cache<K, V, S>,
    lead: Option<Lead<K, V>>,
}

impl<K: Eq + Hash, V, S: BuildHasher> Job<K, V, S> {
    fn leading(&mut self) -> Option<Leading<'_, K, V, S>> {
        Some(Leading::new(&self.cache, self.lead.take()?))
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Drop for Job<K, V, S> {
    fn drop(&mut self) {
        drop(self.leading());
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    /// As [`load`](Self::load), but nobody waits for a refresh: the call that finds a value due returns the old one, and hands
    /// the work to `spawn`, which may run it on another thread, now or later, or drop it: then the next call tries again, as does
    /// one that comes ten seconds later while it has not begun. What is missing is loaded here; also if it goes while its refresh
    /// has not begun, after 50 ms. An error of a refresh is counted and told to nobody.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pinyon::{Cache, LoadOptions, Loaded};
    ///
    /// let cache: Cache<u32, u32> = Cache::builder().capacity(100).refresh_after(Duration::ZERO).build()?;
    /// cache.insert(7, 1);
    /// let again = |_: &u32| Ok::<_, String>(Loaded::new(2));
    /// let mut threads = Vec::new();
    /// let spawn = |work: Box<dyn FnOnce() + Send>| threads.push(std::thread::spawn(work));
    /// assert_eq!(cache.load_spawning(&7, LoadOptions::new(), again, spawn), Ok(1));
    /// threads.into_iter().for_each(|thread| thread.join().unwrap());
    /// assert_eq!(cache.get(&7), Some(2));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), of a value that is missing.
    pub fn load_spawning<Q, E, L>(
        &self,
        key: &Q,
        options: LoadOptions<E>,
        load: L,
        spawn: impl FnOnce(Box<dyn FnOnce() + Send>),
    ) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
        L: FnOnce(&K) -> Result<Loaded<V>, E> + Send + 'static,
        E: 'static,
    {
        let drawn = self.draw(options.soft);
        let old = match self.get_or_due(key, drawn) {
            None => return self.load_missing(key, options, load),
            Some((value, false)) => return Ok(value),
            Some((old, true)) => old,
        };
        let mut lead = match self.begin_refresh(key, drawn) {
            Refresh::Others => return Ok(old),
            Refresh::Done(fresh) => return Ok(fresh),
            Refresh::Mine(lead) => lead,
        };
        // Who has nothing to read waits for the job to begin no longer than for a task to run: all threads of a pool might.
        let watcher = lead.loading.flight.woken(lead.number);
        let mut job = Job { cache: self.clone(), lead: Some(lead.take()) };
        wake_all(watcher.into_iter());
        spawn(Box::new(move || {
            if let Some(lead) = job.leading()
                && lead.loading.flight.goes_on(lead.number)
            {
                let loaded = lead.run(|| load(lead.key()));
                // Of an error nobody is there to be told.
                let _: Result<V, LoadError<E>> = lead.finish(loaded, &options);
            }
        }));
        Ok(old)
    }
}
