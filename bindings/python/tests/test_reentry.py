"""The contract with the interpreter: code of the user's may call the cache wherever it runs, and nothing is kept alive longer than it must be."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import pytest

from pinyon import Cache, cached
from support import Clock, Noted, Thing, at_once, run_threads, switching


class Caller:
    """A value whose `__del__` does something."""

    def __init__(self, act):
        self.act = act

    def __del__(self):
        self.act()


def actions(cache):
    """Whatever one can do to a cache."""
    return {
        "get": lambda: cache.get("other"),
        "set": lambda: cache.set("other", 1),
        "delete": lambda: cache.pop("other", None),
        "clear": cache.clear,
        "iterate": lambda: list(cache.items()),
        "load": lambda: cache.get_or_load("loaded", lambda key: 1),
        "fill": lambda: [cache.set(number, number) for number in range(50)],
        "incr": lambda: cache.incr("counter"),
        "stats": lambda: (cache.stats(), len(cache), repr(cache)),
        "expire": cache.expire,
        "resize": lambda: (cache.resize(5), cache.resize(10)),
        "copy": cache.copy,
    }


ACTIONS = sorted(actions(Cache(1)))


def sound(cache):
    assert len(cache) <= 10
    assert len(list(cache)) == len(set(cache)) == len(cache)
    cache["after"] = "all"
    assert cache["after"] == "all"


@at_once
@pytest.mark.parametrize("act", ACTIONS)
@pytest.mark.parametrize("how", ["replaced", "removed", "evicted", "cleared", "expired", "popped", "refused"])
def test_g24_a_del_may_call_the_cache(act, how):
    clock, done = Clock(), []
    cache = Cache(maxweight=10, timer=clock)
    act = actions(cache)[act]
    value = Caller(lambda: done.append(act()))
    if how == "refused":
        cache.set("a", value, weight=11)
    else:
        cache.set("a", value, ttl=5)
    del value
    if how == "replaced":
        cache["a"] = 1
    elif how == "removed":
        del cache["a"]
    elif how == "evicted":
        for number in range(100, 300):
            cache[number] = number
    elif how == "cleared":
        cache.clear()
    elif how == "expired":
        clock.advance(5)
        cache.expire()
    elif how == "popped":
        cache.pop("a")
    if how == "evicted":
        cache.pop("a", None)
    assert len(done) == 1
    sound(cache)


@pytest.mark.parametrize("act", ACTIONS)
def test_g24_a_del_of_a_key_may_call_the_cache(act):
    cache, done = Cache(10), []
    act = actions(cache)[act]
    cache[Caller(lambda: done.append(act()))] = 1
    cache.clear()
    assert len(done) == 1
    sound(cache)


@at_once
@pytest.mark.parametrize("act", ACTIONS)
def test_g24_the_callback_of_a_weak_reference_may_call_the_cache(act):
    cache, done = Cache(10), []
    act = actions(cache)[act]
    value = Thing()
    ref = weakref.ref(value, lambda ref: done.append(act()))
    cache["a"] = value
    del value
    cache["a"] = 2
    assert len(done) == 1 and ref() is None
    sound(cache)


@pytest.mark.parametrize("act", ACTIONS)
def test_g24_on_evict_may_call_the_cache(act):
    told = []

    def on_evict(key, value, cause):
        told.append((key, value, cause))
        if len(told) < 200:
            act()

    cache = Cache(10, on_evict=on_evict)
    act = actions(cache)[act]
    for number in range(30):
        cache[1000 + number] = number
    cache["a"] = 1
    cache["a"] = 2
    cache.clear()
    assert ("a", 1, "replaced") in told or ("a", 1, "evicted") in told or ("a", 1, "cleared") in told
    sound(cache)


@pytest.mark.parametrize("act", ACTIONS)
def test_g24_a_weigher_may_call_the_cache(act):
    inside = []

    def weigher(key, value):
        if not inside:
            inside.append(1)
            act()
            inside.clear()
        return 1

    cache = Cache(maxweight=10, weigher=weigher)
    act = actions(cache)[act]
    for number in range(30):
        cache[number] = number
    sound(cache)


@pytest.mark.parametrize("act", ACTIONS)
def test_g24_a_clock_may_call_the_cache(act):
    inside = []

    def timer():
        if made and not inside:
            inside.append(1)
            act()
            inside.clear()
        return 5.0

    made = []
    cache = Cache(10, timer=timer)
    act = actions(cache)[act]
    made.append(1)
    for number in range(30):
        cache[number] = number
        cache.get(number)
    made.clear()
    sound(cache)


@pytest.mark.parametrize("act", [act for act in ACTIONS if act != "load"])
def test_g24_a_loader_may_call_the_cache(act):
    cache = Cache(10)
    act = actions(cache)[act]

    def load(key):
        act()
        return key * 2

    for number in range(1000, 1030):
        assert cache.get_or_load(number, load) == 2 * number
    sound(cache)


@at_once
def test_a_del_that_raises_is_reported_and_no_more(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_type))
    cache = Cache(10)
    cache["a"] = Caller(lambda: 1 / 0)
    cache["a"] = 1
    assert seen == [ZeroDivisionError] and cache["a"] == 1


def test_a_del_that_puts_itself_back():
    cache = Cache(10)

    class Phoenix:
        def __del__(self):
            cache["phoenix"] = self

    cache["phoenix"] = Phoenix()
    for _ in range(5):
        cache.pop("other", None)
        del cache["phoenix"]
        gc.collect()
        if "phoenix" not in cache:
            break
    cache["other"] = 1
    assert cache["other"] == 1


@at_once
def test_a_chain_of_dels_each_of_which_removes_the_next():
    cache = Cache(10_000)
    left = []

    def link(number):
        return Caller(lambda: (left.append(number), cache.pop(number + 1, None)))

    for number in range(200):
        cache[number] = link(number)
    del cache[0]
    assert left == list(range(200)) and len(cache) == 0


WAYS = {
    "replaced": lambda cache, clock: cache.set("a", 1),
    "set again": lambda cache, clock: cache.__setitem__("a", 1),
    "replace": lambda cache, clock: cache.replace("a", 1),
    "del": lambda cache, clock: cache.__delitem__("a"),
    "delete": lambda cache, clock: cache.delete("a"),
    "delete_many": lambda cache, clock: cache.delete_many(["a"]),
    "pop": lambda cache, clock: cache.pop("a") and None,
    "popitem": lambda cache, clock: cache.popitem() and None,
    "clear": lambda cache, clock: cache.clear(),
    "tag": lambda cache, clock: cache.evict("t"),
    "expire": lambda cache, clock: (clock.advance(10), cache.expire()),
    "len": lambda cache, clock: (clock.advance(10), len(cache)),
    "resize": lambda cache, clock: (cache.set("b", 1), cache.set("b", 1), cache.resize(1), cache.delete("a")),
    "refused": lambda cache, clock: cache.set("a", 1, weight=1000),
    "incr": lambda cache, clock: (cache.delete("a"), cache.incr("a")),
    "load": lambda cache, clock: (clock.advance(10), cache.get_or_load("a", str)),
    "scan": lambda cache, clock: ([cache.set(n, n) for n in range(100)], cache.delete("a")),
    "update": lambda cache, clock: cache.update(a=1),
    "set_many": lambda cache, clock: cache.set_many({"a": 1}),
}


@at_once
@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("listener", [None, Noted])
def test_g27_what_leaves_is_freed_when_the_call_returns(way, listener):
    clock = Clock()
    told = []
    on_evict = None if listener is None else lambda key, value, cause: told.append(cause)
    cache = Cache(maxweight=10, timer=clock, on_evict=on_evict)
    value, key = Thing(), "a"
    ref = weakref.ref(value)
    cache.set(key, value, ttl=10, tags="t")
    del value
    assert ref() is not None
    WAYS[way](cache, clock)
    assert ref() is None, "it is still alive"
    assert listener is None or told


@at_once
def test_g27_what_is_evicted_is_freed_by_the_call_that_evicts():
    alive = []

    class Counted:
        def __init__(self):
            alive.append(1)

        def __del__(self):
            alive.pop()

    for policy in ("tinylfu", "clock"):
        cache = Cache(10, policy=policy)
        for number in range(500):
            cache[number] = Counted()
            assert len(alive) == len(cache) <= 10
        cache.clear()
        assert not alive


def test_g27_keys_are_freed_too():
    class Key:
        pass

    cache = Cache(10)
    key = Key()
    ref = weakref.ref(key)
    cache[key] = 1
    del key
    cache.clear()
    assert ref() is None


@at_once
def test_g27_results_of_decorated_functions_are_freed():
    @cached(maxsize=10)
    def make(number):
        return Thing(number)

    ref = weakref.ref(make(1))
    assert ref() is make(1)
    assert make.invalidate(1)
    assert ref() is None
    ref = weakref.ref(make(1))
    make.cache_clear()
    assert ref() is None
    refs = [weakref.ref(make(number)) for number in range(100)]
    assert sum(ref() is not None for ref in refs) == len(make.cache) <= 10


def test_g24_dels_of_many_threads_that_call_the_cache():
    cache = Cache(50)
    counts = [0] * 4

    def work(at):
        def act():
            counts[at] += 1
            cache.get(counts[at] % 100)

        def run():
            for number in range(1000):
                cache[number * (at + 1) % 100] = Caller(act)

        return run

    with switching():
        run_threads(*(work(at) for at in range(4)))
    assert len(cache) <= 50
    cache.clear()
    gc.collect()
    assert sum(counts) > 0


def test_g26_what_on_evict_hears_of_a_key_is_in_order():
    told = {}

    def on_evict(key, value, cause):
        told.setdefault(key, []).append(value)

    cache = Cache(100, on_evict=on_evict)
    lock = threading.Lock()
    numbers = [0] * 10

    def work():
        for turn in range(2000):
            with lock:
                key = turn % 10
                cache[key] = numbers[key]
                numbers[key] += 1

    with switching():
        run_threads(*[work] * 4)
    cache.clear()
    assert {key: values == list(range(numbers[key])) for key, values in told.items()} == dict.fromkeys(range(10), True)
