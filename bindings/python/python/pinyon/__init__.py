"""Pinyon: an in-process cache for threads and coroutines."""

from pinyon._core import Cache, Stats, __version__
from pinyon._decorators import CacheInfo, cached
from pinyon._flights import OwnKeyError
from pinyon import _views as _views  # Gives `Cache` its views.
from pinyon.compat.functools import cache as cache
from pinyon.compat.functools import lru_cache as lru_cache

__all__ = ["Cache", "CacheInfo", "OwnKeyError", "Stats", "__version__", "cache", "cached", "lru_cache"]
