//! Where the time comes from. The word *clock* means the eviction policy; a source of time is a
//! ticker.
//!
//! # Promises
//!
//! * The time is monotonic and has no date: it is what has passed since some fixed origin, so a
//!   change of the system's date, a leap second or a time zone expires nothing.
//! * It is replaceable: [`ManualTicker`] is public, for users' own tests and simulations.
//! * [`Time::now`] never panics, never allocates, and is always below [`NEVER`], so that what
//!   never expires does not expire even at the end of time (the year 584 after the origin).
//!
//! # The three sources
//!
//! | ticker | step | price of a reading | source |
//! |---|---|---|---|
//! | [`CoarseTicker`] (default) | 1 to 4 ms (10 at worst), the kernel's own tick | a few ns | `CLOCK_MONOTONIC_COARSE`; elsewhere the next line |
//! | [`PreciseTicker`] | the hardware's | some tens of ns | `std::time::Instant` |
//! | [`ManualTicker`] | whatever is asked | one atomic load | its owner |
//!
//! # Costs
//!
//! The default can be behind by one step, so an entry may live that much longer than it was
//! given; two readings inside a step are equal. None of the system's sources counts the time a
//! machine sleeps where its monotonic clock does not (Linux, macOS): a laptop that wakes up finds
//! its entries as old as they were.
//!
//! The built-in sources are variants of [`Time`], not objects, so that the reader's path takes a
//! predictable branch and no dynamic call. This file alone names `Instant` or a system clock; the
//! lint `disallowed_methods` holds that.

use std::any::Any;
use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{self, Arc};

/// The deadline that does not come and the duration that does not end.
pub(crate) const NEVER: u64 = u64::MAX;

/// Nanoseconds of a duration; what does not fit is [`NEVER`].
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// A source of monotonic time.
///
/// A read asks for the time once if its entry has a deadline, once more when a rule has answered, and not at
/// all if there are neither. A write asks at most three times, and anew when it begins anew (a load
/// is a read and a write, and asks when it begins and ends). No lock is held meanwhile.
///
/// ```
/// use std::time::Duration;
/// use pinyon::Ticker;
///
/// /// Time that stands still.
/// struct Frozen;
///
/// impl Ticker for Frozen {
///     fn now(&self) -> Duration {
///         Duration::from_secs(1)
///     }
/// }
/// assert_eq!(Frozen.now(), Frozen.now());
/// ```
pub trait Ticker: Send + Sync + 'static {
    /// The time that has passed since a fixed origin, which may be anything: the start of the
    /// machine, of the process, of this object.
    ///
    /// It must never go back, seen from any thread. The cache does not hide a step backwards:
    /// until the time has caught up again an expired entry may be read as a live one, though
    /// memory stays safe and every bound holds. Beyond 584 years the time stands still.
    fn now(&self) -> Duration;
}

impl<T: Ticker + ?Sized> Ticker for Arc<T> {
    fn now(&self) -> Duration {
        (**self).now()
    }
}

/// The system's monotonic clock as the kernel last noted it: the default.
///
/// A reading costs a few nanoseconds and is up to one kernel tick old: 1 to 4 milliseconds on
/// common kernels, 10 on one built for 100 ticks a second. Where there is no such clock (any
/// system but Linux and Android, or a sandbox that refuses it) this is a [`PreciseTicker`].
#[derive(Clone, Debug)]
pub struct CoarseTicker {
    /// Stands in where the coarse clock cannot be read; decided once, so the origin never changes.
    instead: Option<PreciseTicker>,
}

impl CoarseTicker {
    /// Finds out whether the coarse clock can be read. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        CoarseTicker { instead: coarse_nanos().is_none().then(PreciseTicker::new) }
    }

    #[inline]
    fn nanos(&self) -> u64 {
        match &self.instead {
            // As in `sync`: no time passes in a model, which must go the same way each time.
            _ if sync::MODEL => 0,
            // A clock that could be read once can always be read: there is no way to fail but an
            // unknown clock or a bad address.
            None => coarse_nanos().unwrap_or(0),
            Some(precise) => precise.nanos(),
        }
    }
}

impl Default for CoarseTicker {
    fn default() -> Self {
        Self::new()
    }
}

impl Ticker for CoarseTicker {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

/// Nanoseconds of the coarse monotonic clock, or `None` where it cannot be read.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[inline]
#[allow(unsafe_code, clippy::disallowed_methods)]
fn coarse_nanos() -> Option<u64> {
    let mut time = std::mem::MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the only memory the call touches is the one timespec it is given, which lives until
    // the end of this function and is borrowed by nobody else; an unknown clock makes it return
    // an error and write nothing.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, time.as_mut_ptr()) };
    // SAFETY: a timespec is plain integers, for which the zeroes it began with are valid too.
    let time = unsafe { time.assume_init() };
    if status != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let rest = u64::try_from(time.tv_nsec).ok()?;
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
}

/// There is no coarse monotonic clock here that we know of.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[inline]
fn coarse_nanos() -> Option<u64> {
    None
}

/// The system's monotonic clock as exactly as it can be read; its origin is when it was made.
#[derive(Clone, Debug)]
pub struct PreciseTicker {
    origin: Instant,
}

impl PreciseTicker {
    /// A ticker whose origin is now. Clones share the origin.
    #[must_use]
    #[allow(clippy::disallowed_methods)]
    pub fn new() -> Self {
        PreciseTicker { origin: Instant::now() }
    }

    #[inline]
    #[allow(clippy::disallowed_methods)]
    fn nanos(&self) -> u64 {
        // Saturates at zero where a system's clock steps back, and never panics.
        nanos(Instant::now().saturating_duration_since(self.origin))
    }
}

impl Default for PreciseTicker {
    fn default() -> Self {
        Self::new()
    }
}

impl Ticker for PreciseTicker {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

/// Time that moves only when it is told to: for tests and simulations.
///
/// It starts at zero and cannot go back. Clones are handles on the same time, so keep one and
/// give the other to the cache.
///
/// ```
/// use std::time::Duration;
/// use pinyon::{ManualTicker, Ticker};
///
/// let ticker = ManualTicker::new();
/// let handle = ticker.clone();
/// handle.advance(Duration::from_secs(60));
/// assert_eq!(ticker.now(), Duration::from_secs(60));
/// handle.advance_to(Duration::from_secs(30)); // already past
/// assert_eq!(ticker.now(), Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualTicker {
    /// Nanoseconds since the start; only grows. Written by `advance` and `advance_to` (release),
    /// read by `now` (acquire): who sees the later time also sees what was done before it came.
    nanos: Arc<AtomicU64>,
}

impl ManualTicker {
    /// Time at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time on by `step`; stops at the end of time, some 584 years.
    pub fn advance(&self, step: Duration) {
        let step = nanos(step);
        let moved = |now: u64| Some(now.saturating_add(step));
        // Cannot fail: the closure always answers.
        let _ = self.nanos.fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
    }

    /// Moves the time on to `at` since the start; does nothing if that is past.
    pub fn advance_to(&self, at: Duration) {
        self.nanos.fetch_max(nanos(at), Ordering::AcqRel);
    }
}

impl Ticker for ManualTicker {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Acquire))
    }
}

/// The time source of one cache.
#[derive(Clone)]
pub(crate) enum Time {
    /// The default.
    Coarse(CoarseTicker),
    /// The system's exact clock.
    Precise(PreciseTicker),
    /// The user's: code that is not ours, so never asked under a lock.
    Custom(Arc<dyn Ticker>),
}

impl Time {
    /// The source for a ticker: the built-in ones are recognised, so that they cost no dynamic call.
    pub(crate) fn of(ticker: impl Ticker) -> Self {
        let any: &dyn Any = &ticker;
        if let Some(coarse) = any.downcast_ref::<CoarseTicker>() {
            return Time::Coarse(coarse.clone());
        }
        match any.downcast_ref::<PreciseTicker>() {
            Some(precise) => Time::Precise(precise.clone()),
            None => Time::Custom(Arc::new(ticker)),
        }
    }

    /// Nanoseconds since the source's origin; always below [`NEVER`].
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let now = match self {
            Time::Coarse(ticker) => ticker.nanos(),
            Time::Precise(ticker) => ticker.nanos(),
            Time::Custom(ticker) => nanos(ticker.now()),
        };
        now.min(NEVER - 1)
    }
}

impl Default for Time {
    fn default() -> Self {
        Time::Coarse(CoarseTicker::new())
    }
}

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Time::Coarse(_) => "Coarse",
            Time::Precise(_) => "Precise",
            Time::Custom(_) => "Custom",
        })
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn sources() -> [Time; 3] {
        let custom = Arc::new(PreciseTicker::new());
        [Time::default(), Time::Precise(PreciseTicker::new()), Time::Custom(custom)]
    }

    #[test]
    fn g09_time_never_goes_back() {
        for source in sources() {
            let mut last = source.now();
            for _ in 0..1_000 {
                let now = source.now();
                assert!(now >= last, "{source:?}");
                last = now;
            }
        }
    }

    #[test]
    fn g09_time_moves_by_itself() {
        for source in sources() {
            let start = source.now();
            std::thread::sleep(Duration::from_millis(30));
            assert!(source.now() - start >= 10_000_000, "{source:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn g09_the_coarse_ticker_reads_the_coarse_clock() {
        let ticker = CoarseTicker::new();
        assert!(ticker.instead.is_none());
        let (before, told, after) = (ticker.nanos(), ticker.now(), ticker.nanos());
        assert!((before..=after).contains(&nanos(told)));
    }

    #[test]
    fn g09_manual_time_moves_only_when_told() {
        let ticker = ManualTicker::new();
        let time = Time::Custom(Arc::new(ticker.clone()));
        assert_eq!(time.now(), 0);
        ticker.advance(Duration::from_nanos(7));
        ticker.advance(Duration::from_nanos(5));
        assert_eq!(time.now(), 12);
        ticker.advance_to(Duration::from_nanos(11));
        assert_eq!(time.now(), 12);
        ticker.advance_to(Duration::from_nanos(13));
        assert_eq!(time.now(), 13);
    }

    #[test]
    fn g09_the_end_of_time_is_before_never() {
        let ticker = ManualTicker::new();
        let time = Time::Custom(Arc::new(ticker.clone()));
        ticker.advance(Duration::from_secs(1));
        ticker.advance(Duration::MAX);
        assert_eq!(ticker.now(), Duration::from_nanos(u64::MAX));
        ticker.advance(Duration::MAX);
        assert_eq!(time.now(), NEVER - 1);
    }

    #[test]
    fn g09_the_built_in_sources_are_recognised() {
        assert!(matches!(Time::of(CoarseTicker::new()), Time::Coarse(_)));
        assert!(matches!(Time::of(PreciseTicker::new()), Time::Precise(_)));
        assert!(matches!(Time::of(ManualTicker::new()), Time::Custom(_)));
    }

    #[test]
    fn g09_a_shared_ticker_is_a_ticker() {
        let ticker = Arc::new(ManualTicker::new());
        let time = Time::Custom(Arc::new(Arc::clone(&ticker)));
        ticker.advance(Duration::from_secs(3));
        assert_eq!(time.now(), 3_000_000_000);
    }
}
