/* A program of version 0.1, which the newest library must serve: it includes no header, and has its own copy of what it uses of
 * the first one. It is never changed. After a struct there are other bytes, which the library must neither read nor write. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct pinyon_cache pinyon_cache;
typedef struct pinyon_handle pinyon_handle;
typedef struct {
    const void *data;
    size_t size;
} pinyon_bytes;
typedef struct {
    size_t struct_size;
    uint64_t capacity;
    uint32_t unit, policy, shards, flags;
    uint64_t ttl_ms, idle_ms, refresh_after_ms;
    double refresh_early;
    uint64_t (*clock)(void *);
    void *clock_user;
    void (*on_removed)(void *, const void *, size_t, const void *, size_t, int32_t);
    void *on_removed_user;
    void (*on_removed_free)(void *);
    size_t removal_queue;
} pinyon_options;
typedef struct {
    size_t struct_size;
    uint64_t ttl_ms, idle_ms, weight;
    const pinyon_bytes *tags;
    size_t tag_count;
    uint32_t flags, reserved;
    pinyon_bytes expected;
} pinyon_entry_options;
typedef struct {
    size_t struct_size;
    uint64_t lasting_ms, refresh_after_ms;
} pinyon_lease_options;
typedef struct {
    size_t struct_size;
    uint64_t age_ms, remaining_ms, idle_ms, weight;
} pinyon_metadata;
typedef struct {
    size_t struct_size;
    uint64_t hits, misses, added, replaced, removed, cleared, invalidated, refused, evicted, evicted_weight, expired,
        expired_weight, loads, load_failures, load_nanos, coalesced, waiting, stale_loads, entries, weight, capacity,
        retired, overhead_bytes, removals_lost;
} pinyon_stats;
typedef struct {
    uint64_t token, ticket;
    pinyon_handle *handle;
    pinyon_bytes value;
} pinyon_acquired;

int32_t pinyon_create(const pinyon_options *, pinyon_cache **, char *, size_t);
void pinyon_free(pinyon_cache *);
int32_t pinyon_set(const pinyon_cache *, const void *, size_t, const void *, size_t, const pinyon_entry_options *);
int32_t pinyon_invalidate_tag(const pinyon_cache *, const void *, size_t);
int32_t pinyon_acquire(const pinyon_cache *, const void *, size_t, const pinyon_lease_options *, pinyon_acquired *);
int32_t pinyon_complete(const pinyon_cache *, uint64_t, const void *, size_t, const pinyon_entry_options *);
int32_t pinyon_get_metadata(const pinyon_cache *, const void *, size_t, pinyon_metadata *);
int32_t pinyon_get_stats(const pinyon_cache *, pinyon_stats *);
int32_t pinyon_get_copy(const pinyon_cache *, const void *, size_t, void *, size_t, size_t *);

enum { OK = 0, MISS = 1, NOT_STORED = 2, TOO_HEAVY = 3, LEAD = 5, BY_WEIGHT = 2, TRACK_AGE = 2, IF_EQUAL = 8, REPLACED = 3 };

/* A struct, and what lies after it in a program that knows no more. */
#define WITH_MORE(type) static struct { type its; unsigned char more[64]; }
WITH_MORE(pinyon_options) options;
WITH_MORE(pinyon_entry_options) entry;
WITH_MORE(pinyon_lease_options) lease;
WITH_MORE(pinyon_metadata) metadata;
WITH_MORE(pinyon_stats) stats;
#define BEGIN(name)                             \
    do {                                        \
        memset(&name, 0xa5, sizeof name);       \
        memset(&name.its, 0, sizeof name.its);  \
        name.its.struct_size = sizeof name.its; \
    } while (0)
#define INTACT(name) (intact(name.more) && name.its.struct_size == sizeof name.its)

static int intact(const unsigned char *more) {
    int i;
    for (i = 0; i < 64; i++) {
        if (more[i] != 0xa5) return 0;
    }
    return 1;
}

static int checks;
#define CHECK(condition)                                                                 \
    do {                                                                                 \
        checks++;                                                                        \
        if (!(condition)) return printf("frozen.c:%d: %s\n", __LINE__, #condition), 1;   \
    } while (0)

static uint64_t now = 1000000000;
static int told, freed;
static uint64_t read_clock(void *user) {
    return *(uint64_t *)user;
}
static void on_removed(void *user, const void *key, size_t key_size, const void *value, size_t value_size, int32_t cause) {
    (void)key, (void)value;
    *(int *)user += key_size == 3 && value_size == 5 && cause == REPLACED;
}
static void on_removed_free(void *user) {
    freed += user == &told;
}

int main(void) {
    pinyon_cache *cache = NULL;
    pinyon_acquired got;
    pinyon_bytes tag = {"bird", 4};
    char value[16];
    size_t size = 0;

    BEGIN(options);
    options.its.capacity = 100, options.its.unit = BY_WEIGHT, options.its.shards = 1, options.its.flags = TRACK_AGE;
    options.its.ttl_ms = 60000, options.its.refresh_after_ms = 5000, options.its.removal_queue = 4;
    options.its.clock = read_clock, options.its.clock_user = &now;
    options.its.on_removed = on_removed, options.its.on_removed_user = &told, options.its.on_removed_free = on_removed_free;
    CHECK(pinyon_create(&options.its, &cache, NULL, 0) == OK && cache != NULL);

    BEGIN(entry);
    entry.its.ttl_ms = 2000, entry.its.weight = 30, entry.its.tags = &tag, entry.its.tag_count = 1;
    CHECK(pinyon_set(cache, "jay", 3, "seeds", 5, &entry.its) == OK);
    now += 500000000;
    BEGIN(metadata);
    CHECK(pinyon_get_metadata(cache, "jay", 3, &metadata.its) == OK && INTACT(metadata));
    CHECK(metadata.its.age_ms == 500 && metadata.its.remaining_ms == 1500 && metadata.its.weight == 30);
    CHECK(metadata.its.idle_ms == UINT64_MAX);
    entry.its.flags = IF_EQUAL, entry.its.expected = tag;
    CHECK(pinyon_set(cache, "jay", 3, "nuts", 4, &entry.its) == NOT_STORED);
    entry.its.expected.data = "seeds", entry.its.expected.size = 5;
    CHECK(pinyon_set(cache, "jay", 3, "nuts", 4, &entry.its) == OK && told == 1);
    entry.its.flags = 0, entry.its.expected.size = 0, entry.its.weight = 101;
    CHECK(pinyon_set(cache, "owl", 3, "mice", 4, &entry.its) == TOO_HEAVY);
    CHECK(pinyon_get_copy(cache, "jay", 3, value, sizeof value, &size) == OK && size == 4 && memcmp(value, "nuts", 4) == 0);
    CHECK(pinyon_invalidate_tag(cache, "bird", 4) == OK);

    BEGIN(lease);
    lease.its.lasting_ms = UINT64_MAX;
    CHECK(pinyon_acquire(cache, "jay", 3, &lease.its, &got) == LEAD && got.token != 0 && got.handle == NULL);
    entry.its.weight = 7;
    CHECK(pinyon_complete(cache, got.token, "acorns", 6, &entry.its) == OK);
    CHECK(pinyon_get_copy(cache, "crow", 4, value, sizeof value, &size) == MISS);

    BEGIN(stats);
    CHECK(pinyon_get_stats(cache, &stats.its) == OK && INTACT(stats) && INTACT(options) && INTACT(entry) && INTACT(lease));
    CHECK(stats.its.hits == 1 && stats.its.misses == 2 && stats.its.replaced == 1 && stats.its.refused == 1);
    CHECK(stats.its.loads == 1 && stats.its.capacity == 100 && stats.its.weight == 7 && stats.its.entries == 1);
    pinyon_free(cache);
    CHECK(freed == 1);
    printf("C, as of 0.1: %d checks passed\n", checks);
    return 0;
}
