//! The random scheduler's primitives (`shuttle`, by `RUSTFLAGS="--cfg shuttle"`).
//!
//! It runs threads one at a time and chooses, at each access to one of these, which goes on: at random, or by
//! priorities that change a few times (PCT). So it reaches scenes far too large for the model checker, it finds what
//! an order of whole steps can show, and a schedule that failed can be replayed. It shows nothing about orderings:
//! every access is sequentially consistent here.

pub(crate) mod atomic {
    pub(crate) use shuttle::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub(crate) use shuttle::sync::MutexGuard as Held;

/// As under the model checker: the small constants make tables grow, and garbage come due, with a handful of writes.
pub(crate) const MODEL: bool = true;

/// The scheduler's mutex with the face of the real one.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(shuttle::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> Held<'_, T> {
        self.0.lock().expect("no test panics and goes on")
    }
    pub(crate) fn try_lock(&self) -> Option<Held<'_, T>> {
        self.0.try_lock().ok()
    }
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect("no test panics and goes on")
    }
}

pub(crate) fn light_barrier() {}

pub(crate) fn register_heavy_barrier() -> bool {
    true
}

pub(crate) fn heavy_barrier() -> bool {
    true
}

/// Nothing: the tests' values know themselves whether they are alive.
#[derive(Debug, Default)]
pub(crate) struct Track;

impl Track {
    pub(crate) const fn new() -> Self {
        Track
    }
    pub(crate) fn read(&self) {}
    pub(crate) fn write(&self) {}
}

pub(crate) fn yield_now() {
    shuttle::thread::yield_now();
}

pub(crate) fn nap() {
    yield_now();
}

pub(crate) type ThreadNumber = shuttle::thread::ThreadId;

pub(crate) fn this_thread() -> ThreadNumber {
    shuttle::thread::current().id()
}

/// As the real one.
#[derive(Debug)]
pub(crate) struct Parked {
    thread: shuttle::thread::Thread,
    woken: atomic::AtomicBool,
}

impl Parked {
    pub(crate) fn new() -> Self {
        Parked { thread: shuttle::thread::current(), woken: atomic::AtomicBool::new(false) }
    }

    pub(crate) fn wait(&self, _: super::Moment) -> bool {
        while !self.woken.swap(false, atomic::Ordering::Acquire) {
            shuttle::thread::park();
        }
        true
    }
}

impl std::task::Wake for Parked {
    fn wake(self: std::sync::Arc<Self>) {
        self.woken.store(true, atomic::Ordering::Release);
        self.thread.unpark();
    }
}

macro_rules! model_static {
    ($($all:tt)*) => { shuttle::lazy_static! { $($all)* } };
}
pub(crate) use model_static;

macro_rules! thread_local_cell {
    ($(#[$doc:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        shuttle::thread_local! { $(#[$doc])* static $name: $ty = $init; }
    };
}
pub(crate) use thread_local_cell;
