"""How a pickled or copied cache comes back."""

from __future__ import annotations

import math
from typing import Any


def restore(kind: type, settings: dict[str, Any], entries: list[tuple[Any, ...]]) -> Any:
    """A cache of this class with these entries, in the order in which they are given, for as long as they had to live."""
    cache = kind(**settings)
    for key, value, ttl, tti, weight in entries:
        more = {} if weight is None else {"weight": weight}
        if ttl is not None or "ttl" in settings:
            more["ttl"] = math.inf if ttl is None else ttl
        if tti is not None or "tti" in settings:
            more["tti"] = math.inf if tti is None else tti
        cache.set(key, value, **more)
    return cache
