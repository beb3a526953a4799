//! An awaitable that has its result: what a call of a cached coroutine function gives when the value is in the cache.
//!
//! It is a coroutine that never waits. `await` asks it by the slot that it asks native coroutines by (`am_send`, Python 3.10 and later), which the
//! macros of PyO3 do not offer and which saves an exception for each hit; so the type is made by hand. Without that slot, and by `send()`, it is
//! asked as an iterator is.
//!
//! # Invariants
//!
//! * **W1** An object of this type is a [`Raw`], whose `value` is null or one strong reference.
//! * **W2** Whoever swaps a value out owns its reference.
//! * **W3** These functions are called by the interpreter, with a thread that is attached and arguments that live.
//!
//! The collector of cycles is not told of it: it lives from the call to its `await`, and a cycle through it could be made only by storing it in its own
//! value.

use crate::object::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

#[repr(C)]
struct Raw {
    head: ffi::PyObject,
    /// Null when it was awaited.
    value: AtomicPtr<ffi::PyObject>,
}

static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// A coroutine that gives this value when it is awaited; once, as any coroutine does.
#[inline]
pub(crate) fn ready(py: Python<'_>, value: Object) -> PyResult<Bound<'_, PyAny>> {
    let kind = TYPE.get_or_try_init(py, || make(py))?;
    // SAFETY: W3; the type was made below, with the size of a `Raw`, zeroed when allocated: W1. The reference to the value goes to the object.
    unsafe {
        let object = ffi::PyType_GenericAlloc(kind.as_ptr().cast(), 0);
        let object = Bound::from_owned_ptr_or_err(py, object)?;
        let value = value.into_bound(py).into_ptr();
        (*object.as_ptr().cast::<Raw>()).value.store(value, Ordering::Release);
        Ok(object)
    }
}

/// The type, for the module, and for whoever asks if something is a coroutine.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let kind = TYPE.get_or_try_init(py, || make(py))?;
    py.import("collections.abc")?.getattr("Coroutine")?.call_method1("register", (kind,))?;
    module.add("Ready", kind)
}

/// The value, or null when it was taken before.
///
/// # Safety
///
/// W1 and W3.
unsafe fn take(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the caller vouches for it.
    unsafe { (*this.cast::<Raw>()).value.swap(ptr::null_mut(), Ordering::AcqRel) }
}

/// Says that there is nothing to be had any more.
unsafe fn used_up() {
    // SAFETY: W3.
    unsafe {
        ffi::PyErr_SetString(ffi::PyExc_RuntimeError, c"cannot reuse already awaited coroutine".as_ptr());
    }
}

unsafe extern "C" fn dealloc(this: *mut ffi::PyObject) {
    // SAFETY: W1 to W3; nobody else has the object any more. An object of a type made at run time owns a reference to it.
    unsafe {
        let kind = ffi::Py_TYPE(this);
        ffi::Py_XDECREF(take(this));
        ffi::PyObject_Free(this.cast::<c_void>());
        ffi::Py_DECREF(kind.cast());
    }
}

unsafe extern "C" fn itself(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: W3.
    unsafe { ffi::Py_INCREF(this) };
    this
}

#[cfg(Py_3_10)]
unsafe extern "C" fn am_send(
    this: *mut ffi::PyObject,
    _sent: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: W1 to W3.
    unsafe {
        let value = take(this);
        *result = value;
        if value.is_null() {
            used_up();
            return ffi::PySendResult::PYGEN_ERROR;
        }
        ffi::PySendResult::PYGEN_RETURN
    }
}

unsafe extern "C" fn next(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: W1 to W3. The value goes into the exception, packed so that a tuple or an exception arrives as it is.
    unsafe {
        let value = take(this);
        if value.is_null() {
            used_up();
            return ptr::null_mut();
        }
        let stop = ffi::PyObject_CallFunctionObjArgs(
            ffi::PyExc_StopIteration,
            value,
            ptr::null_mut::<ffi::PyObject>(),
        );
        ffi::Py_DECREF(value);
        if !stop.is_null() {
            ffi::PyErr_SetObject(ffi::PyExc_StopIteration, stop);
            ffi::Py_DECREF(stop);
        }
        ptr::null_mut()
    }
}

unsafe extern "C" fn send(this: *mut ffi::PyObject, _sent: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as of `next`.
    unsafe { next(this) }
}

/// `throw(exception)`, or the older `throw(type, value, traceback)`.
unsafe extern "C" fn throw(this: *mut ffi::PyObject, args: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: W1 to W3; `args` is a tuple, whose items are borrowed.
    unsafe {
        ffi::Py_XDECREF(take(this));
        let size = ffi::PyTuple_Size(args);
        if size == 0 {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"throw() needs an exception".as_ptr());
            return ptr::null_mut();
        }
        let first = ffi::PyTuple_GetItem(args, 0);
        let second = if size > 1 { ffi::PyTuple_GetItem(args, 1) } else { ffi::Py_None() };
        if ffi::PyExceptionInstance_Check(first) != 0 {
            ffi::PyErr_SetObject(ffi::Py_TYPE(first).cast(), first);
        } else if ffi::PyExceptionClass_Check(first) != 0 {
            ffi::PyErr_SetObject(first, if second == ffi::Py_None() { ptr::null_mut() } else { second });
        } else {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"throw() needs an exception".as_ptr());
        }
        ptr::null_mut()
    }
}

unsafe extern "C" fn close(this: *mut ffi::PyObject, _none: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: W1 to W3.
    unsafe {
        ffi::Py_XDECREF(take(this));
        let none = ffi::Py_None();
        ffi::Py_INCREF(none);
        none
    }
}

fn make(py: Python<'_>) -> PyResult<Py<PyType>> {
    let method = |name: &'static std::ffi::CStr, call, flags: c_int| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: call },
        ml_flags: flags,
        ml_doc: ptr::null(),
    };
    // The interpreter keeps pointers to them as long as the type lives, which is for ever.
    let methods = Box::leak(Box::new([
        method(c"send", send, ffi::METH_O),
        method(c"throw", throw, ffi::METH_VARARGS),
        method(c"close", close, ffi::METH_NOARGS),
        ffi::PyMethodDef::zeroed(),
    ]));
    let slot = |slot: c_int, pointer: *mut c_void| ffi::PyType_Slot { slot, pfunc: pointer };
    let doc = c"A coroutine that never waits: awaited, it gives its value at once.";
    let mut slots = vec![
        slot(ffi::Py_tp_doc, doc.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_iter, itself as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_am_await, itself as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
    ];
    #[cfg(Py_3_10)]
    slots.push(slot(ffi::Py_am_send, am_send as *mut c_void));
    slots.push(slot(0, ptr::null_mut()));
    #[cfg(Py_3_10)]
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    // One that is made by calling the type has been awaited already.
    #[cfg(not(Py_3_10))]
    let flags = ffi::Py_TPFLAGS_DEFAULT;
    let mut spec = ffi::PyType_Spec {
        name: c"pinyon._core.Ready".as_ptr(),
        basicsize: size_of::<Raw>() as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: W3: called while the module is made, or on an attached thread; the functions have the signatures of their slots, and the name and
    // the methods live for ever. The interpreter copies the rest.
    unsafe {
        let kind = ffi::PyType_FromSpec(&mut spec);
        Ok(Bound::from_owned_ptr_or_err(py, kind)?.cast_into_unchecked::<PyType>().unbind())
    }
}
