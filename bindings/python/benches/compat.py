"""The drop-ins beside what they stand for, in one process: ``python benches/compat.py``. Needs ``cachetools``.

Median of the rounds, nanoseconds an operation, with the cost of the loop; ratios are ours / theirs.
"""

import functools
import statistics
import time

import cachetools
import cachetools.func

import pinyon.compat.cachetools as ours
import pinyon.compat.cachetools.func
import pinyon.compat.functools

ROUNDS, COUNT = 9, 20_000


def timed(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / COUNT * 1e9


def compare(name, theirs, mine):
    """Rounds alternate."""
    rounds = [(timed(theirs), timed(mine)) for _ in range(ROUNDS)]
    a, b = (statistics.median(side) for side in zip(*rounds))
    print(f"{name:<34} {a:>9.1f} {b:>9.1f}   {b / a:.2f}")


def get(cache):
    cache.update((n, n) for n in range(1000))
    keys = [n % 1000 for n in range(COUNT)]

    def run():
        for key in keys:
            cache[key]

    return run


def put(cache):
    cache.update((n, n) for n in range(1000))
    keys = [n % 1000 for n in range(COUNT)]

    def run():
        for key in keys:
            cache[key] = key

    return run


def evict(cache):
    keys = iter(range(10**12))

    def run():
        for key, _ in zip(keys, range(COUNT)):
            cache[key] = key

    run()
    return run


def call(function):
    arguments = [n % 1000 for n in range(COUNT)]

    def run():
        for n in arguments:
            function(n)

    run()
    return run


def main():
    print(f"{'':<34} {'theirs':>9} {'ours':>9}   ratio")
    compare(
        "functools.lru_cache, hit",
        call(functools.lru_cache(4096)(abs)),
        call(pinyon.compat.functools.lru_cache(4096)(abs)),
    )
    settings = {
        "FIFOCache": (),
        "LRUCache": (),
        "LFUCache": (),
        "RRCache": (),
        "TTLCache": (600,),
        "TLRUCache": (lambda key, value, now: now + 600,),
    }
    for name, more in settings.items():
        for what in (get, put, evict):
            pair = [what(getattr(module, name)(1000, *more)) for module in (cachetools, ours)]
            compare(f"{name}, {what.__name__}", *pair)
    pair = [module.cached(module.LRUCache(4096))(abs) for module in (cachetools, ours)]
    compare("cached(LRUCache), hit", *map(call, pair))
    pair = [module.func.lru_cache(4096)(abs) for module in (cachetools, ours)]
    compare("func.lru_cache, hit", *map(call, pair))


if __name__ == "__main__":
    main()
