//! Reading and writing many keys with one call.

use super::block::{Block, Foreign, KeyBytes, OutOfMemory};
use super::boundary::{Failure, Outcome, bytes, call, elements, places};
use super::cache::{at, on, pinyon_cache};
use super::codes::*;
use super::entry::{pinyon_bytes, pinyon_entry_options, write_options};
use super::read::pinyon_handle;
use super::write::{pinyon_free_value, store};
use std::ffi::c_void;

/// A key and a value, each by its bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_pair {
    /// The key.
    pub key: pinyon_bytes,
    /// The value.
    pub value: pinyon_bytes,
}

/// A value that was found: see `pinyon_get_many`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_found {
    /// `PINYON_OK` or `PINYON_MISS`.
    pub code: i32,
    /// Must be 0.
    pub reserved: u32,
    /// To be given to `pinyon_release`; NULL of a miss.
    pub handle: *mut pinyon_handle,
    /// The value, until the handle is released.
    pub value: pinyon_bytes,
}

unsafe fn keys_of<'a>(keys: *const pinyon_bytes, count: usize) -> Result<Vec<&'a KeyBytes>, Failure> {
    // SAFETY: the caller's word.
    unsafe {
        let each = elements("keys", keys, count)?.iter();
        each.map(|key| Ok(KeyBytes::of(bytes("a key", key.data, key.size)?))).collect()
    }
}

/// Gets the values of many keys, as `pinyon_get` each, but the memory that one key needs comes while others are
/// looked at. Fills `found[0..count]`, in the order of the keys. O(`count`).
///
/// Returns `PINYON_OK`, whatever was found; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`: then
/// nothing is filled.
/// Touches, threads, blocks, calls back: as `pinyon_get`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; keys and places are there, each key has its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_get_many(
    cache: *const pinyon_cache,
    keys: *const pinyon_bytes,
    count: usize,
    found: *mut pinyon_found,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_get_many", cache, |cache| {
            let keys = keys_of(keys, count)?;
            let places = places("found", found, count)?;
            for (place, value) in places.iter_mut().zip(cache.cache.get_many(keys)) {
                place.write(match value {
                    None => pinyon_found {
                        code: PINYON_MISS,
                        reserved: 0,
                        handle: std::ptr::null_mut(),
                        value: pinyon_bytes { data: std::ptr::null(), size: 0 },
                    },
                    Some(value) => pinyon_found {
                        code: PINYON_OK,
                        reserved: 0,
                        value: value.view(),
                        handle: value.into_handle().cast(),
                    },
                });
            }
            Ok(PINYON_OK)
        })
    }
}

/// Writes many pairs, as `pinyon_set` each, with the same options. What became of each is in `codes[0..count]`,
/// which may be NULL. O(`count`), each pair as `pinyon_set`.
///
/// Returns `PINYON_OK` if all were stored, else the largest of the codes; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`,
/// `PINYON_ERR_HANDLE`, then nothing is written; `PINYON_ERR_MEMORY`, then those are whose code is another.
/// Touches, threads, blocks, calls back: as `pinyon_set`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; pairs and codes are there, keys and values have their
/// sizes; the options are NULL, or as long as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_set_many(
    cache: *const pinyon_cache,
    pairs: *const pinyon_pair,
    count: usize,
    options: *const pinyon_entry_options,
    codes: *mut i32,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_set_many", cache, |cache| {
            let pairs = elements("pairs", pairs, count)?.iter();
            let pairs = pairs.map(|pair| both(pair)).collect::<Result<Vec<_>, Failure>>()?;
            let blocks = pairs.into_iter().map(|(key, value)| Block::new(key, value));
            store_each(cache, blocks, options, codes)
        })
    }
}

/// As `pinyon_set_many`, of values that stay in memory of the caller's, as `pinyon_adopt` has it: `free_value` is
/// called exactly once with each and `user`, whatever this returns, unless `pairs` itself is not there. O(`count`), each
/// as `pinyon_adopt`.
///
/// Returns, touches, threads, blocks: as `pinyon_set_many`. Calls back: also `free_value`.
///
/// # Safety
///
/// As `pinyon_set_many` and `pinyon_adopt`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_adopt_many(
    cache: *const pinyon_cache,
    pairs: *const pinyon_pair,
    count: usize,
    free_value: pinyon_free_value,
    user: *mut c_void,
    options: *const pinyon_entry_options,
    codes: *mut i32,
) -> i32 {
    call("pinyon_adopt_many", || {
        // SAFETY: the caller's word.
        let pairs = unsafe { elements("pairs", pairs, count)? };
        let foreign = |pair: &pinyon_pair| Foreign {
            data: pair.value.data.cast_mut(),
            size: pair.value.size,
            free: free_value,
            user,
        };
        // First, so that whatever goes wrong each is freed.
        let values: Vec<Foreign> = pairs.iter().map(foreign).collect();
        // SAFETY: the caller's word.
        unsafe {
            let keys = pairs.iter().map(|pair| Ok(both(pair)?.0)).collect::<Result<Vec<_>, Failure>>()?;
            let blocks = keys.into_iter().zip(values).map(|(key, value)| Block::adopt(key, value));
            store_each(at(cache)?, blocks, options, codes)
        }
    })
}

/// The bytes of a key and of a value.
///
/// # Safety
///
/// So many are there, and stay as they are during the call.
unsafe fn both(pair: &pinyon_pair) -> Result<(&[u8], &[u8]), Failure> {
    // SAFETY: the caller's word.
    unsafe {
        Ok((
            bytes("a key", pair.key.data, pair.key.size)?,
            bytes("a value", pair.value.data, pair.value.size)?,
        ))
    }
}

/// Writes blocks, and tells what became of each.
///
/// # Safety
///
/// The options are NULL, or as long as they say; there are as many codes as blocks, or they are NULL.
unsafe fn store_each(
    cache: &pinyon_cache,
    blocks: impl ExactSizeIterator<Item = Result<Block, OutOfMemory>>,
    options: *const pinyon_entry_options,
    codes: *mut i32,
) -> Outcome {
    let wanted = if codes.is_null() { 0 } else { blocks.len() };
    // SAFETY: the caller's word.
    let ((options, condition), codes) = unsafe { (write_options(options)?, places("codes", codes, wanted)?) };
    codes.iter_mut().for_each(|place| _ = place.write(PINYON_ERR_MEMORY));
    let mut codes = codes.iter_mut();
    let mut worst = PINYON_OK;
    for block in blocks {
        let code = store(cache, block?.into_pair(), options.clone(), condition);
        worst = worst.max(code);
        if let Some(place) = codes.next() {
            place.write(code);
        }
    }
    Ok(worst)
}

/// Removes many keys, as `pinyon_remove` each. `codes[0..count]`, which may be NULL, has `PINYON_OK` or
/// `PINYON_MISS` of each. O(`count`).
///
/// Returns `PINYON_OK`; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`: then nothing is removed.
/// Threads, blocks, calls back: as `pinyon_remove`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; keys and codes are there, each key has its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_remove_many(
    cache: *const pinyon_cache,
    keys: *const pinyon_bytes,
    count: usize,
    codes: *mut i32,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_remove_many", cache, |cache| {
            let keys = keys_of(keys, count)?;
            let wanted = if codes.is_null() { 0 } else { count };
            let mut codes = places("codes", codes, wanted)?.iter_mut();
            for key in keys {
                let gone = cache.cache.invalidate(key);
                if let Some(place) = codes.next() {
                    place.write(if gone { PINYON_OK } else { PINYON_MISS });
                }
            }
            Ok(PINYON_OK)
        })
    }
}
