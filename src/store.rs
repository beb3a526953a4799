//! The store: shards under one budget, and what one call does with them.
//!
//! # A write, step by step
//!
//! 1. **search**, inside a pin, without a lock, with the user's equality ([`Shard::sight`]);
//! 2. **decide**, still without a lock: the user's closures, weigher and expiry rule run here;
//! 3. **lock** the shard, tend it, and confirm that what was seen is still so; else go back to 1;
//! 4. **make room**: reserve the weight; evict from this shard if it has its share or more, else let go of
//!    the lock, evict from a fuller shard, keep the weight, and go back to 3 (never two locks at once);
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
//! | `Budget::patience` | the right to wait for room with weight in hand | nothing |
//! | `Adapt::shadows` | the shadow caches | nothing; only ever tried |

use crate::adapt::Adapt;
use crate::expiry::{Deadline, Time};
use crate::hash::Hash;
use crate::listener::{Cause, Listener};
use crate::options::Maintained;
use crate::settle::Rest;
use crate::shard::{Draft, Found, Located, Locked, STEP, Shard, Sighting};
use crate::stats::{Stats, Stripes};
use crate::sync;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::weight::{Budget, Room};

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
    pub(crate) listener: Option<Listener<K, V>>,
    pub(crate) reads: Option<Stripes>,
    pub(crate) adapt: Adapt,
}

/// What became of a draft.
#[derive(Debug)]
pub(crate) enum Put<K, V> {
    /// There was no live entry.
    Added,
    /// There was one.
    Replaced,
    /// It weighs more than the capacity. A previous entry is gone.
    Refused(Draft<K, V>),
}

impl<K, V> Store<K, V> {
    /// The shard of a key.
    #[inline(always)]
    pub(crate) fn shard_of(&self, hash: Hash) -> usize {
        if self.shards.len() == 1 { 0 } else { hash.shard(self.shards.len()) }
    }

    /// As [`shard_of`](Self::shard_of), the shard itself.
    #[inline(always)]
    pub(crate) fn shard(&self, hash: Hash) -> &Shard<K, V> {
        &self.shards[self.shard_of(hash)]
    }

    /// A hit on an entry whose use counter is not full: the policy is to know of it.
    #[inline(never)]
    pub(crate) fn warm(&self, hash: Hash, found: Found<'_, K, V>) {
        found.entry.record_use();
        if self.adapt.samples(hash) {
            self.adapt.hit(hash);
        }
    }

    /// The time, if entries can have any.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        if self.timed.load(Ordering::Relaxed) { self.time.now() } else { 0 }
    }

    /// The time, of which writes keep account from now on.
    pub(crate) fn start_time(&self) -> u64 {
        if !self.timed.load(Ordering::Relaxed) {
            self.timed.store(true, Ordering::Relaxed);
        }
        self.time.now()
    }

    pub(crate) fn lock(&self, shard: usize) -> Locked<'_, K, V> {
        self.shards[shard].lock(self.listener.is_some())
    }

    /// Steps 3 to 5 for a draft. `Err` gives it back when what was seen is no longer so. `was_live`: the
    /// sighted entry was live when the caller decided.
    pub(crate) fn put(
        &self,
        hash: Hash,
        sighting: &Sighting,
        was_live: bool,
        draft: Draft<K, V>,
        rest: &mut Rest<'_, K, V>,
    ) -> Result<Put<K, V>, Draft<K, V>> {
        let number = self.shard_of(hash);
        let mut room = self.budget.room();
        let mut turn = None;
        loop {
            // Asked in each round: the capacity may have become smaller.
            if draft.weight > self.budget.capacity() {
                return match self.unlink(hash, sighting, cause(was_live, Cause::Replaced), true, rest) {
                    Ok(_) => Ok(Put::Refused(draft)),
                    Err(Changed) => Err(draft),
                };
            }
            let mut locked = self.lock(number);
            locked.tend(draft.now, self.adapt.window(), &mut room);
            let over = match (locked.locate(hash.place(), sighting), sighting.index) {
                (Located::Here(place), Some(index)) => Some((index, place, cause(was_live, Cause::Replaced))),
                (Located::Absent, _) => None,
                // What was seen had expired, and the tending has just removed it.
                _ if !was_live && locked.is_vacant(hash.place(), sighting) => None,
                _ => {
                    rest.leave(number, locked);
                    return Err(draft);
                }
            };
            let old = over.as_ref().map_or(0, |(index, ..)| self.shards[number].weight_of(*index));
            let need = draft.weight.saturating_sub(old);
            let here = !room.cover(need) && self.has_its_share(&locked) && locked.evict(need, &mut room) > 0;
            // An eviction may have taken the very entry that was to be replaced.
            let lost = here && over.is_some() && !locked.holds(hash.place(), sighting);
            if !lost && room.cover(need) {
                let published = locked.publish(hash.place(), draft, over, &mut room);
                rest.leave(number, locked);
                return Ok(match published {
                    Ok(_) if was_live => Put::Replaced,
                    Ok(_) => Put::Added,
                    Err(draft) => Put::Refused(draft),
                });
            }
            rest.leave(number, locked);
            if !here && !self.evict_from_fuller(number, hash, need, &mut room, rest) {
                // Others hold what is missing, and will publish it or give it back.
                if turn.is_none() {
                    room.release();
                    turn = Some(self.budget.patience.lock());
                }
                sync::yield_now();
            }
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
            (Located::Here(place), Some(index)) => {
                locked.unlink(index, Some(place), cause, &mut room);
                Ok(true)
            }
            (Located::Absent, _) => Ok(false),
            _ => Err(Changed),
        };
        if refused && outcome.is_ok() {
            locked.refuse();
        }
        rest.leave(number, locked);
        outcome
    }

    /// Gives a sighted entry another deadline.
    pub(crate) fn set_deadline(
        &self,
        hash: Hash,
        found: Found<'_, K, V>,
        deadline: Deadline,
        now: u64,
    ) -> Result<(), Changed> {
        let mut locked = self.lock(self.shard_of(hash));
        let sighting = Sighting { index: Some(found.index), rejected: Vec::new() };
        match locked.locate(hash.place(), &sighting) {
            Located::Here(_) => {
                locked.set_deadline(found, deadline, now);
                Ok(())
            }
            _ => Err(Changed),
        }
    }

    /// Does the shard hold its part of the capacity, or nearly so?
    fn has_its_share(&self, locked: &Locked<'_, K, V>) -> bool {
        let shards = self.shards.len() as u128;
        u128::from(locked.weight()) * shards * 8 >= u128::from(self.budget.capacity()) * 7
    }

    /// Evicts from another shard: the fuller of two that the hash and chance pick, else the first that has
    /// anything, else this one. False if nothing could be evicted.
    fn evict_from_fuller(
        &self,
        own: usize,
        hash: Hash,
        need: u64,
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
            let evicted = locked.evict(need, room);
            rest.leave(shard, locked);
            evicted > 0
        })
    }

    /// Brings the weight down to the capacity, a bounded step at a time.
    pub(crate) fn shrink(&self, rest: &mut Rest<'_, K, V>) {
        let mut room = self.budget.room();
        let count = self.shards.len();
        let (mut shard, mut barren) = (0, 0);
        // Ends with a whole round without a victim. A writer that took weight by the old capacity published under
        // a lock that the round took after it; those that take a lock later see the new capacity.
        while barren < count {
            let fullest = || (0..count).max_by_key(|&shard| self.shards[shard].weight()).unwrap_or(0);
            shard = if barren == 0 { fullest() } else { (shard + 1) % count };
            let mut locked = self.lock(shard);
            let evicted = locked.shrink(&mut room);
            rest.leave(shard, locked);
            room.release();
            rest.settle();
            barren = if evicted == 0 { barren + 1 } else { 0 };
        }
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
                done.steps += visited + copied;
                done.expired += locked.tally().expired - before;
                let more = locked.is_growing() || locked.has_due(now);
                rest.leave(shard, locked);
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
        let mut weight = 0u64;
        for shard in 0..self.shards.len() {
            let locked = self.lock(shard);
            let told = |error| format!("shard {shard}: {error}");
            weight = weight.saturating_add(locked.check().map_err(told)?);
            if quiet {
                locked.check_quiet().map_err(told)?;
            }
        }
        let (used, capacity) = (self.budget.used(), self.budget.capacity());
        if quiet && (used != weight || used > capacity) {
            return Err(format!("entries weigh {weight}, the budget says {used} of {capacity}"));
        }
        Ok(())
    }
}

/// What was seen is no longer so; search again.
#[derive(Debug)]
pub(crate) struct Changed;

/// Why an entry goes that a write takes away: for the write's own reason, unless it was dead already.
pub(crate) fn cause(was_live: bool, reason: Cause) -> Cause {
    if was_live { reason } else { Cause::Expired }
}
