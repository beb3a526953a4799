#!/usr/bin/env python3
"""Writes a C99 program that calls every function of include/pinyon.h with arguments no caller should give.

    arguments.py PROGRAM.c [HEADER]

The calls come from the declarations, what they must return from `FUNCTIONS` below: a function that is not there is an error, and
so is a code that the function's comment does not name.
Each call is made on a cache of its own. After it the program looks whether the code is the wanted one, whether
pinyon_last_error names the function (or was left alone, where there was no error), whether the documented places are NULL
or 0, whether adopted values and the users of callbacks were freed once, and, after an error, whether the cache is
unchanged. Then the cache is used.
"""

import pathlib
import re
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[3]


@dataclass
class Function:
    """What a function must do."""

    valid: str = "OK"  # what it returns with nothing wrong; of functions that return no code, "" (nothing is looked at)
    optional: str = ""  # pointers that may be NULL
    cleared: str = ""  # places that are NULL or 0 after an error
    sizes: str = ""  # sizes that must be refused above half the address space


FUNCTIONS = {
    "pinyon_version": Function(""),
    "pinyon_code_text": Function(""),
    "pinyon_last_error": Function("", optional="buffer"),
    "pinyon_silence_defects": Function(""),
    "pinyon_create": Function(optional="error", cleared="cache"),
    "pinyon_free": Function("", optional="cache"),
    "pinyon_count": Function(""),
    "pinyon_set_capacity": Function(),
    "pinyon_shrink": Function(optional="evicted"),
    "pinyon_maintain": Function(),
    "pinyon_get_stats": Function(),
    "pinyon_get_copy": Function(optional="size", sizes="key_size"),
    "pinyon_get": Function(optional="data size", cleared="handle", sizes="key_size"),
    "pinyon_get_into": Function(optional="data size", cleared="handle", sizes="key_size"),
    "pinyon_handle_value": Function(optional="data size"),
    "pinyon_retain": Function("", optional="handle"),
    "pinyon_release": Function("", optional="handle"),
    "pinyon_visit": Function(optional="user", sizes="key_size"),
    "pinyon_contains": Function(sizes="key_size"),
    "pinyon_get_metadata": Function(sizes="key_size"),
    "pinyon_set": Function(optional="options", sizes="key_size value_size"),
    "pinyon_adopt": Function(optional="free_value user options", sizes="key_size size"),
    "pinyon_reserve": Function(cleared="reservation data", sizes="key_size"),
    "pinyon_commit": Function(optional="options"),
    "pinyon_discard": Function("", optional="reservation"),
    "pinyon_add": Function("NOT_STORED", optional="options", sizes="key_size value_size"),
    "pinyon_replace": Function(optional="options", sizes="key_size value_size"),
    "pinyon_compare_and_swap": Function(optional="options", sizes="key_size expected_size value_size"),
    "pinyon_counter_add": Function(optional="options now", sizes="key_size"),
    "pinyon_remove": Function(sizes="key_size"),
    "pinyon_take": Function(optional="data size", cleared="handle", sizes="key_size"),
    "pinyon_touch": Function(sizes="key_size"),
    "pinyon_expire_after": Function(sizes="key_size"),
    "pinyon_clear": Function(),
    "pinyon_invalidate_all": Function(),
    "pinyon_invalidate_tag": Function(sizes="tag_size"),
    "pinyon_get_many": Function(sizes="count"),
    "pinyon_set_many": Function(optional="options codes", sizes="count"),
    "pinyon_adopt_many": Function(optional="free_value user options codes", sizes="count"),
    "pinyon_remove_many": Function(optional="codes", sizes="count"),
    "pinyon_acquire": Function(optional="options", cleared="acquired", sizes="key_size"),
    "pinyon_complete": Function(optional="options", sizes="value_size"),
    "pinyon_complete_adopted": Function(optional="free_value user options", sizes="size"),
    "pinyon_abandon": Function(),
    "pinyon_wait": Function("TIMED_OUT", cleared="acquired"),
    "pinyon_leave": Function(),
    "pinyon_next_page": Function("END", cleared="count", sizes="capacity"),
    "pinyon_items_release": Function("", optional="items", sizes="count"),
    "pinyon_item_handle": Function("", optional="item"),
    "pinyon_poll_removals": Function("END", cleared="count", sizes="capacity"),
}

NO_CACHE = ("NULL", "zeros", "ones", "misaligned")
# What goes into a parameter with nothing wrong, by its name, and by function where that says less.
VALID = {
    "cache": "cache", "key": '"jay"', "key_size": "3", "value": '"more seeds"', "value_size": "10", "expected": '"seeds"',
    "expected_size": "5", "tag": '"tag"', "tag_size": "3", "code": "PINYON_OK", "buffer": "buffer", "ttl_ms": "1000",
    "handle": "&p.handle", "data": "&p.data", "size": "&p.size", "evicted": "&p.evicted", "stats": "&p.stats",
    "metadata": "&p.metadata", "budget": "10", "weight": "0", "visitor": "visitor", "user": "NULL", "free_value": "free_value",
    "reservation": "&p.reservation", "delta": "1", "initial": "0", "now": "&p.now", "keys": "p.keys", "count": "2",
    "found": "p.found", "pairs": "p.pairs", "codes": "p.codes", "acquired": "&p.acquired", "token": "token", "ticket": "ticket",
    "timeout_ms": "0", "cursor": "&p.cursor", "items": "p.items", "item": "held_items", "removals": "p.removals",
    "error": "p.error", "error_size": "sizeof p.error", "capacity": "16",
}  # fmt: skip
VALID_OF = {
    "pinyon_create": {"cache": "&p.made", "options": "&options"},
    "pinyon_last_error": {"capacity": "sizeof buffer"},
    "pinyon_get_copy": {"capacity": "sizeof buffer"},
    "pinyon_handle_value": {"handle": "held"},
    "pinyon_retain": {"handle": "held"},
    "pinyon_release": {"handle": "given(&held)"},
    "pinyon_adopt": {"data": "lend()", "size": "5"},
    "pinyon_complete_adopted": {"data": "lend()", "size": "5"},
    "pinyon_reserve": {"size": "100", "data": "&p.room"},
    "pinyon_commit": {"reservation": "given(&reserved)"},
    "pinyon_discard": {"reservation": "given(&reserved)"},
    "pinyon_counter_add": {"key": '"n"', "key_size": "1"},
    "pinyon_set_capacity": {"capacity": "500"},
    "pinyon_next_page": {"count": "&p.count"},
    "pinyon_poll_removals": {"count": "&p.count"},
    "pinyon_items_release": {"items": "held_items", "count": "held_count"},
    "pinyon_free": {"cache": "given(&cache)"},
}
OPTIONS = {
    "const pinyon_options *": "&options",
    "const pinyon_entry_options *": "&entry",
    "const pinyon_lease_options *": "&lease",
}
# Structs that begin with their size: the variable, and how many bytes an old header had.
SIZED = {
    "pinyon_options": ("options", "offsetof(pinyon_options, policy)"),
    "pinyon_entry_options": ("entry", "offsetof(pinyon_entry_options, weight)"),
    "pinyon_lease_options": ("lease", "offsetof(pinyon_lease_options, refresh_after_ms)"),
    "pinyon_stats": ("p.stats", "offsetof(pinyon_stats, added)"),
    "pinyon_metadata": ("p.metadata", "offsetof(pinyon_metadata, idle_ms)"),
}
# Fields that must be refused: the statement, and the code.
FIELDS = {
    "pinyon_options": [
        ("options.capacity = 0", "ERR_ARGUMENT"),
        ("options.unit = PINYON_BYTES, options.capacity = 1023", "ERR_ARGUMENT"),
        ("options.unit = 3", "ERR_ARGUMENT"),
        ("options.unit = UINT32_MAX", "ERR_ARGUMENT"),
        ("options.policy = 2", "ERR_ARGUMENT"),
        ("options.shards = 4097", "ERR_ARGUMENT"),
        ("options.shards = UINT32_MAX", "ERR_ARGUMENT"),
        ("options.flags = 8", "ERR_ARGUMENT"),
        ("options.flags = UINT32_C(1) << 31", "ERR_ARGUMENT"),
        ("options.refresh_early = no_number", "ERR_ARGUMENT"),
        ("options.refresh_early = -1", "ERR_ARGUMENT"),
        ("options.refresh_early = HUGE_VAL", "ERR_ARGUMENT"),
        ("options.capacity = UINT64_MAX", "OK"),
        ("options.ttl_ms = options.idle_ms = options.refresh_after_ms = UINT64_MAX", "OK"),
        ("options.ttl_ms = options.idle_ms = options.refresh_after_ms = UINT64_MAX - 1", "OK"),
        ("options.removal_queue = SIZE_MAX", "OK"),
    ],
    "pinyon_entry_options": [
        ("entry.flags = 16", "ERR_ARGUMENT"),
        ("entry.flags = PINYON_IF_ABSENT | PINYON_IF_PRESENT", "ERR_ARGUMENT"),
        ("entry.flags = PINYON_IF_EQUAL, entry.expected.size = 1", "ERR_NULL"),
        ("entry.flags = PINYON_IF_EQUAL, entry.expected = (pinyon_bytes){buffer, SIZE_MAX}", "ERR_ARGUMENT"),
        ("entry.expected = (pinyon_bytes){buffer, 1}", "ERR_ARGUMENT"),
        ("entry.flags = UINT32_C(1) << 31", "ERR_ARGUMENT"),
        ("entry.reserved = 1", "ERR_ARGUMENT"),
        ("entry.tag_count = 1", "ERR_NULL"),
        ("entry.tags = tags, entry.tag_count = SIZE_MAX", "ERR_ARGUMENT"),
        ("entry.tags = tags, entry.tag_count = SIZE_MAX / 2 + 1", "ERR_ARGUMENT"),
        ("entry.tags = (pinyon_bytes *)misaligned(), entry.tag_count = 1", "ERR_ARGUMENT"),
        ("entry.tags = tags, entry.tag_count = 1, tags[0].data = NULL", "ERR_NULL"),
        ("entry.tags = tags, entry.tag_count = 1, tags[0].size = SIZE_MAX", "ERR_ARGUMENT"),
        ("entry.ttl_ms = entry.idle_ms = UINT64_MAX - 1", ""),
    ],
    "pinyon_lease_options": [("lease.lasting_ms = lease.refresh_after_ms = UINT64_MAX - 1", "")],
}
# The same of elements, by parameter.
ELEMENTS = {
    "keys": [("p.keys[1].data = NULL", "ERR_NULL"), ("p.keys[1].size = SIZE_MAX", "ERR_ARGUMENT")],
    "pairs": [
        ("p.pairs[1].key.data = NULL", "ERR_NULL"),
        ("p.pairs[1].key.size = SIZE_MAX", "ERR_ARGUMENT"),
        ("p.pairs[1].value.data = NULL", "ERR_NULL"),
        ("p.pairs[1].value.size = SIZE_MAX / 2 + 1", "ERR_ARGUMENT"),
    ],
}
# Numbers that no caller would mean: parameter, expression, and the code, or "" where any that is no error will do.
NUMBERS = {
    "pinyon_set_capacity": [("capacity", "0", "ERR_ARGUMENT"), ("capacity", "UINT64_MAX", "OK")],
    "pinyon_shrink": [("weight", "UINT64_MAX", "OK")],
    "pinyon_maintain": [("budget", "0", ""), ("budget", "SIZE_MAX", "OK")],
    "pinyon_reserve": [("size", "SIZE_MAX", "ERR_MEMORY"), ("size", "SIZE_MAX / 2 + 1", "ERR_MEMORY"), ("size", "0", "OK")],
    "pinyon_expire_after": [("ttl_ms", "UINT64_MAX - 1", "OK")],
    "pinyon_get_copy": [("capacity", "0", "TOO_SMALL"), ("capacity", "SIZE_MAX", "OK")],
    "pinyon_last_error": [("capacity", "0", ""), ("capacity", "1", ""), ("capacity", "SIZE_MAX", "")],
    "pinyon_create": [("error_size", "0", "OK"), ("error_size", "SIZE_MAX", "OK")],
    "pinyon_complete": [("token", "0", "LAPSED"), ("token", "UINT64_MAX", "LAPSED"), ("token", "ticket", "LAPSED")],
    "pinyon_complete_adopted": [("token", "0", "LAPSED"), ("token", "UINT64_MAX", "LAPSED")],
    "pinyon_abandon": [("token", "0", "LAPSED"), ("token", "UINT64_MAX", "LAPSED"), ("token", "ticket", "LAPSED")],
    "pinyon_wait": [("ticket", "0", "LAPSED"), ("ticket", "UINT64_MAX", "LAPSED"), ("ticket", "token", "LAPSED")],
    "pinyon_leave": [("ticket", "0", "LAPSED"), ("ticket", "UINT64_MAX", "LAPSED"), ("ticket", "token", "LAPSED")],
    "pinyon_counter_add": [("delta", "INT64_MAX", "OK"), ("delta", "INT64_MIN", "OK")],
    "pinyon_next_page": [("capacity", "0", "TOO_SMALL")],
    "pinyon_poll_removals": [("capacity", "0", "OK")],
    "pinyon_get_many": [("count", "0", "OK")],
    "pinyon_set_many": [("count", "0", "OK")],
    "pinyon_adopt_many": [("count", "0", "OK")],
    "pinyon_remove_many": [("count", "0", "OK")],
    "pinyon_code_text": [("code", "INT32_MIN", ""), ("code", "INT32_MAX", ""), ("code", "-50", "")],
}
# What is wrong must be found though nothing is there: what it is, statements before, arguments, and the code.
MISSING = {"key": '"none"', "key_size": "4"}
MORE = {
    "pinyon_get_copy": [("buffer is NULL, and nothing there", "", MISSING | {"buffer": "NULL"}, "ERR_NULL")],
    "pinyon_visit": [("visitor is NULL, and nothing there", "", MISSING | {"visitor": "NULL"}, "ERR_NULL")],
    "pinyon_get": [("handle is NULL, and nothing there", "", MISSING | {"handle": "NULL"}, "ERR_NULL")],
    "pinyon_take": [("handle is NULL, and nothing there", "", MISSING | {"handle": "NULL"}, "ERR_NULL")],
    "pinyon_acquire": [("acquired is NULL, and nothing there", "", MISSING | {"acquired": "NULL"}, "ERR_NULL")],
    "pinyon_wait": [("acquired is NULL, and no such ticket", "", {"ticket": "0", "acquired": "NULL"}, "ERR_NULL")],
    "pinyon_get_metadata": [
        ("metadata is NULL, and nothing there", "", MISSING | {"metadata": "NULL"}, "ERR_NULL"),
        ("struct_size is 0, and nothing there", "p.metadata.struct_size = 0", MISSING, "ERR_ARGUMENT"),
    ],
    "pinyon_next_page": [
        ("cursor is of nowhere", "p.cursor = 12345", {}, ""),
        ("cursor is the largest", "p.cursor = UINT64_MAX", {}, "END"),
        ("cursor is nearly the largest", "p.cursor = UINT64_MAX - 1", {}, ""),
    ],
    "pinyon_complete": [("token is 0, and the value NULL", "", {"token": "0", "value": "NULL"}, "ERR_NULL")],
}
# A condition in the options: of functions that take one, one that does not hold; of others, an error.
CONDITIONS = {
    "pinyon_set": "NOT_STORED", "pinyon_adopt": "NOT_STORED", "pinyon_set_many": "NOT_STORED", "pinyon_adopt_many": "NOT_STORED",
    "pinyon_commit": "OK", "pinyon_add": "ERR_ARGUMENT", "pinyon_replace": "ERR_ARGUMENT", "pinyon_counter_add": "ERR_ARGUMENT",
    "pinyon_compare_and_swap": "ERR_ARGUMENT", "pinyon_complete": "ERR_ARGUMENT", "pinyon_complete_adopted": "ERR_ARGUMENT",
}  # fmt: skip
# A pointer may be NULL where its size is 0, and the size 0 with any pointer is no bytes.
NOTHING = {"key": "key_size", "value": "value_size", "expected": "expected_size", "tag": "tag_size"}

RUNTIME = r"""
/* Made by bindings/c/tests/arguments.py: do not edit. */
#include <math.h>
#include <pinyon.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places that results are written to. They are full of GARBAGE before a call. */
#define GARBAGE 0xa5
static struct {
    pinyon_cache *made;
    pinyon_handle *handle;
    pinyon_reservation *reservation;
    const void *data;
    void *room;
    size_t size, count;
    uint64_t evicted, cursor;
    int64_t now;
    pinyon_stats stats;
    char stats_tail[64];
    pinyon_metadata metadata;
    char metadata_tail[64];
    pinyon_acquired acquired;
    pinyon_found found[2];
    pinyon_item items[16];
    pinyon_removal removals[16];
    int32_t codes[2];
    char error[64];
    pinyon_bytes keys[2];
    pinyon_pair pairs[2];
} p;

static struct {
    pinyon_options body;
    char tail[64];
} options_and;
static struct {
    pinyon_entry_options body;
    char tail[64];
} entry_and;
static struct {
    pinyon_lease_options body;
    char tail[64];
} lease_and;
#define options options_and.body
#define entry entry_and.body
#define lease lease_and.body
#define options_tail options_and.tail
#define entry_tail entry_and.tail
#define lease_tail lease_and.tail

static pinyon_bytes tags[1];
static pinyon_cache *cache;
static uint64_t token, ticket;
static pinyon_handle *held;
static pinyon_reservation *reserved;
static pinyon_item held_items[16];
static size_t held_count;
static char buffer[64];
static pinyon_stats before;
static void *lent, *lent_pairs[2];
static int lendings, frees, users, users_wanted;
static int checks, failures;
static const char *function, *what;
static uint64_t zeros[512], ones[512], odd[512];
static double no_number;

static int wrong;

static void fail(const char *why) {
    wrong++;
    printf("%s: %s: %s\n", function, what, why);
}

static void free_value(void *data, size_t size, void *user) {
    int i;
    (void)size, (void)user;
    frees++;
    if (data == lent) lent = NULL;
    for (i = 0; i < 2; i++) {
        if (data == lent_pairs[i]) lent_pairs[i] = NULL;
    }
    free(data);
}

static void free_user(void *user) {
    if (user != &users) abort();
    users++;
}

static void on_removed(void *user, const void *key, size_t key_size, const void *value, size_t value_size, int32_t cause) {
    (void)user, (void)key, (void)key_size, (void)value, (void)value_size, (void)cause;
}

static void visitor(void *user, const void *data, size_t size) {
    (void)user;
    if (size != 5 || memcmp(data, "seeds", 5) != 0) abort();
}

static void *lend(void) {
    if (lent == NULL) lent = malloc(5);
    if (lent == NULL) abort();
    memcpy(lent, "owned", 5);
    return lent;
}

static void lend_pairs(void) {
    int i;
    for (i = 0; i < 2; i++) {
        if ((lent_pairs[i] = malloc(5)) == NULL) abort();
        memcpy(lent_pairs[i], "owned", 5);
        p.pairs[i].value = (pinyon_bytes){lent_pairs[i], 5};
    }
}

static void *misaligned(void) {
    return (char *)odd + 1;
}

/* A pointer that the call takes over. */
static void *given(void *pointer) {
    void *is;
    memcpy(&is, pointer, sizeof is);
    memset(pointer, 0, sizeof is);
    return is;
}

static void read_stats(pinyon_stats *stats) {
    memset(stats, 0, sizeof *stats);
    stats->struct_size = sizeof *stats;
    if (pinyon_get_stats(cache, stats) != PINYON_OK) abort();
    stats->retired = stats->overhead_bytes = stats->load_nanos = 0;
}

static void prepare(const char *name, const char *of) {
    pinyon_acquired found;
    pinyon_options plain = {.struct_size = sizeof plain, .capacity = 1000, .removal_queue = 100};
    uint64_t cursor = PINYON_START;
    const void *data;
    void *room;
    size_t size;

    function = name, what = of, wrong = 0;
    if (pinyon_create(&plain, &cache, NULL, 0) != PINYON_OK) abort();
    pinyon_set(cache, "jay", 3, "seeds", 5, NULL);
    pinyon_set(cache, "n", 1, "\0\0\0\0\0\0\0\0", 8, NULL);
    pinyon_remove(cache, "jay", 3);
    pinyon_set(cache, "jay", 3, "seeds", 5, NULL);
    if (pinyon_acquire(cache, "loading", 7, NULL, &found) != PINYON_LEAD) abort();
    token = found.token;
    if (pinyon_acquire(cache, "loading", 7, NULL, &found) != PINYON_WAIT) abort();
    ticket = found.ticket;
    if (pinyon_get(cache, "jay", 3, &held, &data, &size) != PINYON_OK) abort();
    if (pinyon_reserve(cache, "reserved", 8, 9, &reserved, &room) != PINYON_OK) abort();
    if (pinyon_next_page(cache, &cursor, held_items, 16, &held_count) != PINYON_END) abort();

    memset(&p, GARBAGE, sizeof p);
    memset(&options_and, 0, sizeof options_and);
    memset(&entry_and, 0, sizeof entry_and);
    memset(&lease_and, 0, sizeof lease_and);
    memset(buffer, GARBAGE, sizeof buffer);
    memset(zeros, 0, sizeof zeros);
    memset(odd, 0, sizeof odd);
    memset(ones, 0xff, sizeof ones);
    p.made = NULL;
    p.stats.struct_size = sizeof p.stats;
    p.metadata.struct_size = sizeof p.metadata;
    p.cursor = PINYON_START;
    p.keys[0] = p.keys[1] = (pinyon_bytes){"jay", 3};
    p.pairs[0] = p.pairs[1] = (pinyon_pair){{"jay", 3}, {"pair", 4}};
    if (strcmp(name, "pinyon_adopt_many") == 0) lend_pairs();
    tags[0] = (pinyon_bytes){"tag", 3};
    options = (pinyon_options){.struct_size = sizeof options, .capacity = 1000};
    options.on_removed = on_removed;
    options.on_removed_user = &users;
    options.on_removed_free = free_user;
    entry.struct_size = sizeof entry;
    lease.struct_size = sizeof lease;
    lendings = frees = users = users_wanted = 0;
    read_stats(&before);
    /* Another function's error, which a call without one must leave. */
    if (strcmp(name, "pinyon_touch") != 0) pinyon_touch(NULL, "k", 1);
    else pinyon_remove(NULL, "k", 1);
}

static int text_is_of(const char *name) {
    char text[256];
    size_t size = pinyon_last_error(text, sizeof text);
    return size == strlen(text) && strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == ':';
}

/* `wanted` is 1000 where any code will do that is no error. */
static void outcome(int32_t wanted, int32_t code) {
    char text[200];
    if (wanted == 1000 ? code < 0 : code != wanted) {
        sprintf(text, "wanted %d, found %d (%s)", (int)wanted, (int)code, pinyon_code_text(code));
        fail(text);
    }
    if (code < 0) {
        pinyon_stats after;
        char value[8];
        size_t size = 0;
        if (!text_is_of(function)) fail("pinyon_last_error does not name the function");
        read_stats(&after);
        if (memcmp(&before, &after, sizeof after) != 0) fail("the cache was changed");
        if (pinyon_get_copy(cache, "jay", 3, value, sizeof value, &size) != PINYON_OK || size != 5 ||
            memcmp(value, "seeds", 5) != 0)
            fail("the entry was changed");
    } else if (text_is_of(function)) {
        fail("there is the text of an error, and there was none");
    }
}

static void cleared(const char *name, const void *place, size_t size) {
    char text[100];
    if (memcmp(place, zeros, size) == 0) return;
    sprintf(text, "*%s is not cleared", name);
    fail(text);
}

static void untouched(const void *place, size_t size) {
    size_t i;
    for (i = 0; i < size; i++) {
        if (((const unsigned char *)place)[i] != GARBAGE) {
            fail("it wrote beyond the struct's size");
            return;
        }
    }
}

/* Gives back what the call gave, uses the cache, and frees it. */
static void finish(size_t found_count, size_t item_count, size_t removal_count) {
    size_t i;
    char value[8];
    pinyon_free(p.made);
    if (users != users_wanted) fail("the user of on_removed was not freed once");
    for (i = 0; i < found_count; i++) pinyon_release(p.found[i].handle);
    pinyon_items_release(p.items, item_count);
    for (i = 0; i < removal_count; i++) pinyon_items_release(&p.removals[i].item, 1);
    if (cache != NULL) {
        pinyon_leave(cache, ticket);
        pinyon_abandon(cache, token);
        if (pinyon_set(cache, "after", 5, "works", 5, NULL) != PINYON_OK ||
            pinyon_get_copy(cache, "after", 5, value, sizeof value, NULL) != PINYON_OK || memcmp(value, "works", 5) != 0)
            fail("the cache does not work afterwards");
    }
    pinyon_discard(reserved);
    pinyon_release(held);
    pinyon_items_release(held_items, held_count);
    pinyon_free(cache);
    if (frees != lendings) fail("an adopted value was not freed once");
    free(lent), free(lent_pairs[0]), free(lent_pairs[1]);
    lent = lent_pairs[0] = lent_pairs[1] = NULL;
    checks++;
    failures += wrong > 0;
}
"""


@dataclass
class Parameter:
    type: str
    name: str

    @property
    def pointer(self):
        return "*" in self.type or self.type in ("pinyon_visitor", "pinyon_free_value")

    @property
    def typed(self):
        """Is there a type that it must be aligned for, which the library can know?"""
        target = self.type.removesuffix("*").replace("const", "").strip()
        return "*" in self.type and target not in ("void", "char", "pinyon_handle", "pinyon_reservation")

    @property
    def struct(self):
        return next((name for name in SIZED if re.search(rf"\b{name} \*$", self.type)), None)


def declarations(header):
    text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S)
    found = {}
    for returns, name, parameters in re.findall(r"^(\w[\w *]*?)\b(pinyon_\w+)\(([^;{}]*)\);", text, flags=re.M):
        each = [] if parameters.strip() == "void" else re.split(r",\s*", parameters)
        split = [re.fullmatch(r"(.*?)(\w+)", " ".join(one.split())).groups() for one in each]
        found[name] = returns.strip(), [Parameter(type.strip(), own) for type, own in split]
    return found


def codes_of(header):
    """The codes that each function's comment names, or that of a function which it says it is like."""
    text = header.read_text(encoding="utf-8")
    found = {}
    for words, name in re.findall(r"/\*\*(.*?)\*/\s*\w[\w *]*?\b(pinyon_\w+)\(", text, flags=re.S):
        words = re.sub(r"\s*\n \* ?", " ", words)
        found[name] = set(re.findall(r"`PINYON_(\w+)`", words))
        for other in re.findall(r"as `(pinyon_\w+)`", words):
            found[name] |= found.get(other, set())
    return found


def valid(function, parameter):
    own = VALID_OF.get(function, {})
    return own.get(parameter.name) or OPTIONS.get(parameter.type) or VALID[parameter.name]


def cases(function, parameters, must):
    """Of every case: what it is, statements before, arguments in place of valid ones, the code, the parameter in question."""
    wants = must.valid
    yield "valid", "", {}, wants, None
    for one in parameters:
        if one.pointer:
            yield f"{one.name} is NULL", "", {one.name: "NULL"}, wants if one.name in must.optional.split() else "ERR_NULL", one
        if one.type in ("const pinyon_cache *", "pinyon_cache *"):
            for memory in ("zeros", "ones"):
                yield f"{one.name} is {memory}", "", {one.name: f"({one.type}){memory}"}, "ERR_HANDLE", one
            yield f"{one.name} is misaligned", "", {one.name: f"({one.type})misaligned()"}, "ERR_HANDLE", one
        elif one.typed:
            yield f"{one.name} is misaligned", "", {one.name: f"({one.type})misaligned()"}, "ERR_ARGUMENT", one
        if one.name in must.sizes.split():
            for size in ("SIZE_MAX", "SIZE_MAX / 2 + 1"):
                yield f"{one.name} is {size}", "", {one.name: size}, "ERR_ARGUMENT", one
        if one.struct:
            yield from struct_cases(one, wants)
        for statement, code in ELEMENTS.get(one.name, []):
            yield statement, statement, {}, code, None
        if one.name in NOTHING:
            sizes = {NOTHING[one.name]: "0"}
            yield f"{one.name} is NULL, of the size 0", "", {one.name: "NULL"} | sizes, "", None
            yield f"{one.name} is an odd pointer, of the size 0", "", {one.name: "(void *)1"} | sizes, "", None
    for name, expression, code in NUMBERS.get(function, []):
        yield f"{name} is {expression}", "", {name: expression}, code, None
    for what, statement, hostile, code in MORE.get(function, []):
        yield what, statement, hostile, code, None
    if any(one.type == "const pinyon_entry_options *" for one in parameters):
        yield "if absent", "entry.flags = PINYON_IF_ABSENT", {}, CONDITIONS[function], None


def struct_cases(one, wants):
    variable, old = SIZED[one.struct]
    is_input = one.type.startswith("const")
    for size in ("0", "1", "7", "65537", "SIZE_MAX"):
        yield f"{one.name}->struct_size is {size}", f"{variable}.struct_size = {size}", {}, "ERR_ARGUMENT", one
    yield f"{one.name} of an old header", f"{variable}.struct_size = {old}", {}, wants, one
    longer = f"{variable}.struct_size += 64"
    if is_input:
        yield f"{one.name} of a newer header, all zeros", longer, {}, wants, one
        yield f"{one.name} of a newer header, its last byte set", f"{longer}, {variable}_tail[63] = 1", {}, "ERR_ARGUMENT", one
    else:
        yield f"{one.name} of a newer header", longer, {}, wants, one
    for statement, code in FIELDS.get(one.struct, []):
        yield statement, statement, {}, code, one


def after(function, must, what, values, code, one):
    """What to look at when the call has returned."""
    lines = []
    failed = code.startswith("ERR")
    for place in must.cleared.split() if failed else []:
        expression = values[place]
        if expression.startswith("&"):
            lines.append(f'cleared("{place}", {expression}, sizeof {expression[1:]});')
    if function == "pinyon_create":
        unread = ("struct_size", "old header", "NULL", "misaligned")
        read = one is None or one.name != "options" or not any(word in what for word in unread)
        lines.insert(0, f"users_wanted = {int(read)};")
    if "free_value" in values:
        given = 1 if "pairs" not in values else 2 if (values["pairs"], values["count"]) == ("p.pairs", "2") else 0
        lines.insert(0, f"lendings = {given if values['free_value'] != 'NULL' else 0};")
    if one is not None and one.struct and not one.type.startswith("const"):
        variable, old = SIZED[one.struct]
        if "old header" in what:
            lines.append(f"untouched((char *)&{variable} + {old}, sizeof {variable} - {old});")
        elif "newer header" in what:
            lines.append(f'cleared("{one.name}\'s new fields", {variable}_tail, sizeof {variable}_tail);')
    return lines


def check(function, returns, parameters, must, case):
    what, before, hostile, code, one = case
    values = {each.name: valid(function, each) for each in parameters} | hostile
    call = f"{function}({', '.join(values[each.name] for each in parameters)})"
    lines = [f'prepare("{function}", "{what}");']
    if before:
        lines.append(f"{before};")
    if must.valid:
        wanted = f"PINYON_{code}" if code else "1000"
        lines += [f"code = {call};", f"outcome({wanted}, code);"]
    else:
        lines += plain_call(function, returns, call, hostile, code)
    lines += after(function, must, what, values, code, one)
    counts = {
        "pinyon_get_many": f"code == PINYON_OK ? (size_t)({values.get('count')}) : 0, 0, 0",
        "pinyon_next_page": "0, code == PINYON_OK || code == PINYON_END ? p.count : 0, 0",
        "pinyon_poll_removals": "0, 0, code == PINYON_OK || code == PINYON_END ? p.count : 0",
    }.get(function, "0, 0, 0")
    if function in ("pinyon_get", "pinyon_take"):
        lines.append("if (code == PINYON_OK) pinyon_release(p.handle);")
    if function in ("pinyon_acquire", "pinyon_wait"):
        lines.append("if (code >= 0) pinyon_release(p.acquired.handle);")
    if function == "pinyon_reserve":
        lines.append("if (code == PINYON_OK) pinyon_discard(p.reservation);")
    lines.append(f"finish({counts});")
    return lines


def plain_call(function, returns, call, hostile, code):
    """Functions that return no code: nothing happens, or NULL or 0 comes."""
    lines = []
    if returns == "void":
        lines.append(f"{call};")
    elif function == "pinyon_code_text":
        lines.append(f'if ({call}[0] == 0) fail("no text");')
    elif function == "pinyon_version":
        numbers = "PINYON_VERSION_MAJOR << 16 | PINYON_VERSION_MINOR << 8 | PINYON_VERSION_PATCH"
        lines.append(f'if ({call} != ({numbers})) fail("header and library are of different versions");')
    elif function == "pinyon_last_error":
        lines.append(f'if ({call} != strlen("pinyon_touch: cache is NULL: give what pinyon_create made")) fail("no text");')
    elif returns.endswith("*"):
        lines += [f"held_too = {call};", f'if ({"held_too != NULL" if hostile else "held_too == NULL"}) fail("another handle");']
        lines.append("pinyon_release(held_too);")
    else:
        lines.append(f'if ({call} != {"0" if hostile else "2"}) fail("another number");')
    if code == "ERR_HANDLE":
        lines.append('if (!text_is_of(function)) fail("pinyon_last_error does not name the function");')
    return lines


def main(program, header=ROOT / "include/pinyon.h"):
    declared = declarations(pathlib.Path(header))
    missing = set(declared) ^ set(FUNCTIONS)
    if missing:
        sys.exit(f"FUNCTIONS and the header differ in {sorted(missing)}")
    text, codes = RUNTIME.lstrip(), codes_of(pathlib.Path(header))
    for function, (returns, parameters) in declared.items():
        must = FUNCTIONS[function]
        text += f"\nstatic void check_{function}(void) {{\n" + ("    int32_t code;\n" if must.valid else "")
        if returns == "pinyon_handle *":
            text += "    pinyon_handle *held_too;\n"
        for case in cases(function, parameters, must):
            if must.valid and case[3] and case[3] not in codes[function]:
                sys.exit(f"{function} does not say that it returns PINYON_{case[3]}: {case[0]}")
            text += "".join(f"    {line}\n" for line in check(function, returns, parameters, must, case))
        text += "}\n"
    calls = "".join(f"    check_{function}();\n" for function in declared)
    text += f"""
int main(void) {{
    no_number = 0;
    no_number /= no_number;
{calls}    printf("C: {len(declared)} functions, %d calls, %d failed\\n", checks, failures);
    return failures > 0;
}}
"""
    pathlib.Path(program).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
