//! What only a caller who is alone may do to a shard: take entries out, and write over them, where they lie.
//!
//! Nobody else reads the cache meanwhile, and the caller itself holds no pin, so no reference to an entry is alive anywhere (H2).

use super::Locked;
use crate::expiry::Deadline;
use crate::listener::Cause;
use crate::shard::{Entry, Inside, Rows};
use crate::weight::Room;

impl<'s, K, V> Locked<'s, K, V> {
    /// Takes out an entry that was let go of and that nothing else is to be done with; `None` when there is none. Its drop is the
    /// caller's affair.
    ///
    /// # Safety
    ///
    /// No reader is looking at anything that was let go of.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn take_fresh(&mut self) -> Option<Entry<K, V>> {
        let index = self.write.garbage.take_fresh()?;
        // SAFETY: H2 by the caller; the garbage has given the index up.
        let entry = unsafe { self.shard.take(index) };
        // SAFETY: taken out, once.
        unsafe { self.free(index) };
        Some(entry)
    }

    /// Takes an entry out of the cache, if it is there, and past the garbage.
    ///
    /// # Safety
    ///
    /// No reader is looking at the entry.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn take_out(
        &mut self,
        hash: u32,
        index: u32,
        cause: Cause,
        room: &mut Room<'_>,
    ) -> Option<Entry<K, V>> {
        if !self.write.tables.remove_entry(hash, index) {
            return None;
        }
        let weight = self.shard.weight_of(index);
        if weight > 0 && cause != Cause::Evicted {
            self.write.policy.remove(index, weight, &Rows(self.shard));
        }
        room.keep(weight);
        self.count_out(index, weight, cause);
        // SAFETY: H2 by the caller; it was in the table, and is no more.
        let entry = unsafe { self.shard.take(index) };
        // SAFETY: taken out, once.
        unsafe { self.free(index) };
        Some(entry)
    }

    /// Takes out what the policy chooses, if there is anything.
    ///
    /// # Safety
    ///
    /// No reader is looking at any entry.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn take_victim(&mut self, room: &mut Room<'_>) -> Option<Entry<K, V>> {
        let index = self.write.policy.victim(&Rows(self.shard))?;
        let hash = self.shard.hash_of(index);
        // SAFETY: the caller.
        let victim = unsafe { self.take_out(hash, index, Cause::Evicted, room) };
        debug_assert!(victim.is_some(), "what the policy knows is in the table");
        victim
    }

    /// Does garbage wait?
    #[inline(always)]
    pub(crate) fn owes(&self) -> bool {
        !self.write.garbage.is_empty()
    }

    /// How many entries are in the table?
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.write.tables.len()
    }

    /// Is the entry in the table?
    #[inline(always)]
    pub(crate) fn is_there(&self, hash: u32, index: u32) -> bool {
        self.write.tables.place_of(hash, index).is_some()
    }

    /// Every entry in the table, to be looked at without the lock.
    pub(crate) fn stored(&self, _: Inside<'s>) -> Vec<&'s Entry<K, V>> {
        let mut stored = Vec::with_capacity(self.write.tables.len());
        self.write.tables.each(|index| stored.push(self.shard.found(index).entry));
        stored
    }

    /// Is an entry in the table live?
    #[inline]
    pub(crate) fn is_live(&self, index: u32, now: u64) -> bool {
        self.shard.is_live(self.shard.found(index), || now)
    }

    /// Writes another pair over a live entry without tags, as an overwrite that keeps the weight; what was there comes back.
    ///
    /// # Safety
    ///
    /// No reader is looking at the entry, which is in the table.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn overwrite(
        &mut self,
        index: u32,
        pair: (K, V),
        deadline: Deadline,
        now: u64,
    ) -> (K, V) {
        let shard = self.shard;
        // SAFETY: S2 and H2 by the caller: the row holds an entry, and this is the only reference to it.
        let entry = unsafe { shard.entries.row(index).as_mut() };
        self.write.stamps.take(entry.hash);
        let old = (std::mem::replace(&mut entry.key, pair.0), std::mem::replace(&mut entry.value, pair.1));
        entry.record_use_alone();
        let timed = entry.is_timed();
        if deadline != Deadline::NEVER || timed || shard.dated {
            let before = self.shard.times_of(index).map_or(Deadline::NEVER, |times| times.deadline());
            shard.date(index, deadline, now, true);
            // A timer that comes too early looks again.
            if deadline.is_earlier_than(before) {
                self.write.wheel.schedule(index, deadline.at, now);
            }
        }
        self.write.tally.count(Cause::Replaced, shard.weight_of(index));
        old
    }
}
