//! Reading and writing many keys with one call.

use super::block::{Block, KeyBytes};
use super::boundary::{Failure, bytes, elements, places};
use super::cache::{on, pinyon_cache};
use super::codes::*;
use super::entry::{insert_options, pinyon_bytes, pinyon_entry_options};
use super::read::pinyon_handle;
use crate::Inserted;

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
/// looked at. Fills `found[0..count]`, in the order of the keys.
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
/// which may be NULL.
///
/// Returns `PINYON_OK` if all were stored, else `PINYON_TOO_HEAVY`; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`,
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
            let options = insert_options(options)?;
            let both = |pair: &pinyon_pair| {
                let key = bytes("a key", pair.key.data, pair.key.size)?;
                Ok((key, bytes("a value", pair.value.data, pair.value.size)?))
            };
            let pairs =
                elements("pairs", pairs, count)?.iter().map(both).collect::<Result<Vec<_>, Failure>>()?;
            let wanted = if codes.is_null() { 0 } else { count };
            let codes = places("codes", codes, wanted)?;
            codes.iter_mut().for_each(|place| _ = place.write(PINYON_ERR_MEMORY));
            let mut codes = codes.iter_mut();
            let mut worst = PINYON_OK;
            for (key, value) in pairs {
                let (key, value) = Block::new(key, value)?.into_pair();
                let code = match cache.cache.insert_with(key, value, options.clone()) {
                    Inserted::Added | Inserted::Replaced => PINYON_OK,
                    Inserted::Kept { .. } | Inserted::Refused { .. } => PINYON_TOO_HEAVY,
                };
                worst = worst.max(code);
                if let Some(place) = codes.next() {
                    place.write(code);
                }
            }
            Ok(worst)
        })
    }
}

/// Removes many keys, as `pinyon_remove` each. `codes[0..count]`, which may be NULL, has `PINYON_OK` or
/// `PINYON_MISS` of each.
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
