//! How many bytes an object takes: the default weigher of a cache with `maxbytes`.
//!
//! What `sys.getsizeof` says, as an allocator gives it out; for what has `nbytes` (a `memoryview`, an array of numpy, a buffer of Arrow) at
//! least that, because such objects may be views of memory that they keep alive. What else an object refers to is not counted: a list is its
//! row of pointers.

use pinyon::block_bytes;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

static GETSIZEOF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What Python's allocator takes for so many bytes: up to 512 of them lie in pools of one size, of which there is one for each 16 bytes.
fn taken(bytes: u64) -> u64 {
    match usize::try_from(bytes) {
        Ok(513..) => block_bytes(bytes as usize) as u64,
        Ok(_) => bytes.next_multiple_of(16),
        Err(_) => bytes,
    }
}

/// # Errors
///
/// What the object's `__sizeof__` or `nbytes` raises.
pub(crate) fn size(object: &Bound<'_, PyAny>) -> PyResult<u64> {
    let py = object.py();
    let getsizeof = GETSIZEOF.import(py, "sys", "getsizeof")?;
    let shallow = taken(getsizeof.call1((object,))?.extract()?);
    if object.is_exact_instance_of::<PyString>() || object.is_exact_instance_of::<PyBytes>() {
        return Ok(shallow);
    }
    match object.getattr_opt(pyo3::intern!(py, "nbytes"))? {
        Some(bytes) => Ok(shallow.max(bytes.extract().unwrap_or(0))),
        None => Ok(shallow),
    }
}
