"""Loads: of all who ask for a value that is missing, one makes it and the others wait for it.

Who leads, and whether what a leader brings may still be stored, the native cache decides. How one waits is decided here: a thread waits for a lock
(which a signal interrupts), a task for a future of its loop. Both wait for the same flights, so threads and tasks share their loads.

In the child of a fork the native cache gives the lead of what threads of the parent were loading to whoever asks next. A renewal that waits in an
executor may never begin, and a load of a loop that was closed never ends: whoever would wait for one of these abandons it and asks again.

An exception keeps the frames it went through, and a flight keeps the exception it ended with. So that they do not keep one another, no frame keeps its
flight when it is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import threading
from typing import Any, Awaitable, Callable

from pinyon import _core

FLYING, LANDED, FAILED, ABANDONED = range(4)

#: Seconds after which whoever waits for a load of another loop looks if that was closed: it tells nobody.
LOOK = 0.25


class OwnKeyError(RuntimeError):
    """A loader asked for the very key that it was loading: it would have waited for itself."""


class Failure:
    """What stands for an exception in a cache."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return Failure, (self.error,)


#: The flights that this context leads. Tasks and `asyncio.to_thread` inherit it, so a loader that waits for what it has started is found out too.
_leading: contextvars.ContextVar[tuple[Flight, ...]] = contextvars.ContextVar("pinyon_leading", default=())


class Flight:
    """One load: who makes it, what came of it, and who waits."""

    __slots__ = ("cache", "loop", "token", "thread", "state", "result", "_queued", "_lock", "_futures")

    def __init__(self, cache: _core.Cache[Any, Any], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.cache = cache
        #: The loop in which it is made, if it is made by a task.
        self.loop = loop
        #: Set when the native cache has given the lead to this flight.
        self.token = 0
        #: The thread in which it is made; 0 if that is not known yet.
        self.thread = threading.get_ident()
        self.state = FLYING
        self.result: Any = None
        # Has one item while it waits for a thread: whoever takes that out decides what becomes of it.
        self._queued: list[None] = []
        # Held until the load has ended: whoever gets it lets go of it at once.
        self._lock = threading.Lock()
        self._lock.acquire()
        # Of the tasks that wait, with their loops.
        self._futures: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}

    def queue(self) -> None:
        """It waits for a thread to make it."""
        self.thread = 0
        self._queued.append(None)

    def _unqueue(self) -> bool:
        try:
            self._queued.pop()
        except IndexError:
            return False
        return True

    def begin(self) -> bool:
        """A thread has come to it. False if it was abandoned meanwhile."""
        if not self._unqueue():
            return False
        self.thread = threading.get_ident()
        return True

    def give_up(self) -> bool:
        """True if nobody makes it, or it has ended without a result; then it is abandoned."""
        if self.state == FLYING and (self.loop is not None and self.loop.is_closed() or self._unqueue()):
            _renewals.pop(self, None)
            self.abandon()
        return self.state == ABANDONED

    def end(self, state: int, result: Any = None) -> None:
        """Tells everybody what came of it. Only the first time counts."""
        if self.state != FLYING:
            return
        self.result = result
        self.state = state
        self._lock.release()
        # Whoever comes to wait from now on sees the state after it has put its future here.
        while self._futures:
            try:
                future, loop = self._futures.popitem()
            except KeyError:
                break  # The last one has left by itself.
            try:
                loop.call_soon_threadsafe(_wake, future)
            except RuntimeError:
                pass  # The loop is closed, and nobody waits in it.

    def check(self, key: Any) -> None:
        """Raises if whoever asks would wait for itself."""
        if self in _leading.get():
            raise OwnKeyError(f"the loader of {key!r} asked for the key that it was loading")

    def wait(self, key: Any) -> None:
        """Waits as a thread."""
        if self.give_up():
            return
        self.check(key)
        if self.thread == threading.get_ident() and self.state == FLYING:
            raise OwnKeyError(f"a task of this thread is loading {key!r}, and cannot go on while the thread waits for it")
        if self.loop is None:
            with self._lock:
                pass
        while self.state == FLYING and not self.give_up():
            if self._lock.acquire(timeout=LOOK):
                self._lock.release()

    async def wait_async(self, key: Any) -> None:
        """Waits as a task."""
        if self.give_up():
            return
        self.check(key)
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._futures[future] = loop
        try:
            if self.state == FLYING and self.loop in (None, loop):
                await future
            while self.state == FLYING and not self.give_up():
                await asyncio.wait([future], timeout=LOOK)
        finally:
            self._futures.pop(future, None)

    def complete(self, key: Any, value: Any, options: dict[str, Any]) -> None:
        """The load is done."""
        try:
            _core.complete(self.cache, key, self.token, value, **options)
        except BaseException as error:
            self.abandon()
            raise error
        self.end(LANDED, value)

    def fail(self, error: BaseException) -> None:
        """The load raised. Those who wait get what it raised, unless the load was merely broken off: then one of them makes it."""
        _core.abandon(self.cache, self.token)
        if isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError):
            self.end(FAILED, error)
        else:
            self.end(ABANDONED)

    def abandon(self) -> None:
        """The load will not be done."""
        _core.abandon(self.cache, self.token)
        self.end(ABANDONED)

    def drop(self) -> None:
        """Whoever led it, if anybody did, goes on to something else."""
        if self.token and self.state == FLYING:
            self.abandon()


def _leave(before: contextvars.Token[Any]) -> None:
    """The leader's flight has ended."""
    # A coroutine that is let go of half way ends in a context that is not its own.
    with contextlib.suppress(ValueError):
        _leading.reset(before)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Loader:
    """How the values of one cache are loaded: a function with what goes with its results."""

    __slots__ = ("cache", "errors", "error_ttl", "reentry", "options", "jitter", "executor")

    def __init__(
        self,
        cache: _core.Cache[Any, Any],
        *,
        errors: tuple[type[BaseException], ...] = (),
        error_ttl: float | None = None,
        reentry: str = "error",
        options: Callable[[Any], dict[str, Any]] | None = None,
        executor: Any = None,
    ) -> None:
        self.cache = cache
        self.errors = errors
        self.error_ttl = error_ttl
        self.reentry = reentry
        self.options = options or _no_options
        self.executor = executor

    def _land(self, flight: Flight, key: Any, load: Callable[[], Any]) -> Any:
        """Loads as the leader, in this thread."""
        before = _leading.set((*_leading.get(), flight))
        try:
            value = load()
        except BaseException as error:
            self._failed(flight, key, error)
            del flight
            raise
        finally:
            _leave(before)
        return self._loaded(flight, key, value)

    async def _land_async(self, flight: Flight, key: Any, load: Callable[[], Awaitable[Any]]) -> Any:
        """Loads as the leader, in this task."""
        before = _leading.set((*_leading.get(), flight))
        try:
            value = await load()
        except BaseException as error:
            self._failed(flight, key, error)
            del flight
            raise
        finally:
            _leave(before)
        return self._loaded(flight, key, value)

    def _loaded(self, flight: Flight, key: Any, value: Any) -> Any:
        try:
            options = self.options(value)
        except BaseException:
            flight.abandon()
            raise
        flight.complete(key, value, options)
        return value

    def _failed(self, flight: Flight, key: Any, error: BaseException) -> None:
        if self.errors and isinstance(error, self.errors):
            options = {} if self.error_ttl is None else {"ttl": self.error_ttl}
            flight.complete(key, Failure(error), options)
        else:
            flight.fail(error)

    def get(self, key: Any, load: Callable[[], Any]) -> Any:
        """The value of a key, loaded by this thread or by whoever does it already."""
        flight: Any = None
        what: Any = None
        try:
            while True:
                flight = Flight(self.cache)
                try:
                    answer, what = _core.ask(self.cache, key, flight)
                    if answer == "lead":
                        return self._land(flight, key, load)
                    if answer == "due":
                        self._renew(flight, key, load)
                except BaseException:
                    flight.drop()
                    raise
                # Not within: what a kept exception raises does not end its renewal.
                if answer != "wait":
                    return opened(what)
                try:
                    what.wait(key)
                except OwnKeyError:
                    if self.reentry == "bypass":
                        return load()
                    raise
                if what.state == LANDED:
                    return opened(what.result)
                if what.state == FAILED:
                    raise what.result
        finally:
            del flight, what

    async def get_async(self, key: Any, load: Callable[[], Awaitable[Any]]) -> Any:
        """The same for a task."""
        flight: Any = None
        what: Any = None
        try:
            while True:
                # Without a loop, a coroutine may still find the value, or lead.
                flight = Flight(self.cache, asyncio._get_running_loop())
                try:
                    answer, what = _core.ask(self.cache, key, flight)
                    if answer == "lead":
                        return await self._land_async(flight, key, load)
                    if answer == "due":
                        self._renew_async(flight, key, load)
                except BaseException:
                    flight.drop()
                    raise
                # Not within: what a kept exception raises does not end its renewal.
                if answer != "wait":
                    return opened(what)
                try:
                    await what.wait_async(key)
                except OwnKeyError:
                    if self.reentry == "bypass":
                        return await load()
                    raise
                if what.state == LANDED:
                    return opened(what.result)
                if what.state == FAILED:
                    raise what.result
        finally:
            del flight, what

    def _renew(self, flight: Flight, key: Any, load: Callable[[], Any]) -> None:
        """Loads beside whoever asked, who has the old value. An exception is reported as that of a thread."""
        flight.queue()
        run = functools.partial(self._begin, flight, key, load)
        if self.executor is not None:
            self.executor.submit(run).add_done_callback(functools.partial(_report, flight))
        else:
            threading.Thread(target=run, name="pinyon-refresh", daemon=True).start()

    def _begin(self, flight: Flight, key: Any, load: Callable[[], Any]) -> None:
        """A thread has come to a renewal."""
        try:
            if flight.begin():
                self._land(flight, key, load)
        except self.errors:
            pass  # Kept as a result is.
        finally:
            del flight

    def _renew_async(self, flight: Flight, key: Any, load: Callable[[], Awaitable[Any]]) -> None:
        task = asyncio.get_running_loop().create_task(self._begin_async(flight, key, load))
        _renewals[flight] = task

        def done(_task: asyncio.Task[Any]) -> None:
            _renewals.pop(flight, None)
            # A task that was cancelled before it began.
            flight.drop()

        task.add_done_callback(done)

    async def _begin_async(self, flight: Flight, key: Any, load: Callable[[], Awaitable[Any]]) -> None:
        """A task has come to a renewal."""
        try:
            await self._land_async(flight, key, load)
        except self.errors:
            pass
        finally:
            del flight

    def refresh(self, key: Any, load: Callable[[], Any]) -> Any:
        """Loads whatever is there, and stores it."""
        value = load()
        self.cache.set(key, value, **self.options(value))
        return value

    async def refresh_async(self, key: Any, load: Callable[[], Awaitable[Any]]) -> Any:
        """The same for a task."""
        value = await load()
        self.cache.set(key, value, **self.options(value))
        return value


#: Tasks that renew values: a loop itself keeps no task alive.
_renewals: dict[Flight, asyncio.Task[Any]] = {}


def _report(flight: Flight, future: Any) -> None:
    """Raises what a renewal raised, where the executor reports what its callbacks raise."""
    # One that was cancelled before it began.
    flight.drop()
    del flight
    if not future.cancelled():
        future.result()


def _no_options(_value: Any) -> dict[str, Any]:
    return {}


def opened(value: Any) -> Any:
    """A value, or raises the exception that was kept in its place."""
    if type(value) is Failure:
        # Else each time it is raised would be added to what it tells of the times before.
        raise value.error.with_traceback(None)
    return value


def _options(given: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    options = {name: what for name, what in given.items() if what is not None}
    return lambda _value: options


def is_async(function: Any) -> bool:
    """Is what a call gives to be awaited? Also of an object whose class has an `async def __call__`."""
    return any(map(inspect.iscoroutinefunction, (function, getattr(type(function), "__call__", None))))


def get_or_load(cache: _core.Cache[Any, Any], key: Any, load: Callable[[Any], Any], **given: Any) -> Any:
    """See `Cache.get_or_load`, which comes here when the value is not there."""
    if is_async(load):
        raise TypeError("get_or_load calls functions; for a coroutine function there is get_or_load_async")
    return Loader(cache, options=_options(given)).get(key, lambda: load(key))


async def get_or_load_async(cache: _core.Cache[Any, Any], key: Any, load: Callable[[Any], Awaitable[Any]], **given: Any) -> Any:
    """See `Cache.get_or_load_async`, which comes here when the value is not there."""
    return await Loader(cache, options=_options(given)).get_async(key, lambda: _awaited(load(key)))


def _awaited(what: Any) -> Any:
    """What a loader has returned, to be awaited."""
    if not inspect.isawaitable(what):
        kind = type(what).__name__
        raise TypeError(f"load must be a coroutine function, and it returned {kind}; for a function there is get_or_load")
    return what
