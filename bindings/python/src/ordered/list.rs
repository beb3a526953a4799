//! An order of slots: a doubly linked list whose links are kept by the numbers of slots.
//!
//! Every operation is O(1); 8 bytes a slot.
//!
//! # Invariants
//!
//! * **L1** From `first` along `next` to `last` every linked slot is met once, and `before` leads the same way back.
//! * **L2** The links of a slot that is not in the list are not read.

use super::table::Slot;

/// No slot.
const NONE: Slot = Slot::MAX;

#[derive(Clone, Copy, Debug)]
struct Links {
    before: Slot,
    next: Slot,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct List {
    links: Vec<Links>,
    first: Slot,
    last: Slot,
}

impl Default for List {
    fn default() -> Self {
        List { links: Vec::new(), first: NONE, last: NONE }
    }
}

fn some(slot: Slot) -> Option<Slot> {
    (slot != NONE).then_some(slot)
}

impl List {
    pub(super) fn first(&self) -> Option<Slot> {
        some(self.first)
    }

    pub(super) fn next(&self, slot: Slot) -> Option<Slot> {
        some(self.links[slot as usize].next)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        std::iter::successors(self.first(), |slot| self.next(*slot))
    }

    pub(super) fn before(&self, slot: Slot) -> Option<Slot> {
        some(self.links[slot as usize].before)
    }

    /// Puts a slot that is not in the list at its end.
    #[inline]
    pub(super) fn push(&mut self, slot: Slot) {
        self.insert_after(some(self.last), slot);
    }

    /// Puts a slot that is not in the list behind one that is, or else at the front.
    #[inline]
    pub(super) fn insert_after(&mut self, before: Option<Slot>, slot: Slot) {
        let at = slot as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, Links { before: NONE, next: NONE });
        }
        let next = match before {
            Some(before) => std::mem::replace(&mut self.links[before as usize].next, slot),
            None => std::mem::replace(&mut self.first, slot),
        };
        match some(next) {
            Some(next) => self.links[next as usize].before = slot,
            None => self.last = slot,
        }
        self.links[at] = Links { before: before.unwrap_or(NONE), next };
    }

    #[inline]
    pub(super) fn remove(&mut self, slot: Slot) {
        let Links { before, next } = self.links[slot as usize];
        match some(before) {
            Some(before) => self.links[before as usize].next = next,
            None => self.first = next,
        }
        match some(next) {
            Some(next) => self.links[next as usize].before = before,
            None => self.last = before,
        }
    }

    #[inline(always)]
    pub(super) fn move_to_end(&mut self, slot: Slot) {
        if self.last != slot {
            self.remove(slot);
            self.push(slot);
        }
    }
}
