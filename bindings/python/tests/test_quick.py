"""The short ways into the class: they do what the long ones do, and hand on what is not for them."""

from __future__ import annotations

import inspect
import random
from typing import Any, Callable

import pytest

import pinyon
from support import at_once


class Long(pinyon.Cache):
    """A subclass enters items by the long way."""


class Odd:
    """A key that only Python can compare."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and other.number == self.number

    def __repr__(self) -> str:
        return f"Odd({self.number})"


KEYS = [1, 1.0, True, -1, 2**70, "a", "é", "名", "\U0001f426", b"a", None, (1, "a"), ((), b"\xe9"), int, Odd(1), Odd(2), [], {}]


def outcome(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except Exception as error:
        return type(error), error.args


def steps(cache: Any, key: Any, value: Any) -> list[Callable[[], Any]]:
    return [
        lambda: cache.get(key),
        lambda: cache.get(key, value),
        lambda: cache[key],
        lambda: cache.__setitem__(key, value),
        lambda: cache.__delitem__(key),
        lambda: exec("cache[key] = value", {"cache": cache, "key": key, "value": value}),
        lambda: exec("del cache[key]", {"cache": cache, "key": key}),
    ]


@pytest.mark.parametrize("settings", [{}, {"timer": lambda: 1.0}, {"ttl": 60}, {"on_evict": print}, {"weigher": lambda key, value: 9}])
@pytest.mark.parametrize("keys", [KEYS, [key for key in KEYS if not isinstance(key, Odd)]])
def test_the_short_way_and_the_long_one_come_to_the_same(settings: dict[str, Any], keys: list[Any], capsys: Any) -> None:
    limit = {"maxweight": 400} if "weigher" in settings else {"maxsize": 100}
    short, long = pinyon.Cache(**limit, **settings), Long(**limit, **settings)
    rng = random.Random(7)
    for number in range(3000):
        key, step = rng.choice(keys), rng.randrange(7)
        mine, theirs = (outcome(steps(cache, key, number)[step]) for cache in (short, long))
        assert mine == theirs, (key, step)
        assert len(short) == len(long)
    assert str(short.stats()) == str(long.stats())


def test_what_is_counted_and_told_is_the_same() -> None:
    told: list[Any] = []
    cache = pinyon.Cache(10, on_evict=lambda *what: told.append(what))
    cache["a"] = 1
    cache["a"] = 2
    del cache["a"]
    assert told == [("a", 1, "replaced"), ("a", 2, "removed")]
    quiet = pinyon.Cache(10)
    quiet["a"] = 1
    assert (quiet["a"], quiet.get("a"), quiet.get("b"), quiet.get("b", 7)) == (1, 1, None, 7)
    stats = quiet.stats()
    assert (stats.hits, stats.misses) == (2, 2)


def test_strings_are_equal_however_they_were_made() -> None:
    cache = pinyon.Cache(100)
    words = ["", "a" * 40, "é" * 40, "名" * 40, "\U0001f426" * 40, "a\0b", "\ud800"]
    for word in words:
        cache[word] = word
    for word in words:
        assert cache["".join(list(word))] == word
        assert word + "x" not in cache and cache.get(word + "x") is None
    assert len(cache) == len(words)


def test_an_absent_key_is_in_the_error_as_it_is() -> None:
    cache = pinyon.Cache(10)
    for key in [(), (1, 2), ((1,),), "a"]:
        for step in [lambda: cache[key], lambda: cache.__delitem__(key)]:
            with pytest.raises(KeyError) as error:
                step()
            assert error.value.args == (key,)


def test_get_says_what_it_takes() -> None:
    cache = pinyon.Cache(10)
    assert str(inspect.signature(pinyon.Cache.get)) == "(self, key, default=None, /)"
    assert str(inspect.signature(cache.get)) == "(key, default=None, /)"
    assert "restarts its idle time" in (pinyon.Cache.get.__doc__ or "")
    for wrong in [lambda: cache.get(), lambda: cache.get(1, 2, 3), lambda: cache.get(key=1), lambda: pinyon.Cache.get({}, 1)]:  # type: ignore[call-arg, arg-type]
        with pytest.raises(TypeError):
            wrong()


@at_once
def test_what_goes_is_let_go_of_at_once() -> None:
    class Value:
        gone = 0

        def __del__(self) -> None:
            Value.gone += 1

    cache = pinyon.Cache(2)
    cache["a"] = Value()
    cache["a"] = None
    assert Value.gone == 1
    cache["a"] = Value()
    del cache["a"]
    assert Value.gone == 2
    for number in range(20):
        cache[number] = Value()
    assert Value.gone == 20


def test_a_subclass_may_do_it_its_own_way() -> None:
    class Own(pinyon.Cache):
        def __getitem__(self, key: Any) -> Any:
            return "own", super().__getitem__(key)

        def get(self, key: Any, default: Any = None) -> Any:
            return "own", super().get(key, default)

    own = Own(10)
    own[1] = 2
    assert (own[1], own.get(1), own.get(2)) == (("own", 2), ("own", 2), ("own", None))
