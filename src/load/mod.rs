//! Loading: what is missing is made by one caller, and the others wait for it.
//!
//! | file | what it owns |
//! |---|---|
//! | `flight` | one load of one key: who leads, who waits, what came of it |
//! | `flights` | which keys are being loaded |
//! | `lead` | the right to load |
//! | `leading` | what a leader does: takes a stamp, looks again, publishes, lands or gives up |
//! | `soft` | when a value that is still good is due to be loaded again |
//! | `refresh` | who loads it then |
//! | `blocking` | the face for threads |
//! | `bulk` | the same for many keys at once |
//! | `future` | the face for tasks (feature `future`) |
//! | `lease` | the face for callers without closures |
//! | `leases` | which tokens and tickets are out |
//!
//! # The rule of fills (G20)
//!
//! A load takes a stamp of its key (`shard::stamps`) after it has become the leader, and then looks once more whether
//! the value is there. It publishes under the shard's lock, if the stamp still stands: no insertion, removal, clear, new
//! lifetime or newer load of the key began after it. Whether or not it publishes, those who waited get the value: their calls
//! began before the write ended. A call that begins after the write finds that the stamp of the flight does not stand, and starts a
//! newer one.
//!
//! `invalidate_all` takes all stamps. The tags of what is being loaded are known only in the end: if one was invalidated since the
//! load began, the value is not published, and only its leader gets it; of those who wait, one loads in turn.
//!
//! # Who is told what
//!
//! A leader that fails gets its error, and one that panics its panic; one of those who wait then loads in its place (G19), with
//! its own loader. So each caller runs its loader at most once, and gets its own error or a value. Where a thousand callers would
//! rather share one error than try in turn, [`LoadOptions::share_errors`] shares it.

mod blocking;
mod bulk;
mod flight;
mod flights;
#[cfg(feature = "future")]
mod future;
mod lead;
mod leading;
pub(crate) mod lease;
mod leases;
mod refresh;
mod soft;

pub(crate) use flights::Flights;
pub(crate) use leases::Leases;
pub(crate) use soft::Soft;

use crate::options::InsertOptions;
use crate::sync::Arc;
use flight::Shared;
use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

/// What a loader made: the value, how long it lives and what it weighs.
///
/// ```
/// use std::time::Duration;
/// use pinyon::{Cache, LoadError, LoadOptions, Loaded};
///
/// let cache: Cache<u32, &str> = Cache::builder().capacity(100).build()?;
/// let page = |_: &u32| Ok::<_, String>(Loaded::new("seven").ttl(Duration::from_secs(60)));
/// assert_eq!(cache.load(&7, LoadOptions::new(), page), Ok("seven"));
/// # Ok::<(), pinyon::BuildError>(())
/// ```
///
/// A cache that remembers that there is nothing is a cache of `Option`s, whose `None`s live shorter:
///
/// ```
/// use std::time::Duration;
/// use pinyon::{Cache, LoadOptions, Loaded};
///
/// let users: Cache<u32, Option<&str>> = Cache::builder().capacity(100).build()?;
/// let nobody = |_: &u32| Ok::<_, String>(Loaded::nothing(Duration::from_secs(5)));
/// assert_eq!(users.load(&7, LoadOptions::new(), nobody), Ok(None));
/// assert_eq!(users.get(&7), Some(None));
/// # Ok::<(), pinyon::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<V> {
    value: V,
    options: InsertOptions,
}

impl<V> Loaded<V> {
    /// A value as any insertion writes it: the cache's rule, lifetimes and weigher decide.
    #[must_use]
    pub fn new(value: V) -> Self {
        Loaded { value, options: InsertOptions::new() }
    }

    /// A value with the options of an insertion.
    #[must_use]
    pub fn with(value: V, options: InsertOptions) -> Self {
        Loaded { value, options }
    }

    /// How long it lives: as [`InsertOptions::ttl`].
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options = self.options.ttl(ttl);
        self
    }

    /// How long it lives unread: as [`InsertOptions::tti`].
    #[must_use]
    pub fn tti(mut self, tti: Duration) -> Self {
        self.options = self.options.tti(tti);
        self
    }

    /// What it weighs: as [`InsertOptions::weight`].
    #[must_use]
    pub fn weight(mut self, weight: u64) -> Self {
        self.options = self.options.weight(weight);
        self
    }

    /// Its tags: as [`InsertOptions::tags`]. If one of them was invalidated since the load began, the value is not written.
    ///
    /// ```
    /// use pinyon::{Cache, LoadOptions, Loaded};
    ///
    /// let cache: Cache<u32, &str> = Cache::builder().capacity(100).build()?;
    /// let page = |_: &u32| Ok::<_, String>(Loaded::new("seven").tags(["numbers"]));
    /// assert_eq!(cache.load(&7, LoadOptions::new(), page), Ok("seven"));
    /// cache.invalidate_tag("numbers");
    /// assert_eq!(cache.get(&7), None);
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    #[must_use]
    pub fn tags<T: AsRef<[u8]>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.options = self.options.tags(tags);
        self
    }
}

impl<T> Loaded<Option<T>> {
    /// There is nothing under this key, which is to be remembered for so long (G23).
    #[must_use]
    pub fn nothing(ttl: Duration) -> Self {
        Loaded::new(None).ttl(ttl)
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Loaded::new(value)
    }
}

/// How a call that loads gets on with others that load the same key.
///
/// ```
/// use std::time::Duration;
/// let options = pinyon::LoadOptions::<String>::new().timeout(Duration::from_secs(2)).share_errors();
/// ```
pub struct LoadOptions<E = Infallible> {
    timeout: Option<Duration>,
    soft: Option<Soft>,
    stale_if_error: bool,
    sharing: Option<Sharing<E>>,
}

/// How an error comes to those who wait, and back.
struct Sharing<E> {
    give: fn(&E) -> Shared,
    take: fn(&Shared) -> Option<E>,
}

impl<E> Clone for Sharing<E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E> Copy for Sharing<E> {}

impl<E> Clone for LoadOptions<E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E> Copy for LoadOptions<E> {}

impl<E> LoadOptions<E> {
    /// Waits for others as long as it takes, and tries in its turn when they fail.
    #[must_use]
    pub fn new() -> Self {
        LoadOptions { timeout: None, soft: None, stale_if_error: false, sharing: None }
    }

    /// How long to wait for another call that loads; the call's own loader is not timed. Without it a call waits as long
    /// as the other takes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A value that was written so long ago is due to be loaded again (G22): the first call that finds it so loads, and returns
    /// what it loaded; calls beside it get the old value at once. Stands in place of the builder's
    /// [`refresh_after`](crate::Builder::refresh_after).
    ///
    /// The age is known of an entry that has a lifetime, and of all entries of a cache that
    /// [tracks ages](crate::Builder::track_age); others are never due.
    #[must_use]
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.soft = Some(Soft::of_age(age, self.soft));
        self
    }

    /// A value that will expire is due to be loaded again a little before, at random, the sooner the longer loads of this cache
    /// take on the average; so those who ask for it often do not all miss it at one moment. A `beta` of 1 is the usual
    /// choice; more is earlier, and 0 is not at all. (The XFetch rule of Vattani, Chierichetti and Lowenstein, VLDB 2015.) A
    /// value due is loaded as by [`refresh_after`](Self::refresh_after). Negative and undefined factors count as 0.
    #[must_use]
    pub fn refresh_early(mut self, beta: f64) -> Self {
        self.soft = Some(Soft::early(beta, self.soft));
        self
    }

    /// If the loader fails of a value that was due, and that is still there and has not expired by then, the call returns it and no
    /// error.
    #[must_use]
    pub fn stale_if_error(mut self) -> Self {
        self.stale_if_error = true;
        self
    }

    /// If the loader fails, those who wait get a clone of its error, those of them that share errors of this type; and
    /// this call takes the error of another loader.
    #[must_use]
    pub fn share_errors(mut self) -> Self
    where
        E: Clone + Send + Sync + 'static,
    {
        self.sharing = Some(Sharing {
            give: |error| Arc::new(error.clone()),
            take: |shared| shared.downcast_ref::<E>().cloned(),
        });
        self
    }

    fn share(&self, error: &E) -> Option<Shared> {
        self.sharing.as_ref().map(|sharing| (sharing.give)(error))
    }

    fn shared(&self, error: &Shared) -> Option<E> {
        self.sharing.as_ref().and_then(|sharing| (sharing.take)(error))
    }

    /// What a call returns whose refresh came to this.
    fn or_old<V>(
        &self,
        refreshed: Result<V, LoadError<E>>,
        there: impl FnOnce() -> Option<V>,
    ) -> Result<V, LoadError<E>> {
        match refreshed {
            Err(LoadError::Failed(error)) if self.stale_if_error => there().ok_or(LoadError::Failed(error)),
            refreshed => refreshed,
        }
    }
}

impl<E> Default for LoadOptions<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for LoadOptions<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("timeout", &self.timeout)
            .field("soft", &self.soft)
            .field("stale_if_error", &self.stale_if_error)
            .field("share_errors", &self.sharing.is_some())
            .finish()
    }
}

/// Why a call that loads has no value. A cached value was never given up for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError<E = Infallible> {
    /// The loader's own error. Nothing was cached.
    Failed(E),
    /// The loader of this key asks the cache to load this key, on its own thread: it would wait for itself (G21). Read with
    /// `get` inside a loader, or load another key.
    OwnKey,
    /// Another caller was still loading when the time to wait was over.
    TimedOut,
    /// A loader of many keys answered with another number of values than it was shown keys.
    Count {
        /// Keys it was shown.
        asked: usize,
        /// Values it gave.
        given: usize,
    },
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Failed(error) => write!(f, "the loader failed: {error}"),
            LoadError::OwnKey => {
                f.write_str("a loader asks to load its own key: inside of it, use get, or load another key")
            }
            LoadError::TimedOut => {
                f.write_str("another caller was still loading the key when the time to wait was over")
            }
            LoadError::Count { asked, given } => write!(
                f,
                "a loader was shown {asked} keys and gave {given} values: give one for each key, in the same order"
            ),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Failed(error) => Some(error),
            _ => None,
        }
    }
}
