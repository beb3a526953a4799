//! The real primitives.

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub(crate) use parking_lot::Mutex;
use parking_lot::MutexGuard;
use std::marker::PhantomData;

/// What a lock guards, while it is held; or, for who is alone, while nobody else could take it.
#[derive(Debug)]
pub(crate) struct Held<'m, T> {
    mutex: &'m Mutex<T>,
    locked: bool,
    _stays_on_its_thread: PhantomData<MutexGuard<'m, T>>,
}

impl<'m, T> Held<'m, T> {
    #[inline(always)]
    fn locked(guard: MutexGuard<'m, T>) -> Self {
        let mutex = MutexGuard::mutex(&guard);
        std::mem::forget(guard);
        Held { mutex, locked: true, _stays_on_its_thread: PhantomData }
    }
}

impl<T> std::ops::Deref for Held<'_, T> {
    type Target = T;
    #[inline(always)]
    #[allow(unsafe_code)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, or the caller of `hold_alone` vouches that it need not be; borrowed as this is.
        unsafe { &*self.mutex.data_ptr() }
    }
}

impl<T> std::ops::DerefMut for Held<'_, T> {
    #[inline(always)]
    #[allow(unsafe_code)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as `deref`.
        unsafe { &mut *self.mutex.data_ptr() }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline(always)]
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.locked {
            // SAFETY: taken by the guard that `locked` forgot, and given back once.
            unsafe { self.mutex.force_unlock() }
        }
    }
}

/// What a lock guards, for who is alone: to take it and to give it back would be two locked instructions, a tenth of a write. With debug
/// assertions it is taken, so that the tests see whether the caller is right.
///
/// # Safety
///
/// While the result lives, nobody else takes the lock, on this thread or another.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) unsafe fn hold_alone<T>(mutex: &Mutex<T>) -> Held<'_, T> {
    if cfg!(debug_assertions) {
        return Held::locked(mutex.try_lock().expect("who is alone holds no lock, nor does anybody else"));
    }
    Held { mutex, locked: false, _stays_on_its_thread: PhantomData }
}

/// How often a lock that is held is looked at before its holder is waited for: for some two to ten microseconds.
const LOOKS: usize = 200;

/// Takes a lock that nobody holds for long. To put a thread to sleep and wake it takes tens of microseconds where an idle processor is
/// the hypervisor's, and the holder is done in one or two: so this looks longer than [`Mutex::lock`] does.
#[inline(always)]
pub(crate) fn lock_soon<T>(mutex: &Mutex<T>) -> Held<'_, T> {
    Held::locked(mutex.try_lock().unwrap_or_else(|| look_out_for(mutex)))
}

#[cold]
#[inline(never)]
fn look_out_for<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for _ in 0..LOOKS {
        std::hint::spin_loop();
        if !mutex.is_locked()
            && let Some(guard) = mutex.try_lock()
        {
            return guard;
        }
    }
    mutex.lock()
}

/// True where the model checker runs the crate.
pub(crate) const MODEL: bool = false;

/// Keeps the compiler from moving loads above the stores before it; the processor is held to the
/// same order by the other side's [`heavy_barrier`].
#[inline(always)]
pub(crate) fn light_barrier() {
    std::sync::atomic::compiler_fence(atomic::Ordering::SeqCst);
}

/// Asks the kernel to let this process use expedited barriers. False where it cannot.
pub(crate) fn register_heavy_barrier() -> bool {
    membarrier(libc_commands::REGISTER)
}

/// Runs a full fence on every running thread of the process. False if the kernel refused, in
/// which case nothing may be concluded about other threads.
pub(crate) fn heavy_barrier() -> bool {
    // A child process may have to register anew.
    membarrier(libc_commands::EXPEDITED) || (register_heavy_barrier() && membarrier(libc_commands::EXPEDITED))
}

#[cfg(target_os = "linux")]
mod libc_commands {
    pub(super) const EXPEDITED: i32 = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED;
    pub(super) const REGISTER: i32 = libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
}

#[cfg(not(target_os = "linux"))]
mod libc_commands {
    pub(super) const EXPEDITED: i32 = 0;
    pub(super) const REGISTER: i32 = 0;
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn membarrier(command: i32) -> bool {
    // SAFETY: the call takes integers only and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn membarrier(_command: i32) -> bool {
    false
}

/// Asks for the cache line at an address that will be needed soon. Any address will do.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program could see, and faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks the system to back the huge pages in a block of memory with such, when they are touched. It may refuse.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(crate) fn prefer_huge_pages(start: std::ptr::NonNull<u8>, bytes: usize) {
    const PAGE: usize = 4096;
    let gap = start.align_offset(PAGE);
    let len = bytes.saturating_sub(gap) / PAGE * PAGE;
    // SAFETY: advice about memory that the caller owns; it changes nothing that a program can see.
    unsafe { libc::madvise(start.as_ptr().wrapping_add(gap).cast(), len, libc::MADV_HUGEPAGE) };
}

/// Asks the system to back the huge pages in a block of memory with such, when they are touched. It may refuse.
#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_huge_pages(_start: std::ptr::NonNull<u8>, _bytes: usize) {}

/// Marks the accesses to an entry's bytes for the model checker; nothing here.
#[derive(Debug, Default)]
pub(crate) struct Track;

impl Track {
    pub(crate) const fn new() -> Self {
        Track
    }
    /// A reader looks at the bytes.
    #[inline(always)]
    pub(crate) fn read(&self) {}
    /// An owner moves or drops the bytes.
    #[inline(always)]
    pub(crate) fn write(&self) {}
}

/// Lets another thread run while this one waits for it.
pub(crate) fn yield_now() {
    std::thread::yield_now();
}

/// As [`yield_now`], for a tenth of a millisecond at least.
#[allow(clippy::disallowed_methods)]
pub(crate) fn nap() {
    #[cfg(test)]
    NAPPED.with(|napped| napped.set(napped.get() + 1));
    std::thread::sleep(std::time::Duration::from_micros(100));
}

macro_rules! thread_local_cell {
    ($(#[$doc:meta])* $visible:vis static $name:ident: $ty:ty = $init:expr;) => {
        std::thread_local! { $(#[$doc])* $visible static $name: $ty = const { $init }; }
    };
}
pub(crate) use thread_local_cell;

/// Which thread this is. No other has its number, nor will one have it that comes later, be it in a child of a fork.
pub(crate) type ThreadNumber = u64;

/// Not of `std::thread::current`, which panics in what the system calls last of a thread: the destructors of `pthread_key_create`.
pub(crate) fn this_thread() -> ThreadNumber {
    static LAST: atomic::AtomicU64 = atomic::AtomicU64::new(0);
    thread_local_cell! {
        /// 0: it was not asked for yet.
        static NUMBER: std::cell::Cell<u64> = std::cell::Cell::new(0);
    }
    if NUMBER.get() == 0 {
        NUMBER.set(LAST.fetch_add(1, atomic::Ordering::Relaxed) + 1);
    }
    NUMBER.get()
}

/// Which process this is: a child of a fork is another one.
pub(crate) fn process() -> u32 {
    std::process::id()
}

/// A moment of the machine's steady clock, or one that never comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(Option<std::time::Instant>);

impl Moment {
    pub(crate) const NEVER: Moment = Moment(None);

    pub(crate) fn now() -> Self {
        Moment::after(std::time::Duration::ZERO)
    }

    #[allow(clippy::disallowed_methods)]
    pub(crate) fn after(time: std::time::Duration) -> Self {
        Moment(std::time::Instant::now().checked_add(time))
    }

    pub(crate) fn has_come(self, now: Moment) -> bool {
        matches!((self.0, now.0), (Some(moment), Some(now)) if moment <= now)
    }

    pub(crate) fn or_earlier(self, other: Moment) -> Moment {
        if self.0.is_none() || other.has_come(self) { other } else { self }
    }

    fn left(self) -> Option<std::time::Duration> {
        let Moment(now) = Moment::now();
        Some(self.0?.saturating_duration_since(now?))
    }
}

/// A thread that waits to be woken, as a task does.
#[derive(Debug)]
pub(crate) struct Parked {
    thread: std::thread::Thread,
    woken: atomic::AtomicBool,
}

impl Parked {
    /// Of this thread, which alone may wait.
    pub(crate) fn new() -> Self {
        Parked { thread: std::thread::current(), woken: atomic::AtomicBool::new(false) }
    }

    /// Sleeps until it is woken, or was since the last time. False if the moment comes first.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn wait(&self, until: Moment) -> bool {
        while !self.woken.swap(false, atomic::Ordering::Acquire) {
            match until.left() {
                None => std::thread::park(),
                Some(std::time::Duration::ZERO) => return false,
                Some(left) => std::thread::park_timeout(left),
            }
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

#[cfg(test)]
thread_local_cell! {
    /// How often the thread napped.
    pub(crate) static NAPPED: std::cell::Cell<usize> = std::cell::Cell::new(0);
}
