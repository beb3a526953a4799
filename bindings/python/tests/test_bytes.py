"""Budgets: of bytes and of units of the user's own."""

from __future__ import annotations

import array
import gc
import os
import subprocess
import sys

import pytest

from pinyon import Cache
from pinyon._core import OVERHEAD
from support import Noted

try:
    import numpy
except ImportError:
    numpy = None


def taken(value):
    """What the allocator gives out for an object: Python's own up to 512 bytes, then that of C, from 128 KiB on in pages."""
    size = sys.getsizeof(value)
    if size <= 512:
        return -(-size // 16) * 16
    return -(-(size + 8) // 16) * 16 if size < 131_072 else -(-(size + 16) // 4096) * 4096


def weight_of(value, key=b"key"):
    """What the cache counts of a value."""
    cache = Cache(maxbytes=10**9)
    cache[key] = value
    return cache.stats().weight - OVERHEAD - taken(key)


@pytest.mark.parametrize(
    "value",
    ["", "text" * 100, "\u00e9" * 50, "\U0001f4a5" * 50, b"", b"x" * 5000, b"x" * 200_000, b"x" * 479, b"x" * 480, 5, 2**500, 1.5, None, True, (1, 2, 3), [1] * 100, {1: 2}],
)
def test_g02_by_itself_an_entry_weighs_what_python_says_and_the_allocator_adds(value):
    assert weight_of(value) == taken(value)


def test_g02_keys_are_counted():
    cache = Cache(maxbytes=10**9)
    cache["k" * 1000] = 1
    assert cache.stats().weight == OVERHEAD + taken("k" * 1000) + taken(1)
    assert OVERHEAD == 64


def test_g02_buffers_weigh_their_memory():
    assert weight_of(bytearray(10_000)) >= 10_000
    assert weight_of(array.array("d", [0.0] * 1000)) >= 8000
    assert weight_of(memoryview(bytes(10_000))) >= 10_000
    assert weight_of(memoryview(array.array("d", [0.0] * 1000))) >= 8000
    assert weight_of(memoryview(bytes(10_000))[:100]) < 1000


@pytest.mark.skipif(numpy is None, reason="numpy is not installed")
def test_g02_arrays_of_numpy_weigh_their_memory():
    own = numpy.zeros(10_000)
    assert 80_000 <= weight_of(own) < 81_000
    view = own[:]
    assert sys.getsizeof(view) < 1000 and 80_000 <= weight_of(view) < 81_000
    assert weight_of(numpy.float64(1.5)) < 100
    cache = Cache(maxbytes=1_000_000)
    for number in range(100):
        cache[number] = numpy.zeros(10_000)
        assert cache.stats().weight <= 1_000_000
    assert 8 <= len(cache) <= 12


def test_g02_what_has_nbytes_weighs_as_much():
    class Buffer:
        nbytes = 5000

    class Strange:
        nbytes = "many"

    class Raises:
        @property
        def nbytes(self):
            raise LookupError("no size")

    assert weight_of(Buffer()) == 5000
    assert weight_of(Strange()) < 1000
    with pytest.raises(LookupError, match="no size"):
        weight_of(Raises())


def test_g25_a_sizeof_that_raises_comes_out():
    class Raises:
        def __sizeof__(self):
            raise LookupError("no size")

    cache = Cache(maxbytes=10_000)
    cache["a"] = 1
    with pytest.raises(LookupError, match="no size"):
        cache["a"] = Raises()
    assert cache["a"] == 1


def test_g01_g02_the_budget_is_never_exceeded():
    noted = Noted()
    cache = Cache(maxbytes=100_000, on_evict=noted)
    for number in range(2000):
        cache[number] = b"x" * (number * 37 % 5000)
        stats = cache.stats()
        assert stats.weight <= 100_000
        assert stats.weight == sum(OVERHEAD + taken(key) + taken(value) for key, value in cache.items())
    assert "evicted" in noted.causes() and len(cache) > 10


def test_g04_overwrites_weigh_again():
    cache = Cache(maxbytes=100_000)
    cache["a"] = b"x" * 1000
    before = cache.stats().weight
    cache["a"] = b"x" * 5000
    assert cache.stats().weight == before + taken(b"x" * 5000) - taken(b"x" * 1000)
    cache.replace("a", b"")
    assert cache.stats().weight == before + taken(b"") - taken(b"x" * 1000)


def test_g03_an_object_larger_than_the_budget_is_refused():
    cache = Cache(maxbytes=10_000)
    cache["a"] = 1
    assert not cache.set("a", b"x" * 20_000)
    assert "a" not in cache and cache.stats().weight == 0


def test_a_weigher_says_what_an_entry_weighs():
    asked = []

    def weigher(key, value):
        asked.append((key, value))
        return len(value)

    cache = Cache(maxweight=10, weigher=weigher)
    cache["a"] = "xxxx"
    cache.set("b", "yyy")
    assert asked == [("a", "xxxx"), ("b", "yyy")]
    assert cache.stats().weight == 7
    cache.set("c", "zzzzzzz", weight=1)
    assert len(asked) == 2 and cache.stats().weight == 8
    cache["d"] = "wwwwwwwwww"
    assert cache.stats().weight <= 10
    cache = Cache(maxbytes=10_000, weigher=weigher)
    cache["a"] = "xxxx"
    assert cache.stats().weight == 4 + OVERHEAD


def test_without_a_weigher_an_entry_weighs_one():
    cache = Cache(maxweight=10)
    for number in range(100):
        cache[number] = "x" * number
    assert len(cache) == 10 and cache.stats().weight == 10


def test_g04_a_weight_of_zero_is_never_evicted():
    cache = Cache(maxweight=10)
    cache.set("free", 1, weight=0)
    for number in range(1000):
        cache[number] = number
    assert cache["free"] == 1 and len(cache) == 11
    cache.resize(1)
    assert "free" in cache and len(cache) == 2


def test_g04_sums_do_not_overflow():
    cache = Cache(maxweight=2**63)
    most = 2**64 - 1
    assert not cache.set("a", 1, weight=most)
    assert cache.set("b", 1, weight=2**62)
    assert cache.set("c", 1, weight=2**63)
    assert cache.stats().weight <= 2**63
    with pytest.raises(ValueError, match="weight must be an int of 0 or more"):
        cache.set("d", 1, weight=2**64)
    many = Cache(maxbytes=2**60)
    assert not many.set("a", 1, weight=most)


def test_g25_bad_weighers_are_named_and_change_nothing():
    answers = iter([1, -1, "x", None, 1.5, 2**70])
    cache = Cache(maxweight=10, weigher=lambda key, value: next(answers))
    cache["a"] = 1
    for _ in range(5):
        with pytest.raises(ValueError, match="what the weigher returns must be an int of 0 or more, not"):
            cache["a"] = 2
    with pytest.raises(StopIteration):
        cache["a"] = 3
    assert cache["a"] == 1 and cache.stats().weight == 1
    with pytest.raises(TypeError):
        Cache(maxweight=5, weigher=lambda: 1)["a"] = 1


def test_weights_go_with_every_way_of_writing():
    cache = Cache(maxweight=100)
    cache.add("a", 1, weight=3)
    assert cache.replace("a", 2, weight=5)
    assert cache.stats().weight == 5
    cache.get_or_load("b", str, weight=7)
    assert cache.stats().weight == 12


def test_memory_is_given_back():
    """Ten thousand large values go through a small budget: most of them must be gone."""
    cache = Cache(maxbytes=1_000_000)

    class Large(bytes):
        alive = 0

        def __new__(cls, size):
            Large.alive += 1
            return super().__new__(cls, size)

        def __del__(self):
            Large.alive -= 1

    for number in range(10_000):
        cache[number] = Large(10_000)
        assert Large.alive <= 101
    cache.clear()
    gc.collect()
    assert Large.alive == 0


# What is resident when a cache is full, beside what was before.
RESIDENT = """
import sys
from pinyon import Cache

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

cache = Cache(maxbytes=32 << 20, **eval(sys.argv[1]))
before = resident()
for number in range(300_000):
    cache.set(number + (1 << 40), bytes(64), **eval(sys.argv[2]))
print(resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not say what is resident")
@pytest.mark.parametrize("made, each", [({}, {}), ({"ttl": 1000}, {}), ({}, {"ttl": 1000}), ({}, {"tags": "a"}), ({"tti": 9}, {"tags": ["a", "b", "c"]})])
def test_g02_what_is_resident_is_what_is_counted_with_lifetimes_and_tags_too(made, each):
    ran = subprocess.run([sys.executable, "-c", RESIDENT, repr(made), repr(each)], capture_output=True, text=True, check=True)
    assert int(ran.stdout) <= (32 << 20) * 1.05 + (4 << 20)


def test_g02_a_weight_that_is_given_is_all_but_the_overhead():
    cache = Cache(maxbytes=10_000, ttl=5)
    cache.set("a", "b", weight=100, tags="c")
    assert cache.stats().weight == 100 + OVERHEAD == cache.copy().stats().weight
    cache = Cache(maxbytes=10_000, ttl=5)
    cache["a"] = "b"
    assert cache.stats().weight == taken("a") + taken("b") + OVERHEAD + 44 == cache.copy().stats().weight
