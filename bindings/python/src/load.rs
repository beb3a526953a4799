//! The part of loading that is the core's: who leads, and whether what was loaded is still good. Who waits, and how, is Python's
//! (`pinyon/_flights.py`); see [`leads`](crate::leads).

use crate::cache::{Cache, Wish};
use crate::key::Probe;
use crate::object::{Call, Object};
use crate::resolve::{resolved, resolved_among};
use crate::settings::callable;
use pinyon::{Acquired, Completed, LeaseOptions, Loaded, Token};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::Duration;

/// A lease that nobody takes away: its holder is in this process, and ends it whatever happens.
fn lasting() -> LeaseOptions {
    LeaseOptions::new().lasting(Duration::MAX)
}

/// What came of asking for a key that is to be loaded.
pub(crate) enum Asked {
    /// The value.
    Hit(Object),
    /// A value to be renewed by the caller.
    Due(Object, Token),
    /// The caller is to load.
    Lead(Token),
    /// Another loads; this is its flight.
    Wait(Object),
}

impl Cache {
    /// Is there a value that is old enough to be renewed?
    pub(crate) fn is_due(&self, py: Python<'_>, probe: &Probe) -> PyResult<bool> {
        let core = self.shelf.core();
        let about = resolved(py, &self.shelf, probe, false, |probe| core.metadata(probe))?;
        let age = about.and_then(|about| about.age);
        Ok(age.zip(self.refresh()).is_some_and(|(age, due)| age >= due))
    }

    /// Reads a value, or makes the caller the one who loads it.
    pub(crate) fn ask(&self, key: &Bound<'_, PyAny>, flight: &Bound<'_, PyAny>) -> PyResult<Asked> {
        let py = key.py();
        self.tick(py)?;
        let probe = Probe::new(key)?;
        self.shelf.expect(&probe);
        let asked = resolved_among(py, &self.shelf, &self.leads, &probe, |probe| {
            loop {
                match self.shelf.core().acquire(probe, lasting()) {
                    Acquired::Hit(value) | Acquired::Stale(value, None) => return Asked::Hit(value),
                    Acquired::Stale(value, Some(token)) => {
                        self.leads.begin(probe, token, flight.into());
                        return Asked::Due(value, token);
                    }
                    Acquired::Lead(token) => {
                        self.leads.begin(probe, token, flight.into());
                        return Asked::Lead(token);
                    }
                    Acquired::Wait(ticket) => {
                        self.shelf.core().leave(ticket);
                        if let Some(flight) = self.leads.flight(probe) {
                            return Asked::Wait(flight);
                        }
                    }
                    Acquired::OwnKey => {}
                }
            }
        })?;
        if let Asked::Lead(token) | Asked::Due(_, token) = &asked {
            flight.setattr(pyo3::intern!(py, "token"), token.to_bits())?;
        }
        self.settle(py);
        Ok(asked)
    }
}

/// The value of a key that is there and not due to be renewed. A loader that cannot be called is an error whether or not it is, and before
/// anything is led.
#[inline]
pub(crate) fn present_or_loadable(
    cache: &Bound<'_, Cache>,
    key: &Bound<'_, PyAny>,
    load: &Bound<'_, PyAny>,
) -> PyResult<Option<Object>> {
    callable("load", "a function of the key", load)?;
    cache.get().present(key)
}

/// Has Python load what is not there.
pub(crate) fn load_by<'py>(
    cache: &Bound<'py, Cache>,
    how: &str,
    key: &Bound<'py, PyAny>,
    load: &Bound<'py, PyAny>,
    given: [Option<Bound<'py, PyAny>>; 4],
) -> PyResult<Bound<'py, PyAny>> {
    let py = cache.py();
    let options = PyDict::new(py);
    for (name, given) in ["ttl", "tti", "weight", "tags"].into_iter().zip(given) {
        if let Some(given) = given {
            options.set_item(name, given)?;
        }
    }
    py.import("pinyon._flights")?.getattr(how)?.call((cache, key, load), Some(&options))
}

/// `("hit", value)`, `("due", value)`, `("lead", None)` or `("wait", flight)`. When the caller is to load, `flight.token` is set before any
/// Python code can run: a signal that comes then finds out by it that there is something to end.
#[pyfunction]
pub(crate) fn ask<'py>(
    cache: &Bound<'py, Cache>,
    key: &Bound<'py, PyAny>,
    flight: &Bound<'py, PyAny>,
) -> PyResult<(&'static str, Bound<'py, PyAny>)> {
    let py = key.py();
    let _call = Call::new(py);
    Ok(match cache.get().ask(key, flight)? {
        Asked::Hit(value) => ("hit", value.into_bound(py)),
        Asked::Due(value, _) => ("due", value.into_bound(py)),
        Asked::Lead(_) => ("lead", py.None().into_bound(py)),
        Asked::Wait(flight) => ("wait", flight.into_bound(py)),
    })
}

/// Brings what was loaded. False if it was not stored: its key was written, removed or invalidated meanwhile, or it is too heavy.
#[pyfunction]
#[pyo3(signature = (cache, key, token, value, *, ttl=None, tti=None, weight=None, tags=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn complete(
    cache: &Bound<'_, Cache>,
    key: &Bound<'_, PyAny>,
    token: u64,
    value: &Bound<'_, PyAny>,
    ttl: Option<&Bound<'_, PyAny>>,
    tti: Option<&Bound<'_, PyAny>>,
    weight: Option<&Bound<'_, PyAny>>,
    tags: Option<&Bound<'_, PyAny>>,
) -> PyResult<bool> {
    let (py, cache, token) = (key.py(), cache.get(), Token::from_bits(token));
    let _call = Call::new(py);
    let options = cache.options(key, value, &Wish { ttl, tti, weight, tags })?;
    cache.tick(py)?;
    let done = {
        let _alone = cache.shelf.hold();
        cache.leads.end(token);
        let done = cache.shelf.core().complete(token, Loaded::with(value.into(), options));
        // What it replaced or evicted is let go of at once, as everywhere.
        cache.shelf.maintain(0);
        done
    };
    cache.settle(py);
    Ok(matches!(done, Completed::Stored))
}

/// Gives a lead back without a value.
#[pyfunction]
pub(crate) fn abandon(cache: &Bound<'_, Cache>, token: u64) {
    let (_call, cache, token) = (Call::new(cache.py()), cache.get(), Token::from_bits(token));
    cache.leads.end(token);
    cache.shelf.core().abandon(token);
}
