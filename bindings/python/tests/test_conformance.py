"""The steps of tests/conformance, which every binding must run alike, against `pinyon.Cache`.

What Python does not have (no leases that lapse, no metadata but what is left to live, no numbers of readers' garbage) does not apply. A
step that does not apply leaves its key unlike what the file says, so steps that look at that key, or at all of them, do not apply either until
it is written anew. How many steps ran and how many did not is what this file prints when it is run as a program.
"""

from __future__ import annotations

import importlib.util
import json
import math
import pathlib
import sys
from collections import Counter

import pytest

from pinyon import Cache, _core
from pinyon._flights import ABANDONED, FLYING, Flight

ROOT = pathlib.Path(__file__).resolve().parents[3]
STEPS = ROOT / "tests" / "conformance"


def steps_runner():
    """bindings/python/examples/conformance.py."""
    path = ROOT / "bindings" / "python" / "examples" / "conformance.py"
    spec = importlib.util.spec_from_file_location("conformance", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


conformance = steps_runner() if STEPS.is_dir() else None

#: Of the statistics and the metadata of an entry, what Python has.
STATS = [name for name in dir(_core.Stats) if not name.startswith("_") and name != "hit_ratio"]
METADATA = ["remaining_ms"]

#: A tag of all entries, for `invalidate_all`.
ALL = b"\0all"

LOOKS = {"get", "get_copy", "get_into", "visit", "contains", "metadata", "get_many", "count", "stats", "items", "removals"}
AT_ALL = {"count", "stats", "items", "removals", "shrink"}


class DoesNotApply(Exception):
    """Python has nothing of the kind."""


def seconds(ms):
    return math.inf if ms == conformance.NEVER else ms / 1000


def as_bytes(value):
    return value.to_bytes(8, "little", signed=True) if isinstance(value, int) else value


class Binding:
    """The operations over `pinyon.Cache`."""

    def __init__(self, options, now):
        names = {"ttl_ms": "ttl", "idle_ms": "tti", "refresh_after_ms": "refresh"}
        settings = {own: seconds(conformance.number(options[name])) for name, own in names.items() if name in options}
        self.unit = options.get("unit", "entries")
        settings[{"entries": "maxsize", "bytes": "maxbytes", "weight": "maxweight"}[self.unit]] = options["capacity"]
        settings["policy"] = {"clock_tinylfu": "tinylfu", "clock": "clock"}[options.get("policy", "clock_tinylfu")]
        self.told = []
        self.queue = options.get("removal_queue", 1000)
        self.ttl = settings.get("ttl", math.inf)
        self.cache = Cache(**settings, timer=lambda: now() / 1e9, on_evict=self.left)
        self.flights, self.tickets = {}, {}

    def close(self):
        self.cache.clear()

    def left(self, key, value, cause):
        self.told.append((key, as_bytes(value), cause.upper()))
        del self.told[: -self.queue]

    def options(self, given):
        given = given or {}
        own = {"tags": [*given.get("tags", ()), ALL]}
        for name, mine in (("ttl_ms", "ttl"), ("idle_ms", "tti")):
            if given.get(name):
                own[mine] = seconds(given[name])
        if given.get("weightless"):
            own["weight"] = 0
        elif given.get("weight"):
            # By bytes, a weight is that of key and value, to which comes what the library needs.
            own["weight"] = given["weight"] - (_core.OVERHEAD if self.unit == "bytes" else 0)
        if self.unit == "entries" and "weight" in own:
            with pytest.raises(TypeError, match="weight="):
                self.cache.set(b"", b"", **own)
            del own["weight"]
        return own

    def written(self, write, otherwise="NOT_STORED"):
        refused = self.cache.stats().refused
        if write():
            return "OK", None
        return ("TOO_HEAVY" if self.cache.stats().refused > refused else otherwise), None

    def set(self, key, value, options=None):
        return self.written(lambda: self.cache.set(key, value, **self.options(options)))

    def add(self, key, value, options=None):
        return self.written(lambda: self.cache.add(key, value, **self.options(options)))

    def replace(self, key, value, options=None):
        return self.written(lambda: self.cache.replace(key, value, **self.options(options)), "MISS" if key not in self.cache else "NOT_STORED")

    def compare_and_swap(self, key, expected, value, options=None):
        there = self.cache.peek(key)
        if there is None:
            return "MISS", None
        if there != expected:
            return "NOT_STORED", None
        return self.written(lambda: self.cache.replace(key, value, expected=there, **self.options(options)))

    def counter_add(self, key, delta, initial, options=None):
        own = self.options(options)
        if set(own) - {"tags", "ttl"} or own["tags"] != [ALL]:
            raise DoesNotApply
        there = self.cache.peek(key)
        if isinstance(there, bytes) and len(there) == 8:
            raise DoesNotApply
        if isinstance(there, int) and not -(2**63) <= there + delta < 2**63:
            # Numbers of Python do not overflow.
            raise DoesNotApply
        try:
            return "OK", self.cache.incr(key, delta, default=initial - delta, ttl=own.get("ttl"))
        except TypeError:
            return "ERR_NOT_A_COUNTER", None

    def get(self, key):
        value = self.cache.get(key)
        return ("MISS", None) if value is None else ("OK", as_bytes(value))

    visit = get

    def get_copy(self, key, capacity):
        code, value = self.get(key)
        if code == "OK" and len(value) > capacity:
            return "TOO_SMALL", (None, len(value))
        return code, (value, None if value is None else len(value))

    def get_into(self, key, capacity):
        """There is no buffer, of whatever capacity."""
        del capacity
        return self.get(key)

    def take(self, key):
        value = self.cache.pop(key, None)
        return ("MISS", None) if value is None else ("OK", as_bytes(value))

    @staticmethod
    def there(is_there):
        return ("OK" if is_there else "MISS"), None

    def contains(self, key):
        return self.there(key in self.cache)

    def remove(self, key):
        return self.there(self.cache.delete(key))

    def touch(self, key):
        return self.there(self.cache.touch(key))

    def expire_after(self, key, ttl_ms):
        return self.there(self.cache.touch(key, ttl=seconds(ttl_ms) if ttl_ms else self.ttl))

    def metadata(self, key):
        try:
            left = self.cache.ttl(key)
        except KeyError:
            return "MISS", None
        remaining = conformance.NEVER if left is None else math.ceil(round(left * 1e9) / 1e6)
        return "OK", {"remaining_ms": remaining}

    def count(self):
        return "OK", len(self.cache)

    def stats(self):
        stats = self.cache.stats()
        return "OK", {name: getattr(stats, name) for name in STATS}

    def clear(self):
        self.cache.clear()
        return "OK", None

    def invalidate_all(self):
        self.cache.evict(ALL)
        return "OK", None

    def invalidate_tag(self, tag):
        self.cache.evict(tag)
        return "OK", None

    def get_many(self, keys):
        found = self.cache.get_many(keys)
        return "OK", [as_bytes(found[key]) if key in found else None for key in keys]

    def set_many(self, pairs, options=None):
        own = self.options(options)
        if "weight" in own or len(set(key for key, _ in pairs)) < len(pairs):
            codes = [self.set(key, value, options)[0] for key, value in pairs]
        else:
            refused = self.cache.set_many(pairs, **own)
            codes = ["TOO_HEAVY" if key in refused else "OK" for key, _ in pairs]
        return ("TOO_HEAVY" if "TOO_HEAVY" in codes else "OK"), codes

    def remove_many(self, keys):
        if len(set(keys)) < len(keys):
            return "OK", [self.remove(key)[0] for key in keys]
        codes = ["OK" if key in self.cache else "MISS" for key in keys]
        assert self.cache.delete_many(keys) == codes.count("OK")
        return "OK", codes

    def acquire(self, key, lasting_ms=None, refresh_after_ms=None):
        if lasting_ms is not None or refresh_after_ms is not None:
            raise DoesNotApply
        flight = Flight(self.cache)
        answer, what = _core.ask(self.cache, key, flight)
        found = {"token": 0, "ticket": 0, "value": None}
        if answer == "wait":
            found["ticket"] = len(self.tickets) + 1
            self.tickets[found["ticket"]] = (key, what)
            return "WAIT", found
        if answer in ("lead", "due"):
            self.flights[flight.token] = (key, flight)
            found["token"] = flight.token
        if answer in ("hit", "due"):
            found["value"] = as_bytes(what)
        return {"hit": "OK", "due": "STALE", "lead": "LEAD"}[answer], found

    def complete(self, bits, value, options=None):
        key, flight = self.flights[bits]
        if flight.state != FLYING:
            return "LAPSED", None
        refused = self.cache.stats().refused
        stored = _core.complete(self.cache, key, flight.token, value, **self.options(options))
        flight.end(1, value)
        return ("OK" if stored else "TOO_HEAVY" if self.cache.stats().refused > refused else "OVERTAKEN"), None

    def abandon(self, bits):
        flight = self.flights[bits][1]
        if flight.state != FLYING:
            return "LAPSED", None
        flight.abandon()
        return "OK", None

    def wait(self, bits, timeout_ms):
        nothing = {"token": 0, "ticket": 0, "value": None}
        if bits not in self.tickets:
            return "LAPSED", nothing
        key, flight = self.tickets[bits]
        if flight.state == FLYING:
            return "TIMED_OUT", nothing
        del self.tickets[bits]
        if flight.state == ABANDONED:
            return self.acquire(key)
        return "OK", dict(nothing, value=flight.result)

    def leave(self, bits):
        return ("LAPSED" if self.tickets.pop(bits, None) is None else "OK"), None

    def items(self, page):
        return "OK", [(key, as_bytes(value)) for key, value in self.cache.items()]

    def removals(self):
        told, self.told = self.told, []
        return "OK", told

    def set_capacity(self, capacity):
        try:
            self.cache.resize(capacity)
        except ValueError:
            return "ERR_ARGUMENT", None
        return "OK", None

    def shrink(self, weight):
        """A smaller size and the old one again; there is no size of 0."""
        before = self.cache.stats()
        if weight == 0 and any(True for _ in self.cache) and before.weight == before.entries > 1:
            raise DoesNotApply
        self.cache.resize(max(weight, 1))
        self.cache.resize(before.capacity)
        return "OK", self.cache.stats().evicted - before.evicted

    def maintain(self, budget):
        self.cache.expire()
        return "OK", None


def keys_of(step):
    """The keys that a step is about."""
    written = [step[name] for name in ("key",) if name in step]
    written += step.get("keys", []) + [key for key, _ in step.get("pairs", [])]
    return {json.dumps(key) for key in written}


class File:
    """One file, and what of it does not apply."""

    def __init__(self, file):
        self.file, self.time, self.names = file, conformance.Time(), {}
        self.binding = Binding(file["cache"], self.time)
        self.unlike, self.left = set(), Counter()
        self.ran = 0

    def run(self):
        for at, step in enumerate(self.file["steps"], 1):
            try:
                self.step(dict(step))
                self.ran += 1
            except DoesNotApply:
                self.left[step["op"]] += 1
                if step["op"] not in LOOKS and "with" not in step:
                    self.unlike |= keys_of(step) or {"everything"}
                self.names.pop(step.get("token"), None)
            except conformance.Mismatch as error:
                raise AssertionError(f"{self.file['file']}: step {at}: {json.dumps(step)}\n    {error}") from None
        self.binding.close()

    def step(self, step):
        op = step.get("op")
        if op is None:
            return conformance.run_step(self.binding, self.time, self.names, step)
        if "everything" in self.unlike or self.unlike and op in AT_ALL or "with" in step and step["with"] not in self.names:
            raise DoesNotApply
        if op == "set":
            self.unlike -= keys_of(step)
        if self.unlike & keys_of(step):
            raise DoesNotApply
        if op in ("stats", "metadata") and "gives" in step:
            known = {name: what for name, what in step["gives"].items() if name in (STATS if op == "stats" else METADATA)}
            if not known:
                raise DoesNotApply
            step["gives"] = known
        if step.get("returns") == "STALE" and step.get("token") is None:
            # Who has nothing to do is not told that the value is old.
            step["returns"] = "OK"
        return conformance.run_step(self.binding, self.time, self.names, step)


def files():
    return [File(file) for file in conformance.load(STEPS)] if conformance else []


@pytest.mark.skipif(conformance is None, reason="tests/conformance is not here")
@pytest.mark.parametrize("file", files(), ids=lambda file: file.file["name"])
def test_steps_that_every_binding_runs_alike(file):
    file.run()
    assert file.ran > sum(file.left.values()), dict(file.left)


if __name__ == "__main__":
    every = files()
    for each in every:
        each.run()
    left = sum((each.left for each in every), Counter())
    for each in every:
        print(f"{each.file['name']}: {each.ran} run, {sum(each.left.values())} do not apply")
    print(f"{sum(each.ran for each in every)} steps run, {sum(left.values())} do not apply: {dict(left.most_common())}")
    sys.exit(not every)
