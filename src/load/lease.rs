//! The face for callers without closures: who finds nothing gets a lease, and brings the value when there is one.
//!
//! ```text
//!   acquire --> Hit                                    complete --> Stored, Overtaken, Refused
//!      |------> Lead(token)  --- the caller loads ----'   abandon --> one of those who wait leads
//!      |------> Wait(ticket) --- wait --> Value, Lead(token), TimedOut
//!      '------> Stale(value, token or none)
//! ```
//!
//! Tokens and tickets are plain numbers, so they cross a C border, and threads. A lease whose holder does not come back ends
//! after a settable time. Threads, tasks and holders of leases wait for one another's loads.

use super::Loaded;
use super::blocking::wait;
use super::flight::{Turn, for_all};
use super::lead::Running;
use super::leading::{Entered, Leading, Seat};
use super::leases::{FEW, Place, STEP};
use super::refresh::Refresh;
use super::soft::Soft;
use crate::cache::Cache;
use crate::options::Maintained;
use crate::store::Company;
use crate::sync::{self, Arc, Moment};
use crate::writer::Done;
use equivalent::Equivalent;
use std::hash::{BuildHasher, Hash};
use std::mem::ManuallyDrop;
use std::time::Duration;

/// The right to load one key, and the duty to say what came of it: [`Cache::complete`] or [`Cache::abandon`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(u64);

/// A place among those who wait for a load: [`Cache::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

macro_rules! plain_number {
    ($($name:ident)*) => { $(
        impl $name {
            /// As a number, to be handed through other languages. Never 0.
            #[must_use]
            pub fn to_bits(self) -> u64 {
                self.0
            }

            /// From its number. Another number does no harm: it stands for nothing, or for what its holder could do.
            #[must_use]
            pub fn from_bits(bits: u64) -> Self {
                $name(bits)
            }
        }
    )* };
}
plain_number!(Token Ticket);

/// What [`Cache::acquire`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a lease that is not completed or abandoned keeps others waiting until it ends"]
pub enum Acquired<V> {
    /// The value.
    Hit(V),
    /// Nothing, and nobody is loading it: the caller is to load.
    Lead(Token),
    /// Nothing, and another is loading it.
    Wait(Ticket),
    /// A value that is due to be loaded again; by the caller, if there is a token.
    Stale(V, Option<Token>),
    /// Nothing: a loader of this very key, that runs on this thread, asks for it (G21).
    OwnKey,
}

/// What became of a value brought by [`Cache::complete`]. Whoever waited for it got it, unless the lease was over, or one of its
/// tags was invalidated: then one of them is to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed<V> {
    /// It is in the cache.
    Stored,
    /// Its key was written or removed, or one of its tags invalidated, since the load began, so it is not in the cache (G20).
    Overtaken(V),
    /// It weighs more than the capacity. A previous value is gone.
    Refused(V),
    /// No lease has this token: its time was over and others took over, or it was completed or abandoned before. Nothing was
    /// done.
    Lapsed(V),
}

/// What came of waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it may be a lease, which is to be completed or abandoned"]
pub enum Waited<V> {
    /// The value. The ticket is used up.
    Value(V),
    /// Who was loading has failed, or its lease is over: the caller is to load. The ticket is used up.
    Lead(Token),
    /// Others were still loading when the time to wait was over. The ticket is good for another wait.
    TimedOut,
    /// No place has this ticket: it was used, or not used for too long. Acquire again.
    Unknown,
    /// A loader of this very key, that runs on this thread, would wait for itself (G21). The ticket is used up.
    OwnKey,
}

/// How [`Cache::acquire`] lends and when it finds a value stale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaseOptions {
    lasting: Duration,
    soft: Option<Soft>,
}

impl LeaseOptions {
    /// A lease lasts a minute; the builder says when a value is stale.
    #[must_use]
    pub fn new() -> Self {
        LeaseOptions { lasting: Duration::from_secs(60), soft: None }
    }

    /// How long a lease lasts: after that others load in its holder's place. It is also how long a ticket is kept that nobody
    /// waits with.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = time;
        self
    }

    /// A value that was written so long ago is stale: as [`LoadOptions::refresh_after`](crate::LoadOptions::refresh_after).
    #[must_use]
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.soft = Some(Soft::of_age(age, self.soft));
        self
    }

    /// A value that will expire is stale a little before, at random: as [`LoadOptions::refresh_early`](crate::LoadOptions::refresh_early).
    #[must_use]
    pub fn refresh_early(mut self, beta: f64) -> Self {
        self.soft = Some(Soft::early(beta, self.soft));
        self
    }
}

impl Default for LeaseOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash + Clone, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// Reads a value, or gets the lease to make it, or a ticket to wait for another that does; never waits itself.
    ///
    /// A hit is a [`get`](Self::get). The rules are those of [`get_or_load`](Self::get_or_load): of all who ask for an absent
    /// key one loads (G18), one of the others does if that one gives up or its lease ends (G19), and a value is stored only if
    /// its key was not written or removed meanwhile (G20). But nobody is told if the holder of a lease waits for itself (G21).
    ///
    /// ```
    /// use pinyon::{Acquired, Cache, Completed, LeaseOptions};
    ///
    /// let cache: Cache<String, u32> = Cache::builder().capacity(100).build()?;
    /// match cache.acquire("seven", LeaseOptions::new()) {
    ///     Acquired::Lead(token) => assert_eq!(cache.complete(token, 7), Completed::Stored),
    ///     other => unreachable!("{other:?}"),
    /// }
    /// assert_eq!(cache.acquire("seven", LeaseOptions::new()), Acquired::Hit(7));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn acquire<Q>(&self, key: &Q, options: LeaseOptions) -> Acquired<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let drawn = self.draw(options.soft);
        match self.get_or_due(key, drawn) {
            Some((value, false)) => Acquired::Hit(value),
            Some((value, true)) => match self.begin_refresh(key, drawn) {
                Refresh::Others => Acquired::Stale(value, None),
                Refresh::Done(fresh) => Acquired::Hit(fresh),
                Refresh::Mine(lead) => Acquired::Stale(value, Some(self.lend(lead, options.lasting))),
            },
            None => self.acquire_missing(key, options.lasting),
        }
    }

    #[cold]
    fn acquire_missing<Q>(&self, key: &Q, lasting: Duration) -> Acquired<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hash(key);
        let lead = loop {
            let mut seat = match self.enter(hash, key) {
                Entered::Leading(lead) => break lead,
                Entered::Waiting(seat) => seat,
            };
            match seat.glance() {
                Turn::Value(value) => {
                    self.count_shared();
                    return Acquired::Hit(Arc::unwrap_or_clone(value));
                }
                Turn::Lead(baton) => break seat.lead(baton),
                Turn::Own => return Acquired::OwnKey,
                Turn::Wait(_) => {
                    self.clear_leases_if_many();
                    let (hash, loading) = seat.into_flight();
                    let place = Place { hash, loading, lasting };
                    let ticket = self.inner.store.leases.add_place(place, Moment::after(lasting));
                    return Acquired::Wait(Ticket(ticket));
                }
                Turn::Failed(_) | Turn::Gone => sync::yield_now(),
            }
        };
        match lead.or_found(|_| true) {
            Ok(value) => Acquired::Hit(value),
            Err(lead) => Acquired::Lead(self.lend(lead, lasting)),
        }
    }

    /// Brings the value of a lease, and gives it to all who wait.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pinyon::{Acquired, Cache, LeaseOptions, Loaded};
    ///
    /// let cache: Cache<u32, u32> = Cache::builder().capacity(100).build()?;
    /// if let Acquired::Lead(token) = cache.acquire(&1, LeaseOptions::new()) {
    ///     cache.complete(token, Loaded::new(10).ttl(Duration::from_secs(5)));
    /// }
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn complete(&self, token: Token, loaded: impl Into<Loaded<V>>) -> Completed<V> {
        let loaded = loaded.into();
        let Some(lead) = self.inner.store.leases.take_lead(token.0) else {
            return Completed::Lapsed(loaded.value);
        };
        match self.land(lead, loaded) {
            (value, Done::Kept(_)) => Completed::Overtaken(value),
            (value, Done::Refused(..)) => Completed::Refused(value),
            _ => Completed::Stored,
        }
    }

    /// Gives a lease back without a value: one of those who wait loads. False if no lease has this token.
    pub fn abandon(&self, token: Token) -> bool {
        match self.inner.store.leases.take_lead(token.0) {
            Some(lead) => {
                self.give_up(lead);
                true
            }
            None => false,
        }
    }

    /// Waits for the load that a ticket was given for; without a timeout as long as it takes. Blocks the thread; with a timeout
    /// of zero it only looks.
    ///
    /// What the load brings is had as it was brought, though the cache did not keep it, or it has expired or was removed by the time
    /// of this call: the wait began with [`acquire`](Self::acquire). A ticket that another thread gives back meanwhile is good again
    /// when the time to wait is over.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pinyon::{Acquired, Cache, LeaseOptions, Waited};
    ///
    /// let cache: Cache<u32, u32> = Cache::builder().capacity(100).build()?;
    /// let Acquired::Lead(token) = cache.acquire(&1, LeaseOptions::new()) else { unreachable!() };
    /// let Acquired::Wait(ticket) = cache.acquire(&1, LeaseOptions::new()) else { unreachable!() };
    /// assert_eq!(cache.wait(ticket, Some(Duration::ZERO)), Waited::TimedOut);
    /// cache.complete(token, 10);
    /// assert_eq!(cache.wait(ticket, None), Waited::Value(10));
    /// # Ok::<(), pinyon::BuildError>(())
    /// ```
    pub fn wait(&self, ticket: Ticket, timeout: Option<Duration>) -> Waited<V> {
        let leases = &self.inner.store.leases;
        let until = timeout.map_or(Moment::NEVER, Moment::after);
        loop {
            let Some(place) = leases.place(ticket.0) else { return Waited::Unknown };
            let mut seat = Seat::new(self, place.hash, place.loading.clone());
            let waited = match wait(&mut seat, until) {
                Some(Turn::Value(value)) => {
                    self.count_shared();
                    Waited::Value(Arc::unwrap_or_clone(value))
                }
                Some(Turn::Lead(baton)) => self.lead_or_find(seat.lead(baton), place.lasting),
                Some(Turn::Own) => Waited::OwnKey,
                None => {
                    // Kept for as long again.
                    let end = Moment::after(place.lasting);
                    leases.put_place(ticket.0, place, end);
                    return Waited::TimedOut;
                }
                // Nobody loads it any more, or who did failed with an error for others.
                Some(_) => match self.acquire_missing(&place.loading.key, place.lasting) {
                    Acquired::Lead(token) => Waited::Lead(token),
                    Acquired::Hit(value) | Acquired::Stale(value, _) => Waited::Value(value),
                    Acquired::OwnKey => Waited::OwnKey,
                    Acquired::Wait(other) => {
                        leases.move_place(ticket.0, other.0);
                        continue;
                    }
                },
            };
            drop(leases.take_place(ticket.0));
            return waited;
        }
    }

    /// Gives a ticket back that is not wanted any more. False if no place has it.
    pub fn leave(&self, ticket: Ticket) -> bool {
        self.inner.store.leases.take_place(ticket.0).is_some()
    }

    /// One who waited leads, unless the value is there by now.
    fn lead_or_find(&self, lead: Leading<'_, K, V, S>, lasting: Duration) -> Waited<V> {
        match lead.or_found(|_| true) {
            Ok(value) => Waited::Value(value),
            Err(lead) => Waited::Lead(self.lend(lead, lasting)),
        }
    }

    fn lend(&self, mut lead: Leading<'_, K, V, S>, lasting: Duration) -> Token {
        // Code of the user's that this wakes may ask for this very key.
        let _running = Running::new(&lead);
        self.clear_leases_if_many();
        let (loading, number, end) = (lead.loading.clone(), lead.number, Moment::after(lasting));
        let lent = Lent { cache: self, token: Token(self.inner.store.leases.add_lead(lead.take(), end)) };
        loading.flight.lend(number, lent.token.0, end);
        lent.keep()
    }

    /// Keeps what is out within bounds: looks at more than a call adds.
    fn clear_leases_if_many(&self) {
        if self.inner.store.leases.is_clearing_due() {
            self.clear_leases(FEW);
        }
    }
}

/// A lease on its way to its holder; given back if a waker panics, because then nobody gets its token.
struct Lent<'c, K: Eq + Hash, V, S: BuildHasher> {
    cache: &'c Cache<K, V, S>,
    token: Token,
}

impl<K: Eq + Hash, V, S: BuildHasher> Lent<'_, K, V, S> {
    fn keep(self) -> Token {
        ManuallyDrop::new(self).token
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Drop for Lent<'_, K, V, S> {
    fn drop(&mut self) {
        let lead = self.cache.inner.store.leases.take_lead(self.token.0);
        drop(lead.map(|lead| Leading::new(self.cache, lead)));
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Cache<K, V, S> {
    /// Ends leases whose time is over: one of those who wait loads in place of each holder. Looks at `budget` of those that are
    /// out; how many, and whether all of them have been looked at by now.
    fn clear_leases(&self, budget: usize) -> (usize, bool) {
        let (now, mut looked) = (Moment::now(), 0);
        loop {
            let cleared = self.inner.store.leases.clear(now, (budget - looked).min(STEP));
            looked += cleared.looked;
            for_all(cleared.leads.into_iter(), |lead| self.give_up(lead));
            if cleared.last || looked >= budget {
                return (looked, cleared.last);
            }
        }
    }

    /// Upkeep of leases and store, at most `budget` steps, of which neither takes what the other needs.
    pub(crate) fn maintain_all(&self, budget: usize, company: Company) -> Maintained {
        let (looked, all) = self.clear_leases(budget / 4);
        let mut done = self.inner.store.maintain(budget - looked, company);
        done.steps += looked;
        if !all {
            let (looked, all) = self.clear_leases(budget - done.steps);
            done.steps += looked;
            done.done &= all;
        }
        done
    }
}
