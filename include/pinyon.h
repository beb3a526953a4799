/*
 * Pinyon: an in-process cache of byte strings. Lock-free reads, an exact bound, lifetimes, loads without stampedes.
 * Link with libpinyon.
 *
 * Conventions
 *
 * Keys and values are a pointer and a size, never ended by a zero; of the size 0 the pointer may be NULL. Functions
 * return PINYON_OK (0), a positive code for another normal outcome, or a negative one for an error, whose text is in
 * pinyon_last_error() on the thread that called; then nothing was changed, unless the function says so. What they fill
 * in when there is nothing to tell is NULL or 0. Objects are opaque; each kind has one function that frees it and takes
 * NULL. Structs that are passed begin with struct_size: begin with all zeros, and set it to sizeof of the struct.
 *
 * "Threads: any" means that calls may run at the same time, on the same cache, from any threads. "Calls back" says which
 * of the caller's functions may run inside of a call. None of them runs under a lock; all may call the cache (but for
 * the clock); none may throw or jump out.
 *
 * What states no cost is O(1) in the size of the cache, plus the size of the key and of the value (and of the text, of
 * pinyon_last_error). Callbacks take their own time.
 *
 * The library starts no threads, and keeps nothing beside its caches but the last error of each thread. A child of a
 * fork may make caches, and use those that no other thread was in a call on at the moment of the fork, but for reads
 * (pinyon_get, pinyon_get_copy, pinyon_get_into, pinyon_get_many, pinyon_visit, pinyon_contains, pinyon_get_metadata);
 * on another one a call may wait for ever for a thread that is not there. Unloading the library does nothing: it stays.
 *
 * Where the system gives no memory for a value, or for a key that is written with one, the code is PINYON_ERR_MEMORY.
 * Where it gives none for what is small beside the values (the tables of a cache, what pinyon_create makes, the key of
 * a load or of a counter, tags, the lists of a call of many, the copy of a small value that very many hold), the process
 * is ended.
 */

#ifndef PINYON_H
#define PINYON_H

/* Made from src/ffi by `make header`: do not edit. */

#include <stddef.h>
#include <stdint.h>

/**
 * Done; of a read: here is the value.
 */
#define PINYON_OK 0

/**
 * Nothing is there under this key.
 */
#define PINYON_MISS 1

/**
 * The condition of the call did not hold, so nothing was changed.
 */
#define PINYON_NOT_STORED 2

/**
 * The entry is heavier than the whole cache, so it was not stored; what it was to replace is gone.
 */
#define PINYON_TOO_HEAVY 3

/**
 * The value does not fit into the buffer: nothing was copied, and the size it needs was written.
 */
#define PINYON_TOO_SMALL 4

/**
 * Nothing is there, and the caller is to load it: there is a token.
 */
#define PINYON_LEAD 5

/**
 * Nothing is there, and another is loading it: there is a ticket.
 */
#define PINYON_WAIT 6

/**
 * The value is due to be loaded again; by the caller, if there is a token.
 */
#define PINYON_STALE 7

/**
 * The time to wait was over first; the ticket is still good.
 */
#define PINYON_TIMED_OUT 8

/**
 * The key was written, removed or invalidated since its load began, so what was loaded is not stored.
 */
#define PINYON_OVERTAKEN 9

/**
 * No lease has this token, or no place this ticket: it was used, or its time is over.
 */
#define PINYON_LAPSED 10

/**
 * A function that `pinyon_complete` calls back asks for the very key that is being completed: its thread would wait for
 * itself.
 */
#define PINYON_OWN_KEY 11

/**
 * There was nothing more to tell: the iteration has come to its end.
 */
#define PINYON_END 12

/**
 * Some upkeep is left to do: call again.
 */
#define PINYON_MORE 13

/**
 * An argument is NULL that must not be.
 */
#define PINYON_ERR_NULL -1

/**
 * An argument is out of range, or a struct says a size that this library does not know.
 */
#define PINYON_ERR_ARGUMENT -2

/**
 * The pointer is not a cache, or one that was freed.
 */
#define PINYON_ERR_HANDLE -3

/**
 * The system gave no memory for the value. Nothing was changed.
 */
#define PINYON_ERR_MEMORY -4

/**
 * The value is not a counter: eight bytes, the least significant first.
 */
#define PINYON_ERR_NOT_A_COUNTER -5

/**
 * The counter would pass the range of 64 bits. It was not changed.
 */
#define PINYON_ERR_OVERFLOW -6

/**
 * A defect of the library, of which please tell its authors. The cache is whole; what the call was to do may be
 * done or not.
 */
#define PINYON_ERR_INTERNAL -100

/**
 * `pinyon_entry_options.flags`: the entry weighs nothing, so it takes no room and is never evicted. Such entries
 * are bounded by nothing but what the caller writes. Where the capacity is a number of entries, of no effect.
 */
#define PINYON_WEIGHTLESS 1

/**
 * `pinyon_entry_options.flags`: the condition of a write, of which one may be set: nothing is there, else
 * `PINYON_NOT_STORED`. Conditions are for `pinyon_set`, `pinyon_adopt`, `pinyon_commit`, `pinyon_set_many` and
 * `pinyon_adopt_many`, of which each write is atomic then; other functions refuse them.
 */
#define PINYON_IF_ABSENT 2

/**
 * The same: something is there, else `PINYON_MISS`.
 */
#define PINYON_IF_PRESENT 4

/**
 * The same: what is there is `expected`, byte for byte, else `PINYON_NOT_STORED`, or `PINYON_MISS`. See
 * `pinyon_compare_and_swap`.
 */
#define PINYON_IF_EQUAL 8

/**
 * Why an entry left: its lifetime was over.
 */
#define PINYON_EXPIRED 1

/**
 * Why an entry left: there was need for room.
 */
#define PINYON_EVICTED 2

/**
 * Why an entry left: another value was written under its key.
 */
#define PINYON_REPLACED 3

/**
 * Why an entry left: it was removed by its key.
 */
#define PINYON_REMOVED 4

/**
 * Why an entry left: the cache was cleared.
 */
#define PINYON_CLEARED 5

/**
 * Why an entry left: everything, or a tag of it, was invalidated.
 */
#define PINYON_INVALIDATED 6

/**
 * Why a pair did not come in: it was heavier than the whole cache.
 */
#define PINYON_REFUSED 7

/**
 * The version of this header, to be compared with `pinyon_version()`.
 */
#define PINYON_VERSION_MAJOR 0

/**
 * See `PINYON_VERSION_MAJOR`.
 */
#define PINYON_VERSION_MINOR 1

/**
 * See `PINYON_VERSION_MAJOR`.
 */
#define PINYON_VERSION_PATCH 0

/**
 * `pinyon_options.unit`: the capacity is a number of entries.
 */
#define PINYON_ENTRIES 0

/**
 * `pinyon_options.unit`: the capacity is bytes: of keys, values and what the library needs for each entry.
 */
#define PINYON_BYTES 1

/**
 * `pinyon_options.unit`: the capacity is a sum of weights, which each write gives (1 if it gives none).
 */
#define PINYON_WEIGHT 2

/**
 * `pinyon_options.policy`: CLOCK-TinyLFU with an adapting window: the right one unless you know better.
 */
#define PINYON_CLOCK_TINYLFU 0

/**
 * `pinyon_options.policy`: CLOCK, the least work for a write.
 */
#define PINYON_CLOCK 1

/**
 * `pinyon_options.flags`: hits and misses are not counted.
 */
#define PINYON_NO_STATISTICS 1

/**
 * `pinyon_options.flags`: the age of every entry is kept, at 32 bytes each, for `pinyon_metadata.age_ms`.
 */
#define PINYON_TRACK_AGE 2

/**
 * `pinyon_options.flags`: entries lie on huge pages, if the system has them: for millions of entries.
 */
#define PINYON_HUGE_PAGES 4

/**
 * Of a time in milliseconds: for ever. In options 0 is the default, and this is none whatever the default.
 */
#define PINYON_NEVER UINT64_MAX

/**
 * Where an iteration begins.
 */
#define PINYON_START 0

/**
 * A cache: see `pinyon_create`.
 */
typedef struct pinyon_cache pinyon_cache;

/**
 * A value that its holder keeps: see `pinyon_get`.
 */
typedef struct pinyon_handle pinyon_handle;

/**
 * Room for a value that is being written in place: see `pinyon_reserve`.
 */
typedef struct pinyon_reservation pinyon_reservation;

/**
 * Bytes of the caller's, or of the library's: who says so says for how long.
 */
typedef struct {
    /**
     * Where they are; of no bytes anything.
     */
    const void *data;
    /**
     * How many.
     */
    size_t size;
} pinyon_bytes;

/**
 * A pair that its holder keeps: to be given to `pinyon_items_release`.
 */
typedef struct {
    /**
     * The key, until the item is released.
     */
    pinyon_bytes key;
    /**
     * The value, until the item is released.
     */
    pinyon_bytes value;
    /**
     * The library's.
     */
    void *keep_key;
    /**
     * The library's.
     */
    void *keep_value;
} pinyon_item;

/**
 * An entry that left: its item, which is to be released, and why.
 */
typedef struct {
    /**
     * Key and value; to be given to `pinyon_items_release`.
     */
    pinyon_item item;
    /**
     * `PINYON_EXPIRED` ...
     */
    int32_t cause;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} pinyon_removal;

/**
 * A clock of the caller's: nanoseconds since any moment. It must never go back, seen from any thread, and not call
 * the cache.
 */
typedef uint64_t (*pinyon_clock)(void *user);

/**
 * Told of an entry that left, once, with its cause (`PINYON_EXPIRED` ...), in order for each key, under no lock:
 * it may call the cache. Key and value are good until it returns. It runs on the thread whose call made the entry
 * leave, or on that of another call that tells at that moment. It must not throw, nor jump out.
 */
typedef void (*pinyon_on_removed)(void *user,
                                  const void *key,
                                  size_t key_size,
                                  const void *value,
                                  size_t value_size,
                                  int32_t cause);

/**
 * Called once with the `user` of a callback that will not be called any more.
 */
typedef void (*pinyon_free_user)(void *user);

/**
 * How a cache is made. Begin with all zeros, set `struct_size` and `capacity`, and what else is wanted.
 */
typedef struct {
    /**
     * `sizeof(pinyon_options)`.
     */
    size_t struct_size;
    /**
     * How much the cache holds, in the unit below; 1 or more, in bytes 1024 or more.
     */
    uint64_t capacity;
    /**
     * `PINYON_ENTRIES`, `PINYON_BYTES` or `PINYON_WEIGHT`.
     */
    uint32_t unit;
    /**
     * `PINYON_CLOCK_TINYLFU` or `PINYON_CLOCK`.
     */
    uint32_t policy;
    /**
     * Over how many shards writers are spread, 1 to 4096; 0: by the capacity and the cores.
     */
    uint32_t shards;
    /**
     * A sum of `PINYON_NO_STATISTICS`, `PINYON_TRACK_AGE`, `PINYON_HUGE_PAGES`.
     */
    uint32_t flags;
    /**
     * How long entries live after they were written, in milliseconds; 0: for ever.
     */
    uint64_t ttl_ms;
    /**
     * How long they live unread, in milliseconds; 0: that does not matter.
     */
    uint64_t idle_ms;
    /**
     * When a value is due to be loaded again, in milliseconds since it was written; 0: never. See
     * `pinyon_acquire`. At `ttl_ms` or above it has no effect on entries without a lifetime of their own.
     */
    uint64_t refresh_after_ms;
    /**
     * Loads values that will expire a little before, at random, the sooner the larger: 1 is usual; 0: does not.
     * Not negative, and finite.
     */
    double refresh_early;
    /**
     * Where the time comes from; NULL: the system's clock, to a few milliseconds.
     */
    pinyon_clock clock;
    /**
     * For `clock`.
     */
    void *clock_user;
    /**
     * Told of what leaves the cache; may be NULL.
     */
    pinyon_on_removed on_removed;
    /**
     * For `on_removed`.
     */
    void *on_removed_user;
    /**
     * Called once with `on_removed_user`, when nothing will be told any more; may be NULL.
     */
    pinyon_free_user on_removed_free;
    /**
     * How many removals to keep for `pinyon_poll_removals`; 0: none. What they held stays in memory until they are
     * polled, beside the capacity.
     */
    size_t removal_queue;
} pinyon_options;

/**
 * What a cache has done. Set `struct_size` before it is filled.
 */
typedef struct {
    /**
     * `sizeof(pinyon_stats)`.
     */
    size_t struct_size;
    /**
     * Reads that found a value.
     */
    uint64_t hits;
    /**
     * Reads that found none.
     */
    uint64_t misses;
    /**
     * Entries written where there was none.
     */
    uint64_t added;
    /**
     * Entries written over.
     */
    uint64_t replaced;
    /**
     * Entries removed by their key.
     */
    uint64_t removed;
    /**
     * Entries removed by `pinyon_clear`.
     */
    uint64_t cleared;
    /**
     * Entries outdated by `pinyon_invalidate_all` or `pinyon_invalidate_tag` whose memory was given back.
     */
    uint64_t invalidated;
    /**
     * Entries that were heavier than the whole cache.
     */
    uint64_t refused;
    /**
     * Entries evicted to make room.
     */
    uint64_t evicted;
    /**
     * Their weight.
     */
    uint64_t evicted_weight;
    /**
     * Expired entries whose memory was given back.
     */
    uint64_t expired;
    /**
     * Their weight.
     */
    uint64_t expired_weight;
    /**
     * Values that leases brought.
     */
    uint64_t loads;
    /**
     * Leases that were abandoned or ended.
     */
    uint64_t load_failures;
    /**
     * What both took together, in nanoseconds of the cache's clock.
     */
    uint64_t load_nanos;
    /**
     * Calls that got a value which another one had loaded.
     */
    uint64_t coalesced;
    /**
     * Calls that wait at this moment.
     */
    uint64_t waiting;
    /**
     * Loaded values that were not stored, because their key was written meanwhile.
     */
    uint64_t stale_loads;
    /**
     * Entries in the cache now.
     */
    uint64_t entries;
    /**
     * Their weight.
     */
    uint64_t weight;
    /**
     * What they may weigh.
     */
    uint64_t capacity;
    /**
     * Entries that have left and wait for readers before their memory is given back.
     */
    uint64_t retired;
    /**
     * Bytes of the cache's own tables; keys and values are not in it.
     */
    uint64_t overhead_bytes;
    /**
     * Removals that `pinyon_poll_removals` will never tell, because its queue was full.
     */
    uint64_t removals_lost;
} pinyon_stats;

/**
 * Looks at a value: `size` bytes at `data`, good until it returns. It may call the cache. It must not throw, nor
 * jump out.
 */
typedef void (*pinyon_visitor)(void *user, const void *data, size_t size);

/**
 * What is known of an entry. Set `struct_size` before it is filled.
 */
typedef struct {
    /**
     * `sizeof(pinyon_metadata)`.
     */
    size_t struct_size;
    /**
     * Milliseconds since it was written; `PINYON_NEVER` if that is not known: it has no lifetime, and the cache
     * does not track ages.
     */
    uint64_t age_ms;
    /**
     * Milliseconds until it expires, rounded up; `PINYON_NEVER` if it does not.
     */
    uint64_t remaining_ms;
    /**
     * How many milliseconds it lives unread; `PINYON_NEVER` if that does not matter.
     */
    uint64_t idle_ms;
    /**
     * What it weighs.
     */
    uint64_t weight;
} pinyon_metadata;

/**
 * What a write says of its entry. Begin with all zeros, set `struct_size`, and what is wanted.
 */
typedef struct {
    /**
     * `sizeof(pinyon_entry_options)`.
     */
    size_t struct_size;
    /**
     * How long it lives, in milliseconds; 0: as the cache says; `PINYON_NEVER`: for ever.
     */
    uint64_t ttl_ms;
    /**
     * How long it lives unread, in milliseconds; 0: as the cache says; `PINYON_NEVER`: that does not matter.
     */
    uint64_t idle_ms;
    /**
     * What it weighs, in place of what the library counts; 0: what it counts. Where the capacity is bytes, all of
     * them; where it is a number of entries, of no effect.
     */
    uint64_t weight;
    /**
     * Its tags, for `pinyon_invalidate_tag`: any bytes each.
     */
    const pinyon_bytes *tags;
    /**
     * How many.
     */
    size_t tag_count;
    /**
     * A sum of `PINYON_WEIGHTLESS` and of one of `PINYON_IF_ABSENT`, `PINYON_IF_PRESENT`, `PINYON_IF_EQUAL`.
     */
    uint32_t flags;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * For `PINYON_IF_EQUAL`; else no bytes.
     */
    pinyon_bytes expected;
} pinyon_entry_options;

/**
 * Frees an adopted value: called once, when nobody holds it any more, on the thread that let go of it last. It may
 * call the cache. It must not throw, nor jump out.
 */
typedef void (*pinyon_free_value)(void *data, size_t size, void *user);

/**
 * A value that was found: see `pinyon_get_many`.
 */
typedef struct {
    /**
     * `PINYON_OK` or `PINYON_MISS`.
     */
    int32_t code;
    /**
     * Must be 0.
     */
    uint32_t reserved;
    /**
     * To be given to `pinyon_release`; NULL of a miss.
     */
    pinyon_handle *handle;
    /**
     * The value, until the handle is released.
     */
    pinyon_bytes value;
} pinyon_found;

/**
 * A key and a value, each by its bytes.
 */
typedef struct {
    /**
     * The key.
     */
    pinyon_bytes key;
    /**
     * The value.
     */
    pinyon_bytes value;
} pinyon_pair;

/**
 * How a lease is lent. Begin with all zeros, set `struct_size`, and what is wanted.
 */
typedef struct {
    /**
     * `sizeof(pinyon_lease_options)`.
     */
    size_t struct_size;
    /**
     * How long a lease lasts, in milliseconds of the system's steady clock, whatever the cache's: then others load
     * in its holder's place. 0: a minute.
     */
    uint64_t lasting_ms;
    /**
     * When a value is due to be loaded again, in milliseconds since it was written; 0: as the cache says;
     * `PINYON_NEVER`: never.
     */
    uint64_t refresh_after_ms;
} pinyon_lease_options;

/**
 * What `pinyon_acquire` and `pinyon_wait` found.
 */
typedef struct {
    /**
     * The right to load, of `PINYON_LEAD`, and of `PINYON_STALE` unless another has it: to be given to
     * `pinyon_complete` or `pinyon_abandon`. Else 0.
     */
    uint64_t token;
    /**
     * A place among those who wait, of `PINYON_WAIT`: for `pinyon_wait` or `pinyon_leave`. Else 0.
     */
    uint64_t ticket;
    /**
     * Of a value: to be given to `pinyon_release`. Else NULL.
     */
    pinyon_handle *handle;
    /**
     * The value, until the handle is released.
     */
    pinyon_bytes value;
} pinyon_acquired;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Gets what has left since the last time, the oldest first: at most `capacity` removals, their number in `*count`.
 * Of a cache that was made with a `removal_queue`; when that is full the oldest is lost, which
 * `pinyon_stats.removals_lost` counts. O(removals got).
 *
 * Returns `PINYON_OK` if there may be more, `PINYON_END` if that was all; `PINYON_ERR_NULL`,
 * `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: nothing. Threads: any. Blocks: for a moment, beside writers that tell. Calls back: no.
 */
int32_t pinyon_poll_removals(const pinyon_cache *cache, pinyon_removal *removals, size_t capacity, size_t *count);

/**
 * The version of the library: `major << 16 | minor << 8 | patch`. The ABI of two libraries with the same major
 * number, and while that is 0 with the same minor number, is the same but for what the newer one adds.
 *
 * Threads: any. Blocks: no. Calls back: no.
 */
uint32_t pinyon_version(void);

/**
 * A short text for a code, or for any other number. Static: never to be freed.
 *
 * Threads: any. Blocks: no. Calls back: no.
 */
const char *pinyon_code_text(int32_t code);

/**
 * Copies the text of the last error of this thread into the buffer, cut off if it does not fit, with a zero at its
 * end; returns its length without the zero. Only negative codes leave a text. With a NULL buffer, or the capacity
 * 0, it only tells the length.
 *
 * Threads: any; each has its own. Blocks: no. Calls back: no.
 */
size_t pinyon_last_error(char *buffer, size_t capacity);

/**
 * A defect of the library that comes to light is an error of the call that met it, `PINYON_ERR_INTERNAL`; the
 * runtime of Rust then also writes a line to stderr. This turns that off, for the process: in a program that has
 * parts in Rust, for those that share this library's runtime as well.
 *
 * Threads: any. Blocks: no. Calls back: no.
 */
void pinyon_silence_defects(void);

/**
 * Makes a cache. On success it is in `*cache`, to be freed with `pinyon_free`. On failure `*cache` is NULL, and
 * the text of the error is also in `error`, if that is not NULL (as `pinyon_last_error` copies it).
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`.
 * Threads: any. Blocks: no. Calls back: `on_removed_free`, on failure, if the options have a size. Costs
 * microseconds and kilobytes whatever the capacity.
 */
int32_t pinyon_create(const pinyon_options *options, pinyon_cache **cache, char *error, size_t error_size);

/**
 * Frees a cache, with what is in it; NULL is nothing. Handles stay good. Leases and tickets end. What is still in
 * the queue of removals is dropped. Entries that are in the cache are not told to `on_removed`: call
 * `pinyon_clear` first if they should be. O(entries).
 *
 * Threads: any, when no other call on this cache is running or will come, and outside of its callbacks. Blocks:
 * no. Calls back: destructors of adopted values, `on_removed_free`.
 */
void pinyon_free(pinyon_cache *cache);

/**
 * How many entries are in the cache, expired ones that were not noticed yet among them; 0 of what is no cache.
 * O(shards).
 *
 * Threads: any. Blocks: no. Calls back: no.
 */
uint64_t pinyon_count(const pinyon_cache *cache);

/**
 * Sets the capacity, in the unit of the cache, and evicts what is above it before it returns, at most 64 entries under
 * one lock. O(shards + entries evicted), and once more O(shards) for each 64 of these.
 *
 * Returns `PINYON_OK`; `PINYON_ERR_ARGUMENT` if it is 0, or of bytes below 1024, then nothing changes;
 * `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
 */
int32_t pinyon_set_capacity(const pinyon_cache *cache, uint64_t capacity);

/**
 * Evicts entries until what is left weighs no more than `weight` (entries, bytes or weight, as the capacity is),
 * for a moment when memory is short; the capacity stays. How many it evicted is in `*evicted`, which may be NULL.
 * Costs as `pinyon_set_capacity`.
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
 */
int32_t pinyon_shrink(const pinyon_cache *cache, uint64_t weight, uint64_t *evicted);

/**
 * Does upkeep that writes would do little by little, at most `budget` steps: takes out what has expired or was
 * invalidated, and ends leases whose time is over. For idle moments, and for caches that are written seldom.
 * O(shards + `budget`), at most, and what waits for readers is freed.
 *
 * Returns `PINYON_OK` if nothing is left to do, `PINYON_MORE`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
 * `clock`.
 */
int32_t pinyon_maintain(const pinyon_cache *cache, size_t budget);

/**
 * Fills `*stats`. A library that knows fewer fields than the caller leaves the others 0. O(shards + threads + keys
 * that are being loaded).
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for writers' short critical sections, shard by shard. Calls back: the destructor of a loaded
 * value, if all who waited for it have left meanwhile.
 */
int32_t pinyon_get_stats(const pinyon_cache *cache, pinyon_stats *stats);

/**
 * Copies a value into the buffer. Its size is in `*size` (which may be NULL) if there is one, whether or not it
 * fits; if it does not fit, nothing is copied. With a NULL buffer of capacity 0 it only asks the size.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_TOO_SMALL`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`,
 * `PINYON_ERR_HANDLE`.
 * Touches: counts a hit or a miss, is a use, restarts the idle time.
 * Threads: any. Blocks: no. Calls back: `clock`; of a value above 64 KiB also its
 * destructor, if it has left the cache meanwhile.
 */
int32_t pinyon_get_copy(const pinyon_cache *cache,
                        const void *key,
                        size_t key_size,
                        void *buffer,
                        size_t capacity,
                        size_t *size);

/**
 * Gets a value without a copy: `*size` bytes at `*data` (each may be NULL), aligned to 16 unless adopted,
 * unchanged until the handle in `*handle` is given to `pinyon_release`, whatever becomes of the entry and of the
 * cache. What handles keep is memory beside the capacity. Without a value `*handle` is NULL.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: counts a hit or a miss, is a use, restarts the idle time.
 * Threads: any; the handle may be used and released on any. Blocks: no. Calls back: `clock`.
 */
int32_t pinyon_get(const pinyon_cache *cache,
                   const void *key,
                   size_t key_size,
                   pinyon_handle **handle,
                   const void **data,
                   size_t *size);

/**
 * Copies a value into the buffer if it fits, else gets it without a copy: by one call, whatever its size. It is `*size`
 * bytes at `*data` (each may be NULL), which is in the buffer if it was copied; then `*handle` is NULL, else it is to be given to
 * `pinyon_release`, which takes NULL too.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: counts a hit or a miss, is a use, restarts the idle time.
 * Threads: any; the handle may be used and released on any. Blocks: no. Calls back: `clock`; of
 * a value above 64 KiB also its destructor, if it was copied and has left the cache meanwhile.
 */
int32_t pinyon_get_into(const pinyon_cache *cache,
                        const void *key,
                        size_t key_size,
                        void *buffer,
                        size_t capacity,
                        pinyon_handle **handle,
                        const void **data,
                        size_t *size);

/**
 * Where the value of a handle is, and its size; each may be NULL. Good until the handle is released.
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`.
 * Threads: any. Blocks: no. Calls back: no.
 */
int32_t pinyon_handle_value(const pinyon_handle *handle, const void **data, size_t *size);

/**
 * Another handle of the same value, to be released on its own; NULL of NULL. A value that very many hold is copied, so
 * the bytes of this handle may lie elsewhere: ask `pinyon_handle_value`.
 *
 * Threads: any. Blocks: no. Calls back: no.
 */
pinyon_handle *pinyon_retain(const pinyon_handle *handle);

/**
 * Gives a handle back; NULL is nothing.
 *
 * Threads: any. Blocks: no. Calls back: the destructor of an adopted value, if this was the last that held it.
 */
void pinyon_release(pinyon_handle *handle);

/**
 * Calls `visitor` with a value in place, under no lock: no copy, no count.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: counts a hit or a miss, is a use, restarts the idle time.
 * Threads: any. Blocks: no. Calls back: `clock`, and `visitor`, which may call the cache. While that runs, what
 * leaves the cache stays in memory.
 */
int32_t pinyon_visit(const pinyon_cache *cache, const void *key, size_t key_size, pinyon_visitor visitor, void *user);

/**
 * Is there a value?
 *
 * Returns `PINYON_OK` if there is, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: nothing. Threads: any. Blocks: no. Calls back: `clock`.
 */
int32_t pinyon_contains(const pinyon_cache *cache, const void *key, size_t key_size);

/**
 * What is known of an entry beside its value.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: nothing. Threads: any. Blocks: no. Calls back: `clock`.
 */
int32_t pinyon_get_metadata(const pinyon_cache *cache, const void *key, size_t key_size, pinyon_metadata *metadata);

/**
 * Writes a copy of the value under a copy of the key, whatever is there, unless `options` have a condition. They may
 * be NULL. O(tags), and making room: a heavy entry evicts as many light ones as it takes, at most 64 under one lock.
 *
 * Returns `PINYON_OK`, `PINYON_TOO_HEAVY`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`,
 * `PINYON_ERR_MEMORY`; under a condition also `PINYON_MISS` and `PINYON_NOT_STORED`.
 * Touches: a write over an entry is a use, and its lifetime begins anew.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
 * `clock`.
 */
int32_t pinyon_set(const pinyon_cache *cache,
                   const void *key,
                   size_t key_size,
                   const void *value,
                   size_t value_size,
                   const pinyon_entry_options *options);

/**
 * Writes a value that stays where it is, in memory of the caller's: `size` bytes at `data` (which may be anything
 * if `size` is 0), which must not change until `free_value` is called with them and `user`. That happens exactly
 * once, whatever this call returns: at once if the value is not stored, else when it has left the cache and no
 * handle holds it. So a cache can hold pointers to structures of the caller's; give their real weight in the
 * options, where the capacity is bytes, and there a condition, if it is to be stored only under one. With a NULL
 * `free_value` nobody is told.
 *
 * Returns as `pinyon_set`. Touches, costs (but for the value, which is not copied), threads, blocks: as `pinyon_set`.
 * Calls back: also `free_value`.
 */
int32_t pinyon_adopt(const pinyon_cache *cache,
                     const void *key,
                     size_t key_size,
                     void *data,
                     size_t size,
                     pinyon_free_value free_value,
                     void *user,
                     const pinyon_entry_options *options);

/**
 * Makes room for a value of `size` bytes (zeros at first, aligned to 16) at `*data`, to be written by the caller,
 * and then given to `pinyon_commit`, which stores it under the key, or to `pinyon_discard`. Nothing is seen of it
 * before.
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`, `PINYON_ERR_MEMORY`.
 * Touches: nothing. Threads: any. Blocks: no. Calls back: no.
 */
int32_t pinyon_reserve(const pinyon_cache *cache,
                       const void *key,
                       size_t key_size,
                       size_t size,
                       pinyon_reservation **reservation,
                       void **data);

/**
 * Stores what was written into a reservation, and ends it, whatever is returned. `options` may be NULL.
 *
 * Returns, touches, costs (but for the value, which is there), threads, blocks, calls back: as `pinyon_set`.
 */
int32_t pinyon_commit(const pinyon_cache *cache, pinyon_reservation *reservation, const pinyon_entry_options *options);

/**
 * Ends a reservation; NULL is nothing.
 *
 * Threads: any. Blocks: no. Calls back: no.
 */
void pinyon_discard(pinyon_reservation *reservation);

/**
 * Writes a copy of the value if nothing is there. `options` may be NULL. Atomic.
 *
 * Returns `PINYON_NOT_STORED` if something is there; else as `pinyon_set`.
 * Touches, costs, threads, blocks, calls back: as `pinyon_set`.
 */
int32_t pinyon_add(const pinyon_cache *cache,
                   const void *key,
                   size_t key_size,
                   const void *value,
                   size_t value_size,
                   const pinyon_entry_options *options);

/**
 * Writes a copy of the value if something is there. `options` may be NULL. Atomic.
 *
 * Returns `PINYON_MISS` if nothing is there; else as `pinyon_set`.
 * Touches, costs, threads, blocks, calls back: as `pinyon_set`.
 */
int32_t pinyon_replace(const pinyon_cache *cache,
                       const void *key,
                       size_t key_size,
                       const void *value,
                       size_t value_size,
                       const pinyon_entry_options *options);

/**
 * Writes a copy of the value if what is there is `expected`, byte for byte. A value is its own version: whoever
 * holds a handle passes its bytes, which are compared by their place first, and by what they are only if that is
 * another. Atomic.
 *
 * Returns `PINYON_MISS` if nothing is there, `PINYON_NOT_STORED` if it is something else; else as `pinyon_set`.
 * Touches, costs, threads, blocks, calls back: as `pinyon_set`.
 */
int32_t pinyon_compare_and_swap(const pinyon_cache *cache,
                                const void *key,
                                size_t key_size,
                                const void *expected,
                                size_t expected_size,
                                const void *value,
                                size_t value_size,
                                const pinyon_entry_options *options);

/**
 * Adds to a counter, and tells what it is then in `*now` (which may be NULL). A counter is a value of eight bytes,
 * the least significant first, two's complement. Where nothing is there, one is made that is `initial`, and
 * nothing is added. An entry keeps its lifetime and its weight (in bytes it is counted anew), its tags go;
 * `options` (which may be NULL) are for one that is made. Atomic.
 *
 * Returns as `pinyon_set`, `PINYON_ERR_NOT_A_COUNTER` if something else is there, `PINYON_ERR_OVERFLOW`.
 * Touches, costs, threads, blocks, calls back: as `pinyon_set`.
 */
int32_t pinyon_counter_add(const pinyon_cache *cache,
                           const void *key,
                           size_t key_size,
                           int64_t delta,
                           int64_t initial,
                           const pinyon_entry_options *options,
                           int64_t *now);

/**
 * Removes an entry.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
 * `clock`.
 */
int32_t pinyon_remove(const pinyon_cache *cache, const void *key, size_t key_size);

/**
 * Removes an entry and gets its value, as `pinyon_get` does. Atomic.
 *
 * Returns, threads, blocks, calls back: as `pinyon_remove`.
 */
int32_t pinyon_take(const pinyon_cache *cache,
                    const void *key,
                    size_t key_size,
                    pinyon_handle **handle,
                    const void **data,
                    size_t *size);

/**
 * Counts as a use of an entry and restarts its idle time.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: no statistics. Threads: any. Blocks: no. Calls back: `clock`.
 */
int32_t pinyon_touch(const pinyon_cache *cache, const void *key, size_t key_size);

/**
 * Gives an entry another time to live, in milliseconds from now; 0: the cache's own; `PINYON_NEVER`: for ever.
 *
 * Returns `PINYON_OK`, `PINYON_MISS`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: is a use. Threads: any. Blocks: for other writers' short critical sections. Calls back: `clock`.
 */
int32_t pinyon_expire_after(const pinyon_cache *cache, const void *key, size_t key_size, uint64_t ttl_ms);

/**
 * Removes every entry. O(entries), at most 64 under one lock; see `pinyon_invalidate_all`.
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
 */
int32_t pinyon_clear(const pinyon_cache *cache);

/**
 * Outdates every entry at once, and what is being loaded; their memory goes with the writes that follow, or by
 * `pinyon_maintain`. O(shards); but of seven calls so fast that writes lie between them and none of the entries has
 * been looked at, the last does that work first, O(entries), at most 64 under one lock.
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors.
 */
int32_t pinyon_invalidate_all(const pinyon_cache *cache);

/**
 * Outdates every entry that has this tag, as `pinyon_invalidate_all` does all. O(shards), however many have it; O(1) if
 * none has.
 *
 * Returns `PINYON_OK`, `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: no.
 */
int32_t pinyon_invalidate_tag(const pinyon_cache *cache, const void *tag, size_t tag_size);

/**
 * Gets the values of many keys, as `pinyon_get` each, but the memory that one key needs comes while others are
 * looked at. Fills `found[0..count]`, in the order of the keys. O(`count`).
 *
 * Returns `PINYON_OK`, whatever was found; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`: then
 * nothing is filled.
 * Touches, threads, blocks, calls back: as `pinyon_get`.
 */
int32_t pinyon_get_many(const pinyon_cache *cache, const pinyon_bytes *keys, size_t count, pinyon_found *found);

/**
 * Writes many pairs, as `pinyon_set` each, with the same options. What became of each is in `codes[0..count]`,
 * which may be NULL. O(`count`), each pair as `pinyon_set`.
 *
 * Returns `PINYON_OK` if all were stored, else the largest of the codes; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`,
 * `PINYON_ERR_HANDLE`, then nothing is written; `PINYON_ERR_MEMORY`, then those are whose code is another.
 * Touches, threads, blocks, calls back: as `pinyon_set`.
 */
int32_t pinyon_set_many(const pinyon_cache *cache,
                        const pinyon_pair *pairs,
                        size_t count,
                        const pinyon_entry_options *options,
                        int32_t *codes);

/**
 * As `pinyon_set_many`, of values that stay in memory of the caller's, as `pinyon_adopt` has it: `free_value` is
 * called exactly once with each and `user`, whatever this returns, unless `pairs` itself is not there. O(`count`), each
 * as `pinyon_adopt`.
 *
 * Returns, touches, threads, blocks: as `pinyon_set_many`. Calls back: also `free_value`.
 */
int32_t pinyon_adopt_many(const pinyon_cache *cache,
                          const pinyon_pair *pairs,
                          size_t count,
                          pinyon_free_value free_value,
                          void *user,
                          const pinyon_entry_options *options,
                          int32_t *codes);

/**
 * Removes many keys, as `pinyon_remove` each. `codes[0..count]`, which may be NULL, has `PINYON_OK` or
 * `PINYON_MISS` of each. O(`count`).
 *
 * Returns `PINYON_OK`; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`: then nothing is removed.
 * Threads, blocks, calls back: as `pinyon_remove`.
 */
int32_t pinyon_remove_many(const pinyon_cache *cache, const pinyon_bytes *keys, size_t count, int32_t *codes);

/**
 * Reads a value, or gets the right to load it, or a place among those who wait for another that does. Never waits
 * itself. Of all who ask for a key that is not there one gets a token; it loads the value, wherever that comes
 * from, and brings it with `pinyon_complete`, or gives up with `pinyon_abandon`. Tokens and tickets are plain
 * numbers, good on any thread. `options` may be NULL.
 *
 * Who holds a token and waits for the same key on the same thread waits for itself, as long as the lease lasts: nobody
 * can tell, because a token may be another thread's by now.
 *
 * Returns `PINYON_OK` with a value, `PINYON_LEAD` with a token, `PINYON_WAIT` with a ticket, `PINYON_STALE` with a
 * value and perhaps a token, `PINYON_OWN_KEY`; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: as `pinyon_get`. Threads: any. Blocks: no. Calls back: `clock`, destructors (of what was brought for tickets
 * whose time is over).
 */
int32_t pinyon_acquire(const pinyon_cache *cache,
                       const void *key,
                       size_t key_size,
                       const pinyon_lease_options *options,
                       pinyon_acquired *acquired);

/**
 * Brings a copy of the value that a token stands for, and gives it to all who wait. It is stored unless its key
 * was written or removed since the token was given. Ends the lease, unless it returns a negative code. `options`
 * may be NULL. Costs as `pinyon_set`, and O(those who wait for the key).
 *
 * Returns `PINYON_OK`, `PINYON_OVERTAKEN`, `PINYON_TOO_HEAVY`, `PINYON_LAPSED`; `PINYON_ERR_NULL`,
 * `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`, `PINYON_ERR_MEMORY`.
 * Threads: any. Blocks: for other writers' short critical sections. Calls back: `on_removed`, destructors,
 * `clock`.
 */
int32_t pinyon_complete(const pinyon_cache *cache,
                        uint64_t token,
                        const void *value,
                        size_t value_size,
                        const pinyon_entry_options *options);

/**
 * As `pinyon_complete`, with a value that stays in memory of the caller's, as `pinyon_adopt` has it: `free_value`
 * is called exactly once, whatever this returns.
 *
 * Returns, costs (but for the value, which is not copied), threads, blocks: as `pinyon_complete`. Calls back: also
 * `free_value`.
 */
int32_t pinyon_complete_adopted(const pinyon_cache *cache,
                                uint64_t token,
                                void *data,
                                size_t size,
                                pinyon_free_value free_value,
                                void *user,
                                const pinyon_entry_options *options);

/**
 * Gives a lease up: one of those who wait, or the next who asks, loads in place of its holder. O(those who wait for
 * the key).
 *
 * Returns `PINYON_OK`, `PINYON_LAPSED`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: no. Calls back: `clock`.
 */
int32_t pinyon_abandon(const pinyon_cache *cache, uint64_t token);

/**
 * Waits for the load that a ticket stands for, at most so many milliseconds (0: only asks; `PINYON_NEVER`: as long
 * as it takes).
 *
 * Returns `PINYON_OK` with the value, which is the caller's whether or not it was stored; `PINYON_LEAD` with a
 * token, if the one who was loading has failed; `PINYON_TIMED_OUT`, then the ticket is good for another wait;
 * `PINYON_LAPSED`: acquire again; `PINYON_OWN_KEY`; `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: yes. Calls back: as `pinyon_acquire`.
 */
int32_t pinyon_wait(const pinyon_cache *cache, uint64_t ticket, uint64_t timeout_ms, pinyon_acquired *acquired);

/**
 * Gives a ticket back that will not be waited with.
 *
 * Returns `PINYON_OK`, `PINYON_LAPSED`, `PINYON_ERR_NULL`, `PINYON_ERR_HANDLE`.
 * Threads: any. Blocks: no. Calls back: the destructor of a value that was brought
 * for it, if nobody else holds that.
 */
int32_t pinyon_leave(const pinyon_cache *cache, uint64_t ticket);

/**
 * Gets the next entries: at most `capacity` of them into `items`, their number into `*count`, and moves `*cursor`,
 * which begins at `PINYON_START`. What is in the cache for the whole of an iteration is seen once; what comes and
 * goes meanwhile may be seen or not. An iteration may be left at any page, or go on on another thread. A page may
 * have fewer entries than there is room, and none. O(`capacity`) in tables that are as full as usual; a whole iteration is
 * O(entries that the tables have room for), which is the most there ever were.
 *
 * Returns `PINYON_OK`; `PINYON_END` with the last page, and after it; `PINYON_TOO_SMALL` if more entries share a
 * hash than there is room, then their number is in `*count` (with room for 16 it does not happen by chance);
 * `PINYON_ERR_NULL`, `PINYON_ERR_ARGUMENT`, `PINYON_ERR_HANDLE`.
 * Touches: nothing. Threads: any. Blocks: no. Calls back: `clock`; destructors, where it is too small, of what has left
 * the cache meanwhile.
 */
int32_t pinyon_next_page(const pinyon_cache *cache,
                         uint64_t *cursor,
                         pinyon_item *items,
                         size_t capacity,
                         size_t *count);

/**
 * Gives items back, and sets their keepers to NULL, so that a second time does nothing. NULL, or no items, is
 * nothing. O(`count`).
 *
 * Threads: any. Blocks: no. Calls back: destructors of adopted values.
 */
void pinyon_items_release(pinyon_item *items, size_t count);

/**
 * A handle of the value of an item, to be released on its own; NULL of an item that was released. Its bytes may lie
 * elsewhere than the item's: ask `pinyon_handle_value`.
 *
 * Threads: any. Blocks: no. Calls back: no.
 */
pinyon_handle *pinyon_item_handle(const pinyon_item *item);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PINYON_H */
