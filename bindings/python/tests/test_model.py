"""Random sequences of operations do to a cache what they do to a dict with lifetimes."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule  # noqa: E402

from pinyon import Cache  # noqa: E402
from support import Clock, Noted  # noqa: E402


class Word(str):
    """Equal to a str, and of a type of its own, which Python has to compare."""

    def __hash__(self):
        return super().__hash__()

    def __eq__(self, other):
        return str(self) == str(other) if isinstance(other, str) else NotImplemented


KEYS = st.one_of(
    st.integers(0, 6),
    st.sampled_from([0.0, 1.0, 2.5, True, False, None, "a", "b", b"a", (1, "a"), (1.0, "a"), (2, (3, None)), "\u00e9", -1, -2]),
    st.sampled_from([Word("a"), Word("b"), Word("c"), frozenset([1])]),
)
VALUES = st.integers()
LIVES = st.sampled_from([None, None, 1, 3, 10, math.inf])
TAGS = st.sampled_from([None, None, "red", "blue", ("red", "blue")])


class Model(RuleBasedStateMachine):
    """Room enough for all keys: what is there is exactly what was written and has not left."""

    @initialize(ttl=st.sampled_from([None, 5]), tti=st.sampled_from([None, 4]), unit=st.sampled_from(["maxsize", "maxweight"]))
    def make(self, ttl, tti, unit):
        self.clock, self.noted = Clock(), Noted()
        self.ttl, self.tti = ttl or math.inf, tti or math.inf
        lives = {name: what for name, what in (("ttl", ttl), ("tti", tti)) if what is not None}
        self.cache = Cache(**{unit: 1000}, timer=self.clock, on_evict=self.noted, **lives)
        # Key: value, deadline, idle time, deadline by it, tags.
        self.entries: dict = {}
        self.written = self.hits = self.misses = 0

    def live(self, key):
        entry = self.entries.get(key)
        return entry is not None and min(entry[1], entry[3]) > self.clock.now

    def put(self, key, value, ttl, tti, tags):
        now = self.clock.now
        ttl, tti = (self.ttl if ttl is None else ttl), (self.tti if tti is None else tti)
        names = {tags} if isinstance(tags, str) else set(tags or ())
        self.entries[key] = (value, now + ttl, tti, now + tti, names)
        self.written += 1

    def used(self, key):
        value, deadline, idle, _, tags = self.entries[key]
        self.entries[key] = (value, deadline, idle, self.clock.now + idle, tags)
        return value

    @rule(key=KEYS, value=VALUES, ttl=LIVES, tti=LIVES, tags=TAGS)
    def set(self, key, value, ttl, tti, tags):
        assert self.cache.set(key, value, ttl=ttl, tti=tti, tags=tags) is True
        self.put(key, value, ttl, tti, tags)

    @rule(key=KEYS, value=VALUES)
    def setitem(self, key, value):
        self.cache[key] = value
        self.put(key, value, None, None, None)

    @rule(key=KEYS, value=VALUES, ttl=LIVES, tags=TAGS)
    def add(self, key, value, ttl, tags):
        assert self.cache.add(key, value, ttl=ttl, tags=tags) is not self.live(key)
        if not self.live(key):
            self.put(key, value, ttl, None, tags)

    @rule(key=KEYS, value=VALUES, tti=LIVES, tags=TAGS)
    def replace(self, key, value, tti, tags):
        assert self.cache.replace(key, value, tti=tti, tags=tags) is self.live(key)
        if self.live(key):
            self.put(key, value, None, tti, tags)

    @rule(pairs=st.lists(st.tuples(KEYS, VALUES), max_size=4), ttl=LIVES)
    def set_many(self, pairs, ttl):
        assert self.cache.set_many(pairs, ttl=ttl) == []
        for key, value in pairs:
            self.put(key, value, ttl, None, None)

    @rule(key=KEYS)
    def get(self, key):
        found = self.cache.get(key, "none")
        self.read(key, found)

    def read(self, key, found):
        if self.live(key):
            self.hits += 1
            assert found == self.used(key)
        else:
            self.misses += 1
            assert found == "none"

    @rule(keys=st.lists(KEYS, max_size=4))
    def get_many(self, keys):
        found = self.cache.get_many(keys)
        for key in keys:
            self.read(key, found.get(key, "none"))

    @rule(key=KEYS)
    def getitem(self, key):
        try:
            found = self.cache[key]
        except KeyError:
            found = "none"
        self.read(key, found)

    @rule(key=KEYS, value=VALUES)
    def setdefault(self, key, value):
        found = self.cache.setdefault(key, value)
        if self.live(key):
            self.read(key, found)
        else:
            assert found == value
            self.misses += 1
            self.put(key, value, None, None, None)

    @rule(key=KEYS, value=VALUES, ttl=LIVES, tags=TAGS)
    def get_or_load(self, key, value, ttl, tags):
        found = self.cache.get_or_load(key, lambda key: value, ttl=ttl, tags=tags)
        if self.live(key):
            self.read(key, found)
        else:
            assert found == value
            self.misses += 1
            self.put(key, value, ttl, None, tags)

    @rule(key=KEYS)
    def peek(self, key):
        assert self.cache.peek(key, "none") == (self.entries[key][0] if self.live(key) else "none")
        assert (key in self.cache) is self.live(key)

    @rule(key=KEYS)
    def pop(self, key):
        assert self.cache.pop(key, "none") == (self.entries[key][0] if self.live(key) else "none")
        self.entries.pop(key, None)

    @rule(key=KEYS)
    def delete(self, key):
        assert self.cache.delete(key) is self.live(key)
        self.entries.pop(key, None)

    # No precondition: which entry leaves is left open, so what is there later is not for Hypothesis to count on.
    @rule()
    def popitem(self):
        if not any(self.live(key) for key in self.entries):
            with pytest.raises(KeyError):
                self.cache.popitem()
            return
        key, value = self.cache.popitem()
        assert self.live(key) and self.entries.pop(key)[0] == value

    @rule(key=KEYS, delta=st.integers(-5, 5), ttl=LIVES)
    def incr(self, key, delta, ttl):
        found = self.cache.incr(key, delta, ttl=ttl)
        if self.live(key):
            value, deadline, idle, _, _ = self.entries[key]
            assert found == value + delta
            self.entries[key] = (found, deadline, idle, self.clock.now + idle, set())
            self.written += 1
        else:
            assert found == delta
            self.put(key, delta, ttl, None, None)

    @rule(key=KEYS, ttl=st.sampled_from([None, 2, 8, math.inf]))
    def touch(self, key, ttl):
        assert self.cache.touch(key, ttl=ttl) is self.live(key)
        if self.live(key):
            self.used(key)
            if ttl is not None:
                value, _, idle, until, tags = self.entries[key]
                self.entries[key] = (value, self.clock.now + ttl, idle, until, tags)

    @rule(key=KEYS)
    def ttl_of(self, key):
        try:
            left = self.cache.ttl(key)
        except KeyError:
            assert not self.live(key)
            return
        assert self.live(key)
        until = min(self.entries[key][1], self.entries[key][3])
        assert left == (None if math.isinf(until) else pytest.approx(until - self.clock.now))

    @rule(tags=st.sampled_from([["red"], ["blue"], ["red", "blue"], ["green"]]))
    def evict(self, tags):
        self.cache.evict(*tags)
        self.entries = {key: entry for key, entry in self.entries.items() if not entry[4] & set(tags)}

    @rule()
    def clear(self):
        self.cache.clear()
        self.entries.clear()

    @rule(seconds=st.sampled_from([0.5, 1, 2, 5]))
    def advance(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def expire(self):
        self.cache.expire()

    @rule()
    def copy(self):
        other = self.cache.copy()
        assert dict(other.items()) == dict(self.cache.items()) and other.settings == self.cache.settings
        for key in other:
            # To be copied is to be written: idle time begins anew.
            until, idle = self.entries[key][1:3]
            left = min(until - self.clock.now, idle)
            assert other.ttl(key) == (None if math.isinf(left) else pytest.approx(left))

    @invariant()
    def the_same_is_there(self):
        if not hasattr(self, "cache"):
            return
        there = {key: entry[0] for key, entry in self.entries.items() if self.live(key)}
        assert dict(self.cache.items()) == there
        # What has expired is not seen any more, and is gone a tick of 2**20 nanoseconds later.
        tick = 2**20 / 1e9
        going = sum(self.clock.now - tick < min(entry[1], entry[3]) <= self.clock.now for entry in self.entries.values())
        assert len(there) <= len(self.cache) <= len(there) + going
        stats = self.cache.stats()
        assert (stats.hits, stats.misses) == (self.hits, self.misses)
        assert stats.added + stats.replaced == self.written
        assert len(self.noted.told) == self.written - stats.entries
        assert stats.evicted == stats.refused == 0

    def teardown(self):
        if hasattr(self, "cache"):
            self.cache.clear()
            assert len(self.noted.told) == self.written


class Small(RuleBasedStateMachine):
    """Room for few entries: any of them may have gone, but none is wrong, and the bound holds."""

    @initialize(policy=st.sampled_from(["tinylfu", "clock"]), most=st.integers(1, 5))
    def make(self, policy, most):
        self.cache = Cache(maxweight=most, policy=policy)
        self.most, self.last = most, {}

    @rule(key=KEYS, value=VALUES, weight=st.integers(0, 6))
    def set(self, key, value, weight):
        assert self.cache.set(key, value, weight=weight) is (weight <= self.most)
        self.last[key] = (value, weight)
        if weight > self.most:
            assert key not in self.cache

    @rule(key=KEYS)
    def get(self, key):
        found = self.cache.get(key, "none")
        assert found == "none" or found == self.last[key][0]

    @rule(key=KEYS)
    def delete(self, key):
        self.cache.delete(key)
        assert key not in self.cache

    @rule(most=st.integers(1, 8))
    def resize(self, most):
        self.cache.resize(most)
        self.most = most

    @invariant()
    def the_bound_holds(self):
        if hasattr(self, "cache"):
            there = dict(self.cache.items())
            weight = sum(self.last[key][1] for key in there)
            assert weight == self.cache.stats().weight <= self.most
            assert all(self.last[key][0] == value for key, value in there.items())


LIMITS = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
Model.TestCase.settings = LIMITS
Small.TestCase.settings = LIMITS


class TestG06G07G16G29Model(Model.TestCase):
    """See `Model`."""


class TestG01G03G04Small(Small.TestCase):
    """See `Small`."""
