/* The steps of tests/conformance through pinyon.h, in C99: steps.h, which conformance.py writes, calls what is here. */

#include <pinyon.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define B(data, size) ((pinyon_bytes){data, size})
#define ARRAY(type, ...) ((type[]){__VA_ARGS__})
#define OPTIONS(...) ((pinyon_options){.struct_size = sizeof(pinyon_options), __VA_ARGS__})
#define ENTRY(...) (&(pinyon_entry_options){.struct_size = sizeof(pinyon_entry_options), __VA_ARGS__})
#define LEASE(...) (&(pinyon_lease_options){.struct_size = sizeof(pinyon_lease_options), __VA_ARGS__})
#define FIELD(type, name, least, most) {#name, offsetof(type, name), least, most}
#define MOST 64

typedef struct {
    int there;
    pinyon_bytes bytes;
} maybe;

typedef struct {
    const char *name;
    size_t offset;
    uint64_t least, most;
} field;

typedef struct {
    pinyon_bytes key, value;
    int32_t cause;
} left;

static const maybe none;
static const char *file;
static int step, steps, failures;
static pinyon_cache *cache;
static uint64_t now;
static size_t adopted, freed;
static void *repeats[MOST];
static size_t repeat_count;

static maybe some(pinyon_bytes bytes) {
    maybe is;
    is.there = 1;
    is.bytes = bytes;
    return is;
}

static void at(int number) {
    step = number;
    steps++;
}

static void mismatch(const char *what) {
    printf("%s: step %d: %s", file, step, what);
    failures++;
}

static void code(int32_t wanted, int32_t found) {
    if (wanted == found) return;
    mismatch("the code");
    printf(": wanted %d (%s), found %d (%s)\n", (int)wanted, pinyon_code_text(wanted), (int)found, pinyon_code_text(found));
}

static void number(const char *what, uint64_t least, uint64_t most, uint64_t found) {
    if (found >= least && found <= most) return;
    mismatch(what);
    printf(": wanted %llu to %llu, found %llu\n", (unsigned long long)least, (unsigned long long)most, (unsigned long long)found);
}

static int same(pinyon_bytes a, pinyon_bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void show(pinyon_bytes bytes) {
    size_t i;
    for (i = 0; i < bytes.size && i < 40; i++) {
        unsigned char c = ((const unsigned char *)bytes.data)[i];
        if (c >= ' ' && c < 127) printf("%c", c);
        else printf("\\x%02x", c);
    }
    printf(" (%lu bytes)", (unsigned long)bytes.size);
}

static void value(maybe wanted, int there, pinyon_bytes found) {
    if (wanted.there == there && (!there || same(wanted.bytes, found))) return;
    mismatch("the value");
    printf(": wanted ");
    if (wanted.there) show(wanted.bytes); else printf("none");
    printf(", found ");
    if (there) show(found); else printf("none");
    printf("\n");
}

static pinyon_bytes repeated(const char *text, size_t size, size_t times) {
    size_t i;
    char *data = malloc(size * times);
    if (data == NULL || repeat_count == MOST) abort();
    for (i = 0; i < times; i++) memcpy(data + i * size, text, size);
    repeats[repeat_count++] = data;
    return B(data, size * times);
}

static uint64_t clock_now(void *user) {
    (void)user;
    return now;
}

static void free_value(void *data, size_t size, void *user) {
    (void)size;
    if (user != &adopted) mismatch("the user of an adopted value is another\n");
    free(data);
    freed++;
}

static void *lent(pinyon_bytes bytes) {
    void *data = malloc(bytes.size + 1);
    if (data == NULL) abort();
    if (bytes.size > 0) memcpy(data, bytes.data, bytes.size);
    adopted++;
    return data;
}

static void begin(const char *name, pinyon_options options) {
    char error[256];
    file = name;
    step = 0;
    now = UINT64_C(1000000000000);
    adopted = freed = 0;
    options.clock = clock_now;
    if (pinyon_create(&options, &cache, error, sizeof error) != PINYON_OK) {
        printf("%s: %s\n", file, error);
        exit(1);
    }
}

static void end(void) {
    pinyon_free(cache);
    number("adopted values that were freed", adopted, adopted, freed);
    while (repeat_count > 0) free(repeats[--repeat_count]);
}

static void sleep_ms(int ms) {
    clock_t until = clock() + (clock_t)ms * CLOCKS_PER_SEC / 1000;
    while (clock() < until) {}
}

static void set(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    code(wanted, pinyon_set(cache, key.data, key.size, v.data, v.size, options));
}

static void add(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    code(wanted, pinyon_add(cache, key.data, key.size, v.data, v.size, options));
}

static void replace(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    code(wanted, pinyon_replace(cache, key.data, key.size, v.data, v.size, options));
}

static void compare_and_swap(pinyon_bytes key, pinyon_bytes expected, pinyon_bytes v, const pinyon_entry_options *options,
                             int32_t wanted) {
    code(wanted, pinyon_compare_and_swap(cache, key.data, key.size, expected.data, expected.size, v.data, v.size, options));
}

static void set_in_place(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    pinyon_reservation *reservation;
    void *data;
    int32_t found = pinyon_reserve(cache, key.data, key.size, v.size, &reservation, &data);
    if (found == PINYON_OK) {
        if (v.size > 0) memcpy(data, v.data, v.size);
        found = pinyon_commit(cache, reservation, options);
    }
    code(wanted, found);
}

static void adopt(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    code(wanted, pinyon_adopt(cache, key.data, key.size, lent(v), v.size, free_value, &adopted, options));
}

/* The options with a condition. */
static pinyon_entry_options under(const pinyon_entry_options *options, uint32_t condition, pinyon_bytes expected) {
    pinyon_entry_options own = {.struct_size = sizeof own};
    if (options != NULL) own = *options;
    own.flags |= condition;
    own.expected = expected;
    return own;
}

static void add_adopted(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    pinyon_entry_options own = under(options, PINYON_IF_ABSENT, B(NULL, 0));
    adopt(key, v, &own, wanted);
}

static void replace_adopted(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    pinyon_entry_options own = under(options, PINYON_IF_PRESENT, B(NULL, 0));
    adopt(key, v, &own, wanted);
}

static void compare_and_swap_adopted(pinyon_bytes key, pinyon_bytes expected, pinyon_bytes v,
                                     const pinyon_entry_options *options, int32_t wanted) {
    pinyon_entry_options own = under(options, PINYON_IF_EQUAL, expected);
    adopt(key, v, &own, wanted);
}

static void counter_add(pinyon_bytes key, int64_t delta, int64_t initial, const pinyon_entry_options *options, int32_t wanted,
                        int64_t sum) {
    int64_t found = sum;
    code(wanted, pinyon_counter_add(cache, key.data, key.size, delta, initial, options, &found));
    if (found != sum) {
        mismatch("the counter");
        printf(": wanted %lld, found %lld\n", (long long)sum, (long long)found);
    }
}

/* Reads what was handed out through a second handle, the first given back. */
static void by_handle(int32_t wanted, int32_t found, pinyon_handle *handle, pinyon_bytes bytes, maybe v) {
    pinyon_handle *second = pinyon_retain(handle);
    code(wanted, found);
    pinyon_release(handle);
    if (second != NULL) {
        pinyon_bytes again;
        code(PINYON_OK, pinyon_handle_value(second, &again.data, &again.size));
        if (again.data != bytes.data || again.size != bytes.size) mismatch("a second handle has another value\n");
    }
    value(v, second != NULL, bytes);
    pinyon_release(second);
}

static void get(pinyon_bytes key, int32_t wanted, maybe v) {
    pinyon_handle *handle;
    pinyon_bytes bytes = {NULL, 0};
    int32_t found = pinyon_get(cache, key.data, key.size, &handle, &bytes.data, &bytes.size);
    by_handle(wanted, found, handle, bytes, v);
}

static void take(pinyon_bytes key, int32_t wanted, maybe v) {
    pinyon_handle *handle;
    pinyon_bytes bytes = {NULL, 0};
    int32_t found = pinyon_take(cache, key.data, key.size, &handle, &bytes.data, &bytes.size);
    by_handle(wanted, found, handle, bytes, v);
}

static void get_copy(pinyon_bytes key, size_t capacity, int32_t wanted, maybe v, size_t size) {
    size_t found_size = size;
    char *buffer = malloc(capacity + 1);
    int32_t found = pinyon_get_copy(cache, key.data, key.size, capacity == 0 ? NULL : buffer, capacity, &found_size);
    code(wanted, found);
    number("the size", size, size, found_size);
    value(v, found == PINYON_OK, B(buffer, found_size));
    free(buffer);
}

static void get_into(pinyon_bytes key, size_t capacity, int32_t wanted, maybe v) {
    pinyon_handle *handle;
    pinyon_bytes bytes = {NULL, 0};
    char *room = malloc(capacity + 1), *buffer = capacity == 0 ? NULL : room;
    int32_t found = pinyon_get_into(cache, key.data, key.size, buffer, capacity, &handle, &bytes.data, &bytes.size);
    int copied = found == PINYON_OK && bytes.size <= capacity;
    code(wanted, found);
    if ((handle != NULL) != (found == PINYON_OK && !copied)) mismatch("a value that fits has a handle, or one that does not has none\n");
    if (copied && bytes.data != buffer) mismatch("a value that fits is not in the buffer\n");
    value(v, found == PINYON_OK, bytes);
    pinyon_release(handle);
    free(room);
}

static maybe visited;

static void visitor(void *user, const void *data, size_t size) {
    char *copy = malloc(size + 1);
    if (copy == NULL || user != &visited) abort();
    if (size > 0) memcpy(copy, data, size);
    visited = some(B(copy, size));
}

static void visit(pinyon_bytes key, int32_t wanted, maybe v) {
    visited = none;
    code(wanted, pinyon_visit(cache, key.data, key.size, visitor, &visited));
    value(v, visited.there, visited.bytes);
    free((void *)visited.bytes.data);
}

static void contains(pinyon_bytes key, int32_t wanted) {
    code(wanted, pinyon_contains(cache, key.data, key.size));
}

static void remove_key(pinyon_bytes key, int32_t wanted) {
    code(wanted, pinyon_remove(cache, key.data, key.size));
}

static void touch(pinyon_bytes key, int32_t wanted) {
    code(wanted, pinyon_touch(cache, key.data, key.size));
}

static void expire_after(pinyon_bytes key, uint64_t ttl_ms, int32_t wanted) {
    code(wanted, pinyon_expire_after(cache, key.data, key.size, ttl_ms));
}

static void fields(const void *from, const field *wanted, size_t count) {
    size_t i;
    for (i = 0; i < count; i++) {
        uint64_t found;
        memcpy(&found, (const char *)from + wanted[i].offset, sizeof found);
        number(wanted[i].name, wanted[i].least, wanted[i].most, found);
    }
}

static void metadata(pinyon_bytes key, int32_t wanted, const field *all, size_t count) {
    pinyon_metadata found = {.struct_size = sizeof found};
    code(wanted, pinyon_get_metadata(cache, key.data, key.size, &found));
    fields(&found, all, count);
}

static void stats(int32_t wanted, const field *all, size_t count) {
    pinyon_stats found = {.struct_size = sizeof found};
    code(wanted, pinyon_get_stats(cache, &found));
    fields(&found, all, count);
}

static void get_many(const pinyon_bytes *keys, size_t count, int32_t wanted, const maybe *values) {
    pinyon_found found[MOST];
    size_t i;
    code(wanted, pinyon_get_many(cache, keys, count, found));
    for (i = 0; i < count; i++) {
        code(values[i].there ? PINYON_OK : PINYON_MISS, found[i].code);
        value(values[i], found[i].handle != NULL, found[i].value);
        pinyon_release(found[i].handle);
    }
}

static void set_many(const pinyon_pair *pairs, size_t count, const pinyon_entry_options *options, int32_t wanted,
                     const int32_t *codes) {
    int32_t found[MOST];
    size_t i;
    code(wanted, pinyon_set_many(cache, pairs, count, options, found));
    for (i = 0; i < count; i++) code(codes[i], found[i]);
}

static void set_many_adopted(const pinyon_pair *pairs, size_t count, const pinyon_entry_options *options, int32_t wanted,
                             const int32_t *codes) {
    pinyon_pair own[MOST];
    int32_t found[MOST];
    size_t i;
    for (i = 0; i < count; i++) {
        own[i].key = pairs[i].key;
        own[i].value = B(lent(pairs[i].value), pairs[i].value.size);
    }
    code(wanted, pinyon_adopt_many(cache, own, count, free_value, &adopted, options, found));
    for (i = 0; i < count; i++) code(codes[i], found[i]);
}

static void remove_many(const pinyon_bytes *keys, size_t count, int32_t wanted, const int32_t *codes) {
    int32_t found[MOST];
    size_t i;
    code(wanted, pinyon_remove_many(cache, keys, count, found));
    for (i = 0; i < count; i++) code(codes[i], found[i]);
}

/* `token` and `ticket` are NULL where there must be none. */
static void acquired(const pinyon_acquired *found, maybe v, uint64_t *token, uint64_t *ticket) {
    number("is there a token", token != NULL, token != NULL, found->token != 0);
    number("is there a ticket", ticket != NULL, ticket != NULL, found->ticket != 0);
    if (token != NULL) *token = found->token;
    if (ticket != NULL) *ticket = found->ticket;
    value(v, found->handle != NULL, found->value);
    pinyon_release(found->handle);
}

static void acquire(pinyon_bytes key, const pinyon_lease_options *options, int32_t wanted, maybe v, uint64_t *token,
                    uint64_t *ticket) {
    pinyon_acquired found;
    code(wanted, pinyon_acquire(cache, key.data, key.size, options, &found));
    acquired(&found, v, token, ticket);
}

static void wait_for(uint64_t ticket, uint64_t timeout_ms, int32_t wanted, maybe v, uint64_t *token) {
    pinyon_acquired found;
    code(wanted, pinyon_wait(cache, ticket, timeout_ms, &found));
    acquired(&found, v, token, NULL);
}

static void complete(uint64_t token, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    code(wanted, pinyon_complete(cache, token, v.data, v.size, options));
}

static void complete_adopted(uint64_t token, pinyon_bytes v, const pinyon_entry_options *options, int32_t wanted) {
    code(wanted, pinyon_complete_adopted(cache, token, lent(v), v.size, free_value, &adopted, options));
}

static void items(size_t page, int32_t wanted, const pinyon_pair *all, size_t count) {
    pinyon_item found[MOST];
    size_t i, j, got, sum = 0;
    uint64_t cursor = PINYON_START;
    int32_t ended;
    do {
        ended = pinyon_next_page(cache, &cursor, found, page, &got);
        for (i = 0; i < got; i++, sum++) {
            for (j = 0; j < count && !same(all[j].key, found[i].key); j++) {}
            value(j < count ? some(all[j].value) : none, 1, found[i].value);
        }
        pinyon_items_release(found, got);
    } while (ended == PINYON_OK);
    code(wanted, ended == PINYON_END ? PINYON_OK : ended);
    number("entries", count, count, sum);
}

static void removals(int32_t wanted, const left *all, size_t count) {
    pinyon_removal found[3];
    int seen[MOST] = {0};
    size_t i, j, got, sum = 0;
    int32_t ended;
    do {
        ended = pinyon_poll_removals(cache, found, 3, &got);
        for (i = 0; i < got; i++, sum++) {
            for (j = 0; j < count && (seen[j] || !same(all[j].key, found[i].item.key)); j++) {}
            value(j < count ? some(all[j].value) : none, 1, found[i].item.value);
            if (j < count) {
                seen[j] = 1;
                number("the cause", (uint64_t)all[j].cause, (uint64_t)all[j].cause, (uint64_t)found[i].cause);
            }
            pinyon_items_release(&found[i].item, 1);
        }
    } while (ended == PINYON_OK);
    code(wanted, ended == PINYON_END ? PINYON_OK : ended);
    number("removals", count, count, sum);
}

static void shrink(uint64_t weight, int32_t wanted, uint64_t evicted) {
    uint64_t found;
    code(wanted, pinyon_shrink(cache, weight, &found));
    number("evicted", evicted, evicted, found);
}

static void count(uint64_t wanted) {
    number("count", wanted, wanted, pinyon_count(cache));
}

static void clear(int32_t wanted) {
    code(wanted, pinyon_clear(cache));
}

static void invalidate_all(int32_t wanted) {
    code(wanted, pinyon_invalidate_all(cache));
}

static void invalidate_tag(pinyon_bytes tag, int32_t wanted) {
    code(wanted, pinyon_invalidate_tag(cache, tag.data, tag.size));
}

static void abandon(uint64_t token, int32_t wanted) {
    code(wanted, pinyon_abandon(cache, token));
}

static void leave(uint64_t ticket, int32_t wanted) {
    code(wanted, pinyon_leave(cache, ticket));
}

static void set_capacity(uint64_t capacity, int32_t wanted) {
    code(wanted, pinyon_set_capacity(cache, capacity));
}

static void maintain(size_t budget, int32_t wanted) {
    code(wanted, pinyon_maintain(cache, budget));
}

#include "steps.h"

int main(void) {
    run_all();
    printf("C: %d steps, %d mismatches\n", steps, failures);
    return failures > 0;
}
