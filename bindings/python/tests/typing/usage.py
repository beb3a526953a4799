"""How the package is used, for type checkers: `mypy --strict` and `pyright` must agree with every `assert_type`."""

from __future__ import annotations

import datetime
from collections.abc import Coroutine, ItemsView, KeysView, ValuesView
from typing import Any, Optional, Union

from typing_extensions import assert_type

import pinyon
from pinyon import Cache, CacheInfo, Stats, cached


def caches() -> None:
    cache: Cache[str, int] = Cache(100, ttl=60, tti=datetime.timedelta(minutes=1), policy="clock")
    cache["a"] = 1
    assert_type(cache["a"], int)
    assert_type(cache.get("a"), Optional[int])
    assert_type(cache.get("a", 5), int)
    assert_type(cache.get("a", "none"), Union[int, str])
    assert_type(cache.peek("a"), Optional[int])
    assert_type(cache.pop("a"), int)
    assert_type(cache.pop("a", None), Optional[int])
    assert_type(cache.pop("a", 7), int)
    assert_type(cache.popitem(), tuple[str, int])
    assert_type(cache.set("a", 1, ttl=5, weight=1, tags=["t", b"u"]), bool)
    assert_type(cache.set_many({"a": 1}), list[str])
    assert_type(cache.set_many([("a", 1)], tags="t"), list[str])
    assert_type(cache.get_many(["a"]), dict[str, int])
    assert_type(cache.delete_many(["a"]), int)
    assert_type(cache.incr("a"), int)
    assert_type(cache.decr("a", 2, default=5), int)
    assert_type(cache.setdefault("a", 1), int)
    assert_type(cache.get_or_load("a", len), int)
    assert_type(cache.ttl("a"), Optional[float])
    assert_type(cache.copy(), Cache[str, int])
    assert_type(cache.stats(), Stats)
    assert_type(cache.stats().hit_ratio, Optional[float])
    assert_type(cache.keys(), KeysView[str])
    assert_type(cache.values(), ValuesView[int])
    assert_type(cache.items(), ItemsView[str, int])
    assert_type([key for key in cache], list[str])
    assert_type("a" in cache, bool)
    assert_type(cache.settings, dict[str, Any])
    cache.update({"a": 1}, b=2)
    cache.update([("a", 1)])
    cache.update(cache)
    cache.evict("t", b"u", ["v"])
    cache.touch("a", ttl=5)
    cache.resize(10)

    cache["a"] = "text"  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    cache.set(5, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache.set("a", 1, ttl="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cache.get_or_load("a", str.upper)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def weigh(key: str, value: bytes) -> int:
    return len(key) + len(value)


def told(key: str, value: bytes, cause: str) -> None:
    print(key, value, cause)


def settings() -> None:
    cache: Cache[str, bytes] = Cache(maxbytes=1 << 20, weigher=weigh, on_evict=told)
    assert_type(cache["a"], bytes)
    Cache[str, int](size=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@cached
def plain(number: int, text: str = "x") -> float:
    return number * 0.5


@cached(maxsize=10, ttl=60, stale=datetime.timedelta(minutes=5), jitter=0.1, tags="t")
def with_settings(number: int, *, text: str = "x") -> list[str]:
    return [text] * number


@cached
async def coroutine(number: int) -> str:
    return str(number)


class Shop:
    @cached
    def price(self, item: str) -> int:
        return len(item)

    @cached(ttl=5)
    async def stock(self, item: str) -> bool:
        return bool(item)

    @staticmethod
    @cached
    def tax(price: int) -> float:
        return price * 0.2


def functions() -> None:
    assert_type(plain(1), float)
    assert_type(plain(1, text="y"), float)
    assert_type(with_settings(1, text="y"), list[str])
    assert_type(plain.cache_info(), CacheInfo)
    assert_type(plain.cache_info().hits, int)
    assert_type(plain.invalidate(1), bool)
    assert_type(plain.refresh(1), float)
    assert_type(plain.__wrapped__(1), float)
    plain.cache_clear()
    plain.cache.evict("t")
    plain("one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with_settings(1, other=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    cached(tll=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]

    shop = Shop()
    assert_type(shop.price("a"), int)
    assert_type(shop.price.refresh("a"), int)
    assert_type(shop.price.cache_info(), CacheInfo)
    assert_type(Shop.price(shop, "a"), int)
    assert_type(Shop.tax(5), float)
    shop.price(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def coroutines() -> None:
    assert_type(await coroutine(1), str)
    later: Coroutine[Any, Any, str] = coroutine(1)
    assert_type(await later, str)
    assert_type(await coroutine.refresh(1), str)
    assert_type(await Shop().stock("a"), bool)
    cache: Cache[int, str] = Cache(10)

    async def load(number: int) -> str:
        return str(number)

    assert_type(await cache.get_or_load_async(1, load), str)


def errors() -> None:
    try:
        plain(1)
    except pinyon.OwnKeyError as error:
        assert_type(error, pinyon.OwnKeyError)
