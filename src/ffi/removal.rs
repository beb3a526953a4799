//! Telling what has left the cache: to a function, to a queue, or both.

use super::block::{Key, Value};
use super::boundary::{call, out, places};
use super::cache::{at, pinyon_cache, pinyon_options};
use super::codes::*;
use super::iterate::pinyon_item;
use crate::Cause;
use crate::sync::Arc;
use crate::sync::Mutex;
use std::collections::VecDeque;
use std::ffi::c_void;

/// Why an entry left: its lifetime was over.
pub const PINYON_EXPIRED: i32 = 1;
/// Why an entry left: there was need for room.
pub const PINYON_EVICTED: i32 = 2;
/// Why an entry left: another value was written under its key.
pub const PINYON_REPLACED: i32 = 3;
/// Why an entry left: it was removed by its key.
pub const PINYON_REMOVED: i32 = 4;
/// Why an entry left: the cache was cleared.
pub const PINYON_CLEARED: i32 = 5;
/// Why an entry left: everything, or a tag of it, was invalidated.
pub const PINYON_INVALIDATED: i32 = 6;
/// Why a pair did not come in: it was heavier than the whole cache.
pub const PINYON_REFUSED: i32 = 7;

/// Told of an entry that left, once, with its cause (`PINYON_EXPIRED` ...), in order for each key, under no lock:
/// it may call the cache. Key and value are good until it returns. It runs on the thread whose call made the entry
/// leave, or on that of another call that tells at that moment. It must not throw, nor jump out.
pub type pinyon_on_removed = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
        cause: i32,
    ),
>;

/// Called once with the `user` of a callback that will not be called any more.
pub type pinyon_free_user = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// An entry that left: its item, which is to be released, and why.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_removal {
    /// Key and value; to be given to `pinyon_items_release`.
    pub item: pinyon_item,
    /// `PINYON_EXPIRED` ...
    pub cause: i32,
    /// Must be 0.
    pub reserved: u32,
}

/// Where removals go.
pub(super) struct Removals {
    told: pinyon_on_removed,
    user: *mut c_void,
    free: pinyon_free_user,
    /// How many the queue keeps.
    most: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Key, Value, Cause)>,
    lost: u64,
}

// SAFETY: the caller gives function and user to be called on any thread.
unsafe impl Send for Removals {}
// SAFETY: as above.
unsafe impl Sync for Removals {}

impl Drop for Removals {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the caller gave the two for this, which comes once.
            unsafe { free(self.user) }
        }
    }
}

impl Removals {
    /// `None`: nobody wants to know. Takes the caller's `user` over.
    pub(super) fn new(options: &pinyon_options) -> Option<Arc<Self>> {
        let removals = Removals {
            told: options.on_removed,
            user: options.on_removed_user,
            free: options.on_removed_free,
            most: options.removal_queue,
            queue: Mutex::new(Queue::default()),
        };
        let wanted = removals.told.is_some() || removals.free.is_some() || options.removal_queue > 0;
        wanted.then(|| Arc::new(removals))
    }

    pub(super) fn tell(&self, key: &Key, value: &Value, cause: Cause) {
        if let Some(told) = self.told {
            let (key, value) = (key.bytes(), value.view());
            // SAFETY: the caller gave the two for this.
            unsafe { told(self.user, key.as_ptr().cast(), key.len(), value.data, value.size, number(cause)) }
        }
        if self.most == 0 {
            return;
        }
        let mut queue = self.queue.lock();
        queue.waiting.push_back((key.clone(), value.clone(), cause));
        // The oldest goes, under no lock: its drop may call back.
        let lost = if queue.waiting.len() > self.most { queue.waiting.pop_front() } else { None };
        queue.lost += u64::from(lost.is_some());
        drop(queue);
        drop(lost);
    }

    pub(super) fn lost(&self) -> u64 {
        self.queue.lock().lost
    }
}

fn number(cause: Cause) -> i32 {
    match cause {
        Cause::Expired => PINYON_EXPIRED,
        Cause::Evicted => PINYON_EVICTED,
        Cause::Replaced => PINYON_REPLACED,
        Cause::Removed => PINYON_REMOVED,
        Cause::Cleared => PINYON_CLEARED,
        Cause::Invalidated => PINYON_INVALIDATED,
        Cause::Refused => PINYON_REFUSED,
    }
}

/// Gets what has left since the last time, the oldest first: at most `capacity` removals, their number in `*count`.
/// Of a cache that was made with a `removal_queue`; when that is full the oldest is lost, which
/// `pinyon_stats.removals_lost` counts. O(removals got).
///
/// Returns `PINYON_OK` if there may be more, `PINYON_END` if that was all; `PINYON_ERR_NULL`,
/// `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: nothing. Threads: any. Blocks: for a moment, beside writers that tell. Calls back: no.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; `removals` has room for `capacity` of them; `count` is
/// NULL or good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_poll_removals(
    cache: *const pinyon_cache,
    removals: *mut pinyon_removal,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        call("pinyon_poll_removals", || {
            out("count", count, 0)?;
            let cache = at(cache)?;
            let places = places("removals", removals, capacity)?;
            let Some(removals) = &cache.removals else { return Ok(PINYON_END) };
            let mut queue = removals.queue.lock();
            let some = queue.waiting.len().min(capacity);
            for (place, (key, value, cause)) in places.iter_mut().zip(queue.waiting.drain(..some)) {
                place.write(pinyon_removal {
                    item: pinyon_item::of(key, value),
                    cause: number(cause),
                    reserved: 0,
                });
            }
            out("count", count, some)?;
            Ok(if queue.waiting.is_empty() { PINYON_END } else { PINYON_OK })
        })
    }
}
