//! The calls that loops are made of (`cache.get(key)`, `cache[key]`, `cache[key] = value`, `del cache[key]`), entered by the interpreter's
//! own tables.
//!
//! PyO3's entries serve every method and every argument, for one to two hundred instructions; the lookup itself takes as many. So the
//! class's entries for these four are replaced by the ones here, once it is made. They know one case: the key is
//! plain, and nothing of the user's is to be asked or told. Whatever else comes is handed to PyO3's entry, which is complete and knows
//! nothing of these.
//!
//! Not for the stable ABI, whose types are closed. A subclass inherits `get` from here, and PyO3's entries for the rest.
//!
//! # Invariants
//!
//! * **Q1** [`LONG`] is set once, by [`install`], before the class's entries are replaced.
//! * **Q2** The interpreter calls an entry on an attached thread, with an instance of the class and live objects as arguments.
//! * **Q3** Before [`release`] no Python code runs, and nothing was begun when a call is handed on.
//! * **Q4** None of these lets go of a reference by way of PyO3's `Py`, which does not know that the thread is attached.

use crate::cache::Cache;
use crate::key::Probe;
use crate::object::{Object, release};
use pyo3::exceptions::PySystemError;
use pyo3::ffi::{self, PyObject};
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null_mut};
use std::sync::OnceLock;

/// PyO3's entries.
struct Long {
    get: ffi::PyCFunctionFastWithKeywords,
    subscript: ffi::binaryfunc,
    assign: ffi::objobjargproc,
}

static LONG: OnceLock<Long> = OnceLock::new();

#[cold]
#[allow(clippy::expect_used)]
fn long() -> &'static Long {
    LONG.get().expect("Q1")
}

/// Replaces the class's entries.
///
/// # Errors
///
/// `SystemError` if PyO3 made the class otherwise than is known here.
pub(crate) fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    let method = class.getattr("get")?;
    // SAFETY: attached; the descriptor's type is looked at before the descriptor, and the class is one of PyO3's, with tables of its own.
    unsafe {
        let of_class = class.as_ptr().cast::<ffi::PyTypeObject>();
        let mapping = (*of_class).tp_as_mapping.as_mut();
        let definition = (ffi::Py_TYPE(method.as_ptr()) == &raw mut ffi::PyMethodDescr_Type)
            .then(|| (*method.as_ptr().cast::<ffi::PyMethodDescrObject>()).d_method.as_ref())
            .flatten()
            .filter(|found| found.ml_flags == ffi::METH_FASTCALL | ffi::METH_KEYWORDS);
        let (Some(mapping), Some(definition)) = (mapping, definition) else {
            return Err(PySystemError::new_err("pinyon.Cache is not made as its short calls expect"));
        };
        let (Some(subscript), Some(assign)) = (mapping.mp_subscript, mapping.mp_ass_subscript) else {
            return Err(PySystemError::new_err("pinyon.Cache has no entries for items"));
        };
        let get = definition.ml_meth.PyCFunctionFastWithKeywords;
        if LONG.set(Long { get, subscript, assign }).is_err() {
            return Ok(());
        }
        // As long as the class: for ever.
        let short = Box::leak(Box::new(ffi::PyMethodDef {
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFast: self::get },
            ml_flags: ffi::METH_FASTCALL,
            ..*definition
        }));
        let short = Bound::from_owned_ptr_or_err(class.py(), ffi::PyDescr_NewMethod(of_class, short))?;
        class.setattr("get", short)?;
        mapping.mp_subscript = Some(self::subscript);
        mapping.mp_ass_subscript = Some(self::assign);
    }
    Ok(())
}

/// Runs the body of an entry; a panic becomes an exception, and what it returns is `failed`.
#[inline(always)]
fn entry<R>(py: Python<'_>, failed: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        PanicException::new_err("a call of pinyon.Cache panicked").restore(py);
        failed
    })
}

/// The cache, and the key to look for, if it is plain and stays so.
///
/// # Safety
///
/// Q2. Neither is used when the call is over.
#[inline(always)]
unsafe fn plain<'c>(cache: *mut PyObject, key: *mut PyObject) -> Option<(Python<'c>, &'c Cache, Probe)> {
    // SAFETY: the caller vouches for it: Q2.
    let (py, key) = unsafe { (Python::assume_attached(), NonNull::new_unchecked(key)) };
    // SAFETY: as above.
    let cache = unsafe { Borrowed::from_ptr(py, cache).cast_unchecked::<Cache>() };
    // SAFETY: the class is frozen, so all that is there is shared; the caller holds a reference during the call.
    let cache: &'c Cache = unsafe { &*std::ptr::from_ref(cache.get()) };
    // SAFETY: a live object.
    let probe = unsafe { Probe::plain(key) }?;
    cache.asks_nobody().then_some((py, cache, probe))
}

/// What a read finds, or `None` if it is not for here.
///
/// # Safety
///
/// Q2.
#[inline(always)]
unsafe fn read(cache: *mut PyObject, key: *mut PyObject) -> Option<Option<Object>> {
    // SAFETY: the caller vouches for it.
    let (_, cache, probe) = unsafe { plain(cache, key) }?;
    cache.shelf.plainly(&probe, false, |probe| cache.shelf.get(probe)).ok()
}

/// `cache.get(key, default=None)`.
unsafe extern "C" fn get(
    cache: *mut PyObject,
    arguments: *mut *mut PyObject,
    count: ffi::Py_ssize_t,
) -> *mut PyObject {
    // SAFETY: Q2.
    let py = unsafe { Python::assume_attached() };
    entry(py, null_mut(), || {
        if let 1..=2 = count {
            // SAFETY: Q2: there are that many.
            match unsafe { read(cache, *arguments) } {
                Some(Some(value)) => return value.into_bound(py).into_ptr(),
                // SAFETY: as above; a live object.
                Some(None) if count == 2 => unsafe {
                    let default = *arguments.add(1);
                    ffi::Py_INCREF(default);
                    return default;
                },
                Some(None) => return py.None().into_ptr(),
                None => {}
            }
        }
        // SAFETY: Q2 and Q3.
        unsafe { (long().get)(cache, arguments, count, null_mut()) }
    })
}

/// `cache[key]`.
unsafe extern "C" fn subscript(cache: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    // SAFETY: Q2.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: Q2.
    entry(py, null_mut(), || match unsafe { read(cache, key) } {
        Some(Some(value)) => value.into_bound(py).into_ptr(),
        Some(None) => {
            // SAFETY: Q2.
            unsafe { raise_missing(key) };
            null_mut()
        }
        // SAFETY: Q2 and Q3.
        None => unsafe { (long().subscript)(cache, key) },
    })
}

/// `cache[key] = value`, or `del cache[key]` if there is no value.
unsafe extern "C" fn assign(cache: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int {
    // SAFETY: Q2.
    let py = unsafe { Python::assume_attached() };
    entry(py, -1, || {
        let done = match NonNull::new(value) {
            // SAFETY: Q2.
            Some(value) => unsafe { write(cache, key, value) },
            // SAFETY: Q2.
            None => unsafe { delete(cache, key) },
        };
        // SAFETY: Q2 and Q3.
        done.unwrap_or_else(|| unsafe { (long().assign)(cache, key, value) })
    })
}

/// # Safety
///
/// Q2.
#[inline(always)]
unsafe fn write(cache: *mut PyObject, key: *mut PyObject, value: NonNull<PyObject>) -> Option<c_int> {
    // SAFETY: the caller vouches for it.
    let (py, cache, probe) = unsafe { plain(cache, key) }?;
    if !cache.tells_nobody() || !cache.shelf.is_counted() {
        return None;
    }
    // SAFETY: as above.
    let value = || unsafe { Object::borrowed(value) };
    let insert = |probe: &Probe| cache.shelf.insert(probe.to_key(), value());
    // Where entries are counted, none is too heavy.
    cache.shelf.plainly(&probe, true, insert).ok()?;
    release(py);
    Some(0)
}

/// # Safety
///
/// Q2.
#[inline(always)]
unsafe fn delete(cache: *mut PyObject, key: *mut PyObject) -> Option<c_int> {
    // SAFETY: the caller vouches for it.
    let (py, cache, probe) = unsafe { plain(cache, key) }?;
    if !cache.tells_nobody() {
        return None;
    }
    let taken = cache.shelf.plainly(&probe, true, |probe| cache.shelf.remove(probe)).ok()?;
    let was_there = taken.is_some();
    drop(taken);
    release(py);
    if !was_there {
        // SAFETY: as above.
        unsafe { raise_missing(key) };
    }
    Some(if was_there { 0 } else { -1 })
}

/// # Safety
///
/// Q2.
#[cold]
unsafe fn raise_missing(key: *mut PyObject) {
    // SAFETY: Q2. A tuple, or a key that is one would be taken for several arguments.
    unsafe {
        let arguments = ffi::PyTuple_Pack(1, key);
        if !arguments.is_null() {
            ffi::PyErr_SetObject(ffi::PyExc_KeyError, arguments);
            ffi::Py_DECREF(arguments);
        }
    }
}
