"""Many threads which take turns as often as they can, over all operations."""

from __future__ import annotations

import itertools
import random
import threading

import pytest

from pinyon import Cache, cached
from support import Clock, run_threads, switching

TURNS = 1500


class Key:
    """A key that only Python can compare."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number % 5

    def __eq__(self, other):
        return isinstance(other, Key) and self.number == other.number


def number_of(key):
    return key.number if isinstance(key, Key) else key


def operate(cache, random, make, most):
    """Does something, and looks whether it is sound."""
    key = make(random.randrange(60))
    value = (number_of(key), random.random())
    what = random.randrange(20)
    found = None
    if what < 4:
        found = cache.get(key)
    elif what < 7:
        cache.set(key, value, ttl=random.choice([None, 1, 1000]), tags=random.choice([None, "t", "u"]))
    elif what == 7:
        found = cache.pop(key, None)
    elif what == 8:
        cache.add(key, value)
    elif what == 9:
        cache.replace(key, value)
    elif what == 10:
        found = cache.get_or_load(key, lambda key: (number_of(key), 0))
    elif what == 11:
        for there, (number, _) in cache.items():
            assert number == number_of(there)
    elif what == 12:
        assert len(cache) <= most
        stats = cache.stats()
        assert stats.entries <= most and stats.weight <= most
    elif what == 13:
        found = cache.setdefault(key, value)
    elif what == 14:
        cache.touch(key)
        try:
            left = cache.ttl(key)
            assert left is None or left >= 0
        except KeyError:
            pass
    elif what == 15 and random.random() < 0.2:
        cache.evict(random.choice("tu"))
    elif what == 16 and random.random() < 0.05:
        cache.clear()
    elif what == 17:
        for there, (number, _) in cache.get_many([make(random.randrange(60)) for _ in range(5)]).items():
            assert number == number_of(there)
    elif what == 18:
        try:
            there, (number, _) = cache.popitem()
            assert number == number_of(there)
        except KeyError:
            pass
    elif what == 19:
        assert (key in cache) in (True, False)
        cache.expire()
        found = cache.peek(key)
    assert found is None or found[0] == number_of(key), (key, found)


@pytest.mark.parametrize("make", [int, Key], ids=["plain keys", "keys of Python"])
@pytest.mark.parametrize("policy", ["tinylfu", "clock"])
def test_g01_g06_g12_all_operations_by_many_threads(make, policy):
    clock = Clock()
    told = []
    cache = Cache(30, policy=policy, timer=clock, on_evict=lambda key, value, cause: told.append((number_of(key), value[0])))

    def work(seed):
        chance = random.Random(seed)

        def run():
            for turn in range(TURNS if make is int else TURNS // 5):
                operate(cache, chance, make, 30)
                if turn % 50 == 0:
                    clock.now += 0.1

        return run

    with switching():
        run_threads(*(work(seed) for seed in range(6)))
    assert len(cache) <= 30
    assert all(key == number for key, number in told)
    keys = [number_of(key) for key in cache]
    assert len(keys) == len(set(keys))
    stats = cache.stats()
    left = stats.removed + stats.cleared + stats.evicted + stats.expired + stats.invalidated
    assert stats.added == left + stats.entries


@pytest.mark.parametrize("settings", [{"maxweight": 100}, {"maxbytes": 20_000}])
def test_g01_weights_by_many_threads(settings):
    cache = Cache(**settings)
    most = next(iter(settings.values()))

    def work(seed):
        chance = random.Random(seed)

        def run():
            for _ in range(TURNS):
                key = chance.randrange(50)
                if "maxweight" in settings:
                    cache.set(key, key, weight=chance.randrange(110))
                else:
                    cache.set(key, b"x" * chance.randrange(3000))
                assert cache.stats().weight <= most
                if chance.random() < 0.01:
                    cache.resize(most)

        return run

    with switching():
        run_threads(*(work(seed) for seed in range(4)))
    assert cache.stats().weight <= most


def test_g05_the_size_changes_under_writers():
    cache = Cache(100)
    done = threading.Event()

    def write():
        for number in itertools.count():
            cache[number % 500] = number
            assert len(cache) <= 100
            if done.is_set():
                return

    def resize():
        try:
            for turn in range(300):
                most = 1 + turn * 37 % 100
                cache.resize(most)
        finally:
            done.set()

    with switching():
        run_threads(write, write, write, resize)
    assert len(cache) <= cache.settings["maxsize"]


def test_g16_counters_lose_nothing():
    cache = Cache(100)

    def count():
        for number in range(TURNS):
            cache.incr("up")
            cache.decr("down", 2)
            cache.incr(number % 7)

    with switching():
        run_threads(*[count] * 6)
    assert cache["up"] == 6 * TURNS and cache["down"] == -12 * TURNS
    assert sum(cache[number] for number in range(7)) == 6 * TURNS


def test_g16_one_of_many_adds_pops_and_replaces():
    cache = Cache(1000)
    added, popped, replaced = [], [], []

    def work():
        for number in range(300):
            if cache.add(number, number):
                added.append(number)

    with switching():
        run_threads(*[work] * 6)
        assert sorted(added) == list(range(300))

        def swap():
            for number in range(300):
                if cache.replace(number, object(), expected=olds[number]):
                    replaced.append(number)

        olds = [cache[number] for number in range(300)]
        run_threads(*[swap] * 4)
        assert sorted(replaced) == list(range(300))

        def take():
            for number in range(300):
                if cache.pop(number, None) is not None:
                    popped.append(number)

        run_threads(*[take] * 6)
    assert sorted(popped) == list(range(300)) and len(cache) == 0


def test_g26_each_removal_is_told_once():
    told = []
    cache = Cache(20, on_evict=lambda key, value, cause: told.append(value))
    numbers = itertools.count()

    def work():
        for turn in range(TURNS):
            cache[turn % 50] = next(numbers)
            if turn % 3 == 0:
                cache.delete((turn * 7) % 50)

    with switching():
        run_threads(*[work] * 6)
    cache.clear()
    assert sorted(told) == list(range(6 * TURNS))


def test_g18_one_decorated_function_of_many_threads():
    calls = []

    @cached(maxsize=10)
    def function(number):
        calls.append(number)
        return number * 2

    def work(seed):
        chance = random.Random(seed)

        def run():
            for _ in range(TURNS):
                number = chance.randrange(20)
                assert function(number) == 2 * number
                if chance.random() < 0.02:
                    function.invalidate(number)

        return run

    with switching():
        run_threads(*(work(seed) for seed in range(6)))
    assert len(function.cache) <= 10
    info = function.cache_info()
    assert info.hits + info.misses >= 6 * TURNS - len(calls)


def test_caches_of_many_instances_are_made_by_many_threads():
    class Shop:
        @cached
        def price(self, item):
            return (id(self), item)

    shops = [Shop() for _ in range(50)]

    def work():
        for turn in range(TURNS):
            shop = shops[turn % 50]
            assert shop.price(turn % 3) == (id(shop), turn % 3)

    with switching():
        run_threads(*[work] * 4)


def test_g28_threads_come_and_go():
    cache = Cache(100)
    for turn in range(30):
        run_threads(*[lambda: [cache.set(number, turn) or cache.get(number) for number in range(50)]] * 4)
    assert len(cache) == 50
