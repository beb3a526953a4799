//! In which order entries leave when there is no room: one of five.

use super::frequency::Frequencies;
use super::list::List;
use super::table::Slot;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) enum Order {
    /// As they came; to be replaced changes nothing.
    #[default]
    Arrival,
    /// As they were written last.
    Written(List),
    /// As they were read or written last.
    Used(List),
    /// The least often read or written first.
    Frequency(Frequencies),
    /// As somebody chooses, by numbers without gaps.
    Chosen(Numbered),
}

/// Slots in a row without gaps: the last one takes the place of one that leaves.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    slots: Vec<Slot>,
    /// The places of slots.
    places: Vec<u32>,
}

impl Numbered {
    fn enter(&mut self, slot: Slot) {
        let at = slot as usize;
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        self.places[at] = self.slots.len() as u32;
        self.slots.push(slot);
    }

    fn leave(&mut self, slot: Slot) {
        let at = self.places[slot as usize];
        self.slots.swap_remove(at as usize);
        if let Some(moved) = self.slots.get(at as usize) {
            self.places[*moved as usize] = at;
        }
    }
}

impl Order {
    /// # Errors
    ///
    /// `ValueError` for a name that is none of an order.
    pub(super) fn named(name: &str) -> PyResult<Self> {
        match name {
            "arrival" => Ok(Order::Arrival),
            "written" => Ok(Order::Written(List::default())),
            "used" => Ok(Order::Used(List::default())),
            "chosen" => Ok(Order::Chosen(Numbered::default())),
            "frequency" => Ok(Order::Frequency(Frequencies::default())),
            _ => Err(PyValueError::new_err(format!("no order is called {name:?}"))),
        }
    }

    /// The same order, of nothing.
    pub(super) fn emptied(&self) -> Self {
        match self {
            Order::Arrival => Order::Arrival,
            Order::Chosen(_) => Order::Chosen(Numbered::default()),
            Order::Written(_) => Order::Written(List::default()),
            Order::Used(_) => Order::Used(List::default()),
            Order::Frequency(_) => Order::Frequency(Frequencies::default()),
        }
    }

    /// Who leaves in which order; `ages` is the order of arrival.
    pub(super) fn list<'a>(&'a self, ages: &'a List) -> &'a List {
        match self {
            Order::Arrival | Order::Chosen(_) => ages,
            Order::Written(list) | Order::Used(list) => list,
            Order::Frequency(uses) => uses.list(),
        }
    }

    /// All slots, in the order of [`push`](Order::push).
    pub(super) fn slots(&self, ages: &List) -> Vec<Slot> {
        match self {
            Order::Chosen(numbered) => numbered.slots.clone(),
            _ => self.list(ages).iter().collect(),
        }
    }

    /// How often a slot was used, where that matters.
    pub(super) fn count(&self, slot: Slot) -> u64 {
        match self {
            Order::Frequency(uses) => uses.count(slot),
            _ => 1,
        }
    }

    /// The slot that has this number, for who chooses; numbers begin anew behind the last one.
    pub(super) fn nth(&self, number: usize) -> Option<Slot> {
        match self {
            Order::Chosen(Numbered { slots, .. }) if !slots.is_empty() => Some(slots[number % slots.len()]),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn enter(&mut self, slot: Slot) {
        match self {
            Order::Arrival => {}
            Order::Chosen(numbered) => numbered.enter(slot),
            Order::Written(list) | Order::Used(list) => list.push(slot),
            Order::Frequency(uses) => uses.enter(slot),
        }
    }

    /// A slot that leaves after all others, used so often.
    pub(super) fn push(&mut self, slot: Slot, count: u64) {
        match self {
            Order::Frequency(uses) => uses.push(slot, count),
            _ => self.enter(slot),
        }
    }

    #[inline]
    pub(super) fn read(&mut self, slot: Slot) {
        match self {
            Order::Arrival | Order::Chosen(_) | Order::Written(_) => {}
            Order::Used(list) => list.move_to_end(slot),
            Order::Frequency(uses) => uses.touch(slot),
        }
    }

    #[inline]
    pub(super) fn write(&mut self, slot: Slot) {
        match self {
            Order::Arrival | Order::Chosen(_) => {}
            Order::Written(list) | Order::Used(list) => list.move_to_end(slot),
            Order::Frequency(uses) => uses.touch(slot),
        }
    }

    #[inline]
    pub(super) fn leave(&mut self, slot: Slot) {
        match self {
            Order::Arrival => {}
            Order::Chosen(numbered) => numbered.leave(slot),
            Order::Written(list) | Order::Used(list) => list.remove(slot),
            Order::Frequency(uses) => uses.leave(slot),
        }
    }
}
