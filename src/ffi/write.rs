//! Writing: values copied, written in place or adopted; with conditions; and taking away.

use super::block::{Block, Foreign, Key, KeyBytes, Value};
use super::boundary::{Failure, Wish, bytes, call, out};
use super::cache::{PINYON_NEVER, at, on, pinyon_cache};
use super::codes::*;
use super::entry::{Condition, insert_options, pinyon_entry_options, write_options};
use super::read::{Hand, pinyon_handle};
use crate::{Compute, Computed, InsertOptions, Inserted, Lifetime};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::time::Duration;

/// Frees an adopted value: called once, when nobody holds it any more, on the thread that let go of it last. It may
/// call the cache. It must not throw, nor jump out.
pub type pinyon_free_value = Option<unsafe extern "C" fn(data: *mut c_void, size: usize, user: *mut c_void)>;

/// Room for a value that is being written in place: see `pinyon_reserve`.
pub struct pinyon_reservation {
    _opaque: [u8; 0],
}

/// Writes a pair if the condition holds of what is there; else why not.
pub(super) fn store(
    cache: &pinyon_cache,
    (key, value): (Key, Value),
    options: InsertOptions,
    condition: Condition<'_>,
) -> i32 {
    if let Condition::Whatever = condition {
        return match cache.cache.insert_with(key, value, options) {
            Inserted::Added | Inserted::Replaced => PINYON_OK,
            Inserted::Kept { .. } | Inserted::Refused { .. } => PINYON_TOO_HEAVY,
        };
    }
    let mut code = PINYON_OK;
    let computed = cache.cache.compute(key, |there| {
        code = condition.of(there);
        if code == PINYON_OK { Compute::PutWith(value.clone(), options.clone()) } else { Compute::Keep }
    });
    if let Computed::Refused(_) = computed { PINYON_TOO_HEAVY } else { code }
}

/// Writes a copy of the value under a copy of the key, whatever is there, unless `options` have a condition. They may
/// be NULL. O(tags), and making room: a heavy entry evicts as many light ones as it takes, at most 64 under one lock.
///
/// Returns `PINYON_OK`, `PINYON_TOO_HEAVY`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`,
/// `PINYON_ERR_MEMORY`; under a condition also `PINYON_MISS` and `PINYON_NOT_STORED`.
/// Touches: a write over an entry is a use, and its lifetime begins anew.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
/// `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; key and value have their sizes; the options are NULL,
/// or as long as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_set(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    value: *const c_void,
    value_size: usize,
    options: *const pinyon_entry_options,
) -> i32 {
    call("pinyon_set", move || {
        // SAFETY: the caller's word.
        let (cache, key, value, (options, condition)) = unsafe {
            (
                at(cache)?,
                bytes("key", key, key_size)?,
                bytes("value", value, value_size)?,
                write_options(options)?,
            )
        };
        Ok(store(cache, Block::new(key, value)?.into_pair(), options, condition))
    })
}

/// Writes a value that stays where it is, in memory of the caller's: `size` bytes at `data` (which may be anything
/// if `size` is 0), which must not change until `free_value` is called with them and `user`. That happens exactly
/// once, whatever this call returns: at once if the value is not stored, else when it has left the cache and no
/// handle holds it. So a cache can hold pointers to structures of the caller's; give their real weight in the
/// options, where the capacity is bytes, and there a condition, if it is to be stored only under one. With a NULL
/// `free_value` nobody is told.
///
/// Returns as `pinyon_set`. Touches, costs (but for the value, which is not copied), threads, blocks: as `pinyon_set`.
/// Calls back: also `free_value`.
///
/// # Safety
///
/// As `pinyon_set`; `free_value` may be called on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_adopt(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    data: *mut c_void,
    size: usize,
    free_value: pinyon_free_value,
    user: *mut c_void,
    options: *const pinyon_entry_options,
) -> i32 {
    call("pinyon_adopt", || {
        // First, so that whatever goes wrong it is freed.
        let foreign = Foreign { data, size, free: free_value, user };
        // SAFETY: the caller's word.
        let (cache, key, (options, condition)) = unsafe {
            bytes("value", data, size)?;
            (at(cache)?, bytes("key", key, key_size)?, write_options(options)?)
        };
        Ok(store(cache, Block::adopt(key, foreign)?.into_pair(), options, condition))
    })
}

/// Makes room for a value of `size` bytes (zeros at first, aligned to 16) at `*data`, to be written by the caller,
/// and then given to `pinyon_commit`, which stores it under the key, or to `pinyon_discard`. Nothing is seen of it
/// before.
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`, `PINYON_ERR_MEMORY`.
/// Touches: nothing. Threads: any. Blocks: no. Calls back: no.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes; the others are NULL or
/// good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_reserve(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    size: usize,
    reservation: *mut *mut pinyon_reservation,
    data: *mut *mut c_void,
) -> i32 {
    call("pinyon_reserve", || {
        // SAFETY: the caller's word.
        unsafe {
            let cleared = out("data", data, std::ptr::null_mut());
            out("reservation", reservation, std::ptr::null_mut())?;
            cleared?;
            at(cache)?;
            let mut block = Block::zeroed(bytes("key", key, key_size)?, size)?;
            out("data", data, block.bytes_mut().as_mut_ptr().cast())?;
            out("reservation", reservation, Value::of(block).into_handle().cast())?;
        }
        Ok(PINYON_OK)
    })
}

/// Stores what was written into a reservation, and ends it, whatever is returned. `options` may be NULL.
///
/// Returns, touches, costs (but for the value, which is there), threads, blocks, calls back: as `pinyon_set`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the reservation is NULL, or from `pinyon_reserve` and
/// not ended; nobody writes into it any more; the options are NULL, or as long as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_commit(
    cache: *const pinyon_cache,
    reservation: *mut pinyon_reservation,
    options: *const pinyon_entry_options,
) -> i32 {
    call("pinyon_commit", || {
        let Some(reservation) = NonNull::new(reservation.cast::<c_void>()) else {
            return Err(Failure::of(
                PINYON_ERR_NULL,
                "reservation",
                "is NULL: give what pinyon_reserve made",
            ));
        };
        // SAFETY: the caller's word.
        let (value, cache, (options, condition)) =
            unsafe { (Value::from_handle(reservation), at(cache)?, write_options(options)?) };
        Ok(store(cache, value.into_pair(), options, condition))
    })
}

/// Ends a reservation; NULL is nothing.
///
/// Threads: any. Blocks: no. Calls back: no.
///
/// # Safety
///
/// The reservation is NULL, or from `pinyon_reserve` and not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_discard(reservation: *mut pinyon_reservation) {
    // SAFETY: the caller's word.
    unsafe { super::read::pinyon_release(reservation.cast()) }
}

/// Writes a copy of the value if nothing is there. `options` may be NULL. Atomic.
///
/// Returns `PINYON_NOT_STORED` if something is there; else as `pinyon_set`.
/// Touches, costs, threads, blocks, calls back: as `pinyon_set`.
///
/// # Safety
///
/// As `pinyon_set`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_add(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    value: *const c_void,
    value_size: usize,
    options: *const pinyon_entry_options,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_add", cache, |cache| {
            let (key, value) = (bytes("key", key, key_size)?, bytes("value", value, value_size)?);
            let options = insert_options(options)?;
            Ok(store(cache, Block::new(key, value)?.into_pair(), options, Condition::Absent))
        })
    }
}

/// Writes a copy of the value if something is there. `options` may be NULL. Atomic.
///
/// Returns `PINYON_MISS` if nothing is there; else as `pinyon_set`.
/// Touches, costs, threads, blocks, calls back: as `pinyon_set`.
///
/// # Safety
///
/// As `pinyon_set`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_replace(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    value: *const c_void,
    value_size: usize,
    options: *const pinyon_entry_options,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_replace", cache, |cache| {
            let (key, value) = (bytes("key", key, key_size)?, bytes("value", value, value_size)?);
            let options = insert_options(options)?;
            Ok(store(cache, Block::new(key, value)?.into_pair(), options, Condition::Present))
        })
    }
}

/// Writes a copy of the value if what is there is `expected`, byte for byte. A value is its own version: whoever
/// holds a handle passes its bytes, which are compared by their place first, and by what they are only if that is
/// another. Atomic.
///
/// Returns `PINYON_MISS` if nothing is there, `PINYON_NOT_STORED` if it is something else; else as `pinyon_set`.
/// Touches, costs, threads, blocks, calls back: as `pinyon_set`.
///
/// # Safety
///
/// As `pinyon_set`, and `expected` has its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_compare_and_swap(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    expected: *const c_void,
    expected_size: usize,
    value: *const c_void,
    value_size: usize,
    options: *const pinyon_entry_options,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_compare_and_swap", cache, |cache| {
            let (key, value) = (bytes("key", key, key_size)?, bytes("value", value, value_size)?);
            let expected = Condition::Equal(bytes("expected", expected, expected_size)?);
            let options = insert_options(options)?;
            Ok(store(cache, Block::new(key, value)?.into_pair(), options, expected))
        })
    }
}

/// Adds to a counter, and tells what it is then in `*now` (which may be NULL). A counter is a value of eight bytes,
/// the least significant first, two's complement. Where nothing is there, one is made that is `initial`, and
/// nothing is added. An entry keeps its lifetime and its weight (in bytes it is counted anew), its tags go;
/// `options` (which may be NULL) are for one that is made. Atomic.
///
/// Returns as `pinyon_set`, `PINYON_ERR_NOT_A_COUNTER` if something else is there, `PINYON_ERR_OVERFLOW`.
/// Touches, costs, threads, blocks, calls back: as `pinyon_set`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes; the options are NULL, or
/// as long as they say; `now` is NULL or good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_counter_add(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    delta: i64,
    initial: i64,
    options: *const pinyon_entry_options,
    now: *mut i64,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        call("pinyon_counter_add", || {
            let (now, cache) = (Wish::of("now", now, 0)?, at(cache)?);
            let key = bytes("key", key, key_size)?;
            let options = insert_options(options)?;
            let (mut sum, mut failure) = (initial, None);
            let computed = cache.cache.compute(KeyBytes::of(key).to_owned(), |there| {
                let (next, options) = match there.map(|value| add(value.bytes(), delta)) {
                    None => (Ok(initial), options.clone()),
                    Some(next) => (next, as_it_is(cache, key)),
                };
                let block = next.and_then(|next| Ok((next, Block::new(&[], &next.to_le_bytes())?)));
                match block {
                    Ok((next, block)) => {
                        (sum, failure) = (next, None);
                        Compute::PutWith(Value::of(block), options)
                    }
                    Err(why) => {
                        failure = Some(why);
                        Compute::Keep
                    }
                }
            });
            if let Some(failure) = failure {
                return Err(failure);
            }
            if matches!(computed, Computed::Refused(_)) {
                return Ok(PINYON_TOO_HEAVY);
            }
            now.tell(sum);
            Ok(PINYON_OK)
        })
    }
}

fn add(value: &[u8], delta: i64) -> Result<i64, Failure> {
    let Ok(value) = value.try_into().map(i64::from_le_bytes) else {
        return Err(Failure::of(PINYON_ERR_NOT_A_COUNTER, "the value", "is not a counter of eight bytes"));
    };
    value.checked_add(delta).ok_or(Failure::of(
        PINYON_ERR_OVERFLOW,
        "the counter",
        "would pass the range of 64 bits",
    ))
}

/// The lifetime of an entry, and a weight that was given.
fn as_it_is(cache: &pinyon_cache, key: &[u8]) -> InsertOptions {
    let options = InsertOptions::new().keep_lifetime();
    match cache.cache.metadata(KeyBytes::of(key)) {
        // Of bytes the library's count is as good, but for what weighs nothing.
        Some(known) if cache.weighed || known.weight == 0 => options.weight(known.weight),
        _ => options,
    }
}

/// Removes an entry.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
/// `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_remove(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_remove", cache, |cache| {
            let gone = cache.cache.invalidate(KeyBytes::of(bytes("key", key, key_size)?));
            Ok(if gone { PINYON_OK } else { PINYON_MISS })
        })
    }
}

/// Removes an entry and gets its value, as `pinyon_get` does. Atomic.
///
/// Returns, threads, blocks, calls back: as `pinyon_remove`.
///
/// # Safety
///
/// As `pinyon_get`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_take(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    handle: *mut *mut pinyon_handle,
    data: *mut *const c_void,
    size: *mut usize,
) -> i32 {
    call("pinyon_take", || {
        // SAFETY: the caller's word.
        unsafe {
            let hand = Hand::of(handle, data, size)?;
            let (cache, key) = (at(cache)?, bytes("key", key, key_size)?);
            Ok(hand.give(cache.cache.remove(KeyBytes::of(key))))
        }
    })
}

/// Counts as a use of an entry and restarts its idle time.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: no statistics. Threads: any. Blocks: no. Calls back: `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_touch(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_touch", cache, |cache| {
            let there = cache.cache.touch(KeyBytes::of(bytes("key", key, key_size)?));
            Ok(if there { PINYON_OK } else { PINYON_MISS })
        })
    }
}

/// Gives an entry another time to live, in milliseconds from now; 0: the cache's own; `PINYON_NEVER`: for ever.
///
/// Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: is a use. Threads: any. Blocks: for other writers' short critical sections. Calls back: `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_expire_after(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    ttl_ms: u64,
) -> i32 {
    let lifetime = match ttl_ms {
        0 => Lifetime::Default,
        PINYON_NEVER => Lifetime::Never,
        ms => Lifetime::After(Duration::from_millis(ms)),
    };
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_expire_after", cache, |cache| {
            let there = cache.cache.set_lifetime(KeyBytes::of(bytes("key", key, key_size)?), lifetime);
            Ok(if there { PINYON_OK } else { PINYON_MISS })
        })
    }
}

/// Removes every entry. O(entries), at most 64 under one lock; see `pinyon_invalidate_all`.
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_clear(cache: *const pinyon_cache) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_clear", cache, |cache| {
            cache.cache.clear();
            Ok(PINYON_OK)
        })
    }
}

/// Outdates every entry at once, and what is being loaded; their memory goes with the writes that follow, or by
/// `pinyon_maintain`. O(shards); but of seven calls so fast that writes lie between them and none of the entries has
/// been looked at, the last does that work first, O(entries), at most 64 under one lock.
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_invalidate_all(cache: *const pinyon_cache) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_invalidate_all", cache, |cache| {
            cache.cache.invalidate_all();
            Ok(PINYON_OK)
        })
    }
}

/// Outdates every entry that has this tag, as `pinyon_invalidate_all` does all. O(shards), however many have it; O(1) if
/// none has.
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: no.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the tag has `tag_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_invalidate_tag(
    cache: *const pinyon_cache,
    tag: *const c_void,
    tag_size: usize,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_invalidate_tag", cache, |cache| {
            cache.cache.invalidate_tag(bytes("tag", tag, tag_size)?);
            Ok(PINYON_OK)
        })
    }
}
