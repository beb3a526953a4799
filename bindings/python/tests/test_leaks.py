"""Nothing is kept that should have gone: references and memory over a million operations."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

import pytest

import pinyon
from pinyon import Cache, cached
from support import Clock, Thing


class Payload:
    """An object whose references are counted."""


def references(*objects):
    gc.collect()
    return [sys.getrefcount(each) for each in objects]


def all_operations(cache, clock, key, value):
    cache[key] = value
    cache[key]
    cache.get(key), cache.peek(key), key in cache
    cache.get("none", value)
    cache.set(key, value, ttl=5, tti=5, tags=["a", "b"])
    cache.add(key, value), cache.replace(key, value), cache.replace(key, value, expected=value)
    cache.setdefault(key, value), cache.setdefault("default", value)
    cache.get_many([key, "none"]), cache.set_many({key: value}), cache.update([(key, value)])
    cache.touch(key), cache.touch(key, ttl=3), cache.ttl(key)
    list(cache), list(cache.values()), list(cache.items())
    iterator = iter(cache)
    next(iterator)
    cache.get_or_load("loaded", lambda key: value)
    try:
        cache.get_or_load("failed", lambda key: 1 / 0)
    except ZeroDivisionError:
        pass
    cache.incr("counter"), cache.copy(), cache.stats(), repr(cache), cache.settings
    cache.pop(key, value), cache.pop(key, None)
    for each in ([], {}):
        try:
            cache[each] = value
        except TypeError:
            pass
    try:
        cache[key]
    except KeyError:
        pass
    cache[key] = value
    cache.evict("a", "b")
    cache.delete(key)
    cache[key] = value
    clock.advance(100)
    cache.expire()
    for number in range(20):
        cache[number] = value
    cache.popitem()
    cache.resize(5), cache.resize(10)
    cache.clear()


@pytest.mark.parametrize("settings", [{"maxsize": 10}, {"maxweight": 10, "weigher": lambda key, value: 1}, {"maxsize": 10, "policy": "clock"}])
@pytest.mark.parametrize("kind", [tuple, Thing], ids=["plain", "of Python"])
@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="needs reference counts")
def test_no_operation_keeps_a_reference(settings, kind):
    clock = Clock()
    on_evict = lambda key, value, cause: None  # noqa: E731
    cache = Cache(**settings, timer=clock, on_evict=on_evict, ttl=50)
    key, value = (kind(["key"]), Payload()) if kind is tuple else (Thing("key"), Payload())
    all_operations(cache, clock, key, value)
    before = references(key, value, None, Payload, clock, on_evict)
    for _ in range(20):
        all_operations(cache, clock, key, value)
    after = references(key, value, Payload, clock, on_evict)
    assert after == before[:2] + before[3:]


def test_no_decorated_function_keeps_a_reference():
    value, argument = Payload(), Payload()

    @cached(maxsize=4)
    def function(argument, number=0):
        return value

    @cached(maxsize=4)
    async def coroutine(argument, number=0):
        return value

    class Owner:
        @cached(maxsize=4)
        def method(self, argument):
            return value

    def use():
        for number in range(10):
            function(argument, number=number), function(argument)
        function.invalidate(argument), function.refresh(argument), function.cache_info(), function.cache_key(argument)

        async def main():
            for number in range(10):
                await coroutine(argument, number)
                await coroutine(argument, number)
            coroutine(argument).close()

        asyncio.run(main())
        owner = Owner()
        owner.method(argument), owner.method(argument)
        function.cache_clear(), coroutine.cache_clear()

    use()
    use()
    before = references(value, argument)
    for _ in range(10):
        use()
    assert references(value, argument) == before


def resident():
    """Bytes of memory that are in use."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_g02_memory_does_not_grow_over_a_million_operations():
    clock = Clock()
    cache = Cache(1000, timer=clock)
    function = cached(maxsize=1000)(lambda number: number + 0.5)

    def work(turns):
        for number in range(turns):
            cache.set(number, str(number), ttl=10)
            cache.get(number - 500)
            cache[f"key {number % 3000}"] = number
            function(number)
            cache.pop(number - 100, None)
            if number % 1000 == 0:
                clock.advance(1)
                cache.evict(f"tag {number}")
                cache.get_or_load(-number, str)

    work(20_000)
    gc.collect()
    before = resident()
    work(200_000)
    gc.collect()
    grown = resident() - before
    assert grown < 8 * 2**20, f"{grown / 2**20:.1f} MiB more after a million operations"
    assert len(cache) <= 1000 and len(function.cache) <= 1000


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_g28_caches_that_come_and_go_leave_no_memory():
    def make():
        for _ in range(500):
            cache = Cache(100_000, ttl=5)
            for number in range(20):
                cache[number] = b"x" * 100
            pinyon.cached(maxsize=10)(str)(5)

    make()
    gc.collect()
    before = resident()
    for _ in range(5):
        make()
    gc.collect()
    grown = resident() - before
    assert grown < 8 * 2**20, f"{grown / 2**20:.1f} MiB more after 2500 caches"
