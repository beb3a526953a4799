//! The model checker's primitives.

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub(crate) use loom::sync::MutexGuard as Held;

/// True where the model checker runs the crate.
pub(crate) const MODEL: bool = true;

/// The checker's mutex with the face of the real one.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> Held<'_, T> {
        self.0.lock().expect("the model's mutex is never poisoned")
    }
    pub(crate) fn try_lock(&self) -> Option<Held<'_, T>> {
        self.0.try_lock().ok()
    }
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect("the model's mutex is never poisoned")
    }
}

/// What barriers the threads of a model have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the library's own models have all of them")]
pub(crate) enum Barriers {
    /// A full fence stands for the light one, and another for the heavy one.
    Fences,
    /// The light barrier is nothing and the heavy one is refused: it shows that what needs neither needs neither.
    Nothing,
    /// As where the system never had a heavy one: readers must make fences of their own.
    Unknown,
}

thread_local! {
    /// Of the model. (All its threads run on one of the system's.)
    pub(crate) static BARRIERS: std::cell::Cell<Barriers> = const { std::cell::Cell::new(Barriers::Fences) };
}

pub(crate) fn light_barrier() {
    if BARRIERS.get() == Barriers::Fences {
        atomic::fence(atomic::Ordering::SeqCst);
    }
}

pub(crate) fn register_heavy_barrier() -> bool {
    BARRIERS.get() != Barriers::Unknown
}

pub(crate) fn heavy_barrier() -> bool {
    atomic::fence(atomic::Ordering::SeqCst);
    BARRIERS.get() == Barriers::Fences
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

pub(crate) fn nap() {
    yield_now();
}

pub(crate) type ThreadNumber = loom::thread::ThreadId;

pub(crate) fn this_thread() -> ThreadNumber {
    loom::thread::current().id()
}

/// As the real one. (The checker's `park` forgets that it was unparked when a lock comes between.)
#[derive(Debug)]
pub(crate) struct Parked(loom::sync::Notify);

impl Parked {
    pub(crate) fn new() -> Self {
        Parked(loom::sync::Notify::new())
    }

    pub(crate) fn wait(&self, _: super::Moment) -> bool {
        self.0.wait();
        true
    }
}

impl std::task::Wake for Parked {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
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
    use loom::thread;
    pub(crate) use loom::thread::JoinHandle;
    use std::cell::Cell;

    std::thread_local! {
        /// Does a thread run before the one that starts it goes on? (All threads of a model run on one of the system's.)
        static FIRST: Cell<bool> = const { Cell::new(false) };
    }

    /// Checks a model twice, from two first schedules. From the first one the checker looks for others where two accesses
    /// meet, but of each word it remembers the last access alone: a writer that reads a word before it stores to it hides
    /// the readers that came before. Where the writer went first, nothing hides its store from the readers after it.
    pub(crate) fn check(model: impl Fn() + Sync + Send + Clone + 'static) {
        for first in [false, true] {
            FIRST.set(first);
            let mut builder = loom::model::Builder::new();
            builder.max_branches = 50_000;
            builder.check(model.clone());
        }
    }

    /// Starts a thread of a model.
    pub(crate) fn spawn(part: impl FnOnce() + 'static) -> JoinHandle<()> {
        let started = thread::spawn(part);
        if FIRST.get() {
            thread::yield_now();
        }
        started
    }
}
