/* Threads that read, pin, overwrite, remove, adopt, load, invalidate, resize and iterate one cache at once. Each value
 * is its key's byte throughout, so a torn or foreign one is seen; each adopted value is freed once. Under memcheck and the
 * sanitizers it shows that no call reads what is gone, races, or loses memory. */
#include <pinyon.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define KEYS 64
#define HELD 16

static pinyon_cache *cache;
static unsigned rounds;
static uint64_t adopted[THREADS];
static uint64_t freed;
static uint64_t removed;

static void fail(const char *what) {
    char text[256];
    pinyon_last_error(text, sizeof text);
    fprintf(stderr, "%s (last error: %s)\n", what, text);
    abort();
}

#define CHECK(holds) ((holds) ? (void)0 : fail(#holds))

static void free_value(void *data, size_t size, void *user) {
    (void)size, (void)user;
    free(data);
    __atomic_fetch_add(&freed, 1, __ATOMIC_RELAXED);
}

static void on_removed(void *user, const void *key, size_t key_size, const void *value, size_t size, int32_t cause) {
    (void)user, (void)value, (void)size;
    CHECK(key_size == 8 && key != NULL && cause >= PINYON_EXPIRED);
    __atomic_fetch_add(&removed, 1, __ATOMIC_RELAXED);
}

static void check(const uint8_t *data, size_t size, uint8_t byte) {
    for (size_t at = 0; at < size; at++) CHECK(data[at] == byte);
}

static void look(void *user, const void *data, size_t size) {
    check(data, size, *(const uint8_t *)user);
}

static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void load(const uint64_t *key, uint8_t byte, const uint8_t *value, size_t size) {
    pinyon_lease_options options = {0};
    pinyon_acquired found;
    options.struct_size = sizeof options;
    options.lasting_ms = 2000;
    int32_t code = pinyon_acquire(cache, key, 8, &options, &found);
    if (code == PINYON_WAIT) code = pinyon_wait(cache, found.ticket, 50, &found);
    if (code == PINYON_LEAD) CHECK(pinyon_complete(cache, found.token, value, size, NULL) >= 0);
    if (found.handle != NULL) check(found.value.data, found.value.size, byte);
    pinyon_release(found.handle);
}

/* Any condition, or none; what is expected is there now and then, as a third of all values have the same size. */
static void condition(pinyon_entry_options *options, uint64_t random, uint8_t *expected, uint8_t byte) {
    static const uint32_t conditions[] = {0, PINYON_IF_ABSENT, PINYON_IF_PRESENT, PINYON_IF_EQUAL};
    options->flags = conditions[(random >> 40) % 4];
    if (options->flags != PINYON_IF_EQUAL) return;
    memset(expected, byte, 20);
    options->expected.data = expected;
    options->expected.size = 20;
}

static void *work(void *number) {
    uint64_t state = (uint64_t)(uintptr_t)number;
    pinyon_handle *held[HELD] = {NULL};
    uint8_t value[2048], copy[2048];
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t random = next(&state), key = random % KEYS;
        uint8_t byte = (uint8_t)key;
        size_t size = (random >> 8) % 3 == 0 ? 20 : (random >> 12) % sizeof value, got = 0;
        const void *data;
        pinyon_entry_options options = {0};
        options.struct_size = sizeof options;
        options.ttl_ms = (random >> 24) % 4 == 0 ? 5 : 0;
        switch ((random >> 32) % 16) {
        case 0: case 1: case 2:
            memset(value, byte, size);
            CHECK(pinyon_set(cache, &key, 8, value, size, &options) >= 0);
            break;
        case 3: {
            void *own = malloc(size + 1);
            memset(own, byte, size);
            condition(&options, random, value, byte);
            adopted[(uintptr_t)number]++;
            CHECK(pinyon_adopt(cache, &key, 8, own, size, free_value, NULL, &options) >= 0);
            break;
        }
        case 4: {
            pinyon_reservation *reservation;
            void *room;
            CHECK(pinyon_reserve(cache, &key, 8, size, &reservation, &room) == PINYON_OK);
            memset(room, byte, size);
            condition(&options, random, value, byte);
            CHECK(pinyon_commit(cache, reservation, &options) >= 0);
            break;
        }
        case 5: CHECK(pinyon_remove(cache, &key, 8) >= 0); break;
        case 6:
            memset(value, byte, size);
            load(&key, byte, value, size);
            break;
        case 7: CHECK(pinyon_visit(cache, &key, 8, look, &byte) >= 0); break;
        case 8:
            if ((random >> 40) % 64 == 0) CHECK(pinyon_invalidate_all(cache) == PINYON_OK);
            CHECK(pinyon_maintain(cache, 16) >= 0);
            break;
        case 9:
            if ((random >> 40) % 16 == 0) CHECK(pinyon_set_capacity(cache, 10000 + (random >> 48) % 40000) == PINYON_OK);
            break;
        case 10: {
            uint64_t cursor = PINYON_START;
            pinyon_item items[16];
            if ((random >> 40) % 16 != 0) break;
            CHECK(pinyon_next_page(cache, &cursor, items, 16, &got) >= 0);
            for (size_t at = 0; at < got; at++) {
                check(items[at].value.data, items[at].value.size, *(const uint8_t *)items[at].key.data);
            }
            pinyon_items_release(items, got);
            break;
        }
        default: {
            pinyon_handle **place = &held[(random >> 40) % HELD];
            pinyon_release(*place);
            if (pinyon_get(cache, &key, 8, place, &data, &got) == PINYON_OK) check(data, got, byte);
            if (pinyon_get_copy(cache, &key, 8, copy, sizeof copy, &got) == PINYON_OK) check(copy, got, byte);
        }
        }
    }
    for (size_t at = 0; at < HELD; at++) pinyon_release(held[at]);
    return NULL;
}

int main(int count, char **arguments) {
    pinyon_options options = {0};
    pthread_t threads[THREADS];
    uint64_t given = 0;
    char error[256];

    rounds = count > 1 ? (unsigned)atoi(arguments[1]) : 20000;
    options.struct_size = sizeof options;
    options.capacity = 20000;
    options.unit = PINYON_BYTES;
    options.shards = 2;
    options.on_removed = on_removed;
    options.removal_queue = 4;
    if (pinyon_create(&options, &cache, error, sizeof error) != PINYON_OK) fail(error);
    for (uintptr_t at = 0; at < THREADS; at++) CHECK(pthread_create(&threads[at], NULL, work, (void *)at) == 0);
    for (size_t at = 0; at < THREADS; at++) CHECK(pthread_join(threads[at], NULL) == 0);
    pinyon_free(cache);
    for (size_t at = 0; at < THREADS; at++) given += adopted[at];
    CHECK(freed == given);
    printf("%u rounds by each of %d threads: %llu values adopted and freed, %llu removals told\n", rounds, THREADS,
           (unsigned long long)given, (unsigned long long)removed);
    return 0;
}
