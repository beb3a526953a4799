"""Lifetimes: of the cache and of single entries, by the user's clock and by the system's."""

from __future__ import annotations

import datetime
import math
import time

import pytest

from pinyon import Cache
from support import Clock, Noted, eventually

NEVER = math.inf


def test_g06_g07_an_entry_expires_at_its_tick():
    clock = Clock()
    cache = Cache(10, ttl=10, timer=clock)
    cache["a"] = 1
    clock.advance(9.999)
    assert cache["a"] == 1 and "a" in cache
    clock.advance(0.001)
    assert "a" not in cache and cache.get("a") is None and cache.peek("a") is None
    assert cache.pop("a", None) is None and cache.get_many(["a"]) == {}
    assert list(cache) == [] and len(cache) == 0
    with pytest.raises(KeyError):
        cache["a"]


def test_g07_a_read_does_not_prolong_a_ttl_and_a_write_does():
    clock = Clock()
    cache = Cache(10, ttl=10, timer=clock)
    cache["a"] = cache["b"] = 1
    clock.advance(6)
    assert cache["a"] == 1
    cache["b"] = 2
    clock.advance(6)
    assert "a" not in cache and cache["b"] == 2


def test_g07_a_read_restarts_the_idle_time():
    clock = Clock()
    cache = Cache(10, tti=10, timer=clock)
    cache["a"] = cache["b"] = cache["c"] = 1
    for _ in range(5):
        clock.advance(6)
        assert cache["a"] == 1
        assert cache.touch("b") is True
    assert "c" not in cache and cache.touch("c") is False
    clock.advance(10)
    assert len(cache) == 0


def test_g07_both_lifetimes_at_once():
    clock = Clock()
    cache = Cache(10, ttl=25, tti=10, timer=clock)
    cache["a"] = cache["b"] = 1
    for _ in range(4):
        clock.advance(6)
        assert cache["a"] == 1
    assert "b" not in cache
    clock.advance(1)
    assert "a" not in cache


@pytest.mark.parametrize("ttl", [5, 5.0, datetime.timedelta(seconds=5)])
def test_g07_an_entry_may_have_its_own_ttl(ttl):
    clock = Clock()
    cache = Cache(10, timer=clock)
    cache.set("a", 1, ttl=ttl)
    cache.add("b", 1, ttl=ttl)
    cache["c"] = 0
    cache.replace("c", 1, ttl=ttl)
    cache.set_many({"d": 1}, ttl=ttl)
    cache.get_or_load("e", lambda key: 1, ttl=ttl)
    cache.incr("f", ttl=ttl)
    cache["g"] = 1
    clock.advance(4.9)
    assert sorted(cache) == list("abcdefg")
    clock.advance(0.1)
    assert list(cache) == ["g"]


@pytest.mark.parametrize("tti", [5, 5.0, datetime.timedelta(seconds=5)])
def test_g07_an_entry_may_have_its_own_tti(tti):
    clock = Clock()
    cache = Cache(10, timer=clock)
    cache.set("a", 1, tti=tti)
    cache.add("b", 1, tti=tti)
    cache.set_many({"c": 1}, tti=tti)
    cache["d"] = 1
    clock.advance(4)
    assert cache["a"] == 1
    clock.advance(4)
    assert sorted(cache) == ["a", "d"]


def test_g07_an_entry_may_outlive_the_rule_of_the_cache():
    clock = Clock()
    cache = Cache(10, ttl=5, tti=5, timer=clock)
    cache.set("a", 1, ttl=NEVER, tti=NEVER)
    cache.set("b", 1, ttl=50, tti=50)
    cache["c"] = 1
    clock.advance(5)
    assert sorted(cache) == ["a", "b"]
    clock.advance(10**9)
    assert list(cache) == ["a"] and cache.ttl("a") is None


def test_g07_an_overwrite_replaces_the_lifetime():
    clock = Clock()
    cache = Cache(10, ttl=10, timer=clock)
    cache.set("a", 1, ttl=NEVER)
    cache["a"] = 2
    assert cache.ttl("a") == pytest.approx(10)
    cache.set("a", 3, ttl=3)
    assert cache.ttl("a") == pytest.approx(3)
    cache.set("a", 3, ttl=0.5)
    assert cache.ttl("a") == pytest.approx(0.5)


def test_g07_times_beyond_all_bounds_are_for_ever():
    clock = Clock()
    cache = Cache(10, ttl=NEVER, tti=1e300, timer=clock)
    for number, ttl in enumerate((NEVER, 1e308, 2**70, 1e18)):
        cache.set(number, number, ttl=ttl)
    cache["plain"] = 1
    clock.advance(1e9)
    assert len(cache) == 5
    clock.now = 1e300
    cache.expire()


def test_a_ttl_of_nothing_is_gone_at_once():
    noted = Noted()
    cache = Cache(10, timer=Clock(), on_evict=noted)
    cache.set("a", 1, ttl=0)
    assert "a" not in cache and cache.get("a") is None and len(cache) == 0
    cache.set("b", 1, ttl=datetime.timedelta(0))
    assert "b" not in cache
    cache.expire()
    assert set(noted.causes()) <= {"expired", "refused"} and len(noted.told) == 2


def test_ttl_tells_what_is_left():
    clock = Clock()
    cache = Cache(10, timer=clock)
    cache["a"] = 1
    assert cache.ttl("a") is None
    cache.set("b", 1, ttl=10)
    cache.set("c", 1, ttl=10, tti=4)
    assert cache.ttl("b") == pytest.approx(10) and cache.ttl("c") == pytest.approx(4)
    clock.advance(3)
    assert cache.ttl("b") == pytest.approx(7) and cache.ttl("c") == pytest.approx(1)
    assert cache.ttl("c") == pytest.approx(1)
    clock.advance(1)
    with pytest.raises(KeyError) as raised:
        cache.ttl("c")
    assert raised.value.args == ("c",)


def test_touch_gives_a_new_ttl():
    clock = Clock()
    cache = Cache(10, ttl=10, timer=clock)
    cache["a"] = 1
    clock.advance(5)
    assert cache.touch("a", ttl=20) is True
    assert cache.ttl("a") == pytest.approx(20)
    assert cache.touch("a", ttl=datetime.timedelta(seconds=2)) is True
    clock.advance(2)
    assert cache.touch("a", ttl=20) is False
    cache["b"] = 1
    assert cache.touch("b", ttl=NEVER) is True
    assert cache.ttl("b") is None
    assert (cache.stats().hits, cache.stats().misses) == (0, 0)


def test_g08_expire_removes_and_counts():
    clock, noted = Clock(), Noted()
    cache = Cache(20_000, timer=clock, on_evict=noted)
    for number in range(12_000):
        cache.set(number, number, ttl=1 + number % 3)
    assert cache.expire() == 0
    clock.advance(1)
    assert cache.expire() == 4000
    clock.advance(1)
    assert len(cache) == 4000
    clock.advance(1)
    assert cache.expire() == 4000 and cache.stats().entries == 0
    assert noted.causes() == ["expired"] * 12_000
    assert sorted(key for key, _, _ in noted.told) == list(range(12_000))


def test_g08_writes_alone_remove_what_has_expired():
    clock = Clock()
    cache = Cache(100_000, timer=clock)
    for number in range(1000):
        cache.set(number, number, ttl=1)
    clock.advance(10)
    for number in range(10_000):
        cache[f"other {number % 500}"] = number
    assert cache.stats().entries == 500


def test_g09_a_clock_that_goes_back_stands_still():
    clock = Clock()
    cache = Cache(10, timer=clock, ttl=10)
    cache["a"] = 1
    clock.advance(5)
    assert cache.ttl("a") == pytest.approx(5)
    clock.now -= 100
    assert cache.ttl("a") == pytest.approx(5) and cache["a"] == 1
    clock.now += 105
    assert "a" not in cache


def test_g09_any_clock_of_python_will_do():
    for timer in (time.monotonic, time.time, time.perf_counter, lambda: 5):
        cache = Cache(10, ttl=1000, timer=timer)
        cache["a"] = 1
        assert 990 < cache.ttl("a") <= 1000


def test_g25_what_the_clock_raises_comes_out_and_changes_nothing():
    class Broken(Clock):
        broken = False

        def __call__(self):
            if self.broken:
                raise LookupError("no time")
            return super().__call__()

    clock = Broken()
    cache = Cache(10, timer=clock)
    cache["a"] = 1
    clock.broken = True
    for call in (
        lambda: cache["a"],
        lambda: cache.set("b", 1),
        lambda: cache.pop("a"),
        lambda: "a" in cache,
        lambda: list(cache),
        cache.clear,
        cache.expire,
        cache.stats,
        lambda: cache.get_or_load("c", str),
        lambda: cache.incr("c"),
        lambda: cache.touch("a"),
        lambda: cache.ttl("a"),
        lambda: cache.resize(5),
        lambda: cache.evict("t"),
    ):
        with pytest.raises(LookupError, match="no time"):
            call()
    clock.broken = False
    assert dict(cache.items()) == {"a": 1} and cache.settings["maxsize"] == 10
    clock.now = math.inf
    with pytest.raises(ValueError, match="timer must return 0 or more seconds, not inf"):
        cache["a"]
    clock.now = math.nan
    with pytest.raises(ValueError, match="timer must return"):
        cache["a"]
    clock.now = 5000
    assert cache["a"] == 1


def test_g06_by_the_clock_of_the_system():
    cache = Cache(10, ttl=0.05)
    cache["a"] = 1
    cache.set("b", 2, ttl=1000)
    assert cache["b"] == 2
    eventually(lambda: "a" not in cache)
    assert list(cache) == ["b"] and len(cache) == 1


def test_g06_g07_idle_by_the_clock_of_the_system():
    cache = Cache(10, tti=0.05)
    cache["a"] = 1
    eventually(lambda: "a" not in cache)
    assert cache.get("a") is None


def test_an_entry_without_a_lifetime_does_not_ask_the_clock_of_the_cache_to_pass():
    clock = Clock()
    cache = Cache(10, timer=clock)
    cache["a"] = 1
    clock.advance(10**9)
    assert cache["a"] == 1 and cache.ttl("a") is None
