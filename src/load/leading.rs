//! `Leading`: what a leader does, whichever face it has, and what they do who wait.
//!
//! A lead ends by landing, by failing, or by being given up. `Leading` gives it up when it is dropped: a panic in a loader, an
//! error, and a future that goes away all come to that. A lease keeps its lead in a table until its holder comes back.

use super::flight::{Baton, Before, Flight, Shared, Spent, Turn};
use super::flights::{Joined, Loading};
use super::lead::{Lead, Running};
use super::{LoadError, LoadOptions, Loaded};
use crate::cache::{Cache, InShard};
use crate::hash::Hash as Bits;
use crate::reclaim::Pin;
use crate::shard::Inside;
use crate::store::Store;
use crate::sync::{self, Arc, Moment};
use crate::tags::{self, Group};
use crate::writer::Done;
use equivalent::Equivalent;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// Begins to lead: takes the stamp. `started`: the time, which was read before, because the ticker is the user's and nobody
    /// would lead if it panicked here.
    fn begin(&self, hash: Bits, loading: Arc<Loading<K, V>>, baton: Baton, started: u64) -> Lead<K, V> {
        let (store, Baton { number, before }) = (&self.inner.store, baton);
        match before {
            Before::Nothing => {}
            Before::Load => store.end_load(hash),
            Before::Lease(token) => {
                if store.leases.take_lead(token).is_some() {
                    store.end_load(hash);
                    store.flights.count_failure(0);
                }
            }
        }
        let stamp = store.begin_load(hash);
        loading.flight.stamp(number, stamp);
        Lead { hash, loading, number, stamp, since: store.tags.now(), started }
    }

    /// The value that is there after all, if it is good enough, and its group, which ends the load: somebody wrote it after the
    /// caller had missed it. No use of it.
    fn look_again(
        &self,
        lead: &Lead<K, V>,
        good: impl FnOnce(InShard<'_, K, V>) -> bool,
    ) -> Option<(V, Group)>
    where
        V: Clone,
    {
        let _running = Running::new(lead);
        let pin = Pin::new();
        let key = &lead.loading.key;
        let found = self.look_matching(Inside::pinned(&pin), lead.hash, |stored| stored == key)?;
        let value = good(found).then(|| found.1.entry.value.clone())?;
        self.count_shared();
        Some((value, found.0.group(found.1).cloned()))
    }

    /// Publishes what was loaded, if the stamp stands and its tags are current, and gives it to all who wait; the value, and what
    /// became of it.
    pub(super) fn land(&self, lead: Lead<K, V>, loaded: Loaded<V>) -> (V, Done<K, V>)
    where
        K: Clone,
        V: Clone,
    {
        let (store, mut lead) = (&self.inner.store, Leading::new(self, lead));
        // Code of the user's from here on, that may ask for this very key.
        let running = Running::new(&lead);
        store.flights.count_load(self.since(lead.started));
        lead.made = true;
        let Loaded { value, options } = loaded;
        let Ok(group) = store.tags.join(&options.tags, lead.since) else {
            store.flights.count_stale();
            self.pass_on(lead.take());
            return (value, Done::Kept(None));
        };
        let pair = (lead.loading.key.clone(), value.clone());
        let done = self.writer().publish(lead.hash, pair, &options, &group, lead.stamp);
        drop(running);
        if matches!(done, Done::Kept(_)) {
            store.flights.count_stale();
        }
        (self.share(lead, value, &group), done)
    }

    /// Gives a value to all who wait, and back. If its group is outdated, not to them: one may have come after that.
    fn share(&self, mut lead: Leading<'_, K, V, S>, value: V, group: &Group) -> V
    where
        V: Clone,
    {
        if !tags::is_current(group) {
            self.pass_on(lead.take());
            return value;
        }
        self.close(&lead);
        if !tags::is_current(group) {
            self.pass_on(lead.take());
            return value;
        }
        if Arc::strong_count(&lead.loading) > 1 {
            lead.loading.flight.land(lead.number, Arc::new(value.clone()));
        }
        self.inner.store.end_load(lead.take().hash);
        value
    }

    /// Gives an error to all who wait.
    fn fail(&self, mut lead: Leading<'_, K, V, S>, error: Shared) {
        self.close(&lead);
        lead.loading.flight.fail(lead.number, error);
        let lead = lead.take();
        self.inner.store.end_load(lead.hash);
        self.inner.store.flights.count_failure(self.since(lead.started));
    }

    /// From here on new callers look for themselves, so who does not hold the flight now never will.
    fn close(&self, lead: &Lead<K, V>) {
        // Else another has taken over, who is waited for.
        if lead.loading.flight.is_led_by(lead.number) {
            self.inner.store.flights.remove(lead.hash, &lead.loading);
        }
    }

    /// Ends without a value: one of those who wait leads.
    pub(super) fn give_up(&self, lead: Lead<K, V>) {
        let started = lead.started;
        self.pass_on(lead);
        self.inner.store.flights.count_failure(self.since(started));
    }

    /// Ends without a value for those who wait.
    fn pass_on(&self, lead: Lead<K, V>) {
        /// Last, so that who comes meanwhile does not take the flight for an old one; and though a waker panics.
        struct End<'s, K, V>(&'s Store<K, V>, Bits);
        impl<K, V> Drop for End<'_, K, V> {
            fn drop(&mut self) {
                self.0.end_load(self.1);
            }
        }
        let store = &self.inner.store;
        let _end = End(store, lead.hash);
        let told = lead.loading.flight.give_up(lead.number);
        if told.gone {
            store.flights.remove(lead.hash, &lead.loading);
        }
        told.tell();
    }

    /// How long a load has taken, for the statistics. Nothing, if the ticker panics: a load is to end all the same.
    fn since(&self, started: u64) -> u64 {
        let now = catch_unwind(AssertUnwindSafe(|| self.inner.store.time.now()));
        now.unwrap_or(started).saturating_sub(started)
    }

    /// The error of another's loader, if the options take it.
    pub(super) fn shared_error<E>(&self, options: &LoadOptions<E>, error: &Shared) -> Option<E> {
        options.shared(error).inspect(|_| self.count_shared())
    }

    /// A call got what another made.
    pub(super) fn count_shared(&self) {
        self.inner.store.flights.count_wait();
    }
}

/// A lead that is given up when it is dropped.
pub(crate) struct Leading<'c, K: Eq + Hash, V, S: BuildHasher> {
    cache: &'c Cache<K, V, S>,
    lead: Option<Lead<K, V>>,
    /// The loader has made a value, and that is counted.
    made: bool,
}

impl<'c, K: Eq + Hash, V, S: BuildHasher> Leading<'c, K, V, S> {
    pub(super) fn new(cache: &'c Cache<K, V, S>, lead: Lead<K, V>) -> Self {
        Leading { cache, lead: Some(lead), made: false }
    }

    pub(super) fn take(&mut self) -> Lead<K, V> {
        let Some(lead) = self.lead.take() else { unreachable!("{HELD}") };
        lead
    }

    /// The value that is there after all, if it is good enough; then the load is over.
    pub(super) fn or_found(self, good: impl FnOnce(InShard<'_, K, V>) -> bool) -> Result<V, Self>
    where
        V: Clone,
    {
        match self.cache.look_again(&self, good) {
            Some((value, group)) => Ok(self.cache.share(self, value, &group)),
            None => Err(self),
        }
    }

    /// Ends with what the loader made or with its error, which those who wait get too if it is shared.
    pub(super) fn finish<E>(
        mut self,
        loaded: Result<Loaded<V>, E>,
        options: &LoadOptions<E>,
    ) -> Result<V, LoadError<E>>
    where
        K: Clone,
        V: Clone,
    {
        match loaded {
            Ok(loaded) => Ok(self.cache.land(self.take(), loaded).0),
            Err(error) => {
                self.fail(&error, options);
                Err(LoadError::Failed(error))
            }
        }
    }

    /// Ends with an error, which those who wait get if it is shared.
    pub(super) fn fail<E>(self, error: &E, options: &LoadOptions<E>) {
        let shared = self.run(|| options.share(error));
        if let Some(shared) = shared {
            self.cache.fail(self, shared);
        }
    }
}

const HELD: &str = "the lead is taken by what ends it";

impl<K: Eq + Hash, V, S: BuildHasher> Deref for Leading<'_, K, V, S> {
    type Target = Lead<K, V>;

    fn deref(&self) -> &Lead<K, V> {
        let Some(lead) = &self.lead else { unreachable!("{HELD}") };
        lead
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Drop for Leading<'_, K, V, S> {
    fn drop(&mut self) {
        match self.lead.take() {
            Some(lead) if self.made => self.cache.pass_on(lead),
            Some(lead) => self.cache.give_up(lead),
            None => {}
        }
    }
}

/// How a call that found nothing goes on.
pub(crate) enum Entered<'c, K: Eq + Hash, V, S: BuildHasher> {
    Leading(Leading<'c, K, V, S>),
    Waiting(Seat<'c, K, V, S>),
}

/// A place among those who wait for a flight; given up when dropped.
pub(crate) struct Seat<'c, K: Eq + Hash, V, S: BuildHasher> {
    cache: &'c Cache<K, V, S>,
    hash: Bits,
    loading: Arc<Loading<K, V>>,
    ticket: Option<u64>,
    /// When it asked last, by the cache's time.
    asked: u64,
    /// Dropped when the turn has been taken.
    spent: Spent,
}

impl<'c, K: Eq + Hash, V, S: BuildHasher> Seat<'c, K, V, S> {
    /// In a flight that the caller knows.
    pub(super) fn new(cache: &'c Cache<K, V, S>, hash: Bits, loading: Arc<Loading<K, V>>) -> Self {
        Seat { cache, hash, loading, ticket: None, asked: 0, spent: Spent::default() }
    }

    /// What is to be done.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Turn<V> {
        self.ask(Some(waker))
    }

    /// What is to be done, though the caller will not wait.
    pub(super) fn glance(&mut self) -> Turn<V> {
        self.ask(None)
    }

    fn ask(&mut self, waker: Option<&Waker>) -> Turn<V> {
        // Of the turn before; its drop may panic, when a lead that this turn gives would be lost.
        drop(std::mem::take(&mut self.spent));
        self.asked = self.cache.inner.store.time.now();
        let me = sync::this_thread();
        let (turn, spent) = self.loading.flight.poll(&mut self.ticket, waker, me, Moment::now());
        self.spent = spent;
        if matches!(turn, Turn::Gone) {
            self.cache.inner.store.flights.remove(self.hash, &self.loading);
        }
        turn
    }

    /// Begins to lead, by what a poll gave.
    pub(crate) fn lead(&mut self, baton: Baton) -> Leading<'c, K, V, S> {
        let lead =
            Leading::new(self.cache, self.cache.begin(self.hash, self.loading.clone(), baton, self.asked));
        // Here, where the lead is given up if this panics.
        drop(std::mem::take(&mut self.spent));
        lead
    }

    /// The flight, to sit down in later.
    pub(super) fn into_flight(mut self) -> (Bits, Arc<Loading<K, V>>) {
        debug_assert!(self.ticket.is_none(), "it has not waited yet");
        self.ticket = None;
        (self.hash, self.loading.clone())
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Drop for Seat<'_, K, V, S> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let told = self.loading.flight.leave(ticket);
        if told.gone {
            self.cache.inner.store.flights.remove(self.hash, &self.loading);
        }
        told.tell();
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// The lead of a flight, if there is one to be had at once.
    pub(super) fn enter_to_lead<Q>(&self, hash: Bits, key: &Q) -> Option<Leading<'_, K, V, S>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        match self.enter(hash, key) {
            Entered::Leading(lead) => Some(lead),
            Entered::Waiting(mut seat) => match seat.glance() {
                Turn::Lead(baton) => Some(seat.lead(baton)),
                _ => None,
            },
        }
    }

    /// A seat in a flight of others, if what it brings is good for a call that begins now, or the lead of a new one.
    pub(super) fn enter<Q>(&self, hash: Bits, key: &Q) -> Entered<'_, K, V, S>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let store = &self.inner.store;
        let now = store.time.now();
        let good = |flight: &Flight<V>| flight.stamped().is_none_or(|stamp| store.load_stands(hash, stamp));
        match store.flights.join(hash, |other| key.equivalent(other), good, || key.to_owned()) {
            Joined::Mine(mine, older) => {
                let lead = Leading::new(self, self.begin(hash, mine, Flight::<V>::FIRST, now));
                drop(older);
                Entered::Leading(lead)
            }
            Joined::There(loading) => Entered::Waiting(Seat::new(self, hash, loading)),
        }
    }
}
