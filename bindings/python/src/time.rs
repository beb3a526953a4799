//! Durations and clocks as Python gives them.

use crate::object::Call;
use crate::settings::callable;
use pinyon::ManualTicker;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDeltaAccess, PyFloat, PyInt};
use std::time::Duration;

/// Seconds as a number or a `timedelta`. Infinity is for ever.
///
/// # Errors
///
/// `TypeError` or `ValueError`, which name the setting, what was given, and what is allowed.
pub(crate) fn duration(setting: &str, given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds = if let Ok(delta) = given.cast::<PyDelta>() {
        f64::from(delta.get_days()) * 86_400.0
            + f64::from(delta.get_seconds())
            + f64::from(delta.get_microseconds()) / 1e6
    } else if given.is_instance_of::<PyFloat>() || given.is_instance_of::<PyInt>() {
        given.extract()?
    } else {
        let kind = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{setting} must be a number of seconds or a timedelta, not {kind}"
        )));
    };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!("{setting} must be 0 or more seconds, not {seconds}")));
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// As [`duration`], of what may be `None`.
pub(crate) fn optional(setting: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    given.map(|given| duration(setting, given)).transpose()
}

/// A clock of the user's: a function that tells seconds. It is asked before each call into the core, which has its own hands.
#[derive(Debug)]
pub(crate) struct Timer {
    function: Py<PyAny>,
    hands: ManualTicker,
}

impl Timer {
    pub(crate) fn new(function: &Bound<'_, PyAny>) -> PyResult<Self> {
        callable("timer", "a function that returns seconds", function)?;
        let timer = Timer { function: function.clone().unbind(), hands: ManualTicker::new() };
        timer.ask(function.py())?;
        Ok(timer)
    }

    pub(crate) fn function(&self) -> &Py<PyAny> {
        &self.function
    }

    /// What the core reads.
    pub(crate) fn hands(&self) -> ManualTicker {
        self.hands.clone()
    }

    /// Moves the hands to what the function says. One that goes back is taken to stand still.
    pub(crate) fn ask(&self, py: Python<'_>) -> PyResult<()> {
        let _call = Call::new(py);
        let now = self.function.bind(py).call0()?;
        let seconds: f64 = now.extract().map_err(|error: PyErr| match now.get_type().name() {
            Ok(kind) if error.is_instance_of::<PyTypeError>(py) => {
                PyTypeError::new_err(format!("timer must return a number of seconds, not {kind}"))
            }
            _ => error,
        })?;
        if !(0.0..=f64::MAX).contains(&seconds) {
            return Err(PyValueError::new_err(format!("timer must return 0 or more seconds, not {seconds}")));
        }
        self.hands.advance_to(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        Ok(())
    }
}
