//! References to Python objects that the core can hold and let go of.
//!
//! To let go of an object may run Python code (`__del__`, a weak reference's callback), which may do anything: call the cache, let
//! another thread run. So nothing that the core drops is released inside of the core: it is put aside, and [`release`] lets go of it when
//! the call into the core has returned. Every function of this module that Python calls ends with that, by a [`Call`].
//!
//! # Invariants
//!
//! * **O1** An [`Object`] owns one strong reference for as long as it lives.
//! * **O2** All of this runs while the thread is attached to the interpreter (it holds the lock, where there is one).
//! * **O3** What was put aside is owned by nobody else, and is released once.

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit, ffi};
use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A strong reference. Its drop puts it aside.
#[derive(Debug)]
pub(crate) struct Object(NonNull<ffi::PyObject>);

// SAFETY: O2: the counts are changed by attached threads only, and by the interpreter's own means.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    /// A new reference to what the pointer points to.
    ///
    /// # Safety
    ///
    /// It points to a live object, and the thread is attached.
    #[inline(always)]
    pub(crate) unsafe fn borrowed(pointer: NonNull<ffi::PyObject>) -> Self {
        // SAFETY: the caller vouches for it.
        unsafe { ffi::Py_INCREF(pointer.as_ptr()) };
        Object(pointer)
    }

    /// A reference that exists already.
    ///
    /// # Safety
    ///
    /// It is given up with this call.
    #[inline(always)]
    pub(crate) unsafe fn owned(pointer: NonNull<ffi::PyObject>) -> Self {
        Object(pointer)
    }

    #[inline(always)]
    pub(crate) fn pointer(&self) -> NonNull<ffi::PyObject> {
        self.0
    }

    /// The same object for Python; this reference is given away with it.
    #[inline(always)]
    pub(crate) fn into_bound(self, py: Python<'_>) -> Bound<'_, PyAny> {
        let pointer = self.0;
        std::mem::forget(self);
        // SAFETY: O1: the reference is handed over.
        unsafe { Bound::from_owned_ptr(py, pointer.as_ptr()) }
    }

    #[inline(always)]
    pub(crate) fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.clone().into_bound(py)
    }

    #[inline(always)]
    pub(crate) fn is(&self, other: &Bound<'_, PyAny>) -> bool {
        self.0.as_ptr() == other.as_ptr()
    }
}

impl From<&Bound<'_, PyAny>> for Object {
    #[inline(always)]
    fn from(object: &Bound<'_, PyAny>) -> Self {
        // SAFETY: a `Bound` is a reference to a live object of an attached thread.
        unsafe { Object::borrowed(NonNull::new_unchecked(object.as_ptr())) }
    }
}

impl Clone for Object {
    #[inline(always)]
    fn clone(&self) -> Self {
        // SAFETY: O1 and O2.
        unsafe { Object::borrowed(self.0) }
    }
}

impl Drop for Object {
    #[inline(always)]
    fn drop(&mut self) {
        Aside::put(self.0);
    }
}

/// What waits to be released.
struct Aside {
    objects: UnsafeCell<Vec<NonNull<ffi::PyObject>>>,
    /// How many there are, to be looked at without a borrow.
    count: Cell<usize>,
}

/// One for all threads, which the interpreter's lock guards.
#[cfg(not(Py_GIL_DISABLED))]
struct Locked(Aside);

// SAFETY: O2: whoever comes here holds the interpreter's lock, and no borrow of the list outlives one push or pop.
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl Sync for Locked {}

#[cfg(not(Py_GIL_DISABLED))]
static ASIDE: Locked = Locked(Aside::new());

#[cfg(Py_GIL_DISABLED)]
thread_local! {
    static ASIDE: Aside = const { Aside::new() };
}

impl Aside {
    const fn new() -> Self {
        Aside { objects: UnsafeCell::new(Vec::new()), count: Cell::new(0) }
    }

    #[cfg(not(Py_GIL_DISABLED))]
    #[inline(always)]
    fn with<R>(run: impl FnOnce(&Aside) -> R) -> Option<R> {
        Some(run(&ASIDE.0))
    }

    /// `None` when the thread is ending and its list is gone.
    #[cfg(Py_GIL_DISABLED)]
    #[inline(always)]
    fn with<R>(run: impl FnOnce(&Aside) -> R) -> Option<R> {
        ASIDE.try_with(run).ok()
    }

    #[inline(always)]
    fn put(object: NonNull<ffi::PyObject>) {
        let put = Aside::with(|aside| {
            // SAFETY: one thread at a time, and nothing that runs here comes back.
            let objects = unsafe { &mut *aside.objects.get() };
            objects.push(object);
            aside.count.set(objects.len());
        });
        if put.is_none() {
            // SAFETY: O2 and O3.
            unsafe { ffi::Py_DECREF(object.as_ptr()) };
        }
    }

    fn take() -> Option<NonNull<ffi::PyObject>> {
        Aside::with(|aside| {
            // SAFETY: as in `put`.
            let objects = unsafe { &mut *aside.objects.get() };
            let object = objects.pop();
            aside.count.set(objects.len());
            object
        })?
    }
}

/// Lets go of what was put aside. Python code may run here.
#[inline(always)]
pub(crate) fn release(py: Python<'_>) {
    if Aside::with(|aside| aside.count.get()).unwrap_or(0) > 0 {
        release_all(py);
    }
}

#[cold]
#[inline(never)]
fn release_all(_py: Python<'_>) {
    while let Some(object) = Aside::take() {
        // SAFETY: O2 and O3.
        unsafe { ffi::Py_DECREF(object.as_ptr()) };
    }
}

/// A call from Python: when it ends, what was put aside is released.
pub(crate) struct Call<'py>(Python<'py>);

impl<'py> Call<'py> {
    #[inline(always)]
    pub(crate) fn new(py: Python<'py>) -> Self {
        Call(py)
    }
}

impl Drop for Call<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        release(self.0);
    }
}

/// Tells the garbage collector of an object that something in hand refers to.
pub(crate) fn visit_object(
    visit: &PyVisit<'_>,
    pointer: NonNull<ffi::PyObject>,
) -> Result<(), PyTraverseError> {
    // SAFETY: the collector calls this on an attached thread. The object is referred to by who asks, and its count is not changed.
    let object = unsafe {
        ManuallyDrop::new(Bound::from_owned_ptr(Python::assume_attached(), pointer.as_ptr()).unbind())
    };
    visit.call(&*object)
}
