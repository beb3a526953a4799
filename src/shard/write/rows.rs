//! What only writers do to rows.

use crate::expiry::{Deadline, NEVER};
use crate::shard::write::Draft;
use crate::shard::{Entry, Found, Shard, Times};
use crate::tags::Group;

#[allow(unsafe_code)]
impl<K, V> Shard<K, V> {
    /// An entry as a search finds it, for as long as the lock is held.
    pub(super) fn found(&self, index: u32) -> Found<'_, K, V> {
        // SAFETY: H1: the caller's index is in the wheel or the table.
        Found { index, entry: unsafe { self.entry(index) } }
    }

    /// The row of times, if it was ever used.
    pub(super) fn times_of(&self, index: u32) -> Option<&Times> {
        self.times(self.found(index))
    }

    /// The draft with the deadline of the live entry that it is written over.
    #[cold]
    pub(super) fn keep_term<'w>(&self, old: u32, draft: Draft<'w>) -> Draft<'w> {
        let (deadline, now) =
            self.times_of(old).map_or((Deadline::NEVER, draft.now), |times| times.used(draft.now));
        Draft { deadline, now, ..draft }
    }

    pub(super) fn deadline_of(&self, index: u32) -> u64 {
        self.times_of(index).map_or(NEVER, |times| times.deadline().at)
    }

    pub(super) fn hash_of(&self, index: u32) -> u32 {
        // SAFETY: H1.
        unsafe { self.entry(index) }.hash
    }

    /// Writes the bytes of a row that was just allocated.
    pub(super) fn fill(&self, index: u32, entry: Entry<K, V>, weight: u64) {
        // SAFETY: S2: the row is ours and unreachable.
        unsafe { self.entries.row(index).write(entry) };
        if let Some(weights) = &self.weights {
            weights.set(index, weight);
        }
    }

    /// Writes the group of a row that was just filled.
    #[cold]
    pub(super) fn gather(&self, index: u32, group: &Group) {
        self.groups.ensure(index, Some(Group::default));
        // SAFETY: ensured and filled; the entry is not published yet, so nobody looks at the row. What it held was taken with
        // the entry before.
        unsafe { self.groups.row(index).write(group.clone()) };
    }

    /// Sets the deadline, and if it is `fresh` the time of writing.
    pub(super) fn date(&self, index: u32, deadline: Deadline, now: u64, fresh: bool) {
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
    pub(super) fn inherit(&self, old: u32, new: u32, uses: bool) {
        if uses {
            // SAFETY: H1 for the old; the new was just filled.
            let (old, new) = unsafe { (self.entry(old), self.entry(new)) };
            new.inherit_uses(old.uses() + 1);
        }
    }

    pub(super) fn rows_bytes(&self) -> usize {
        let weights = self.weights.as_ref().map_or(0, |weights| weights.bytes());
        self.entries.bytes() + self.times.bytes() + self.groups.bytes() + weights
    }
}
