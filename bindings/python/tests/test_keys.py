"""Keys: what is equal is one key, as in a dict, whatever an `__eq__` or a `__hash__` may do."""

from __future__ import annotations

import decimal
import fractions
import math
import threading
import time

import pytest

from pinyon import Cache
from support import run_threads, switching


class Name:
    """A key whose comparison only Python can do."""

    def __init__(self, text):
        self.text = text

    def __hash__(self):
        return hash(self.text)

    def __eq__(self, other):
        return self.text == (other.text if isinstance(other, Name) else other)


class Clash:
    """All of them have the same hash."""

    def __init__(self, number, during=None):
        self.number = number
        self.during = during

    def __hash__(self):
        return 7

    def __eq__(self, other):
        if self.during is not None:
            self.during()
        return isinstance(other, Clash) and self.number == other.number


PAIRS = [
    (1, 1.0),
    (1, True),
    (0.0, False),
    (0, -0.0),
    (2**70, float(2**70)),
    (1, fractions.Fraction(1)),
    (1, decimal.Decimal(1)),
    (1, complex(1)),
    ("a", "".join(["a"])),
    (b"ab", bytes([97, 98])),
    ((1, ("a", b"b", (None, 2.0))), (True, ("a", b"b", (None, 2)))),
    (((((((1,),),),),),), ((((((1.0,),),),),),)),
    (frozenset([1, 2]), frozenset([2, 1])),
    (frozenset([1]), {1: 2}.keys() and frozenset([1.0])),
    (range(3), range(0, 3)),
    ("a", type("Text", (str,), {})("a")),
    (1, type("Number", (int,), {})(1)),
    ((1, "a"), type("Pair", (tuple,), {})((1, "a"))),
    ("a", Name("a")),
    (Name("a"), Name("a")),
    ((1, Name("a")), (1.0, "a")),
    (int, int),
    (None, None),
    (..., ...),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=[repr(pair)[:40] for pair in PAIRS])
def test_g12_what_is_equal_is_one_key(one, other):
    for first, second in ((one, other), (other, one)):
        cache, like = Cache(10), {}
        for there in (cache, like):
            there[first] = 1
            assert there[second] == 1 and second in there
            there[second] = 2
            assert len(there) == 1 and there[first] == 2
            assert next(iter(there)) == first
            assert there.pop(second) == 2 and len(there) == 0


DIFFERENT = [
    (1, "1"),
    ("a", b"a"),
    (1, (1,)),
    ((1, 2), (2, 1)),
    ((), None),
    ("a", "A"),
    (-1, -2),
    (2**61 - 1, 0),
    ((1, 2), (1, 2, 3)),
    (Name("a"), Name("b")),
    (Clash(1), Clash(2)),
    (object(), object()),
    (1.5, 1),
    (2**53, 2.0**53 + 2),
    ("\ud800", "\udfff"),
    ("", b""),
    (0, ""),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=[repr(pair)[:40] for pair in DIFFERENT])
def test_g12_what_is_different_is_two_keys(one, other):
    cache = Cache(10)
    cache[one] = 1
    cache[other] = 2
    assert cache[one] == 1 and cache[other] == 2 and len(cache) == 2
    del cache[one]
    assert one not in cache and cache[other] == 2


def test_a_nan_is_itself_and_nothing_else():
    one, other = float("nan"), float("nan")
    cache = Cache(10)
    cache[one] = 1
    cache[other] = 2
    assert cache[one] == 1 and cache[other] == 2 and math.nan not in cache
    cache[(one,)] = 3
    assert cache[(one,)] == 3 and (other,) not in cache
    del cache[one]
    assert one not in cache and other in cache


def test_g12_hashes_that_clash_in_great_number():
    cache = Cache(300)
    keys = [Clash(number) for number in range(200)]
    for key in keys:
        cache[key] = key.number
    assert [cache[Clash(number)] for number in range(200)] == list(range(200))
    for number in range(0, 200, 2):
        del cache[Clash(number)]
    assert sorted(key.number for key in cache) == list(range(1, 200, 2))
    texts = Cache(2000)
    # In CPython the numbers n and n + (2**61 - 1) hash alike.
    for number in range(1000):
        texts[5 + number * (2**61 - 1)] = number
    assert [texts[5 + number * (2**61 - 1)] for number in range(1000)] == list(range(1000))


@pytest.mark.parametrize("key", [[], {}, set(), ([],), bytearray()], ids=repr)
def test_what_cannot_be_hashed_is_a_type_error_as_of_a_dict(key):
    cache = Cache(10)
    with pytest.raises(TypeError) as theirs:
        {}[key]
    for call in (
        lambda: cache[key],
        lambda: cache.get(key),
        lambda: cache.peek(key),
        lambda: key in cache,
        lambda: cache.set(key, 1),
        lambda: cache.__setitem__(key, 1),
        lambda: cache.add(key, 1),
        lambda: cache.replace(key, 1),
        lambda: cache.setdefault(key, 1),
        lambda: cache.incr(key),
        lambda: cache.pop(key, None),
        lambda: cache.delete(key),
        lambda: cache.__delitem__(key),
        lambda: cache.touch(key),
        lambda: cache.ttl(key),
        lambda: cache.get_or_load(key, str),
    ):
        with pytest.raises(TypeError) as ours:
            call()
        assert "unhashable type" in str(ours.value) and "unhashable type" in str(theirs.value)
    assert len(cache) == 0


def test_g25_a_hash_that_raises_comes_out():
    class Key:
        def __hash__(self):
            raise LookupError("no hash")

    cache = Cache(10)
    for call in (lambda: cache[Key()], lambda: cache.set(Key(), 1), lambda: cache.pop(Key(), None)):
        with pytest.raises(LookupError, match="no hash"):
            call()


def test_g25_an_eq_that_raises_comes_out_and_changes_nothing():
    class Key(Clash):
        def __eq__(self, other):
            raise LookupError("no comparison")

        __hash__ = Clash.__hash__

    cache = Cache(10)
    first = Clash(1)
    cache[first] = 1
    key = Key(1)
    # Python asks the one that is there first; it says no by a plain answer only to one of its own kind.
    first.__class__ = Key
    for call in (
        lambda: cache[key],
        lambda: cache.set(key, 2),
        lambda: cache.add(key, 2),
        lambda: cache.replace(key, 2),
        lambda: cache.pop(key, None),
        lambda: key in cache,
        lambda: cache.touch(key),
        lambda: cache.incr(key),
        lambda: cache.get_or_load(key, lambda key: 5),
        lambda: cache.get_many([key]),
    ):
        with pytest.raises(LookupError, match="no comparison"):
            call()
    assert cache[first] == 1 and len(cache) == 1
    cache["other"] = 2
    assert cache["other"] == 2


def test_an_eq_that_says_something_strange_counts_by_its_truth():
    class Key(Clash):
        def __eq__(self, other):
            return [1] if self.number == other.number else []

        __hash__ = Clash.__hash__

    cache = Cache(10)
    cache[Key(1)] = 1
    assert cache[Key(1)] == 1 and Key(2) not in cache


@pytest.mark.parametrize("what", ["get", "set", "delete", "clear", "load", "incr", "evict all", "iterate"])
def test_g24_an_eq_may_call_the_cache(what):
    cache = Cache(100)
    busy = []

    def during():
        if busy:
            return
        busy.append(1)
        try:
            if what == "get":
                cache.get(Clash(3))
            elif what == "set":
                cache[Clash(3)] = 3
            elif what == "delete":
                cache.pop(Clash(1), None)
            elif what == "clear":
                cache.clear()
            elif what == "load":
                cache.get_or_load(Clash(4), lambda key: 4)
            elif what == "incr":
                cache.incr("counter")
            elif what == "evict all":
                for number in range(200):
                    cache[number] = number
            else:
                list(cache.items())
        finally:
            busy.clear()

    for write in (False, True):
        cache.clear()
        cache[Clash(1, during)] = 1
        cache[Clash(2, during)] = 2
        busy.clear()
        if write:
            cache[Clash(1)] = 10
            busy.append(1)
            assert cache.peek(Clash(1)) == 10
            busy.clear()
        else:
            assert cache.get(Clash(1)) in (1, None)
        assert len(cache) <= 100
        keys = [key.number for key in cache if isinstance(key, Clash)]
        assert len(keys) == len(set(keys))


def test_g24_an_eq_that_writes_the_very_key_does_not_make_a_second_entry():
    cache = Cache(100)
    inner = []

    def during():
        if not inner:
            inner.append(1)
            cache[Clash(5)] = "inner"

    cache[Clash(1, during)] = 1
    cache[Clash(5)] = "outer"
    assert sum(isinstance(key, Clash) and key.number == 5 for key in cache) == 1
    assert cache[Clash(5)] == "outer"


def test_an_eq_that_changes_the_cache_for_ever_is_an_error_not_a_hang():
    cache = Cache(100_000)
    numbers = iter(range(1, 10**9))
    depth = []

    def during():
        if not depth:
            depth.append(1)
            cache[Clash(-next(numbers), during)] = 0
            depth.clear()

    cache[Clash(0, during)] = 0
    with pytest.raises((RuntimeError, RecursionError)):
        for _ in range(3):
            cache[Clash("never")]


def test_g12_g24_an_eq_that_lets_other_threads_run():
    cache = Cache(1000)

    class Slow(Clash):
        def __eq__(self, other):
            time.sleep(0)
            return self.number == other.number

        __hash__ = Clash.__hash__

    stop = threading.Event()

    def write(at):
        def run():
            try:
                for turn in range(30):
                    number = (at * 7 + turn) % 10
                    cache[Slow(number)] = number
                    found = cache.get(Slow(number))
                    assert found is None or found == number
                    if turn % 5 == 0:
                        cache.pop(Slow(turn % 10), None)
                    cache.add(Slow(turn % 10), turn % 10)
            finally:
                stop.set()

        return run

    with switching():
        run_threads(*(write(at) for at in range(4)))
    numbers = [key.number for key in cache]
    assert len(numbers) == len(set(numbers)), "one key has two entries"
    assert all(cache[Slow(number)] == number for number in numbers)


def test_g12_plain_keys_and_those_of_python_meet_in_one_cache():
    cache = Cache(100)
    cache["a"] = 1
    assert cache[Name("a")] == 1
    cache[Name("b")] = 2
    assert cache["b"] == 2
    cache["b"] = 3
    assert len(cache) == 2 and cache[Name("b")] == 3
    assert cache.incr(Name("b")) == 4
    assert cache.get_or_load(Name("c"), lambda key: 5) == 5
    assert cache["c"] == 5
    assert cache.delete(Name("a")) and "a" not in cache
    assert cache.get_many(["b", Name("c")])["b"] == 4


def test_a_class_that_compares_by_identity():
    class Key:
        pass

    cache = Cache(10)
    one, other = Key(), Key()
    cache[one] = 1
    assert cache[one] == 1 and other not in cache
