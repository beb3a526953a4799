//! Keys: Python objects with their hash, compared without running Python code.
//!
//! A key is *plain* if its type is one whose comparison is known to run no code but the interpreter's own: `str`, `bytes`, `int`, `float`,
//! `bool`, `None`, types, bare `object()`s, and tuples of such. Two plain keys are compared where they lie. Of any other pair
//! only identity is known here, and [`resolve`](crate::resolve) has asked Python before the core is called.
//!
//! What is equal in Python is equal here: `1 == 1.0 == True`. A `nan` is itself and nothing else, as in a `dict`.

use crate::object::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;

/// How deep tuples may lie within tuples for a key to be plain.
const DEPTH: usize = 4;

/// A key that is looked for: an object that somebody else keeps alive.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) object: NonNull<ffi::PyObject>,
    /// What Python's `hash()` says of it.
    pub(crate) hash: isize,
}

impl Probe {
    /// # Errors
    ///
    /// What `hash(object)` raises: `TypeError` for what cannot be hashed.
    #[inline(always)]
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        // SAFETY: a live object of an attached thread.
        let hash = unsafe { ffi::PyObject_Hash(object.as_ptr()) };
        if hash == -1 {
            return Err(PyErr::fetch(object.py()));
        }
        // SAFETY: a `Bound` is never null.
        Ok(Probe { object: unsafe { NonNull::new_unchecked(object.as_ptr()) }, hash })
    }

    /// The probe of a plain key, or `None`. No Python code runs.
    ///
    /// # Safety
    ///
    /// It points to a live object, and the thread is attached.
    #[cfg(not(Py_LIMITED_API))]
    #[inline(always)]
    pub(crate) unsafe fn plain(object: NonNull<ffi::PyObject>) -> Option<Self> {
        if !is_plain(object.as_ptr(), DEPTH) {
            return None;
        }
        // SAFETY: the caller vouches for it. What is plain can be hashed.
        Some(Probe { object, hash: unsafe { ffi::PyObject_Hash(object.as_ptr()) } })
    }

    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        is_plain(self.object.as_ptr(), DEPTH)
    }

    /// The same, kept alive.
    #[inline(always)]
    pub(crate) fn to_key(&self) -> Key {
        // SAFETY: a probe is used while its object lives. The reference is the key's from now on.
        std::mem::forget(unsafe { Object::borrowed(self.object) });
        Key(Probe { object: self.object, hash: self.hash })
    }
}

impl Hash for Probe {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_isize(self.hash);
    }
}

impl PartialEq for Probe {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object
            || (self.hash == other.hash && equal(self.object.as_ptr(), other.object.as_ptr()))
    }
}

impl Eq for Probe {}

impl ToOwned for Probe {
    type Owned = Key;

    fn to_owned(&self) -> Key {
        self.to_key()
    }
}

/// A key in the cache: it keeps its object alive.
#[derive(Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(crate) struct Key(Probe);

// SAFETY: as for `Object`.
unsafe impl Send for Key {}
// SAFETY: as for `Object`.
unsafe impl Sync for Key {}

impl Key {
    #[inline(always)]
    pub(crate) fn pointer(&self) -> NonNull<ffi::PyObject> {
        self.0.object
    }

    #[inline(always)]
    pub(crate) fn probe(&self) -> &Probe {
        &self.0
    }

    #[inline(always)]
    pub(crate) fn hash(&self) -> isize {
        self.0.hash
    }

    #[inline(always)]
    pub(crate) fn object(&self) -> Object {
        // SAFETY: a key keeps its object alive.
        unsafe { Object::borrowed(self.0.object) }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.0.is_plain()
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        self.0.to_key()
    }
}

impl Drop for Key {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the reference that `to_key` took, which nothing uses after this.
        drop(unsafe { Object::owned(self.0.object) });
    }
}

impl Borrow<Probe> for Key {
    #[inline(always)]
    fn borrow(&self) -> &Probe {
        &self.0
    }
}

/// Does comparing the object run no code but the interpreter's own?
#[inline(always)]
fn is_plain(object: *mut ffi::PyObject, depth: usize) -> bool {
    // SAFETY: a live object; these look at its type and nothing else.
    unsafe {
        ffi::PyUnicode_CheckExact(object) != 0
            || ffi::PyLong_CheckExact(object) != 0
            || is_plain_otherwise(object, depth)
    }
}

#[inline(never)]
fn is_plain_otherwise(object: *mut ffi::PyObject, depth: usize) -> bool {
    // SAFETY: as above.
    unsafe {
        ffi::PyTuple_CheckExact(object) != 0
            && depth > 0
            && items(object).all(|item| is_plain(item, depth - 1))
            || ffi::PyBytes_CheckExact(object) != 0
            || is_number(object)
            || object == ffi::Py_None()
            || ffi::PyType_CheckExact(object) != 0
            || ffi::Py_TYPE(object) == &raw mut ffi::PyBaseObject_Type
    }
}

/// Of the kinds that are equal to one another if they have the same value.
///
/// # Safety
///
/// The object is live.
#[inline(always)]
unsafe fn is_number(object: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller vouches for it.
    unsafe {
        ffi::PyLong_CheckExact(object) != 0
            || ffi::PyFloat_CheckExact(object) != 0
            || ffi::PyBool_Check(object) != 0
    }
}

/// The items of a tuple.
///
/// # Safety
///
/// It is a tuple, and lives as long as the iterator does.
unsafe fn items(tuple: *mut ffi::PyObject) -> impl Iterator<Item = *mut ffi::PyObject> {
    // SAFETY: the caller vouches for it.
    let size = unsafe { ffi::PyTuple_Size(tuple) };
    // SAFETY: as above, and within its size. A borrowed reference, which the tuple keeps.
    (0..size).map(move |at| unsafe { ffi::PyTuple_GetItem(tuple, at) })
}

/// Are two objects of equal hash known to be equal? For two plain ones the answer is Python's.
#[inline(always)]
fn equal(a: *mut ffi::PyObject, b: *mut ffi::PyObject) -> bool {
    // SAFETY: live objects; strings and numbers compare without running Python code.
    unsafe {
        if ffi::PyUnicode_CheckExact(a) != 0 && ffi::PyUnicode_CheckExact(b) != 0 {
            compare_strings(a, b)
        } else if is_number(a) && is_number(b) {
            compare(a, b)
        } else {
            equal_otherwise(a, b, DEPTH)
        }
    }
}

#[inline(never)]
fn equal_otherwise(a: *mut ffi::PyObject, b: *mut ffi::PyObject, depth: usize) -> bool {
    let same = |(a, b): (*mut ffi::PyObject, *mut ffi::PyObject)| {
        // SAFETY: live objects of the plain kinds, as below.
        let simple = unsafe {
            a == b
                || (ffi::PyUnicode_CheckExact(a) != 0 && ffi::PyUnicode_CheckExact(b) != 0
                    || is_number(a) && is_number(b)
                    || ffi::PyBytes_CheckExact(a) != 0 && ffi::PyBytes_CheckExact(b) != 0)
                    && compare(a, b)
        };
        simple || depth > 0 && equal_otherwise(a, b, depth - 1)
    };
    // SAFETY: live objects; what is not plain is not asked.
    unsafe {
        if ffi::PyTuple_CheckExact(a) != 0 && ffi::PyTuple_CheckExact(b) != 0 {
            ffi::PyTuple_Size(a) == ffi::PyTuple_Size(b) && depth > 0 && items(a).zip(items(b)).all(same)
        } else {
            ffi::PyBytes_CheckExact(a) != 0 && ffi::PyBytes_CheckExact(b) != 0 && compare(a, b)
        }
    }
}

/// # Safety
///
/// Two strings, two byte strings or two numbers, of the exact types.
#[inline(always)]
unsafe fn compare(a: *mut ffi::PyObject, b: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller vouches for it.
    match unsafe { ffi::PyObject_RichCompareBool(a, b, ffi::Py_EQ) } {
        1 => true,
        0 => false,
        // Out of memory, at most: then they are not known to be equal.
        _ => {
            // SAFETY: attached.
            unsafe { ffi::PyErr_Clear() };
            false
        }
    }
}

/// As [`compare`], of two strings.
///
/// # Safety
///
/// Both are of the exact type.
#[cfg(all(not(Py_LIMITED_API), not(Py_3_14)))]
#[inline(always)]
unsafe fn compare_strings(a: *mut ffi::PyObject, b: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller vouches for it; strings that are ready do not change, and those that are equal have the same kind (PEP 393).
    unsafe {
        if ffi::PyUnicode_IS_READY(a) == 0 || ffi::PyUnicode_IS_READY(b) == 0 {
            return compare(a, b);
        }
        let units = |string| (ffi::PyUnicode_KIND(string), ffi::PyUnicode_GET_LENGTH(string));
        let bytes = |string| {
            let (kind, length) = units(string);
            std::slice::from_raw_parts(
                ffi::PyUnicode_DATA(string).cast::<u8>(),
                kind as usize * length as usize,
            )
        };
        units(a) == units(b) && bytes(a) == bytes(b)
    }
}

/// As [`compare`], of two strings.
///
/// # Safety
///
/// Both are of the exact type.
#[cfg(any(Py_LIMITED_API, Py_3_14))]
#[inline(always)]
unsafe fn compare_strings(a: *mut ffi::PyObject, b: *mut ffi::PyObject) -> bool {
    // SAFETY: the caller vouches for it.
    unsafe { compare(a, b) }
}
