//! The steps of every call: the clock, the key, the core, and what is due afterwards.

use super::{Cache, UPKEEP, Wish};
use crate::key::Probe;
use crate::object::{Call, Object, release};
use crate::resolve::resolved;
use pinyon::{Computed, InsertOptions};
use pyo3::prelude::*;
use std::time::Duration;

impl Cache {
    /// Before the core is called.
    #[inline(always)]
    pub(crate) fn tick(&self, py: Python<'_>) -> PyResult<()> {
        match &self.settings.timer {
            Some(timer) => timer.ask(py),
            None => Ok(()),
        }
    }

    /// Does no code of the user's run before the core is called with a plain key?
    #[cfg(not(Py_LIMITED_API))]
    #[inline(always)]
    pub(crate) fn asks_nobody(&self) -> bool {
        self.settings.timer.is_none()
    }

    /// Does nobody hear of what leaves?
    #[cfg(not(Py_LIMITED_API))]
    #[inline(always)]
    pub(crate) fn tells_nobody(&self) -> bool {
        self.settings.events.is_none()
    }

    /// The age from which values are renewed.
    pub(crate) fn refresh(&self) -> Option<Duration> {
        self.settings.refresh
    }

    /// After the core was called by something that may have removed entries.
    #[inline(always)]
    pub(crate) fn settle(&self, py: Python<'_>) {
        if let Some(events) = &self.settings.events {
            events.tell(py);
        }
        release(py);
    }

    /// Writes a pair. False: it is too heavy, and what was there is gone.
    #[inline]
    pub(super) fn write(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        wish: &Wish<'_, '_>,
    ) -> PyResult<bool> {
        let py = key.py();
        let _call = Call::new(py);
        self.tick(py)?;
        let probe = Probe::new(key)?;
        let options = self.options(key, value, wish)?;
        self.shelf.expect(&probe);
        let stored = resolved(py, &self.shelf, &probe, true, |probe| {
            self.shelf.insert_with(probe.to_key(), value.into(), options)
        })?;
        self.settle(py);
        Ok(stored)
    }

    /// Writes a pair if `when` holds of what is there.
    pub(super) fn write_if(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        options: &InsertOptions,
        when: impl FnMut(Option<&Object>) -> bool,
    ) -> PyResult<Computed<Object>> {
        let py = key.py();
        let probe = Probe::new(key)?;
        self.shelf.expect(&probe);
        let done = resolved(py, &self.shelf, &probe, true, |probe| {
            self.shelf.insert_if(probe.to_key(), &value.into(), options, when)
        })?;
        self.settle(py);
        Ok(done)
    }

    pub(super) fn take(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Object>> {
        let py = key.py();
        self.tick(py)?;
        let probe = Probe::new(key)?;
        let taken = resolved(py, &self.shelf, &probe, true, |probe| self.shelf.remove(probe))?;
        self.settle(py);
        Ok(taken)
    }

    #[inline(always)]
    pub(super) fn read(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Object>> {
        let py = key.py();
        self.tick(py)?;
        let probe = Probe::new(key)?;
        resolved(py, &self.shelf, &probe, false, |probe| self.shelf.get(probe))
    }

    /// A value that is there and not due to be renewed; a miss is left to who asks next to count.
    #[inline(always)]
    pub(crate) fn present(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Object>> {
        let py = key.py();
        self.tick(py)?;
        let probe = Probe::new(key)?;
        if self.settings.refresh.is_some() && self.is_due(py, &probe)? {
            return Ok(None);
        }
        resolved(py, &self.shelf, &probe, false, |probe| self.shelf.get_present(probe))
    }

    pub(super) fn peek_value(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Object>> {
        let py = key.py();
        self.tick(py)?;
        let probe = Probe::new(key)?;
        let pair = resolved(py, &self.shelf, &probe, false, |probe| self.shelf.peek(probe))?;
        Ok(pair.map(|(_, value)| value))
    }

    /// Removes what has expired, as far as `budget` goes; how many entries.
    pub(super) fn expire_some(&self, py: Python<'_>, budget: usize) -> PyResult<u64> {
        self.tick(py)?;
        let mut expired = 0;
        loop {
            let done = self.shelf.maintain(budget.min(UPKEEP));
            expired += done.expired;
            self.settle(py);
            if done.done || budget <= UPKEEP {
                return Ok(expired);
            }
            py.check_signals()?;
        }
    }
}
