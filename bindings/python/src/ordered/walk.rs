//! An iterator over the keys of a store, in the order of arrival.
//!
//! It goes from entry to entry, and others may change the store between two: what has come since it began is not visited, and what has gone is
//! not either. It remembers the entry that is next by slot and number (T4); if that is gone when it is asked for, it looks from the start for the first
//! that is younger, which is the only step that is not O(1).

use super::guarded::Guarded;
use super::shelf::Shelf;
use super::store::Store;
use super::table::Slot;
use super::timed;
use crate::object::{Call, Object};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// Where the iterator stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The entry that is next.
    next: Option<(Slot, u64)>,
    /// Entries from this number on are not visited.
    end: u64,
}

/// See the module's head.
#[pyclass(module = "pinyon._core", frozen)]
#[derive(Debug)]
pub(crate) struct Walk {
    store: Py<Store>,
    place: Guarded<Place>,
}

/// The entry at a place, and the place behind it.
fn at(shelf: &Shelf, place: Place) -> Option<(Slot, Place)> {
    let (slot, born) = place.next?;
    let slot = match shelf.table.holds(slot, born) {
        true => slot,
        false => shelf.ages.iter().find(|slot| shelf.table.entry(*slot).born > born)?,
    };
    if shelf.table.entry(slot).born >= place.end {
        return None;
    }
    let next = shelf.ages.next(slot).map(|next| (next, shelf.table.entry(next).born));
    Some((slot, Place { next, ..place }))
}

impl Walk {
    pub(super) fn new(store: &Bound<'_, Store>) -> Self {
        let shelf = store.get().shelf.hold(store.py());
        let next = shelf.ages.first().map(|slot| (slot, shelf.table.entry(slot).born));
        let place = Place { next, end: shelf.table.born() };
        drop(shelf);
        Walk { store: store.clone().unbind(), place: Guarded::new(place) }
    }
}

#[pymethods]
impl Walk {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let _call = Call::new(py);
        let store = self.store.bind(py);
        let now = timed::now(store)?;
        loop {
            let place = *self.place.hold(py);
            let shelf = store.get().shelf.hold(py);
            let Some((slot, behind)) = at(&shelf, place) else {
                drop(shelf);
                self.place.hold(py).next = None;
                return Ok(None);
            };
            let key: Object = shelf.table.entry(slot).key.object();
            let due = now.as_ref().map(|_| shelf.moment(slot));
            drop(shelf);
            *self.place.hold(py) = behind;
            match (&now, due) {
                (Some(now), Some(due)) if !now.moment.before(py, &due)? => {}
                _ => return Ok(Some(key.into_bound(py))),
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)
    }
}
