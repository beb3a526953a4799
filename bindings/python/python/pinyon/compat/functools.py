"""``lru_cache`` and ``cache``, as in the standard library's ``functools``.

>>> @lru_cache(maxsize=32)
... def square(n):
...     return n * n
>>> [square(n) for n in (1, 2, 1)]
[1, 4, 1]
>>> square.cache_info()
CacheInfo(hits=1, misses=2, maxsize=32, currsize=2)
"""

from __future__ import annotations

import functools
from typing import Any

from pinyon import _core

__all__ = ["cache", "lru_cache"]

#: What ``cache_info()`` returns: the standard library's own named tuple.
_CacheInfo = functools._CacheInfo


class _lru_cache_wrapper(_core.Memo):
    """A function that keeps its latest results. Made by ``lru_cache``."""

    __slots__ = ("__dict__", "__weakref__")

    def __reduce__(self) -> str:
        return self.__qualname__  # type: ignore[attr-defined,no-any-return]

    def __copy__(self) -> _lru_cache_wrapper:
        return self

    def __deepcopy__(self, memo: Any) -> _lru_cache_wrapper:
        return self


def lru_cache(maxsize: Any = 128, typed: bool = False) -> Any:
    """Keeps the results of a function, of which the least recently used leave first.

    With ``maxsize=None`` none ever leaves. With ``typed`` arguments of different types have results of their own. Arguments must be
    hashable. ``f.cache_info()`` tells hits, misses, maxsize and currsize, ``f.cache_clear()`` forgets all, ``f.cache_parameters()`` tells the settings,
    and ``f.__wrapped__`` is the function itself. A call that hits costs O(1) and no lock; calls of the same key may run side by side.
    """
    if callable(maxsize) and isinstance(typed, bool):
        return _wrap(maxsize, 128, typed)
    if maxsize is not None:
        if not isinstance(maxsize, int):
            raise TypeError("Expected first argument to be an integer, a callable, or None")
        maxsize = max(maxsize, 0)
    return lambda function: _wrap(function, maxsize, typed)


def cache(user_function: Any, /) -> Any:
    """Keeps all results of a function: ``lru_cache(maxsize=None)``."""
    return lru_cache(maxsize=None)(user_function)


def _wrap(function: Any, maxsize: int | None, typed: bool) -> Any:
    if not callable(function):
        raise TypeError("the first argument must be callable")
    # More than the address space holds is no bound.
    most = maxsize if maxsize is None else min(maxsize, 2**63)
    wrapper = _lru_cache_wrapper(function, most, bool(typed), _CacheInfo)
    wrapper.cache_parameters = lambda: {"maxsize": maxsize, "typed": typed}  # type: ignore[attr-defined]
    return functools.update_wrapper(wrapper, function)
