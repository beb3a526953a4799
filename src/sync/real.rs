//! The real primitives.

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub(crate) use parking_lot::{Mutex, MutexGuard};

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

macro_rules! thread_local_cell {
    ($(#[$doc:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        std::thread_local! { $(#[$doc])* static $name: $ty = const { $init }; }
    };
}
pub(crate) use thread_local_cell;
