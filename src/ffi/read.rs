//! Reading: by copy, by handle, by visit.

use super::block::{KeyBytes, Value};
use super::boundary::{Blank, Failure, Wish, bytes, call, out};
use super::cache::{PINYON_NEVER, at, on, pinyon_cache};
use super::codes::*;
use super::entry::pinyon_metadata;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::time::Duration;

/// A value that its holder keeps: see `pinyon_get`.
pub struct pinyon_handle {
    _opaque: [u8; 0],
}

/// Looks at a value: `size` bytes at `data`, good until it returns. It may call the cache. It must not throw, nor
/// jump out.
pub type pinyon_visitor = Option<unsafe extern "C" fn(user: *mut c_void, data: *const c_void, size: usize)>;

/// Where a handle goes, and what it holds.
pub(super) struct Hand {
    handle: *mut *mut pinyon_handle,
    data: Wish<*const c_void>,
    size: Wish<usize>,
}

impl Hand {
    /// Nothing is in it yet.
    ///
    /// # Safety
    ///
    /// Each is NULL, misaligned, or good for writes until the call returns.
    #[inline]
    pub(super) unsafe fn of(
        handle: *mut *mut pinyon_handle,
        data: *mut *const c_void,
        size: *mut usize,
    ) -> Result<Self, Failure> {
        // SAFETY: the caller's word.
        unsafe {
            out("handle", handle, std::ptr::null_mut())?;
            Ok(Hand {
                handle,
                data: Wish::of("data", data, std::ptr::null())?,
                size: Wish::of("size", size, 0)?,
            })
        }
    }

    #[inline]
    pub(super) fn give(&self, value: Option<Value>) -> i32 {
        let Some(value) = value else { return PINYON_MISS };
        let bytes = value.view();
        self.data.tell(bytes.data);
        self.size.tell(bytes.size);
        // SAFETY: `of`.
        unsafe { self.handle.write(value.into_handle().cast()) };
        PINYON_OK
    }
}

/// Up to this size a value is copied under the guard it was found by, which keeps all that leaves the cache; a larger one with
/// a count of its own.
const SHORT: usize = 64 << 10;

/// Reads a value for a copy of its bytes. `look` runs no code of the caller's.
#[inline(always)]
fn read<R>(cache: &pinyon_cache, key: &[u8], look: impl FnOnce(&Value, &[u8]) -> R) -> Option<R> {
    let pinned = cache.cache.pin();
    let found = pinned.get(KeyBytes::of(key))?;
    let bytes = found.bytes();
    if bytes.len() <= SHORT {
        return Some(look(found, bytes));
    }
    let counted = found.clone();
    drop(pinned);
    Some(look(&counted, counted.bytes()))
}

/// Room for a copy.
struct Buffer {
    at: *mut u8,
    capacity: usize,
}

impl Buffer {
    #[inline]
    fn of(at: *mut c_void, capacity: usize) -> Result<Self, Failure> {
        if at.is_null() && capacity > 0 {
            return Err(Failure::of(PINYON_ERR_NULL, "buffer", "is NULL and its capacity is not 0"));
        }
        Ok(Buffer { at: at.cast(), capacity })
    }

    /// Copies a value if there is room for it: a copy is in it then.
    #[inline]
    fn holds(&self, value: &[u8]) -> bool {
        let fits = value.len() <= self.capacity;
        if fits && !value.is_empty() {
            // SAFETY: the word of the caller of the call that this is in; there is room.
            unsafe { self.at.copy_from_nonoverlapping(value.as_ptr(), value.len()) };
        }
        fits
    }
}

/// Copies a value into the buffer. Its size is in `*size` (which may be NULL) if there is one, whether or not it
/// fits; if it does not fit, nothing is copied. With a NULL buffer of capacity 0 it only asks the size.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_TOO_SMALL`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`,
/// `PINYON_ERR_HANDLE`.
/// Touches: counts a hit or a miss, is a use, restarts the idle time.
/// Threads: any. Blocks: no. Calls back: `clock`; of a value above 64 KiB also its
/// destructor, if it has left the cache meanwhile.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes, the buffer room for
/// `capacity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_get_copy(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    buffer: *mut c_void,
    capacity: usize,
    size: *mut usize,
) -> i32 {
    call("pinyon_get_copy", move || {
        // SAFETY: the caller's word.
        let (size, cache, key) =
            unsafe { (Wish::of("size", size, 0)?, at(cache)?, bytes("key", key, key_size)?) };
        let buffer = Buffer::of(buffer, capacity)?;
        let copied = read(cache, key, |_, bytes| {
            size.tell(bytes.len());
            if buffer.holds(bytes) { PINYON_OK } else { PINYON_TOO_SMALL }
        });
        Ok(copied.unwrap_or(PINYON_MISS))
    })
}

/// Gets a value without a copy: `*size` bytes at `*data` (each may be NULL), aligned to 16 unless adopted,
/// unchanged until the handle in `*handle` is given to `pinyon_release`, whatever becomes of the entry and of the
/// cache. What handles keep is memory beside the capacity. Without a value `*handle` is NULL.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: counts a hit or a miss, is a use, restarts the idle time.
/// Threads: any; the handle may be used and released on any. Blocks: no. Calls back: `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes; the others are NULL or
/// good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_get(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    handle: *mut *mut pinyon_handle,
    data: *mut *const c_void,
    size: *mut usize,
) -> i32 {
    call("pinyon_get", move || {
        // SAFETY: the caller's word.
        unsafe {
            let hand = Hand::of(handle, data, size)?;
            let (cache, key) = (at(cache)?, bytes("key", key, key_size)?);
            Ok(hand.give(cache.cache.get(KeyBytes::of(key))))
        }
    })
}

/// Copies a value into the buffer if it fits, else gets it without a copy: by one call, whatever its size. It is `*size`
/// bytes at `*data` (each may be NULL), which is in the buffer if it was copied; then `*handle` is NULL, else it is to be given to
/// `pinyon_release`, which takes NULL too.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: counts a hit or a miss, is a use, restarts the idle time.
/// Threads: any; the handle may be used and released on any. Blocks: no. Calls back: `clock`; of
/// a value above 64 KiB also its destructor, if it was copied and has left the cache meanwhile.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes, the buffer room for
/// `capacity`; the others are NULL or good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_get_into(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    buffer: *mut c_void,
    capacity: usize,
    handle: *mut *mut pinyon_handle,
    data: *mut *const c_void,
    size: *mut usize,
) -> i32 {
    call("pinyon_get_into", move || {
        // SAFETY: the caller's word.
        let (hand, cache, key) =
            unsafe { (Hand::of(handle, data, size)?, at(cache)?, bytes("key", key, key_size)?) };
        let room = Buffer::of(buffer, capacity)?;
        let got = read(cache, key, |value, bytes| {
            if !room.holds(bytes) {
                return hand.give(Some(value.clone()));
            }
            hand.data.tell(buffer);
            hand.size.tell(bytes.len());
            PINYON_OK
        });
        Ok(got.unwrap_or(PINYON_MISS))
    })
}

/// Where the value of a handle is, and its size; each may be NULL. Good until the handle is released.
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`.
/// Threads: any. Blocks: no. Calls back: no.
///
/// # Safety
///
/// The handle is NULL, or from this library and not released; the others are NULL or good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_handle_value(
    handle: *const pinyon_handle,
    data: *mut *const c_void,
    size: *mut usize,
) -> i32 {
    call("pinyon_handle_value", || {
        let Some(handle) = NonNull::new(handle.cast_mut().cast::<c_void>()) else {
            return Err(Failure::of(PINYON_ERR_NULL, "handle", "is NULL: give what pinyon_get made"));
        };
        // SAFETY: the caller's word; it stays the caller's.
        unsafe {
            let (data, size) = (Wish::of("data", data, std::ptr::null())?, Wish::of("size", size, 0)?);
            let bytes = std::mem::ManuallyDrop::new(Value::from_handle(handle)).view();
            data.tell(bytes.data);
            size.tell(bytes.size);
        }
        Ok(PINYON_OK)
    })
}

/// Another handle of the same value, to be released on its own; NULL of NULL. A value that very many hold is copied, so
/// the bytes of this handle may lie elsewhere: ask `pinyon_handle_value`.
///
/// Threads: any. Blocks: no. Calls back: no.
///
/// # Safety
///
/// The handle is NULL, or from this library and not released.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_retain(handle: *const pinyon_handle) -> *mut pinyon_handle {
    let Some(handle) = NonNull::new(handle.cast_mut().cast::<c_void>()) else { return std::ptr::null_mut() };
    // SAFETY: the caller's word; the old one stays the caller's.
    let value = std::mem::ManuallyDrop::new(unsafe { Value::from_handle(handle) });
    Value::clone(&value).into_handle().cast()
}

/// Gives a handle back; NULL is nothing.
///
/// Threads: any. Blocks: no. Calls back: the destructor of an adopted value, if this was the last that held it.
///
/// # Safety
///
/// The handle is NULL, or from this library and not released.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_release(handle: *mut pinyon_handle) {
    if let Some(handle) = NonNull::new(handle.cast::<c_void>()) {
        // SAFETY: the caller's word.
        drop(unsafe { Value::from_handle(handle) });
    }
}

/// Calls `visitor` with a value in place, under no lock: no copy, no count.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: counts a hit or a miss, is a use, restarts the idle time.
/// Threads: any. Blocks: no. Calls back: `clock`, and `visitor`, which may call the cache. While that runs, what
/// leaves the cache stays in memory.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes; the visitor neither
/// throws nor jumps out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_visit(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    visitor: pinyon_visitor,
    user: *mut c_void,
) -> i32 {
    call("pinyon_visit", || {
        // SAFETY: the caller's word.
        let (cache, key) = unsafe { (at(cache)?, bytes("key", key, key_size)?) };
        let Some(visitor) = visitor else {
            return Err(Failure::of(PINYON_ERR_NULL, "visitor", "is NULL: give a function"));
        };
        let Some(value) = cache.cache.get_ref(KeyBytes::of(key)) else { return Ok(PINYON_MISS) };
        let bytes = value.view();
        // SAFETY: the caller's word.
        unsafe { visitor(user, bytes.data, bytes.size) };
        Ok(PINYON_OK)
    })
}

/// Is there a value?
///
/// Returns `PINYON_OK` if there is, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: nothing. Threads: any. Blocks: no. Calls back: `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_contains(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_contains", cache, |cache| {
            let there = cache.cache.contains(KeyBytes::of(bytes("key", key, key_size)?));
            Ok(if there { PINYON_OK } else { PINYON_MISS })
        })
    }
}

/// What is known of an entry beside its value.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: nothing. Threads: any. Blocks: no. Calls back: `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes; `metadata` is NULL, or
/// as long as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_get_metadata(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    metadata: *mut pinyon_metadata,
) -> i32 {
    call("pinyon_get_metadata", || {
        // SAFETY: the caller's word.
        let (blank, cache, key) =
            unsafe { (Blank::of("metadata", metadata)?, at(cache)?, bytes("key", key, key_size)?) };
        let Some(known) = cache.cache.metadata(KeyBytes::of(key)) else { return Ok(PINYON_MISS) };
        blank.fill(&pinyon_metadata {
            struct_size: size_of::<pinyon_metadata>(),
            age_ms: known.age.map_or(PINYON_NEVER, |age| milliseconds(age, false)),
            remaining_ms: known.remaining.map_or(PINYON_NEVER, |left| milliseconds(left, true)),
            idle_ms: known.idle.map_or(PINYON_NEVER, |idle| milliseconds(idle, true)),
            weight: known.weight,
        });
        Ok(PINYON_OK)
    })
}

fn milliseconds(time: Duration, up: bool) -> u64 {
    let (nanos, unit) = (time.as_nanos(), 1_000_000);
    u64::try_from(if up { nanos.div_ceil(unit) } else { nanos / unit }).unwrap_or(PINYON_NEVER)
}
