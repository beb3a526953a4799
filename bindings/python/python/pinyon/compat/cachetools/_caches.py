"""The mappings. What they do is native (``_core.Store`` and its subclasses); here they get their names, settings, copies and pickles."""

from __future__ import annotations

import copy
import random
import reprlib
import time
from collections.abc import Callable, ItemsView, Iterator, MutableMapping, Sequence, ValuesView
from typing import Any, TypeVar

from pinyon import _core

_KT = TypeVar("_KT")
_VT = TypeVar("_VT")

_ABSENT = object()

#: What is chosen by without a sequence being made.
_CHOICE = random.choice


def _below(length: int) -> int:
    """The place that `random.choice` would choose, by the same random bits."""
    bits = length.bit_length()
    number = random.getrandbits(bits)
    while number >= length > 0:
        number = random.getrandbits(bits)
    return number


class _Items(ItemsView[_KT, _VT]):
    """Pairs; what goes while somebody iterates is passed over."""

    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        for key in self._mapping:
            try:
                value = self._mapping[key]
            except KeyError:
                continue
            yield key, value


class _Values(ValuesView[_VT]):
    """Values; what goes while somebody iterates is passed over."""

    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        for key in self._mapping:
            try:
                value = self._mapping[key]
            except KeyError:
                continue
            yield value


def _new(kind: type) -> Any:
    return kind.__new__(kind)  # type: ignore[call-overload]


class Cache(_core.Store, MutableMapping[_KT, _VT]):
    """A mapping of bounded size. When there is no room it calls ``popitem()``, which subclasses may override."""

    #: In which order entries leave, for the native part.
    _order = "arrival"

    # The native subclasses have no data, so the instances of all classes are made by this one.
    __new__ = _core.Store.__new__  # type: ignore[assignment]

    def __init__(self, maxsize: float, getsizeof: Callable[[_VT], float] | None = None) -> None:
        if maxsize < 0:
            raise ValueError("maxsize must be non-negative")
        if getsizeof is not None:
            self.getsizeof = getsizeof  # type: ignore[assignment,method-assign]
        self._begin(maxsize, self.getsizeof is not Cache.getsizeof)

    @staticmethod
    def getsizeof(value: _VT) -> float:
        """The size of a value: 1, unless a subclass or the constructor's argument says otherwise."""
        return 1

    def items(self) -> ItemsView[_KT, _VT]:
        return _Items(self)

    def values(self) -> ValuesView[_VT]:
        return _Values(self)

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        currsize = self.currsize
        held = {key: value for key, value, _, _ in self._entries()[0]}
        return f"{type(self).__name__}({held!r}, maxsize={self.maxsize!r}, currsize={currsize!r})"

    def _settings(self) -> dict[str, Any]:
        entries, order, due, total = self._entries()
        return {"maxsize": self.maxsize, "entries": entries, "order": order, "due": due, "currsize": total}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _new, (type(self),), (self.__dict__.copy(), self._settings())

    def __setstate__(self, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
        attributes, settings = state
        self.__dict__.update(attributes)
        self._begin(settings["maxsize"], self.getsizeof is not Cache.getsizeof)
        self._restore(settings["entries"], settings["order"], settings["due"], settings["currsize"])

    def __copy__(self) -> Any:
        copied = _new(type(self))
        copied.__setstate__((self.__dict__, self._settings()))
        return copied


class FIFOCache(Cache[_KT, _VT]):
    """Who was written first leaves first."""

    _order = "written"


class LRUCache(Cache[_KT, _VT], _core.Used):
    """The least recently used leaves first."""

    _order = "used"


class LFUCache(Cache[_KT, _VT], _core.Used):
    """The least often used leaves first, and among equals the least recently used."""

    _order = "frequency"


class _Keys(Sequence[Any]):
    """The keys of a cache as a sequence without an order, to choose from. Keys that go are replaced by others."""

    def __init__(self, cache: RRCache[Any, Any]) -> None:
        self._cache, self._length = cache, _core.Store.__len__(cache)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(self._length))]
        number = at if at >= 0 else at + self._length
        if not 0 <= number < self._length:
            raise IndexError("there are fewer keys")
        key = self._cache._nth(number)
        if key is None:
            raise IndexError("the cache is empty")
        return key[0]


class RRCache(Cache[_KT, _VT]):
    """Who is chosen leaves, at random unless ``choice`` does otherwise."""

    _order = "chosen"

    #: So often a choice is made again if others have removed what was chosen.
    _CHOICES = 1000

    def __init__(
        self,
        maxsize: float,
        choice: Callable[[Sequence[_KT]], _KT] = random.choice,
        getsizeof: Callable[[_VT], float] | None = None,
    ) -> None:
        Cache.__init__(self, maxsize, getsizeof)
        self.__choice = choice

    @property
    def choice(self) -> Callable[[Sequence[_KT]], _KT]:
        """What chooses a key from a sequence of them."""
        return self.__choice

    def _choose(self) -> Any:
        if self.__choice == _CHOICE:
            found = self._nth(_below(_core.Store.__len__(self)))
            return _ABSENT if found is None else found[0]
        keys = _Keys(self)
        try:
            return self.__choice(keys) if keys else _ABSENT
        except Exception:
            if _core.Store.__len__(self):
                raise
            return _ABSENT

    def popitem(self) -> tuple[_KT, _VT]:
        """Removes a pair that is chosen, and returns it."""
        key = _ABSENT
        for _ in range(self._CHOICES):
            key = self._choose()
            if key is _ABSENT:
                raise KeyError(f"{type(self).__name__} is empty") from None
            value = self._peek(key, _ABSENT)
            if value is _ABSENT:
                continue
            try:
                del self[key]
            except KeyError:
                if self._peek(key, _ABSENT) is not _ABSENT:
                    raise
                continue
            return key, value
        raise KeyError(key)


class _TimedCache(Cache[_KT, _VT], _core.Timed):
    """What the two classes whose entries expire have in common."""

    _order = "used"

    def _settings(self) -> dict[str, Any]:
        return {**Cache._settings(self), "timer": copy.copy(self.timer), "span": self._span}

    def __setstate__(self, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
        self._live(state[1]["timer"], state[1]["span"], isinstance(self, TTLCache))
        Cache.__setstate__(self, state)


class TTLCache(_TimedCache[_KT, _VT]):
    """Entries expire when ``ttl`` has gone by since they were written. Who has expired leaves first, then the least recently used."""

    def __init__(
        self,
        maxsize: float,
        ttl: Any,
        timer: Callable[[], Any] = time.monotonic,
        getsizeof: Callable[[_VT], float] | None = None,
    ) -> None:
        self._live(_core.Timer(timer), ttl, True)
        Cache.__init__(self, maxsize, getsizeof)

    @property
    def ttl(self) -> Any:
        """How long entries live, in units of the timer."""
        return self._span


class TLRUCache(_TimedCache[_KT, _VT]):
    """Entries expire when ``ttu(key, value, now)`` said. Who has expired leaves first, then the least recently used."""

    def __init__(
        self,
        maxsize: float,
        ttu: Callable[[_KT, _VT, Any], Any],
        timer: Callable[[], Any] = time.monotonic,
        getsizeof: Callable[[_VT], float] | None = None,
    ) -> None:
        self._live(_core.Timer(timer), ttu, False)
        Cache.__init__(self, maxsize, getsizeof)

    @property
    def ttu(self) -> Callable[[_KT, _VT, Any], Any]:
        """What says when an entry expires."""
        return self._span  # type: ignore[no-any-return]
