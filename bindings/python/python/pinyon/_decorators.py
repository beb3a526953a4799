"""`cached`: a function or coroutine function whose results are kept in a cache."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import random
import types
import weakref
from typing import TYPE_CHECKING, Any, Callable, Iterable, NamedTuple, TypeVar, overload

from pinyon import _core
from pinyon._flights import Failure, Loader, is_async, opened

if TYPE_CHECKING:
    from datetime import timedelta
    from typing import TypedDict, Union

    from typing_extensions import ParamSpec, Unpack

    P = ParamSpec("P")

    class _Settings(TypedDict, total=False):
        """What `cached` may be told."""

        cache: _core.Cache[Any, Any] | None
        maxsize: int | None
        maxbytes: int | None
        weigher: Callable[[Any, Any], int] | None
        policy: str
        ttl: Union[float, timedelta, None]
        tti: Union[float, timedelta, None]
        stale: Union[float, timedelta, None]
        refresh: Union[float, timedelta, None]
        jitter: float
        timer: Callable[[], float] | None
        key: Callable[..., Any] | None
        typed: bool
        tags: _core._Tags | Callable[[Any], _core._Tags] | None
        errors: type[BaseException] | tuple[type[BaseException], ...]
        error_ttl: Union[float, timedelta, None]
        reentry: str
        executor: Any


R = TypeVar("R")


class CacheInfo(NamedTuple):
    """What `cache_info()` tells: as that of `functools.lru_cache`."""

    hits: int
    misses: int
    maxsize: int | None
    currsize: int


def _seconds(name: str, given: Any) -> float | None:
    if given is None:
        return None
    seconds = given.total_seconds() if hasattr(given, "total_seconds") else given
    if not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds or a timedelta, not {type(given).__name__}")
    if not seconds >= 0:
        raise ValueError(f"{name} must be 0 or more seconds, not {seconds}")
    return float(seconds)


class _Terms:
    """What `cached` was told, checked."""

    def __init__(
        self,
        *,
        ttl: Any,
        tti: Any,
        stale: Any,
        refresh: Any,
        jitter: float,
        tags: Any,
        errors: Any,
        error_ttl: Any,
        reentry: str,
        executor: Any,
        shared: bool,
    ) -> None:
        self.ttl, self.tti = _seconds("ttl", ttl), _seconds("tti", tti)
        stale, refresh = _seconds("stale", stale), _seconds("refresh", refresh)
        if stale is not None and self.ttl is None:
            raise ValueError("stale= is time after the ttl, so it needs ttl=")
        if refresh is not None and self.ttl is not None and refresh > self.ttl:
            raise ValueError(f"refresh={refresh} must come before ttl={self.ttl}")
        if not isinstance(jitter, (int, float)) or not 0 <= jitter < 1:
            raise ValueError(f"jitter must be a part of the ttl, from 0 to less than 1, not {jitter!r}")
        if jitter and self.ttl is None:
            raise ValueError("jitter= shortens the ttl, so it needs ttl=")
        if reentry not in ("error", "bypass"):
            raise ValueError(f"reentry must be 'error' or 'bypass', not {reentry!r}")
        self.jitter = jitter
        # A stale value is one past its ttl that the cache still has: for the cache it lives longer, and is due to be renewed at its ttl.
        self.due = refresh if refresh is not None else self.ttl if stale is not None else None
        self.life = None if self.ttl is None else self.ttl + (stale or 0.0)
        # The first result would use up an iterator.
        self.tags = list(tags) if hasattr(tags, "__next__") else tags
        kept = errors if isinstance(errors, (tuple, list, set, frozenset)) else (errors,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kept):
            raise TypeError(f"errors must be an exception class or a tuple of them, not {errors!r}")
        if error_ttl is not None and not kept:
            raise ValueError("error_ttl= is the time of the exceptions that are kept, so it needs errors=")
        if not (tags is None or isinstance(tags, (str, bytes)) or callable(tags) or hasattr(tags, "__iter__")):
            raise TypeError(f"tags must be str or bytes, an iterable of them, or a function, not {type(tags).__name__}")
        if executor is not None and not callable(getattr(executor, "submit", None)):
            kind = type(executor).__name__
            raise TypeError(f"executor must have a method submit, as those of concurrent.futures, not {kind}")
        self.errors = tuple(kept)
        # A cache that was made for the function has its lifetimes; in one of the user's each result is given its own.
        self.each: dict[str, Any] = {}
        if shared:
            self.each = {name: what for name, what in (("ttl", self.life), ("tti", self.tti)) if what is not None}
        self.error_ttl = _seconds("error_ttl", error_ttl)
        if self.error_ttl is None:
            self.error_ttl = self.each.get("ttl")
        self.reentry = reentry
        self.executor = executor

    def options(self, value: Any) -> dict[str, Any]:
        """How a result is stored."""
        options = dict(self.each)
        if self.jitter and self.life is not None and not math.isinf(self.life):
            options["ttl"] = self.life * (1.0 - self.jitter * random.random())
        if self.tags is not None:
            options["tags"] = self.tags(value) if callable(self.tags) else self.tags
        return options

    def loader(self, cache: _core.Cache[Any, Any]) -> Loader:
        """What loads into a cache on these terms."""
        return Loader(
            cache,
            errors=self.errors,
            error_ttl=self.error_ttl,
            reentry=self.reentry,
            options=self.options,
            executor=self.executor,
        )


class _Missing:
    """What a decorated function does when there is no value, or one that is due to be renewed."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    @staticmethod
    def _load(cached: _core.Cached[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Callable[[], Any]:
        return functools.partial(cached.__wrapped__, *args, **(kwargs or {}))

    def __call__(self, cached: _core.Cached[..., Any], key: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        return self.loader.get(key, self._load(cached, args, kwargs))

    def open(self, kept: Any) -> Any:
        """Raises the exception that was kept."""
        return opened(kept)

    def refresh(self, cached: _core.Cached[..., Any], key: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        return self.loader.refresh(key, self._load(cached, args, kwargs))

    def info(self, cached: _core.Cached[..., Any]) -> CacheInfo:
        stats = cached.cache.stats()
        return CacheInfo(stats.hits, stats.misses, cached.cache.settings.get("maxsize"), len(cached.cache))


class _MissingAsync(_Missing):
    """The same of a coroutine function."""

    def __call__(self, cached: _core.Cached[..., Any], key: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        return self.loader.get_async(key, self._load(cached, args, kwargs))

    async def open(self, kept: Any) -> Any:
        return opened(kept)

    def refresh(self, cached: _core.Cached[..., Any], key: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        return self.loader.refresh_async(key, self._load(cached, args, kwargs))


class _Methods:
    """The caches of the instances that a decorated method was called on. Each goes when its instance does."""

    def __init__(self, make: Callable[[Any], _core.Cached[..., Any]]) -> None:
        self._make = make
        self._of: dict[int, tuple[weakref.ref[Any], _core.Cached[..., Any]]] = {}

    def __call__(self, cached: Any, instance: Any) -> types.MethodType:
        """The method of an instance."""
        there = self._of.get(id(instance))
        if there is None or there[0]() is not instance:
            there = self._add(instance)
        return types.MethodType(there[1], instance)

    def _add(self, instance: Any) -> tuple[weakref.ref[Any], _core.Cached[..., Any]]:
        of, number = self._of, id(instance)

        def gone(ref: weakref.ref[Any]) -> None:
            there = of.get(number)
            if there is not None and there[0] is ref:
                del of[number]

        try:
            ref = weakref.ref(instance, gone)
        except TypeError:
            kind = type(instance).__name__
            raise TypeError(
                f"a cached method keeps a cache for each instance as long as that lives, so it needs weak references: "
                f"add '__weakref__' to the __slots__ of {kind}"
            ) from None
        made = (ref, self._make(ref))
        # Of threads that meet an instance at the same time one brings its cache. No lock: to make one may run the code of others.
        there = of.setdefault(number, made)
        if there[0]() is not instance:
            of[number] = there = made
        return there


#: Numbers for functions that share their names with others.
_numbers = itertools.count(1)


def _prefix(function: Callable[..., Any]) -> str:
    """What tells the results of a function from those of others in one cache."""
    name = getattr(function, "__qualname__", None)
    if name is None or "<lambda>" in name or "<locals>" in name:
        name = f"{name or repr(function)}#{next(_numbers)}"
    return f"{getattr(function, '__module__', None)}.{name}"


@overload
def cached(function: Callable[P, R], /, **settings: Unpack[_Settings]) -> _core.Cached[P, R]: ...


@overload
def cached(function: None = None, /, **settings: Unpack[_Settings]) -> Callable[[Callable[P, R]], _core.Cached[P, R]]: ...


def cached(  # type: ignore[misc]  # What `Unpack` stands for is spelled out.
    function: Callable[..., Any] | None = None,
    /,
    *,
    cache: _core.Cache[Any, Any] | None = None,
    maxsize: int | None = None,
    maxbytes: int | None = None,
    weigher: Callable[[Any, Any], int] | None = None,
    policy: str = "tinylfu",
    ttl: Any = None,
    tti: Any = None,
    stale: Any = None,
    refresh: Any = None,
    jitter: float = 0.0,
    timer: Callable[[], float] | None = None,
    key: Callable[..., Any] | None = None,
    typed: bool = False,
    tags: Iterable[str] | str | Callable[[Any], Any] | None = None,
    errors: type | tuple[type, ...] = (),
    error_ttl: Any = None,
    reentry: str = "error",
    executor: Any = None,
) -> Any:
    """Keeps the results of a function, a method or a coroutine function in a cache.

    A call whose result is there does not call the function. Of all threads and tasks that make the same call at the same time one calls it, and the
    others get its result, or the exception it raised; if it is broken off (a task cancelled, Ctrl-C) one of the others goes on.

    A generator function is a `TypeError`: its items could be read only once. Keep a list of them, or what makes them.

    Arguments make the key as they do with `functools.lru_cache`: by position and by name; what is equal is one, and if `typed` only when the types are the
    same (a single int is always told from a float or bool that equals it).
    A method has a cache for each instance, which goes with the instance (unless a result refers to it, or the frames of an exception that is kept); `self` is no
    part of the key. Of a class method from Python 3.13 on there is one cache, and the class is part of the key: `invalidate(cls, *args)`. So it is with a
    method that is called by its class, `Class.method(instance)`: it is a function like others, whose first argument is the instance.

    Args:
        cache: an existing `Cache`, which several functions may share; else one is made of `maxsize` (1024 if nothing is said), `maxbytes`, `weigher`,
            `policy`, `ttl`, `tti` and `timer`, which are those of `Cache`. In a shared one `ttl` and `tti` are for the results of this function, whose
            name is part of the keys (and a number, if it is a lambda or made within a function).
        ttl: how long a result is fresh.
        stale: for so long after its `ttl` a result is still given out, while one caller renews it.
        refresh: from this age on a result is renewed while it is given out. Functions renew in a thread of their own, or by `executor.submit`;
            coroutine functions in a task.
        jitter: results live shorter by up to this part of their life, at random, so that what was loaded together does not expire together.
        key: makes the key of the arguments, in place of this.
        tags: names for `cache.evict`, or a function that makes them of the result.
        errors: exceptions that are kept like results, for `error_ttl` seconds.
        reentry: what a call of the function from within itself with the same arguments does: "error" raises `OwnKeyError`, "bypass" calls the function.

    The decorated function has `cache`, `cache_info()`, `cache_clear()`, `cache_key(*args)`, `invalidate(*args)`, `refresh(*args)` and `__wrapped__`.

    >>> import pinyon
    >>> calls = []
    >>> @pinyon.cached(maxsize=100, ttl=60)
    ... def square(n):
    ...     calls.append(n)
    ...     return n * n
    >>> square(3), square(3), calls
    (9, 9, [3])
    """
    terms = _Terms(
        ttl=ttl,
        tti=tti,
        stale=stale,
        refresh=refresh,
        jitter=jitter,
        tags=tags,
        errors=errors,
        error_ttl=error_ttl,
        reentry=reentry,
        executor=executor,
        shared=cache is not None,
    )
    if key is not None and not callable(key):
        raise TypeError(f"key must be a function, not {type(key).__name__}")
    made: dict[str, Any] = dict(maxbytes=maxbytes, weigher=weigher, timer=timer)
    if cache is not None:
        given = [name for name, what in (dict(made, maxsize=maxsize, stale=stale, refresh=refresh)).items() if what is not None]
        if given:
            raise TypeError(f"{given[0]}= is a setting of the cache that is made, so it does not go with cache=")
        if not isinstance(cache, _core.Cache):
            raise TypeError(f"cache must be a pinyon.Cache, not {type(cache).__name__}")
    elif maxsize is None and maxbytes is None:
        maxsize = 1024

    def new_cache() -> _core.Cache[Any, Any]:
        return _core.Cache(maxsize, policy=policy, ttl=terms.life, tti=terms.tti, refresh=terms.due, **made)

    def decorate(function: Callable[..., Any]) -> Any:
        if isinstance(function, (classmethod, staticmethod)):
            raise TypeError("put @cached below @classmethod or @staticmethod, next to the function")
        if not callable(function):
            raise TypeError(f"cached decorates functions, not {type(function).__name__}")
        _refuse_generators(function)
        to_await = is_async(function)
        shared = cache is not None
        prefix = _prefix(function) if shared else None

        def make(instance: weakref.ref[Any] | None = None, binder: _Methods | None = None) -> _core.Cached[..., Any]:
            home = cache if cache is not None else new_cache()
            made = _core.Cached(
                home,
                function,
                (_MissingAsync if to_await else _Missing)(terms.loader(home)),
                key=key,
                prefix=prefix,
                typed=typed,
                instance=instance,
                awaited=to_await,
                failure=Failure if terms.errors else None,
                binder=binder,
            )
            _dress(made, function)
            if to_await:
                _mark(made)
            return made

        # With a cache of the user's, or keys of the user's making, methods are told apart by their `self`.
        return make(binder=None if shared or key is not None else _Methods(make))

    return decorate if function is None else decorate(function)


def _refuse_generators(function: Any) -> None:
    """A generator is empty when it was read once, so it is no result to be kept."""
    name = getattr(function, "__qualname__", None) or repr(function)
    called = (function, getattr(type(function), "__call__", None))
    if any(map(inspect.isgeneratorfunction, called)):
        kind, remedy = "a generator function", "return a list"
    elif any(map(inspect.isasyncgenfunction, called)):
        kind, remedy = "an async generator function", "await a list of its items in a coroutine function"
    else:
        return
    raise TypeError(f"cached cannot keep what {name} gives: it is {kind}, whose items are read once; {remedy}, or decorate the function that makes the items")


def _dress(made: _core.Cached[..., Any], function: Any) -> None:
    """Has the decorated function look like the function (`functools.update_wrapper`, but for `__wrapped__`, which is there)."""
    for name in functools.WRAPPER_ASSIGNMENTS:
        try:
            setattr(made, name, getattr(function, name))
        except AttributeError:
            pass
    # Not by `setattr`: a class has a `__dict__` among its own names.
    made.__dict__.update((name, what) for name, what in getattr(function, "__dict__", {}).items() if name != "__wrapped__")


def _mark(function: Any) -> None:
    """Has `inspect` and `asyncio` know a coroutine function."""
    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(function)
    else:
        from asyncio import coroutines

        function._is_coroutine = getattr(coroutines, "_is_coroutine")
