//! The write path of a shard: everything that happens under its lock.
//!
//! Each method leaves table, slab, policy, wheel, notices and garbage in agreement, so a shard is whole
//! whenever its lock is free. No method runs user code (G24): keys and values are moved, never looked at.
//!
//! # Work under one lock (G15)
//!
//! [`tend`](Locked::tend): at most `COPIED_PER_WRITE` buckets copied, [`DUE_PER_WRITE`] timers visited and
//! the policy's own bounded step. [`evict`](Locked::evict) and [`clear`](Locked::clear): at most
//! [`STEP`] entries. Everything else touches one entry.

use super::garbage::{Due, Garbage, Ready};
use super::slab::Slab;
use super::table::{COPIED_PER_WRITE, Located, Place, Tables};
use super::{Batch, Entry, Found, Plan, Rows, Shard, Sighting, Times};
use crate::expiry::{Deadline, NEVER, Wheel};
use crate::listener::{Cause, Notice, Notices};
use crate::policy::{Eviction, Residents};
use crate::reclaim::{Horizon, Tag};
use crate::stats::Tally;
use crate::sync::MutexGuard;
use crate::sync::atomic::Ordering;
use crate::weight::Room;

/// Entries evicted or cleared while the lock is held once.
pub(crate) const STEP: usize = 64;
/// Timers visited by one write.
pub(crate) const DUE_PER_WRITE: usize = 8;

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) tables: Tables,
    slab: Slab,
    policy: Eviction,
    wheel: Wheel,
    garbage: Garbage,
    notices: Notices,
    tally: Tally,
    /// Timers that fired, while they are being unlinked.
    due: Vec<u32>,
}

impl Write {
    pub(super) fn new(plan: &Plan) -> Self {
        Write {
            tables: Tables::new(plan.expected),
            slab: Slab::new(),
            policy: Eviction::new(plan.policy, plan.seed),
            wheel: Wheel::new(),
            garbage: Garbage::default(),
            notices: Notices::default(),
            tally: Tally::default(),
            due: Vec::new(),
        }
    }

    /// Every row that holds an entry, once.
    pub(super) fn each(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.garbage.each().chain(self.notices.waiting()).collect();
        self.tables.each(|_, index| all.push(index));
        all
    }
}

/// An entry to be written.
#[derive(Debug)]
pub(crate) struct Draft<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) weight: u64,
    pub(crate) deadline: Deadline,
    /// When it is written; of no account if it has no deadline and ages are not kept.
    pub(crate) now: u64,
}

/// A locked shard.
#[derive(Debug)]
pub(crate) struct Locked<'s, K, V> {
    shard: &'s Shard<K, V>,
    write: MutexGuard<'s, Write>,
    listening: bool,
}

impl<K, V> Shard<K, V> {
    /// Takes the lock. `listening`: what leaves must be told of before it is retired.
    pub(crate) fn lock(&self, listening: bool) -> Locked<'_, K, V> {
        Locked { shard: self, write: self.write.0.lock(), listening }
    }
}

impl<K, V> Locked<'_, K, V> {
    /// Bounded housekeeping, part of every write. The weight of expired entries goes to `room`.
    pub(crate) fn tend(&mut self, now: u64, window: f32, room: &mut Room<'_>) {
        self.write.policy.set_window(window);
        self.copy(COPIED_PER_WRITE);
        self.write.policy.tend(STEP);
        if !self.write.wheel.is_empty() {
            self.expire(now, DUE_PER_WRITE, room);
        }
    }

    /// Copies buckets of a growing table.
    pub(crate) fn copy(&mut self, buckets: usize) {
        if let Some(old) = self.write.tables.copy(&self.shard.root, buckets) {
            self.write.garbage.retire_table(old);
        }
    }

    pub(crate) fn is_growing(&self) -> bool {
        self.write.tables.is_growing()
    }

    /// Is there an expired entry to remove?
    pub(crate) fn has_due(&self, now: u64) -> bool {
        self.write.wheel.has_due(now)
    }

    /// Removes expired entries, visiting at most `budget` timers; returns how many it visited.
    pub(crate) fn expire(&mut self, now: u64, budget: usize, room: &mut Room<'_>) -> usize {
        let shard = self.shard;
        let Write { wheel, due, .. } = &mut *self.write;
        let mut fired = std::mem::take(due);
        let deadline = |index| shard.times_of(index).map_or(NEVER, |times| times.deadline().at);
        let visited = wheel.advance(now, budget, deadline, |index| fired.push(index));
        for index in fired.drain(..) {
            self.unlink(index, None, Cause::Expired, room);
        }
        self.write.due = fired;
        visited
    }

    /// Is what a search saw still so?
    pub(crate) fn locate(&self, hash: u32, sighting: &Sighting) -> Located {
        self.write.tables.locate(hash, sighting.index, &sighting.rejected)
    }

    /// Is the entry that a search saw still there?
    pub(crate) fn holds(&self, hash: u32, sighting: &Sighting) -> bool {
        matches!(self.locate(hash, sighting), Located::Here(_))
    }

    /// Is nothing under the hash but what a search rejected?
    pub(crate) fn is_vacant(&self, hash: u32, sighting: &Sighting) -> bool {
        matches!(self.write.tables.locate(hash, None, &sighting.rejected), Located::Absent)
    }

    /// The weight of everything in the shard.
    pub(crate) fn weight(&self) -> u64 {
        self.write.policy.weight()
    }

    /// Makes a new entry readable, in the place of `over` if it is given: the index, place and cause of
    /// what it replaces. The room covers the difference in weight. `None`, with the draft handed back, when
    /// the slab has no index left.
    pub(crate) fn publish(
        &mut self,
        hash: u32,
        draft: Draft<K, V>,
        over: Option<(u32, Place, Cause)>,
        room: &mut Room<'_>,
    ) -> Result<u32, Draft<K, V>> {
        let Some(index) = self.write.slab.allocate(&self.shard.entries) else { return Err(draft) };
        let Draft { key, value, weight, deadline, now } = draft;
        self.shard.fill(index, Entry::new(hash, key, value), weight);
        if deadline != Deadline::NEVER || self.shard.dated {
            self.shard.date(index, deadline, now, true);
        }
        let inherits = match over {
            Some((old, _, Cause::Replaced)) => Some(old),
            _ => None,
        };
        match over {
            None => self.add(hash, index),
            Some((old, place, cause)) => {
                self.shard.inherit(old, index, inherits.is_some());
                self.write.tables.replace(&place, hash, index);
                self.succeed(old, index, cause, room);
            }
        }
        if inherits.is_none() {
            self.write.tally.added += 1;
        }
        room.spend(weight);
        if deadline.at != NEVER {
            self.write.wheel.schedule(index, deadline.at, now);
        }
        self.mirror();
        Ok(index)
    }

    /// A key that was not there.
    fn add(&mut self, hash: u32, index: u32) {
        if self.write.tables.is_full() {
            self.write.tables.grow();
        }
        self.write.tables.insert(hash, index);
        if self.shard.weight_of(index) > 0 {
            self.write.policy.insert(index, &Rows(self.shard));
        }
    }

    /// `new` stands in the table where `old` stood: the same in the policy, and `old` is let go.
    fn succeed(&mut self, old: u32, new: u32, cause: Cause, room: &mut Room<'_>) {
        let rows = Rows(self.shard);
        let (before, after) = (rows.weight(old), rows.weight(new));
        let policy = &mut self.write.policy;
        match (before > 0, after > 0) {
            (true, true) if cause == Cause::Replaced => policy.replace(old, new, before, &rows),
            (had, has) => {
                if had {
                    policy.remove(old, before);
                }
                if has {
                    policy.insert(new, &rows);
                }
            }
        }
        room.keep(before);
        self.let_go(old, cause);
    }

    /// Makes an entry unreadable and lets it go; its weight goes to `room`.
    pub(crate) fn unlink(&mut self, index: u32, place: Option<Place>, cause: Cause, room: &mut Room<'_>) {
        let weight = self.shard.weight_of(index);
        if weight > 0 {
            self.write.policy.remove(index, weight);
        }
        self.unlink_from_table(index, place, cause, room);
    }

    fn unlink_from_table(&mut self, index: u32, place: Option<Place>, cause: Cause, room: &mut Room<'_>) {
        let hash = self.shard.hash_of(index);
        let place = place.or_else(|| self.write.tables.place_of(hash, index));
        debug_assert!(place.is_some(), "an entry to unlink is in the table");
        if let Some(place) = place {
            self.write.tables.remove(&place);
        }
        room.keep(self.shard.weight_of(index));
        self.let_go(index, cause);
        self.mirror();
    }

    /// An entry that no reader can find any more: count it, and on to the listener or the garbage.
    fn let_go(&mut self, index: u32, cause: Cause) {
        let weight = self.shard.weight_of(index);
        self.write.wheel.cancel(index);
        self.write.tally.count(cause, weight);
        if self.listening {
            self.write.notices.push(Notice { index, hash: self.shard.hash_of(index), cause });
        } else {
            self.write.garbage.retire(index, weight, &self.shard.limits);
        }
    }

    /// Evicts what the policy chooses until the room holds `need`, at most [`STEP`] entries. Returns how
    /// many.
    pub(crate) fn evict(&mut self, need: u64, room: &mut Room<'_>) -> usize {
        self.evict_until(room, |room| room.cover(need))
    }

    /// Evicts until what is left fits into the capacity, at most [`STEP`] entries. Returns how many.
    pub(crate) fn shrink(&mut self, room: &mut Room<'_>) -> usize {
        self.evict_until(room, |room| room.rest_fits())
    }

    fn evict_until(&mut self, room: &mut Room<'_>, mut enough: impl FnMut(&mut Room<'_>) -> bool) -> usize {
        let mut evicted = 0;
        while evicted < STEP && !enough(room) {
            let Some(index) = self.write.policy.victim(&Rows(self.shard)) else { break };
            self.unlink_from_table(index, None, Cause::Evicted, room);
            evicted += 1;
        }
        evicted
    }

    /// Removes up to [`STEP`] entries with hashes of at least `from`; the hash to go on from.
    #[allow(unsafe_code)]
    pub(crate) fn clear(&mut self, from: u32, room: &mut Room<'_>) -> Option<u32> {
        let mut at = from;
        let mut cleared = 0;
        while cleared < STEP {
            let mut found = Vec::new();
            // SAFETY: T2: the lock is held.
            let hash = unsafe { self.shard.root.next_hash(at, &mut found) }?;
            found.sort_unstable();
            found.dedup();
            cleared += found.len();
            for index in found {
                self.unlink(index, None, Cause::Cleared, room);
            }
            at = hash.checked_add(1)?;
        }
        Some(at)
    }

    /// Gives a live entry another deadline.
    pub(crate) fn set_deadline(&mut self, found: Found<'_, K, V>, deadline: Deadline, now: u64) {
        let before = self.shard.times(found).map_or(Deadline::NEVER, Times::deadline);
        self.shard.date(found.index, deadline, now, before == Deadline::NEVER && !self.shard.dated);
        if deadline.is_earlier_than(before) {
            self.write.wheel.schedule(found.index, deadline.at, now);
        }
    }

    pub(crate) fn refuse(&mut self) {
        self.write.tally.refused += 1;
    }

    pub(crate) fn expect(&mut self, entries: usize) {
        self.write.tables.expect(entries);
    }

    /// Ends the critical section; the garbage that is due must be freed by the caller.
    pub(crate) fn finish(mut self, due: Due) -> Option<Batch> {
        self.write.garbage.take_due(&self.shard.limits, due)
    }

    /// The next notice to tell.
    pub(crate) fn begin_notice(&mut self) -> Option<Notice> {
        self.write.notices.begin()
    }

    /// The notice was told (or the listener panicked): its entry becomes garbage.
    pub(crate) fn finish_notice(&mut self, notice: Notice) {
        self.write.notices.finish(notice);
        let weight = self.shard.weight_of(notice.index);
        self.write.garbage.retire(notice.index, weight, &self.shard.limits);
    }

    /// Hands a sealed batch back; the entries that no pinned reader sees, and the tables.
    pub(crate) fn sort(&mut self, tag: Tag, batch: Batch, horizon: &Horizon) -> Ready {
        self.write.garbage.sort(tag, batch, horizon)
    }

    /// A batch that was taken and not begun.
    pub(crate) fn restore(&mut self, batch: Batch) {
        self.write.garbage.restore(batch);
    }

    pub(crate) fn hold(&mut self, entry: (Tag, u32)) {
        self.write.garbage.hold(entry);
    }

    /// Gives a row back whose entry was taken out.
    ///
    /// # Safety
    ///
    /// The entry was taken out by the caller, who does this once.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn free(&mut self, index: u32) {
        // SAFETY: S2 and S4 by the caller.
        unsafe { self.write.slab.free(index, &self.shard.entries) };
    }

    /// Entries that wait for readers.
    pub(crate) fn waiting(&self) -> usize {
        self.write.garbage.waiting()
    }

    /// Is far more held up by readers than may wait?
    pub(crate) fn is_held_up(&self) -> bool {
        self.write.garbage.is_held_up(&self.shard.limits)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.write.tally
    }

    /// Bytes of tables and slabs.
    pub(crate) fn bytes(&self) -> usize {
        self.write.tables.bytes() + self.shard.rows_bytes()
    }

    fn mirror(&self) {
        self.shard.load.entries.store(self.write.tables.len(), Ordering::Relaxed);
        self.shard.load.weight.store(self.write.policy.weight(), Ordering::Relaxed);
    }

    /// Compares everything with everything; the sum of weights.
    pub(crate) fn check(&self) -> Result<u64, String> {
        let write = &*self.write;
        write.tables.check()?;
        let mut live = Vec::new();
        write.tables.each(|hash, index| live.push((index, hash)));
        let rows = Rows(self.shard);
        for &(index, hash) in &live {
            if rows.hash(index) != hash {
                return Err(format!("row {index} has hash {:x}, its slot {hash:x}", rows.hash(index)));
            }
        }
        let weights = || live.iter().map(|&(index, _)| rows.weight(index));
        let weight = weights().fold(0u64, u64::saturating_add);
        let queued = weights().filter(|&weight| weight > 0).count();
        if (write.policy.len(), write.policy.weight()) != (queued, weight) {
            let policy = (write.policy.len(), write.policy.weight());
            return Err(format!(
                "the policy has (entries, weight) {policy:?}, the table {:?}",
                (queued, weight)
            ));
        }
        write.policy.check(&rows)?;
        let timed = live.iter().filter(|&&(index, _)| self.shard.deadline_of(index) != NEVER).count();
        write.wheel.check(|index| self.shard.deadline_of(index));
        if write.wheel.len() < timed {
            return Err(format!("{timed} entries have deadlines, {} are in the wheel", write.wheel.len()));
        }
        let mut rows = write.each();
        rows.sort_unstable();
        let told = write.notices.telling();
        let unique = rows.windows(2).all(|pair| pair[0] != pair[1]);
        let used = write.slab.used() as usize;
        // What a call has taken out to free, or is telling of, is in no list.
        if !unique || used < rows.len() + told || rows.last().is_some_and(|&last| last >= write.slab.high()) {
            return Err(format!("{} rows in lists (unique: {unique}), {used} handed out", rows.len()));
        }
        if (self.shard.len(), self.shard.weight()) != (live.len(), weight) {
            return Err("the mirrors are behind".into());
        }
        Ok(weight)
    }

    /// Is every row that was handed out accounted for? Only when no other call is running.
    pub(crate) fn check_quiet(&self) -> Result<(), String> {
        let (listed, used) = (self.write.each().len(), self.write.slab.used() as usize);
        if listed == used { Ok(()) } else { Err(format!("{used} rows handed out, {listed} found")) }
    }
}

/// What only writers do to rows.
#[allow(unsafe_code)]
impl<K, V> Shard<K, V> {
    /// The row of times, if it was ever used.
    fn times_of(&self, index: u32) -> Option<&Times> {
        // SAFETY: H1: the caller's index is in the wheel or the table.
        self.times(Found { index, entry: unsafe { self.entry(index) } })
    }

    fn deadline_of(&self, index: u32) -> u64 {
        self.times_of(index).map_or(NEVER, |times| times.deadline().at)
    }

    fn hash_of(&self, index: u32) -> u32 {
        // SAFETY: H1.
        unsafe { self.entry(index) }.hash
    }

    /// Writes the bytes of a row that was just allocated.
    fn fill(&self, index: u32, entry: Entry<K, V>, weight: u64) {
        // SAFETY: S2: the row is ours and unreachable.
        unsafe { self.entries.row(index).write(entry) };
        if let Some(weights) = &self.weights {
            weights.ensure(index, Some(Default::default));
            // SAFETY: ensured and filled.
            unsafe { weights.row(index).as_ref() }.store(weight, Ordering::Relaxed);
        }
    }

    /// Sets the deadline, and if it is `fresh` the time of writing.
    fn date(&self, index: u32, deadline: Deadline, now: u64, fresh: bool) {
        self.times.ensure(index, Some(Times::default));
        // SAFETY: ensured and filled; the entry is written (H1, or just filled).
        let (times, entry) = unsafe { (self.times.row(index).as_ref(), self.entry(index)) };
        if fresh {
            times.create(deadline, now);
        } else {
            times.set(deadline, now);
        }
        entry.follow(times);
    }

    /// An overwrite counts as a use; what comes after an expired entry begins anew.
    fn inherit(&self, old: u32, new: u32, uses: bool) {
        if uses {
            // SAFETY: H1 for the old; the new was just filled.
            let (old, new) = unsafe { (self.entry(old), self.entry(new)) };
            new.inherit_uses(old.uses() + 1);
        }
    }

    fn rows_bytes(&self) -> usize {
        let weights = self.weights.as_ref().map_or(0, super::slab::Chunks::bytes);
        self.entries.bytes() + self.times.bytes() + weights
    }
}
