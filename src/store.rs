//! The store: shards under one budget, and what one call does with them.
//!
//! # A write, step by step
//!
//! 1. **search**, inside a pin, without a lock, with the user's equality ([`Shard::sight`]);
//! 2. **decide**, still without a lock: the user's closures, weigher and expiry rule run here;
//! 3. **lock** the shard, tend it, and confirm that what was seen is still so; else go back to 1;
//! 4. **make room**: reserve the weight; evict from this shard if it has its share or more, else let go of
//!    the lock, evict from a fuller shard, keep the weight, and go back to 3 (never two locks at once); if that
//!    takes many rounds, once: let go of everything, make way in steps that settle, and go back to 1;
//! 5. **publish** or unlink, and unlock;
//! 6. leave the pin, then **settle**: tell the listener, free what is due. User code runs here again
//!    (listener, drops), with no lock and nothing half done.
//!
//! # Locks (the whole list)
//!
//! | lock | guards | taken while holding |
//! |---|---|---|
//! | `Shard::write` | everything of a shard that readers do not see | nothing, or `Budget::patience` |
//! | `Chunks::directories` | the list of chunk directories | `Shard::write` |
//! | `Arena::blocks` | the list of allocations | `Shard::write`, `Chunks::directories` |
//! | `Budget::patience` | the right to wait for room with weight in hand | nothing |
//! | `Owed` | which shards are to be told of when a listener that wrote comes back | nothing |
//! | `Flights::shards` | the lists of keys being loaded | nothing |
//! | `Leases::numbered` | the tokens and tickets that are out | nothing |
//! | `Flight::state` | who leads and who waits for one load | nothing |
//! | `Tags::parts` | the names of tags | nothing |
//! | `Adapt::shadows` | the shadow caches | nothing; only ever tried |

mod alone;

use crate::adapt::Adapt;
use crate::expiry::{Deadline, Time};
use crate::hash::Hash;
use crate::listener::{Cause, Listener, Owed};
use crate::load::{Flights, Leases};
use crate::options::Maintained;
use crate::settle::Rest;
use crate::shard::{Draft, Found, Located, Locked, Offer, STEP, Shard, Sighting, Stamp};
use crate::stats::{Stats, Stripes};
use crate::sync;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::tags::{self, Tags};
use crate::weight::{Budget, Room};

/// After so many evictions of up to [`STEP`] entries a write settles before it goes on (G27).
const ROUNDS: usize = 4;

/// Who else is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// Other threads may read and write.
    Shared,
    /// The caller vouches that nobody does: garbage is freed at once.
    Alone,
}

/// What a cache is, but for hashing and the public face.
pub(crate) struct Store<K, V> {
    pub(crate) shards: Box<[Shard<K, V>]>,
    pub(crate) budget: Budget,
    pub(crate) time: Time,
    /// Entries may have deadlines, or ages are kept: writes read the time.
    pub(crate) timed: AtomicBool,
    /// The limit of a horizon whose reader was waited for in vain.
    pub(crate) stubborn: AtomicU64,
    pub(crate) listener: Option<Listener<K, V>>,
    pub(crate) owed: Owed,
    pub(crate) reads: Option<Stripes>,
    pub(crate) adapt: Adapt,
    pub(crate) flights: Flights<K, V>,
    pub(crate) leases: Leases<K, V>,
    pub(crate) tags: Tags,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Put {
    /// There was no live entry.
    Added,
    /// There was one.
    Replaced,
    /// It weighs more than the capacity, or there is no row left. A previous entry is gone.
    Refused,
    /// It was loaded, and its key has been written, or one of its tags invalidated, since the load began. Nothing was done.
    Stale,
}

/// An offer that was not taken; search again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Again {
    /// It takes many evictions: this weight should be [made way](Store::make_way) for first. Else 0.
    pub(crate) need: u64,
}

impl From<Changed> for Again {
    fn from(_: Changed) -> Self {
        Again { need: 0 }
    }
}

impl<K, V> Store<K, V> {
    /// The shard of a key.
    #[inline(always)]
    pub(crate) fn shard_of(&self, hash: Hash) -> usize {
        hash.shard(self.shards.len())
    }

    /// As [`shard_of`](Self::shard_of), the shard itself.
    #[inline(always)]
    pub(crate) fn shard(&self, hash: Hash) -> &Shard<K, V> {
        &self.shards[self.shard_of(hash)]
    }

    /// A hit on an entry whose use counter is not full: the policy is to know of it.
    #[inline(never)]
    pub(crate) fn warm(&self, company: Company, hash: Hash, found: Found<'_, K, V>) {
        match company {
            Company::Shared => found.entry.record_use(),
            Company::Alone => found.entry.record_use_alone(),
        }
        if self.adapt.samples(hash) {
            self.adapt.hit(hash);
        }
    }

    /// Can entries have times? Once they can, they always can.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// The time, if entries can have any.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        if self.is_timed() { self.time.now() } else { 0 }
    }

    /// The time, of which writes keep account from now on.
    pub(crate) fn start_time(&self) -> u64 {
        if !self.is_timed() {
            self.timed.store(true, Ordering::Relaxed);
        }
        self.time.now()
    }

    pub(crate) fn lock(&self, shard: usize) -> Locked<'_, K, V> {
        self.shards[shard].lock(self.listener.is_some())
    }

    /// The short way of an offer, for which nothing was searched. Mostly there is nothing under its key, not even of the same
    /// hash, and there is room, or an eviction from its own shard makes some: then it is taken. Else nothing was done
    /// but perhaps an eviction, and [`put`](Self::put) is the way to go.
    #[inline]
    pub(crate) fn add(
        &self,
        hash: Hash,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
        rest: &mut Rest<'_, K, V>,
    ) -> Result<Put, Changed> {
        let number = self.shard_of(hash);
        let mut locked = self.lock(number);
        locked.prefetch(hash.place());
        if locked.has(hash.place()) {
            return Err(Changed);
        }
        let added = self.add_to(&mut locked, hash, draft, offer, self.budget.room());
        rest.leave(number, locked);
        added
    }

    #[inline(always)]
    fn add_to(
        &self,
        locked: &mut Locked<'_, K, V>,
        hash: Hash,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
        mut room: Room<'_>,
    ) -> Result<Put, Changed> {
        if draft.weight > self.budget.capacity() {
            return Err(Changed);
        }
        locked.tend(draft.now, self.adapt.window(), &mut room);
        let covered = room.cover(draft.weight)
            || (self.budget.is_fair(locked.weight()) && locked.evict(draft.weight, &mut room).1);
        match covered {
            true if locked.publish(hash.place(), draft, offer, None, &mut room) => Ok(Put::Added),
            true => Ok(Put::Refused),
            false => Err(Changed),
        }
    }

    /// Steps 3 to 5 for an offer, which is taken unless it is refused, or what was seen is no longer so, or it takes so many
    /// evictions that the call must settle in between. `was_live`: the sighted entry was live when the caller decided.
    #[inline]
    pub(crate) fn put(
        &self,
        hash: Hash,
        sighting: &Sighting,
        was_live: bool,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
        rest: &mut Rest<'_, K, V>,
    ) -> Result<Put, Again> {
        let number = self.shard_of(hash);
        let mut room = self.budget.room();
        let mut turn = None;
        let mut rounds = 0;
        loop {
            // Asked in each round: the capacity may have become smaller.
            if draft.weight > self.budget.capacity() {
                let stands = |stamp| self.load_stands(hash, stamp) && tags::is_current(draft.group);
                if !draft.stamp.is_none_or(stands) {
                    return Ok(Put::Stale);
                }
                self.unlink(hash, sighting, cause(was_live, Cause::Replaced), true, rest)?;
                return Ok(Put::Refused);
            }
            let mut locked = self.lock(number);
            locked.tend(draft.now, self.adapt.window(), &mut room);
            let stands = |stamp| cfg!(seeded = "stale_fill") || locked.stands(hash, stamp);
            if !draft.stamp.is_none_or(|stamp| stands(stamp) && tags::is_current(draft.group)) {
                rest.leave(number, locked);
                return Ok(Put::Stale);
            }
            let over = match (locked.locate(hash.place(), sighting), sighting.index) {
                // What the caller decided by may have been invalidated since.
                (Located::Here(place), Some(index)) if !was_live || locked.is_current(index) => {
                    Some((index, place, cause(was_live, Cause::Replaced)))
                }
                (Located::Absent, _) => None,
                // What was seen had expired, and the tending has just removed it.
                _ if !was_live && locked.is_vacant(hash.place(), sighting) => None,
                _ => {
                    rest.leave(number, locked);
                    return Err(Changed.into());
                }
            };
            let old = over.as_ref().map_or(0, |(index, ..)| self.shards[number].weight_of(*index));
            let need = draft.weight.saturating_sub(old);
            let (mut evicted, mut covered) = (0, room.cover(need));
            if !covered && self.budget.is_fair(locked.weight()) {
                (evicted, covered) = match &over {
                    Some((spared, ..)) => locked.evict_beside(*spared, need, &mut room),
                    None => locked.evict(need, &mut room),
                };
            }
            if covered {
                let published = locked.publish(hash.place(), draft, offer, over, &mut room);
                rest.leave(number, locked);
                return Ok(match (published, was_live) {
                    (true, true) => Put::Replaced,
                    (true, false) => Put::Added,
                    (false, _) => Put::Refused,
                });
            }
            rest.leave(number, locked);
            let spared = over.map(|(index, ..)| index);
            if evicted > 0 || self.evict_from_fuller(number, hash, need, spared, &mut room, rest) {
                rounds += 1;
                if rounds >= ROUNDS && rest.may_pause() {
                    return Err(Again { need });
                }
            } else {
                // Others hold what is missing, and will publish it or give it back.
                if turn.is_none() {
                    room.release();
                    turn = Some(self.budget.patience.lock());
                }
                sync::yield_now();
            }
        }
    }

    /// Evicts until the budget has room for `need`, and settles after each step; the caller holds no pin. If it can, not what is
    /// to be written over. Keeps
    /// nothing in hand, because what runs in settling may want to write: others may take the room, so this evicts no
    /// more than `need` and one step in all, and the caller goes on as every write does.
    pub(crate) fn make_way(&self, hash: Hash, need: u64, spared: Option<u32>, rest: &mut Rest<'_, K, V>) {
        let mut evicted = 0u64;
        rest.settle();
        while evicted < need && self.budget.used().saturating_add(need) > self.budget.capacity() {
            let mut room = self.budget.room();
            // Another pick of shards each time.
            let chance = Hash::new(hash.bits().wrapping_add(evicted));
            if !self.evict_from_fuller(self.shard_of(hash), chance, need, spared, &mut room, rest) {
                return;
            }
            evicted = evicted.saturating_add(room.held());
            drop(room);
            rest.settle();
        }
    }

    /// Steps 3 to 5 for a removal. True if there was an entry. `refused`: in place of it something came
    /// that is too heavy.
    pub(crate) fn unlink(
        &self,
        hash: Hash,
        sighting: &Sighting,
        cause: Cause,
        refused: bool,
        rest: &mut Rest<'_, K, V>,
    ) -> Result<bool, Changed> {
        self.unlink_in(self.shard_of(hash), hash.place(), sighting, cause, refused, rest)
    }

    /// As [`unlink`](Self::unlink), of an entry whose shard and place are known.
    pub(crate) fn unlink_in(
        &self,
        number: usize,
        place: u32,
        sighting: &Sighting,
        cause: Cause,
        refused: bool,
        rest: &mut Rest<'_, K, V>,
    ) -> Result<bool, Changed> {
        let mut room = self.budget.room();
        let mut locked = self.lock(number);
        let outcome = match (locked.locate(place, sighting), sighting.index) {
            (Located::Here(place), Some(index)) if cause == Cause::Expired || locked.is_current(index) => {
                locked.unlink(index, Some(place), cause, &mut room);
                Ok(true)
            }
            (Located::Absent, _) => Ok(false),
            _ => Err(Changed),
        };
        if outcome.is_ok() {
            locked.outdate(place);
            if refused {
                locked.refuse();
            }
        }
        rest.leave(number, locked);
        outcome
    }

    /// Takes away an entry that a search found dead, if it is there. Nobody asked for it, so what is being loaded for its key stays good.
    pub(crate) fn unlink_dead(&self, number: usize, found: Found<'_, K, V>, rest: &mut Rest<'_, K, V>) {
        let mut room = self.budget.room();
        let mut locked = self.lock(number);
        let sighting = Sighting { index: Some(found.index), ..Sighting::default() };
        if let Located::Here(place) = locked.locate(found.entry.hash, &sighting) {
            locked.unlink(found.index, Some(place), Cause::Expired, &mut room);
        }
        rest.leave(number, locked);
    }

    /// A load of a key of this hash begins, and must [`end`](Self::end_load).
    pub(crate) fn begin_load(&self, hash: Hash) -> Stamp {
        self.lock(self.shard_of(hash)).begin_load(hash)
    }

    pub(crate) fn end_load(&self, hash: Hash) {
        self.lock(self.shard_of(hash)).end_load(hash);
    }

    /// Is what is being loaded with this stamp good for a call that begins now?
    pub(crate) fn load_stands(&self, hash: Hash, stamp: Stamp) -> bool {
        self.lock(self.shard_of(hash)).stands(hash, stamp)
    }

    /// Gives a sighted entry another deadline. `asked`: by the user, so that what is being loaded comes too late.
    pub(crate) fn set_deadline(
        &self,
        hash: Hash,
        found: Found<'_, K, V>,
        deadline: Deadline,
        now: u64,
        asked: bool,
    ) -> Result<(), Changed> {
        let mut locked = self.lock(self.shard_of(hash));
        if asked {
            locked.outdate(hash.place());
        }
        let sighting = Sighting { index: Some(found.index), ..Sighting::default() };
        match locked.locate(hash.place(), &sighting) {
            Located::Here(_) => {
                locked.set_deadline(found, deadline, now);
                Ok(())
            }
            _ => Err(Changed),
        }
    }

    /// Evicts from another shard: the fuller of two that the hash and chance pick, else the first that has
    /// anything, else this one, but for the entry that is spared there. False if nothing could be evicted.
    fn evict_from_fuller(
        &self,
        own: usize,
        hash: Hash,
        need: u64,
        spared: Option<u32>,
        room: &mut Room<'_>,
        rest: &mut Rest<'_, K, V>,
    ) -> bool {
        let count = self.shards.len();
        let mut chance = Hash::new(hash.bits().wrapping_add(room.held()).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut pick = || {
            chance = Hash::new(chance.bits().rotate_left(31).wrapping_mul(0xD6E8_FEB8_6659_FD93));
            chance.shard(count)
        };
        let (a, b) = (pick(), pick());
        let fuller = if self.shards[a].weight() >= self.shards[b].weight() { a } else { b };
        let others = (own + 1..count).chain(0..=own).filter(|&shard| self.shards[shard].weight() > 0);
        std::iter::once(fuller).chain(others).any(|shard| {
            let mut locked = self.lock(shard);
            let evicted = match spared {
                Some(index) if shard == own => locked.evict_beside(index, need, room),
                _ => locked.evict(need, room),
            };
            rest.leave(shard, locked);
            evicted.0 > 0
        })
    }

    /// Brings the weight down to this by evicting at most so many, a bounded step at a time; how many it evicted.
    pub(crate) fn shrink(&self, weight: impl Fn() -> u64, most: usize, rest: &mut Rest<'_, K, V>) -> usize {
        let mut room = self.budget.room();
        let count = self.shards.len();
        let (mut shard, mut barren, mut evicted) = (0, 0, 0);
        // Ends with a whole round without a victim. A writer that took weight by the old capacity published under
        // a lock that the round took after it; those that take a lock later see the new capacity.
        while barren < count {
            let fullest = || (0..count).max_by_key(|&shard| self.shards[shard].weight()).unwrap_or(0);
            shard = if barren == 0 { fullest() } else { (shard + 1) % count };
            let mut locked = self.lock(shard);
            let some = locked.shrink(weight(), most - evicted, &mut room);
            rest.leave(shard, locked);
            room.release();
            rest.settle();
            evicted += some;
            barren = if some == 0 { barren + 1 } else { 0 };
        }
        evicted
    }

    /// Frees what waits, of which the limits may have let more wait than they do now.
    pub(crate) fn free_all(&self, rest: &mut Rest<'_, K, V>) {
        for shard in 0..self.shards.len() {
            rest.leave(shard, self.lock(shard));
        }
        rest.settle();
    }

    /// Removes everything that is there.
    pub(crate) fn clear(&self, rest: &mut Rest<'_, K, V>) {
        for shard in 0..self.shards.len() {
            let mut from = Some(0);
            while let Some(at) = from {
                let mut room = self.budget.room();
                let mut locked = self.lock(shard);
                from = locked.clear(at, &mut room);
                rest.leave(shard, locked);
                drop(room);
                rest.settle();
            }
        }
    }

    /// Outdates everything that is there.
    pub(crate) fn invalidate_all(&self, rest: &mut Rest<'_, K, V>) {
        for shard in 0..self.shards.len() {
            let mut done = false;
            while !done {
                let mut room = self.budget.room();
                let mut locked = self.lock(shard);
                done = locked.invalidate_all();
                if !done {
                    locked.sweep(STEP, &mut room);
                }
                rest.leave(shard, locked);
                drop(room);
                rest.settle();
            }
        }
    }

    /// Outdates everything that has the tag. The locks are taken in turn also because a write may have found an entry current under
    /// one, and not published yet: when this returns it has.
    pub(crate) fn invalidate_tag(&self, name: &[u8]) {
        if self.tags.invalidate(name) {
            (0..self.shards.len()).for_each(|shard| self.lock(shard).outdate_tagged());
        }
    }

    /// Upkeep of every shard, at most `budget` steps.
    pub(crate) fn maintain(&self, budget: usize, company: Company) -> Maintained {
        let mut rest = Rest::thorough(self, company);
        let mut done = Maintained { done: true, ..Maintained::default() };
        let now = self.now();
        for shard in 0..self.shards.len() {
            let mut room = self.budget.room();
            let mut growing = true;
            while growing {
                let mut locked = self.lock(shard);
                let left = (budget - done.steps).min(STEP);
                let before = locked.tally().expired;
                let visited = locked.expire(now, left, &mut room);
                growing = locked.is_growing();
                let copied = if growing { left - visited } else { 0 };
                locked.copy(copied);
                let swept = locked.sweep(left - visited - copied, &mut room);
                done.steps += visited + copied + swept;
                done.expired += locked.tally().expired - before;
                let more = locked.is_growing() || locked.has_due(now) || locked.is_sweeping();
                rest.leave(shard, locked);
                if company == Company::Alone {
                    // A drop that writes drops what else is due within itself: so that is little.
                    room.release();
                    rest.settle();
                }
                growing = more && done.steps < budget;
                done.done &= growing || !more;
            }
            room.release();
            rest.settle();
        }
        done
    }

    /// Adds everything up.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats =
            Stats { weight: self.budget.used(), capacity: self.budget.capacity(), ..Stats::default() };
        if let Some(reads) = &self.reads {
            reads.add_to(&mut stats);
        }
        self.flights.add_to(&mut stats);
        for shard in 0..self.shards.len() {
            let locked = self.lock(shard);
            locked.tally().add_to(&mut stats);
            stats.entries += self.shards[shard].len() as u64;
            stats.retired += locked.waiting() as u64;
            stats.overhead_bytes += locked.bytes() as u64;
        }
        stats
    }

    /// Checks every invariant that can be checked while others run; all of them if `quiet`.
    pub(crate) fn check(&self, quiet: bool) -> Result<(), String> {
        let (mut weight, mut loads) = (0u64, 0);
        for shard in 0..self.shards.len() {
            let locked = self.lock(shard);
            let told = |error| format!("shard {shard}: {error}");
            weight = weight.saturating_add(locked.check().map_err(told)?);
            if quiet {
                locked.check_quiet().map_err(told)?;
                loads += locked.loads();
            }
        }
        let (used, capacity) = (self.budget.used(), self.budget.capacity());
        let (flights, leases) = (self.flights.len(), self.leases.leads());
        if quiet && (flights > leases || loads != leases) {
            return Err(format!("{flights} flights, {loads} loads that have begun, {leases} leases"));
        }
        if quiet && (used != weight || used > capacity) {
            return Err(format!("entries weigh {weight}, the budget says {used} of {capacity}"));
        }
        Ok(())
    }
}

/// What was seen is no longer so; search again.
#[derive(Debug)]
pub(crate) struct Changed;

/// Why an entry goes that a write takes away: for the write's own reason, unless it was dead already. (If it was invalidated, the shard
/// knows.)
pub(crate) fn cause(was_live: bool, reason: Cause) -> Cause {
    if was_live { reason } else { Cause::Expired }
}
