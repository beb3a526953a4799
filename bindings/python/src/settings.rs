//! What a cache is told when it is made.

use crate::events::Events;
use crate::key::Key;
use crate::object::Object;
use crate::shelf::{Core, Seeds};
use crate::time::{Timer, duration};
use pinyon::{Builder, Cache, Policy};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::Duration;

/// What the core needs for an entry: key, value, hash and place, and its part of the tables and of the policy's memory.
pub(crate) const OVERHEAD: u64 = 64;
/// What it needs besides once entries have lifetimes: times, and a place in the wheel.
pub(crate) const LIFETIME: u64 = 44;

/// What a cache may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Entries(u64),
    Bytes(u64),
    Weight(u64),
}

impl Limit {
    /// Of the three settings the one that is given.
    pub(crate) fn of(
        entries: Option<&Bound<'_, PyAny>>,
        bytes: Option<&Bound<'_, PyAny>>,
        weight: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        match (entries, bytes, weight) {
            (Some(given), None, None) => Ok(Limit::Entries(positive("maxsize", given, 1)?)),
            (None, Some(given), None) => Ok(Limit::Bytes(positive("maxbytes", given, 1024)?)),
            (None, None, Some(given)) => Ok(Limit::Weight(positive("maxweight", given, 1)?)),
            _ => {
                let mut text =
                    "a cache needs one of maxsize= (entries), maxbytes= and maxweight= (units of your own)"
                        .to_owned();
                text.push_str(match (entries.is_some(), bytes.is_some(), weight.is_some()) {
                    (true, true, true) => ", not maxsize=, maxbytes= and maxweight=",
                    (true, true, false) => ", not maxsize= and maxbytes=",
                    (true, false, true) => ", not maxsize= and maxweight=",
                    (false, true, true) => ", not maxbytes= and maxweight=",
                    _ => "",
                });
                Err(PyTypeError::new_err(text))
            }
        }
    }

    pub(crate) fn setting(self) -> (&'static str, u64) {
        match self {
            Limit::Entries(most) => ("maxsize", most),
            Limit::Bytes(most) => ("maxbytes", most),
            Limit::Weight(most) => ("maxweight", most),
        }
    }

    /// The same kind, of another size.
    pub(crate) fn resized(self, given: &Bound<'_, PyAny>) -> PyResult<Self> {
        match self {
            Limit::Entries(_) => Limit::of(Some(given), None, None),
            Limit::Bytes(_) => Limit::of(None, Some(given), None),
            Limit::Weight(_) => Limit::of(None, None, Some(given)),
        }
    }
}

fn positive(setting: &str, given: &Bound<'_, PyAny>, least: u64) -> PyResult<u64> {
    let wrong = |and: &str| {
        let given = given.repr().map_or_else(|_| "something".to_owned(), |repr| repr.to_string());
        format!("{setting} must be an int of {least} or more{and}, not {given}")
    };
    let number = given.getattr_opt("__index__")?.ok_or_else(|| PyTypeError::new_err(wrong("")))?.call0()?;
    match number.extract::<u64>() {
        Ok(number) if number >= least => Ok(number),
        Err(_) if number.gt(0)? => Err(PyValueError::new_err(wrong(" and below 2**64"))),
        _ => Err(PyValueError::new_err(wrong(""))),
    }
}

/// The settings of a cache, as they were given.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) weigher: Option<Py<PyAny>>,
    policy: Policy,
    pub(crate) ttl: Option<Duration>,
    pub(crate) tti: Option<Duration>,
    pub(crate) timer: Option<Timer>,
    pub(crate) events: Option<Events>,
    pub(crate) refresh: Option<Duration>,
}

const POLICIES: [(&str, Policy); 2] = [("tinylfu", Policy::ClockTinyLfu), ("clock", Policy::Clock)];

/// Refuses what cannot be called, by the name of the argument. `kind` is what it should be.
#[inline]
pub(crate) fn callable(argument: &str, kind: &str, given: &Bound<'_, PyAny>) -> PyResult<()> {
    if given.is_callable() {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!("{argument} must be {kind}, not {}", given.get_type().name()?)))
}

/// A function, or nothing.
fn function(setting: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    given.map(|given| callable(setting, "a function", given).map(|()| given.clone().unbind())).transpose()
}

impl Settings {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        limit: Limit,
        weigher: Option<&Bound<'_, PyAny>>,
        policy: &str,
        ttl: Option<&Bound<'_, PyAny>>,
        tti: Option<&Bound<'_, PyAny>>,
        timer: Option<&Bound<'_, PyAny>>,
        on_evict: Option<&Bound<'_, PyAny>>,
        refresh: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if weigher.is_some() && matches!(limit, Limit::Entries(_)) {
            return Err(PyTypeError::new_err(
                "weigher= goes with maxbytes= or maxweight=, not with maxsize=",
            ));
        }
        let known = POLICIES.iter().find(|(name, _)| *name == policy);
        let policy = known.ok_or_else(|| {
            PyValueError::new_err(format!("policy must be 'tinylfu' or 'clock', not '{policy}'"))
        })?;
        Ok(Settings {
            weigher: function("weigher", weigher)?,
            policy: policy.1,
            ttl: ttl.map(|ttl| duration("ttl", ttl)).transpose()?,
            tti: tti.map(|tti| duration("tti", tti)).transpose()?,
            timer: timer.map(Timer::new).transpose()?,
            events: function("on_evict", on_evict)?.map(Events::new),
            refresh: refresh.map(|refresh| duration("refresh", refresh)).transpose()?,
        })
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.ttl.is_some() || self.tti.is_some() || self.timer.is_some()
    }

    /// Do entries have lifetimes or ages, whatever is said when they are written?
    pub(crate) fn has_lifetimes(&self) -> bool {
        self.ttl.is_some() || self.tti.is_some() || self.refresh.is_some()
    }

    /// The core's cache of these settings.
    pub(crate) fn build(&self, limit: Limit) -> PyResult<Core> {
        let mut builder: Builder<Key, Object, Seeds> =
            Cache::builder().hasher(Seeds::new()).policy(self.policy);
        builder = match limit {
            Limit::Entries(most) => builder.capacity(most),
            Limit::Bytes(most) | Limit::Weight(most) => builder.capacity_weight(most),
        };
        if let Some(ttl) = self.ttl {
            builder = builder.time_to_live(ttl);
        }
        if let Some(tti) = self.tti {
            builder = builder.time_to_idle(tti);
        }
        if let Some(refresh) = self.refresh {
            builder = builder.refresh_after(refresh);
        }
        if let Some(timer) = &self.timer {
            builder = builder.ticker(timer.hands());
        }
        if let Some(events) = &self.events {
            builder = builder.listener(events.listener());
        }
        // Shards are for writers at the same time.
        #[cfg(not(Py_GIL_DISABLED))]
        let builder = builder.shards(1);
        builder.build().map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// As keyword arguments, of which those that were not given are left out.
    pub(crate) fn describe(&self, py: Python<'_>, limit: Limit) -> PyResult<Py<PyDict>> {
        let all = PyDict::new(py);
        let (setting, most) = limit.setting();
        all.set_item(setting, most)?;
        if let Some((name, _)) = POLICIES.iter().skip(1).find(|(_, policy)| *policy == self.policy) {
            all.set_item("policy", name)?;
        }
        for (name, given) in [("ttl", self.ttl), ("tti", self.tti), ("refresh", self.refresh)] {
            if let Some(given) = given {
                let seconds = if given == Duration::MAX { f64::INFINITY } else { given.as_secs_f64() };
                all.set_item(name, seconds)?;
            }
        }
        let timer = self.timer.as_ref().map(Timer::function);
        let on_evict = self.events.as_ref().map(Events::function);
        for (name, given) in [("weigher", self.weigher.as_ref()), ("timer", timer), ("on_evict", on_evict)] {
            if let Some(given) = given {
                all.set_item(name, given)?;
            }
        }
        Ok(all.unbind())
    }

    /// For the garbage collector.
    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.weigher)?;
        visit.call(self.timer.as_ref().map(Timer::function))?;
        visit.call(self.events.as_ref().map(Events::function))
    }
}
