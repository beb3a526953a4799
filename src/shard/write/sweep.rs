//! Invalidating and clearing a shard: its entries leave it little by little, bucket by bucket.

use super::{Locked, STEP};
use crate::listener::Cause;
use crate::weight::Room;

/// Buckets that one write sweeps while something is to be swept out: up to 12 entries are looked at.
pub(super) const SWEPT_PER_WRITE: usize = 1;
/// Buckets that are cleared while the lock is held once.
pub(super) const CLEARED: usize = 256;

/// Where an entry stands in the order in which they are cleared. By its index too, so that among very many of one hash those that come
/// meanwhile, as from a listener that writes its entry again, do not keep the step from coming to an end.
fn place(hash: u32, index: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(index)
}

fn hash_at(place: u64) -> u32 {
    (place >> 32) as u32
}

/// How far a shard is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clearing {
    /// The [`place`] to go on from.
    place: u64,
    /// How many rows there were when the first of the hash of that place were removed. What has this hash and lies beyond was written since, and stays:
    /// while a reader holds up the rows of what is gone, what is written again lies in others, and there might be no end of it.
    rows: u32,
}

impl Clearing {
    pub(crate) const BEGIN: Clearing = Clearing { place: 0, rows: u32::MAX };
}

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
        let (gone, next) = self.unlink_home(place(from, 0), most, outdated, Cause::Invalidated, room);
        self.write.eras.swept_to(next.map(hash_at));
        gone
    }

    /// Removes entries, bucket by bucket, until [`STEP`] are gone or `CLEARED` buckets are done; where to go on.
    pub(crate) fn clear(&mut self, from: Clearing, room: &mut Room<'_>) -> Option<Clearing> {
        let (shard, high) = (self.shard, self.write.slab.high());
        let is_such = |index| index < from.rows || shard.hash_of(index) != hash_at(from.place);
        self.write.stamps.take_all();
        let (mut at, mut cleared) = (from.place, 0);
        for _ in 0..CLEARED {
            if cleared == STEP || self.write.tables.len() == 0 {
                break;
            }
            let (gone, next) = self.unlink_home(at, STEP - cleared, is_such, Cause::Cleared, room);
            cleared += gone;
            at = next?;
        }
        let rows = match place(hash_at(at), 0) {
            begin if begin == at => u32::MAX,
            begin if begin <= from.place => from.rows.min(high),
            _ => high,
        };
        Some(Clearing { place: at, rows }).filter(|_| self.write.tables.len() > 0)
    }

    /// Removes the entries of one bucket, those from `from` on that are such, or up to `most` of them, which is not 0: how many, `most` if
    /// that was not all, and the [`place`] to go on from. What has one hash goes together unless it is more than [`STEP`]: of two,
    /// the one that is left might be written anew meanwhile, by who had looked at it, into a row before that place.
    fn unlink_home(
        &mut self,
        from: u64,
        most: usize,
        is_such: impl Fn(u32) -> bool,
        cause: Cause,
        room: &mut Room<'_>,
    ) -> (usize, Option<u64>) {
        let shard = self.shard;
        let at = |index| place(shard.hash_of(index), index);
        let mut leaving = std::mem::take(&mut self.write.due);
        let take = |index| leaving.extend(Some(index).filter(|&index| at(index) >= from && is_such(index)));
        let next = self.write.tables.each_of_home(hash_at(from), |index| shard.hash_of(index), take);
        let (mut next, mut gone) = (next.map(|hash| place(hash, 0)), leaving.len());
        if leaving.len() > most {
            leaving.sort_unstable_by_key(|&index| at(index));
            let hash = shard.hash_of(leaving[most]);
            let before = leaving.partition_point(|&index| shard.hash_of(index) < hash);
            let is_more = before == 0 && most == STEP;
            next = Some(if is_more { at(leaving[most]) } else { place(hash, 0) });
            leaving.truncate(if is_more { most } else { before });
            gone = most;
        }
        for index in leaving.drain(..) {
            self.unlink(index, None, cause, room);
        }
        self.write.due = leaving;
        (gone, next)
    }
}
