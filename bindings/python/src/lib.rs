//! `pinyon._core`: the native half of the Python package.
//!
//! One concept a file, in the order in which they rest on one another:
//!
//! * [`object`]: references that the core can hold, and when they are let go of;
//! * [`key`]: keys, compared without running Python code; [`resolve`]: those that only Python can compare;
//! * [`shelf`]: the core's cache as one who is attached to the interpreter calls it;
//! * [`events`], [`time`], [`sizes`], [`settings`], [`stats`]: what surrounds it;
//! * [`cache`]: the class `Cache`; [`quick`]: short ways into it; [`iterate`]: its iterators; [`leads`] and [`load`]: who loads what;
//! * [`cached`]: the decorated function; [`member`]: as a method; [`ready`]: an awaitable that is done;
//! * [`ordered`]: small caches with exact orders, for `pinyon.compat`.
//!
//! # The contract with the interpreter
//!
//! No Python code runs while the core is called. What might run some is done before (hashing, comparing, weighing, the timer) or after (telling
//! `on_evict`, letting go of objects). So a call into the core is one step for every other thread of an interpreter with a global lock, and
//! nothing of the user's can come upon a cache that is half changed.

mod cache;
mod cached;
mod events;
mod iterate;
mod key;
mod leads;
mod load;
mod member;
mod object;
mod ordered;
#[cfg(not(Py_LIMITED_API))]
mod quick;
mod ready;
mod resolve;
mod settings;
mod shelf;
mod sizes;
mod stats;
mod time;

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Objects of one interpreter must not be seen by another, and some of what is here is the process's own.
fn refuse_sub_interpreters() -> PyResult<()> {
    // SAFETY: the module is being imported, so the thread is attached. The first interpreter of a process has the number 0.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match number {
        0 => Ok(()),
        _ => {
            Err(PyImportError::new_err("pinyon works in the main interpreter only, not in a sub-interpreter"))
        }
    }
}

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    refuse_sub_interpreters()?;
    module.add_class::<cache::Cache>()?;
    #[cfg(not(Py_LIMITED_API))]
    quick::install(&module.py().get_type::<cache::Cache>())?;
    module.add_class::<cached::Cached>()?;
    module.add_class::<iterate::Entries>()?;
    ready::add_to(module)?;
    ordered::add_to(module)?;
    module.add_class::<stats::Stats>()?;
    module.add_function(wrap_pyfunction!(load::ask, module)?)?;
    module.add_function(wrap_pyfunction!(load::complete, module)?)?;
    module.add_function(wrap_pyfunction!(load::abandon, module)?)?;
    module.add("OVERHEAD", settings::OVERHEAD)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
