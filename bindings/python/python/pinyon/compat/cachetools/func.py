"""Decorators with the interface of ``functools.lru_cache`` and other orders of eviction. Of several calls with one key one calls the function.

>>> @lfu_cache(maxsize=2)
... def square(n):
...     return n * n
>>> [square(n) for n in (3, 3, 4)], square.cache_info()
([9, 9, 16], CacheInfo(hits=1, misses=2, maxsize=2, currsize=2))
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from threading import Condition
from typing import Any

from pinyon.compat.cachetools import keys
from pinyon.compat.cachetools._cached import CacheInfo, _ConditionalFunctionInfo
from pinyon.compat.cachetools._caches import FIFOCache, LFUCache, LRUCache, RRCache, TTLCache

__all__ = ("fifo_cache", "lfu_cache", "lru_cache", "rr_cache", "ttl_cache")


class _Memo(_ConditionalFunctionInfo):
    """A decorated function that knows its settings."""

    def __init__(self, function: Any, cache: Any, maxsize: Any, typed: bool) -> None:
        key = keys.typedkey if typed else keys.hashkey
        super().__init__(function, cache, key, None, Condition(), True)
        self._parameters = {"maxsize": maxsize, "typed": typed}

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        make = self.cache_key
        key = args if make is keys.hashkey and not kwargs else make(*args, **kwargs)
        # These caches need no lock to be read.
        try:
            result = self.cache[key]
        except KeyError:
            pass
        else:
            self._tally.hit()
            return result
        return super().__call__(*args, **kwargs)

    def cache_parameters(self) -> dict[str, Any]:
        """The settings: maxsize and typed."""
        return dict(self._parameters)

    def _info(self) -> CacheInfo:
        return super()._info()._replace(maxsize=self._parameters["maxsize"])


def _decorator(maxsize: Any, typed: bool, make: Callable[[Any], Any]) -> Any:
    if callable(maxsize):
        return _Memo(maxsize, make(128), 128, typed)
    if maxsize is not None and maxsize < 0:
        raise ValueError("maxsize must be non-negative")
    return lambda function: _Memo(function, make(maxsize), maxsize, typed)


def _bounded(kind: Any, *settings: Any) -> Callable[[Any], Any]:
    return lambda maxsize: {} if maxsize is None else kind(maxsize, *settings)


def fifo_cache(maxsize: Any = 128, typed: bool = False) -> Any:
    """Keeps up to ``maxsize`` results; the oldest leaves first."""
    return _decorator(maxsize, typed, _bounded(FIFOCache))


def lfu_cache(maxsize: Any = 128, typed: bool = False) -> Any:
    """Keeps up to ``maxsize`` results; the least often used leaves first."""
    return _decorator(maxsize, typed, _bounded(LFUCache))


def lru_cache(maxsize: Any = 128, typed: bool = False) -> Any:
    """Keeps up to ``maxsize`` results; the least recently used leaves first."""
    return _decorator(maxsize, typed, _bounded(LRUCache))


def rr_cache(maxsize: Any = 128, choice: Callable[..., Any] = random.choice, typed: bool = False) -> Any:
    """Keeps up to ``maxsize`` results; one that is chosen leaves."""
    return _decorator(maxsize, typed, _bounded(RRCache, choice))


def ttl_cache(
    maxsize: Any = 128,
    ttl: Any = 600,
    timer: Callable[[], Any] = time.monotonic,
    typed: bool = False,
) -> Any:
    """Keeps up to ``maxsize`` results for ``ttl`` units of the timer each; the least recently used leaves first."""
    return _decorator(
        maxsize, typed, lambda maxsize: TTLCache(math.inf if maxsize is None else maxsize, ttl, timer)
    )
