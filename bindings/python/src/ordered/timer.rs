//! The clock of a cache, which stands still within `with`.
//!
//! A thread that has entered the clock reads the time at which it did; other threads are not concerned.

use super::guarded::Guarded;
use crate::object::{Call, Object, release, visit_object};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::thread::{self, ThreadId};

/// A thread for which the clock stands still.
#[derive(Debug)]
struct Still {
    thread: ThreadId,
    depth: usize,
    time: Object,
}

/// Until it is dropped the clock stands still for this thread.
pub(super) struct Standing<'py>(Bound<'py, Timer>);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.get().leave(self.0.py());
    }
}

/// See the module's head.
#[pyclass(module = "pinyon._core", frozen)]
#[derive(Debug)]
pub(crate) struct Timer {
    timer: Py<PyAny>,
    still: Guarded<Vec<Still>>,
}

impl Timer {
    fn time_here(&self, py: Python<'_>) -> Option<Object> {
        let still = self.still.hold(py);
        if still.is_empty() {
            return None;
        }
        let here = thread::current().id();
        still.iter().find(|still| still.thread == here).map(|still| still.time.clone())
    }

    /// What the clock says.
    ///
    /// # Errors
    ///
    /// What the clock raises.
    #[inline]
    pub(super) fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.time_here(py) {
            Some(time) => Ok(time.into_bound(py)),
            None => self.timer.bind(py).call0(),
        }
    }

    /// As `with`.
    ///
    /// # Errors
    ///
    /// What the clock raises.
    pub(super) fn stand<'py>(slf: Bound<'py, Self>) -> PyResult<Standing<'py>> {
        slf.get().__enter__(slf.py())?;
        Ok(Standing(slf))
    }

    /// False if it was not entered in this thread.
    fn leave(&self, py: Python<'_>) -> bool {
        let _call = Call::new(py);
        let here = thread::current().id();
        let mut still = self.still.hold(py);
        let Some(at) = still.iter().position(|still| still.thread == here) else { return false };
        still[at].depth -= 1;
        if still[at].depth == 0 {
            still.swap_remove(at);
        }
        drop(still);
        true
    }
}

#[pymethods]
impl Timer {
    #[new]
    fn new(timer: Py<PyAny>) -> Self {
        Timer { timer, still: Guarded::new(Vec::new()) }
    }

    fn __call__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py)
    }

    fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let time = self.now(py)?;
        let here = thread::current().id();
        let mut still = self.still.hold(py);
        match still.iter_mut().find(|still| still.thread == here) {
            Some(still) => still.depth += 1,
            None => still.push(Still { thread: here, depth: 1, time: (&time).into() }),
        }
        Ok(time)
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.leave(py) {
            true => Ok(()),
            false => Err(PyRuntimeError::new_err("the timer was not entered in this thread")),
        }
    }

    fn __getattr__<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let name = name.cast::<pyo3::types::PyString>()?;
        self.timer.bind(name.py()).getattr(name)
    }

    fn __copy__(&self, py: Python<'_>) -> Self {
        Timer::new(self.timer.clone_ref(py))
    }

    fn __deepcopy__(&self, py: Python<'_>, memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        let timer = py.import("copy")?.getattr("deepcopy")?.call1((&self.timer, memo))?;
        Ok(Timer::new(timer.unbind()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Py<PyAny>,))> {
        Ok((slf.get_type().into_any(), (slf.get().timer.clone_ref(slf.py()),)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.timer)?;
        if let Some(still) = self.still.try_hold() {
            for still in still.iter() {
                visit_object(&visit, still.time.pointer())?;
            }
        }
        Ok(())
    }

    fn __clear__(&self, py: Python<'_>) {
        let _call = Call::new(py);
        self.still.hold(py).clear();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        Python::attach(|py| {
            self.still.get_mut().clear();
            release(py);
        });
    }
}
