//! What neither the model checker nor the random scheduler sees: time, processes, patience, and advice about memory.

/// Now, later, or never: no time passes, so what is later does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u8);

impl Moment {
    pub(crate) const NEVER: Moment = Moment(2);

    pub(crate) fn now() -> Self {
        Moment(0)
    }

    pub(crate) fn after(time: std::time::Duration) -> Self {
        if time.is_zero() { Moment::now() } else { Moment(1) }
    }

    pub(crate) fn has_come(self, now: Moment) -> bool {
        self <= now
    }

    pub(crate) fn or_earlier(self, other: Moment) -> Moment {
        self.min(other)
    }
}

/// There is one.
pub(crate) fn process() -> u32 {
    0
}

pub(crate) fn prefetch<T>(_: *const T) {}

pub(crate) fn prefer_huge_pages(_start: std::ptr::NonNull<u8>, _bytes: usize) {}

/// To look and to wait are the same.
pub(crate) fn lock_soon<T>(mutex: &super::Mutex<T>) -> super::Held<'_, T> {
    mutex.lock()
}

/// Who is alone takes the lock too.
///
/// # Safety
///
/// None is needed here.
#[allow(unsafe_code)]
pub(crate) unsafe fn hold_alone<T>(mutex: &super::Mutex<T>) -> super::Held<'_, T> {
    mutex.lock()
}
