//! What of a cache goes into a pickle, or a copy: see `pinyon/_restore.py`, which makes a cache of it.

use super::Cache;
use crate::iterate::Kind;
use crate::key::Probe;
use crate::object::Call;
use crate::resolve::resolved;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::time::Duration;

/// The function that restores it, its arguments, and what a subclass has beside.
pub(super) type Reduced<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>, Bound<'py, PyAny>);

pub(super) fn reduced<'py>(cache: &Bound<'py, Cache>) -> PyResult<Reduced<'py>> {
    let (py, inner) = (cache.py(), cache.get());
    let _call = Call::new(py);
    let entries = PyList::empty(py);
    let seconds = |left: Option<Duration>| left.map(|left| left.as_secs_f64());
    for pair in Cache::entries(cache, Kind::Items)?.try_iter()? {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        let probe = Probe::new(&key)?;
        let about = resolved(py, &inner.shelf, &probe, false, |probe| inner.shelf.core().metadata(probe))?;
        // What has left since it was listed stays out.
        if let Some(about) = about {
            let (ttl, idle) = (seconds(about.ttl), seconds(about.idle));
            entries.append((key, value, ttl, idle, inner.own_weight(about.weight)))?;
        }
    }
    let module = py.import("pinyon._restore")?;
    let arguments = (cache.get_type(), inner.settings(py)?, entries).into_pyobject(py)?;
    Ok((module.getattr("restore")?, arguments, module.getattr("attributes")?.call1((cache,))?))
}

/// A cache like this one.
pub(super) fn copied<'py>(cache: &Bound<'py, Cache>) -> PyResult<Bound<'py, PyAny>> {
    let (restore, arguments, state) = reduced(cache)?;
    let copied = restore.call1(arguments)?;
    if !state.is_none() {
        cache.py().import("pinyon._restore")?.getattr("assume")?.call1((&copied, state))?;
    }
    Ok(copied)
}
