//! Loading what is missing: one caller gets a token, and the others wait, or do not.

use super::block::{Block, Foreign, KeyBytes, Value};
use super::boundary::{Failure, Growing, Outcome, bytes, call, options, out};
use super::cache::{PINYON_NEVER, at, on, pinyon_cache};
use super::codes::*;
use super::entry::{insert_options, pinyon_bytes, pinyon_entry_options};
use super::read::pinyon_handle;
use super::write::pinyon_free_value;
use crate::{Acquired, Completed, InsertOptions, LeaseOptions, Loaded, Ticket, Token, Waited};
use std::ffi::c_void;
use std::time::Duration;

/// How a lease is lent. Begin with all zeros, set `struct_size`, and what is wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_lease_options {
    /// `sizeof(pinyon_lease_options)`.
    pub struct_size: usize,
    /// How long a lease lasts, in milliseconds of the system's steady clock, whatever the cache's: then others load
    /// in its holder's place. 0: a minute.
    pub lasting_ms: u64,
    /// When a value is due to be loaded again, in milliseconds since it was written; 0: as the cache says;
    /// `PINYON_NEVER`: never.
    pub refresh_after_ms: u64,
}

// SAFETY: `repr(C)`, its size comes first, and zeros are a value of each field.
unsafe impl Growing for pinyon_lease_options {}

/// What `pinyon_acquire` and `pinyon_wait` found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_acquired {
    /// The right to load, of `PINYON_LEAD`, and of `PINYON_STALE` unless another has it: to be given to
    /// `pinyon_complete` or `pinyon_abandon`. Else 0.
    pub token: u64,
    /// A place among those who wait, of `PINYON_WAIT`: for `pinyon_wait` or `pinyon_leave`. Else 0.
    pub ticket: u64,
    /// Of a value: to be given to `pinyon_release`. Else NULL.
    pub handle: *mut pinyon_handle,
    /// The value, until the handle is released.
    pub value: pinyon_bytes,
}

const NOTHING: pinyon_acquired = pinyon_acquired {
    token: 0,
    ticket: 0,
    handle: std::ptr::null_mut(),
    value: pinyon_bytes { data: std::ptr::null(), size: 0 },
};

fn with_value(value: Value) -> pinyon_acquired {
    let bytes = value.view();
    pinyon_acquired { handle: value.into_handle().cast(), value: bytes, ..NOTHING }
}

fn with_token(token: Token) -> pinyon_acquired {
    pinyon_acquired { token: token.to_bits(), ..NOTHING }
}

/// Reads a value, or gets the right to load it, or a place among those who wait for another that does. Never waits
/// itself. Of all who ask for a key that is not there one gets a token; it loads the value, wherever that comes
/// from, and brings it with `pinyon_complete`, or gives up with `pinyon_abandon`. Tokens and tickets are plain
/// numbers, good on any thread. `options` may be NULL.
///
/// Who holds a token and waits for the same key on the same thread waits for itself, as long as the lease lasts: nobody
/// can tell, because a token may be another thread's by now.
///
/// Returns `PINYON_OK` with a value, `PINYON_LEAD` with a token, `PINYON_WAIT` with a ticket, `PINYON_STALE` with a
/// value and perhaps a token, `PINYON_OWN_KEY`; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Touches: as `pinyon_get`. Threads: any. Blocks: no. Calls back: `clock`, destructors (of what was brought for tickets
/// whose time is over).
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the key has `key_size` bytes; the options are NULL, or
/// as long as they say; `acquired` is NULL or good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_acquire(
    cache: *const pinyon_cache,
    key: *const c_void,
    key_size: usize,
    options: *const pinyon_lease_options,
    acquired: *mut pinyon_acquired,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        call("pinyon_acquire", || {
            out("acquired", acquired, NOTHING)?;
            let cache = at(cache)?;
            let key = bytes("key", key, key_size)?;
            let (code, found) = match cache.cache.acquire(KeyBytes::of(key), lease_options(options)?) {
                Acquired::Hit(value) => (PINYON_OK, with_value(value)),
                Acquired::Lead(token) => (PINYON_LEAD, with_token(token)),
                Acquired::Wait(ticket) => {
                    (PINYON_WAIT, pinyon_acquired { ticket: ticket.to_bits(), ..NOTHING })
                }
                Acquired::Stale(value, token) => {
                    let token = token.map_or(0, Token::to_bits);
                    (PINYON_STALE, pinyon_acquired { token, ..with_value(value) })
                }
                Acquired::OwnKey => (PINYON_OWN_KEY, NOTHING),
            };
            out("acquired", acquired, found)?;
            Ok(code)
        })
    }
}

unsafe fn lease_options(given: *const pinyon_lease_options) -> Result<LeaseOptions, Failure> {
    let mut own = LeaseOptions::new();
    // SAFETY: the caller's word.
    let Some(given) = (unsafe { options("options", given)? }) else { return Ok(own) };
    if given.lasting_ms > 0 {
        own = own.lasting(Duration::from_millis(given.lasting_ms));
    }
    match given.refresh_after_ms {
        0 => {}
        PINYON_NEVER => own = own.refresh_after(Duration::MAX),
        ms => own = own.refresh_after(Duration::from_millis(ms)),
    }
    Ok(own)
}

fn complete(cache: &pinyon_cache, token: u64, block: Block, options: InsertOptions) -> Outcome {
    let loaded = Loaded::with(Value::of(block), options);
    Ok(match cache.cache.complete(Token::from_bits(token), loaded) {
        Completed::Stored => PINYON_OK,
        Completed::Overtaken(_) => PINYON_OVERTAKEN,
        Completed::Refused(_) => PINYON_TOO_HEAVY,
        Completed::Lapsed(_) => PINYON_LAPSED,
    })
}

/// Brings a copy of the value that a token stands for, and gives it to all who wait. It is stored unless its key
/// was written or removed since the token was given. Ends the lease, unless it returns a negative code. `options`
/// may be NULL. Costs as `pinyon_set`, and O(those who wait for the key).
///
/// Returns `PINYON_OK`, `PINYON_OVERTAKEN`, `PINYON_TOO_HEAVY`, `PINYON_LAPSED`; `PINYON_ERR_NULL`,
/// `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`, `PINYON_ERR_MEMORY`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
/// `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; the value has its size; the options are NULL, or as
/// long as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_complete(
    cache: *const pinyon_cache,
    token: u64,
    value: *const c_void,
    value_size: usize,
    options: *const pinyon_entry_options,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_complete", cache, |cache| {
            let (value, options) = (bytes("value", value, value_size)?, insert_options(options)?);
            complete(cache, token, Block::new(&[], value)?, options)
        })
    }
}

/// As `pinyon_complete`, with a value that stays in memory of the caller's, as `pinyon_adopt` has it: `free_value`
/// is called exactly once, whatever this returns.
///
/// Returns, costs (but for the value, which is not copied), threads, blocks: as `pinyon_complete`. Calls back: also
/// `free_value`.
///
/// # Safety
///
/// As `pinyon_complete` and `pinyon_adopt`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_complete_adopted(
    cache: *const pinyon_cache,
    token: u64,
    data: *mut c_void,
    size: usize,
    free_value: pinyon_free_value,
    user: *mut c_void,
    options: *const pinyon_entry_options,
) -> i32 {
    call("pinyon_complete_adopted", || {
        // First, so that whatever goes wrong it is freed.
        let foreign = Foreign { data, size, free: free_value, user };
        // SAFETY: the caller's word.
        let (cache, options) = unsafe {
            bytes("value", data, size)?;
            (at(cache)?, insert_options(options)?)
        };
        complete(cache, token, Block::adopt(&[], foreign)?, options)
    })
}

/// Gives a lease up: one of those who wait, or the next who asks, loads in place of its holder. O(those who wait for
/// the key).
///
/// Returns `PINYON_OK`, `PINYON_LAPSED`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: no. Calls back: `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_abandon(cache: *const pinyon_cache, token: u64) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_abandon", cache, |cache| {
            let there = cache.cache.abandon(Token::from_bits(token));
            Ok(if there { PINYON_OK } else { PINYON_LAPSED })
        })
    }
}

/// Waits for the load that a ticket stands for, at most so many milliseconds (0: only asks; `PINYON_NEVER`: as long
/// as it takes).
///
/// Returns `PINYON_OK` with the value, which is the caller's whether or not it was stored; `PINYON_LEAD` with a
/// token, if the one who was loading has failed; `PINYON_TIMED_OUT`, then the ticket is good for another wait;
/// `PINYON_LAPSED`: acquire again; `PINYON_OWN_KEY`; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: yes. Calls back: as `pinyon_acquire`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; `acquired` is NULL or good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_wait(
    cache: *const pinyon_cache,
    ticket: u64,
    timeout_ms: u64,
    acquired: *mut pinyon_acquired,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        call("pinyon_wait", || {
            out("acquired", acquired, NOTHING)?;
            let cache = at(cache)?;
            let timeout = (timeout_ms != PINYON_NEVER).then(|| Duration::from_millis(timeout_ms));
            let (code, found) = match cache.cache.wait(Ticket::from_bits(ticket), timeout) {
                Waited::Value(value) => (PINYON_OK, with_value(value)),
                Waited::Lead(token) => (PINYON_LEAD, with_token(token)),
                Waited::TimedOut => (PINYON_TIMED_OUT, NOTHING),
                Waited::Unknown => (PINYON_LAPSED, NOTHING),
                Waited::OwnKey => (PINYON_OWN_KEY, NOTHING),
            };
            out("acquired", acquired, found)?;
            Ok(code)
        })
    }
}

/// Gives a ticket back that will not be waited with.
///
/// Returns `PINYON_OK`, `PINYON_LAPSED`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: no. Calls back: the destructor of a value that was brought
/// for it, if nobody else holds that.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_leave(cache: *const pinyon_cache, ticket: u64) -> i32 {
    // SAFETY: the caller's word.
    unsafe {
        on("pinyon_leave", cache, |cache| {
            let there = cache.cache.leave(Ticket::from_bits(ticket));
            Ok(if there { PINYON_OK } else { PINYON_LAPSED })
        })
    }
}
