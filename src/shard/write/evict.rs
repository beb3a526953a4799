//! Letting go of what the policy chooses, one bounded step at a time.

use super::{Locked, STEP};
use crate::listener::Cause;
use crate::shard::Rows;
use crate::weight::Room;

impl<K, V> Locked<'_, K, V> {
    /// Evicts what the policy chooses until the room holds `need`, which it does not yet: at least one entry if there is
    /// any, at most [`STEP`]. How many, and whether it does.
    #[inline]
    pub(crate) fn evict(&mut self, need: u64, room: &mut Room<'_>) -> (usize, bool) {
        let mut evicted = 0;
        while evicted < STEP && self.evict_one(room) {
            evicted += 1;
            if room.cover(need) {
                return (evicted, true);
            }
        }
        (evicted, false)
    }

    /// As [`evict`](Self::evict), beside an entry that is about to be written over: if its turn comes, it begins anew.
    #[inline(never)]
    pub(crate) fn evict_beside(&mut self, spared: u32, need: u64, room: &mut Room<'_>) -> (usize, bool) {
        let rows = &Rows(self.shard);
        let (mut evicted, mut covered, mut met) = (0, false, false);
        while !covered && evicted < STEP {
            let Some(index) = self.write.policy.victim(rows) else { break };
            if index == spared {
                met = true;
                continue;
            }
            self.unlink_from_table(index, None, Cause::Evicted, room);
            evicted += 1;
            covered = room.cover(need);
        }
        if met {
            self.write.policy.insert(spared, rows);
        }
        (evicted, covered)
    }

    /// Evicts until what is left in all shards weighs no more than this, at most `most` entries or [`STEP`]. Returns how many.
    pub(crate) fn shrink(&mut self, weight: u64, most: usize, room: &mut Room<'_>) -> usize {
        (0..STEP.min(most)).take_while(|_| !room.rest_fits(weight) && self.evict_one(room)).count()
    }

    #[inline]
    fn evict_one(&mut self, room: &mut Room<'_>) -> bool {
        let victim = self.write.policy.victim(&Rows(self.shard));
        if let Some(index) = victim {
            self.unlink_from_table(index, None, Cause::Evicted, room);
        }
        victim.is_some()
    }
}
