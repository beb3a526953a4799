"""Runs the files of tests/conformance against a cache, and says file and step of whatever is not as they say.

`run(folder, open_cache)` is all that a binding needs: `open_cache(options, now)` gives an object with one method for each
operation, and `close()`. A method takes the arguments of its step by name (keys, values and tags as bytes, `options` as a
dict, "never" as NEVER) and returns the name of the code and the result, or None where there is none.

`Cache` is such an object over the C ABI, and is shared by what reaches it with ctypes and with cffi. It asks an `abi` for
what those two do in different ways:

    abi.lib                     the functions of include/pinyon.h
    abi.null                    NULL
    abi.array(type, count)      `count` of a type of the header, all zeros
    abi.size(type)              how large one is
    abi.view(bytes)             a pointer to bytes, or a copy, which stay while it is held
    abi.read(pointer, size)     the bytes there
    abi.write(pointer, bytes)   puts bytes there
    abi.address(struct, field)  a pointer to a field
    abi.callback(type, f)       a function pointer
    abi.number(name)            the number of a constant of the header
"""

import json
import pathlib
from time import sleep

NEVER = 2**64 - 1
MS = 1_000_000

CODES = (
    "OK MISS NOT_STORED TOO_HEAVY TOO_SMALL LEAD WAIT STALE TIMED_OUT OVERTAKEN LAPSED OWN_KEY END MORE "
    "ERR_NULL ERR_ARGUMENT ERR_HANDLE ERR_MEMORY ERR_NOT_A_COUNTER ERR_OVERFLOW ERR_INTERNAL"
).split()
CAUSES = "EXPIRED EVICTED REPLACED REMOVED CLEARED INVALIDATED REFUSED".split()

# What each operation must be given and may be given, beside `op`, `returns` and `gives`.
OPERATIONS = {
    "set": ("key value", "options"),
    "set_in_place": ("key value", "options"),
    "adopt": ("key value", "options"),
    "add": ("key value", "options"),
    "add_adopted": ("key value", "options"),
    "replace": ("key value", "options"),
    "replace_adopted": ("key value", "options"),
    "compare_and_swap": ("key expected value", "options"),
    "compare_and_swap_adopted": ("key expected value", "options"),
    "counter_add": ("key delta initial", "options"),
    "get": ("key", ""),
    "get_copy": ("key capacity", "size"),
    "get_into": ("key capacity", ""),
    "visit": ("key", ""),
    "take": ("key", ""),
    "contains": ("key", ""),
    "metadata": ("key", ""),
    "remove": ("key", ""),
    "touch": ("key", ""),
    "expire_after": ("key ttl_ms", ""),
    "count": ("", ""),
    "stats": ("", ""),
    "clear": ("", ""),
    "invalidate_all": ("", ""),
    "invalidate_tag": ("tag", ""),
    "get_many": ("keys", ""),
    "set_many": ("pairs", "options"),
    "set_many_adopted": ("pairs", "options"),
    "remove_many": ("keys", ""),
    "acquire": ("key", "lasting_ms refresh_after_ms token ticket"),
    "complete": ("with value", "options"),
    "complete_adopted": ("with value", "options"),
    "abandon": ("with", ""),
    "wait": ("with timeout_ms", "token"),
    "leave": ("with", ""),
    "items": ("page", ""),
    "removals": ("", ""),
    "set_capacity": ("capacity", ""),
    "shrink": ("weight", ""),
    "maintain": ("budget", ""),
}
CACHE = "capacity unit policy shards ttl_ms idle_ms refresh_after_ms removal_queue track_age"
ENTRY = "ttl_ms idle_ms weight weightless tags"


class Mismatch(Exception):
    """A step was not as its file says."""


def octets(written):
    """The bytes that a file means: a text, {"hex": ...}, or {"repeat": text, "times": n}."""
    if isinstance(written, str):
        return written.encode()
    if "hex" in written:
        return bytes.fromhex(written["hex"])
    return written["repeat"].encode() * written["times"]


def number(written):
    return NEVER if written == "never" else int(written)


def only(fields, names, what):
    unknown = set(fields) - set(names.split())
    if unknown:
        raise Mismatch(f"{what} has {sorted(unknown)}, which the format does not know")


def entry_options(written):
    only(written, ENTRY, "options")
    own = {name: number(written[name]) for name in ("ttl_ms", "idle_ms", "weight") if name in written}
    own["tags"] = [octets(tag) for tag in written.get("tags", [])]
    own["weightless"] = written.get("weightless", False)
    return own


READ = {
    "key": octets,
    "value": octets,
    "expected": octets,
    "tag": octets,
    "keys": lambda keys: [octets(key) for key in keys],
    "pairs": lambda pairs: [(octets(key), octets(value)) for key, value in pairs],
    "options": entry_options,
}


def load(folder):
    """The files, each with its name, cache and steps."""
    paths = sorted(pathlib.Path(folder).glob("*.json"))
    files = [json.loads(path.read_text(encoding="utf-8")) | {"file": path.name} for path in paths]
    if not files:
        raise SystemExit(f"{folder}: there is no file of steps")
    for file in files:
        only(file, "name about cache steps file", file["file"])
        only(file["cache"], CACHE, file["file"])
    return files


class Time:
    """The manual clock. It does not begin at 0, as no clock need."""

    def __init__(self):
        self.now = 1_000_000 * MS

    def __call__(self):
        return self.now


def run(folder, open_cache):
    """Runs every step of every file; gives the number of steps, or raises Mismatch."""
    steps = 0
    for file in load(folder):
        time = Time()
        cache = open_cache(file["cache"], time)
        names = {}
        for at, step in enumerate(file["steps"], 1):
            try:
                run_step(cache, time, names, step)
            except Mismatch as error:
                raise Mismatch(f"{file['file']}: step {at}: {json.dumps(step, ensure_ascii=False)}\n    {error}") from None
            steps += 1
        cache.close()
    return steps


def run_step(cache, time, names, step):
    if "op" not in step:
        only(step, "advance_ms advance_ns sleep_ms", "a step")
        sleep(step.get("sleep_ms", 0) / 1000)
        time.now += step.get("advance_ms", 0) * MS + step.get("advance_ns", 0)
        return
    needs, may = OPERATIONS[step["op"]]
    only(step, f"op returns gives {needs} {may}", "a step")
    given = [name for name in needs.split() if name != "with"]
    given += [name for name in may.split() if name in step and name not in ("token", "ticket", "size")]
    takes = {name: READ.get(name, number)(step[name]) for name in given}
    if "with" in step:
        takes["bits"] = names[step["with"]]
    code, found = method(cache, step["op"])(**takes)
    same("the code", step.get("returns", "OK"), code)
    if step["op"] in ("acquire", "wait"):
        leased(step, code, found, names)
    elif step["op"] == "get_copy":
        same("the size", step.get("size"), found[1])
        same("the value", octets(step["gives"]) if "gives" in step else None, found[0])
    elif step.get("gives") is not None:
        compare(step["op"], step["gives"], found)


def method(cache, op):
    """Of a binding that has no adopted memory, or no writing in place, the same without."""
    plain = {"adopt": "set", "set_in_place": "set"}.get(op, op.removesuffix("_adopted"))
    return getattr(cache, op, None) or getattr(cache, plain)


def leased(step, code, found, names):
    for kind, there in (("token", code == "LEAD" or step.get("token") is not None), ("ticket", code == "WAIT")):
        same(f"is there a {kind}", there, found[kind] != 0)
        if step.get(kind) is not None:
            names[step[kind]] = found[kind]
    same("the value", octets(step["gives"]) if "gives" in step else None, found["value"])


def compare(op, wanted, found):
    if op in ("metadata", "stats"):
        for field, value in wanted.items():
            bounded(field, value, found[field])
    elif op in ("counter_add", "count", "shrink"):
        same("the number", int(wanted), found)
    elif op in ("set_many", "set_many_adopted", "remove_many"):
        same("the codes", wanted, found)
    elif op == "get_many":
        same("the values", [None if value is None else octets(value) for value in wanted], found)
    elif op == "items":
        same("the entries", sorted((octets(key), octets(value)) for key, value in wanted), sorted(found))
    elif op == "removals":
        # A stable sort by key leaves what happened to one key in its order.
        wanted = [(octets(key), octets(value), cause) for key, value, cause in wanted]
        same("the removals", sorted(wanted, key=lambda one: one[0]), sorted(found, key=lambda one: one[0]))
    else:
        same("the value", octets(wanted), found)


def bounded(field, wanted, found):
    if isinstance(wanted, dict):
        if not wanted.get("least", 0) <= found <= wanted.get("most", NEVER):
            raise Mismatch(f"{field} is {found}, not within {wanted}")
    else:
        same(field, number(wanted), found)


def same(what, wanted, found):
    if wanted != found:
        raise Mismatch(f"{what}: wanted {short(wanted)}, found {short(found)}")


def short(thing):
    text = repr(thing)
    return text if len(text) < 300 else text[:300] + " ..."


class Cache:
    """The operations over the C ABI."""

    def __init__(self, abi, options, now):
        self.abi, self.lib = abi, abi.lib
        self.codes = {abi.number(name): name for name in CODES}
        self.causes = {abi.number(name): name for name in CAUSES}
        self.lent, self.freed = [], []
        self.clock = abi.callback("pinyon_clock", lambda user: now())
        self.free_value = abi.callback("pinyon_free_value", lambda data, size, user: self.freed.append(size))
        own = abi.array("pinyon_options", 1)
        own[0].struct_size = abi.size("pinyon_options")
        own[0].clock = self.clock
        for name in ("capacity", "shards", "ttl_ms", "idle_ms", "refresh_after_ms", "removal_queue"):
            setattr(own[0], name, number(options.get(name, 0)))
        own[0].unit = abi.number(options.get("unit", "entries").upper())
        own[0].policy = abi.number(options.get("policy", "clock_tinylfu").upper())
        own[0].flags = abi.number("TRACK_AGE") if options.get("track_age") else 0
        cache = abi.array("pinyon_cache *", 1)
        error = abi.array("char", 256)
        if self.lib.pinyon_create(own, cache, error, 256) != 0:
            raise Mismatch(abi.read(error, 256).split(b"\0")[0].decode())
        self.cache = cache[0]

    def close(self):
        self.lib.pinyon_free(self.cache)
        same("adopted values that were freed", len(self.lent), len(self.freed))

    def code(self, number):
        return self.codes[number]

    def options(self, given, condition=None, expected=None):
        """A struct of the caller's options, and what must live as long as it."""
        if given is None and condition is None:
            return self.abi.null, None
        given = given or entry_options({})
        own = self.abi.array("pinyon_entry_options", 1)
        own[0].struct_size = self.abi.size("pinyon_entry_options")
        for name in ("ttl_ms", "idle_ms", "weight"):
            setattr(own[0], name, given.get(name, 0))
        own[0].flags = self.abi.number("WEIGHTLESS") if given["weightless"] else 0
        own[0].flags |= self.abi.number(condition) if condition else 0
        kept_expected = self.abi.view(expected or b"")
        if expected is not None:
            own[0].expected.data, own[0].expected.size = kept_expected, len(expected)
        tags, kept = self.spans(given["tags"])
        if given["tags"]:
            own[0].tags = tags
            own[0].tag_count = len(given["tags"])
        return own, (tags, kept, kept_expected)

    def spans(self, many):
        array, kept = self.abi.array("pinyon_bytes", len(many)), [self.abi.view(one) for one in many]
        for place, view, one in zip(array, kept, many):
            place.data, place.size = view, len(one)
        return array, kept

    def bytes_of(self, span):
        return self.abi.read(span.data, span.size)

    def write(self, function, key, value, options):
        own, _kept = self.options(options)
        return self.code(function(self.cache, key, len(key), value, len(value), own)), None

    def set(self, key, value, options=None):
        return self.write(self.lib.pinyon_set, key, value, options)

    def add(self, key, value, options=None):
        return self.write(self.lib.pinyon_add, key, value, options)

    def replace(self, key, value, options=None):
        return self.write(self.lib.pinyon_replace, key, value, options)

    def compare_and_swap(self, key, expected, value, options=None):
        own, _kept = self.options(options)
        swap = self.lib.pinyon_compare_and_swap
        return self.code(swap(self.cache, key, len(key), expected, len(expected), value, len(value), own)), None

    def set_in_place(self, key, value, options=None):
        own, _kept = self.options(options)
        reservation, data = self.abi.array("pinyon_reservation *", 1), self.abi.array("void *", 1)
        code = self.lib.pinyon_reserve(self.cache, key, len(key), len(value), reservation, data)
        if code == 0:
            self.abi.write(data[0], value)
            code = self.lib.pinyon_commit(self.cache, reservation[0], own)
        return self.code(code), None

    def adopt(self, key, value, options=None, condition=None, expected=None):
        own, _kept = self.options(options, condition, expected)
        memory = self.lend(value)
        code = self.lib.pinyon_adopt(self.cache, key, len(key), memory, len(value), self.free_value, self.abi.null, own)
        return self.code(code), None

    def add_adopted(self, key, value, options=None):
        return self.adopt(key, value, options, "IF_ABSENT")

    def replace_adopted(self, key, value, options=None):
        return self.adopt(key, value, options, "IF_PRESENT")

    def compare_and_swap_adopted(self, key, expected, value, options=None):
        return self.adopt(key, value, options, "IF_EQUAL", expected)

    def lend(self, value):
        """Memory that the cache is lent until `free_value` is called."""
        memory = self.abi.view(value)
        self.lent.append(memory)
        return memory

    def counter_add(self, key, delta, initial, options=None):
        own, _kept = self.options(options)
        now = self.abi.array("int64_t", 1)
        code = self.lib.pinyon_counter_add(self.cache, key, len(key), delta, initial, own, now)
        return self.code(code), now[0]

    def by_handle(self, function, key):
        handle, data, size = self.abi.array("pinyon_handle *", 1), self.abi.array("void *", 1), self.abi.array("size_t", 1)
        code = self.code(function(self.cache, key, len(key), handle, data, size))
        return code, self.keep(handle[0], data[0], size[0]) if code == "OK" else None

    def keep(self, handle, data, size):
        """The bytes of a handle, read through a second one when the first was given back."""
        second = self.lib.pinyon_retain(handle)
        self.lib.pinyon_release(handle)
        data_again, size_again = self.abi.array("void *", 1), self.abi.array("size_t", 1)
        self.lib.pinyon_handle_value(second, data_again, size_again)
        same("the value's place and size", (data, size), (data_again[0], size_again[0]))
        value = self.abi.read(data, size)
        self.lib.pinyon_release(second)
        return value

    def get(self, key):
        return self.by_handle(self.lib.pinyon_get, key)

    def take(self, key):
        return self.by_handle(self.lib.pinyon_take, key)

    def get_copy(self, key, capacity):
        buffer, size = self.abi.array("char", capacity + 1), self.abi.array("size_t", 1)
        code = self.code(self.lib.pinyon_get_copy(self.cache, key, len(key), buffer, capacity, size))
        there = {"OK": size[0], "TOO_SMALL": size[0]}.get(code)
        return code, (self.abi.read(buffer, size[0]) if code == "OK" else None, there)

    def get_into(self, key, capacity):
        handle, data, size = self.abi.array("pinyon_handle *", 1), self.abi.array("void *", 1), self.abi.array("size_t", 1)
        buffer = self.abi.array("char", capacity + 1)
        code = self.code(self.lib.pinyon_get_into(self.cache, key, len(key), buffer, capacity, handle, data, size))
        if code != "OK":
            return code, None
        same("is there a handle", size[0] > capacity, bool(handle[0]))
        if handle[0]:
            return code, self.keep(handle[0], data[0], size[0])
        return code, self.abi.read(buffer, size[0])

    def visit(self, key):
        seen = []
        visitor = self.abi.callback("pinyon_visitor", lambda user, data, size: seen.append(self.abi.read(data, size)))
        code = self.code(self.lib.pinyon_visit(self.cache, key, len(key), visitor, self.abi.null))
        return code, seen[0] if seen else None

    def filled(self, type, names, function, *arguments):
        place = self.abi.array(type, 1)
        place[0].struct_size = self.abi.size(type)
        code = self.code(function(self.cache, *arguments, place))
        return code, {name: getattr(place[0], name) for name in names.split()}

    def metadata(self, key):
        names = "age_ms remaining_ms idle_ms weight"
        return self.filled("pinyon_metadata", names, self.lib.pinyon_get_metadata, key, len(key))

    def stats(self):
        names = (
            "hits misses added replaced removed cleared invalidated refused evicted evicted_weight expired expired_weight loads "
            "load_failures load_nanos coalesced waiting stale_loads entries weight capacity retired overhead_bytes removals_lost"
        )
        return self.filled("pinyon_stats", names, self.lib.pinyon_get_stats)

    def contains(self, key):
        return self.code(self.lib.pinyon_contains(self.cache, key, len(key))), None

    def remove(self, key):
        return self.code(self.lib.pinyon_remove(self.cache, key, len(key))), None

    def touch(self, key):
        return self.code(self.lib.pinyon_touch(self.cache, key, len(key))), None

    def expire_after(self, key, ttl_ms):
        return self.code(self.lib.pinyon_expire_after(self.cache, key, len(key), ttl_ms)), None

    def count(self):
        return "OK", self.lib.pinyon_count(self.cache)

    def clear(self):
        return self.code(self.lib.pinyon_clear(self.cache)), None

    def invalidate_all(self):
        return self.code(self.lib.pinyon_invalidate_all(self.cache)), None

    def invalidate_tag(self, tag):
        return self.code(self.lib.pinyon_invalidate_tag(self.cache, tag, len(tag))), None

    def get_many(self, keys):
        spans, _kept = self.spans(keys)
        found = self.abi.array("pinyon_found", len(keys))
        code = self.code(self.lib.pinyon_get_many(self.cache, spans, len(keys), found))
        values = []
        for one in found:
            there = self.code(one.code) == "OK"
            values.append(self.bytes_of(one.value) if there else None)
            self.lib.pinyon_release(one.handle)
        return code, values

    def set_many(self, pairs, options=None):
        own, _kept = self.options(options)
        array, _kept_pairs = self.pairs(pairs, self.abi.view)
        codes = self.abi.array("int32_t", len(pairs))
        code = self.code(self.lib.pinyon_set_many(self.cache, array, len(pairs), own, codes))
        return code, [self.code(one) for one in codes]

    def set_many_adopted(self, pairs, options=None):
        own, _kept = self.options(options)
        array, _kept_keys = self.pairs(pairs, self.lend)
        codes = self.abi.array("int32_t", len(pairs))
        adopt = self.lib.pinyon_adopt_many
        code = self.code(adopt(self.cache, array, len(pairs), self.free_value, self.abi.null, own, codes))
        return code, [self.code(one) for one in codes]

    def pairs(self, pairs, place_value):
        array, views = self.abi.array("pinyon_pair", len(pairs)), []
        for place, (key, value) in zip(array, pairs):
            views += [self.abi.view(key), place_value(value)]
            place.key.data, place.key.size = views[-2], len(key)
            place.value.data, place.value.size = views[-1], len(value)
        return array, views

    def remove_many(self, keys):
        spans, _kept = self.spans(keys)
        codes = self.abi.array("int32_t", len(keys))
        code = self.code(self.lib.pinyon_remove_many(self.cache, spans, len(keys), codes))
        return code, [self.code(one) for one in codes]

    def acquired(self, function, *arguments):
        place = self.abi.array("pinyon_acquired", 1)
        code = self.code(function(self.cache, *arguments, place))
        value = self.bytes_of(place[0].value) if place[0].handle else None
        self.lib.pinyon_release(place[0].handle)
        return code, {"token": place[0].token, "ticket": place[0].ticket, "value": value}

    def acquire(self, key, lasting_ms=0, refresh_after_ms=0):
        own = self.abi.array("pinyon_lease_options", 1)
        own[0].struct_size = self.abi.size("pinyon_lease_options")
        own[0].lasting_ms, own[0].refresh_after_ms = lasting_ms, refresh_after_ms
        return self.acquired(self.lib.pinyon_acquire, key, len(key), own)

    def wait(self, bits, timeout_ms):
        return self.acquired(self.lib.pinyon_wait, bits, timeout_ms)

    def complete(self, bits, value, options=None):
        own, _kept = self.options(options)
        return self.code(self.lib.pinyon_complete(self.cache, bits, value, len(value), own)), None

    def complete_adopted(self, bits, value, options=None):
        own, _kept = self.options(options)
        memory = self.lend(value)
        code = self.lib.pinyon_complete_adopted(self.cache, bits, memory, len(value), self.free_value, self.abi.null, own)
        return self.code(code), None

    def abandon(self, bits):
        return self.code(self.lib.pinyon_abandon(self.cache, bits)), None

    def leave(self, bits):
        return self.code(self.lib.pinyon_leave(self.cache, bits)), None

    def items(self, page):
        cursor, count, all = self.abi.array("uint64_t", 1), self.abi.array("size_t", 1), []
        items = self.abi.array("pinyon_item", page)
        while True:
            code = self.code(self.lib.pinyon_next_page(self.cache, cursor, items, page, count))
            for item in list(items)[: count[0]]:
                all.append((self.bytes_of(item.key), self.bytes_of(item.value)))
            self.lib.pinyon_items_release(items, count[0])
            if code != "OK":
                return "OK" if code == "END" else code, all

    def removals(self):
        count, all = self.abi.array("size_t", 1), []
        removals = self.abi.array("pinyon_removal", 3)
        while True:
            code = self.code(self.lib.pinyon_poll_removals(self.cache, removals, 3, count))
            for one in list(removals)[: count[0]]:
                all.append((self.bytes_of(one.item.key), self.bytes_of(one.item.value), self.causes[one.cause]))
                self.lib.pinyon_items_release(self.abi.address(one, "item"), 1)
            if code != "OK":
                return "OK" if code == "END" else code, all

    def set_capacity(self, capacity):
        return self.code(self.lib.pinyon_set_capacity(self.cache, capacity)), None

    def shrink(self, weight):
        evicted = self.abi.array("uint64_t", 1)
        code = self.code(self.lib.pinyon_shrink(self.cache, weight, evicted))
        return code, evicted[0]

    def maintain(self, budget):
        return self.code(self.lib.pinyon_maintain(self.cache, budget)), None
