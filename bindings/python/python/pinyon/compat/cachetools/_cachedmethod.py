"""``cachedmethod``: a method whose results are in a mapping that its instance provides.

The descriptor makes one wrapper for each instance, which lives in the instance's ``__dict__``: under the method's name, where it is found before the
descriptor is asked again, or, for a method that a subclass overrides, in a dictionary beside.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from pinyon import _core
from pinyon.compat.cachetools import keys
from pinyon.compat.cachetools._cached import _Conditional, _Informed, _Locked, _Unlocked, way

#: Where wrappers are that are not found by their names.
_BESIDE = "__cachetools_cachedmethods"

_USAGE = (
    "cachedmethod is for methods of instances: it has to be the outermost decorator in the body of a class, "
    "and cannot decorate a class method"
)


class _Method(_Unlocked):
    """The method of one instance."""

    def __init__(self, descriptor: _Descriptor, instance: Any) -> None:
        functools.update_wrapper(self, descriptor.function)
        self._descriptor, self._instance = descriptor, instance
        self.cache_key = functools.partial(descriptor.key, instance)
        self._function = functools.partial(descriptor.function, instance)
        self._pending: dict[Any, int] = {}
        self._tally = _core.Tally() if descriptor.info else None

    @property
    def cache(self) -> Any:
        return self._descriptor.cache(self._instance)

    @property
    def cache_lock(self) -> Any:
        lock = self._descriptor.lock
        return self.cache_condition if lock is None else lock(self._instance)

    @property
    def cache_condition(self) -> Any:
        condition = self._descriptor.condition
        return None if condition is None else condition(self._instance)

    def __repr__(self) -> str:
        return f"<cachedmethod {self._descriptor.function!r} of {object.__repr__(self._instance)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._instance, self._descriptor.owner, self._descriptor.name)


def _again(instance: Any, owner: type, name: str) -> _Method:
    """The wrapper of a copied or unpickled instance, with nothing counted yet."""
    return vars(owner)[name].wrap(instance)  # type: ignore[no-any-return]


class _UnlockedMethod(_Method, _Unlocked): ...


class _LockedMethod(_Method, _Locked): ...


class _ConditionalMethod(_Method, _Conditional): ...


class _UnlockedMethodInfo(_Informed, _UnlockedMethod): ...


class _LockedMethodInfo(_Informed, _LockedMethod): ...


class _ConditionalMethodInfo(_Informed, _ConditionalMethod): ...


_KINDS: dict[tuple[str, bool], type[_Method]] = {
    ("unlocked", False): _UnlockedMethod,
    ("locked", False): _LockedMethod,
    ("conditional", False): _ConditionalMethod,
    ("unlocked", True): _UnlockedMethodInfo,
    ("locked", True): _LockedMethodInfo,
    ("conditional", True): _ConditionalMethodInfo,
}


class _Unbound:
    """The method as an attribute of its class: takes the instance first."""

    def __init__(self, descriptor: _Descriptor) -> None:
        functools.update_wrapper(self, descriptor.function)
        self._descriptor = descriptor

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if args:
            instance, args = args[0], args[1:]
        else:
            instance = self._named_instance(kwargs)
        return self._descriptor.__get__(instance)(*args, **kwargs)

    def _named_instance(self, kwargs: dict[str, Any]) -> Any:
        first = next(iter(inspect.signature(self._descriptor.function).parameters.values()), None)
        if first is None or first.kind is not first.POSITIONAL_OR_KEYWORD or first.name not in kwargs:
            raise TypeError(f"{self._descriptor.name}() was called without its instance")
        return kwargs.pop(first.name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self._descriptor.__get__(instance, owner)

    def __repr__(self) -> str:
        return f"<cachedmethod {self._descriptor.function!r}>"

    def __reduce__(self) -> str:
        return f"{self._descriptor.owner.__qualname__}.{self._descriptor.name}"

    def __copy__(self) -> _Unbound:
        return self

    def __deepcopy__(self, memo: Any) -> _Unbound:
        return self


class _Descriptor:
    """What the decorator leaves in the class."""

    owner: Any = None
    name: Any = None

    def __init__(
        self,
        function: Any,
        cache: Callable[[Any], Any],
        key: Callable[..., Any],
        lock: Callable[[Any], Any] | None,
        condition: Callable[[Any], Any] | None,
        info: bool,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function, self.cache, self.key = function, cache, key
        self.lock, self.condition, self.info = lock, condition, info
        self.unbound = _Unbound(self)
        self._kind = _KINDS[way(lock, condition), bool(info)]

    def __set_name__(self, owner: type, name: str) -> None:
        if self.name is None:
            self.owner, self.name = owner, name
            self.unbound.__module__ = owner.__module__
        elif name != self.name:
            raise TypeError(f"one cachedmethod cannot have two names, {self.name!r} and {name!r}")

    def wrap(self, instance: Any) -> _Method:
        return self._kind(self, instance)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.unbound
        if self.name is None:
            raise TypeError(_USAGE)
        kind = type(instance).__name__
        try:
            attributes = instance.__dict__
        except AttributeError:
            raise TypeError(f"No '__dict__' attribute on {kind!r} instance for {self.name!r}") from None
        try:
            if self._is_attribute_of(type(instance)):
                held, key = attributes, self.name
            else:
                held, key = attributes.setdefault(_BESIDE, {}), self.unbound
            if key in held:
                return held[key]
        except TypeError:
            raise self._immutable(kind) from None
        wrapper = self.wrap(instance)
        try:
            return held.setdefault(key, wrapper)
        except TypeError:
            raise self._immutable(kind) from None

    def _immutable(self, kind: str) -> TypeError:
        return TypeError(f"the '__dict__' of {kind!r} instance does not support item assignment")

    def _is_attribute_of(self, kind: type) -> bool:
        """Whether instances find this one under its name."""
        for base in kind.__mro__:
            if self.name in base.__dict__:
                found = base.__dict__[self.name]
                return found is self or found is self.unbound
        return False

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(_USAGE)


def cachedmethod(
    cache: Callable[[Any], Any],
    key: Callable[..., Any] = keys.methodkey,
    lock: Callable[[Any], Any] | None = None,
    condition: Callable[[Any], Any] | None = None,
    info: bool = False,
) -> Callable[[Any], Any]:
    """Keeps the results of a method in ``cache(self)``; as ``cached``, but ``cache``, ``lock`` and ``condition`` are functions of the instance.

    >>> class Doubler:
    ...     def __init__(self):
    ...         self.results = {}
    ...     @cachedmethod(lambda self: self.results)
    ...     def double(self, n):
    ...         return n + n
    >>> doubler = Doubler()
    >>> doubler.double(2), doubler.results
    (4, {(2,): 4})
    """
    if not callable(cache):
        raise TypeError("the cache of a method has to be callable: it is asked with the instance")
    return lambda function: _Descriptor(function, cache, key, lock, condition, info)
