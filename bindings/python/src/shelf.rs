//! The core's cache of Python objects, as one who is attached to the interpreter calls it.
//!
//! With a global lock the caller is alone for as long as no Python code runs, and none runs in here ([`key`](crate::key),
//! [`object`](crate::object)): so it reads without a guard, and what leaves the cache is let go of at once. Without a global lock other threads are
//! there, and the core's own guards do what they are for.

use crate::key::{Key, Probe};
use crate::object::{Object, visit_object};
#[cfg(not(Py_GIL_DISABLED))]
use pinyon::exclusive::Exclusive;
use pinyon::{BuildError, Cache, Compute, Computed, InsertOptions};
use pyo3::{PyTraverseError, PyVisit};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes 64 bits of Python's hash with seeds of the cache's own: what Python makes of a number is the number.
pub(crate) type Seeds = ahash::RandomState;

/// The core's cache.
pub(crate) type Core = Cache<Key, Object, Seeds>;

/// What keeps other writers out where the interpreter's lock does.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) struct Held;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Shelf {
    core: Core,
    /// There was a key that only Python can compare.
    mixed: AtomicBool,
    /// There may be entries that cease to be live by themselves.
    fading: AtomicBool,
    /// There may be entries with lifetimes, for which the core needs memory.
    timed: AtomicBool,
    /// An entry has no weight but that it is one.
    counted: bool,
    /// Held by writers where there is no global lock, from the last look at what is there to the write.
    #[cfg(Py_GIL_DISABLED)]
    writers: std::sync::Mutex<()>,
}

impl Shelf {
    pub(crate) fn new(core: Core, counted: bool, fading: bool, timed: bool) -> Self {
        Shelf {
            core,
            mixed: AtomicBool::new(false),
            fading: AtomicBool::new(fading),
            timed: AtomicBool::new(timed),
            counted,
            #[cfg(Py_GIL_DISABLED)]
            writers: std::sync::Mutex::new(()),
        }
    }

    /// For calls that drop nothing, and for those of which it does not matter when.
    #[inline(always)]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    #[inline(always)]
    pub(crate) fn is_mixed(&self) -> bool {
        self.mixed.load(Ordering::Acquire)
    }

    #[inline(always)]
    pub(crate) fn is_counted(&self) -> bool {
        self.counted
    }

    pub(crate) fn is_fading(&self) -> bool {
        self.fading.load(Ordering::Relaxed)
    }

    /// Some entries are invalidated.
    pub(crate) fn expect_fading(&self) {
        self.fading.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// An entry will have a lifetime.
    pub(crate) fn expect_lifetimes(&self) {
        self.expect_fading();
        self.timed.store(true, Ordering::Relaxed);
    }

    /// A key of this kind will be written.
    #[inline(always)]
    pub(crate) fn expect(&self, probe: &Probe) {
        if !probe.is_plain() {
            self.mixed.store(true, Ordering::Release);
        }
    }

    /// Keeps other writers out; no Python code may run while it is held.
    #[cfg(not(Py_GIL_DISABLED))]
    #[inline(always)]
    pub(crate) fn hold(&self) -> Held {
        Held
    }

    /// Keeps other writers out; no Python code may run while it is held.
    #[cfg(Py_GIL_DISABLED)]
    pub(crate) fn hold(&self) -> std::sync::MutexGuard<'_, ()> {
        self.writers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Calls `act` with a plain probe if all keys that there are or were are plain, so that the core can judge it; else hands `act` back. It
    /// runs no Python code. `writes`: it changes the cache.
    #[inline(always)]
    pub(crate) fn plainly<R, F: FnOnce(&Probe) -> R>(
        &self,
        probe: &Probe,
        writes: bool,
        act: F,
    ) -> Result<R, F> {
        if self.is_mixed() {
            return Err(act);
        }
        let _alone = writes.then(|| self.hold());
        // Another thread may have brought the first key that is not plain before this one held the lock.
        match self.is_mixed() {
            true => Err(act),
            false => Ok(act(probe)),
        }
    }

    /// Writes the value if `when` holds of what is there, as one step.
    pub(crate) fn insert_if(
        &self,
        key: Key,
        value: &Object,
        options: &InsertOptions,
        mut when: impl FnMut(Option<&Object>) -> bool,
    ) -> Computed<Object> {
        self.compute(key, |there| match when(there) {
            true => Compute::PutWith(value.clone(), options.clone()),
            false => Compute::Keep,
        })
    }

    /// Tells the garbage collector of every entry. One of which it is not told keeps what it refers to for a while longer, and no more.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut outcome = Ok(());
        self.for_each_stored(|key, value| {
            if outcome.is_ok() {
                outcome =
                    visit_object(visit, key.pointer()).and_then(|()| visit_object(visit, value.pointer()));
            }
        });
        outcome
    }

    #[cfg(not(Py_GIL_DISABLED))]
    #[inline(always)]
    fn alone(&self) -> Exclusive<'_, Key, Object, Seeds, false> {
        // SAFETY: the thread is attached, so it holds the lock. It keeps it to the end of each call below, because no Python code runs in
        // there, so none comes back either; and none of them leaves a guard behind.
        unsafe { Exclusive::non_reentrant(&self.core) }
    }
}

#[cfg(not(Py_GIL_DISABLED))]
impl Shelf {
    #[inline(always)]
    pub(crate) fn get(&self, probe: &Probe) -> Option<Object> {
        self.alone().get(probe).cloned()
    }

    /// As `get`, but what is not there is not counted as a miss: for who will ask again.
    #[inline(always)]
    pub(crate) fn get_present(&self, probe: &Probe) -> Option<Object> {
        self.alone().get_present(probe).cloned()
    }

    #[inline(always)]
    pub(crate) fn peek<Q>(&self, probe: &Q) -> Option<(Key, Object)>
    where
        Q: Hash + pinyon::Equivalent<Key>,
    {
        let alone = self.alone();
        let (key, value) = alone.peek_key_value(probe)?;
        Some((key.clone(), value.clone()))
    }

    #[cfg(not(Py_LIMITED_API))]
    #[inline(always)]
    pub(crate) fn insert(&self, key: Key, value: Object) -> bool {
        self.alone().insert(key, value).is_stored()
    }

    #[inline]
    pub(crate) fn insert_with(&self, key: Key, value: Object, options: InsertOptions) -> bool {
        self.alone().insert_with(key, value, options).is_stored()
    }

    fn compute(&self, key: Key, decide: impl FnMut(Option<&Object>) -> Compute<Object>) -> Computed<Object> {
        self.alone().compute(key, decide)
    }

    #[inline(always)]
    pub(crate) fn remove(&self, probe: &Probe) -> Option<Object> {
        self.alone().remove(probe, Object::clone)
    }

    pub(crate) fn clear(&self) {
        self.alone().clear();
    }

    pub(crate) fn maintain(&self, budget: usize) -> pinyon::Maintained {
        self.alone().maintain(budget)
    }

    pub(crate) fn set_capacity(&self, capacity: u64) -> Result<(), BuildError> {
        self.alone().set_capacity(capacity)
    }

    fn for_each_stored(&self, look: impl FnMut(&Key, &Object)) {
        self.alone().for_each_stored(look);
    }
}

#[cfg(Py_GIL_DISABLED)]
impl Shelf {
    #[inline(always)]
    pub(crate) fn get(&self, probe: &Probe) -> Option<Object> {
        self.core.pin().get(probe).cloned()
    }

    /// As `get`, but what is not there is not counted as a miss: for who will ask again.
    pub(crate) fn get_present(&self, probe: &Probe) -> Option<Object> {
        let pinned = self.core.pin();
        if pinned.contains(probe) { pinned.get(probe).cloned() } else { None }
    }

    pub(crate) fn peek<Q>(&self, probe: &Q) -> Option<(Key, Object)>
    where
        Q: Hash + pinyon::Equivalent<Key>,
    {
        let pinned = self.core.pin();
        let (key, value) = pinned.peek_key_value(probe)?;
        Some((key.clone(), value.clone()))
    }

    #[cfg(not(Py_LIMITED_API))]
    #[inline(always)]
    pub(crate) fn insert(&self, key: Key, value: Object) -> bool {
        self.core.insert(key, value).is_stored()
    }

    #[inline]
    pub(crate) fn insert_with(&self, key: Key, value: Object, options: InsertOptions) -> bool {
        self.core.insert_with(key, value, options).is_stored()
    }

    fn compute(&self, key: Key, decide: impl FnMut(Option<&Object>) -> Compute<Object>) -> Computed<Object> {
        self.core.compute(key, decide)
    }

    #[inline(always)]
    pub(crate) fn remove(&self, probe: &Probe) -> Option<Object> {
        self.core.remove(probe)
    }

    pub(crate) fn clear(&self) {
        self.core.clear();
    }

    pub(crate) fn maintain(&self, budget: usize) -> pinyon::Maintained {
        self.core.maintain(budget)
    }

    pub(crate) fn set_capacity(&self, capacity: u64) -> Result<(), BuildError> {
        self.core.set_capacity(capacity)
    }

    fn for_each_stored(&self, mut look: impl FnMut(&Key, &Object)) {
        self.core.iter().for_each(|entry| look(entry.key(), &entry));
    }
}
