//! A structure that one thread at a time looks at, for the length of a step.
//!
//! # Invariants
//!
//! * **E1** With a global lock: the thread that made a guard holds the lock until the guard is gone, because no Python code runs in a step. So
//!   nobody else can be within, and a step within a step is a fault of this crate, which panics.
//! * **E2** Without one: a mutex. Nothing that may block or run Python code is called while it is held.

#[cfg(Py_GIL_DISABLED)]
pub(super) use free::{Guarded, Held};
#[cfg(not(Py_GIL_DISABLED))]
pub(super) use locked::{Guarded, Held};

#[cfg(not(Py_GIL_DISABLED))]
mod locked {
    use pyo3::Python;
    use std::cell::{RefCell, RefMut};

    /// See the module's head.
    #[derive(Debug, Default)]
    pub(in crate::ordered) struct Guarded<T>(RefCell<T>);

    /// The structure, for one step.
    pub(in crate::ordered) type Held<'a, T> = RefMut<'a, T>;

    // SAFETY: E1: whoever borrows is attached, and only one thread can be.
    unsafe impl<T: Send> Sync for Guarded<T> {}

    impl<T> Guarded<T> {
        pub(in crate::ordered) fn new(inner: T) -> Self {
            Guarded(RefCell::new(inner))
        }

        #[inline(always)]
        pub(in crate::ordered) fn hold(&self, _py: Python<'_>) -> Held<'_, T> {
            self.0.borrow_mut()
        }

        /// For the collector, which may not wait.
        pub(in crate::ordered) fn try_hold(&self) -> Option<Held<'_, T>> {
            self.0.try_borrow_mut().ok()
        }

        pub(in crate::ordered) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut()
        }
    }
}

#[cfg(Py_GIL_DISABLED)]
mod free {
    use pyo3::Python;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// See the module's head.
    #[derive(Debug, Default)]
    pub(in crate::ordered) struct Guarded<T>(Mutex<T>);

    /// The structure, for one step.
    pub(in crate::ordered) type Held<'a, T> = MutexGuard<'a, T>;

    impl<T> Guarded<T> {
        pub(in crate::ordered) fn new(inner: T) -> Self {
            Guarded(Mutex::new(inner))
        }

        #[inline(always)]
        pub(in crate::ordered) fn hold(&self, _py: Python<'_>) -> Held<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// For the collector, which may not wait.
        pub(in crate::ordered) fn try_hold(&self) -> Option<Held<'_, T>> {
            self.0.try_lock().ok()
        }

        pub(in crate::ordered) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
