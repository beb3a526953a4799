//! Counters: a read, a change that is Python's, and a write that holds only if nothing was written between them (G16).

use super::{Cache, Wish};
use crate::key::Probe;
use crate::object::{Call, Object};
use crate::resolve::resolved;
use crate::settings::Limit;
use pinyon::{Computed, InsertOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

impl Cache {
    /// Reads, changes and writes a number as one step: a write that comes between is seen, and the number changed anew.
    pub(super) fn change<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        delta: Option<Bound<'py, PyAny>>,
        default: Option<Bound<'py, PyAny>>,
        ttl: Option<&Bound<'py, PyAny>>,
        change: impl Fn(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let _call = Call::new(py);
        let number = |given: Option<Bound<'py, PyAny>>, otherwise: i64| match given {
            Some(given) => Ok(given),
            None => otherwise.into_pyobject(py).map(Bound::into_any),
        };
        let (delta, default) = (number(delta, 1)?, number(default, 0)?);
        loop {
            self.tick(py)?;
            let probe = Probe::new(key)?;
            let core = self.shelf.core();
            let there = resolved(py, &self.shelf, &probe, false, |probe| {
                self.shelf.peek(probe).map(|(_, value)| value).zip(core.metadata(probe))
            })?;
            let now = there.as_ref().map_or_else(|| default.clone(), |(value, _)| value.bind(py));
            let next = change(&now, &delta)?;
            let options = match &there {
                None => self.options(key, &next, &Wish { ttl, tti: None, weight: None, tags: None })?,
                Some((_, about)) => {
                    let weighed = self.settings.weigher.is_some() || matches!(self.limit(), Limit::Bytes(_));
                    let weight = if weighed { self.weight(key, &next, None, 0)? } else { None };
                    InsertOptions::new().keep_lifetime().weight(weight.unwrap_or(about.weight))
                }
            };
            let seen = there.map(|(value, _)| value);
            let same =
                |found: Option<&Object>| found.map(Object::pointer) == seen.as_ref().map(Object::pointer);
            match self.write_if(key, &next, &options, same)? {
                Computed::Kept => py.check_signals()?,
                Computed::Refused(_) => {
                    return Err(PyValueError::new_err("the counter weighs more than the cache may hold"));
                }
                Computed::Added | Computed::Replaced | Computed::Removed => return Ok(next),
            }
        }
    }
}
