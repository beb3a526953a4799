//! The mapping of bounded size under the classes of `pinyon.compat.cachetools`.
//!
//! A method reads the clock, hashes, weighs and compares first, then makes its step, and lets go of objects when it returns. Methods that others
//! are made of may be overridden ([`overrides`](super::overrides)); then what would be one step is several, as with any code that calls them.

use super::deadlines::Moment;
use super::guarded::Guarded;
use super::number::Number;
use super::order::Order;
use super::overrides::Methods;
use super::search::step;
use super::shelf::{Offer, Shelf, Written};
use super::table::Slot;
use super::timed::{self, Life, Timed};
use super::walk::Walk;
use crate::key::Probe;
use crate::object::{Call, Object, release, visit_object};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// An entry of a copy or a pickle: key, value, size and moment.
type Saved<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// Places among the entries with counts of use, in the order in which they leave or are chosen by.
type Leaving = Vec<(usize, u64)>;

/// What [`Store::_entries`] gives.
type Everything<'py> = (Bound<'py, PyList>, Leaving, Vec<usize>, Bound<'py, PyAny>);

/// See the module's head.
#[pyclass(module = "pinyon._core", subclass, frozen)]
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) shelf: Guarded<Shelf>,
    /// The methods that are not the native ones.
    pub(super) own: Methods,
    /// The bound, as it was given.
    maxsize: Guarded<Option<Object>>,
    /// The clock and the lifetimes of a class that has them.
    pub(super) life: Option<Guarded<Option<Life>>>,
}

/// A store whose order depends on what is read. It has no data of its own, so that `Store` makes its instances too.
#[pyclass(module = "pinyon._core", extends = Store, subclass, frozen)]
#[derive(Debug)]
pub(crate) struct Used;

/// `KeyError(key)`.
pub(super) fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    PyKeyError::new_err((key.clone().unbind(),))
}

#[pymethods]
impl Used {
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let slf = slf.as_super();
        look(slf, key)?.map_or_else(|| absent_used(slf, key), |value| Ok(value.into_bound(slf.py())))
    }
}

/// What a read met.
enum Met<R> {
    Nothing,
    Done(R),
    /// Python has to say if it has expired.
    Ask(Slot, u64, Moment),
}

impl Store {
    pub(super) fn make(class: &Bound<'_, PyType>) -> PyResult<Self> {
        let timed = class.is_subclass_of::<Timed>()?;
        let order: String = class.getattr("_order")?.extract()?;
        Ok(Store {
            shelf: Guarded::new(Shelf::new(Order::named(&order)?)),
            own: Methods::of(class)?,
            maxsize: Guarded::new(None),
            life: timed.then(|| Guarded::new(None)),
        })
    }

    /// Calls `act` in the step that found an entry that has not expired.
    #[inline(always)]
    pub(super) fn read<R>(
        &self,
        py: Python<'_>,
        probe: &Probe,
        now: Option<&Moment>,
        act: impl Fn(&mut Shelf, Slot) -> R,
    ) -> PyResult<Option<R>> {
        let met = step(py, &self.shelf, probe, |shelf, found| match found {
            None => Met::Nothing,
            Some(slot) => match shelf.is_live(slot, now) {
                Some(true) => Met::Done(act(shelf, slot)),
                Some(false) => Met::Nothing,
                None => Met::Ask(slot, shelf.table.entry(slot).born, shelf.moment(slot)),
            },
        })?;
        match (met, now) {
            (Met::Done(done), _) => Ok(Some(done)),
            (Met::Ask(slot, born, due), Some(now)) if now.before(py, &due)? => {
                let mut shelf = self.shelf.hold(py);
                Ok(shelf.table.holds(slot, born).then(|| act(&mut shelf, slot)))
            }
            _ => Ok(None),
        }
    }

    /// Removes an entry, and says whether it had not expired.
    fn take(&self, py: Python<'_>, probe: &Probe, now: Option<&Moment>) -> PyResult<Option<Object>> {
        let taken = step(py, &self.shelf, probe, |shelf, found| {
            let slot = found?;
            let due = now.map(|_| shelf.moment(slot));
            Some((shelf.remove(slot).value.clone(), due))
        })?;
        match (taken, now) {
            (Some((_, Some(due))), Some(now)) if !now.before(py, &due)? => Ok(None),
            (taken, _) => Ok(taken.map(|(value, _)| value)),
        }
    }

    /// Whether those may be removed natively that have to make room.
    fn evicts(&self, shelf: &Shelf) -> bool {
        let by_iteration = matches!(shelf.order, Order::Arrival);
        let steps = Methods::POPITEM.and(Methods::DELITEM);
        let walks = Methods::ITER.and(Methods::GETITEM);
        !(self.own.any(steps) || by_iteration && self.own.any(walks))
    }
}

/// The size of a value, within the bound.
fn weigh(slf: &Bound<'_, Store>, value: &Bound<'_, PyAny>) -> PyResult<Number> {
    let (sized, most) = {
        let shelf = slf.get().shelf.hold(slf.py());
        (shelf.is_sized(), shelf.most)
    };
    let size = match sized {
        true => Number::of(&slf.call_method1("getsizeof", (value,))?)?,
        false => Number::ONE,
    };
    if size < Number::ZERO {
        Err(PyValueError::new_err("value size must be non-negative"))
    } else if size > most {
        Err(PyValueError::new_err("value too large"))
    } else {
        Ok(size)
    }
}

/// Writes a value; if one is there and `keeps`, it is returned and stays.
pub(super) fn write(
    slf: &Bound<'_, Store>,
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    keeps: bool,
) -> PyResult<Option<Object>> {
    let (py, store) = (slf.py(), slf.get());
    let probe = Probe::new(key)?;
    let _still = if store.own.is_empty() { None } else { timed::stand(slf)? };
    let now = timed::now(slf)?;
    if let Some(now) = &now {
        timed::expire(slf, now)?;
    }
    let due = match &now {
        Some(now) => match timed::due(slf, key, value, now)? {
            Some(due) => Some((due, None)),
            // It would have expired before it is there.
            None => return store.take(py, &probe, None).map(|_| None),
        },
        None => None,
    };
    let size = weigh(slf, value)?;
    let evicts = store.evicts(&store.shelf.hold(py));
    let mut offer = Offer { probe: &probe, value: value.into(), size, due, keeps, evicts };
    let mut rounds = 0;
    loop {
        if let Some((due, place)) = &mut offer.due {
            // Where comparisons themselves write without end, the end of the queue has to do.
            *place = if rounds < timed::ROUNDS { timed::place(py, store, due)? } else { None };
        }
        match step(py, &store.shelf, &probe, |shelf, found| shelf.write(found, &mut offer))? {
            Written::Done => return Ok(None),
            Written::Kept(value) => return Ok(Some(value)),
            Written::Moved => rounds += 1,
            Written::Full => make_room(slf, &probe, size)?,
        }
    }
}

/// Has the class make room. That it finds nothing to remove is no error if others have made room.
fn make_room(slf: &Bound<'_, Store>, probe: &Probe, size: Number) -> PyResult<()> {
    let Err(error) = slf.call_method0("popitem") else { return Ok(()) };
    let nothing = error.is_instance_of::<PyKeyError>(slf.py());
    if nothing && step(slf.py(), &slf.get().shelf, probe, |shelf, found| shelf.fits(found, size))? {
        return Ok(());
    }
    Err(error)
}

/// The value of a key, which is used by that.
#[inline(always)]
fn look(slf: &Bound<'_, Store>, key: &Bound<'_, PyAny>) -> PyResult<Option<Object>> {
    let probe = Probe::new(key)?;
    let now = timed::now(slf)?;
    slf.get().read(slf.py(), &probe, now.as_ref().map(|now| &now.moment), |shelf, slot| {
        shelf.order.read(slot);
        shelf.table.entry(slot).value.clone()
    })
}

/// The value of a key, which is not used by that.
fn peek(slf: &Bound<'_, Store>, key: &Bound<'_, PyAny>) -> PyResult<Option<Object>> {
    let probe = Probe::new(key)?;
    let now = timed::now(slf)?;
    let now = now.as_ref().map(|now| &now.moment);
    slf.get().read(slf.py(), &probe, now, |shelf, slot| shelf.table.entry(slot).value.clone())
}

/// The error of a key that is not there, or what the class makes of that.
fn absent<'py>(slf: &Bound<'py, Store>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match slf.get().own.any(Methods::MISSING) {
        true => slf.call_method1("__missing__", (key,)),
        false => Err(missing(key)),
    }
}

/// As `absent`. What the class has stored under the key meanwhile is used by that; where entries expire it is not.
fn absent_used<'py>(slf: &Bound<'py, Store>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let value = absent(slf, key)?;
    if slf.get().life.is_none() {
        slf.get().read(slf.py(), &Probe::new(key)?, None, |shelf, slot| shelf.order.read(slot))?;
    }
    Ok(value)
}

/// The error of `popitem`.
fn empty(slf: &Bound<'_, Store>, unnamed: bool) -> PyErr {
    let error = match (unnamed, slf.get_type().name()) {
        (false, Ok(name)) => PyKeyError::new_err(format!("{name} is empty")),
        _ => PyKeyError::new_err(()),
    };
    error.set_cause(slf.py(), None);
    error
}

/// `popitem` of a class that has its own `__delitem__`.
fn pop_by_class<'py>(slf: &Bound<'py, Store>) -> PyResult<Option<Pair<'py>>> {
    let (py, store) = (slf.py(), slf.get());
    loop {
        let next = {
            let shelf = store.shelf.hold(py);
            shelf.victim().map(|slot| {
                let entry = shelf.table.entry(slot);
                (slot, entry.born, entry.key.object(), entry.value.clone())
            })
        };
        let Some((slot, born, key, value)) = next else { return Ok(None) };
        let (key, value) = (key.into_bound(py), value.into_bound(py));
        match slf.del_item(&key) {
            // Somebody else has removed it.
            Err(error)
                if error.is_instance_of::<PyKeyError>(py)
                    && !store.shelf.hold(py).table.holds(slot, born) => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(Some((key, value))),
        }
    }
}

#[pymethods]
impl Store {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(
        class: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Store::make(class)
    }

    /// Begins anew with this bound; `sized`: values have sizes.
    fn _begin(&self, maxsize: &Bound<'_, PyAny>, sized: bool) -> PyResult<()> {
        let py = maxsize.py();
        let _call = Call::new(py);
        let most = Number::of(maxsize)?;
        *self.maxsize.hold(py) = Some(maxsize.into());
        self.shelf.hold(py).begin(most, sized);
        Ok(())
    }

    /// The maximum size of the cache.
    #[getter]
    fn maxsize<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.maxsize.hold(py).as_ref().map(|maxsize| maxsize.bind(py))
    }

    /// The current size of the cache.
    #[getter]
    fn currsize<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        timed::expire_now(slf)?;
        let total = slf.get().shelf.hold(slf.py()).total;
        total.into_object(slf.py())
    }

    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        timed::expire_now(slf)?;
        Ok(slf.get().shelf.hold(slf.py()).table.len())
    }

    fn __contains__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let now = timed::now(slf)?;
        let now = now.as_ref().map(|now| &now.moment);
        Ok(slf.get().read(slf.py(), &Probe::new(key)?, now, |_, _| ())?.is_some())
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        peek(slf, key)?.map_or_else(|| absent(slf, key), |value| Ok(value.into_bound(slf.py())))
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let _call = Call::new(slf.py());
        write(slf, key, value, false).map(drop)
    }

    fn __delitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let _call = Call::new(slf.py());
        let probe = Probe::new(key)?;
        let now = timed::now(slf)?;
        match slf.get().take(slf.py(), &probe, now.as_ref().map(|now| &now.moment))? {
            Some(_) => Ok(()),
            None => Err(missing(key)),
        }
    }

    /// What `cache[key]` does if the key is not there: raises `KeyError`. For subclasses to override.
    fn __missing__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(missing(key))
    }

    fn __iter__(slf: &Bound<'_, Self>) -> Walk {
        Walk::new(slf)
    }

    /// `cache[key]` if the key is there, else the default.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, store) = (slf.py(), slf.get());
        let default = || default.unwrap_or_else(|| py.None().into_bound(py));
        if store.own.any(Methods::CONTAINS.and(Methods::GETITEM)) {
            let _still = timed::stand(slf)?;
            return if slf.as_any().contains(key)? { slf.as_any().get_item(key) } else { Ok(default()) };
        }
        let value = look(slf, key)?;
        Ok(value.map_or_else(default, |value| value.into_bound(py)))
    }

    /// Removes the key and returns its value, or the default; without a default an absent key is a `KeyError`.
    #[pyo3(signature = (key, *default, **named))]
    fn pop<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let _call = Call::new(py);
        let default = match (default.len(), named) {
            (0, None) => None,
            (1, None) => Some(default.get_item(0)?),
            (0, Some(named)) if named.len() == 1 => named.get_item("default")?,
            _ => return Err(PyTypeError::new_err("pop takes a key and at most one default")),
        };
        let absent = || default.clone().ok_or_else(|| missing(key));
        let steps = Methods::CONTAINS.and(Methods::GETITEM).and(Methods::DELITEM);
        if slf.get().own.any(steps) {
            let _still = timed::stand(slf)?;
            if !slf.as_any().contains(key)? {
                return absent();
            }
            let value = slf.as_any().get_item(key)?;
            slf.as_any().del_item(key)?;
            return Ok(value);
        }
        let probe = Probe::new(key)?;
        let now = timed::now(slf)?;
        let now = now.as_ref().map(|now| &now.moment);
        let value = slf.get().read(py, &probe, now, |shelf, slot| shelf.remove(slot).value.clone())?;
        value.map_or_else(absent, |value| Ok(value.into_bound(py)))
    }

    /// `cache[key]` if the key is there, else the default, which is written.
    #[pyo3(signature = (key, default=None))]
    fn setdefault<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let _call = Call::new(py);
        let default = default.unwrap_or_else(|| py.None().into_bound(py));
        let steps = Methods::CONTAINS.and(Methods::GETITEM).and(Methods::SETITEM);
        if slf.get().own.any(steps) {
            let _still = timed::stand(slf)?;
            if slf.as_any().contains(key)? {
                return slf.as_any().get_item(key);
            }
            slf.as_any().set_item(key, &default)?;
            return Ok(default);
        }
        if let Some(there) = look(slf, key)? {
            return Ok(there.into_bound(py));
        }
        let there = write(slf, key, &default, true)?;
        Ok(there.map_or(default, |value| value.into_bound(py)))
    }

    /// Removes the pair that is next to leave, and returns it.
    fn popitem<'py>(slf: &Bound<'py, Self>) -> PyResult<Pair<'py>> {
        let (py, store) = (slf.py(), slf.get());
        let _call = Call::new(py);
        let _still = timed::stand(slf)?;
        timed::expire_now(slf)?;
        let by_iteration = matches!(store.shelf.hold(py).order, Order::Arrival);
        let walks = Methods::ITER.and(Methods::GETITEM).and(Methods::DELITEM);
        if by_iteration && store.own.any(walks) {
            let mapping = py.import("collections.abc")?.getattr("MutableMapping")?;
            return mapping.call_method1("popitem", (slf,))?.extract();
        }
        let popped = match store.own.any(Methods::DELITEM) {
            true => pop_by_class(slf)?,
            false => {
                let entry = {
                    let mut shelf = store.shelf.hold(py);
                    shelf.victim().map(|slot| shelf.remove(slot))
                };
                entry.map(|entry| (entry.key.object().into_bound(py), entry.value.bind(py)))
            }
        };
        popped.map_or_else(|| Err(empty(slf, by_iteration)), Ok)
    }

    /// Removes all.
    fn clear(&self, py: Python<'_>) {
        let _call = Call::new(py);
        self.shelf.hold(py).clear();
    }

    /// The value of a key, which is not used by that, or the default.
    fn _peek<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(peek(slf, key)?.map_or_else(|| default.clone(), |value| value.into_bound(slf.py())))
    }

    /// The key that has this number now, in a tuple, of a class that chooses by numbers. They begin anew behind the last one.
    fn _nth<'py>(&self, py: Python<'py>, number: usize) -> Option<(Bound<'py, PyAny>,)> {
        let shelf = self.shelf.hold(py);
        let key = shelf.order.nth(number).map(|slot| shelf.table.entry(slot).key.object());
        drop(shelf);
        key.map(|key| (key.into_bound(py),))
    }

    /// All that is there, for `repr`, copies and pickles: keys, values, sizes and moments in the order of arrival, and places in that with
    /// counts of use in the order of leaving; places in the order of expiring; and the sum of the sizes.
    fn _entries<'py>(&self, py: Python<'py>) -> PyResult<Everything<'py>> {
        let _call = Call::new(py);
        let ((entries, order, due), total) = {
            let shelf = self.shelf.hold(py);
            (shelf.listed(), shelf.total)
        };
        let list = PyList::empty(py);
        for (key, value, size, moment) in entries {
            let moment = moment.map(|moment| moment.object(py)).transpose()?;
            let (key, value) = (key.into_bound(py), value.into_bound(py));
            list.append((key, value, size.into_object(py)?, moment))?;
        }
        Ok((list, order, due, total.into_object(py)?))
    }

    /// Puts into a new cache what `_entries` gave of another. Sums of floats depend on their order, so the sum is taken over as it was.
    fn _restore(
        &self,
        entries: Vec<Saved<'_>>,
        order: Leaving,
        due: Vec<usize>,
        total: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = total.py();
        let _call = Call::new(py);
        let total = Number::of(total)?;
        let mut slots = Vec::with_capacity(entries.len());
        for (key, value, size, moment) in &entries {
            let (probe, size) = (Probe::new(key)?, Number::of(size)?);
            let moment = moment.as_ref().map(Moment::from);
            let place = moment.as_ref().map(|moment| timed::place(py, self, moment)).transpose()?.flatten();
            let due = moment.map(|moment| (moment, place));
            let mut offer =
                Offer { probe: &probe, value: value.into(), size, due, keeps: false, evicts: false };
            slots.push(step(py, &self.shelf, &probe, |shelf, found| shelf.restore(found, &mut offer))?);
        }
        let slot = |at: usize| slots.get(at).copied().flatten();
        let order = order.into_iter().map(|(at, count)| Some((slot(at)?, count))).collect::<Option<Vec<_>>>();
        let due = due.into_iter().map(slot).collect::<Option<Vec<_>>>();
        match (order, due) {
            (Some(order), Some(due)) => {
                let mut shelf = self.shelf.hold(py);
                shelf.reorder(&order, &due);
                shelf.total = total;
                Ok(())
            }
            _ => Err(PyValueError::new_err("these are not the entries of a cache")),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(maxsize) = self.maxsize.try_hold().as_deref().and_then(Option::as_ref) {
            visit_object(&visit, maxsize.pointer())?;
        }
        if let Some(Some(life)) = self.life.as_ref().and_then(Guarded::try_hold).as_deref() {
            life.visit(&visit)?;
        }
        match self.shelf.try_hold() {
            Some(shelf) => shelf.visit(&visit),
            None => Ok(()),
        }
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
        if let Some(life) = &self.life {
            let life = life.hold(py).take();
            drop(life);
        }
        release(py);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // What is let go of here may run Python code, so it must not be within this drop's own fields.
        Python::attach(|py| {
            self.shelf.get_mut().clear();
            *self.maxsize.get_mut() = None;
            if let Some(life) = &mut self.life {
                *life.get_mut() = None;
            }
            release(py);
        });
    }
}
