"""How a pickled or copied cache comes back."""

from __future__ import annotations

import copyreg
import math
from typing import Any

from pinyon import _core


def restore(kind: type, settings: dict[str, Any], entries: list[tuple[Any, ...]]) -> Any:
    """A cache of this class with these entries, in the order in which they are given, for as long as they had to live."""
    # What a subclass makes of these calls was done before.
    cache: Any = _core.Cache.__new__(kind, **settings)
    for key, value, ttl, tti, weight in entries:
        more = {} if weight is None else {"weight": weight}
        if ttl is not None or "ttl" in settings:
            more["ttl"] = math.inf if ttl is None else ttl
        if tti is not None or "tti" in settings:
            more["tti"] = math.inf if tti is None else tti
        _core.Cache.set(cache, key, value, **more)
    return cache


def attributes(cache: Any) -> Any:
    """What an instance of a subclass has beside, as `pickle` and `copy` hand it on."""
    get = getattr(cache, "__getstate__", None)
    if get is not None:
        return get()
    # Before Python 3.11 objects do not tell it themselves.
    held = getattr(cache, "__dict__", None) or None
    names = copyreg._slotnames(type(cache))  # type: ignore[attr-defined]
    slots = {name: getattr(cache, name) for name in names if hasattr(cache, name)}
    return (held, slots) if slots else held


def assume(cache: Any, state: Any) -> None:
    """Gives it to another."""
    take = getattr(cache, "__setstate__", None)
    if take is not None:
        take(state)
        return
    held, slots = state if isinstance(state, tuple) else (state, None)
    if held:
        cache.__dict__.update(held)
    for name, what in (slots or {}).items():
        setattr(cache, name, what)
