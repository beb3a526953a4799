//! How long a thread has really run: what the scheduler took away is the difference to the clock on the wall.

use std::time::Duration;

/// The time that this thread has run so far.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec of ours that the call fills in; the clock is known to every Unix.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "the system tells no thread's time");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
