"""The C ABI from Python with ctypes, which needs nothing but the library.

    c_abi_ctypes.py LIBRARY [HEADER [STEPS]]

Binds every function of include/pinyon.h, calls each, and runs the files of tests/conformance. It reads the header to see
whether a function, a struct or a field of one is missing here, and ends with 1 if so.
"""

import ctypes
import pathlib
import re
import sys
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

import conformance

ROOT = pathlib.Path(__file__).resolve().parents[3]


class pinyon_bytes(Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t)]


class pinyon_item(Structure):
    _fields_ = [("key", pinyon_bytes), ("value", pinyon_bytes), ("keep_key", c_void_p), ("keep_value", c_void_p)]


class pinyon_removal(Structure):
    _fields_ = [("item", pinyon_item), ("cause", c_int32), ("reserved", c_uint32)]


pinyon_clock = CFUNCTYPE(c_uint64, c_void_p)
pinyon_on_removed = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_int32)
pinyon_free_user = CFUNCTYPE(None, c_void_p)
pinyon_visitor = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
pinyon_free_value = CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)


class pinyon_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("capacity", c_uint64),
        ("unit", c_uint32),
        ("policy", c_uint32),
        ("shards", c_uint32),
        ("flags", c_uint32),
        ("ttl_ms", c_uint64),
        ("idle_ms", c_uint64),
        ("refresh_after_ms", c_uint64),
        ("refresh_early", c_double),
        ("clock", pinyon_clock),
        ("clock_user", c_void_p),
        ("on_removed", pinyon_on_removed),
        ("on_removed_user", c_void_p),
        ("on_removed_free", pinyon_free_user),
        ("removal_queue", c_size_t),
    ]


class pinyon_stats(Structure):
    _fields_ = [("struct_size", c_size_t)] + [
        (name, c_uint64)
        for name in (
            "hits misses added replaced removed cleared invalidated refused evicted evicted_weight expired expired_weight "
            "loads load_failures load_nanos coalesced waiting stale_loads entries weight capacity retired overhead_bytes "
            "removals_lost"
        ).split()
    ]


class pinyon_metadata(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("age_ms", c_uint64),
        ("remaining_ms", c_uint64),
        ("idle_ms", c_uint64),
        ("weight", c_uint64),
    ]


class pinyon_entry_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("ttl_ms", c_uint64),
        ("idle_ms", c_uint64),
        ("weight", c_uint64),
        ("tags", POINTER(pinyon_bytes)),
        ("tag_count", c_size_t),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("expected", pinyon_bytes),
    ]


class pinyon_found(Structure):
    _fields_ = [("code", c_int32), ("reserved", c_uint32), ("handle", c_void_p), ("value", pinyon_bytes)]


class pinyon_pair(Structure):
    _fields_ = [("key", pinyon_bytes), ("value", pinyon_bytes)]


class pinyon_lease_options(Structure):
    _fields_ = [("struct_size", c_size_t), ("lasting_ms", c_uint64), ("refresh_after_ms", c_uint64)]


class pinyon_acquired(Structure):
    _fields_ = [("token", c_uint64), ("ticket", c_uint64), ("handle", c_void_p), ("value", pinyon_bytes)]


STRUCTS = {one.__name__: one for one in Structure.__subclasses__() if one.__name__.startswith("pinyon_")}
CALLBACKS = {
    "pinyon_clock": pinyon_clock,
    "pinyon_on_removed": pinyon_on_removed,
    "pinyon_free_user": pinyon_free_user,
    "pinyon_visitor": pinyon_visitor,
    "pinyon_free_value": pinyon_free_value,
}

cache, key, out = c_void_p, (c_void_p, c_size_t), POINTER(c_void_p)
size = POINTER(c_size_t)
entry = POINTER(pinyon_entry_options)

# Function: what it returns, what it takes.
FUNCTIONS = {
    "pinyon_version": (c_uint32, []),
    "pinyon_code_text": (c_char_p, [c_int32]),
    "pinyon_last_error": (c_size_t, [c_void_p, c_size_t]),
    "pinyon_silence_defects": (None, []),
    "pinyon_create": (c_int32, [POINTER(pinyon_options), out, c_void_p, c_size_t]),
    "pinyon_free": (None, [cache]),
    "pinyon_count": (c_uint64, [cache]),
    "pinyon_set_capacity": (c_int32, [cache, c_uint64]),
    "pinyon_shrink": (c_int32, [cache, c_uint64, POINTER(c_uint64)]),
    "pinyon_maintain": (c_int32, [cache, c_size_t]),
    "pinyon_get_stats": (c_int32, [cache, POINTER(pinyon_stats)]),
    "pinyon_get_copy": (c_int32, [cache, *key, c_void_p, c_size_t, size]),
    "pinyon_get": (c_int32, [cache, *key, out, out, size]),
    "pinyon_get_into": (c_int32, [cache, *key, c_void_p, c_size_t, out, out, size]),
    "pinyon_handle_value": (c_int32, [c_void_p, out, size]),
    "pinyon_retain": (c_void_p, [c_void_p]),
    "pinyon_release": (None, [c_void_p]),
    "pinyon_visit": (c_int32, [cache, *key, pinyon_visitor, c_void_p]),
    "pinyon_contains": (c_int32, [cache, *key]),
    "pinyon_get_metadata": (c_int32, [cache, *key, POINTER(pinyon_metadata)]),
    "pinyon_set": (c_int32, [cache, *key, *key, entry]),
    "pinyon_adopt": (c_int32, [cache, *key, *key, pinyon_free_value, c_void_p, entry]),
    "pinyon_reserve": (c_int32, [cache, *key, c_size_t, out, out]),
    "pinyon_commit": (c_int32, [cache, c_void_p, entry]),
    "pinyon_discard": (None, [c_void_p]),
    "pinyon_add": (c_int32, [cache, *key, *key, entry]),
    "pinyon_replace": (c_int32, [cache, *key, *key, entry]),
    "pinyon_compare_and_swap": (c_int32, [cache, *key, *key, *key, entry]),
    "pinyon_counter_add": (c_int32, [cache, *key, c_int64, c_int64, entry, POINTER(c_int64)]),
    "pinyon_remove": (c_int32, [cache, *key]),
    "pinyon_take": (c_int32, [cache, *key, out, out, size]),
    "pinyon_touch": (c_int32, [cache, *key]),
    "pinyon_expire_after": (c_int32, [cache, *key, c_uint64]),
    "pinyon_clear": (c_int32, [cache]),
    "pinyon_invalidate_all": (c_int32, [cache]),
    "pinyon_invalidate_tag": (c_int32, [cache, *key]),
    "pinyon_get_many": (c_int32, [cache, POINTER(pinyon_bytes), c_size_t, POINTER(pinyon_found)]),
    "pinyon_set_many": (c_int32, [cache, POINTER(pinyon_pair), c_size_t, entry, POINTER(c_int32)]),
    "pinyon_adopt_many": (c_int32, [cache, POINTER(pinyon_pair), c_size_t, pinyon_free_value, c_void_p, entry, POINTER(c_int32)]),
    "pinyon_remove_many": (c_int32, [cache, POINTER(pinyon_bytes), c_size_t, POINTER(c_int32)]),
    "pinyon_acquire": (c_int32, [cache, *key, POINTER(pinyon_lease_options), POINTER(pinyon_acquired)]),
    "pinyon_complete": (c_int32, [cache, c_uint64, *key, entry]),
    "pinyon_complete_adopted": (c_int32, [cache, c_uint64, *key, pinyon_free_value, c_void_p, entry]),
    "pinyon_abandon": (c_int32, [cache, c_uint64]),
    "pinyon_wait": (c_int32, [cache, c_uint64, c_uint64, POINTER(pinyon_acquired)]),
    "pinyon_leave": (c_int32, [cache, c_uint64]),
    "pinyon_next_page": (c_int32, [cache, POINTER(c_uint64), POINTER(pinyon_item), c_size_t, size]),
    "pinyon_items_release": (None, [POINTER(pinyon_item), c_size_t]),
    "pinyon_item_handle": (c_void_p, [POINTER(pinyon_item)]),
    "pinyon_poll_removals": (c_int32, [cache, POINTER(pinyon_removal), c_size_t, size]),
}


class Header:
    """What include/pinyon.h declares, as far as it is needed here."""

    def __init__(self, path):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        self.functions = re.findall(r"^\w[\w *]*?\b(pinyon_\w+)\([^;{}]*\);", text, flags=re.M)
        self.structs = {
            name: re.findall(r"(\w+);", body) for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text, flags=re.S)
        }
        self.callbacks = re.findall(r"typedef \w+ \(\*(\w+)\)", text)
        self.numbers = {name: int(number) for name, number in re.findall(r"#define PINYON_(\w+) (-?\d+)$", text, flags=re.M)}

    def check(self):
        """What the header has and this file does not, or the other way round."""
        bound = {name: [field for field, _ in one._fields_] for name, one in STRUCTS.items()}
        wrong = [f"{name} is not in both" for name in set(self.functions) ^ set(FUNCTIONS)]
        wrong += [f"{name} is not in both" for name in set(self.structs) ^ set(bound)]
        wrong += [f"{name} is not in both" for name in set(self.callbacks) ^ set(CALLBACKS)]
        wrong += [f"{name} has other fields" for name in bound if bound[name] != self.structs.get(name)]
        return wrong


class Library:
    """The functions, bound when they are first asked for: which those were can be looked up."""

    def __init__(self, path):
        self.loaded, self.asked = ctypes.CDLL(path), set()

    def __getattr__(self, name):
        function = getattr(self.loaded, name)
        function.restype, function.argtypes = FUNCTIONS[name]
        self.asked.add(name)
        setattr(self, name, function)
        return function


class Abi:
    """What `conformance.Cache` needs, done with ctypes."""

    null = None
    SCALARS = {"char": ctypes.c_char, "size_t": c_size_t, "int32_t": c_int32, "int64_t": c_int64, "uint64_t": c_uint64}

    def __init__(self, lib, numbers):
        self.lib, self.numbers = lib, numbers

    def type(self, name):
        return c_void_p if name.endswith("*") else STRUCTS.get(name) or self.SCALARS[name]

    def array(self, type, count):
        return (self.type(type) * count)()

    def size(self, type):
        return ctypes.sizeof(self.type(type))

    def view(self, data):
        return View(data)

    def read(self, pointer, size):
        return ctypes.string_at(pointer, size) if size else b""

    def write(self, pointer, data):
        ctypes.memmove(pointer, data, len(data))

    def address(self, struct, field):
        return ctypes.cast(ctypes.addressof(struct) + getattr(type(struct), field).offset, POINTER(pinyon_item))

    def callback(self, type, function):
        return CALLBACKS[type](function)

    def number(self, name):
        return self.numbers[name]


class View(c_void_p):
    """A pointer that keeps alive what it points to."""

    def __init__(self, data):
        self.buffer = ctypes.create_string_buffer(data, len(data)) if data else None
        super().__init__(ctypes.addressof(self.buffer) if data else None)


def smoke(abi):
    """What the files of steps leave out: version, texts, errors, told removals, a reservation that is given up."""
    lib = abi.lib
    lib.pinyon_silence_defects()
    major, minor, patch = (abi.number(f"VERSION_{part}") for part in ("MAJOR", "MINOR", "PATCH"))
    assert lib.pinyon_version() == major << 16 | minor << 8 | patch
    texts = [lib.pinyon_code_text(abi.number(name)) for name in conformance.CODES]
    assert len(set(texts)) == len(texts) and all(texts)

    assert lib.pinyon_get(None, b"k", 1, abi.array("pinyon_handle *", 1), None, None) == abi.number("ERR_NULL")
    text = ctypes.create_string_buffer(256)
    assert lib.pinyon_last_error(text, 256) == len(text.value)
    assert text.value.startswith(b"pinyon_get: ")

    told, freed = [], []
    on_removed = pinyon_on_removed(
        lambda user, key, key_size, value, value_size, cause: told.append(
            (user, abi.read(key, key_size), abi.read(value, value_size), cause)
        )
    )
    free_user = pinyon_free_user(freed.append)
    options = pinyon_options(
        struct_size=ctypes.sizeof(pinyon_options),
        capacity=10,
        on_removed=on_removed,
        on_removed_user=77,
        on_removed_free=free_user,
    )
    made = c_void_p()
    assert lib.pinyon_create(options, made, None, 0) == 0
    lib.pinyon_set(made, b"jay", 3, b"seeds", 5, None)

    reservation, place = c_void_p(), c_void_p()
    assert lib.pinyon_reserve(made, b"never", 5, 100, reservation, place) == 0
    assert ctypes.string_at(place, 100) == bytes(100)
    lib.pinyon_discard(reservation)
    assert lib.pinyon_contains(made, b"never", 5) == abi.number("MISS")

    cursor, items, count = c_uint64(), (pinyon_item * 16)(), c_size_t()
    assert lib.pinyon_next_page(made, cursor, items, 16, count) == abi.number("END") and count.value == 1
    handle = lib.pinyon_item_handle(items)
    lib.pinyon_items_release(items, 1)
    assert lib.pinyon_item_handle(items) is None
    lib.pinyon_remove(made, b"jay", 3)
    assert told == [(77, b"jay", b"seeds", abi.number("REMOVED"))]
    lib.pinyon_free(made)
    assert freed == [77]
    place, size = c_void_p(), c_size_t()
    lib.pinyon_handle_value(handle, place, size)
    assert ctypes.string_at(place, size.value) == b"seeds"
    lib.pinyon_release(handle)


def main(library, header=ROOT / "include/pinyon.h", steps=ROOT / "tests/conformance"):
    header = Header(pathlib.Path(header))
    wrong = header.check()
    if wrong:
        sys.exit("\n".join(sorted(wrong)))
    abi = Abi(Library(library), header.numbers)
    smoke(abi)
    try:
        ran = conformance.run(steps, lambda options, now: conformance.Cache(abi, options, now))
    except conformance.Mismatch as error:
        sys.exit(str(error))
    never = set(FUNCTIONS) - abi.lib.asked
    if never:
        sys.exit(f"never called: {sorted(never)}")
    print(f"ctypes: {len(FUNCTIONS)} functions, {ran} steps")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
