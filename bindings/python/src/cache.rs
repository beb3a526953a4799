//! The class `Cache`.
//!
//! What is here is the class as Python sees it; its steps are in [`steps`], what a write says in [`wish`], counters in [`counter`], pickles in
//! [`pickle`].
//!
//! Each method does the same in turn: it asks the user's clock if there is one, hashes the key, lets [`resolved`] find out what Python alone can
//! tell, calls the core, and when that has returned tells what left and lets go of it.

mod counter;
mod pairs;
mod pickle;
mod steps;
mod wish;

use wish::Expected;
pub(crate) use wish::Wish;

use crate::iterate::{Entries, Kind};
use crate::key::Probe;
use crate::leads::Leads;
use crate::load::{load_by, present_or_loadable};
use crate::object::{Call, Object, release};
use crate::ready::ready;
use crate::resolve::resolved;
use crate::settings::{Limit, Settings};
use crate::shelf::Shelf;
use crate::stats::Stats;
use crate::time::optional;
use pinyon::{Computed, Cursor, Lifetime};
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::Mutex;
use std::sync::PoisonError;

/// Entries expired before a call that counts them.
const UPKEEP: usize = 4096;

/// A cache of Python objects, by reference.
///
/// A mapping of bounded size whose entries may expire. One of `maxsize` (entries), `maxbytes` (bytes, as `weigher(key, value)` or, if there
/// is none, the objects' own sizes tell) and `maxweight` (units of your own) says how much it holds. Keys are
/// hashable objects, and as in a dict what is equal is one key.
///
/// Args:
///     maxsize: the most entries it holds.
///     maxbytes: the most bytes that keys, values and 64 bytes for each entry take together (108 when entries have lifetimes; and its tags).
///     maxweight: the most that the weights of all entries add up to; an entry weighs 1 unless `weigher` or `set(weight=)` says otherwise.
///     weigher: `weigher(key, value)`, an int of 0 or more. An entry of weight 0 is never evicted.
///     policy: "tinylfu" (resists scans, adapts to the load) or "clock" (plain recency).
///     ttl: how long an entry lives after it was written, in seconds or as a `timedelta`.
///     tti: how long an entry lives after it was last read or written.
///     timer: a function that tells seconds and never goes back, in place of the system's monotonic clock (whose ticks are 1 to 4 ms).
///     on_evict: `on_evict(key, value, cause)`, called once for whatever leaves, when the call that removed it is done; the causes are
///         "expired", "evicted", "replaced", "removed", "cleared", "invalidated" and "refused".
///     refresh: age in seconds from which calls that load renew a value while others still read the old one; for entries that live longer than it.
///
/// It may be used by any number of threads. None of your code (`__eq__`, `__hash__`, `__del__`, weigher, timer, on_evict, loaders) runs
/// while the cache is locked or half changed, so all of it may call the cache.
///
/// >>> import pinyon
/// >>> cache = pinyon.Cache(maxsize=1000, ttl=60)
/// >>> cache["jay"] = "pinyon"
/// >>> cache["jay"], cache.get("crow"), len(cache)
/// ('pinyon', None, 1)
#[pyclass(module = "pinyon", name = "Cache", subclass, weakref, frozen, mapping)]
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) shelf: Shelf,
    pub(crate) leads: Leads,
    settings: Settings,
    limit: Mutex<Limit>,
}

/// What to do with a value that was read, or with none.
fn or_default<'py>(
    py: Python<'py>,
    found: Option<Object>,
    default: Option<Bound<'py, PyAny>>,
) -> Bound<'py, PyAny> {
    match found {
        Some(value) => value.into_bound(py),
        None => default.unwrap_or_else(|| py.None().into_bound(py)),
    }
}

fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    PyKeyError::new_err((key.clone().unbind(),))
}

impl Cache {
    fn limit(&self) -> Limit {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Cache {
    #[new]
    #[pyo3(signature = (maxsize=None, *, maxbytes=None, maxweight=None, weigher=None, policy="tinylfu", ttl=None, tti=None,
        timer=None, on_evict=None, refresh=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        maxsize: Option<&Bound<'_, PyAny>>,
        maxbytes: Option<&Bound<'_, PyAny>>,
        maxweight: Option<&Bound<'_, PyAny>>,
        weigher: Option<&Bound<'_, PyAny>>,
        policy: &str,
        ttl: Option<&Bound<'_, PyAny>>,
        tti: Option<&Bound<'_, PyAny>>,
        timer: Option<&Bound<'_, PyAny>>,
        on_evict: Option<&Bound<'_, PyAny>>,
        refresh: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let limit = Limit::of(maxsize, maxbytes, maxweight)?;
        let settings = Settings::new(limit, weigher, policy, ttl, tti, timer, on_evict, refresh)?;
        let (core, counted) = (settings.build(limit)?, matches!(limit, Limit::Entries(_)));
        let shelf = Shelf::new(core, counted, settings.is_timed(), settings.has_lifetimes());
        Ok(Cache { shelf, leads: Leads::default(), settings, limit: Mutex::new(limit) })
    }

    /// The value of a key, or `default`. A read: counted, a use of the entry, restarts its idle time.
    #[pyo3(signature = (key, default=None, /))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(or_default(key.py(), self.read(key)?, default))
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.read(key)? {
            Some(value) => Ok(value.into_bound(key.py())),
            None => Err(missing(key)),
        }
    }

    /// The value of a key, or `default`, without a trace: not counted, not a use, no idle time.
    #[pyo3(signature = (key, default=None, /))]
    fn peek<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _call = Call::new(key.py());
        Ok(or_default(key.py(), self.peek_value(key)?, default))
    }

    /// Is there a live entry? Leaves no trace.
    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let _call = Call::new(key.py());
        Ok(self.peek_value(key)?.is_some())
    }

    /// The values of those keys that have one, in a dict. Each is a read.
    #[pyo3(signature = (keys, /))]
    fn get_many<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(keys.py());
        for key in keys.try_iter()? {
            let key = key?;
            if let Some(value) = self.read(&key)? {
                found.set_item(&key, value.into_bound(keys.py()))?;
            }
        }
        Ok(found)
    }

    /// Writes a value under a key. False if it is too heavy for the whole cache; then what was there is gone.
    ///
    /// `ttl` and `tti` replace the cache's own for this entry (`float("inf")`: none), `weight` what the weigher would say, `tags` are names to
    /// `evict` it by: a str or bytes, or several. What the key had before is replaced, its lifetime and tags too.
    #[pyo3(signature = (key, value, /, *, ttl=None, tti=None, weight=None, tags=None))]
    fn set(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        tti: Option<&Bound<'_, PyAny>>,
        weight: Option<&Bound<'_, PyAny>>,
        tags: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        self.write(key, value, &Wish { ttl, tti, weight, tags })
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.write(key, value, &Wish::NOTHING)? {
            true => Ok(()),
            false => {
                let (setting, most) = self.limit().setting();
                Err(PyValueError::new_err(format!(
                    "the entry of {} weighs more than {setting}={most}; set() says so without an exception",
                    key.repr()?
                )))
            }
        }
    }

    /// Writes many pairs, of a mapping or an iterable, each as `set` does. The keys that were too heavy.
    #[pyo3(signature = (pairs, /, *, ttl=None, tti=None, tags=None))]
    fn set_many<'py>(
        &self,
        pairs: &Bound<'py, PyAny>,
        ttl: Option<&Bound<'py, PyAny>>,
        tti: Option<&Bound<'py, PyAny>>,
        tags: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let refused = PyList::empty(pairs.py());
        let tags = tags.map(wish::lasting_tags).transpose()?;
        let wish = Wish { ttl, tti, weight: None, tags: tags.as_ref() };
        pairs::each(pairs, |key, value| match self.write(&key, &value, &wish)? {
            true => Ok(()),
            false => refused.append(key),
        })?;
        Ok(refused)
    }

    /// As that of a dict; a `ValueError` for what is too heavy.
    #[pyo3(signature = (pairs=None, /, **more))]
    fn update(&self, pairs: Option<&Bound<'_, PyAny>>, more: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let mut write = |key: Bound<'_, PyAny>, value: Bound<'_, PyAny>| self.__setitem__(&key, &value);
        if let Some(pairs) = pairs {
            pairs::each(pairs, &mut write)?;
        }
        match more {
            Some(more) => pairs::each(more, write),
            None => Ok(()),
        }
    }

    /// Writes a value if the key has none. True if it did.
    #[pyo3(signature = (key, value, /, *, ttl=None, tti=None, weight=None, tags=None))]
    fn add(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        tti: Option<&Bound<'_, PyAny>>,
        weight: Option<&Bound<'_, PyAny>>,
        tags: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let _call = Call::new(key.py());
        self.tick(key.py())?;
        let options = self.options(key, value, &Wish { ttl, tti, weight, tags })?;
        Ok(matches!(self.write_if(key, value, &options, |there| there.is_none())?, Computed::Added))
    }

    /// Writes a value if the key has one; with `expected` only if it has that very object. True if it did.
    #[pyo3(signature = (key, value, /, *, expected=Expected::Anything, ttl=None, tti=None, weight=None, tags=None))]
    #[allow(clippy::too_many_arguments)]
    fn replace(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        expected: Expected<'_>,
        ttl: Option<&Bound<'_, PyAny>>,
        tti: Option<&Bound<'_, PyAny>>,
        weight: Option<&Bound<'_, PyAny>>,
        tags: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let _call = Call::new(key.py());
        self.tick(key.py())?;
        let options = self.options(key, value, &Wish { ttl, tti, weight, tags })?;
        let holds = |there: Option<&Object>| match &expected {
            Expected::Anything => there.is_some(),
            Expected::This(that) => there.is_some_and(|there| there.is(that)),
        };
        Ok(matches!(self.write_if(key, value, &options, holds)?, Computed::Replaced))
    }

    /// The value of a key; if it has none, `default` is written and returned.
    #[pyo3(signature = (key, default=None, /))]
    fn setdefault<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let _call = Call::new(py);
        let default = default.unwrap_or_else(|| py.None().into_bound(py));
        loop {
            if let Some(there) = self.read(key)? {
                return Ok(there.into_bound(py));
            }
            let options = self.options(key, &default, &Wish::NOTHING)?;
            match self.write_if(key, &default, &options, |there| there.is_none())? {
                Computed::Kept => {}
                _ => return Ok(default),
            }
        }
    }

    /// The value of a key; if it has none, `load(key)` makes it. Of all threads and tasks that ask for it at the same time one calls its `load`, and the
    /// others get what it returns or raises. What is written or removed under the key meanwhile is not overwritten by it. The others
    /// are as those of `set`. A `load` that cannot be called is a `TypeError`, though the value is there.
    #[pyo3(signature = (key, load, /, *, ttl=None, tti=None, weight=None, tags=None))]
    #[allow(clippy::too_many_arguments)]
    fn get_or_load<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        load: &Bound<'py, PyAny>,
        ttl: Option<Bound<'py, PyAny>>,
        tti: Option<Bound<'py, PyAny>>,
        weight: Option<Bound<'py, PyAny>>,
        tags: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match present_or_loadable(slf, key, load)? {
            Some(value) => Ok(value.into_bound(slf.py())),
            None => load_by(slf, "get_or_load", key, load, [ttl, tti, weight, tags]),
        }
    }

    /// As `get_or_load`, of a coroutine function: to be awaited.
    #[pyo3(signature = (key, load, /, *, ttl=None, tti=None, weight=None, tags=None))]
    #[allow(clippy::too_many_arguments)]
    fn get_or_load_async<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        load: &Bound<'py, PyAny>,
        ttl: Option<Bound<'py, PyAny>>,
        tti: Option<Bound<'py, PyAny>>,
        weight: Option<Bound<'py, PyAny>>,
        tags: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match present_or_loadable(slf, key, load)? {
            Some(value) => ready(slf.py(), value),
            None => load_by(slf, "get_or_load_async", key, load, [ttl, tti, weight, tags]),
        }
    }

    /// Adds `delta` to the number of a key, as one step, and returns the sum. A key without a value begins with `default + delta`, and `ttl`
    /// is for that; a counter that is there keeps its lifetime, and loses its tags. Anything that has `+` will do.
    #[pyo3(signature = (key, delta=None, /, *, default=None, ttl=None))]
    fn incr<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        delta: Option<Bound<'py, PyAny>>,
        default: Option<Bound<'py, PyAny>>,
        ttl: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.change(key, delta, default, ttl, |now, delta| now.add(delta))
    }

    /// As `incr`, downwards.
    #[pyo3(signature = (key, delta=None, /, *, default=None, ttl=None))]
    fn decr<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        delta: Option<Bound<'py, PyAny>>,
        default: Option<Bound<'py, PyAny>>,
        ttl: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.change(key, delta, default, ttl, |now, delta| now.sub(delta))
    }

    /// Takes a value out, or returns `default`; without a default an absent key is a `KeyError`.
    #[pyo3(signature = (key, /, *default))]
    fn pop<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _call = Call::new(key.py());
        if default.len() > 1 {
            return Err(PyTypeError::new_err("pop takes a key and at most one default"));
        }
        match (self.take(key)?, default.get_item(0)) {
            (Some(value), _) => Ok(value.into_bound(key.py())),
            (None, Ok(default)) => Ok(default),
            (None, Err(_)) => Err(missing(key)),
        }
    }

    /// Takes some pair out, in no order that means anything.
    fn popitem<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let _call = Call::new(py);
        self.tick(py)?;
        loop {
            let page = self.shelf.core().page(Cursor::START, 1);
            let Some((key, _)) = page.entries.into_iter().next() else {
                return Err(PyKeyError::new_err("popitem(): the cache is empty"));
            };
            let taken = {
                let _alone = self.shelf.hold();
                self.shelf.remove(key.probe())
            };
            self.settle(py);
            if let Some(value) = taken {
                return Ok((key.object().into_bound(py), value.into_bound(py)));
            }
        }
    }

    /// Removes a key. True if it had a live entry.
    #[pyo3(signature = (key, /))]
    pub(crate) fn delete(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let _call = Call::new(key.py());
        Ok(self.take(key)?.is_some())
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let _call = Call::new(key.py());
        self.take(key)?.map(drop).ok_or_else(|| missing(key))
    }

    /// Removes many keys; how many had a live entry.
    #[pyo3(signature = (keys, /))]
    fn delete_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut gone = 0;
        for key in keys.try_iter()? {
            gone += usize::from(self.delete(&key?)?);
        }
        Ok(gone)
    }

    /// A use of an entry without a look at it: restarts its idle time, and with `ttl` its time to live. True if there is a live entry.
    #[pyo3(signature = (key, /, *, ttl=None))]
    fn touch(&self, key: &Bound<'_, PyAny>, ttl: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = key.py();
        let _call = Call::new(py);
        let ttl = optional("ttl", ttl)?;
        if ttl.is_some() {
            self.shelf.expect_lifetimes();
        }
        self.tick(py)?;
        let probe = Probe::new(key)?;
        resolved(py, &self.shelf, &probe, true, |probe| match ttl {
            Some(ttl) => self.shelf.core().set_lifetime(probe, Lifetime::After(ttl)),
            None => self.shelf.core().touch(probe),
        })
    }

    /// Seconds until the entry expires, as things stand; `None` if it does not. An absent key is a `KeyError`.
    #[pyo3(signature = (key, /))]
    fn ttl(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
        let py = key.py();
        let _call = Call::new(py);
        self.tick(py)?;
        let probe = Probe::new(key)?;
        let about = resolved(py, &self.shelf, &probe, false, |probe| self.shelf.core().metadata(probe))?;
        match about {
            Some(about) => Ok(about.remaining.map(|left| left.as_secs_f64())),
            None => Err(missing(key)),
        }
    }

    /// Removes what has expired or was invalidated; how many entries had expired. Writes do it little by little.
    fn expire(&self, py: Python<'_>) -> PyResult<u64> {
        let _call = Call::new(py);
        self.expire_some(py, usize::MAX)
    }

    /// Invalidates every entry that was written with one of these tags: from now on they are misses, and what is being loaded with such a
    /// tag will not be stored. Costs the same however many have it.
    #[pyo3(signature = (*tags))]
    fn evict(&self, tags: &Bound<'_, PyTuple>) -> PyResult<()> {
        let py = tags.py();
        let _call = Call::new(py);
        let names = tags.iter().map(|tag| wish::tag_names(&tag)).collect::<PyResult<Vec<_>>>()?;
        self.tick(py)?;
        self.shelf.expect_fading();
        names.into_iter().flatten().for_each(|name| self.shelf.core().invalidate_tag(name));
        self.shelf.maintain(UPKEEP);
        self.settle(py);
        Ok(())
    }

    /// Removes everything. What is being loaded is not stored.
    pub(crate) fn clear(&self, py: Python<'_>) -> PyResult<()> {
        let _call = Call::new(py);
        self.tick(py)?;
        {
            let _alone = self.shelf.hold();
            self.shelf.clear();
        }
        self.settle(py);
        Ok(())
    }

    /// Changes `maxsize`, `maxbytes` or `maxweight`, whichever the cache has; a smaller one evicts.
    #[pyo3(signature = (most, /))]
    fn resize(&self, most: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = most.py();
        let _call = Call::new(py);
        self.tick(py)?;
        let limit = self.limit().resized(most)?;
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
        let resized = self.shelf.set_capacity(limit.setting().1);
        self.settle(py);
        resized.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// A reading of the statistics.
    fn stats(&self, py: Python<'_>) -> PyResult<Stats> {
        let _call = Call::new(py);
        self.tick(py)?;
        Ok(Stats::from(self.shelf.core().stats()))
    }

    /// Entries that are not known to have expired: some that have are removed first.
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        if self.shelf.is_fading() {
            let _call = Call::new(py);
            self.expire_some(py, UPKEEP)?;
        }
        Ok(self.shelf.core().len())
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.__len__(py)? > 0)
    }

    /// Iterates over the keys. As of `keys`, `values` and `items`: others may write meanwhile, and what comes and goes may be seen or not;
    /// no key is seen twice.
    fn __iter__(slf: &Bound<'_, Self>) -> Entries {
        Entries::new(slf, Kind::Keys)
    }

    /// Iterates over keys ("keys"), values ("values") or pairs ("items").
    fn _entries(slf: &Bound<'_, Self>, kind: &str) -> PyResult<Entries> {
        Ok(Entries::new(slf, Kind::named(kind)?))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let cache = slf.get();
        let (setting, most) = cache.limit().setting();
        let core = cache.shelf.core();
        let held = match cache.limit() {
            Limit::Entries(_) => String::new(),
            Limit::Bytes(_) => format!(", {} bytes", core.weight()),
            Limit::Weight(_) => format!(", weight {}", core.weight()),
        };
        Ok(format!("<{} {setting}={most}: {} entries{held}>", slf.get_type().qualname()?, core.len()))
    }

    /// What the cache was made with, as keyword arguments.
    #[getter]
    fn settings(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        self.settings.describe(py, self.limit())
    }

    /// Pickles and copies: settings, entries and the seconds they have left; of a subclass its attributes, and `__init__` is not called. Idle times
    /// begin anew; what was counted stays behind, and so do tags.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<pickle::Reduced<'py>> {
        pickle::reduced(slf)
    }

    /// A cache of the same settings with the same entries, for the seconds they have left. Their idle times begin anew, and they have no tags.
    fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pickle::copied(slf)
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::copy(slf)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.settings.visit(&visit)?;
        self.shelf.visit(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.abandon(py);
    }
}

impl Cache {
    /// An iterator over the cache.
    fn entries<'py>(slf: &Bound<'py, Self>, kind: Kind) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(slf.py(), Entries::new(slf, kind))?.into_any())
    }

    /// Lets go of everything; nobody hears of it.
    fn abandon(&self, py: Python<'_>) {
        self.shelf.clear();
        // The listener has taken note of all that left, and the collector does not know of that.
        if let Some(events) = &self.settings.events {
            events.forget();
        }
        self.leads.clear();
        release(py);
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // Python code may run when this lets go of the entries, so it must not be within the core's own drop.
        Python::attach(|py| self.abandon(py));
    }
}
