//! Checking a shard: everything its lock guards, compared with everything else. O(entries), for tests.

use super::{Locked, Rows};
use crate::expiry::NEVER;
use crate::policy::Residents;

impl<K, V> Locked<'_, K, V> {
    /// Compares everything with everything; the sum of weights.
    pub(crate) fn check(&self) -> Result<u64, String> {
        let write = &*self.write;
        write.tables.check(|index| self.shard.hash_of(index))?;
        let mut live = Vec::new();
        write.tables.each(|index| live.push(index));
        let rows = Rows(self.shard);
        let weights = || live.iter().map(|&index| rows.weight(index));
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
        let eras = |&index: &u32| write.eras.may_have(self.shard.found(index).entry.era());
        let outdated = live.iter().any(|&index| !self.shard.is_current(self.shard.found(index)));
        if !live.iter().all(eras) || outdated && !write.eras.is_sweeping() {
            return Err("an entry of an era that nobody will sweep out".into());
        }
        let timed = live.iter().filter(|&&index| self.shard.deadline_of(index) != NEVER).count();
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

    /// Loads that have begun and not ended.
    pub(crate) fn loads(&self) -> usize {
        self.write.stamps.loads()
    }
}
