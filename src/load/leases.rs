//! `Leases`: which tokens and tickets are out.
//!
//! A token stands for the lead of one flight, a ticket for a place among those who wait for one. Both are numbers, from one row,
//! that are given out once; so what is done with one twice, or too late, is done with nothing.
//!
//! # Invariants
//!
//! * **E1** Whoever takes a lead out ends its load: the holder, who completes it or gives it back, one who takes over, or the
//!   upkeep.
//! * **E2** What nobody comes back for does not stay: leads whose time is over and tickets unused for long are taken out by the
//!   upkeep, and by calls that find twice as many as the last clearing left, a few at a time.

use super::flights::Loading;
use super::lead::Lead;
use crate::hash::Hash as Bits;
use crate::sync::{Arc, Moment, Mutex};
use std::collections::BTreeMap;
use std::time::Duration;

/// A place in the queue, to be taken when its holder waits.
#[derive(Debug)]
pub(crate) struct Place<K, V> {
    pub(crate) hash: Bits,
    pub(crate) loading: Arc<Loading<K, V>>,
    /// How long leases of its holder last.
    pub(crate) lasting: Duration,
}

impl<K, V> Clone for Place<K, V> {
    fn clone(&self) -> Self {
        Place { hash: self.hash, loading: self.loading.clone(), lasting: self.lasting }
    }
}

/// What is out, and until when.
#[derive(Debug)]
struct Out<T> {
    what: T,
    end: Moment,
}

#[derive(Debug)]
struct Numbered<K, V> {
    /// The last number given out.
    last: u64,
    /// Trees, because no step of them under the lock is long, however many there are.
    leads: BTreeMap<u64, Out<Lead<K, V>>>,
    places: BTreeMap<u64, Out<Place<K, V>>>,
    /// With how many a clearing is due.
    clear_at: usize,
    /// From which number it goes on.
    cursor: u64,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Leases<K, V> {
    numbered: Mutex<Numbered<K, V>>,
}

/// What a step of clearing took out, to be ended or dropped under no lock.
pub(crate) struct Cleared<K, V> {
    pub(crate) leads: Vec<Lead<K, V>>,
    /// Only held to be dropped.
    _places: Vec<Place<K, V>>,
    /// How many it looked at.
    pub(crate) looked: usize,
    /// All that are out have been looked at; the next step begins anew.
    pub(crate) last: bool,
}

/// As many are looked at in a step of clearing, at most.
pub(super) const STEP: usize = 64;

/// Below so many nothing is cleared but by the upkeep.
pub(super) const FEW: usize = 64;

/// Takes out what has this number, if its time is over.
fn take_over<T>(all: &mut BTreeMap<u64, Out<T>>, number: u64, now: Moment) -> Option<T> {
    let over = all.get(&number)?.end.has_come(now);
    if over { all.remove(&number).map(|out| out.what) } else { None }
}

impl<K, V> Leases<K, V> {
    pub(crate) fn new() -> Self {
        let numbered =
            Numbered { last: 0, leads: BTreeMap::new(), places: BTreeMap::new(), clear_at: FEW, cursor: 0 };
        Leases { numbered: Mutex::new(numbered) }
    }

    /// A token for a lead, which others wait for until `end`.
    pub(crate) fn add_lead(&self, lead: Lead<K, V>, end: Moment) -> u64 {
        let mut numbered = self.numbered.lock();
        numbered.last += 1;
        let token = numbered.last;
        numbered.leads.insert(token, Out { what: lead, end });
        token
    }

    pub(crate) fn take_lead(&self, token: u64) -> Option<Lead<K, V>> {
        self.numbered.lock().leads.remove(&token).map(|out| out.what)
    }

    /// A ticket for a place, good until `end`.
    pub(crate) fn add_place(&self, place: Place<K, V>, end: Moment) -> u64 {
        let mut numbered = self.numbered.lock();
        numbered.last += 1;
        let ticket = numbered.last;
        numbered.places.insert(ticket, Out { what: place, end });
        ticket
    }

    /// The place of a ticket.
    pub(crate) fn place(&self, ticket: u64) -> Option<Place<K, V>> {
        self.numbered.lock().places.get(&ticket).map(|out| out.what.clone())
    }

    /// The ticket is good for this place until `end`.
    pub(crate) fn put_place(&self, ticket: u64, place: Place<K, V>, end: Moment) {
        let old = self.numbered.lock().places.insert(ticket, Out { what: place, end });
        drop(old);
    }

    /// The ticket stands from now on for the place of the other one, which is used up.
    pub(crate) fn move_place(&self, ticket: u64, other: u64) {
        let mut numbered = self.numbered.lock();
        let moved = numbered.places.remove(&other);
        let left = moved.and_then(|moved| numbered.places.insert(ticket, moved));
        drop(numbered);
        drop(left);
    }

    pub(crate) fn take_place(&self, ticket: u64) -> Option<Place<K, V>> {
        self.numbered.lock().places.remove(&ticket).map(|out| out.what)
    }

    /// Are there so many that those should be cleared whose time is over?
    pub(crate) fn is_clearing_due(&self) -> bool {
        let numbered = self.numbered.lock();
        numbered.leads.len() + numbered.places.len() >= numbered.clear_at
    }

    /// Takes out those whose time is over of the next few (E2), at most `limit`.
    pub(crate) fn clear(&self, now: Moment, limit: usize) -> Cleared<K, V> {
        let mut numbered = self.numbered.lock();
        let from = numbered.cursor;
        // In the order of their numbers, whichever they are.
        let mut next: Vec<u64> =
            numbered.leads.range(from..).map(|(&number, _)| number).take(limit + 1).collect();
        next.extend(numbered.places.range(from..).map(|(&number, _)| number).take(limit + 1));
        next.sort_unstable();
        let rest = next.get(limit).copied();
        next.truncate(limit);
        let (mut leads, mut places) = (Vec::new(), Vec::new());
        for number in &next {
            leads.extend(take_over(&mut numbered.leads, *number, now));
            places.extend(take_over(&mut numbered.places, *number, now));
        }
        if rest.is_none() {
            numbered.clear_at = FEW.max(2 * (numbered.leads.len() + numbered.places.len()));
        }
        numbered.cursor = rest.unwrap_or(0);
        Cleared { leads, _places: places, looked: next.len(), last: rest.is_none() }
    }

    /// Tokens that are out.
    pub(crate) fn leads(&self) -> usize {
        self.numbered.lock().leads.len()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use crate::{Acquired, Cache, LeaseOptions};
    use std::time::Duration;

    fn out(cache: &Cache<u32, u32>) -> usize {
        let numbered = cache.inner.store.leases.numbered.lock();
        numbered.leads.len() + numbered.places.len()
    }

    #[test]
    fn g15_leases_and_tickets_that_nobody_comes_back_for_do_not_pile_up() {
        let cache = Cache::builder().capacity(10).shards(1).build().expect("a good description");
        let short = LeaseOptions::new().lasting(Duration::ZERO);
        let long = LeaseOptions::new().lasting(Duration::from_secs(3600));
        for key in 0..100 {
            assert!(matches!(cache.acquire(&key, long), Acquired::Lead(_)));
        }
        for key in 0..10_000 {
            // Of the first hundred another loads.
            assert!(matches!(cache.acquire(&key, short), Acquired::Lead(_) | Acquired::Wait(_)));
            assert!(out(&cache) <= 2 * 100 + super::FEW, "{} are out", out(&cache));
        }
        while !cache.maintain(100).done {}
        assert_eq!(out(&cache), 100, "what is not over stays");
        cache.validate();
    }

    #[test]
    fn g15_upkeep_looks_at_no_more_leases_and_tickets_than_it_may_and_goes_on_where_it_stopped() {
        let (short, long) = (Duration::ZERO, Duration::from_secs(3600));
        for keys in [1000, 1] {
            let cache = Cache::builder().capacity(10).shards(1).build().expect("a good description");
            for n in 0..1000 {
                let lasting = LeaseOptions::new().lasting(if n < 990 { long } else { short });
                assert!(matches!(cache.acquire(&(n % keys), lasting), Acquired::Lead(_) | Acquired::Wait(_)));
            }
            for _ in 0..9 {
                let done = cache.maintain(100);
                assert_eq!((done.steps, done.done, out(&cache)), (100, false, 1000));
            }
            let last = cache.maintain(101);
            assert_eq!((last.steps, last.done, out(&cache)), (100, true, 990));
            cache.validate();
        }
    }
}
