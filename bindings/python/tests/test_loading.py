"""Loads: one at a time for each key, for threads, for tasks and for both at once."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from pinyon import Cache, OwnKeyError, cached
from support import LIMIT, Clock, Thing, eventually, python, run_threads, switching


def limited(coroutine):
    """Runs a coroutine, but not for ever."""

    async def main():
        return await asyncio.wait_for(coroutine, LIMIT)

    return asyncio.run(main())


# The basics


def test_g18_what_is_not_there_is_loaded_and_kept():
    cache, asked = Cache(10), []

    def load(key):
        asked.append(key)
        return key * 2

    assert [cache.get_or_load("a", load) for _ in range(3)] == ["aa"] * 3
    assert asked == ["a"] and cache["a"] == "aa"
    cache["b"] = None
    assert cache.get_or_load("b", load) is None
    del cache["a"]
    assert cache.get_or_load("a", load) == "aa" and asked == ["a", "a"]


def test_g07_g18_options_of_a_load_go_with_the_value():
    clock = Clock()
    cache = Cache(maxweight=100, timer=clock)
    cache.get_or_load("a", str, ttl=10, weight=5, tags=["t"])
    cache.get_or_load("b", str, tti=3)
    assert cache.stats().weight == 6 and cache.ttl("a") == pytest.approx(10) and cache.ttl("b") == pytest.approx(3)
    cache.evict("t")
    assert sorted(cache) == ["b"]
    assert limited(cache.get_or_load_async("c", same, ttl=7, weight=9, tags="t")) == "c"
    assert cache.ttl("c") == pytest.approx(7) and cache.stats().weight == 10
    with pytest.raises(ValueError, match="ttl must be"):
        cache.get_or_load("d", str, ttl=-1)
    assert cache.get_or_load("d", str) == "d"


async def same(key):
    await asyncio.sleep(0)
    return key


def test_g18_tasks_load_once():
    cache, asked = Cache(10), []

    async def load(key):
        asked.append(key)
        await asyncio.sleep(0.01)
        return Thing(key)

    async def main():
        return await asyncio.gather(*(cache.get_or_load_async("a", load) for _ in range(50)))

    values = limited(main())
    assert asked == ["a"] and all(value is values[0] for value in values)
    assert cache["a"] is values[0]
    assert limited(cache.get_or_load_async("a", load)) is values[0]


def test_g18_threads_load_once():
    cache, asked = Cache(10), []

    def load(key):
        asked.append(key)
        time.sleep(0.02)
        return Thing(key)

    values = []
    with switching():
        run_threads(*[lambda: values.append(cache.get_or_load("a", load))] * 8)
    assert asked == ["a"] and len(values) == 8 and len(set(map(id, values))) == 1


def test_g18_many_keys_by_many_threads_each_once():
    cache, asked = Cache(1000), []

    def load(key):
        asked.append(key)
        time.sleep(0)
        return -key

    def work():
        for key in range(200):
            assert cache.get_or_load(key, load) == -key

    with switching():
        run_threads(*[work] * 6)
    assert sorted(asked) == list(range(200))
    assert cache.stats().loads == 200


def test_g18_threads_and_tasks_wait_for_one_another():
    cache = Cache(10)
    begun, go = threading.Event(), threading.Event()

    def load(key):
        begun.set()
        assert go.wait(LIMIT)
        return "by a thread"

    async def never(key):
        raise AssertionError("a second load")

    results = []

    def task():
        assert begun.wait(LIMIT)

        async def main():
            waits = [asyncio.ensure_future(cache.get_or_load_async("a", never)) for _ in range(5)]
            await asyncio.sleep(0.01)
            go.set()
            results.extend(await asyncio.gather(*waits))

        limited(main())

    run_threads(lambda: results.append(cache.get_or_load("a", load)), task)
    assert results == ["by a thread"] * 6

    begun.clear(), go.clear()
    results.clear()

    async def load_async(key):
        begun.set()
        while not go.is_set():
            await asyncio.sleep(0.001)
        return "by a task"

    def thread():
        assert begun.wait(LIMIT)
        threading.Timer(0.01, go.set).start()
        results.append(cache.get_or_load("b", lambda key: "a second load"))

    run_threads(lambda: results.append(limited(cache.get_or_load_async("b", load_async))), thread, thread)
    assert results == ["by a task"] * 3


def test_g18_tasks_of_two_loops_share_a_load():
    cache, asked = Cache(10), []
    both = threading.Barrier(2)

    async def load(key):
        asked.append(key)
        await asyncio.sleep(0.02)
        return "value"

    def loop():
        async def main():
            both.wait(LIMIT)
            return await asyncio.gather(*(cache.get_or_load_async("a", load) for _ in range(3)))

        assert limited(main()) == ["value"] * 3

    run_threads(loop, loop)
    assert asked == ["a"]


def test_g18_keys_that_python_compares_share_a_load():
    class Key:
        def __init__(self, text):
            self.text = text

        def __hash__(self):
            return hash(self.text)

        def __eq__(self, other):
            return isinstance(other, Key) and self.text == other.text

    cache, asked = Cache(10), []

    def load(key):
        asked.append(key)
        time.sleep(0.02)
        return "value"

    run_threads(*[lambda: cache.get_or_load(Key("a"), load)] * 4)
    assert len(asked) == 1 and cache[Key("a")] == "value"


def test_the_wrong_kind_of_function_is_named():
    cache = Cache(10)
    with pytest.raises(TypeError, match="get_or_load_async"):
        cache.get_or_load("a", same)
    with pytest.raises(TypeError, match="load must be a coroutine function, and it returned int; .* get_or_load$"):
        limited(cache.get_or_load_async("a", lambda key: 5))
    assert cache.get_or_load("a", str) == "a"
    cache = Cache(10)
    assert limited(cache.get_or_load_async("a", same)) == "a"


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("load, kind", [(3, "int"), (None, "NoneType"), ("load", "str")])
def test_g31_a_loader_that_cannot_be_called_is_named_before_anything_is_led(there, load, kind):
    cache = Cache(10)
    if there:
        cache["a"] = "a"
    for name in ("get_or_load", "get_or_load_async"):
        with pytest.raises(TypeError, match=f"load must be a function of the key, not {kind}"):
            getattr(cache, name)("a", load)
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.load_failures) == (0, 0, 0)
    assert cache.get_or_load("a", str) == "a"


# Errors


def test_g19_g23_an_error_reaches_all_who_wait_and_is_not_kept():
    cache, asked, errors = Cache(10), [], []
    waiting = threading.Event()

    def load(key):
        asked.append(key)
        assert waiting.wait(LIMIT)
        raise LookupError(key)

    def ask():
        try:
            cache.get_or_load("a", load)
        except LookupError as error:
            errors.append(error)

    threading.Timer(0.05, waiting.set).start()
    run_threads(*[ask] * 5)
    assert len(errors) == 5 and all(error.args == ("a",) for error in errors)
    assert len(asked) <= 5 and "a" not in cache
    assert cache.get_or_load("a", str) == "a"


def test_g19_g23_an_error_reaches_all_tasks_that_wait():
    cache, asked = Cache(10), []

    async def load(key):
        asked.append(key)
        await asyncio.sleep(0.01)
        raise LookupError(key)

    async def main():
        return await asyncio.gather(*(cache.get_or_load_async("a", load) for _ in range(5)), return_exceptions=True)

    errors = limited(main())
    assert [type(error) for error in errors] == [LookupError] * 5 and asked == ["a"]
    assert limited(cache.get_or_load_async("a", same)) == "a"
    stats = cache.stats()
    assert (stats.loads, stats.load_failures) == (1, 1)


def test_g19_a_base_exception_ends_only_who_raised_it():
    cache = Cache(10)
    begun, turns = threading.Event(), []

    def load(key):
        turns.append(1)
        if len(turns) == 1:
            begun.set()
            time.sleep(0.02)
            raise SystemExit("enough")
        return "value"

    def first():
        with pytest.raises(SystemExit):
            cache.get_or_load("a", load)

    def second():
        assert begun.wait(LIMIT)
        assert cache.get_or_load("a", load) == "value"

    run_threads(first, second, second)
    assert len(turns) == 2


@pytest.mark.parametrize("begun", [True, False])
def test_g19_when_a_leader_is_cancelled_another_task_goes_on(begun):
    cache, asked = Cache(10), []

    async def load(key):
        asked.append(key)
        await asyncio.sleep(LIMIT if len(asked) == 1 and begun else 0.01)
        return "value"

    async def main():
        leader = asyncio.ensure_future(cache.get_or_load_async("a", load))
        if begun:
            await asyncio.sleep(0.01)
        waits = [asyncio.ensure_future(cache.get_or_load_async("a", load)) for _ in range(3)]
        if begun:
            await asyncio.sleep(0.01)
        leader.cancel()
        assert await asyncio.gather(*waits) == ["value"] * 3
        with pytest.raises(asyncio.CancelledError):
            await leader

    limited(main())
    assert len(asked) == (2 if begun else 1) and cache["a"] == "value"


def test_g19_when_a_task_is_cancelled_a_thread_goes_on():
    cache = Cache(10)
    begun = threading.Event()

    async def load(key):
        begun.set()
        await asyncio.sleep(LIMIT)

    def task():
        async def main():
            leader = asyncio.ensure_future(cache.get_or_load_async("a", load))
            await asyncio.sleep(0.05)
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader

        limited(main())

    def thread():
        assert begun.wait(LIMIT)
        assert cache.get_or_load("a", str) == "a"

    run_threads(task, thread)


def test_g19_a_waiter_that_is_cancelled_leaves_the_others_be():
    cache = Cache(10)

    async def load(key):
        await asyncio.sleep(0.05)
        return "value"

    async def main():
        tasks = [asyncio.ensure_future(cache.get_or_load_async("a", load)) for _ in range(4)]
        await asyncio.sleep(0.01)
        tasks[2].cancel()
        assert await asyncio.gather(*tasks[:2], tasks[3]) == ["value"] * 3
        assert tasks[2].cancelled()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(cache.get_or_load_async("b", load), 0.001)

    limited(main())


def test_g19_waiters_that_are_cancelled_leave_nothing_behind():
    cache = Cache(10)
    futures = []

    async def main():
        gate = asyncio.Event()

        async def load(key):
            await gate.wait()
            return key

        async def wait():
            await cache.get_or_load_async("a", load)

        leader = asyncio.create_task(wait())
        await asyncio.sleep(0)
        create = asyncio.get_running_loop().create_future

        def noted():
            future = create()
            futures.append(weakref.ref(future))
            return future

        asyncio.get_running_loop().create_future = noted
        for _ in range(5):
            waiter = asyncio.create_task(wait())
            await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.gather(waiter, return_exceptions=True)
        del waiter
        await asyncio.sleep(0)
        gc.collect()
        assert len(futures) == 5 and not any(future() for future in futures)
        gate.set()
        await leader

    limited(main())


def test_g19_a_coroutine_that_is_never_awaited_strands_nobody(recwarn):
    cache = Cache(10)
    cache.get_or_load_async("a", same).close()
    coroutine = cache.get_or_load_async("a", same)
    del coroutine
    assert cache.get_or_load("a", str) == "a"


def test_g19_a_coroutine_that_is_dropped_half_way_strands_nobody():
    cache = Cache(10)

    class Pause:
        def __await__(self):
            yield

    async def load(key):
        await Pause()

    coroutine = cache.get_or_load_async("a", load)
    coroutine.send(None)
    coroutine.close()
    assert cache.get_or_load("a", str) == "a"


def test_g19_a_loop_that_is_closed_strands_no_thread():
    cache = Cache(10)
    begun = threading.Event()

    async def load(key):
        begun.set()
        await asyncio.sleep(0.05)
        raise asyncio.CancelledError

    def task():
        async def main():
            asyncio.ensure_future(cache.get_or_load_async("a", load))
            await asyncio.sleep(0.01)

        asyncio.run(main())

    def thread():
        assert begun.wait(LIMIT)
        assert cache.get_or_load("a", str) == "a"

    run_threads(task, thread, thread)


# Renewals that never run


def renewed(clock, executor, by=None):
    """A function with a stale result whose renewal waits in an executor."""
    function = cached(maxsize=10, ttl=10, stale=10, timer=clock, executor=executor)(by or (lambda number: clock.now))
    assert function(1) == 1000
    clock.advance(12)
    assert function(1) == 1000
    return function


class Never:
    """An executor that runs nothing."""

    def __init__(self):
        self.tasks = []

    def submit(self, function):
        self.tasks.append(function)
        return concurrent.futures.Future()


def test_g19_g22_a_renewal_that_is_cancelled_strands_nobody(caplog):
    clock, go = Clock(), threading.Event()
    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.submit(go.wait, LIMIT)
    function = renewed(clock, executor)
    executor.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert not caplog.records, "a renewal that is cancelled is no error"
    clock.advance(38)
    run_threads(lambda: function(1))
    assert function(1) == 1050


@pytest.mark.parametrize("is_async", [False, True])
def test_g19_g22_a_renewal_that_never_begins_strands_nobody(is_async):
    clock, never = Clock(), Never()
    function = renewed(clock, never)
    assert function(1) == 1000 and len(never.tasks) == 1
    clock.advance(38)

    async def load(key):
        return clock.now

    if is_async:
        run_threads(lambda: limited(function.cache.get_or_load_async(1, load)))
    else:
        run_threads(lambda: function(1))
    assert function(1) == 1050


def test_g18_a_renewal_whose_turn_has_passed_does_nothing():
    clock, never, calls = Clock(), Never(), []

    def by(number):
        calls.append(number)
        return clock.now

    function = renewed(clock, never, by)
    clock.advance(38)
    run_threads(lambda: function(1))
    assert function(1) == 1050
    clock.advance(1)
    never.tasks[0]()
    assert function(1) == 1050 and len(calls) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_g19_g22_g28_a_renewal_by_the_executor_of_a_parent_strands_no_child():
    python(
        """
import concurrent.futures, os, signal, sys, warnings
from pinyon import cached
warnings.simplefilter("ignore")
now = [0]
executor = concurrent.futures.ThreadPoolExecutor(1)
executor.submit(int).result()
function = cached(maxsize=10, ttl=10, stale=10, timer=lambda: now[0], executor=executor)(lambda number: now[0])
assert function(1) == 0
child = os.fork()
if child == 0:
    signal.alarm(20)
    now[0] = 12
    assert function(1) == 0
    now[0] = 50
    os._exit(0 if function(1) == 50 else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    )


def closed_loop(first, *more):
    """Begins coroutines in a loop that is closed before they end."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)

    async def main():
        tasks = [asyncio.ensure_future(each) for each in more]
        result = await first
        await asyncio.sleep(0.01)
        return result, tasks

    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_g19_g22_a_renewal_of_a_loop_that_was_closed_strands_nobody():
    clock, hanging = Clock(), []

    @cached(maxsize=10, ttl=10, stale=10, timer=clock)
    async def function(number):
        if hanging:
            await asyncio.sleep(LIMIT)
        return clock.now

    assert closed_loop(function(1))[0] == 1000
    clock.advance(12)
    hanging.append(1)
    assert closed_loop(function(1))[0] == 1000
    hanging.clear()
    clock.advance(38)
    run_threads(lambda: limited(function(1)))
    assert limited(function(1)) == 1050


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_g19_a_load_of_a_loop_that_was_closed_strands_nobody():
    cache, begun = Cache(10), threading.Event()

    async def hang(key):
        begun.set()
        await asyncio.sleep(LIMIT)

    _, tasks = closed_loop(same(1), cache.get_or_load_async("a", hang))
    assert begun.is_set()
    assert cache.get_or_load("a", str) == "a", "also in the thread that ran the loop"
    _, tasks = closed_loop(same(1), cache.get_or_load_async("b", hang))
    assert limited(cache.get_or_load_async("b", same)) == "b"


def test_g19_who_waits_when_a_loop_is_closed_is_not_stranded():
    cache, begun, close = Cache(10), threading.Event(), threading.Event()
    tasks = []

    async def hang(key):
        begun.set()
        await asyncio.sleep(LIMIT)

    async def until_told(key):
        while not close.is_set():
            await asyncio.sleep(0.001)

    def loop():
        tasks.extend(closed_loop(until_told(1), cache.get_or_load_async("a", hang))[1])

    def thread():
        assert begun.wait(LIMIT)
        threading.Timer(0.05, close.set).start()
        assert cache.get_or_load("a", str) == "a"

    def task():
        assert begun.wait(LIMIT)
        assert limited(cache.get_or_load_async("a", same)) == "a"

    run_threads(loop, thread, task)


# What exceptions keep


def test_g23_a_kept_exception_does_not_grow():
    @cached(errors=KeyError, error_ttl=60)
    def function(number):
        raise KeyError(number)

    def depth():
        with pytest.raises(KeyError) as caught:
            function(1)
        return len(caught.traceback)

    depth()
    assert len({depth() for _ in range(5)}) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_g23_g29_a_kept_exception_is_one_hit(is_async):
    def body(number):
        raise KeyError(number)

    async def coroutine(number):
        return body(number)

    made = cached(errors=KeyError, error_ttl=60)(coroutine if is_async else body)

    def function(number):
        return limited(made(number)) if is_async else made(number)

    for _ in range(4):
        with pytest.raises(KeyError):
            function(1)
    assert made.cache_info()[:2] == (3, 1)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("waits", [False, True])
def test_g23_a_load_that_failed_leaves_no_cycles(is_async, waits):
    things = []

    @cached
    def function(number):
        thing = Thing(number)
        things.append(weakref.ref(thing))
        time.sleep(0.02 if waits else 0)
        raise LookupError(number)

    @cached
    async def coroutine(number):
        thing = Thing(number)
        things.append(weakref.ref(thing))
        await asyncio.sleep(0.02 if waits else 0)
        raise LookupError(number)

    async def both():
        await asyncio.gather(*[coroutine(1)] if not waits else [coroutine(1), coroutine(1)], return_exceptions=True)

    def call():
        if is_async:
            limited(both())
        else:
            with contextlib.suppress(LookupError):
                function(1)

    call()
    gc.collect()
    gc.disable()
    try:
        if waits and not is_async:
            run_threads(call, call)
        else:
            call()
        assert things[-1]() is None
    finally:
        gc.enable()


# One's own key


def test_g21_a_load_that_asks_for_its_own_key_is_an_error():
    cache = Cache(10)

    def load(key):
        return cache.get_or_load(key, load)

    with pytest.raises(OwnKeyError, match="the loader of 'a' asked for the key that it was loading"):
        cache.get_or_load("a", load)
    assert issubclass(OwnKeyError, RuntimeError)
    assert cache.get_or_load("a", str) == "a"


def test_g21_two_loads_that_ask_for_one_another_are_an_error():
    cache = Cache(10)

    def load(key):
        return cache.get_or_load("b" if key == "a" else "a", load)

    with pytest.raises(OwnKeyError):
        cache.get_or_load("a", load)


def test_g21_a_load_may_ask_for_other_keys():
    cache = Cache(100)

    def fibonacci(n):
        return n if n < 2 else cache.get_or_load(n - 1, fibonacci) + cache.get_or_load(n - 2, fibonacci)

    assert cache.get_or_load(50, fibonacci) == 12586269025


def test_g21_for_tasks_and_what_they_begin():
    cache = Cache(10)

    async def load(key):
        return await cache.get_or_load_async(key, load)

    async def by_task(key):
        return await asyncio.ensure_future(cache.get_or_load_async(key, by_task))

    async def by_gather(key):
        return (await asyncio.gather(cache.get_or_load_async(key, by_gather)))[0]

    for each in (load, by_task, by_gather):
        with pytest.raises(OwnKeyError):
            limited(cache.get_or_load_async("a", each))
    assert limited(cache.get_or_load_async("a", same)) == "a"


def test_g21_a_thread_that_would_wait_for_a_task_of_its_own():
    cache = Cache(10)

    async def main():
        leader = asyncio.ensure_future(cache.get_or_load_async("a", slow))
        await asyncio.sleep(0.01)
        with pytest.raises(OwnKeyError, match="a task of this thread is loading 'a'"):
            cache.get_or_load("a", str)
        leader.cancel()

    async def slow(key):
        await asyncio.sleep(LIMIT)

    limited(main())


def test_g21_in_another_context_of_the_same_thread():
    cache = Cache(10)

    def load(key):
        return contextvars.Context().run(cache.get_or_load, key, load)

    with pytest.raises(OwnKeyError):
        cache.get_or_load("a", load)


def test_g21_bypass_calls_the_function():
    depth = []

    @cached(reentry="bypass")
    def function(number):
        depth.append(1)
        return 7 if len(depth) > 3 else function(number)

    assert function(1) == 7 and len(depth) == 4
    assert function(1) == 7 and len(depth) == 4

    @cached(reentry="bypass")
    async def coroutine(number):
        depth.append(1)
        return 7 if len(depth) > 7 else await coroutine(number)

    assert limited(coroutine(1)) == 7 and len(depth) == 8


# No stale fill


INTERRUPTIONS = {
    "set": lambda cache: cache.set("a", "newer"),
    "delete": lambda cache: (cache.set("a", 1), cache.delete("a")),
    "delete of nothing": lambda cache: cache.delete("a"),
    "clear": lambda cache: cache.clear(),
    "tag": lambda cache: cache.evict("t"),
    "add": lambda cache: cache.add("a", "newer"),
    "incr": lambda cache: cache.incr("a"),
}


@pytest.mark.parametrize("how", sorted(INTERRUPTIONS))
@pytest.mark.parametrize("is_async", [False, True])
def test_g20_what_was_overtaken_is_not_stored(how, is_async):
    cache = Cache(10)

    def load(key):
        INTERRUPTIONS[how](cache)
        return "stale"

    async def load_async(key):
        await asyncio.sleep(0)
        return load(key)

    if is_async:
        assert limited(cache.get_or_load_async("a", load_async, tags="t")) == "stale"
    else:
        assert cache.get_or_load("a", load, tags="t") == "stale"
    assert cache.get("a") == {"set": "newer", "add": "newer", "incr": 1}.get(how)
    if how != "tag":
        assert cache.stats().stale_loads == 1


def test_g20_a_tag_that_the_value_has_not_does_no_harm():
    cache = Cache(10)

    def load(key):
        cache.evict("other")
        return "value"

    assert cache.get_or_load("a", load, tags="t") == "value"
    assert cache["a"] == "value"


def test_g20_those_who_ask_after_the_removal_load_again():
    cache = Cache(10)
    begun, go = threading.Event(), threading.Event()
    turns = []

    def load(key):
        turns.append(1)
        if len(turns) == 1:
            begun.set()
            assert go.wait(LIMIT)
            return "old"
        return "new"

    def first():
        assert cache.get_or_load("a", load) == "old"

    def second():
        assert begun.wait(LIMIT)
        cache.delete("a")
        try:
            assert cache.get_or_load("a", load) == "new"
        finally:
            go.set()

    run_threads(first, second)
    assert cache["a"] == "new"


# Signals and forks


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or sys.platform == "win32", reason="needs signals")
def test_ctrl_c_interrupts_a_waiting_load():
    program = """
import threading, time, pinyon
cache = pinyon.Cache(10)
begun, go = threading.Event(), threading.Event()

def load(key):
    begun.set()
    go.wait(60)
    return "value"

leader = threading.Thread(target=cache.get_or_load, args=("a", load), daemon=True)
leader.start()
begun.wait(60)
threading.Timer(0.2, print, args=("waiting",), kwargs={"flush": True}).start()
try:
    cache.get_or_load("a", load)
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted")
go.set()
leader.join(60)
print(cache["a"], cache.get_or_load("b", lambda key: "others"))
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "waiting\n"
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=LIMIT)
    assert (out, child.returncode) == ("interrupted\nvalue others\n", 0), error


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_g19_ctrl_c_in_a_leader_lets_another_go_on():
    program = """
import threading, time, pinyon
cache = pinyon.Cache(10)
begun = threading.Event()

def slow(key):
    begun.set()
    print("loading", flush=True)
    time.sleep(60)

def other():
    begun.wait(60)
    print(cache.get_or_load("a", lambda key: "by another"), flush=True)

thread = threading.Thread(target=other)
thread.start()
try:
    cache.get_or_load("a", slow)
except KeyboardInterrupt:
    pass
thread.join(60)
print(cache["a"])
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "loading\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=LIMIT)
    assert (out, child.returncode) == ("by another\nby another\n", 0), error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_g28_a_child_does_not_wait_for_loads_of_its_parent():
    program = """
import os, signal, sys, threading, warnings, pinyon
warnings.simplefilter("ignore")
cache = pinyon.Cache(10)

@pinyon.cached
def function(number):
    begun.wait(60)
    go.wait(60)
    return number

begun, go = threading.Barrier(3), threading.Event()

def load(key):
    begun.wait(60)
    go.wait(60)
    return "parent"

threads = [threading.Thread(target=cache.get_or_load, args=("a", load)), threading.Thread(target=function, args=(1,))]
for thread in threads:
    thread.start()
begun.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(50)
    ok = cache.get_or_load("a", lambda key: "child") == "child"
    ok = ok and function.__wrapped__ and cache["a"] == "child"
    begun.abort()
    begun.reset()
    begun = threading.Barrier(1)
    go.set()
    ok = ok and function(1) == 1
    os._exit(0 if ok else 1)
status = os.waitpid(child, 0)[1]
go.set()
for thread in threads:
    thread.join(60)
print(status, cache["a"], function(1))
"""
    assert python(program) == "0 parent 1\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_g28_a_child_forked_within_a_load_goes_on_with_it():
    program = """
import os, sys, pinyon
cache = pinyon.Cache(10)
children = []

def load(key):
    children.append(os.fork())
    return "child" if children[0] == 0 else "parent"

value = cache.get_or_load("a", load)
if children[0] == 0:
    os._exit(0 if (value, cache["a"], cache.get_or_load("b", str)) == ("child", "child", "b") else 1)
print(os.waitpid(children[0], 0)[1], value, cache["a"])
"""
    assert python(program) == "0 parent parent\n"


# Renewing


def test_g22_a_value_that_is_due_is_renewed_while_it_is_read():
    clock = Clock()
    cache = Cache(10, timer=clock, refresh=10, ttl=100)
    asked = []

    def load(key):
        asked.append(threading.current_thread().name)
        return len(asked)

    assert cache.get_or_load("a", load) == 1
    clock.advance(9)
    assert cache.get_or_load("a", load) == 1 and len(asked) == 1
    clock.advance(1)
    assert cache.get_or_load("a", load) == 1
    eventually(lambda: cache.peek("a") == 2)
    assert len(asked) == 2 and asked[1] != threading.current_thread().name
    assert cache.get_or_load("a", load) == 2
    clock.advance(100)
    assert cache.get_or_load("a", load) == 3


def test_g22_one_caller_renews():
    clock = Clock()
    cache = Cache(10, timer=clock, refresh=10)
    go, asked = threading.Event(), []

    def load(key):
        asked.append(1)
        if len(asked) > 1:
            assert go.wait(LIMIT)
        return len(asked)

    cache.get_or_load("a", load)
    clock.advance(10)
    with switching():
        run_threads(*[lambda: [cache.get_or_load("a", load) for _ in range(20)]] * 4)
    eventually(lambda: len(asked) == 2)
    assert cache["a"] == 1
    go.set()
    eventually(lambda: cache["a"] == 2)
    assert len(asked) == 2


def test_g22_tasks_renew_in_a_task():
    clock = Clock()
    cache = Cache(10, timer=clock, refresh=10)
    asked = []

    async def load(key):
        asked.append(1)
        await asyncio.sleep(0)
        return len(asked)

    async def main():
        assert await cache.get_or_load_async("a", load) == 1
        clock.advance(10)
        assert await asyncio.gather(*(cache.get_or_load_async("a", load) for _ in range(5))) == [1] * 5
        while cache["a"] == 1:
            await asyncio.sleep(0.001)
        assert await cache.get_or_load_async("a", load) == 2 and len(asked) == 2

    limited(main())


def test_g22_a_renewal_that_fails_leaves_the_old_value(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    clock = Clock()
    cache = Cache(10, timer=clock, refresh=10)
    cache.get_or_load("a", str)
    clock.advance(10)
    assert cache.get_or_load("a", lambda key: 1 / 0) == "a"
    eventually(lambda: seen)
    assert seen == [ZeroDivisionError] and cache["a"] == "a"
    assert cache.get_or_load("a", lambda key: "renewed") == "a"
    eventually(lambda: cache["a"] == "renewed")
