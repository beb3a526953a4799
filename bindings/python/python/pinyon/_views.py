"""What `keys()`, `values()` and `items()` of a cache give: the views of a mapping, which look at it without leaving a trace."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, MutableMapping, ValuesView
from typing import Any, TypeVar

from pinyon import _core

K = TypeVar("K")
V = TypeVar("V")

_NOTHING = object()


class _View:
    """What the views of a cache have in common."""

    __slots__ = ()

    _mapping: _core.Cache[Any, Any]


class _Keys(_View, KeysView[K]):
    """The keys of a cache."""

    __slots__ = ()


class _Values(_View, ValuesView[V]):
    """The values of a cache."""

    __slots__ = ()

    def __iter__(self) -> Iterator[V]:
        return self._mapping._entries("values")

    def __contains__(self, value: object) -> bool:
        return any(each is value or each == value for each in self)


class _Items(_View, ItemsView[K, V]):
    """The pairs of a cache."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._entries("items")

    def __contains__(self, item: object) -> bool:
        if not (isinstance(item, tuple) and len(item) == 2):
            return False
        key, value = item
        there: Any = self._mapping.peek(key, _NOTHING)
        return there is not _NOTHING and (there is value or bool(there == value))


def keys(self: _core.Cache[K, V]) -> KeysView[K]:
    """The keys, as a view."""
    return _Keys(self)


def values(self: _core.Cache[K, V]) -> ValuesView[V]:
    """The values, as a view."""
    return _Values(self)


def items(self: _core.Cache[K, V]) -> ItemsView[K, V]:
    """The pairs of key and value, as a view."""
    return _Items(self)


for _method in (keys, values, items):
    _method.__qualname__ = f"Cache.{_method.__name__}"
    setattr(_core.Cache, _method.__name__, _method)
MutableMapping.register(_core.Cache)
