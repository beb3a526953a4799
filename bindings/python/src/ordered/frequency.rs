//! The order of least frequent use, and among equals of least recent use.
//!
//! One list holds all slots by ascending counts, and a map says where the slots of each count end. A use moves a slot behind the end of the next
//! count, or of its own if nobody has the next one. Every operation is O(1).
//!
//! # Invariants
//!
//! * **F1** Along the list counts never fall, and within a count the least recently used slot is first.
//! * **F2** `ends` has a slot for each count that some slot has: the last one of that count.

use super::list::List;
use super::table::Slot;
use crate::shelf::Seeds;
use std::collections::HashMap;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Frequencies {
    list: List,
    counts: Vec<u64>,
    ends: HashMap<u64, Slot, Seeds>,
}

impl Frequencies {
    pub(super) fn list(&self) -> &List {
        &self.list
    }

    pub(super) fn count(&self, slot: Slot) -> u64 {
        self.counts[slot as usize]
    }

    /// A new slot, used once.
    pub(super) fn enter(&mut self, slot: Slot) {
        let before = self.ends.get(&1).copied();
        self.place(before, slot, 1);
    }

    /// A slot that was used as often as any other, or more: for orders that are put together again.
    pub(super) fn push(&mut self, slot: Slot, count: u64) {
        self.list.push(slot);
        self.note(slot, count);
    }

    pub(super) fn touch(&mut self, slot: Slot) {
        let count = self.count(slot);
        let before = self.list.before(slot);
        self.leave(slot);
        let behind = self.ends.get(&(count + 1)).or_else(|| self.ends.get(&count)).copied().or(before);
        self.place(behind, slot, count + 1);
    }

    pub(super) fn leave(&mut self, slot: Slot) {
        let count = self.count(slot);
        if self.ends.get(&count) == Some(&slot) {
            match self.list.before(slot).filter(|before| self.count(*before) == count) {
                Some(before) => drop(self.ends.insert(count, before)),
                None => drop(self.ends.remove(&count)),
            }
        }
        self.list.remove(slot);
    }

    fn place(&mut self, before: Option<Slot>, slot: Slot, count: u64) {
        self.list.insert_after(before, slot);
        self.note(slot, count);
    }

    fn note(&mut self, slot: Slot, count: u64) {
        let at = slot as usize;
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] = count;
        self.ends.insert(count, slot);
    }
}

#[cfg(test)]
mod tests {
    use super::Frequencies;

    #[test]
    fn leaves_by_count_then_by_age() {
        let mut uses = Frequencies::default();
        (0..4).for_each(|slot| uses.enter(slot));
        for slot in [2, 0, 0, 3] {
            uses.touch(slot);
        }
        assert_eq!(uses.list().iter().collect::<Vec<_>>(), [1, 2, 3, 0]);
        uses.leave(2);
        uses.enter(4);
        uses.touch(1);
        assert_eq!(uses.list().iter().collect::<Vec<_>>(), [4, 3, 1, 0]);
    }
}
