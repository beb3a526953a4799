//! Going over the entries, a page at a time.

use super::block::{Key, Value};
use super::boundary::{call, check, out, places};
use super::cache::{at, pinyon_cache};
use super::codes::*;
use super::entry::pinyon_bytes;
use crate::Cursor;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Where an iteration begins.
pub const PINYON_START: u64 = 0;
/// Where it has ended.
const ENDED: u64 = u64::MAX;

/// A pair that its holder keeps: to be given to `pinyon_items_release`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_item {
    /// The key, until the item is released.
    pub key: pinyon_bytes,
    /// The value, until the item is released.
    pub value: pinyon_bytes,
    /// The library's.
    pub keep_key: *mut c_void,
    /// The library's.
    pub keep_value: *mut c_void,
}

impl pinyon_item {
    pub(super) fn of(key: Key, value: Value) -> Self {
        pinyon_item {
            key: pinyon_bytes { data: key.bytes().as_ptr().cast(), size: key.bytes().len() },
            value: value.view(),
            keep_key: key.into_raw(),
            keep_value: value.into_handle(),
        }
    }
}

/// Gets the next entries: at most `capacity` of them into `items`, their number into `*count`, and moves `*cursor`,
/// which begins at `PINYON_START`. What is in the cache for the whole of an iteration is seen once; what comes and
/// goes meanwhile may be seen or not. An iteration may be left at any page, or go on on another thread. A page may
/// have fewer entries than there is room, and none. O(`capacity`) in tables that are as full as usual; a whole iteration is
/// O(entries that the tables have room for), which is the most there ever were.
///
/// Returns `PINYON_OK`; `PINYON_END` with the last page, and after it; `PINYON_TOO_SMALL` if more entries share a
/// hash than there is room, then their number is in `*count` (with room for 16 it does not happen by chance);
/// `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: nothing. Threads: any. Blocks: no. Calls back: `clock`; destructors, where it is too small, of what has left
/// the cache meanwhile.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; `items` has room for `capacity` of them; `cursor` and
/// `count` are NULL or good for reads and writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_next_page(
    cache: *const pinyon_cache,
    cursor: *mut u64,
    items: *mut pinyon_item,
    capacity: usize,
    count: *mut usize,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        call("pinyon_next_page", || {
            out("count", count, 0)?;
            let cache = at(cache)?;
            check("cursor", cursor.cast_const())?;
            let places = places("items", items, capacity)?;
            let from = cursor.read();
            if from == ENDED {
                return Ok(PINYON_END);
            }
            let page = cache.cache.page(Cursor::from_bits(from), capacity);
            out("count", count, page.entries.len())?;
            if page.entries.len() > capacity {
                return Ok(PINYON_TOO_SMALL);
            }
            for (place, (key, value)) in places.iter_mut().zip(page.entries) {
                place.write(pinyon_item::of(key, value));
            }
            cursor.write(page.next.map_or(ENDED, Cursor::to_bits));
            Ok(if page.next.is_some() { PINYON_OK } else { PINYON_END })
        })
    }
}

/// Gives items back, and sets their keepers to NULL, so that a second time does nothing. NULL, or no items, is
/// nothing. O(`count`).
///
/// Threads: any. Blocks: no. Calls back: destructors of adopted values.
///
/// # Safety
///
/// The items are there, from this library and not released, or released by this.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_items_release(items: *mut pinyon_item, count: usize) {
    // SAFETY: the caller's word.
    let Ok(items) = (unsafe { places("items", items, count) }) else { return };
    for item in items {
        // SAFETY: the caller's word.
        unsafe {
            let item = item.assume_init_mut();
            let (key, value) = (NonNull::new(item.keep_key), NonNull::new(item.keep_value));
            (item.keep_key, item.keep_value) = (std::ptr::null_mut(), std::ptr::null_mut());
            drop(key.map(|key| Key::from_raw(key)));
            drop(value.map(|value| Value::from_handle(value)));
        }
    }
}

/// A handle of the value of an item, to be released on its own; NULL of an item that was released. Its bytes may lie
/// elsewhere than the item's: ask `pinyon_handle_value`.
///
/// Threads: any. Blocks: no. Calls back: no.
///
/// # Safety
///
/// The item is NULL, or from this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_item_handle(item: *const pinyon_item) -> *mut super::read::pinyon_handle {
    // SAFETY: the caller's word.
    let item = if check("item", item).is_ok() { unsafe { item.as_ref() } } else { None };
    let value = item.and_then(|item| NonNull::new(item.keep_value));
    let Some(value) = value else { return std::ptr::null_mut() };
    // SAFETY: the caller's word; it stays the item's.
    let value = ManuallyDrop::new(unsafe { Value::from_handle(value) });
    Value::clone(&value).into_handle().cast()
}
