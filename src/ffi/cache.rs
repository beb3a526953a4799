//! Making a cache, freeing it, asking how it is, and upkeep.

use super::block::{Key, Value, pair_bytes};
use super::boundary::{Blank, Failure, Growing, Outcome, Wish, call, known, out, recall, remember};
use super::codes::*;
use super::removal::{Removals, pinyon_free_user, pinyon_on_removed};
use crate::sync::Arc;
use crate::{BuildError, Builder, Cache, Policy, Ticker};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// The version of this header, to be compared with `pinyon_version()`.
pub const PINYON_VERSION_MAJOR: u32 = 0;
/// See `PINYON_VERSION_MAJOR`.
pub const PINYON_VERSION_MINOR: u32 = 1;
/// See `PINYON_VERSION_MAJOR`.
pub const PINYON_VERSION_PATCH: u32 = 0;

/// `pinyon_options.unit`: the capacity is a number of entries.
pub const PINYON_ENTRIES: u32 = 0;
/// `pinyon_options.unit`: the capacity is bytes: of keys, values and what the library needs for each entry.
pub const PINYON_BYTES: u32 = 1;
/// `pinyon_options.unit`: the capacity is a sum of weights, which each write gives (1 if it gives none).
pub const PINYON_WEIGHT: u32 = 2;

/// `pinyon_options.policy`: CLOCK-TinyLFU with an adapting window: the right one unless you know better.
pub const PINYON_CLOCK_TINYLFU: u32 = 0;
/// `pinyon_options.policy`: CLOCK, the least work for a write.
pub const PINYON_CLOCK: u32 = 1;

/// `pinyon_options.flags`: hits and misses are not counted.
pub const PINYON_NO_STATISTICS: u32 = 1;
/// `pinyon_options.flags`: the age of every entry is kept, at 32 bytes each, for `pinyon_metadata.age_ms`.
pub const PINYON_TRACK_AGE: u32 = 2;
/// `pinyon_options.flags`: entries lie on huge pages, if the system has them: for millions of entries.
pub const PINYON_HUGE_PAGES: u32 = 4;

/// Of a time in milliseconds: for ever. In options 0 is the default, and this is none whatever the default.
pub const PINYON_NEVER: u64 = u64::MAX;

/// A cache: see `pinyon_create`.
pub struct pinyon_cache {
    magic: u64,
    pub(super) cache: Cache<Key, Value>,
    pub(super) removals: Option<Arc<Removals>>,
    /// The capacity is a sum of weights, which each write gives.
    pub(super) weighed: bool,
}

/// Marks a cache that is there.
const MAGIC: u64 = 0x7069_6E79_6F6E_0001;

/// A clock of the caller's: nanoseconds since any moment. It must never go back, seen from any thread, and not call
/// the cache.
pub type pinyon_clock = Option<unsafe extern "C" fn(user: *mut c_void) -> u64>;

/// How a cache is made. Begin with all zeros, set `struct_size` and `capacity`, and what else is wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_options {
    /// `sizeof(pinyon_options)`.
    pub struct_size: usize,
    /// How much the cache holds, in the unit below; 1 or more, in bytes 1024 or more.
    pub capacity: u64,
    /// `PINYON_ENTRIES`, `PINYON_BYTES` or `PINYON_WEIGHT`.
    pub unit: u32,
    /// `PINYON_CLOCK_TINYLFU` or `PINYON_CLOCK`.
    pub policy: u32,
    /// Over how many shards writers are spread, 1 to 4096; 0: by the capacity and the cores.
    pub shards: u32,
    /// A sum of `PINYON_NO_STATISTICS`, `PINYON_TRACK_AGE`, `PINYON_HUGE_PAGES`.
    pub flags: u32,
    /// How long entries live after they were written, in milliseconds; 0: for ever.
    pub ttl_ms: u64,
    /// How long they live unread, in milliseconds; 0: that does not matter.
    pub idle_ms: u64,
    /// When a value is due to be loaded again, in milliseconds since it was written; 0: never. See
    /// `pinyon_acquire`. At `ttl_ms` or above it has no effect on entries without a lifetime of their own.
    pub refresh_after_ms: u64,
    /// Loads values that will expire a little before, at random, the sooner the larger: 1 is usual; 0: does not.
    /// Not negative, and finite.
    pub refresh_early: f64,
    /// Where the time comes from; NULL: the system's clock, to a few milliseconds.
    pub clock: pinyon_clock,
    /// For `clock`.
    pub clock_user: *mut c_void,
    /// Told of what leaves the cache; may be NULL.
    pub on_removed: pinyon_on_removed,
    /// For `on_removed`.
    pub on_removed_user: *mut c_void,
    /// Called once with `on_removed_user`, when nothing will be told any more; may be NULL.
    pub on_removed_free: pinyon_free_user,
    /// How many removals to keep for `pinyon_poll_removals`; 0: none. What they held stays in memory until they are
    /// polled, beside the capacity.
    pub removal_queue: usize,
}

// SAFETY: `repr(C)`, its size comes first, and zeros are a value of each field.
unsafe impl Growing for pinyon_options {}

struct Clock {
    now: unsafe extern "C" fn(*mut c_void) -> u64,
    user: *mut c_void,
}

// SAFETY: the caller gives the two to be called on any thread.
unsafe impl Send for Clock {}
// SAFETY: as above.
unsafe impl Sync for Clock {}

impl Ticker for Clock {
    fn now(&self) -> Duration {
        // SAFETY: the caller gave the two for this.
        Duration::from_nanos(unsafe { (self.now)(self.user) })
    }
}

/// The version of the library: `major << 16 | minor << 8 | patch`. The ABI of two libraries with the same major
/// number, and while that is 0 with the same minor number, is the same but for what the newer one adds.
///
/// Threads: any. Blocks: no. Calls back: no.
#[unsafe(no_mangle)]
pub extern "C" fn pinyon_version() -> u32 {
    PINYON_VERSION_MAJOR << 16 | PINYON_VERSION_MINOR << 8 | PINYON_VERSION_PATCH
}

/// A short text for a code, or for any other number. Static: never to be freed.
///
/// Threads: any. Blocks: no. Calls back: no.
#[unsafe(no_mangle)]
pub extern "C" fn pinyon_code_text(code: i32) -> *const c_char {
    let text = match code {
        PINYON_OK => c"done",
        PINYON_MISS => c"nothing is there under this key",
        PINYON_NOT_STORED => c"the condition did not hold",
        PINYON_TOO_HEAVY => c"the entry is heavier than the whole cache",
        PINYON_TOO_SMALL => c"the buffer is too small",
        PINYON_LEAD => c"the caller is to load the value",
        PINYON_WAIT => c"another is loading the value",
        PINYON_STALE => c"the value is due to be loaded again",
        PINYON_TIMED_OUT => c"the time to wait was over first",
        PINYON_OVERTAKEN => c"the key was written since the load began",
        PINYON_LAPSED => c"no lease has this token, or no place this ticket",
        PINYON_OWN_KEY => c"a function called by the completion of a key asks for that key",
        PINYON_END => c"that was all",
        PINYON_MORE => c"some upkeep is left",
        PINYON_ERR_NULL => c"an argument is NULL that must not be",
        PINYON_ERR_ARGUMENT => c"an argument is out of range",
        PINYON_ERR_HANDLE => c"this is not a cache, or one that was freed",
        PINYON_ERR_MEMORY => c"the system gives no memory",
        PINYON_ERR_NOT_A_COUNTER => c"the value is not a counter of eight bytes",
        PINYON_ERR_OVERFLOW => c"the counter would overflow",
        PINYON_ERR_INTERNAL => c"a defect of the library",
        _ => c"not a code of this library",
    };
    text.as_ptr()
}

/// Copies the text of the last error of this thread into the buffer, cut off if it does not fit, with a zero at its
/// end; returns its length without the zero. Only negative codes leave a text. With a NULL buffer, or the capacity
/// 0, it only tells the length.
///
/// Threads: any; each has its own. Blocks: no. Calls back: no.
///
/// # Safety
///
/// The buffer is NULL or has room for `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_last_error(buffer: *mut c_char, capacity: usize) -> usize {
    // SAFETY: the caller's word.
    unsafe { recall(buffer, capacity) }
}

/// A defect of the library that comes to light is an error of the call that met it, `PINYON_ERR_INTERNAL`; the
/// runtime of Rust then also writes a line to stderr. This turns that off, for the process: in a program that has
/// parts in Rust, for those that share this library's runtime as well.
///
/// Threads: any. Blocks: no. Calls back: no.
#[unsafe(no_mangle)]
pub extern "C" fn pinyon_silence_defects() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Makes a cache. On success it is in `*cache`, to be freed with `pinyon_free`. On failure `*cache` is NULL, and
/// the text of the error is also in `error`, if that is not NULL (as `pinyon_last_error` copies it).
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`.
/// Threads: any. Blocks: no. Calls back: `on_removed_free`, on failure, if the options have a size. Costs
/// microseconds and kilobytes whatever the capacity.
///
/// # Safety
///
/// The pointers are NULL or good for what they are for, `error` for `error_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_create(
    options: *const pinyon_options,
    cache: *mut *mut pinyon_cache,
    error: *mut c_char,
    error_size: usize,
) -> i32 {
    let code = call("pinyon_create", || {
        // SAFETY: the caller's word.
        unsafe {
            let cleared = out("cache", cache, std::ptr::null_mut());
            out("cache", cache, create(options, cleared)?)?;
        }
        Ok(PINYON_OK)
    });
    if code < 0 {
        // SAFETY: the caller's word.
        unsafe { recall(error, error_size) };
    }
    code
}

unsafe fn create(
    given: *const pinyon_options,
    place: Result<(), Failure>,
) -> Result<*mut pinyon_cache, Failure> {
    // SAFETY: the caller's word.
    let Some((options, unknown)) = (unsafe { known("options", given)? }) else {
        return Err(Failure::of(PINYON_ERR_NULL, "options", "is NULL: say at least the capacity"));
    };
    // First, so that whatever goes wrong the caller's `user` is freed.
    let removals = Removals::new(&options);
    place?;
    if unknown {
        return Err(Failure::unknown_option("options"));
    }
    let mut builder = Cache::<Key, Value>::builder();
    builder = match options.unit {
        PINYON_ENTRIES => builder.capacity(options.capacity),
        PINYON_BYTES => builder.capacity_bytes_with(options.capacity, pair_bytes),
        PINYON_WEIGHT => builder.capacity_weight(options.capacity),
        _ => return Err(Failure::argument("unit", "is not PINYON_ENTRIES, PINYON_BYTES or PINYON_WEIGHT")),
    };
    builder = match options.policy {
        PINYON_CLOCK_TINYLFU => builder.policy(Policy::ClockTinyLfu),
        PINYON_CLOCK => builder.policy(Policy::Clock),
        _ => return Err(Failure::argument("policy", "is not PINYON_CLOCK_TINYLFU or PINYON_CLOCK")),
    };
    builder = with_flags(builder, options.flags)?;
    if options.shards > 0 {
        builder = builder.shards(options.shards as usize);
    }
    if options.ttl_ms > 0 {
        builder = builder.time_to_live(Duration::from_millis(options.ttl_ms));
    }
    if options.idle_ms > 0 {
        builder = builder.time_to_idle(Duration::from_millis(options.idle_ms));
    }
    if options.refresh_after_ms > 0 && options.refresh_after_ms != PINYON_NEVER {
        builder = builder.refresh_after(Duration::from_millis(options.refresh_after_ms));
    }
    if options.refresh_early != 0.0 {
        builder = builder.refresh_early(options.refresh_early);
    }
    if let Some(now) = options.clock {
        builder = builder.ticker(Clock { now, user: options.clock_user });
    }
    if let Some(removals) = removals.clone() {
        builder = builder.listener(move |key, value, cause| removals.tell(key, value, cause));
    }
    let cache = builder.build().map_err(|error| refused("pinyon_create", &error))?;
    let weighed = options.unit == PINYON_WEIGHT;
    Ok(Box::into_raw(Box::new(pinyon_cache { magic: MAGIC, cache, removals, weighed })))
}

/// A setting that is refused, by its name in C: there is one field for the capacity, whatever its unit.
fn refused(function: &str, error: &BuildError) -> Failure {
    let field = if error.setting().contains("capacity") { "capacity" } else { error.setting() };
    remember(format_args!("{function}: {field} was {}; allowed: {}", error.given(), error.allowed()));
    Failure::told(PINYON_ERR_ARGUMENT)
}

fn with_flags(builder: Builder<Key, Value>, flags: u32) -> Result<Builder<Key, Value>, Failure> {
    if flags & !(PINYON_NO_STATISTICS | PINYON_TRACK_AGE | PINYON_HUGE_PAGES) != 0 {
        return Err(Failure::argument("flags", "has a flag that this version of the library does not know"));
    }
    Ok(builder
        .statistics(flags & PINYON_NO_STATISTICS == 0)
        .track_age(flags & PINYON_TRACK_AGE != 0)
        .huge_pages(flags & PINYON_HUGE_PAGES != 0))
}

/// Frees a cache, with what is in it; NULL is nothing. Handles stay good. Leases and tickets end. What is still in
/// the queue of removals is dropped. Entries that are in the cache are not told to `on_removed`: call
/// `pinyon_clear` first if they should be. O(entries).
///
/// Threads: any, when no other call on this cache is running or will come, and outside of its callbacks. Blocks:
/// no. Calls back: destructors of adopted values, `on_removed_free`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed yet.
#[unsafe(no_mangle)]
#[allow(clippy::disallowed_methods, reason = "takes back what `pinyon_create` gave")]
pub unsafe extern "C" fn pinyon_free(cache: *mut pinyon_cache) {
    call("pinyon_free", || {
        if cache.is_null() {
            return Ok(PINYON_OK);
        }
        // SAFETY: the caller's word.
        unsafe {
            at(cache)?;
            (&raw mut (*cache).magic).write_volatile(0);
            drop(Box::from_raw(cache));
        }
        Ok(PINYON_OK)
    });
}

/// The cache of an argument.
///
/// # Safety
///
/// NULL, or from `pinyon_create` and not freed. What is neither is found out as long as the memory is there and
/// does not look like one.
#[inline]
pub(super) unsafe fn at<'a>(cache: *const pinyon_cache) -> Result<&'a pinyon_cache, Failure> {
    if cache.is_null() {
        return Err(Failure::of(PINYON_ERR_NULL, "cache", "is NULL: give what pinyon_create made"));
    }
    // SAFETY: the caller's word.
    if !cache.is_aligned() || unsafe { (&raw const (*cache).magic).read() } != MAGIC {
        return Err(Failure::of(PINYON_ERR_HANDLE, "cache", "is not a cache, or was freed"));
    }
    // SAFETY: the caller's word.
    Ok(unsafe { &*cache })
}

/// How many entries are in the cache, expired ones that were not noticed yet among them; 0 of what is no cache.
/// O(shards).
///
/// Threads: any. Blocks: no. Calls back: no.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_count(cache: *const pinyon_cache) -> u64 {
    let mut count = 0;
    call("pinyon_count", || {
        // SAFETY: the caller's word.
        count = unsafe { at(cache)? }.cache.len() as u64;
        Ok(PINYON_OK)
    });
    count
}

/// Sets the capacity, in the unit of the cache, and evicts what is above it before it returns, at most 64 entries under
/// one lock. O(shards + entries evicted), and once more O(shards) for each 64 of these.
///
/// Returns `PINYON_OK`; `PINYON_ERR_ARGUMENT` if it is 0, or of bytes below 1024, then nothing changes;
/// `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_set_capacity(cache: *const pinyon_cache, capacity: u64) -> i32 {
    call("pinyon_set_capacity", || {
        // SAFETY: the caller's word.
        let cache = unsafe { at(cache)? };
        cache.cache.set_capacity(capacity).map_err(|error| refused("pinyon_set_capacity", &error))?;
        Ok(PINYON_OK)
    })
}

/// Evicts entries until what is left weighs no more than `weight` (entries, bytes or weight, as the capacity is),
/// for a moment when memory is short; the capacity stays. How many it evicted is in `*evicted`, which may be NULL.
/// Costs as `pinyon_set_capacity`.
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; `evicted` is NULL or good for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_shrink(cache: *const pinyon_cache, weight: u64, evicted: *mut u64) -> i32 {
    call("pinyon_shrink", || {
        // SAFETY: the caller's word.
        unsafe { Wish::of("evicted", evicted, 0)?.tell(at(cache)?.cache.shrink_to(weight) as u64) };
        Ok(PINYON_OK)
    })
}

/// Does upkeep that writes would do little by little, at most `budget` steps: takes out what has expired or was
/// invalidated, and ends leases whose time is over. For idle moments, and for caches that are written seldom.
/// O(shards + `budget`), at most, and what waits for readers is freed.
///
/// Returns `PINYON_OK` if nothing is left to do, `PINYON_MORE`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
/// `clock`.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_maintain(cache: *const pinyon_cache, budget: usize) -> i32 {
    call("pinyon_maintain", || {
        // SAFETY: the caller's word.
        let done = unsafe { at(cache)? }.cache.maintain(budget).done;
        Ok(if done { PINYON_OK } else { PINYON_MORE })
    })
}

/// What a cache has done. Set `struct_size` before it is filled.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pinyon_stats {
    /// `sizeof(pinyon_stats)`.
    pub struct_size: usize,
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Entries written where there was none.
    pub added: u64,
    /// Entries written over.
    pub replaced: u64,
    /// Entries removed by their key.
    pub removed: u64,
    /// Entries removed by `pinyon_clear`.
    pub cleared: u64,
    /// Entries outdated by `pinyon_invalidate_all` or `pinyon_invalidate_tag` whose memory was given back.
    pub invalidated: u64,
    /// Entries that were heavier than the whole cache.
    pub refused: u64,
    /// Entries evicted to make room.
    pub evicted: u64,
    /// Their weight.
    pub evicted_weight: u64,
    /// Expired entries whose memory was given back.
    pub expired: u64,
    /// Their weight.
    pub expired_weight: u64,
    /// Values that leases brought.
    pub loads: u64,
    /// Leases that were abandoned or ended.
    pub load_failures: u64,
    /// What both took together, in nanoseconds of the cache's clock.
    pub load_nanos: u64,
    /// Calls that got a value which another one had loaded.
    pub coalesced: u64,
    /// Calls that wait at this moment.
    pub waiting: u64,
    /// Loaded values that were not stored, because their key was written meanwhile.
    pub stale_loads: u64,
    /// Entries in the cache now.
    pub entries: u64,
    /// Their weight.
    pub weight: u64,
    /// What they may weigh.
    pub capacity: u64,
    /// Entries that have left and wait for readers before their memory is given back.
    pub retired: u64,
    /// Bytes of the cache's own tables; keys and values are not in it.
    pub overhead_bytes: u64,
    /// Removals that `pinyon_poll_removals` will never tell, because its queue was full.
    pub removals_lost: u64,
}

// SAFETY: `repr(C)`, its size comes first, and zeros are a value of each field.
unsafe impl Growing for pinyon_stats {}

/// Fills `*stats`. A library that knows fewer fields than the caller leaves the others 0. O(shards + threads + keys
/// that are being loaded).
///
/// Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
/// Threads: any. Blocks: for writers' short critical sections, shard by shard. Calls back: the destructor of a loaded
/// value, if all who waited for it have left meanwhile.
///
/// # Safety
///
/// The cache is NULL, or from `pinyon_create` and not freed; `stats` is NULL, or as long as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pinyon_get_stats(cache: *const pinyon_cache, stats: *mut pinyon_stats) -> i32 {
    call("pinyon_get_stats", || {
        // SAFETY: the caller's word.
        let (blank, cache) = unsafe { (Blank::of("stats", stats)?, at(cache)?) };
        let all = cache.cache.stats();
        let own = pinyon_stats {
            struct_size: size_of::<pinyon_stats>(),
            hits: all.hits,
            misses: all.misses,
            added: all.added,
            replaced: all.replaced,
            removed: all.removed,
            cleared: all.cleared,
            invalidated: all.invalidated,
            refused: all.refused,
            evicted: all.evicted,
            evicted_weight: all.evicted_weight,
            expired: all.expired,
            expired_weight: all.expired_weight,
            loads: all.loads,
            load_failures: all.load_failures,
            load_nanos: all.load_nanos,
            coalesced: all.coalesced,
            waiting: all.waiting,
            stale_loads: all.stale_loads,
            entries: all.entries,
            weight: all.weight,
            capacity: all.capacity,
            retired: all.retired,
            overhead_bytes: all.overhead_bytes,
            removals_lost: cache.removals.as_ref().map_or(0, |removals| removals.lost()),
        };
        blank.fill(&own);
        Ok(PINYON_OK)
    })
}

/// A body that needs the cache alone.
///
/// # Safety
///
/// As [`at`].
pub(super) unsafe fn on(
    function: &'static str,
    cache: *const pinyon_cache,
    body: impl FnOnce(&pinyon_cache) -> Outcome,
) -> i32 {
    // SAFETY: the caller's word.
    call(function, || body(unsafe { at(cache)? }))
}
