//! What a write may say of its entry, and what is known of one.

use super::block::Value;
use super::boundary::{Failure, Growing, bytes, elements, options};
use super::codes::{PINYON_MISS, PINYON_NOT_STORED, PINYON_OK};
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
/// are bounded by nothing but what the caller writes. Where the capacity is a number of entries, of no effect.
pub const PINYON_WEIGHTLESS: u32 = 1;
/// `pinyon_entry_options.flags`: the condition of a write, of which one may be set: nothing is there, else
/// `PINYON_NOT_STORED`. Conditions are for `pinyon_set`, `pinyon_adopt`, `pinyon_commit`, `pinyon_set_many` and
/// `pinyon_adopt_many`, of which each write is atomic then; other functions refuse them.
pub const PINYON_IF_ABSENT: u32 = 2;
/// The same: something is there, else `PINYON_MISS`.
pub const PINYON_IF_PRESENT: u32 = 4;
/// The same: what is there is `expected`, byte for byte, else `PINYON_NOT_STORED`, or `PINYON_MISS`. See
/// `pinyon_compare_and_swap`.
pub const PINYON_IF_EQUAL: u32 = 8;

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
    /// A sum of `PINYON_WEIGHTLESS` and of one of `PINYON_IF_ABSENT`, `PINYON_IF_PRESENT`, `PINYON_IF_EQUAL`.
    pub flags: u32,
    /// Must be 0.
    pub reserved: u32,
    /// For `PINYON_IF_EQUAL`; else no bytes.
    pub expected: pinyon_bytes,
}

// SAFETY: `repr(C)`, its size comes first, and zeros are a value of each field.
unsafe impl Growing for pinyon_entry_options {}

/// What must be there for a write to be done.
#[derive(Clone, Copy)]
pub(super) enum Condition<'e> {
    Whatever,
    Absent,
    Present,
    Equal(&'e [u8]),
}

impl Condition<'_> {
    /// `PINYON_OK` if it holds of what is there, else why not.
    pub(super) fn of(self, there: Option<&Value>) -> i32 {
        match (self, there) {
            (Condition::Whatever, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => PINYON_OK,
            (Condition::Absent, Some(_)) => PINYON_NOT_STORED,
            (Condition::Present | Condition::Equal(_), None) => PINYON_MISS,
            (Condition::Equal(expected), Some(now)) => {
                let now = now.bytes();
                let same = std::ptr::eq(now, expected) || now == expected;
                if same { PINYON_OK } else { PINYON_NOT_STORED }
            }
        }
    }
}

/// The options of a write that has no condition, or one of its own.
///
/// # Safety
///
/// As [`write_options`].
pub(super) unsafe fn insert_options(given: *const pinyon_entry_options) -> Result<InsertOptions, Failure> {
    // SAFETY: the caller's word.
    match unsafe { write_options(given)? } {
        (own, Condition::Whatever) => Ok(own),
        _ => Err(Failure::argument("flags", "has a condition, which this function does not take")),
    }
}

/// The options of a write, and its condition.
///
/// # Safety
///
/// NULL, or as long as it says, and its tags and what it expects are there.
pub(super) unsafe fn write_options<'e>(
    given: *const pinyon_entry_options,
) -> Result<(InsertOptions, Condition<'e>), Failure> {
    let mut own = InsertOptions::new();
    // SAFETY: the caller's word.
    let Some(given) = (unsafe { options("options", given)? }) else { return Ok((own, Condition::Whatever)) };
    // SAFETY: the caller's word.
    let condition = unsafe { condition(&given)? };
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
    Ok((own, condition))
}

/// # Safety
///
/// What the options expect is there.
unsafe fn condition<'e>(given: &pinyon_entry_options) -> Result<Condition<'e>, Failure> {
    if given.reserved != 0 {
        return Err(Failure::argument("reserved", "is not 0"));
    }
    // SAFETY: the caller's word.
    let expected = unsafe { bytes("expected", given.expected.data, given.expected.size)? };
    match given.flags & !PINYON_WEIGHTLESS {
        PINYON_IF_EQUAL => Ok(Condition::Equal(expected)),
        _ if !expected.is_empty() => {
            Err(Failure::argument("expected", "is given without PINYON_IF_EQUAL: set that flag"))
        }
        0 => Ok(Condition::Whatever),
        PINYON_IF_ABSENT => Ok(Condition::Absent),
        PINYON_IF_PRESENT => Ok(Condition::Present),
        _ => Err(Failure::argument(
            "flags",
            "has more than one condition, or a flag that this version of the library does not know",
        )),
    }
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
