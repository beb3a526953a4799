//! The model checker's primitives.

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub(crate) use loom::sync::MutexGuard;

/// True where the model checker runs the crate.
pub(crate) const MODEL: bool = true;

/// The checker's mutex with the face of the real one.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("the model's mutex is never poisoned")
    }
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect("the model's mutex is never poisoned")
    }
}

thread_local! {
    /// Of a model in which the light barrier is nothing and the heavy one is refused: it shows that what needs
    /// neither needs neither. (All threads of a model run on one of the system's.)
    pub(crate) static NO_BARRIERS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

pub(crate) fn light_barrier() {
    if !NO_BARRIERS.get() {
        atomic::fence(atomic::Ordering::SeqCst);
    }
}

pub(crate) fn register_heavy_barrier() -> bool {
    true
}

pub(crate) fn heavy_barrier() -> bool {
    atomic::fence(atomic::Ordering::SeqCst);
    !NO_BARRIERS.get()
}

/// An access that the checker orders: a read must happen after the write that made the bytes, and
/// a write after every read.
#[derive(Debug, Default)]
pub(crate) struct Track(loom::cell::UnsafeCell<()>);

impl Track {
    pub(crate) fn new() -> Self {
        Track(loom::cell::UnsafeCell::new(()))
    }
    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }
    pub(crate) fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

pub(crate) fn yield_now() {
    loom::thread::yield_now();
}

macro_rules! model_static {
    ($($all:tt)*) => { loom::lazy_static! { $($all)* } };
}
pub(crate) use model_static;

macro_rules! thread_local_cell {
    ($(#[$doc:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        loom::thread_local! { $(#[$doc])* static $name: $ty = $init; }
    };
}
pub(crate) use thread_local_cell;

/// The checker itself, for models of parts of the crate.
#[cfg(test)]
pub(crate) mod checker {
    pub(crate) use loom::{model::Builder, thread};
}
