//! Pairs of keys and values as a dict takes them.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Calls `write` with each pair of a mapping, or of an iterable of pairs.
pub(super) fn each<'py>(
    pairs: &Bound<'py, PyAny>,
    mut write: impl FnMut(Bound<'py, PyAny>, Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    let py = pairs.py();
    if let Some(keys) = pairs.getattr_opt(pyo3::intern!(py, "keys"))? {
        for key in keys.call0()?.try_iter()? {
            let key = key?;
            let value = pairs.get_item(&key)?;
            write(key, value)?;
        }
        return Ok(());
    }
    for (at, pair) in pairs.try_iter()?.enumerate() {
        let pair = pair?;
        let both: Vec<Bound<'py, PyAny>> = match pair.try_iter() {
            Ok(items) => items.take(3).collect::<PyResult<_>>()?,
            Err(_) => Vec::new(),
        };
        let Ok([key, value]) = <[_; 2]>::try_from(both) else {
            let given = pair.repr()?;
            return Err(PyValueError::new_err(format!(
                "item {at} must be a pair of key and value, not {given}"
            )));
        };
        write(key, value)?;
    }
    Ok(())
}
