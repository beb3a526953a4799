"""The classes and decorators of ``cachetools`` 8, thread-safe without a lock.

>>> cache = LRUCache(maxsize=2)
>>> cache.update({"a": 1, "b": 2})
>>> cache["a"], cache.setdefault("c", 3)
(1, 3)
>>> cache
LRUCache({'a': 1, 'c': 3}, maxsize=2, currsize=2)

Orders of eviction, exceptions, and what subclasses may override are those of ``cachetools``. Each call of a method is one step for other threads;
iteration does not mind who writes meanwhile. A class with methods of its own takes as many steps as they do.
"""

from pinyon.compat.cachetools import keys
from pinyon.compat.cachetools._cached import CacheInfo, cached
from pinyon.compat.cachetools._cachedmethod import cachedmethod
from pinyon.compat.cachetools._caches import (
    Cache,
    FIFOCache,
    LFUCache,
    LRUCache,
    RRCache,
    TLRUCache,
    TTLCache,
)

__all__ = (
    "Cache",
    "CacheInfo",
    "FIFOCache",
    "LFUCache",
    "LRUCache",
    "RRCache",
    "TLRUCache",
    "TTLCache",
    "cached",
    "cachedmethod",
)

#: The version of ``cachetools`` whose behaviour this has.
__version__ = "8.0.2"
