//! Invalidating and clearing a shard: its entries leave it little by little, bucket by bucket.

use super::{Locked, STEP};
use crate::listener::Cause;
use crate::weight::Room;

/// Buckets that one write sweeps while something is to be swept out: up to 12 entries are looked at.
pub(super) const SWEPT_PER_WRITE: usize = 1;
/// Buckets that are cleared while the lock is held once.
pub(super) const CLEARED: usize = 256;

impl<K, V> Locked<'_, K, V> {
    /// Outdates every entry there is, and what is being loaded. False if a sweep must come further first.
    pub(crate) fn invalidate_all(&mut self) -> bool {
        if self.write.tables.len() == 0 {
            self.write.eras.all_gone();
        }
        let Some(era) = self.write.eras.invalidate() else { return false };
        self.shard.settled.turn_to(era);
        self.write.stamps.take_all();
        true
    }

    /// A tag was invalidated: entries that have it are to be swept out. Who decided by such an entry and has not written yet must find
    /// under the lock, from now on, that it is outdated.
    pub(crate) fn outdate_tagged(&mut self) {
        if self.write.tagged {
            self.write.eras.outdate();
        }
    }

    /// Is there anything to be swept out?
    #[inline]
    pub(crate) fn is_sweeping(&self) -> bool {
        self.write.eras.is_sweeping()
    }

    /// Is an entry in the table current?
    #[inline]
    pub(crate) fn is_current(&self, index: u32) -> bool {
        self.shard.is_current(self.shard.found(index))
    }

    /// Why an entry leaves that has left the table: for this cause, unless it is outdated and no write has confirmed the contrary.
    #[cold]
    pub(super) fn true_cause(&self, index: u32, cause: Cause) -> Cause {
        let confirmed = matches!(cause, Cause::Replaced | Cause::Removed);
        if confirmed || self.is_current(index) {
            return cause;
        }
        self.shard.found(index).entry.leave_era();
        Cause::Invalidated
    }

    /// Takes outdated entries out of the next `buckets` buckets, or of fewer if that is more than [`STEP`] entries; returns of
    /// how many.
    #[inline(never)]
    pub(crate) fn sweep(&mut self, buckets: usize, room: &mut Room<'_>) -> usize {
        let (mut swept, mut gone) = (0, 0);
        while swept < buckets && gone < STEP {
            let Some(from) = self.write.eras.sweeps_from() else { break };
            if self.write.tables.len() == 0 {
                self.write.eras.all_gone();
                break;
            }
            gone += self.sweep_home(from, STEP - gone, room);
            swept += 1;
        }
        swept
    }

    /// One bucket, or `most` entries of it; how many were outdated.
    fn sweep_home(&mut self, from: u32, most: usize, room: &mut Room<'_>) -> usize {
        let shard = self.shard;
        let outdated = |index| !shard.is_current(shard.found(index));
        let (gone, next) = self.unlink_home(from, most, outdated, Cause::Invalidated, room);
        self.write.eras.swept_to(next);
        gone
    }

    /// Removes entries with hashes of at least `from`, bucket by bucket, until [`STEP`] are gone or `CLEARED` buckets are done; the hash
    /// to go on from.
    pub(crate) fn clear(&mut self, from: u32, room: &mut Room<'_>) -> Option<u32> {
        self.write.stamps.take_all();
        let (mut at, mut cleared) = (from, 0);
        for _ in 0..CLEARED {
            if cleared >= STEP || self.write.tables.len() == 0 {
                break;
            }
            let (gone, next) = self.unlink_home(at, STEP - cleared, |_| true, Cause::Cleared, room);
            cleared += gone;
            at = next?;
        }
        Some(at).filter(|_| self.write.tables.len() > 0)
    }

    /// Removes the entries of one bucket, those from `from` on that are such, or up to `most` of them, which is not 0: how many, `most` if
    /// that was not all, and the hash to go on from. What has one hash goes together, however many: of two, the one that is left might be
    /// written anew meanwhile by who had looked at it, and among very many a listener that writes them again would never see the end.
    fn unlink_home(
        &mut self,
        from: u32,
        most: usize,
        is_such: impl Fn(u32) -> bool,
        cause: Cause,
        room: &mut Room<'_>,
    ) -> (usize, Option<u32>) {
        let shard = self.shard;
        let mut leaving = std::mem::take(&mut self.write.due);
        let take = |index| leaving.extend(Some(index).filter(|&index| is_such(index)));
        let mut next = self.write.tables.each_of_home(from, |index| shard.hash_of(index), take);
        let mut gone = leaving.len();
        if gone > most {
            let hash = |index: &u32| shard.hash_of(*index);
            leaving.sort_unstable_by_key(hash);
            let too_many = hash(&leaving[most]);
            let mut end = leaving.partition_point(|index| hash(index) < too_many);
            if end == 0 && most == STEP {
                end = leaving.partition_point(|index| hash(index) == too_many);
            }
            next = leaving.get(end).map(hash).or(next);
            leaving.truncate(end);
            gone = end.max(most);
        }
        for index in leaving.drain(..) {
            self.unlink(index, None, cause, room);
        }
        self.write.due = leaving;
        (gone, next)
    }
}
