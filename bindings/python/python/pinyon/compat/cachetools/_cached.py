"""``cached``: a function whose results are in a mapping.

There are three ways to call it, with or without statistics: as it is, with a lock around each access to the cache, or with a condition, so that
of several calls with one key one does the work and the others wait.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from threading import get_ident
from types import MethodType
from typing import Any, NamedTuple

from pinyon import _core
from pinyon.compat.cachetools import keys
from pinyon.compat.cachetools._caches import Cache


class CacheInfo(NamedTuple):
    """What ``cache_info()`` returns. ``maxsize`` is ``None`` for mappings without a bound."""

    hits: int
    misses: int
    maxsize: float | None
    currsize: float


class _Unlocked:
    """Calls the function, and accesses the cache as it is."""

    cache: Any
    cache_key: Callable[..., Any]
    cache_lock: Any
    cache_condition: Any
    _function: Callable[..., Any]
    _tally: Any = None

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        make, cache, tally = self.cache_key, self.cache, self._tally
        # The usual key of a call without named arguments is the tuple of them.
        key = args if make is keys.hashkey and not kwargs else make(*args, **kwargs)
        try:
            result = cache[key]
        except KeyError:
            pass
        else:
            if tally is not None:
                tally.hit()
            return result
        if tally is not None:
            tally.miss()
        result = self._function(*args, **kwargs)
        try:
            cache[key] = result
        except ValueError:
            pass  # too large
        return result

    def cache_clear(self) -> None:
        """Empties the cache."""
        self._clear()

    def _clear(self) -> None:
        self.cache.clear()
        if self._tally is not None:
            self._tally.clear()

    def _info(self) -> CacheInfo:
        cache, tally = self.cache, self._tally
        if isinstance(cache, Cache):
            return CacheInfo(tally.hits, tally.misses, cache.maxsize, cache.currsize)
        return CacheInfo(tally.hits, tally.misses, None, len(cache))


class _Locked(_Unlocked):
    """Accesses the cache with a lock held, and calls the function without. The first of several results of one key stays."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        cache, lock, tally = self.cache, self.cache_lock, self._tally
        key = self.cache_key(*args, **kwargs)
        with lock:
            try:
                result = cache[key]
            except KeyError:
                if tally is not None:
                    tally.miss()
            else:
                if tally is not None:
                    tally.hit()
                return result
        result = self._function(*args, **kwargs)
        with lock:
            try:
                return cache.setdefault(key, result)
            except ValueError:
                return result  # too large

    def cache_clear(self) -> None:
        """Empties the cache."""
        with self.cache_lock:
            self._clear()

    def _info(self) -> CacheInfo:
        with self.cache_lock:
            return super()._info()


class _Conditional(_Locked):
    """Of several calls with one key, one calls the function and the others wait. Within that call the function is called as it is."""

    #: The keys of calls that are going on, and their threads.
    _pending: dict[Any, int]

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        cache, lock, condition = self.cache, self.cache_lock, self.cache_condition
        pending, tally = self._pending, self._tally
        key = self.cache_key(*args, **kwargs)
        with lock:
            while True:
                try:
                    result = cache[key]
                except KeyError:
                    pass
                else:
                    if tally is not None:
                        tally.hit()
                    return result
                leader = pending.get(key)
                if leader is None or leader == get_ident():
                    break
                condition.wait_for(lambda: key not in pending)
            if tally is not None:
                tally.miss()
            if leader is None:
                pending[key] = get_ident()
        if leader is not None:
            return self._function(*args, **kwargs)
        try:
            result = self._function(*args, **kwargs)
            with lock:
                try:
                    cache[key] = result
                except ValueError:
                    pass  # too large
        finally:
            with lock:
                pending.pop(key, None)
                condition.notify_all()
        return result


class _Wrapper(_Unlocked):
    """What a decorated function has beside its way to be called."""

    def __init__(
        self, function: Any, cache: Any, key: Callable[..., Any], lock: Any, condition: Any, info: bool
    ) -> None:
        functools.update_wrapper(self, function)
        self.cache, self.cache_key = cache, key
        self.cache_lock = condition if lock is None else lock
        self.cache_condition = condition
        self._function = function
        self._pending: dict[Any, int] = {}
        self._tally = _core.Tally() if info else None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<cached {self._function!r}>"

    def __reduce__(self) -> str:
        return self.__qualname__  # type: ignore[attr-defined,no-any-return]

    def __copy__(self) -> _Wrapper:
        return self

    def __deepcopy__(self, memo: Any) -> _Wrapper:
        return self


class _Informed(_Unlocked):
    def cache_info(self) -> CacheInfo:
        """Hits, misses, and how large the cache may be and is."""
        return self._info()


class _UnlockedFunction(_Wrapper, _Unlocked): ...


class _LockedFunction(_Wrapper, _Locked): ...


class _ConditionalFunction(_Wrapper, _Conditional): ...


class _UnlockedFunctionInfo(_Informed, _UnlockedFunction): ...


class _LockedFunctionInfo(_Informed, _LockedFunction): ...


class _ConditionalFunctionInfo(_Informed, _ConditionalFunction): ...


_KINDS: dict[tuple[str, bool], type[_Wrapper]] = {
    ("unlocked", False): _UnlockedFunction,
    ("locked", False): _LockedFunction,
    ("conditional", False): _ConditionalFunction,
    ("unlocked", True): _UnlockedFunctionInfo,
    ("locked", True): _LockedFunctionInfo,
    ("conditional", True): _ConditionalFunctionInfo,
}


def way(lock: Any, condition: Any) -> str:
    """Which of the three ways it is."""
    if condition is not None:
        return "conditional"
    return "unlocked" if lock is None else "locked"


def cached(
    cache: Any,
    key: Callable[..., Any] = keys.hashkey,
    lock: Any = None,
    condition: Any = None,
    info: bool = False,
) -> Callable[[Any], Any]:
    """Keeps the results of a function in ``cache``, any mutable mapping, under ``key(*args, **kwargs)``.

    ``lock`` is held around each access to the cache, which the caches of this package do not need. With a ``condition`` calls of one key wait for the first.
    With ``info`` there is ``cache_info()``. What the function raises is not kept.

    >>> @cached(cache={}, info=True)
    ... def double(n):
    ...     return n + n
    >>> double(2), double(2), double.cache_info()
    (4, 4, CacheInfo(hits=1, misses=1, maxsize=None, currsize=1))
    """
    if cache is None:
        raise TypeError("the cache of a decorated function cannot be None")
    kind = _KINDS[way(lock, condition), bool(info)]
    return lambda function: kind(function, cache, key, lock, condition, info)
