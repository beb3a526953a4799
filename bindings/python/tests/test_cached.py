"""`cached`: functions, methods and coroutine functions."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import datetime
import functools
import gc
import inspect
import pickle
import threading
import time
import weakref

import pytest

from pinyon import Cache, CacheInfo, OwnKeyError, cached
from support import LIMIT, Clock, Thing, eventually, run_threads, switching


def run(coroutine):
    async def main():
        return await asyncio.wait_for(coroutine, LIMIT)

    return asyncio.run(main())


class Calls:
    """Counts the calls of the functions it makes."""

    def __init__(self):
        self.all = []

    def function(self, *args, **kwargs):
        self.all.append((args, tuple(sorted(kwargs.items()))))
        return len(self.all)

    async def coroutine(self, *args, **kwargs):
        await asyncio.sleep(0)
        return self.function(*args, **kwargs)

    def __len__(self):
        return len(self.all)


# Functions


def test_a_function_is_called_once_for_each_set_of_arguments():
    calls = Calls()

    @cached
    def function(a, b=2):
        """Does something."""
        return calls.function(a, b)

    assert [function(1), function(1), function(2), function(1)] == [1, 1, 2, 1]
    assert function(1, 3) == 3 and function(1, b=3) == 4 and function(a=1) == 5
    assert function(b=3, a=1) == function(a=1, b=3)
    assert len(calls) == 6


def test_it_looks_like_the_function():
    def function(a: int, b: str = "x", *, c: float = 1.0) -> int:
        """Does something."""
        return a

    function.attribute = 5
    made = cached(function)
    assert made.__name__ == "function" and made.__doc__ == "Does something." and made.__module__ == __name__
    assert made.__qualname__ == function.__qualname__ and made.__wrapped__ is function
    assert made.__annotations__ == function.__annotations__ and made.attribute == 5
    assert inspect.signature(made) == inspect.signature(function)
    assert inspect.unwrap(made) is function
    assert "function" in repr(made) and repr(made).startswith("<cached ")
    assert callable(made) and isinstance(made.cache, Cache)
    made.other = 7
    assert made.other == 7
    weakref.ref(made)


def test_with_and_without_brackets():
    assert cached(str)(5) == "5"
    assert cached()(str)(5) == "5"
    assert cached(maxsize=10)(str)(5) == "5"
    assert cached(functools.partial(int, base=2))("101") == 5


@pytest.mark.parametrize("other", [1.0, True])
def test_arguments_are_keys_as_in_a_dict_unless_typed(other):
    calls = Calls()
    plain, typed = cached(calls.function), cached(typed=True)(calls.function)
    # Of a single argument `functools.lru_cache` too tells an int from what else equals it.
    assert plain(1, 2) == plain(other, 2) and plain(a=1) == plain(a=other)
    assert typed(1) != typed(other)
    assert typed(a=1) != typed(a=other)
    assert typed("a") == typed("a")
    assert plain((1, 2)) != plain(1, 2)
    assert plain() == plain() != plain(None)
    assert plain("a", 1) != plain(a=1)
    assert plain(1, "b", 2) != plain(1, b=2)


def test_one_argument_and_a_tuple_of_it_are_told_apart():
    calls = Calls()
    function = cached(calls.function)
    results = [function(1), function((1,)), function(((1,),)), function("a"), function(("a",)), function(b"a"), function(None)]
    assert results == list(range(1, 8))


def test_unhashable_arguments_are_a_type_error():
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        cached(len)([1])


def test_a_key_function_makes_the_key():
    calls = Calls()
    function = cached(key=lambda text, **more: text.lower())(calls.function)
    assert function("A") == function("a") == function("a", more=1) != function("b")
    assert function.cache_key("A") == "a" and "a" in function.cache
    with pytest.raises(AttributeError):
        function(5)


def test_cache_key_is_the_key_of_a_call():
    function = cached(lambda *args, **kwargs: 5)
    function(1), function("a"), function(1, 2), function(1, a=2)
    for key in (function.cache_key(1), function.cache_key("a"), function.cache_key(1, 2), function.cache_key(1, a=2)):
        assert key in function.cache
    assert len(function.cache) == 4


def test_g23_errors_are_not_kept():
    calls = Calls()

    @cached
    def function(number):
        calls.function()
        raise LookupError(number)

    for _ in range(3):
        with pytest.raises(LookupError):
            function(1)
    assert len(calls) == 3 and len(function.cache) == 0


@pytest.mark.parametrize("is_async", [False, True])
def test_g23_errors_are_kept_if_asked_for_with_a_lifetime_of_their_own(is_async):
    calls, clock = Calls(), Clock()
    settings = dict(errors=LookupError, error_ttl=5, ttl=50, timer=clock)
    if is_async:

        @cached(**settings)
        async def coroutine(number):
            return body(number)

        def function(number):
            return run(coroutine(number))

    else:

        @cached(**settings)
        def function(number):
            return body(number)

    def body(number):
        calls.function()
        if number == 0:
            raise KeyError("none")
        if number == 1:
            raise ValueError("other")
        return number

    for _ in range(3):
        with pytest.raises(KeyError, match="none"):
            function(0)
    assert len(calls) == 1
    for _ in range(2):
        with pytest.raises(ValueError, match="other"):
            function(1)
    assert len(calls) == 3
    assert function(2) == function(2) == 2 and len(calls) == 4
    clock.advance(5)
    with pytest.raises(KeyError):
        function(0)
    assert function(2) == 2 and len(calls) == 5
    clock.advance(45)
    assert function(2) == 2 and len(calls) == 6


def test_g23_several_kinds_of_errors():
    calls = Calls()

    @cached(errors=(KeyError, ZeroDivisionError))
    def function(error):
        calls.function()
        raise error

    for error in (KeyError, ZeroDivisionError):
        for _ in range(2):
            with pytest.raises(error):
                function(error)
    assert len(calls) == 2


def test_none_is_a_result():
    calls = Calls()

    @cached
    def function():
        calls.function()

    assert function() is function() is None and len(calls) == 1


def test_g18_threads_call_once():
    calls = Calls()

    @cached
    def function(number):
        time.sleep(0.01)
        return calls.function(number)

    with switching():
        run_threads(*[lambda: [function(number) for number in range(5)]] * 6)
    assert len(calls) == 5


def test_g21_calling_oneself():
    @cached
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(60) == 1548008755920

    @cached
    def function(n):
        return function(n)

    with pytest.raises(OwnKeyError):
        function(1)


# What a decorated function has


def test_g29_cache_info_is_that_of_lru_cache():
    function = cached(maxsize=10)(lambda number: number)
    theirs = functools.lru_cache(maxsize=10)(lambda number: number)
    for number in (1, 2, 1, 3, 1, 1):
        function(number), theirs(number)
    assert function.cache_info() == CacheInfo(3, 3, 10, 3) == tuple(theirs.cache_info())
    assert function.cache_info()._fields == theirs.cache_info()._fields
    function.cache_clear()
    assert function.cache_info().currsize == 0
    assert cached(maxbytes=5000)(str).cache_info().maxsize is None
    assert cached(str).cache_info().maxsize == 1024


def test_cache_clear_invalidate_and_refresh():
    calls = Calls()
    function = cached(calls.function)
    assert [function(1), function(2), function(1, a=3)] == [1, 2, 3]
    assert function.invalidate(1) is True and function.invalidate(1) is False
    assert function.invalidate(1, a=3) is True
    assert [function(2), function(1), function(1, a=3)] == [2, 4, 5]
    assert function.refresh(2) == 6 and function(2) == 6
    assert function.refresh(9) == 7 and function(9) == 7
    function.cache_clear()
    assert len(function.cache) == 0 and function(1) == 8


def test_the_cache_can_be_used():
    function = cached(lambda number: number)
    function(1)
    assert function.cache[1] == 1
    function.cache.set(2, "written", ttl=100)
    assert function(2) == "written"
    function.cache.resize(5)
    assert function.cache_info().maxsize == 5


def test_settings_of_the_cache():
    clock = Clock()

    def weigher(key, value):
        return 5

    function = cached(maxbytes=5000, weigher=weigher, policy="clock", ttl=datetime.timedelta(seconds=5), tti=3, timer=clock)(str)
    assert function.cache.settings == {
        "maxbytes": 5000,
        "weigher": weigher,
        "policy": "clock",
        "ttl": 5.0,
        "tti": 3.0,
        "timer": clock,
    }
    assert cached(str).cache.settings == {"maxsize": 1024}


def test_g06_results_expire():
    calls, clock = Calls(), Clock()
    function = cached(ttl=10, timer=clock)(calls.function)
    assert function(1) == 1
    clock.advance(9)
    assert function(1) == 1
    clock.advance(1)
    assert function(1) == 2
    idle = cached(tti=10, timer=clock)(calls.function)
    assert idle(1) == 3
    for _ in range(5):
        clock.advance(6)
        assert idle(1) == 3
    clock.advance(10)
    assert idle(1) == 4


def test_jitter_shortens_lives():
    clock = Clock()
    function = cached(ttl=100, jitter=0.5, timer=clock)(lambda number: number)
    for number in range(200):
        function(number)
    left = [function.cache.ttl(number) for number in range(200)]
    assert all(50 < each <= 100 for each in left) and max(left) - min(left) > 10
    clock.advance(75)
    assert 0 < len(function.cache) < 200


def test_tags_are_names_or_made_of_the_result():
    calls = Calls()
    function = cached(tags="all")(calls.function)
    function(1), function(2)
    function.cache.evict("other")
    assert len(function.cache) == 2
    function.cache.evict("all")
    assert len(function.cache) == 0
    function = cached(tags=lambda result: ["odd" if result % 2 else "even"])(lambda number: number)
    for number in range(10):
        function(number)
    function.cache.evict("odd")
    assert sorted(function.cache) == [0, 2, 4, 6, 8]
    function.refresh(0)
    function.cache.evict("even")
    assert len(function.cache) == 0


def test_tags_of_an_iterator_are_those_of_every_result():
    function = cached(tags=(name for name in ["jays", "seeds"]))(lambda number: number)
    cache = Cache(10)
    cache.set_many({1: 1, 2: 2}, tags=(name for name in ["jays", "seeds"]))
    function(1), function(2)
    for each in (cache, function.cache):
        each.evict("seeds")
        assert not each


def test_g19_a_function_for_tags_that_raises():
    function = cached(tags=lambda result: 1 / result)(lambda number: number)
    with pytest.raises(ZeroDivisionError):
        function(0)
    with pytest.raises(TypeError, match="tags must be"):
        function(1)
    assert len(function.cache) == 0
    with pytest.raises(ZeroDivisionError):
        function(0)


# Stale results and early renewal


def test_g22_stale_results_are_given_out_while_one_caller_renews():
    calls, clock = Calls(), Clock()
    function = cached(ttl=10, stale=20, timer=clock)(calls.function)
    assert function(1) == 1
    clock.advance(9)
    assert function(1) == 1 and len(calls) == 1
    clock.advance(5)
    assert function(1) == 1
    eventually(lambda: function.cache.peek(1) == 2)
    assert function(1) == 2 and len(calls) == 2
    clock.advance(30)
    assert function(1) == 3, "after the hard deadline nobody reads it"


def test_g22_refresh_renews_before_the_deadline():
    calls, clock = Calls(), Clock()
    function = cached(ttl=10, refresh=5, timer=clock)(calls.function)
    assert function(1) == 1
    clock.advance(5)
    assert function(1) == 1
    eventually(lambda: function.cache.peek(1) == 2)
    clock.advance(9)
    assert function(1) == 2
    eventually(lambda: function.cache.peek(1) == 3)
    clock.advance(10)
    assert function(1) == 4


def test_g22_renewal_by_an_executor():
    clock, names = Clock(), []

    def function(number):
        names.append(threading.current_thread().name)
        return len(names)

    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="renews") as executor:
        function = cached(ttl=10, refresh=5, timer=clock, executor=executor)(function)
        assert function(1) == 1
        clock.advance(5)
        assert function(1) == 1
        eventually(lambda: function.cache.peek(1) == 2)
    assert names[1].startswith("renews")
    clock.advance(5)
    with pytest.raises(RuntimeError, match="shutdown"):
        function(1)
    clock.advance(10)
    assert function(1) == 3, "nobody is stranded"


@pytest.mark.parametrize("is_async", [False, True])
def test_g22_g23_a_kept_exception_is_renewed(is_async):
    calls, clock = Calls(), Clock()
    settings = dict(ttl=10, stale=20, timer=clock, errors=KeyError)

    @cached(**settings)
    def function(number):
        time.sleep(0.01)
        raise KeyError(calls.function())

    @cached(**settings)
    async def coroutine(number):
        await asyncio.sleep(0.01)
        raise KeyError(calls.function())

    async def main():
        for then, wanted in ((10, 1), (0, 1), (0, 2), (0, 2)):
            with pytest.raises(KeyError, match=str(wanted)):
                await coroutine(0) if is_async else function(0)
            clock.advance(then)
            await asyncio.sleep(0.05)

    run(main())
    assert len(calls) == 2


def test_g22_coroutines_renew_in_a_task():
    calls, clock = Calls(), Clock()
    function = cached(ttl=10, stale=20, timer=clock)(calls.coroutine)

    async def main():
        assert await function(1) == 1
        clock.advance(10)
        assert await asyncio.gather(*(function(1) for _ in range(5))) == [1] * 5
        while function.cache.peek(1) == 1:
            await asyncio.sleep(0.001)
        assert await function(1) == 2 and len(calls) == 2
        clock.advance(30)
        assert await function(1) == 3

    run(main())


@pytest.mark.parametrize("how", ["thread", "executor", "task"])
def test_g22_g23_a_renewal_that_ends_with_a_kept_exception_is_reported_nowhere(how, monkeypatch, caplog):
    calls, clock, reported = Calls(), Clock(), []
    monkeypatch.setattr(threading, "excepthook", reported.append)

    def body(number):
        raise KeyError(calls.function())

    async def coroutine(number):
        body(number)

    async def main():
        function = cached(coroutine if how == "task" else body, ttl=10, stale=20, timer=clock, errors=KeyError, executor=executor)

        async def ask(expected):
            with pytest.raises(KeyError, match=str(expected)):
                await function(0) if how == "task" else function(0)

        await ask(1)
        clock.advance(10)
        await ask(1)
        while function.cache.peek(0).error.args == (1,):
            await asyncio.sleep(0.001)
        await ask(2)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        executor = pool if how == "executor" else None
        run(main())
    assert not reported and not caplog.records and len(calls) == 2


# Coroutine functions


def test_a_coroutine_function_stays_one():
    calls = Calls()
    function = cached(calls.coroutine)
    assert inspect.iscoroutinefunction(function) or hasattr(function, "_is_coroutine")
    assert asyncio.iscoroutinefunction(function) if not hasattr(inspect, "markcoroutinefunction") else True
    assert not inspect.iscoroutinefunction(cached(calls.function))

    async def main():
        assert await function(1) == 1
        assert await function(1) == 1
        assert await function(2) == 2

    run(main())
    assert len(calls) == 2


def test_a_hit_is_whatever_a_coroutine_is():
    function = cached(Calls().coroutine)
    assert asyncio.run(function(1)) == 1
    assert asyncio.run(function(1)) == 1

    async def main():
        loop = asyncio.get_running_loop()
        assert inspect.isawaitable(function(1)) and asyncio.iscoroutine(function(1))
        assert await asyncio.create_task(function(1)) == 1
        assert await loop.create_task(function(1)) == 1
        assert await asyncio.ensure_future(function(1)) == 1
        assert await asyncio.gather(function(1), function(2), function(1)) == [1, 2, 1]
        assert await asyncio.wait_for(function(1), LIMIT) == 1
        assert await asyncio.shield(function(1)) == 1
        done, _ = await asyncio.wait([asyncio.ensure_future(function(1))])
        assert done.pop().result() == 1
        assert [await each for each in asyncio.as_completed([function(1)])] == [1]

        async def both():
            return await function(1), await function(1)

        assert await both() == (1, 1)
        task = asyncio.ensure_future(function(1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    hit = function(1)
    with pytest.raises(StopIteration) as stopped:
        hit.send(None)
    assert stopped.value.value == 1
    with pytest.raises(RuntimeError, match="already awaited"):
        hit.send(None)
    function(1).close()
    with pytest.raises(LookupError):
        function(1).throw(LookupError("x"))
    with pytest.raises(LookupError):
        function(1).throw(LookupError, LookupError("x"), None)


@pytest.mark.parametrize("value", [None, (1, 2), StopIteration(5), ValueError("kept"), ()])
def test_a_hit_gives_any_value_as_it_is(value):
    @cached
    async def function():
        return value

    async def main():
        assert await function() is value
        assert await function() is value

    run(main())


def test_a_hit_that_is_never_awaited_leaks_nothing():
    @cached
    async def function():
        return Thing()

    ref = weakref.ref(run(function()))
    for _ in range(5):
        function()
    function.cache_clear()
    gc.collect()
    assert ref() is None


def test_g18_g19_tasks_call_once_and_a_cancelled_one_is_followed():
    calls = Calls()

    @cached
    async def function(number):
        calls.function(number)
        await asyncio.sleep(0.02 if len(calls) > 1 else LIMIT)
        return number

    async def main():
        tasks = [asyncio.ensure_future(function(1)) for _ in range(10)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        assert await asyncio.gather(*tasks[1:]) == [1] * 9

    run(main())
    assert len(calls) == 2


def test_async_cache_info_refresh_and_invalidate():
    calls = Calls()
    function = cached(calls.coroutine)

    async def main():
        assert await function(1) == await function(1) == 1
        assert await function.refresh(1) == 2
        assert await function(1) == 2
        assert function.invalidate(1) is True
        assert await function(1) == 3
        assert function.cache_info() == (2, 2, 1024, 1)
        function.cache_clear()
        assert await function(1) == 4

    run(main())


# Methods


class Shop:
    kind = "shop"

    def __init__(self, name="one"):
        self.name = name
        self.calls = []

    @cached
    def price(self, item):
        self.calls.append(item)
        return (self.name, item)

    @cached
    async def stock(self, item):
        self.calls.append(item)
        return (self.name, item)

    @classmethod
    @cached
    def of_class(cls, item):
        return (cls.kind, item, Thing())

    @staticmethod
    @cached
    def static(item):
        return (item, Thing())

    @property
    @cached
    def total(self):
        self.calls.append("total")
        return len(self.calls)


class Kiosk(Shop):
    kind = "kiosk"


def test_each_instance_has_a_cache():
    one, other = Shop("one"), Shop("other")
    assert one.price("a") == one.price("a") == ("one", "a")
    assert other.price("a") == ("other", "a")
    assert one.calls == ["a"] == other.calls
    assert one.price.cache is not other.price.cache
    assert one.price.cache_info() == (1, 1, 1024, 1)
    assert one.price.invalidate("a") is True
    one.price("a"), other.price("a")
    assert one.calls == ["a", "a"] and other.calls == ["a"]
    assert one.price.refresh("a") == ("one", "a") and len(one.calls) == 3
    one.price.cache_clear()
    assert len(one.price.cache) == 0 and len(other.price.cache) == 1
    assert one.price.__self__ is one and "a" not in one.price.cache
    assert Shop.price.__name__ == "price"


def test_self_is_no_part_of_the_key():
    class Unhashable:
        __hash__ = None

        @cached
        def method(self, number):
            return number

    thing = Unhashable()
    assert thing.method(1) == thing.method(1) == 1
    assert list(thing.method.cache) == [1]


def test_an_instance_and_its_cache_go_together():
    shop = Shop()
    shop.price(Thing)
    ref, cache = weakref.ref(shop), weakref.ref(shop.price.cache)
    value = Thing()
    shop.price.cache["value"] = value
    values = weakref.ref(value)
    del value
    del shop
    gc.collect()
    assert ref() is None and values() is None and cache() is None


def test_many_instances_come_and_go():
    gc.collect()
    for number in range(500):
        shop = Shop(number)
        assert shop.price("a") == (number, "a")


def test_methods_of_coroutine_functions():
    shop = Shop()

    async def main():
        assert await shop.stock("a") == await shop.stock("a") == ("one", "a")
        assert await asyncio.gather(*(shop.stock("b") for _ in range(3))) == [("one", "b")] * 3

    run(main())
    assert shop.calls == ["a", "b"]


def test_g18_threads_that_meet_an_instance_first_give_it_one_cache():
    with switching(1e-6):
        for _ in range(100):
            shop, caches = Shop(), []
            run_threads(*[lambda: caches.append(shop.price.cache)] * 4)
            assert all(cache is shop.price.cache for cache in caches)


def test_class_and_static_methods():
    assert Shop.of_class(1) is Shop.of_class(1) is Shop().of_class(1)
    assert Shop.of_class(1)[0] == "shop" and Kiosk.of_class(1)[0] == "kiosk"
    assert Shop.static(1) is Shop().static(1) is Kiosk.static(1)
    with pytest.raises(TypeError, match="below @classmethod or @staticmethod"):
        cached(staticmethod(len))
    with pytest.raises(TypeError, match="below @classmethod or @staticmethod"):
        cached(classmethod(len))


def test_properties():
    shop = Shop()
    assert shop.total == shop.total == 1


def test_instances_without_weak_references_are_named():
    class Slots:
        __slots__ = ()

        @cached
        def method(self):
            return 1

    with pytest.raises(TypeError, match="add '__weakref__' to the __slots__ of Slots"):
        Slots().method()


def test_methods_that_share_a_cache_are_told_apart_by_self():
    shared = Cache(10)

    class Point:
        def __init__(self, x):
            self.x = x

        @cached(cache=shared)
        def double(self):
            return 2 * self.x

        @cached(cache=shared)
        def triple(self):
            return 3 * self.x

    one, two = Point(1), Point(2)
    assert (one.double(), two.double(), one.triple(), two.triple()) == (2, 4, 3, 6)
    assert len(shared) == 4 and one.double() == 2


def test_with_a_key_function_methods_share_a_cache():
    class Point:
        def __init__(self, x):
            self.x = x

        @cached(key=lambda self, number: (self.x, number))
        def add(self, number):
            return self.x + number

    assert Point(1).add(1) == 2 and Point(1).add(1) == 2
    assert Point.add.cache_info() == (1, 1, 1024, 1)


@pytest.mark.parametrize("settings", ["cache", "key"])
def test_what_a_method_has_knows_the_instance_without_a_cache_of_its_own(settings):
    given = {"cache": Cache(10)} if settings == "cache" else {"key": lambda self, number: (self.x, number)}

    class Point:
        def __init__(self, x):
            self.x = x
            self.calls = 0

        @cached(**given)
        def add(self, number):
            """Adds."""
            self.calls += 1
            return self.x + number

        @cached(**given)
        async def later(self, number):
            return self.x + number

    one, two = Point(1), Point(2)
    assert (one.add(1), two.add(1)) == (2, 3)
    assert one.add.cache_key(1) == Point.add.cache_key(one, 1) != two.add.cache_key(1)
    assert one.add.invalidate(1) is True and one.add.invalidate(1) is False
    assert (one.add(1), two.add(1), one.calls, two.calls) == (2, 3, 2, 1)
    assert two.add.refresh(1) == 3 and two.calls == 2
    assert two.add.refresh(number=1) == 3 and two.calls == 3
    assert one.add.__self__ is one and one.add.__name__ == "add" and one.add.__doc__ == "Adds."
    assert one.add.cache is Point.add.cache and one.add.cache_info() == Point.add.cache_info()
    assert one.add == one.add != two.add and len({one.add, one.add, two.add}) == 2
    assert inspect.ismethod(one.add) and str(inspect.signature(one.add)) == "(number)"
    assert inspect.iscoroutinefunction(one.later) or hasattr(one.later, "_is_coroutine")
    assert run(one.later(1)) == run(one.later(1)) == 2 and run(one.later.refresh(1)) == 2
    assert one.later.invalidate(1) is True
    one.add.cache_clear()
    assert len(two.add.cache) == 0


def test_a_method_of_a_shared_cache_makes_no_cycle():
    shared = Cache(10)

    class Point:
        @cached(cache=shared, key=lambda self: 1)
        def one(self):
            return 1

    point = Point()
    point.method = point.one
    assert point.method() == 1
    ref = weakref.ref(point)
    del point
    gc.collect()
    assert ref() is None


# A cache of the user's


def test_functions_may_share_a_cache():
    shared, calls = Cache(100), Calls()

    @cached(cache=shared)
    def one(number):
        return ("one", calls.function(number))

    @cached(cache=shared)
    def other(number):
        return ("other", calls.function(number))

    assert one(1) == one(1) == ("one", 1)
    assert other(1) == other(1) == ("other", 2)
    assert len(shared) == 2 and one.cache is other.cache is shared
    assert one.cache_key(1) in shared and one.cache_key(1) != other.cache_key(1)
    assert one.invalidate(1) and len(shared) == 1
    keyed = cached(cache=shared, key=lambda number: number)(calls.function)
    assert keyed(1) == 3 and len(shared) == 2


def test_g12_functions_without_a_name_of_their_own_are_told_apart_in_a_shared_cache():
    shared = Cache(100)

    def made(step):
        @cached(cache=shared)
        def add(number):
            return number + step

        return add

    one, two = cached(cache=shared)(lambda number: number + 1), cached(cache=shared)(lambda number: number + 2)
    three, four = made(3), made(4)
    five, six = (cached(cache=shared)(functools.partial(sum, start=start)) for start in (5, 6))
    assert [each(1) for each in (one, two, three, four)] == [2, 3, 4, 5]
    assert (five((1,)), six((1,))) == (6, 7)
    assert one(1) == 2 and of_this_module.__qualname__ == "of_this_module"


def test_g07_lifetimes_with_a_cache_of_the_users():
    clock = Clock()
    shared, calls = Cache(100, timer=clock), Calls()
    function = cached(cache=shared, ttl=10)(calls.function)
    idle = cached(cache=shared, tti=5, key=lambda number: ("idle", number))(calls.function)
    plain = cached(cache=shared, key=lambda number: ("plain", number))(calls.function)
    assert (function(1), idle(1), plain(1)) == (1, 2, 3)
    clock.advance(4)
    assert (function(1), idle(1), plain(1)) == (1, 2, 3)
    clock.advance(6)
    assert (plain(1), function(1), idle(1)) == (3, 4, 5)


def test_a_sync_and_an_async_function_share_a_cache():
    shared, calls = Cache(100), Calls()
    function = cached(cache=shared, key=lambda number: number)(calls.function)
    coroutine = cached(cache=shared, key=lambda number: number)(calls.coroutine)
    assert function(1) == 1
    assert run(coroutine(1)) == 2, "each has its own prefix"


# Bad settings


@pytest.mark.parametrize(
    ("error", "given", "message"),
    [
        (TypeError, {"cache": {}}, "cache must be a pinyon.Cache, not dict"),
        (TypeError, {"cache": Cache(1), "maxsize": 1}, "maxsize= is a setting of the cache"),
        (TypeError, {"cache": Cache(1), "timer": time.monotonic}, "timer= is a setting"),
        (TypeError, {"cache": Cache(1), "refresh": 1}, "refresh= is a setting"),
        (TypeError, {"cache": Cache(1), "ttl": 1, "stale": 1}, "stale= is a setting"),
        (ValueError, {"stale": 1}, "stale= is time after the ttl, so it needs ttl="),
        (ValueError, {"ttl": 5, "refresh": 6}, "refresh=6.0 must come before ttl=5.0"),
        (ValueError, {"jitter": 0.5}, "jitter= shortens the ttl, so it needs ttl="),
        (ValueError, {"ttl": 5, "jitter": 1}, "jitter must be a part of the ttl"),
        (ValueError, {"ttl": 5, "jitter": "x"}, "jitter must be"),
        (ValueError, {"ttl": -1}, "ttl must be 0 or more seconds, not -1"),
        (ValueError, {"ttl": float("nan")}, "ttl must be"),
        (TypeError, {"ttl": "x"}, "ttl must be a number of seconds or a timedelta, not str"),
        (ValueError, {"tti": datetime.timedelta(-1)}, "tti must be"),
        (TypeError, {"errors": KeyError, "error_ttl": []}, "error_ttl must be"),
        (ValueError, {"error_ttl": 5}, "error_ttl= is the time of the exceptions that are kept, so it needs errors="),
        (TypeError, {"errors": 5}, "errors must be an exception class or a tuple of them, not 5"),
        (TypeError, {"errors": ("KeyError",)}, "errors must be an exception class or a tuple of them, not .'KeyError',."),
        (TypeError, {"key": 5}, "key must be a function, not int"),
        (TypeError, {"tags": 5}, "tags must be str or bytes, an iterable of them, or a function, not int"),
        (TypeError, {"executor": 5}, "executor must have a method submit, as those of concurrent.futures, not int"),
        (ValueError, {"reentry": "hang"}, "reentry must be 'error' or 'bypass', not 'hang'"),
        (ValueError, {"maxsize": 0}, "maxsize must be"),
        (TypeError, {"maxsize": 5, "maxbytes": 5000}, "a cache needs one of"),
        (ValueError, {"policy": "lru"}, "policy must be"),
        (TypeError, {"size": 5}, "size"),
    ],
)
def test_bad_settings_are_named(error, given, message):
    with pytest.raises(error, match=message):
        cached(**given)(len)


def test_what_is_no_function_is_named():
    with pytest.raises(TypeError, match="cached decorates functions, not int"):
        cached(5)
    with pytest.raises(TypeError):
        cached("name", maxsize=5)


def generator(n):
    yield n


async def async_generator(n):
    yield n


class GeneratesWhenCalled:
    def __call__(self, n):
        yield n


@pytest.mark.parametrize(
    "function, kind, remedy",
    [
        (generator, "a generator function", "return a list, or decorate the function that makes the items"),
        (functools.partial(generator, 1), "a generator function", "return a list"),
        (GeneratesWhenCalled(), "a generator function", "return a list"),
        (GeneratesWhenCalled().__call__, "a generator function", "return a list"),
        (async_generator, "an async generator function", "await a list of its items in a coroutine function, or decorate"),
    ],
)
def test_g31_a_generator_function_is_refused_and_the_error_says_what_to_do(function, kind, remedy):
    for decorate in (cached, cached(maxsize=5), cached(cache=Cache(5))):
        with pytest.raises(TypeError, match="cached cannot keep what") as told:
            decorate(function)
        assert f"it is {kind}" in str(told.value) and remedy in str(told.value)


def test_an_object_whose_call_is_to_be_awaited_is_a_coroutine_function():
    class Doubles:
        calls = 0

        async def __call__(self, number):
            self.calls += 1
            return 2 * number

    doubles = Doubles()
    made = cached(doubles)

    async def twice():
        return await made(4), await made(4)

    assert asyncio.run(twice()) == (8, 8) and doubles.calls == 1
    with pytest.raises(TypeError, match="get_or_load_async"):
        Cache(5).get_or_load("a", doubles)
    assert asyncio.run(Cache(5).get_or_load_async(4, doubles)) == 8


def test_a_class_is_a_function_that_makes_instances():
    made = cached(GeneratesWhenCalled)
    assert made() is made() and list(made()(1)) == [1] and made.__name__ == "GeneratesWhenCalled"
    assert made.__wrapped__ is GeneratesWhenCalled


def test_a_function_that_reads_a_generator_is_no_generator_function():
    assert cached(lambda n: [*generator(n)])(1) == [1]


def test_cycles_through_a_decorated_function_are_found():
    def make():
        @cached
        def function(number):
            return function, number

        function(1)
        return weakref.ref(function), weakref.ref(function.cache)

    function, cache = make()
    gc.collect()
    assert function() is None and cache() is None


@cached
def of_this_module(n):
    return n


def test_a_decorated_function_is_pickled_and_copied_by_name():
    assert pickle.loads(pickle.dumps(of_this_module)) is of_this_module
    assert copy.copy(of_this_module) is of_this_module and copy.deepcopy(of_this_module) is of_this_module
