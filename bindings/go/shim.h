// What the Go side calls: pinyon.h with keys, tags and options as plain arguments, so that one call of C does one operation and no
// pointer to Go's memory lies in other memory. None of these functions keeps a pointer it is given, blocks, or calls Go.
//
// What has pointers, or may have, as a cache, is passed as a `char *`: cgo would look through it for pointers to Go's memory at each call,
// of which there are none, because what these structs point to is the library's; for 64 keys that costs more than to find them.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// `make go-lib` leaves a header with the hash of the library it has built, so that the go command, which looks at headers and not at
// libraries, builds the package anew when that is another one.
#ifndef PINYON_DYNAMIC
#if defined(__linux__) && defined(__x86_64__)
#define PGO_LIBRARY "library_linux_amd64.h"
#elif defined(__linux__) && defined(__aarch64__)
#define PGO_LIBRARY "library_linux_arm64.h"
#elif defined(__APPLE__) && defined(__x86_64__)
#define PGO_LIBRARY "library_darwin_amd64.h"
#elif defined(__APPLE__) && defined(__aarch64__)
#define PGO_LIBRARY "library_darwin_arm64.h"
#else
#error "the native library of Pinyon is not made for this system: build with CGO_ENABLED=0, or with -tags pinyon_dynamic and one that is installed"
#endif
#if !__has_include(PGO_LIBRARY)
#error "the native library of Pinyon is missing: run `make go-lib` in Pinyon's repository, or build with CGO_ENABLED=0, or with -tags pinyon_dynamic and one that is installed"
#endif
#include PGO_LIBRARY
#endif

#include "pinyon.h"

typedef char pgo_cache;
static inline pinyon_cache *pgo_at(pgo_cache *cache) { return (pinyon_cache *)cache; }

static uint64_t pgo_now(void *clock) { return __atomic_load_n((const uint64_t *)clock, __ATOMIC_ACQUIRE); }

static int32_t pgo_create(uint64_t capacity, uint32_t unit, uint32_t policy, uint32_t shards, uint32_t flags, uint64_t ttl, uint64_t idle,
                          uint64_t refresh_after, uint64_t *clock, size_t queue, char *error, size_t error_size, pinyon_cache **cache) {
    pinyon_options options = {0};
    options.struct_size = sizeof options;
    options.capacity = capacity;
    options.unit = unit;
    options.policy = policy;
    options.shards = shards;
    options.flags = flags;
    options.ttl_ms = ttl;
    options.idle_ms = idle;
    options.refresh_after_ms = refresh_after;
    options.clock = clock ? pgo_now : NULL;
    options.clock_user = clock;
    options.removal_queue = queue;
    return pinyon_create(&options, cache, error, error_size);
}

// Where bytes are, for memory of Go's. Of none that may be anything, which Go's runtime would take for a pointer gone wrong.
static inline const void *pgo_place(const void *data, size_t size) { return size ? data : NULL; }

// A value that was found: copied into the buffer if it fits, then `handle` is NULL; else in place at `data`, until the handle is
// released. Counts once.
typedef struct {
    size_t size;
    pinyon_handle *handle;
    const void *data;
    int32_t code;
} pgo_value;

// The size of no value: where a read found nothing, and its code says why.
#define PGO_NONE SIZE_MAX

// The size alone says what came of it: a value that is no larger than the buffer is in the buffer. It is not returned, because for a
// result cgo looks up twice where Go's stack is; and the library writes into memory of this function, because to write into Go's costs more.
static void pgo_get(pgo_cache *cache, const char *key, size_t key_size, char *buffer, size_t capacity, char *found) {
    pgo_value *value = (pgo_value *)found;
    pinyon_handle *handle;
    size_t size;
    int32_t code = pinyon_get_into(pgo_at(cache), key, key_size, buffer, capacity, &handle, NULL, &size);
    if (code != PINYON_OK) {
        value->size = PGO_NONE;
        value->code = code;
        return;
    }
    value->size = size;
    if (handle) {
        value->handle = handle;
        pinyon_handle_value(handle, &value->data, NULL);
    }
}

static int32_t pgo_view(pgo_cache *cache, const char *key, size_t key_size, char *found) {
    pgo_value *value = (pgo_value *)found;
    int32_t code = pinyon_get(pgo_at(cache), key, key_size, &value->handle, &value->data, &value->size);
    value->data = pgo_place(value->data, value->size);
    return code;
}

static int32_t pgo_take(pgo_cache *cache, const char *key, size_t key_size, char *found) {
    pgo_value *value = (pgo_value *)found;
    int32_t code = pinyon_take(pgo_at(cache), key, key_size, &value->handle, &value->data, &value->size);
    value->data = pgo_place(value->data, value->size);
    return code;
}

static void pgo_release(pinyon_handle *handle) { pinyon_release(handle); }

// Keys or values that lie one after another: where each ends is in `ends`.
static inline pinyon_bytes pgo_nth(const char *bytes, const uint64_t *ends, size_t i) {
    uint64_t from = i ? ends[i - 1] : 0;
    pinyon_bytes nth = {bytes + from, (size_t)(ends[i] - from)};
    return nth;
}

// How many keys one call of these takes at most.
enum { PGO_BATCH = 64 };

static void pgo_get_many(pgo_cache *cache, const char *keys, const uint64_t *ends, size_t count, char *all) {
    pinyon_found *found = (pinyon_found *)all;
    pinyon_bytes split[PGO_BATCH];
    for (size_t i = 0; i < count; i++) split[i] = pgo_nth(keys, ends, i);
    if (pinyon_get_many(pgo_at(cache), split, count, found) != PINYON_OK)
        for (size_t i = 0; i < count; i++) found[i].code = PINYON_MISS, found[i].handle = NULL, found[i].value.size = 0;
    for (size_t i = 0; i < count; i++) found[i].value.data = pgo_place(found[i].value.data, found[i].value.size);
}

// The same, and copies the values one behind the other into the buffer, as many as fit: `sizes` has the size of each, -1 of what is not
// there. Returns how many keys that did for; the others are in `all`, and the first of them is there.
static size_t pgo_copy_many(pgo_cache *cache, const char *keys, const uint64_t *ends, size_t count, char *buffer, size_t capacity,
                            int64_t *sizes, char *all) {
    pinyon_found *found = (pinyon_found *)all;
    pgo_get_many(cache, keys, ends, count, all);
    for (size_t i = 0; i < count; i++) {
        sizes[i] = -1;
        if (found[i].code != PINYON_OK) continue;
        size_t size = found[i].value.size;
        if (size > capacity) return i;
        if (size) memcpy(buffer, found[i].value.data, size);
        pinyon_release(found[i].handle);
        found[i].handle = NULL;
        sizes[i] = (int64_t)size, buffer += size, capacity -= size;
    }
    return count;
}

static void pgo_release_many(char *all, size_t count) {
    pinyon_found *found = (pinyon_found *)all;
    for (size_t i = 0; i < count; i++) pinyon_release(found[i].handle);
}

static int32_t pgo_remove_many(pgo_cache *cache, const char *keys, const uint64_t *ends, size_t count, int32_t *codes) {
    pinyon_bytes split[PGO_BATCH];
    for (size_t i = 0; i < count; i++) split[i] = pgo_nth(keys, ends, i);
    return pinyon_remove_many(pgo_at(cache), split, count, codes);
}

// What a write says, by plain arguments; `tags` one after another.
typedef struct {
    uint64_t ttl, idle, weight;
    uint64_t tag_count;
    uint32_t flags;
} pgo_write;

enum { PGO_TAGS = 16 };

// options from a write: NULL of none. `few` has room for PGO_TAGS tags, of more the room must be freed: `*many`.
static const pinyon_entry_options *pgo_options(const pgo_write *write, const char *tags, const uint64_t *tag_ends, const char *expected,
                                               size_t expected_size, pinyon_entry_options *options, pinyon_bytes *few, pinyon_bytes **many) {
    *many = NULL;
    if (!write) return NULL;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->ttl_ms = write->ttl;
    options->idle_ms = write->idle;
    options->weight = write->weight;
    options->flags = write->flags;
    options->expected.data = expected;
    options->expected.size = expected_size;
    if (write->tag_count) {
        pinyon_bytes *list = few;
        if (write->tag_count > PGO_TAGS) list = *many = malloc(write->tag_count * sizeof *list);
        options->tags = list;
        options->tag_count = list ? write->tag_count : 0;
        for (size_t i = 0; i < options->tag_count; i++) list[i] = pgo_nth(tags, tag_ends, i);
    }
    return options;
}

#define PGO_WRITE                                                                                                       \
    pinyon_entry_options room;                                                                                          \
    pinyon_bytes few[PGO_TAGS], *many;                                                                                  \
    const pinyon_entry_options *options = pgo_options(write, tags, tag_ends, expected, expected_size, &room, few, &many); \
    if (options && options->tag_count != write->tag_count) return PINYON_ERR_MEMORY;

static int32_t pgo_set(pgo_cache *cache, const char *key, size_t key_size, const char *value, size_t value_size) {
    return pinyon_set(pgo_at(cache), key, key_size, value, value_size, NULL);
}

static int32_t pgo_set_with(pgo_cache *cache, const char *key, size_t key_size, const char *value, size_t value_size,
                            const pgo_write *write, const char *tags, const uint64_t *tag_ends, const char *expected, size_t expected_size) {
    PGO_WRITE
    int32_t code = pinyon_set(pgo_at(cache), key, key_size, value, value_size, options);
    free(many);
    return code;
}

static int32_t pgo_set_many(pgo_cache *cache, const char *keys, const uint64_t *key_ends, const char *values, const uint64_t *value_ends,
                            size_t count, const pgo_write *write, const char *tags, const uint64_t *tag_ends, const char *expected,
                            size_t expected_size, int32_t *codes) {
    pinyon_pair pairs[PGO_BATCH];
    PGO_WRITE
    for (size_t i = 0; i < count; i++) {
        pairs[i].key = pgo_nth(keys, key_ends, i);
        pairs[i].value = pgo_nth(values, value_ends, i);
    }
    int32_t code = pinyon_set_many(pgo_at(cache), pairs, count, options, codes);
    free(many);
    return code;
}

static int32_t pgo_counter_add(pgo_cache *cache, const char *key, size_t key_size, int64_t delta, int64_t initial, const pgo_write *write,
                               const char *tags, const uint64_t *tag_ends, const char *expected, size_t expected_size, int64_t *now) {
    PGO_WRITE
    int32_t code = pinyon_counter_add(pgo_at(cache), key, key_size, delta, initial, options, now);
    free(many);
    return code;
}

static int32_t pgo_complete(pgo_cache *cache, uint64_t token, const char *value, size_t value_size, const pgo_write *write,
                            const char *tags, const uint64_t *tag_ends, const char *expected, size_t expected_size) {
    PGO_WRITE
    int32_t code = pinyon_complete(pgo_at(cache), token, value, value_size, options);
    free(many);
    return code;
}

static int32_t pgo_contains(pgo_cache *cache, const char *key, size_t size) { return pinyon_contains(pgo_at(cache), key, size); }
static int32_t pgo_remove(pgo_cache *cache, const char *key, size_t size) { return pinyon_remove(pgo_at(cache), key, size); }
static int32_t pgo_touch(pgo_cache *cache, const char *key, size_t size) { return pinyon_touch(pgo_at(cache), key, size); }
static int32_t pgo_expire_after(pgo_cache *cache, const char *key, size_t size, uint64_t ttl) {
    return pinyon_expire_after(pgo_at(cache), key, size, ttl);
}
static int32_t pgo_invalidate_tag(pgo_cache *cache, const char *tag, size_t size) { return pinyon_invalidate_tag(pgo_at(cache), tag, size); }

static int32_t pgo_metadata(pgo_cache *cache, const char *key, size_t size, pinyon_metadata *metadata) {
    metadata->struct_size = sizeof *metadata;
    return pinyon_get_metadata(pgo_at(cache), key, size, metadata);
}

// As pgo_get, of a value that a lease has found.
typedef struct {
    uint64_t token, ticket;
    pgo_value value;
} pgo_acquired;

static void pgo_found(const pinyon_acquired *found, char *buffer, size_t capacity, char *out) {
    pgo_acquired *acquired = (pgo_acquired *)out;
    acquired->token = found->token;
    acquired->ticket = found->ticket;
    acquired->value.size = found->value.size;
    acquired->value.handle = found->handle;
    acquired->value.data = pgo_place(found->value.data, found->value.size);
    if (found->handle && found->value.size <= capacity) {
        memcpy(buffer, found->value.data, found->value.size);
        pinyon_release(found->handle);
        acquired->value.handle = NULL;
    }
}

static int32_t pgo_acquire(pgo_cache *cache, const char *key, size_t key_size, uint64_t lasting, uint64_t refresh_after, char *buffer,
                           size_t capacity, char *acquired) {
    pinyon_lease_options options = {sizeof options, lasting, refresh_after};
    pinyon_acquired found = {0};
    int32_t code = pinyon_acquire(pgo_at(cache), key, key_size, &options, &found);
    pgo_found(&found, buffer, capacity, acquired);
    return code;
}

static int32_t pgo_wait(pgo_cache *cache, uint64_t ticket, char *buffer, size_t capacity, char *acquired) {
    pinyon_acquired found = {0};
    int32_t code = pinyon_wait(pgo_at(cache), ticket, 0, &found);
    pgo_found(&found, buffer, capacity, acquired);
    return code;
}

static inline void pgo_place_item(pinyon_item *item) { item->value.data = pgo_place(item->value.data, item->value.size); }

static int32_t pgo_next_page(pgo_cache *cache, uint64_t *cursor, char *all, size_t capacity, size_t *count) {
    pinyon_item *items = (pinyon_item *)all;
    int32_t code = pinyon_next_page(pgo_at(cache), cursor, items, capacity, count);
    if (code != PINYON_TOO_SMALL)
        for (size_t i = 0; i < *count; i++) pgo_place_item(&items[i]);
    return code;
}

static void pgo_release_items(char *items, size_t count) { pinyon_items_release((pinyon_item *)items, count); }

static int32_t pgo_poll_removals(pgo_cache *cache, char *all, size_t capacity, size_t *count) {
    pinyon_removal *removals = (pinyon_removal *)all;
    int32_t code = pinyon_poll_removals(pgo_at(cache), removals, capacity, count);
    for (size_t i = 0; i < *count; i++) pgo_place_item(&removals[i].item);
    return code;
}

static void pgo_release_removals(char *all, size_t count) {
    pinyon_removal *removals = (pinyon_removal *)all;
    for (size_t i = 0; i < count; i++) pinyon_items_release(&removals[i].item, 1);
}
