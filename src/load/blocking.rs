//! The face for threads: a call that loads, or waits for another that does.

use super::flight::Turn;
use super::leading::{Entered, Seat};
use super::{LoadError, LoadOptions, Loaded};
use crate::cache::Cache;
use crate::sync::{self, Arc, Moment, Parked};
use equivalent::Equivalent;
use std::hash::{BuildHasher, Hash};
use std::task::Waker;
use std::time::Duration;

impl<K: Eq + Hash + Clone, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// Reads a value, or makes it, writes it and gives it back; of all who ask meanwhile, one makes it and the others wait
    /// for it (G18).
    ///
    /// A hit is a [`get`](Self::get). After a miss the loader runs, on this thread and under no lock, unless another call is
    /// loading this key: then that one's value is returned. (Loaders that ask for one another's keys in a ring wait for ever;
    /// and so does a call on the only thread of an executor, for a task of that executor.) What is loaded is written only if the key was not written
    /// or removed since the load began (G20); the callers get it in any case. If the loader panics, so does this call, and one
    /// of those who wait loads with its own loader (G19).
    ///
    /// ```
    /// use pinyon::Cache;
    ///
    /// let cache: Cache<String, usize> = Cache::builder().capacity(100).build()?;
    /// assert_eq!(cache.get_or_load("four", || "four".len()), Ok(4));
    /// assert_eq!(cache.get_or_load("four", || unreachable!("it is there")), Ok(4));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::OwnKey`] if the loader of this very key calls it.
    #[inline]
    pub fn get_or_load<Q>(&self, key: &Q, load: impl FnOnce() -> V) -> Result<V, LoadError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.load(key, LoadOptions::new(), |_| Ok(Loaded::new(load())))
    }

    /// As [`get_or_load`](Self::get_or_load), with a loader that can fail. Its error goes to its own caller and is not cached
    /// (G23); one of those who wait then tries in its place, with its own loader.
    ///
    /// ```
    /// use pinyon::{Cache, LoadError};
    ///
    /// let cache: Cache<String, u32> = Cache::builder().capacity(100).build()?;
    /// assert!(matches!(cache.try_get_or_load("x", || "x".parse()), Err(LoadError::Failed(_))));
    /// assert_eq!(cache.try_get_or_load("x", || "7".parse()), Ok(7));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`] with the loader's own error, and [`LoadError::OwnKey`].
    #[inline]
    pub fn try_get_or_load<Q, E>(
        &self,
        key: &Q,
        load: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.load(key, LoadOptions::new(), |_| load().map(Loaded::new))
    }

    /// As [`try_get_or_load`](Self::try_get_or_load), for a loader that says how long its value lives and what it weighs; it is
    /// shown the key as it will be stored. The options say how long to wait for others, and whether to share their errors.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pinyon::{Cache, LoadError, LoadOptions, Loaded};
    ///
    /// let cache: Cache<u32, String> = Cache::builder().capacity(100).build()?;
    /// let patient = LoadOptions::new().timeout(Duration::from_secs(1));
    /// let minute = |key: &u32| Ok::<_, String>(Loaded::new(key.to_string()).ttl(Duration::from_secs(60)));
    /// assert_eq!(cache.load(&7, patient, minute), Ok("7".to_string()));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`], [`LoadError::OwnKey`], and [`LoadError::TimedOut`] if another call was still loading after
    /// the time of the options.
    #[inline]
    pub fn load<Q, E>(
        &self,
        key: &Q,
        options: LoadOptions<E>,
        load: impl FnOnce(&K) -> Result<Loaded<V>, E>,
    ) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        if options.soft.is_some() || self.inner.soft.is_some() {
            return self.load_or_refresh(key, options, load);
        }
        match self.get(key) {
            Some(value) => Ok(value),
            None => self.load_missing(key, options, load),
        }
    }

    #[cold]
    pub(super) fn load_missing<Q, E>(
        &self,
        key: &Q,
        options: LoadOptions<E>,
        load: impl FnOnce(&K) -> Result<Loaded<V>, E>,
    ) -> Result<V, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hash(key);
        let until = options.timeout.map_or(Moment::NEVER, Moment::after);
        let lead = loop {
            let mut seat = match self.enter(hash, key) {
                Entered::Leading(lead) => break lead,
                Entered::Waiting(seat) => seat,
            };
            match wait(&mut seat, until) {
                Some(Turn::Value(value)) => {
                    self.count_shared();
                    return Ok(Arc::unwrap_or_clone(value));
                }
                Some(Turn::Failed(error)) => {
                    if let Some(error) = self.shared_error(&options, &error) {
                        return Err(LoadError::Failed(error));
                    }
                }
                Some(Turn::Lead(baton)) => break seat.lead(baton),
                Some(Turn::Own) => return Err(LoadError::OwnKey),
                Some(Turn::Gone | Turn::Wait(_)) => sync::yield_now(),
                None => return Err(LoadError::TimedOut),
            }
        };
        let lead = match lead.or_found(|_| true) {
            Ok(value) => return Ok(value),
            Err(lead) => lead,
        };
        let loaded = lead.run(|| load(lead.key()));
        lead.finish(loaded, &options)
    }
}

/// A thread that waits looks at the flight at least so often: one who was woken in its place may have gone to sleep for good.
const LOOKS: Duration = Duration::from_secs(1);

/// Waits until there is something to do; `None` if the time is over before.
pub(super) fn wait<K: Eq + Hash, V, S: BuildHasher>(
    seat: &mut Seat<'_, K, V, S>,
    until: Moment,
) -> Option<Turn<V>> {
    let parked = Arc::new(Parked::new());
    let waker = Waker::from(parked.clone());
    loop {
        match seat.poll(&waker) {
            Turn::Wait(patience) => {
                let look = patience.end().or_earlier(Moment::after(LOOKS));
                let over = look.has_come(Moment::now());
                if over {
                    // Code of the user's that belongs to the lease runs still: nobody says when it has ended.
                    sync::nap();
                }
                if (over || !parked.wait(until.or_earlier(look))) && until.has_come(Moment::now()) {
                    return None;
                }
            }
            turn => return Some(turn),
        }
    }
}
