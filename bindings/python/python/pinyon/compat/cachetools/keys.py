"""Keys of calls, for the decorators.

>>> hashkey(1, 2) == hashkey(1.0, 2.0), typedkey(1) == typedkey(1.0)
(True, False)
>>> methodkey(object(), 3)
(3,)
"""

from __future__ import annotations

from typing import Any

__all__ = ("hashkey", "methodkey", "typedkey", "typedmethodkey")


class _Named:
    """Stands between positional and named arguments in a key."""


def hashkey(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """The arguments as a tuple; the order of named ones does not matter."""
    if kwargs:
        return (*args, _Named, *sorted(kwargs.items()))
    return args


def methodkey(self: Any, /, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """As ``hashkey``, without the first argument."""
    return hashkey(*args, **kwargs)


def typedkey(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """As ``hashkey``, with the types of the arguments."""
    if kwargs:
        named = sorted(kwargs.items())
        return (*args, _Named, *named, *map(type, args), *(type(value) for _, value in named))
    return (*args, *map(type, args))


def typedmethodkey(self: Any, /, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """As ``typedkey``, without the first argument."""
    return typedkey(*args, **kwargs)
