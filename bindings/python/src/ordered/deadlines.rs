//! When entries are due to expire, and which is due first.
//!
//! Moments may be any objects that can be compared. Those that are numbers are compared here; of others Python is asked between two steps.
//! Where all live equally long, the order of writing is that of the deadlines. Else numbers are in a search tree (O(log n)), and other objects in a
//! sorted queue, in which those who write find their places beforehand (O(log n) comparisons).
//!
//! # Invariants
//!
//! * **D1** An entry that has a moment is in the list, in the tree, or in the queue under its slot and number (T4). What the queue has of entries
//!   that are gone is passed over.
//! * **D2** `version` changes whenever places in the queue do.

use super::list::List;
use super::number::Number;
use super::table::{Slot, Table};
use crate::object::{Object, visit_object};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

/// What a clock says, or a deadline.
#[derive(Clone, Debug)]
pub(super) enum Moment {
    Number(Number),
    Object(Object),
}

impl From<&Bound<'_, PyAny>> for Moment {
    fn from(object: &Bound<'_, PyAny>) -> Self {
        Number::exact(object).map_or_else(|| Moment::Object(object.into()), Moment::Number)
    }
}

impl Moment {
    /// Whether this is before the other, if that is known here.
    #[inline]
    pub(super) fn known_before(&self, other: &Moment) -> Option<bool> {
        match (self, other) {
            (Moment::Number(a), Moment::Number(b)) => Some(a < b),
            _ => None,
        }
    }

    /// Whether this is before the other. Not to be asked within a step.
    ///
    /// # Errors
    ///
    /// What the comparison raises.
    pub(super) fn before(&self, py: Python<'_>, other: &Moment) -> PyResult<bool> {
        match self.known_before(other) {
            Some(before) => Ok(before),
            None => self.object(py)?.lt(other.object(py)?),
        }
    }

    /// Whether this is the other: the same number, or the very object.
    pub(super) fn is(&self, other: &Moment) -> bool {
        match (self, other) {
            (Moment::Number(a), Moment::Number(b)) => a == b,
            (Moment::Object(a), Moment::Object(b)) => a.pointer() == b.pointer(),
            _ => false,
        }
    }

    pub(super) fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Moment::Number(number) => number.into_object(py),
            Moment::Object(object) => Ok(object.bind(py)),
        }
    }
}

/// A number in the tree, with that of its entry.
#[derive(Debug)]
struct Due(Number, u64);

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

/// An object in the queue, with its entry.
#[derive(Debug)]
struct Queued {
    due: Object,
    slot: Slot,
    born: u64,
}

#[derive(Debug)]
enum Kind {
    Alike(List),
    Each { numbers: BTreeMap<Due, Slot>, queue: VecDeque<Queued>, version: u64 },
}

/// A place in the queue, and the version of which it is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: usize,
    version: u64,
}

/// Who is due first.
pub(super) enum First {
    Nobody,
    Expired(Slot),
    /// Python has to say whether this one is.
    Ask(Slot, u64, Moment),
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Deadlines {
    moments: Vec<Option<Moment>>,
    kind: Kind,
}

impl Deadlines {
    /// `alike`: all live equally long.
    pub(super) fn new(alike: bool) -> Self {
        let kind = match alike {
            true => Kind::Alike(List::default()),
            false => Kind::Each { numbers: BTreeMap::new(), queue: VecDeque::new(), version: 0 },
        };
        Deadlines { moments: Vec::new(), kind }
    }

    /// The same, of nothing. Places of before are none any more.
    pub(super) fn emptied(&self) -> Self {
        let mut emptied = Deadlines::new(matches!(self.kind, Kind::Alike(_)));
        if let (Kind::Each { version: new, .. }, Kind::Each { version, .. }) = (&mut emptied.kind, &self.kind)
        {
            *new = version + 1;
        }
        emptied
    }

    #[inline]
    pub(super) fn moment(&self, slot: Slot) -> &Moment {
        self.moments[slot as usize].as_ref().expect("a slot in use")
    }

    /// Whether a place that was found is one still.
    pub(super) fn is_current(&self, place: Option<Place>) -> bool {
        match (&self.kind, place) {
            (Kind::Each { version, .. }, Some(place)) => place.version == *version,
            _ => true,
        }
    }

    pub(super) fn enter(&mut self, slot: Slot, born: u64, moment: Moment, place: Option<Place>) {
        match (&mut self.kind, &moment) {
            (Kind::Alike(list), _) => list.push(slot),
            (Kind::Each { numbers, .. }, Moment::Number(number)) => {
                numbers.insert(Due(*number, born), slot);
            }
            (Kind::Each { queue, version, .. }, Moment::Object(due)) => {
                let at = place.map_or(queue.len(), |place| place.at.min(queue.len()));
                queue.insert(at, Queued { due: due.clone(), slot, born });
                *version += 1;
            }
        }
        let at = slot as usize;
        if self.moments.len() <= at {
            self.moments.resize(at + 1, None);
        }
        self.moments[at] = Some(moment);
    }

    pub(super) fn leave(&mut self, slot: Slot, born: u64) {
        let moment = self.moments[slot as usize].take();
        match (&mut self.kind, moment) {
            (Kind::Alike(list), Some(_)) => list.remove(slot),
            (Kind::Each { numbers, .. }, Some(Moment::Number(number))) => {
                numbers.remove(&Due(number, born));
            }
            _ => {}
        }
    }

    /// Who is due first at this time.
    pub(super) fn first(&mut self, table: &Table, now: &Moment) -> First {
        self.tidy(table);
        let (slot, born) = match &self.kind {
            Kind::Alike(list) => match list.first() {
                Some(slot) => (slot, table.entry(slot).born),
                None => return First::Nobody,
            },
            Kind::Each { numbers, queue, .. } => {
                let tree = numbers.first_key_value().map(|(due, slot)| (*slot, due.1));
                let late = |(slot, _): &(Slot, u64)| now.known_before(self.moment(*slot)) != Some(true);
                match tree.filter(late).or(queue.front().map(|queued| (queued.slot, queued.born))) {
                    Some(first) => first,
                    None => return First::Nobody,
                }
            }
        };
        match now.known_before(self.moment(slot)) {
            Some(true) => First::Nobody,
            Some(false) => First::Expired(slot),
            None => First::Ask(slot, born, self.moment(slot).clone()),
        }
    }

    /// Lets go of what the queue has of entries that are gone: at its front, and all if they are more than half.
    fn tidy(&mut self, table: &Table) {
        let Deadlines { moments, kind: Kind::Each { queue, version, .. } } = self else { return };
        let before = queue.len();
        let lives = |queued: &Queued| {
            let moment = moments.get(queued.slot as usize).and_then(Option::as_ref);
            let same = matches!(moment, Some(Moment::Object(due)) if due.pointer() == queued.due.pointer());
            same && table.holds(queued.slot, queued.born)
        };
        while queue.front().is_some_and(|queued| !lives(queued)) {
            queue.pop_front();
        }
        if queue.len() > table.len() * 2 + 8 {
            queue.retain(lives);
        }
        *version += u64::from(queue.len() != before);
    }

    /// The slots in the order in which they are due, where that is the order of writing.
    pub(super) fn slots(&self) -> Vec<Slot> {
        match &self.kind {
            Kind::Alike(list) => list.iter().collect(),
            Kind::Each { .. } => Vec::new(),
        }
    }

    /// Puts that order together again, of slots that are in it.
    pub(super) fn reorder(&mut self, slots: &[Slot]) {
        if let Kind::Alike(list) = &mut self.kind {
            slots.iter().for_each(|slot| list.move_to_end(*slot));
        }
    }

    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let queue = match &self.kind {
            Kind::Alike(_) => None,
            Kind::Each { queue, .. } => Some(queue.iter().map(|queued| &queued.due)),
        };
        let moments = self.moments.iter().filter_map(|moment| match moment {
            Some(Moment::Object(object)) => Some(object),
            _ => None,
        });
        moments
            .chain(queue.into_iter().flatten())
            .try_for_each(|object| visit_object(visit, object.pointer()))
    }

    /// How long the queue is, at which version.
    pub(super) fn queue(&self) -> Option<(usize, u64)> {
        match &self.kind {
            Kind::Alike(_) => None,
            Kind::Each { queue, version, .. } => Some((queue.len(), *version)),
        }
    }

    /// The moment at a place of the queue.
    pub(super) fn at(&self, at: usize, version: u64) -> Option<Moment> {
        match &self.kind {
            Kind::Each { queue, version: current, .. } if *current == version => {
                queue.get(at).map(|queued| Moment::Object(queued.due.clone()))
            }
            _ => None,
        }
    }
}

impl Place {
    pub(super) fn new(at: usize, version: u64) -> Self {
        Place { at, version }
    }
}
