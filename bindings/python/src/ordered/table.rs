//! Entries in numbered slots, found by their keys.
//!
//! Slots are stable: an entry keeps its number until it is removed, so orders, sizes and deadlines are kept beside the table by number. The index
//! is open addressing with linear probing: a cell is half of a mixed hash and a slot, and a removal moves later cells back, so there are no
//! tombstones. Find, insert and remove are O(1); an entry costs 32 bytes, and 8 bytes a cell at a load of at most 3/4.
//!
//! # Invariants
//!
//! * **T1** A cell holds `slot + 1`, or 0 if it is empty; every entry has one cell, and every cell that is not empty has an entry.
//! * **T2** Between the home of an entry (the low bits of its mixed hash) and its cell no cell is empty.
//! * **T3** At least a quarter of the cells is empty, so that every probe ends.
//! * **T4** `born` numbers grow with time and none is given twice: slot and number together name an entry for ever.

use crate::key::{Key, Probe};
use crate::object::Object;
use crate::shelf::Seeds;

/// The number of a place in the table.
pub(super) type Slot = u32;

/// What is in a slot.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: Object,
    /// See T4.
    pub(super) born: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// Half of the mixed hash.
    mixed: u32,
    /// T1.
    tenant: u32,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Table {
    cells: Vec<Cell>,
    slots: Vec<Option<Entry>>,
    free: Vec<Slot>,
    born: u64,
    /// There was a key that only Python can compare.
    mixed: bool,
    seeds: Seeds,
}

impl Default for Table {
    fn default() -> Self {
        let seeds = Seeds::default();
        Table { cells: Vec::new(), slots: Vec::new(), free: Vec::new(), born: 0, mixed: false, seeds }
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many numbers of slots were ever in use at once.
    pub(super) fn width(&self) -> usize {
        self.slots.len()
    }

    /// The number that the next entry will have.
    pub(super) fn born(&self) -> u64 {
        self.born
    }

    /// Whether there may be keys that only Python can compare.
    #[inline(always)]
    pub(super) fn is_mixed(&self) -> bool {
        self.mixed
    }

    /// The entry in a slot that is in use.
    #[inline(always)]
    pub(super) fn entry(&self, slot: Slot) -> &Entry {
        self.slots[slot as usize].as_ref().expect("a slot in use")
    }

    #[inline(always)]
    pub(super) fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        self.slots[slot as usize].as_mut().expect("a slot in use")
    }

    /// Whether the entry that was born with this number is still in the slot.
    pub(super) fn holds(&self, slot: Slot, born: u64) -> bool {
        matches!(self.slots.get(slot as usize), Some(Some(entry)) if entry.born == born)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    #[inline(always)]
    fn mix(&self, hash: isize) -> u32 {
        self.seeds.hash_one(hash) as u32
    }

    /// The first entry, of those whose hash is the same, of which `is` says yes.
    #[inline(always)]
    pub(super) fn find(&self, hash: isize, mut is: impl FnMut(&Key) -> bool) -> Option<Slot> {
        if self.cells.is_empty() {
            return None;
        }
        let (mask, mixed) = (self.cells.len() - 1, self.mix(hash));
        let mut at = mixed as usize & mask;
        loop {
            let cell = self.cells[at];
            if cell.tenant == 0 {
                return None;
            }
            if cell.mixed == mixed {
                let key = &self.entry(cell.tenant - 1).key;
                if key.hash() == hash && is(key) {
                    return Some(cell.tenant - 1);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// A new entry. No entry has an equal key.
    pub(super) fn insert(&mut self, probe: &Probe, value: Object) -> Slot {
        if (self.len() + 1) * 4 > self.cells.len() * 3 {
            self.grow();
        }
        self.mixed |= !probe.is_plain();
        let entry = Entry { key: probe.to_key(), value, born: self.born };
        self.born += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                Slot::try_from(self.slots.len() - 1).expect("fewer than 2^32 entries")
            }
        };
        self.settle(Cell { mixed: self.mix(probe.hash), tenant: slot + 1 });
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Entry {
        let entry = self.slots[slot as usize].take().expect("a slot in use");
        let mask = self.cells.len() - 1;
        let mut hole = self.mix(entry.key.hash()) as usize & mask;
        while self.cells[hole].tenant != slot + 1 {
            hole = (hole + 1) & mask;
        }
        self.close(hole, mask);
        self.free.push(slot);
        entry
    }

    /// Moves back what lies behind a hole and may (T2), until there is none to move.
    fn close(&mut self, mut hole: usize, mask: usize) {
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let cell = self.cells[at];
            if cell.tenant == 0 {
                break;
            }
            let home = cell.mixed as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.cells[hole] = cell;
                hole = at;
            }
        }
        self.cells[hole] = Cell::default();
    }

    fn settle(&mut self, cell: Cell) {
        let mask = self.cells.len() - 1;
        let mut at = cell.mixed as usize & mask;
        while self.cells[at].tenant != 0 {
            at = (at + 1) & mask;
        }
        self.cells[at] = cell;
    }

    fn grow(&mut self) {
        let larger = vec![Cell::default(); (self.cells.len() * 2).max(8)];
        let old = std::mem::replace(&mut self.cells, larger);
        old.into_iter().filter(|cell| cell.tenant != 0).for_each(|cell| self.settle(cell));
    }

    /// Removes all; numbers go on (T4).
    pub(super) fn clear(&mut self) {
        *self = Table { born: self.born, ..Table::default() };
    }
}
