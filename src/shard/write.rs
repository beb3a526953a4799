//! The write path of a shard: everything that happens under its lock.
//!
//! Each method leaves table, slab, policy, wheel, notices and garbage in agreement, so a shard is whole
//! whenever its lock is free. No method runs user code (G24): keys and values are moved, never looked at.
//!
//! # Work under one lock (G15)
//!
//! [`tend`](Locked::tend): at most `COPIED_PER_WRITE` buckets copied, `SWEPT_PER_WRITE` swept, [`DUE_PER_WRITE`] timers visited and
//! the policy's own bounded step. [`evict`](Locked::evict), [`sweep`](Locked::sweep) and [`clear`](Locked::clear): at most
//! [`STEP`] entries, or those of one hash. [`sort`](Locked::sort): what waits, by batches. Everything else touches one entry.

mod alone;
mod check;
mod evict;
mod rows;
mod sweep;

use super::eras::Eras;
use super::garbage::{Due, Garbage, HeldUp, Limits, Passed};
use super::slab::Slab;
use super::stamps::{Stamp, Stamps};
use super::table::{COPIED_PER_WRITE, Located, Place, Tables};
use super::{Batch, Entry, Found, Plan, Rows, Shard, Sighting, Times};
use crate::expiry::{Deadline, NEVER, Wheel};
use crate::hash::Hash;
use crate::listener::{Cause, Notice, Notices};
use crate::policy::{Eviction, Residents};
use crate::reclaim::{Horizon, Tag};
use crate::stats::Tally;
use crate::sync::atomic::Ordering;
use crate::sync::{self, Held};
use crate::tags::Group;
use crate::weight::Room;
use sweep::SWEPT_PER_WRITE;

/// Entries evicted, swept out or cleared while the lock is held once.
pub(crate) const STEP: usize = 64;
/// Timers visited by one write.
pub(crate) const DUE_PER_WRITE: usize = 8;

/// What the lock guards. What nearly every write writes to comes first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Write {
    pub(super) tables: Tables,
    slab: Slab,
    policy: Eviction,
    garbage: Garbage,
    tally: Tally,
    eras: Eras,
    wheel: Wheel,
    notices: Notices,
    stamps: Stamps,
    /// Timers that fired, or entries that are swept out or cleared, while they are being unlinked.
    due: Vec<u32>,
    /// There was ever an entry with tags.
    tagged: bool,
    /// So many entries need not be fetched ahead.
    near: usize,
}

impl Write {
    pub(super) fn new(plan: &Plan) -> Self {
        Write {
            tables: Tables::new(plan.expected),
            slab: Slab::new(),
            policy: Eviction::new(plan.policy, plan.seed),
            wheel: Wheel::new(),
            garbage: Garbage::new(plan.limits),
            notices: Notices::default(),
            stamps: Stamps::default(),
            tally: Tally::default(),
            eras: Eras::default(),
            due: Vec::new(),
            tagged: false,
            near: plan.near,
        }
    }

    /// Every row that holds an entry, once.
    pub(super) fn each(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.garbage.each().chain(self.notices.waiting()).collect();
        self.tables.each(|index| all.push(index));
        all
    }
}

/// What is to be written, beside the pair itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'w> {
    pub(crate) weight: u64,
    pub(crate) deadline: Deadline,
    /// If a live entry is written over, its deadline in place of that.
    pub(crate) keeps: bool,
    /// When it is written; of no account if it has no deadline and ages are not kept.
    pub(crate) now: u64,
    /// Of what was loaded: to be written only while this stands, and the group is current.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) group: &'w Group,
}

/// A pair on its way into the cache: taken by the write that publishes it, and by no other.
pub(crate) type Offer<K, V> = Option<(K, V)>;

/// A locked shard.
#[derive(Debug)]
pub(crate) struct Locked<'s, K, V> {
    shard: &'s Shard<K, V>,
    write: Held<'s, Write>,
    listening: bool,
}

impl<K, V> Shard<K, V> {
    /// Takes the lock. `listening`: what leaves must be told of before it is retired.
    pub(crate) fn lock(&self, listening: bool) -> Locked<'_, K, V> {
        Locked { shard: self, write: sync::lock_soon(&self.writers.write), listening }
    }

    /// As [`lock`](Self::lock), for who is alone.
    ///
    /// # Safety
    ///
    /// While the result lives, nobody else locks the shard, on this thread or another.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn lock_alone(&self, listening: bool) -> Locked<'_, K, V> {
        // SAFETY: the caller.
        Locked { shard: self, write: unsafe { sync::hold_alone(&self.writers.write) }, listening }
    }
}

impl<K, V> Locked<'_, K, V> {
    /// Bounded housekeeping, part of every write. The weight of expired entries goes to `room`.
    #[inline(always)]
    pub(crate) fn tend(&mut self, now: u64, window: f32, room: &mut Room<'_>) {
        let write = &mut *self.write;
        write.policy.set_window(window);
        write.policy.tend(STEP);
        if write.tables.is_growing() {
            self.copy(COPIED_PER_WRITE);
        }
        if !self.write.wheel.is_empty() {
            self.expire(now, DUE_PER_WRITE, room);
        }
        if self.is_sweeping() {
            self.sweep(SWEPT_PER_WRITE, room);
        }
    }

    /// An entry of this hash will be published. What its way through table and policy needs from memory comes while the
    /// rest goes on: without, each of some five lines would be waited for in turn.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32) {
        if self.write.tables.len() <= self.write.near {
            return;
        }
        if let Some(leaving) = self.write.policy.prefetch(hash, &Rows(self.shard)) {
            self.write.tables.prefetch(leaving);
        }
    }

    /// Copies buckets of a growing table.
    #[inline(never)]
    pub(crate) fn copy(&mut self, buckets: usize) {
        let shard = self.shard;
        if let Some(old) = self.write.tables.copy(&shard.root, buckets, |index| shard.hash_of(index)) {
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
    #[inline(never)]
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
    #[inline]
    pub(crate) fn locate(&self, hash: u32, sighting: &Sighting) -> Located {
        self.write.tables.locate(hash, sighting.index, &sighting.rejected, |index| self.shard.hash_of(index))
    }

    /// Is nothing under the hash but what a search rejected?
    pub(crate) fn is_vacant(&self, hash: u32, sighting: &Sighting) -> bool {
        !self.write.tables.has_stranger(hash, &sighting.rejected, |index| self.shard.hash_of(index))
    }

    /// Is there any entry of this hash?
    #[inline]
    pub(crate) fn has(&self, hash: u32) -> bool {
        self.write.tables.has_stranger(hash, &[], |index| self.shard.hash_of(index))
    }

    /// The weight of everything in the shard.
    #[inline]
    pub(crate) fn weight(&self) -> u64 {
        self.write.policy.weight()
    }

    /// Makes the offered pair readable, in the place of `over` if it is given: the index, place and cause of
    /// what it replaces. The room covers the difference in weight. False when the slab has no row left: then the offer is
    /// counted as refused, and what it was to replace is gone.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        hash: u32,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
        over: Option<(u32, Place, Cause)>,
        room: &mut Room<'_>,
    ) -> bool {
        let Some((old, place, cause)) = over else {
            let published = self.publish_absent(hash, draft, offer, room);
            if !published {
                self.refuse();
            }
            return published;
        };
        let Some(index) = self.write_row(hash, draft, offer) else {
            self.unlink(old, Some(place), cause, room);
            self.refuse();
            return false;
        };
        let inherits = cause == Cause::Replaced;
        let kept;
        let draft = if draft.keeps && inherits {
            kept = self.shard.keep_term(old, *draft);
            &kept
        } else {
            draft
        };
        self.date_row(index, draft);
        self.shard.inherit(old, index, inherits);
        #[cfg(seeded = "false_miss")]
        (self.write.tables.remove(hash, &place), self.write.tables.insert(hash, index));
        #[cfg(not(seeded = "false_miss"))]
        self.write.tables.replace(&place, index);
        self.succeed(old, index, cause, room);
        self.write.tally.added += u64::from(!inherits);
        room.spend(draft.weight);
        self.schedule(index, draft);
        true
    }

    /// As [`publish`](Self::publish), of a key that is not there. False when the slab has no row left: then the pair is still offered.
    #[inline(always)]
    pub(crate) fn publish_absent(
        &mut self,
        hash: u32,
        draft: &Draft<'_>,
        offer: &mut Offer<K, V>,
        room: &mut Room<'_>,
    ) -> bool {
        let Some(index) = self.write_row(hash, draft, offer) else { return false };
        self.date_row(index, draft);
        self.add(hash, index, draft.weight);
        self.write.tally.added += 1;
        room.spend(draft.weight);
        self.schedule(index, draft);
        true
    }

    /// Writes the offered pair into a row of its own, which nobody can find yet. `None` when there is none left.
    #[inline(always)]
    fn write_row(&mut self, hash: u32, draft: &Draft<'_>, offer: &mut Offer<K, V>) -> Option<u32> {
        self.write.stamps.take(hash);
        let index = self.write.slab.allocate(&self.shard.entries)?;
        let Some((key, value)) = offer.take() else {
            unreachable!("a pair is offered until it is published")
        };
        let entry = Entry::new(hash, key, value, self.shard.settled.era(), draft.group.is_some());
        self.shard.fill(index, entry, draft.weight);
        if draft.group.is_some() {
            self.shard.gather(index, draft.group);
            self.write.tagged = true;
            // Whoever invalidates a tag after this look finds the entry when it comes to this lock.
            if !crate::tags::is_current(draft.group) {
                self.write.eras.outdate();
            }
        }
        self.write.eras.write();
        Some(index)
    }

    /// Gives the row that was written its times, if it needs any.
    #[inline(always)]
    fn date_row(&mut self, index: u32, draft: &Draft<'_>) {
        if draft.deadline != Deadline::NEVER || self.shard.dated {
            self.shard.date(index, draft.deadline, draft.now, true);
        }
    }

    #[inline(always)]
    fn schedule(&mut self, index: u32, draft: &Draft<'_>) {
        if draft.deadline.at != NEVER {
            self.write.wheel.schedule(index, draft.deadline.at, draft.now);
        }
    }

    /// A key that was not there.
    #[inline]
    fn add(&mut self, hash: u32, index: u32, weight: u64) {
        if self.write.tables.is_full() {
            self.write.tables.grow();
        }
        // While nobody can read it, so that no use is lost by the policy's note.
        if weight > 0 {
            self.write.policy.insert(index, &Rows(self.shard));
        }
        self.write.tables.insert(hash, index);
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
                    policy.remove(old, before, &rows);
                }
                if has {
                    policy.insert(new, &rows);
                }
            }
        }
        room.keep(if cfg!(seeded = "weight_leak") { 0 } else { before });
        self.let_go(old, self.shard.hash_of(old), before, cause);
    }

    /// Makes an entry unreadable and lets it go; its weight goes to `room`.
    pub(crate) fn unlink(&mut self, index: u32, place: Option<Place>, cause: Cause, room: &mut Room<'_>) {
        let weight = self.shard.weight_of(index);
        if weight > 0 {
            self.write.policy.remove(index, weight, &Rows(self.shard));
        }
        self.unlink_from_table(index, place, cause, room);
    }

    fn unlink_from_table(&mut self, index: u32, place: Option<Place>, cause: Cause, room: &mut Room<'_>) {
        let (hash, weight) = (self.shard.hash_of(index), self.shard.weight_of(index));
        match place {
            Some(place) => self.write.tables.remove(hash, &place),
            None => {
                let removed = self.write.tables.remove_entry(hash, index);
                debug_assert!(removed, "an entry to unlink is in the table");
            }
        }
        room.keep(weight);
        self.let_go(index, hash, weight, cause);
    }

    /// An entry that no reader can find any more: count it, and on to the listener or the garbage.
    #[inline]
    fn let_go(&mut self, index: u32, hash: u32, weight: u64, cause: Cause) {
        let cause = self.count_out(index, weight, cause);
        if self.listening {
            self.write.notices.push(Notice { index, hash, cause });
        } else {
            self.write.garbage.retire(index, weight);
        }
    }

    /// Counts an entry that left the table, and forgets its timer. If it is outdated, that is the cause.
    #[inline(always)]
    fn count_out(&mut self, index: u32, weight: u64, mut cause: Cause) -> Cause {
        if self.is_sweeping() || self.write.tagged {
            cause = self.true_cause(index, cause);
        }
        self.write.wheel.cancel(index);
        self.write.tally.count(cause, weight);
        cause
    }

    /// Gives a live entry another deadline.
    pub(crate) fn set_deadline(&mut self, found: Found<'_, K, V>, deadline: Deadline, now: u64) {
        let before = self.shard.times(found).map_or(Deadline::NEVER, Times::deadline);
        self.shard.date(found.index, deadline, now, before == Deadline::NEVER && !self.shard.dated);
        if deadline.is_earlier_than(before) {
            self.write.wheel.schedule(found.index, deadline.at, now);
        }
    }

    /// A load of this hash begins, and must [`end`](Self::end_load).
    pub(crate) fn begin_load(&mut self, hash: Hash) -> Stamp {
        self.write.stamps.begin(hash)
    }

    pub(crate) fn end_load(&mut self, hash: Hash) {
        self.write.stamps.end(hash);
    }

    /// Was nothing of this hash written since the stamp was given?
    pub(crate) fn stands(&self, hash: Hash, stamp: Stamp) -> bool {
        self.write.stamps.stands(hash, stamp)
    }

    /// The user wrote to a key of this hash: what is being loaded for it comes too late.
    pub(crate) fn outdate(&mut self, hash: u32) {
        self.write.stamps.take(hash);
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn limit_rows(&mut self, rows: u32) {
        self.write.slab.set_limit(rows);
    }

    pub(crate) fn refuse(&mut self) {
        self.write.tally.refused += 1;
    }

    pub(crate) fn expect(&mut self, entries: usize) {
        self.write.tables.expect(entries);
    }

    /// What may wait for readers from now on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.write.garbage.set_limits(limits);
    }

    /// Is there garbage to free?
    #[inline]
    pub(crate) fn is_due(&self, due: Due) -> bool {
        let garbage = &self.write.garbage;
        garbage.is_due(due) || garbage.is_over() && garbage.seems_free(|index| self.address(index))
    }

    /// Ends the critical section; the garbage that is due must be freed by the caller.
    #[inline]
    pub(crate) fn finish(mut self, due: Due) -> Option<Batch> {
        self.is_due(due).then(|| self.write.garbage.take())
    }

    /// As [`finish`](Self::finish), when what readers hold up was looked at already.
    pub(crate) fn finish_again(mut self, due: Due) -> Option<Batch> {
        self.write.garbage.is_due(due).then(|| self.write.garbage.take())
    }

    /// The thread begins to tell, unless it is doing so already.
    pub(crate) fn begin_telling(&mut self) -> bool {
        self.write.notices.begin_telling()
    }

    pub(crate) fn end_telling(&mut self) {
        self.write.notices.end_telling();
    }

    /// The next notice to tell.
    pub(crate) fn begin_notice(&mut self) -> Option<Notice> {
        self.write.notices.begin()
    }

    /// The notice was told (or the listener panicked): its entry becomes garbage.
    pub(crate) fn finish_notice(&mut self, notice: Notice) {
        self.write.notices.finish(notice);
        let weight = self.shard.weight_of(notice.index);
        self.write.garbage.retire(notice.index, weight);
    }

    /// Hands a sealed batch back; the entries that no pinned reader sees, and the tables.
    pub(crate) fn sort(&mut self, tag: Tag, batch: Batch, horizon: &Horizon) -> Passed {
        self.write.garbage.sort(tag, batch, horizon)
    }

    /// Is more sealed than may wait for a horizon that others take?
    pub(crate) fn needs_horizon(&self) -> bool {
        self.write.garbage.needs_horizon()
    }

    /// A batch that was taken and not begun.
    pub(crate) fn restore(&mut self, batch: Batch) {
        self.write.garbage.restore(batch);
    }

    /// The address that stands for an entry in a hazard word.
    pub(crate) fn address(&self, index: u32) -> usize {
        self.shard.address(index)
    }

    pub(crate) fn hold(&mut self, entry: (Tag, u32)) {
        let weight = self.shard.weight_of(entry.1);
        self.write.garbage.hold(entry, weight);
    }

    /// Entries of a batch that was begun, whose turn did not come.
    pub(crate) fn put_off(&mut self, entries: impl Iterator<Item = (Tag, u32)>) {
        self.write.garbage.put_off(entries);
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

    /// Gives the row of an entry back whose key and value need no drop.
    ///
    /// # Safety
    ///
    /// H2 allows it; the entry was in the hands of the caller, who does this once.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn recycle(&mut self, index: u32) {
        // SAFETY: the caller.
        unsafe {
            if self.write.tagged {
                drop(self.shard.take(index));
            }
            self.free(index);
        }
    }

    /// Entries that wait for readers.
    pub(crate) fn waiting(&self) -> usize {
        self.write.garbage.waiting()
    }

    /// What readers hold up, beside what may wait.
    pub(crate) fn held_up(&self) -> HeldUp {
        self.write.garbage.held_up()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.write.tally
    }

    /// Bytes of tables and slabs.
    pub(crate) fn bytes(&self) -> usize {
        self.write.tables.bytes() + self.shard.rows_bytes()
    }
}

impl<K, V> Drop for Locked<'_, K, V> {
    /// What others may know is brought up to date; then the lock is let go of.
    #[inline]
    fn drop(&mut self) {
        let load = &self.shard.writers.load;
        load.entries.store(self.write.tables.len(), Ordering::Relaxed);
        load.weight.store(self.write.policy.weight(), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
