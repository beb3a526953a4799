//! The cache: hash once, choose the shard, read.
//!
//! Reading lives here; writing in `insert` and `compute`; iteration in `iter`; guards in `guard`. All of them
//! run the same few steps of [`Store`].

use crate::builder::Builder;
use crate::expiry::{Deadline, Expiry, Lifetime, Span, remaining};
use crate::guard::{Pinned, ValueRef};
use crate::hash::Hash as Bits;
use crate::load::Soft;
use crate::options::{Maintained, Metadata};
use crate::reclaim::Pin;
use crate::settle::Rest;
use crate::shard::{Found, Inside, Limits, Shard};
use crate::stats::{Line, Stats};
use crate::store::{Changed, Company, Store};
use crate::sync::Arc;
use crate::weight::Weigher;
use crate::{BuildError, RandomState};
use equivalent::Equivalent;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ptr::NonNull;

/// A concurrent cache of bounded weight.
///
/// `Clone` makes another handle of the same cache. All methods take `&self` and may be called from any thread
/// and from within the user's own code (hashing, equality, clones, drops, weigher, rule, listener, closures):
/// none of it ever runs under a lock.
///
/// A read takes no lock and allocates nothing. A write locks one shard for a short while, and does a bounded
/// amount of upkeep.
///
/// ```
/// use pinyon::Cache;
///
/// let cache: Cache<String, u64> = Cache::builder().capacity(1000).build()?;
/// cache.insert("apples".to_string(), 3);
/// assert_eq!(cache.get("apples"), Some(3));
/// assert_eq!(cache.remove("apples"), Some(3));
/// assert_eq!(cache.get("apples"), None);
/// # Ok::<(), pinyon::BuildError>(())
/// ```
pub struct Cache<K, V, S = RandomState> {
    pub(crate) inner: Arc<Inner<K, V, S>>,
}

/// A live entry with its shard, and the time at which it was found alive if it has a deadline. A call acts at that
/// time: at a later reading the entry may have expired.
pub(crate) type InShard<'a, K, V> = (&'a Shard<K, V>, Found<'a, K, V>, Option<u64>);

/// What the handles share.
pub(crate) struct Inner<K, V, S> {
    pub(crate) store: Store<K, V>,
    pub(crate) hasher: S,
    pub(crate) weigher: Weigher<K, V>,
    pub(crate) span: Span,
    pub(crate) rule: Option<Arc<dyn Expiry<K, V>>>,
    /// When calls that load, and leases, find a value due to be loaded again; `None`: never.
    pub(crate) soft: Option<Soft>,
    /// The capacity is a number of entries.
    pub(crate) counted: bool,
}

impl<K, V, S> Clone for Cache<K, V, S> {
    /// Another handle of the same cache: one counter is raised.
    fn clone(&self) -> Self {
        Cache { inner: self.inner.clone() }
    }
}

impl<K, V> Cache<K, V> {
    /// Starts to describe a cache; [`Builder::build`] makes it.
    pub fn builder() -> Builder<K, V> {
        Builder::new()
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    #[inline(always)]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> Bits {
        Bits::new(self.inner.hasher.hash_one(key))
    }

    /// Finds a live entry and leaves no trace: its shard and itself.
    #[inline(always)]
    pub(crate) fn look<'a, Q>(&'a self, inside: Inside<'a>, key: &Q) -> Option<InShard<'a, K, V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.look_matching(inside, self.hash(key), |stored| key.equivalent(stored))
    }

    /// Finds a live entry by a key that the closure knows, and leaves no trace.
    #[inline(always)]
    pub(crate) fn look_matching<'a>(
        &'a self,
        inside: Inside<'a>,
        hash: Bits,
        matches: impl FnMut(&K) -> bool,
    ) -> Option<InShard<'a, K, V>> {
        let store = &self.inner.store;
        let shard = store.shard(hash);
        let found = shard.find(inside, hash.place(), matches)?;
        let mut now = None;
        let live = shard.is_live(found, || *now.insert(store.time.now()));
        live.then_some((shard, found, now))
    }

    /// Where the thread with this number counts its reads.
    #[inline(always)]
    pub(crate) fn line(&self, thread: usize) -> Option<Line<'_>> {
        self.inner.store.reads.as_ref().map(|reads| reads.line(thread))
    }

    /// Where a caller counts its reads who is alone.
    #[inline(always)]
    pub(crate) fn line_alone(&self) -> Option<Line<'_>> {
        self.inner.store.reads.as_ref().map(|reads| reads.line_alone())
    }

    /// Finds a live entry for a read that has company: counted, used, its idle time restarted, the rule asked.
    #[inline(always)]
    pub(crate) fn read<'a, Q>(
        &'a self,
        inside: Inside<'a>,
        line: Option<Line<'_>>,
        key: &Q,
    ) -> Option<Found<'a, K, V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.read_hashed(inside, line, self.hash(key), key)
    }

    #[inline(always)]
    pub(crate) fn read_hashed<'a, Q>(
        &'a self,
        inside: Inside<'a>,
        line: Option<Line<'_>>,
        hash: Bits,
        key: &Q,
    ) -> Option<Found<'a, K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shard = self.inner.store.shard(hash);
        let found = shard.find(inside, hash.place(), |stored| key.equivalent(stored));
        self.finish_read(Company::Shared, line, hash, shard, found)
    }

    /// What a read does beside finding an entry, or none. An expired or outdated one is none.
    #[inline(always)]
    pub(crate) fn finish_read<'a>(
        &'a self,
        company: Company,
        line: Option<Line<'_>>,
        hash: Bits,
        shard: &Shard<K, V>,
        found: Option<Found<'a, K, V>>,
    ) -> Option<Found<'a, K, V>> {
        match found {
            Some(found) if shard.is_settled(found) => {
                line.inspect(|line| line.hit());
                Some(found)
            }
            Some(found) if self.attend(company, line, hash, shard, found) => Some(found),
            _ => {
                line.inspect(|line| line.miss());
                None
            }
        }
    }

    /// A hit that has more to do than to count itself: the policy is to know of it, or the entry has a lifetime, or was invalidated. False if
    /// it is not live. The time is read once. Counted before the rule is asked, which may panic.
    #[inline(never)]
    fn attend(
        &self,
        company: Company,
        line: Option<Line<'_>>,
        hash: Bits,
        shard: &Shard<K, V>,
        found: Found<'_, K, V>,
    ) -> bool {
        let store = &self.inner.store;
        if !shard.is_current(found) {
            return false;
        }
        let now = found.entry.is_timed().then(|| store.time.now());
        if now.is_some_and(|now| !shard.is_unexpired(found, now)) {
            return false;
        }
        line.inspect(|line| line.hit());
        if !found.entry.is_hot() {
            store.warm(company, hash, found);
        }
        if shard.minds_reads(found) {
            self.after_read(hash, shard, found, now);
        }
        true
    }

    /// What a read does to the lifetime of its entry; `now`, if it had one when the read found it. (It may have been given one since.)
    #[inline(never)]
    fn after_read(&self, hash: Bits, shard: &Shard<K, V>, found: Found<'_, K, V>, now: Option<u64>) {
        let store = &self.inner.store;
        let times = shard.times(found);
        if let (Some(times), Some(now)) = (times, now) {
            times.access(now);
        }
        let Some(rule) = &self.inner.rule else { return };
        let now = now.unwrap_or_else(|| store.start_time());
        let deadline = times.map_or(Deadline::NEVER, |times| times.deadline());
        let answer = rule.after_read(&found.entry.key, &found.entry.value, remaining(deadline.hard, now));
        // An entry that has expired while the rule thought is dead, whatever it says.
        if answer != Lifetime::Default && shard.is_live(found, || store.time.now()) {
            // If the entry was replaced in the meantime, the answer was about another one.
            let _: Result<(), Changed> =
                store.set_deadline(hash, found, deadline.read(answer, now), now, false);
        }
    }

    /// Reads a value: a clone of it, or `None` if there is no live entry.
    ///
    /// O(1), no lock, no allocation but what `V::clone` does. Counts a hit or a miss, counts as a use of the
    /// entry, restarts its idle time. For values that are costly to clone see [`get_ref`](Self::get_ref),
    /// [`with`](Self::with), or store an `Arc`.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert(1, "one");
    /// assert_eq!((cache.get(&1), cache.get(&2)), (Some("one"), None));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline(always)]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let pin = Pin::new();
        let found = self.read(Inside::pinned(&pin), self.line(pin.thread_number()), key)?;
        Some(found.entry.value.clone())
    }

    /// Reads a value in place: as [`get`](Self::get), with a guard instead of a clone.
    ///
    /// The guard keeps this entry, and nothing else; it cannot deadlock with anything.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("page", vec![1, 2, 3]);
    /// assert_eq!(cache.get_ref("page").map(|page| page.len()), Some(3));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline(always)]
    pub fn get_ref<Q>(&self, key: &Q) -> Option<ValueRef<'_, K, V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let pin = Pin::new();
        let found = self.read(Inside::pinned(&pin), self.line(pin.thread_number()), key)?;
        let entry = NonNull::from(found.entry);
        // SAFETY: found under this pin; the shard lives as long as the handle that the guard borrows.
        #[allow(unsafe_code)]
        Some(unsafe { ValueRef::new(pin, entry) })
    }

    /// Reads a value by way of a closure: as [`get`](Self::get), without a clone. The closure may call the cache.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("text", "a long one".to_string());
    /// assert_eq!(cache.with("text", |text| text.len()), Some(10));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline]
    pub fn with<Q, R>(&self, key: &Q, look: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.get_ref(key).map(|value| look(&value))
    }

    /// Holds the cache open for many reads, whose values are then borrowed from the guard.
    #[inline]
    #[must_use]
    pub fn pin(&self) -> Pinned<'_, K, V, S> {
        Pinned::new(self)
    }

    /// Is there a live entry? Leaves no trace: no statistics, no use, no idle time.
    #[inline]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.look(Inside::pinned(&Pin::new()), key).is_some()
    }

    /// Reads a value and leaves no trace: no statistics, no use, no idle time.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("a", 1);
    /// assert_eq!((cache.peek("a"), cache.contains("b"), cache.stats().hits), (Some(1), false, 0));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[inline]
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        let pin = Pin::new();
        Some(self.look(Inside::pinned(&pin), key)?.1.entry.value.clone())
    }

    /// Reads many values under one guard; the answers are in the order of the keys. Each is a read as
    /// [`get`](Self::get) is.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(10).build()?;
    /// cache.insert("a".to_string(), 1);
    /// assert_eq!(cache.get_many(["a", "b"]), [Some(1), None]);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn get_many<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized + 'q,
        V: Clone,
    {
        let pinned = self.pin();
        keys.into_iter().map(|key| pinned.get(key).cloned()).collect()
    }

    /// Age, remaining lifetime and weight of a live entry. Leaves no trace.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pinyon::{Cache, ManualTicker};
    ///
    /// let ticker = ManualTicker::new();
    /// let hour = Duration::from_secs(3600);
    /// let cache = Cache::builder().capacity(10).time_to_live(hour).ticker(ticker.clone()).build()?;
    /// cache.insert("a", 1);
    /// ticker.advance(hour / 4);
    /// let known = cache.metadata("a").unwrap();
    /// assert_eq!((known.age, known.remaining, known.weight), (Some(hour / 4), Some(hour * 3 / 4), 1));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn metadata<Q>(&self, key: &Q) -> Option<Metadata>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let pin = Pin::new();
        let (shard, found, now) = self.look(Inside::pinned(&pin), key)?;
        let created = shard.created(found);
        let now = now.or_else(|| created.map(|_| self.inner.store.time.now())).unwrap_or(0);
        let deadline = shard.times(found).map_or(Deadline::NEVER, |times| times.deadline());
        Some(Metadata {
            age: created.and_then(|created| remaining(now, created)),
            remaining: remaining(deadline.at, now),
            ttl: remaining(deadline.hard, now),
            idle: remaining(deadline.idle, 0),
            weight: shard.weight_of(found.index),
        })
    }

    /// Entries in the cache; expired and invalidated ones that were not noticed yet are counted. O(shards), no lock.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.store.shards.iter().map(|shard| shard.len()).sum()
    }

    /// Is there no entry? Expired and invalidated ones that were not noticed yet are entries, as in [`len`](Self::len).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The weight of all entries, and of what writers hold in reserve at this moment: never above
    /// [`capacity`](Self::capacity), but for the moment after that became smaller, when writers still hold what they took
    /// under the larger one (the entries themselves are brought down before [`set_capacity`](Self::set_capacity) returns). O(1).
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.inner.store.budget.used()
    }

    /// What all entries may weigh together.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.inner.store.budget.capacity()
    }

    /// How many shards writers are spread over.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.inner.store.shards.len()
    }

    /// A reading of the statistics. O(shards + threads + keys that are being loaded); locks each shard for a moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.store.stats()
    }

    /// Changes the capacity, in the units it was built with. A smaller one evicts by policy, at most 64 entries under one
    /// lock, until the rest fits; other calls go on meanwhile, and never bring the weight up again. O(shards + entries evicted), and
    /// once more O(shards) for each 64 of these.
    ///
    /// # Errors
    ///
    /// If `capacity` is 0, or of a budget of bytes below 1024; nothing changes then.
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(100).build()?;
    /// cache.insert_many((0..100).map(|n| (n, n)));
    /// cache.set_capacity(10)?;
    /// assert_eq!((cache.len(), cache.stats().evicted), (10, 90));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn set_capacity(&self, capacity: u64) -> Result<(), BuildError> {
        self.resize(capacity, Company::Shared)
    }

    pub(crate) fn resize(&self, capacity: u64, company: Company) -> Result<(), BuildError> {
        let (least, allowed) = self.inner.weigher.least();
        if capacity < least {
            return Err(BuildError::new("set_capacity", capacity, allowed));
        }
        let store = &self.inner.store;
        store.budget.set_capacity(capacity);
        let shards = store.shards.len();
        for shard in 0..shards {
            let mut locked = store.lock(shard);
            // Asked under the lock: of two calls at once the later one has the last word in every shard.
            let capacity = store.budget.capacity();
            locked.set_limits(Limits::of(&self.inner.weigher, capacity, shards));
            if self.inner.counted {
                locked.expect(usize::try_from(capacity).unwrap_or(usize::MAX) / shards);
            }
        }
        store.shrink(|| store.budget.capacity(), usize::MAX, &mut Rest::new(store, company));
        store.free_all(&mut Rest::thorough(store, company));
        Ok(())
    }

    /// Evicts what the policy chooses until what is left weighs no more than this, or as many as there were when the call began
    /// are gone, for a moment when memory is short; the capacity stays. How many it evicted. What weighs nothing stays. Costs as
    /// [`set_capacity`](Self::set_capacity).
    ///
    /// ```
    /// let cache = pinyon::Cache::builder().capacity(100).build()?;
    /// cache.insert_many((0..100).map(|n| (n, n)));
    /// assert_eq!((cache.shrink_to(30), cache.len(), cache.capacity()), (70, 30, 100));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn shrink_to(&self, weight: u64) -> usize {
        let store = &self.inner.store;
        let most = store.shards.iter().map(|shard| shard.len()).sum();
        store.shrink(|| weight, most, &mut Rest::new(store, Company::Shared))
    }

    /// Does upkeep that writes would do little by little: removes expired and invalidated entries, goes on with the growth of tables,
    /// frees what waits for readers. At most `budget` steps (timers visited, buckets copied or swept, leases looked at). An idle cache keeps
    /// such entries in memory until a write or this call comes upon them. It also ends leases whose time is over. O(shards + `budget`), at
    /// most, and what waits for readers is freed.
    ///
    /// ```
    /// # let cache = pinyon::Cache::<u8, u8>::builder().capacity(10).build()?;
    /// while !cache.maintain(1000).done {}
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn maintain(&self, budget: usize) -> Maintained {
        self.maintain_all(budget, Company::Shared)
    }

    /// Checks every invariant of the cache, at a cost in proportion to what it holds. For tests.
    ///
    /// # Panics
    ///
    /// If one is broken, or if another call is running.
    pub fn validate(&self) {
        if let Err(broken) = self.inner.store.check(true) {
            panic!("the cache is broken: {broken}");
        }
    }
}

impl<K, V, S> fmt::Debug for Cache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = &self.inner.store;
        f.debug_struct("Cache")
            .field("entries", &store.shards.iter().map(|shard| shard.len()).sum::<usize>())
            .field("weight", &store.budget.used())
            .field("capacity", &store.budget.capacity())
            .field("shards", &store.shards.len())
            .finish_non_exhaustive()
    }
}
