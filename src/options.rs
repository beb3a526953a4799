//! What a single write may say, and what it is told.

use crate::expiry::{Lifetime, Terms};
use crate::tags::Names;
use std::time::Duration;

/// Options of one write: its entry's lifetime, weight and tags.
///
/// ```
/// use std::time::Duration;
/// use pinyon::{Cache, InsertOptions};
///
/// let cache = Cache::builder().capacity(10).build()?;
/// let options = InsertOptions::new().ttl(Duration::from_secs(60)).tti(Duration::from_secs(5));
/// cache.insert_with("session", 17, options);
/// # Ok::<(), pinyon::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InsertOptions {
    pub(crate) plain: Plain,
    pub(crate) tags: Names,
}

/// What a write says that is no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) terms: Terms,
    pub(crate) weight: Option<u64>,
    /// The lifetime of a live entry that is written over stays.
    pub(crate) keeps: bool,
}

impl InsertOptions {
    /// Nothing special: the rule and the builder's settings decide.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the entry lives, whatever the cache's `expiry` rule and `time_to_live` say. Zero: it is
    /// expired at once. Longer than 584 years: for ever.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.plain.terms.ttl = Lifetime::After(ttl);
        self
    }

    /// How long the entry lives unread, whatever the cache's `time_to_idle` says.
    #[must_use]
    pub fn tti(mut self, tti: Duration) -> Self {
        self.plain.terms.idle = Lifetime::After(tti);
        self
    }

    /// The entry has no time-to-live and no time-to-idle, whatever the cache says.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.plain.terms = Terms { ttl: Lifetime::Never, idle: Lifetime::Never };
        self
    }

    /// Where a live entry is written over, its deadline and its idle time stay as they are, to the nanosecond and whatever changed them
    /// meanwhile; the write is a use of it, so its idle time begins again. Where nothing is there, what these options say else, and
    /// the cache, decide as without this.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pinyon::{Cache, InsertOptions};
    ///
    /// let cache = Cache::builder().capacity(10).build()?;
    /// let options = InsertOptions::new().ttl(Duration::from_secs(60)).keep_lifetime();
    /// cache.insert_with("count", 1, options.clone());
    /// let ends = || cache.metadata("count").unwrap().remaining.unwrap();
    /// let before = ends();
    /// cache.insert_with("count", 2, options);
    /// assert!(ends() <= before);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[must_use]
    pub fn keep_lifetime(mut self) -> Self {
        self.plain.keeps = true;
        self
    }

    /// What the entry weighs, in place of the weigher's answer (which is not asked). In a cache with a
    /// budget of bytes, all bytes, the library's own included. In a cache whose capacity is a number of entries
    /// every entry weighs 1 and this has no effect. Zero takes no room and is never evicted.
    #[must_use]
    pub fn weight(mut self, weight: u64) -> Self {
        self.plain.weight = Some(weight);
        self
    }

    /// The tags of the entry, in place of those given before: [`Cache::invalidate_tag`](crate::Cache::invalidate_tag) of any
    /// of them outdates it. A name is any bytes. A write that gives no tags makes an entry without tags, whatever was under its key.
    ///
    /// Costs a lock of the cache's registry of tags for each name, some 60 bytes an entry and 8 more for each tag (counted in a
    /// cache with a budget of bytes, unless the write gives its weight), and the names once. Names may be as many as the
    /// entries: those that nothing has any more are forgotten.
    ///
    /// ```
    /// use pinyon::{Cache, InsertOptions};
    ///
    /// let cache = Cache::builder().capacity(10).build()?;
    /// cache.insert_with("/cart", "three things", InsertOptions::new().tags(["user 7", "carts"]));
    /// cache.invalidate_tag("user 7");
    /// assert_eq!(cache.get("/cart"), None);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[must_use]
    pub fn tags<T: AsRef<[u8]>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        let names: Vec<Box<[u8]>> = tags.into_iter().map(|name| name.as_ref().into()).collect();
        self.tags = if names.is_empty() { None } else { Some(names.into()) };
        self
    }
}

/// What an insertion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted<K, V> {
    /// There was no live entry; now there is.
    Added,
    /// The value took the place of another.
    Replaced,
    /// Nothing was written, because the condition of the call did not hold. The pair comes back.
    Kept {
        /// The key that was given.
        key: K,
        /// The value that was given.
        value: V,
    },
    /// The entry weighs more than the whole capacity (or its shard has no index left: all 2^31 are in use). The pair comes
    /// back; a previous value is gone.
    Refused {
        /// The key that was given.
        key: K,
        /// The value that was given.
        value: V,
        /// What the entry weighs.
        weight: u64,
    },
}

impl<K, V> Inserted<K, V> {
    /// Is the value in the cache now (or was, a moment ago)?
    #[must_use]
    pub fn is_stored(&self) -> bool {
        matches!(self, Inserted::Added | Inserted::Replaced)
    }
}

/// What [`Cache::insert_many`](crate::Cache::insert_many) did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsertedMany<K, V> {
    /// Entries written where there was no live one.
    pub added: usize,
    /// Live entries that were written over.
    pub replaced: usize,
    /// Pairs that weigh more than the whole capacity.
    pub refused: Vec<(K, V)>,
}

/// What is known of an entry beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Since its value was written; for an entry that was given a lifetime only later, since then. `None` for an
    /// entry without a lifetime, unless the cache was built with [`Builder::track_age`](crate::Builder::track_age).
    pub age: Option<Duration>,
    /// Until it expires, as things stand; `None` if it does not.
    pub remaining: Option<Duration>,
    /// Until its time to live is over, however often it is read; `None` if it has none.
    pub ttl: Option<Duration>,
    /// How long it lives unread; `None` if that does not matter.
    pub idle: Option<Duration>,
    /// What it weighs.
    pub weight: u64,
}

/// What [`Cache::maintain`](crate::Cache::maintain) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Steps of work done: timers visited, buckets copied and swept.
    pub steps: usize,
    /// Expired entries removed.
    pub expired: u64,
    /// Nothing is left to do now.
    pub done: bool,
}

/// What the closure of [`Cache::compute`](crate::Cache::compute) wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compute<V> {
    /// Write this value.
    Put(V),
    /// Write this value, with a lifetime or weight of its own.
    PutWith(V, InsertOptions),
    /// Take the entry away.
    Remove,
    /// Leave everything as it is.
    Keep,
}
