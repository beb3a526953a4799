//! What a write may say of its entry, and what is known of one.

use super::boundary::{Failure, Growing, bytes, elements, options};
use crate::InsertOptions;
use std::ffi::c_void;
use std::time::Duration;

/// Bytes of the caller's, or of the library's: who says so says for how long.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_bytes {
    /// Where they are; of no bytes anything.
    pub data: *const c_void,
    /// How many.
    pub size: usize,
}

/// `pinyon_entry_options.flags`: the entry weighs nothing, so it takes no room and is never evicted. Such entries
/// are bounded by nothing but what the caller writes.
pub const PINYON_WEIGHTLESS: u32 = 1;

/// What a write says of its entry. Begin with all zeros, set `struct_size`, and what is wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_entry_options {
    /// `sizeof(pinyon_entry_options)`.
    pub struct_size: usize,
    /// How long it lives, in milliseconds; 0: as the cache says; `PINYON_NEVER`: for ever.
    pub ttl_ms: u64,
    /// How long it lives unread, in milliseconds; 0: as the cache says; `PINYON_NEVER`: that does not matter.
    pub idle_ms: u64,
    /// What it weighs, in place of what the library counts; 0: what it counts. Where the capacity is bytes, all of
    /// them; where it is a number of entries, of no effect.
    pub weight: u64,
    /// Its tags, for `pinyon_invalidate_tag`: any bytes each.
    pub tags: *const pinyon_bytes,
    /// How many.
    pub tag_count: usize,
    /// 0 or `PINYON_WEIGHTLESS`.
    pub flags: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, its size comes first, and zeros are a value of each field.
unsafe impl Growing for pinyon_entry_options {}

/// The options of a write.
///
/// # Safety
///
/// NULL, or as long as it says, and its tags are there.
pub(super) unsafe fn insert_options(given: *const pinyon_entry_options) -> Result<InsertOptions, Failure> {
    let mut own = InsertOptions::new();
    // SAFETY: the caller's word.
    let Some(given) = (unsafe { options("options", given)? }) else { return Ok(own) };
    if given.flags & !PINYON_WEIGHTLESS != 0 || given.reserved != 0 {
        return Err(Failure::argument("flags", "has a flag that this version of the library does not know"));
    }
    if given.ttl_ms > 0 {
        own = own.ttl(Duration::from_millis(given.ttl_ms));
    }
    if given.idle_ms > 0 {
        own = own.tti(Duration::from_millis(given.idle_ms));
    }
    if given.flags & PINYON_WEIGHTLESS != 0 {
        own = own.weight(0);
    } else if given.weight > 0 {
        own = own.weight(given.weight);
    }
    // SAFETY: the caller's word.
    let tags = unsafe { elements("tags", given.tags, given.tag_count)? };
    if !tags.is_empty() {
        // SAFETY: the caller's word.
        let names: Result<Vec<&[u8]>, Failure> =
            tags.iter().map(|tag| unsafe { bytes("a tag", tag.data, tag.size) }).collect();
        own = own.tags(names?);
    }
    Ok(own)
}

/// What is known of an entry. Set `struct_size` before it is filled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_metadata {
    /// `sizeof(pinyon_metadata)`.
    pub struct_size: usize,
    /// Milliseconds since it was written; `PINYON_NEVER` if that is not known: it has no lifetime, and the cache
    /// does not track ages.
    pub age_ms: u64,
    /// Milliseconds until it expires, rounded up; `PINYON_NEVER` if it does not.
    pub remaining_ms: u64,
    /// How many milliseconds it lives unread; `PINYON_NEVER` if that does not matter.
    pub idle_ms: u64,
    /// What it weighs.
    pub weight: u64,
}

// SAFETY: `repr(C)`, its size comes first, and zeros are a value of each field.
unsafe impl Growing for pinyon_metadata {}
