//! The builder: settings, their limits, and what follows from them.

use crate::adapt::Adapt;
use crate::arena::Arena;
use crate::cache::{Cache, Inner};
use crate::expiry::{CoarseTicker, Expiry, Span, Ticker, Time};
use crate::listener::{Cause, Listener, Owed};
use crate::load::{Flights, Leases, Soft};
use crate::policy::Policy;
use crate::shard::{Limits, Plan, Shard};
use crate::stats::Stripes;
use crate::store::Store;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::tags::Tags;
use crate::weight::{Budget, HeapSize, Weigh, Weigher};
use crate::{BuildError, RandomState};
use std::fmt;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::time::Duration;

/// The most shards a cache can have.
const MAX_SHARDS: usize = 4096;
/// Entries below which a shard is not worth its own window and sketch.
const ENTRIES_PER_SHARD: u64 = 2048;
/// Bytes, likewise.
const BYTES_PER_SHARD: u64 = 2 << 20;
/// Entries of a cache whose tables, rows and sketches are a megabyte together, which a processor keeps near.
const NEAR: usize = 1 << 14;

/// How much a cache may hold.
enum Capacity<K, V> {
    Entries(u64),
    Weight(u64),
    Bytes(u64, Weigh<K, V>),
}

/// Describes a cache. Made by [`Cache::builder`].
///
/// One of [`capacity`](Self::capacity), [`capacity_weight`](Self::capacity_weight) and
/// [`capacity_bytes`](Self::capacity_bytes) must be given; everything else has a default.
///
/// ```
/// use std::time::Duration;
/// use pinyon::{Cache, Policy};
///
/// let cache: Cache<u64, String> = Cache::builder()
///     .capacity(100_000)
///     .policy(Policy::ClockTinyLfu)
///     .time_to_live(Duration::from_secs(600))
///     .build()?;
/// # Ok::<(), pinyon::BuildError>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct Builder<K, V, S = RandomState> {
    capacities: Vec<(&'static str, Capacity<K, V>)>,
    weigher: Option<Weigh<K, V>>,
    policy: Policy,
    ttl: Option<Duration>,
    tti: Option<Duration>,
    rule: Option<Arc<dyn Expiry<K, V>>>,
    time: Option<Time>,
    shards: Option<usize>,
    listener: Option<Listener<K, V>>,
    statistics: bool,
    dated: bool,
    soft: Option<Soft>,
    beta: Option<f64>,
    huge_pages: bool,
    hasher: S,
    _pairs: PhantomData<fn(K, V)>,
}

impl<K, V> Builder<K, V> {
    pub(crate) fn new() -> Self {
        Builder {
            capacities: Vec::new(),
            weigher: None,
            policy: Policy::default(),
            ttl: None,
            tti: None,
            rule: None,
            time: None,
            shards: None,
            listener: None,
            statistics: true,
            dated: false,
            soft: None,
            beta: None,
            huge_pages: false,
            hasher: RandomState::new(),
            _pairs: PhantomData,
        }
    }
}

impl<K, V, S> Builder<K, V, S> {
    fn with(mut self, setting: &'static str, capacity: Capacity<K, V>) -> Self {
        self.capacities.push((setting, capacity));
        self
    }

    /// At most so many entries. 1 or more.
    pub fn capacity(self, entries: u64) -> Self {
        self.with("capacity", Capacity::Entries(entries))
    }

    /// Entries of at most this weight together, in units of your own: what [`weigher`](Self::weigher) says, or
    /// [`InsertOptions::weight`](crate::InsertOptions::weight), or 1. 1 or more.
    pub fn capacity_weight(self, weight: u64) -> Self {
        self.with("capacity_weight", Capacity::Weight(weight))
    }

    /// Keys, values and the library's own part of each entry in at most so many bytes. At least 1024.
    ///
    /// A cache whose entries can have lifetimes (its builder gives them some or [keeps ages](Self::track_age), or one entry was ever
    /// given one) counts 44 bytes more for each entry that is written from then on.
    ///
    /// The bytes on the heap come from [`HeapSize`]; for types that do not have it see
    /// [`capacity_bytes_with`](Self::capacity_bytes_with).
    ///
    /// ```
    /// use pinyon::Cache;
    /// let cache = Cache::<String, Vec<u8>>::builder().capacity_bytes(64 << 20).build()?;
    /// cache.insert("page".into(), vec![0; 4096]);
    /// assert!(cache.weight() > 4096 + 4);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn capacity_bytes(self, bytes: u64) -> Self
    where
        K: HeapSize,
        V: HeapSize,
    {
        let weigh = |key: &K, value: &V| (key.heap_bytes().saturating_add(value.heap_bytes())) as u64;
        self.with("capacity_bytes", Capacity::Bytes(bytes, Arc::new(weigh)))
    }

    /// As [`capacity_bytes`](Self::capacity_bytes), with a function that tells the bytes which a key and a value own on the
    /// heap. What the library itself needs is added to them.
    pub fn capacity_bytes_with(
        self,
        bytes: u64,
        heap: impl Fn(&K, &V) -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.with("capacity_bytes_with", Capacity::Bytes(bytes, Arc::new(heap)))
    }

    /// Weighs entries, for [`capacity_weight`](Self::capacity_weight). Asked once for each write, and again when
    /// another write of the key comes between; under no lock. Zero is
    /// a weight: such an entry takes no room and is never evicted.
    ///
    /// ```
    /// use pinyon::Cache;
    /// let cache = Cache::builder().capacity_weight(10).weigher(|_, text: &&str| text.len() as u64).build()?;
    /// cache.insert(1, "jay");
    /// assert_eq!((cache.weight(), cache.insert(2, "nutcrackers").is_stored()), (3, false));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Arc::new(weigher));
        self
    }

    /// Which entries leave when room is needed; the default is [`Policy::ClockTinyLfu`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How long an entry lives after it was written. Zero: it is expired at once. Longer than 584 years: for ever.
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long an entry lives after it was last read or written; `contains`, `peek` and iteration are not reads. Zero and
    /// long times as in [`time_to_live`](Self::time_to_live); of both the earlier end counts.
    pub fn time_to_idle(mut self, tti: Duration) -> Self {
        self.tti = Some(tti);
        self
    }

    /// A rule that gives every entry its own lifetime; it comes before [`time_to_live`](Self::time_to_live), and a lifetime
    /// that is given with a write comes before the rule.
    pub fn expiry(mut self, rule: impl Expiry<K, V> + 'static) -> Self {
        self.rule = Some(Arc::new(rule));
        self
    }

    /// Where the time comes from, in place of [`CoarseTicker`]: [`PreciseTicker`](crate::PreciseTicker),
    /// [`ManualTicker`](crate::ManualTicker), or your own.
    pub fn ticker(mut self, ticker: impl Ticker) -> Self {
        self.time = Some(Time::of(ticker));
        self
    }

    /// How keys are hashed, in place of ahash with seeds of its own. One that can be predicted from outside lets others
    /// choose keys that collide.
    pub fn hasher<T: BuildHasher>(self, hasher: T) -> Builder<K, V, T> {
        let Builder {
            capacities,
            weigher,
            policy,
            ttl,
            tti,
            rule,
            time,
            shards,
            listener,
            statistics,
            dated,
            soft,
            beta,
            huge_pages,
            ..
        } = self;
        let _pairs = PhantomData;
        Builder {
            capacities,
            weigher,
            policy,
            ttl,
            tti,
            rule,
            time,
            shards,
            listener,
            statistics,
            dated,
            soft,
            beta,
            huge_pages,
            hasher,
            _pairs,
        }
    }

    /// How many shards writers are spread over, 1 to 4096. By default eight for each core, but no more than one for every
    /// 2048 entries (or units of weight) or 2 MiB. What fits into the cache does not depend on it.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// A function that is told what leaves the cache, and why: each entry once, in order for each key, before the call
    /// that made it leave returns (or, if that entry's key is being told of at that moment, before that telling ends; what the
    /// listener itself makes leave may be told, and dropped, only when it has returned). It runs
    /// under no lock and may call the cache. A refused pair goes back to its caller, so it is told of by that call, whatever else is
    /// still to be told of its key. A panic in it reaches the caller and disables nothing.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use pinyon::{Cache, Cause};
    ///
    /// let (left, told) = mpsc::channel();
    /// let listener = move |key: &u32, _: &u32, why: Cause| left.send((*key, why)).unwrap();
    /// let cache = Cache::builder().capacity(10).listener(listener).build()?;
    /// cache.insert(1, 10);
    /// cache.insert(1, 11);
    /// cache.invalidate(&1);
    /// assert_eq!(told.try_iter().collect::<Vec<_>>(), [(1, Cause::Replaced), (1, Cause::Removed)]);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn listener(mut self, listener: impl Fn(&K, &V, Cause) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Whether hits and misses are counted; they are unless this says no.
    pub fn statistics(mut self, on: bool) -> Self {
        self.statistics = on;
        self
    }

    /// Keeps the time of writing of every entry, at 32 bytes each, so that [`Cache::metadata`] tells the age of entries
    /// without a lifetime too.
    pub fn track_age(mut self, on: bool) -> Self {
        self.dated = on;
        self
    }

    /// A value that was written so long ago is due to be loaded again, by calls that load and by leases (G22): as
    /// [`LoadOptions::refresh_after`](crate::LoadOptions::refresh_after), for all that do not say otherwise. Turns
    /// [`track_age`](Self::track_age) on.
    ///
    /// At [`time_to_live`](Self::time_to_live) or above it has no effect on entries without a lifetime of their own, which expire before
    /// they are due. It is no error, because entries may be given longer ones.
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.soft = Some(Soft::of_age(age, self.soft));
        self
    }

    /// A value that will expire is due to be loaded again a little before, at random: as
    /// [`LoadOptions::refresh_early`](crate::LoadOptions::refresh_early), for all that do not say otherwise. 0 or more, and finite;
    /// [`build`](Self::build) refuses others.
    pub fn refresh_early(mut self, beta: f64) -> Self {
        self.beta = Some(beta);
        self
    }

    /// Asks the system to put entries on huge pages, once there are 6 MiB of them; the default is not to. What entries own on
    /// the heap is not meant.
    ///
    /// For caches of a million entries and more, of which each read then saves a translation of its address: 15 to 20 % of the
    /// time of a read. The price: memory comes 2 MiB at a time, and each time the system clears them, while a write
    /// waits and holds its shard. That is a tenth of a millisecond where memory is at hand, and was several on a virtual machine
    /// that had not touched it before. Effective on Linux, where transparent huge pages are `madvise` or `always`.
    pub fn huge_pages(mut self, on: bool) -> Self {
        self.huge_pages = on;
        self
    }
}

impl<K, V, S: BuildHasher> Builder<K, V, S> {
    /// Makes the cache. Costs microseconds and kilobytes whatever the capacity.
    ///
    /// # Errors
    ///
    /// If a setting is missing, out of range or at odds with another: the error names it, what was given and what is
    /// allowed.
    pub fn build(mut self) -> Result<Cache<K, V, S>, BuildError> {
        let (setting, capacity) = self.take_capacity()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let dated = self.dated || self.soft.is_some_and(Soft::asks_age);
        let timed = self.ttl.is_some() || self.tti.is_some() || self.rule.is_some() || dated;
        let (amount, weigher, expected) = match capacity {
            Capacity::Entries(entries) => (entries, Weigher::One, entries),
            Capacity::Weight(weight) => {
                let weigher = self.weigher.take().unwrap_or_else(|| Arc::new(|_, _| 1));
                (weight, Weigher::Units(weigher), 0)
            }
            Capacity::Bytes(bytes, heap) => (bytes, Weigher::Bytes(heap), 0),
        };
        let (least, allowed) = weigher.least();
        if amount < least {
            return Err(BuildError::new(setting, amount, allowed));
        }
        if self.weigher.is_some() {
            return Err(BuildError::new(
                "weigher",
                format!("given beside {setting}"),
                "beside capacity_weight only",
            ));
        }
        let soft = self.take_soft()?;
        let shards = self.shard_count(&weigher, amount, cores)?;
        let seed = self.hasher.hash_one(0x5EED_u64);
        let limits = Limits::of(&weigher, amount, shards);
        let arena = Arc::new(Arena::new(self.huge_pages));
        let plan = |shard: usize| Plan {
            expected: part(usize::try_from(expected).unwrap_or(usize::MAX), shards),
            near: NEAR / shards,
            policy: self.policy,
            seed: seed.wrapping_add(shard as u64),
            weighted: !matches!(weigher, Weigher::One),
            dated,
            asks: self.rule.is_some(),
            limits,
            arena: arena.clone(),
        };
        let store = Store {
            shards: (0..shards).map(|shard| Shard::new(&plan(shard))).collect(),
            budget: Budget::new(amount, shards),
            time: self.time.take().unwrap_or_else(|| Time::Coarse(CoarseTicker::new())),
            timed: AtomicBool::new(timed),
            stubborn: AtomicU64::new(u64::MAX),
            flights: Flights::new(shards),
            leases: Leases::new(),
            tags: Tags::new(if crate::sync::MODEL { 1 } else { shards }),
            listener: self.listener,
            owed: Owed::default(),
            reads: self.statistics.then(|| Stripes::new((cores * 4).clamp(8, 64))),
            adapt: Adapt::new(self.policy, usize::try_from(expected).unwrap_or(usize::MAX), seed),
        };
        let span = Span::new(self.ttl, self.tti);
        let counted = matches!(weigher, Weigher::One);
        let inner = Inner { store, hasher: self.hasher, weigher, span, rule: self.rule, soft, counted };
        Ok(Cache { inner: Arc::new(inner) })
    }

    fn take_capacity(&mut self) -> Result<(&'static str, Capacity<K, V>), BuildError> {
        const ALLOWED: &str = "one of capacity, capacity_weight, capacity_bytes, capacity_bytes_with";
        let Some(capacity) = self.capacities.pop() else {
            return Err(BuildError::new("capacity", "not given", ALLOWED));
        };
        match self.capacities.pop() {
            None => Ok(capacity),
            Some((other, _)) => Err(BuildError::new(other, format!("given beside {}", capacity.0), ALLOWED)),
        }
    }

    fn take_soft(&mut self) -> Result<Option<Soft>, BuildError> {
        let soft = self.soft.take();
        match self.beta {
            Some(beta) if beta.is_finite() && beta >= 0.0 => Ok(Some(Soft::early(beta, soft))),
            Some(beta) => Err(BuildError::new("refresh_early", beta, "0 or more, and finite")),
            None => Ok(soft),
        }
    }

    fn shard_count(&self, weigher: &Weigher<K, V>, amount: u64, cores: usize) -> Result<usize, BuildError> {
        match self.shards {
            Some(shards) if (1..=MAX_SHARDS).contains(&shards) => Ok(shards),
            Some(shards) => Err(BuildError::new("shards", shards, "1 to 4096")),
            None => {
                let useful = match weigher {
                    Weigher::Bytes(_) => amount / BYTES_PER_SHARD,
                    _ => amount / ENTRIES_PER_SHARD,
                };
                Ok(usize::try_from(useful).unwrap_or(MAX_SHARDS).clamp(1, (cores * 8).clamp(1, MAX_SHARDS)))
            }
        }
    }
}

/// What a shard should be ready for: its part of all entries, and four standard deviations more, as hashes do not share out
/// evenly. (Above it its table grows once more, by a quarter.)
fn part(entries: usize, shards: usize) -> usize {
    let mean = entries / shards;
    if shards == 1 { mean } else { mean + 4 * mean.isqrt() }
}

impl<K, V, S> fmt::Debug for Builder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("policy", &self.policy)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
