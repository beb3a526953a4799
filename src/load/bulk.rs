//! Many keys at once: what nobody is loading is loaded by one call of the loader, the rest is waited for.
//!
//! A call leads the flights of its missing keys and waits for those of others, in this order: it waits for nobody while it leads, so no
//! two calls wait for each other. If a flight that it waits for is given up and becomes its own, the loader runs again for that, and
//! for those beside it that have become so.

use super::blocking::wait;
use super::flight::Turn;
use super::lead::Running;
use super::leading::{Entered, Leading, Seat};
use super::{LoadError, LoadOptions, Loaded};
use crate::cache::Cache;
use crate::sync::{self, Arc, Moment};
use equivalent::Equivalent;
use std::hash::{BuildHasher, Hash};

/// A flight that this call leads, or waits for, and where in the answer its value belongs.
struct At<T> {
    place: usize,
    what: T,
}

/// A flight that this call leads, of which it is known all the while: what of the user's runs for one of them, or for a key that is
/// still to be entered, runs inside of all (G21).
struct Led<'c, K: Eq + Hash, V, S: BuildHasher> {
    lead: Leading<'c, K, V, S>,
    running: Running<K, V>,
}

impl<'c, K: Eq + Hash + Clone, V: Clone, S: BuildHasher> Led<'c, K, V, S> {
    fn new(lead: Leading<'c, K, V, S>) -> Self {
        let running = Running::new(&lead);
        Led { lead, running }
    }

    /// As [`Leading::or_found`]. (To go on with the lead says so itself, and nobody else has the flight for it.)
    fn or_found(self) -> Result<V, Self> {
        drop(self.running);
        self.lead.or_found(|_| true).map_err(Led::new)
    }

    /// Ends with what the loader made.
    fn land(mut self, cache: &'c Cache<K, V, S>, loaded: Loaded<V>) -> V {
        drop(self.running);
        cache.land(self.lead.take(), loaded).0
    }
}

impl<K: Eq + Hash + Clone, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// Reads many values, and makes those that are missing by one call of the loader; the answers are in the order of the keys.
    ///
    /// The loader is shown the keys that are neither there nor being loaded by others, and answers with as many values in the
    /// same order. A key that is asked for twice is shown once. The loader runs on this thread and under no lock; it runs again for keys whose other loader failed
    /// meanwhile. Otherwise each key is loaded as by [`load`](Self::load), but that a value that is due is not renewed. Where
    /// values may not exist, use a cache of `Option`s.
    ///
    /// ```
    /// use pinyon::{Cache, LoadOptions};
    ///
    /// let cache: Cache<String, usize> = Cache::builder().capacity(100).build()?;
    /// cache.insert("jay".to_string(), 3);
    /// let lengths = cache.get_many_or_load(["jay", "pinyon"], LoadOptions::new(), |missing| {
    ///     assert_eq!(missing, ["pinyon"]);
    ///     Ok::<_, String>(missing.iter().map(|key| key.len()).collect::<Vec<_>>())
    /// });
    /// assert_eq!(lengths, Ok(vec![3, 6]));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::Failed`] if the loader fails, [`LoadError::Count`] if it answers with another number of values than it was
    /// shown keys (nothing of that answer is stored), [`LoadError::OwnKey`], and [`LoadError::TimedOut`]. What was loaded
    /// before stays in the cache.
    pub fn get_many_or_load<'q, Q, E, L>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        options: LoadOptions<E>,
        mut load: impl FnMut(&[K]) -> Result<L, E>,
    ) -> Result<Vec<V>, LoadError<E>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized + 'q,
        L: IntoIterator<Item: Into<Loaded<V>>>,
    {
        let keys: Vec<&Q> = keys.into_iter().collect();
        let mut values = self.get_many(keys.iter().copied());
        let until = options.timeout.map_or(Moment::NEVER, Moment::after);
        let mut missing: Vec<usize> = (0..keys.len()).filter(|&place| values[place].is_none()).collect();
        while !missing.is_empty() {
            let (mut leads, mut seats) = (Vec::new(), Vec::new());
            for place in missing.drain(..) {
                match self.enter(self.hash(keys[place]), keys[place]) {
                    Entered::Leading(lead) => leads.push(At { place, what: Led::new(lead) }),
                    Entered::Waiting(seat) => seats.push(At { place, what: seat }),
                }
            }
            self.load_all(leads, &mut values, &options, &mut load)?;
            while let Some(At { place, what: mut seat }) = seats.pop() {
                match self.turn(&mut seat, until, &options)? {
                    Some(Turn::Value(value)) => {
                        self.count_shared();
                        values[place] = Some(Arc::unwrap_or_clone(value));
                    }
                    Some(Turn::Lead(baton)) => {
                        let mut passed_on = vec![At { place, what: Led::new(seat.lead(baton)) }];
                        seats.retain_mut(|At { place, what: seat }| match seat.glance() {
                            Turn::Lead(baton) => {
                                passed_on.push(At { place: *place, what: Led::new(seat.lead(baton)) });
                                false
                            }
                            _ => true,
                        });
                        self.load_all(passed_on, &mut values, &options, &mut load)?;
                    }
                    _ => {
                        sync::yield_now();
                        missing.push(place);
                    }
                }
            }
        }
        Ok(values.into_iter().flatten().collect())
    }

    /// Runs the loader for the flights that this call leads, if there are any, and lands them.
    fn load_all<E, L>(
        &self,
        leads: Vec<At<Led<'_, K, V, S>>>,
        values: &mut [Option<V>],
        options: &LoadOptions<E>,
        load: &mut impl FnMut(&[K]) -> Result<L, E>,
    ) -> Result<(), LoadError<E>>
    where
        L: IntoIterator<Item: Into<Loaded<V>>>,
    {
        let mut absent = Vec::new();
        for At { place, what: lead } in leads {
            match lead.or_found() {
                Ok(value) => values[place] = Some(value),
                Err(lead) => absent.push(At { place, what: lead }),
            }
        }
        if absent.is_empty() {
            return Ok(());
        }
        let keys: Vec<K> = absent.iter().map(|led| led.what.lead.key().clone()).collect();
        // The answer may be made while it is read.
        let answer = load(&keys).map(|made| made.into_iter().map(Into::into).collect::<Vec<Loaded<V>>>());
        match answer {
            Ok(loaded) => {
                if loaded.len() != absent.len() {
                    return Err(LoadError::Count { asked: absent.len(), given: loaded.len() });
                }
                for (At { place, what: led }, loaded) in absent.into_iter().zip(loaded) {
                    values[place] = Some(led.land(self, loaded));
                }
                Ok(())
            }
            Err(error) => {
                absent.into_iter().for_each(|led| led.what.lead.fail(&error, options));
                Err(LoadError::Failed(error))
            }
        }
    }

    /// Waits for a flight; `None` if another is to be looked for.
    fn turn<E>(
        &self,
        seat: &mut Seat<'_, K, V, S>,
        until: Moment,
        options: &LoadOptions<E>,
    ) -> Result<Option<Turn<V>>, LoadError<E>> {
        match wait(seat, until) {
            None => Err(LoadError::TimedOut),
            Some(Turn::Own) => Err(LoadError::OwnKey),
            Some(Turn::Failed(error)) => match self.shared_error(options, &error) {
                Some(error) => Err(LoadError::Failed(error)),
                None => Ok(None),
            },
            turn => Ok(turn),
        }
    }
}
