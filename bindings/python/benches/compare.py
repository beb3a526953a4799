"""Pinyon beside other caches for Python: one process, rounds in turns, best and median.

    python benches/compare.py                all of it (two minutes)
    python benches/compare.py get decorated  only sections whose name contains one of the words
    python benches/compare.py --markdown FILE    adds the tables to a file
    python benches/compare.py --json FILE        writes them as numbers, for plots.py

Peers that are not installed are left out, and named. The loop around each call is part of the figure, the same for all.
"""

from __future__ import annotations

import asyncio
import bisect
import collections
import functools
import gc
import importlib
import itertools
import json
import platform
import random
import statistics
import sys
import threading
import time
from typing import Any, Callable, Optional

import pinyon

ROUNDS = 9
KEYS = 10_000


class Table:
    """Nanoseconds of each peer in each column."""

    def __init__(self, title: str, columns: list[str]) -> None:
        self.title, self.columns, self.rows = title, columns, {}

    def put(self, peer: str, column: str, times: list[float]) -> None:
        self.rows.setdefault(peer, {})[column] = (min(times), statistics.median(times))

    def __str__(self) -> str:
        lines = [f"## {self.title}", "", "| | " + " | ".join(self.columns) + " |", "|---|" + "--:|" * len(self.columns)]
        for peer, row in self.rows.items():
            cells = [f"{row[name][1]:,.0f} ({row[name][0]:,.0f})" if name in row else "-" for name in self.columns]
            lines.append(f"| {peer} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


def optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: left out", file=sys.stderr)
        return None


cachebox, cachetools, moka, theine = map(optional, ["cachebox", "cachetools", "moka_py", "theine"])


class Theine:
    """theine's cache, as a mapping."""

    def __init__(self, size: int) -> None:
        self._cache = theine.Cache(size)

    def get(self, key: Any) -> Any:
        return self._cache.get(key)[0]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._cache.set(key, value)

    def __delitem__(self, key: Any) -> None:
        self._cache.delete(key)


class Moka:
    """moka-py's cache, as a mapping."""

    def __init__(self, size: int) -> None:
        self._cache = moka.Moka(size)
        self.get = self._cache.get

    def __setitem__(self, key: Any, value: Any) -> None:
        self._cache.set(key, value)

    def __delitem__(self, key: Any) -> None:
        self._cache.remove(key)


def mappings() -> dict[str, Callable[[int], Any]]:
    all_of_them: dict[str, Callable[[int], Any]] = {
        "pinyon.Cache": pinyon.Cache,
        "pinyon.Cache, ttl": lambda size: pinyon.Cache(size, ttl=600),
        "dict (unbounded)": lambda _size: {},
    }
    if cachebox:
        all_of_them["cachebox.LRUCache"] = cachebox.LRUCache
        all_of_them["cachebox.TTLCache"] = lambda size: cachebox.TTLCache(size, 600)
    if cachetools:
        all_of_them["cachetools.LRUCache"] = cachetools.LRUCache
    if moka:
        all_of_them["moka_py.Moka"] = Moka
    if theine:
        all_of_them["theine.Cache"] = Theine
    return all_of_them


def names(prefix: str) -> list[str]:
    """Strings whose hashes Python has not made yet, in random order."""
    made = [f"{prefix}{n}" for n in range(KEYS)]
    random.shuffle(made)
    return made


def timed(run: Callable[[], None], count: int) -> float:
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / count


def operations() -> Table:
    table = Table("Operations: ns, median (best)", ["get hit", "get miss", "set, replace", "set, new", "set, full", "delete"])
    caches = {name: make(2 * KEYS) for name, make in mappings().items()}
    full = {name: make(KEYS) for name, make in mappings().items()}
    times: dict[tuple[str, str], list[float]] = collections.defaultdict(list)

    def reads(cache: Any, keys: list[str]) -> None:
        get = cache.get
        for key in keys:
            get(key)

    def writes(cache: Any, keys: list[str]) -> None:
        for key in keys:
            cache[key] = key

    def deletes(cache: Any, keys: list[str]) -> None:
        for key in keys:
            del cache[key]

    for turn in range(ROUNDS):
        for name, cache in caches.items():
            steps = [("set, new", writes, "k"), ("get hit", reads, "k"), ("get miss", reads, "m"), ("set, replace", writes, "k"), ("delete", deletes, "k")]
            for column, run, prefix in steps:
                keys = names(prefix)
                times[name, column].append(timed(lambda: run(cache, keys), KEYS))
            if "unbounded" not in name:
                keys = names(f"{turn}-")
                times[name, "set, full"].append(timed(lambda: writes(full[name], keys), KEYS))
    for (name, column), each in times.items():
        # The first round of a full cache fills it.
        table.put(name, column, each[1:])
    return table


def decorated() -> Table:
    table = Table("Decorated functions, hits: ns, median (best)", ["f(i)", "f(i, 7)", "f(a=i, b=7)"])

    def function(a: int, b: int = 0) -> int:
        return a + b

    calls: dict[str, Any] = {
        "functools.lru_cache": functools.lru_cache(4096)(function),
        "pinyon.lru_cache": pinyon.lru_cache(4096)(function),
        "pinyon.cached": pinyon.cached(maxsize=4096)(function),
        "pinyon.cached, ttl": pinyon.cached(maxsize=4096, ttl=600)(function),
    }
    if cachebox:
        calls["cachebox.cached"] = cachebox.cached(cachebox.LRUCache(4096))(function)
    if cachetools:
        calls["cachetools.cached"] = cachetools.cached(cachetools.LRUCache(4096))(function)
    if moka:
        calls["moka_py.cached"] = moka.cached(maxsize=4096)(function)

    def one(call: Any) -> None:
        for n in range(1000):
            call(n)

    def two(call: Any) -> None:
        for n in range(1000):
            call(n, 7)

    def named(call: Any) -> None:
        for n in range(1000):
            call(a=n, b=7)

    times: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
    for _ in range(2 * ROUNDS):
        for name, call in calls.items():
            for column, run in zip(table.columns, [one, two, named]):
                times[name, column].append(timed(lambda: run(call), 1000))
    for (name, column), each in times.items():
        table.put(name, column, each[1:])
    return table


def coroutines() -> Table:
    table = Table("Decorated coroutine functions, hits: ns, median (best)", ["await f(i)"])

    async def function(n: int) -> int:
        return n

    calls: dict[str, Any] = {"a coroutine, no cache": function, "pinyon.cached": pinyon.cached(maxsize=4096)(function)}
    if cachebox:
        calls["cachebox.cached"] = cachebox.cached(cachebox.LRUCache(4096))(function)

    async def run() -> None:
        times: dict[str, list[float]] = collections.defaultdict(list)
        for _ in range(2 * ROUNDS):
            for name, call in calls.items():
                start = time.perf_counter_ns()
                for n in range(1000):
                    await call(n)
                times[name].append((time.perf_counter_ns() - start) / 1000)
        for name, each in times.items():
            table.put(name, "await f(i)", each[1:])

    asyncio.run(run())
    return table


def zipf(alpha: float, keys: int, count: int, seed: int) -> list[int]:
    """Requests whose n-th key is asked for in proportion to n ** -alpha."""
    sums = list(itertools.accumulate((n + 1) ** -alpha for n in range(keys)))
    chance = random.Random(seed)
    return [bisect.bisect_left(sums, chance.random() * sums[-1]) for _ in range(count)]


def hit_ratios() -> Table:
    table = Table("Hit ratio, zipf(0.9) over 100,000 keys, capacity 1,000, a million requests: %", ["zipf", "with scans"])
    requests = zipf(0.9, 100_000, 1_000_000, 7)
    scans = itertools.count(1_000_000)
    scanned: list[int] = []
    for at in range(0, 800_000, 10_000):
        scanned += requests[at : at + 10_000] + list(itertools.islice(scans, 2_000))
    for name, make in mappings().items():
        if "unbounded" in name or "ttl" in name.lower():
            continue
        for column, load in zip(table.columns, [requests, scanned]):
            cache, hits = make(1000), 0
            for key in load:
                if cache.get(key) is None:
                    cache[key] = key
                else:
                    hits += 1
            table.put(name, column, [100 * hits / len(load)])
    return table


def threads() -> Table:
    table = Table("Get or set, zipf(0.9) over 100,000 keys, capacity 10,000: thousand requests a second, median (most)", ["1 thread", "4 threads"])
    loads = [zipf(0.9, 100_000, 50_000, seed) for seed in range(4)]

    def run(cache: Any, load: list[int]) -> None:
        for key in load:
            if cache.get(key) is None:
                cache[key] = key

    for name, make in mappings().items():
        if name.startswith(("cachetools", "dict")):
            continue
        for column, count in zip(table.columns, [1, 4]):
            rates = []
            for _ in range(7):
                cache = make(10_000)
                workers = [threading.Thread(target=run, args=(cache, load)) for load in loads[:count]]
                start = time.perf_counter()
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
                rates.append(sum(map(len, loads[:count])) / (time.perf_counter() - start) / 1e3)
            table.rows.setdefault(name, {})[column] = (max(rates), statistics.median(rates))
    return table


SECTIONS = [operations, decorated, coroutines, threads, hit_ratios]


def option(arguments: list[str], name: str) -> Optional[str]:
    """The word after the name; both are taken out."""
    if name not in arguments:
        return None
    at = arguments.index(name)
    _, value = arguments[at : at + 2]
    del arguments[at : at + 2]
    return value


def main() -> None:
    arguments = sys.argv[1:]
    markdown, numbers = option(arguments, "--markdown"), option(arguments, "--json")
    gc.disable()
    made = f"CPython {platform.python_version()}, {time.strftime('%Y-%m-%d')}. Made with `{' '.join(['python', *sys.argv])}`."
    tables = []
    for section in SECTIONS:
        if not arguments or any(word in section.__name__ for word in arguments):
            tables.append(section())
            print(tables[-1], flush=True)
    if markdown:
        with open(markdown, "a", encoding="utf-8") as file:
            file.write("\n".join([made + "\n", *map(str, tables)]))
    if numbers:
        with open(numbers, "w", encoding="utf-8") as file:
            json.dump({"made": made, "tables": [vars(table) for table in tables]}, file, indent=1)


if __name__ == "__main__":
    main()
