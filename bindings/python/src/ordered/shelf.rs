//! Entries with all that a mapping of bounded size knows of them: their order, sizes and deadlines.
//!
//! Every method is (part of) one step: it takes keys that were hashed, sizes and moments, and tells what it could not do.
//!
//! # Invariants
//!
//! * **S1** Each entry of the table is once in `ages`, once in the order, and (if there are deadlines) once among them.
//! * **S2** `total` is the sum of the sizes, in the order in which they came and went (which matters for floats), and is not above `most` after a
//!   write.

use super::deadlines::{Deadlines, First, Moment, Place};
use super::list::List;
use super::number::Number;
use super::order::Order;
use super::search::Tabled;
use super::table::{Entry, Slot, Table};
use crate::key::Probe;
use crate::object::{Object, visit_object};
use pyo3::{PyTraverseError, PyVisit};

/// What is to be written.
pub(super) struct Offer<'a> {
    pub(super) probe: &'a Probe,
    pub(super) value: Object,
    pub(super) size: Number,
    pub(super) due: Option<(Moment, Option<Place>)>,
    /// What is there stays.
    pub(super) keeps: bool,
    /// Others may be removed to make room.
    pub(super) evicts: bool,
}

/// How a write ended.
pub(super) enum Written {
    Done,
    /// There is a value, which stays.
    Kept(Object),
    /// There is no room.
    Full,
    /// The place that was found for the deadline is none any more.
    Moved,
}

/// An entry that is listed: key, value, size and moment.
pub(super) type Listed = (Object, Object, Number, Option<Moment>);

/// The entries by arrival; places in that with counts of use, in the order; and places in the order of deadlines, where that is a list.
pub(super) type Listing = (Vec<Listed>, Vec<(usize, u64)>, Vec<usize>);

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) table: Table,
    /// The order of arrival, in which keys are iterated over.
    pub(super) ages: List,
    pub(super) order: Order,
    /// By slots; `None` if each size is one.
    sizes: Option<Vec<Number>>,
    pub(super) total: Number,
    pub(super) most: Number,
    pub(super) deadlines: Option<Deadlines>,
}

impl Default for Number {
    fn default() -> Self {
        Number::ZERO
    }
}

impl Tabled for Shelf {
    #[inline(always)]
    fn table(&self) -> &Table {
        &self.table
    }
}

impl Shelf {
    pub(super) fn new(order: Order) -> Self {
        Shelf { order, ..Shelf::default() }
    }

    /// Begins anew: with this bound, with sizes or without.
    pub(super) fn begin(&mut self, most: Number, sized: bool) {
        self.clear();
        self.most = most;
        self.sizes = sized.then(Vec::new);
    }

    pub(super) fn is_sized(&self) -> bool {
        self.sizes.is_some()
    }

    pub(super) fn size(&self, slot: Slot) -> Number {
        self.sizes.as_ref().map_or(Number::ONE, |sizes| sizes[slot as usize])
    }

    /// Whether the entry has not expired, if that is known here.
    #[inline(always)]
    pub(super) fn is_live(&self, slot: Slot, now: Option<&Moment>) -> Option<bool> {
        match (&self.deadlines, now) {
            (Some(deadlines), Some(now)) => now.known_before(deadlines.moment(slot)),
            _ => Some(true),
        }
    }

    /// Who leaves next.
    pub(super) fn victim(&self) -> Option<Slot> {
        self.order.list(&self.ages).first()
    }

    pub(super) fn fits(&self, found: Option<Slot>, size: Number) -> bool {
        let old = found.map_or(Number::ZERO, |slot| self.size(slot));
        let grows = found.is_none() || old < size;
        // In these words because a bound may be `nan`, than which nothing is greater.
        let too_much = self.total.plus(size.minus(old)) > self.most;
        !grows || !too_much || self.table.len() == 0
    }

    /// Writes an entry that was looked for and found, or not.
    pub(super) fn write(&mut self, mut found: Option<Slot>, offer: &mut Offer<'_>) -> Written {
        if let (Some(slot), true) = (found, offer.keeps) {
            self.order.read(slot);
            return Written::Kept(self.table.entry(slot).value.clone());
        }
        if !self.is_current(offer) {
            return Written::Moved;
        }
        while !self.fits(found, offer.size) {
            let Some(victim) = self.victim().filter(|_| offer.evicts) else { return Written::Full };
            found = found.filter(|slot| *slot != victim);
            drop(self.remove(victim));
        }
        self.put(found, offer);
        Written::Done
    }

    /// Puts an entry back, whether there is room or not; `None` if the place for its deadline is none any more.
    pub(super) fn restore(&mut self, found: Option<Slot>, offer: &mut Offer<'_>) -> Option<Slot> {
        self.is_current(offer).then(|| self.put(found, offer))
    }

    /// Whether the place that was found for the deadline is one still.
    #[inline(always)]
    fn is_current(&self, offer: &Offer<'_>) -> bool {
        match (&self.deadlines, &offer.due) {
            (Some(deadlines), Some((_, place))) => deadlines.is_current(*place),
            _ => true,
        }
    }

    #[inline(always)]
    fn put(&mut self, found: Option<Slot>, offer: &mut Offer<'_>) -> Slot {
        let slot = match found {
            Some(slot) => {
                self.replace(slot, offer);
                slot
            }
            None => self.enter(offer),
        };
        if let (Some(deadlines), Some((due, place))) = (&mut self.deadlines, offer.due.take()) {
            deadlines.enter(slot, self.table.entry(slot).born, due, place);
        }
        slot
    }

    fn replace(&mut self, slot: Slot, offer: &Offer<'_>) {
        self.table.entry_mut(slot).value = offer.value.clone();
        let old = self.size(slot);
        self.resize(slot, offer.size);
        self.total = self.total.plus(offer.size.minus(old));
        self.order.write(slot);
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.leave(slot, self.table.entry(slot).born);
        }
    }

    fn enter(&mut self, offer: &Offer<'_>) -> Slot {
        let slot = self.table.insert(offer.probe, offer.value.clone());
        self.ages.push(slot);
        self.order.enter(slot);
        self.resize(slot, offer.size);
        self.total = self.total.plus(offer.size);
        slot
    }

    fn resize(&mut self, slot: Slot, size: Number) {
        if let Some(sizes) = &mut self.sizes {
            let width = self.table.width();
            if sizes.len() < width {
                sizes.resize(width, Number::ZERO);
            }
            sizes[slot as usize] = size;
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Entry {
        let size = self.size(slot);
        let entry = self.table.remove(slot);
        self.ages.remove(slot);
        self.order.leave(slot);
        self.total = self.total.minus(size);
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.leave(slot, entry.born);
        }
        entry
    }

    /// Who has expired first.
    pub(super) fn first_due(&mut self, now: &Moment) -> First {
        match &mut self.deadlines {
            Some(deadlines) => deadlines.first(&self.table, now),
            None => First::Nobody,
        }
    }

    /// When an entry is due.
    pub(super) fn moment(&self, slot: Slot) -> Moment {
        let deadlines = self.deadlines.as_ref().expect("who has a clock has deadlines");
        deadlines.moment(slot).clone()
    }

    /// All that is there.
    pub(super) fn listed(&self) -> Listing {
        let mut places = vec![0; self.table.width()];
        let mut entries = Vec::with_capacity(self.table.len());
        for slot in self.ages.iter() {
            places[slot as usize] = entries.len();
            let entry = self.table.entry(slot);
            let moment = self.deadlines.as_ref().map(|deadlines| deadlines.moment(slot).clone());
            entries.push((entry.key.object(), entry.value.clone(), self.size(slot), moment));
        }
        let order = self.order.slots(&self.ages).into_iter();
        let order = order.map(|slot| (places[slot as usize], self.order.count(slot))).collect();
        let due = self.deadlines.as_ref().map_or_else(Vec::new, Deadlines::slots);
        (entries, order, due.into_iter().map(|slot| places[slot as usize]).collect())
    }

    /// Puts the order together again, of slots that are all in it: the first to leave is first, with their counts. `due`: so that of deadlines.
    pub(super) fn reorder(&mut self, slots: &[(Slot, u64)], due: &[Slot]) {
        if slots.len() != self.table.len() {
            return;
        }
        self.order = self.order.emptied();
        for (slot, count) in slots {
            self.order.push(*slot, *count);
        }
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.reorder(due);
        }
    }

    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.ages = List::default();
        self.order = self.order.emptied();
        self.total = Number::ZERO;
        if let Some(sizes) = &mut self.sizes {
            sizes.clear();
        }
        if let Some(deadlines) = &mut self.deadlines {
            *deadlines = deadlines.emptied();
        }
    }

    /// Tells the collector of all objects.
    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for entry in self.table.entries() {
            visit_object(visit, entry.key.pointer())?;
            visit_object(visit, entry.value.pointer())?;
        }
        match &self.deadlines {
            Some(deadlines) => deadlines.visit(visit),
            None => Ok(()),
        }
    }
}
