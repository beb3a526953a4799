//! Stores whose entries expire: when the clock is read, when an entry is due, what has expired.
//!
//! Each call reads the clock once, before its step. Clocks may give any objects that can be compared; what is no number is compared by Python between
//! two steps, and an entry that has become another one meanwhile is left alone.

use super::deadlines::{Deadlines, First, Moment, Place};
use super::overrides::Methods;
use super::store::{Store, Used};
use super::timer::{Standing, Timer};
use crate::object::{Call, Object, visit_object};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// So often a place in the queue is looked for while others write.
pub(super) const ROUNDS: usize = 100;

/// The clock, and how long entries live.
#[derive(Debug)]
pub(crate) struct Life {
    timer: Py<Timer>,
    /// What is added to the time, or makes a deadline of key, value and time.
    span: Object,
    /// The former: all live equally long.
    alike: bool,
}

impl Life {
    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.timer)?;
        visit_object(visit, self.span.pointer())
    }
}

/// What the clock says.
pub(super) struct Now<'py> {
    object: Bound<'py, PyAny>,
    pub(super) moment: Moment,
}

impl<'py> Now<'py> {
    fn new(object: Bound<'py, PyAny>) -> Self {
        Now { moment: Moment::from(&object), object }
    }
}

/// Has the clock stand still, if entries expire: for calls that are several steps, or run methods of the class's own.
#[inline(always)]
pub(super) fn stand<'py>(slf: &Bound<'py, Store>) -> PyResult<Option<Standing<'py>>> {
    let Some(life) = &slf.get().life else { return Ok(None) };
    let timer = life.hold(slf.py()).as_ref().map(|life| life.timer.clone_ref(slf.py()));
    timer.map(|timer| Timer::stand(timer.into_bound(slf.py()))).transpose()
}

/// The time, if entries expire.
#[inline(always)]
pub(super) fn now<'py>(slf: &Bound<'py, Store>) -> PyResult<Option<Now<'py>>> {
    match &slf.get().life {
        None => Ok(None),
        Some(life) => {
            let timer = life.hold(slf.py()).as_ref().map(|life| life.timer.clone_ref(slf.py()));
            let time = timer.map(|timer| timer.get().now(slf.py())).transpose()?;
            Ok(time.map(Now::new))
        }
    }
}

/// When an entry that is written now is due; `None` if that is not after now.
pub(super) fn due<'py>(
    slf: &Bound<'py, Store>,
    key: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
    now: &Now<'py>,
) -> PyResult<Option<Moment>> {
    let py = slf.py();
    let life = slf.get().life.as_ref().and_then(|life| {
        let life = life.hold(py);
        life.as_ref().map(|life| (life.span.clone(), life.alike))
    });
    let Some((span, alike)) = life else { return Ok(None) };
    let span = span.into_bound(py);
    if alike {
        return Ok(Some(match (&now.moment, Moment::from(&span)) {
            (Moment::Number(now), Moment::Number(span)) => Moment::Number(now.plus(span)),
            _ => Moment::from(&now.object.add(span)?),
        }));
    }
    let due = Moment::from(&span.call1((key, value, &now.object))?);
    Ok(now.moment.before(py, &due)?.then_some(due))
}

/// Where in the queue a deadline belongs that is no number: behind all that are not after it.
pub(super) fn place(py: Python<'_>, store: &Store, due: &Moment) -> PyResult<Option<Place>> {
    if matches!(due, Moment::Number(_)) {
        return Ok(None);
    }
    let mut place = None;
    'rounds: for _ in 0..ROUNDS {
        let queue = store.shelf.hold(py).deadlines.as_ref().and_then(Deadlines::queue);
        let Some((end, version)) = queue else { return Ok(None) };
        let (mut low, mut high) = (0, end);
        // Most belong at the end.
        let mut middle = high.saturating_sub(1);
        while low < high {
            let at =
                store.shelf.hold(py).deadlines.as_ref().and_then(|deadlines| deadlines.at(middle, version));
            let Some(other) = at else { continue 'rounds };
            match due.before(py, &other)? {
                true => high = middle,
                false => low = middle + 1,
            }
            middle = low + (high - low) / 2;
        }
        place = Some(Place::new(low, version));
        break;
    }
    Ok(place)
}

/// Removes what has expired, by the class's own `expire` if it has one.
#[inline]
pub(super) fn expire<'py>(slf: &Bound<'py, Store>, now: &Now<'py>) -> PyResult<()> {
    match slf.get().own.any(Methods::EXPIRE) {
        true => slf.call_method1("expire", (&now.object,)).map(drop),
        false => expire_each(slf.py(), slf.get(), &now.moment, |_, _| ()),
    }
}

/// As `expire`, by the clock; nothing happens where entries do not expire.
pub(super) fn expire_now(slf: &Bound<'_, Store>) -> PyResult<()> {
    let _call = Call::new(slf.py());
    let _still = if slf.get().own.any(Methods::EXPIRE) { stand(slf)? } else { None };
    match now(slf)? {
        Some(now) => expire(slf, &now),
        None => Ok(()),
    }
}

/// Removes what has expired, first what was due first.
fn expire_each(
    py: Python<'_>,
    store: &Store,
    now: &Moment,
    mut each: impl FnMut(Object, Object),
) -> PyResult<()> {
    loop {
        let mut shelf = store.shelf.hold(py);
        let (slot, born, due) = match shelf.first_due(now) {
            First::Nobody => return Ok(()),
            First::Expired(slot) => {
                let entry = shelf.remove(slot);
                each(entry.key.object(), entry.value.clone());
                continue;
            }
            First::Ask(slot, born, due) => (slot, born, due),
        };
        drop(shelf);
        if now.before(py, &due)? {
            return Ok(());
        }
        let mut shelf = store.shelf.hold(py);
        if shelf.table.holds(slot, born) && shelf.moment(slot).is(&due) {
            let entry = shelf.remove(slot);
            each(entry.key.object(), entry.value.clone());
        }
    }
}

/// A store whose entries expire, and that is used by reading.
#[pyclass(module = "pinyon._core", extends = Used, subclass, frozen)]
#[derive(Debug)]
pub(crate) struct Timed;

#[pymethods]
impl Timed {
    /// What entries live by; `alike`: the span is added to the time of writing, else it is called with key, value and time.
    fn _live(slf: &Bound<'_, Self>, timer: Py<Timer>, span: &Bound<'_, PyAny>, alike: bool) {
        let py = slf.py();
        let _call = Call::new(py);
        let store = slf.as_super().as_super().get();
        if let Some(life) = &store.life {
            let old = life.hold(py).replace(Life { timer, span: span.into(), alike });
            drop(old);
        }
        let mut shelf = store.shelf.hold(py);
        shelf.clear();
        shelf.deadlines = Some(Deadlines::new(alike));
    }

    #[getter]
    fn _span<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        let life = slf.as_super().as_super().get().life.as_ref()?;
        life.hold(slf.py()).as_ref().map(|life| life.span.bind(slf.py()))
    }

    /// The timer function used by the cache.
    #[getter]
    fn timer(slf: &Bound<'_, Self>) -> Option<Py<Timer>> {
        let life = slf.as_super().as_super().get().life.as_ref()?;
        life.hold(slf.py()).as_ref().map(|life| life.timer.clone_ref(slf.py()))
    }

    /// Removes the entries that have expired by this time, or by now, and returns them: a list of pairs.
    #[pyo3(signature = (time=None))]
    fn expire<'py>(
        slf: &Bound<'py, Self>,
        time: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
        let (py, store) = (slf.py(), slf.as_super().as_super());
        let _call = Call::new(py);
        let time = match time {
            Some(time) => Some(Now::new(time)),
            None => now(store)?,
        };
        let mut expired = Vec::new();
        if let Some(now) = time {
            expire_each(py, store.get(), &now.moment, |key, value| expired.push((key, value)))?;
        }
        Ok(expired.into_iter().map(|(key, value)| (key.into_bound(py), value.into_bound(py))).collect())
    }
}
