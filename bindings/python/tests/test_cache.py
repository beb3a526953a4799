"""`Cache` as a mapping, and each of its methods."""

from __future__ import annotations

import collections.abc
import copy
import datetime
import gc
import inspect
import pickle
import signal
import sys
import weakref

import pytest

import pinyon
from pinyon import Cache
from support import Clock, Noted, Thing, run_threads


# What a dict does


def test_reads_writes_and_deletes_as_a_dict_does():
    cache = Cache(100)
    cache["a"] = 1
    cache["b"] = 2
    assert cache["a"] == 1
    assert cache.get("a") == 1
    assert "a" in cache and "c" not in cache
    assert len(cache) == 2
    del cache["a"]
    assert "a" not in cache
    with pytest.raises(KeyError) as raised:
        cache["a"]
    assert raised.value.args == ("a",)
    with pytest.raises(KeyError):
        del cache["a"]


def test_a_missing_tuple_is_the_argument_of_its_key_error():
    with pytest.raises(KeyError) as raised:
        Cache(1)[(1, 2)]
    assert raised.value.args == ((1, 2),)


def test_get_gives_the_default_or_none():
    cache = Cache(10)
    assert cache.get("a") is None
    assert cache.get("a", 7) == 7
    cache["a"] = None
    assert cache.get("a", 7) is None


def test_values_are_the_very_objects():
    cache = Cache(10)
    value, key = Thing(), ("a", 1)
    cache[key] = value
    assert cache[("a", 1)] is value
    assert next(iter(cache)) is key


def test_an_overwrite_keeps_one_entry():
    cache = Cache(10)
    for number in range(100):
        cache["a"] = number
    assert len(cache) == 1 and cache["a"] == 99


def test_truth_is_whether_there_are_entries():
    cache = Cache(10)
    assert not cache
    cache["a"] = 1
    assert cache


def test_caches_are_compared_and_hashed_as_objects():
    one, other = Cache(10), Cache(10)
    assert one == one and one != other
    assert len({one, other}) == 2


def test_it_is_a_mutable_mapping():
    cache = Cache(10)
    assert isinstance(cache, collections.abc.MutableMapping)
    assert issubclass(Cache, collections.abc.Mapping)
    cache["a"] = 1
    assert dict(cache) == {"a": 1}
    assert {**cache} == {"a": 1}


def test_views_are_those_of_a_mapping():
    cache = Cache(10)
    cache.update(a=1, b=2)
    assert sorted(cache.keys()) == ["a", "b"]
    assert sorted(cache.values()) == [1, 2]
    assert sorted(cache.items()) == [("a", 1), ("b", 2)]
    assert len(cache.keys()) == len(cache.values()) == len(cache.items()) == 2
    assert "a" in cache.keys() and "c" not in cache.keys()
    assert ("a", 1) in cache.items() and ("a", 2) not in cache.items() and ("c", 1) not in cache.items()
    assert 2 in cache.values() and 3 not in cache.values()
    assert cache.keys() & {"a", "x"} == {"a"}
    assert cache.keys() == {"a", "b"}
    keys = cache.keys()
    cache["c"] = 3
    assert sorted(keys) == ["a", "b", "c"]
    assert list(cache.keys()) == list(cache)


def test_views_leave_no_trace():
    cache = Cache(10)
    cache["a"] = 1
    list(cache.keys()), list(cache.values()), list(cache.items()), list(cache)
    assert ("a", 1) in cache.items() and "a" in cache.keys()
    stats = cache.stats()
    assert (stats.hits, stats.misses) == (0, 0)


# Reading


def test_g29_peek_and_contains_leave_no_trace():
    clock = Clock()
    cache = Cache(10, tti=10, timer=clock)
    cache["a"] = 1
    clock.advance(6)
    assert cache.peek("a") == 1 and "a" in cache
    assert cache.peek("b") is None and cache.peek("b", 5) == 5 and "b" not in cache
    stats = cache.stats()
    assert (stats.hits, stats.misses) == (0, 0)
    clock.advance(6)
    assert cache.peek("a") is None


def test_get_many_reads_those_that_are_there():
    cache = Cache(10)
    cache.update({"a": 1, "b": None})
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": None}
    assert cache.get_many(key for key in "ca") == {"a": 1}
    assert cache.get_many([]) == {}
    stats = cache.stats()
    assert (stats.hits, stats.misses) == (3, 2)
    with pytest.raises(TypeError):
        cache.get_many(5)
    with pytest.raises(TypeError, match="unhashable"):
        cache.get_many([[]])


# Writing


def test_set_says_that_it_stored():
    cache = Cache(10)
    assert cache.set("a", 1) is True
    assert cache["a"] == 1


def test_g03_what_is_too_heavy_is_refused_and_the_old_value_is_gone():
    noted = Noted()
    cache = Cache(maxweight=10, on_evict=noted)
    assert cache.set("a", 1, weight=10)
    assert not cache.set("a", 2, weight=11)
    assert "a" not in cache
    assert noted.causes()[-1] == "refused" and len(noted.told) == 2
    assert cache.stats().refused == 1
    cache = Cache(maxweight=10, weigher=lambda key, value: value)
    with pytest.raises(ValueError, match=r"the entry of 'a' weighs more than maxweight=10"):
        cache["a"] = 11
    assert cache.set_many({"x": 1, "y": 50, "z": 2}) == ["y"]
    with pytest.raises(ValueError):
        cache.update(y=50)
    assert cache.setdefault("w", 50) == 50 and "w" not in cache
    assert not cache.add("w", 50) and "w" not in cache


def test_g16_add_writes_only_what_is_not_there():
    cache = Cache(10)
    assert cache.add("a", 1) is True
    assert cache.add("a", 2) is False
    assert cache["a"] == 1


def test_g16_replace_writes_only_what_is_there():
    cache = Cache(10)
    assert cache.replace("a", 1) is False
    assert "a" not in cache
    cache["a"] = 1
    assert cache.replace("a", 2) is True
    assert cache["a"] == 2


def test_g16_replace_with_expected_compares_objects():
    cache = Cache(10)
    old, other = Thing(), Thing()
    cache["a"] = old
    assert cache.replace("a", 2, expected=other) is False
    assert cache["a"] is old
    assert cache.replace("a", 2, expected=old) is True
    assert cache["a"] == 2


def test_set_many_takes_mappings_and_pairs():
    cache = Cache(10)
    assert cache.set_many({"a": 1}) == []
    assert cache.set_many([("b", 2), ("c", 3)]) == []
    assert cache.set_many(zip("de", [4, 5])) == []
    assert cache.set_many(cache) == []
    assert dict(cache.items()) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    with pytest.raises(ValueError, match="item 1 must be a pair of key and value, not 5"):
        cache.set_many([("x", 1), 5])
    assert cache["x"] == 1


def test_update_is_that_of_a_dict():
    cache = Cache(10)
    cache.update()
    cache.update({"a": 1})
    cache.update([("b", 2)], c=3)
    cache.update(d=4)
    assert dict(cache.items()) == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_pairs_may_be_any_iterables_of_two():
    cache = Cache(10)
    cache.update([["a", 1], "bc", iter("de")])
    assert dict(cache.items()) == {"a": 1, "b": "c", "d": "e"}
    for wrong in ([["a"]], [["a", 1, 2]], ["abc"]):
        with pytest.raises(ValueError, match="item 0 must be a pair of key and value"):
            cache.update(wrong)


def test_none_may_be_what_replace_expects():
    cache = Cache(10)
    cache.update(a=1, b=None)
    assert not cache.replace("a", 2, expected=None) and cache["a"] == 1
    assert cache.replace("b", 2, expected=None) and cache["b"] == 2


def test_g04_a_counter_is_weighed_anew():
    cache = Cache(maxbytes=100_000)
    cache["a"] = "x"
    light = cache.stats().weight
    cache.incr("a", "y" * 5000)
    assert cache.stats().weight >= light + 5000
    units = Cache(maxweight=100)
    units.set("n", 1, weight=7)
    units.incr("n")
    assert units.stats().weight == 7


def test_a_tag_that_cannot_be_written_says_why():
    cache = Cache(10)
    with pytest.raises(UnicodeEncodeError):
        cache.set("a", 1, tags="\ud800")
    assert "a" not in cache


def test_setdefault_writes_what_is_not_there():
    cache = Cache(10)
    assert cache.setdefault("a", 1) == 1
    assert cache.setdefault("a", 2) == 1
    assert cache.setdefault("b") is None
    assert "b" in cache


# Counters


def test_g16_incr_and_decr_count():
    cache = Cache(10)
    assert cache.incr("a") == 1
    assert cache.incr("a", 5) == 6
    assert cache.decr("a") == 5
    assert cache.decr("a", 10) == -5
    assert cache.incr("b", default=100) == 101
    assert cache.decr("c", 1, default=10) == 9
    assert cache.incr("big", 2**80) == 2**80
    assert cache.incr("f", 0.5) == 0.5
    assert cache.incr("s", "y", default="x") == "xy"
    assert cache["a"] == -5 and cache["b"] == 101


def test_g16_incr_of_what_has_no_plus_changes_nothing():
    cache = Cache(10)
    cache["a"] = "text"
    with pytest.raises(TypeError):
        cache.incr("a")
    assert cache["a"] == "text"


def test_g07_a_counter_keeps_its_lifetime():
    clock = Clock()
    cache = Cache(10, timer=clock)
    cache.incr("a", ttl=10)
    clock.advance(6)
    assert cache.incr("a", ttl=100) == 2
    assert cache.ttl("a") == pytest.approx(4)
    clock.advance(4)
    assert cache.incr("a", ttl=7) == 1
    assert cache.ttl("a") == pytest.approx(7)


def test_a_counter_in_a_cache_of_weights():
    cache = Cache(maxweight=10)
    cache.set("a", 1, weight=4)
    assert cache.incr("a") == 2
    assert cache.stats().weight == 4
    cache.incr("b")
    assert cache.stats().weight == 5


# Taking out


def test_pop_takes_out():
    cache = Cache(10)
    cache["a"] = 1
    assert cache.pop("a") == 1
    assert "a" not in cache
    assert cache.pop("a", None) is None
    assert cache.pop("a", 5) == 5
    with pytest.raises(KeyError) as raised:
        cache.pop("a")
    assert raised.value.args == ("a",)
    with pytest.raises(TypeError, match="at most one default"):
        cache.pop("a", 1, 2)


def test_popitem_takes_out_until_there_is_nothing():
    cache = Cache(10)
    cache.update(a=1, b=2, c=3)
    assert sorted(cache.popitem() for _ in range(3)) == [("a", 1), ("b", 2), ("c", 3)]
    with pytest.raises(KeyError, match="empty"):
        cache.popitem()


def test_popitem_does_not_give_what_has_expired():
    clock = Clock()
    cache = Cache(10, timer=clock)
    cache.set("a", 1, ttl=5)
    clock.advance(5)
    with pytest.raises(KeyError):
        cache.popitem()


def test_g16_delete_says_whether_it_did():
    cache = Cache(10)
    cache.update(a=1, b=2, c=3)
    assert cache.delete("a") is True
    assert cache.delete("a") is False
    assert cache.delete_many(["a", "b", "c", "d"]) == 2
    assert len(cache) == 0


def test_clear_removes_everything():
    noted = Noted()
    cache = Cache(10, on_evict=noted)
    cache.update(a=1, b=2)
    cache.clear()
    assert len(cache) == 0 and list(cache) == []
    assert noted.causes() == ["cleared", "cleared"]
    cache.clear()
    cache["a"] = 3
    assert cache["a"] == 3


# Tags


@pytest.mark.parametrize("tags", ["red", b"red", ["red"], ("x", "red"), {"red", "y"}, (tag for tag in ["red"])])
def test_evict_removes_what_was_written_with_a_tag(tags):
    cache = Cache(10)
    is_bytes = tags == b"red"
    cache.set("a", 1, tags=tags)
    cache.set("b", 2, tags="blue")
    cache["c"] = 3
    cache.evict(b"red" if is_bytes else "red")
    assert "a" not in cache and sorted(cache) == ["b", "c"]
    assert len(cache) == 2
    assert cache.stats().invalidated == 1


def test_tags_of_text_and_of_bytes_are_different_ones():
    cache = Cache(10)
    cache.set("a", 1, tags="red")
    cache.evict(b"red")
    assert "a" in cache
    cache.evict("red")
    assert "a" not in cache


def test_a_tag_is_for_what_was_written_before():
    cache = Cache(10)
    cache.evict("red", "green")
    cache.set("a", 1, tags="red")
    assert "a" in cache
    cache.set("b", 1, tags=["red", "blue"])
    cache.evict(["green", "blue"])
    assert "a" in cache and "b" not in cache


def test_an_overwrite_replaces_the_tags():
    cache = Cache(10)
    cache.set("a", 1, tags="red")
    cache.set("a", 2, tags="blue")
    cache.evict("red")
    assert cache["a"] == 2
    cache["a"] = 3
    cache.evict("blue")
    assert cache["a"] == 3


def test_tags_go_with_every_way_of_writing():
    cache = Cache(10)
    cache.add("a", 1, tags="t")
    cache["b"] = 0
    cache.replace("b", 1, tags="t")
    cache.set_many({"c": 1, "d": 2}, tags="t")
    cache.get_or_load("e", lambda key: 1, tags="t")
    assert len(cache) == 5
    cache.evict("t")
    assert len(cache) == 0


def test_bad_tags_are_named():
    cache = Cache(10)
    for tags in (5, [5], ["a", None]):
        with pytest.raises(TypeError, match="tags must be str or bytes, or an iterable of them, not"):
            cache.set("a", 1, tags=tags)
    with pytest.raises(TypeError, match="tags must be"):
        cache.evict(5)
    assert len(cache) == 0


# Capacity


@pytest.mark.parametrize("policy", ["tinylfu", "clock"])
@pytest.mark.parametrize("most", [1, 2, 3, 10, 100])
def test_g01_it_never_holds_more_than_maxsize(most, policy):
    cache = Cache(most, policy=policy)
    for number in range(5 * most):
        cache[number] = number
        assert len(cache) <= most
        assert number in cache or len(cache) == most
    assert len(cache) == most
    assert all(cache[key] == key for key in cache)


def test_g05_resize_evicts():
    noted = Noted()
    cache = Cache(100, on_evict=noted)
    for number in range(100):
        cache[number] = number
    cache.resize(10)
    assert len(cache) == 10 and cache.stats().capacity == 10 and cache.settings["maxsize"] == 10
    assert noted.causes() == ["evicted"] * 90
    cache.resize(50)
    for number in range(100):
        cache[number] = number
    assert len(cache) == 50


def test_g05_resize_is_in_the_unit_of_the_cache():
    cache = Cache(maxweight=100)
    for number in range(10):
        cache.set(number, number, weight=10)
    cache.resize(30)
    assert cache.stats().weight <= 30 and cache.settings == {"maxweight": 30}
    with pytest.raises(ValueError, match="maxweight must be an int of 1 or more, not 0"):
        cache.resize(0)
    with pytest.raises(TypeError, match="maxweight must be"):
        cache.resize("many")
    cache = Cache(maxbytes=5000)
    for given in (0, 10, 1023):
        with pytest.raises(ValueError, match=f"maxbytes must be an int of 1024 or more, not {given}"):
            cache.resize(given)
        assert cache.settings == {"maxbytes": 5000}


# on_evict


def test_g26_everything_that_leaves_is_told_once_with_its_cause():
    clock, noted = Clock(), Noted()
    cache = Cache(3, timer=clock, on_evict=noted)
    cache["a"] = 1
    cache["a"] = 2
    assert noted.told == [("a", 1, "replaced")]
    del cache["a"]
    assert noted.told[1:] == [("a", 2, "removed")]
    cache.set("b", 1, ttl=1)
    clock.advance(1)
    assert cache.expire() == 1
    assert noted.told[2:] == [("b", 1, "expired")]
    cache.set("c", 1, tags="t")
    cache.evict("t")
    assert noted.told[3:] == [("c", 1, "invalidated")]
    cache["d"] = 1
    assert cache.pop("d") == 1
    assert noted.told[4:] == [("d", 1, "removed")]
    cache["e"] = 1
    cache.clear()
    assert noted.told[5:] == [("e", 1, "cleared")]
    for number in range(10):
        cache[number] = number
    assert noted.causes()[6:] == ["evicted"] * 7


def test_g26_every_value_is_there_or_was_told():
    noted = Noted()
    cache = Cache(50, on_evict=noted)
    for number in range(5000):
        cache[number % 130] = number
        if number % 7 == 0:
            cache.pop(number % 11, None)
    there = sorted([value for _, value, _ in noted.told] + list(cache.values()))
    assert there == list(range(5000))


def test_g25_what_on_evict_raises_goes_to_the_hook(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_value))

    def fails(key, value, cause):
        raise LookupError(key)

    cache = Cache(1, on_evict=fails)
    cache["a"] = 1
    cache["b"] = 2
    cache["b"] = 3
    assert len(cache) == 1
    assert len(seen) == 2 and all(type(error) is LookupError for error in seen)


def test_ctrl_c_while_on_evict_runs_comes_out_of_the_call(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_value))
    told = []

    def interrupted(key, value, cause):
        told.append(key)
        if len(told) == 1:
            signal.raise_signal(signal.SIGINT)

    def fill(cache):
        cache.set("a", 1)
        cache.set("b", 2)
        cache.clear()
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        fill(Cache(1, on_evict=interrupted))
    told.clear()
    cache = Cache(5, on_evict=interrupted)
    cache.set_many(dict.fromkeys("abcde", 1))
    with pytest.raises(KeyboardInterrupt):
        cache.clear()
        fill(cache)
    assert sorted(told) == list("abcde") and not seen


def test_a_keyboard_interrupt_comes_out_in_the_thread_that_was_being_told():
    outcome = []

    def interrupted(key, value, cause):
        raise KeyboardInterrupt

    def work():
        try:
            Cache(1, on_evict=interrupted).delete("a")
            cache = Cache(1, on_evict=interrupted)
            cache.set("a", 1)
            cache.delete("a")
            outcome.append("it went on")
        except KeyboardInterrupt:
            outcome.append("interrupted")

    run_threads(work)
    assert outcome == ["interrupted"]


# Statistics, settings, repr


def test_g29_statistics_count():
    clock = Clock()
    cache = Cache(2, timer=clock)
    cache["a"] = 1
    cache["a"] = 2
    cache["b"] = 3
    cache["c"] = 4
    cache.get("nothing")
    for key in list(cache):
        cache[key]
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.added, stats.replaced, stats.evicted) == (2, 1, 3, 1, 1)
    assert (stats.entries, stats.weight, stats.capacity) == (2, 2, 2)
    assert stats.hit_ratio == pytest.approx(2 / 3)
    cache.set("d", 1, ttl=1)
    clock.advance(2)
    cache.expire()
    assert cache.stats().expired == 1
    cache.pop("a", None), cache.pop("b", None), cache.pop("c", None)
    assert cache.stats().removed == 1
    cache["e"] = 1
    cache.clear()
    assert cache.stats().cleared == 1


def test_statistics_are_values():
    cache = Cache(10)
    one, other = cache.stats(), cache.stats()
    assert one == other and one.hit_ratio is None
    cache.get("a")
    assert one != cache.stats() and cache.stats().hit_ratio == 0.0
    assert repr(one).startswith("Stats(hits=0, misses=0, ") and "capacity=10" in repr(one)
    with pytest.raises(AttributeError):
        one.hits = 5
    assert isinstance(one, pinyon.Stats)


def test_g29_loads_are_counted():
    cache = Cache(10)
    cache.get_or_load("a", str)
    cache.get_or_load("a", str)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_load("b", lambda key: 1 / 0)
    stats = cache.stats()
    assert (stats.loads, stats.load_failures, stats.hits, stats.misses) == (1, 1, 1, 2)


def test_settings_are_what_it_was_made_with():
    assert Cache(10).settings == {"maxsize": 10}

    def weigher(key, value):
        return 1

    clock, noted = Clock(), Noted()
    given = dict(
        maxweight=10,
        weigher=weigher,
        policy="clock",
        ttl=1.5,
        tti=float("inf"),
        timer=clock,
        on_evict=noted,
        refresh=1.0,
    )
    cache = Cache(**given)
    assert cache.settings == given
    cache.settings["ttl"] = 5
    assert cache.settings == given
    assert Cache(maxbytes=5000, ttl=datetime.timedelta(minutes=1)).settings == {"maxbytes": 5000, "ttl": 60.0}


def test_repr_tells_the_state():
    cache = Cache(10)
    cache["a"] = 1
    assert repr(cache) == "<Cache maxsize=10: 1 entries>"
    cache = Cache(maxweight=10)
    cache.set("a", 1, weight=7)
    assert repr(cache) == "<Cache maxweight=10: 1 entries, weight 7>"
    assert repr(Cache(maxbytes=4096)) == "<Cache maxbytes=4096: 0 entries, 0 bytes>"

    class Own(Cache):
        pass

    assert "Own maxsize=3: 0 entries" in repr(Own(3))


# Copies


def test_a_copy_has_the_settings_and_entries():
    noted = Noted()
    cache = Cache(10, policy="clock", on_evict=noted)
    cache.update(a=[1], b=[2])
    for other in (cache.copy(), copy.copy(cache)):
        assert type(other) is Cache and other.settings == cache.settings
        assert other["a"] is cache["a"] and sorted(other) == ["a", "b"]
        other["c"] = 1
        assert "c" not in cache
    deep = copy.deepcopy(Cache(10))
    assert len(deep) == 0
    plain = Cache(10)
    plain["a"] = [1]
    deep = copy.deepcopy(plain)
    assert deep["a"] == [1] and deep["a"] is not plain["a"]
    assert noted.told == []


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_have_settings_entries_and_lifetimes(protocol):
    cache = Cache(10, ttl=1000)
    cache["a"] = 1
    cache.set("b", 2, ttl=50)
    cache.set("c", 3, ttl=float("inf"))
    other = pickle.loads(pickle.dumps(cache, protocol))
    assert dict(other.items()) == {"a": 1, "b": 2, "c": 3}
    assert other.settings == cache.settings
    assert 900 < other.ttl("a") <= 1000
    assert 10 < other.ttl("b") <= 50
    assert other.ttl("c") is None


def test_a_copy_keeps_weights_and_idle_times():
    clock = Clock()
    cache = Cache(maxweight=100, timer=clock, tti=10)
    cache.set("a", 1, weight=7)
    cache.set("b", 2, weight=0, tti=20)
    clock.advance(5)
    other = cache.copy()
    assert other.stats().weight == 7
    clock.advance(11)
    assert "a" not in other and "b" in other


def test_a_copy_of_bytes_weighs_the_same():
    cache = Cache(maxbytes=10_000)
    cache["a"] = b"x" * 1000
    other = pickle.loads(pickle.dumps(cache))
    assert other.stats().weight == cache.stats().weight


def test_copies_are_of_the_class():
    other = pickle.loads(pickle.dumps(Child(10)))
    assert type(other) is Child


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Cache.copy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_copies_of_a_subclass_have_its_attributes(copied):
    cache = Named("jays")
    cache["a"] = 1
    cache.owner, cache.note = [cache], "seen"
    other = copied(cache)
    assert type(other) is Named and other.name == "jays" and other.note == "seen" and dict(other.items()) == {"A": 1}
    assert other.owner[0] is (cache if copied in (copy.copy, Cache.copy) else other)
    slotted = Slotted(10)
    slotted.note = "seen"
    assert copied(slotted).note == "seen" and copied(Slotted(10)).settings == slotted.settings


class Child(Cache):
    """A class of the user's."""


class Slotted(Cache):
    __slots__ = ("note",)


class Named(Slotted):
    """One that is made otherwise, and changes what it is given."""

    def __new__(cls, name):
        return super().__new__(cls, 10)

    def __init__(self, name):
        self.name = name

    def set(self, key, value):
        return super().set(key * 2, value)

    def __setitem__(self, key, value):
        super().__setitem__(key.upper(), value)


# Iteration


def test_g17_iteration_goes_on_while_it_is_changed():
    cache = Cache(10_000)
    stay = list(range(1000))
    for key in stay:
        cache[key] = -key
    seen = []
    for at, (key, value) in enumerate(cache.items()):
        seen.append(key)
        assert value == (-key if key < 1000 else key)
        cache[1000 + at % 3000] = 1000 + at % 3000
        if at > 20_000:
            break
    assert len(seen) == len(set(seen))
    assert set(stay) <= set(seen)


def test_g17_iteration_while_it_is_cleared():
    cache = Cache(1000)
    for number in range(1000):
        cache[number] = number
    keys = iter(cache)
    assert next(keys) is not None
    cache.clear()
    rest = list(keys)
    assert len(rest) <= 1000 and len(set(rest)) == len(rest)


def test_g06_iteration_gives_nothing_that_has_expired():
    clock = Clock()
    cache = Cache(1000, timer=clock)
    for number in range(300):
        cache.set(number, number, ttl=5 if number % 2 else 50)
    clock.advance(5)
    assert sorted(cache) == list(range(0, 300, 2))
    assert sorted(cache.values()) == list(range(0, 300, 2))
    assert len(cache) == 150


@pytest.mark.parametrize("kind", ["keys", "values", "items"])
def test_g06_what_expires_while_an_iterator_waits_is_passed_over(kind):
    clock = Clock()
    cache = Cache(1000, timer=clock)
    for number in range(50):
        cache.set(number, number, ttl=5 if number % 2 else 50)
    entries = iter(getattr(cache, kind)())
    seen = [next(entries)]
    clock.advance(5)
    cache.set(0, "newer", ttl=50)
    number = dict.fromkeys(["keys", "values"], lambda entry: entry).get(kind, lambda entry: entry[0])
    rest = [number(entry) for entry in entries]
    assert all(each == "newer" or each % 2 == 0 for each in rest)
    assert len({number(entry) for entry in seen} | set(rest)) >= 25


def test_g06_keys_that_python_compares_expire_while_an_iterator_waits():
    class Key:
        def __init__(self, number):
            self.number = number

        def __hash__(self):
            return self.number

        def __eq__(self, other):
            raise AssertionError("nobody asked")

    clock = Clock()
    cache = Cache(1000, timer=clock)
    keys = [Key(number) for number in range(3)]
    for key in keys:
        cache.set(key, key.number, ttl=50 - 5 * key.number)
    items = iter(cache)
    first = next(items).number
    clock.advance(45)
    assert [key.number for key in items] == ([0] if first else [])


def test_iterators_are_their_own_and_end():
    cache = Cache(10)
    cache["a"] = 1
    keys = iter(cache)
    assert iter(keys) is keys
    assert list(keys) == ["a"]
    assert list(keys) == []
    assert next(keys, "end") == "end"


# Memory


def test_a_cache_can_be_referred_to_weakly():
    cache = Cache(10)
    ref = weakref.ref(cache)
    assert ref() is cache
    del cache
    gc.collect()
    assert ref() is None


def test_g27_dropping_the_cache_drops_everything():
    cache = Cache(10)
    refs = []
    for number in range(5):
        value = Thing(number)
        refs.append(weakref.ref(value))
        cache[number] = value
    del value, cache
    gc.collect()
    assert [ref() for ref in refs] == [None] * 5


@pytest.mark.parametrize("role", ["value", "key", "weigher", "timer", "on_evict"])
def test_the_collector_finds_cycles_through_a_cache(role):
    class Knot:
        def __call__(self, *given):
            return 1

    knot = Knot()
    if role in ("value", "key"):
        cache = Cache(10)
        cache[knot if role == "key" else 1] = knot
    elif role == "weigher":
        cache = Cache(maxweight=10, weigher=knot)
    else:
        cache = Cache(10, **{role: knot})
    knot.cache = cache
    knots, caches = weakref.ref(knot), weakref.ref(cache)
    assert cache in gc.get_referrers(knot)
    del knot, cache
    gc.collect()
    assert knots() is None and caches() is None


def test_the_collector_frees_a_cache_whose_listener_is_in_a_cycle():
    def caches():
        return sum(type(each) is Cache for each in gc.get_objects())

    gc.collect()
    before = caches()
    for _ in range(5):
        cache = Cache(10, on_evict=lambda key, value, cause: None)
        cache["self"] = cache
    del cache
    gc.collect()
    assert caches() == before


def test_the_collector_finds_cycles_through_an_iterator():
    cache = Cache(10)
    thing = Thing()
    for number in range(5):
        cache[number] = thing
    thing.iterator = cache.values()
    thing.iterator = iter(thing.iterator)
    next(thing.iterator)
    ref = weakref.ref(thing)
    cache.clear()
    del thing, cache
    gc.collect()
    assert ref() is None


def test_subclasses_may_have_attributes_of_their_own():
    class Own(Cache):
        def __init__(self, *given, **named):
            self.reads = 0

        def __getitem__(self, key):
            self.reads += 1
            return super().__getitem__(key)

    own = Own(10, ttl=60)
    own["a"] = 1
    assert own["a"] == 1 and own.reads == 1
    with pytest.raises(AttributeError):
        Cache(10).attribute = 1


# Bad input


@pytest.mark.parametrize(
    ("error", "given", "message"),
    [
        (TypeError, {}, "a cache needs one of maxsize= "),
        (TypeError, {"maxsize": 1, "maxbytes": 5000}, "a cache needs one of maxsize= .*, not maxsize= and maxbytes="),
        (TypeError, {"maxsize": 1, "maxbytes": 5000, "maxweight": 1}, ", not maxsize=, maxbytes= and maxweight="),
        (ValueError, {"maxsize": 0}, "maxsize must be an int of 1 or more, not 0"),
        (ValueError, {"maxsize": -1}, "maxsize must be an int of 1 or more, not -1"),
        (ValueError, {"maxsize": 2**70}, "maxsize must be an int of 1 or more and below 2\\*\\*64, not 1180591620717411303424"),
        (TypeError, {"maxsize": "5"}, "maxsize must be an int of 1 or more, not '5'"),
        (TypeError, {"maxsize": 5.0}, "maxsize must be"),
        (ValueError, {"maxbytes": 10}, "maxbytes must be an int of 1024 or more, not 10"),
        (ValueError, {"maxweight": 0}, "maxweight must be"),
        (ValueError, {"maxsize": 1, "policy": "lru"}, "policy must be 'tinylfu' or 'clock', not 'lru'"),
        (TypeError, {"maxsize": 1, "policy": 5}, "policy|str"),
        (TypeError, {"maxsize": 1, "weigher": len}, "weigher= goes with maxbytes= or maxweight="),
        (TypeError, {"maxweight": 1, "weigher": 5}, "weigher must be a function, not int"),
        (TypeError, {"maxsize": 1, "on_evict": 5}, "on_evict must be a function, not int"),
        (TypeError, {"maxsize": 1, "timer": 5}, "timer must be a function that returns seconds, not int"),
        (ValueError, {"maxsize": 1, "timer": lambda: -1.0}, "timer must return 0 or more seconds, not -1"),
        (TypeError, {"maxsize": 1, "timer": lambda: "now"}, "timer must return a number of seconds, not str"),
        (ValueError, {"maxsize": 1, "ttl": -1}, "ttl must be 0 or more seconds, not -1"),
        (ValueError, {"maxsize": 1, "ttl": float("nan")}, "ttl must be"),
        (TypeError, {"maxsize": 1, "ttl": "soon"}, "ttl must be a number of seconds or a timedelta, not str"),
        (ValueError, {"maxsize": 1, "tti": datetime.timedelta(seconds=-1)}, "tti must be"),
        (TypeError, {"maxsize": 1, "tti": []}, "tti must be"),
        (ValueError, {"maxsize": 1, "refresh": -0.5}, "refresh must be"),
        (TypeError, {"maxsize": 1, "size": 5}, "size"),
    ],
)
def test_bad_settings_are_named(error, given, message):
    with pytest.raises(error, match=message):
        Cache(**given)


def test_bad_options_of_writes_are_named():
    cache = Cache(10)
    for name in ("ttl", "tti"):
        with pytest.raises(ValueError, match=f"{name} must be 0 or more seconds, not -1"):
            cache.set("a", 1, **{name: -1})
        with pytest.raises(TypeError, match=f"{name} must be"):
            cache.add("a", 1, **{name: "x"})
    with pytest.raises(TypeError, match="weight= needs a cache with maxweight= or maxbytes="):
        cache.set("a", 1, weight=1)
    with pytest.raises(ValueError, match="ttl must be"):
        cache.touch("a", ttl=-1)
    weighed = Cache(maxweight=10)
    for weight in (-1, "x", 1.5):
        with pytest.raises(ValueError, match="weight must be an int of 0 or more, not"):
            weighed.set("a", 1, weight=weight)
    with pytest.raises(KeyError):
        cache.ttl("a")
    assert len(cache) == len(weighed) == 0


def test_every_method_has_a_docstring_and_a_signature():
    for name in dir(Cache):
        method = getattr(Cache, name)
        if name.startswith("_") or not callable(method):
            continue
        assert method.__doc__, name
        inspect.signature(method)
    assert Cache.__doc__
    if sys.version_info >= (3, 10):
        assert str(inspect.signature(Cache)).startswith("(maxsize=None, *, maxbytes=None")


def test_generic_aliases():
    assert Cache[str, int].__origin__ is Cache
